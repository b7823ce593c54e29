"""Mutants of branches B and C that a default or a neighbour hides: sampling, thresholds, views, students, the ladder of sizes."""

from tests.mutants.mutant import Mutant, Place

_TESTS = "tests/unit/test_few_shot_wires.py::"
_STEP = f"{_TESTS}test_a_sampling_step_follows_its_own_two_times_and_the_configs_choices"
_THRESHOLDS = f"{_TESTS}test_overlap_and_mask_thresholds_are_the_configs"
_LEVELS = f"{_TESTS}test_noise_levels_and_focal_weight_are_the_configs"
_PICTURES = f"{_TESTS}test_no_picture_of_a_distillation_comes_twice_by_its_number"
_LADDER_SHOWN = f"{_TESTS}test_the_ladder_shows_what_each_rung_costs_and_what_its_own_arm_reaches"

_DIFFUSIONINST = "methods/common/segmenters/diffusioninst/"
_MODEL = Place(_DIFFUSIONINST + "model.py")
_HEAD = Place(_DIFFUSIONINST + "head.py")
_LOSSES = Place(_DIFFUSIONINST + "losses.py")
_BACKBONE = Place("methods/common/segmenters/backbones/generative/backbone.py")
_VIEWS = Place("methods/instance_synthesis/views.py")
_DISTILLATION = Place("methods/instance_synthesis/distillation.py")
_ARMS = Place("reproductions/instance_synthesis/branch_b_arms.py")
_COLLECT = Place("reproductions/instance_synthesis/collect.py")

MUTANTS: tuple[Mutant, ...] = (
    _MODEL.mutant(
        "noise_of_the_next_time_step",
        "noise_between(noisy_NQ4, signal_NQ4, self.alphas[now])",
        "noise_between(noisy_NQ4, signal_NQ4, self.alphas[following])",
        "the predicted noise is that of the step after",
        _STEP,
    ),
    _MODEL.mutant(
        "sampling_is_always_as_noisy",
        "self.alphas[following], diffusion.eta)",
        "self.alphas[following], 1.0)",
        "the config's eta is not asked",
        _STEP,
    ),
    _MODEL.mutant(
        "boxes_are_renewed_at_a_half",
        "> diffusion.renewal_score",
        "> 0.5",
        "the config's score of renewal is not asked",
        _STEP,
    ),
    _MODEL.mutant(
        "test_time_noise_is_always_one",
        "manual_seed(self.config.diffusion.noise_seed)",
        "manual_seed(0)",
        "the config's seed of the noise is not asked",
        _STEP,
    ),
    _MODEL.mutant(
        "overlaps_of_a_half_go",
        "self.config.detections_nms_iou)",
        "0.5)",
        "the config's overlap is not asked",
        _THRESHOLDS,
    ),
    _MODEL.mutant(
        "masks_are_cut_at_a_half",
        "> self.config.mask_threshold",
        "> 0.5",
        "the config's mask threshold is not asked",
        _THRESHOLDS,
    ),
    _MODEL.mutant(
        "training_boxes_at_the_usual_scale",
        "noised(to_signal(start_NQ4, diffusion.signal_scale)",
        "noised(to_signal(start_NQ4, 2.0)",
        "training and test time see boxes at different scales",
        _LEVELS,
    ),
    _HEAD.mutant(
        "boxes_of_224_px_for_small_images",
        "torch.log2(side_R / config.canonical_size_px",
        "torch.log2(side_R / 224.0",
        "the miniature's boxes are pooled from its finest level",
        _LEVELS,
    ),
    _LOSSES.mutant(
        "the_focal_loss_is_always_squared",
        "config.loss.focal_alpha, config.loss.focal_gamma)",
        "config.loss.focal_alpha, 2.0)",
        "matching and loss weigh easy boxes differently",
        _LEVELS,
    ),
    _BACKBONE.mutant(
        "updates_of_rank_8",
        "add_low_rank_updates(self.extractor.unet, config.lora_rank)",
        "add_low_rank_updates(self.extractor.unet, 8)",
        "the config's rank is not asked",
        f"{_TESTS}test_the_rank_of_low_rank_updates_is_the_configs",
    ),
    _VIEWS.mutant(
        "views_of_any_length",
        "short_side_size(*size, short_px, max_long_side_px)",
        "short_side_size(*size, short_px, 4096)",
        "features are of larger images than trainings see",
        f"{_TESTS}test_views_keep_within_the_longest_side",
    ),
    _DISTILLATION.mutant(
        "a_student_keeps_its_last_weights",
        "unet.load_state_dict(average.model.state_dict())",
        "average.model.load_state_dict(unet.state_dict())",
        "the average of a student's weights is made and thrown away",
        "tests/unit/test_generative_sizes.py::test_a_student_keeps_its_averaged_weights",
    ),
    _DISTILLATION.mutant(
        "students_see_one_picture",
        '"distilled picture", number)',
        '"distilled picture")',
        "every picture of a distillation is the same crop",
        _PICTURES,
    ),
    _DISTILLATION.mutant(
        "batches_of_students_overlap",
        "self.crop(iteration * size + place)",
        "self.crop(iteration + place)",
        "a batch has pictures of the one before",
        _PICTURES,
    ),
    _ARMS.mutant(
        "readers_of_pruned_rungs_exchanged",
        '    "block_pruned": "few_generator_blocks",\n    "head_pruned": "few_generator_heads",\n}\n"""Which arm',
        '    "block_pruned": "few_generator_heads",\n    "head_pruned": "few_generator_blocks",\n}\n"""Which arm',
        "a rung stands beside the accuracy of another",
        f"{_TESTS}test_each_rung_is_read_by_the_arm_that_has_its_networks",
    ),
    _COLLECT.mutant(
        "costs_of_the_ladder_on_the_wrong_axis",
        "x=rung.multiply_adds / 1e9, y=value, cells",
        "x=value, y=rung.multiply_adds / 1e9, cells",
        "accuracy lies on the axis of the cost",
        _LADDER_SHOWN,
    ),
    _COLLECT.mutant(
        "every_rung_is_called_the_first",
        '"title": TITLES[row["rung"]],',
        '"title": TITLES[record["rungs"][0]["rung"]],',
        "all rungs have the title of the first",
        _LADDER_SHOWN,
    ),
)
