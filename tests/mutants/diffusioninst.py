"""Mutants of DiffusionInst."""

from tests.mutants.mutant import Mutant, Place

_TESTS = "tests/unit/test_diffusioninst.py"
_FOLDER = "methods/common/segmenters/diffusioninst/"
_DIFFUSION = Place(_FOLDER + "diffusion.py")
_MATCHING = Place(_FOLDER + "matching.py")
_MASKS = Place(_FOLDER + "masks.py")
_LOSSES = Place(_FOLDER + "losses.py")
_MODEL = Place(_FOLDER + "model.py")
_BOXES = Place(_FOLDER + "boxes.py")
_HEAD = Place(_FOLDER + "head.py")

MUTANTS: tuple[Mutant, ...] = (
    _DIFFUSION.mutant(
        "noise_and_signal_exchanged",
        "alpha_N11.sqrt() * signal_NQ4 + (1 - alpha_N11).sqrt() * noise_NQ4",
        "(1 - alpha_N11).sqrt() * signal_NQ4 + alpha_N11.sqrt() * noise_NQ4",
        "the first time steps are all noise, the last ones none",
        f"{_TESTS}::test_the_signal_keeps_its_share_of_the_variance",
    ),
    _DIFFUSION.mutant(
        "ddim_adds_no_fresh_noise",
        "sigma = eta * math.sqrt(",
        "sigma = 0 * eta * math.sqrt(",
        "sampling in several steps adds no noise between them",
        f"{_TESTS}::test_a_step_without_fresh_noise_goes_straight_on",
    ),
    _DIFFUSION.mutant(
        "true_boxes_lie_among_random_ones",
        "return torch.cat([true_G4, filler_Q4[len(true_G4) :]])",
        "return torch.cat([filler_Q4[len(true_G4) :], true_G4])",
        "the true boxes come last",
        f"{_TESTS}::test_true_boxes_come_first_and_random_ones_fill_up",
    ),
    _MATCHING.mutant(
        "box_or_window",
        "OUTSIDE_COST * ~(in_box_QG & in_window_QG)",
        "OUTSIDE_COST * ~(in_box_QG | in_window_QG)",
        "a proposal whose centre is in the window alone costs nothing more",
        f"{_TESTS}::test_costs_of_pairs",
    ),
    _MATCHING.mutant(
        "one_proposal_for_each_object",
        "count_DG = best_DkG.sum(dim=1).int().clamp(min=1, max=num_proposals)",
        "count_DG = best_DkG.sum(dim=1).int().clamp(min=1, max=1)",
        "an object that many proposals overlap has one only",
        f"{_TESTS}::test_an_object_takes_as_many_proposals_as_its_overlaps_add_up_to",
    ),
    _MATCHING.mutant(
        "objects_without_proposals_stay",
        "while bool((left_QG < torch.inf).any()):",
        "while False and bool((left_QG < torch.inf).any()):",
        "an object whose proposals another took has none",
        f"{_TESTS}::test_a_proposal_that_two_want_goes_to_the_cheaper_one_and_the_other_takes_a_free_one",
    ),
    _MASKS.mutant(
        "filters_column_by_column",
        "weight_Roi = weights[layer].reshape(-1, outputs, inputs)",
        "weight_Roi = weights[layer].reshape(-1, inputs, outputs).mT",
        "a filter's weights are read column by column",
        f"{_TESTS}::test_the_filters_are_153_numbers_and_a_network_of_three_layers",
    ),
    _MASKS.mutant(
        "maps_are_not_shifted",
        "shift = factor // 2",
        "shift = 0",
        "an enlarged map lies two pixels too far to the upper left",
        f"{_TESTS}::test_the_enlarged_map_is_shifted_by_half_a_factor",
    ),
    _LOSSES.mutant(
        "counts_of_a_share",
        "count_D = share.team.sum_(matched_D[:, None])[:, 0].clamp(min=1)",
        "count_D = matched_D.clamp(min=1)",
        "a share divides by its own matched proposals",
        f"{_TESTS}::test_a_batch_in_shares_has_the_loss_of_the_whole",
    ),
    _MATCHING.mutant(
        "heads_share_their_proposals",
        "rank_DQG = costs_DQG.argsort(dim=1, stable=True).argsort(dim=1)",
        "rank_DQG = costs_DQG[:1].argsort(dim=1, stable=True).argsort(dim=1)",
        "all heads are matched as the first one is",
        f"{_TESTS}::test_each_head_is_matched_for_itself",
    ),
    _LOSSES.mutant(
        "weights_of_boxes_swapped",
        "weights.box_weight, weights.giou_weight,",
        "weights.giou_weight, weights.box_weight,",
        "the L1 loss of boxes has the weight of the generalised IoU",
        f"{_TESTS}::test_each_weight_is_of_its_own_loss",
    ),
    _LOSSES.mutant(
        "heads_share_their_loss",
        "sums_3D.index_add(1, head_M, parts_3M)",
        "sums_3D.index_add(1, head_M.flip(0), parts_3M)",
        "boxes and masks of one head count as another's",
        f"{_TESTS}::test_losses_of_heads_are_their_own",
    ),
    _LOSSES.mutant(
        "plain_dice",
        "probability.square().sum(dim=1) + true.square().sum(dim=1)",
        "probability.sum(dim=1) + true.sum(dim=1)",
        "the dice loss has no squares below",
        f"{_TESTS}::test_dice_has_squares_below",
    ),
    _MODEL.mutant(
        "noise_by_place_in_the_share",
        "seeds_B[share.first : share.first + share.count]",
        "seeds_B[: share.count]",
        "every share draws the noise of the batch's first images",
        f"{_TESTS}::test_noise_follows_the_image_not_its_place_in_the_share",
    ),
    _MODEL.mutant(
        "sure_boxes_are_renewed",
        "torch.where(sure_NQ[:, :, None], next_NQ4, renewed_Q4)",
        "torch.where(sure_NQ[:, :, None], renewed_Q4, next_NQ4)",
        "what was found is thrown away and what was not is kept",
        f"{_TESTS}::test_unsure_boxes_are_drawn_anew",
    ),
    _MODEL.mutant(
        "masks_leave_their_boxes",
        "inside = slice(y0, y1), slice(x0, x1)",
        "inside = slice(0, y1), slice(0, x1)",
        "a mask goes on beyond its box",
        f"{_TESTS}::test_a_mask_ends_at_its_box",
    ),
    _BOXES.mutant(
        "whole_sides",
        "DELTA_WEIGHTS = (2.0, 2.0, 1.0, 1.0)",
        "DELTA_WEIGHTS = (1.0, 1.0, 1.0, 1.0)",
        "a head moves boxes by whole sides",
        f"{_TESTS}::test_a_head_moves_by_halves_of_a_side_and_grows_to_a_limit",
    ),
    _HEAD.mutant(
        "small_boxes_from_coarse_levels",
        "level_R.clamp(finest, finest + POOLED_LEVELS - 1).long() - finest",
        "finest + POOLED_LEVELS - 1 - level_R.clamp(finest, finest + POOLED_LEVELS - 1).long()",
        "the smallest boxes are pooled from the coarsest level",
        f"{_TESTS}::test_larger_boxes_are_pooled_from_coarser_levels",
    ),
)
