"""Stage ``seggen_mask_quality``: hold drawn masks against human ones (section 11)."""

from __future__ import annotations

from methods.common.stage import Config, Context, Inputs, Record, Stage


class MaskQualityConfig(Config):
    """Which human masks."""

    split: str = "training"
    """Those that Text2Mask learnt from."""


def measure_masks(inputs: Inputs, config: MaskQualityConfig, context: Context) -> Record:
    """Compare drawn masks with human ones: the classes that they show, and whether they are copies. Roles: ``masks`` (shards), ``data``.

    Returns:
        ``num_masks``; ``valid_px`` and ``small_segments``, percent, over all masks, as they were before clean-up; ``void_px``, percent;
        ``class_shift``, the percentage of pixels that have another class than in human masks, wherever they lie; ``together_shift``, the mean
        difference of how often two classes are shown together, percentage points; ``nearest``, percent of a mask that its nearest human mask
        shows too, and ``nearest_of_human``, the same among human masks, without which the former says nothing.

    Raises:
        InputError: masks or data are unreadable, or know other classes.
    """
    import numpy as np

    from methods.common.errors import InputError
    from methods.common.resumable_records import read_lines
    from methods.seggen import mask_likeness as likeness
    from methods.seggen.diffusion.coding_file import ColourCoding
    from methods.seggen.diffusion.pictures import open_pictures
    from methods.seggen.sampling.mask_files import MASKS_FILE, list_masks

    shards = inputs.folders("masks")
    pictures = open_pictures(inputs.folder("data"), config.split, False)
    classes = len(pictures.class_names)
    for shard in shards:
        ColourCoding.read(shard).check_classes(pictures.class_names, inputs.folder("data"))
    drawn = [mask.read_labels(classes) for mask in list_masks(shards)]
    if not drawn:
        raise InputError(f"{shards[0]} holds no mask; draw some")
    human = [pictures.read(index)[1].label_HW for index in range(len(pictures))]
    records = [record for shard in shards for record in read_lines(shard / MASKS_FILE)]
    segments = sum(record["num_segments"] for record in records)
    together = [likeness.co_occurrence(labels, classes) for labels in (drawn, human)]
    return {
        "num_masks": len(drawn),
        "valid_px": 100 * float(np.mean([record["near_share"] for record in records])),
        "small_segments": 100 * sum(record["num_small"] for record in records) / max(1, segments),
        "void_px": 100 * float(np.mean([(label_HW == 255).mean() for label_HW in drawn])),
        "class_shift": 100
        * likeness.total_variation(*(likeness.class_shares(labels, classes) for labels in (drawn, human))),
        "together_shift": 100 * float(np.abs(together[0] - together[1]).mean()),
        "nearest": 100 * float(likeness.nearest_agreement(drawn, human).mean()),
        "nearest_of_human": 100 * float(likeness.nearest_agreement(human, human, leave_out_own=True).mean()),
    }


MASK_QUALITY = Stage("seggen_mask_quality", 1, MaskQualityConfig, measure_masks, kind="evaluate")
