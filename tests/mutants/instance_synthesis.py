"""Mutants of instance synthesis: selecting, cropping, pasting, focusing, and the back ends that repaint."""

from tests.mutants.mutant import Mutant, Place

CROPS = "tests/unit/test_instance_synthesis_crops.py"
SAMPLES = "tests/unit/test_instance_synthesis_samples.py"
STAGES = "tests/unit/test_instance_synthesis_stages.py"
REPAINT = "tests/unit/test_repainting.py"
TRAINING = "tests/unit/test_repaint_training.py"

_SELECT = Place("methods/instance_synthesis/select.py")
_FRAMES = Place("methods/instance_synthesis/frames.py")
_PASTE = Place("methods/instance_synthesis/paste.py")
_FOCUS = Place("methods/instance_synthesis/focus.py")
_ANNOTATIONS = Place("methods/instance_synthesis/annotations.py")
_INTEGRATE = Place("methods/instance_synthesis/integrate.py")
_STAGES_SELECT = Place("methods/instance_synthesis/stages/select.py")
_STAGES_GENERATE = Place("methods/instance_synthesis/stages/generate.py")
_STAGES_INTEGRATE = Place("methods/instance_synthesis/stages/integrate.py")
_INTERFACE = Place("methods/common/generators/repainting/interface.py")
_LATENTS = Place("methods/common/generators/repainting/latents.py")
_BLENDED = Place("methods/common/generators/repainting/blended.py")
_GLIGEN = Place("methods/common/generators/repainting/gligen.py")
_OFFLINE = Place("methods/common/generators/repainting/offline.py")
_INPAINTING = Place("methods/common/generators/repainting/inpainting.py")
_TRAINING = Place("methods/common/miniature/repaint_training.py")

