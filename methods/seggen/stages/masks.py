"""Stage ``seggen_masks``: draw masks from captions with Text2Mask (sections 2 and 5)."""

from __future__ import annotations

import json
import time
from typing import Any

from methods.common.stage import Context, Inputs, Record, Stage
from methods.seggen.sampling.config import SampleMasksConfig


def sample_masks(inputs: Inputs, config: SampleMasksConfig, context: Context) -> Record:
    """Draw ``variants`` masks for the caption of each image; this cell those of its share of the images.

    Writes ``masks.jsonl``, ``labels/<id>.png``, for the first images ``raw/<id>.png``, ``classes.json`` and ``palette.json``. An id is the image's
    name with ``_m`` and a number. Roles: ``data`` (names and sizes of the images), ``captions``, ``text2mask``, and perhaps ``vae``.

    Returns:
        ``num_masks``, ``num_steps``, ``denoiser_calls`` (images denoised, both halves of guidance); as means over masks ``near_share`` (pixels near a colour of the palette), ``small_share`` (of the regions
        before clean-up those that are too small), ``void_share`` and ``classes_per_mask``; ``masks_with_class`` by class name, ``cpu_seconds``.

    Raises:
        InputError: data, captions or generator cannot be used, or the classes are not those that the generator learnt.
    """
    from methods.common.files import write_atomic
    from methods.common.resumable_records import batches_done
    from methods.seggen.diffusion.coding_file import ColourCoding
    from methods.seggen.diffusion.pictures import open_pictures, read_captions
    from methods.seggen.sampling.draw_masks import MaskSampler
    from methods.seggen.sampling.mask_files import MaskFolder
    from methods.seggen.sampling.orders import Source, list_batches, list_orders
    from methods.seggen.sampling.pipelines import load_sampler

    trained = inputs.folder("text2mask")
    pictures = open_pictures(inputs.folder("data"), config.split, False, config.max_images)
    captions = read_captions(inputs.folder("captions"), pictures)
    coding = ColourCoding.read(trained)
    coding.check_classes(pictures.class_names, inputs.folder("data"))
    sources = [
        Source(pictures.name(index), pictures.name(index), caption, pictures.size(index), index)
        for index, caption in enumerate(captions)
    ]
    batches = list_batches(list_orders(sources, "m", config.variants, config, context.seeds), config.batch_size)
    coding.write(context.out)
    write_atomic(context.out / "classes.json", json.dumps(coding.class_names).encode())
    folder = MaskFolder(context.out)
    done = batches_done(context.checkpoints, folder.keep)
    sampler = None
    for number in range(len(done), len(batches)):
        if sampler is None:
            pipeline = load_sampler(trained / "generator", None, inputs.folders("vae"), config, context.device)
            sampler = MaskSampler(pipeline, coding, config)
        began = time.process_time()
        masks = sampler(batches[number])
        records = [mask.record for mask in masks]
        done.append({"checksums": folder.write(masks), "records": records, "cpu_s": time.process_time() - began})
        if context.checkpoint_due():
            context.checkpoints.save(len(done), done)
        context.progress(number + 1, len(batches), "batches")
    return _record(done, config)


def _record(done: list[dict[str, Any]], config: SampleMasksConfig) -> Record:
    """Sum up what was drawn."""
    records = [record for batch in done for record in batch["records"]]
    count, segments = max(1, len(records)), max(1, sum(record["num_segments"] for record in records))
    names = sorted({name for record in records for name in record["classes"]})
    return {
        "num_masks": len(records),
        "num_steps": config.num_steps,
        "denoiser_calls": len(records) * config.num_steps * config.denoisings_per_step,
        "near_share": sum(record["near_share"] for record in records) / count,
        "small_share": sum(record["num_small"] for record in records) / segments,
        "void_share": sum(record["void_share"] for record in records) / count,
        "classes_per_mask": sum(len(record["classes"]) for record in records) / count,
        "masks_with_class": {name: sum(name in record["classes"] for record in records) for name in names},
        "cpu_seconds": round(sum(batch["cpu_s"] for batch in done), 1),
    }


MASKS = Stage("seggen_masks", 1, SampleMasksConfig, sample_masks, ("generation",), uses_gpu=True, kind="generate")
