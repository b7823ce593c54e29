"""Sampling one batch of pictures and, from one capture of their attention, the masks of every variant.

Shape legend: N images, H, W pixels, 3 RGB; T tokens, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.generated.pair_writer import Pair
from methods.common.generators.attention_capture import AttentionCapture, encode_class_prompts
from methods.common.generators.attention_masks import AttentionLabelMap, Thresholds, label_maps
from methods.common.generators.class_prompts import KeyText, NamedTokens, find_tokens, num_tokens
from methods.common.generators.sampling import load_pipeline, sample_images
from methods.sam_filter.stages.synthesis_config import Order, SynthesizeConfig, variant_name


class Sampler:
    """The networks, loaded once; a call samples one batch."""

    def __init__(
        self, generator: Path, config: SynthesizeConfig, device: torch.device, class_names: Sequence[str]
    ) -> None:
        """Load the generator.

        Args:
            generator: a diffusers folder.
            config: how pictures are sampled and masks are made.
            device: where the networks run.
            class_names: by label, background first.

        Raises:
            InputError: it cannot be loaded or has no U-Net.
        """
        self._pipeline = load_pipeline(generator, config, device, config.safety_checker)
        if not hasattr(self._pipeline, "unet") or not hasattr(self._pipeline, "encode_prompt"):
            raise InputError(
                f"the generator in {generator} has no U-Net, whose attention masks are made from; use a Stable Diffusion "
                "checkpoint of version 1, 2 or XL"
            )
        self._config = config
        self._labels = {name: label for label, name in enumerate(class_names)}
        self.denoiser_images = 0
        """Denoiser evaluations of the last batch, each half of guidance counted."""

    def is_cut(self, order: Order) -> bool:
        """Tell whether the text encoder cuts the end of the caption off, and with it class names."""
        tokenizer = self._pipeline.tokenizer
        limit: int = tokenizer.model_max_length
        return num_tokens(order.record["caption"], tokenizer) > limit

    def __call__(self, batch: Sequence[Order]) -> list[Pair]:
        """Sample a batch; pictures that came out black are left out."""
        config = self._config
        key_text = KeyText(config.key_prefix, config.key_joiner)
        tokenizer = self._pipeline.tokenizer
        named = [find_tokens(order.names, tokenizer, f"prompt {order.record['id']!r}", key_text) for order in batch]
        text_NTC = encode_class_prompts(self._pipeline, [key_text.text(order.names) for order in batch])
        negative = {} if config.negative_prompt is None else {"negative_prompt": [config.negative_prompt] * len(batch)}
        steps = config.capture_steps.includes
        with AttentionCapture(self._pipeline, text_NTC, config.self_sides, config.cross_sides, steps) as capture:
            captions, seeds = [order.record["caption"] for order in batch], [order.seed for order in batch]
            image_NHW3 = sample_images(self._pipeline, captions, seeds, config, **negative)
        self.denoiser_images = len(batch) * capture.num_calls * config.denoisings_per_step
        pairs = []
        for index, (order, names, image_HW3) in enumerate(zip(batch, named, image_NHW3, strict=True)):
            if not image_HW3.any():
                continue
            made = self._label_maps(capture, index, names, image_HW3)
            constant = {variant: list(found.constant) for variant, found in made.items() if found.constant}
            record = {**order.record, "seed": order.seed, "constant_maps": constant}
            pairs.append(Pair(record, image_HW3, {variant: found.label_HW for variant, found in made.items()}))
        return pairs

    def _label_maps(
        self, capture: AttentionCapture, index: int, names: Sequence[NamedTokens], image_HW3: NDArray[np.uint8]
    ) -> dict[str, AttentionLabelMap]:
        config = self._config
        made = label_maps(
            {side: capture.self_attention(side)[index] for side in config.self_sides},
            {side: capture.cross_attention(side)[index] for side in config.cross_sides},
            config.powers,
            names,
            self._labels,
            (image_HW3.shape[0], image_HW3.shape[1]),
            Thresholds(config.upper_threshold, config.lower_threshold),
        )
        return {variant_name(*key): found for key, found in made.items()}
