"""Mutants of SegGen's plan, of what its report collects, and of its controls."""

from tests.mutants.mutant import Mutant, Place

EDGES = "tests/unit/test_seggen_plan_edges.py"
_ARM = f"{EDGES}::test_an_arm_is_made_of_what_the_specification_says"
_FAIR = f"{EDGES}::test_fair_generators_see_the_few_images_that_the_segmenter_sees"
_FREEMASK = f"{EDGES}::test_freemasks_steps_judge_with_the_network_trained_on_real_images"
_PALETTE = f"{EDGES}::test_another_palette_is_taught_to_both_generators"
_SHUFFLED = f"{EDGES}::test_shuffled_captions_are_asked_with_and_not_learnt_from"
_COPIED = f"{EDGES}::test_copies_are_as_many_as_imgsyns_pictures"
_PANOPTIC = f"{EDGES}::test_panoptic_arms_use_segments_and_edges"
VALUES = "tests/unit/test_seggen_collected_values.py"
CONTROLS = "tests/unit/test_seggen_controls.py"

_PLAN = Place("reproductions/seggen/plan.py")
_MADE = Place("reproductions/seggen/plan_generation.py")
_COLLECT = Place("reproductions/seggen/collect.py")
_PAPER = Place("reproductions/seggen/paper.py")
_COPIES = Place("methods/seggen/stages/copies.py")
_MOVED = Place("methods/seggen/moved_masks.py")
_QUALITY = Place("methods/seggen/stages/mask_quality.py")
_PIXELS = Place("methods/seggen/stages/class_pixels.py")
_RENDERER = Place("methods/common/miniature/renderer.py")
_ALIGNED = Place("methods/seggen/stages/alignment.py")

