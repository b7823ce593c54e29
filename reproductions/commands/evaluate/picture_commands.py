"""Commands of metrics on generated pictures, by a network. It is loaded when it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from methods.common.errors import InputError
from reproductions.commands.evaluate.options import metric
from reproductions.commands.evaluate.task import Means, Task
from reproductions.harness.threads import num_cores

if TYPE_CHECKING:
    from methods.common.metrics.evaluation import Evaluation

Pictures = Annotated[Path, typer.Option("--predictions", metavar="FOLDER", help="Generated pictures.")]
InceptionFile = Annotated[Path, typer.Option("--weights", metavar="FILE", help="Weights of the FID Inception network.")]
ClipFolder = Annotated[Path, typer.Option("--clip", metavar="FOLDER", help="CLIP checkpoint of transformers.")]
Device = Annotated[str, typer.Option("--device", help="Device of torch, such as cpu or cuda.")]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads that run the network.  [default: as many as cores]")
]


def _num_threads(given: int | None) -> int:
    return given or num_cores()


def _check_no_threads(given: int | None) -> None:
    if given is not None:
        raise InputError("--threads does not reach into the official package; leave out --official or --threads")


@metric("fid", official=True, classes=False)
def fid(
    predictions: Pictures,
    reference: Annotated[Path, typer.Option("--reference", metavar="FOLDER", help="Real pictures.")],
    weights: InceptionFile,
    allow_few_images: Annotated[
        bool, typer.Option("--allow-few-images", help="Go on below 2,048 pictures, with a note.")
    ] = False,
    device: Device = "cpu",
    threads: Threads = None,
) -> Task:
    """Frechet Inception distance of two folders."""
    options: dict[str, Any] = {"allow_few_images": allow_few_images, "device": device}

    def evaluate(given: Path, means: Means) -> "Evaluation":
        from methods.common.metrics.generated_images.fid import evaluate_fid

        return evaluate_fid(
            given, reference, weights, **options, num_threads=_num_threads(threads), progress=means.progress
        )

    def officially(given: Path) -> "Evaluation":
        from methods.common.metrics.official.fid import evaluate_fid_officially

        _check_no_threads(threads)
        return evaluate_fid_officially(given, reference, weights, **options)

    return Task(
        predictions=predictions,
        evaluate=evaluate,
        officially=officially,
        checked_first=False,
        scale="as a distance, 0 at best",
        inputs={"reference": reference, "weights": weights},
        settings=options,
    )


@metric("kid", official=True, classes=False)
def kid(
    predictions: Pictures,
    reference: Annotated[Path, typer.Option("--reference", metavar="FOLDER", help="Real pictures.")],
    weights: InceptionFile,
    num_subsets: Annotated[int, typer.Option("--subsets", min=1, help="Subsets to average over.")] = 100,
    subset_size: Annotated[int, typer.Option("--subset-size", min=2, help="Pictures of a subset.")] = 1000,
    subset_seed: Annotated[
        int, typer.Option("--subset-seed", min=0, max=2**32 - 1, help="Seed of the subsets.")
    ] = 2020,
    device: Device = "cpu",
    threads: Threads = None,
) -> Task:
    """Kernel Inception distance of two folders."""
    options: dict[str, Any] = {"num_subsets": num_subsets, "subset_size": subset_size, "seed": subset_seed}

    def evaluate(given: Path, means: Means) -> "Evaluation":
        from methods.common.metrics.generated_images.kid import evaluate_kid

        return evaluate_kid(
            given,
            reference,
            weights,
            **options,
            device=device,
            num_threads=_num_threads(threads),
            progress=means.progress,
        )

    def officially(given: Path) -> "Evaluation":
        from methods.common.metrics.official.kid import evaluate_kid_officially

        _check_no_threads(threads)
        return evaluate_kid_officially(given, reference, weights, **options, device=device)

    return Task(
        predictions=predictions,
        evaluate=evaluate,
        officially=officially,
        checked_first=False,
        scale="as a squared distance, 0 at best",
        inputs={"reference": reference, "weights": weights},
        settings={**options, "device": device},
    )


@metric("clip-score-text", official=True, classes=False)
def clip_score_text(
    predictions: Pictures,
    prompts: Annotated[
        Path,
        typer.Option(
            "--prompts", metavar="FILE", help=".json by file name, .csv with file and prompt, or .txt in name order."
        ),
    ],
    clip: ClipFolder,
    prefix: Annotated[str, typer.Option("--prefix", help="Put before each prompt.")] = "",
    device: Device = "cpu",
    threads: Threads = None,
) -> Task:
    """CLIPScore of pictures and their prompts."""
    options: dict[str, Any] = {"prefix": prefix, "device": device}

    def evaluate(given: Path, means: Means) -> "Evaluation":
        from methods.common.metrics.generated_images.clip_scores import evaluate_clip_score_text

        return evaluate_clip_score_text(
            given, prompts, clip, **options, num_threads=_num_threads(threads), progress=means.progress
        )

    def officially(given: Path) -> "Evaluation":
        from methods.common.metrics.official.clip_score_text import evaluate_clip_score_text_officially

        _check_no_threads(threads)
        return evaluate_clip_score_text_officially(given, prompts, clip, **options)

    return Task(
        predictions=predictions,
        evaluate=evaluate,
        officially=officially,
        checked_first=False,
        scale="as a cosine (clip_score_text: 2.5 times what of it is positive)",
        inputs={"prompts": prompts, "clip": clip},
        settings=options,
    )


@metric("clip-image-similarity", classes=False)
def clip_image_similarity(
    predictions: Pictures,
    sources: Annotated[
        Path, typer.Option("--sources", metavar="FOLDER", help="The picture each was made from, by the same name.")
    ],
    clip: ClipFolder,
    device: Device = "cpu",
    threads: Threads = None,
) -> Task:
    """CLIP cosine of pictures and their sources."""

    def evaluate(given: Path, means: Means) -> "Evaluation":
        from methods.common.metrics.generated_images.clip_scores import evaluate_clip_image_similarity

        return evaluate_clip_image_similarity(
            given, sources, clip, device=device, num_threads=_num_threads(threads), progress=means.progress
        )

    return Task(
        predictions=predictions,
        evaluate=evaluate,
        scale="as a cosine",
        inputs={"sources": sources, "clip": clip},
        settings={"device": device},
    )
