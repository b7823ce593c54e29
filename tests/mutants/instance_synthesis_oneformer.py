"""Mutants of OneFormer's rows of instance synthesis: stuff, starts, sentences, panoptic maps, and which studies run which arms."""

from tests.mutants.mutant import Mutant, Place

PLAN = "tests/unit/test_instance_synthesis_oneformer_plan.py"
SETS = "tests/unit/test_instance_synthesis_training_set.py"
VALUES = "tests/unit/test_instance_synthesis_collected_values.py"
STARTS = "tests/unit/test_oneformer_starts.py"
SCORES = "tests/unit/test_evaluate_cityscapes.py"
PANOPTIC = "tests/unit/test_evaluate_panoptic.py"
SEGMENTS = "tests/unit/test_panoptic_segments.py"
TRUTH = "tests/parity/test_cityscapes_panoptic.py"
SHARED = "tests/unit/test_shared_parts.py"

_DATASET = Place("methods/common/datasets/cityscapes.py")
_TRUTH = Place("methods/common/datasets/cityscapes_panoptic.py")
_SOURCE = Place("methods/instance_synthesis/training_set_config.py")
_SET = Place("methods/instance_synthesis/training_set.py")
_TRAIN = Place("methods/common/stages/train_instances.py")
_SCORE = Place("methods/common/stages/evaluate_cityscapes.py")
_MAPS = Place("methods/common/stages/panoptic_maps.py")
_STAGE = Place("methods/common/stages/evaluate_panoptic.py")
_SEGMENTS = Place("methods/common/segmenters/mask_queries/panoptic.py")
_QUERIES = Place("methods/common/segmenters/mask_queries/segmenter.py")
_OFFICIAL = Place("methods/common/segmenters/oneformer/official.py")
_PLAN = Place("reproductions/instance_synthesis/plan.py")
_RECIPE = Place("reproductions/instance_synthesis/recipe.py")
_STUDIES = Place("reproductions/instance_synthesis/oneformer_recipe.py")
_PAPER = Place("reproductions/instance_synthesis/paper.py")
_PLACES = Place("reproductions/instance_synthesis/places.py")
_COLLECT = Place("reproductions/instance_synthesis/collect.py")
_SHARED = Place("reproductions/requirements/shared_parts.py")

