"""Stage ``instance_synthesis_sizes``: what each rung of the ladder of sizes costs an image (section 6.2)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import Field

from methods.common.stage import Context, Inputs, Record, Stage
from methods.instance_synthesis.sizes import LadderConfig, RungId

if TYPE_CHECKING:
    from torch import Tensor

    from methods.common.segmenters.backbones.cost import Cost


class SizesConfig(LadderConfig):
    """Which rungs, and at which size of an image."""

    rungs: tuple[RungId, ...] = get_args(RungId)
    """From the whole pipeline down."""
    image_px: tuple[int, int] = (512, 512)
    """Height and width of the image, multiples of the U-Net's coarsest cell."""
    rounds: int = Field(default=5, ge=1)
    """Passes whose median time counts."""


def measure_sizes(inputs: Inputs, config: SizesConfig, context: Context) -> Record:
    """Measure every rung with one image; costs do not depend on weights, so those of the smaller networks are random.

    Roles: ``backbone`` (a diffusers folder, of which the whole pipeline is measured).

    Returns:
        ``rungs``: a list of ``rung``, ``parameters``, ``weights_mib``, ``multiply_adds``, ``peak_mib`` and ``ms_per_image``, see
        :class:`methods.common.segmenters.backbones.cost.Cost`; ``image_px`` and ``device``.

    Raises:
        InputError: the folder holds no Stable Diffusion.
    """
    import torch

    from methods.common.segmenters.backbones.cost import cost_of
    from methods.common.segmenters.backbones.generative.extractor import Extractor

    generator = torch.Generator("cpu").manual_seed(0)
    image_13HW = (torch.rand(1, 3, *config.image_px, generator=generator) * 2 - 1).to(context.device)
    rows: list[dict[str, Any]] = []
    for number, rung in enumerate(config.rungs):
        if rung in ("full", "half"):
            cost = _cost_of_pipeline(inputs.folder("backbone"), config, rung, image_13HW, context)
        else:
            extractor = Extractor(config.backbone(rung).extractor).to(context.device)
            cost = cost_of([extractor], lambda: extractor(image_13HW), context.device, config.rounds)  # noqa: B023
        rows.append({"rung": rung, **asdict(cost)})
        context.progress(number + 1, len(config.rungs), "rungs")
    return {"rungs": rows, "image_px": list(config.image_px), "device": context.device.type}


def _cost_of_pipeline(folder: Path, config: SizesConfig, rung: RungId, image_13HW: Tensor, context: Context) -> Cost:
    """Measure the pipeline as it was loaded: text anew for each image, the whole U-Net, the decoder in memory."""
    import torch

    from methods.common.generators.text_to_image import load_text_to_image
    from methods.common.segmenters.backbones.cost import cost_of
    from methods.common.segmenters.backbones.generative.extractor import dtype_of

    extractor = config.backbone(rung).extractor
    dtype = dtype_of(extractor)
    pipeline = load_text_to_image(folder, context.device, dtype)
    if dtype is torch.float16:
        torch.nn.Module.to(pipeline.vae, torch.float32)

    def run() -> None:
        text_1TD = pipeline.encode_prompt(extractor.prompt, context.device, 1, False)[0]
        latent = pipeline.vae.encode(image_13HW.to(pipeline.vae.dtype)).latent_dist.mean
        latent = latent * pipeline.vae.config.scaling_factor
        pipeline.unet(latent.to(dtype), extractor.timestep, encoder_hidden_states=text_1TD)

    networks = (pipeline.unet, pipeline.vae, pipeline.text_encoder)
    return cost_of(networks, run, context.device, config.rounds)


SIZES = Stage("instance_synthesis_sizes", 1, SizesConfig, measure_sizes, uses_gpu=True, kind="evaluate")
