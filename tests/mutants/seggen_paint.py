"""Mutants of SegGen's generators: what they are trained on, and how masks and pictures are sampled from them."""

from tests.mutants.mutant import Mutant, Place

TRAINING = "tests/unit/test_seggen_training.py"
SAMPLING = "tests/unit/test_seggen_sampling.py"

_SEGGEN = "methods/seggen/"
_FRAMES = Place(_SEGGEN + "diffusion/frames.py")
_BATCHES = Place(_SEGGEN + "diffusion/batches.py")
_DENOISING = Place(_SEGGEN + "diffusion/denoising.py")
_PICTURES = Place(_SEGGEN + "diffusion/pictures.py")
_TEXT2MASK = Place(_SEGGEN + "text2mask/training.py")
_UPDATES = Place(_SEGGEN + "text2mask/low_rank.py")
_CONTROLNET = Place(_SEGGEN + "mask2img/controlnet.py")
_ORDERS = Place(_SEGGEN + "sampling/orders.py")
_PIPELINES = Place(_SEGGEN + "sampling/pipelines.py")
_PAINT = Place(_SEGGEN + "sampling/paint_images.py")
_DRAW = Place(_SEGGEN + "sampling/draw_masks.py")
_VALIDITY = Place(_SEGGEN + "sampling/validity.py")
_IMAGES = Place(_SEGGEN + "stages/images.py")

