"""Pipeline A as stages, on Cityscapes' and COCO's layout: what they write, that it can be made again, and what they refuse."""

import json

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from methods.common.datasets.id_maps import pixels_by_id
from methods.common.datasets.png_labels import read_labels
from methods.common.datasets.rle import decode_mask
from methods.common.errors import InputError
from methods.common.generators.repainting.configs import (
    CopyFromBankConfig,
    GligenConfig,
    IdentityConfig,
    NoiseConfig,
    SolidConfig,
)
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from methods.instance_synthesis.focus import FocusConfig
from methods.instance_synthesis.frame_files import open_frames
from methods.instance_synthesis.integrate import make_sample
from methods.instance_synthesis.manifest import InstanceRow, SampleRow, read_rows, write_rows
from methods.instance_synthesis.paste import PasteConfig
from methods.instance_synthesis.pictures import PictureShards, RepaintedCrop, decode_png, shard_path, write_pictures
from methods.instance_synthesis.prompts import PromptConfig
from methods.instance_synthesis.select import SelectConfig
from methods.instance_synthesis.stages.generate import GENERATE, GenerateStageConfig
from methods.instance_synthesis.stages.integrate import INTEGRATE, IntegrateStageConfig
from methods.instance_synthesis.stages.select import SELECT, SelectStageConfig
from tests.unit.instance_frames import CAR, PERSON, colours_of, id_map, street_frame, write_cityscapes, write_coco

FOCUS = FocusConfig(width_px=128, height_px=64)
NAMES = ("aachen_000000_000019", "aachen_000001_000019", "bochum_000000_000019")


def frames():
    moved = np.roll(id_map(), (4, 3), (0, 1))
    return [
        street_frame(name=NAMES[0]),
        street_frame(np.full((32, 64), 7, np.uint16), NAMES[1]),
        street_frame(moved, NAMES[2]),
    ]


class Bench:
    """Runs stages into folders below one, by name."""

    def __init__(self, root, data):
        self.root, self.data = root, data

    def run(self, stage, name, config, seeds=None, **roles):
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        inputs = {role: tuple(self.root / one for one in names) for role, names in roles.items()}
        record = stage.run(Inputs({"data": (self.data,), **inputs}), config, LocalContext(folder, seeds or Seeds()))
        (folder / "result.json").write_text(json.dumps(record))
        return record

    def rows(self, name="select"):
        return read_rows(self.root / name / "manifest.parquet", InstanceRow)

    def files(self, name):
        return {
            str(path.relative_to(self.root / name)): path.read_bytes()
            for path in (self.root / name).rglob("*")
            if path.is_file() and path.name != "result.json"
        }


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path, write_cityscapes(tmp_path / "data", frames()))
    made.record = made.run(SELECT, "select", SelectStageConfig())
    return made


def generated(bench, back_end, name="pictures", **changes):
    config = GenerateStageConfig(back_end=back_end, batch_size=2, **changes)
    return bench.run(GENERATE, name, config, manifest=["select"])


def test_the_manifest_has_a_row_an_instance_and_frames_without_any_are_counted(bench):
    assert bench.record == {
        "num_frames": 3,
        "num_frames_without_instances": 1,
        "num_instances": 4,
        "instances_by_class": {"car": 2, "person": 2},
    }
    rows = bench.rows()
    assert [(row.number, row.frame, row.instance_id) for row in rows] == [
        (0, NAMES[0], CAR),
        (1, NAMES[0], PERSON),
        (2, NAMES[2], CAR),
        (3, NAMES[2], PERSON),
    ]
    assert rows[0].box == (30, 12, 50, 20)
    assert rows[0].window == (30, 6, 50, 26)
    assert rows[0].prompt in ("a photo of a red car", "a photo of a white car")
    assert len({seed for row in rows for seed in (*row.seeds, *row.focus_seeds)}) == 16
    assert pq.read_schema(bench.root / "select" / "manifest.parquet").names[:4] == [
        "number",
        "frame",
        "layer",
        "instance_id",
    ]


