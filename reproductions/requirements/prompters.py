"""What prompters need from outside, and how their networks are tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from methods.common.prompters.configs import (
    ROLES,
    GroundingDinoSamConfig,
    PrompterConfig,
    SalientConfig,
    Sam3PrompterConfig,
)
from reproductions.requirements.need import Need
from reproductions.requirements.openers import CutterTrial, Places, a_picture, open_clip, open_cutter, open_sam
from reproductions.requirements.places import either, published, shipped, with_own_code
from reproductions.requirements.published_weights import (
    BIREFNET,
    BIREFNET_PACKAGES,
    CLIP,
    GROUNDING_DINO,
    MINIATURE_CLIP,
    MINIATURE_CUTTER,
    MINIATURE_SAM,
    SAM,
    SAM3,
    SAM_RELEASE,
)
from reproductions.requirements.trial import TinyBatch, Trial, trial
from reproductions.study.request import Request

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

_SMALL = {"sam": MINIATURE_SAM, "clip": MINIATURE_CLIP, "cutter": MINIATURE_CUTTER}
"""What stands in for a role of a prompter at the small tiers."""
_ORDER = ("sam", "detector", "clip", "cutter")


def prompter_needs(request: Request, prompters: Mapping[str, PrompterConfig]) -> list[Need]:
    """Return the networks of the prompters, which are given by the name of their setting, the filter's as ``prompter``."""
    roles = {role for config in prompters.values() for role in ROLES[config.kind]}
    return [_part(role, request, prompters) for role in _ORDER if role in roles]


def _part(role: str, request: Request, prompters: Mapping[str, PrompterConfig]) -> Need:
    if request.tier != "paper" and role in _SMALL:
        return shipped(role, _SMALL[role])
    if role == "cutter":
        salient = {name: config for name, config in prompters.items() if isinstance(config, SalientConfig)}
        allowed = {f"{name}.trust_remote_code": config.trust_remote_code for name, config in salient.items()}
        return with_own_code(role, BIREFNET, BIREFNET_PACKAGES, allowed)
    if role == "sam" and prompters["prompter"].kind != "sam3":
        return either(role, SAM, SAM_RELEASE)
    return published(role, {"sam": SAM3, "detector": GROUNDING_DINO, "clip": CLIP}[role])


def prompter_trials(needs: Mapping[str, Need], prompters: Mapping[str, PrompterConfig]) -> list[Trial]:
    """Return the trials of those of these needs, by role, that are networks of the prompters."""
    roles = {role for config in prompters.values() for role in ROLES[config.kind]}
    return [_trial_of_part(role, needs[role], prompters) for role in _ORDER if role in roles and role in needs]


def _trial_of_part(role: str, need: Need, prompters: Mapping[str, PrompterConfig]) -> Trial:
    """Return the trial of a network of the prompters, with the settings of the first that has it."""
    config = next(config for config in prompters.values() if role in ROLES[config.kind])
    if role == "sam":
        if isinstance(config, Sam3PrompterConfig):
            return trial(need, role, open_sam3, config)
        return trial(need, role, open_sam)
    if role == "detector":
        return trial(need, role, open_detector, config)
    if role == "clip":
        return trial(need, role, open_clip)
    salient = [config for config in prompters.values() if isinstance(config, SalientConfig)]
    trusted = all(config.trust_remote_code for config in salient)
    return trial(need, role, open_cutter, CutterTrial(trust_remote_code=trusted))


class _NoSam:
    """Stands where the detector's boxes would prompt SAM, which is tried on its own."""

    def embed(self, image_HW3: NDArray[np.uint8]) -> Any:
        return image_HW3.shape[:2]

    def masks_in_boxes(self, image: Any, box_P4: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Any]:
        import numpy as np

        return np.zeros((len(box_P4), *image), bool), None


def open_detector(places: Places, config: GroundingDinoSamConfig, device: torch.device) -> TinyBatch:
    """Open the detector that finds boxes for names; role ``detector``."""
    from methods.common.prompters.grounding_dino_sam import GroundingDinoSam, load_detector

    detector, processor = load_detector(places["detector"], device)
    no_sam: Any = _NoSam()
    prompter = GroundingDinoSam(detector, processor, no_sam, config)
    return lambda: prompter.segment(a_picture(), ["cat"])


def open_sam3(places: Places, config: Sam3PrompterConfig, device: torch.device) -> TinyBatch:
    """Open SAM 3; role ``sam``."""
    from methods.common.prompters.sam3 import Sam3Prompter, load_sam3

    prompter = Sam3Prompter(*load_sam3(places["sam"], device), config)
    return lambda: prompter.segment(a_picture(), ["cat"])
