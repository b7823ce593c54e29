"""Mutants of what is collected, claimed and printed."""

from tests.mutants.mutant import Mutant, Place

MCOL = "tests/unit/test_mrca_collected_values.py"
FCOL = "tests/unit/test_sam_filter_collected_values.py"
FLOORS = "tests/unit/test_verdict_floors.py"
ROBUST_VALUES = "tests/unit/test_diffumask_robust_collected_values.py"
CLAIMS = "tests/unit/test_claims_as_stated.py"
DETAILS = "tests/unit/test_run_details.py"
HTML = "tests/unit/test_report_html.py"
BOARD = "tests/unit/test_scoreboard.py"
LIVE = "tests/unit/test_live_curves.py"
LOSSES = "tests/unit/test_loss_curves.py"

_MRCA_COLLECT = Place("reproductions/mrca/collect.py")
_STUDY_COLLECTOR = Place("reproductions/study/collector.py")
_SAM_FILTER_COLLECT = Place("reproductions/sam_filter/collect.py")
_MRCA_CLAIMS = Place("reproductions/mrca/claims.py")
_VERDICTS_TRENDS = Place("reproductions/verdicts/trends.py")
_VERDICTS_DIFFERENCES = Place("reproductions/verdicts/differences.py")
_VERDICTS_FLOORS = Place("reproductions/verdicts/floors.py")
_EVALUATE_SEMANTIC = Place("methods/common/stages/evaluate_semantic.py")
_VERDICTS_IMAGES = Place("reproductions/verdicts/images.py")
_RESAMPLES = Place("methods/common/metrics/resamples.py")
_REPORTS_RESULTS = Place("reports/results.py")
_HARNESS_PROVENANCE = Place("reproductions/harness/provenance.py")
_MRCA_FIGURES = Place("reproductions/mrca/figures.py")
_REPORTS_SHEETS = Place("reports/sample_sheets.py")
_REPORTS_MARKDOWN = Place("reports/markdown.py")
_MRCA_PAPER = Place("reproductions/mrca/paper.py")
_RUN_DETAILS = Place("reproductions/study/run_details.py")
_HTML_VIEWS = Place("reports/html/views.py")
_HTML_DRAWINGS = Place("reports/html/drawings.py")
_SCOREBOARD = Place("reports/scoreboard.py")
_LIVE_CURVES = Place("methods/common/training/live_curves.py")
_HISTORY = Place("methods/common/training/history.py")
_HARNESS_WHY = Place("reproductions/harness/why.py")
_PRECISIONS = Place("reproductions/requirements/precisions.py")
_LOSS_CURVES = Place("reports/loss_curves.py")
_SEVERAL = Place("reproductions/commands/several.py")
_SAM_FILTER_CLAIMS = Place("reproductions/sam_filter/claims.py")