def test_seeds_of_an_instance_depend_on_nothing_else(bench):
    bench.run(SELECT, "one", SelectStageConfig(frames=(NAMES[2],), select=SelectConfig(per_frame=1), num_variants=3))
    (alone,), row = bench.rows("one"), bench.rows()[2]
    assert (alone.prompt, alone.seeds[:2], alone.focus_seeds[:2]) == (row.prompt, row.seeds, row.focus_seeds)
    bench.run(SELECT, "other", SelectStageConfig(), Seeds(generation=1))
    assert bench.rows("other")[2].seeds != row.seeds


def test_identity_through_all_stages_is_zoom_alone(bench):
    """The control of InstSynth section 2.6, on disk: colours, ids and labels agree everywhere."""
    assert generated(bench, IdentityConfig()) == {
        "num_pictures": 8,
        "denoiser_calls": 0,
        "cpu_seconds": pytest.approx(0, abs=5),
        "unet_sha256": "",
    }
    record = bench.run(
        INTEGRATE, "samples", IntegrateStageConfig(focus=FOCUS), manifest=["select"], pictures=["pictures"]
    )
    assert record["num_samples"] == 8
    assert record["mean_offset"] == 0.0
    folder = bench.root / "samples"
    images = sorted((folder / "leftImg8bit" / "train").glob("*/*_leftImg8bit.png"))
    assert [path.parent.name for path in images] == ["aachensynthetic"] * 4 + ["bochumsynthetic"] * 4
    for path in images:
        truth = folder / "gtFine" / "train" / path.parent.name / path.name
        id_HW = read_labels(truth.with_name(path.name.replace("leftImg8bit", "gtFine_instanceIds")))
        label_HW = read_labels(truth.with_name(path.name.replace("leftImg8bit", "gtFine_labelIds")))
        assert np.array_equal(cv2.imread(str(path))[..., ::-1], colours_of(id_HW))
        assert np.array_equal(label_HW, np.where(id_HW < 1000, id_HW, id_HW // 1000))


def test_samples_are_a_data_set_that_can_be_selected_from_again(bench):
    generated(bench, SolidConfig())
    bench.run(INTEGRATE, "samples", IntegrateStageConfig(focus=FOCUS), manifest=["select"], pictures=["pictures"])
    again = Bench(bench.root / "again", bench.root / "samples")
    again.root.mkdir()
    assert again.run(SELECT, "select", SelectStageConfig())["num_frames"] == 8


def test_any_picture_can_be_made_again_from_the_manifest(bench):
    generated(bench, NoiseConfig())
    config = IntegrateStageConfig(focus=FOCUS, paste=PasteConfig(normalise="signed_mean"))
    bench.run(INTEGRATE, "samples", config, manifest=["select"], pictures=["pictures"])
    samples = read_rows(bench.root / "samples" / "samples.parquet", SampleRow)
    assert [(one.number, one.variant) for one in samples] == [(k, v) for k in range(4) for v in (1, 2)]
    source, rows, stored = (
        open_frames(bench.data, "cityscapes", "train"),
        bench.rows(),
        PictureShards([bench.root / "pictures"]),
    )
    for one in samples[::-1]:
        row, frame = rows[one.number], source.read(one.frame)
        x0, y0, x1, y1 = row.window
        crop = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
        inside = frame.image_HW3[y0:y1, x0:x1]
        crop[: inside.shape[0], : inside.shape[1]] = inside
        mask = np.zeros(crop.shape[:2], bool)
        mask[: inside.shape[0], : inside.shape[1]] = frame.id_LHW[0][y0:y1, x0:x1] == row.instance_id
        painted = np.where(
            mask[..., None], np.random.default_rng(one.seed).integers(0, 256, crop.shape, np.uint8), crop
        )
        assert np.array_equal(stored.read(one.number, one.variant), painted)
        sample = make_sample(frame, row, one.variant, painted, config)
        path = bench.root / "samples" / "leftImg8bit" / "train" / one.name.split("_")[0] / f"{one.name}_leftImg8bit.png"
        assert np.array_equal(decode_png(path.read_bytes()), sample.image_HW3)
        window = (one.focus_x0, one.focus_y0, one.focus_x1, one.focus_y1)
        assert (one.offset, window, one.ratio) == (sample.offset, sample.focus.window, sample.focus.ratio)
        assert one.num_instances == sum(not shown.is_group for shown in sample.instances)


def test_without_focus_whole_pasted_frames_are_written(bench):
    generated(bench, SolidConfig(colour=(200, 10, 10)))
    config = IntegrateStageConfig(focus=None, paste=PasteConfig(normalise="none"))
    bench.run(INTEGRATE, "whole", config, manifest=["select"], pictures=["pictures"])
    path = (
        bench.root
        / "whole"
        / "leftImg8bit"
        / "train"
        / "aachensynthetic"
        / "aachensynthetic_000000_000001_leftImg8bit.png"
    )
    frame = street_frame()
    expected = frame.image_HW3.copy()
    expected[frame.id_LHW[0] == CAR] = (200, 10, 10)
    assert np.array_equal(cv2.imread(str(path))[..., ::-1], expected)


def test_parts_together_are_the_whole_and_shards_change_nothing(bench):
    generated(bench, NoiseConfig(), pictures_per_shard=3)
    generated(bench, NoiseConfig(), "half0", num_shards=2)
    generated(bench, NoiseConfig(), "half1", num_shards=2, shard_index=1)
    whole, halves = (
        PictureShards([bench.root / "pictures"]),
        PictureShards([bench.root / "half1", bench.root / "half0"]),
    )
    for number in range(4):
        for variant in (1, 2):
            assert np.array_equal(whole.read(number, variant), halves.read(number, variant))
    one = IntegrateStageConfig(focus=FOCUS)
    bench.run(INTEGRATE, "all", one, manifest=["select"], pictures=["half0", "half1"])
    parts = {}
    for index in range(2):
        config = one.model_copy(update={"num_shards": 2, "shard_index": index})
        bench.run(INTEGRATE, f"part{index}", config, manifest=["select"], pictures=["pictures"])
        parts |= {k: v for k, v in bench.files(f"part{index}").items() if k.endswith(".png")}
    assert parts == {k: v for k, v in bench.files("all").items() if k.endswith(".png")}


def test_a_killed_integration_goes_on_and_mends_a_torn_file(bench):
    generated(bench, NoiseConfig())
    config = IntegrateStageConfig(focus=FOCUS)
    roles = {"manifest": ["select"], "pictures": ["pictures"]}
    bench.run(INTEGRATE, "whole", config, **roles)

    class Mortal(LocalContext):
        def checkpoint_due(self):
            return True

        def progress(self, done, total, unit="steps", **numbers):
            super().progress(done, total)
            if done == 5 and len(self.history) == 5:
                raise KeyboardInterrupt

    folder = bench.root / "killed"
    folder.mkdir()
    inputs = Inputs(
        {"data": (bench.data,), "manifest": (bench.root / "select",), "pictures": (bench.root / "pictures",)}
    )
    with pytest.raises(KeyboardInterrupt):
        INTEGRATE.run(inputs, config, Mortal(folder))
    torn = sorted(folder.rglob("*_leftImg8bit.png"))[2]
    torn.write_bytes(torn.read_bytes()[:40])
    context = LocalContext(folder)
    INTEGRATE.run(inputs, config, context)
    assert [done for done, *_ in context.history] == [3, 4, 5, 6, 7, 8]
    assert bench.files("killed") == bench.files("whole")


def test_copies_come_from_other_frames_of_the_manifest(bench):
    generated(bench, CopyFromBankConfig())
    stored, rows = PictureShards([bench.root / "pictures"]), bench.rows()
    source = open_frames(bench.data, "cityscapes", "train")
    donor, target = source.read(NAMES[2]), source.read(NAMES[0])
    car = donor.image_HW3[donor.id_LHW[0] == CAR][0]
    mask = target.id_LHW[0] == CAR
    x0, y0, x1, y1 = rows[0].window
    picture = stored.read(0, 1)
    assert (picture[mask[y0:y1, x0:x1]] == car).all()


def test_bad_input_is_one_sentence(bench, tmp_path):
    with pytest.raises(InputError, match="has no frame 'nowhere' in split 'train'; correct `frames`"):
        bench.run(SELECT, "bad", SelectStageConfig(frames=("nowhere",)))
    with pytest.raises(InputError, match="class 'car' has no phrase for its prompt"):
        bench.run(SELECT, "bad", SelectStageConfig(prompts=PromptConfig(phrases={"person": ("a man",)})))
    with pytest.raises(InputError, match=r"there is no <city>/.*_leftImg8bit\.png in .*val; name the folder"):
        bench.run(SELECT, "bad", SelectStageConfig(split="val"))
    (bench.root / "none").mkdir()
    with pytest.raises(InputError, match="no picture was generated for row 0, variant 1 of the manifest"):
        bench.run(INTEGRATE, "bad", IntegrateStageConfig(), manifest=["select"], pictures=["none"])
    generated(bench, IdentityConfig())
    with pytest.raises(InputError, match="name each cell once"):
        bench.run(INTEGRATE, "bad", IntegrateStageConfig(), manifest=["select"], pictures=["pictures", "pictures"])
    (bench.root / "none" / "manifest.parquet").write_text("no")
    with pytest.raises(InputError, match=r"manifest\.parquet is no manifest"):
        bench.run(GENERATE, "bad", GenerateStageConfig(), manifest=["none"])
    with pytest.raises(InputError, match="has no unet"):
        bench.run(
            GENERATE, "bad", GenerateStageConfig(back_end=GligenConfig()), manifest=["select"], generator=["none"]
        )
    with pytest.raises(ValueError, match="shard_index must be below num_shards"):
        GenerateStageConfig(shard_index=1)


def test_faulty_frames_are_named(bench):
    truth = bench.data / "gtFine" / "train" / "aachen"
    ids = truth / f"{NAMES[0]}_gtFine_instanceIds.png"
    faulty = id_map()
    faulty[5, 9] = 7001
    cv2.imwrite(str(ids), faulty)
    with pytest.raises(InputError, match=r"instanceIds\.png has label 7001 at row 5, column 9; values are label ids"):
        bench.run(SELECT, "bad", SelectStageConfig())
    cv2.imwrite(str(ids), id_map())
    cv2.imwrite(
        str(bench.data / "leftImg8bit" / "train" / "aachen" / f"{NAMES[0]}_leftImg8bit.png"),
        np.zeros((4, 4, 3), np.uint8),
    )
    with pytest.raises(InputError, match="is 4x4 pixels, its annotations say 64x32"):
        generated(bench, IdentityConfig())


def test_a_manifest_of_other_data_is_noticed(bench):
    rows = bench.rows()
    write_rows(
        bench.root / "select" / "manifest.parquet",
        [rows[0].__class__(**{**vars(rows[0]), "instance_id": 26099})],
        InstanceRow,
    )
    with pytest.raises(InputError, match="has no instance 26099 any more; select the instances of the data again"):
        generated(bench, IdentityConfig())
    write_rows(
        bench.root / "select" / "manifest.parquet",
        [rows[0].__class__(**{**vars(rows[0]), "frame": "gone"})],
        InstanceRow,
    )
    with pytest.raises(InputError, match="there is no frame gone"):
        generated(bench, IdentityConfig())


def test_equal_rows_and_pictures_give_equal_bytes(tmp_path):
    row = InstanceRow(0, "f", 0, 1, "car", 4, 0, 0, 2, 2, 0, 0, 2, "p", [2**62], [3])
    picture = RepaintedCrop(0, 1, 2**62, np.arange(27, dtype=np.uint8).reshape(3, 3, 3))
    for name in ("a", "b"):
        write_rows(tmp_path / name, [row], InstanceRow)
        write_pictures(shard_path(tmp_path / f"{name}s", 0), [picture])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_rows(tmp_path / "a", InstanceRow) == [row]
    assert np.array_equal(PictureShards([tmp_path / "as"]).read(0, 1), picture.picture_GG3)


# -- COCO --------------------------------------------------------------------------------------------------------------------


def coco_masks():
    masks = np.zeros((3, 24, 48), bool)
    masks[0, 4:16, 4:20] = masks[1, 10:22, 12:30] = masks[2, 0:4, 40:48] = True
    return list(masks)


def test_coco_goes_through_all_stages_with_overlapping_masks(tmp_path):
    bench = Bench(tmp_path, write_coco(tmp_path / "data", coco_masks(), crowd=(2,)))
    phrases = PromptConfig(phrases={"cat": ("a cat",), "dog": ("a dog",)})
    bench.run(SELECT, "select", SelectStageConfig(layout="coco", prompts=phrases))
    assert [(row.class_name, row.area_px, row.layer) for row in bench.rows()] == [("dog", 216, 1), ("cat", 192, 0)]
    bench.run(GENERATE, "pictures", GenerateStageConfig(layout="coco", back_end=SolidConfig()), manifest=["select"])
    config = IntegrateStageConfig(layout="coco", focus=None, paste=PasteConfig(normalise="none"))
    bench.run(INTEGRATE, "samples", config, manifest=["select"], pictures=["pictures"])
    document = json.loads((tmp_path / "samples" / "annotations" / "instances_train.json").read_text())
    assert [category["name"] for category in document["categories"]] == ["cat", "dog"]
    assert len(document["images"]) == 4
    for image in document["images"]:
        records = [one for one in document["annotations"] if one["image_id"] == image["id"]]
        assert [one["category_id"] for one in records] == [1, 2, 1]
        assert [one["iscrowd"] for one in records] == [0, 0, 1]
        for record, mask in zip(records, coco_masks(), strict=True):
            assert np.array_equal(decode_mask(record["segmentation"]), mask)
            assert record["area"] == mask.sum()
        assert records[1]["bbox"] == [12, 10, 18, 12]
        assert (tmp_path / "samples" / "train" / image["file_name"]).is_file()
    again = open_frames(tmp_path / "samples", "coco", "train")
    assert np.array_equal(pixels_by_id(again.read("1").id_LHW[1])[:3], [24 * 48 - 216, 0, 216])


def test_faulty_coco_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no train\.json, nor annotations/instances_train\.json"):
        open_frames(tmp_path, "coco", "train")
    for number, (mask, words) in enumerate(
        (
            ([[1, 2, 3, 4]], "has a polygon with fewer than 6 numbers"),
            ([[1, 2, 3, 4, 5, float("inf")]], "not finite"),
            ({"size": [5, 5], "counts": "04"}, r"has size \[5, 5\], its image is \[24, 48\]"),
            ({"size": [24, 48], "counts": [3, 4]}, "run lengths that do not add up"),
            ([], "is empty"),
        )
    ):
        root = write_coco(tmp_path / str(number), [mask])
        with pytest.raises(InputError, match=words):
            open_frames(root, "coco", "train").read("7")
    file = tmp_path / "0" / "train.json"
    document = json.loads(file.read_text())
    for key, value, words in (
        ("image_id", 9, "is not among the file's `images`"),
        ("category_id", 9, "is not among the file's `categories`"),
    ):
        annotations = [{**document["annotations"][0], key: value}]
        file.write_text(json.dumps({**document, "annotations": annotations}))
        with pytest.raises(InputError, match=words):
            open_frames(tmp_path / "0", "coco", "train")
    file.write_text("[]")
    with pytest.raises(InputError, match="it has no `images`"):
        open_frames(tmp_path / "0", "coco", "train")


def test_polygons_beyond_the_image_are_cut_off(tmp_path):
    root = write_coco(tmp_path, [[[40, -2, 50, -2, 50, 6, 40, 6]]])
    frame = open_frames(root, "coco", "train").read("7")
    assert pixels_by_id(frame.id_LHW[0])[1] == 6 * 8
