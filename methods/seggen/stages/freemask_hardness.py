"""Stage ``freemask_hardness``: of the images of each mask, keep the more the harder the mask is (section 9, step 2)."""

from __future__ import annotations

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage

HARDNESS_FILE = "hardness.csv"


class HardnessConfig(Config):
    """What a mask's hardness is taken of."""

    variant: str = "seggen"
    """Whose masks: a folder below ``masks`` of the pairs, before any filter."""
    size_px: int = Field(default=512, ge=8)
    """Masks are resized to this square by nearest neighbour. Section 9 [code]"""


def select_by_hardness(inputs: Inputs, config: HardnessConfig, context: Context) -> Record:
    """Write ``selected.txt``, the ids of the pairs that are kept, and ``hardness.csv``, a row a mask from easy to hard.

    Pairs with the same label map are images of one mask, whichever generator made them. Roles: ``pairs`` (shards) and ``class_losses``.

    Returns:
        ``num_masks``, ``num_pairs``, ``num_kept``, and ``kept_per_mask``, the mean.

    Raises:
        InputError: pairs are unreadable, or the class losses know other classes.
    """
    import csv
    import io

    from methods.common.files import write_atomic
    from methods.common.generated.pair_reader import SELECTED_FILE, list_pairs
    from methods.seggen.freemask.hardness import groups_by_mask, keep_by_hardness
    from methods.seggen.freemask.segmenter import read_class_losses

    pairs, class_names = list_pairs(inputs.folders("pairs"))
    mean_K = read_class_losses(inputs.folder("class_losses"), class_names)
    masks = groups_by_mask(pairs, config.variant, mean_K, config.size_px)
    kept = keep_by_hardness(masks, context.seeds)
    selected = {name for one in kept for name in one.kept}
    lines = [pair.id for pair in pairs if pair.id in selected]
    write_atomic(context.out / SELECTED_FILE, "".join(f"{line}\n" for line in lines).encode())
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("first_pair", "hardness", "images", "kept"))
    for one in kept:
        writer.writerow((one.mask.pairs[0], repr(one.mask.hardness), len(one.mask.pairs), len(one.kept)))
    write_atomic(context.out / HARDNESS_FILE, table.getvalue().encode())
    return {
        "num_masks": len(masks),
        "num_pairs": len(pairs),
        "num_kept": len(lines),
        "kept_per_mask": len(lines) / len(masks),
    }


HARDNESS = Stage("freemask_hardness", 1, HardnessConfig, select_by_hardness, ("generation",), kind="filter")
