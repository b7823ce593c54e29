"""OneFormer against stored outputs of the official model with formula-made weights and input."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.common.segmenters.oneformer.config import OneFormerConfig
from methods.common.segmenters.oneformer.model import OneFormer, OneFormerOutputs
from methods.common.segmenters.oneformer.official import infer_config, load_official
from methods.common.segmenters.oneformer.official_names import NAMES
from methods.common.segmenters.oneformer.presets import oneformer_convnextl, oneformer_r50, oneformer_swinl
from tests.parity.official_outputs import Golden, entries_without_values, placed_entries

CONVNEXTL, SWINL = "oneformer_convnextl_cityscapes", "oneformer_swinl_cityscapes"
STEMS: dict[str, OneFormerConfig] = {
    CONVNEXTL: oneformer_convnextl(),
    SWINL: oneformer_swinl(),
    "oneformer_r50_cityscapes": oneformer_r50(),
}
PARAMETERS = {CONVNEXTL: 237_352_213, SWINL: 236_320_393, "oneformer_r50_cityscapes": 64_847_381}
TEXT_PARAMETERS = 17_542_912
CLASS_NOISE, MASK_NOISE, FACTOR = 2e-5, 2e-4, 4
"""The reference data's own noise in logits, and the few times of it that a right implementation stays within."""
RELATIVE = 1e-5
"""Of features and embeddings, for which no noise is stated, over their largest value."""


@dataclass
class Run:
    golden: Golden
    model: OneFormer
    outputs: OneFormerOutputs

    def check(self, name: str, ours: Tensor) -> None:
        self.golden.check(name, ours, RELATIVE)


@pytest.fixture(
    scope="module",
    params=[pytest.param(CONVNEXTL, marks=pytest.mark.slow), pytest.param(SWINL, marks=pytest.mark.slow)],
)
def run(request: pytest.FixtureRequest, shared: Path) -> Iterator[Run]:
    golden = Golden(shared, request.param)
    model = load_official(golden.weights)
    command = torch.from_numpy(golden.values["task_token_values"])[None]
    with torch.no_grad():
        yield Run(golden, model, model(golden.image, command))


@pytest.mark.parametrize("stem", list(STEMS))
def test_every_official_entry_has_exactly_one_place(shared: Path, stem: str) -> None:
    with torch.device("meta"):
        ours = {name: tuple(value.shape) for name, value in OneFormer(STEMS[stem]).state_dict().items()}
    assert ours.pop("sentence_SL") == (19 + 6, 77)
    assert placed_entries(shared, stem, NAMES) == ours


@pytest.mark.parametrize("stem", list(STEMS))
def test_the_network_is_told_from_the_entries(shared: Path, stem: str) -> None:
    assert infer_config(entries_without_values(shared, stem)) == STEMS[stem]


@pytest.mark.parametrize("stem", list(STEMS))
def test_parameter_counts(stem: str) -> None:
    with torch.device("meta"):
        model = OneFormer(STEMS[stem])
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[stem]
    assert model.text is not None
    text = sum(parameter.numel() for name, parameter in model.text.named_parameters() if name != "logit_scale")
    assert text == TEXT_PARAMETERS


def test_backbone(run: Run) -> None:
    for level in range(4):
        run.check(f"res{level + 2}_ch0_7", run.outputs.features[level][:, :8])


def test_task_token_and_queries(run: Run) -> None:
    run.check("task_embedding", run.outputs.task_NC)
    run.check("contrastive_logits_q0_9", run.outputs.query_NQC[:, :10])


def test_classes_and_masks(run: Run) -> None:
    assert run.golden.difference("pred_logits", run.outputs.class_logits[-1]) < FACTOR * CLASS_NOISE
    masks = run.outputs.mask_logits[-1][:, :25, ::2, ::2]
    assert run.golden.difference("pred_masks_q0_24_s2", masks) < FACTOR * MASK_NOISE
