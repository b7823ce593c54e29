"""Stage ``sam_filter_synthesize``: sample pictures and take the masks of every variant from one capture of their attention."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from methods.common.errors import InputError, reason
from methods.common.files import write_atomic
from methods.common.generators.class_prompts import names_in_class_prompt
from methods.common.resumable_records import read_lines
from methods.common.seeds import Seeds
from methods.common.stage import Context, Inputs, Record, Stage
from methods.sam_filter.stages.synthesis_config import Order, SynthesizeConfig

if TYPE_CHECKING:
    from methods.common.generated.pair_writer import PairFolder
    from methods.sam_filter.stages.sampler import Sampler

_MAX_LABEL = 254


def list_orders(
    records: Sequence[dict[str, Any]], class_names: Sequence[str], config: SynthesizeConfig, seeds: Seeds, where: str
) -> list[Order]:
    """Check every prompt and list this cell's pictures.

    Args:
        records: of ``prompts.jsonl``.
        class_names: by label, background first.
        config: says which part.
        seeds: the seed of a picture is derived from its id, never from order, batch or shard.
        where: name of the file, for messages.

    Raises:
        InputError: a record lacks a text or an id that can be a file name, repeats an id, or names no known class.
    """
    orders, seen = [], set()
    for number, record in enumerate(records):
        place = f"{where}, line {number + 1}"
        for key in ("id", "caption", "class_prompt"):
            if not isinstance(record.get(key), str) or not record[key].strip():
                raise InputError(f"{place}: {key!r} is missing or no text; write one")
        name = record["id"]
        if name in seen or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise InputError(
                f"{place}: the id {name!r} occurs twice or cannot be a file name; give each prompt its own"
            )
        seen.add(name)
        names = names_in_class_prompt(record["class_prompt"], class_names[1:], place)
        if config.has(number):
            kept = {key: record[key] for key in ("id", "caption", "class_prompt")}
            kept["classes"] = list(dict.fromkeys(names))
            orders.append(Order(kept, names, seeds.derive("generation", "picture", name)))
    return orders


def synthesize(inputs: Inputs, config: SynthesizeConfig, context: Context) -> Record:
    """Sample a picture for each prompt; write it with its masks and its line in ``pairs.jsonl``.

    Roles: ``prompts`` (``prompts.jsonl`` and ``classes.json``), ``generator`` (a diffusers folder). A picture that is black throughout, as
    a safety checker leaves it, has no line and no mask.

    Raises:
        InputError: a prompt is faulty or too long, or the network lacks a resolution that is asked for.
    """
    from methods.common.generated.pair_writer import PairFolder
    from methods.sam_filter.stages.sampler import Sampler

    class_names = _read_classes(inputs)
    path = inputs.folder("prompts") / "prompts.jsonl"
    orders = list_orders(read_lines(path), class_names, config, context.seeds, str(path))
    write_atomic(context.out / "classes.json", json.dumps(class_names).encode())
    folder = PairFolder(context.out, config.image_format, config.variants())
    found = context.checkpoints.load()
    tally: dict[str, Any] = _empty_tally() if found is None else found[1]
    whole = folder.keep(tally["checksums"])
    if whole < len(tally["checksums"]):
        context.checkpoints.clear()
        tally = {key: values[:whole] for key, values in tally.items()}
    start = whole * config.batch_size
    sample = Sampler(inputs.folder("generator"), config, context.device, class_names) if start < len(orders) else None
    for first in range(start, len(orders), config.batch_size):
        assert sample is not None
        batch = orders[first : first + config.batch_size]
        _add_batch(batch, sample, folder, tally)
        if context.checkpoint_due():
            context.checkpoints.save(len(tally["calls"]), tally)
        context.progress(first + len(batch), len(orders), "images")
    return _record(tally, len(orders), config)


def _empty_tally() -> dict[str, Any]:
    """One entry for each finished batch in each list."""
    return {"checksums": [], "calls": [], "constant": [], "cut": [], "cpu_s": []}


def _add_batch(batch: Sequence[Order], sample: Sampler, folder: PairFolder, tally: dict[str, Any]) -> None:
    """Make and write one batch."""
    began = time.process_time()
    pairs = sample(batch)
    tally["checksums"].append(folder.write(pairs))
    tally["calls"].append(sample.denoiser_images)
    tally["constant"].append(sum(len(names) for pair in pairs for names in pair.record["constant_maps"].values()))
    tally["cut"].append(sum(sample.is_cut(order) for order in batch))
    tally["cpu_s"].append(time.process_time() - began)


def _record(tally: dict[str, Any], num_orders: int, config: SynthesizeConfig) -> Record:
    num_images = sum(len(batch) for batch in tally["checksums"])
    return {
        "num_images": num_images,
        "num_blanked": num_orders - num_images,
        "denoiser_calls": sum(tally["calls"]),
        "constant_maps": sum(tally["constant"]),
        "num_cut_prompts": sum(tally["cut"]),
        "cpu_seconds": round(sum(tally["cpu_s"]), 1),
        "variants": list(config.variants()),
    }


def _read_classes(inputs: Inputs) -> list[str]:
    path = inputs.folder("prompts") / "classes.json"
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}); write a JSON list of class names, background first"
        ) from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InputError(f"{path} is no list of different names; write a JSON list of class names, background first")
    if not 2 <= len(names) <= _MAX_LABEL + 1:
        raise InputError(f"{path} has {len(names)} names; masks hold background and 1 to {_MAX_LABEL} classes")
    return names


SYNTHESIZE = Stage(
    "sam_filter_synthesize", 1, SynthesizeConfig, synthesize, ("generation",), uses_gpu=True, kind="generate"
)
