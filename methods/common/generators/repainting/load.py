"""From a config to a back end, the one place that knows all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from methods.common.generators.repainting.configs import (
    BlendedLatentConfig,
    CopyFromBankConfig,
    DiffusionConfig,
    GligenConfig,
    InpaintingConfig,
    NoiseConfig,
    RepaintConfig,
    SolidConfig,
)
from methods.common.generators.repainting.offline import CopyFromBank, Identity, Noise, Solid

if TYPE_CHECKING:
    import torch

    from methods.common.generators.repainting.interface import BackEnd
    from methods.common.generators.repainting.offline import Donor


def load_back_end(
    config: RepaintConfig, folder: Path | None, bank: Mapping[str, Sequence[Donor]], device: torch.device
) -> BackEnd:
    """Return the back end that a config names.

    Args:
        config: which, and how.
        folder: a diffusers folder, for those with networks.
        bank: donors by class name, for ``copy_from_bank``.
        device: where networks run.

    Raises:
        InputError: the folder is missing or faulty, or holds other networks than the back end needs.
    """
    if isinstance(config, DiffusionConfig):
        assert folder is not None, f"{config.kind} needs a generator"
        return _load_diffusion(config, folder, device)
    if isinstance(config, SolidConfig):
        return Solid(config.colour)
    if isinstance(config, NoiseConfig):
        return Noise()
    return CopyFromBank(dict(bank)) if isinstance(config, CopyFromBankConfig) else Identity()


def _load_diffusion(config: DiffusionConfig, folder: Path, device: torch.device) -> BackEnd:
    if isinstance(config, BlendedLatentConfig):
        from methods.common.generators.repainting.blended import BlendedLatent

        return BlendedLatent.load(folder, config, device)
    if isinstance(config, InpaintingConfig):
        from methods.common.generators.repainting.inpainting import Inpainting

        return Inpainting.load(folder, config, device)
    from methods.common.generators.repainting.gligen import Gligen

    assert isinstance(config, GligenConfig)
    return Gligen.load(folder, config, device)
