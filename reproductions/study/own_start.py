"""Studies of own data whose segmenter starts from ImageNet weights: ``--set backbone=efficientnet_lite0``."""

from __future__ import annotations

from reproductions.study.request import Request

EFFICIENTNET = "efficientnet_lite0"
"""The backbone whose ImageNet weights an optional dependency brings."""


def starts_from_imagenet(request: Request) -> bool:
    """Whether own data are asked to be trained from these weights."""
    return request.data is not None and request.settings.get("backbone") == EFFICIENTNET
