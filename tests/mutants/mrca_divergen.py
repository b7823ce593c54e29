"""Mutants of DiverGen, of X-Paste's cutters and option "both", and of the stand-in for X-Paste + CLIP."""

from tests.mutants.mutant import Mutant, Place

VALUES = "tests/unit/test_mrca_divergen.py"
CUTTERS = "tests/unit/test_xpaste_cutters.py"
PLAN = "tests/unit/test_mrca_divergen_plan.py"
STAGES = "tests/unit/test_mrca_divergen_stages.py"
COLLECTED = "tests/unit/test_mrca_collected_values.py"
SECTIONS = "tests/unit/test_mrca_sections.py"
DEEPFLOYD = "tests/unit/test_deepfloyd.py"

_FILTER = Place("methods/mrca/divergen_filter.py")
_PROMPTS = Place("methods/mrca/divergen_prompts.py")
_CLIP = Place("methods/mrca/xpaste_clip.py")
_SIZE = Place("methods/mrca/size_model.py")
_ENERGY = Place("methods/mrca/energy.py")
_REAL = Place("methods/mrca/real_pasting.py")
_XPASTE = Place("methods/mrca/xpaste.py")
_DETECTION = Place("methods/common/segmenters/centernet2/detection.py")
_CASCADE = Place("methods/common/segmenters/centernet2/cascade.py")
_EXTRA = Place("methods/common/segmenters/centernet2/extra_classes.py")
_SAM = Place("methods/common/cutouts/prompted_sam.py")
_U2NET = Place("methods/common/cutouts/u2net.py")
_CUT_STAGE = Place("methods/mrca/stages/cut.py")
_GENERATE = Place("methods/mrca/stages/generate.py")
_CROPS = Place("methods/mrca/stages/embed_crops.py")
_CLASSES = Place("methods/mrca/stages/diverse_classes.py")
_GAP = Place("methods/mrca/stages/energy_gap.py")
_TRAINING_DATA = Place("methods/mrca/stages/training_data.py")
_PLAN = Place("reproductions/mrca/plan.py")
_PLAN_DIVERGEN = Place("reproductions/mrca/plan_divergen.py")
_COLLECT = Place("reproductions/mrca/collect.py")
_SECTION = Place("reproductions/mrca/divergen_section.py")
_TWO_STAGES = Place("methods/common/generators/cascade.py")

