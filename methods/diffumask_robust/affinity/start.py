"""Which weights an AffinityNet's trunk starts from. Imports nothing."""

from __future__ import annotations

from typing import Literal

Start = Literal["scratch", "imagenet", "voc_classifier"]
"""None, those of the ImageNet classifier, or as released those of a classifier that has seen real VOC images [C D29]."""