MUTANTS: tuple[Mutant, ...] = (
    _FRAMES.mutant(
        "ids_are_resized_by_mixing",
        "interpolation=cv2.INTER_NEAREST_EXACT",
        "interpolation=cv2.INTER_LINEAR",
        "a pixel between two classes gets a third one",
        f"{TRAINING}::test_resizing_ids_makes_no_new_ones",
    ),
    _FRAMES.mutant(
        "native_shape_is_lost",
        "math.log(size.width / size.height) - shape",
        "math.log(size.height / size.width) - shape",
        "wide pictures are cut to tall ones",
        f"{TRAINING}::test_frames_keep_the_native_shape_and_the_area",
    ),
    _BATCHES.mutant(
        "caption_of_another_image",
        "self._captions[index], (index, mirrored)",
        "self._captions[index - 1], (index, mirrored)",
        "a picture is learnt with the caption of its neighbour",
        f"{TRAINING}::test_batches_are_of_one_size_and_captions_belong_to_their_pictures",
    ),
    _BATCHES.mutant(
        "mask_is_cut_elsewhere",
        "mask.fit(placing).coloured",
        "mask.fit(place(height, width, frame)).coloured",
        "the mask is cut in the middle wherever its picture is cut",
        f"{TRAINING}::test_a_picture_and_its_mask_are_cut_alike",
    ),
    _BATCHES.mutant(
        "only_the_picture_is_mirrored",
        "np.ascontiguousarray(image_HW3[:, ::-1]), mask.mirrored()",
        "np.ascontiguousarray(image_HW3[:, ::-1]), mask",
        "the mask of a mirrored picture is not mirrored",
        f"{TRAINING}::test_a_picture_and_its_mask_are_cut_alike",
    ),
    _BATCHES.mutant(
        "later_batches_start_again",
        "range(before + share.first, before + share.first + share.count)",
        "range(share.first, share.first + share.count)",
        "every step sees the first pictures of its frame",
        f"{TRAINING}::test_an_epoch_shows_every_picture_once",
    ),
    _BATCHES.mutant(
        "corner_is_told_across",
        "(height, width, placing.top, placing.left, *frame)",
        "(height, width, placing.left, placing.top, *frame)",
        "XL is told that the crop lies elsewhere",
        f"{TRAINING}::test_sizes_that_xl_is_told_are_native_corner_and_frame",
    ),
    _BATCHES.mutant(
        "colours_are_jittered",
        "return Cut(fit_image(image_HW3, placing), colour_HW3,",
        "return Cut(fit_image(image_HW3, placing), colour_HW3 // 2 + 9,",
        "the colours that are learnt are no palette's",
        f"{TRAINING}::test_colours_are_the_labels_whatever_happens_to_a_picture",
    ),
    _DENOISING.mutant(
        "pooled_text_of_the_first_encoder",
        "pooled_ND: Tensor = encoded[2]",
        "pooled_ND: Tensor = text_NTD[:, -1, : encoded[2].shape[1]]",
        "XL is told what its first text encoder says, in place of the second one's pooled text",
        f"{TRAINING}::test_xl_gets_pooled_text_of_its_second_encoder_and_zeros_for_no_caption",
    ),
    _DENOISING.mutant(
        "no_caption_is_heard",
        "text_NTD = text_NTD.masked_fill(empty[:, None, None], 0.0)",
        "text_NTD = text_NTD.masked_fill(empty[:, None, None], 1.0)",
        "XL learns another text for guidance to lead away from than it is sampled with",
        f"{TRAINING}::test_xl_gets_pooled_text_of_its_second_encoder_and_zeros_for_no_caption",
    ),
    _DENOISING.mutant(
        "overflow_is_let_through",
        'if precision == "float16" and pipeline.vae.config.force_upcast:',
        'if precision == "bfloat16" and pipeline.vae.config.force_upcast:',
        "an autoencoder that overflows in half precision draws black pictures",
        f"{TRAINING}::test_an_autoencoder_that_overflows_is_refused_in_half_precision",
    ),
    _DENOISING.mutant(
        "scaled_inputs_are_accepted",
        'startswith("EDM")',
        'startswith("Karras")',
        "a network for scaled inputs is trained on others",
        f"{TRAINING}::test_a_generator_for_scaled_inputs_is_refused",
    ),
    _TEXT2MASK.mutant(
        "last_weights_in_place_of_averages",
        "training.averaged.parameters(), strict=True",
        "trained.parameters(), strict=True",
        "averaged weights are thrown away",
        f"{TRAINING}::test_averaged_weights_are_what_is_kept",
    ),
    _TEXT2MASK.mutant(
        "text2mask_learns_photographs",
        '"colour", pictures, config',
        '"image", pictures, config',
        "Text2Mask learns to paint photographs",
        f"{TRAINING}::test_text2mask_learns_colours_and_mask2img_pictures",
    ),
    _UPDATES.mutant(
        "updates_are_not_merged",
        "unet.fuse_lora()",
        "unet.eval()",
        "low-rank updates are learnt and thrown away",
        f"{TRAINING}::test_text2mask_goes_on_bit_for_bit_and_loads_as_a_pipeline",
    ),
    _CONTROLNET.mutant(
        "condition_reader_is_random_at_its_end",
        "for layer in (reader.conv_in, *reader.blocks):",
        "for layer in (made.controlnet_mid_block, reader.conv_in, *reader.blocks):",
        "a new ControlNet changes what the generator says",
        f"{TRAINING}::test_a_new_controlnet_changes_no_bit",
    ),
    _CONTROLNET.mutant(
        "middle_block_is_left_out",
        "mid_block_additional_residual=middle",
        "mid_block_additional_residual=0 * middle",
        "what the ControlNet says in the middle is dropped",
        f"{TRAINING}::test_a_new_controlnet_changes_no_bit",
    ),
    _ORDERS.mutant(
        "seeds_by_position",
        'seeds.derive("generation", "picture", name)',
        'seeds.derive("generation", "picture", len(orders))',
        "a picture depends on which shard makes it",
        f"{SAMPLING}::test_pictures_depend_on_their_names_only",
    ),
    _ORDERS.mutant(
        "one_seed_for_all_variants_of_an_image",
        'seeds.derive("generation", "picture", name)',
        'seeds.derive("generation", "picture", source.name)',
        "all variants of an image are one picture",
        f"{SAMPLING}::test_masks_have_names_captions_and_the_native_shape",
    ),
    _ORDERS.mutant(
        "sizes_are_mixed",
        "by_size.setdefault((order.frame, order.source.size), [])",
        "by_size.setdefault((order.frame, order.frame), [])",
        "pictures of a batch are told the native size of the first one",
        f"{SAMPLING}::test_batches_hold_one_native_size_each",
    ),
    _PIPELINES.mutant(
        "guidance_is_left_out",
        "guidance_scale=config.guidance_scale",
        "guidance_scale=1.0",
        "captions are hardly heard",
        f"{SAMPLING}::test_a_sampled_batch_is_what_the_plain_pipeline_makes",
    ),
    _PIPELINES.mutant(
        "latents_are_not_scaled_back",
        "/ vae.config.scaling_factor",
        "* vae.config.scaling_factor",
        "the autoencoder sees latents of another scale",
        f"{SAMPLING}::test_a_sampled_batch_is_what_the_plain_pipeline_makes",
    ),
    _PIPELINES.mutant(
        "native_size_is_not_told",
        '"original_size": native',
        '"original_size": frame',
        "XL is not told how large the real image is",
        f"{SAMPLING}::test_a_sampled_batch_is_what_the_plain_pipeline_makes",
    ),
    _PAINT.mutant(
        "control_scale_is_ignored",
        "controlnet_conditioning_scale=self._config.control_scale",
        "controlnet_conditioning_scale=1.0",
        "the weight of the mask cannot be set",
        f"{SAMPLING}::test_every_setting_of_sampling_changes_pictures",
    ),
    _PAINT.mutant(
        "painted_from_the_raw_picture",
        "        if self._raw:",
        "        if not self._raw:",
        "condition and label of MaskSyn disagree",
        f"{SAMPLING}::test_a_condition_agrees_with_its_label",
    ),
    _PAINT.mutant(
        "condition_in_another_range",
        ".permute(0, 3, 1, 2).float() / 255",
        ".permute(0, 3, 1, 2).float() / 510",
        "Mask2Img reads colours that are half as bright as those that it learnt",
        f"{SAMPLING}::test_a_painted_batch_is_what_the_plain_pipeline_makes",
    ),
    _DRAW.mutant(
        "another_palette_decodes",
        "self._palette: Palette = coding.build()",
        'self._palette: Palette = coding.model_copy(update={"palette": coding.palette.model_copy(update={"kind": "spread"})}).build()',
        "drawn pictures are read in colours that the generator never learnt",
        f"{SAMPLING}::test_masks_have_names_captions_and_the_native_shape",
    ),
    _VALIDITY.mutant(
        "near_is_far",
        "decoded.nearest_HW <= _NEAR",
        "decoded.second_HW <= _NEAR",
        "flat masks count as invalid",
        f"{SAMPLING}::test_validity_counts_near_pixels_and_small_regions",
    ),
    _PICTURES.mutant(
        "pictures_have_captions_by_position",
        "return tuple(caption_of[name] for name in names)",
        "return tuple(list(caption_of.values())[: len(names)])",
        "a caption belongs to the image of its line, whatever its name",
        f"{TRAINING}::test_captions_are_found_by_name",
    ),
    _IMAGES.mutant(
        "other_colours_are_painted_from",
        "            coding.check_same_colours(drawn_in)",
        "            drawn_in.check_same_colours(drawn_in)",
        "pictures in one palette are painted from by a generator that learnt another",
        f"{SAMPLING}::test_what_does_not_fit_is_refused",
    ),
)
