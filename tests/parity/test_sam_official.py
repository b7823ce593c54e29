"""The original Segment Anything release, run by its own package, beside transformers' network with the same weights.

The weights are the miniature's, which has learned something: its masks are objects, and each bar takes some out.
"""

from pathlib import Path

import numpy as np
import pytest
import segment_anything
import torch
from numpy.typing import NDArray
from PIL import Image

from methods.common.errors import InputError
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.web import web_sample
from methods.common.miniature.world_config import WebConfig
from methods.common.segment_anything import released
from methods.common.segment_anything.automatic_masks import AutomaticMasksConfig, ProposedMasks
from methods.common.segment_anything.load import load_sam
from methods.common.segment_anything.released import ReleasedSam
from methods.common.segment_anything.sam import Sam
from tests.parity.sam_release import WIDTH, network, release_state

SIZES = [(64, 64), (60, 90), (150, 61), (40, 48)]
"""Of the network's size, and with scaling up and down, padding below and on the right."""


@pytest.fixture
def small_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose ViT-B is the miniature."""
    monkeypatch.setitem(segment_anything.sam_model_registry, "vit_b", network)
    monkeypatch.setitem(released._KINDS, (WIDTH,), "vit_b")


@pytest.fixture(scope="module")
def by_transformers() -> Sam:
    return Sam.from_pretrained(CHECKPOINTS / "sam")


@pytest.fixture(scope="module")
def both(by_transformers: Sam) -> tuple[Sam, ReleasedSam]:
    """The same weights behind both packages."""
    model = network()
    model.load_state_dict(release_state(by_transformers.model))
    return by_transformers, ReleasedSam(model)


def picture(height: int, width: int) -> NDArray[np.uint8]:
    scene_HW3 = web_sample(height, 1, WebConfig(single_share=0.4)).scene.image_HW3
    return np.array(Image.fromarray(scene_HW3).resize((width, height)))


@pytest.mark.parametrize("size", SIZES)
def test_same_embedding_and_same_masks_from_points_and_boxes(
    both: tuple[Sam, ReleasedSam], size: tuple[int, int]
) -> None:
    image_HW3 = picture(*size)
    embedded = [sam.embed(image_HW3) for sam in both]
    assert embedded[0].size == embedded[1].size == size
    assert embedded[0].input_size == embedded[1].input_size
    # Where the picture is scaled both go by way of 8 bits, and a colour may be rounded to its neighbour.
    near = 1e-4 if size == SIZES[0] else 0.1
    assert (embedded[0].embedding_1CSS - embedded[1].embedding_1CSS).abs().max() < near

    point_P2 = np.array([[20.0, 30.0], [size[1] - 1.0, 0.0]], np.float32)
    (logits, iou), (their_logits, their_iou) = (
        sam.masks_at_points(one, point_P2) for sam, one in zip(both, embedded, strict=True)
    )
    assert logits.shape == their_logits.shape == (2, 3, *size)
    assert logits.std() > 5
    assert (logits - their_logits).abs().max() < 10 * near
    assert (iou - their_iou).abs().max() < near

    box_P4 = np.array([[3.0, 2.0, 30.0, 35.0], [10.0, 5.0, 38.0, 39.0]], np.float32)
    (masks, iou), (their_masks, their_iou) = (
        sam.masks_in_boxes(one, box_P4) for sam, one in zip(both, embedded, strict=True)
    )
    assert masks.dtype == their_masks.dtype == bool
    assert 0 < masks.mean() < 1
    assert (masks != their_masks).mean() <= (0 if size == SIZES[0] else 2e-3)
    assert (iou - their_iou).abs().max() < near


def test_an_embedding_serves_many_prompts_whatever_was_embedded_since(both: tuple[Sam, ReleasedSam]) -> None:
    _, sam = both
    box_P4 = np.array([[3.0, 2.0, 30.0, 35.0]], np.float32)
    first = sam.embed(picture(*SIZES[0]))
    before, _ = sam.masks_in_boxes(first, box_P4)
    other = sam.embed(picture(*SIZES[1]))
    assert sam.masks_in_boxes(other, box_P4)[0].shape == (1, *SIZES[1])
    assert np.array_equal(sam.masks_in_boxes(first, box_P4)[0], before)
    assert sam.masks_in_boxes(first, np.zeros((0, 4), np.float32))[0].shape == (0, *SIZES[0])


EVERYTHING = AutomaticMasksConfig(points_per_side=6, points_per_batch=7, predicted_iou=0, stability=0, box_nms=1)


@pytest.mark.parametrize(
    "bars", [{}, {"predicted_iou": 0.6}, {"stability": 0.8}, {"box_nms": 0.6}, {"points_per_side": 3}]
)
def test_same_automatic_masks_of_a_picture_that_is_not_scaled(
    both: tuple[Sam, ReleasedSam], bars: dict[str, float]
) -> None:
    config = EVERYTHING.model_copy(update=bars)
    ours, theirs = (sam.propose_masks(picture(*SIZES[0]), config) for sam in both)
    assert np.array_equal(ours.mask_NHW, theirs.mask_NHW)
    assert np.array_equal(ours.box_N4, theirs.box_N4)
    assert ours.predicted_iou_N == pytest.approx(theirs.predicted_iou_N, abs=1e-5)
    assert_boxes_hold(theirs)
    everything = both[1].propose_masks(picture(*SIZES[0]), EVERYTHING)
    assert 1 < len(theirs.box_N4) < len(everything.box_N4) + (not bars)


@pytest.mark.parametrize("size", SIZES[1:])
def test_automatic_masks_of_scaled_pictures_differ_by_the_rounding_of_colours(
    both: tuple[Sam, ReleasedSam], size: tuple[int, int]
) -> None:
    """A colour of the scaled picture may be rounded to its neighbour; what lies on a bar then goes or stays."""
    config = EVERYTHING.model_copy(update={"predicted_iou": 0.25, "stability": 0.4, "box_nms": 0.7})
    ours, theirs = (sam.propose_masks(picture(*size), config) for sam in both)
    assert abs(len(ours.box_N4) - len(theirs.box_N4)) <= 1
    one_MP, other_NP = (found.mask_NHW.reshape(len(found.mask_NHW), -1).astype(float) for found in (ours, theirs))
    shared_MN = one_MP @ other_NP.T
    iou_MN = shared_MN / (one_MP.sum(1)[:, None] + other_NP.sum(1) - shared_MN)
    assert len(iou_MN) > 2
    assert np.sort(iou_MN.max(1))[1:].min() > 0.95
    assert_boxes_hold(theirs)


def assert_boxes_hold(found: ProposedMasks) -> None:
    """Each box is the smallest around its mask, its last two sides exclusive."""
    for mask_HW, box_4 in zip(found.mask_NHW, found.box_N4, strict=True):
        (rows,), (columns,) = np.nonzero(mask_HW.any(1)), np.nonzero(mask_HW.any(0))
        assert box_4.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_no_automatic_mask(both: tuple[Sam, ReleasedSam]) -> None:
    nothing = AutomaticMasksConfig(points_per_side=2, predicted_iou=1.0)
    for sam in both:
        found = sam.propose_masks(picture(*SIZES[0]), nothing)
        assert (found.mask_NHW.shape, found.box_N4.shape, len(found.predicted_iou_N)) == ((0, *SIZES[0]), (0, 4), 0)


@pytest.mark.usefixtures("small_release")
def test_a_file_of_the_release_is_run_by_its_own_package(by_transformers: Sam, tmp_path: Path) -> None:
    changed = {name: tensor + 0.01 for name, tensor in release_state(by_transformers.model).items()}
    torch.save(changed, tmp_path / "sam_vit_b.pth")
    (tmp_path / "blob").symlink_to(tmp_path / "sam_vit_b.pth")
    sam = load_sam(tmp_path / "blob")
    assert isinstance(sam, ReleasedSam)
    assert isinstance(sam.model, segment_anything.modeling.Sam)
    assert not sam.model.training
    assert all(torch.equal(sam.model.state_dict()[name], tensor) for name, tensor in changed.items())


@pytest.mark.usefixtures("small_release")
def test_a_file_that_is_none_is_one_sentence_and_nothing_in_it_is_run(by_transformers: Sam, tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "it ran",)

    path, state = tmp_path / "sam.pth", release_state(by_transformers.model)
    lacking = {name: tensor for name, tensor in state.items() if name != "mask_decoder.iou_token.weight"}
    for content, told in (
        ({"weight": torch.zeros(2)}, "holds no encoder of Segment Anything"),
        ({"image_encoder.pos_embed": torch.tensor(1.0)}, "holds no encoder of Segment Anything"),
        (
            lacking,
            r"does not fill the network vit_b \(Missing key\(s\) in state_dict: \"mask_decoder.iou_token.weight\"\)",
        ),
        ({**state, "more": Runs()}, "is no file of tensors"),
        ({"model": state}, "holds no table of named tensors"),
    ):
        torch.save(content, path)
        with pytest.raises(
            InputError, match=rf"sam\.pth {told}; give sam_vit_h_4b8939\.pth, .* of the Segment Anything release"
        ):
            load_sam(path)
    assert not (tmp_path / "it ran").exists()


def test_the_release_has_the_networks_that_are_told_apart_by_width() -> None:
    for (width,), kind in released._KINDS.items():
        with torch.device("meta"):
            network = segment_anything.sam_model_registry[kind]()
        assert network.image_encoder.pos_embed.shape[-1] == width
