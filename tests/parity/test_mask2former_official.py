"""Mask2Former against stored outputs of the official model with formula-made weights and input."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.common.segmenters.mask2former.config import Mask2FormerConfig, resnet50
from methods.common.segmenters.mask2former.model import Mask2Former
from methods.common.segmenters.mask2former.network import Mask2FormerOutputs
from methods.common.segmenters.mask2former.official import infer_config, infer_panoptic_config, load_official_panoptic
from methods.common.segmenters.mask2former.official_names import NAMES
from methods.common.segmenters.mask2former.panoptic import PanopticMask2Former
from methods.common.segmenters.mask2former.presets import mask2former_r50, mask2former_swinl
from methods.common.segmenters.mask2former.recipes import coco_r50, coco_swinl
from tests.parity.official_outputs import Golden, entries_without_values, placed_entries

RELATIVE = 1e-4
R50, SWINL = "mask2former_r50_coco_instance", "mask2former_swinl_coco_instance"
FROZEN_R50 = mask2former_r50(80).model_copy(update={"backbone": resnet50("frozen")})
STEMS: dict[str, Mask2FormerConfig] = {
    R50: FROZEN_R50,
    SWINL: mask2former_swinl(80),
    "mask2former_r50_cityscapes_semantic": mask2former_r50(19),
    "mask2former_swinl_cityscapes_semantic": mask2former_swinl(19).model_copy(update={"num_queries": 100}),
}


@dataclass
class Run:
    golden: Golden
    model: PanopticMask2Former
    outputs: Mask2FormerOutputs

    def check(self, name: str, ours: Tensor) -> None:
        self.golden.check(name, ours, RELATIVE)


@pytest.fixture(scope="module", params=[R50, pytest.param(SWINL, marks=pytest.mark.slow)])
def run(request: pytest.FixtureRequest, shared: Path) -> Iterator[Run]:
    golden = Golden(shared, request.param)
    model = load_official_panoptic(golden.weights)
    with torch.no_grad():
        yield Run(golden, model, model(golden.image))


@pytest.mark.parametrize("stem", list(STEMS))
def test_every_official_entry_has_exactly_one_place(shared: Path, stem: str) -> None:
    with torch.device("meta"):
        ours = {name: tuple(value.shape) for name, value in Mask2Former(STEMS[stem]).state_dict().items()}
    assert placed_entries(shared, stem, NAMES) == ours


@pytest.mark.parametrize("stem", list(STEMS))
def test_the_network_is_told_from_the_entries(shared: Path, stem: str) -> None:
    assert infer_config(entries_without_values(shared, stem)) == STEMS[stem]


@pytest.mark.parametrize("stem", [R50, SWINL])
def test_the_instance_models_are_told_from_the_entries(shared: Path, stem: str) -> None:
    weights = entries_without_values(shared, stem)
    config = infer_panoptic_config(weights)
    assert config == (coco_r50 if stem == R50 else coco_swinl)(80, stuff_classes=())
    with torch.device("meta"):
        state = PanopticMask2Former(config).state_dict()
    assert placed_entries(shared, stem, NAMES) == {name: tuple(value.shape) for name, value in state.items()}


def test_backbone_and_pixel_decoder(run: Run) -> None:
    for level in (1, 2, 3):
        run.check(f"res{level + 2}_ch0_7", run.outputs.features[level][:, :8])
    run.check("mask_features_ch0_3", run.outputs.mask_features[:, :4])
    run.check("multi_scale_0_ch0_7", run.outputs.multi_scale[0][:, :8])
    run.check("multi_scale_2_ch0_7", run.outputs.multi_scale[2][:, :8])


def test_classes_and_masks(run: Run) -> None:
    assert len(run.outputs.class_logits) == len(run.outputs.mask_logits) == 10
    run.check("aux0_pred_logits_q0_19", run.outputs.class_logits[0][:, :20])
    run.check("aux0_pred_masks_q0_9_s2", run.outputs.mask_logits[0][:, :10, ::2, ::2])
    run.check("pred_logits", run.outputs.class_logits[-1])
    run.check("pred_masks_q0_19_s2", run.outputs.mask_logits[-1][:, :20, ::2, ::2])


def test_detections_have_the_scores_of_the_official_class_logits(run: Run) -> None:
    """Of the stored logits the best hundred pairs are known; a mask's quality, at most 1, is only in ours."""
    stored = torch.from_numpy(run.golden.values["pred_logits"])[0].softmax(-1)[:, :-1].flatten()
    best = stored.topk(100)
    (found,) = run.model.detect(run.golden.image)
    wanted = sorted((best.indices % 80).tolist())
    seen = sorted(found.classes_N.tolist())
    assert len(seen) > 0
    assert all(seen.count(index) <= wanted.count(index) for index in set(seen))
    assert float(found.scores_N.max()) <= float(best.values[0]) * (1 + RELATIVE)
