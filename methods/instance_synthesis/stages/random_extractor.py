"""Stage ``instance_synthesis_random_extractor``: a generator's networks with random weights, for all who read their features (section 4)."""

from __future__ import annotations

from methods.common.segmenters.backbones.generative.config import ExtractorConfig
from methods.common.stage import Config, Context, Inputs, Record, Stage


class RandomExtractorConfig(Config):
    """Which networks."""

    extractor: ExtractorConfig
    """Their sizes, and which maps are read."""


def draw_extractor(inputs: Inputs, config: RandomExtractorConfig, context: Context) -> Record:
    """Draw weights and prompt from the training seed, as a training from scratch does; write ``extractor/``, which others take as role ``backbone``.

    Returns:
        ``parameters``, their number, and ``weights_sha256``.
    """
    from methods.common.segmenters.backbones.generative.extractor import Extractor
    from methods.common.segmenters.backbones.generative.loading import EXTRACTOR_FOLDER
    from methods.common.segmenters.construction import weights_drawn_from

    with weights_drawn_from(context.seeds.torch("training", "random extractor")):
        extractor = Extractor(config.extractor)
    extractor.save_pretrained(context.out / EXTRACTOR_FOLDER)
    return {
        "parameters": sum(weight.numel() for weight in extractor.parameters()),
        "weights_sha256": extractor.weights_sha256(),
    }


RANDOM_EXTRACTOR = Stage(
    "instance_synthesis_random_extractor", 1, RandomExtractorConfig, draw_extractor, ("training",), kind="prepare"
)
"""A control: what the networks give before they have learnt anything."""
