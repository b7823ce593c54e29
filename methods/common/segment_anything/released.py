"""Segment Anything as it was released: ``.pth`` files, run by the package ``segment-anything`` itself.

Shape suffixes: H, W pixels of the picture; P prompts; M masks a prompt; N masks; 3 colours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import SamAutomaticMaskGenerator, SamPredictor, sam_model_registry
from torch import Tensor

from methods.common.errors import InputError
from methods.common.segment_anything.automatic_masks import AutomaticMasksConfig, ProposedMasks
from methods.common.segment_anything.interface import EmbeddedImage
from methods.common.tensor_file import read_tensors

_POSITIONS = "image_encoder.pos_embed"
_KINDS: dict[tuple[int, ...], str] = {(768,): "vit_b", (1024,): "vit_l", (1280,): "vit_h"}
"""The package's name of a network by the width of its positions. Source: [SAM]."""
_SWITCHED_ON = 1e-9
"""The package takes a bar of 0 for none at all, and would keep masks that are empty or predicted to be wrong."""
_REMEDY = "give sam_vit_h_4b8939.pth, sam_vit_l_0b3195.pth or sam_vit_b_01ec64.pth of the Segment Anything release"


class ReleasedSam:
    """A network of the package, behind the interface of :class:`~methods.common.segment_anything.interface.SegmentAnything`."""

    def __init__(self, model: Any) -> None:
        self.model = model

    @classmethod
    def from_file(cls, path: Path, device: torch.device | None = None) -> ReleasedSam:
        """Load a file of the release; which of the three networks it fills is read off its tensors. Nothing in it is run.

        Raises:
            InputError: no such file, no file of tensors, or tensors of another network.
        """
        tensors = read_tensors(path, _REMEDY)
        kind = _KINDS.get(tensors.get(_POSITIONS, torch.empty(0)).shape[-1:])
        if kind is None:
            raise InputError(f"{path} holds no encoder of Segment Anything; {_REMEDY}")
        model = sam_model_registry[kind]()
        try:
            model.load_state_dict(tensors)
        except RuntimeError as error:
            raise InputError(f"{path} does not fill the network {kind} ({_first_fault(error)}); {_REMEDY}") from error
        return cls(model.to(device or torch.device("cpu")))

    def embed(self, image_HW3: NDArray[np.uint8]) -> EmbeddedImage:
        """Encode a picture; see the interface."""
        predictor = SamPredictor(self.model)
        predictor.set_image(np.ascontiguousarray(image_HW3))
        return EmbeddedImage(predictor.get_image_embedding(), predictor.original_size, predictor.input_size)

    def masks_at_points(self, image: EmbeddedImage, point_P2: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Return three masks for each point; see the interface."""
        predictor = self._prompted(image)
        point_P12 = predictor.transform.apply_coords_torch(
            torch.from_numpy(np.asarray(point_P2, np.float32)), image.size
        )[:, None]
        label_P1 = torch.ones(len(point_P2), 1, dtype=torch.int, device=predictor.device)
        logits_P3HW, iou_P3, _ = predictor.predict_torch(point_P12.to(predictor.device), label_P1, return_logits=True)
        return logits_P3HW, iou_P3

    def masks_of_points(self, image: EmbeddedImage, point_P2: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Return three masks of all points together; see the interface."""
        predictor = self._prompted(image)
        points = predictor.transform.apply_coords_torch(torch.from_numpy(np.asarray(point_P2, np.float32)), image.size)
        label_1P = torch.ones(1, len(point_P2), dtype=torch.int, device=predictor.device)
        logits_13HW, iou_13, _ = predictor.predict_torch(
            points[None].to(predictor.device), label_1P, return_logits=True
        )
        return logits_13HW[0], iou_13[0]

    def masks_in_boxes(self, image: EmbeddedImage, box_P4: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Tensor]:
        """Return one mask for each box; see the interface."""
        if not len(box_P4):
            return np.zeros((0, *image.size), bool), torch.zeros(0)
        predictor = self._prompted(image)
        scaled_P4 = predictor.transform.apply_boxes_torch(torch.from_numpy(np.asarray(box_P4, np.float32)), image.size)
        mask_P1HW, iou_P1, _ = predictor.predict_torch(
            None, None, scaled_P4.to(predictor.device), multimask_output=False
        )
        return mask_P1HW[:, 0].cpu().numpy(), iou_P1[:, 0]

    def propose_masks(self, image_HW3: NDArray[np.uint8], config: AutomaticMasksConfig) -> ProposedMasks:
        """Return every mask of a picture by the package's own generator; see the interface."""
        generator = SamAutomaticMaskGenerator(
            self.model,
            points_per_side=config.points_per_side,
            points_per_batch=config.points_per_batch,
            pred_iou_thresh=max(config.predicted_iou, _SWITCHED_ON),
            stability_score_thresh=max(config.stability, _SWITCHED_ON),
            box_nms_thresh=config.box_nms,
        )
        found = generator.generate(np.ascontiguousarray(image_HW3))
        mask_NHW = np.array([one["segmentation"] for one in found], bool).reshape(-1, *image_HW3.shape[:2])
        box_N4 = np.array([one["bbox"] for one in found], np.int64).reshape(-1, 4)
        box_N4[:, 2:] += box_N4[:, :2] + 1  # its widths end at the last pixel's left side
        return ProposedMasks(mask_NHW, box_N4, np.array([one["predicted_iou"] for one in found], np.float32))

    def _prompted(self, image: EmbeddedImage) -> SamPredictor:
        """Return a predictor that stands where encoding the picture left it."""
        predictor = SamPredictor(self.model)
        predictor.features, predictor.is_image_set = image.embedding_1CSS, True
        predictor.original_size, predictor.input_size = image.size, image.input_size
        return predictor


def _first_fault(error: RuntimeError) -> str:
    """Take the first fault out of torch's list of them."""
    lines = str(error).splitlines()
    return lines[min(1, len(lines) - 1)].strip().rstrip(".")[:200]
