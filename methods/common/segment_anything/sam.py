"""Segment Anything by transformers, which calls the network `SamModel`: masks of one picture from points and boxes.

Loads `facebook/sam-vit-huge`, `-large`, `-base` and the miniature alike.

Shape suffixes: H, W pixels of the picture; h, w pixels of the network's masks; P prompts; M masks a prompt; C channels;
3 colours; S spots of the embedding a side.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from methods.common.segment_anything.automatic_masks import AutomaticMasksConfig, ProposedMasks, propose_masks
from methods.common.segment_anything.interface import EmbeddedImage
from methods.common.whole_weights import load_whole, one_sentence

PIXEL_MEAN, PIXEL_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet statistics of colours in [0, 1]. Source: [SAM]; a folder's own preprocessing says the same."""

_SamModel: Any = transformers.SamModel
_SamImageProcessor: Any = transformers.SamImageProcessor


class Sam:
    """A network of transformers with its preprocessing, behind the interface of :class:`SegmentAnything`."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor

    @classmethod
    def from_pretrained(cls, folder: Path, device: torch.device | None = None) -> "Sam":
        """Load a folder that transformers saved, in float32 and evaluation mode.

        Raises:
            InputError: nothing loadable is there, or the weights do not fill the network.
        """
        model = load_whole(_SamModel, folder, "SAM", dtype=torch.float32)
        with one_sentence(folder, "SAM"):
            processor = _SamImageProcessor.from_pretrained(folder)
        return cls(model.to(device or torch.device("cpu")).eval(), processor)

    @torch.no_grad()
    def embed(self, image_HW3: NDArray[np.uint8]) -> EmbeddedImage:
        """Encode a picture; see the interface."""
        prepared = self.processor(images=np.ascontiguousarray(image_HW3), return_tensors="pt")
        height, width = (int(side) for side in prepared["reshaped_input_sizes"][0])
        embedding_1CSS = self.model.get_image_embeddings(prepared["pixel_values"].to(self.model.device))
        return EmbeddedImage(embedding_1CSS, (image_HW3.shape[0], image_HW3.shape[1]), (height, width))

    @torch.no_grad()
    def masks_at_points(self, image: EmbeddedImage, point_P2: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Return three masks for each point; see the interface."""
        points = self._to_input(image, torch.from_numpy(np.asarray(point_P2, np.float32)))[None, :, None]
        output = self.model(image_embeddings=image.embedding_1CSS, input_points=points, multimask_output=True)
        return self._at_full_size(image, output.pred_masks[0]), output.iou_scores[0]

    @torch.no_grad()
    def masks_of_points(self, image: EmbeddedImage, point_P2: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Return three masks of all points together; see the interface."""
        points = self._to_input(image, torch.from_numpy(np.asarray(point_P2, np.float32)))[None, None]
        output = self.model(image_embeddings=image.embedding_1CSS, input_points=points, multimask_output=True)
        return self._at_full_size(image, output.pred_masks[0])[0], output.iou_scores[0, 0]

    @torch.no_grad()
    def masks_in_boxes(self, image: EmbeddedImage, box_P4: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Tensor]:
        """Return one mask for each box; see the interface."""
        if not len(box_P4):
            return np.zeros((0, *image.size), bool), torch.zeros(0)
        corner_P22 = torch.from_numpy(np.asarray(box_P4, np.float32)).reshape(-1, 2, 2)
        boxes = self._to_input(image, corner_P22).reshape(1, -1, 4)
        output = self.model(image_embeddings=image.embedding_1CSS, input_boxes=boxes, multimask_output=False)
        logits_P1HW = self._at_full_size(image, output.pred_masks[0])
        return (logits_P1HW[:, 0] > 0).cpu().numpy(), output.iou_scores[0, :, 0]

    def propose_masks(self, image_HW3: NDArray[np.uint8], config: AutomaticMasksConfig) -> ProposedMasks:
        """Return every mask of a picture; see the interface."""
        return propose_masks(self, self.embed(image_HW3), config)

    def _to_input(self, image: EmbeddedImage, place_2: Tensor) -> Tensor:
        """Turn places (x, y) in the picture, in the last axis, into places in the network's input."""
        (height, width), (input_height, input_width) = image.size, image.input_size
        scale_2 = torch.tensor([input_width / width, input_height / height])
        return (place_2 * scale_2).to(self.model.device)

    def _at_full_size(self, image: EmbeddedImage, logits_PMhw: Tensor) -> Tensor:
        """Enlarge masks, cut off the padding, and return them at the picture's size. Source: [SAM]."""
        side = self.model.config.vision_config.image_size
        padded = _resized(logits_PMhw, (side, side))
        return _resized(padded[..., : image.input_size[0], : image.input_size[1]], image.size)


def _resized(logits_PMhw: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(logits_PMhw.shape[2:]) == size:
        return logits_PMhw
    return interpolate(logits_PMhw, size, mode="bilinear", align_corners=False)
