"""Faulty inputs of every metric without a network: one sentence that names file and record, exit code 2, never a traceback."""

import gzip
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reproductions.cli import main
from tests.e2e.metric_inputs import WRITERS

Spoil = Callable[[Path], object]
RunHere = Callable[[str], tuple[int, str, str]]

COMMANDS = {
    "lvis": "--ground-truth gt.json --detections dt.json --iou-type segm",
    "lvis boxes": "--ground-truth gt.json --detections dt.json --iou-type bbox",
    "coco": "--ground-truth gt.json --detections dt.json --iou-type segm",
    "coco boxes": "--ground-truth gt.json --detections dt.json --iou-type bbox",
    "coco boundary": "--ground-truth gt.json --detections dt.json --iou-type boundary",
    "semantic": "--ground-truth SegmentationClass --predictions voc_maps --convention voc2012",
    "semantic listed": "--ground-truth SegmentationClass --predictions voc_maps --convention voc2012 --image-list val.txt",
    "mask-quality": "--ground-truth hand_drawn --predictions generated_masks --num-classes 21",
    "imagenet-s": "--ground-truth validation-segmentation --predictions imagenet_s_maps --num-classes 50",
    "cityscapes-semantic": "--ground-truth gtFine/val --predictions maps",
    "cityscapes-instance": "--ground-truth gtFine/val --predictions results",
    "cityscapes-instance distances": "--ground-truth gtFine/val --predictions results --distances distances.json",
    "panoptic": "--ground-truth panoptic_val2017.json --predictions panoptic_results.json",
}
DETECTIONS = ["lvis", "coco", "coco boundary"]
BOXES = ["lvis boxes", "coco boxes"]
TOWN = "town_000000_000002"
PNG = {
    "semantic": "voc_maps/2007_000003.png",
    "mask-quality": "generated_masks/2007_000003.png",
    "imagenet-s": "imagenet_s_maps/ILSVRC2012_val_00000002.png",
    "cityscapes-semantic": f"maps/{TOWN}_pred.png",
    "cityscapes-instance": f"results/{TOWN}_0.png",
    "panoptic": "panoptic_results/000000000002.png",
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small inputs of every metric without a network."""
    folder = tmp_path_factory.mktemp("inputs")
    for write in WRITERS[:5]:
        write(folder)
    return folder


@pytest.fixture
def told(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, Spoil], str]:
    """Spoil a copy of the inputs, run the command, check how it ends, and return its sentence."""

    def run(metric: str, spoil: Spoil) -> str:
        place = shutil.copytree(inputs, tmp_path / "inputs")
        spoil(place)
        monkeypatch.chdir(place)
        words = ["segrepro", "evaluate", metric.split()[0], *COMMANDS[metric].split(), "--processes", "1"]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        seen = capsys.readouterr()
        assert (ended.value.code, seen.out) == (2, ""), seen.err
        assert len(seen.err.splitlines()) == 1, seen.err
        return seen.err

    return run


def edited(file: str, change: Callable[[Any], object]) -> Spoil:
    """Change the content of a JSON file in place; what ``change`` returns, if anything, is written instead."""

    def spoil(place: Path) -> None:
        content = json.loads((place / file).read_text())
        changed = change(content)
        (place / file).write_text(json.dumps(content if changed is None else changed))

    return spoil


def field(name: str, value: Any) -> Spoil:
    """Give the second detection another value; None takes the field away."""

    def change(records: Any) -> None:
        records[1].pop(name) if value is None else records[1].update({name: value})

    return edited("dt.json", change)


def first(kind: str, **values: Any) -> Spoil:
    """Change the first record of a list of the annotation file."""
    return edited("gt.json", lambda content: content[kind][0].update(values))


def outlined(**values: Any) -> Spoil:
    """Draw every instance as an outline, as large files are read by columns, and change the first record."""

    def change(content: dict[str, Any]) -> None:
        for record in content["annotations"]:
            x, y, width, height = record["bbox"]
            record["segmentation"] = [[x, y, x + width, y, x + width, y + height, x, y + height]]
        content["annotations"][0].update(values)

    return edited("gt.json", change)


def again(kind: str) -> Spoil:
    return edited("gt.json", lambda content: content[kind].append(content[kind][0]))


def rle(size: Any, counts: Any) -> dict[str, Any]:
    return {"size": size, "counts": counts}


BOTH = [*DETECTIONS, *BOXES]
RECORDS: dict[str, tuple[list[str], Spoil]] = {
    "an unknown image": (BOTH, field("image_id", 99)),
    "an image id beyond 64 bits": (BOTH, field("image_id", 2**70)),
    "an image id that is text": (BOTH, field("image_id", "1")),
    "an image id that is a list": (BOTH, field("image_id", [1])),
    "an unknown class": (BOTH, field("category_id", 99)),
    "no score": (BOTH, field("score", None)),
    "a score NaN": (BOTH, field("score", float("nan"))),
    "a score that is infinite": (BOTH, field("score", float("inf"))),
    "a score that is text": (BOTH, field("score", "0.5")),
    "a score beyond all floats": (BOTH, field("score", 10**400)),
    "no box": (BOXES, field("bbox", None)),
    "a box with three numbers": (BOXES, field("bbox", [1, 2, 3])),
    "a box with a negative size": (BOXES, field("bbox", [1, 2, -3, 4])),
    "a box with NaN": (BOXES, field("bbox", [1, 2, float("nan"), 4])),
    "a box of texts": (BOXES, field("bbox", ["1", "2", "3", "4"])),
    "a box beyond all floats": (BOXES, field("bbox", [1, 2, 10**400, 4])),
    "no mask": (DETECTIONS, field("segmentation", None)),
    "polygons": (DETECTIONS, field("segmentation", [[1, 1, 9, 1, 9, 9]])),
    "a mask of another size": (DETECTIONS, field("segmentation", rle([9, 9], "0"))),
    "a mask with sides exchanged": (DETECTIONS, field("segmentation", rle([31, 33], [0, 5, 1018]))),
    "runs that are too short": (DETECTIONS, field("segmentation", rle([32, 32], [0, 5, 1]))),
    "runs that are negative": (DETECTIONS, field("segmentation", rle([32, 32], [0, -5, 1029]))),
    "runs that are texts": (DETECTIONS, field("segmentation", rle([32, 32], ["0", "1024"]))),
    "a text that is no run-length code": (DETECTIONS, field("segmentation", rle([32, 32], "hello world"))),
    "a text beyond ASCII": (DETECTIONS, field("segmentation", rle([32, 32], "h\u00e9\u4e2d"))),
    "an empty text": (DETECTIONS, field("segmentation", rle([32, 32], ""))),
    "digits without end": (DETECTIONS, field("segmentation", rle([32, 32], "o" * 200))),
    "no size": (DETECTIONS, field("segmentation", {"counts": [0, 1024]})),
    "no counts": (DETECTIONS, field("segmentation", {"size": [32, 32]})),
}


@pytest.mark.parametrize(("fault", "metric"), [(fault, metric) for fault in RECORDS for metric in RECORDS[fault][0]])
def test_a_faulty_detection(told: Callable[[str, Spoil], str], fault: str, metric: str) -> None:
    assert "dt.json, detection 1 (" in told(metric, RECORDS[fault][1])


def bytes_of(file: str, change: Callable[[bytes], bytes]) -> Spoil:
    return lambda place: (place / file).write_bytes(change((place / file).read_bytes()))


NO_JSON: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda data: data[: len(data) // 2],
    "compressed": gzip.compress,
    "not text": lambda _: bytes(range(256)),
    "nested without end": lambda _: b"[" * 100_000,
    "a number": lambda _: b"3",
    "a text": lambda _: b'"abc"',
    "null": lambda _: b"null",
    "a record a line": lambda _: b"{}\n{}\n",
}
JSON_FILES = [
    ("lvis", "dt.json"),
    ("lvis", "gt.json"),
    ("coco", "dt.json"),
    ("coco", "gt.json"),
    ("panoptic", "panoptic_results.json"),
    ("panoptic", "panoptic_val2017.json"),
]


@pytest.mark.parametrize("fault", NO_JSON)
@pytest.mark.parametrize(("metric", "file"), JSON_FILES)
def test_a_file_that_is_no_json(told: Callable[[str, Spoil], str], metric: str, file: str, fault: str) -> None:
    assert file in told(metric, bytes_of(file, NO_JSON[fault]))


@pytest.mark.parametrize("content", [{}, {"annotations": []}, [[1, 2]], [None]])
@pytest.mark.parametrize("metric", BOTH)
def test_results_that_are_no_list_of_records(told: Callable[[str, Spoil], str], metric: str, content: Any) -> None:
    assert "dt.json" in told(metric, edited("dt.json", lambda _: content))


TRUTH: dict[str, tuple[list[str], Spoil, str]] = {
    "an annotation id twice": (BOTH, again("annotations"), "annotation 1"),
    "an image id twice": (BOTH, again("images"), "image 1"),
    "a category id twice": (BOTH, again("categories"), "category 1"),
    "an annotation of an unknown image": (BOTH, first("annotations", image_id=99), "annotation 1"),
    "an annotation of an unknown class": (BOTH, first("annotations", category_id=99), "annotation 1"),
    "a negative annotation id": (BOTH, first("annotations", id=-5), "annotation -5"),
    "an area that is NaN": (BOTH, first("annotations", area=float("nan")), "annotation 1"),
    "an area that is negative": (BOTH, first("annotations", area=-1), "annotation 1"),
    "a box with three numbers": (BOTH, first("annotations", bbox=[1, 2, 3]), "annotation 1"),
    "a polygon of two points": (DETECTIONS, first("annotations", segmentation=[[1, 2, 3, 4]]), "annotation 1"),
    "a polygon with NaN": (
        DETECTIONS,
        first("annotations", segmentation=[[1, 2, 3, 4, 5, float("nan")]]),
        "annotation 1",
    ),
    "a mask of another size": (DETECTIONS, first("annotations", segmentation=rle([9, 9], [81])), "annotation 1"),
    "an image without pixels": (BOTH, first("images", height=0), "image 1"),
    "no images": (BOTH, edited("gt.json", lambda content: content.update(images=[])), "`images`"),
    "categories that are no list": (
        BOTH,
        edited("gt.json", lambda content: content.update(categories={})),
        "categories",
    ),
    "a crowd that is neither 0 nor 1": (["coco", "coco boxes"], first("annotations", iscrowd=2), "annotation 1"),
    "an unknown absent class": (["lvis"], first("images", neg_category_ids=[99]), "image 1"),
    "a frequency that is none": (["lvis"], first("categories", frequency="x"), "category 1"),
}


@pytest.mark.parametrize(("fault", "metric"), [(fault, metric) for fault in TRUTH for metric in TRUTH[fault][0]])
def test_faulty_ground_truth(told: Callable[[str, Spoil], str], fault: str, metric: str) -> None:
    said = told(metric, TRUTH[fault][1])
    assert "gt.json" in said
    assert TRUTH[fault][2] in said


def other_names(file: str) -> Spoil:
    def spoil(place: Path) -> None:
        for path in sorted((place / file).parent.iterdir()):
            path.rename(path.with_name(f"x_{path.name}"))

    return spoil


def picture(file: str, change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    return lambda place: Image.fromarray(change(np.array(Image.open(place / file)))).save(place / file)


FILES: dict[str, Callable[[str], Spoil]] = {
    "0 bytes": lambda file: bytes_of(file, lambda _: b""),
    "20 bytes": lambda file: bytes_of(file, lambda data: data[:20]),
    "cut in the middle": lambda file: bytes_of(file, lambda data: data[: len(data) // 2]),
    "a byte changed": lambda file: bytes_of(file, lambda data: data[:60] + bytes([data[60] ^ 255]) + data[61:]),
    "no picture": lambda file: bytes_of(file, lambda _: b"hello"),
    "missing": lambda file: lambda place: (place / file).unlink(),
    "other names": other_names,
    "a row less": lambda file: picture(file, lambda pixels: pixels[:-1].copy()),
}


@pytest.mark.parametrize("fault", FILES)
@pytest.mark.parametrize("metric", PNG)
def test_a_faulty_png(told: Callable[[str, Spoil], str], metric: str, fault: str) -> None:
    said = told(metric, FILES[fault](PNG[metric]))
    shown = Path(PNG[metric]).name if fault != "other names" else PNG[metric].split("/")[0]
    assert shown in said or TOWN in said, said


@pytest.mark.parametrize("metric", PNG)
@pytest.mark.parametrize("left", ["nothing", "an empty folder", "a file"])
def test_a_folder_that_is_none(told: Callable[[str, Spoil], str], metric: str, left: str) -> None:
    folder = PNG[metric].split("/")[0]

    def spoil(place: Path) -> None:
        shutil.rmtree(place / folder)
        if left == "a file":
            (place / folder).write_text("no folder")
        elif left == "an empty folder":
            (place / folder).mkdir()

    assert folder in told(metric, spoil)


def pixel(file: str, value: Any) -> Spoil:
    def change(pixels: np.ndarray) -> np.ndarray:
        pixels[3, 5] = value
        return pixels

    return picture(file, change)


def line(text: str) -> Spoil:
    return lambda place: (place / f"results/{TOWN}_pred.txt").write_text(text)


def panoptic(which: str, change: Callable[[dict[str, Any]], object]) -> Spoil:
    return edited(f"panoptic_{which}.json", lambda content: change(content["annotations"][0]) and None)


OTHERS: list[tuple[str, Spoil, str]] = [
    ("semantic", pixel(PNG["semantic"], 21), "label 21 at row 3, column 5"),
    ("semantic", pixel("SegmentationClass/2007_000003.png", 21), "SegmentationClass/2007_000003.png has label 21"),
    ("semantic", picture(PNG["semantic"], lambda pixels: np.stack([pixels] * 3, 2)), "2007_000003.png is RGB"),
    ("semantic listed", lambda place: (place / "val.txt").write_text("zzz\n"), "val.txt names 'zzz'"),
    ("semantic listed", lambda place: (place / "val.txt").write_bytes(b"\xff\xfe\0"), "val.txt cannot be read"),
    ("semantic listed", lambda place: (place / "val.txt").unlink(), "val.txt cannot be read"),
    ("mask-quality", pixel(PNG["mask-quality"], 21), "label 21 at row 3, column 5"),
    ("imagenet-s", pixel(PNG["imagenet-s"], [51, 0, 0]), "label 51"),
    ("imagenet-s", pixel(PNG["imagenet-s"], [232, 3, 0]), "label 1000"),
    ("cityscapes-semantic", pixel(PNG["cityscapes-semantic"], 99), "label 99 at row 3, column 5"),
    ("cityscapes-semantic", pixel(f"gtFine/val/town/{TOWN}_gtFine_instanceIds.png", 7001), "label 7001"),
    ("cityscapes-instance", pixel(f"gtFine/val/town/{TOWN}_gtFine_instanceIds.png", 35000), "35000"),
    ("cityscapes-instance", line(f"{TOWN}_0.png 26 nan\n"), f"{TOWN}_pred.txt, line 1"),
    ("cityscapes-instance", line(f"{TOWN}_0.png 99 0.5\n"), f"{TOWN}_pred.txt, line 1"),
    ("cityscapes-instance", line(f"{TOWN}_0.png 1e400 0.5\n"), f"{TOWN}_pred.txt, line 1"),
    ("cityscapes-instance", line(f"{TOWN}_0.png 26\n"), f"{TOWN}_pred.txt, line 1"),
    ("cityscapes-instance", line("none.png 26 0.5\n"), "none.png"),
    ("cityscapes-instance", line("/etc/hosts 26 0.5\n"), f"{TOWN}_pred.txt, line 1"),
    (
        "cityscapes-instance",
        lambda place: (place / f"results/{TOWN}_pred.txt").write_bytes(b"\xe9"),
        f"{TOWN}_pred.txt",
    ),
    ("cityscapes-instance distances", lambda place: None, "distances.json"),
    (
        "cityscapes-instance distances",
        lambda place: (place / "distances.json").write_text(
            json.dumps(
                {
                    f"town_000000_{number:06}_gtFine_instanceIds.png": {
                        "car": [{"instID": 1, "pixelCount": 1, "medDist": 10**400, "distConf": 1}]
                    }
                    for number in range(4)
                }
            )
        ),
        "distances.json, image town_000000_000000",
    ),
    ("panoptic", pixel(PNG["panoptic"], [5, 5, 5]), "000000000002.png has label"),
    ("panoptic", panoptic("results", lambda image: image.update(image_id=77)), "image 77"),
    ("panoptic", panoptic("results", lambda image: image.update(image_id="1")), "image '1'"),
    ("panoptic", panoptic("results", lambda image: image.update(file_name="a\0b.png")), "null byte"),
    ("panoptic", panoptic("results", lambda image: image.pop("segments_info")), "`segments_info`"),
    ("panoptic", panoptic("results", lambda image: image["segments_info"][0].update(category_id=9)), "`category_id`"),
    ("panoptic", panoptic("results", lambda image: image["segments_info"][0].update(id=1 << 24)), "16777216"),
    ("panoptic", panoptic("val2017", lambda image: image["segments_info"][0].update(area=float("nan"))), "`area`"),
    ("panoptic", panoptic("val2017", lambda image: image["segments_info"][0].update(area=10**400)), "`area`"),
    ("panoptic", edited("panoptic_results.json", lambda content: content["annotations"].pop(0) and None), "image 1"),
    ("panoptic", panoptic("val2017", lambda image: image["segments_info"][0].update(iscrowd=2)), "`iscrowd` is 2"),
    ("panoptic", panoptic("val2017", lambda image: image["segments_info"][0].update(iscrowd="0")), "`iscrowd` is '0'"),
    ("panoptic", edited("panoptic_val2017.json", lambda content: content.update(categories=[])), "has no categories"),
    (
        "cityscapes-semantic",
        lambda place: (place / f"gtFine/val/town/{TOWN}_gtFine_labelIds.png").rename(
            place / "gtFine/val/town/new_town_000000_000002_gtFine_labelIds.png"
        ),
        "is not named city_sequence_frame_gtFine_labelIds.png",
    ),
    ("mask-quality", lambda place: (place / PNG["mask-quality"]).unlink(), "are missing in all; add them\n"),
    ("lvis", outlined(id=-5), "annotation -5: field `id` is -5"),
    ("lvis", first("annotations", id="a\nb"), r"annotation 'a\nb'"),
    (
        "coco",
        edited("gt.json", lambda content: content.pop("annotations") and content["info"].update(annotations=[{}])),
        "it has no list `annotations`",
    ),
]


@pytest.mark.parametrize("number", range(len(OTHERS)), ids=lambda number: f"{OTHERS[number][0]}: {OTHERS[number][2]}")
def test_other_faults(told: Callable[[str, Spoil], str], number: int) -> None:
    metric, spoil, expected = OTHERS[number]
    assert expected in told(metric, spoil)


@pytest.fixture
def place(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the inputs that a test may change, made the working folder."""
    copy: Path = shutil.copytree(inputs, tmp_path / "inputs")
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunHere:
    """Runs a command; exit code, output and what stands on the error stream."""

    def run(words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["segrepro", "evaluate", *words.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.mark.parametrize(
    ("metric", "option", "said"),
    [
        ("semantic", "--json voc_maps/2007_000003.png", "would be a part of it"),
        ("semantic", "--per-class SegmentationClass/new.png", "would be a part of it"),
        ("cityscapes-instance", f"--json results/{TOWN}_pred.txt", "would be a part of it"),
        ("cityscapes-instance", "--json gtFine/val/town/known.json", "would be a part of it"),
        ("lvis", "--json dt.json", "would replace the input predictions"),
        ("lvis", "--json pipe", "is a device or a pipe, no file"),
        ("lvis", f"--json {'y' * 300}.json", "File name too long"),
        ("lvis", "--per-class gt.json/classes.csv", "gt.json/classes.csv"),
    ],
)
def test_an_output_never_costs_an_input(place: Path, run_here: RunHere, metric: str, option: str, said: str) -> None:
    os.mkfifo("pipe")
    (place / "gtFine/val/town/known.json").write_text("{}")
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    code, _, err = run_here(f"{metric} {COMMANDS[metric]} {option}")
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert Path("pipe").is_fifo()


def test_a_working_folder_that_is_gone_is_told(place: Path, run_here: RunHere) -> None:
    shutil.rmtree(place)
    words = f"semantic {COMMANDS['semantic']}"
    assert run_here(words) == (2, "", "segrepro: the working folder is no longer there; go to one that is\n")


def test_an_output_may_lie_among_the_inputs_and_be_written_again(place: Path, run_here: RunHere) -> None:
    """A link to a file stays a link, and its file gets the numbers."""
    (place / "voc_maps/link.json").symlink_to(place.parent / "elsewhere.json")
    for _ in range(2):
        for output in ("voc_maps/numbers.json", "voc_maps/link.json"):
            words = f"semantic {COMMANDS['semantic']} --json {output} --per-class voc_maps/classes.csv"
            assert run_here(words)[::2] == (0, "")
    assert (place / "voc_maps/link.json").is_symlink()
    assert json.loads((place.parent / "elsewhere.json").read_text())["metric"] == "semantic"


def test_a_class_is_not_ignored_unasked(place: Path, run_here: RunHere) -> None:
    words = "semantic --ground-truth SegmentationClass --predictions voc_maps --num-classes 300"
    code, _, err = run_here(words)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "255 is one of 300 classes; say with --ignore-label" in err
    assert run_here(f"{words} --ignore-label 65535")[::2] == (0, "")


def test_names_beyond_utf8_can_be_written(place: Path, run_here: RunHere) -> None:
    odd = os.fsdecode(b"d\xff.json")
    Path("dt.json").rename(odd)
    edited("gt.json", lambda content: content["categories"][0].update(name="\ud800"))(place)
    words = f"lvis --ground-truth gt.json --detections {odd} --iou-type segm --json out.json --per-class out.csv"
    assert run_here(words)[::2] == (0, "")
    assert json.loads(Path("out.json").read_text())["inputs"]["predictions"]["path"] == odd
    assert r"\ud800" in Path("out.csv").read_text()


@pytest.mark.parametrize("metric", ["lvis", "lvis boxes", "coco", "coco boxes"])
@pytest.mark.parametrize("kind", ["lists of that name elsewhere", "outlines elsewhere", "a mark and a run-length mask"])
def test_what_only_looks_like_annotations_does_not_count(
    place: Path, run_here: RunHere, metric: str, kind: str
) -> None:
    """Each file means the same as the plain one."""

    def change(content: dict[str, Any]) -> dict[str, Any]:
        fake = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "area": 12}
        fake |= {"segmentation": [[0, 0, 5, 0, 5, 5]], "iscrowd": 0}
        if kind == "lists of that name elsewhere":
            images = [image | {"annotations": [fake]} for image in content["images"]]
            return content | {"info": {"annotations": [fake]}, "images": images}
        return content | {"info": fake if kind == "outlines elsewhere" else {}}

    def metrics() -> dict[str, float]:
        assert run_here(f"{metric.split()[0]} {COMMANDS[metric]} --json out.json")[::2] == (0, "")
        found: dict[str, float] = json.loads(Path("out.json").read_text())["metrics"]
        return found

    plain = metrics()
    edited("gt.json", change)(place)
    if kind == "a mark and a run-length mask":
        bytes_of("gt.json", lambda data: b"\xef\xbb\xbf" + data)(place)
    assert metrics() == plain
    assert plain["AP"] > 0.2


@pytest.mark.parametrize("metric", BOTH)
def test_no_detections_is_no_fault(place: Path, run_here: RunHere, metric: str) -> None:
    """Nor is a byte order mark."""
    Path("dt.json").write_bytes(b"\xef\xbb\xbf[]")
    code, out, _ = run_here(f"{metric.split()[0]} {COMMANDS[metric]}")
    assert code == 0
    assert "0.00000" in out