MUTANTS: tuple[Mutant, ...] = (
    _SECTION.mutant(
        "filter_shares_of_the_accepted",
        "total = max(sum(counts.values()), 1)",
        'total = max(counts["accepted"], 1)',
        "shares are of the accepted images",
        f"{SECTIONS}::test_each_pool_is_told_by_what_its_images_failed",
    ),
    _SECTION.mutant(
        "gap_of_the_other_side",
        '("train", "val", "gap")',
        '("val", "train", "gap")',
        "training and validation are swapped",
        f"{SECTIONS}::test_gaps_are_means_over_seeds_of_val_less_training",
    ),
    _TWO_STAGES.mutant(
        "stages_with_swapped_texts",
        '{"prompt_embeds": wanted, "negative_prompt_embeds": unwanted',
        '{"prompt_embeds": unwanted, "negative_prompt_embeds": wanted',
        "guidance leads away from the text",
        f"{DEEPFLOYD}::test_two_stages_are_what_the_example_of_diffusers_makes",
    ),
    _TWO_STAGES.mutant(
        "stages_without_their_noise_level",
        "noise_level=upscaling.noise_level,",
        "noise_level=250,",
        "the second stage's noise level is not heard",
        f"{DEEPFLOYD}::test_each_setting_of_the_second_stage_is_heard",
    ),
    _PLAN_DIVERGEN.mutant(
        "two_stages_cost_as_one",
        "cost_s=number * study.expected_image_s * factor",
        "cost_s=number * study.expected_image_s",
        "hours of DeepFloyd are a twentieth of what they are",
        PLAN,
    ),
    _FILTER.mutant(
        "divergen_least_similarity",
        "generated_D.astype(np.float64)).mean())",
        "generated_D.astype(np.float64)).min())",
        "the least similar real crop decides, not their mean",
        VALUES,
    ),
    _FILTER.mutant(
        "divergen_background_stays",
        "image_NHW3 * mask_NHW[..., None]",
        "image_NHW3",
        "CLIP sees the generated background",
        VALUES,
    ),
    _FILTER.mutant(
        "divergen_crop_is_sharp",
        "np.where(mask_HW[..., None], image_HW3, blurred_HW3)",
        "image_HW3",
        "what surrounds a real object is not blurred",
        VALUES,
    ),
    _FILTER.mutant(
        "divergen_crop_without_padding",
        "+ 2 * config.padding_px",
        "+ config.padding_px",
        "a real crop has half of its padding",
        VALUES,
    ),
    _PROMPTS.mutant(
        "divergen_one_prompt_only",
        "prompts[index % len(prompts)]",
        "prompts[0]",
        "only the first written prompt is used",
        VALUES,
    ),
    _PROMPTS.mutant(
        "divergen_known_classes_again",
        "if one.id not in known_ids",
        "if one.id",
        "classes of the data are taken for extra ones",
        VALUES,
    ),
    _CLIP.mutant(
        "stand_in_keeps_the_worst",
        "np.argsort(-clip_score_N[mine]",
        "np.argsort(clip_score_N[mine]",
        "the fall-back keeps the worst tenth",
        VALUES,
    ),
    _CLIP.mutant(
        "stand_in_beyond_the_limit",
        "clip_score_N >= config.min_clip_score",
        "clip_score_N > config.min_clip_score",
        "the limit itself does not pass",
        VALUES,
    ),
    _SIZE.mutant(
        "extra_factor_as_drawn_once_more",
        "round(side * factor)",
        "round(side * factor * factor)",
        "the side factor acts twice",
        VALUES,
    ),
    _SIZE.mutant(
        "extra_objects_of_any_size",
        "max(config.extra_min_side_px, ",
        "max(1, ",
        "sides of one pixel are pasted",
        VALUES,
    ),
    _ENERGY.mutant(
        "energy_without_temperature",
        "scaled_RC = logits_RC / temperature",
        "scaled_RC = logits_RC",
        "logits are not divided by the temperature",
        VALUES,
    ),
    _ENERGY.mutant(
        "gap_turned_round",
        "val_R.mean() - train_R.mean()",
        "train_R.mean() - val_R.mean()",
        "the gap has the other sign",
        VALUES,
    ),
    _REAL.mutant(
        "real_objects_a_pixel_off",
        "(y0 + y1) / 2, (x0 + x1) / 2",
        "(y0 + y1) / 2 + 1, (x0 + x1) / 2",
        "real objects move",
        VALUES,
    ),
    _XPASTE.mutant(
        "another_cutters_mask",
        "mask_KNHW[cutter][image])),",
        "mask_KNHW[0][image])),",
        "the winner is scored, the first mask is cut",
        CUTTERS,
    ),
    _XPASTE.mutant(
        "worst_mask_wins",
        "score_KN.argmax(axis=0)",
        "score_KN.argmin(axis=0)",
        "the mask with the worst score wins",
        CUTTERS,
    ),
    _DETECTION.mutant(
        "extra_columns_at_test",
        "logits[:, :num_classes].sigmoid()",
        "logits[:, :-1].sigmoid()",
        "classes that exist in training alone are detected",
        VALUES,
    ),
    _CASCADE.mutant(
        "extra_classes_have_no_share",
        "torch.ones(config.trained_classes)",
        "torch.ones(config.num_classes)",
        "the federated loss knows no extra class",
        VALUES,
    ),
    _EXTRA.mutant(
        "background_row_lost",
        "value[config.trained_classes :] = old[kept:]",
        "value[config.trained_classes :] = 0",
        "the background loses its row",
        VALUES,
    ),
    _SAM.mutant(
        "background_is_the_object",
        "logits_MHW[_LARGEST] <= 0",
        "logits_MHW[_LARGEST] > 0",
        "the complement is forgotten",
        CUTTERS,
    ),
    _SAM.mutant(
        "first_mask_is_background",
        "_LARGEST = 2",
        "_LARGEST = 0",
        "the smallest part is taken for the background",
        CUTTERS,
    ),
    _SAM.mutant(
        "one_corner_only",
        "for x in (0, width - 1)]",
        "for x in (0, 0)]",
        "the right corners are not asked for",
        CUTTERS,
    ),
    _U2NET.mutant(
        "u2net_grows_no_dilation",
        "[2**index for index in range(self.depth)]",
        "[1 for index in range(self.depth)]",
        "the lowest levels see no further than others",
        CUTTERS,
    ),
    _PLAN_DIVERGEN.mutant(
        "first_generator_paints_all",
        '"divergen_generator" if name == "first" else "divergen_second"',
        '"divergen_generator"',
        "both halves are painted by one generator",
        PLAN,
    ),
    _PLAN_DIVERGEN.mutant(
        "divergen_without_extra_objects",
        "number += (study",
        "number += 0 * (study",
        "nothing is painted of extra classes",
        PLAN,
    ),
    _PLAN_DIVERGEN.mutant(
        "divergen_prompts_not_given",
        ', "prompts": (self.classes,)',
        "",
        "every class has its template prompt",
        PLAN,
    ),
    _PLAN.mutant(
        "divergen_network_without_extra_columns",
        "pasting, inputs, extra_classes=extra",
        "pasting, inputs",
        "the network has no columns of extra classes",
        PLAN,
    ),
    _PLAN.mutant(
        "stand_in_is_not_trained_on",
        "pools = (self.cell(KEEP_CLOSEST",
        "_ = (self.cell(KEEP_CLOSEST",
        "X-Paste + CLIP pastes all of X-Pastes pool",
        PLAN,
    ),
    _PLAN.mutant(
        "both_is_plain",
        'pasting = pasting.model_copy(update={"real": study.real_pasting})',
        "pass",
        "option both pastes no real object",
        PLAN,
    ),
    _COLLECT.mutant(
        "filter_rates_of_all_generators",
        "found.setdefault(images.config.pool,",
        'found.setdefault("divergen",',
        "rates of both generators are one",
        COLLECTED,
    ),
    _CUT_STAGE.mutant(
        "crops_of_another_class",
        "crops.get(image.category_id)",
        "next(iter(crops.values()))",
        "objects are compared with the first class",
        STAGES,
    ),
    _CUT_STAGE.mutant(
        "first_cutter_alone",
        "for name in config.cutters\n",
        "for name in config.cutters[:1]\n",
        "the second network is never asked",
        STAGES,
    ),
    _GENERATE.mutant(
        "prompts_of_the_class_before",
        'listed[category["id"]], index',
        'listed[classes[0]["id"]], index',
        "every class has the prompts of the first",
        STAGES,
    ),
    _CROPS.mutant(
        "all_crops_are_one_class",
        "yield item.category_id, real_crop",
        "yield wanted[0].category_id, real_crop",
        "crops go to the first class of their image",
        STAGES,
    ),
    _CLASSES.mutant(
        "extra_classes_without_count",
        '"image_count": one.image_count',
        '"image_count": 0',
        "the federated loss never draws an extra class",
        STAGES,
    ),
    _GAP.mutant(
        "energy_of_extra_classes",
        "[:, : segmenter.config.num_classes]",
        "[:, :-1]",
        "extra classes take part in the energy",
        STAGES,
    ),
    _GAP.mutant(
        "gap_of_training_alone",
        "val_R = _energies(segmenter, val_file(inputs)",
        'val_R = _energies(segmenter, inputs.folder("split") / FIT_FILE',
        "training images are compared with themselves",
        STAGES,
    ),
    _TRAINING_DATA.mutant(
        "the_image_pastes_itself",
        "self.real[self.donors.image_index(number)]",
        "self.real[self.order.image_index(number)]",
        "an image pastes its own objects",
        STAGES,
    ),
)