MUTANTS: tuple[Mutant, ...] = (
    _MRCA_COLLECT.mutant(
        "m0_reported_as_current",
        "(ENTROPY_CURRENT, steering), (ENTROPY_WARMUP, 0)",
        "(ENTROPY_CURRENT, 0), (ENTROPY_WARMUP, 0)",
        "M_0's entropy is reported as the current model's",
        f"{MCOL}::test_entropy_is_reported_of_the_model_that_steered_of_m0_and_of_the_last",
    ),
    _MRCA_COLLECT.mutant(
        "steering_model_misnamed",
        "max(item.plan.number - lag, 0)",
        "max(item.plan.number - 1, 0)",
        "the series names another model",
        f"{MCOL}::test_entropy_is_reported_of_the_model_that_steered_of_m0_and_of_the_last",
    ),
    _MRCA_COLLECT.mutant(
        "box_ap_for_masks",
        'record[f"metrics_{kind}"][name]',
        'record["metrics_box"][name]',
        "box AP is reported for masks",
        f"{MCOL}::test_every_metric_is_its_arms_and_seeds_own",
    ),
    _MRCA_COLLECT.mutant(
        "equal_pool_costs_all",
        "share = 1.0 if taken is None or not generated else",
        "share = 1.0 if generated else",
        "the smaller pool costs as much as the whole",
        f"{MCOL}::test_a_smaller_pool_costs_its_share_of_the_large_one",
    ),
    _MRCA_COLLECT.mutant(
        "accepted_of_all_cuts",
        'self.store.record(cell)["accepted"].values()) for cell in cells.pools)',
        'self.store.record(cell)["accepted"].values()) for cell in cells.cuts)',
        "the smaller pool accepts as much as the whole",
        f"{MCOL}::test_a_smaller_pool_costs_its_share_of_the_large_one",
    ),
    _MRCA_COLLECT.mutant(
        "iterations_of_the_last_stretch",
        '["iterations_total"]',
        '["iterations"]',
        "the cost is that of the last stretch",
        f"{MCOL}::test_the_cost_of_mrca_is_that_of_all_its_rounds",
    ),
    _MRCA_COLLECT.mutant(
        "accepted_by_place",
        "accepted.get(class_id, 0) for class_id in ids",
        "accepted.get(str(place), 0) for place, _ in enumerate(ids)",
        "accepted objects stand at the class before",
        f"{MCOL}::test_budgets_are_a_rounds_own_in_the_order_of_the_classes",
    ),
    _STUDY_COLLECTOR.mutant(
        "rows_of_the_first_seed",
        "yield planner, arm, planner.arm(arm)",
        "yield planner, arm, self.planners[0].arm(arm)",
        "every seed reports the first seed's cells",
        f"{MCOL}::test_every_metric_is_its_arms_and_seeds_own",
    ),
    _STUDY_COLLECTOR.mutant(
        "warmup_of_all",
        "for record in trains[:-1])",
        "for record in trains)",
        "all iterations count as pre-training",
        f"{FCOL}::test_costs_are_of_the_whole_set_and_a_pretraining_stands_apart",
    ),
    _STUDY_COLLECTOR.mutant(
        "iterations_of_last",
        '"iterations": sum(int(record["iterations"]) for record in trains)',
        '"iterations": sum(int(record["iterations"]) for record in trains[-1:])',
        "the pre-training's iterations are not counted",
        f"{FCOL}::test_costs_are_of_the_whole_set_and_a_pretraining_stands_apart",
    ),
    _SAM_FILTER_COLLECT.mutant(
        "pilot_axes_swapped",
        (
            'x=self.store.record(cells.quality)["miou"],\n'
            '                        y=self.store.record(cells.evaluation)["miou"],'
        ),
        (
            'x=self.store.record(cells.evaluation)["miou"],\n'
            '                        y=self.store.record(cells.quality)["miou"],'
        ),
        "quality and result of a variant trade axes",
        f"{FCOL}::test_a_point_of_the_pilot_is_a_variants_quality_and_what_training_on_it_gives",
    ),
    _SAM_FILTER_COLLECT.mutant(
        "cost_of_the_pretraining",
        '"training_images": self.store.record(train)["num_images"]',
        '"training_images": self.store.record(cells.trains[0])["num_images"]',
        "an arm's training images are its pre-training's",
        f"{FCOL}::test_costs_are_of_the_whole_set_and_a_pretraining_stands_apart",
    ),
    _SAM_FILTER_COLLECT.mutant(
        "pretraining_time_in_training",
        '"train_s": self.seconds([train])',
        '"train_s": self.seconds(cells.trains)',
        "the pre-training's time counts twice",
        f"{FCOL}::test_costs_are_of_the_whole_set_and_a_pretraining_stands_apart",
    ),
    _SAM_FILTER_COLLECT.mutant(
        "segmented_of_pairs",
        'self.sum(cells.named, "num_images") if cells.named else None',
        'self.sum(cells.pairs, "num_images")',
        "every arm pays for the segmenting",
        f"{FCOL}::test_costs_are_of_the_whole_set_and_a_pretraining_stands_apart",
    ),
    _SAM_FILTER_COLLECT.mutant(
        "cut_off_one_further",
        "scores[of.study.kept(quarters) - 1]",
        "scores[of.study.kept(quarters)]",
        "the cut-off is the best score that was dropped",
        f"{FCOL}::test_histogram_and_cut_offs_are_of_s1",
    ),
    _SAM_FILTER_COLLECT.mutant(
        "histogram_of_s2",
        'float(row["S1"])',
        'float(row["S2"])',
        "the histogram is S2's",
        f"{FCOL}::test_histogram_and_cut_offs_are_of_s1",
    ),
    _SAM_FILTER_COLLECT.mutant(
        "statistics_after_before",
        'num_before=found["num_images"]["before"]',
        'num_before=found["num_images"]["after"]',
        "the size of the set is that of the selection",
        f"{FCOL}::test_selections_are_told_as_they_were_before_and_after",
    ),
    _SAM_FILTER_COLLECT.mutant(
        "kept_mark_of_all",
        "_KEPT_QUARTERS = 2",
        "_KEPT_QUARTERS = 3",
        "samples are called kept that the half drops",
        f"{FCOL}::test_samples_are_the_pictures_of_their_rank_with_their_own_masks",
    ),
    _MRCA_CLAIMS.mutant(
        "claim_c2_turned_round",
        'Gain("mrca", "no_aug", _RARE)',
        'Gain("no_aug", "mrca", _RARE)',
        "the claim says the opposite",
        f"{CLAIMS}::test_a_claim_is_of_these_arms_in_this_direction_and_on_these_metrics",
    ),
    _MRCA_CLAIMS.mutant(
        "rare_claims_on_frequent",
        '_RARE = ("APr_box", "APr_mask")',
        '_RARE = ("APf_box", "APf_mask")',
        "claims on rare classes are tested on frequent ones",
        f"{CLAIMS}::test_a_claim_is_of_these_arms_in_this_direction_and_on_these_metrics",
    ),
    _MRCA_CLAIMS.mutant(
        "k2_against_the_whole_pool",
        'Gain("mrca", "xpaste_equal_paste", (*_OVERALL, *_RARE))',
        'Gain("mrca", "xpaste", (*_OVERALL, *_RARE))',
        "the control of equal size compares with the whole pool",
        f"{CLAIMS}::test_a_claim_is_of_these_arms_in_this_direction_and_on_these_metrics",
    ),
    _MRCA_CLAIMS.mutant(
        "claim_c1_fewer_turned_round",
        'FewerObjects("mrca", "xpaste")',
        'FewerObjects("xpaste", "mrca")',
        "MRCA is said to generate more objects",
        f"{CLAIMS}::test_mrcas_first_claim_rests_on_fewer_objects",
    ),
    _MRCA_CLAIMS.mutant(
        "claim_k3_turned_round",
        'ENTROPY_WARMUP,\n                "entropy under M_0",\n                UNGUIDED_WARMUP,',
        'UNGUIDED_WARMUP,\n                "entropy under M_0",\n                ENTROPY_WARMUP,',
        "guided objects and twins trade places",
        f"{CLAIMS}::test_objects_get_harder_for_two_fixed_models_and_beyond_their_unguided_twins",
    ),
    _MRCA_CLAIMS.mutant(
        "claim_c4_of_m0",
        "Level(ENTROPY_CURRENT,",
        "Level(ENTROPY_WARMUP,",
        "the level series is M_0's",
        f"{CLAIMS}::test_entropy_stays_level_under_the_current_model_and_rises_under_m0",
    ),
    _VERDICTS_TRENDS.mutant(
        "series_of_any_arm",
        "(point.series, point.arm, point.backbone) == (series, arm, backbone)",
        "(point.arm, point.backbone) == (arm, backbone)",
        "a trend is fitted through all series",
        f"{CLAIMS}::test_entropy_stays_level_under_the_current_model_and_rises_under_m0",
    ),
    _VERDICTS_FLOORS.mutant(
        "floors_of_the_left_arm_alone",
        "for arm in (item.left, item.right) if arm is not None]",
        "for arm in (item.left,) if arm is not None]",
        "an arm that knows nothing cannot be shown to be worse than one that knows much",
        f"{FLOORS}::test_one_arm_above_the_floor_is_enough",
    ),
    _VERDICTS_FLOORS.mutant(
        "floors_are_not_taken_off",
        "leads = [value - floor for value, floor in found",
        "leads = [value for value, floor in found",
        "maps of one class decide claims",
        f"{FLOORS}::test_two_arms_at_the_floor_decide_nothing_though_seeds_agree",
    ),
    _STUDY_COLLECTOR.mutant(
        "results_without_floors",
        "floors=self._floors(cells.evaluation, record),",
        "",
        "maps of one class decide claims, as no result knows what they score",
        f"{ROBUST_VALUES}::test_floors_are_those_of_the_arms_own_ground_truth",
    ),
    _STUDY_COLLECTOR.mutant(
        "floors_of_the_last_class",
        "floors[metric] = max(value, floors.get(metric, 0.0))",
        "floors[metric] = value",
        "what knowing nothing scores is that of the last class, not of the best",
        f"{ROBUST_VALUES}::test_floors_are_those_of_the_arms_own_ground_truth",
    ),
    _EVALUATE_SEMANTIC.mutant(
        "floors_of_predictions",
        'np.array(found["pixels"], np.int64).sum(axis=1)',
        'np.array(found["pixels"], np.int64).sum(axis=0)',
        "what knowing nothing scores is counted from what was predicted",
        f"{FLOORS}::test_a_map_of_one_class_scores_its_share",
    ),
    _VERDICTS_DIFFERENCES.mutant(
        "gain_left_minus_right_turned",
        "found = _difference(report, backbone, metric, self.left, self.right)",
        "found = _difference(report, backbone, metric, self.right, self.left)",
        "gains are counted the other way",
        f"{CLAIMS}::test_a_claim_is_of_these_arms_in_this_direction_and_on_these_metrics",
    ),
    _VERDICTS_DIFFERENCES.mutant(
        "interval_of_another_metric",
        "by_arm = {arm.id: report.by_seed(arm.id, backbone, metric)",
        "by_arm = {arm.id: report.by_seed(arm.id, backbone, report.metrics[0].id)",
        "every interval is of the first metric",
        f"{CLAIMS}::test_a_claim_is_of_these_arms_in_this_direction_and_on_these_metrics",
    ),
    _VERDICTS_DIFFERENCES.mutant(
        "printed_gain_turned",
        "return target.value - others[0]",
        "return others[0] - target.value",
        "printed gains are turned round",
        f"{CLAIMS}::test_each_backbone_stands_beside_its_own_table",
    ),
    _VERDICTS_DIFFERENCES.mutant(
        "printed_of_any_backbone",
        "report.beside.get(t.backbone) == backbone and t.metric == metric",
        "t.metric == metric",
        "printed gains of another backbone",
        f"{CLAIMS}::test_each_backbone_stands_beside_its_own_table",
    ),
    _VERDICTS_DIFFERENCES.mutant(
        "printed_of_another_table",
        "(t.table, t.arm) == (target.table, right)",
        "t.arm == right",
        "printed numbers of two tables are subtracted",
        f"{CLAIMS}::test_a_printed_gain_is_of_one_metric_and_of_one_table",
    ),
    _VERDICTS_DIFFERENCES.mutant(
        "no_gain_above",
        "Claimed(high=self.margin)",
        "Claimed(low=self.margin)",
        "no gain means a gain",
        f"{CLAIMS}::test_noisy_pretraining_gains_nothing_over_none",
    ),
    _REPORTS_RESULTS.mutant(
        "targets_beside_any_backbone",
        'beside = ["arm", "backbone", "metric"]',
        'beside = ["arm", "metric"]',
        "printed numbers stand beside another backbone",
        "tests/unit/test_report_results.py::test_each_backbone_has_the_numbers_of_its_own_table",
    ),
    _MRCA_PAPER.mutant(
        "swinl_beside_r50",
        '"swinl": ("swinl",)',
        '"swinl": ("resnet50",)',
        "Swin-L's results stand beside ResNet-50's numbers",
        f"{CLAIMS}::test_each_backbone_stands_beside_its_own_table",
    ),
    _SAM_FILTER_CLAIMS.mutant(
        "claim_c2_half_against_random",
        'Gain("sam_20k", "all_40k", _MIOU)',
        'Gain("all_40k", "sam_20k", _MIOU)',
        "all pairs are said to beat the filtered half",
        f"{CLAIMS}::test_a_claim_is_of_these_arms_in_this_direction_and_on_these_metrics",
    ),
    _SAM_FILTER_CLAIMS.mutant(
        "claim_k4_turned",
        'Gain("sam_20k", "random_20k_equal_iterations", _MIOU)',
        'Gain("random_20k_equal_iterations", "sam_20k", _MIOU)',
        "the longer random half is said to win",
        f"{CLAIMS}::test_a_claim_is_of_these_arms_in_this_direction_and_on_these_metrics",
    ),
    _SAM_FILTER_CLAIMS.mutant(
        "claim_c6_clean_noisy_turned",
        'Gain("va_sam_20k", "va_noisy_sam_20k", _MIOU)',
        'Gain("va_noisy_sam_20k", "va_sam_20k", _MIOU)',
        "noise is said to help",
        f"{CLAIMS}::test_a_claim_is_of_these_arms_in_this_direction_and_on_these_metrics",
    ),
    _SAM_FILTER_CLAIMS.mutant(
        "claim_c9_with_controls",
        "isinstance(arm.how, GeneratedPairs) and not arm.control)",
        "isinstance(arm.how, GeneratedPairs))",
        "controls count among the synthetic arms",
        f"{CLAIMS}::test_real_photographs_beat_each_row_on_generated_pairs_whatever_the_controls_do",
    ),
    _MRCA_COLLECT.mutant(
        "last_model_is_the_one_before",
        "number = model % self._num_models(cell)",
        "number = max(model, 0)",
        "M_0 is reported as the last model",
        f"{MCOL}::test_entropy_is_reported_of_the_model_that_steered_of_m0_and_of_the_last",
    ),
    _MRCA_COLLECT.mutant(
        "twins_are_the_images",
        "yield from self._seen(item.twin_entropy, twins,",
        "yield from self._seen(item.entropy, twins,",
        "guided images are reported as their own twins",
        f"{MCOL}::test_entropy_is_reported_of_the_model_that_steered_of_m0_and_of_the_last",
    ),
    _MRCA_COLLECT.mutant(
        "unguided_round_in_the_trend",
        "if item.is_guided and self.done(item.entropy):",
        "if self.done(item.entropy):",
        "the step from unguided to guided counts as a trend",
        f"{MCOL}::test_entropy_is_reported_of_the_model_that_steered_of_m0_and_of_the_last",
    ),
    _MRCA_COLLECT.mutant(
        "entropy_by_images",
        '["class_mean"]',
        '["mean"]',
        "classes of many objects weigh more in the figure",
        f"{MCOL}::test_entropy_is_reported_of_the_model_that_steered_of_m0_and_of_the_last",
    ),
    _MRCA_COLLECT.mutant(
        "guidance_costs_turned_round",
        "guided_s=self.seconds(guided)",
        "guided_s=self.seconds(item.twins)",
        "guidance is said to cost nothing",
        f"{MCOL}::test_guidance_is_weighed_against_the_twins_of_its_round",
    ),
    _MRCA_COLLECT.mutant(
        "correlation_with_s",
        "share_C = 1.0 / np.maximum(count_C, 1)",
        "share_C = 1.0 * count_C",
        "the caption's correlation is that with S",
        f"{MCOL}::test_a_budget_with_feedback_stands_beside_that_of_the_counts",
    ),
    _STUDY_COLLECTOR.mutant(
        "seconds_of_the_clock",
        'found["wall_s"] if found["gpu"] else found["cpu_s"]',
        'found["wall_s"]',
        "what else a machine does counts as an arm's cost",
        "tests/unit/test_machine_seconds.py::test_a_gpu_counts_by_the_clock_and_a_cpu_by_its_own_time",
    ),
    _HARNESS_PROVENANCE.mutant(
        "children_cost_nothing",
        "time.process_time() + children.ru_utime + children.ru_stime",
        "time.process_time()",
        "the work of child processes costs nothing",
        "tests/unit/test_machine_seconds.py::test_the_time_of_children_counts_and_waiting_does_not",
    ),
    _MRCA_CLAIMS.mutant(
        "claim_k3_of_the_first_model_alone",
        "                ENTROPY_LAST,\n",
        "                ENTROPY_WARMUP,\n",
        "the last model's view is M_0's",
        f"{CLAIMS}::test_objects_get_harder_for_two_fixed_models_and_beyond_their_unguided_twins",
    ),
    _MRCA_CLAIMS.mutant(
        "claim_k4_of_new_objects",
        "Falling(ENTROPY_SAME,",
        "Falling(ENTROPY_WARMUP,",
        "the model is judged by objects that change",
        f"{CLAIMS}::test_a_model_gets_surer_when_the_entropy_of_the_same_objects_falls",
    ),
    _VERDICTS_TRENDS.mutant(
        "falling_rises",
        "Claimed(high=0.0)",
        "Claimed(low=0.0)",
        "a rise counts as a fall",
        f"{CLAIMS}::test_a_model_gets_surer_when_the_entropy_of_the_same_objects_falls",
    ),
    _MRCA_FIGURES.mutant(
        "parts_of_the_change_swapped",
        "return total, objects, total - objects, classes, objects - classes",
        "return total, total - objects, objects, classes, objects - classes",
        "the objects' part of the change is called the model's",
        "tests/unit/test_report_page.py::test_the_change_of_the_entropy_is_split_by_hand",
    ),
    _REPORTS_SHEETS.mutant(
        "columns_of_any_class",
        "first.get((name, category))",
        "first.get((name, classes[0]))",
        "every column shows the first class",
        "tests/unit/test_report_sheets.py::test_a_column_of_cut_outs_is_of_one_class_and_has_a_hole_where_a_row_has_none",
    ),
    _REPORTS_MARKDOWN.mutant(
        "share_of_any_metric",
        "same = (item.left, item.metric, item.backbone) == (left.left, left.metric, left.backbone)",
        "same = (item.left, item.backbone) == (left.left, left.backbone)",
        "what a control leaves is a share of another metric's gain",
        "tests/unit/test_report_page.py::test_what_a_control_leaves_is_a_share_of_the_same_metric_s_gain",
    ),
    _STUDY_COLLECTOR.mutant(
        "resamples_of_the_whole",
        "self.metrics(record | numbers)",
        "self.metrics(record)",
        "every resample is the evaluation itself, so images seem to do nothing",
        f"{MCOL}::test_resamples_stand_beside_the_numbers_of_the_same_evaluation",
    ),
    _VERDICTS_IMAGES.mutant(
        "images_of_one_arm",
        "[a - b for a, b in values",
        "[a for a, b in values",
        "images are resampled for one arm alone",
        "tests/unit/test_image_resamples.py::test_the_margin_is_that_of_the_mean_difference_of_paired_images",
    ),
    _RESAMPLES.mutant(
        "resamples_unpaired",
        "np.random.default_rng([_SEED, number])",
        "np.random.default_rng()",
        "arms are compared on different resamples",
        "tests/unit/test_image_resamples.py::test_every_evaluation_of_as_many_images_draws_the_same_resamples",
    ),
    _RUN_DETAILS.mutant(
        "runs_of_the_first_seed",
        "wanted = {key: _behind(evaluation) for key, evaluation in evaluations.items()}",
        "wanted = {key: _behind(evaluations[first, key[1]]) for key in evaluations}",
        "every seed opens the runs of the first one",
        f"{DETAILS}::test_behind_an_arm_and_a_seed_is_their_own_evaluation_and_all_that_it_is_made_from",
    ),
    _RUN_DETAILS.mutant(
        "neighbours_config_swapped",
        "here=_words(one.right), there=_words(one.left)",
        "here=_words(one.left), there=_words(one.right)",
        "an arm's settings are said to be its neighbour's",
        f"{DETAILS}::test_differences_name_what_is_here_and_what_the_neighbour_has",
    ),
    _RUN_DETAILS.mutant(
        "neighbour_of_another_seed",
        "rival = evaluations.get((seed, other)) if",
        "rival = evaluations.get((1 - seed, other)) if",
        "what differs between seeds is said to differ between arms",
        f"{DETAILS}::test_differences_name_only_settings_and_inputs_where_the_seed_is_the_same",
    ),
    _RUN_DETAILS.mutant(
        "parts_of_the_loss_for_the_loss",
        "yield _curve(name, iteration, columns[name])",
        'yield _curve(name, iteration, columns["loss"])',
        "every curve is the loss",
        f"{DETAILS}::test_curves_are_the_runs_own_with_parts_and_pace",
    ),
    _RUN_DETAILS.mutant(
        "iterations_for_images",
        "per_step = 1.0 if batch_size is None else float(batch_size)",
        "per_step = 1.0",
        "images a second are iterations a second",
        f"{DETAILS}::test_curves_are_the_runs_own_with_parts_and_pace",
    ),
    _HTML_VIEWS.mutant(
        "seed_of_another_arm",
        "details.of(arm.id, backbone.id, one.seed),",
        "details.of(report.arms[0].id, backbone.id, one.seed),",
        "an arm's seeds open the first arm's runs",
        f"{HTML}::test_an_arms_numbers_open_the_arm_and_its_seeds_open_their_own_runs",
    ),
    _HTML_VIEWS.mutant(
        "printed_numbers_open_ours",
        'if kind == "ours" and arm in backbone else ""',
        'if arm in backbone else ""',
        "a printed number opens a run of ours",
        f"{HTML}::test_table_numbers_of_ours_link_to_their_arm_and_printed_ones_to_nothing",
    ),
    _HTML_DRAWINGS.mutant(
        "shares_on_the_scale_of_differences",
        "if item.unit == unit and not item.is_fact",
        "if not item.is_fact or item.unit != unit",
        "a share of objects stretches the scale of AP",
        f"{HTML}::test_a_share_of_objects_is_not_on_the_scale_of_a_difference",
    ),
    _HTML_DRAWINGS.mutant(
        "curves_upside_down",
        "_CURVE_HEIGHT - _BOTTOM, _TOP)\n    words",
        "_TOP, _CURVE_HEIGHT - _BOTTOM)\n    words",
        "a loss that falls is drawn rising",
        f"{HTML}::test_a_curve_has_gaps_where_nothing_finite_is_and_says_its_ends",
    ),
    _SCOREBOARD.mutant(
        "controls_among_the_claims",
        "claim.verdict == verdict and claim.control == controls",
        "claim.verdict == verdict",
        "controls are counted as claims of the paper",
        f"{BOARD}::test_a_summary_counts_the_verdicts_of_its_report",
    ),
    _SEVERAL.mutant(
        "a_failed_paper_is_forgotten",
        "ended[paper] = 2",
        "ended[paper] = 0",
        "all papers are said to be done though one was not",
        f"{BOARD}::test_options_of_one_paper_are_refused_for_all",
        f"{BOARD}::test_a_failure_of_one_paper_does_not_keep_the_others_from_being_done",
    ),
    _LOSS_CURVES.mutant(
        "losses_of_the_training_before",
        "if run.id in inputs)",
        "if run.id not in inputs)",
        "a row shows the losses of a warm-up instead of those of its model",
        f"{LOSSES}::test_each_row_shows_the_training_that_it_is_evaluated_on",
    ),
    _LOSS_CURVES.mutant(
        "losses_of_the_first_seed",
        "details.of(arm.id, backbone.id, seed)",
        "details.of(arm.id, backbone.id, report.run.seeds[0])",
        "every line is the first seed's",
        f"{LOSSES}::test_each_row_shows_the_training_that_it_is_evaluated_on",
    ),
    _LOSS_CURVES.mutant(
        "learning_rates_drawn_as_losses",
        'curve.name == "loss"',
        'curve.name == "learning_rate"',
        "the learning rate is drawn as the loss",
        f"{LOSSES}::test_each_row_shows_the_training_that_it_is_evaluated_on",
    ),
    _LIVE_CURVES.mutant(
        "live_curves_of_killed_attempts_stay",
        'stale.write_bytes(b"")',
        "stale.exists()",
        "points of an attempt that was killed are there twice",
        f"{LIVE}::test_after_kills_no_point_is_twice_and_none_is_lost",
    ),
    _LIVE_CURVES.mutant(
        "live_curves_count_from_0",
        "step=self._first + number)",
        "step=number)",
        "a stretch that begins later is shown from 0 on",
        f"{LIVE}::test_every_iteration_is_shown_with_the_numbers_of_the_history",
    ),
    _HISTORY.mutant(
        "live_curves_begin_at_the_checkpoint",
        "for number in range(len(losses) if self._live is not None else 0):",
        "for number in range(0):",
        "what was trained before an interruption is no longer shown",
        f"{LIVE}::test_after_kills_no_point_is_twice_and_none_is_lost",
    ),
    _HARNESS_WHY.mutant(
        "why_of_two_labels_as_asked_now",
        "search.find_begun(name), search.find_begun(other)",
        "search.find(name), search.find(other)",
        "two runs of a small tier are compared as another tier would ask for them",
        "tests/harness/test_find.py::test_why_of_two_labels_compares_what_was_run_not_what_could_be",
    ),
    _PRECISIONS.mutant(
        "precision_of_cells_without_a_gpu",
        "if cell.stage.uses_gpu:",
        "if not cell.stage.uses_gpu:",
        "the precision on a GPU is told of stages that use none",
        "tests/unit/test_preflight.py::test_the_precision_of_a_plan_is_told_by_kind_of_stage",
    ),
)
