"""What belongs to which picture, preset and network where there are several of each: labels, sampling, cut-outs, heat maps."""

import json
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from methods.common.generators.attention_presets import daam
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from methods.diffumask_robust import attention_sampler
from methods.diffumask_robust.attention_sampler import AttentionSampler
from methods.diffumask_robust.diffumask.target_maps import TargetMaps
from methods.diffumask_robust.heat_map_files import MAPS, PRESETS_FILE, encode_maps, pack_maps
from methods.diffumask_robust.label_files import LABELS, TRUSTED, read_trusted
from methods.diffumask_robust.prompts import AugmentedPrompt, ClassSpan, Prompt
from methods.diffumask_robust.pseudo_mask_config import PseudoMaskConfig
from methods.diffumask_robust.stages.label import label
from methods.diffumask_robust.stages.label_config import LabelConfig
from methods.diffumask_robust.stages.synthesis_config import SynthesizeAttentionConfig
from tests.unit.test_diffumask_robust_stage_values import CLASSES, ramp, write_pairs

PLAIN = daam().model_copy(update={"pooling": "resolutions", "scaling": "none", "cross_sides": (4,), "time": "mean"})
"""Leaves maps of the picture's size as they are."""


def add_preset(folder: Path, name: str, maps: dict[str, np.ndarray]) -> None:
    """Write further heat maps of the same pictures, which stay as they are."""
    presets = json.loads((folder / PRESETS_FILE).read_text())
    (folder / PRESETS_FILE).write_text(json.dumps(presets | {name: PLAIN.model_dump(mode="json")}))
    (folder / MAPS / name).mkdir()
    lines = [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]
    for line in lines:
        packed = pack_maps(maps[line["id"]])
        (folder / MAPS / name / f"{line['id']}.png").write_bytes(encode_maps(packed.level_Hw))
        line["ranges"][name] = packed.ranges
    (folder / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A coin at the left and a hoop at the right; by the other preset the coin is in the middle and weaker."""
    maps = {"a": ramp([1.0, 0.9, 0.1, 0.0]), "b": ramp([0.0, 0.1, 0.2, 1.0])}
    folder = write_pairs(tmp_path / "pairs", maps, {"a": [1], "b": [2]})
    add_preset(folder, "plain", {"a": ramp([0.1, 0.6, 0.5, 0.2]), "b": ramp([0.5, 0.3, 0.1, 0.2])})
    return folder


def labels_of(folder: Path, config: LabelConfig, out: Path, **roles: list[Path]) -> dict[str, tuple[list, list]]:
    """Labels and trust of each picture."""
    out.mkdir()
    label(Inputs({"pairs": [folder], **roles}), config, LocalContext(out))
    return {
        name: (
            np.asarray(Image.open(out / LABELS / f"{name}.png")).tolist(),
            read_trusted(out / TRUSTED / f"{name}.png").tolist(),
        )
        for name in ("a", "b")
    }


def test_each_picture_is_labelled_by_its_own_line_and_the_presets_own_range(two: Path, tmp_path: Path) -> None:
    found = labels_of(two, LabelConfig(preset="daam"), tmp_path / "daam")
    assert (found["a"][0], found["b"][0]) == ([[1, 1, 0, 0]], [[0, 0, 0, 2]])
    found = labels_of(two, LabelConfig(preset="plain", rescaled=False), tmp_path / "plain")
    assert (found["a"][0], found["b"][0]) == ([[0, 1, 1, 0]], [[2, 0, 0, 0]])
    found = labels_of(two, LabelConfig(preset="plain", rescaled=True), tmp_path / "rescaled")
    assert (found["a"][0], found["b"][0]) == ([[0, 1, 1, 0]], [[2, 2, 0, 0]]), "from 0.1 to 0.5 the middle is at 0.3"


def test_the_trusted_share_and_the_reading_of_ties_are_handed_on(tmp_path: Path) -> None:
    """Background scores 0.5, 0.25, 0.3 and 0.3125; the second pixel ties, and as released its margin is its whole score."""
    maps = dict.fromkeys("ab", ramp([0.0, 0.25, 0.2, 0.1875]))
    folder = write_pairs(tmp_path / "pairs", maps, {"a": [1], "b": [1]})
    add_preset(folder, "plain", maps)
    mask = PseudoMaskConfig(beta=0.5, min_foreground=0.0)
    for ties, share, wanted in (
        ("as_meant", 0.5, [True, False, False, True]),
        ("as_released", 0.5, [True, True, False, False]),
        ("as_meant", 0.25, [True, False, False, False]),
    ):
        config = LabelConfig(preset="plain", rescaled=False, trusted_share=share, ties=ties, mask=mask)
        assert labels_of(folder, config, tmp_path / f"{ties}{share}")["a"] == ([[0, 0, 0, 0]], [wanted])


def test_chance_trusts_other_pixels_of_each_picture(tmp_path: Path) -> None:
    map_1hw = np.tile(np.linspace(0, 1, 16), 16).reshape(1, 16, 16)
    folder = write_pairs(tmp_path / "pairs", {"a": map_1hw, "b": map_1hw}, {"a": [1], "b": [1]})
    found = labels_of(folder, LabelConfig(preset="daam", trusted="random"), tmp_path / "out")
    assert found["a"][0] == found["b"][0]
    assert found["a"][1] != found["b"][1]


class Cutter:
    """Finds the brighter half of a picture with values in [0, 1]."""

    def soft_mask(self, image_13HW: torch.Tensor) -> torch.Tensor:
        assert float(image_13HW.max()) == 1
        return image_13HW.mean(1)


def test_inside_a_cut_out_the_strongest_map_names_the_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = np.concatenate([ramp([1.0, 0.4, 0.0, 0.6]), ramp([0.0, 0.7, 1.0, 0.1])])
    folder = write_pairs(tmp_path / "pairs", {"a": maps, "b": maps}, {"a": [2, 1], "b": [1, 2]})
    for name, shades in (("a", [255, 255, 255, 0]), ("b", [0, 255, 0, 255])):
        grey = np.repeat(np.array([shades], np.uint8)[..., None], 3, 2)
        Image.fromarray(grey).save(folder / "images" / f"{name}.png")
    monkeypatch.setattr("methods.common.cutouts.load.load_cutout", lambda *_, **__: Cutter())
    config = LabelConfig(preset="daam", masks_from="cutout")
    found = labels_of(folder, config, tmp_path / "out", cutter=[tmp_path])
    assert (found["a"][0], found["b"][0]) == ([[2, 1, 1, 0]], [[0, 2, 0, 1]])


def test_target_maps_are_of_the_preset_that_is_asked_for(two: Path) -> None:
    maps = TargetMaps(two, "plain")
    assert [(target.class_name, target.label) for target in maps.targets] == [("coin", 1), ("hoop", 2)]
    found = [maps.map_of(target, (1, 4))[0] for target in maps.targets]
    np.testing.assert_allclose(found, [[0.1, 0.6, 0.5, 0.2], [0.5, 0.3, 0.1, 0.2]], atol=1e-4)


# -- sampling ------------------------------------------------------------------------------------------------------------------


class Capture(AbstractContextManager):
    """Knows what it was made of; the map of picture n has n in its middle."""

    num_calls = 5

    def __init__(self, pipeline: Any, preset: Any, prompts: Any, num_steps: int) -> None:
        self.preset, self.prompts, self.num_steps = preset, prompts, num_steps

    def __exit__(self, *_: object) -> None:
        return None

    def pooled_maps(self, index: int, size: tuple[int, int]) -> torch.Tensor:
        assert size == (2, 2)
        map_122 = torch.zeros(1, 2, 2)
        map_122[0, 0, 0] = 10 * self.preset.map_side + index
        return map_122


def test_a_batch_keeps_pictures_seeds_maps_and_prompts_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Capture] = []
    asked: dict[str, Any] = {}

    def sample(pipeline: Any, texts: list[str], seeds: list[int], config: Any, **more: Any) -> np.ndarray:
        asked.update(texts=texts, seeds=seeds, **more)
        image_NHW3 = np.full((3, 2, 2, 3), 7, np.uint8)
        image_NHW3[1] = 0
        return image_NHW3

    def capture(*given: Any) -> Capture:
        made.append(Capture(*given))
        return made[-1]

    pipeline = SimpleNamespace(unet=0, encode_prompt=0)
    monkeypatch.setattr(attention_sampler, "load_pipeline", lambda *_: pipeline)
    monkeypatch.setattr(attention_sampler, "sample_images", sample)
    monkeypatch.setattr(attention_sampler, "PresetCapture", capture)
    presets = {"small": daam().model_copy(update={"map_side": 2}), "large": daam().model_copy(update={"map_side": 3})}
    config = SynthesizeAttentionConfig(num_steps=6, presets=presets, guidance_scale=3.0, negative_prompt="blurred")
    sampler = AttentionSampler(tmp_path, config, torch.device("cpu"), Seeds(generation=4), CLASSES)
    batch = [
        AugmentedPrompt(Prompt(id, f"a {word}", (ClassSpan(class_id, 2, 2 + len(word)),)), "base", (), 9)
        for id, word, class_id in (("x", "loop", 2), ("y", "coin", 1), ("z", "token", 1))
    ]
    pairs = sampler(batch)
    assert asked["texts"] == ["a loop", "a coin", "a token"]
    assert asked["seeds"] == [Seeds(generation=4).derive("generation", "picture", id) for id in "xyz"]
    assert asked["negative_prompt"] == ["blurred"] * 3
    assert [(one.num_steps, one.preset.map_side) for one in made] == [(6, 2), (6, 3)]
    words = [[(word.class_name, word.word, word.spans) for word in prompt.words] for prompt in made[0].prompts]
    assert words == [[("hoop", "loop", ((2, 6),))], [("coin", "coin", ((2, 6),))], [("coin", "token", ((2, 7),))]]
    assert [pair.record["id"] for pair in pairs] == ["x", "z"], "the black picture has no line"
    assert [pair.record["classes"] for pair in pairs] == [["hoop"], ["coin"]]
    assert [pair.record["picture_seed"] for pair in pairs] == [asked["seeds"][0], asked["seeds"][2]]
    highest = [{name: ranges[0][1] for name, ranges in pair.record["ranges"].items()} for pair in pairs]
    assert highest == [{"small": 20.0, "large": 30.0}, {"small": 22.0, "large": 32.0}]
    assert sampler.denoiser_images == 3 * 5 * config.denoisings_per_step
