"""Stage ``robust_label``: from heat maps to label maps and reliability maps (sections 5 and 6.1)."""

from __future__ import annotations

from typing import Any

from methods.common.errors import InputError
from methods.common.generated.pair_reader import PAIRS_FILE, list_pairs
from methods.common.resumable_records import append_lines, keep_lines, read_lines
from methods.common.stage import Context, Inputs, Record, Stage
from methods.diffumask_robust.label_files import LABELS, LABELS_FILE, TRUSTED, write_labels_of
from methods.diffumask_robust.stages.label_config import LabelConfig


def label(inputs: Inputs, config: LabelConfig, context: Context) -> Record:
    """Write ``labels/``, ``trusted/`` and ``labels.jsonl``, in the order of the pictures.

    Roles: ``pairs`` (one cell of pictures with heat maps), ``cutter`` (a cut-out network) or ``model`` (a training
    cell), only where masks come from it.

    Raises:
        InputError: files are missing or faulty, or the preset was not taken.
    """
    from methods.diffumask_robust.labeller import Labeller

    folder = inputs.folder("pairs")
    pairs, _ = list_pairs((folder,))
    records = read_lines(folder / PAIRS_FILE)
    label_image = Labeller(inputs, config, context)
    for below in (LABELS, TRUSTED):
        (context.out / below).mkdir(exist_ok=True)
    found = context.checkpoints.load()
    lines = keep_lines(context.out / LABELS_FILE, 0 if found is None else found[0])
    for number in range(len(lines), len(pairs)):
        labelled = label_image(pairs[number], records[number])
        write_labels_of(context.out, pairs[number].id, labelled.label_HW, labelled.trusted_HW)
        line = {"id": pairs[number].id, "classes": list(pairs[number].classes), **labelled.line}
        append_lines(context.out / LABELS_FILE, [line])
        lines.append(line)
        if context.checkpoint_due():
            context.checkpoints.save(number + 1, None)
        context.progress(number + 1, len(pairs), "images")
    return _record(lines)


def _record(lines: list[dict[str, Any]]) -> Record:
    kept = [line for line in lines if not line["dropped"]]
    if not lines:
        raise InputError("there is no picture to label; generate more")
    return {
        "num_images": len(lines),
        "num_dropped": len(lines) - len(kept),
        "foreground": sum(line["foreground"] for line in kept) / len(kept) if kept else None,
        "trusted": sum(line["trusted"] for line in kept) / len(kept) if kept else None,
    }


LABEL: Stage[LabelConfig] = Stage("robust_label", 1, LabelConfig, label, ("generation",), uses_gpu=True, kind="filter")
