"""Mutants of generators as backbones, of features on disk and of the ladder of sizes."""

from tests.mutants.mutant import Mutant, Place

_EXTRACTS = "tests/unit/test_generative_extractor.py::"
_READS = "tests/unit/test_generative_backbone.py::"
_SIZES = "tests/unit/test_generative_sizes.py::"
_FOLDER = "methods/common/segmenters/backbones/generative/"
_EXTRACTOR = Place(_FOLDER + "extractor.py")
_WINDOWS = Place(_FOLDER + "windows.py")
_BACKBONE = Place(_FOLDER + "backbone.py")
_CACHE = Place(_FOLDER + "cache.py")
_LOADING = Place(_FOLDER + "loading.py")
_PRUNING = Place(_FOLDER + "pruning.py")
_NETWORKS = Place(_FOLDER + "networks.py")
_PRESETS = Place(_FOLDER + "presets.py")
_COST = Place("methods/common/segmenters/backbones/cost.py")
_VIEWS = Place("methods/instance_synthesis/views.py")
_DISTILLATION = Place("methods/instance_synthesis/distillation.py")
_TRAINING = Place("methods/common/stages/train_instances.py")
_LADDER = Place("methods/instance_synthesis/sizes.py")

MUTANTS: tuple[Mutant, ...] = (
    _EXTRACTOR.mutant(
        "extractor_noise_and_latent_exchanged",
        "math.sqrt(self.alpha) * latent_NChw + math.sqrt(1 - self.alpha) * noise_Chw",
        "math.sqrt(1 - self.alpha) * latent_NChw + math.sqrt(self.alpha) * noise_Chw",
        "at the first time steps the extractor sees noise alone",
        f"{_EXTRACTS}test_the_noise_is_that_of_the_scheduler",
    ),
    _EXTRACTOR.mutant(
        "extractor_latents_unscaled",
        "return mean_NChw * self.config.networks.vae.scaling_factor",
        "return mean_NChw",
        "the U-Net gets latents that are not scaled",
        f"{_EXTRACTS}test_it_reads_what_the_pipelines_own_networks_compute",
    ),
    _EXTRACTOR.mutant(
        "extractor_unet_told_step_0",
        "self.unet(noisy_NChw, self.config.timestep, encoder_hidden_states",
        "self.unet(noisy_NChw, 0, encoder_hidden_states",
        "the U-Net is told the first time step whatever the noise",
        f"{_EXTRACTS}test_it_reads_what_the_pipelines_own_networks_compute",
    ),
    _EXTRACTOR.mutant(
        "extractor_decodes_scaled_latents",
        "self.vae.decode(latent_NChw / self.config.networks.vae.scaling_factor)",
        "self.vae.decode(latent_NChw)",
        "the decoder gets latents as the U-Net wants them",
        f"{_EXTRACTS}test_it_reads_what_the_pipelines_own_networks_compute",
    ),
    _WINDOWS.mutant(
        "windows_are_added",
        "return [total / count for total, count in zip(sums, counts, strict=True)]",
        "return sums",
        "features where windows overlap are sums",
        f"{_EXTRACTS}test_overlapping_windows_are_averaged",
    ),
    _WINDOWS.mutant(
        "windows_end_before_the_image",
        "return [*range(0, length_px - window_px, step_px), length_px - window_px]",
        "return [*range(0, length_px - window_px + 1, step_px)]",
        "the end of a side that is no multiple of the step is not read",
        f"{_EXTRACTS}test_windows_cover_a_side_and_end_with_it",
    ),
    _BACKBONE.mutant(
        "a_level_is_its_first_tap",
        "levels.append(torch.stack(parts).sum(dim=0))",
        "levels.append(parts[0])",
        "all but the first map of a level are lost",
        f"{_READS}test_a_level_is_the_sum_of_its_projected_taps",
    ),
    _BACKBONE.mutant(
        "frozen_features_follow_autocast",
        "torch.autocast(image_NCHW.device.type, enabled=False)",
        "torch.autocast(image_NCHW.device.type, enabled=torch.is_autocast_enabled(image_NCHW.device.type))",
        "features of a training in mixed precision are not those on disk",
        f"{_READS}test_frozen_features_do_not_follow_autocast",
    ),
    _BACKBONE.mutant(
        "low_rank_trains_all",
        'parameter.requires_grad_(".lora_" in name)',
        "parameter.requires_grad_(True)",
        "with low-rank updates all of the U-Net is trained",
        f"{_READS}test_only_what_is_tuned_gets_gradients",
    ),
    _BACKBONE.mutant(
        "tuned_as_if_frozen",
        'if self.config.tuning != "frozen":\n            computed',
        'if self.config.tuning == "all":\n            computed',
        "low-rank updates get no gradient",
        f"{_READS}test_only_what_is_tuned_gets_gradients",
    ),
    _BACKBONE.mutant(
        "features_on_disk_unused",
        "            if self.cache is None:\n",
        "            if self.cache is not self:\n",
        "features on disk are computed again",
        f"{_READS}test_features_on_disk_are_those_that_would_be_computed",
    ),
    _CACHE.mutant(
        "computed_features_change_places",
        "rows = {row: [maps[place].float() for maps in computed] for place, row in enumerate(missing)}",
        "rows = {row: [maps[-1 - place].float() for maps in computed] for place, row in enumerate(missing)}",
        "images that no folder has get each other's features",
        f"{_READS}test_images_that_no_folder_has_are_computed_in_their_places",
    ),
    _CACHE.mutant(
        "features_of_other_weights_taken",
        'if weights != wanted["weights_sha256"]:',
        "if not weights:",
        "features of another generator are taken",
        f"{_READS}test_features_of_other_weights_or_choices_are_refused",
    ),
    _CACHE.mutant(
        "features_of_another_time_step_taken",
        "if choices.get(name) != value:",
        "if name not in choices:",
        "features of other choices are taken",
        f"{_READS}test_features_of_other_weights_or_choices_are_refused",
    ),
    _LOADING.mutant(
        "every_prompt_is_empty",
        "pipeline.encode_prompt(config.prompt, ",
        'pipeline.encode_prompt("", ',
        "a prompt of the config is not told",
        f"{_EXTRACTS}test_the_prompt_is_the_one_of_the_config",
    ),
    _LOADING.mutant(
        "weakest_heads_stay",
        "best = strength_H.topk(num_kept(attention.heads, share)).indices",
        "best = strength_H.topk(num_kept(attention.heads, share), largest=False).indices",
        "the strongest heads are pruned",
        f"{_EXTRACTS}test_heads_that_give_nothing_can_go",
    ),
    _NETWORKS.mutant(
        "outputs_of_other_heads",
        "attention.to_out[0] = _some_columns(attention.to_out[0], rows_D)",
        "attention.to_out[0] = _some_columns(attention.to_out[0], torch.arange(len(rows_D)))",
        "heads that stay are led through the output weights of the first ones",
        f"{_EXTRACTS}test_heads_that_give_nothing_can_go",
    ),
    _PRESETS.mutant(
        "vpd_adds_noise",
        '{"timestep": 1, "noise": "none"}',
        '{"timestep": 1, "noise": "fixed"}',
        "the preset vpd adds noise",
        f"{_EXTRACTS}test_presets_are_the_published_choices",
    ),
    _PRUNING.mutant(
        "middle_layers_stay",
        "{many if int(found[2]) == few else found[2]}",
        "{found[2]}",
        "the last layer on the way up begins as the one before it in the larger U-Net",
        f"{_SIZES}test_a_smaller_unet_takes_the_layers_that_remain",
    ),
    _PRUNING.mutant(
        "students_keep_their_own_text",
        'student.get_buffer("text_TD").copy_(teacher.get_buffer("text_TD"))',
        'student.get_buffer("text_TD")',
        "a smaller extractor is told something else than the larger one",
        f"{_SIZES}test_all_layers_and_heads_are_the_larger_one",
    ),
    _COST.mutant(
        "operations_for_multiply_adds",
        "multiply_adds=counter.get_total_flops() // 2,",
        "multiply_adds=counter.get_total_flops(),",
        "multiplications and additions are counted apart",
        f"{_SIZES}test_products_of_linear_layers_convolutions_and_attention_are_counted",
    ),
    _COST.mutant(
        "peak_without_weights",
        "else weights + _peak_of_tensors(run, tensors.values())",
        "else _peak_of_tensors(run, tensors.values())",
        "weights need no memory",
        f"{_SIZES}test_the_peak_is_what_is_alive_at_once_and_the_weights",
    ),
    _LADDER.mutant(
        "nothing_is_cut",
        "            taps = taps[1:]\n",
        "            taps = taps[0:]\n",
        "the rung without the finest block reads it",
        f"{_SIZES}test_rungs_read_what_they_say",
    ),
    _LADDER.mutant(
        "half_is_whole",
        'precision = "float32" if rung == "full" else self.half',
        'precision = "float32"',
        "no rung is in half precision",
        f"{_SIZES}test_rungs_read_what_they_say",
    ),
    _VIEWS.mutant(
        "mirrored_views_left_out",
        "for flip in (False, True)[: 1 + mirror]:",
        "for flip in (False, False)[: 1 + mirror]:",
        "mirrored images are not on disk",
        f"{_READS}test_a_training_finds_every_view_of_its_images",
    ),
    _TRAINING.mutant(
        "trainings_compute_features_again",
        '    if inputs.folders("features"):\n',
        '    if inputs.folders("kept features"):\n',
        "a training does not look at the features that it was given",
        f"{_READS}test_a_training_with_features_on_disk_is_the_training_without",
    ),
    _DISTILLATION.mutant(
        "students_learn_from_themselves",
        "wanted = self.teacher(image_N3HW)",
        "wanted = self.student(image_N3HW)",
        "a student is its own teacher",
        f"{_SIZES}test_a_student_comes_nearer_to_its_teacher_and_is_a_place_to_load_from",
    ),
    _DISTILLATION.mutant(
        "maps_count_by_size",
        " / theirs.float().var() / len(wanted)",
        " / len(wanted)",
        "maps of large values count most",
        f"{_SIZES}test_a_map_counts_by_its_own_variance",
    ),
)
