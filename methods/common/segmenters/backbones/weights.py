"""ImageNet weights for the backbones: what a paper-scale training starts from."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from methods.common.segmenters.backbones.build import Backbone
from methods.common.segmenters.backbones.efficientnet_lite import EfficientNetLite
from methods.common.segmenters.backbones.generative.backbone import GenerativeBackbone
from methods.common.segmenters.backbones.hrnet import HRNet
from methods.common.segmenters.backbones.mmclassification import is_mmclassification, our_names
from methods.common.segmenters.checkpoints import name_with_shapes, read_checkpoint, refuse_misfits

_UNUSED = re.compile(
    r"fc\..*|head\..*|norm\.(weight|bias)|.*\.num_batches_tracked|.*\.(relative_position_index|attn_mask)"
    r"|(incre_modules|downsamp_modules|final_layer|classifier)\..*"
)
"""Classifiers, Swin's final norm, counters, indices that we compute, and what HRNet's classifier puts on its branches."""
_NEW = re.compile(r"norm\d\.(weight|bias)|.*\.num_batches_tracked|.*\.conv2_offset\.(weight|bias)")
"""Entries that an ImageNet network lacks: norms on outputs of Swin and ConvNeXt and places of deformable taps keep their initial values."""


def load_backbone_weights(backbone: Backbone | HRNet, path: Path | str) -> None:
    """Load published ImageNet weights into a backbone, in place.

    Takes ``resnet50_miil_21k.pth`` (timm's names, which are torchvision's), torchvision's ``resnet50-*.pth``, timm's
    ``resnet50d_ra2-464e36ba.pth`` and mmclassification's ``resnetv1d101_*.pth`` (deep stem, pooled shortcuts), ``swin_large_patch4_window12_384_22k.pth`` (Swin's names),
    ``convnext_large_22k_1k_384.pth`` (ConvNeXt's names), the release's ``hrnetv2_w48_imagenet_pretrained.pth``, timm's ``hrnet_w48`` and
    MMSegmentation's ``hrnetv2_w48-d2186c55.pth`` (one set of names), the package's ``efficientnet-lite0-57934424.pth``, also as ``.safetensors``.

    A generative backbone takes a folder, see :func:`load_generator`.

    Raises:
        InputError: unreadable, or entries are missing, unexpected or of another shape; the message names them.
    Source: MRCA sections 6.1 and 7; SAM filter sections 8 and 11 (torchvision's ImageNet weights);
    InstSynth section 8.3 (ConvNeXt); Attn2mask section 13 (ResNet-101-D); SegGen section 7 (HRNet).
    """
    if isinstance(backbone, GenerativeBackbone):
        from methods.common.segmenters.backbones.generative.loading import load_generator  # brings diffusers

        load_generator(backbone, Path(path))
        return
    found = read_checkpoint(path)
    if is_mmclassification(found):
        found = our_names(found)
    if isinstance(backbone, EfficientNetLite):
        found = backbone.of_its_blocks(found)
    weights = {name: value for name, value in found.items() if not _UNUSED.fullmatch(name)}
    state = backbone.state_dict()
    missing = [name for name in state if name not in weights and not _NEW.fullmatch(name)]
    unexpected = [name for name in weights if name not in state]
    shapes = [
        name_with_shapes(name, value, state[name])
        for name, value in weights.items()
        if name in state and value.shape != state[name].shape
    ]
    refuse_misfits(str(path), f"{type(backbone).__name__} backbone", missing, unexpected, shapes)
    with torch.no_grad():
        for name, value in weights.items():
            state[name].copy_(value)
