"""Mutants of FastInst, of the backbone's variants, and of the common training of instance segmenters."""

from tests.mutants.mutant import Mutant, Place

NETWORK = "tests/unit/test_fastinst_network.py"
LOSSES = "tests/unit/test_fastinst_losses.py"
RESNET = "tests/unit/test_resnet_variants.py"
STAGE = "tests/unit/test_train_instances.py"

_FASTINST = "methods/common/segmenters/fastinst/"
_PROPOSALS = Place(_FASTINST + "proposals.py")
_DECODER = Place(_FASTINST + "decoder.py")
_LAYERS = Place(_FASTINST + "layers.py")
_FASTINST_LOSSES = Place(_FASTINST + "losses.py")
_QUERY_LOSSES = Place("methods/common/segmenters/mask_queries/losses.py")
_TARGETS = Place(_FASTINST + "targets.py")
_MODEL = Place(_FASTINST + "model.py")
_PIXEL_DECODER = Place(_FASTINST + "pixel_decoder.py")
_FOLDING = Place("methods/common/segmenters/backbones/folding.py")
_RESNET = Place("methods/common/segmenters/backbones/resnet.py")
_POSTPROCESS = Place("methods/common/segmenters/mask_queries/postprocess.py")
_TRAIN_INSTANCES = Place("methods/common/stages/train_instances.py")
_INSTANCE_TRAINING = Place("methods/common/segmenters/instance/training.py")
_SHORT_SIDE = Place("methods/common/segmenters/instance/short_side.py")
_STEP_RECIPE = Place("methods/common/training/step_recipe.py")

_NAIVE = f"{LOSSES}::test_losses_equal_the_naive_ones_at_the_same_points"

