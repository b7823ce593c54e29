"""Mutants of instance synthesis' plan, training sets, collected numbers and gains."""

from tests.mutants.mutant import Mutant, Place

EDGES = "tests/unit/test_instance_synthesis_plan_edges.py"
_CELLS = f"{EDGES}::test_every_cell_of_an_arm_is_made_of_what_the_specification_says"
VALUES = "tests/unit/test_instance_synthesis_collected_values.py"
SETS = "tests/unit/test_instance_synthesis_training_set.py"
REPORT = "tests/unit/test_instance_synthesis_report.py"
STATED = "tests/unit/test_claims_as_stated.py"

_PLAN = Place("reproductions/instance_synthesis/plan.py")
_ARMS = Place("reproductions/instance_synthesis/arms.py")
_RECIPE = Place("reproductions/instance_synthesis/recipe.py")
_COLLECT = Place("reproductions/instance_synthesis/collect.py")
_CLAIMS = Place("reproductions/instance_synthesis/claims.py")
_GAINS = Place("reproductions/instance_synthesis/gains.py")
_SET = Place("methods/instance_synthesis/training_set.py")
_VERDICT = Place("reproductions/verdicts/verdict.py")

MUTANTS: tuple[Mutant, ...] = (
    _PLAN.mutant(
        "zoom_repaints",
        "study.back_ends.of(back_end)",
        'study.back_ends.of("blended")',
        "every arm paints with blended diffusion, the control without a generator too",
        _CELLS,
    ),
    _PLAN.mutant(
        "one_generator_for_all",
        'role = self.study, f"{back_end}_generator"',
        'role = self.study, "blended_generator"',
        "every back end loads the networks of blended diffusion",
        f"{EDGES}::test_each_back_end_paints_with_the_networks_of_its_role",
    ),
    _PLAN.mutant(
        "doubled_is_not",
        "self.study.selection.num_variants * (2 if doubled else 1)",
        "self.study.selection.num_variants",
        "the doubled control has as many crops as the paper",
        _CELLS,
    ),
    _PLAN.mutant(
        "share_of_the_data_forgotten",
        "split=study.train_split, percent=percent, synthetic_percent",
        "split=study.train_split, percent=100, synthetic_percent",
        "arms on limited data train on all real images",
        _CELLS,
    ),
    _PLAN.mutant(
        "share_of_samples_forgotten",
        "self._source(how.percent, how.synthetic_percent)",
        "self._source(how.percent)",
        "arms with half of the images train on every sample",
        _CELLS,
    ),
    _PLAN.mutant(
        "samples_of_the_first_shard",
        '{"samples": made.samples}',
        '{"samples": made.samples[:1]}',
        "a training reads one part of its samples",
        _CELLS,
    ),
    _PLAN.mutant(
        "own_pictures_alone",
        '{"manifest": (manifest,), "pictures": pictures},',
        '{"manifest": (manifest,), "pictures": pictures[:1]},',
        "samples are made of one part of the pictures",
        _CELLS,
    ),
    _PLAN.mutant(
        "crop_and_recipe_swapped",
        '"large_crop": study.large_crop, "published": study.published',
        '"large_crop": study.published, "published": study.large_crop',
        "the two other baselines trade places",
        _CELLS,
    ),
    _PLAN.mutant(
        "samples_train_as_published",
        'train = self.train(f"{arm}/train", study.reproduced, source',
        'train = self.train(f"{arm}/train", study.published, source',
        "arms with samples train longer than their baseline",
        _CELLS,
    ),
    _PLAN.mutant(
        "quality_of_limited_arms",
        "whole = how.percent == 100 and how.synthetic_percent is None",
        "whole = True",
        "arms on less data measure crops that are not theirs alone",
        f"{EDGES}::test_what_an_arm_reports_of_is_its_own",
    ),
    _RECIPE.mutant(
        "starts_from_nothing",
        '.get(self.start, ("start",))',
        ".get(self.start, ())",
        "a training that starts from others' weights is given none",
        _CELLS,
    ),
    _PLAN.mutant(
        "cells_do_the_first_part",
        '"shard_index": shard, "num_shards"',
        '"shard_index": 0, "num_shards"',
        "every cell does the first part of the work",
        _CELLS,
    ),
    _COLLECT.mutant(
        "counts_of_every_arm",
        "if result.arm in _COUNTED:",
        "if result.arm not in _COUNTED:",
        "the companion's counts stand beside other arms",
        f"{VALUES}::test_counts_are_of_real_images_and_of_those_with_samples",
    ),
    _RECIPE.mutant(
        "gligen_and_inpainting_swapped",
        (
            '            case "inpainting":\n                return self.inpainting\n            case "gligen":\n                return self.gligen'
        ),
        (
            '            case "inpainting":\n                return self.gligen\n            case "gligen":\n                return self.inpainting'
        ),
        "two back ends trade places",
        _CELLS,
    ),
    _RECIPE.mutant(
        "published_crop_is_small",
        '"recipe": published, "augmentation": crops(512, 1024)',
        '"recipe": published, "augmentation": crops(360, 720)',
        "the published recipe trains on the paper's small crops",
        f"{EDGES}::test_the_paper_trains_as_section_2_8_says",
    ),
    _RECIPE.mutant(
        "published_recipe_is_not_clipped",
        '{"batch_size": 16, "max_gradient_norm": 0.01}',
        '{"batch_size": 16}',
        "the published recipe, too, is without CLIP",
        f"{EDGES}::test_the_paper_trains_as_section_2_8_says",
    ),
    _ARMS.mutant(
        "copies_are_untouched",
        'WithSamples("copy_paste"),',
        'WithSamples("identity"),',
        "copy-paste copies nothing",
        _CELLS,
    ),
    _SET.mutant(
        "samples_of_every_frame",
        "{row.name for row in rows if row.frame in known}",
        "{row.name for row in rows}",
        "limited data see the other frames through their samples",
        f"{SETS}::test_samples_of_frames_that_are_left_out_go_with_them",
    ),
    _SET.mutant(
        "share_of_the_real_ones",
        "round(num_real * percent / (100 - percent))",
        "round(num_real * percent / 100)",
        "the share of samples is one of the real images",
        f"{SETS}::test_a_share_of_samples_is_of_all_training_images",
    ),
    _SET.mutant(
        "classes_by_their_numbers",
        "{category.id: id_of[category.name] for category in part.categories}",
        "{category.id: category.id for category in part.categories}",
        "samples in COCO's layout keep the numbers of their own file",
        f"{SETS}::test_samples_in_cocos_layout_join_by_the_names_of_their_classes",
    ),
    _COLLECT.mutant(
        "fid_of_all_crops",
        '("clip-similarity-release", "fid-paired-crops", "ssim-grey-release", "psnr")',
        '("clip-similarity-release", "fid-paired-crops", "ssim", "psnr")',
        "SSIM is that of colours, not the release's",
        f"{VALUES}::test_quality_is_that_of_the_rows_own_generator_by_the_releases_definitions",
    ),
    _COLLECT.mutant(
        "accuracy_by_coco",
        'found: dict[str, float | None] = record["metrics"]',
        'found: dict[str, float | None] = record.get("metrics_coco", record["metrics"])',
        "AP is COCO's, not Cityscapes'",
        f"{VALUES}::test_accuracies_are_cityscapes_own_of_the_arm_and_seed",
    ),
    _COLLECT.mutant(
        "share_costs_everything",
        "return percent / 100",
        "return 1.0 if percent else 0.0",
        "a tenth of the data is charged for all crops",
        f"{VALUES}::test_a_share_of_the_images_costs_that_share_of_the_crops",
    ),
    _COLLECT.mutant(
        "change_inside_the_mask",
        "change[mask_HW] = 0",
        "change[~mask_HW] = 0",
        "the sheet shows what changed inside the mask",
        f"{VALUES}::test_the_pasted_image_differs_inside_the_mask_alone",
    ),
    _CLAIMS.mutant(
        "decisive_control_against_real",
        'tests=(Gain("blended", "zoom", ACCURACY),),',
        'tests=(Gain("blended", "real", ACCURACY),),',
        "the control for the zoom compares with real images alone",
        f"{STATED}::test_a_claim_is_of_these_arms_in_this_direction_and_on_these_metrics",
    ),
    _CLAIMS.mutant(
        "gain_without_its_baseline",
        '{arm: ("real", "published") for arm in GENERATORS}',
        '{arm: ("published",) for arm in GENERATORS}',
        "a missed baseline of the paper's own leaves its gain comparable",
        f"{STATED}::test_a_baseline_that_misses_its_number_makes_the_gain_above_it_not_comparable",
    ),
    _VERDICT.mutant(
        "weak_baselines_alone",
        'outcome.verdict in ("below", "above")',
        'outcome.verdict == "below"',
        "a baseline that is too strong leaves the gain above it comparable",
        f"{STATED}::test_a_baseline_that_misses_its_number_makes_the_gain_above_it_not_comparable",
    ),
    _GAINS.mutant(
        "zoom_and_synthesis_swapped",
        "((synthesis, real), (zoom, real), (synthesis, zoom))",
        "((synthesis, real), (synthesis, zoom), (zoom, real))",
        "the gain over the zoom is printed as the zoom's own",
        f"{REPORT}::test_both_gains_stand_side_by_side_with_the_zooms_part",
    ),
)
