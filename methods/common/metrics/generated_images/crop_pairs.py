"""The numbers of InstSynth's quality tables on pairs of a repainted crop and the real crop it was made from, and canonical ones beside them.

What the release prints as "CLIPScore" and "FID" are other quantities than the names say (InstSynth sections 9.3 and 9.4). So each number has
a name and a definition of its own:

| name | what |
|---|---|
| `clip-similarity-release` | image-image cosine of CLIP, mean of the means of batches of 32; the tables' "CLIPScore" |
| `clip-similarity` | the same, plain mean |
| `clip-score-text` | CLIPScore, Hessel et al. 2021: picture and prompt |
| `fid-paired-crops` | crops against *their own sources*, variant 2 left out, resized to 224 x 224 first; the tables' "FID" |
| `fid-real-crops` | all crops against other real crops, with no first resize |
| `psnr`, `ssim-grey-release` | the tables' PSNR and SSIM: the source resized to the crop, SSIM in grey |
| `ssim`, `lpips` | SSIM by colour, LPIPS |

Shape legend: N pictures, D features, H, W pixels, 3 colours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.files import AnyPath, as_path
from methods.common.metrics.generated_images.clip_scores import IMAGES_A_BATCH, SCORE_FACTOR
from methods.common.metrics.generated_images.fid import fit_gaussian, frechet_distance
from methods.common.metrics.generated_images.paired import (
    LPIPS_MIN_SIDE_PX,
    peak_signal_to_noise_ratio,
    structural_similarity,
)

if TYPE_CHECKING:
    import torch
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    from methods.common.clip import ClipScorer

Picture = NDArray[np.uint8]
"""RGB (H, W, 3)."""

RELEASE_SIDE_PX = 224
"""To which the release resizes crops before its FID. Source: InstSynth section 9.3."""
LEFT_OUT_VARIANT = 2
"""The variant "000002", which the release's FID leaves out, so that each source stands once. Source: InstSynth section 9.3."""
_BATCH = 16
Item = TypeVar("Item")


class CropPair(NamedTuple):
    """A repainted crop, before it is pasted, and its source."""

    generated_HW3: Picture
    source_HW3: Picture
    """The real crop; it may have another size."""
    prompt: str
    variant: int = 1
    """Which of the pictures painted from this source, from 1."""


class Measured(NamedTuple):
    """One number."""

    value: float | None
    """None where nothing defines it."""
    definition: str
    """What it equals; of a Fréchet distance also the split of its reference and both numbers of pictures."""
    num_pairs: int
    """How many crops it was made from."""


