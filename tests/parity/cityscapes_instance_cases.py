"""Hard cases of the Cityscapes instance evaluation: drawn by hypothesis, from seeds, and by hand."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from methods.common.datasets.cityscapes_labels import INSTANCE_LABELS, LABELS
from methods.common.datasets.rle import decode_mask, encode_mask
from methods.common.metrics.cityscapes.instance import (
    InstancePrediction,
)

Truth = Mapping[str, np.ndarray]
Predictions = Mapping[str, Sequence[InstancePrediction]]

HEIGHT, WIDTH = 40, 52
# Void, classes without instances, groups, objects of evaluated and ignored classes, "objects" of a class without instances.
VALUES = (0, 3, 7, 24, 26, 29, 29001, 24000, 24001, 24002, 25001, 26000, 26001, 26002, 26003, 31000)
# Evaluated classes, ignored ones, void, license plate.
LABEL_IDS = (24, 24, 25, 26, 26, 26, 31, 33, 29, 7, 0, -1)

Box = tuple[int, int, int, int]
box = st.tuples(
    st.integers(0, WIDTH - 1),
    st.integers(0, HEIGHT - 1),
    st.sampled_from([1, 5, 10, 10, 20, 40]) | st.integers(1, WIDTH),
    st.sampled_from([1, 5, 10, 10, 20, 40]) | st.integers(1, HEIGHT),
)


def inside(found: Box) -> tuple[slice, slice]:
    x, y, width, height = found
    return slice(y, y + height), slice(x, x + width)


@st.composite
def instance_image(draw: st.DrawFn) -> np.ndarray:
    """Rectangles over each other, so that objects touch, hide and cut each other; ids up to 16 bits or signed."""
    image = np.full((HEIGHT, WIDTH), draw(st.sampled_from([7, 0, 26])), draw(st.sampled_from([np.uint16, np.int32])))
    values = VALUES if image.dtype == np.uint16 else (*VALUES, -1)
    for found, value in draw(st.lists(st.tuples(box, st.sampled_from(values)), min_size=2, max_size=9)):
        image[inside(found)] = value
    return image


@st.composite
def prediction(draw: st.DrawFn, image: np.ndarray) -> InstancePrediction:
    """One object of the image with a bite taken out, a rectangle, a pixel or nothing; as array or run lengths."""
    values = np.unique(image).tolist()
    value = draw(st.sampled_from([value for value in values if value >= 24000] or values) | st.sampled_from(values))
    mask = image == value if draw(st.integers(0, 3)) else np.zeros(image.shape, bool)
    for found, shown in draw(st.lists(st.tuples(box, st.booleans()), max_size=2)):
        mask[inside(found)] = shown
    own = value // 1000 if value >= 1000 else max(value, 0)
    label_id = draw(st.sampled_from([own if own in (24, 25, 26, 31) else 26, draw(st.sampled_from(LABEL_IDS))]))
    score = draw(st.sampled_from([0.25, 0.5, 0.75, 1.0]) | st.floats(-1, 1))
    form = draw(st.sampled_from(["bool", "bytes", "run-length", "run-length"]))
    if form == "run-length":
        return InstancePrediction(label_id, score, encode_mask(mask))
    return InstancePrediction(label_id, score, mask * np.uint8(255) if form == "bytes" else mask)


def anchor() -> tuple[np.ndarray, list[InstancePrediction]]:
    """A frame with a false positive of every class.

    The official tool stops where all predictions of a class are ignored at some threshold; this keeps it running.
    """
    image, mask = np.full((HEIGHT, WIDTH), 7, np.uint16), np.ones((HEIGHT, WIDTH), bool)
    return image, [InstancePrediction(label.id, 0.125, mask) for label in INSTANCE_LABELS]


@st.composite
def evaluation_case(draw: st.DrawFn) -> tuple[dict[str, np.ndarray], dict[str, list[InstancePrediction]]]:
    truth, predictions = {}, {}
    for number in range(draw(st.integers(1, 4))):
        image = draw(instance_image())
        found = draw(st.lists(prediction(image), max_size=8))
        repeated = draw(st.lists(st.sampled_from(found), max_size=3)) if found else []
        truth[f"town_{number}_0"], predictions[f"town_{number}_0"] = image, found + repeated
    truth["town_9_9"], predictions["town_9_9"] = anchor()
    return truth, predictions


def distance_file(folder: Path, truth: Truth, seed: int) -> Path:
    """A `gtInstances.json` as the official tool writes it, with distances near and beyond the limits."""
    rng, content = np.random.default_rng(seed), {}
    for image_id, image in truth.items():
        by_label: dict[str, list[dict[str, Any]]] = {label.name: [] for label in LABELS}
        names = {label.id: label.name for label in LABELS}
        for value, area in zip(*np.unique(image, return_counts=True), strict=True):
            record = {"instID": int(value), "labelID": int(value) if value < 1000 else int(value) // 1000}
            record |= {"pixelCount": int(area), "medDist": float(rng.choice([-1, 20, 50, 50.5, 100, 101]))}
            by_label[names[record["labelID"]]].append(record | {"distConf": float(rng.choice([0.4, 0.5, 0.9, 0.9]))})
        content[f"/elsewhere/{image_id}_gtFine_instanceIds.png"] = by_label
    path = folder / "gtInstances.json"
    path.write_text(json.dumps(content))
    return path


def write_files(folder: Path, truth: Truth, predictions: Predictions) -> tuple[Path, Path]:
    """Write the official files; masks as PNGs of several kinds, labels and paths in several spellings."""
    places = folder / "gtFine", folder / "results"
    for place in places:
        (place / "town").mkdir(parents=True, exist_ok=True)
    for image_id, image in truth.items():
        Image.fromarray(image.astype(np.uint16)).save(places[0] / "town" / f"{image_id}_gtFine_instanceIds.png")
        lines = []
        for number, one in enumerate(predictions[image_id]):
            mask = one.mask if isinstance(one.mask, np.ndarray) else decode_mask(one.mask)
            name = f"{image_id}_{number}.png"
            picture = Image.fromarray((mask != 0) * np.uint8(255 - number))
            picture = (picture, picture.convert("1", dither=0), picture.convert("RGB"), picture.convert("P"))[
                number % 4
            ]
            picture.save(places[1] / "town" / name)
            spelled = (name, f"../town/{name}", f"./{name}")[number % 3]
            lines.append(f"{spelled} {one.label_id}{'.0' * (number % 2)} {one.score!r}\n")
        (places[1] / "town" / f"{image_id}_leftImg8bit.txt").write_text("".join(lines + lines[:1]))
    return places


def drawn(seed: int, num_frames: int = 6) -> tuple[dict[str, np.ndarray], dict[str, list[InstancePrediction]]]:
    """A larger case than hypothesis draws, the same every time: objects, groups and void; most found more or less."""
    rng = np.random.default_rng(seed)
    truth, predictions = {}, {}
    for number in range(num_frames):
        image, found = np.full((HEIGHT, WIDTH), 7, np.uint16), []
        for place in range(8):
            x, y = rng.integers(0, [WIDTH - 12, HEIGHT - 12])
            label_id = int(rng.choice([24, 26]))
            value = rng.choice([0, label_id, *[1000 * label_id + place] * 6])
            image[y : y + 12, x : x + 12] = value
            mask = np.zeros(image.shape, bool)
            mask[y : y + 12, x + rng.integers(0, 5) : x + 12] = True
            found.append(InstancePrediction(label_id, round(float(rng.random()), 1), mask))
        truth[f"town_{number}_0"], predictions[f"town_{number}_0"] = image, found
    truth["town_9_9"], predictions["town_9_9"] = anchor()
    return truth, predictions


def two_cars() -> tuple[dict[str, np.ndarray], dict[str, list[InstancePrediction]]]:
    image = np.full((HEIGHT, WIDTH), 7, np.uint16)
    image[:10, :10], image[:10, 10:20] = 26001, 26002
    masks = [image == 26001, np.roll(image == 26001, 20, 0), image == 26002]
    return {"a_0_0": image}, {
        "a_0_0": [InstancePrediction(26, score, mask) for score, mask in zip((0.9, 0.8, 0.7), masks, strict=True)]
    }


def run_list(mask: np.ndarray) -> list[int]:
    flat = np.concatenate([[False], mask.ravel(order="F")])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff([0, *edges.tolist(), mask.size]).tolist()
