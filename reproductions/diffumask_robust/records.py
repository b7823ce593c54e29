"""Records that only the report of the robust training has."""

from __future__ import annotations

from reports.records import Record, Report
from reports.samples import PictureRowSample


class MaskRating(Record):
    """How good the masks of one preset are, with one seed. Percent."""

    preset: str
    seed: int
    num_images: int
    num_dropped: int
    """Images that the filters of section 5.4 leave out; they are rated all the same."""
    iou: dict[str, float | None]
    """By class, pooled over all images; None where a class occurs neither in masks nor in references."""
    miou: float | None
    """Mean over foreground classes."""
    pooled_iou: float | None
    """All foreground intersections over all unions."""
    right_trusted: float | None
    right_distrusted: float | None


class DiffuMaskRobustReport(Report):
    """The report's records, with what only this paper has."""

    ratings: tuple[MaskRating, ...] = ()
    """One a preset and seed."""
    attention_samples: tuple[PictureRowSample, ...] = ()
    """Generated images with attention by preset, masks and reliability."""
