"""Which pictures each training step sees, a function of its number alone.

All pictures of a step have one frame. A step's frame is drawn by how many pictures have it, so each picture is seen about as often as any
other; pictures of a frame come in epochs, in an order of their own.

Shape legend: B pictures of the whole batch, N of this process; H, W pixels; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from methods.common.stage import Context
from methods.common.training.batch_shard import BatchShare
from methods.seggen.diffusion.config import GeneratorTrainingConfig
from methods.seggen.diffusion.frames import Size, fit_image, place
from methods.seggen.diffusion.pictures import Pictures
from methods.seggen.palettes import Palette


class Texted(NamedTuple):
    """What a step sees of this process's pictures, or some of them."""

    image_N3HW: Tensor
    """Photographs, uint8."""
    colour_N3HW: Tensor
    """Their masks drawn in colours, on the same crop, uint8."""
    captions: tuple[str, ...]
    """Empty where a caption is left out."""
    times_N6: Tensor
    """What SDXL is told: native height and width, top and left of the crop, height and width of the frame; float32."""

    def part(self, rows: slice) -> Texted:
        """Return some of them."""
        return Texted(self.image_N3HW[rows], self.colour_N3HW[rows], self.captions[rows], self.times_N6[rows])


class CaptionedMasks:
    """Pictures, masks and captions, and how they are cut and left out."""

    def __init__(
        self,
        pictures: Pictures,
        captions: Sequence[str],
        palette: Palette,
        config: GeneratorTrainingConfig,
        context: Context,
        edge_px: int = 1,
    ) -> None:
        """Sort the pictures by frame.

        Args:
            pictures: that are learnt.
            captions: one for each.
            palette: of the masks.
            config: frames, mirror images, captions that are left out.
            context: seeds.
            edge_px: width of edges, where the pictures have segments.

        Raises:
            InputError: a picture cannot be read.
        """
        self._pictures, self._captions, self._palette, self._config = pictures, tuple(captions), palette, config
        self._seeds, self._edge_px = context.seeds, edge_px
        self._places: dict[Size, list[int]] = {}
        for index in range(len(pictures)):
            self._places.setdefault(config.frames.nearest(*pictures.size(index)), []).append(index)
        self._frames = sorted(self._places)
        count = np.array([len(self._places[frame]) for frame in self._frames])
        rng = context.seeds.numpy("training", "frames of steps")
        self._frame_of_step = rng.choice(len(count), config.recipe.iterations, p=count / count.sum())

    def batches(self, first: int, share: BatchShare) -> Iterator[Texted]:
        """Yield this process's part of each step from one on.

        Raises:
            InputError: a picture cannot be read.
        """
        for iteration in range(first, self._config.recipe.iterations):
            number = self._frame_of_step[iteration]
            before = int((self._frame_of_step[:iteration] == number).sum()) * share.batch_size
            rows = range(before + share.first, before + share.first + share.count)
            made = [self._draw(self._frames[number], row) for row in rows]
            images, colours, captions, times = zip(*made, strict=True)
            stacked = [torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2) for arrays in (images, colours)]
            yield Texted(*stacked, captions, torch.tensor(times, dtype=torch.float32))

    def _draw(self, frame: Size, number: int) -> tuple[np.ndarray, np.ndarray, str, tuple[int, ...]]:
        """Make the numbered picture of a frame: which one, mirrored or not, where it is cut, with its caption or none."""
        places = self._places[frame]
        epoch, place_in_epoch = divmod(number, len(places))
        order = self._seeds.numpy("training", "order of pictures", *frame, epoch).permutation(places)
        index = int(order[place_in_epoch])
        rng = self._seeds.numpy("training", "cut", *frame, number)
        image_HW3, mask = self._pictures.read(index)
        mirrored, left_out = rng.uniform(size=2) < (self._config.flip_share, self._config.caption_dropout)
        if mirrored:
            image_HW3, mask = image_HW3[:, ::-1], mask.mirrored()
        height, width = image_HW3.shape[:2]
        placing = place(height, width, frame, *rng.uniform(size=2))
        colour_HW3 = mask.fit(placing).coloured(self._palette, self._edge_px)
        caption = "" if left_out else self._captions[index]
        times = (height, width, placing.top, placing.left, *frame)
        return fit_image(np.ascontiguousarray(image_HW3), placing), colour_HW3, caption, times
