"""Mutants of BSGAL's gate and of what stands in the place of MRCA's ideas."""

from tests.mutants.mutant import Mutant, Place

GATE = "tests/unit/test_mrca_bsgal.py"
INSTEAD = "tests/unit/test_mrca_ablations.py"
SECTIONS = "tests/unit/test_mrca_sections.py"
VALUES = "tests/unit/test_mrca_collected_values.py"

_BSGAL = Place("methods/mrca/bsgal.py")
_GRADIENTS = Place("methods/mrca/bsgal_gradients.py")
_GATE = Place("methods/mrca/stages/gate.py")
_IMAGES = Place("methods/mrca/stages/gated_images.py")
_STATE = Place("methods/mrca/stages/training_state.py")
_DATA = Place("methods/mrca/stages/training_data.py")
_BUDGET = Place("methods/mrca/budget.py")
_SHUFFLE = Place("methods/mrca/stages/shuffle_budget.py")
_MAPPING = Place("methods/mrca/mapping.py")
_GUIDANCE = Place("methods/mrca/guidance.py")
_GENERATE = Place("methods/mrca/stages/generate.py")
_CUT = Place("methods/mrca/cut.py")
_TAKE = Place("methods/mrca/stages/take_as_many.py")
_REAL = Place("methods/mrca/stages/real_objects.py")
_ABLATIONS = Place("reproductions/mrca/ablations.py")
_ROUNDS = Place("reproductions/mrca/plan_rounds.py")
_PLAN = Place("reproductions/mrca/plan.py")
_RECIPE = Place("reproductions/mrca/recipe.py")
_SECTION = Place("reproductions/mrca/ablation_section.py")
_COST = Place("reproductions/mrca/cost_section.py")
_COLLECT = Place("reproductions/mrca/collect.py")

