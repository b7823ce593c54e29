"""What a training pastes: nothing, X-Paste's random objects, or MRCA's unique stream with feedback on sizes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from methods.common.growth import Added
from methods.common.stage import Config
from methods.mrca.mapping import MappingConfig
from methods.mrca.paste import PasteConfig
from methods.mrca.real_pasting import RealPastingConfig
from methods.mrca.resizing import ResizingConfig
from methods.mrca.size_model import PasteSizeConfig
from methods.mrca.xpaste import XPasteSamplerConfig


class NoPasting(Config):
    """Real images only."""

    kind: Literal["none"] = "none"
    """Which rule this is."""


class XPastePasting(Config):
    """Random objects of random classes (section 5.1)."""

    kind: Literal["xpaste"] = "xpaste"
    """Which rule this is."""
    sampler: XPasteSamplerConfig = XPasteSamplerConfig()
    """How many objects, of which classes."""
    size: PasteSizeConfig = PasteSizeConfig()
    """How large."""
    paste: PasteConfig = PasteConfig()
    """What happens to real instances that are covered."""
    real: Annotated[RealPastingConfig | None, Added(neutral=None)] = None
    """Option "both": instances of another real image are pasted beneath the generated objects; None for none [B]."""


class MrcaPasting(Config):
    """Every object once before any again, larger for classes with low accuracy (sections 3.6 to 3.8)."""

    kind: Literal["mrca"] = "mrca"
    """Which rule this is."""
    mapping: MappingConfig = MappingConfig()
    """How many objects an image gets."""
    resizing: ResizingConfig = ResizingConfig()
    """How accuracy changes sizes; acts only where role ``feedback`` is given."""
    size: PasteSizeConfig = PasteSizeConfig()
    """How large without feedback."""
    paste: PasteConfig = PasteConfig()
    """What happens to real instances that are covered."""
    round_index: int = Field(default=1, ge=1)
    """Round r; a new stream starts with each round."""


Pasting = NoPasting | XPastePasting | MrcaPasting