MUTANTS: tuple[Mutant, ...] = (
    _SELECT.mutant(
        "smallest_instances",
        "key=lambda pair: (-pair[0],",
        "key=lambda pair: (pair[0],",
        "the smallest instances are repainted",
        f"{CROPS}::test_the_largest_are_taken_largest_first_and_groups_never",
    ),
    _SELECT.mutant(
        "groups_selected",
        "for one in frame.instances if not one.is_group)",
        "for one in frame.instances)",
        "groups are repainted as if they were one instance",
        f"{CROPS}::test_the_largest_are_taken_largest_first_and_groups_never",
    ),
    _SELECT.mutant(
        "window_sides_swapped",
        "_start(box.y0, box.height, side, height, config.edge)",
        "_start(box.y0, box.width, side, height, config.edge)",
        "the window is centred by the other side of the box",
        f"{CROPS}::test_windows_by_hand",
    ),
    _SELECT.mutant(
        "window_not_shifted",
        "return max(start, 0)",
        "return start",
        "a window above or left of the image is not shifted",
        f"{CROPS}::test_windows_by_hand",
    ),
    _FRAMES.mutant(
        "neighbours_in_the_mask",
        "np.asarray(part_HW == instance.id)",
        "np.asarray(part_HW >= 24000)",
        "the mask of a crop holds neighbours",
        f"{CROPS}::test_padding_is_black_and_no_mask_and_neighbours_are_background",
    ),
    _PASTE.mutant(
        "offset_inside_the_mask",
        "outside_SS = (~crop.mask_HW).view(np.uint8)",
        "outside_SS = crop.mask_HW.view(np.uint8)",
        "the offset is measured on the repainted pixels",
        f"{SAMPLES}::test_the_offset_is_the_mean_absolute_difference_outside_rounded_up",
    ),
    _PASTE.mutant(
        "offset_rounded_down",
        "return -(-total // count)",
        "return total // count",
        "the offset is rounded down",
        f"{SAMPLES}::test_the_offset_is_the_mean_absolute_difference_outside_rounded_up",
    ),
    _PASTE.mutant(
        "offset_clipped_at_zero",
        'np.abs(shifted) if config.normalise == "paper"',
        'np.abs(shifted) if config.normalise == "none"',
        "intensities below the offset do not fold back",
        f"{SAMPLES}::test_as_released_intensities_fall_and_those_below_the_offset_fold_back",
    ),
    _PASTE.mutant(
        "pasted_where_the_window_begins",
        "own = np.s_[y0 - window.y0 : y1 - window.y0, x0 - window.x0 : x1 - window.x0]",
        "own = np.s_[: y1 - y0, : x1 - x0]",
        "a part of the image gets the wrong part of the picture",
        f"{SAMPLES}::test_pasting_into_a_part_is_pasting_and_cutting",
    ),
    _FOCUS.mutant(
        "ratio_rounded_down",
        "float(math.ceil(drawn)) if",
        "float(math.floor(drawn)) if",
        "the ratio of areas is rounded down",
        f"{SAMPLES}::test_acceptance_the_ratio_has_the_stated_distribution",
    ),
    _FOCUS.mutant(
        "no_square_root",
        "math.ceil(math.sqrt(ratio * area / aspect))",
        "math.ceil(math.sqrt(area / aspect) * ratio)",
        "the window grows by its sides, not by its area",
        f"{SAMPLES}::test_windows_hold_the_box_lie_in_the_image_and_reach_everywhere",
    ),
    _FOCUS.mutant(
        "window_in_one_corner",
        "return int(rng.integers(low, high + 1))",
        "return low",
        "the instance always lies at the lower right",
        f"{SAMPLES}::test_windows_hold_the_box_lie_in_the_image_and_reach_everywhere",
    ),
    _FOCUS.mutant(
        "crumbs_before_resizing",
        "            if (shown < config.min_instance_px).any():\n                return True",
        "            return True",
        "instances are counted before they are resized",
        f"{SAMPLES}::test_a_window_that_shows_a_crumb_of_an_instance_is_drawn_again",
    ),
    _ANNOTATIONS.mutant(
        "labels_resized_wrongly",
        "resize_nearest(_part(frame.label_HW, window), rows, columns)",
        "resize_nearest(_part(frame.label_HW[::-1], window), rows, columns)",
        "labels do not follow the picture",
        f"{SAMPLES}::test_acceptance_colours_ids_and_labels_of_focused_crops_stay_aligned",
    ),
    _INTEGRATE.mutant(
        "one_focus_for_all_variants",
        "row.focus_seeds[variant - 1]",
        "row.focus_seeds[0]",
        "all variants of an instance share their window",
        f"{SAMPLES}::test_a_focused_sample_is_the_whole_pasted_image_cut_and_resized",
    ),
    _STAGES_SELECT.mutant(
        "one_seed_for_all_variants",
        'seeds.derive("generation", "repaint", *key, variant)',
        'seeds.derive("generation", "repaint", *key)',
        "all variants of an instance are painted alike",
        f"{STAGES}::test_the_manifest_has_a_row_an_instance_and_frames_without_any_are_counted",
    ),
    _STAGES_SELECT.mutant(
        "prompts_by_number",
        'seeds.numpy("generation", "prompt", *key)',
        'seeds.numpy("generation", "prompt", number)',
        "the prompt of an instance depends on how many came before it",
        f"{STAGES}::test_seeds_of_an_instance_depend_on_nothing_else",
    ),
    _STAGES_GENERATE.mutant(
        "parts_overlap",
        "row.number % num_shards == shard_index",
        "row.number // num_shards == shard_index",
        "parts of the work leave rows out",
        f"{STAGES}::test_parts_together_are_the_whole_and_shards_change_nothing",
    ),
    _STAGES_INTEGRATE.mutant(
        "torn_files_kept",
        '!= record["row"]["checksum"]:',
        "is None:",
        "a torn file of an earlier attempt stays",
        f"{STAGES}::test_a_killed_integration_goes_on_and_mends_a_torn_file",
    ),
    _INTERFACE.mutant(
        "nan_becomes_black",
        "if not np.isfinite(picture).all():",
        "if False:",
        "numbers that are not finite become a picture",
        f"{REPAINT}::test_another_size_nan_and_another_number_are_refused",
    ),
    _LATENTS.mutant(
        "halves_swapped",
        "without, with_prompt = prediction.chunk(2)",
        "with_prompt, without = prediction.chunk(2)",
        "guidance leads away from the prompt",
        f"{REPAINT}::test_guidance_by_hand",
    ),
    _LATENTS.mutant(
        "background_repainted",
        "torch.where(repaint_N1hw > 0, latent, around)",
        "torch.where(repaint_N1hw > 0, around, latent)",
        "what is kept and what is repainted trade places",
        f"{REPAINT}::test_as_released_the_background_has_the_level_before_the_step",
    ),
    _LATENTS.mutant(
        "background_one_step_ahead",
        'number if sampling.background == "before_step" else number + 1',
        "number + 1",
        "the background follows the step whatever is asked for",
        f"{REPAINT}::test_as_released_the_background_has_the_level_before_the_step",
    ),
    _LATENTS.mutant(
        "one_stream_for_the_batch",
        "for generator in self.generators]",
        "for generator in [self.generators[0]] * len(self.generators)]",
        "all pictures of a batch share their noise",
        f"{REPAINT}::test_noise_of_a_picture_comes_from_its_seed_alone",
    ),
    _BLENDED.mutant(
        "nothing_hidden",
        "torch.ones_like(source_NChw[:, :1])",
        "torch.zeros_like(source_NChw[:, :1])",
        "an inpainting network is told that nothing is hidden",
        f"{REPAINT}::test_an_inpainting_network_paints_from_text_alone_when_all_is_hidden",
    ),
    _GLIGEN.mutant(
        "mask_for_keep",
        "keep_N1hw = 1.0 - repaint_N1hw",
        "keep_N1hw = repaint_N1hw",
        "GLIGEN is given the repainted part in place of the kept one",
        f"{REPAINT}::test_the_network_is_given_latent_kept_part_and_where_it_is_kept",
    ),
    _GLIGEN.mutant(
        "prompt_for_phrase",
        "[order.class_name for order in orders]",
        "[order.prompt for order in orders]",
        "the coloured prompt is the grounding phrase",
        f"{REPAINT}::test_the_phrase_is_the_class_not_the_prompt",
    ),
    _GLIGEN.mutant(
        "grounding_always_on",
        "gate.enabled = number < grounded_steps",
        "gate.enabled = True",
        "the grounding schedule is not heeded",
        f"{REPAINT}::test_the_network_is_given_latent_kept_part_and_where_it_is_kept",
    ),
    _OFFLINE.mutant(
        "own_donor",
        "if donor.source != order.source]",
        "if True]",
        "an instance is copied onto itself",
        f"{REPAINT}::test_a_donor_is_another_of_the_class_scaled_to_the_box_by_its_own_mask",
    ),
    _INPAINTING.mutant(
        "crops_in_another_range",
        'torch.device("cpu")) / 2 + 0.5,',
        'torch.device("cpu")),',
        "bright crops are taken for pictures of another range",
        f"{REPAINT}::test_the_stock_pipeline_sees_the_crop_without_its_mask",
    ),
    _TRAINING.mutant(
        "painters_learn_to_copy",
        "config.kept_weight + (1.0 - config.kept_weight) * batch.repaint_N1HW",
        "config.kept_weight + (1.0 - config.kept_weight) * (1.0 - batch.repaint_N1HW)",
        "what is copied weighs more than what is painted",
        f"{TRAINING}::test_what_is_only_copied_counts_less",
    ),
)