class FeatureNetwork(Protocol):
    """Turns pictures into features, on which a Fréchet distance is defined."""

    @property
    def name(self) -> str:
        """What the definition calls it."""

    @property
    def num_features(self) -> int:
        """Features of a picture; with fewer pictures a covariance is singular."""

    def features(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Return features [N, D] of pictures of any sizes."""


class InceptionFeatureNetwork:
    """The Inception network of FID, as pytorch-fid uses it."""

    name = "the 2015-12-05 Inception network"
    num_features = 2048

    def __init__(self, weights: AnyPath, device: torch.device) -> None:
        """Load pytorch-fid's file.

        Raises:
            InputError: it is missing or another network's.
        """
        from methods.common.metrics.generated_images.inception import load_fid_inception

        self._network = load_fid_inception(as_path(weights), device)
        self._device = device

    def features(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Return the 2,048 pool features of each picture, float32 [N, D]."""
        import torch

        from methods.common.metrics.generated_images.inception import network_input

        rows = [network_input(torch.from_numpy(np.array(one)).permute(2, 0, 1)[None]) for one in pictures]
        with torch.inference_mode():
            input_N3HW = torch.cat(rows).to(self._device, memory_format=torch.channels_last)
            feature_ND: NDArray[np.float32] = self._network(input_N3HW).cpu().numpy()
        return feature_ND


class ClipFeatureNetwork:
    """CLIP's picture embeddings, for places where FID's own weights are not to be had; the number is then no FID."""

    def __init__(self, scorer: ClipScorer, name: str) -> None:
        """Use a CLIP that is loaded; ``name`` tells which."""
        self.name = f"CLIP embeddings of {name} instead of Inception features, so no FID"
        self.num_features = int(scorer.model.config.projection_dim)
        self._scorer = scorer

    def features(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Return unit vectors, float32 [N, D]."""
        embedded: NDArray[np.float32] = self._scorer.embed_images(pictures).numpy()
        return embedded


def measure_clip(pairs: Sequence[CropPair], scorer: ClipScorer) -> dict[str, Measured]:
    """Return `clip-similarity-release`, `clip-similarity` and `clip-score-text` over all pairs, in their order.

    Source: InstSynth section 9.4 for the first, Sec. 3 of Hessel et al. 2021 for the last.
    """
    from PIL import Image

    _check_some(pairs)
    of_source, of_text = [], []
    for batch in _batches(pairs, IMAGES_A_BATCH):
        generated_ND = scorer.embed_squashed_images([Image.fromarray(pair.generated_HW3) for pair in batch])
        source_ND = scorer.embed_squashed_images([Image.fromarray(pair.source_HW3) for pair in batch])
        of_source.append((generated_ND * source_ND).sum(1).double().numpy())
        text_ND = scorer.embed_texts([pair.prompt for pair in batch])
        whole_ND = scorer.embed_images([pair.generated_HW3 for pair in batch])
        of_text.append((whole_ND * text_ND).sum(1).double().numpy())
    scores = SCORE_FACTOR * np.maximum(np.concatenate(of_text), 0)
    squashed = "image-image cosine of CLIP, crops squashed to its square"
    return {
        "clip-similarity-release": Measured(
            float(np.mean([batch.mean() for batch in of_source])),
            f"{squashed}, mean over batches of {IMAGES_A_BATCH}, then mean of the batches",
            len(pairs),
        ),
        "clip-similarity": Measured(
            float(np.concatenate(of_source).mean()), f"{squashed}, mean over crops", len(pairs)
        ),
        "clip-score-text": Measured(
            float(scores.mean()), "CLIPScore of Hessel et al. 2021: 2.5 max(cosine, 0) of crop and prompt", len(pairs)
        ),
    }


def measure_paired_fid(
    pairs: Sequence[CropPair], network: FeatureNetwork, split: str, *, allow_few: bool = False
) -> dict[str, Measured]:
    """Return `fid-paired-crops`: crops without variant 2 against the sources of just these crops, both at 224 x 224 first.

    Low says that little was changed, not that pictures are good or varied: the sets are paired.

    Args:
        pairs: crops before pasting.
        network: whose features are compared.
        split: of the data set that the sources are from.
        allow_few: whether fewer pictures than features are taken, with a word in the definition.

    Raises:
        InputError: too few pairs.
    Source: InstSynth section 9.3; bicubic is PIL's, since it names no library.
    """
    chosen = [index for index, pair in enumerate(pairs) if pair.variant != LEFT_OUT_VARIANT]
    generated_ND = _features(network, chosen, lambda k: _squared(pairs[k].generated_HW3))
    source_ND = _features(network, chosen, lambda k: _squared(pairs[k].source_HW3))
    what = f"their own {len(chosen):,} sources of {split}, variant {LEFT_OUT_VARIANT} left out, {RELEASE_SIDE_PX} x {RELEASE_SIDE_PX} first"
    return {"fid-paired-crops": _frechet(generated_ND, source_ND, network, what, allow_few)}


def measure_real_fid(
    pairs: Sequence[CropPair],
    real: Sequence[Picture],
    network: FeatureNetwork,
    split: str,
    *,
    allow_few: bool = False,
) -> dict[str, Measured]:
    """Return `fid-real-crops`: all crops against real crops that none was made from, each at its own size.

    Args:
        pairs: crops before pasting; sources are not looked at.
        real: crops of another split.
        network: whose features are compared.
        split: that ``real`` is from.
        allow_few: as in :func:`measure_paired_fid`.

    Raises:
        InputError: too few pictures.
    """
    generated_ND = _features(network, range(len(pairs)), lambda k: pairs[k].generated_HW3)
    real_ND = _features(network, range(len(real)), lambda k: real[k])
    return {
        "fid-real-crops": _frechet(generated_ND, real_ND, network, f"{len(real):,} real crops of {split}", allow_few)
    }


def measure_pixels(
    pairs: Sequence[CropPair], lpips: LearnedPerceptualImagePatchSimilarity | None = None
) -> dict[str, Measured]:
    """Return `psnr`, `ssim-grey-release`, `ssim`, and `lpips` if a network for it is given: means over all pairs.

    A source of another size is resized to the generated crop's. PSNR of equal pictures is infinite; their mean is then None.

    Raises:
        InputError: a crop is too small for LPIPS.
    Source: InstSynth section 9.4 (SSIM in grey, source at the generated size, PSNR over all colours with peak 255); it names neither filter nor
    window, so bilinear, and the window of Wang et al. 2004.
    """
    import torch

    _check_some(pairs)
    rows: dict[str, list[float]] = {name: [] for name in _PIXEL_DEFINITIONS if name != "lpips" or lpips is not None}
    for pair in pairs:
        first, second = pair.generated_HW3, _resized(pair.source_HW3, *pair.generated_HW3.shape[:2])
        if lpips is not None and min(first.shape[:2]) < LPIPS_MIN_SIDE_PX:
            raise InputError(
                f"a crop is {first.shape[1]}x{first.shape[0]} pixels; LPIPS needs {LPIPS_MIN_SIDE_PX} a side, so leave it out"
            )
        one_13HW, other_13HW = (_unit(picture) for picture in (first, second))
        grey_13HW, other_grey_13HW = (_unit(_grey(picture)) for picture in (first, second))
        rows["psnr"].append(float(peak_signal_to_noise_ratio(one_13HW, other_13HW)))
        rows["ssim-grey-release"].append(float(structural_similarity(grey_13HW, other_grey_13HW)))
        rows["ssim"].append(float(structural_similarity(one_13HW, other_13HW)))
        if lpips is not None:
            with torch.inference_mode():
                rows["lpips"].append(float(lpips(one_13HW.float(), other_13HW.float())))
    return {name: _mean_of(values, _PIXEL_DEFINITIONS[name]) for name, values in rows.items()}


_PIXEL_DEFINITIONS = {
    "psnr": "PSNR in decibels over all pixels and colours, source resized to the crop, mean over crops",
    "ssim-grey-release": "SSIM of grey pictures, source resized to the crop, Gaussian window of 11, mean over crops",
    "ssim": "SSIM of each colour, source resized to the crop, Gaussian window of 11, mean over crops",
    "lpips": "LPIPS 0.1, source resized to the crop, mean over crops",
}


def _mean_of(values: list[float], definition: str) -> Measured:
    mean = float(np.mean(values))
    if np.isfinite(mean):
        return Measured(mean, definition, len(values))
    equal = int(np.isinf(values).sum())
    return Measured(None, f"{definition}; undefined, as {equal} of {len(values)} equal their source", len(values))


def _features(
    network: FeatureNetwork, numbers: Sequence[int], picture: Callable[[int], Picture]
) -> NDArray[np.float32]:
    """Return features [N, D] of numbered pictures, which are made one batch at a time."""
    rows = [network.features([picture(number) for number in batch]) for batch in _batches(numbers, _BATCH)]
    return np.concatenate(rows) if rows else np.zeros((0, network.num_features), np.float32)


def _frechet(
    generated_ND: NDArray[np.float32],
    reference_ND: NDArray[np.float32],
    network: FeatureNetwork,
    reference: str,
    allow_few: bool,
) -> Measured:
    """Compare two sets of features and say which sets these were."""
    fewest = min(len(generated_ND), len(reference_ND))
    if fewest < 2 or (fewest < network.num_features and not allow_few):
        raise InputError(
            f"{len(generated_ND):,} generated crops against {reference}: a Fréchet distance on {network.num_features:,} features needs as "
            "many pictures on both sides; give more, or allow few for a number that compares with none but sets of that size"
        )
    few = (
        ""
        if fewest >= network.num_features
        else f"; fewer pictures than the {network.num_features:,} features, so far too high"
    )
    one, other = fit_gaussian(generated_ND), fit_gaussian(reference_ND)
    assert one is not None
    assert other is not None
    words = f"Fréchet distance of {len(generated_ND):,} generated crops and {reference}, by {network.name}{few}"
    return Measured(frechet_distance(one, other), words, len(generated_ND))


def _batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    for start in range(0, len(items), size):
        yield [items[k] for k in range(start, min(start + size, len(items)))]


def _check_some(pairs: Sequence[CropPair]) -> None:
    if not len(pairs):
        raise InputError("there is no pair of a generated crop and its source; generate at least one")


def _squared(picture_HW3: Picture) -> Picture:
    """Resize to the release's square, whatever the proportions."""
    from PIL import Image

    side = (RELEASE_SIDE_PX, RELEASE_SIDE_PX)
    return np.asarray(Image.fromarray(picture_HW3).resize(side, Image.Resampling.BICUBIC))


def _resized(picture_HW3: Picture, height: int, width: int) -> Picture:
    import cv2

    if picture_HW3.shape[:2] == (height, width):
        return picture_HW3
    return np.asarray(cv2.resize(picture_HW3, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _grey(picture_HW3: Picture) -> Picture:
    """Return the luma of Rec. 601 as a picture of one colour, (H, W, 1)."""
    import cv2

    return np.asarray(cv2.cvtColor(picture_HW3, cv2.COLOR_RGB2GRAY), np.uint8)[..., None]


def _unit(picture_HWC: Picture) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.array(picture_HWC)).permute(2, 0, 1)[None].double() / 255
