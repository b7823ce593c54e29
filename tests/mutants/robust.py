"""Mutants of DeepLab, of dilated backbones, and of the robust training of two networks."""

from tests.mutants.mutant import Mutant, Place

PIECES = "tests/unit/test_robust_pieces.py"
PAIR = "tests/unit/test_co_training.py"
DEEPLAB = "tests/unit/test_deeplab.py"
RESNET = "tests/unit/test_resnet_variants.py"

_ROBUST = "methods/diffumask_robust/"
_MARGINS = Place(_ROBUST + "margins.py")
_RELIABILITY = Place(_ROBUST + "reliability.py")
_LOSSES = Place(_ROBUST + "losses.py")
_MIXING = Place(_ROBUST + "mixing.py")
_BOUNDARY = Place(_ROBUST + "boundary.py")
_WARM_UP = Place(_ROBUST + "warm_up.py")
_SCHEDULE = Place(_ROBUST + "schedule.py")
_CO_TRAINING = Place(_ROBUST + "co_training.py")
_RESNET_CONFIG = Place("methods/common/segmenters/backbones/config.py")
_FOLDING = Place("methods/common/segmenters/backbones/folding.py")
_HEAD = Place("methods/common/segmenters/deeplab/head.py")
_OFFICIAL = Place("methods/common/segmenters/deeplab/official.py")
_AVERAGED = Place("methods/common/segmenters/semantic/averaged.py")

MUTANTS: tuple[Mutant, ...] = (
    _MARGINS.mutant(
        "margin_of_the_best_score",
        "own_HW = np.take_along_axis(score_KHW, chosen_HW[None], 0)[0]",
        "own_HW = best_HW",
        "a label that a filter changed looks sure",
        f"{PIECES}::test_a_changed_label_has_a_negative_margin_and_a_tie_none",
    ),
    _RELIABILITY.mutant(
        "worst_pixels_are_trusted",
        "np.argsort(-margin[pixels]",
        "np.argsort(margin[pixels]",
        "the pixels of smallest margin are trusted",
        f"{PIECES}::test_the_better_half_of_each_class_is_trusted",
    ),
    _LOSSES.mutant(
        "network_teaches_itself",
        "said_NHW[1 - number]",
        "said_NHW[number]",
        "each network learns what it says itself",
        f"{PIECES}::test_each_network_learns_what_the_other_says",
    ),
    _LOSSES.mutant(
        "divided_by_trusted_pixels",
        "(supervised * supervised_NHW).sum() / num_pixels",
        "(supervised * supervised_NHW).sum() / trusted_NHW.sum()",
        "the supervised loss is averaged over trusted pixels",
        f"{PIECES}::test_the_losses_of_the_worked_example",
    ),
    _LOSSES.mutant(
        "online_labels_of_one_network",
        "((logits_NKHW[0] + logits_NKHW[1]) / 2).softmax(1)",
        "logits_NKHW[1].softmax(1)",
        "online labels are the second network's",
        f"{PIECES}::test_online_labels_are_of_the_mean_logits",
    ),
    _MIXING.mutant(
        "partner_is_the_neighbour",
        "partner = (place + half) % num_images",
        "partner = (place + 1) % num_images",
        "an image's partner is the next one",
        f"{PIECES}::test_a_composite_has_its_partners_objects_and_online_labels_everywhere",
    ),
    _MIXING.mutant(
        "composite_keeps_offline_labels",
        "taken.label_NHW[partner], taken.label_NHW[place])",
        "taken.label_NHW[partner], offline.label_NHW[place])",
        "a composite has offline labels outside of what was pasted",
        f"{PIECES}::test_a_composite_has_its_partners_objects_and_online_labels_everywhere",
    ),
    _MIXING.mutant(
        "classes_rounded_down",
        "int(np.ceil(len(candidates) * share))",
        "int(len(candidates) * share)",
        "half of the classes is rounded down",
        f"{PIECES}::test_half_of_the_foreground_classes_rounded_up",
    ),
    _MIXING.mutant(
        "warm_up_has_boundaries",
        "if online is None\n        else paste_boundary",
        "if False\n        else paste_boundary",
        "boundaries weigh during the warm-up",
        f"{PIECES}::test_the_warm_up_pastes_offline_labels_trusted_or_not_without_boundaries",
    ),
    _BOUNDARY.mutant(
        "image_edge_is_a_seam",
        'outside = 0.0 if border == "as_released"',
        'outside = 1.0 if border == "as_released"',
        "a region has a rim at the image's edge",
        f"{PIECES}::test_boundaries_by_hand",
    ),
    _WARM_UP.mutant(
        "warm_up_is_an_epoch",
        'if rule == "as_released":',
        'if rule == "as_meant":',
        "the two rules of the warm-up are swapped",
        f"{PIECES}::test_the_warm_up",
    ),
    _SCHEDULE.mutant(
        "rate_has_no_floor",
        "max(self.min_lr, polynomial_decay(iteration, self.base_lr, self.iterations, self.power))",
        "polynomial_decay(iteration, self.base_lr, self.iterations, self.power)",
        "the learning rate reaches 0",
        f"{PIECES}::test_the_rate_falls_to_its_floor_and_the_optimiser_takes_all_parameters_alike",
    ),
    _CO_TRAINING.mutant(
        "heads_begin_alike",
        'seeds.torch("training", "initial weights", number)',
        'seeds.torch("training", "initial weights")',
        "both networks have the same head",
        f"{PAIR}::test_backbones_begin_alike_and_heads_do_not",
    ),
    _CO_TRAINING.mutant(
        "online_labels_in_training_mode",
        "    model.eval()\n    try:",
        "    model.train()\n    try:",
        "online labels come from networks in training mode",
        f"{PAIR}::test_labels_go_online_after_the_warm_up_from_both_networks_in_evaluation",
    ),
    _AVERAGED.mutant(
        "sum_of_scores",
        "for member in self.each()]).mean(0)",
        "for member in self.each()]).sum(0)",
        "scores are added up, not averaged",
        f"{PAIR}::test_the_pair_learns_and_decides_by_the_mean",
    ),
    _RESNET_CONFIG.mutant(
        "multi_grid_adds",
        "[dilation * factor for factor in factors]",
        "[dilation + factor for factor in factors]",
        "factors of the multi-grid are added to the dilation",
        f"{RESNET}::test_dilated_stages_keep_their_size_and_double_the_dilation",
    ),
    _FOLDING.mutant(
        "folding_forgets_dilation",
        "conv.stride, conv.padding, conv.dilation)",
        "conv.stride, conv.padding)",
        "a convolution with its norm folded in is not dilated",
        f"{RESNET}::test_folded_norms_keep_the_dilation",
    ),
    _HEAD.mutant(
        "decoder_reads_the_last_map",
        "self.low_level(features[0])",
        "self.low_level(features[1])",
        "the decoder reads another map than the finest",
        f"{DEEPLAB}::test_scores_have_the_size_of_any_image",
    ),
    _OFFICIAL.mutant(
        "always_the_first_network",
        "content[_PAIR].get(network)",
        'content[_PAIR].get("network1")',
        "the second network of a checkpoint is never read",
        f"{DEEPLAB}::test_both_networks_of_an_official_checkpoint_load",
    ),
)
