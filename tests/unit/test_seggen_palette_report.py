"""What autoencoders do to colours: the stage, and the command before a training."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from methods.common.errors import InputError
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.stage import Inputs, LocalContext
from methods.seggen import palette_survival
from methods.seggen.colour_coding import encode
from methods.seggen.palette_survival import load_autoencoder, measure_survival, mosaics, overflows
from methods.seggen.palettes import PaletteConfig, build_palette
from methods.seggen.stages.palette_report import PaletteReportConfig, report_palettes
from tests.e2e.in_process import segrepro

SMALL = PaletteReportConfig(num_classes=12, size_px=32, num_pictures=1)
GENERATOR = CHECKPOINTS / "stable_diffusion"


def test_classes_take_turns_in_the_mosaics() -> None:
    maps = mosaics(20, 3, 128, np.random.default_rng(0))
    cells = sum(len(np.unique(label_HW)) for label_HW in maps)
    assert [label_HW.shape for label_HW in maps] == [(128, 128)] * 3
    assert set(np.unique(maps)) == set(range(20)), "48 cells hold every class twice"
    assert cells > 36


def test_pixels_that_become_another_class_are_counted_by_class(monkeypatch: pytest.MonkeyPatch) -> None:
    palette = build_palette(PaletteConfig(), 3)
    label_HW = np.repeat(np.array([[0, 1, 2, 2]], np.uint8), 4, axis=0)
    back_HW = np.repeat(np.array([[0, 0, 2, 255]], np.uint8), 4, axis=0)
    monkeypatch.setattr(palette_survival, "_through", lambda _, image_HW3: encode(back_HW, palette))
    found = measure_survival(None, palette, [label_HW, label_HW])
    assert found.pixels_K.tolist() == [8, 8, 16]
    assert found.wrong_K.tolist() == [0, 8, 8]
    assert found.shares_by_class() == [0, 1, 0.5]
    assert found.wrong_share == 0.5 == found.wrong_cleaned_share
    assert (found.mean_distance, found.mean_margin) == (0, 51)


def test_the_stage_tells_palettes_apart_and_is_the_same_again(tmp_path: Path) -> None:
    inputs = Inputs({"generator": (GENERATOR,)})
    record = report_palettes(inputs, SMALL, LocalContext(tmp_path))
    assert list(record["palettes"]) == ["seggen", "spread", "dataset", "random"]
    assert record["overflows_in_half"] is False
    for one in record["palettes"].values():
        assert len(one["wrong_share_by_class"]) == 12
        shares = [one["wrong_share_by_class"][k] for k in one["worst_classes"]]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] == max(one["wrong_share_by_class"])
    shares = {one["wrong_share"] for one in record["palettes"].values()}
    assert len(shares) > 1
    assert report_palettes(inputs, SMALL, LocalContext(tmp_path)) == record


def test_what_overflows_is_found_and_said(tmp_path: Path) -> None:
    vae = load_autoencoder(GENERATOR, torch.device("cpu"))
    palette, label_HW = build_palette(PaletteConfig(), 4), np.zeros((16, 16), np.uint8)
    assert not overflows(vae, palette, label_HW, "float16")
    with torch.no_grad():
        vae.encoder.conv_in.weight *= 1e7  # beyond 65,504, and then made normal again by the group norms
    assert overflows(vae, palette, label_HW, "float16")
    assert bool(torch.isfinite(vae.encoder.conv_in.weight).all()), "a copy is tried"
    assert not overflows(vae, palette, label_HW, "bfloat16")
    with torch.no_grad():
        vae.decoder.conv_out.bias[0] = torch.inf
    with pytest.raises(InputError, match="the autoencoder overflows in float32"):
        measure_survival(vae, palette, [label_HW])


def test_the_command_prints_a_line_a_palette() -> None:
    asked = ("--classes", "12", "--size", "32", "--masks", "1")
    done = segrepro("palette-check", "--vae", str(GENERATOR), *asked, "--palette", "spread", "--palette", "seggen")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["palette", "spread", "seggen"]
    document = json.loads(segrepro("palette-check", "--vae", str(GENERATOR), *asked, "--json").stdout)
    assert f"{100 * document['palettes']['spread']['wrong_share']:.2f} %" in lines[1]
    assert document["num_classes"] == 12


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--vae", "nowhere"), "--vae nowhere: there is no such folder"),
        (("--classes", "1"), "--classes 1 should be greater than or equal to 2"),
        (("--palette", "blue"), "--palette blue should be 'seggen', 'spread', 'dataset' or 'random'"),
        (("--classes", "12", "--size", "30", "--masks", "1"), "returns 28x28 pixels for 30x30; give a size"),
        (("--classes", "200", "--palette", "dataset"), "'dataset' has colours for 150 classes, not for 200"),
        (("--vae", str(CHECKPOINTS / "clip")), "holds no network of diffusers, which is no autoencoder known here"),
        (("--vae", str(CHECKPOINTS)), "holds no autoencoder: there is no vae/config.json"),
    ],
)
def test_the_command_refuses_in_one_sentence(options: tuple[str, ...], said: str) -> None:
    done = segrepro("palette-check", *(() if "--vae" in options else ("--vae", str(GENERATOR))), *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
