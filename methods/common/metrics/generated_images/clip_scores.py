"""Two different numbers that papers call "CLIPScore": picture against prompt, and picture against source picture.

Shape legend: I images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.files import AnyPath, as_path
from methods.common.metrics.evaluation import Progress
from methods.common.metrics.generated_images.image_folders import (
    FileForm,
    ImageFolder,
    folder_notes,
    list_images,
    partners_of,
    read_rgb,
)
from methods.common.metrics.generated_images.network_batches import map_batches, torch_device
from methods.common.metrics.generated_images.prompt_file import check_text, order_notes, read_prompts

if TYPE_CHECKING:
    from methods.common.clip import ClipScorer

SCORE_FACTOR = 2.5
"""The w of CLIPScore, Sec. 3 of Hessel et al. 2021."""
IMAGES_A_BATCH = 32
"""Over which similarity is averaged first."""


@dataclass(frozen=True)
class ClipTextEvaluation:
    """CLIPScore of pictures and their prompts; 8 bytes an image."""

    image_ids: tuple[str, ...]
    cosine_I: NDArray[np.float64]
    """Of picture and prompt, in [-1, 1]."""
    definition: str
    remarks: tuple[str, ...] = ()

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return ``clip_score_text``, in [0, 2.5], and the mean cosine."""
        score_I = SCORE_FACTOR * np.maximum(self.cosine_I, 0)
        return {"clip_score_text": _mean(score_I, weight_I), "mean_cosine": _mean(self.cosine_I, weight_I)}

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """There are no classes."""
        return []

    def notes(self) -> list[str]:
        """Say what was converted or cut."""
        return list(self.remarks)


