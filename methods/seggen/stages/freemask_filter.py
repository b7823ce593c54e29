"""Stage ``freemask_filter``: ignore the regions of generated images that do not show what their masks say (section 9, step 1)."""

from __future__ import annotations

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage

FILTERED = "freemask"
"""Name of the variant that the label maps are written as."""


class FilterConfig(Config):
    """Which pixels are noisy."""

    variant: str = "seggen"
    """Whose masks are filtered: a folder below ``masks`` of the pairs."""
    tolerance: float = Field(default=1.25, gt=0)
    """A pixel is ignored when its loss is above so many times the mean loss of its class. Section 9 [code]"""


def filter_noisy(inputs: Inputs, config: FilterConfig, context: Context) -> Record:
    """Write ``masks/freemask/<id>.png`` for every pair: its label map, noisy pixels 255.

    Roles: ``pairs`` (shards), ``model``, and ``class_losses`` (a cell of that stage, of the same segmenter).

    Returns:
        ``num_pairs``; ``ignored_share``, of the pixels with a class, over all and by class name (None where a class has no pixel).

    Raises:
        InputError: pairs or network are unreadable, or they and the class losses know other classes.
    """
    from methods.common.datasets.voc import encode_labels
    from methods.common.files import write_atomic
    from methods.common.generated.pair_reader import list_pairs
    from methods.seggen.freemask.losses import IgnoredPixels, without_noise
    from methods.seggen.freemask.segmenter import load_judge, losses_of_pixels, read_class_losses

    pairs, class_names = list_pairs(inputs.folders("pairs"))
    mean_K = read_class_losses(inputs.folder("class_losses"), class_names)
    model = load_judge(inputs.folder("model") / "model", class_names, context.device)
    ignored = IgnoredPixels(len(class_names))
    for number, pair in enumerate(pairs):
        label_HW = pair.read_labels(config.variant, len(class_names))
        kept_HW = without_noise(
            losses_of_pixels(model, pair.read_image(), label_HW), label_HW, mean_K, config.tolerance
        )
        ignored.add(label_HW, kept_HW)
        write_atomic(context.out / "masks" / FILTERED / f"{pair.id}.png", encode_labels(kept_HW))
        context.progress(number + 1, len(pairs), "pairs")
    return {"num_pairs": len(pairs), "ignored_share": ignored.shares(class_names)}


FILTER = Stage("freemask_filter", 1, FilterConfig, filter_noisy, uses_gpu=True, kind="filter")
