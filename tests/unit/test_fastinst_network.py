"""Proposals, decoder and whole network of FastInst, against formulas written naively."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.errors import InputError
from methods.common.segmenters.backbones.config import ResNetConfig
from methods.common.segmenters.fastinst.config import FastInstConfig
from methods.common.segmenters.fastinst.decoder import PredictionHead, State, visible
from methods.common.segmenters.fastinst.layers import Attention, AttentionLayer
from methods.common.segmenters.fastinst.model import FastInst
from methods.common.segmenters.fastinst.official import load_official
from methods.common.segmenters.fastinst.official_names import names_of
from methods.common.segmenters.fastinst.pixel_decoder import PixelDecoder
from methods.common.segmenters.fastinst.presets import fastinst_miniature
from methods.common.segmenters.fastinst.proposals import QueryProposals, peaks
from methods.common.segmenters.instance.segmenters import load_segmenter
from methods.common.segmenters.mask_queries.postprocess import (
    boxes_of,
    full_size_masks,
    instances_of,
)
from tests.unit.plain_instances import best_instances

CLASSES = 5
CONFIG = fastinst_miniature(CLASSES)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(config: FastInstConfig = CONFIG, seed: int = 0) -> FastInst:
    model = FastInst(config, seeded(seed)).eval()
    with torch.no_grad():
        model.decoder.position_grid.mul_(20)  # so that positions matter
    return model


def images(count: int = 2, height: int = 64, width: int = 48, seed: int = 1) -> Tensor:
    return torch.rand(count, 3, height, width, generator=seeded(seed)) * 255


# -- queries -------------------------------------------------------------------------------------------------------------------


def test_peaks_by_hand() -> None:
    probability = torch.tensor([[[0.5, 0.4, 0.1], [0.3, 0.6, 0.2], [0.2, 0.6, 1e-7]]])
    classes = torch.tensor([[[0, 1, 2], [0, 0, 2], [1, 0, 3]]])
    expected = [[False, True, False], [False, True, True], [True, True, False]]
    assert peaks(probability, classes, 1e-6)[0].tolist() == expected


def naive_choice(logit: Tensor, num_queries: int) -> tuple[list[list[int]], Tensor]:
    """Planes of classes, written as one reads the section."""
    probability = logit.softmax(1)
    images_, _, height, width = probability.shape
    key = torch.zeros(images_, height * width)
    for image in range(images_):
        best = probability[image, :-1].argmax(0)
        for y in range(height):
            for x in range(width):
                plane = torch.where(best == best[y, x], probability[image, best[y, x]], torch.zeros(()))
                around = functional.pad(plane, (1, 1, 1, 1))[y : y + 3, x : x + 3]
                value = plane[y, x]
                key[image, y * width + x] = value + float(value >= around.max() and value >= 1e-6)
    values, indices = key.sort(dim=1, descending=True)
    return indices[:, :num_queries].tolist(), values[:, :num_queries]


def test_queries_are_the_cells_that_the_naive_formula_chooses() -> None:
    logit = torch.randn(3, CLASSES + 1, 5, 5, generator=seeded(3))
    module = QueryProposals(CONFIG)
    index, value = module.choose(logit)
    expected, values = naive_choice(logit, CONFIG.num_queries)
    assert index.tolist() == expected
    assert torch.equal(value, values)
    assert (value > 1).any()
    assert (value < 1).any()


def test_one_peak_for_each_class_makes_just_these_queries() -> None:
    logit = torch.full((1, CLASSES + 1, 12, 12), -20.0)
    logit[:, -1] = 0
    places = {0: (1, 2), 1: (4, 9), 2: (8, 3), 3: (10, 10), 4: (6, 6)}
    for kind, (y, x) in places.items():
        logit[0, kind, y, x] = 4 + kind
    index, _ = QueryProposals(CONFIG).choose(logit)
    assert index[0, :CLASSES].tolist() == [12 * y + x for y, x in reversed(places.values())]


def test_a_small_map_gives_fewer_queries_and_their_locations() -> None:
    module = QueryProposals(CONFIG)
    proposals = module(torch.randn(1, CONFIG.width, 2, 3, generator=seeded(0)))
    assert proposals.index_NQ.shape == (1, 6)
    by_cell = {
        int(cell): place.tolist() for cell, place in zip(proposals.index_NQ[0], proposals.locations()[0], strict=True)
    }
    assert by_cell == {0: [0, 0], 1: [0.5, 0], 2: [1, 0], 3: [0, 1], 4: [0.5, 1], 5: [1, 1]}
    numbers = torch.arange(12.0).view(1, 2, 2, 3)
    assert proposals.gather(numbers)[0].tolist() == [[cell, 6 + cell] for cell in proposals.index_NQ[0].tolist()]


# -- layers --------------------------------------------------------------------------------------------------------------------


def test_attention_is_that_of_torch() -> None:
    ours, theirs = Attention(16, 4), nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        ours.in_proj_bias.normal_(generator=seeded(1))
    theirs.load_state_dict(ours.state_dict())
    query, key, value = (torch.randn(2, length, 16, generator=seeded(length)) for length in (3, 7, 7))
    value = value + 1
    seen = torch.rand(2, 3, 7, generator=seeded(9)) < 0.5
    seen[:, :, 0] = True
    expected = theirs(query, key, value, attn_mask=~seen.repeat_interleave(4, 0), need_weights=False)[0]
    assert torch.allclose(ours(query, key, value, seen), expected, atol=1e-6)


def test_positions_go_to_queries_and_keys_alone() -> None:
    layer = AttentionLayer(8, 2)
    x, other = torch.randn(1, 3, 8, generator=seeded(0)), torch.randn(1, 4, 8, generator=seeded(1))
    at_x, at_other = torch.randn(1, 3, 8, generator=seeded(2)), torch.randn(1, 4, 8, generator=seeded(3))
    expected = layer.norm(x + layer.attention(x + at_x, other + at_other, other))
    assert torch.allclose(layer(x, at_x, other, at_other), expected)


def test_an_empty_mask_sees_everything_and_so_do_auxiliary_queries() -> None:
    inside = torch.tensor([[[True, False, False], [False, False, False]]])
    assert visible(inside, 1).tolist() == [[[True, False, False], [True] * 3, [True] * 3]]


def test_the_pixel_decoder_sums_from_the_coarsest_map_down() -> None:
    decoder = PixelDecoder(CONFIG).eval()
    sizes = ((16, 12), (8, 6), (4, 3))
    features = [
        torch.randn(1, channels, *size, generator=seeded(channels))
        for channels, size in zip(CONFIG.backbone.output_channels, sizes, strict=True)
    ]
    lateral = [layer(feature) for layer, feature in zip(decoder.lateral, features, strict=True)]
    pooled = []
    for side, stage in zip((1, 2, 3, 6), decoder.pooling.stages, strict=True):
        mean = functional.relu(stage(nn.AdaptiveAvgPool2d(side)(lateral[2])))
        pooled.append(functional.interpolate(mean, size=sizes[2], mode="bilinear", align_corners=False))
    merged = functional.relu(decoder.pooling.bottleneck(torch.cat([*pooled, lateral[2]], 1)))
    coarse = decoder.output[2](merged)
    middle = decoder.output[1](lateral[1] + functional.interpolate(coarse, size=sizes[1], mode="bilinear"))
    fine = decoder.output[0](lateral[0] + functional.interpolate(middle, size=sizes[0], mode="bilinear"))
    for ours, expected in zip(decoder(features), (fine, middle, coarse), strict=True):
        assert torch.allclose(ours, expected, atol=1e-5)


def test_a_mask_is_the_product_of_query_and_pixel_vectors() -> None:
    head = PredictionHead(CONFIG)
    state = State(torch.randn(1, 5, 64, generator=seeded(0)), torch.randn(1, 6, 64, generator=seeded(1)))
    found = head(state, 3, (2, 3), with_classes=True)
    query = head.norm(state.query_NAC[:, :3])
    assert found.class_logit_NQK is not None
    assert torch.equal(found.class_logit_NQK, head.classes(query))
    expected = torch.einsum("nqc,nlc->nql", head.mask(query), head.pixels(state.pixel_NLC)).view(1, 3, 2, 3)
    assert torch.allclose(found.mask_logit_NQhw, expected, atol=1e-6)


# -- the whole -----------------------------------------------------------------------------------------------------------------


def naive_forward(model: FastInst, image: Tensor) -> list[Tensor]:
    """Mask logits at every depth, layer by layer."""
    padded, _ = model.prepare(image)
    fine, middle, _ = model.pixel_decoder(model.backbone(padded))
    decoder = model.decoder
    proposals = decoder.proposals(middle)
    grid = [functional.interpolate(decoder.position_grid, size=x.shape[2:], mode="bilinear") for x in (fine, middle)]
    count = len(image)
    query = torch.cat([proposals.gather(middle), decoder.auxiliary_query.expand(count, -1, -1)], 1)
    at_query = torch.cat([proposals.gather(grid[1]), decoder.auxiliary_position.expand(count, -1, -1)], 1)
    pixel, at_pixel = fine.flatten(2).transpose(1, 2), grid[0].flatten(2).transpose(1, 2)
    num_queries, size = proposals.index_NQ.shape[1], (fine.shape[2], fine.shape[3])
    masks = [decoder.heads[0](State(query, pixel), num_queries, size, False).mask_logit_NQhw]
    for depth, layer in enumerate(decoder.layers, start=1):
        blocked = functional.pad(masks[-1].flatten(2), (0, 0, 0, decoder.num_auxiliary), value=1) < 0
        seen = ~(blocked & ~blocked.all(-1, keepdim=True))
        pixel = layer.pixel_ffn(layer.pixel_attention(pixel, at_pixel, query, at_query))
        query = layer.query_attention(query, at_query, pixel, at_pixel, seen)
        query = layer.query_ffn(layer.query_self_attention(query, at_query, query, at_query))
        masks.append(decoder.heads[depth](State(query, pixel), num_queries, size, False).mask_logit_NQhw)
    return masks


@torch.no_grad()
def test_layers_follow_each_other_with_the_masks_before() -> None:
    model, batch = network(), images()
    found = [prediction.mask_logit_NQhw for prediction in model(batch).predictions]
    for ours, expected in zip(found, naive_forward(model, batch), strict=True):
        assert torch.allclose(ours, expected, atol=1e-4)


def test_depths_and_classes_in_training_and_evaluation() -> None:
    model = network().train()
    outputs = model(images())
    assert len(outputs.predictions) == 4
    assert all(prediction.class_logit_NQK is not None for prediction in outputs.predictions)
    inside = torch.zeros(2, 16, 16 * 12, dtype=torch.bool)
    inside[:, 3, 40:60] = True
    guided = model.decoder.guided(outputs, inside)
    assert len(guided) == 3
    again = model.decoder.layers[1](outputs.states[1], outputs.positions, visible(inside, 4))
    expected = model.decoder.heads[2](again, 16, outputs.size, True).mask_logit_NQhw
    assert torch.allclose(guided[1].mask_logit_NQhw, expected, atol=1e-5)
    model.eval()
    kinds = [prediction.class_logit_NQK is None for prediction in model(images()).predictions]
    assert kinds == [True, True, True, False]


def test_auxiliary_queries_learn_but_do_not_predict() -> None:
    model = network().train()
    last = model(images()).predictions[-1]
    assert last.class_logit_NQK is not None
    assert last.class_logit_NQK.shape == (2, 16, CLASSES + 1)
    last.class_logit_NQK.sum().backward()
    for parameter in (model.decoder.auxiliary_query, model.decoder.auxiliary_position):
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


@torch.no_grad()
def test_images_of_a_batch_do_not_see_each_other_and_padding_is_black_after_normalising() -> None:
    model, (first, second) = network(), (images(1, 61, 50, 1), images(1, 40, 50, 2))
    batch = torch.full((2, 3, 61, 50), 99.0)
    batch[0], batch[1, :, :40] = first[0], second[0]
    together = model(batch, [(61, 50), (40, 50)])
    assert together.padded_size == (64, 64)
    mean = torch.tensor(model.config.pixel_mean).view(1, 3, 1, 1)
    alone = torch.cat([second, mean.expand(1, 3, 21, 50)], dim=2)
    for image, row in ((first, 0), (alone, 1)):
        single = model(image).predictions[-1].mask_logit_NQhw[0]
        assert torch.allclose(together.predictions[-1].mask_logit_NQhw[row], single, atol=1e-3)


@torch.no_grad()
def test_detections_are_those_of_full_size_masks() -> None:
    model, batch = network(), images(1, 50, 61)
    (found,) = model.detect(batch, output_sizes=[(75, 122)])
    last = model(batch).predictions[-1]
    assert last.class_logit_NQK is not None
    full = full_size_masks(last.mask_logit_NQhw[0], (64, 64), (50, 61), (75, 122))
    expected = best_instances(last.class_logit_NQK[0], full, model.config.detections_per_image)
    assert found.masks_NHW is not None
    assert found.masks_NHW.shape == (80, 75, 122)  # 16 queries of 5 classes
    assert torch.allclose(found.scores_N, expected.score_R, atol=1e-6)
    assert found.classes_N.tolist() == expected.class_R.tolist()
    assert torch.equal(found.masks_NHW, expected.mask_RHW)
    assert torch.equal(found.boxes_N4, boxes_of(expected.mask_RHW))
    assert model.detect(batch, masks=False)[0].masks_NHW is None


def test_scores_by_hand() -> None:
    class_logit = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]]))
    logit = torch.tensor([[[2.0, -2.0]], [[-1.0, 1.0]]])
    found = instances_of(class_logit, logit, (1, 2), (1, 2), num_kept=3)
    inside = torch.tensor([1.0, 2.0]).sigmoid()
    expected = torch.stack([0.6 * inside[0], 0.5 * inside[1], 0.3 * inside[1]])
    order = expected.argsort(descending=True)
    assert torch.allclose(found.score_R, expected[order], atol=1e-5)
    assert found.class_R.tolist() == torch.tensor([1, 0, 1])[order].tolist()
    assert found.mask_RHW.tolist() == [[[[False, True]], [[True, False]], [[True, False]]][int(row)] for row in order]


def test_boxes_end_behind_the_last_pixel() -> None:
    masks = torch.zeros(2, 5, 7, dtype=torch.bool)
    masks[0, 1:3, 2:6] = True
    assert boxes_of(masks).tolist() == [[2, 1, 6, 3], [0, 0, 0, 0]]


def test_it_comes_back_from_its_folder(tmp_path: Path) -> None:
    model = network()
    model.save_pretrained(tmp_path)
    loaded = load_segmenter(tmp_path)
    assert isinstance(loaded, FastInst)
    assert loaded.config == model.config
    with torch.no_grad():
        assert torch.equal(
            loaded(images()).predictions[-1].mask_logit_NQhw, model(images()).predictions[-1].mask_logit_NQhw
        )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"backbone": ResNetConfig(output_stages=(0, 1, 2, 3))}, "names 4 stages; FastInst reads 3"),
        ({"pad_multiple": 8}, "pad_multiple 8 is no multiple of the backbone's stride 32"),
        ({"width": 100}, "width 100 is no multiple of norm_groups 32"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FastInstConfig.model_validate({"num_classes": 3} | wrong)


# -- published weights -----------------------------------------------------------------------------------------------------------

NARROW = FastInstConfig(
    num_classes=3,
    backbone=ResNetConfig(blocks=(1, 1, 1, 1), widths=(4, 4, 4, 4), stem_width=4, output_stages=(1, 2, 3)),
    width=16,
    norm_groups=4,
    num_queries=4,
    num_auxiliary=2,
    decoder_layers=2,
    heads=2,
    ffn_width=8,
)


def official_weights(model: FastInst) -> dict[str, Tensor]:
    deep = model.config.backbone.stem == "deep"
    return {names_of(deep).official_name(name): value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("deep", [False, True])
def test_official_weights_go_where_they_belong(deep: bool) -> None:
    update = {"stem": "deep", "shortcut": "pooled", "deformable_stages": (2, 3)} if deep else {}
    model = FastInst(NARROW.model_copy(update={"backbone": NARROW.backbone.model_copy(update=update)}), seeded(4))
    weights = official_weights(model) | {"criterion.empty_weight": torch.ones(4)}
    loaded = load_official({"model": weights}, model.config).state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in model.state_dict().items())
    assert ("backbone.layer4.0.conv2_offset.bias" in weights) == deep


def test_what_does_not_fit_is_named() -> None:
    weights = official_weights(FastInst(NARROW, seeded(4)))
    weights.pop("sem_seg_head.predictor.meta_pos_embed")
    weights["backbone.res3.0.conv1.weight"] = torch.zeros(2, 2, 1, 1)
    weights["sem_seg_head.predictor.more"] = torch.zeros(1)
    with pytest.raises(InputError) as caught:
        load_official(weights, NARROW)
    message = str(caught.value)
    assert "1 missing: sem_seg_head.predictor.meta_pos_embed" in message
    assert "1 unexpected: sem_seg_head.predictor.more" in message
    assert "backbone.res3.0.conv1.weight (2, 2, 1, 1) instead of (4, 16, 1, 1)" in message


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"some.weight": np.zeros(1)}, "so it is no FastInst"),
        (
            {"sem_seg_head.predictor.query_proposal.conv_proposal_cls_logits.2.weight": np.zeros((4, 2))},
            "neither a ResNet nor a ResNet-vd backbone",
        ),
    ],
)
def test_what_is_no_fastinst_is_said_so(weights: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_official(weights)
