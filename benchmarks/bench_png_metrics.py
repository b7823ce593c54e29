"""Metrics from PNG folders against pure decoding of the same files, and against the official packages.

Every pixel has to be decoded and looked at once, so the bar is that the whole command
`segrepro evaluate ...` takes at most 1.3 times what a bare program takes to decode them with the usual packages and as many processes;
both start from nothing, which weighs on the smaller sets, and ImageNet-S has boundaries to find besides. `extra_info` holds that ratio, the same
ratio of processor time, which other work on the machine disturbs less, and the peak memory of all processes; and where there is an
official package, how many times longer it takes, from files and beside one process of ours. Maps are drawn; ellipses make up for shapes.
With `--full-size` the first three sets have the sizes of the validation sets of Cityscapes, ADE20K and VOC 2012, else half.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.sizes import size
from benchmarks.whole_program import Usage, load_before, run, seconds
from methods.common.datasets.label_conventions import VOC_2012
from methods.common.metrics.cityscapes.semantic import evaluate_cityscapes_semantic
from methods.common.metrics.label_maps.imagenet_s import evaluate_imagenet_s
from methods.common.metrics.label_maps.panoptic import evaluate_panoptic
from methods.common.metrics.label_maps.semantic import evaluate_semantic
from methods.common.metrics.official.cityscapes_semantic import evaluate_cityscapes_semantic_officially
from methods.common.metrics.official.panoptic import evaluate_panoptic_officially

NUM_PROCESSES = 2
ROUNDS = size(2, 5)
LABEL_IDS = np.array([7, 7, 8, 11, 11, 12, 13, 17, 19, 20, 21, 21, 22, 23, 23, 24, 25, 26, 33, 0, 3])

Draw = Callable[[np.random.Generator, Path, str], None]


@dataclass(frozen=True)
class Inputs:
    """What one metric reads."""

    words: tuple[str, ...]
    """Of the command, after `segrepro evaluate`."""
    files: tuple[Path, ...]
    """Every PNG file that it decodes."""
    num_images: int


def ellipses(rng: np.random.Generator, height: int, width: int, num_labels: int, number: int) -> np.ndarray:
    label_HW = np.full((height, width), rng.integers(num_labels), np.int32)
    for _ in range(number):
        centre = int(rng.integers(width)), int(rng.integers(height))
        axes = int(rng.integers(width // 200 + 2, width // 10)), int(rng.integers(height // 100 + 2, height // 8))
        cv2.ellipse(label_HW, centre, axes, float(rng.integers(180)), 0, 360, int(rng.integers(num_labels)), -1)
    return label_HW


def shaken(rng: np.random.Generator, label_HW: np.ndarray) -> np.ndarray:
    """The map with bent outlines, as a network would predict it."""
    height, width = label_HW.shape
    coarse = height // 16 + 1, width // 16 + 1
    bend_x, bend_y = (cv2.resize(rng.normal(0, 3, coarse).astype(np.float32), (width, height)) for _ in range(2))
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(label_HW.astype(np.float32), x + bend_x, y + bend_y, cv2.INTER_NEAREST).astype(np.int32)


def save(path: Path, pixels: np.ndarray, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    if palette:
        picture.putpalette([value % 256 for value in range(768)])
    picture.save(path)


def save_ids(path: Path, id_HW: np.ndarray) -> None:
    save(path, np.stack([id_HW % 256, id_HW // 256 % 256, id_HW // 65536], 2).astype(np.uint8))


def draw_cityscapes(rng: np.random.Generator, folder: Path, name: str) -> None:
    label_HW = LABEL_IDS[ellipses(rng, 1024, 2048, len(LABEL_IDS), 150)]
    number_HW = ellipses(rng, 1024, 2048, 20, 60)
    frame = f"aachen_999999_{name}"
    save(folder / "truth" / f"{frame}_gtFine_labelIds.png", label_HW.astype(np.uint8))
    instance_HW = np.where(label_HW >= 24, 1000 * label_HW + number_HW, label_HW)
    save(folder / "truth" / f"{frame}_gtFine_instanceIds.png", instance_HW.astype(np.uint16))
    save(folder / "predicted" / f"{frame}.png", shaken(rng, label_HW).astype(np.uint8))


def draw_voc(rng: np.random.Generator, folder: Path, name: str) -> None:
    label_HW = ellipses(rng, 375, 500, 21, 8)
    truth_HW = label_HW.astype(np.uint8)
    border_HW = cv2.morphologyEx(truth_HW, cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    save(folder / "truth" / f"{name}.png", np.where(border_HW, 255, truth_HW).astype(np.uint8), palette=True)
    save(folder / "predicted" / f"{name}.png", shaken(rng, label_HW).astype(np.uint8))


def draw_ade20k(rng: np.random.Generator, folder: Path, name: str) -> None:
    label_HW = ellipses(rng, 512, 683, 151, 40)
    save(folder / "truth" / f"{name}.png", label_HW.astype(np.uint8))
    save(folder / "predicted" / f"{name}.png", np.maximum(shaken(rng, label_HW) - 1, 0).astype(np.uint8))


def draw_imagenet_s(rng: np.random.Generator, folder: Path, name: str) -> None:
    labels = np.array([0, 0, 0, *rng.integers(1, 920, 2)])
    label_HW = ellipses(rng, 375, 500, len(labels), 6)
    save_ids(folder / "truth" / f"{name}.png", labels[label_HW])
    save_ids(folder / "predicted" / f"{name}.png", labels[shaken(rng, label_HW)])


def draw_panoptic(rng: np.random.Generator, folder: Path, name: str) -> None:
    number_HW, ids = ellipses(rng, 480, 640, 24, 30), rng.choice(1 << 24, 24, replace=False)
    for role, drawn_HW in (("truth", number_HW), ("predicted", shaken(rng, number_HW))):
        save_ids(folder / role / f"{name}.png", ids[drawn_HW])


def many(folder: Path, draw: Draw, num_drawn: int, num_copies: int) -> None:
    """Draw some images and link each to more names."""
    rng = np.random.default_rng(0)
    for number in range(num_drawn):
        name = f"{number:06}"
        draw(rng, folder, name)
        for path in list(folder.rglob(f"*{name}*.png")):
            for copy in range(1, num_copies):
                path.with_name(path.name.replace(name, f"{copy:03}{number:03}")).hardlink_to(path)


def write_panoptic(folder: Path) -> None:
    """List what the PNG files show; segment k of an image is of category k."""
    for role in ("truth", "predicted"):
        annotations = []
        for path in sorted((folder / role).glob("*.png")):
            rgb_HW3 = np.asarray(Image.open(path)).astype(np.int64)
            ids, areas = np.unique(rgb_HW3 @ [1, 256, 65536], return_counts=True)
            segments = [
                {"id": int(i), "category_id": int(i) % 133 + 1, "area": int(area), "iscrowd": 0}
                for i, area in zip(ids, areas, strict=True)
            ]
            annotations.append({"image_id": path.stem, "file_name": path.name, "segments_info": segments})
        categories = [{"id": k, "name": str(k), "isthing": int(k <= 80)} for k in range(1, 134)]
        (folder / f"{role}.json").write_text(json.dumps({"annotations": annotations, "categories": categories}))


def cityscapes_inputs(folder: Path, num_drawn: int, num_copies: int) -> Inputs:
    many(folder, draw_cityscapes, num_drawn, num_copies)
    return inputs(folder, "cityscapes-semantic", num_images=num_drawn * num_copies)


def voc_inputs(folder: Path, num_drawn: int, num_copies: int) -> Inputs:
    many(folder, draw_voc, num_drawn, num_copies)
    return inputs(folder, "semantic", "--convention", "voc2012", num_images=num_drawn * num_copies)


def ade20k_inputs(folder: Path, num_drawn: int, num_copies: int) -> Inputs:
    many(folder, draw_ade20k, num_drawn, num_copies)
    return inputs(folder, "semantic", "--convention", "ade20k", num_images=num_drawn * num_copies)


def imagenet_s_inputs(folder: Path, num_drawn: int, num_copies: int) -> Inputs:
    many(folder, draw_imagenet_s, num_drawn, num_copies)
    return inputs(folder, "imagenet-s", "--num-classes", "919", num_images=num_drawn * num_copies)


def panoptic_inputs(folder: Path, num_drawn: int, num_copies: int) -> Inputs:
    many(folder, draw_panoptic, num_drawn, num_copies)
    write_panoptic(folder)
    return inputs(folder, "panoptic", suffix=".json", num_images=num_drawn * num_copies)


def inputs(folder: Path, *words: str, num_images: int, suffix: str = "") -> Inputs:
    places = ("--ground-truth", str(folder / f"truth{suffix}"), "--predictions", str(folder / f"predicted{suffix}"))
    return Inputs((*words, *places), tuple(sorted(folder.rglob("*.png"))), num_images)


PURE_DECODING = """
import ctypes
import sys
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np
from PIL import Image


