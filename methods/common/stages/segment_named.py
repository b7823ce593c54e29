"""Ask a prompter for every class that a generated picture's prompt names; papers make a stage of it."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from methods.common.prompters.configs import GroundingDinoSamConfig, PrompterConfig
from methods.common.prompters.written_names import Naming, written_name
from methods.common.stage import Config, Context, Inputs, Record

if TYPE_CHECKING:
    from methods.common.generated.pair_reader import ListedPair
    from methods.common.prompters.interface import NamedSegmenter


class SegmentNamedConfig(Config):
    """Who segments, and how classes are written for it."""

    prompter: PrompterConfig = GroundingDinoSamConfig()
    """SAM filter section 4.2: T1 by default. [? SAM filter D1]"""
    naming: Naming = "natural"
    """Which written names the prompter reads. SAM filter section 4.2 [? SAM filter D4]."""


def segment_named(inputs: Inputs, config: SegmentNamedConfig, context: Context) -> Record:
    """Write ``named_masks.jsonl``: the mask of each named class of each picture, in the order of the pairs.

    Roles: ``pairs`` (one cell of generated pairs), and the prompter's weights (``ROLES`` of ``prompters.configs``).

    Raises:
        InputError: a file of the pairs or the weights is missing or faulty.
    """
    from methods.common.prompters.load import load_prompter

    return segment_with(load_prompter(config.prompter, inputs.folder, context.device), inputs, config, context)


def segment_with(prompter: NamedSegmenter, inputs: Inputs, config: SegmentNamedConfig, context: Context) -> Record:
    """Do the stage's work with any prompter."""
    from methods.common.generated.pair_reader import NAMED_FILE, list_pairs
    from methods.common.resumable_records import append_lines, keep_lines

    pairs, _ = list_pairs([inputs.folder("pairs")])
    path = context.out / NAMED_FILE
    found = context.checkpoints.load()
    done = keep_lines(path, 0 if found is None else found[0])
    fitting = list(takewhile(lambda both: both[0].get("id") == both[1].id, zip(done, pairs, strict=False)))
    done = keep_lines(path, len(fitting))
    waiting = []
    for number in range(len(done), len(pairs)):
        waiting.append(_segment(prompter, pairs[number], config))
        if context.checkpoint_due() or number + 1 == len(pairs):
            append_lines(path, waiting)
            done, waiting = [*done, *waiting], []
            context.checkpoints.save(number + 1, {})
        context.progress(number + 1, len(pairs), "images")
    return _count(done)


def _segment(prompter: NamedSegmenter, pair: ListedPair, config: SegmentNamedConfig) -> dict[str, Any]:
    from methods.common.datasets.rle import encode_mask

    written = {written_name(name, config.naming): name for name in pair.classes}
    assert len(written) == len(pair.classes), f"two of {pair.classes} are written alike"
    masks = prompter.segment(pair.read_image(), list(written)) if written else {}
    return {"id": pair.id, "masks": {name: encode_mask(masks[text]) for text, name in written.items()}}


def _count(records: list[dict[str, Any]]) -> Record:
    from methods.common.datasets.rle import sum_runs

    areas = [sum_runs([rle["counts"] for rle in record["masks"].values()]).area for record in records]
    num_asked, num_found = sum(len(area) for area in areas), int(sum((area > 0).sum() for area in areas))
    return {
        "num_images": len(records),
        "num_named": num_asked,
        "found_share": num_found / num_asked if num_asked else None,
        "num_without_mask": sum(1 for area in areas if not area.any()),
    }
