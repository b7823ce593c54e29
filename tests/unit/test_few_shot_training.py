"""What the two stages of few-shot learning ask of a training: ignored objects, parts that stay, and where weights come from."""

import math
from pathlib import Path

import pytest
import torch

from methods.common.errors import InputError
from methods.common.segmenters.diffusioninst.head import HeadOutputs
from methods.common.segmenters.diffusioninst.losses import diffusioninst_losses, in_ignored
from methods.common.segmenters.diffusioninst.model import DiffusionInst
from methods.common.segmenters.diffusioninst.presets import diffusioninst_miniature, miniature_recipe
from methods.common.segmenters.fastinst.model import FastInst
from methods.common.segmenters.fastinst.presets import fastinst_miniature
from methods.common.segmenters.fastinst.presets import miniature_recipe as fastinst_recipe
from methods.common.segmenters.instance.interface import InstanceTarget
from methods.common.segmenters.instance.segmenters import load_segmenter
from methods.common.segmenters.instance.short_side import ShortSideAugmentConfig
from methods.common.segmenters.instance.starting import take_backbone
from methods.common.stage import Inputs, LocalContext
from methods.common.training.batch_shard import BatchShare
from methods.instance_synthesis.stages.train import TrainConfig, train
from methods.instance_synthesis.training_set_config import FramesSource
from tests.unit.instance_frames import write_cityscapes
from tests.unit.test_few_shot_support import NAMES, frame

SMALL = diffusioninst_miniature(8).model_copy(update={"num_proposals": 8, "num_heads": 1, "ffn_width": 16})
AUGMENTATION = ShortSideAugmentConfig(short_sides_px=(32,), max_long_side_px=64, first_crop_probability=0.0)
RECIPE = miniature_recipe(2).model_copy(update={"batch_size": 2})


# -- ignored objects -----------------------------------------------------------------------------------------------------------


def test_a_proposal_is_ignored_where_more_than_half_of_it_lies_in_an_ignored_box() -> None:
    ignored = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]])
    boxes = torch.tensor(
        [
            [0.0, 0, 10, 10],
            [2, 2, 4, 4],
            [0, 5, 10, 15],
            [0, 4, 10, 14],
            [0, 0, 40, 40],
            [52, 52, 58, 58],
            [20, 20, 30, 30],
        ]
    )
    assert in_ignored(boxes, ignored).tolist() == [True, True, False, True, False, True, False]
    assert not in_ignored(boxes, torch.zeros(0, 4)).any()


def class_loss(ignored: list[list[float]]) -> float:
    """Of three proposals: on the object, on what may be ignored, elsewhere; all logits are 0 but for the last, which are 2."""
    boxes = torch.tensor([[[4.0, 4, 12, 12], [40, 8, 48, 16], [20, 40, 30, 50]]])
    logits = torch.zeros(1, 3, 8)
    logits[0, 2] = 2.0
    outputs = HeadOutputs(logits, boxes, torch.zeros(1, 3, SMALL.num_filters))
    target = InstanceTarget(
        torch.tensor([[4.0, 4, 12, 12]]),
        torch.tensor([3]),
        torch.ones(1, 64, 64, dtype=torch.bool),
        torch.tensor(ignored).reshape(-1, 4),
    )
    share = BatchShare(0, 1, 1)
    found = diffusioninst_losses([outputs], torch.zeros(1, 8, 16, 16), [target], [(64, 64)], (64, 64), SMALL, share)
    return float(found["class"])


