"""Turns what an evaluation predicted into the files of other tools: COCO's results, and folders that FiftyOne imports.

COCO's results are a list of records with a run-length mask; label maps become one record a class and image, as COCO-Stuff has them;
segments stay COCO's panoptic results, a JSON and a map an image.
FiftyOne reads a ``COCODetectionDataset`` (``data/`` and ``labels.json``) and an ``ImageSegmentationDirectory`` (``data/`` and ``labels/``).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from methods.common.datasets.labelled_images import LabelledImages
from methods.common.datasets.png_labels import read_labels
from methods.common.datasets.rle import encode_mask
from methods.common.errors import InputError
from methods.common.metrics.score_files import PICTURES_FILE
from methods.common.stage import Config, Inputs
from methods.common.stages.evaluate_coco_panoptic import PANOPTIC_FILE
from methods.common.stages.evaluate_instances import DETECTIONS_FILE
from methods.common.stages.evaluate_semantic import PREDICTIONS, KeptLabelMapsConfig


def export_coco(cell: Path, config: Config, inputs: Inputs, to: Path) -> int:
    """Write ``predictions.json`` (COCO's results) and ``images.json`` (the images and categories that its ids mean).

    Segments become ``panoptic.json`` with ``panoptic/`` instead, and their detections ``predictions.json`` where there are any.

    Args:
        cell: folder of a finished evaluation.
        config: of the evaluation.
        inputs: of the evaluation.
        to: folder to write; made where it is not there.

    Returns:
        How many images have predictions.

    Raises:
        InputError: it kept no predictions, or the data are not there.
    """
    if (cell / PANOPTIC_FILE).is_file():
        return _export_segments(cell, to)
    if (cell / DETECTIONS_FILE).is_file():
        listing = _listing(cell)
        to.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(cell / DETECTIONS_FILE, to / "predictions.json")
        _write(to / "images.json", {"images": listing["images"], "categories": listing["categories"]})
        return len(listing["images"])
    images = _labelled(config, inputs)
    kept = _kept(cell, images)
    to.mkdir(parents=True, exist_ok=True)
    _write(to / "predictions.json", [record for index, path in kept for record in _stuff(index + 1, path)])
    pictures = [{"id": index + 1, "file_name": f"{images.name(index)}.png"} for index, _ in kept]
    categories = [{"id": label, "name": name} for label, name in enumerate(images.class_names)]
    _write(to / "images.json", {"images": pictures, "categories": categories})
    return len(kept)


def export_fiftyone(cell: Path, config: Config, inputs: Inputs, to: Path) -> int:
    """Write a folder that FiftyOne imports; arguments, result and errors as of :func:`export_coco`.

    Detections make a ``COCODetectionDataset``, label maps an ``ImageSegmentationDirectory`` with ``classes.json``, the names by value. Of a
    panoptic evaluation these are its maps of classes.
    """
    data = to / "data"
    if (cell / PANOPTIC_FILE).is_file():
        return _export_classes(cell, inputs, to)
    if (cell / DETECTIONS_FILE).is_file():
        listing = _listing(cell)
        pictures = inputs.folder(listing["role"]) / listing["below"]
        for image in listing["images"]:
            target = data / image["file_name"]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(pictures / image["file_name"], target)
        found = json.loads((cell / DETECTIONS_FILE).read_text(encoding="utf-8"))
        annotations = [
            {"id": number, "iscrowd": 0, "area": record["bbox"][2] * record["bbox"][3], **record}
            for number, record in enumerate(found, start=1)
        ]
        labels = {"images": listing["images"], "categories": listing["categories"], "annotations": annotations}
        _write(to / "labels.json", labels)
        return len(listing["images"])
    images = _labelled(config, inputs)
    kept = _kept(cell, images)
    from PIL import Image

    for index, path in kept:
        name = f"{images.name(index)}.png"
        for place in (data / name, to / "labels" / name):
            place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[index][0]).save(data / name)
        Image.fromarray(read_labels(path)).save(to / "labels" / name)
    _write(to / "classes.json", {str(label): name for label, name in enumerate(images.class_names)})
    return len(kept)


def _export_segments(cell: Path, to: Path) -> int:
    """Write the segments of the images that kept their maps, and all detections; return how many images."""
    listing, folder = _listing(cell), Path(PANOPTIC_FILE).stem
    document = json.loads((cell / PANOPTIC_FILE).read_text(encoding="utf-8"))
    kept = [one for one in document["annotations"] if (cell / folder / one["file_name"]).is_file()]
    _refuse_none(cell, kept)
    (to / folder).mkdir(parents=True, exist_ok=True)
    for one in kept:
        shutil.copyfile(cell / folder / one["file_name"], to / folder / one["file_name"])
    _write(to / PANOPTIC_FILE, {"annotations": kept})
    if (cell / DETECTIONS_FILE).is_file():
        shutil.copyfile(cell / DETECTIONS_FILE, to / "predictions.json")
    _write(to / "images.json", {"images": listing["images"], "categories": listing["categories"]})
    return len(kept)


def _export_classes(cell: Path, inputs: Inputs, to: Path) -> int:
    """Write the images that kept their map of classes, and these maps under the same names; return how many."""
    listing = _listing(cell)
    maps, pictures = listing["label_maps"], inputs.folder(listing["role"]) / listing["below"]
    pairs = zip(listing["images"], maps["files"], strict=True)
    kept = [(pictures / image["file_name"], cell / file) for image, file in pairs if (cell / file).is_file()]
    _refuse_none(cell, kept)
    for folder in ("data", "labels"):
        (to / folder).mkdir(parents=True, exist_ok=True)
    for picture, labels in kept:
        shutil.copyfile(picture, to / "data" / f"{labels.stem}{picture.suffix}")
        shutil.copyfile(labels, to / "labels" / labels.name)
    _write(to / "classes.json", maps["names"])
    return len(kept)


def _listing(cell: Path) -> dict[str, Any]:
    path = cell / PICTURES_FILE
    if not path.is_file():
        raise InputError(
            f"{cell} is an evaluation of before it kept the list of its pictures; remove that folder and run the plan again, it takes only "
            "the evaluation"
        )
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _labelled(config: Config, inputs: Inputs) -> LabelledImages:
    """The images that were segmented."""
    if not isinstance(config, KeptLabelMapsConfig):
        raise InputError("only evaluations of instances, segments or label maps keep predictions; name the cell of one")
    return config.open(inputs.folder("data"))


def _kept(cell: Path, images: LabelledImages) -> list[tuple[int, Path]]:
    """The places of the images whose prediction was kept, with its file."""
    paths = [(index, cell / PREDICTIONS / f"{images.name(index)}.png") for index in range(len(images))]
    kept = [(index, path) for index, path in paths if path.is_file()]
    _refuse_none(cell, kept)
    return kept


def _refuse_none(cell: Path, kept: Sequence[object]) -> None:
    if not kept:
        raise InputError(
            f"{cell} kept no predictions; give kept_predictions_mib of its evaluation more room (`segrepro settings PAPER kept_predictions` "
            "names the setting for --set), which evaluates anew and trains nothing"
        )


def _stuff(image_id: int, path: Path) -> Iterator[dict[str, Any]]:
    """One record a class that occurs."""
    label_HW = read_labels(path)
    for label in np.unique(label_HW).tolist():
        yield {"image_id": image_id, "category_id": label, "segmentation": encode_mask(label_HW == label)}


def _write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
