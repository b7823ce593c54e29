"""Mutants of the common rooms that both papers wire: training, evaluation, seeds."""

from tests.mutants.mutant import Mutant, Place

STAGE = "tests/unit/test_mrca_stage_values.py"
PASTE = "tests/unit/test_mrca_paste.py"
FSTAGE = "tests/unit/test_sam_filter_stage_values.py"
CNET = "tests/unit/test_centernet2_model.py"
CNET2 = "tests/unit/test_centernet2_second_stage.py"
HEAT = "tests/unit/test_centernet2_heat_map.py"
FTRAIN = "tests/unit/test_sam_filter_train_stage.py"
TSEM = "tests/unit/test_train_semantic.py"
SAUG = "tests/unit/test_semantic_augmentation.py"
SCONV = "tests/unit/test_semantic_convolutional.py"
LOOP = "tests/unit/test_training_loop.py"
SREC = "tests/unit/test_semantic_recipe.py"
LVIS = "tests/unit/test_lvis_dataset.py"
LVIS_SCORES = "tests/parity/test_lvis_metric.py::test_hand_computed_scores"
REP = "tests/unit/test_training_repeat_factor.py"
ESEM = "tests/unit/test_evaluate_semantic.py"
PLAN = "tests/unit/test_mrca_plan.py"

_STAGES_EVALUATE_INSTANCES = Place("methods/common/stages/evaluate_instances.py")
_INSTANCE_PREDICTION = Place("methods/common/segmenters/instance/prediction.py")
_DETECTION_DETECTIONS = Place("methods/common/metrics/detection/detections.py")
_CENTERNET2_DETECTION = Place("methods/common/segmenters/centernet2/detection.py")
_INSTANCE_AUGMENTATION = Place("methods/common/segmenters/instance/augmentation.py")
_STAGES_TRAIN_SEMANTIC = Place("methods/common/stages/train_semantic.py")
_SEMANTIC_STARTING = Place("methods/common/segmenters/semantic/starting.py")
_STAGES_TRAINING_SOURCES = Place("methods/common/stages/training_sources.py")
_STAGES_DRAWN_SOURCE = Place("methods/sam_filter/stages/drawn_source.py")
_STAGES_CLASSIFY = Place("methods/sam_filter/stages/classify.py")
_SEMANTIC_AUGMENTATION = Place("methods/common/segmenters/semantic/augmentation.py")
_SEMANTIC_CONVOLUTIONAL = Place("methods/common/segmenters/semantic/convolutional.py")
_TRAINING_LOOP = Place("methods/common/training/loop.py")
_TRAINING_EMA = Place("methods/common/training/ema.py")
_TRAINING_RECIPE = Place("methods/common/training/recipe.py")
_TRAINING_GROUPED_RECIPE = Place("methods/common/training/grouped_recipe.py")
_CENTERNET2_FEDERATED = Place("methods/common/segmenters/centernet2/federated.py")
_CENTERNET2_CASCADE = Place("methods/common/segmenters/centernet2/cascade.py")
_CENTERNET2_SAMPLING = Place("methods/common/segmenters/centernet2/sampling.py")
_CENTERNET2_HEAT_MAP = Place("methods/common/segmenters/centernet2/heat_map.py")
_DETECTION_LVIS_GROUND_TRUTH = Place("methods/common/metrics/detection/lvis_ground_truth.py")
_TRAINING_REPEAT_FACTOR = Place("methods/common/training/repeat_factor.py")
_STAGES_EVALUATE_SEMANTIC = Place("methods/common/stages/evaluate_semantic.py")
_STUDY_PLANNER = Place("reproductions/study/planner.py")

