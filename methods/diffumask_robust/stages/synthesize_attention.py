"""Stage ``robust_synthesize``: sample pictures and take heat maps of their classes by every preset (section 4)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from methods.common.files import write_atomic
from methods.common.generated.pair_reader import CLASSES_FILE
from methods.common.stage import Context, Inputs, Record, Stage
from methods.diffumask_robust.heat_map_files import MAPS, PRESETS_FILE, encode_maps
from methods.diffumask_robust.stages.synthesis_config import SynthesizeAttentionConfig

if TYPE_CHECKING:
    from methods.common.generated.pair_writer import PairFolder
    from methods.diffumask_robust.attention_sampler import AttentionSampler
    from methods.diffumask_robust.prompts import AugmentedPrompt


def synthesize_attention(inputs: Inputs, config: SynthesizeAttentionConfig, context: Context) -> Record:
    """Sample a picture for each prompt; write it with its heat maps and its line in ``pairs.jsonl``.

    Roles: ``prompts`` (``prompts.jsonl`` and ``classes.json``), ``generator`` (a diffusers folder), perhaps ``lora`` (an adapter for it).
    The seed of a picture is derived from its prompt's id, never from order, batch or shard. A picture that is black throughout, as a safety
    checker leaves it, has no line.

    Raises:
        InputError: a prompt is faulty, its word is beyond the encoder's limit, or the network lacks what a preset reads.
    """
    from methods.common.generated.pair_writer import PairFolder
    from methods.diffumask_robust.prompt_files import PROMPTS_FILE, read_class_names, read_prompts

    folder = inputs.folder("prompts")
    class_names = read_class_names(folder / CLASSES_FILE)
    prompts = read_prompts(folder / PROMPTS_FILE, class_names)
    orders = [prompt for number, prompt in enumerate(prompts) if config.has(number)]
    write_atomic(context.out / CLASSES_FILE, json.dumps(class_names).encode())
    presets = {name: preset.model_dump(mode="json") for name, preset in config.presets.items()}
    write_atomic(context.out / PRESETS_FILE, json.dumps(presets, indent=1).encode())
    pairs = PairFolder(context.out, config.image_format, tuple(config.presets), MAPS, encode_maps)
    found = context.checkpoints.load()
    tally: dict[str, Any] = {"checksums": [], "calls": []} if found is None else found[1]
    whole = pairs.keep(tally["checksums"])
    if whole < len(tally["checksums"]):
        context.checkpoints.clear()
        tally = {key: values[:whole] for key, values in tally.items()}
    start = whole * config.batch_size
    sample = _sampler(inputs, config, context, class_names) if start < len(orders) else None
    for first in range(start, len(orders), config.batch_size):
        assert sample is not None
        _add_batch(orders[first : first + config.batch_size], sample, pairs, tally)
        if context.checkpoint_due():
            context.checkpoints.save(len(tally["calls"]), tally)
        context.progress(min(first + config.batch_size, len(orders)), len(orders), "images")
    num_images = sum(map(len, tally["checksums"]))
    return {
        "num_images": num_images,
        "num_blanked": len(orders) - num_images,
        "denoiser_calls": sum(tally["calls"]),
        "presets": list(config.presets),
    }


def _sampler(
    inputs: Inputs, config: SynthesizeAttentionConfig, context: Context, class_names: Sequence[str]
) -> AttentionSampler:
    from methods.diffumask_robust.attention_sampler import AttentionSampler

    adapter = None if config.lora_rank is None else inputs.folder("lora") / "lora"
    return AttentionSampler(inputs.folder("generator"), config, context.device, context.seeds, class_names, adapter)


def _add_batch(
    batch: Sequence[AugmentedPrompt], sample: AttentionSampler, pairs: PairFolder, tally: dict[str, Any]
) -> None:
    """Make and write one batch; the tally has an entry a batch in each list."""
    tally["checksums"].append(pairs.write(sample(batch)))
    tally["calls"].append(sample.denoiser_images)


SYNTHESIZE_ATTENTION: Stage[SynthesizeAttentionConfig] = Stage(
    "robust_synthesize",
    1,
    SynthesizeAttentionConfig,
    synthesize_attention,
    ("generation",),
    uses_gpu=True,
    kind="generate",
)
