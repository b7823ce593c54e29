"""Which prompter turns a class name into a mask, and its settings. Imports nothing heavy, so that plans can be made from it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from methods.common.segment_anything.automatic_masks import AutomaticMasksConfig
from methods.common.stage import Config


class GroundingDinoSamConfig(Config):
    """T1: an open-vocabulary detector finds boxes for the name, each box prompts SAM. Source: SAM filter section 4.2."""

    kind: Literal["grounding_dino_sam"] = "grounding_dino_sam"
    """Which prompter this is."""
    box_threshold: float = Field(default=0.30, ge=0, le=1)
    """Boxes are kept whose best word scores above this."""
    text_threshold: float = Field(default=0.25, ge=0, le=1)
    """Boxes are kept if at least one word of the phrase scores above this."""


class AutomaticClipConfig(Config):
    """T2: SAM's automatic masks, named by CLIP. Source: SAM filter section 4.2; crop, wording and bar are our choices [? SAM filter D62]."""

    kind: Literal["automatic_clip"] = "automatic_clip"
    """Which prompter this is."""
    masks: AutomaticMasksConfig = AutomaticMasksConfig()
    """How masks are found."""
    surroundings: Literal["kept", "grey", "white"] = "grey"
    """What CLIP sees outside the mask, inside the crop."""
    margin: float = Field(default=0.1, ge=0)
    """Room around the mask's box on every side, as a share of its longer side; the crop is a square."""
    template: str = "a photo of a {}"
    """What CLIP reads; ``{}`` is the name."""
    min_score: float = Field(default=21.0, ge=-100, le=100)
    """A mask is kept if 100 x cosine with its best name is at least this."""
    other_texts: tuple[str, ...] = ()
    """Whole texts that compete with the names; masks that fit one of them best belong to no class."""
    max_area_share: float = Field(default=1.0, gt=0, le=1)
    """Masks that cover more of the picture than this are left out, as they show what is behind the objects."""

    @model_validator(mode="after")
    def _template_takes_a_name(self) -> "AutomaticClipConfig":
        if self.template.count("{}") != 1:
            raise ValueError(f"template {self.template!r} needs one {{}} for the name")
        return self


class Sam3PrompterConfig(Config):
    """T3: SAM 3, which takes a noun phrase. Source: SAM filter section 4.2."""

    kind: Literal["sam3"] = "sam3"
    """Which prompter this is."""
    confidence: float = Field(default=0.5, ge=0, le=1)
    """Instances are kept that score above this."""


class SalientConfig(Config):
    """The salient object of a picture that names one class; a reference that knows nothing of names [C SAM filter D45]."""

    kind: Literal["salient"] = "salient"
    """Which prompter this is."""
    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Foreground probability from which a pixel belongs to the object."""
    trust_remote_code: bool = False
    """Allow the cutter's folder to run its own Python code; the published BiRefNet weights need it."""


PrompterConfig = Annotated[
    GroundingDinoSamConfig | AutomaticClipConfig | Sam3PrompterConfig | SalientConfig, Field(discriminator="kind")
]

ROLES: dict[str, tuple[str, ...]] = {
    "grounding_dino_sam": ("detector", "sam"),
    "automatic_clip": ("sam", "clip"),
    "sam3": ("sam",),
    "salient": ("cutter",),
}
"""By kind, the roles whose folders of weights a prompter reads."""
