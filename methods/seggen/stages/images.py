"""Stage ``seggen_images``: paint pictures onto masks with Mask2Img; each is a training pair with its mask (sections 2 and 6)."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from methods.common.stage import Context, Inputs, Record, Stage
from methods.seggen.sampling.config import PaintImagesConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def paint_images(inputs: Inputs, config: PaintImagesConfig, context: Context) -> Record:
    """Paint ``variants`` pictures onto each mask; this cell those of its share of the masks.

    Writes pairs (``pairs.jsonl``, ``images``, ``masks/seggen``, ``classes.json``); an id is the mask's name with ``_i`` and a number, and lines
    also say ``of`` (the real image) and ``strategy``. Panoptic masks are ids as RGB, and lines have ``segments_info``.

    Roles: ``data``, ``captions``, ``generator``, ``controlnet`` (a cell of Mask2Img), ``masks`` (every shard of drawn ones, for MaskSyn; without it
    the masks of the data are painted onto, ImgSyn), and perhaps ``vae``.

    Returns:
        ``num_images``, ``num_steps``, ``strategy``, ``denoiser_calls`` (images denoised, both halves of guidance), and ``cpu_seconds``.

    Raises:
        InputError: data, captions, masks or networks cannot be used, or do not fit each other.
    """
    from methods.common.datasets.voc import encode_labels
    from methods.common.files import write_atomic
    from methods.common.generated.pair_writer import PairFolder
    from methods.common.resumable_records import batches_done
    from methods.seggen.diffusion.coding_file import ColourCoding
    from methods.seggen.diffusion.pictures import PanopticPictures, open_pictures, read_captions
    from methods.seggen.sampling.mask_files import list_masks
    from methods.seggen.sampling.orders import list_batches, list_orders
    from methods.seggen.sampling.paint_images import VARIANT, Painter, open_painting
    from methods.seggen.sampling.pipelines import load_sampler

    coding, data = ColourCoding.read(inputs.folder("controlnet")), inputs.folder("data")
    pictures = open_pictures(data, config.split, coding.panoptic, config.max_images)
    coding.check_classes(pictures.class_names, data)
    captions = read_captions(inputs.folder("captions"), pictures)
    raw = config.condition == "raw"
    for shard in inputs.folders("masks"):
        drawn_in = ColourCoding.read(shard)
        drawn_in.check_classes(coding.class_names, inputs.folder("controlnet"))
        if raw:
            coding.check_same_colours(drawn_in)
    painting = open_painting(pictures, captions, list_masks(inputs.folders("masks")), coding, raw, data)
    orders = list_orders(painting.sources(), "i", config.variants, config, context.seeds)
    batches = list_batches(orders, config.batch_size)
    write_atomic(context.out / "classes.json", json.dumps(coding.class_names).encode())
    encode = _encode_ids if coding.panoptic else encode_labels
    folder = PairFolder(context.out, config.image_format, (VARIANT,), encode=encode)
    done = batches_done(context.checkpoints, folder.keep)
    painter = None
    for number in range(len(done), len(batches)):
        if painter is None:
            pipeline = load_sampler(
                inputs.folder("generator"),
                inputs.folder("controlnet") / "controlnet",
                inputs.folders("vae"),
                config,
                context.device,
            )
            category_id = pictures.category_id if isinstance(pictures, PanopticPictures) else None
            painter = Painter(pipeline, coding, painting, config, category_id)
        began = time.process_time()
        done.append({"checksums": folder.write(painter(batches[number])), "cpu_s": time.process_time() - began})
        if context.checkpoint_due():
            context.checkpoints.save(len(done), done)
        context.progress(number + 1, len(batches), "batches")
    return {
        "num_images": len(orders),
        "num_steps": config.num_steps,
        "strategy": painting.strategy,
        "denoiser_calls": len(orders) * config.num_steps * config.denoisings_per_step,
        "cpu_seconds": round(sum(batch["cpu_s"] for batch in done), 1),
    }


def _encode_ids(segment_HW: NDArray[np.int32]) -> bytes:
    """Draw ids of segments as COCO's panoptic files do: R + 256 G + 65536 B."""
    import io

    import numpy as np
    from PIL import Image

    channels = [segment_HW & 255, segment_HW >> 8 & 255, segment_HW >> 16 & 255]
    buffer = io.BytesIO()
    Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


IMAGES = Stage("seggen_images", 1, PaintImagesConfig, paint_images, ("generation",), uses_gpu=True, kind="generate")
