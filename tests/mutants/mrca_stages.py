"""Mutants of MRCA's stages and of the ideas that they join."""

from tests.mutants.mutant import Mutant, Place

STEER = "tests/unit/test_mrca_steering_values.py"
STAGE = "tests/unit/test_mrca_stage_values.py"
PASTE = "tests/unit/test_mrca_paste.py"
GUID = "tests/unit/test_mrca_guidance.py"
CUT = "tests/unit/test_mrca_cut.py"
GOON = "tests/unit/test_mrca_stages_go_on.py"

_STAGES_BUDGET = Place("methods/mrca/stages/budget.py")
_CENTERNET2_MODEL = Place("methods/common/segmenters/centernet2/model.py")
_STAGES_TRAINING_DATA = Place("methods/mrca/stages/training_data.py")
_MRCA_AUGMENT = Place("methods/mrca/augment.py")
_MRCA_PASTE = Place("methods/mrca/paste.py")
_MRCA_RESIZING = Place("methods/mrca/resizing.py")
_MRCA_SIZE_MODEL = Place("methods/mrca/size_model.py")
_MRCA_MAPPING = Place("methods/mrca/mapping.py")
_STAGES_TRAIN = Place("methods/mrca/stages/train.py")
_STAGES_TRAINING_STATE = Place("methods/mrca/stages/training_state.py")
_STAGES_GENERATE = Place("methods/mrca/stages/generate.py")
_MRCA_GUIDANCE = Place("methods/mrca/guidance.py")
_STAGES_CUT = Place("methods/mrca/stages/cut.py")
_MRCA_CUT = Place("methods/mrca/cut.py")
_STAGES_ENTROPY = Place("methods/mrca/stages/entropy.py")
_STAGES_EVALUATE = Place("methods/mrca/stages/evaluate.py")
_STAGES_SPLIT = Place("methods/mrca/stages/split.py")
_STAGES_TAKE = Place("methods/mrca/stages/take.py")