def test_what_is_ignored_is_no_background() -> None:
    """Focal loss of a wrong class at probability p: 0.75 p^2 (-log(1 - p)); 0.25 (1 - p)^2 (-log p) for the right one; times 2."""
    off, sure = 0.75 * 0.25 * math.log(2), 1 / (1 + math.exp(-2.0))
    right, far = 0.25 * 0.25 * math.log(2), 8 * 0.75 * sure**2 * -math.log(1 - sure)
    assert class_loss([]) == pytest.approx(2 * (right + 7 * off + 8 * off + far), rel=1e-5)
    assert class_loss([[38, 6, 50, 18]]) == pytest.approx(2 * (right + 7 * off + far), rel=1e-5)
    assert class_loss([[0, 0, 20, 20]]) == pytest.approx(class_loss([]), rel=1e-6), (
        "a matched proposal counts wherever it lies"
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cityscapes(tmp_path_factory.mktemp("few"), [frame(name) for name in NAMES])


def test_a_network_that_cannot_ignore_is_refused(data: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        segmenter=fastinst_miniature(8),
        recipe=fastinst_recipe(2),
        augmentation=AUGMENTATION,
        source=FramesSource(novel=("bus",)),
    )
    with pytest.raises(
        InputError, match=r"18 objects of .* are to be ignored, which of all networks DiffusionInst alone can"
    ):
        train(Inputs({"data": [data]}), config, LocalContext(tmp_path))


# -- stages --------------------------------------------------------------------------------------------------------------------


def trained(data: Path, out: Path, inputs: dict[str, list[Path]] | None = None, **changes: object) -> DiffusionInst:
    out.mkdir()
    config = TrainConfig.model_validate(
        {
            "segmenter": SMALL,
            "recipe": RECIPE,
            "augmentation": AUGMENTATION,
            "source": FramesSource(novel=("bus",)),
            **changes,
        }
    )
    train(Inputs({"data": [data], **(inputs or {})}), config, LocalContext(out))
    model = load_segmenter(out / "model")
    assert isinstance(model, DiffusionInst)
    return model


def changed_parts(before: DiffusionInst, after: DiffusionInst) -> set[str]:
    """Parts in which any weight or statistic differs."""
    old, new = before.state_dict(), after.state_dict()
    return {name.split(".")[0] for name in old if not torch.equal(old[name], new[name])}


def test_the_novel_stage_goes_on_from_the_base_stage_and_leaves_what_is_frozen(data: Path, tmp_path: Path) -> None:
    base = trained(data, tmp_path / "base")
    frozen = trained(
        data, tmp_path / "novel", {"start": [tmp_path / "base"]}, start="weights", frozen=("backbone", "pyramid")
    )
    assert changed_parts(base, frozen) == {"mask_branch", "decoder"}
    free = trained(data, tmp_path / "free", {"start": [tmp_path / "base"]}, start="weights")
    assert changed_parts(base, free) == {"backbone", "pyramid", "mask_branch", "decoder"}


def test_parts_that_are_not_there_or_are_everything_cannot_be_frozen(data: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"DiffusionInst has no part 'neck' to freeze; it consists of backbone, decoder"
    ):
        trained(data, tmp_path / "no", frozen=("neck",))
    with pytest.raises(InputError, match="are all of DiffusionInst; leave a part to train"):
        trained(data, tmp_path / "all", frozen=("backbone", "pyramid", "mask_branch", "decoder"))


# -- starts --------------------------------------------------------------------------------------------------------------------


def test_a_backbone_is_taken_from_another_kind_of_network(data: Path, tmp_path: Path) -> None:
    donor = FastInst(fastinst_miniature(10), torch.Generator().manual_seed(3))
    donor.save_pretrained(tmp_path / "street" / "model")
    model = DiffusionInst(SMALL, torch.Generator().manual_seed(4))
    decoder = {name: value.clone() for name, value in model.decoder.state_dict().items()}
    take_backbone(model, tmp_path / "street" / "model")
    for name, value in donor.backbone.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], value), name
    assert all(torch.equal(value, decoder[name]) for name, value in model.decoder.state_dict().items())
    started = trained(
        data, tmp_path / "started", {"backbone": [tmp_path / "street"]}, start="backbone", frozen=("backbone",)
    )
    for name, value in donor.backbone.state_dict().items():
        assert torch.equal(started.backbone.state_dict()[name], value), name


def test_another_backbone_is_refused(tmp_path: Path) -> None:
    other = fastinst_miniature(10)
    other = other.model_copy(update={"backbone": other.backbone.model_copy(update={"widths": (16, 48, 64, 96)})})
    FastInst(other, torch.Generator().manual_seed(3)).save_pretrained(tmp_path)
    with pytest.raises(
        InputError, match=r"has another backbone: .* start from a segmenter whose backbone has the same layers"
    ):
        take_backbone(DiffusionInst(SMALL, torch.Generator().manual_seed(4)), tmp_path)
