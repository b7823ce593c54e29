"""Commands of metrics on instances, boxes or masks. Metrics are imported when they run, so that ``--help`` stays quick."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reproductions.commands.evaluate.options import metric
from reproductions.commands.evaluate.task import FRACTION, Means, Task

if TYPE_CHECKING:
    from methods.common.metrics.evaluation import Evaluation

AnnotationFile = Annotated[Path, typer.Option("--ground-truth", metavar="FILE", help="Annotation file.")]
DetectionFile = Annotated[Path, typer.Option("--detections", metavar="FILE", help="Results in the official format.")]


@metric("lvis", official=True, processes=True)
def lvis(
    ground_truth: AnnotationFile,
    detections: DetectionFile,
    iou_type: Annotated[Literal["bbox", "segm"], typer.Option("--iou-type", help="Boxes or masks.")],
) -> Task:
    """AP and AR: lvis-api."""

    def evaluate(given: Path, means: Means) -> "Evaluation":
        from methods.common.metrics.detection.lvis import evaluate_lvis

        return evaluate_lvis(ground_truth, given, iou_type, progress=means.progress, num_processes=means.num_processes)

    def officially(given: Path) -> "Evaluation":
        from methods.common.metrics.official.lvis import evaluate_lvis_officially

        return evaluate_lvis_officially(ground_truth, given, iou_type)

    return Task(
        predictions=detections,
        evaluate=evaluate,
        officially=officially,
        computes_in_c=True,
        scale=FRACTION,
        inputs={"ground_truth": ground_truth},
        settings={"iou_type": iou_type},
    )


@metric("coco", official=True, processes=True)
def coco(
    ground_truth: AnnotationFile,
    detections: DetectionFile,
    iou_type: Annotated[
        Literal["bbox", "segm", "boundary"], typer.Option("--iou-type", help="Boxes, masks, or Boundary AP.")
    ],
) -> Task:
    """AP and AR: pycocotools; Boundary AP."""

    def evaluate(given: Path, means: Means) -> "Evaluation":
        from methods.common.metrics.detection.coco import evaluate_coco

        return evaluate_coco(ground_truth, given, iou_type, progress=means.progress, num_processes=means.num_processes)

    def officially(given: Path) -> "Evaluation":
        from methods.common.metrics.official.coco import evaluate_coco_officially

        return evaluate_coco_officially(ground_truth, given, iou_type)

    return Task(
        predictions=detections,
        evaluate=evaluate,
        officially=officially,
        checked_first=iou_type != "boundary",
        computes_in_c=True,
        scale=FRACTION,
        inputs={"ground_truth": ground_truth},
        settings={"iou_type": iou_type},
    )


@metric("cityscapes-instance", official=True, processes=True)
def cityscapes_instance(
    ground_truth: Annotated[
        Path, typer.Option("--ground-truth", metavar="FOLDER", help="Searched for *_gtFine_instanceIds.png.")
    ],
    predictions: Annotated[
        Path, typer.Option("--predictions", metavar="FOLDER", help="Searched for the official text files.")
    ],
    distances: Annotated[
        Path | None,
        typer.Option("--distances", metavar="FILE", help="gtInstances.json with distances: adds AP100m, AP50m."),
    ] = None,
) -> Task:
    """Instance AP: cityscapesScripts."""

    def evaluate(given: Path, means: Means) -> "Evaluation":
        from methods.common.metrics.cityscapes.instance import evaluate_cityscapes_instance

        return evaluate_cityscapes_instance(ground_truth, given, distances, means.progress, means.num_processes)

    def officially(given: Path) -> "Evaluation":
        from methods.common.metrics.official.cityscapes_instance import evaluate_cityscapes_instance_officially

        return evaluate_cityscapes_instance_officially(ground_truth, given, distances)

    return Task(
        predictions=predictions,
        evaluate=evaluate,
        officially=officially,
        scale=FRACTION,
        inputs={"ground_truth": ground_truth} | ({} if distances is None else {"distances": distances}),
    )
