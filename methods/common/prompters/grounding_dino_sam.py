"""T1: Grounding DINO finds boxes for a class name, each box prompts SAM; the default reading of the SAM filter.

Shape suffixes: N boxes; H, W pixels; 3 colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from methods.common.prompters.configs import GroundingDinoSamConfig
from methods.common.prompters.interface import NamedMasks
from methods.common.segment_anything.interface import SegmentAnything
from methods.common.whole_weights import load_whole, one_sentence

_Detector: Any = transformers.GroundingDinoForObjectDetection
_Processor: Any = transformers.GroundingDinoProcessor


def load_detector(folder: Path, device: torch.device | None = None) -> tuple[Any, Any]:
    """Load `IDEA-Research/grounding-dino-base` or another folder of its kind: network and processor, float32.

    Raises:
        InputError: nothing loadable is there, or weights are missing or of other shapes.
    """
    model = load_whole(_Detector, folder, "Grounding DINO", dtype=torch.float32)
    with one_sentence(folder, "Grounding DINO"):
        processor = _Processor.from_pretrained(folder)
    return model.to(device or torch.device("cpu")).eval(), processor


def detector_phrase(class_name: str) -> str:
    """Return the text that the detector reads: lower case, ended by a full stop. Source: SAM filter section 11."""
    return f"{class_name.strip().lower().rstrip('.')}."


class GroundingDinoSam:
    """Boxes by the detector, one name at a time; masks by SAM's single-mask output."""

    def __init__(self, detector: Any, processor: Any, sam: SegmentAnything, config: GroundingDinoSamConfig) -> None:
        self.detector = detector
        self.processor = processor
        self.sam = sam
        self.config = config

    def segment(self, image_HW3: NDArray[np.uint8], class_names: Sequence[str]) -> NamedMasks:
        """Return the mask of each name; see :class:`NamedSegmenter`."""
        boxes = {name: self._boxes(image_HW3, name) for name in class_names}
        every_N4 = np.concatenate([np.zeros((0, 4), np.float32), *boxes.values()])
        if not len(every_N4):
            return {name: np.zeros(image_HW3.shape[:2], bool) for name in class_names}
        # One call for the boxes of all names: SAM answers each prompt on its own.
        masks_NHW, _ = self.sam.masks_in_boxes(self.sam.embed(image_HW3), every_N4)
        ends = np.cumsum([len(box_N4) for box_N4 in boxes.values()])[:-1]
        return {
            name: np.asarray(part_NHW.any(axis=0))
            for name, part_NHW in zip(class_names, np.split(masks_NHW, ends), strict=True)
        }

    @torch.inference_mode()
    def _boxes(self, image_HW3: NDArray[np.uint8], class_name: str) -> NDArray[np.float32]:
        """Return the boxes (left, top, right, bottom) of a name, in pixels, float32 (N, 4)."""
        text = detector_phrase(class_name)
        inputs = self.processor(images=image_HW3, text=text, return_tensors="pt").to(self.detector.device)
        found = self.processor.post_process_grounded_object_detection(
            self.detector(**inputs),
            inputs["input_ids"],
            threshold=self.config.box_threshold,
            text_threshold=self.config.text_threshold,
            target_sizes=[image_HW3.shape[:2]],
        )[0]
        boxes_N4 = found["boxes"].float().cpu().numpy()
        # A box without a word scored high on the phrase's begin or end mark only; without boxes there is one empty label.
        worded = [bool(label) for label in found["text_labels"][: len(boxes_N4)]]
        return np.asarray(boxes_N4[np.array(worded, bool)], np.float32)
