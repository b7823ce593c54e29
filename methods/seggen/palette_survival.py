"""What becomes of a mask's colours in an autoencoder: which pixels decode to another class after the way to latents and back.

Shape legend: N pictures; H, W pixels; K classes; C channels; 3 RGB channels.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError, reason
from methods.seggen.clean_up import clean_up, smallest_region_px
from methods.seggen.colour_coding import decode, encode
from methods.seggen.palettes import Palette

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16", "float16"]

_KNOWN = ("AutoencoderKL", "AutoencoderTiny", "AsymmetricAutoencoderKL", "VQModel")
_CELL_PX = 32
"""Distance between the centres of regions; four cells of SDXL's latents."""


@dataclass(frozen=True)
class Survival:
    """Pixels by class, counted over all pictures."""

    pixels_K: NDArray[np.int64]
    wrong_K: NDArray[np.int64]
    """Of these, what decodes to another class or to void."""
    wrong_cleaned_K: NDArray[np.int64]
    """The same after small regions went to their surroundings."""
    mean_distance: float
    """From a pixel to its nearest colour, RGB units."""
    mean_margin: float
    """How much farther the second-nearest colour is, RGB units."""

    @property
    def wrong_share(self) -> float:
        """Share of all pixels that decode wrongly."""
        return float(self.wrong_K.sum() / self.pixels_K.sum())

    @property
    def wrong_cleaned_share(self) -> float:
        """Share of all pixels that are wrong after small regions went to their surroundings."""
        return float(self.wrong_cleaned_K.sum() / self.pixels_K.sum())

    def shares_by_class(self) -> list[float]:
        """Share of wrong pixels by class, before any clean-up; classes without a pixel have 0."""
        return [float(share) for share in self.wrong_K / np.maximum(self.pixels_K, 1)]


def mosaics(num_classes: int, num_pictures: int, side_px: int, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Draw maps of regions without order, in which classes take turns, so that all of them occur about equally often.

    Args:
        num_classes: K.
        num_pictures: N.
        side_px: of a square map.
        rng: places of the regions and the turns.

    Returns:
        N maps, uint8 [H, W].
    """
    from scipy.spatial import cKDTree

    pixel_HW2 = np.moveaxis(np.mgrid[:side_px, :side_px], 0, -1)
    cells = max(2, round(side_px / _CELL_PX))
    found: list[NDArray[np.uint8]] = []
    turns: list[int] = []
    for _ in range(num_pictures):
        while len(turns) < cells**2:
            turns += rng.permutation(num_classes).tolist()
        centres = (
            (np.stack(np.divmod(np.arange(cells**2), cells), -1) + rng.uniform(size=(cells**2, 2))) * side_px / cells
        )
        _, nearest_HW = cKDTree(centres).query(pixel_HW2)
        found.append(np.array(turns[: cells**2], np.uint8)[nearest_HW])
        turns = turns[cells**2 :]
    return found


def measure_survival(vae: Any, palette: Palette, maps: list[NDArray[np.uint8]]) -> Survival:
    """Send maps in a palette's colours through an autoencoder, and decode what comes back.

    Args:
        vae: from :func:`load_autoencoder`.
        palette: colours of the maps' classes.
        maps: label maps.

    Raises:
        InputError: what comes back is not finite, or has another size.
    """
    counts_3K = np.zeros((3, palette.num_classes), np.int64)
    distances, margins = [], []
    for label_HW in maps:
        decoded = decode(_through(vae, encode(label_HW, palette)), palette)
        cleaned_HW = clean_up(decoded.label_HW, smallest_region_px(*label_HW.shape))
        distances.append(float(decoded.nearest_HW.mean()))
        margins.append(float((decoded.second_HW - decoded.nearest_HW).mean()))
        for row, chosen in enumerate((label_HW == label_HW, decoded.label_HW != label_HW, cleaned_HW != label_HW)):
            counts_3K[row] += np.bincount(label_HW[chosen], minlength=palette.num_classes)
    return Survival(counts_3K[0], counts_3K[1], counts_3K[2], float(np.mean(distances)), float(np.mean(margins)))


def overflows(vae: Any, palette: Palette, label_HW: NDArray[np.uint8], precision: Precision) -> bool:
    """Tell whether an autoencoder returns numbers that are not finite in a precision; it stays as it is, a copy is tried."""
    import torch

    tried = torch.nn.Module.to(
        copy.deepcopy(vae), getattr(torch, precision)
    )  # diffusers' own `to` warns of each change
    try:
        _through(tried, encode(label_HW, palette))
    except NotFinitePictureError:
        return True
    return False


class NotFinitePictureError(InputError):
    """An autoencoder returned infinite numbers, or none."""


def _through(vae: Any, image_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Encode and decode one picture; latents are the mean of what the encoder returns."""
    import torch

    weight = next(vae.parameters())
    image_1CHW = torch.from_numpy(image_HW3).permute(2, 0, 1)[None].to(weight.device, torch.float32) / 127.5 - 1
    with torch.no_grad():
        encoded = vae.encode(image_1CHW.to(weight.dtype))
        latent_1CHW = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents
        back_1CHW = vae.decode(latent_1CHW).sample.float()
    if not bool(torch.isfinite(back_1CHW).all()):
        raise NotFinitePictureError(
            f"the autoencoder overflows in {str(weight.dtype).removeprefix('torch.')}: what it returns is not finite; use float32 or "
            "bfloat16, or an autoencoder that is made for half precision"
        )
    if back_1CHW.shape != image_1CHW.shape:
        height, width = image_HW3.shape[:2]
        raise InputError(
            f"the autoencoder returns {back_1CHW.shape[3]}x{back_1CHW.shape[2]} pixels for {width}x{height}; give a size that is a multiple of "
            "what it shrinks pictures by, such as 64"
        )
    back_HW3 = ((back_1CHW[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(back_HW3.cpu().numpy())


def load_autoencoder(folder: Path, device: torch.device) -> Any:
    """Load the autoencoder of a diffusers folder, or a folder that is one, in float32.

    Raises:
        InputError: there is none for pictures, or it is not whole.
    """
    import diffusers
    import torch

    from methods.common.whole_weights import load_whole

    place = next((folder / name for name in ("vae", "vqvae", ".") if (folder / name / "config.json").is_file()), None)
    if place is None:
        raise InputError(
            f"{folder} holds no autoencoder: there is no vae/config.json; name a folder of a diffusers model, or of its autoencoder"
        )
    try:
        kind = json.loads((place / "config.json").read_bytes()).get("_class_name")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{place / 'config.json'} cannot be read ({reason(error)}); copy the folder again") from error
    if kind not in _KNOWN:
        raise InputError(
            f"{place} holds {kind or 'no network of diffusers'}, which is no autoencoder known here: {', '.join(_KNOWN)}"
        )
    vae = load_whole(
        getattr(diffusers, kind),
        place,
        kind,
        "copy or download the folder again",
        local_files_only=True,
        torch_dtype=torch.float32,
    )
    return vae.to(device).eval().requires_grad_(False)
