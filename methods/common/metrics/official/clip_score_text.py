"""CLIPScore by torchmetrics, for whoever wants to check ours.

torchmetrics adds up 100 times the cosine of every picture and cuts the *mean* off at 0; it is asked picture by picture, so that each
is cut off alone as in the paper, and its factor becomes the paper's 2.5. Two things stand between torchmetrics 1.9 and the networks
of transformers 5. They answer with a record, of which it gets the vector. And prompts that are longer than CLIP reads are cut by the
tokenizer, as torchmetrics would cut off the mark at their end, without which CLIP's answer means nothing.

Shape legend: I images, N pictures or texts, D joint space, H, W pixels.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.common.files import AnyPath, as_path
from methods.common.metrics.generated_images.clip_scores import SCORE_FACTOR, load_scorer, prefixed_prompts
from methods.common.metrics.generated_images.image_folders import list_images, read_rgb
from methods.common.metrics.official.package_evaluation import PackageEvaluation

if TYPE_CHECKING:
    from torchmetrics.multimodal.clip_score import CLIPScore

    from methods.common.clip import ClipScorer

_FACTOR = 100.0
"""By which torchmetrics multiplies a cosine."""


def evaluate_clip_score_text_officially(
    images: AnyPath, prompts: AnyPath, clip: AnyPath, *, prefix: str = "", device: str = "cpu"
) -> PackageEvaluation:
    """Score how well pictures fit their prompts; arguments as in :func:`evaluate_clip_score_text`.

    Raises:
        InputError: pictures and prompts that do not match, a faulty file, no CLIP there, or no such device.
    """
    images, prompts, clip = as_path(images), as_path(prompts), as_path(clip)
    folder = list_images(images)
    texts = prefixed_prompts(prompts, folder, prefix)
    metric = _metric(load_scorer(clip, device))
    found = [_scores(metric, path, text) for path, text in zip(folder.paths, texts, strict=True)]
    score_I, positive_I = np.array(found).T / _FACTOR
    return PackageEvaluation(
        f"torchmetrics {version('torchmetrics')} itself, CLIPScore of each picture times {SCORE_FACTOR / _FACTOR}, with "
        f"{clip.name}",
        folder.names,
        {"clip_score_text": float(SCORE_FACTOR * positive_I.mean()), "mean_cosine": float(score_I.mean())},
    )


def _metric(scorer: ClipScorer) -> CLIPScore:
    """Return torchmetrics' metric on the networks and the preprocessing of a CLIP."""
    from functools import partial

    from torch import Tensor, nn
    from torchmetrics.multimodal.clip_score import CLIPScore
    from transformers import CLIPProcessor

    class Vectors(nn.Module):
        """A CLIP that answers with vectors, float32 [N, D]."""

        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model, self.config = model, model.config

        def get_image_features(self, pixel_N3HW: Tensor) -> Tensor:
            vector_ND: Tensor = self.model.get_image_features(pixel_N3HW).pooler_output
            return vector_ND

        def get_text_features(self, token_NT: Tensor, attended_NT: Tensor) -> Tensor:
            vector_ND: Tensor = self.model.get_text_features(token_NT, attended_NT).pooler_output
            return vector_ND

    processor: Any = CLIPProcessor(scorer.processor, scorer.tokenizer)  # type: ignore[no-untyped-call]
    networks: Any = lambda: (Vectors(scorer.model), partial(processor, truncation=True))  # noqa: E731
    return CLIPScore(networks).to(scorer.device)


def _scores(metric: CLIPScore, picture: Path, text: str) -> tuple[float, float]:
    """Return 100 times the cosine of one picture and its prompt, as it is and cut off at 0."""
    import torch

    image_3HW = torch.from_numpy(np.array(read_rgb(picture).picture)).permute(2, 0, 1)
    metric.reset()
    with torch.inference_mode():
        metric.update(image_3HW.to(metric.device), text)
    return float(metric.score), float(metric.compute())
