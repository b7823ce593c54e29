"""The preflight behind ``segrepro check``: is everything that a plan needs there, whole and allowed, and is there room?

It looks, never downloads, and never ends in a traceback. What it cannot know is a note, not a refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reproductions.harness.fingerprint import Fingerprints
from reproductions.harness.site import SITE_FILE, Site
from reproductions.requirements.file_checks import refusal
from reproductions.requirements.inspect_machine import free_disk, gpu_memory, gpus_in_words
from reproductions.requirements.inspection import HARMLESS, Inspection, State, inspect_place, judge
from reproductions.requirements.need import GpuNeed, Need
from reproductions.requirements.precisions import precisions
from reproductions.study.request import Request

if TYPE_CHECKING:
    from rich.console import Console

    from reproductions.harness.plan import Plan
    from reproductions.study.paper import Paper

HEADER = ("needed", "where", "state", "licence", "what to do")
"""Columns of :func:`table_rows`."""
_MEND = "(mend what the sentence above names, then check again)"
_FILE_WIDTH = 140
"""Of a table that no terminal shows."""


@dataclass(frozen=True)
class Finding:
    """One line of the preflight."""

    what: str
    where: str
    state: State
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""
    steps: tuple[str, ...] = ()
    """What to do when it is fatal: one line each, commands as they are typed."""

    @property
    def is_fatal(self) -> bool:
        """Whether nothing should be submitted as things are."""
        return self.state not in HARMLESS

    def __str__(self) -> str:
        """One sentence."""
        return f"{self.what} ({self.where}) is {self.state}" + (f": {self.problems[0]}" if self.problems else "")

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "is_fatal": self.is_fatal}


def findings(paper: Paper, request: Request, runs_here: bool = True) -> list[Finding]:
    """Look at everything from outside that a plan needs, and at GPUs; :func:`disk_finding` is the rest.

    Takes seconds, but for files with a published checksum: those are hashed whole, once, as the plan would do next; a
    store that exists remembers it.

    Args:
        paper: whose plan.
        request: which plan; its site file may promise how much memory the GPUs have.
        runs_here: whether this machine does the work, so that its GPUs are asked where the site file promises nothing.

    Raises:
        InputError: the request itself makes no sense (an unknown arm, own data that are not LVIS).
    """
    memory = request.store.root / "fingerprints.json" if request.store.is_there else None
    fingerprints = Fingerprints(memory)
    found = [_find(need, fingerprints) for need in paper.needs(request)]
    fingerprints.save()
    return found + [_gpu_finding(need, request.site, runs_here) for need in paper.gpu_needs(request)]


def own_findings(paper: Paper, request: Request, planned: Plan) -> list[Finding]:
    """Look at what the user brings, as every run does before it starts; what a finished cell has used was looked at before.

    Raises:
        InputError: the request itself makes no sense.
    """
    missing = {cell.id for cell in planned.missing(request.store)}
    used = {place.path for cell in planned if cell.id not in missing for place in cell.external.values()}
    needs = [need for need in paper.needs(request) if need.is_own and need.place.resolve() not in used]
    return [_find(need, Fingerprints()) for need in needs]


def disk_finding(request: Request, needed_bytes: float | None) -> Finding:
    """Look whether the store's disk has room for what a plan will write; None when nobody knows how much that is."""
    seen = free_disk(request.store.root, needed_bytes)
    steps = ("free some, or name a store on a larger disk with --store",) if seen.problems else ()
    return Finding("disk", str(request.store.root), seen.state, seen.problems, seen.notes, steps=steps)


def gpu_finding(planned: Plan | None) -> Finding:
    """Say which GPUs a run here uses and in which precision, or that it uses none.

    Args:
        planned: what would run; None where that is not known yet.
    """
    is_there, words = gpus_in_words()
    if not is_there:
        return Finding("GPU", "this machine", "ok", notes=(f"none is used, {words}: all is computed on the processor",))
    computed = precisions(planned or ())
    note = f"{words}; CUDA_VISIBLE_DEVICES chooses" + (f"; there the tier computes: {computed}" if computed else "")
    return Finding("GPU", "this machine", "ok", notes=(note,))


def fatal(found: Iterable[Finding]) -> list[Finding]:
    """Return the findings that forbid to submit."""
    return [finding for finding in found if finding.is_fatal]


