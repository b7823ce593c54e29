"""Stage ``diffumask_refine``: masks of generated pictures by random walk and adaptive threshold (section 10.4).

Inputs: role ``pairs``, one cell of ``robust_synthesize`` whose prompts name one class each, with the preset's heat maps; role ``affinity``,
cells of ``diffumask_train_affinity``: one a class, or one of all classes (none where the threshold is fixed).
Outputs: ``labels.jsonl``, ``labels/<id>.png`` and ``trusted/<id>.png`` as ``robust_label`` writes them, all pixels trusted; role ``labels`` of
every stage that trains on generated pictures, and of ``diffumask_score_fold``, ``diffumask_prune`` and ``diffumask_splice``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from methods.common.resumable_records import append_lines, keep_lines
from methods.common.stage import Context, Inputs, Record, Stage
from methods.diffumask_robust.label_files import LABELS, LABELS_FILE, TRUSTED
from methods.diffumask_robust.stages.refine_config import RefineConfig

if TYPE_CHECKING:
    from pathlib import Path

    from methods.diffumask_robust.diffumask.refiner import Refiner
    from methods.diffumask_robust.diffumask.target_maps import Target, TargetMaps


def refine(inputs: Inputs, config: RefineConfig, context: Context) -> Record:
    """Write the label map of every picture; those whose mask no object of the class has are dropped.

    Returns:
        ``num_images``, ``num_dropped``, and over the kept ones the means of ``foreground``, ``threshold`` and ``agreement``, None where
        there is none.

    Raises:
        InputError: files are missing or faulty, the preset was not taken, or a picture is of several classes or of one without a network.
    """
    from methods.diffumask_robust.diffumask.refiner import AffinityNets, Refiner
    from methods.diffumask_robust.diffumask.target_maps import TargetMaps

    maps = TargetMaps(inputs.folder("pairs"), config.preset, rescaled=config.rescaled)
    nets = AffinityNets(inputs.folders("affinity"), context.device)
    refiner = Refiner(nets, len(maps.class_names), config, context.device)
    for below in (LABELS, TRUSTED):
        (context.out / below).mkdir(exist_ok=True)
    found = context.checkpoints.load()
    lines = keep_lines(context.out / LABELS_FILE, 0 if found is None else found[0])
    for number in range(len(lines), len(maps.targets)):
        lines.append(_refine(maps, maps.targets[number], refiner, context.out))
        append_lines(context.out / LABELS_FILE, lines[-1:])
        if context.checkpoint_due():
            context.checkpoints.save(number + 1, None)
        context.progress(number + 1, len(maps.targets), "images")
    kept = [line for line in lines if not line["dropped"]]
    means = {name: _mean([line[name] for line in kept]) for name in ("foreground", "threshold", "agreement")}
    return {"num_images": len(lines), "num_dropped": len(lines) - len(kept), **means}


def _refine(maps: TargetMaps, target: Target, refiner: Refiner, out: Path) -> dict[str, Any]:
    import numpy as np

    from methods.diffumask_robust.label_files import write_labels_of

    image_HW3 = target.pair.read_image()
    map_HW = maps.map_of(target, (image_HW3.shape[0], image_HW3.shape[1]))
    refined = refiner(image_HW3, map_HW, target.class_name)
    label_HW = (refined.mask_HW * target.label).astype(np.uint8)
    write_labels_of(out, target.pair.id, label_HW, np.ones(label_HW.shape, bool))
    foreground = float(refined.mask_HW.mean())
    return {
        "id": target.pair.id,
        "classes": [target.class_name],
        **refined.line,
        "foreground": foreground,
        "trusted": 1.0,
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


REFINE: Stage[RefineConfig] = Stage("diffumask_refine", 1, RefineConfig, refine, uses_gpu=True, kind="filter")
