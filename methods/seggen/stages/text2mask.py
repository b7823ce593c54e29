"""Stage ``seggen_text2mask``: fine-tune a text-to-image generator until it draws masks in colours (section 5)."""

from __future__ import annotations

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.train_semantic import training_record
from methods.seggen.text2mask.config import Text2MaskTrainingConfig


def text2mask(inputs: Inputs, config: Text2MaskTrainingConfig, context: Context) -> Record:
    """Write ``generator/``, a diffusers folder, and ``palette.json``, what its colours mean.

    Roles: ``data`` (for semantic segmentation), ``captions``, ``generator`` (a diffusers folder), and perhaps ``vae``, an autoencoder that takes
    the place of the generator's own.

    Returns:
        ``iterations``, ``num_images``, ``num_trained`` (numbers that are trained), ``losses`` (means over parts of the training), ``loss_first``,
        ``loss_last``.

    Raises:
        InputError: the generator is no Stable Diffusion, its autoencoder overflows in the precision, or pictures or captions cannot be used.
        NotFiniteError: the loss is not finite.
    """
    from methods.seggen.diffusion.batches import CaptionedMasks
    from methods.seggen.diffusion.coding_file import ColourCoding
    from methods.seggen.diffusion.denoising import forget_calls, load_generator
    from methods.seggen.diffusion.pictures import open_pictures, read_captions
    from methods.seggen.text2mask.training import train_text2mask

    pictures = open_pictures(inputs.folder("data"), config.split, False, config.max_images)
    captions = read_captions(inputs.folder("captions"), pictures)
    coding = ColourCoding(palette=config.palette, class_names=pictures.class_names)
    drawn = CaptionedMasks(pictures, captions, coding.build(), config, context)
    pipeline = load_generator(inputs.folder("generator"), inputs.folders("vae"), context.device, config.vae_precision)
    losses, num_trained = train_text2mask(pipeline, drawn, config, context)
    if context.team.is_first:
        forget_calls(pipeline)
        pipeline.save_pretrained(context.out / "generator")
        coding.write(context.out)
    context.team.barrier()
    record = training_record(losses, len(pictures), config.num_losses)
    return record | {"num_trained": num_trained}


TEXT2MASK = Stage(
    "seggen_text2mask",
    1,
    Text2MaskTrainingConfig,
    text2mask,
    ("training",),
    uses_gpu=True,
    kind="train",
    runs_on_team=True,
)
