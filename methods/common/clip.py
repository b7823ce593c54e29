"""Image-text similarity by CLIP, for any transformers ``CLIPModel`` directory.

Shape suffixes: I pictures, T texts, D joint space, H, W pixels.
"""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

from methods.common.errors import InputError
from methods.common.whole_weights import SAVED_BY_TRANSFORMERS, load_whole, one_sentence

_BATCH = 64
_VOCABULARIES = ("tokenizer.json", "vocab.json")


class ClipScorer:
    """Embeds pictures and texts, and scores how well they fit.

    Works for ``openai/clip-vit-large-patch14`` and for the miniature: the folder brings its own tokenizer and
    preprocessing.
    """

    def __init__(self, model: Any, tokenizer: CLIPTokenizer, processor: Any) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.processor = processor
        self._tokenizing = Lock()  # a tokenizer serves one thread at a time, the networks serve many

    @classmethod
    def from_pretrained(cls, folder: str | Path, device: torch.device | None = None) -> "ClipScorer":
        """Load a folder, or a model name that transformers knows, in float32 and evaluation mode.

        Raises:
            InputError: nothing loadable is there, or weights are missing or of other shapes.
        """
        if Path(folder).is_dir() and not any((Path(folder) / name).is_file() for name in _VOCABULARIES):
            # transformers would go on with an empty vocabulary
            raise InputError(
                f"{folder} holds no CLIP (neither {' nor '.join(_VOCABULARIES)} is there); {SAVED_BY_TRANSFORMERS}"
            )
        model = load_whole(CLIPModel, folder, "CLIP", dtype=torch.float32)
        with one_sentence(folder, "CLIP"):
            tokenizer = CLIPTokenizer.from_pretrained(folder)
            processor = CLIPImageProcessor.from_pretrained(folder)
        return cls(model.to(device or torch.device("cpu")).eval(), tokenizer, processor)

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        device: torch.device = self.model.logit_scale.device
        return device

    @torch.no_grad()
    def embed_images(self, images: Sequence[NDArray[np.uint8] | Image.Image]) -> Tensor:
        """Return unit vectors, float32 (I, D) on the CPU, of RGB pictures: uint8 (H, W, 3) arrays or PIL images."""
        rows = [torch.zeros(0, self.model.config.projection_dim)]
        for start in range(0, len(images), _BATCH):
            batch = [self._as_pil(image) for image in images[start : start + _BATCH]]
            rows.append(self._embed_pixels(self.processor(images=batch, return_tensors="pt")["pixel_values"]))
        return torch.cat(rows)

    @torch.no_grad()
    def embed_squashed_images(self, images: Sequence[Image.Image]) -> Tensor:
        """Return unit vectors, float32 (I, D) on the CPU, of whole RGB pictures in a square, whatever their proportions.

        They are rescaled to the model's square by PIL's bilinear filter and normalised as the folder's preprocessing says;
        nothing is cropped. One batch.
        """
        side = self.model.config.vision_config.image_size
        small = [np.asarray(image.resize((side, side), Image.Resampling.BILINEAR)) for image in images]
        pixel_I3HW = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 255
        mean_3, std_3 = torch.tensor(self.processor.image_mean), torch.tensor(self.processor.image_std)
        return self._embed_pixels((pixel_I3HW - mean_3[:, None, None]) / std_3[:, None, None])

    def _embed_pixels(self, pixel_I3HW: Tensor) -> Tensor:
        pooled = self.model.vision_model(pixel_values=pixel_I3HW.to(self.device)).pooler_output
        return normalize(self.model.visual_projection(pooled), dim=-1).cpu()

    @staticmethod
    def _as_pil(image: NDArray[np.uint8] | Image.Image) -> Image.Image:
        if isinstance(image, Image.Image):
            return image.convert("RGB")
        assert image.dtype == np.uint8, "pictures are uint8"
        assert image.shape[2:] == (3,), "pictures are (H, W, 3)"
        return Image.fromarray(image)

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors, float32 (T, D) on the CPU; texts beyond the model's length are cut."""
        rows = [torch.zeros(0, self.model.config.projection_dim)]
        for start in range(0, len(texts), _BATCH):
            with self._tokenizing:
                tokens = self.tokenizer(
                    list(texts[start : start + _BATCH]), padding="max_length", truncation=True, return_tensors="pt"
                )
            pooled = self.model.text_model(input_ids=tokens.input_ids.to(self.device)).pooler_output
            rows.append(normalize(self.model.text_projection(pooled), dim=-1).cpu())
        return torch.cat(rows)

    def score(self, images: Sequence[NDArray[np.uint8] | Image.Image], texts: Sequence[str]) -> NDArray[np.float32]:
        """Return 100 x cosine of picture i and text i, float32 (I,), in [-100, 100].

        Args:
            images: RGB, uint8 (H, W, 3) or PIL.
            texts: as many as pictures, or one for all.
        Source: MRCA section 3.5 [R] (the scale); CLIP, Radford et al. 2021.
        """
        assert len(texts) in (1, len(images)), f"{len(texts)} texts for {len(images)} pictures"
        distinct = sorted(set(texts))
        embedded_TD = self.embed_texts(distinct)[[distinct.index(text) for text in texts]]
        similarity: NDArray[np.float32] = (100.0 * (self.embed_images(images) * embedded_TD).sum(1)).numpy()
        return similarity
