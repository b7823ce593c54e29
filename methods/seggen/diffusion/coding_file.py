"""How the masks are coloured that a generator was trained with, kept beside it as ``palette.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from methods.common.errors import InputError, reason
from methods.common.files import write_atomic
from methods.common.stage import Config
from methods.seggen.palettes import Palette, PaletteConfig, build_palette

PALETTE_FILE = "palette.json"


class ColourCoding(Config):
    """What colours mean, and how edges are drawn."""

    palette: PaletteConfig
    """Which colours."""
    class_names: tuple[str, ...]
    """Names by label."""
    panoptic: bool = False
    """Whether masks have segments with edges."""
    edge_px: int = 1
    """Width of the edges."""

    def build(self) -> Palette:
        """Return the colours."""
        return build_palette(self.palette, len(self.class_names))

    def write(self, folder: Path) -> None:
        """Keep it in a folder."""
        write_atomic(folder / PALETTE_FILE, self.model_dump_json(indent=2).encode())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return what a folder keeps.

        Raises:
            InputError: the file is missing or faulty.
        """
        path = folder / PALETTE_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            said = reason(error) if isinstance(error, OSError) else "it does not say how masks are coloured"
            raise InputError(
                f"{path} cannot be used ({said}); name a folder that training a generator wrote"
            ) from error

    def check_classes(self, class_names: Sequence[str], where: Path) -> None:
        """Make sure that data have the classes that the colours stand for.

        Raises:
            InputError: they have others.
        """
        if tuple(class_names) != self.class_names:
            raise InputError(
                f"{where} has {len(class_names)} classes that are not the {len(self.class_names)} ones whose colours the generator knows; use "
                "the data that it was trained on"
            )

    def check_same_colours(self, other: ColourCoding) -> None:
        """Make sure that pictures drawn in other colours can be read in these.

        Raises:
            InputError: the colours differ.
        """
        if (self.palette, self.class_names) != (other.palette, other.class_names):
            raise InputError(
                f"masks are drawn in the palette {other.palette.kind!r} and painted by a generator that learnt {self.palette.kind!r}; train both "
                "with one palette, or paint from clean masks"
            )
