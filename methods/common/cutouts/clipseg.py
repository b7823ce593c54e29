"""CLIPSeg by transformers: the mask of what a text names.

Shape suffixes: N pictures, C = 3 colours, H, W pixels, S side of the network's input.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from torch.nn.functional import interpolate

from methods.common.cutouts.u2net import stretched
from methods.common.whole_weights import load_whole, one_sentence

_CLIPSegForImageSegmentation: Any = transformers.CLIPSegForImageSegmentation
_CLIPSegProcessor: Any = transformers.CLIPSegProcessor


class ClipSegCutout:
    """A cut-out network that is told what to look for."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor

    @classmethod
    def from_pretrained(cls, folder: Path, device: torch.device | None = None) -> "ClipSegCutout":
        """Load a folder that transformers saved, such as ``CIDAS/clipseg-rd64``, in float32 and evaluation mode.

        Raises:
            InputError: nothing loadable is there, or the weights do not fill the network.
        """
        model = load_whole(_CLIPSegForImageSegmentation, folder, "CLIPSeg", dtype=torch.float32)
        with one_sentence(folder, "CLIPSeg"):
            processor = _CLIPSegProcessor.from_pretrained(folder)
        return cls(model.to(device or torch.device("cpu")).eval(), processor)

    @torch.no_grad()
    def soft_mask(self, image_NCHW: Tensor, texts: Sequence[str]) -> Tensor:
        """Return soft masks, float32 (N, H, W) in [0, 1], of RGB pictures (N, 3, H, W) in [0, 1] and what each should show.

        Source: MRCA section 5.1 [B]: the folder's square (352 px as published) and statistics, sigmoid, resized back, stretched to [0, 1].
        """
        height, width = image_NCHW.shape[2:]
        settings, device = self.processor.image_processor, self.model.device
        side = (settings.size["height"], settings.size["width"])
        image = interpolate(image_NCHW.to(device, torch.float32), side, mode="bilinear", align_corners=False)
        mean_3, std_3 = torch.tensor(settings.image_mean), torch.tensor(settings.image_std)
        pixel_NCSS = (image - mean_3[:, None, None].to(device)) / std_3[:, None, None].to(device)
        words = self.processor.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(device)
        logits = self.model(
            input_ids=words.input_ids, attention_mask=words.attention_mask, pixel_values=pixel_NCSS
        ).logits
        prob_N1SS = logits.reshape(len(texts), 1, *side).sigmoid()
        return stretched(interpolate(prob_N1SS, (height, width), mode="bilinear", align_corners=False)[:, 0])
