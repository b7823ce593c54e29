"""Stage ``ade20k_segments``: ADE20K with its instances as COCO's panoptic data are laid out, so that what reads those reads this too.

Shape legend: H, W pixels.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    from methods.common.datasets.ade20k_segments import SceneFiles

SPLITS = ("training", "validation")
_LIST = "images.json"


class Ade20kSegmentsConfig(Config):
    """Nothing is left open: classes, splits and which lies over which are the data set's."""


def ade20k_segments(inputs: Inputs, config: Ade20kSegmentsConfig, context: Context) -> Record:
    """Write ``annotations/panoptic_<split>.json`` with its maps, ``annotations/instances_<split>.json``, and the pictures in ``<split>``.

    Categories have the numbers 1 to 150 of scene parsing; ids of images count over both splits. An interrupted run goes on after its last
    image.

    Roles: ``data``, ADE20K's scene parsing data with ``annotations_instance`` beside ``annotations``.

    Returns:
        ``num_training_images``, ``num_validation_images``, ``num_segments``, ``num_things``.

    Raises:
        InputError: something is missing, or a map is faulty.
    Source: SegGen section 10.
    """
    from methods.common.datasets.ade20k_segments import list_scenes
    from methods.common.resumable_records import GrowingList

    data = inputs.folder("data")
    scenes = [(split, files) for split in SPLITS for files in list_scenes(data, split)]
    with GrowingList(context.out / _LIST, context.checkpoints) as made:
        for number in range(made.done, len(scenes)):
            split, files = scenes[number]
            made.extend([_write_scene(split, files, number + 1, context.out)], 1)
            if context.checkpoint_due():
                made.save()
            context.progress(number + 1, len(scenes), "images")
        made.close()
    records = json.loads((context.out / _LIST).read_bytes())
    (context.out / _LIST).unlink()
    for split in SPLITS:
        _write_annotations([one for one in records if one["split"] == split], context.out / "annotations", split)
    segments = [segment for one in records for segment in one["segments"]]
    return {
        **{f"num_{split}_images": sum(one["split"] == split for one in records) for split in SPLITS},
        "num_segments": len(segments),
        "num_things": sum("segmentation" in segment for segment in segments),
    }


def _write_scene(split: str, files: SceneFiles, image_id: int, out: Path) -> dict[str, Any]:
    """Write one picture and its map, and return its record."""
    from methods.common.datasets.ade20k_segments import STUFF, read_scene
    from methods.common.datasets.cityscapes_panoptic import write_segments
    from methods.common.datasets.rle import encode_mask
    from methods.common.files import write_atomic

    segment_HW, segments = read_scene(files)
    write_segments(out / "annotations" / f"panoptic_{split}" / f"{files.name}.png", segment_HW)
    write_atomic(out / split / files.image.name, files.image.read_bytes())
    listed = []
    for one in segments:
        told = {"id": one.id, "category_id": one.category_id, "area": one.area_px, "bbox": one.box, "iscrowd": 0}
        outline = {} if one.category_id in STUFF else {"segmentation": encode_mask(segment_HW == one.id)}
        listed.append({**told, **outline})
    height, width = segment_HW.shape
    size = {"height": height, "width": width}
    return {"split": split, "id": image_id, "file_name": files.image.name, **size, "segments": listed}


def _write_annotations(records: list[dict[str, Any]], folder: Path, split: str) -> None:
    """Write both files of a split."""
    from methods.common.datasets.ade20k_segments import STUFF
    from methods.common.datasets.label_conventions import ADE20K
    from methods.common.files import write_atomic

    categories = [
        {"id": index + 1, "name": name, "isthing": int(index + 1 not in STUFF)}
        for index, name in enumerate(ADE20K.class_names)
    ]
    images = [{key: one[key] for key in ("id", "file_name", "height", "width")} for one in records]
    panoptic = [
        {
            "image_id": one["id"],
            "file_name": f"{Path(one['file_name']).stem}.png",
            "segments_info": [{key: seg[key] for key in seg if key != "segmentation"} for seg in one["segments"]],
        }
        for one in records
    ]
    things = [(one["id"], seg) for one in records for seg in one["segments"] if "segmentation" in seg]
    instances = [{**seg, "id": number, "image_id": of} for number, (of, seg) in enumerate(things, start=1)]
    for kind, listed, known in (
        ("panoptic", panoptic, categories),
        ("instances", instances, [one for one in categories if one["isthing"]]),
    ):
        document = {"images": images, "annotations": listed, "categories": known}
        write_atomic(folder / f"{kind}_{split}.json", json.dumps(document).encode())


ADE20K_SEGMENTS: Stage[Ade20kSegmentsConfig] = Stage(
    "ade20k_segments", 1, Ade20kSegmentsConfig, ade20k_segments, kind="prepare"
)
