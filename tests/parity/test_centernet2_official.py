"""CenterNet2 against stored outputs of the official model with formula-made weights and input."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.official import load_official, official_name
from methods.common.segmenters.centernet2.pooling import pool_boxes
from methods.common.segmenters.centernet2.presets import centernet2_r50, centernet2_swinl
from methods.common.segmenters.centernet2.structures import CenterNet2Outputs
from tests.parity.formula import formula_image, formula_state, key_table, shape_of

RELATIVE = 1e-4
STEMS = ("centernet2_r50_lvis", "centernet2_swinl_lvis")


@dataclass
class Run:
    golden: dict[str, np.ndarray]
    model: CenterNet2
    image: Tensor
    outputs: CenterNet2Outputs

    def check(self, name: str, ours: Tensor) -> None:
        expected = self.golden[name]
        assert ours.shape == expected.shape, name
        difference = np.abs(ours.detach().numpy() - expected).max() / np.abs(expected).max()
        assert difference < RELATIVE, f"{name}: {difference}"


@pytest.fixture(scope="module", params=[STEMS[0], pytest.param(STEMS[1], marks=pytest.mark.slow)])
def run(request: pytest.FixtureRequest, shared: Path) -> Iterator[Run]:
    stem: str = request.param
    golden = dict(np.load(shared / "parity" / f"{stem}_public.npz"))
    entries = formula_state(shared, stem, int(golden["salt"]))
    state = {name: value for name, value in entries.items() if not name.startswith("backbone.bottom_up.base.fc.")}
    model = load_official(state)
    height, width, *constants = golden["image_h_w_a_b_p_q"]
    image = formula_image(int(height), int(width), *constants)
    with torch.no_grad():
        yield Run(golden, model, image, model(image))


@pytest.mark.parametrize(("stem", "preset"), list(zip(STEMS, (centernet2_r50, centernet2_swinl), strict=True)))
def test_every_official_entry_has_a_place(shared: Path, stem: str, preset) -> None:
    config = preset()
    with torch.device("meta"):
        ours = {name: tuple(value.shape) for name, value in CenterNet2(config).state_dict().items()}
    unused = ("num_batches_tracked", "relative_position_index", "base.fc.weight", "base.fc.bias", "freq_weight")
    official = {row["name"]: shape_of(row) for row in key_table(shared, stem) if not row["name"].endswith(unused)}
    learned = {name: shape for name, shape in ours.items() if name != "cascade.class_weight_C"}
    assert {official_name(name, config): shape for name, shape in learned.items()} == official


def test_first_stage(run: Run) -> None:
    for level in range(5):
        run.check(f"fpn_p{level + 3}_ch0_7", run.outputs.features[level][:, :8])
        run.check(f"agn_hm_logits_p{level + 3}", run.outputs.heat_map_logits[level])
        run.check(f"bbox_reg_p{level + 3}", run.outputs.distances[level])


def test_proposals_as_a_set(run: Run) -> None:
    ours = run.outputs.proposals[0]
    expected = torch.from_numpy(run.golden["proposal_boxes"])
    nearest = torch.cdist(expected, ours.boxes_N4, p=torch.inf).min(dim=1)
    matched = nearest.values < RELATIVE * 320
    assert abs(len(ours.scores_N) - len(expected)) <= 1
    assert matched.sum() >= len(expected) - 1
    scores = torch.from_numpy(run.golden["proposal_scores"])
    assert torch.allclose(ours.scores_N[nearest.indices[matched]], scores[matched], rtol=RELATIVE)


def test_cascade_and_masks_on_fixed_boxes(run: Run) -> None:
    boxes = torch.from_numpy(run.golden["fixed_boxes"])
    pooled = pool_boxes(run.outputs.features, [boxes], 7, run.model.config)
    run.check("stage0_pooled_7x7_ch0_31", pooled[:, :32])
    cascade = run.model.refine(run.outputs, [boxes])
    for stage in range(3):
        run.check(f"stage{stage}_input_boxes", cascade.input_boxes[stage])
        run.check(f"stage{stage}_class_logits", cascade.class_logits[stage])
        run.check(f"stage{stage}_box_deltas", cascade.box_deltas[stage])
    run.check("final_boxes_unclipped", cascade.final_boxes_R4)
    run.check("mask_logits_28", run.model.mask_logits(run.outputs, [boxes]))


def test_detections_as_a_set(run: Run) -> None:
    (found,) = run.model.detect(run.image, masks=False)
    table = torch.cat([found.boxes_N4, found.classes_N[:, None] * 1000.0], dim=1)
    boxes, classes = torch.from_numpy(run.golden["result_boxes"]), torch.from_numpy(run.golden["result_classes"])
    expected = torch.cat([boxes, classes[:, None] * 1000.0], dim=1)
    distance, row = (expected[:, None] - table[None]).abs().amax(dim=2).min(dim=1)
    matched = distance < RELATIVE * 320
    assert len(found) == len(expected)
    assert matched.sum() >= len(expected) - 2  # one proposal may enter or leave the list
    scores = torch.from_numpy(run.golden["result_scores"])
    assert torch.allclose(found.scores_N[row[matched]], scores[matched], rtol=RELATIVE)


def test_batch_of_two_sizes_equals_single_images(run: Run) -> None:
    """A smaller image in the same batch sees the zeros that it would be padded with."""
    if run.model.config.backbone.kind == "swin":
        pytest.skip("the R50 run shows it; padding does not depend on the backbone")
    small = formula_image(200, 320, 0.09, 0.05, 1.0, 0.0021)
    batch = torch.cat([run.image, torch.nn.functional.pad(small, (0, 0, 0, 56), value=99.0)])
    together = run.model(batch, [(256, 320), (200, 320)])
    alone = run.model(torch.nn.functional.pad(small, (0, 0, 0, 56)), [(200, 320)])
    assert torch.allclose(together.heat_map_logits[0][:1], run.outputs.heat_map_logits[0], atol=1e-4)
    assert torch.allclose(together.heat_map_logits[0][1:], alone.heat_map_logits[0], atol=1e-4)
