"""FastInst against stored outputs of the official model with formula-made weights and input."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.common.segmenters.fastinst.config import FastInstConfig
from methods.common.segmenters.fastinst.model import FastInst, FastInstOutputs
from methods.common.segmenters.fastinst.official import infer_config, load_official
from methods.common.segmenters.fastinst.official_names import names_of
from methods.common.segmenters.fastinst.presets import (
    fastinst_r50_d1,
    fastinst_r50_d3,
    fastinst_r50_d_dcn,
    fastinst_r101,
)
from tests.parity.official_outputs import Golden, entries_without_values, placed_entries

RELATIVE = 1e-4
R50, DCN = "fastinst_r50_x3_640", "fastinst_r50vd_dcn_x3_640"
STEMS: dict[str, FastInstConfig] = {
    R50: fastinst_r50_d3(80),
    DCN: fastinst_r50_d_dcn(80),
    "fastinst_r50_x1_576": fastinst_r50_d1(80),
    "fastinst_r101_x3_640": fastinst_r101(80),
}
PARAMETERS = {
    R50: 34_176_597,
    DCN: 34_693_527,
    "fastinst_r50_x1_576": 29_658_035,
    "fastinst_r101_x3_640": 53_116_501,
}


@dataclass
class Run:
    golden: Golden
    model: FastInst
    outputs: FastInstOutputs

    def check(self, name: str, ours: Tensor) -> None:
        self.golden.check(name, ours, RELATIVE)


@pytest.fixture(scope="module", params=[R50, DCN])
def run(request: pytest.FixtureRequest, shared: Path) -> Iterator[Run]:
    golden = Golden(shared, request.param)
    model = load_official(golden.weights)
    with torch.no_grad():
        yield Run(golden, model, model(golden.image))


@pytest.mark.parametrize("stem", list(STEMS))
def test_every_official_entry_has_exactly_one_place(shared: Path, stem: str) -> None:
    with torch.device("meta"):
        model = FastInst(STEMS[stem])
    ours = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert placed_entries(shared, stem, names_of(STEMS[stem].backbone.stem == "deep")) == ours
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[stem]


@pytest.mark.parametrize("stem", list(STEMS))
def test_the_network_is_told_from_the_entries(shared: Path, stem: str) -> None:
    assert infer_config(entries_without_values(shared, stem)) == STEMS[stem]


def test_backbone_and_pixel_decoder(run: Run) -> None:
    run.check("res5_ch0_31", run.outputs.features[2][:, :32])
    run.check("fpn_p5_ch0_15", run.outputs.pyramid[2][:, :16])
    run.check("fpn_p4_ch0_15", run.outputs.pyramid[1][:, :16])
    run.check("fpn_p3_ch0_3", run.outputs.pyramid[0][:, :4])


def test_the_same_cells_become_queries(run: Run) -> None:
    proposals = run.outputs.proposals
    run.check("proposal_cls_logits_ch0_16_80", proposals.class_logit_NKhw[0, [0, 16, 80]])
    assert proposals.index_NQ.tolist() == run.golden.values["topk_indices"].tolist()
    run.check("topk_values", proposals.value_NQ)


def test_classes_and_masks(run: Run) -> None:
    first, *_, last = run.outputs.predictions
    assert first.class_logit_NQK is None
    assert last.class_logit_NQK is not None
    run.check("mask_logits_layer0_q0_9", first.mask_logit_NQhw[:, :10])
    run.check("pred_logits", last.class_logit_NQK)
    run.check("pred_masks", last.mask_logit_NQhw)


def test_scores_of_instances(run: Run) -> None:
    (found,) = run.model.detect(run.golden.image)
    run.check("instance_scores_top20", found.scores_N[:20])