MUTANTS: tuple[Mutant, ...] = (
    _PROPOSALS.mutant(
        "other_classes_hide_a_peak",
        " | (best_class[window] != class_Nhw))",
        ")",
        "a neighbour of another class hides a local maximum",
        f"{NETWORK}::test_peaks_by_hand",
    ),
    _PROPOSALS.mutant(
        "peaks_do_not_come_first",
        "best_Nhw + peaks(",
        "best_Nhw + 0 * peaks(",
        "local maxima do not outrank other cells",
        f"{NETWORK}::test_queries_are_the_cells_that_the_naive_formula_chooses",
    ),
    _PROPOSALS.mutant(
        "background_chooses_queries",
        "probability_NKhw[:, :-1].max(dim=1)",
        "probability_NKhw.max(dim=1)",
        "sure background becomes a query",
        f"{NETWORK}::test_one_peak_for_each_class_makes_just_these_queries",
    ),
    _PROPOSALS.mutant(
        "locations_y_before_x",
        "torch.stack([x_w[self.index_NQ % width], y_h[row_NQ]], dim=-1)",
        "torch.stack([y_h[row_NQ], x_w[self.index_NQ % width]], dim=-1)",
        "the location of a query has x and y exchanged",
        f"{NETWORK}::test_a_small_map_gives_fewer_queries_and_their_locations",
    ),
    _DECODER.mutant(
        "an_empty_mask_sees_nothing",
        "inside_NQL | ~inside_NQL.any(dim=2, keepdim=True)",
        "inside_NQL",
        "a query with an empty mask attends nowhere",
        f"{NETWORK}::test_an_empty_mask_sees_everything_and_so_do_auxiliary_queries",
    ),
    _DECODER.mutant(
        "masks_of_the_first_depth_for_ever",
        "predictions[-1].mask_logit_NQhw.detach()",
        "predictions[0].mask_logit_NQhw.detach()",
        "every layer looks into the masks before the first",
        f"{NETWORK}::test_layers_follow_each_other_with_the_masks_before",
    ),
    _DECODER.mutant(
        "guided_by_the_head_before",
        "self._predict(depth, layer(state, outputs.positions, seen_NAL), outputs.size)",
        "self._predict(depth - 1, layer(state, outputs.positions, seen_NAL), outputs.size)",
        "guided outputs are predicted by the head of the layer before",
        f"{NETWORK}::test_depths_and_classes_in_training_and_evaluation",
    ),
    _DECODER.mutant(
        "pixels_update_after_queries",
        "self.query_attention(state.query_NAC, at_query, pixel_NLC, at_pixel, seen_NAL)",
        "self.query_attention(state.query_NAC, at_query, state.pixel_NLC, at_pixel, seen_NAL)",
        "queries look at pixels as they were before the layer",
        f"{NETWORK}::test_layers_follow_each_other_with_the_masks_before",
    ),
    _LAYERS.mutant(
        "positions_in_the_values",
        "other_NMC + other_position_MC, other_NMC, seen_NLM",
        "other_NMC + other_position_MC, other_NMC + other_position_MC, seen_NLM",
        "attention adds positions to values",
        f"{NETWORK}::test_positions_go_to_queries_and_keys_alone",
    ),
    _PIXEL_DECODER.mutant(
        "pooled_after_the_map",
        "torch.cat([*pooled, x_NCHW], dim=1)",
        "torch.cat([x_NCHW, *pooled], dim=1)",
        "the pyramid pooling joins its parts in another order",
        f"{NETWORK}::test_the_pixel_decoder_sums_from_the_coarsest_map_down",
    ),
    _FASTINST_LOSSES.mutant(
        "location_costs_instead_of_gains",
        "return costs - config.location_weight * inside_NQT",
        "return costs + config.location_weight * inside_NQT",
        "queries match objects that they do not sit on",
        f"{LOSSES}::test_a_query_matches_an_object_that_it_sits_on_whatever_it_says",
    ),
    _FASTINST_LOSSES.mutant(
        "guided_matches_of_the_first_depth",
        "[(prediction, query_DM[-1]) for prediction in guided]",
        "[(prediction, query_DM[0]) for prediction in guided]",
        "guided outputs learn what the first depth matched",
        _NAIVE,
    ),
    _FASTINST_LOSSES.mutant(
        "guided_masks_of_the_first_depth",
        "masks_of_queries(targets, query_DM[-1], num_queries, outputs.size)",
        "masks_of_queries(targets, query_DM[0], num_queries, outputs.size)",
        "guided attention has the masks that the first depth matched",
        _NAIVE,
    ),
    _FASTINST_LOSSES.mutant(
        "proposals_weigh_one",
        "return config.loss.proposal_weight * total / totals.num_cells",
        "return total / totals.num_cells",
        "the proposal loss loses its weight",
        _NAIVE,
    ),
    _QUERY_LOSSES.mutant(
        "no_object_weighs_one",
        "weight_K[no_object] = config.no_object_weight",
        "weight_K[no_object] = 1.0",
        "queries without an object weigh as much as those with one",
        _NAIVE,
    ),
    _TARGETS.mutant(
        "only_full_cells_are_inside",
        "size).flatten(1) > 0\n",
        "size).flatten(1) >= 1\n",
        "a cell counts as inside only if the object fills it",
        f"{LOSSES}::test_a_cell_is_inside_if_any_of_its_pixels_is",
    ),
    _MODEL.mutant(
        "padding_is_not_cleared",
        "image[row, :, inside_height:] = 0",
        "image[row, :, inside_height:] = 1",
        "what lies below a smaller image of a batch is not black",
        f"{NETWORK}::test_images_of_a_batch_do_not_see_each_other_and_padding_is_black_after_normalising",
    ),
    _POSTPROCESS.mutant(
        "scores_without_mask_quality",
        "(score_R * torch.cat(qualities)[place_R]).sort(",
        "(score_R * torch.cat(qualities)[place_R] ** 0).sort(",
        "the probability of the mask does not enter the score",
        f"{NETWORK}::test_scores_by_hand",
    ),
    _POSTPROCESS.mutant(
        "boxes_end_on_the_last_pixel",
        "torch.where(seen_RL > 0, place_L + 1, 0)",
        "torch.where(seen_RL > 0, place_L, 0)",
        "boxes are a pixel short",
        f"{NETWORK}::test_boxes_end_behind_the_last_pixel",
    ),
    _FOLDING.mutant(
        "folded_mean_not_scaled",
        "norm.bias - mean_C * scale_C",
        "norm.bias - mean_C",
        "a folded norm shifts by the unscaled mean",
        f"{RESNET}::test_folded_norms_change_rounding_alone",
    ),
    _RESNET.mutant(
        "taps_start_anywhere",
        "nn.init.zeros_(module.weight)",
        "nn.init.normal_(module.weight)",
        "deformable taps start away from their places",
        f"{RESNET}::test_taps_start_at_their_places",
    ),
    _TRAIN_INSTANCES.mutant(
        "instance_start_ignored",
        "        load_weights(model, place",
        "        load_weights(type(model)(config.segmenter), place",
        "a training that should go on from another starts from random weights",
        f"{STAGE}::test_starts_from_another_training_or_a_backbone",
    ),
    _INSTANCE_TRAINING.mutant(
        "second_training_of_instances_sees_the_same_samples",
        "range(first, last), num_workers, self.before)",
        "range(first, last), num_workers, 0)",
        "a training that goes on from another one repeats its samples",
        "tests/unit/test_batches.py::test_instances_are_counted_on_from_an_earlier_training",
    ),
    _INSTANCE_TRAINING.mutant(
        "class_counts_are_ones",
        "counts[found] += 1",
        "counts[found] = 1",
        "the federated loss draws every class alike",
        f"{STAGE}::test_centernet2_trains_by_the_same_stage_and_averages",
    ),
    _SHORT_SIDE.mutant(
        "masks_are_not_flipped",
        "crop_instances(instances, whole, crop, flip)",
        "crop_instances(instances, whole, crop, False)",
        "masks of mirrored images stay as they are",
        f"{STAGE}::test_the_short_side_is_as_asked",
    ),
    _STEP_RECIPE.mutant(
        "one_drop_alone",
        "0.1 ** sum(iteration >= drop for drop in self.drops)",
        "0.1 ** any(iteration >= drop for drop in self.drops)",
        "the rate falls once instead of twice",
        f"{STAGE}::test_the_rate_falls_to_a_tenth_twice",
    ),
)
