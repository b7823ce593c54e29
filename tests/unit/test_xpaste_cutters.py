"""X-Paste's cutters: U2-Net against its official code, CLIPSeg and Segment Anything asked as they should be, and the choice between them."""

import zlib

import numpy as np
import pytest
import torch
from transformers import SamModel

from methods.common.cutouts.clipseg import ClipSegCutout
from methods.common.cutouts.load import load_cutter
from methods.common.cutouts.prompted_sam import PromptedSam, corners
from methods.common.cutouts.u2net import U2Net, U2NetCutout, stretched
from methods.common.errors import InputError
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.segment_anything.interface import EmbeddedImage
from methods.common.segment_anything.sam import Sam
from methods.mrca.xpaste import XPasteFilterConfig, best_candidates
from tests.unit.tiny_cutters import SMALL_DOWN, SMALL_UP, save_clipseg


def by_formula(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Weights that anyone can make from a name (the formula of the project's other frozen outputs)."""
    drawn = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    last = name.rsplit(".", 1)[-1]
    if last == "running_var":
        drawn = 1 + 0.1 * np.abs(drawn)
    elif len(shape) > 1:
        drawn = drawn * max(0.02, float(np.prod(shape[1:])) ** -0.5)
    else:
        drawn = 0.1 * drawn + (last == "weight")
    return torch.from_numpy(drawn.astype(np.float32))


def test_u2net_gives_the_official_codes_output() -> None:
    """Frozen outputs of the finest side of the official small network, all weights by formula."""
    network = U2Net(SMALL_DOWN, SMALL_UP).eval()
    state = network.state_dict()
    network.load_state_dict(
        {k: v if v.dtype == torch.int64 else by_formula(k, tuple(v.shape)) for k, v in state.items()}
    )
    c, h, w = np.meshgrid(np.arange(3), np.arange(96), np.arange(96), indexing="ij")
    with torch.no_grad():
        prob = network(torch.from_numpy(np.sin(0.1 * h + 0.07 * w * (c + 1)).astype(np.float32))[None]).sigmoid()[0]
    places = ((0, 0), (10, 70), (48, 48), (95, 3), (60, 95))
    assert [float(prob[place]) for place in places] == pytest.approx(
        [0.59437, 0.65346, 0.67423, 0.60964, 0.51193], abs=2e-5
    )
    assert float(prob.mean()) == pytest.approx(0.64468, abs=2e-5)


def test_u2net_has_the_names_and_shapes_of_the_published_file() -> None:
    """686 tensors without the counters of batches, which the file of 2020 does not have."""
    with torch.device("meta"):
        state = U2Net().state_dict()
    assert sum("num_batches_tracked" not in name for name in state) == 686
    assert state["stage1.rebnconvin.conv_s1.weight"].shape == (64, 3, 3, 3)
    assert state["stage1d.rebnconv1d.conv_s1.weight"].shape == (64, 32, 3, 3)
    assert state["stage4.rebnconv4.conv_s1.weight"].shape == (128, 128, 3, 3)
    assert state["stage6.rebnconv2d.bn_s1.running_var"].shape == (256,)
    assert state["side3.weight"].shape == (1, 128, 3, 3)


def test_u2net_masks_have_the_pictures_size_and_its_whole_range() -> None:
    torch.manual_seed(0)
    soft_NHW = U2NetCutout(U2Net(SMALL_DOWN, SMALL_UP)).soft_mask(torch.rand(2, 3, 40, 60))
    assert soft_NHW.shape == (2, 40, 60)
    assert soft_NHW.amin((1, 2)).tolist() == [0, 0]
    assert soft_NHW.amax((1, 2)).tolist() == pytest.approx([1, 1])
    assert stretched(torch.full((1, 4, 4), 0.3)).max() == 0


def test_another_file_than_u2nets_is_refused(tmp_path) -> None:
    torch.save({"stage1.weight": torch.zeros(3)}, tmp_path / "u2net.pth")
    with pytest.raises(InputError, match="does not fill U2-Net"):
        load_cutter("u2net", tmp_path / "u2net.pth")


@pytest.fixture(scope="module")
def clipseg(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clipseg")
    save_clipseg(folder)
    return folder


def test_clipseg_looks_for_what_the_text_names(clipseg) -> None:
    image_NCHW = torch.rand(2, 3, 48, 40)
    cutter = load_cutter("clipseg", clipseg)
    coins, mixed = (cutter(image_NCHW, texts) for texts in (["c", "c"], ["c", "m"]))
    assert coins.shape == (2, 48, 40)
    assert torch.allclose(coins[0], mixed[0], atol=1e-5)
    assert not torch.allclose(coins[1], mixed[1], atol=1e-3)
    assert isinstance(cutter.__self__, ClipSegCutout)


class OneMaskSam:
    """Knows a picture whose left third is background, and writes down what it is asked."""

    def embed(self, image_HW3):
        self.size = image_HW3.shape[:2]
        return EmbeddedImage(torch.zeros(1), self.size, self.size)

    def masks_of_points(self, image, point_P2):
        self.asked = point_P2.tolist()
        logits = torch.full((3, *self.size), -5.0)
        logits[0], logits[2, :, :2] = 5.0, 5.0
        logits[1, 1, 3] = 5.0
        return logits, torch.tensor([0.1, 0.9, 0.5])


def test_background_is_the_third_mask_at_the_four_corners_and_the_object_everything_else() -> None:
    sam = OneMaskSam()
    soft_NHW = PromptedSam.background(sam).soft_mask(torch.rand(1, 3, 4, 6))
    assert sorted(map(tuple, sam.asked)) == [(0, 0), (0, 3), (5, 0), (5, 3)]
    assert soft_NHW[0].tolist() == [[0, 0, 1, 1, 1, 1]] * 4
    assert corners(4, 6).dtype == np.float32


def test_the_middle_is_asked_for_the_mask_that_is_trusted_most() -> None:
    sam = OneMaskSam()
    soft_NHW = PromptedSam.middle(sam).soft_mask(torch.rand(1, 3, 4, 6))
    assert sam.asked == [[2.5, 1.5]]
    assert soft_NHW.sum() == 1
    assert soft_NHW[0, 1, 3] == 1


def test_several_points_are_one_prompt() -> None:
    sam, model = Sam.from_pretrained(CHECKPOINTS / "sam"), SamModel.from_pretrained(CHECKPOINTS / "sam")
    image = sam.embed(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    points = np.array([[3, 4], [50, 20], [30, 60]], np.float32)
    logits_MHW, iou_M = sam.masks_of_points(image, points)
    with torch.no_grad():
        alone = model(image_embeddings=image.embedding_1CSS, input_points=torch.from_numpy(points)[None, None])
    assert logits_MHW.shape == (3, 64, 64)
    assert torch.allclose(iou_M, alone.iou_scores[0, 0], atol=1e-5)
    single, _ = sam.masks_of_points(image, points[:1])
    assert not torch.allclose(single, logits_MHW, atol=1e-3)


def test_the_mask_with_the_best_score_wins_and_says_who_made_it() -> None:
    """The scorer likes little white; of equal scores the cutter named first wins."""
    image = np.zeros((3, 8, 8, 3), np.uint8)
    small, large = np.zeros((3, 8, 8), np.float32), np.zeros((3, 8, 8), np.float32)
    small[:, :2], large[:, :6] = 0.9, 0.9
    large[2] = small[2]
    small[1], large[1] = large[1].copy(), small[1].copy()

    def darkness(images, texts):
        return 100 - images.reshape(len(images), -1).mean(axis=1) / 2.55

    found = best_candidates(image, [small, large], ["x"] * 3, darkness, XPasteFilterConfig())
    assert [one.cutter for one in found] == [1, 0, 0]
    assert [one.area_fraction for one in found] == [0.75, 0.75, 0.25]
    assert [one.mask_HW.mean() for one in found] == [0.75, 0.75, 0.25]
    assert found[0].clip_score == pytest.approx(75)
