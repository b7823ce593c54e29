"""BiRefNet, the cut-out network of the real runs, as a cut-out network like any other.

Shape suffixes: N pictures, C = 3 colours, H, W pixels.
"""

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from methods.common.errors import InputError, reason

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
INPUT_SIDE_PX = 512
"""Pictures are resized to this square. Source: MRCA section 3.5 [R]."""


class _Network(Protocol):
    def __call__(self, image_NCHW: Tensor) -> list[Tensor]: ...


class BiRefNetCutout:
    """Wraps a network whose last output holds mask logits (N, 1, H, W)."""

    def __init__(self, network: _Network, device: torch.device, input_side_px: int = INPUT_SIDE_PX) -> None:
        self.network = network
        self.device = device
        self.input_side_px = input_side_px

    @classmethod
    def from_pretrained(
        cls, name: str, revision: str | None, device: torch.device | None = None, *, trust_remote_code: bool
    ) -> "BiRefNetCutout":
        """Load from a local folder or the Hub through transformers.

        Args:
            name: folder, or repository such as ``ZhengPeng7/BiRefNet``.
            revision: commit of the repository, 40 hexadecimal digits; only a local folder may leave it out.
            device: where it runs; CPU by default.
            trust_remote_code: must be True, because the repository's own Python code builds the network.
        Raises:
            InputError: the flag is not set, a Hub repository comes without a pinned commit, or its code imports what is not
                installed.
        """
        if not trust_remote_code:
            raise InputError(
                f"{name}: this cut-out network runs Python code from its repository; read that code, then allow it "
                "with trust_remote_code=True"
            )
        if not Path(name).is_dir() and (revision is None or len(revision) != 40):
            raise InputError(f"{name}: give the full commit hash of the repository as revision, not {revision!r}")
        from transformers import AutoModelForImageSegmentation

        try:
            network = AutoModelForImageSegmentation.from_pretrained(name, revision=revision, trust_remote_code=True)
        except ImportError as error:
            raise InputError(
                f"{name}: its code imports packages that are not here ({reason(error)}); install the extra `birefnet`: "
                "uv pip install --python .venv/bin/python -e '.[birefnet]'"
            ) from error
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
