"""How far a cutting is: a verdict for each image, and cut-outs in part files, so that a killed cutting goes on.

Parts are written and listed in a checkpoint together; what is not listed, torn or missing is cut again. They lie below
the output folder and go when the pool is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from methods.common.objects.pool import ObjectPool, StoredObject
from methods.common.objects.shards import is_whole_shard, write_pool_shard
from methods.common.stage import Context
from methods.mrca.cut import Outcome

_OBJECTS_PER_PART = 256
"""At most about so many cut-outs are held in memory."""


class Verdict(NamedTuple):
    """What is known of one image after it went through the networks."""

    category_id: int
    outcome: Outcome | None
    """What became of it; None while that depends on images to come."""
    clip_score: float = 0.0
    area_fraction: float = 0.0
    has_cutout: bool = False
    """Whether a part file holds its cut-out."""
    cutter: int = 0
    """Number of the cut-out network whose mask it is."""


class CutParts:
    """Verdicts and cut-outs of the images so far, in order; continues where the newest checkpoint ends."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._folder = context.out / "parts"
        self._waiting: list[StoredObject] = []
        found = context.checkpoints.load()
        verdicts, ends = ([], []) if found is None else (found[1]["verdicts"], found[1]["ends"])
        self.verdicts = [Verdict(*values) for values in verdicts]
        """One for each image that was judged."""
        self._ends: list[int] = ends
        """For each part, how many images were judged when it was written."""
        self._drop_from_first_torn_part()

    def _drop_from_first_torn_part(self) -> None:
        for number, (start, end) in enumerate(pairwise([0, *self._ends])):
            num_cutouts = sum(verdict.has_cutout for verdict in self.verdicts[start:end])
            if not is_whole_shard(self._paths()[number], num_cutouts):
                self._ends = self._ends[:number]
                self.verdicts = self.verdicts[:start]
                self._context.checkpoints.clear()
                self._save_checkpoint()
                return

    def _paths(self) -> list[Path]:
        """Parts are named after their images: another attempt may cut the images into other parts."""
        return [self._folder / f"images-{start:08d}-{end:08d}.parquet" for start, end in pairwise([0, *self._ends])]

    def add(self, verdicts: Iterable[Verdict], cutouts: Sequence[StoredObject]) -> None:
        """Add the next images; write a part when it is time."""
        self.verdicts += verdicts
        self._waiting += cutouts
        if self._context.checkpoint_due() or len(self._waiting) >= _OBJECTS_PER_PART:
            self.save()

    def save(self) -> None:
        """Write what is in memory as a part, and a checkpoint that lists it."""
        if self._ends and self._ends[-1] == len(self.verdicts):
            return
        self._ends.append(len(self.verdicts))
        write_pool_shard(self._paths()[-1], self._waiting)
        self._waiting = []
        self._save_checkpoint()

    def _save_checkpoint(self) -> None:
        verdicts = [list(verdict) for verdict in self.verdicts]
        self._context.checkpoints.save(len(self.verdicts), {"verdicts": verdicts, "ends": self._ends})

    def accepted(self, outcomes: Sequence[Outcome]) -> Iterator[StoredObject]:
        """Yield the cut-outs of the images whose outcome is ``accepted``, in order; call :meth:`save` before."""
        cutouts = ObjectPool.open(self._paths(), allow_empty=True).read_all()
        for verdict, outcome in zip(self.verdicts, outcomes, strict=True):
            cutout = next(cutouts) if verdict.has_cutout else None
            if outcome == "accepted":
                assert cutout is not None
                yield cutout

    def remove(self) -> None:
        """Remove the part files, the last ones first: whatever a kill leaves is a beginning to go on from."""
        for path in sorted(self._folder.iterdir(), reverse=True):
            path.unlink()
        self._folder.rmdir()
