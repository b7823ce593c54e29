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
from numpy.typing import NDArray
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
    shown: tuple[tuple[int, bool], ...]
    """Number of each picture, and whether it is mirrored."""

    def part(self, rows: slice) -> Texted:
        """Return some of them."""
        images, colours, times_N6 = self.image_N3HW[rows], self.colour_N3HW[rows], self.times_N6[rows]
        return Texted(images, colours, self.captions[rows], times_N6, self.shown[rows])


class Cut(NamedTuple):
    """One picture as a step sees it."""

    image_HW3: NDArray[np.uint8]
    colour_HW3: NDArray[np.uint8]
    times: tuple[int, ...]
    """As :class:`Texted` has them."""


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
            cuts, captions, shown = zip(*made, strict=True)
            image_N3HW, colour_N3HW = (
                torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
                for arrays in ([cut.image_HW3 for cut in cuts], [cut.colour_HW3 for cut in cuts])
            )
            times_N6 = torch.tensor([cut.times for cut in cuts], dtype=torch.float32)
            yield Texted(image_N3HW, colour_N3HW, captions, times_N6, shown)

    def _draw(self, frame: Size, number: int) -> tuple[Cut, str, tuple[int, bool]]:
        """Make the numbered picture of a frame: which one, mirrored or not, where it is cut, with its caption or none."""
        places = self._places[frame]
        epoch, place_in_epoch = divmod(number, len(places))
        order = self._seeds.numpy("training", "order of pictures", *frame, epoch).permutation(places)
        index = int(order[place_in_epoch])
        rng = self._seeds.numpy("training", "cut", *frame, number)
        mirrored, left_out = (rng.uniform(size=2) < (self._config.flip_share, self._config.caption_dropout)).tolist()
        down, right = (0.5, 0.5) if self._config.cache_latents else rng.uniform(size=2).tolist()
        return self.cut(index, mirrored, down, right), "" if left_out else self._captions[index], (index, mirrored)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._captions)

    def cut(self, index: int, mirrored: bool, down: float = 0.5, right: float = 0.5) -> Cut:
        """Bring a picture and its mask into their frame, both on one crop.

        Args:
            index: of the picture.
            mirrored: whether left and right are exchanged.
            down: how far down the crop lies in what is left over, in [0, 1].
            right: the same to the right.

        Raises:
            InputError: it cannot be read.
        """
        image_HW3, mask = self._pictures.read(index)
        if mirrored:
            image_HW3, mask = np.ascontiguousarray(image_HW3[:, ::-1]), mask.mirrored()
        height, width = image_HW3.shape[:2]
        frame = self._config.frames.nearest(*self._pictures.size(index))
        placing = place(height, width, frame, down, right)
        colour_HW3 = mask.fit(placing).coloured(self._palette, self._edge_px)
        return Cut(fit_image(image_HW3, placing), colour_HW3, (height, width, placing.top, placing.left, *frame))