def prepare():
    cv2.setNumThreads(1)
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # keep freed memory for the next image
        library.mallopt(-3, 1 << 30)
        library.mallopt(-1, 1 << 30)


def decode(path):
    with open(path, "rb") as file:
        is_palette = file.read(26)[25] == 3
    return np.asarray(Image.open(path)).size if is_palette else cv2.imread(path, cv2.IMREAD_UNCHANGED).size


with ProcessPoolExecutor(int(sys.argv[1]), initializer=prepare) as pool:
    sum(pool.map(decode, open(sys.argv[2]).read().splitlines(), chunksize=16))
"""
"""Decodes the files that a list names: palettes with Pillow and all else with OpenCV, whichever is quicker, with the same settings of
memory and threads as ours."""


@pytest.mark.parametrize(
    ("write", "num_drawn", "num_copies"),
    [
        (cityscapes_inputs, 25, 20),
        (ade20k_inputs, 40, 50),
        (voc_inputs, 50, 29),
        (panoptic_inputs, 60, 20),
        (imagenet_s_inputs, 60, 20),
    ],
    ids=["cityscapes_semantic", "semantic_ade20k", "semantic_voc", "panoptic", "imagenet_s"],
)
def test_whole_command(
    benchmark: BenchmarkFixture,
    tmp_path: Path,
    write: Callable[[Path, int, int], Inputs],
    num_drawn: int,
    num_copies: int,
) -> None:
    given = write(tmp_path, size(num_drawn // 4, num_drawn), size(2, 1) * num_copies)
    benchmark.extra_info["load_before"] = load_before()
    files = tmp_path / "files.txt"
    files.write_text("\n".join(map(str, given.files)))
    segrepro = str(Path(sys.executable).with_name("segrepro"))
    command = [segrepro, "evaluate", *given.words, "--processes", str(NUM_PROCESSES)]
    decoding: list[Usage] = []
    ours: list[Usage] = []

    def decode_first() -> None:
        decoding.append(run([sys.executable, "-c", PURE_DECODING, str(NUM_PROCESSES), str(files)]))

    benchmark.pedantic(lambda: ours.append(run(command)), setup=decode_first, rounds=ROUNDS, warmup_rounds=size(0, 1))
    least_s, least_cpu_s = (min(getattr(one, name) for one in decoding) for name in ("seconds", "cpu_s"))
    benchmark.extra_info["images"] = given.num_images
    benchmark.extra_info["decoding_s"] = round(least_s, 3)
    benchmark.extra_info["times_pure_decoding"] = round(min(one.seconds for one in ours) / least_s, 3)
    benchmark.extra_info["times_its_cpu"] = round(min(one.cpu_s for one in ours) / least_cpu_s, 3)
    benchmark.extra_info["peak_mib"] = round(max(one.peak_mib for one in ours))
    benchmark.extra_info["decoding_peak_mib"] = round(max(one.peak_mib for one in decoding))


@pytest.mark.parametrize("metric", ["cityscapes_semantic", "panoptic"])
def test_beside_the_official_package(benchmark: BenchmarkFixture, tmp_path: Path, metric: str) -> None:
    """One process each, few images, as the official packages take their time; both grow with the number of images."""
    if metric == "panoptic":
        given = panoptic_inputs(tmp_path, 30, 1)
        places = tmp_path / "truth.json", tmp_path / "predicted.json"
        ours, official = evaluate_panoptic, evaluate_panoptic_officially
    else:
        given = cityscapes_inputs(tmp_path, 6, 1)
        places = tmp_path / "truth", tmp_path / "predicted"
        ours, official = evaluate_cityscapes_semantic, evaluate_cityscapes_semantic_officially
    found = benchmark.pedantic(ours, places, rounds=ROUNDS, warmup_rounds=1)
    assert found.metrics() == pytest.approx(official(*places).metrics(), abs=1e-9)
    official_s = min(seconds(lambda: official(*places)) for _ in range(ROUNDS))
    benchmark.extra_info["images"] = given.num_images
    benchmark.extra_info["official_s"] = round(official_s, 3)
    if benchmark.stats is not None:
        benchmark.extra_info["times_faster_than_official"] = round(official_s / benchmark.stats.stats.min, 2)


@pytest.mark.parametrize("metric", ["cityscapes_semantic", "semantic", "panoptic", "imagenet_s"])
def test_a_hundred_resamples(benchmark: BenchmarkFixture, tmp_path: Path, metric: str) -> None:
    """Metrics of 100 bootstrap resamples of 500 images."""
    write: dict[str, tuple[Draw, Callable[[Path, Path], Any], str]] = {
        "cityscapes_semantic": (draw_cityscapes, evaluate_cityscapes_semantic, ""),
        "semantic": (draw_voc, partial(evaluate_semantic, convention=VOC_2012), ""),
        "panoptic": (draw_panoptic, evaluate_panoptic, ".json"),
        "imagenet_s": (draw_imagenet_s, partial(evaluate_imagenet_s, num_classes=919), ""),
    }
    draw, evaluate, suffix = write[metric]
    many(tmp_path, draw, 5, 100)
    if metric == "panoptic":
        write_panoptic(tmp_path)
    evaluation = evaluate(tmp_path / f"truth{suffix}", tmp_path / f"predicted{suffix}", num_processes=NUM_PROCESSES)
    rng = np.random.default_rng(0)
    weights = rng.multinomial(500, np.full(500, 1 / 500), 100).astype(np.float64)
    benchmark.pedantic(lambda: [evaluation.metrics(weight) for weight in weights], rounds=ROUNDS, warmup_rounds=1)