MUTANTS: tuple[Mutant, ...] = (
    _DATASET.mutant(
        "stuff_of_the_first_kinds",
        "if not label.has_instances and label.id in there]",
        "if label.id in there]",
        "classes with instances are regions of stuff, too, with their groups",
        f"{SETS}::test_regions_of_stuff_follow_the_instances_of_their_frame_and_groups_are_neither",
    ),
    _DATASET.mutant(
        "stuff_from_instance_ids",
        "label_WH = np.ascontiguousarray(label_HW.T)",
        "label_WH = np.ascontiguousarray(id_HW.T)",
        "stuff is read from the maps of instance ids",
        f"{SETS}::test_stuff_is_read_from_the_label_ids",
    ),
    _SOURCE.mutant(
        "source_forgets_stuff",
        "            seeds,\n            self.segments,",
        '            seeds,\n            "things",',
        "a training that asks for stuff learns things alone",
        f"{SETS}::test_with_stuff_samples_bring_theirs_and_counts_are_of_instances_alone",
    ),
    _SET.mutant(
        "samples_without_stuff",
        "read_frames(folder, layout, SPLIT, segments)",
        "read_frames(folder, layout, SPLIT)",
        "samples teach no stuff",
        f"{SETS}::test_with_stuff_samples_bring_theirs_and_counts_are_of_instances_alone",
    ),
    _SET.mutant(
        "regions_counted_as_instances",
        'if segments == "things" or category.name in things',
        "if category.name",
        "regions of stuff are counted as instances",
        f"{SETS}::test_with_stuff_samples_bring_theirs_and_counts_are_of_instances_alone",
    ),
    _SCORE.mutant(
        "classes_of_eight",
        'known = dataset if config.segments == "things" else',
        'known = dataset if config.segments != "" else',
        "class 11 of 19 is looked up among 8",
        f"{SCORES}::test_a_network_of_19_classes_is_scored_on_the_8_that_have_instances",
    ),
    _TRAIN.mutant(
        "sentences_forgotten",
        "    model.set_sentences(clip_tokens(model.config, inputs.folder",
        "    (clip_tokens(model.config, inputs.folder",
        "the text branch never gets its sentences",
        f"{STARTS}::test_a_text_branch_gets_its_sentences_from_the_vocabulary",
    ),
    _TRAIN.mutant(
        "published_weights_read_and_dropped",
        "copy_all_but_classes(model, official_weights",
        "copy_all_but_classes(type(model)(model.config), official_weights",
        "published weights are read and not taken",
        f"{STARTS}::test_all_but_the_class_layers_of_published_weights_are_taken",
    ),
    _OFFICIAL.mutant(
        "published_classes_ignored",
        "_filled(config.model_copy(update=classes), weights",
        "_filled(config, weights",
        "the checkpoint is taken for one of the same classes",
        f"{STARTS}::test_all_but_the_class_layers_of_published_weights_are_taken",
    ),
    _SEGMENTS.mutant(
        "stuff_in_pieces",
        "if index not in thing_classes:",
        "if index in thing_classes:",
        "regions of one stuff class are segments of their own, and things are one",
        f"{SEGMENTS}::test_things_are_segments_of_their_own_and_a_stuff_class_is_one",
    ),
    _SEGMENTS.mutant(
        "masks_win_alone",
        "(score_R[:, None, None] * mask_RHW).argmax(dim=0)",
        "mask_RHW.argmax(dim=0)",
        "the class's probability does not count where masks meet",
        f"{SEGMENTS}::test_a_pixel_goes_to_the_larger_product_of_class_and_mask",
    ),
    _SEGMENTS.mutant(
        "covered_queries_kept",
        "or won_HW.sum() < overlap_threshold * own_HW.sum()",
        "",
        "queries that lose most of their mask are segments",
        f"{SEGMENTS}::test_a_query_that_wins_too_little_of_its_own_mask_goes",
    ),
    _SEGMENTS.mutant(
        "weak_queries_kept",
        "& (score_Q > object_threshold)",
        "",
        "queries of a weak class are segments",
        f"{SEGMENTS}::test_queries_of_no_object_and_weak_ones_are_none",
    ),
    _SEGMENTS.mutant(
        "scores_of_the_last_part",
        "score_KHW if total is None else total.add_(score_KHW)",
        "score_KHW",
        "classes of pixels are those of the last queries",
        f"{SEGMENTS}::test_classes_of_pixels_are_the_best_sums_over_queries",
    ),
    _QUERIES.mutant(
        "panoptic_asked_as_instance",
        'self.answers("panoptic", image_NCHW',
        'self.answers("instance", image_NCHW',
        "panoptic maps are asked for with the instance task",
        "tests/unit/test_oneformer_model.py::test_each_map_is_asked_for_with_its_own_task",
    ),
    _STAGE.mutant(
        "things_without_numbers",
        "FIRST_INSTANCE_ID * label.id + counts[index] if label.has_instances",
        "FIRST_INSTANCE_ID * label.id + 1 if label.has_instances",
        "all things of a class are one segment",
        f"{PANOPTIC}::test_files_hold_label_ids_and_numbered_things",
    ),
    _STAGE.mutant(
        "training_ids_as_labels",
        "np.array([label.id for label in EVALUATED_LABELS], np.uint8)",
        "np.array([label.train_id for label in EVALUATED_LABELS], np.uint8)",
        "label maps hold training ids",
        f"{PANOPTIC}::test_the_scores_are_those_of_the_definitions",
    ),
    _MAPS.mutant(
        "half_finished_frames_kept",
        "if not all(path.is_file()",
        "if not any(path.is_file()",
        "a frame with one of its maps is passed over",
        f"{PANOPTIC}::test_frames_that_are_there_are_not_segmented_again",
    ),
    _TRUTH.mutant(
        "groups_as_segments",
        "crowd = int(alone and label.has_instances)",
        "crowd = 0",
        "groups are things to find",
        f"{TRUTH}::test_segments_and_categories_are_theirs",
    ),
    _TRUTH.mutant(
        "ignored_classes_drawn",
        'np.where(np.isin(id_HW, [one["id"] for one in segments]), id_HW, 0).astype(np.uint16)',
        "id_HW",
        "void pixels have ids",
        f"{TRUTH}::test_pixels_are_theirs",
    ),
    _PLAN.mutant(
        "no_panoptic_numbers",
        'if study.reproduced.segments == "things":\n            return None',
        "if study.reproduced.segments:\n            return None",
        "PQ and IoU are never measured",
        f"{PLAN}::test_stuff_is_learned_and_measured_at_the_same_sizes",
    ),
    _PLAN.mutant(
        "oneformer_learns_things_alone",
        'source.model_copy(update={"segments": setup.segments})',
        "source",
        "OneFormer is trained on things alone",
        f"{PLAN}::test_stuff_is_learned_and_measured_at_the_same_sizes",
    ),
    _PLAN.mutant(
        "oneformer_scored_as_fastinst",
        'known = study.evaluation.model_copy(update={"segments": study.reproduced.segments})',
        "known = study.evaluation",
        "a network of 19 classes is scored as one of 8",
        f"{PLAN}::test_stuff_is_learned_and_measured_at_the_same_sizes",
    ),
    _RECIPE.mutant(
        "vocabulary_forgotten",
        '(("tokenizer",) if self.needs_tokenizer else ())',
        "()",
        "a text branch is trained without a vocabulary",
        f"{PLAN}::test_what_a_training_starts_from",
    ),
    _RECIPE.mutant(
        "vocabulary_for_all",
        'segmenter.text is not None and segmenter.tokens == "clip"',
        'segmenter.tokens == "clip"',
        "trainings without a text branch ask for a vocabulary",
        f"{PLAN}::test_what_a_training_starts_from",
    ),
    _STUDIES.mutant(
        "text_in_the_papers_rows",
        '"segmenter": without_text(segmenter).model_dump()',
        '"segmenter": segmenter.model_dump()',
        "the rows without CLIP have its text branch",
        f"{PLAN}::test_the_papers_rows_are_without_clip_and_the_published_one_is_with",
    ),
    _STUDIES.mutant(
        "published_row_without_text",
        '**large, "segmenter": segmenter, "recipe": release_recipe()',
        '**large, "recipe": release_recipe()',
        "the published recipe is without the text branch",
        f"{PLAN}::test_the_papers_rows_are_without_clip_and_the_published_one_is_with",
    ),
    _STUDIES.mutant(
        "convnext_from_imagenet",
        'oneformer_convnextl(), start="official_all_but_classes"',
        'oneformer_convnextl(), start="backbone"',
        "ConvNeXt-L starts from ImageNet, not from Mapillary",
        f"{PLAN}::test_what_a_training_starts_from",
    ),
    _PAPER.mutant(
        "large_crop_of_oneformer",
        "if arm.id in oneformer_recipe.FASTINST_ARMS:",
        "if arm.id in ():",
        "OneFormer trains a row that is printed of FastInst alone",
        f"{PLAN}::test_which_studies_run_which_arms",
    ),
    _PLACES.mutant(
        "resnet_for_swin",
        'SWIN_L if study.backbone == "oneformer_swin_l" else RESNET50',
        "RESNET50",
        "Swin-L is to start from a ResNet's weights",
        f"{PLAN}::test_what_must_be_there_for_an_arm",
    ),
    _PLACES.mutant(
        "vocabulary_not_asked_for",
        "if any(_setup(study, arm).needs_tokenizer for arm in arms):",
        "if all(_setup(study, arm).needs_tokenizer for arm in arms):",
        "the vocabulary is not asked for where other arms need none",
        f"{PLAN}::test_what_must_be_there_for_an_arm",
    ),
    _COLLECT.mutant(
        "quality_of_things",
        "return {metric: measured[metric] for metric in PANOPTIC}",
        'return {metric: measured.get(f"{metric}_th", measured[metric]) for metric in PANOPTIC}',
        "PQ is that of things",
        f"{VALUES}::test_panoptic_numbers_are_those_of_the_arms_own_network",
    ),
    _SHARED.mutant(
        "shared_parts_do_not_count",
        "if print_ not in FIRST_PARTS}",
        "if print_ in FIRST_PARTS}",
        "a painter with another VAE is the same painter",
        f"{SHARED}::test_another_shared_part_is_another_painter",
        f"{SHARED}::test_the_painters_that_cells_were_stored_with_are_known_as_before",
    ),
)
