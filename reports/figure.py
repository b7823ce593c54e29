"""What a page says of a picture beside it. Loads nothing heavy, so that papers may name it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A figure beside the report."""

    file: str
    title: str
    caption: str
    """How to read it, in one or two sentences."""

    def markdown(self) -> str:
        """Title, picture, caption."""
        return f"### {self.title}\n\n![{self.title}]({self.file})\n\n{self.caption}"
