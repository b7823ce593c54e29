"""Mutants of what belongs together where there are several: pictures, presets, partners, networks, and the cells behind a number."""

from tests.mutants.mutant import Mutant, Place

WIRES = "tests/unit/test_diffumask_robust_wires.py::"
PIECES = "tests/unit/test_robust_pieces.py::"
COLLECTED = "tests/unit/test_diffumask_robust_collected_values.py::"

_METHOD = "methods/diffumask_robust/"
_LABELLER = Place(_METHOD + "labeller.py")
_LABEL = Place(_METHOD + "stages/label.py")
_SAMPLER = Place(_METHOD + "attention_sampler.py")
_TARGET_MAPS = Place(_METHOD + "diffumask/target_maps.py")
_MIXING = Place(_METHOD + "mixing.py")
_CO_TRAINING = Place(_METHOD + "co_training.py")
_COLLECT = Place("reproductions/diffumask_robust/collect.py")
_TARGETS = Place("reproductions/diffumask_robust/targets.csv")

_OWN = f"{WIRES}test_each_picture_is_labelled_by_its_own_line_and_the_presets_own_range"
_BATCH = f"{WIRES}test_a_batch_keeps_pictures_seeds_maps_and_prompts_together"
_CUT = f"{WIRES}test_inside_a_cut_out_the_strongest_map_names_the_class"
_WIDTH = f"{PIECES}test_width_and_border_of_boundaries_are_the_configs"
_INTERLEAVED = f"{PIECES}test_interleaving_moves_trust_and_boundaries_with_their_pictures"
_ANEW = "tests/unit/test_co_training.py::test_every_step_draws_anew_and_hands_on_what_the_config_says"
_PROTOCOLS = f"{COLLECTED}test_each_protocol_has_a_mean_of_its_own"
_MASKS = f"{COLLECTED}test_masks_are_those_of_the_arms_own_rating"
_COSTS = f"{COLLECTED}test_costs_are_of_the_pictures_and_labels_that_an_arm_chooses_from"
_RATINGS = f"{COLLECTED}test_every_preset_is_rated_by_its_own_masks"
_PRINTED = f"{COLLECTED}test_targets_are_the_printed_numbers_of_their_rows"