MUTANTS: tuple[Mutant, ...] = (
    _STAGES_EVALUATE_INSTANCES.mutant(
        "box_and_mask_ap_swapped",
        (
            '        "box": evaluate_lvis(annotations, detections, "bbox"),\n'
            '        "mask": evaluate_lvis(annotations, detections, "segm"),\n'
        ),
        (
            '        "mask": evaluate_lvis(annotations, detections, "bbox"),\n'
            '        "box": evaluate_lvis(annotations, detections, "segm"),\n'
        ),
        "box AP is reported as mask AP",
        f"{STAGE}::test_perfect_boxes_with_bad_masks_score_100_and_0_in_the_images_own_pixels",
    ),
    _STAGES_EVALUATE_INSTANCES.mutant(
        "batches_of_neighbours_only",
        "detections, config.batch_by_size",
        "detections, False",
        "images of one size share no batch unless they follow each other",
        "tests/unit/test_evaluate_instances.py::test_images_of_one_size_share_batches",
    ),
    _STAGES_EVALUATE_INSTANCES.mutant(
        "class_ap_in_percent",
        "[of_kind.class_ap.get(class_id) for",
        "[_percent(of_kind.class_ap.get(class_id)) for",
        "feedback is in percent",
        f"{STAGE}::test_perfect_boxes_with_bad_masks_score_100_and_0_in_the_images_own_pixels",
    ),
    _STAGES_EVALUATE_INSTANCES.mutant(
        "class_ap_in_reverse",
        "for class_id in dataset.class_ids]",
        "for class_id in dataset.class_ids[::-1]]",
        "classes get each other's AP",
        f"{STAGE}::test_perfect_boxes_with_bad_masks_score_100_and_0_in_the_images_own_pixels",
    ),
    _INSTANCE_PREDICTION.mutant(
        "detections_at_the_networks_scale",
        "sizes = [(record.height, record.width) for record in records]",
        "sizes = [tuple(image_NCHW.shape[2:]) for record in records]",
        "detections are in the network's pixels",
        f"{STAGE}::test_perfect_boxes_with_bad_masks_score_100_and_0_in_the_images_own_pixels",
    ),
    _DETECTION_DETECTIONS.mutant(
        "detected_class_ids_shifted",
        "int(class_ids[index])",
        "int(class_ids[index - 1])",
        "detections carry the class before",
        f"{STAGE}::test_perfect_boxes_with_bad_masks_score_100_and_0_in_the_images_own_pixels",
    ),
    _DETECTION_DETECTIONS.mutant(
        "boxes_by_corners",
        "boxes[:, 2:] - boxes[:, :2]",
        "boxes[:, 2:]",
        "boxes hold corners for sizes",
        f"{STAGE}::test_perfect_boxes_with_bad_masks_score_100_and_0_in_the_images_own_pixels",
    ),
    _CENTERNET2_DETECTION.mutant(
        "detections_scaled_crosswise",
        "[output_size[1] / size[1], output_size[0] / size[0]] * 2",
        "[output_size[0] / size[0], output_size[1] / size[1]] * 2",
        "height and width trade places",
        CNET,
    ),
    _INSTANCE_AUGMENTATION.mutant(
        "masks_of_mirrored_images_stay",
        "part_HW[:, ::-1] if flip else part_HW",
        "part_HW",
        "masks are not mirrored with their image",
        PASTE,
    ),
    _INSTANCE_AUGMENTATION.mutant(
        "boxes_of_mirrored_images_stay",
        "place = slice(crop[3] - x1, crop[3] - x0) if flip else slice(x0, x1)",
        "place = slice(x0, x1)",
        "masks stay where the unmirrored image had them",
        PASTE,
    ),
    _STAGES_TRAIN_SEMANTIC.mutant(
        "start_ignored",
        'if start == "scratch":',
        'if start != "never":',
        "pre-trained weights are not read",
        f"{FTRAIN}::test_a_training_goes_on_from_another_of_other_classes",
    ),
    _SEMANTIC_STARTING.mutant(
        "backbone_means_all",
        'if what == "backbone" else',
        'if what == "none" else',
        "of a pre-training everything but the classes is taken where only the backbone is asked for",
        f"{FTRAIN}::test_a_training_goes_on_from_another_of_other_classes",
    ),
    _STAGES_TRAINING_SOURCES.mutant(
        "pairs_in_order_of_shards",
        "kept = [pair_of[name] for name in selected]",
        "kept = pairs",
        "the selection is ignored",
        f"{TSEM}::test_pairs_come_in_the_order_of_the_selection",
    ),
    _STAGES_TRAINING_SOURCES.mutant(
        "variant_of_pairs_ignored",
        "pair.labels_path(variant)) for pair in kept",
        "sorted(pair.shard.glob('masks/*'))[0] / f'{pair.id}.png') for pair in kept",
        "training reads the masks of another variant",
        f"{FSTAGE}::test_training_reads_the_masks_of_its_variant_and_of_selected_pairs_alone",
    ),
    _STAGES_DRAWN_SOURCE.mutant(
        "drawn_pictures_alike",
        'seeds.derive("training", "drawn pictures")',
        "0",
        "drawn pictures are the same for every seed",
        f"{FTRAIN}::test_drawn_pictures_follow_the_training_seed",
    ),
    _STAGES_CLASSIFY.mutant(
        "classifier_backbone_frozen",
        "segmenter.backbone.requires_grad_(True)",
        "segmenter.backbone.requires_grad_(False)",
        "the stand-in for ImageNet weights stays random",
        f"{FTRAIN}::test_the_stand_in_for_imagenet_is_a_start",
    ),
    _SEMANTIC_AUGMENTATION.mutant(
        "crops_mirror_the_image_alone",
        "image_hw3, label_hw = (np.asarray(cv2.flip(pixels, 1), np.uint8) for pixels in (image_hw3, label_hw))",
        "image_hw3 = np.asarray(cv2.flip(image_hw3, 1), np.uint8)",
        "labels are not mirrored with their image",
        SAUG,
    ),
    _SEMANTIC_AUGMENTATION.mutant(
        "padding_is_background",
        "pad(label_hw, config.crop_px, IGNORED)",
        "pad(label_hw, config.crop_px, 0)",
        "padding counts as background",
        SAUG,
    ),
    Place("methods/common/segmenters/semantic/pixel_loss.py").mutant(
        "ignored_counts_in_the_loss",
        "cross_entropy(score_NKHW, label_NHW, ignore_index=IGNORED,",
        "cross_entropy(score_NKHW, label_NHW.where(label_NHW != IGNORED, 0), ignore_index=IGNORED,",
        "label 255 is trained as background",
        SCONV,
    ),
    _TRAINING_LOOP.mutant(
        "rate_of_the_next_iteration",
        "set_rates(self.optimizer, iteration)",
        "set_rates(self.optimizer, iteration + 1)",
        "every step has the next one's learning rate",
        LOOP,
    ),
    _TRAINING_LOOP.mutant(
        "gradients_of_one_process",
        ("        self.team.sum_gradients(self._parameters)\n"),
        "",
        "each process steps by its own gradient",
        LOOP,
    ),
    _TRAINING_LOOP.mutant(
        "average_before_the_step",
        (
            "        self.scaler.step(self.optimizer)\n"
            "        self.scaler.update()\n"
            "        if self.average is not None:\n"
            "            self.average.update()\n"
        ),
        (
            "        if self.average is not None:\n"
            "            self.average.update()\n"
            "        self.scaler.step(self.optimizer)\n"
            "        self.scaler.update()\n"
        ),
        "the average lags a step behind",
        f"{STAGE}::test_the_average_is_what_is_saved_evaluated_and_fed_back",
    ),
    _TRAINING_LOOP.mutant(
        "averaged_is_raw",
        "return self.model if self.average is None else self.average.model",
        "return self.model",
        "the averaged network is the raw one",
        f"{STAGE}::test_the_average_is_what_is_saved_evaluated_and_fed_back",
    ),
    _TRAINING_LOOP.mutant(
        "average_left_out_of_checkpoints",
        'average = {} if self.average is None else {"average": self.average}',
        "average: dict[str, Stateful] = {}",
        "the average is left out of what a training goes on from",
        f"{STAGE}::test_rounds_go_on_with_average_optimiser_and_schedule",
    ),
    _TRAINING_LOOP.mutant(
        "clipped_before_the_sum",
        (
            "        self.team.sum_gradients(self._parameters)\n"
            "        self.recipe.set_rates(self.optimizer, iteration)\n"
            "        self.scaler.unscale_(self.optimizer)\n"
            "        norm = _total_norm(self._parameters)\n"
            "        self.recipe.clip_gradients(self._parameters)\n"
        ),
        (
            "        self.recipe.clip_gradients(self._parameters)\n"
            "        self.team.sum_gradients(self._parameters)\n"
            "        self.recipe.set_rates(self.optimizer, iteration)\n"
            "        self.scaler.unscale_(self.optimizer)\n"
            "        norm = _total_norm(self._parameters)\n"
        ),
        "each process clips its own gradient",
        LOOP,
    ),
    _TRAINING_EMA.mutant(
        "buffers_not_averaged",
        "if average.is_floating_point():",
        "if isinstance(value, torch.nn.Parameter):",
        "running statistics are not averaged",
        f"{STAGE}::test_the_average_is_what_is_saved_evaluated_and_fed_back",
    ),
    _TRAINING_RECIPE.mutant(
        "backbone_rate_of_the_rest",
        'self.rate_at(iteration) * group.get("lr_factor", 1.0)',
        "self.rate_at(iteration)",
        "the backbone has the rate of the rest",
        SREC,
    ),
    _TRAINING_GROUPED_RECIPE.mutant(
        "norms_decayed",
        "return names | named",
        "return named",
        "norms are decayed",
        SREC,
    ),
    _CENTERNET2_FEDERATED.mutant(
        "federated_subset_unused",
        "(loss_RC * subset_C).sum()",
        "loss_RC.sum()",
        "every class' column counts in the federated loss",
        CNET2,
    ),
    _CENTERNET2_CASCADE.mutant(
        "truth_of_the_first_image",
        "boxes.truth_N + first for",
        "boxes.truth_N for",
        "boxes of later images are drawn to objects of the first",
        CNET2,
    ),
    _CENTERNET2_SAMPLING.mutant(
        "images_without_objects_get_a_class",
        "functional.pad(classes_BG, (0, 1), value=background)",
        "functional.pad(classes_BG, (0, 1))",
        "a box without any object is of the first class",
        CNET2,
    ),
    _CENTERNET2_HEAT_MAP.mutant(
        "cells_of_the_first_image",
        "start = mine.stop",
        "start = 0",
        "later images are to show the objects of the first",
        HEAT,
    ),
    _DETECTION_LVIS_GROUND_TRUTH.mutant(
        "absent_classes_unknown",
        "distinct(np.concatenate([present_Q, absent_Q]))",
        "distinct(present_Q)",
        "classes listed as absent count as unknown",
        LVIS_SCORES,
    ),
    _DETECTION_LVIS_GROUND_TRUTH.mutant(
        "open_classes_closed",
        "open_key_Q=distinct(open_Q)",
        "open_key_Q=distinct(open_Q[:0])",
        "incompletely labelled classes count as complete",
        LVIS_SCORES,
    ),
    _TRAINING_REPEAT_FACTOR.mutant(
        "repeat_by_the_commonest",
        "max((factor[name] for name in classes), default=1.0)",
        "min((factor[name] for name in classes), default=1.0)",
        "an image is repeated by its commonest class",
        REP,
    ),
    _STAGES_EVALUATE_SEMANTIC.mutant(
        "evaluated_in_training_mode",
        "load_segmenter(folder).to(context.device).eval()",
        "load_segmenter(folder).to(context.device).train()",
        "the network is evaluated in training mode",
        ESEM,
    ),
    _STAGES_EVALUATE_SEMANTIC.mutant(
        "confusion_transposed",
        "add_confusion(of_image_KK, label_HW, predicted_HW, IGNORED)",
        "add_confusion(of_image_KK.T, label_HW, predicted_HW, IGNORED)",
        "rows and columns of the confusion matrix trade places",
        ESEM,
    ),
    _STAGES_EVALUATE_SEMANTIC.mutant(
        "semantic_split_ignored",
        "open_labelled_images(folder, self.split, ",
        'open_labelled_images(folder, "train", ',
        "every evaluation is on the training split",
        ESEM,
    ),
    _STUDY_PLANNER.mutant(
        "generation_same_for_every_seed",
        "generation=self.index",
        "generation=0",
        "every seed has the same generated images",
        f"{PLAN}::test_generation_and_training_go_with_the_seed_and_data_do_not",
    ),
    _STUDY_PLANNER.mutant(
        "training_same_for_every_seed",
        "training=self.index",
        "training=0",
        "every seed trains alike",
        f"{PLAN}::test_generation_and_training_go_with_the_seed_and_data_do_not",
    ),
    _STUDY_PLANNER.mutant(
        "data_of_each_seed",
        "data=0",
        "data=self.index",
        "every seed has data of its own",
        f"{PLAN}::test_generation_and_training_go_with_the_seed_and_data_do_not",
    ),
)