def print_findings(found: Sequence[Finding], console: Console) -> None:
    """Print the table, then what to do about each fatal finding; those lines are not wrapped, so that they can be copied."""
    from rich.console import Console
    from rich.table import Table

    if not console.is_terminal:
        console = Console(file=console.file, width=max(console.width, _FILE_WIDTH))

    table = Table(*HEADER, box=None, pad_edge=False, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"  # a place that is cut off helps nobody
    for row in table_rows(found):
        table.add_row(*row)
    console.print(table, markup=False)
    for line in step_lines(found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def table_rows(found: Sequence[Finding]) -> list[tuple[str, str, str, str, str]]:
    """Return the rows under :data:`HEADER`; fatal ones refer to the numbers of :func:`step_lines`."""
    rows, number = [], 0
    for finding in found:
        remarks = list(finding.problems or finding.notes)
        if finding.problems == (f"there is no {finding.where}",):
            remarks = []  # the table says it already
        if finding.steps:
            number += 1
            remarks.append(f"see {number} below")
        rows.append((finding.what, _shown(finding.where), str(finding.state), finding.licence, "; ".join(remarks)))
    return rows


def _shown(where: str) -> str:
    """Shorten a place below the current folder."""
    here = Path.cwd()
    return str(Path(where).relative_to(here)) if Path(where).is_relative_to(here) else where


def step_lines(found: Sequence[Finding]) -> list[str]:
    """Return what to do about each fatal finding, numbered; commands stand at the margin, as a shell wants them."""
    lines: list[str] = []
    for number, finding in enumerate((finding for finding in found if finding.steps), 1):
        lines.append(f"\n{number}. {finding.what}" + (f": {finding.source}" if finding.source else ""))
        lines += finding.steps
    return lines


def _find(need: Need, fingerprints: Fingerprints) -> Finding:
    seen = _with_checksums(inspect_place(need.place, need.inspect), need, fingerprints)
    steps = seen.steps or need.remedy
    if seen.state == "damaged" and not seen.steps:
        steps = (_MEND, *need.remedy) if need.is_own else ("(remove what is damaged first)", *need.remedy)
    return Finding(
        need.what,
        str(need.place),
        seen.state,
        tuple(map(_printable, seen.problems)),
        seen.notes,
        need.licence,
        need.source,
        () if seen.state in HARMLESS else steps,
    )


def _printable(text: str) -> str:
    """Replace what a terminal should not get: names come from files that may hold anything."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _with_checksums(seen: Inspection, need: Need, fingerprints: Fingerprints) -> Inspection:
    """Compare files that are whole by their size with their published checksums."""
    if need.checksums is None or seen.state not in ("ok", "not ready"):
        return seen
    if not need.checksums:
        return Inspection(seen.state, seen.problems, (*seen.notes, "no published checksum is known"), seen.steps)
    faults = (_checksum_faults(need, name, known, fingerprints) for name, known in need.checksums.items())
    problems = [text for texts in faults for text in texts]
    if need.is_copy:
        return Inspection(seen.state, seen.problems, (*seen.notes, *map(_of_a_copy, problems)), seen.steps)
    return judge(problems) if problems else seen


def _of_a_copy(problem: str) -> str:
    return f"{problem}; a copy of withdrawn weights may differ, and the report names what was used"


def _checksum_faults(need: Need, name: str, known: Sequence[str], fingerprints: Fingerprints) -> list[str]:
    path = need.place / name
    try:
        if not path.is_file():  # the same weights in other files, which the inspector found whole
            return []
        found = fingerprints.sha256(path.resolve())
    except OSError as error:
        return [refusal(error, path)]
    if found in known:
        return []
    expected = " or ".join(text[:12] for text in known)
    return [f"{name} is not the published file: its SHA-256 begins {found[:12]}, not {expected}"]


def _gpu_finding(need: GpuNeed, site: Site, runs_here: bool) -> Finding:
    promised_gib = site.stages[need.kind].gpu_memory_gib if need.kind in site.stages else None
    seen = gpu_memory(need, promised_gib, runs_here)
    where = "this machine" if runs_here and promised_gib is None else f"{SITE_FILE}, stages.{need.kind}"
    step = f"give stages.{need.kind} in {SITE_FILE} a partition with larger GPUs, and their gpu_memory_gib"
    steps = (step,) if seen.problems else ()
    return Finding(f"GPU memory, {need.what}", where, seen.state, seen.problems, seen.notes, steps=steps)