MUTANTS: tuple[Mutant, ...] = (
    _LABEL.mutant(
        "every_picture_has_the_first_line",
        "label_image(pairs[number], records[number])",
        "label_image(pairs[number], records[0])",
        "all pictures are labelled with the classes and ranges of the first",
        _OWN,
    ),
    _LABELLER.mutant(
        "ranges_of_another_preset",
        'record["ranges"][config.preset]',
        'next(iter(record["ranges"].values()))',
        "heat maps are read in the range of the first preset",
        _OWN,
    ),
    _LABELLER.mutant(
        "maps_are_never_rescaled",
        "is_scaled=not config.rescaled",
        "is_scaled=True",
        "maps that a preset leaves below 1 stay so where they are to be scaled",
        _OWN,
    ),
    _LABELLER.mutant(
        "ties_are_read_as_meant",
        "mask.place_HW, config.ties)",
        "mask.place_HW)",
        "margins as released are those as meant",
        f"{WIRES}test_the_trusted_share_and_the_reading_of_ties_are_handed_on",
    ),
    _LABELLER.mutant(
        "chance_is_the_same_for_all_pictures",
        'seeds.numpy("generation", "random trust", name)',
        'seeds.numpy("generation", "random trust")',
        "random trust marks the same places of every picture",
        f"{WIRES}test_chance_trusts_other_pixels_of_each_picture",
    ),
    _LABELLER.mutant(
        "the_weakest_map_names_a_cut_out",
        "for numbers in rows]).argmax(0)",
        "for numbers in rows]).argmin(0)",
        "inside a cut-out the class of the weakest map wins",
        _CUT,
    ),
    _LABELLER.mutant(
        "cut_out_networks_see_bytes",
        "[None].float() / 255.0",
        "[None].float()",
        "cut-out networks get colours of 0 to 255",
        _CUT,
    ),
    _TARGET_MAPS.mutant(
        "target_maps_in_the_first_range",
        'target.record["ranges"][self._name]',
        'next(iter(target.record["ranges"].values()))',
        "DiffuMask's maps are read in the range of another preset",
        f"{WIRES}test_target_maps_are_of_the_preset_that_is_asked_for",
    ),
    _SAMPLER.mutant(
        "heat_maps_of_the_first_picture",
        "packed_maps(captures, index, image_NHW3.shape[1:3])",
        "packed_maps(captures, 0, image_NHW3.shape[1:3])",
        "all pictures of a batch have the heat maps of the first",
        _BATCH,
    ),
    _SAMPLER.mutant(
        "pictures_seeded_by_their_base",
        '"picture", prompt.prompt.id)',
        '"picture", prompt.base_id)',
        "prompts of one base prompt have one seed",
        _BATCH,
    ),
    _SAMPLER.mutant(
        "nothing_is_led_away_from",
        "{} if config.negative_prompt is None else",
        "{} if config.negative_prompt else",
        "the negative prompt is not handed on",
        _BATCH,
    ),
    _SAMPLER.mutant(
        "the_middle_of_other_steps",
        "PresetCapture(self._pipeline, preset, prompts, config.num_steps)",
        "PresetCapture(self._pipeline, preset, prompts, 100)",
        "Attn2mask reads step 50 however many there are",
        _BATCH,
    ),
    _MIXING.mutant(
        "partners_give_back_what_they_got",
        "torch.where(region_HW, image_N3HW[partner], image_N3HW[place])",
        "torch.where(region_HW, image[partner], image_N3HW[place])",
        "a picture takes from its partner what was pasted there a moment ago",
        f"{PIECES}test_partners_take_from_each_other_as_they_were",
    ),
    _MIXING.mutant(
        "boundaries_stay_when_pictures_move",
        "boundary_NHW[order], tuple(order))",
        "boundary_NHW, tuple(order))",
        "interleaved pictures have the boundaries of others",
        _INTERLEAVED,
    ),
    _MIXING.mutant(
        "trust_stays_when_pictures_move",
        "Labels(label[order], trusted[order])",
        "Labels(label[order], trusted)",
        "interleaved pictures have the trust of others",
        _INTERLEAVED,
    ),
    _MIXING.mutant(
        "borders_are_always_as_released",
        "paste_boundary(region_NHW, config.boundary_radius_px, config.border)",
        "paste_boundary(region_NHW, config.boundary_radius_px)",
        "the border as meant is that as released",
        _WIDTH,
    ),
    _MIXING.mutant(
        "boundaries_are_always_narrow",
        "paste_boundary(region_NHW, config.boundary_radius_px, config.border)",
        "paste_boundary(region_NHW, 1, config.border)",
        "boundaries have the default width",
        _WIDTH,
    ),
    _CO_TRAINING.mutant(
        "every_step_mixes_alike",
        'seeds.numpy("training", "mixing", iteration)',
        'seeds.numpy("training", "mixing")',
        "the same places of every batch are mixed",
        _ANEW,
    ),
    _CO_TRAINING.mutant(
        "networks_drop_out_together",
        '"step", iteration, number), part)',
        '"step", iteration), part)',
        "both networks drop out the same features",
        _ANEW,
    ),
    _CO_TRAINING.mutant(
        "confidence_is_the_default",
        "online_labels((one, two), self._config.mixing.confidence)",
        "online_labels((one, two), 0.95)",
        "the config's confidence is not asked",
        _ANEW,
    ),
    _COLLECT.mutant(
        "trusted_and_distrusted_exchanged_in_tables",
        '"right_trusted": "right_trusted", "right_distrusted": "right_distrusted"',
        '"right_trusted": "right_distrusted", "right_distrusted": "right_trusted"',
        "shares of right pixels stand in each other's column",
        _MASKS,
    ),
    _COLLECT.mutant(
        "all_19_classes_are_an_miou_of_voc",
        'return {"miou_19": record["miou"]}',
        'return {"miou": record["miou"]}',
        "19 classes of the street stand under VOC's mean",
        _PROTOCOLS,
    ),
    _COLLECT.mutant(
        "boundaries_and_areas_of_categories_exchanged",
        '{"miou_imagenet_s": "miou", "boundary_miou": "boundary_miou"',
        '{"miou_imagenet_s": "boundary_miou", "boundary_miou": "miou"',
        "boundary mIoU stands under mIoU of ImageNet-S",
        _PROTOCOLS,
    ),
    _COLLECT.mutant(
        "pooled_and_mean_of_masks_exchanged",
        '{"protocol_iou": record["miou"], "protocol_pooled_iou": record["pooled_iou"]}',
        '{"protocol_iou": record["pooled_iou"], "protocol_pooled_iou": record["miou"]}',
        "the pooled IoU of masks stands under the mean of classes",
        _PROTOCOLS,
    ),
    _COLLECT.mutant(
        "painting_and_labelling_exchanged",
        '"generate_s": self.seconds(cells.pairs),\n            "cut_s": self.seconds(cells.labels),',
        '"generate_s": self.seconds(cells.labels),\n            "cut_s": self.seconds(cells.pairs),',
        "seconds of labels stand under those of pictures",
        _COSTS,
    ),
    _COLLECT.mutant(
        "pictures_of_the_first_training",
        'self.store.record(last[0])["num_images"]',
        'self.store.record(cells.trains[0])["num_images"]',
        "fine-tuned arms show the pictures of the training before",
        _COSTS,
    ),
    _COLLECT.mutant(
        "noise_of_masks_on_the_wrong_axis",
        'x=self.store.record(rating)["miou"],\n                y=self.store.record(cells.evaluation)["miou"],',
        'x=self.store.record(cells.evaluation)["miou"],\n                y=self.store.record(rating)["miou"],',
        "accuracy lies on the axis of the masks",
        f"{COLLECTED}test_noise_of_masks_lies_on_x_and_accuracy_on_y",
    ),
    _COLLECT.mutant(
        "dropped_pictures_of_one_shard",
        'self.sum(one.labels, "num_dropped")',
        'self.sum(one.labels[:1], "num_dropped")',
        "pictures that one shard drops stand for all",
        _RATINGS,
    ),
    _TARGETS.mutant(
        "printed_beside_the_other_network",
        '2,real_5k,"real, R 5.0k",mask2former_swin_b,"Mask2Former, Swin-B",5000,,miou,83.4',
        '2,real_5k,"real, R 5.0k",mask2former_r50,"Mask2Former, Swin-B",5000,,miou,83.4',
        "the number of Swin-B stands beside ResNet-50, which has none",
        _PRINTED,
    ),
    _TARGETS.mutant(
        "printed_number_of_the_next_row",
        'trained on ADE20K, Cityscapes val",mask2former_r50,"Mask2Former, ResNet-50",,,miou_3_classes,60.1',
        'trained on ADE20K, Cityscapes val",mask2former_r50,"Mask2Former, ResNet-50",,,miou_3_classes,59.4',
        "a row has the printed number of the one below",
        _PRINTED,
    ),
)
