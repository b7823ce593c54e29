"""Commands of metrics on label maps in PNG folders. Metrics are imported when they run, so that ``--help`` stays quick."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from methods.common.errors import InputError, reason
from reproductions.commands.evaluate.options import metric
from reproductions.commands.evaluate.task import FRACTION, PERCENT, Means, Task

if TYPE_CHECKING:
    from methods.common.datasets.label_conventions import LabelConvention
    from methods.common.metrics.evaluation import Evaluation

GroundTruth = Annotated[Path, typer.Option("--ground-truth", metavar="FOLDER", help="PNG label maps.")]
Predictions = Annotated[Path, typer.Option("--predictions", metavar="FOLDER", help="PNG label maps of the same names.")]
ImageList = Annotated[
    Path | None, typer.Option("--image-list", metavar="FILE", help="Names of the images that count, one a line.")
]
ClassNames = Annotated[Path | None, typer.Option("--classes", metavar="FILE", help="Names of the classes, one a line.")]


@metric("cityscapes-semantic", official=True, processes=True)
def cityscapes_semantic(
    ground_truth: Annotated[
        Path, typer.Option("--ground-truth", metavar="FOLDER", help="Searched for *_gtFine_labelIds.png.")
    ],
    predictions: Annotated[Path, typer.Option("--predictions", metavar="FOLDER", help="PNG maps of label ids.")],
    protocol: Annotated[
        Literal["official", "grouped"], typer.Option("--protocol", help="19 classes, or human and vehicle.")
    ] = "official",
) -> Task:
    """Class and category IoU and iIoU: cityscapesScripts."""

    def evaluate(given: Path, means: Means) -> "Evaluation":
        from methods.common.metrics.cityscapes.semantic import evaluate_cityscapes_semantic

        return evaluate_cityscapes_semantic(
            ground_truth, given, protocol, num_processes=means.num_processes, progress=means.progress
        )

    def officially(given: Path) -> "Evaluation":
        from methods.common.metrics.official.cityscapes_semantic import evaluate_cityscapes_semantic_officially

        if protocol != "official":
            raise InputError("no official package has the grouped protocol; leave out --official or --protocol")
        return evaluate_cityscapes_semantic_officially(ground_truth, given)

    return Task(
        predictions=predictions,
        evaluate=evaluate,
        officially=officially,
        checked_first=protocol == "official",
        scale=FRACTION,
        inputs={"ground_truth": ground_truth},
        settings={"protocol": protocol},
    )


@metric("semantic", official=True, processes=True)
def semantic(
    ground_truth: GroundTruth,
    predictions: Predictions,
    convention: Annotated[
        Literal["voc2012", "ade20k"] | None, typer.Option("--convention", help="Or say it with the next options.")
    ] = None,
    num_classes: Annotated[
        int | None, typer.Option("--num-classes", min=1, max=65_536, help="Labels are 0 to this less 1.")
    ] = None,
    ignore_label: Annotated[
        int | None, typer.Option("--ignore-label", min=0, help="Ground truth that does not count.  [default: 255]")
    ] = None,
    reduce_zero_label: Annotated[
        bool, typer.Option("--reduce-zero-label", help="Ground truth counts classes from 1; 0 does not count.")
    ] = False,
    predictions_from_one: Annotated[
        bool, typer.Option("--predictions-from-one", help="Predictions count classes from 1; 0 is none and wrong.")
    ] = False,
    classes: ClassNames = None,
    image_list: ImageList = None,
) -> Task:
    """Mean IoU and pixel accuracy, all images pooled."""
    own = (num_classes, ignore_label, reduce_zero_label or None, classes)
    if convention is None and num_classes is None:
        raise InputError("the classes are not known; give --convention or --num-classes")
    if convention is not None and any(value is not None for value in own):
        raise InputError(f"--convention {convention} settles the labels; leave it out to settle them yourself")
    if num_classes is not None and num_classes > 255 and ignore_label is None and not reduce_zero_label:
        raise InputError(f"255 is one of {num_classes} classes; say with --ignore-label which label does not count")

    def agreed() -> "LabelConvention":
        from methods.common.datasets.label_conventions import CONVENTIONS, LabelConvention

        if convention is not None:
            return replace(CONVENTIONS[convention], predictions_from_one=predictions_from_one)
        assert num_classes is not None
        return LabelConvention(
            num_classes=num_classes,
            ignore_label=255 if ignore_label is None else ignore_label,
            reduce_zero_label=reduce_zero_label,
            predictions_from_one=predictions_from_one,
            class_names=_read_names(classes, num_classes),
        )

    labels = agreed()

    def evaluate(given: Path, means: Means) -> "Evaluation":
        from methods.common.metrics.label_maps.semantic import evaluate_semantic

        return evaluate_semantic(
            ground_truth,
            given,
            labels,
            image_list=image_list,
            num_processes=means.num_processes,
            progress=means.progress,
        )

    def officially(given: Path) -> "Evaluation":
        from methods.common.metrics.official.semantic import evaluate_semantic_officially

        return evaluate_semantic_officially(ground_truth, given, labels, image_list=image_list)

    return Task(
        predictions=predictions,
        evaluate=evaluate,
        officially=officially,
        scale=FRACTION,
        inputs=_given(ground_truth=ground_truth, classes=classes, image_list=image_list),
        settings={
            "convention": convention,
            "num_classes": labels.num_classes,
            "ignore_label": labels.ignore_label,
            "reduce_zero_label": labels.reduce_zero_label,
            "predictions_from_one": labels.predictions_from_one,
        },
    )


@metric("imagenet-s", processes=True)
def imagenet_s(
    ground_truth: GroundTruth,
    predictions: Predictions,
    num_classes: Annotated[
        int, typer.Option("--num-classes", min=1, max=65_535, help="50, 300 or 919, without `other`.")
    ],
    classes: ClassNames = None,
    image_list: ImageList = None,
) -> Task:
    """Mean IoU, boundary IoU and more: ImageNet-S."""

    def evaluate(given: Path, means: Means) -> "Evaluation":
        from methods.common.metrics.label_maps.imagenet_s import evaluate_imagenet_s

        return evaluate_imagenet_s(
            ground_truth,
            given,
            num_classes,
            class_names=_read_names(classes, num_classes),
            image_list=image_list,
            num_processes=means.num_processes,
            progress=means.progress,
        )

    return Task(
        predictions=predictions,
        evaluate=evaluate,
        scale=PERCENT,
        inputs=_given(ground_truth=ground_truth, classes=classes, image_list=image_list),
        settings={"num_classes": num_classes},
    )


@metric("panoptic", official=True, processes=True)
def panoptic(
    ground_truth: Annotated[Path, typer.Option("--ground-truth", metavar="FILE", help="Panoptic JSON.")],
    predictions: Annotated[Path, typer.Option("--predictions", metavar="FILE", help="Panoptic JSON.")],
    ground_truth_folder: Annotated[
        Path | None,
        typer.Option("--ground-truth-folder", metavar="FOLDER", help="Its PNGs.  [default: the JSON without .json]"),
    ] = None,
    predictions_folder: Annotated[
        Path | None,
        typer.Option("--predictions-folder", metavar="FOLDER", help="Their PNGs.  [default: the JSON without .json]"),
    ] = None,
) -> Task:
    """PQ, SQ and RQ: panopticapi.

    --compare takes a JSON that lies beside the folder of its PNGs.
    """

    def folder_of(given: Path) -> Path | None:
        return predictions_folder if given == predictions else None

    def evaluate(given: Path, means: Means) -> "Evaluation":
        from methods.common.metrics.label_maps.panoptic import evaluate_panoptic

        return evaluate_panoptic(
            ground_truth,
            given,
            ground_truth_folder=ground_truth_folder,
            predictions_folder=folder_of(given),
            num_processes=means.num_processes,
            progress=means.progress,
        )

    def officially(given: Path) -> "Evaluation":
        from methods.common.metrics.official.panoptic import evaluate_panoptic_officially

        return evaluate_panoptic_officially(
            ground_truth, given, ground_truth_folder=ground_truth_folder, predictions_folder=folder_of(given)
        )

    return Task(
        predictions=predictions,
        evaluate=evaluate,
        officially=officially,
        scale=FRACTION,
        inputs=_given(
            ground_truth=ground_truth,
            ground_truth_folder=ground_truth_folder or ground_truth.with_suffix(""),
            predictions_folder=predictions_folder or predictions.with_suffix(""),
        ),
    )


@metric("mask-quality", processes=True)
def mask_quality(
    ground_truth: GroundTruth,
    predictions: Predictions,
    num_classes: Annotated[
        int, typer.Option("--num-classes", min=2, max=65_536, help="Background, which is 0, included.")
    ],
    uncertain: Annotated[
        Literal["ignore", "background", "foreground"],
        typer.Option(
            "--uncertain", help="What predicted label 255 counts as; foreground: every class that the image shows."
        ),
    ] = "ignore",
    classes: ClassNames = None,
) -> Task:
    """IoU of generated masks with others, S1 to S4."""

    def evaluate(given: Path, means: Means) -> "Evaluation":
        from methods.common.metrics.label_maps.mask_quality import evaluate_mask_quality

        return evaluate_mask_quality(
            given,
            ground_truth,
            num_classes,
            class_names=_read_names(classes, num_classes) or None,
            uncertain=uncertain,
            num_processes=means.num_processes,
            progress=means.progress,
        )

    return Task(
        predictions=predictions,
        evaluate=evaluate,
        scale=FRACTION,
        inputs=_given(ground_truth=ground_truth, classes=classes),
        settings={"num_classes": num_classes, "uncertain": uncertain},
    )


def _given(**places: Path | None) -> dict[str, Path]:
    return {name: path for name, path in places.items() if path is not None}


def _read_names(file: Path | None, num_classes: int) -> tuple[str, ...]:
    """Read the names of the classes, in the order of their labels; none without a file."""
    if file is None:
        return ()
    try:
        names = tuple(line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--classes {file} cannot be read ({reason(error)}); name a text file") from error
    if len(names) != num_classes:
        raise InputError(f"--classes {file} has {len(names)} names; write {num_classes}, one a line")
    return names
