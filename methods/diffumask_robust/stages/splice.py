"""Stage ``diffumask_splice``: the training set of single pictures and mosaics, blurred, occluded, seen from elsewhere (section 10.6).

Inputs: roles ``pairs`` and ``labels`` (all shards of both, in the same order).
Outputs: pictures of their own: ``pairs.jsonl``, ``classes.json`` and ``images/``, and beside them ``labels.jsonl``, ``labels/<id>.png`` and
``trusted/<id>.png``; this one cell is both role ``pairs`` and role ``labels`` of a training.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from methods.common.errors import InputError
from methods.common.files import write_atomic
from methods.common.generated.pair_reader import CLASSES_FILE
from methods.common.resumable_records import append_lines, keep_lines
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.diffumask_robust.diffumask.mosaic_config import RELEASED_MOSAICS, Distortions, Mosaics
from methods.diffumask_robust.label_files import LABELS, LABELS_FILE, TRUSTED, write_labels_of

if TYPE_CHECKING:
    from methods.common.generated.pair_writer import PairFolder
    from methods.common.seeds import Seeds
    from methods.diffumask_robust.label_files import ListedLabels
    from methods.diffumask_robust.trusted_images import Trusted


class SpliceConfig(Config):
    """What the set is made of."""

    mosaics: tuple[Mosaics, ...] = RELEASED_MOSAICS
    """Shapes and numbers of mosaics."""
    distortions: Distortions = Distortions()
    """What happens to every picture, alone or in a mosaic."""
    singles: bool = True
    """Whether each picture is also there by itself. [code]"""
    image_format: Literal["jpeg", "png"] = "jpeg"
    """Format of the pictures."""


class _Order(NamedTuple):
    """What one picture of the set shows."""

    id: str
    rows: int
    columns: int
    indices: tuple[int, ...]
    """Pictures that it is made of, row by row."""


def splice_set(inputs: Inputs, config: SpliceConfig, context: Context) -> Record:
    """Write the set; the draws of a picture depend on its name and the pictures that are of use alone.

    Returns:
        ``num_images`` (all pictures), ``num_singles``, and ``num_mosaics``.

    Raises:
        InputError: files are missing or do not belong together, no picture is of use, or a mosaic's pictures differ in size.
    """
    from methods.common.generated.pair_reader import list_pairs
    from methods.common.generated.pair_writer import PairFolder
    from methods.diffumask_robust.label_files import list_labels

    pairs, class_names = list_pairs(inputs.folders("pairs"))
    listed = sorted(list_labels(pairs, inputs.folders("labels")), key=lambda one: one.pair.id)
    useful = [one for one in listed if not one.dropped]
    if not useful:
        raise InputError(f"none of {len(listed)} pictures is of use; look at `dropped` in their {LABELS_FILE}")
    write_atomic(context.out / CLASSES_FILE, json.dumps(class_names).encode())
    for below in (LABELS, TRUSTED):
        (context.out / below).mkdir(exist_ok=True)
    folder = PairFolder(context.out, config.image_format, ())
    orders = list(_orders(useful, config, context.seeds))
    found = context.checkpoints.load()
    checksums: list[list[int]] = [] if found is None else found[1]
    whole = folder.keep(checksums)
    listed_lines = len(keep_lines(context.out / LABELS_FILE, whole))
    if listed_lines < whole:
        whole = folder.keep(checksums[:listed_lines])
    if whole < len(checksums):
        context.checkpoints.clear()
        checksums = checksums[:whole]
    for order in orders[len(checksums) :]:
        checksums.append(_add(order, useful, config, context, folder))
        if context.checkpoint_due():
            context.checkpoints.save(len(checksums), checksums)
        context.progress(len(checksums), len(orders), "images")
    num_mosaics = sum(one.count for one in config.mosaics)
    return {"num_images": len(orders), "num_singles": len(orders) - num_mosaics, "num_mosaics": num_mosaics}


def _orders(useful: list[ListedLabels], config: SpliceConfig, seeds: Seeds) -> Iterator[_Order]:
    from methods.diffumask_robust.diffumask.mosaics import draw_mosaic

    if config.singles:
        yield from (_Order(one.pair.id, 1, 1, (index,)) for index, one in enumerate(useful))
    for mosaics in config.mosaics:
        for number in range(mosaics.count):
            name = f"mosaic_{mosaics.rows}x{mosaics.columns}_{number:06d}"
            yield _Order(name, *draw_mosaic(mosaics, len(useful), seeds.numpy("generation", "mosaic", name)))


def _add(
    order: _Order, useful: list[ListedLabels], config: SpliceConfig, context: Context, folder: PairFolder
) -> list[int]:
    """Write one picture with its labels and its lines; return its checksums."""
    from methods.common.generated.pair_writer import Pair
    from methods.diffumask_robust.diffumask.mosaics import splice

    tiles = [_tile(useful[index], order.id, place, config, context.seeds) for place, index in enumerate(order.indices)]
    image_HW3, label_HW, trusted_HW = splice(tiles, order.rows, order.columns)
    sources = [useful[index].pair for index in order.indices]
    classes = list(dict.fromkeys(name for pair in sources for name in pair.classes))
    record: dict[str, Any] = {"id": order.id, "classes": classes, "sources": [pair.id for pair in sources]}
    write_labels_of(context.out, order.id, label_HW, trusted_HW)
    foreground, trusted = float(((label_HW > 0) & (label_HW < 255)).mean()), float(trusted_HW.mean())
    checksums = folder.write([Pair(record, image_HW3, {})])
    line = {"id": order.id, "classes": classes, "dropped": "", "foreground": foreground, "trusted": trusted}
    append_lines(context.out / LABELS_FILE, [line])
    return checksums


def _tile(one: ListedLabels, name: str, place: int, config: SpliceConfig, seeds: Seeds) -> Trusted:
    """Read a picture and distort it, as the picture of the set wants it at a place."""
    from methods.common.datasets.png_labels import check_same_size, read_labels
    from methods.diffumask_robust.diffumask.distortions import distort
    from methods.diffumask_robust.label_files import read_trusted

    image_HW3, label_HW = one.pair.read_image(), read_labels(one.labels)
    check_same_size(image_HW3[..., 0], label_HW, one.labels)
    item = image_HW3, label_HW.astype("uint8"), read_trusted(one.trusted)
    return distort(item, config.distortions, seeds.numpy("generation", "distortion", name, place))


SPLICE: Stage[SpliceConfig] = Stage("diffumask_splice", 1, SpliceConfig, splice_set, ("generation",), kind="prepare")
