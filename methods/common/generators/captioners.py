"""Where captions come from: a captioning network that looks at the image, or sentences filled with class names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import Field, field_validator

from methods.common.errors import InputError
from methods.common.generators.class_prompts import written_form
from methods.common.seeds import Seeds, derive_seed
from methods.common.stage import Config

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

MINIATURE_BACKGROUNDS = ("white", "grass", "sand", "water", "brick", "sky", "wood", "stone")
"""What the miniature generator knows to draw behind objects."""


class TemplateCaptions(Config):
    """Sentences with the classes' names. It does not look at the image; it stands where the real runs have a captioner."""

    kind: Literal["template"] = "template"
    """Which captioner this is."""
    templates: tuple[str, ...] = (
        "a photo of {names} on {background}",
        "a picture of {names} on {background}",
        "an image of {names} on {background}",
        "a realistic photo of {names} on {background}",
    )
    """Sentences; one is drawn for each caption. ``{names}`` becomes "a coin and a melon"."""
    backgrounds: tuple[str, ...] = MINIATURE_BACKGROUNDS
    """What ``{background}`` is drawn from."""

    @field_validator("templates", "backgrounds")
    @classmethod
    def _not_empty(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        if not texts:
            raise ValueError("give at least one")
        return texts

    @field_validator("templates")
    @classmethod
    def _names_once(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if template.count("{names}") != 1 or template.count("{background}") > 1:
                raise ValueError(f"template {template!r} needs {{names}} once and {{background}} at most once")
        return templates


class BlipCaptions(Config):
    """Captions sampled from a BLIP network in role ``captioner``. SAM filter section 2.1 [C SAM filter D21]."""

    kind: Literal["blip"] = "blip"
    """Which captioner this is."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    """Words are sampled from the likeliest that have this probability together [C SAM filter D60]."""
    max_new_tokens: int = Field(default=20, ge=1)
    """Greatest length of a caption, tokens [C SAM filter D60]."""


class Blip2Captions(Config):
    """The likeliest caption by a BLIP-2 network in role ``captioner``, without a prompt. SegGen section 3 [C SegGen D11]."""

    kind: Literal["blip2"] = "blip2"
    """Which captioner this is."""
    num_beams: int = Field(default=5, ge=1)
    """Captions that the search keeps at a time; 1 takes the likeliest word each time."""
    max_new_tokens: int = Field(default=40, ge=1)
    """Greatest length of a caption, tokens."""


CaptionerConfig = Annotated[TemplateCaptions | BlipCaptions | Blip2Captions, Field(discriminator="kind")]


class Captioner(Protocol):
    """Describes an image, several times if asked."""

    looks: bool
    """Whether it needs the image."""

    def captions(
        self, image_HW3: NDArray[np.uint8] | None, class_names: Sequence[str], seeds: Sequence[int]
    ) -> list[str]:
        """Return one caption for each seed; a caption depends on the image, the names and its seed only."""


class TemplateCaptioner:
    """Fills sentences."""

    looks = False

    def __init__(self, config: TemplateCaptions) -> None:
        self._config = config

    def captions(
        self, image_HW3: NDArray[np.uint8] | None, class_names: Sequence[str], seeds: Sequence[int]
    ) -> list[str]:
        """Return one sentence for each seed."""
        names = " and ".join(f"a {written_form(name)}" for name in class_names)
        return [self._fill(names, seed) for seed in seeds]

    def _fill(self, names: str, seed: int) -> str:
        template = self._config.templates[derive_seed("template", seed) % len(self._config.templates)]
        background = self._config.backgrounds[derive_seed("background", seed) % len(self._config.backgrounds)]
        return template.replace("{names}", names).replace("{background}", background)


class BlipCaptioner:
    """A BLIP captioner from a local folder."""

    looks = True

    def __init__(self, folder: Path, config: BlipCaptions, device: torch.device) -> None:
        """Load the network.

        Raises:
            InputError: the folder holds no BLIP network and processor, or not all of its weights.
        """
        import torch
        from transformers import BlipForConditionalGeneration, BlipProcessor

        from methods.common.whole_weights import load_whole, one_sentence

        self._network: Any
        dtype = torch.float16 if device.type == "cuda" else torch.float32
        remedy = "name a folder with a BLIP network and its processor"
        with one_sentence(folder, "captioner", remedy):
            self._processor: Any = BlipProcessor.from_pretrained(folder, local_files_only=True)
        self._network = load_whole(
            BlipForConditionalGeneration,
            folder,
            "the captioner",
            remedy,
            local_files_only=True,
            use_safetensors=True,
            dtype=dtype,
        )
        self._network.to(device)
        self._network.eval()
        self._config = config

    def captions(
        self, image_HW3: NDArray[np.uint8] | None, class_names: Sequence[str], seeds: Sequence[int]
    ) -> list[str]:
        """Sample one caption for each seed."""
        import torch

        assert image_HW3 is not None, "this captioner looks at the image"
        pixels = self._processor(images=image_HW3, return_tensors="pt").pixel_values
        pixels = pixels.to(self._network.device, self._network.dtype)
        found = []
        devices = [pixels.device] if pixels.is_cuda else []
        with torch.random.fork_rng(devices), torch.no_grad():
            for seed in seeds:
                torch.manual_seed(seed)  # sampling inside `generate` takes no generator of its own
                tokens = self._network.generate(
                    pixel_values=pixels,
                    do_sample=True,
                    top_p=self._config.top_p,
                    max_new_tokens=self._config.max_new_tokens,
                )
                found.append(" ".join(self._processor.decode(tokens[0], skip_special_tokens=True).split()))
        return found


class Blip2Captioner:
    """A BLIP-2 captioner from a local folder. It does not sample: every seed gives the same caption."""

    looks = True

    def __init__(self, folder: Path, config: Blip2Captions, device: torch.device) -> None:
        """Load the network.

        Raises:
            InputError: the folder holds no BLIP-2 network and processor, or not all of its weights.
        """
        import torch
        from transformers import Blip2ForConditionalGeneration, Blip2Processor

        from methods.common.whole_weights import load_whole, one_sentence

        self._network: Any
        remedy = "name a folder with a BLIP-2 network and its processor"
        with one_sentence(folder, "captioner", remedy):
            self._processor: Any = Blip2Processor.from_pretrained(folder, local_files_only=True)
        self._network = load_whole(
            Blip2ForConditionalGeneration,
            folder,
            "BLIP-2",
            remedy,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float16 if device.type == "cuda" else torch.float32,
        )
        self._network.to(device)
        self._network.eval()
        self._config = config

    def captions(
        self, image_HW3: NDArray[np.uint8] | None, class_names: Sequence[str], seeds: Sequence[int]
    ) -> list[str]:
        """Write one caption, as often as there are seeds."""
        import torch

        assert image_HW3 is not None, "this captioner looks at the image"
        writable_HW3 = image_HW3.copy()  # or torch warns
        given = self._processor(images=writable_HW3, return_tensors="pt").to(self._network.device, self._network.dtype)
        with torch.no_grad():
            tokens = self._network.generate(
                **given,
                do_sample=False,
                num_beams=self._config.num_beams,
                max_new_tokens=self._config.max_new_tokens,
            )
        return [self._processor.decode(tokens[0], skip_special_tokens=True).strip()] * len(seeds)


def load_captioner(
    config: TemplateCaptions | BlipCaptions | Blip2Captions, folder: Path | None, device: torch.device
) -> Captioner:
    """Make the captioner that a config asks for.

    Args:
        config: which one.
        folder: of its network, where it has one.
        device: where it runs.

    Raises:
        InputError: a network without a folder, or a folder that does not hold it.
    """
    if isinstance(config, TemplateCaptions):
        return TemplateCaptioner(config)
    if folder is None:
        raise InputError(
            f"the captioner {config.kind!r} needs a folder with its network; name one for the role 'captioner'"
        )
    if isinstance(config, Blip2Captions):
        return Blip2Captioner(folder, config, device)
    return BlipCaptioner(folder, config, device)


def caption_seed(seeds: Seeds, image_name: str, sample: int) -> int:
    """Seed of one caption: a function of the image's name and the sample's number."""
    return seeds.derive("generation", "caption", image_name, sample)
