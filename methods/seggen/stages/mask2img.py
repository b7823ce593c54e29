"""Stage ``seggen_mask2img``: train a ControlNet until a generator paints pictures onto masks (section 6)."""

from __future__ import annotations

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.train_semantic import training_record
from methods.seggen.mask2img.config import Mask2ImgTrainingConfig


def mask2img(inputs: Inputs, config: Mask2ImgTrainingConfig, context: Context) -> Record:
    """Write ``controlnet/``, a diffusers ``ControlNetModel``, and ``palette.json``, what the colours mean that it reads.

    Roles: ``data`` (for semantic segmentation, or panoptic), ``captions``, ``generator`` (a diffusers folder), and perhaps ``vae``, an
    autoencoder that takes the place of the generator's own.

    Returns:
        ``iterations``, ``num_images``, ``num_trained`` (numbers that are trained), ``losses`` (means over parts of the training), ``loss_first``,
        ``loss_last``.

    Raises:
        InputError: the generator is no Stable Diffusion, its autoencoder overflows in the precision, or pictures or captions cannot be used.
        NotFiniteError: the loss is not finite.
    """
    from methods.seggen.diffusion.batches import CaptionedMasks
    from methods.seggen.diffusion.coding_file import ColourCoding
    from methods.seggen.diffusion.denoising import load_generator
    from methods.seggen.diffusion.pictures import open_pictures, read_captions
    from methods.seggen.mask2img.training import train_mask2img

    pictures = open_pictures(inputs.folder("data"), config.split, config.panoptic, config.max_images)
    captions = read_captions(inputs.folder("captions"), pictures)
    coding = ColourCoding(
        palette=config.palette, class_names=pictures.class_names, panoptic=config.panoptic, edge_px=config.edge_px
    )
    drawn = CaptionedMasks(pictures, captions, coding.build(), config, context, config.edge_px)
    pipeline = load_generator(inputs.folder("generator"), inputs.folders("vae"), context.device, config.vae_precision)
    controlnet, losses = train_mask2img(pipeline, drawn, config, context)
    if context.team.is_first:
        controlnet.save_pretrained(context.out / "controlnet")
        coding.write(context.out)
    context.team.barrier()
    record = training_record(losses, len(pictures), config.num_losses)
    return record | {"num_trained": sum(one.numel() for one in controlnet.parameters())}


MASK2IMG = Stage(
    "seggen_mask2img",
    1,
    Mask2ImgTrainingConfig,
    mask2img,
    ("training",),
    uses_gpu=True,
    kind="train",
    runs_on_team=True,
)
