"""Stages around generation that are interrupted anywhere end with the files of an undisturbed run, bit for bit."""

import json
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from methods.common.clip import ClipScorer
from methods.common.cutouts import load as seam
from methods.common.generated.image_shards import count_images, read_images
from methods.common.objects.pool import ObjectPool
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.stage import Inputs
from methods.common.stages.evaluate_instances import DETECTIONS_FILE
from methods.mrca.stages.cut import CutStageConfig, XPasteCutting, cut
from methods.mrca.stages.entropy import EntropyConfig, entropy
from methods.mrca.stages.evaluate import EvaluateConfig, evaluate
from methods.mrca.stages.import_objects import ImportObjectsConfig, import_objects
from methods.mrca.stages.take import TakeConfig, take
from methods.mrca.xpaste import XPasteFilterConfig
from tests.contracts import contexts
from tests.contracts.contexts import Killed, files_of
from tests.unit.mrca_stage_inputs import NUM_IMAGES, make_inputs

attempt = partial(contexts.attempt, save_every=2)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The roles; networks are loaded from them once, not for each attempt."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seam, "load_cutout", cache(seam.load_cutout))
        for network in (ClipScorer, CenterNet2):
            patch.setattr(network, "from_pretrained", cache(network.from_pretrained))
        yield make_inputs(tmp_path_factory.mktemp("inputs"))


XPASTE = XPasteCutting(filter=XPasteFilterConfig(max_clip_bar=97, max_area_fraction=0.3))
STAGES = {
    "cut_mrca": (cut, CutStageConfig(batch_size=3)),
    "cut_xpaste": (cut, CutStageConfig(rule=XPASTE, batch_size=3)),
    "evaluate": (evaluate, EvaluateConfig(short_side_px=96, long_side_px=128, batch_size=2)),
    "entropy": (entropy, EntropyConfig(batch_size=3, max_images=17)),
}


@pytest.fixture(scope="module")
def undisturbed(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return {name: (attempt(*_with(inputs, name), folder / name)[1], files_of(folder / name)) for name in STAGES}


def _with(inputs, name):
    stage, config = STAGES[name]
    return stage, inputs, config


def test_the_undisturbed_runs_have_something_to_lose(undisturbed):
    record, written = undisturbed["cut_mrca"]
    assert record["generated"] == NUM_IMAGES
    assert sum(record["accepted"].values()) > 20
    assert list(written) == ["pool-00000.parquet"]
    outcomes = undisturbed["cut_xpaste"][0]["outcomes"]
    assert {outcome for counts in outcomes.values() for outcome in counts} >= {"accepted", "clip_score", "empty_mask"}
    assert undisturbed["evaluate"][0]["num_detections"] == len(json.loads(undisturbed["evaluate"][1][DETECTIONS_FILE]))
    assert undisturbed["entropy"][0]["num_images"] == 14


@pytest.mark.parametrize("damage", ["torn", "flipped", "missing"])
def test_a_damaged_part_is_cut_again_and_those_before_are_kept(inputs, undisturbed, tmp_path, damage):
    attempt(*_with(inputs, "cut_xpaste"), tmp_path / "out", kill_at=11)
    parts = sorted((tmp_path / "out" / "parts").iterdir())
    assert len(parts) == 5
    spoil(parts[2], damage)
    context, record = attempt(*_with(inputs, "cut_xpaste"), tmp_path / "out")
    assert context.done[0] == 15  # two parts of six images are left, and a batch of three
    assert (record, files_of(tmp_path / "out")) == undisturbed["cut_xpaste"]


def spoil(path, damage):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data if damage == "flipped" else data[:-20])
    if damage == "missing":
        path.unlink()


def test_killed_after_damage_it_still_goes_on(inputs, undisturbed, tmp_path):
    """Checkpoints from before the damage must not come back."""
    out = tmp_path / "out"
    attempt(*_with(inputs, "cut_mrca"), out, kill_at=11)
    spoil(sorted((out / "parts").iterdir())[1], "torn")
    assert attempt(*_with(inputs, "cut_mrca"), out, kill_at=5)[0].done[0] == 9
    context, record = attempt(*_with(inputs, "cut_mrca"), out)
    assert context.done[0] == 21
    assert (record, files_of(out)) == undisturbed["cut_mrca"]


