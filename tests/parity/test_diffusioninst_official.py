"""DiffusionInst against stored outputs of the official model with formula-made weights, noise and input."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from methods.common.segmenters.diffusioninst.diffusion import cosine_alphas, noise_between
from methods.common.segmenters.diffusioninst.head import HeadOutputs
from methods.common.segmenters.diffusioninst.masks import masks_by_filters
from methods.common.segmenters.diffusioninst.model import DiffusionInst, ImageFeatures
from methods.common.segmenters.diffusioninst.official import infer_config, load_official
from methods.common.segmenters.diffusioninst.official_names import names_of
from methods.common.segmenters.diffusioninst.presets import diffusioninst_r50
from tests.parity.official_outputs import Golden, entries_without_values, placed_entries

STEM, PARAMETERS = "diffusioninst_r50_coco", 112_386_646
RELATIVE = 1e-4


@dataclass
class Run:
    golden: Golden
    model: DiffusionInst
    features: ImageFeatures
    noisy: Tensor
    outputs: list[HeadOutputs]

    def check(self, name: str, ours: Tensor) -> None:
        self.golden.check(name, ours, RELATIVE)


@pytest.fixture(scope="module")
def run(shared: Path) -> Iterator[Run]:
    golden = Golden(shared, STEM)
    model = load_official(golden.weights)
    noisy = torch.from_numpy(golden.values["noise_boxes_cxcywh"])
    with torch.no_grad():
        features = model.features(golden.image)
        outputs = model.decode(features, noisy, torch.from_numpy(golden.values["timestep"]))
        yield Run(golden, model, features, noisy, outputs)


def test_every_official_entry_has_exactly_one_place(shared: Path) -> None:
    config = diffusioninst_r50(80)
    with torch.device("meta"):
        model = DiffusionInst(config)
    ours = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert placed_entries(shared, STEM, names_of(config)) == ours
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS


def test_the_network_is_told_from_the_entries(shared: Path) -> None:
    assert infer_config(entries_without_values(shared, STEM)) == diffusioninst_r50(80)


def test_the_schedule_is_computed(shared: Path) -> None:
    """Official checkpoints hold it; what we compute makes them unneeded."""
    alphas = cosine_alphas(1000, 0.008)
    assert alphas.dtype == torch.float64
    assert float(alphas[0]) == pytest.approx(0.9999587, abs=1e-6)
    assert float(alphas[-1]) < 1e-6


def test_pyramid_and_mask_map(run: Run) -> None:
    for level in range(4):
        run.check(f"fpn_p{level + 2}_ch0_3", run.features.levels[level][:, :4])
    run.check("mask_features", run.features.map_NCHW)


def test_all_heads(run: Run) -> None:
    run.check("class_logits_stages_first50", torch.stack([one.class_logit_NQK[:, :50] for one in run.outputs]))
    run.check("boxes_stages_first50", torch.stack([one.boxes_NQ4[:, :50] for one in run.outputs]))
    run.check("kernels_stages_first20", torch.stack([one.filters_NQF[:, :20] for one in run.outputs]))


def test_boxes_without_noise_and_the_noise(run: Run) -> None:
    denoised = run.model.denoised(run.features, run.outputs)
    run.check("pred_x_start", denoised)
    timestep = int(run.golden.values["timestep"][0])
    run.check("pred_noise", noise_between(run.noisy, denoised, run.model.alphas[timestep]))


def test_masks(run: Run) -> None:
    filters = run.outputs[-1].filters_NQF[0, :5]
    run.check("mask_logits_q0_4", masks_by_filters(run.features.map_NCHW[0], filters, run.model.config)[None])


def test_detections(run: Run) -> None:
    (found,) = run.model.finish(run.features, run.model.sample(run.features, run.noisy))
    assert len(found) == int(run.golden.values["n_results"][0])
    run.check("result_scores_top20", found.scores_N[:20])
    assert np.array_equal(found.classes_N[:20].numpy(), run.golden.values["result_classes_top20"])
    height, width = run.features.sizes[0]
    inside = np.clip(run.golden.values["result_boxes_top20"], 0, [width, height, width, height])
    assert np.abs(found.boxes_N4[:20].numpy() - inside).max() < RELATIVE * width  # the stored ones are not clipped