MUTANTS: tuple[Mutant, ...] = (
    # -- BSGAL
    _BSGAL.mutant(
        "bsgal_quantile_side",
        "np.float64), 1.0 - rate)",
        "np.float64), rate)",
        "a running threshold accepts the share that it should refuse",
        f"{GATE}::test_a_running_threshold_is_a_quantile_of_the_last_scores",
    ),
    _BSGAL.mutant(
        "bsgal_first_scores",
        "scores[-rule.window :]",
        "scores[: rule.window]",
        "the threshold is that of the first scores for ever",
        f"{GATE}::test_a_running_threshold_is_a_quantile_of_the_last_scores",
    ),
    _BSGAL.mutant(
        "bsgal_rate_falls",
        "(rule.last_rate - rule.first_rate) * progress",
        "(rule.first_rate - rule.last_rate) * progress",
        "a growing rate shrinks",
        f"{GATE}::test_a_growing_rate_is_linear_in_the_progress",
    ),
    _BSGAL.mutant(
        "bsgal_counts_unjudged",
        "part[part >= 0]",
        "part[part > -2]",
        "batches that were not judged count as refused, and worse",
        f"{GATE}::test_the_record_counts_judged_batches_alone",
    ),
    _GRADIENTS.mutant(
        "bsgal_sign_of_the_cosine",
        "float(one_P @ other_P) / norms",
        "-float(one_P @ other_P) / norms",
        "what harms is accepted",
        f"{GATE}::test_the_cosine_of_gradients",
    ),
    _GRADIENTS.mutant(
        "bsgal_judges_real_instances",
        "return pasted_N[boxes.truth_N] & (",
        "return (boxes.truth_N >= 0) & (",
        "the pasted gradient is that of all instances",
        f"{GATE}::test_only_pasted_objects_are_in_the_pasted_gradient",
    ),
    _GRADIENTS.mutant(
        "bsgal_subset_of_one",
        "for one in judged for target in one.targets]",
        "for one in judged[:1] for target in one.targets]",
        "the columns are those of the trusted labels alone",
        f"{GATE}::test_the_columns_are_those_of_both_batches",
    ),
    _GRADIENTS.mutant(
        "bsgal_step_uphill",
        "alpha=-rate)",
        "alpha=rate)",
        "the trial step goes the wrong way",
        f"{GATE}::test_the_first_order_estimate_is_the_limit_of_the_exact_step",
    ),
    _GRADIENTS.mutant(
        "bsgal_step_stays",
        "one.copy_(kept)",
        "kept.copy_(one)",
        "a trial step changes the network",
        f"{GATE}::test_the_first_order_estimate_is_the_limit_of_the_exact_step",
    ),
    _GRADIENTS.mutant(
        "bsgal_gradient_of_one_process",
        "return self.share.team.sum_(total_P.div_(scale))",
        "return total_P.div_(scale)",
        "each process judges by its own images",
        f"{GATE}::test_gradients_and_losses_are_those_of_all_processes",
    ),
    _GRADIENTS.mutant(
        "bsgal_average_of_one_process",
        "count = int(self.share.team.sum_number(judged.num_judged))",
        "count = judged.num_judged",
        "each process averages over its own instances",
        f"{GATE}::test_gradients_and_losses_are_those_of_all_processes",
    ),
    _GATE.mutant(
        "bsgal_cache_decay",
        "1.0 - self.config.cache_momentum",
        "self.config.cache_momentum",
        "the cache keeps nine tenths of itself",
        f"{GATE}::test_the_cache_keeps_a_tenth_of_itself",
    ),
    _GATE.mutant(
        "bsgal_without_cache",
        "return cosine(self.cache_P, pasted_P)",
        "return cosine(trusted_P, pasted_P)",
        "the gradient of one trusted batch decides",
        f"{GATE}::test_the_cache_keeps_a_tenth_of_itself",
    ),
    _GATE.mutant(
        "bsgal_swapped_batches",
        "return batch.pasted if is_accepted else batch.real",
        "return batch.real if is_accepted else batch.pasted",
        "what is accepted is left out",
        f"{GATE}::test_a_batch_that_helps_is_pasted_and_one_that_harms_is_not",
    ),
    _GATE.mutant(
        "bsgal_statistics_of_judging",
        "        self._statistics.restore()\n",
        "",
        "judging a batch moves the running statistics of batch norm",
        f"{GATE}::test_a_gate_that_lets_all_or_nothing_pass_changes_nothing_else",
    ),
    _GATE.mutant(
        "bsgal_trusts_what_is_pasted",
        "self._judged(batch.trusted)",
        "self._judged(batch.pasted)",
        "pasted images vouch for themselves",
        f"{GATE}::test_trusted_gradients_are_those_of_the_trusted_images",
    ),
    _GATE.mutant(
        "bsgal_infinite_cache",
        "if bool(torch.isfinite(trusted_P).all()):",
        "if True:",
        "one overflow spoils the cache for ever",
        f"{GATE}::test_a_gradient_that_is_not_finite_is_neither_cached_nor_accepted",
    ),
    _GATE.mutant(
        "bsgal_rise_is_gain",
        "return before - judge.loss(trusted, subset_C)",
        "return judge.loss(trusted, subset_C) - before",
        "a trial step is liked when the trusted loss rises",
        f"{GATE}::test_a_trial_step_scores_how_much_the_trusted_loss_falls",
    ),
    _GATE.mutant(
        "bsgal_forgets_the_cache",
        'self.cache_P.copy_(state["cache"])',
        "self.cache_P.zero_()",
        "a training that goes on has an empty cache",
        f"{GATE}::test_killed_anywhere_a_gated_training_ends_alike",
    ),
    _IMAGES.mutant(
        "bsgal_trusts_pasted_images",
        "return augment_image(image_HW3, instances, rng, images.config.augmentation)",
        "return images[number]",
        "trusted images have pasted objects",
        f"{GATE}::test_trusted_images_are_real",
    ),
    _IMAGES.mutant(
        "bsgal_trusts_any_image",
        "self._places_of[int(rng.choice(known))] if known else",
        "self._places_of[int(rng.choice(known))] if not known else",
        "trusted images need not show a pasted class",
        f"{GATE}::test_the_trusted_image_is_one_of_those_with_a_pasted_class",
    ),
    _IMAGES.mutant(
        "bsgal_classes_of_one_image",
        "for place in range(first, first + size)",
        "for place in range(number, number + 1)",
        "the classes are those of one image of the batch",
        f"{GATE}::test_the_classes_are_those_pasted_into_the_whole_batch",
    ),
    _IMAGES.mutant(
        "bsgal_source_swapped",
        "instances.source_N == 1",
        "instances.source_N == 0",
        "real instances are judged as pasted ones",
        f"{GATE}::test_pasted_instances_are_marked",
    ),
    _STATE.mutant(
        "bsgal_gate_is_not_saved",
        'others={} if gate is None else {"gate": gate}',
        "others={}",
        "the gate begins anew after an interruption",
        f"{GATE}::test_killed_anywhere_a_gated_training_ends_alike",
    ),
    # -- in the place of an idea
    _DATA.mutant(
        "mapping_is_always_unique",
        'UniqueMapping if pasting.mapping.draw == "unique" else RandomMapping',
        "UniqueMapping",
        "MRCA without its mapping has it",
        f"{INSTEAD}::test_a_training_maps_as_it_is_told",
    ),
    _MAPPING.mutant(
        "random_mapping_of_every_image",
        'derive_seed("random mapping", self.seed, image_number)',
        'derive_seed("random mapping", self.seed)',
        "every image gets the same objects",
        f"{INSTEAD}::test_random_mapping_gives_as_many_objects_an_image_and_not_each_once",
    ),
    _BUDGET.mutant(
        "fill_up_by_the_largest",
        "np.flatnonzero(count_C + units_C == level_low)",
        "np.flatnonzero(units_C == 0)",
        "what is left over goes to classes that have most",
        f"{INSTEAD}::test_filling_up_raises_the_smallest_classes_to_one_level",
    ),
    _BUDGET.mutant(
        "steering_ignored",
        'if config.steering == "inverse_count":',
        'if config.steering == "nothing":',
        "the control of 1/S follows the feedback",
        f"{INSTEAD}::test_a_budget_by_counts_alone_leaves_accuracy_and_change_out",
    ),
    _SHUFFLE.mutant(
        "shuffle_of_all_rounds",
        '"shuffled budget", config.round_index)',
        '"shuffled budget")',
        "every round deals alike",
        f"{INSTEAD}::test_a_shuffled_budget_keeps_its_numbers_and_loses_whom_they_are_for",
    ),
    _SHUFFLE.mutant(
        "shuffle_sorts",
        'rng.permutation(len(record["counts"]))',
        'range(len(record["counts"]))',
        "nothing is dealt",
        f"{INSTEAD}::test_a_shuffled_budget_keeps_its_numbers_and_loses_whom_they_are_for",
    ),
    _GUIDANCE.mutant(
        "random_direction_of_the_step",
        'derive_seed("random direction", seed, step_index)',
        'derive_seed("random direction", step_index)',
        "all images are shifted alike",
        f"{INSTEAD}::test_a_random_direction_is_of_its_image_and_step_alone",
    ),
    _GUIDANCE.mutant(
        "random_direction_is_short",
        "shift_NCHW = relative_shift(latent_NCHW, gradient_NCHW, self.config.relative_step)",
        "shift_NCHW = gradient_NCHW * self.config.relative_step",
        "a shift has another length than guidance's",
        f"{INSTEAD}::test_a_random_direction_is_as_long_as_guidance_and_asks_nobody",
    ),
    _GUIDANCE.mutant(
        "latent_scale_ignored",
        'if scale == "eighth":',
        'if scale == "seventh":',
        "the release's scale is not followed",
        f"{INSTEAD}::test_latents_are_scaled_by_an_eighth_where_the_release_is_followed",
    ),
    _GUIDANCE.mutant(
        "one_branch_alone",
        'if self.config.branches == "both":',
        'if self.config.branches == "none":',
        "the release's branches are not followed",
        f"{INSTEAD}::test_both_branches_are_judged_where_the_release_is_followed",
    ),
    _GENERATE.mutant(
        "background_kept",
        "entropy_criterion(classify, config.guidance.drop_background)",
        "entropy_criterion(classify)",
        "the background's logit is always left out",
        f"{INSTEAD}::test_the_segmenter_is_asked_as_the_config_says",
    ),
    _GENERATE.mutant(
        "detector_input_ignored",
        'config.guidance.detector_input == "pixels"',
        'config.guidance.detector_input != ""',
        "the release's normalisation is not followed",
        f"{INSTEAD}::test_the_segmenter_is_asked_as_the_config_says",
    ),
    _GENERATE.mutant(
        "random_direction_costs",
        'or guidance.direction == "random"',
        'or guidance.direction == "none"',
        "denoiser calls are counted that nobody made",
        f"{INSTEAD}::test_denoiser_calls_are_those_of_the_steps_and_of_the_gradients",
    ),
    _CUT.mutant(
        "canvas_cropped",
        'if config.canvas == "whole":',
        'if config.canvas == "half":',
        "the release's canvas is not followed",
        f"{INSTEAD}::test_the_whole_canvas_is_kept_where_the_release_is_followed",
    ),
    _TAKE.mutant(
        "as_many_class_by_class",
        "index * len(classes) + place",
        "index + place * config.images_per_class",
        "the first classes get everything",
        f"{INSTEAD}::test_as_many_objects_are_taken_as_other_pools_have_and_the_first_images_in_turn",
    ),
    _TAKE.mutant(
        "as_many_of_the_last",
        "[:wanted]",
        "[-wanted:]",
        "the last images are taken",
        f"{INSTEAD}::test_as_many_objects_are_taken_as_other_pools_have_and_the_first_images_in_turn",
    ),
    _REAL.mutant(
        "real_objects_shifted",
        "real.dataset.class_ids[class_index]",
        "real.dataset.class_ids[class_index - 1]",
        "real objects are of the class before",
        f"{INSTEAD}::test_real_objects_are_the_instances_of_the_fitting_part",
    ),
    # -- plans
    _ABLATIONS.mutant(
        "released_accuracy",
        'accuracy_term="ap"',
        'accuracy_term="one_minus_ap"',
        "the released arm has the poster's accuracy",
        f"{INSTEAD}::test_what_the_release_does_is_all_there_is_in_its_arm",
    ),
    _ABLATIONS.mutant(
        "val_feedback_shrunk",
        'if how.feedback == "val":',
        'if how.feedback == "none":',
        "val's accuracies are drawn to their group's by the counts of other images",
        f"{INSTEAD}::test_other_counts_and_lags_reach_their_cells",
    ),
    _ABLATIONS.mutant(
        "one_shot_of_one_round",
        "objects_per_round=rounds.num_rounds * rounds.objects_per_round",
        "objects_per_round=rounds.objects_per_round",
        "one-shot feedback has the objects of one round",
        f"{INSTEAD}::test_one_shot_feedback_makes_all_objects_at_once_by_the_first_model",
    ),
    _ABLATIONS.mutant(
        "lag_off_by_one",
        "feedback_lag=how.lag)",
        "feedback_lag=3 - how.lag)",
        "lag 1 is lag 2",
        f"{INSTEAD}::test_a_variant_differs_from_mrca_in_what_it_says_alone",
    ),
    _ROUNDS.mutant(
        "variant_feedback_from_the_other_split",
        '"val" if self.how.feedback == "val" else "feedback"',
        '"feedback" if self.how.feedback == "val" else "val"',
        "evaluation labels leak into every arm",
        f"{INSTEAD}::test_a_variant_differs_from_mrca_in_what_it_says_alone",
    ),
    _ROUNDS.mutant(
        "variant_resized",
        "if plan.resize_model is not None and self.how.resizing:",
        "if plan.resize_model is not None:",
        "MRCA without resizing resizes",
        f"{INSTEAD}::test_a_variant_differs_from_mrca_in_what_it_says_alone",
    ),
    _ROUNDS.mutant(
        "variant_uniform_budget",
        'if plan.budget_models is not None and self.how.budget != "uniform":',
        "if plan.budget_models is not None:",
        "MRCA without its budget has it",
        f"{INSTEAD}::test_a_variant_differs_from_mrca_in_what_it_says_alone",
    ),
    _ROUNDS.mutant(
        "variant_not_shuffled",
        'if self.how.budget != "shuffled":',
        'if self.how.budget != "dealt":',
        "the shuffled budget is not shuffled",
        f"{INSTEAD}::test_a_variant_differs_from_mrca_in_what_it_says_alone",
    ),
    _ROUNDS.mutant(
        "random_direction_guided",
        'config.guidance.direction == "random" or',
        "",
        "random directions depend on a model",
        f"{INSTEAD}::test_a_variant_differs_from_mrca_in_what_it_says_alone",
    ),
    _PLAN.mutant(
        "as_many_as_itself",
        '"pool": pool, "like": like}',
        '"pool": pool, "like": pool}',
        "the whole pool is taken",
        f"{INSTEAD}::test_pools_of_other_objects",
    ),
    _PLAN.mutant(
        "gate_not_asked",
        "acceptance = None if how.gate is None else study.gate(how.gate)",
        "acceptance = None",
        "BSGAL is X-Paste",
        f"{INSTEAD}::test_bsgal_judges_xpastes_batches",
    ),
    _RECIPE.mutant(
        "swinl_threshold",
        '"bsgal": BsgalConfig(threshold=RunningThreshold())',
        '"bsgal": BsgalConfig()',
        "Swin-L has the threshold of ResNet-50",
        f"{INSTEAD}::test_bsgal_judges_xpastes_batches",
    ),
    # -- the page
    _SECTION.mutant(
        "ideas_shifted",
        "zip(_IDEAS, ONLY_ONE[1:], strict=True)",
        "zip(_IDEAS, ONLY_ONE[:-1], strict=True)",
        "each idea has the number of the one before",
        f"{SECTIONS}::test_an_idea_is_compared_with_the_same_without_it",
    ),
    _COST.mutant(
        "frontier_of_the_dearest",
        "key=lambda row: (row[1], -row[2])",
        "key=lambda row: (-row[1], -row[2])",
        "arms are named that cheaper ones beat",
        f"{SECTIONS}::test_the_frontier_is_what_no_cheaper_arm_reaches",
    ),
    _COLLECT.mutant(
        "as_many_for_the_price_of_all",
        'return self.sum(counted, "generated") if counted else cells.equal_objects',
        "return cells.equal_objects",
        "a part of a pool costs what the whole does",
        f"{VALUES}::test_as_many_accepted_objects_cost_the_images_that_they_needed",
    ),
    _COLLECT.mutant(
        "calls_of_another_metric",
        'result.metrics["AP_mask"]',
        'result.metrics["AP_box"]',
        "box AP stands as mask AP",
        f"{VALUES}::test_mask_ap_stands_over_the_calls_of_its_own_arm_and_seed",
    ),
)
