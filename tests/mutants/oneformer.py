"""Mutants of OneFormer: its tasks, sentences, passes, losses and post-processing, and its reader of official weights."""

from tests.mutants.mutant import Mutant, Place

LOSSES = "tests/unit/test_oneformer_losses.py"
MODEL = "tests/unit/test_oneformer_model.py"
CHECKPOINTS = "tests/unit/test_oneformer_checkpoints.py"

_ROOM = "methods/common/segmenters/oneformer/"
_CONTRASTIVE = Place(f"{_ROOM}contrastive.py")
_DECODER = Place(f"{_ROOM}decoder.py")
_DROPOUT = Place("methods/common/training/dropout.py")
_MODEL = Place(f"{_ROOM}model.py")
_PIXEL_DECODER = Place(f"{_ROOM}pixel_decoder.py")
_ANSWERS = Place("methods/common/segmenters/mask_queries/answers.py")
_SENTENCES = Place(f"{_ROOM}sentences.py")
_TASKS = Place(f"{_ROOM}tasks.py")
_TEXT = Place(f"{_ROOM}text.py")
_CONVNEXT = Place("methods/common/segmenters/backbones/convnext.py")
_OFFICIAL_WEIGHTS = Place("methods/common/segmenters/official_weights.py")

MUTANTS: tuple[Mutant, ...] = (
    _TEXT.mutant(
        "words_see_later_words",
        "is_causal=True",
        "is_causal=False",
        "the text encoder looks at later words, as the library's does",
        f"{MODEL}::test_words_see_earlier_words_alone_and_the_end_is_read",
    ),
    _CONTRASTIVE.mutant(
        "contrast_only_within_a_share",
        "return part + (whole - whole.detach())",
        "return part",
        "queries and texts get no gradient from the loss",
        f"{LOSSES}::test_contrastive_losses_and_gradients_of_shares_add_up",
    ),
    _CONTRASTIVE.mutant(
        "temperature_counted_twice",
        "scale.detach()).sum()",
        "scale).sum()",
        "the temperature's gradient is that of the whole batch in every share",
        f"{LOSSES}::test_contrastive_losses_and_gradients_of_shares_add_up",
    ),
    _CONTRASTIVE.mutant(
        "contrast_one_way",
        "functional.cross_entropy(logit_BB.T, own_B",
        "functional.cross_entropy(logit_BB, own_B",
        "texts are told by images twice, images by texts never",
        f"{LOSSES}::test_contrastive_loss_is_the_librarys_for_a_batch_in_one_process",
    ),
    _TASKS.mutant(
        "instances_of_stuff",
        "kept_M &= ~torch.isin",
        "kept_M &= torch.isin",
        "the instance task trains stuff and not things",
        f"{LOSSES}::test_instance_targets_are_things_alone",
    ),
    _TASKS.mutant(
        "task_shares_reversed",
        "torch.tensor(config.task_shares,",
        "torch.tensor(config.task_shares[::-1],",
        "semantic and panoptic trade their shares",
        f"{LOSSES}::test_tasks_come_at_their_shares_and_for_the_whole_batch",
    ),
    _SENTENCES.mutant(
        "filler_of_the_first_task",
        "return len(config.class_names) + task",
        "return len(config.class_names) + 0 * task",
        "every task is filled up by sentences of the semantic one",
        f"{LOSSES}::test_sentences_are_those_of_the_release",
    ),
    _MODEL.mutant(
        "filler_for_a_command",
        "self.sentence_SL[command_row(self.config, 0)",
        "self.sentence_SL[command_row(self.config, -3)",
        "the network is told its task by the filler",
        f"{LOSSES}::test_the_network_is_told_its_task_by_the_sentence",
    ),
    _MODEL.mutant(
        "nothing_drops_in_training",
        "generator, backbone_dtype, share, all_layers=True",
        "None, backbone_dtype, share, all_layers=True",
        "training drops nothing",
        f"{MODEL}::test_evaluation_repeats_itself_and_training_drops",
    ),
    _DECODER.mutant(
        "image_as_value_of_queries",
        "value_1SC + key_NSC, value_1SC, dropout",
        "value_1SC + key_NSC, value_1SC + key_NSC, dropout",
        "queries are made of features, where the release makes them of positions",
        f"{MODEL}::test_decoder_is_the_librarys_in_all_layers",
    ),
    _DECODER.mutant(
        "one_level_embedding_for_all",
        "module.level_embed.weight[index]",
        "module.level_embed.weight[0]",
        "all scales have the embedding of the coarsest",
        f"{MODEL}::test_decoder_is_the_librarys_in_all_layers",
    ),
    _DECODER.mutant(
        "queries_look_outside_their_masks",
        ".sigmoid() >= 0.5",
        ".sigmoid() < 0.5",
        "masked attention sees what is outside the mask",
        f"{MODEL}::test_decoder_is_the_librarys_in_all_layers",
    ),
    _DECODER.mutant(
        "empty_masks_look_nowhere",
        "inside_NQS | ~inside_NQS.any(dim=2, keepdim=True)",
        "inside_NQS | inside_NQS.any(dim=2, keepdim=True)",
        "a query with an empty mask attends to nothing, and the others everywhere",
        f"{MODEL}::test_a_query_with_an_empty_mask_looks_everywhere",
    ),
    _PIXEL_DECODER.mutant(
        "offsets_in_the_wrong_unit",
        "offset.new_tensor([width, height])",
        "offset.new_tensor([height, width])",
        "offsets across are measured in rows",
        f"{MODEL}::test_pixel_decoder_is_the_librarys",
    ),
    _DROPOUT.mutant(
        "dropout_unscaled",
        "x_N * keep_N / (1 - self._chance)",
        "x_N * keep_N",
        "what is left after dropout is not scaled up",
        f"{MODEL}::test_dropout_belongs_to_images_and_happens_in_training_only",
    ),
    _ANSWERS.mutant(
        "stuff_is_detected",
        "num_kept, thing_classes)",
        "num_kept, None)",
        "stuff is detected like things",
        f"{MODEL}::test_masks_scores_and_boxes_by_hand",
    ),
    _ANSWERS.mutant(
        "empty_masks_are_detected",
        "found.score_R > 0",
        "found.score_R >= 0",
        "masks without a pixel are detections",
        f"{MODEL}::test_masks_scores_and_boxes_by_hand",
    ),
    _CONVNEXT.mutant(
        "layer_scale_dropped",
        "y = self.gamma * self.pwconv2",
        "y = self.pwconv2",
        "ConvNeXt's blocks are not scaled",
        f"{MODEL}::test_convnext_is_the_librarys",
    ),
    _OFFICIAL_WEIGHTS.mutant(
        "query_and_key_swapped",
        'enumerate("qkv")',
        'enumerate("kqv")',
        "query and key of official attention trade places",
        f"{CHECKPOINTS}::test_query_key_and_value_keep_their_order",
    ),
)
