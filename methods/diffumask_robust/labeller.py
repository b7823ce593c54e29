"""Labels and reliability of one generated picture.

Shape legend: M maps, H, W pixels; K scores, background first; 3 RGB.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.common.generated.pair_reader import ListedPair
from methods.common.generators.attention_heat_maps import scale_maps
from methods.common.seeds import Seeds
from methods.common.stage import Context, Inputs
from methods.diffumask_robust.crf import relabel
from methods.diffumask_robust.heat_map_files import MAPS, read_maps, read_preset
from methods.diffumask_robust.margins import score_margins
from methods.diffumask_robust.pseudo_masks import LabelFilter, PseudoMask, make_pseudo_mask, why_dropped
from methods.diffumask_robust.reliability import trust_best_of_each_class
from methods.diffumask_robust.stages.label_config import LabelConfig


class Labelled(NamedTuple):
    """What is written of one picture."""

    label_HW: NDArray[np.uint8]
    trusted_HW: NDArray[np.bool_]
    line: dict[str, Any]


class Labeller:
    """What is loaded once; a call labels one picture."""

    def __init__(self, inputs: Inputs, config: LabelConfig, context: Context) -> None:
        """Read the preset, and load the cut-out network where one is asked for.

        Raises:
            InputError: the preset was not taken, or there is no network.
        """
        self._folder, self._config, self._seeds = inputs.folder("pairs"), config, context.seeds
        self._preset = read_preset(self._folder, config.preset)
        self._cutter: Any = None
        self._segmenter: Any = None
        self._device = context.device
        if config.masks_from == "cutout":
            from methods.common.cutouts.load import load_cutout

            self._cutter = load_cutout(
                inputs.folder("cutter"), context.device, trust_remote_code=config.trust_remote_code
            )

        if config.masks_from == "segmenter":
            from methods.common.segmenters.semantic.segmenters import load_segmenter

            self._segmenter = load_segmenter(inputs.folder("model") / "model").to(context.device).eval()

    def __call__(self, pair: ListedPair, record: dict[str, Any]) -> Labelled:
        """Label one picture.

        Args:
            pair: the picture.
            record: its line in the list of pictures.
        """
        config, image_HW3 = self._config, pair.read_image()
        if self._segmenter is not None:
            return self._segmented(image_HW3)
        mask = self._mask(pair, record, image_HW3)
        margin_HW = score_margins(mask.score_KHW, mask.place_HW, config.ties)
        if config.trusted == "random":
            margin_HW = _shuffled(margin_HW, self._seeds, pair.id)
        trusted_HW = trust_best_of_each_class(margin_HW, mask.label_HW, config.trusted_share)
        line = {
            "dropped": mask.dropped,
            "foreground": float((mask.place_HW > 0).mean()),
            "trusted": float(trusted_HW.mean()),
        }
        return Labelled(mask.label_HW, trusted_HW, line)

    def _segmented(self, image_HW3: NDArray[np.uint8]) -> Labelled:
        """Return what the segmenter says, all of it trusted, and no picture dropped."""
        from methods.common.segmenters.semantic.prediction import predict_labels

        side = self._config.segmenter_px
        (label_HW,) = predict_labels(self._segmenter, [image_HW3], side, 4 * (side or 1), self._device)
        line = {"dropped": "", "foreground": float((label_HW > 0).mean()), "trusted": 1.0}
        return Labelled(label_HW, np.ones(label_HW.shape, bool), line)

    def _mask(self, pair: ListedPair, record: dict[str, Any], image_HW3: NDArray[np.uint8]) -> PseudoMask:
        config, ids = self._config, [int(span[0]) for span in record["spans"]]
        maps = read_maps(self._folder / MAPS / config.preset / f"{pair.id}.png", record["ranges"][config.preset])
        height, width = image_HW3.shape[:2]
        scaled_MHW = scale_maps(
            torch.from_numpy(maps), [str(one) for one in ids], self._preset, (height, width)
        ).scaled_MHW
        if self._cutter is not None:
            return cut_mask(self._soft_mask(image_HW3), scaled_MHW, ids, config)
        smooth: LabelFilter | None = None
        if config.smoothing is not None:
            smooth = partial(relabel, image_HW3=image_HW3, num_labels=len(set(ids)) + 1, settings=config.smoothing)
        return make_pseudo_mask(
            scaled_MHW, ids, (height, width), config.mask, is_scaled=not config.rescaled, label_filter=smooth
        )

    def _soft_mask(self, image_HW3: NDArray[np.uint8]) -> Tensor:
        image_13HW = torch.from_numpy(image_HW3).to(self._device).permute(2, 0, 1)[None].float() / 255.0
        soft_HW: Tensor = self._cutter.soft_mask(image_13HW)[0].cpu()
        return soft_HW


def cut_mask(soft_HW: Tensor, scaled_MHW: Tensor, class_ids: list[int], config: LabelConfig) -> PseudoMask:
    """Return the labels that a cut-out makes: inside it the class of the strongest map, elsewhere background.

    Scores are 1 - p for the background and p for that class, 0 for the others, with p the probability of foreground.

    Args:
        soft_HW: probability of foreground.
        scaled_MHW: heat maps in about [0, 1].
        class_ids: class of each map, in [1, 254].
        config: tells which images are kept.
    Source: our choice [C D42].
    """
    distinct = tuple(dict.fromkeys(class_ids))
    rows = [[number for number, class_id in enumerate(class_ids) if class_id == one] for one in distinct]
    best_HW = torch.stack([scaled_MHW[numbers].amax(0) for numbers in rows]).argmax(0)
    own_CHW = torch.arange(len(distinct))[:, None, None] == best_HW
    score_KHW = torch.cat(((1 - soft_HW)[None], own_CHW * soft_HW)).numpy().astype(np.float32)
    place_HW = score_KHW.argmax(0).astype(np.uint8)
    label_HW = np.array([0, *distinct], np.uint8)[place_HW]
    return PseudoMask(label_HW, place_HW, score_KHW, distinct, why_dropped(place_HW, (), config.mask))


def _shuffled(margin_HW: NDArray[np.floating], seeds: Seeds, name: str) -> NDArray[np.floating]:
    """Return random margins in place of the given ones."""
    drawn: NDArray[np.floating] = seeds.numpy("generation", "random trust", name).random(margin_HW.shape)
    return drawn
