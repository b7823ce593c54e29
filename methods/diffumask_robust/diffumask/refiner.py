"""The mask of one generated picture, from its heat map and an AffinityNet (section 10.4).

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from methods.common.errors import InputError, reason
from methods.diffumask_robust.affinity.network import AffinityNet
from methods.diffumask_robust.affinity.refining import walked_mask
from methods.diffumask_robust.diffumask.adaptive_threshold import choose_threshold
from methods.diffumask_robust.diffumask.area_config import rule_of
from methods.diffumask_robust.diffumask.area_filter import why_filtered
from methods.diffumask_robust.diffumask.regions import fill_regions
from methods.diffumask_robust.diffumask.smoothing import MaskSmoother
from methods.diffumask_robust.stages.refine_config import RefineConfig
from methods.diffumask_robust.stages.train_affinity import AFFINITY_FILE


class Refined(NamedTuple):
    """What becomes of one picture."""

    mask_HW: NDArray[np.bool_]
    line: dict[str, Any]
    """What is told of it: ``dropped``, ``threshold`` and ``agreement``."""


class AffinityNets:
    """The networks of a study by class; each is loaded when its first picture comes."""

    def __init__(self, cells: Sequence[Path], device: torch.device) -> None:
        """Read whose the networks are.

        Raises:
            InputError: a cell is no training of an AffinityNet, or two are of one class.
        """
        self._device, self._loaded = device, dict[str | None, AffinityNet]()
        self._cells: dict[str | None, Path] = {}
        for cell in cells:
            class_name = _class_of(cell)
            if class_name in self._cells:
                raise InputError(f"{cell} and {self._cells[class_name]} are both of {class_name!r}; name one of them")
            self._cells[class_name] = cell

    def of_class(self, class_name: str) -> AffinityNet:
        """Return the network of a class, or the one of all classes.

        Raises:
            InputError: there is neither, or its files are damaged.
        """
        key = class_name if class_name in self._cells else None
        if key not in self._cells:
            raise InputError(f"there is no AffinityNet of class {class_name!r}; train one, or one of all classes")
        if key not in self._loaded:
            self._loaded[key] = AffinityNet.from_pretrained(self._cells[key] / "model").to(self._device)
        return self._loaded[key]


def _class_of(cell: Path) -> str | None:
    try:
        found = json.loads((cell / AFFINITY_FILE).read_text())["class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{cell / AFFINITY_FILE} cannot be read ({reason(error)}); train the network again") from error
    return None if found is None else str(found)


class Refiner:
    """Makes masks."""

    def __init__(self, nets: AffinityNets, num_labels: int, config: RefineConfig, device: torch.device) -> None:
        """Take the networks, and the classes of the data set, which the dense CRF has a label each of."""
        self._nets, self._num_labels, self._config, self._device = nets, num_labels, config, device

    def __call__(self, image_HW3: NDArray[np.uint8], map_HW: NDArray[np.float32], class_name: str) -> Refined:
        """Return the mask of a picture of one class, filled, and what is told of it.

        Source: section 10.4 [code].
        """
        config = self._config
        threshold, agreed = None, None
        if config.mask == "fixed":
            smoother = self._smoother(image_HW3)
            threshold, mask_HW = config.fixed_threshold, _masked(smoother, map_HW, config.fixed_threshold)
        else:
            mask_HW = walked_HW = self._walked(image_HW3, map_HW, class_name)
            if config.mask == "adaptive" and walked_HW.any():
                mask_HW, threshold, agreed = self._adaptive(self._smoother(image_HW3), map_HW, walked_HW)
        if config.mask != "walk":
            mask_HW = fill_regions(mask_HW, config.box_px2)
        dropped = why_filtered(mask_HW, config.area or rule_of(class_name))
        return Refined(mask_HW, {"dropped": dropped, "threshold": threshold, "agreement": agreed})

    def _smoother(self, image_HW3: NDArray[np.uint8]) -> MaskSmoother:
        return MaskSmoother(image_HW3, self._num_labels, self._config.smoothing)

    def _walked(self, image_HW3: NDArray[np.uint8], map_HW: NDArray[np.float32], class_name: str) -> NDArray[np.bool_]:
        net = self._nets.of_class(class_name)
        won_HW = walked_mask(net, image_HW3, map_HW, self._config.walk, self._device)
        return fill_regions(won_HW, self._config.walk_box_px2)

    def _adaptive(
        self, smoother: MaskSmoother, map_HW: NDArray[np.float32], walked_HW: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], float | None, float]:
        made: dict[int, NDArray[np.bool_]] = {}

        def masked(threshold: float) -> NDArray[np.bool_]:
            # Masks shrink as thresholds rise, so that two of equal size are equal, and the dense CRF need not run twice.
            size = int((map_HW > threshold).sum())
            if size not in made:
                made[size] = _masked(smoother, map_HW, threshold)
            return made[size]

        return choose_threshold(self._config.thresholds, masked, walked_HW)


def _masked(smoother: MaskSmoother, map_HW: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Return where the class is likelier than everything else together."""
    found: NDArray[np.bool_] = smoother.probabilities(map_HW > threshold)[1] > 0.5
    return found
