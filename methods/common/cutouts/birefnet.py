"""BiRefNet, the cut-out network of the real runs, as a cut-out network like any other.

Shape suffixes: N pictures, C = 3 colours, H, W pixels.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

from methods.common.errors import InputError, reason
from methods.common.whole_weights import one_sentence, refuse_holes

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
INPUT_SIDE_PX = 512
"""Pictures are resized to this square. Source: MRCA section 3.5 [R]."""
_REMEDY = "download the repository ZhengPeng7/BiRefNet again, code and weights"


class _Network(Protocol):
    def __call__(self, image_NCHW: Tensor) -> list[Tensor]: ...


class BiRefNetCutout:
    """Wraps a network whose last output holds mask logits (N, 1, H, W)."""

    def __init__(self, network: _Network, device: torch.device, input_side_px: int = INPUT_SIDE_PX) -> None:
        self.network = network
        self.device = device
        self.input_side_px = input_side_px

    @classmethod
    def from_folder(
        cls, folder: Path, device: torch.device | None = None, *, trust_remote_code: bool
    ) -> "BiRefNetCutout":
        """Load a downloaded repository, such as ``ZhengPeng7/BiRefNet``, in float32 and evaluation mode.

        Its class is called as it is and filled from the file, not by transformers' own loading, which since version 5 does
        not get through the published code: that puts a plain object in the place of the config, never calls ``post_init``,
        and reads numbers off tensors that transformers makes without any.

        Args:
            folder: with ``config.json``, whose ``auto_map`` names the code, and ``model.safetensors``.
            device: where it runs; CPU by default.
            trust_remote_code: must be True, because the folder's own Python code builds the network.
        Raises:
            InputError: the flag is not set, the folder's code fails or imports what is not installed, or the weights do not
                fill the network.
        """
        if not trust_remote_code:
            raise InputError(
                f"{folder}: this cut-out network runs Python code from its repository; read that code, then allow it "
                "with trust_remote_code=True"
            )
        network = _build(folder)
        with one_sentence(folder, "BiRefNet", _REMEDY):
            weights = load_file(folder / "model.safetensors")
        _fill(network, weights, folder)
        where = device or torch.device("cpu")
        return cls(network.to(where).float().eval(), where)

    @torch.no_grad()
    def soft_mask(self, image_NCHW: Tensor) -> Tensor:
        """Return foreground probabilities, float32 (N, H, W) in [0, 1], of RGB pictures (N, 3, H, W) in [0, 1].

        Source: MRCA section 3.5 [R]: 512x512, ImageNet statistics, last output, sigmoid, resized back.
        """
        height, width = image_NCHW.shape[2:]
        side = (self.input_side_px, self.input_side_px)
        image = interpolate(image_NCHW.to(self.device, torch.float32), side, mode="bilinear", antialias=True)
        mean_C11 = torch.tensor(IMAGENET_MEAN, device=self.device)[:, None, None]
        std_C11 = torch.tensor(IMAGENET_STD, device=self.device)[:, None, None]
        prob_N1HW = self.network((image - mean_C11) / std_C11)[-1].float().sigmoid()
        resized = interpolate(prob_N1HW, (height, width), mode="bilinear", antialias=True)
        return resized[:, 0].clamp(0.0, 1.0)


def _build(folder: Path) -> Any:
    """Run the folder's code and return the network, on the CPU, with weights as its class draws them.

    Raises:
        InputError: the code is not there, fails, or imports what is not installed.
    """
    try:
        with one_sentence(folder, "BiRefNet", _REMEDY):
            config = _class_of(folder, "AutoConfig").from_pretrained(folder, local_files_only=True)
            # The config comes first, whatever the class calls its first argument: transformers calls it so, too.
            return _class_of(folder, "AutoModelForImageSegmentation")(config)
    except InputError as error:
        if not isinstance(error.__cause__, ImportError):
            raise
        raise InputError(
            f"{folder}: its code imports packages that are not here ({reason(error.__cause__)}); install the extra "
            "`birefnet`: uv pip install --python .venv/bin/python -e '.[birefnet]'"
        ) from error.__cause__


def _class_of(folder: Path, role: str) -> Any:
    """Return the class that ``auto_map`` names for a role, from the folder's own files even where it names a repository too."""
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    name = json.loads((folder / "config.json").read_text()).get("auto_map", {}).get(role)
    if not isinstance(name, str):
        raise InputError(f"{folder / 'config.json'} names no {role} in its auto_map; {_REMEDY}")
    return get_class_from_dynamic_module(name.rsplit("--", 1)[-1], folder, local_files_only=True)


def _fill(network: nn.Module, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Copy every weight of the network from the file's, whose precision may be another; one that two names share is there once.

    Raises:
        InputError: one is missing or has another shape.
    """
    state = network.state_dict()
    filled = {tensor.data_ptr() for name, tensor in state.items() if name in weights}
    info = {
        "missing_keys": [
            name for name, tensor in state.items() if name not in weights and tensor.data_ptr() not in filled
        ],
        "mismatched_keys": [
            (name, weights[name].shape, tensor.shape)
            for name, tensor in state.items()
            if name in weights and weights[name].shape != tensor.shape
        ],
    }
    refuse_holes(folder, "BiRefNet", info, _REMEDY)
    network.load_state_dict(dict(weights), strict=False)