@dataclass(frozen=True)
class ClipImageEvaluation:
    """Similarity of pictures and the pictures they were made from; 8 bytes an image."""

    image_ids: tuple[str, ...]
    cosine_I: NDArray[np.float64]
    """Of picture and source, in [-1, 1]."""
    remarks: tuple[str, ...] = ()

    definition: str = (
        "image-image cosine as in the released code of InstSynth (MAPR 2024): pictures squashed to CLIP's square, mean over "
        "batches of 32 in the order of names, then mean of the batches"
    )

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return ``clip_image_similarity``, in [-1, 1], and the plain mean, which knows no batches.

        With weights every image stands as many times in the order as it counts.
        """
        counts = None if weight_I is None else weight_I.astype(np.int64)
        cosine_I = self.cosine_I if counts is None else np.repeat(self.cosine_I, counts)
        batches = [cosine_I[start : start + IMAGES_A_BATCH] for start in range(0, len(cosine_I), IMAGES_A_BATCH)]
        of_batches = np.array([batch.mean() for batch in batches])
        return {"clip_image_similarity": _mean(of_batches), "mean_cosine": _mean(self.cosine_I, weight_I)}

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """There are no classes."""
        return []

    def notes(self) -> list[str]:
        """Say what was converted."""
        return list(self.remarks)


def _mean(value_I: NDArray[np.float64], weight_I: NDArray[np.float64] | None = None) -> float | None:
    weights = np.ones(len(value_I)) if weight_I is None else weight_I
    return float(weights @ value_I / weights.sum()) if weights.sum() else None


def evaluate_clip_score_text(
    images: AnyPath,
    prompts: AnyPath,
    clip: AnyPath,
    *,
    prefix: str = "",
    device: str = "cpu",
    num_threads: int = 1,
    progress: Progress | None = None,
) -> ClipTextEvaluation:
    """Score how well pictures fit their prompts: 2.5 max(cosine, 0), averaged over pictures.

    Args:
        images: folder of pictures; each goes through the preprocessing that the CLIP folder states.
        prompts: a prompt for each picture, see :func:`methods.common.metrics.generated_images.prompt_file.read_prompts`.
        clip: folder of a transformers CLIP; published numbers use ``openai/clip-vit-base-patch32``.
        prefix: put before each prompt as it is. The official script for captions puts `A photo depicts ` there.
        device: torch device.
        num_threads: batches at work at the same time; the number does not change results.
        progress: told (images done, images in all).

    Raises:
        InputError: pictures and prompts that do not match, a faulty file, no CLIP there, or no such device.
    Source: Sec. 3 of Hessel et al. 2021.
    """
    images, prompts, clip = as_path(images), as_path(prompts), as_path(clip)
    folder = list_images(images)
    texts = prefixed_prompts(prompts, folder, prefix)
    scorer = load_scorer(clip, device)

    def work(pairs: Sequence[tuple[Path, str]]) -> tuple[NDArray[np.float32], list[FileForm]]:
        pictures = [read_rgb(path) for path, _ in pairs]
        image_ID = scorer.embed_images([image.picture for image in pictures])
        text_ID = scorer.embed_texts([text for _, text in pairs])
        return (image_ID * text_ID).sum(1).numpy(), [image.form for image in pictures]

    results = map_batches(work, list(zip(folder.paths, texts, strict=True)), IMAGES_A_BATCH, num_threads, progress)
    forms = [form for _, batch_forms in results for form in batch_forms]
    cosine_I = _finite(np.concatenate([cosine_I for cosine_I, _ in results]), clip)
    start = f", prompts after {prefix!r}" if prefix else ", prompts as they are"
    return ClipTextEvaluation(
        image_ids=folder.names,
        cosine_I=cosine_I,
        definition=f"CLIPScore of Hessel et al. 2021, 2.5 max(cosine, 0), in float32 with {clip.name}{start}",
        remarks=(*folder_notes(folder, forms), *order_notes(prompts, folder), *_cut_notes(scorer, texts)),
    )


def evaluate_clip_image_similarity(
    images: AnyPath,
    sources: AnyPath,
    clip: AnyPath,
    *,
    device: str = "cpu",
    num_threads: int = 1,
    progress: Progress | None = None,
) -> ClipImageEvaluation:
    """Compare each generated picture with the one it was made from.

    Args:
        images: folder of generated pictures.
        sources: folder of their sources, by the same names; endings may differ.
        clip: folder of a transformers CLIP; the paper's numbers use ``openai/clip-vit-base-patch32``.
        device: torch device.
        num_threads: batches at work at the same time; the number does not change results.
        progress: told (pairs done, pairs in all).

    Raises:
        InputError: a picture without partner, a faulty file, no CLIP there, or no such device.
    Source: released code of InstSynth, which the tables of both papers come from; bilinear is PIL's.
    """
    clip, folder = as_path(clip), list_images(as_path(images))
    partners = partners_of(folder, list_images(as_path(sources)))
    scorer = load_scorer(clip, device)

    def work(pairs: Sequence[tuple[Path, Path]]) -> tuple[NDArray[np.float32], list[tuple[FileForm, FileForm]]]:
        read = [(read_rgb(path), read_rgb(source)) for path, source in pairs]
        image_ID = scorer.embed_squashed_images([image.picture for image, _ in read])
        source_ID = scorer.embed_squashed_images([source.picture for _, source in read])
        forms = [(image.form, source.form) for image, source in read]
        return (image_ID * source_ID).sum(1).numpy(), forms

    pairs = list(zip(folder.paths, partners.paths, strict=True))
    results = map_batches(work, pairs, IMAGES_A_BATCH, num_threads, progress)
    forms = [form for _, batch_forms in results for form in batch_forms]
    cosine_I = _finite(np.concatenate([cosine_I for cosine_I, _ in results]), clip)
    return ClipImageEvaluation(
        image_ids=folder.names,
        cosine_I=cosine_I,
        remarks=(
            *folder_notes(folder, [form for form, _ in forms]),
            *folder_notes(partners, [form for _, form in forms]),
            *_alike_notes(folder, partners, cosine_I),
        ),
    )


def prefixed_prompts(prompts: Path, images: ImageFolder, prefix: str) -> list[str]:
    """Return what CLIP reads for each picture, in the folder's order.

    Raises:
        InputError: pictures and prompts that do not match, a faulty file, or a prefix that is no text.
    """
    return [check_text(prefix, "--prefix") + prompt for prompt in read_prompts(prompts, images)]


def load_scorer(clip: Path, device: str) -> ClipScorer:
    """Load a CLIP from its folder; a name that transformers could download is refused.

    Raises:
        InputError: no such folder, no CLIP in it, or no such device.
    """
    if not clip.is_dir():
        raise InputError(f"there is no CLIP folder {clip}; name a folder saved by transformers")
    from methods.common.clip import ClipScorer

    return ClipScorer.from_pretrained(clip, torch_device(device))


def _finite(cosine_I: NDArray[np.float32], clip: Path) -> NDArray[np.float64]:
    if not np.isfinite(cosine_I).all():
        raise InputError(
            f"{clip} gives values that are no numbers: its weights are damaged; save or download them again"
        )
    return cosine_I.astype(np.float64)


_ALIKE = 1 - 1e-6


def _alike_notes(images: ImageFolder, sources: ImageFolder, cosine_I: NDArray[np.float64]) -> list[str]:
    """Say that nothing was changed, where CLIP sees no difference."""
    if (cosine_I < _ALIKE).any():
        return []
    return [f"to CLIP every picture in {images.folder} equals its source in {sources.folder}; are they the same files?"]


def _cut_notes(scorer: ClipScorer, texts: Sequence[str]) -> list[str]:
    """Say how many prompts are longer than CLIP reads, if any."""
    longest = scorer.tokenizer.model_max_length
    tokens = scorer.tokenizer(list(texts), verbose=False).input_ids
    cut = [text for text, ids in zip(texts, tokens, strict=True) if len(ids) > longest]
    if not cut:
        return []
    return [
        f"{len(cut)} of the {len(texts)} prompts are longer than the {longest} tokens CLIP reads and were cut: {cut[0]!r:.80}"
    ]
