"""The manifest: one row an instance, with all that it takes to make its pictures again, byte for byte. Parquet, read by any tool."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from methods.common.errors import InputError, reason
from methods.common.files import write_atomic
from methods.instance_synthesis.frames import Box

MANIFEST_FILE, SAMPLES_FILE = "manifest.parquet", "samples.parquet"
RowT = TypeVar("RowT", bound="InstanceRow | SampleRow")


@dataclass(frozen=True)
class InstanceRow:
    """One instance that is repainted."""

    number: int
    """Its row, from 0."""
    frame: str
    layer: int
    """Which map of ids of the frame it lies in."""
    instance_id: int
    class_name: str
    area_px: int
    x0: int
    """The tight box, right and lower ends outside of it."""
    y0: int
    x1: int
    y1: int
    window_x0: int
    """The square window."""
    window_y0: int
    window_side: int
    prompt: str
    seeds: list[int]
    """Of the generator, one for each variant."""
    focus_seeds: list[int]
    """Of the draw of the focused crop, one for each variant."""

    @property
    def box(self) -> Box:
        """The tight box."""
        return Box(self.x0, self.y0, self.x1, self.y1)

    @property
    def window(self) -> Box:
        """The square window."""
        return Box(self.window_x0, self.window_y0, self.window_x0 + self.window_side, self.window_y0 + self.window_side)

    @property
    def source(self) -> str:
        """A name of the instance that no other has."""
        return f"{self.frame}/{self.layer}/{self.instance_id}"


@dataclass(frozen=True)
class SampleRow:
    """One training sample that was made of an instance."""

    name: str
    """Of its files."""
    number: int
    """Row of the instance in the manifest."""
    variant: int
    """From 1."""
    frame: str
    layer: int
    instance_id: int
    class_name: str
    prompt: str
    seed: int
    focus_seed: int
    offset: int
    """What was taken off the intensities."""
    ratio: float
    """Area of the window by that of the smallest one; 0 where the whole image was taken."""
    num_tries: int
    focus_x0: int
    """The focused window."""
    focus_y0: int
    focus_x1: int
    focus_y1: int
    num_instances: int
    """Instances that the sample shows, groups left out."""
    checksum: int
    """CRC-32 of its files, one after the other."""


def write_rows(path: Path, rows: Sequence[InstanceRow | SampleRow], row_type: type) -> None:
    """Write rows as one Parquet file, atomically; equal rows give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        "int": pa.int64(),
        "str": pa.string(),
        "float": pa.float64(),
        "list[int]": pa.list_(pa.int64()),
    }
    schema = pa.schema([(field.name, kinds[str(field.type)]) for field in dataclasses.fields(row_type)])
    columns = {name: [getattr(row, name) for row in rows] for name in schema.names}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), buffer, compression="zstd")
    write_atomic(path, buffer.getvalue())


def read_rows(path: Path, row_type: type[RowT]) -> list[RowT]:
    """Read all rows.

    Raises:
        InputError: the file is missing, no Parquet, or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        records: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return [row_type(**record) for record in records]
    except (OSError, pa.ArrowException, TypeError) as error:
        raise InputError(f"{path} is no manifest ({reason(error)}); select the instances again") from error
