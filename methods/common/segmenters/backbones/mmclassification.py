"""ResNet-D by the names of mmclassification, in which its ImageNet weights are published."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

_STEM_PLACES = {"stem.0.conv": "conv1.0", "stem.0.bn": "conv1.1", "stem.1.conv": "conv1.3", "stem.1.bn": "conv1.4"}
_STEM_PLACES |= {"stem.2.conv": "conv1.6", "stem.2.bn": "bn1"}
_FIRST_SHORTCUT = "layer1.0.downsample."
_MARK = "backbone.stem.0.conv.weight"
"""An entry that tells these names from others."""


def is_mmclassification(weights: Mapping[str, Tensor]) -> bool:
    """Whether entries have these names."""
    return _MARK in weights


def our_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries by our names; the first shortcut, which does not shrink, has no place for a pooling there.

    Source: Attn2mask section 13, ``resnetv1d101_b32x8_imagenet_20210531-6e13bcd3.pth``.
    """
    return {_our_name(name.removeprefix("backbone.")): value for name, value in weights.items()}


def _our_name(name: str) -> str:
    for theirs, ours in _STEM_PLACES.items():
        if name.startswith(f"{theirs}."):
            return ours + name.removeprefix(theirs)
    if name.startswith(_FIRST_SHORTCUT):
        place, kind = name.removeprefix(_FIRST_SHORTCUT).split(".", 1)
        return f"{_FIRST_SHORTCUT}{int(place) + 1}.{kind}"
    return name