@pytest.mark.parametrize("removed", [0, 1, 6])
def test_killed_while_the_parts_are_removed(inputs, undisturbed, tmp_path, monkeypatch, removed):
    unlink, left = Path.unlink, [removed]

    def unlink_some(self, missing_ok=False):
        if self.parent.name == "parts" and not self.name.startswith("."):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
        unlink(self, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink_some)
        assert attempt(*_with(inputs, "cut_mrca"), tmp_path / "out")[1] is None
    assert len(list((tmp_path / "out" / "parts").iterdir())) == 7 - removed
    assert (attempt(*_with(inputs, "cut_mrca"), tmp_path / "out")[1], files_of(tmp_path / "out")) == undisturbed[
        "cut_mrca"
    ]


@pytest.mark.parametrize("damage", ["torn", "flipped", "missing"])
def test_damaged_detections_are_made_again(inputs, undisturbed, tmp_path, damage):
    attempt(*_with(inputs, "evaluate"), tmp_path / "out", kill_at=4)
    file = tmp_path / "out" / DETECTIONS_FILE
    spoil(file, damage)
    context, record = attempt(*_with(inputs, "evaluate"), tmp_path / "out")
    assert context.done[0] <= 2
    assert (record, files_of(tmp_path / "out")) == undisturbed["evaluate"]


def test_killed_while_scoring_it_does_not_detect_again(inputs, undisturbed, tmp_path, monkeypatch):
    from methods.common.metrics.detection import lvis

    def killed(*arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(lvis, "evaluate_lvis", killed)
        assert attempt(*_with(inputs, "evaluate"), tmp_path / "out")[1] is None
    context, record = attempt(*_with(inputs, "evaluate"), tmp_path / "out")
    assert context.done == []
    assert (record, files_of(tmp_path / "out")) == undisturbed["evaluate"]


def test_images_are_read_from_any_number_on(inputs):
    folder = inputs.folder("images")
    everything = [(image.seed, image.image_HW3.tobytes()) for image in read_images(folder)]
    assert len(everything) == count_images(folder) == NUM_IMAGES
    for first, step in [(0, 3), (1, 7), (22, 1), (23, 5), (39, 1), (40, 1), (50, 2), (5, 30)]:
        found = [(image.seed, image.image_HW3.tobytes()) for image in read_images(folder, first, step)]
        assert found == everything[first::step]


def test_taking_gives_what_cutting_fewer_images_would(inputs, tmp_path):
    _, record = attempt(*_with(inputs, "cut_mrca"), tmp_path / "pool")
    given = Inputs({**inputs.roles, "pool": [tmp_path / "pool"]})
    _, taken = attempt(take, given, TakeConfig(images_per_class=6), tmp_path / "taken")
    found = ObjectPool.open(tmp_path / "taken")
    first_images = {image.seed for image in read_images(inputs.folder("images")) if image.index < 6}
    expected = [item for item in ObjectPool.open(tmp_path / "pool").read_all() if item.image_seed in first_images]
    assert list(found.read_all()) == expected
    assert 0 < len(expected) < sum(record["accepted"].values())
    assert sum(taken["accepted"].values()) == len(expected)
    assert taken["generated"] == 6 * 12


def test_own_cutouts_go_on_with_the_first_missing_shard(inputs, tmp_path, monkeypatch):
    classes = json.loads((inputs.folder("split") / "classes.json").read_text())
    for category in classes:
        (tmp_path / "own" / category["folder_name"]).mkdir(parents=True)
        for number in range(2):
            pixels = np.random.default_rng(number).integers(128, 256, (9, 8, 4), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / "own" / category["folder_name"] / f"{number}.png"), pixels)
    given = Inputs({**inputs.roles, "objects": [tmp_path / "own"]})
    config = ImportObjectsConfig(objects_per_shard=5)
    _, record = attempt(import_objects, given, config, tmp_path / "undisturbed")
    assert attempt(import_objects, given, config, tmp_path / "out", kill_at=13)[1] is None
    assert len(list((tmp_path / "out").iterdir())) == 2
    spoil(tmp_path / "out" / "pool-00001.parquet", "torn")
    context, again = attempt(import_objects, given, config, tmp_path / "out")
    assert context.done == list(range(6, 25))
    assert (again, files_of(tmp_path / "out")) == (record, files_of(tmp_path / "undisturbed"))
    assert len(files_of(tmp_path / "out")) == 5
