"""T3: SAM 3, which takes a noun phrase itself and returns all instances.

Shape suffixes: N instances; H, W pixels; 3 colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from methods.common.prompters.configs import Sam3PrompterConfig
from methods.common.prompters.interface import NamedMasks
from methods.common.whole_weights import load_whole, one_sentence

_Model: Any = transformers.Sam3Model
_Processor: Any = transformers.Sam3Processor


def load_sam3(folder: Path, device: torch.device | None = None) -> tuple[Any, Any]:
    """Load `facebook/sam3` (gated) from a folder: network and processor, float32. The folder says the input size, 1008 px.

    Raises:
        InputError: nothing loadable is there, or weights are missing or of other shapes.
    """
    model = load_whole(_Model, folder, "SAM 3", dtype=torch.float32)
    with one_sentence(folder, "SAM 3"):
        processor = _Processor.from_pretrained(folder)
    return model.to(device or torch.device("cpu")).eval(), processor


class Sam3Prompter:
    """One query a name; the union of its instances."""

    def __init__(self, model: Any, processor: Any, config: Sam3PrompterConfig) -> None:
        self.model = model
        self.processor = processor
        self.config = config

    @torch.inference_mode()
    def segment(self, image_HW3: NDArray[np.uint8], class_names: Sequence[str]) -> NamedMasks:
        """Return the mask of each name; see :class:`NamedSegmenter`."""
        pixels = self.processor(images=image_HW3, return_tensors="pt").to(self.model.device)
        vision = self.model.get_vision_features(pixel_values=pixels["pixel_values"])
        return {name: self._find(vision, name, image_HW3.shape[:2]) for name in class_names}

    def _find(self, vision: Any, class_name: str, size: tuple[int, ...]) -> NDArray[np.bool_]:
        text = self.processor(text=class_name, return_tensors="pt").to(self.model.device)
        output = self.model(vision_embeds=vision, input_ids=text["input_ids"], attention_mask=text["attention_mask"])
        found = self.processor.post_process_instance_segmentation(
            output, threshold=self.config.confidence, mask_threshold=0.5, target_sizes=[size]
        )[0]
        mask_HW = np.zeros(size, bool)
        for instance_HW in found["masks"]:
            mask_HW |= instance_HW.cpu().numpy().astype(bool)
        return mask_HW
