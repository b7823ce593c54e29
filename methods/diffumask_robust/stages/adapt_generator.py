"""Stage ``robust_adapt_generator``: adapt a generator to the pictures of a domain by LoRA (section 7)."""

from __future__ import annotations

from methods.common.errors import InputError
from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.train_semantic import mean_of_parts
from methods.diffumask_robust.adaptation.config import AdaptationConfig


def adapt_generator(inputs: Inputs, config: AdaptationConfig, context: Context) -> Record:
    """Train an adapter and write ``lora/``, which any diffusers pipeline of the generator's kind loads.

    Roles: ``generator`` (a diffusers folder), ``data`` (Cityscapes, or a data set for semantic segmentation; labels are read for tags only).

    Returns:
        ``rank``, ``iterations``, ``num_images``, ``num_trained`` (numbers that are trained), ``losses`` (means over parts of the training),
        ``loss_first``, ``loss_last``, and ``unet_sha256``.

    Raises:
        InputError: the generator has no U-Net of that kind, or pictures cannot be used.
        NotFiniteError: the loss is not finite.
    """
    import torch

    from methods.common.generators.text_to_image import load_text_to_image
    from methods.diffumask_robust.adaptation.adapter import AdapterRecord, save_adapter, unet_checksum
    from methods.diffumask_robust.adaptation.domain_images import open_pictures
    from methods.diffumask_robust.adaptation.training import train_adapter

    folder = inputs.folder("generator")
    pictures = open_pictures(inputs.folder("data"), config.split, config.texts == "tags")
    pipeline = load_text_to_image(folder, context.device, torch.get_default_dtype())
    if not all(hasattr(pipeline, part) for part in ("unet", "vae", "text_encoder", "tokenizer")):
        raise InputError(f"the generator in {folder} is no Stable Diffusion of version 1 or 2; use one that is")
    losses = train_adapter(pipeline, pictures, config, context)
    checksum = unet_checksum(folder)
    if context.team.is_first:
        save_adapter(pipeline.unet, context.out / "lora", AdapterRecord(config.rank, len(losses), checksum))
    context.team.barrier()
    means = mean_of_parts(losses, config.num_losses)
    return {
        "rank": config.rank,
        "iterations": len(losses),
        "num_images": min(len(pictures), config.num_images or len(pictures)),
        "num_trained": sum(one.numel() for one in pipeline.unet.parameters() if one.requires_grad),
        "losses": means,
        "loss_first": means[0],
        "loss_last": means[-1],
        "unet_sha256": checksum,
    }


ADAPT_GENERATOR = Stage(
    "robust_adapt_generator",
    1,
    AdaptationConfig,
    adapt_generator,
    ("data", "training"),
    uses_gpu=True,
    kind="train",
    runs_on_team=True,
)
