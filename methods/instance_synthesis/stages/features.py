"""Stage ``instance_synthesis_features``: what a frozen generator sees in every image, on disk, so that trainings need not look again (section 4)."""

from __future__ import annotations

import time

from pydantic import Field

from methods.common.segmenters.backbones.generative.config import ExtractorConfig, Stored
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.instance_synthesis.training_set_config import FramesSource


class FeaturesConfig(Config):
    """Which images, in which views, through which generator."""

    extractor: ExtractorConfig
    """Time step, taps, precision and all else that features depend on."""
    source: FramesSource = FramesSource()
    """The images, for training or for evaluation."""
    short_sides_px: tuple[int, ...] = ()
    """Images are resized to each of these short sides, as trainings that draw among them do; empty: as they are."""
    max_long_side_px: int = Field(default=2048, ge=16)
    """... unless the longer side would pass this."""
    mirrored: bool = True
    """Whether also every mirrored image, for trainings that mirror."""
    pad_multiple: int = Field(default=32, ge=1)
    """The segmenter's; images are padded as it does."""
    batch_size: int = Field(default=8, ge=1)
    """Images of one size that go through the network together, and into one file."""
    stored: Stored = "float32"
    """Precision on disk; float16 halves the files and rounds."""


def extract_features(inputs: Inputs, config: FeaturesConfig, context: Context) -> Record:
    """Write the features of every view of every image, as :mod:`methods.common.segmenters.backbones.generative.cache` reads them.

    Roles: those of the source, ``backbone`` (a diffusers folder, or one that an extractor was saved to).

    Returns:
        ``num_images``, ``num_views``, ``mib`` on disk, ``weights_sha256``, ``cpu_seconds`` of reading, passes and writing.

    Raises:
        InputError: data or generator do not fit.
    """
    import torch

    from methods.common.opencv import one_opencv_thread
    from methods.common.resumable_records import batches_done
    from methods.common.segmenters.backbones.generative.cache import FeatureWriter, image_key
    from methods.common.segmenters.backbones.generative.loading import load_extractor
    from methods.common.segmenters.image_batches import batches_of_one_size
    from methods.instance_synthesis.views import unit_batch, views_of

    extractor = load_extractor(config.extractor, inputs.folder("backbone")).to(context.device)
    dataset = config.source.open(inputs, context.seeds)
    views = views_of(dataset.images, config.short_sides_px, config.max_long_side_px, config.mirrored)
    batches = list(batches_of_one_size(views, lambda view: view.size, config.batch_size))
    writer = FeatureWriter(context.out, extractor, config.stored)
    done = batches_done(context.checkpoints, writer.keep)
    for number in range(len(done), len(batches)):
        began = time.process_time()
        with one_opencv_thread(), torch.no_grad():
            image_N3HW = unit_batch([view.read(dataset) for view in batches[number]], config.pad_multiple)
            maps = extractor(image_N3HW.to(context.device))
        checksums = writer.write(number, [image_key(image) for image in image_N3HW], maps)
        done.append({"checksums": checksums, "cpu_s": time.process_time() - began})
        if context.checkpoint_due():
            context.checkpoints.save(len(done), done)
        context.progress(number + 1, len(batches), "batches")
    return {
        "num_images": len(dataset.images),
        "num_views": sum(len(batch) for batch in batches),
        "mib": round(sum(path.stat().st_size for path in context.out.glob("features-*.safetensors")) / 2**20, 2),
        "weights_sha256": extractor.weights_sha256(),
        "cpu_seconds": round(sum(batch["cpu_s"] for batch in done), 1),
    }


FEATURES = Stage(
    "instance_synthesis_features", 1, FeaturesConfig, extract_features, ("data",), uses_gpu=True, kind="prepare"
)
