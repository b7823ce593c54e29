"""Sampling one batch of pictures with the heat maps of every preset, all of one sampling run.

Shape legend: N images, H, W pixels, 3 RGB; M maps, h, w cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.generated.pair_writer import Pair
from methods.common.generators.attention_heat_maps import PresetCapture
from methods.common.generators.sampling import load_pipeline, sample_images
from methods.common.seeds import Seeds
from methods.diffumask_robust.heat_map_files import PackedMaps, pack_maps
from methods.diffumask_robust.prompt_files import attention_prompt
from methods.diffumask_robust.prompts import AugmentedPrompt
from methods.diffumask_robust.stages.synthesis_config import SynthesizeAttentionConfig

if TYPE_CHECKING:
    import torch


class AttentionSampler:
    """The networks, loaded once; a call samples one batch."""

    def __init__(
        self,
        generator: Path,
        config: SynthesizeAttentionConfig,
        device: torch.device,
        seeds: Seeds,
        class_names: Sequence[str],
        adapter: Path | None = None,
    ) -> None:
        """Load the generator, with the adapter where the config asks for one.

        Args:
            generator: a diffusers folder.
            config: how pictures are sampled and which maps are taken.
            device: where the networks run.
            seeds: of the pictures.
            class_names: by class id.
            adapter: folder of a LoRA, where ``config.lora_rank`` is given.

        Raises:
            InputError: it cannot be loaded or has no U-Net, or the adapter does not fit.
        """
        self._pipeline = load_pipeline(generator, config, device, config.safety_checker)
        if not hasattr(self._pipeline, "unet") or not hasattr(self._pipeline, "encode_prompt"):
            raise InputError(
                f"the generator in {generator} has no U-Net, whose attention masks are made from; use a Stable Diffusion checkpoint of "
                "version 1 or 2"
            )
        if config.lora_rank is not None:
            from methods.diffumask_robust.adaptation.adapter import apply_adapter

            assert adapter is not None, "lora_rank is given, so an adapter must be"
            apply_adapter(self._pipeline, generator, adapter, config.lora_rank)
        self._config, self._seeds, self._class_names = config, seeds, class_names
        self.denoiser_images = 0
        """Denoiser evaluations of the last batch, each half of guidance counted."""

    def __call__(self, batch: Sequence[AugmentedPrompt]) -> list[Pair]:
        """Sample a batch; pictures that came out black are left out."""
        config = self._config
        prompts = [attention_prompt(prompt, self._class_names) for prompt in batch]
        seeds = [self._seeds.derive("generation", "picture", prompt.prompt.id) for prompt in batch]
        negative = {} if config.negative_prompt is None else {"negative_prompt": [config.negative_prompt] * len(batch)}
        with ExitStack() as stack:
            captures = {
                name: stack.enter_context(PresetCapture(self._pipeline, preset, prompts, config.num_steps))
                for name, preset in config.presets.items()
            }
            image_NHW3 = sample_images(
                self._pipeline, [prompt.prompt.text for prompt in batch], seeds, config, **negative
            )
        calls = next(iter(captures.values())).num_calls
        self.denoiser_images = len(batch) * calls * config.denoisings_per_step
        return [
            self._pair(prompt, seeds[index], image_NHW3[index], packed_maps(captures, index, image_NHW3.shape[1:3]))
            for index, prompt in enumerate(batch)
            if image_NHW3[index].any()
        ]

    def _pair(
        self, prompt: AugmentedPrompt, seed: int, image_HW3: NDArray[np.uint8], maps: dict[str, PackedMaps]
    ) -> Pair:
        ranges = {name: packed.ranges for name, packed in maps.items()}
        classes = [self._class_names[class_id] for class_id in prompt.prompt.class_ids]
        record = {**prompt.to_record(), "classes": classes, "picture_seed": seed, "ranges": ranges}
        return Pair(record, image_HW3, {name: packed.level_Hw for name, packed in maps.items()})


def packed_maps(captures: dict[str, PresetCapture], index: int, size: Any) -> dict[str, PackedMaps]:
    """Return the pooled maps of one picture of a batch by preset, before scaling.

    Args:
        captures: by preset, after the sampling run.
        index: number of the picture in the batch.
        size: its height and width in pixels.
    """
    height, width = size
    return {
        name: pack_maps(np.asarray(capture.pooled_maps(index, (height, width)).double().cpu().numpy()))
        for name, capture in captures.items()
    }
