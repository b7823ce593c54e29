"""DeepLabV3+ against stored outputs of BECO's network with formula-made weights and input, DeepLabV3 against torchvision's."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.models.segmentation import deeplabv3_resnet50

from methods.common.segmenters.deeplab.model import DeepLab, DeepLabOutputs
from methods.common.segmenters.deeplab.official import NAMES, infer_config, load_official
from methods.common.segmenters.deeplab.presets import deeplabv3_r50, deeplabv3plus_r101d
from tests.parity.formula import formula_image, formula_state, key_table, shape_of

STEM = "beco_deeplabv3plus_r101d"
NUM_PARAMETERS = 45_638_629
NOISE = {
    "stem_layer": 2e-6,
    "layer1": 2e-6,
    "layer2": 2e-6,
    "layer3": 1.2e-5,
    "layer4": 1.2e-5,
    "branch": 1e-5,
    "aspp": 5e-6,
    "decoder": 2e-6,
    "logits": 2e-6,
}
"""Largest absolute change under rounding, as the reference data's README states it; a few times that is equal."""


@dataclass
class Run:
    golden: dict[str, np.ndarray]
    outputs: DeepLabOutputs
    stem: Tensor
    logits: Tensor

    def check(self, name: str, ours: Tensor, noise: str) -> None:
        expected = self.golden[name]
        assert ours.shape == expected.shape, name
        difference = np.abs(ours.numpy() - expected).max()
        assert difference <= 3 * NOISE[noise], f"{name}: {difference}"


@pytest.fixture(scope="module")
def run(shared: Path) -> Run:
    golden = dict(np.load(shared / "parity" / f"{STEM}_public.npz"))
    model = load_official(formula_state(shared, STEM, int(golden["salt"])))
    height, width, *constants = golden["image_h_w_a_b_p_q"]
    image = formula_image(int(height), int(width), *constants)
    stems: list[Tensor] = []
    model.encoder.pool.register_forward_hook(lambda *call: stems.append(call[-1]))
    with torch.no_grad():
        outputs = model(image)
        logits = torch.nn.functional.interpolate(outputs.logits, image.shape[-2:], mode="bilinear")
        assert torch.equal(model.scores(image), logits)
    return Run(golden, outputs, stems[0], logits)


def test_every_official_entry_has_exactly_one_place(shared: Path) -> None:
    with torch.device("meta"):
        model = DeepLab(deeplabv3plus_r101d(21))
    placed: dict[str, tuple[int, ...]] = {}
    for row in key_table(shared, STEM):
        (place,) = NAMES.our_places(row["name"])
        assert place.ours not in placed, place
        assert NAMES.official_name(place.ours) == row["name"]
        placed[place.ours] = shape_of(row)
    assert placed == {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert sum(parameter.numel() for parameter in model.parameters()) == NUM_PARAMETERS


def test_the_network_is_told_from_the_entries(shared: Path) -> None:
    entries = {row["name"]: torch.empty(shape_of(row), device="meta") for row in key_table(shared, STEM)}
    assert infer_config(entries) == deeplabv3plus_r101d(21)


def test_backbone(run: Run) -> None:
    run.check("stem_layer_ch0_7", run.stem[:, :8], "stem_layer")
    for stage, feature in enumerate(run.outputs.features, 1):
        run.check(f"layer{stage}_ch0_7", feature[:, :8], f"layer{stage}")


def test_pyramid_and_decoder(run: Run) -> None:
    for index, branch in enumerate(run.outputs.branches):
        run.check(f"aspp_branch{index}_ch0_7", branch[:, :8], "branch")
    run.check("aspp_ch0_7", run.outputs.pyramid[:, :8], "aspp")
    assert run.outputs.low_level is not None
    run.check("lowlevel_ch0_7", run.outputs.low_level[:, :8], "layer1")
    run.check("decoder_ch0_7", run.outputs.decoded[:, :8], "decoder")


def test_logits_and_labels(run: Run) -> None:
    run.check("pre_logits", run.outputs.logits, "logits")
    run.check("logits_s2", run.logits[:, :, ::2, ::2], "logits")
    assert np.array_equal(run.logits.argmax(1).numpy(), run.golden["argmax"])


def torchvision_name(ours: str) -> str:
    """Torchvision's name of an entry of our DeepLabV3."""
    replaced = {
        "encoder.": "backbone.",
        "head.pyramid.branches.": "classifier.0.convs.",
        "head.pyramid.projection.": "classifier.0.project.",
        "head.refine.0.": "classifier.1.",
        "head.refine.1.": "classifier.2.",
        "head.classifier.": "classifier.4.",
    }
    (name,) = (theirs + ours.removeprefix(mine) for mine, theirs in replaced.items() if ours.startswith(mine))
    return name


def test_the_plain_network_is_torchvisions() -> None:
    torch.manual_seed(0)
    theirs = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=5).eval()
    for name, value in theirs.state_dict().items():
        if value.ndim == 1 and value.is_floating_point():
            value.copy_(0.5 + torch.rand(value.shape) * (1.0 if name.endswith(("weight", "var")) else 0.2))
    model = DeepLab.without_weights(deeplabv3_r50(5)).eval()
    state = theirs.state_dict()
    assert {torchvision_name(name) for name in model.state_dict()} == set(state)
    model.load_state_dict({name: state[torchvision_name(name)] for name in model.state_dict()})
    image = torch.rand(1, 3, 75, 90) * 255
    with torch.no_grad():
        expected = theirs(model.normalise(image))["out"]
        found = model.scores(image)
    assert torch.allclose(found, expected, atol=1e-5 * float(expected.abs().max()))