MUTANTS: tuple[Mutant, ...] = (
    _STAGES_BUDGET.mutant(
        "budget_by_box_ap",
        '["class_ap_mask"]',
        '["class_ap_box"]',
        "the budget follows box AP",
        f"{STEER}::test_the_budget_is_that_of_the_specifications_example",
    ),
    _STAGES_BUDGET.mutant(
        "budget_counts_one_pool",
        'inputs.folders("pools"), [',
        'inputs.folders("pools")[:1], [',
        "S counts the objects of round 1 only",
        f"{STEER}::test_the_budget_is_that_of_the_specifications_example",
    ),
    _STAGES_BUDGET.mutant(
        "budget_counts_real_only",
        "training_counts(real_C, synthetic_C,",
        "training_counts(real_C, 0 * synthetic_C,",
        "S leaves synthetic objects out",
        f"{STEER}::test_the_budget_is_that_of_the_specifications_example",
    ),
    _STAGES_BUDGET.mutant(
        "budget_counts_images",
        'category["instance_count"]',
        'category["image_count"]',
        "S counts images, not instances",
        f"{STEER}::test_the_budget_is_that_of_the_specifications_example",
    ),
    _STAGES_BUDGET.mutant(
        "budget_compares_a_model_with_itself",
        '_classifier(inputs.folder("model_before"))',
        '_classifier(inputs.folder("model"))',
        "no class ever changes",
        f"{STEER}::test_the_budget_is_that_of_the_specifications_example",
    ),
    _STAGES_BUDGET.mutant(
        "budget_counts_shifted",
        "count_C[position[int(class_id)]]",
        "count_C[position[int(class_id)] - 1]",
        "objects count for the class before",
        f"{STEER}::test_the_budget_is_that_of_the_specifications_example",
    ),
    _STAGES_BUDGET.mutant(
        "budget_undefined_as_zero",
        'fill_undefined_accuracy(ap_C, [category["group"] for category in classes])',
        "np.nan_to_num(ap_C)",
        "classes without AP count as never detected",
        f"{STEER}::test_a_class_without_accuracy_has_that_of_its_group",
    ),
    _STAGES_BUDGET.mutant(
        "budget_ignores_its_formula",
        "seen_C, config.formula)",
        "seen_C, BudgetConfig())",
        "another formula is asked for and not used",
        f"{STEER}::test_the_released_formula_is_used_where_it_is_asked_for",
    ),
    _STAGES_BUDGET.mutant(
        "budget_early_size",
        "early_budget(config.objects, real_C, config.formula)",
        "early_budget(config.objects, real_C, BudgetConfig())",
        "rounds without feedback ignore the formula that is asked for",
        f"{STEER}::test_without_feedback_the_budget_is_uniform_or_the_released_one",
    ),
    _CENTERNET2_MODEL.mutant(
        "classifier_of_the_first_stage",
        "head = self.cascade.heads[-1]",
        "head = self.cascade.heads[0]",
        "the weight change is that of the first cascade stage",
        f"{STEER}::test_the_budget_is_that_of_the_specifications_example",
    ),
    _STAGES_TRAINING_DATA.mutant(
        "sizes_by_mask_ap",
        '["class_ap_box"]',
        '["class_ap_mask"]',
        "sizes follow mask AP",
        f"{STEER}::test_size_factors_are_the_specifications_of_box_ap_in_percent",
    ),
    _STAGES_TRAINING_DATA.mutant(
        "sizes_by_fractions",
        "100.0 * np.array(inputs",
        "np.array(inputs",
        "AP in fractions is taken for percent",
        f"{STEER}::test_size_factors_are_the_specifications_of_box_ap_in_percent",
    ),
    _STAGES_TRAINING_DATA.mutant(
        "sizes_ignore_feedback",
        "return resize_factors(ap_percent_C, pasting.resizing)",
        "return np.ones(num_classes)",
        "sizes do not follow feedback",
        f"{STEER}::test_size_factors_are_the_specifications_of_box_ap_in_percent",
    ),
    _STAGES_TRAINING_DATA.mutant(
        "repeat_factors_off",
        "repeat_factors(classes_by_image, config.recipe.repeat_threshold)",
        "np.ones(len(classes_by_image))",
        "images with rare classes are not repeated",
        f"{STEER}::test_images_with_rare_classes_come_more_often",
    ),
    _STAGES_TRAINING_DATA.mutant(
        "stream_not_from_the_rounds_start",
        "objects_of_image(number - self.first_image)",
        "objects_of_image(number)",
        "a round's stream of objects does not start at its start",
        f"{STEER}::test_a_round_uses_every_object_once_before_any_twice",
    ),
    _STAGES_TRAINING_DATA.mutant(
        "stream_of_every_round_alike",
        '"objects", pasting.round_index)',
        '"objects")',
        "each round draws the same stream",
        f"{STEER}::test_each_round_has_a_stream_of_its_own",
    ),
    _STAGES_TRAINING_DATA.mutant(
        "objects_on_other_images",
        "self._objects(number),",
        "self._objects(0),",
        "every image gets the first image's objects",
        f"{STEER}::test_images_of_a_number_get_other_objects_than_those_of_another",
    ),
    _STAGES_TRAINING_DATA.mutant(
        "pasted_classes_shifted",
        "class_index[item.category_id]) for item",
        "class_index[item.category_id] - 1) for item",
        "pasted objects carry the class before",
        f"{STEER}::test_pasted_instances_have_the_class_of_their_object",
    ),
    _STAGES_TRAINING_DATA.mutant(
        "trains_on_held_out_images",
        'read_lvis(split / FIT_FILE, data, "none")',
        'read_lvis(data / "train.json", data, "none")',
        "the feedback's images are trained on",
        f"{STEER}::test_no_image_of_the_feedback_is_trained_on",
    ),
    _STAGES_TRAINING_DATA.mutant(
        "sizes_of_wide_images",
        "image.width * image.height,",
        "image.width * image.width,",
        "sizes are relative to a square as wide as the image",
        f"{STEER}::test_the_size_model_is_relative_to_each_images_area",
    ),
    _STAGES_TRAINING_DATA.mutant(
        "augmentation_always_alike",
        '"image", number),',
        '"image", 0),',
        "every image is augmented alike",
        f"{STEER}::test_every_image_is_augmented_by_itself",
    ),
    _STAGES_TRAINING_DATA.mutant(
        "team_shares_the_first_images",
        "iteration * share.batch_size + share.first + place",
        "iteration * share.batch_size + place",
        "every process trains on the same images",
        f"{STEER}::test_processes_train_on_different_images",
    ),
    _MRCA_AUGMENT.mutant(
        "size_factors_not_used",
        ("            factor_C,\n            rng,"),
        ("            np.ones_like(factor_C),\n            rng,"),
        "resize factors never reach the paste",
        f"{STEER}::test_a_factor_makes_the_pasted_object_so_many_times_as_wide",
    ),
    _MRCA_PASTE.mutant(
        "factor_not_used",
        "float(factor_C[class_index])",
        "1.0",
        "the size that is drawn ignores the class' factor",
        f"{STEER}::test_a_factor_makes_the_pasted_object_so_many_times_as_wide",
    ),
    _MRCA_PASTE.mutant(
        "pasted_as_real",
        "np.ones(len(placed), np.uint8)",
        "np.zeros(len(placed), np.uint8)",
        "pasted objects pass for real ones",
        f"{STEER}::test_pasted_instances_have_the_class_of_their_object",
    ),
    _MRCA_PASTE.mutant(
        "mask_of_a_mirrored_object_stays",
        "rgb_HW3, mask_HW = rgb_HW3[:, ::-1], mask_HW[:, ::-1]",
        "rgb_HW3 = rgb_HW3[:, ::-1]",
        "the mask is not mirrored with the object",
        PASTE,
    ),
    _MRCA_PASTE.mutant(
        "covered_pixels_stay",
        "below &= ~visible_HW",
        "below &= True",
        "covered instances keep their pixels",
        PASTE,
    ),
    _MRCA_RESIZING.mutant(
        "mean_over_all_classes",
        "float(np.mean(ap_percent_C[defined_C]))",
        "float(np.mean(np.nan_to_num(ap_percent_C)))",
        "undefined AP counts as 0 in the mean",
        f"{STEER}::test_size_factors_are_the_specifications_of_box_ap_in_percent",
    ),
    _MRCA_SIZE_MODEL.mutant(
        "factor_on_the_spread",
        "mean * factor + std * normal",
        "(mean + std * normal) * factor",
        "the factor acts on the spread",
        PASTE,
    ),
    _MRCA_MAPPING.mutant(
        "map_with_replacement",
        "rng.permutation(self.pool_size)",
        "rng.integers(self.pool_size, size=self.pool_size)",
        "objects are drawn with replacement",
        f"{STEER}::test_a_round_uses_every_object_once_before_any_twice",
    ),
    _STAGES_TRAIN.mutant(
        "raw_weights_saved",
        "training.averaged.save_pretrained",
        "training.model.save_pretrained",
        "raw weights are saved in the average's place",
        f"{STAGE}::test_the_average_is_what_is_saved_evaluated_and_fed_back",
    ),
    _STAGES_TRAIN.mutant(
        "federated_by_instances",
        'c["image_count"] for c',
        'c["instance_count"] for c',
        "the federated loss draws classes by instances",
        f"{STAGE}::test_the_average_is_what_is_saved_evaluated_and_fed_back",
    ),
    _STAGES_TRAIN.mutant(
        "resume_loads_weights_only",
        'training.load(load_state(inputs.folder("start") / STATE_FILE))',
        'training.model.load_state_dict(load_state(inputs.folder("start") / STATE_FILE)["model"])',
        "average and optimiser start over in each round",
        f"{STAGE}::test_rounds_go_on_with_average_optimiser_and_schedule",
    ),
    _STAGES_TRAIN.mutant(
        "iterations_of_the_stretch_only",
        "total = before + len(losses)",
        "total = len(losses)",
        "iterations of earlier phases are not counted",
        f"{STAGE}::test_rounds_go_on_with_average_optimiser_and_schedule",
    ),
    _STAGES_TRAINING_STATE.mutant(
        "average_forgets_at_once",
        "ExponentialMovingAverage(model, recipe.ema_decay, recipe.ema_warmup)",
        "ExponentialMovingAverage(model, 0.0)",
        "the average is the raw network",
        f"{STAGE}::test_the_average_is_what_is_saved_evaluated_and_fed_back",
    ),
    _STAGES_TRAINING_STATE.mutant(
        "federated_weights_forgotten",
        "model.set_class_counts(list(image_counts))",
        "model.set_class_counts([1] * len(image_counts))",
        "the federated loss draws all classes alike",
        f"{STAGE}::test_the_average_is_what_is_saved_evaluated_and_fed_back",
    ),
    _STAGES_TRAINING_STATE.mutant(
        "start_weights_ignored",
        'if config.start == "weights":',
        'if config.start == "weights" and not inputs.folders("start"):',
        "the main phase starts from random weights",
        f"{STAGE}::test_a_training_starts_from_the_weights_it_is_given",
    ),
    _STAGES_TRAINING_STATE.mutant(
        "pretrained_backbone_ignored",
        'config.start == "scratch" and inputs.folders("backbone")',
        'config.start == "resume" and inputs.folders("backbone")',
        "pretrained backbone weights are never read",
        f"{STAGE}::test_a_training_starts_from_the_weights_it_is_given",
    ),
    _STAGES_TRAINING_STATE.mutant(
        "steps_draw_alike",
        '"step", iteration)',
        '"step", 0)',
        "every step samples boxes alike",
        f"{STAGE}::test_every_step_draws_boxes_and_classes_of_its_own",
    ),
    _STAGES_GENERATE.mutant(
        "guide_sees_fractions",
        "classify_whole_image(image * 255)",
        "classify_whole_image(image)",
        "the segmenter that guides is given 0..1",
        f"{STAGE}::test_guidance_climbs_the_entropy_that_the_figure_reports",
    ),
    _STAGES_GENERATE.mutant(
        "guidance_never_attached",
        "else guidance.attached(pipeline)",
        "else nullcontext()",
        "guided rounds are sampled plainly",
        f"{STAGE}::test_guided_images_are_not_the_plain_ones_and_cost_one_call_more_a_guided_step",
    ),
    _STAGES_GENERATE.mutant(
        "guided_calls_not_counted",
        'tally["calls"] += len(batch) * _denoiser_calls(config)',
        'tally["calls"] += len(batch) * config.num_steps * config.denoisings_per_step',
        "the extra calls of guidance cost nothing",
        f"{STAGE}::test_guided_images_are_not_the_plain_ones_and_cost_one_call_more_a_guided_step",
    ),
    _STAGES_GENERATE.mutant(
        "images_in_reverse",
        "zip(image_NHW3, batch, strict=True)",
        "zip(image_NHW3, batch[::-1], strict=True)",
        "images carry the class of another image of the batch",
        f"{STAGE}::test_every_image_has_the_class_prompt_and_noise_of_its_own_order",
    ),
    _STAGES_GENERATE.mutant(
        "one_noise_for_a_batch",
        "[order.seed for order in batch]",
        "[batch[0].seed for order in batch]",
        "images of a batch start from the same noise",
        f"{STAGE}::test_every_image_has_the_class_prompt_and_noise_of_its_own_order",
    ),
    _STAGES_GENERATE.mutant(
        "image_seeds_without_round",
        "config.pool, config.round_index, category_id",
        "config.pool, category_id",
        "rounds repeat each other's noise",
        f"{STAGE}::test_rounds_and_pools_never_share_a_seed_and_ask_in_their_own_words",
    ),
    _STAGES_GENERATE.mutant(
        "prompts_of_mrca_for_all",
        'seeds.numpy("generation", "prompt", seed), config.prompts)',
        'seeds.numpy("generation", "prompt", seed))',
        "X-Paste is given MRCA's prompts",
        f"{STAGE}::test_rounds_and_pools_never_share_a_seed_and_ask_in_their_own_words",
    ),
    _MRCA_GUIDANCE.mutant(
        "guide_descends",
        "return relative_step * norm_N111",
        "return -relative_step * norm_N111",
        "guidance lowers the entropy",
        f"{GUID}::test_criterion_is_climbed_not_descended",
    ),
    _MRCA_GUIDANCE.mutant(
        "background_counts_in_entropy",
        "class_entropy(logits_NK[:, :-1] if drop_background else logits_NK)",
        "class_entropy(logits_NK)",
        "the untrained background logit counts",
        f"{GUID}::test_background_is_left_out_of_the_entropy_unless_asked_for",
    ),
    _MRCA_GUIDANCE.mutant(
        "guided_prediction_after_shift",
        "(latent_NCHW.float() + shift_NCHW).to",
        "(latent_NCHW.float() + 0 * shift_NCHW).to",
        "latents are never shifted",
        f"{GUID}::test_criterion_is_climbed_not_descended",
    ),
    _MRCA_GUIDANCE.mutant(
        "guide_sees_unconditional_half",
        "return value[-num_rows:]",
        "return value[:num_rows]",
        "the clean estimate ignores the prompt",
        f"{GUID}::test_guided_pipeline_equals_the_loop_written_out",
    ),
    _STAGES_CUT.mutant(
        "cut_texts_of_the_first",
        "        results = cut_objects(",
        ("        texts = texts[:1] * len(texts)\n        results = cut_objects("),
        "every object is compared with the first one's name",
        f"{STAGE}::test_each_object_is_compared_with_its_own_name_and_only_accepted_ones_count",
    ),
    _STAGES_CUT.mutant(
        "cutter_sees_bytes",
        ".float().div(255).to(context.device)",
        ".float().to(context.device)",
        "the cutter is given 0..255",
        f"{STAGE}::test_each_object_is_compared_with_its_own_name_and_only_accepted_ones_count",
    ),
    _STAGES_CUT.mutant(
        "all_accepted_counted",
        '{key: of_class["accepted"] for key',
        "{key: sum(of_class.values()) for key",
        "rejected objects count as accepted",
        f"{STAGE}::test_each_object_is_compared_with_its_own_name_and_only_accepted_ones_count",
    ),
    _MRCA_CUT.mutant(
        "score_on_white_alone",
        "for grey in (255, 0):",
        "for grey in (255, 255):",
        "objects are scored on white only",
        CUT,
    ),
    _MRCA_CUT.mutant(
        "worse_of_two_scores",
        "np.maximum(*scores)",
        "np.minimum(*scores)",
        "the smaller score counts",
        CUT,
    ),
    _STAGES_ENTROPY.mutant(
        "entropy_under_one_model",
        'model, values = inputs.folder(role) / "model"',
        'model, values = inputs.folder("warm_up") / "model"',
        "both entropies are M_0's",
        f"{STAGE}::test_entropy_is_that_of_each_model_on_the_images_as_they_are",
    ),
    _STAGES_ENTROPY.mutant(
        "entropy_with_background",
        "class_entropy(logits_NK[:, :-1])",
        "class_entropy(logits_NK)",
        "the background logit counts in the figure",
        f"{STAGE}::test_entropy_is_that_of_each_model_on_the_images_as_they_are",
    ),
    _STAGES_ENTROPY.mutant(
        "entropy_sees_fractions",
        "image_NCHW.float().to",
        "image_NCHW.float().div(255).to",
        "the segmenter of the figure is given 0..1",
        f"{STAGE}::test_entropy_is_that_of_each_model_on_the_images_as_they_are",
    ),
    _STAGES_EVALUATE.mutant(
        "evaluates_the_other_split",
        'config.split == "feedback"',
        'config.split != "feedback"',
        "results come from the held-out images",
        f"{STAGE}::test_feedback_is_measured_on_the_held_out_images_and_results_on_val",
    ),
    _STAGES_SPLIT.mutant(
        "fit_and_held_out_swapped",
        "fit, feedback = parts.fit, parts.heldout",
        "fit, feedback = parts.heldout, parts.fit",
        "training sees the held-out images",
        f"{STAGE}::test_the_split_counts_what_is_trained_on_and_shares_no_image",
    ),
    _STAGES_SPLIT.mutant(
        "held_out_images_are_trained_on",
        "fit, feedback = parts.fit, parts.heldout",
        "fit, feedback = train, parts.heldout",
        "feedback is measured on trained images",
        f"{STAGE}::test_the_split_counts_what_is_trained_on_and_shares_no_image",
    ),
    _STAGES_SPLIT.mutant(
        "counts_of_the_whole_train_set",
        "statistics = class_statistics(fit)",
        "statistics = class_statistics(train)",
        "counts include held-out images",
        f"{STAGE}::test_the_split_counts_what_is_trained_on_and_shares_no_image",
    ),
    _STAGES_TAKE.mutant(
        "takes_later_images",
        "for index in range(config.images_per_class)",
        "for index in range(1, config.images_per_class + 1)",
        "the first image of each class is left out",
        f"{GOON}::test_taking_gives_what_cutting_fewer_images_would",
    ),
)