MUTANTS: tuple[Mutant, ...] = (
    _PLAN.mutant(
        "seggen_alone_has_real_samples",
        'mixing["p_aug"] = 1.0',
        'mixing["p_aug"] = 0.6',
        "synthetic samples that stand alone or come first are mixed with real ones",
        _ARM,
    ),
    _PLAN.mutant(
        "seggen_p_aug_is_the_recipes",
        'mixing["p_aug"] = how.p_aug_percent / 100',
        "pass",
        "every point of the curve is the recipe's",
        _ARM,
    ),
    _PLAN.mutant(
        "seggen_second_training_from_scratch",
        'start="all" if goes_on else training.start',
        "start=training.start",
        "the training on real images forgets the one before",
        _ARM,
    ),
    _PLAN.mutant(
        "seggen_panoptic_second_training_from_scratch",
        'start="weights" if goes_on else training.start',
        "start=training.start",
        "the panoptic training on real images forgets the one before",
        _PANOPTIC,
    ),
    _PLAN.mutant(
        "seggen_second_training_sees_the_same_samples",
        "training.recipe.iterations * training.recipe.batch_size if goes_on else 0",
        "0",
        "both trainings see the same crops in the same order",
        _ARM,
    ),
    _PLAN.mutant(
        "seggen_real_twice_starts_from_few",
        'again = self._train(f"{arm}/train", source, {"start": (self.real_model,)})',
        'again = self._train(f"{arm}/train", source, {})',
        "real, then real is real once",
        _ARM,
    ),
    _PLAN.mutant(
        "seggen_twice_as_long_is_once",
        '{"iterations": 2 * recipe.iterations}',
        '{"iterations": recipe.iterations}',
        "the control of the iterations has no more of them",
        _ARM,
    ),
    _PLAN.mutant(
        "seggen_rate_falls_in_the_middle",
        "tuple(2 * drop for drop in recipe.drops)",
        "recipe.drops",
        "twice as long on COCO, the rate falls where it fell before",
        f"{EDGES}::test_twice_as_long_moves_where_the_rate_falls",
    ),
    _PLAN.mutant(
        "seggen_few_arms_train_on_all",
        "max_images=study.few_images if few else None,\n            variant",
        "max_images=None,\n            variant",
        "low-data arms with synthetic samples have all real images",
        _ARM,
    ),
    _PLAN.mutant(
        "seggen_filter_is_not_trained_on",
        'variant="freemask" if filtered else "seggen"',
        'variant="seggen"',
        "FreeMask's filter changes nothing",
        _FREEMASK,
    ),
    _PLAN.mutant(
        "seggen_unseen_is_the_usual_val",
        'inputs = {"data": (drawn,), "model": (model,), "frequencies": (self.frequencies,)}',
        'inputs = {**self.data, "model": (model,), "frequencies": (self.frequencies,)}',
        "the unseen domain is the one of the training",
        _ARM,
    ),
    _PLAN.mutant(
        "seggen_fair_generators_see_all",
        '"people" if how.captions == "people" else "machine", how.fair)',
        '"people" if how.captions == "people" else "machine", False)',
        "the fair generators of the low-data control saw all images",
        _FAIR,
    ),
    _PLAN.mutant(
        "seggen_palette_is_the_recipes",
        "Taught(how.palette,",
        "Taught(None,",
        "the arms of the palettes have one palette",
        _PALETTE,
    ),
    _MADE.mutant(
        "seggen_few_generators_learn_from_all",
        '"max_images": study.few_images if taught.few else None,\n            }',
        '"max_images": None,\n            }',
        "generators of a few images are taught with all",
        _FAIR,
    ),
    _MADE.mutant(
        "seggen_masks_by_the_usual_generator",
        '{"captions": (self.captions(taught.captions),), "text2mask": (self.text2mask(taught),)}',
        '{"captions": (self.captions(taught.captions),), "text2mask": (self.text2mask(Taught()),)}',
        "fair masks are drawn by the generator that saw all images",
        _FAIR,
    ),
    _MADE.mutant(
        "seggen_pictures_by_the_usual_generator",
        '{"controlnet": (self.mask2img(taught),), **roles}',
        '{"controlnet": (self.mask2img(Taught()),), **roles}',
        "fair pictures are painted by the generator that saw all images",
        _FAIR,
    ),
    _MADE.mutant(
        "seggen_strategies_swapped",
        "if how.mask_syn:\n            masks",
        "if how.img_syn:\n            masks",
        "MaskSyn's arm has no mask of Text2Mask",
        _ARM,
    ),
    _MADE.mutant(
        "seggen_shuffled_captions_are_not",
        '{"captions": (self.captions(taught.captions, shuffled),)}',
        '{"captions": (self.captions(taught.captions),)}',
        "the control of captions is asked with the right ones",
        _SHUFFLED,
    ),
    _MADE.mutant(
        "seggen_one_palette_of_two",
        '{"kind": taught.palette or config.palette.kind}',
        '{"kind": config.palette.kind}',
        "generators are taught with the recipe's palette whatever the arm says",
        _PALETTE,
    ),
    _MADE.mutant(
        "seggen_uncleaned_masks_are_clean",
        '{"min_segment_px": 0} if kind == "not cleaned" else {}',
        "{}",
        "the arm without clean-up cleans up",
        f"{EDGES}::test_masks_may_stay_as_they_are_decoded_or_be_painted_raw",
    ),
    _MADE.mutant(
        "seggen_raw_condition_is_clean",
        '"condition": "raw" if kind == "raw condition" else "clean"',
        '"condition": "clean"',
        "the raw picture is never painted from",
        f"{EDGES}::test_masks_may_stay_as_they_are_decoded_or_be_painted_raw",
    ),
    _MADE.mutant(
        "seggen_fewer_copies_than_pictures",
        "variants=study.pictures.variants,\n                    photometric",
        "variants=study.masks.variants,\n                    photometric",
        "colour-jittered copies are fewer than ImgSyn's pictures",
        _COPIED,
    ),
    _MADE.mutant(
        "seggen_all_looks_are_one",
        '{"look": variant + 1}',
        '{"look": 1}',
        "re-rendered scenes have one look, however many there are",
        _COPIED,
    ),
    _MADE.mutant(
        "seggen_hardness_of_another_size",
        "size_px=self.planner.study.hardness_px",
        "size_px=512",
        "hardness is taken at another size than the recipe's",
        _FREEMASK,
    ),
    _COLLECT.mutant(
        "seggen_alignment_is_the_accuracy",
        '"alignment": cells.alignment',
        '"alignment": cells.evaluation',
        "the report's alignment is the arm's own accuracy",
        f"{VALUES}::test_alignment_is_of_the_arms_own_images",
    ),
    _COLLECT.mutant(
        "seggen_masks_cost_nothing",
        "sampled = (*cells.masks, *cells.pairs)",
        "sampled = cells.pairs",
        "drawing masks is left out of the cost",
        f"{VALUES}::test_costs_hold_masks_images_and_both_generators",
    ),
    _COLLECT.mutant(
        "seggen_things_and_stuff_swapped",
        '"PQ_things": "PQ_th"',
        '"PQ_things": "PQ_st"',
        "things have the quality of stuff",
        f"{VALUES}::test_panoptic_numbers_have_the_papers_names",
    ),
    _COLLECT.mutant(
        "seggen_valid_pixels_of_one_shard",
        'record["near_share"] * record["num_masks"] for record in records',
        'record["near_share"] * record["num_masks"] for record in records[:1]',
        "valid pixels are those of the first shard",
        f"{VALUES}::test_valid_pixels_are_a_mean_over_the_masks_of_all_shards",
    ),
    _PAPER.mutant(
        "seggen_photographs_are_drawn_again",
        'arm.how.kind == "re-rendered" and study.world is None',
        'arm.how.kind == "re-rendered" and study.world is not None',
        "photographs are asked to be drawn again",
        f"{EDGES}::test_each_segmenter_trains_the_rows_of_its_tables",
    ),
    _COPIES.mutant(
        "seggen_copies_of_one_look",
        "_redrawn(drawn[variant], index, name, label_HW)",
        "_redrawn(drawn[0], index, name, label_HW)",
        "every re-rendered copy has the first look",
        f"{CONTROLS}::test_the_same_scene_is_drawn_with_another_look",
    ),
    _COPIES.mutant(
        "seggen_jitter_is_the_same_for_all",
        '"jitter", name, variant',
        '"jitter", name',
        "all copies of an image have one change of colours",
        f"{CONTROLS}::test_jittered_copies_have_other_colours_and_the_same_masks",
    ),
    _MOVED.mutant(
        "seggen_moved_masks_are_padded",
        "moved_HW[(row_H < 0) | (row_H >= height)] = IGNORED",
        "pass",
        "what comes in from above and below has a class",
        f"{CONTROLS}::test_a_shift_moves_everything_and_what_comes_in_is_void",
    ),
    _QUALITY.mutant(
        "seggen_human_masks_are_their_own_copies",
        "leave_out_own=True",
        "leave_out_own=False",
        "human masks are copies of each other, whatever they are",
        f"{CONTROLS}::test_human_masks_held_against_themselves_have_no_shift",
    ),
    _PIXELS.mutant(
        "seggen_rare_classes_are_frequent",
        "(-pixels[name], name)",
        "(pixels[name], name)",
        "rare classes are called frequent",
        f"{CONTROLS}::test_classes_are_parted_by_their_training_pixels",
    ),
    _ALIGNED.mutant(
        "seggen_alignment_counts_the_wrong_way",
        "add_confusion(confusion_KK, label_HW, predicted_HW, IGNORED)",
        "add_confusion(confusion_KK, label_HW, label_HW * (label_HW < 255), IGNORED)",
        "every image is aligned with its mask",
        f"{CONTROLS}::test_a_networks_own_answers_are_aligned_and_others_are_not",
    ),
    _RENDERER.mutant(
        "another_look_has_the_same_background",
        "self.image_HW3 = paint_background(background, config.height_px, config.width_px, repaint)",
        "paint_background(background, config.height_px, config.width_px, repaint)",
        "a scene with another look has the background of the first",
        f"{CONTROLS}::test_the_same_scene_is_drawn_with_another_look",
    ),
)
