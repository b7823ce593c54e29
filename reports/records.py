"""The plain records behind a report: what was run, what came out, what the paper says, and what follows.

The upper half is filled from the store, cell by cell. The lower half (estimates, target and claim verdicts) is
computed from it by ``reproductions.verdicts.verdict.judge``. A report is a function of these records and of the
image files that they name, of nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Tier = Literal["smoke", "mini", "paper"]
TargetVerdict = Literal["matches", "within seed noise", "below", "above", "not comparable", "not run"]
ClaimVerdict = Literal["holds", "equivalent", "not resolved", "contradicted", "not run"]
EvidenceKind = Literal["difference", "change", "ratio", "correlation"]
Certainty = Literal["certain", "inferred"]
"""How sure a printed number is: read in the paper, or derived from its text because its cell could not be read."""


def _absent(value: object) -> bool:
    """Say whether a field that only some papers fill is empty; it is then left out of ``records.json``."""
    return value is None or value == () or value == "" or value == {}


def _if_any(default: Any) -> Any:
    """Field that only some papers fill."""
    return Field(default=default, exclude_if=_absent)


class Record(BaseModel):
    """Base of all records: frozen, unknown keys forbidden, only finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class Weights(Record):
    """Weights from outside that a report rests on."""

    role: str
    """What the stages call them."""
    what: str
    """What people call them."""
    files: dict[str, str]
    """SHA-256 of each file of weights, by its name."""


class Provenance(Record):
    """Where the numbers come from. Printed in ``report.md``; never in ``results.csv``."""

    commit: str
    """Full commit hash of the code, or "unknown"."""
    dirty: str | None = None
    """Hash of uncommitted changes; None for a clean checkout."""
    packages: dict[str, str] = {}
    """Version by package name."""
    hosts: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    """What computed, in words: a CPU model, a GPU name."""
    started: str = ""
    """ISO 8601 time at which the earliest cell of the report started."""
    finished: str = ""
    """ISO 8601 time at which the latest cell finished."""
    cells: int = Field(default=0, ge=0)
    """How many cells stand behind the report."""
    cpu_s: float | None = _if_any(None)
    """Seconds of processors that its cells without a GPU took, all attempts."""
    gpu_s: float | None = _if_any(None)
    """Seconds of GPUs that the others took."""
    store: str = ""
    weights: tuple[Weights, ...] = _if_any(())
    """Weights from outside, whoever published them."""


class Run(Record):
    """What was asked for."""

    paper_id: str
    paper_title: str
    paper_source: str = ""
    """Authors, venue, year."""
    tier: Tier
    data: str
    """What the models were trained and evaluated on, in words: "the miniature world", "LVIS v1"."""
    seeds: tuple[int, ...]
    command: str
    """The exact command that makes this report."""
    study: dict[str, Any] = Field(default={}, exclude_if=lambda value: value == {})
    """The complete configuration of the study, as ``--set`` names it."""
    differs: str = _if_any("")
    """What differs from the plain request of the tier, in words; empty for the plain one."""
    settings: dict[str, str] = {}
    """Facts a reader must know to read the numbers, e.g. {"feedback split": "held-out train images"}."""
    provenance: Provenance


class Arm(Record):
    """One row of a table, whatever the backbone."""

    id: str
    title: str
    what: str = ""
    """One short sentence."""
    control: bool = False
    """True for arms that the paper does not have."""
    table: str = _if_any("")
    """For an arm that no table of the paper has: beside which one it stands; empty for all of them."""
    group: str = _if_any("")
    """What its colour in figures says; empty where arms are not grouped."""


class Backbone(Record):
    """A segmenter size that was run."""

    id: str
    title: str


class Metric(Record):
    """One column of a table. Values are in percent where there is a unit."""

    id: str
    """As in the results, e.g. "APr_mask"."""
    title: str
    """As printed, e.g. "AP rare, mask"."""
    unit: str = "AP"
    """Empty for a plain number, which is no percentage."""
    decimals: int = Field(default=2, ge=0, exclude_if=lambda value: value == 2)
    """Of our numbers in tables."""


class Result(Record):
    """The evaluation of one arm on one backbone with one seed."""

    arm: str
    backbone: str
    seed: int
    metrics: dict[str, float | None]
    """Percent by metric id; None where the metric is undefined (no such class in the evaluation split)."""
    cells: tuple[str, ...]
    """Ids of the cells that the numbers come from; the evaluation first."""
    floors: dict[str, float] = _if_any({})
    """What knowing nothing scores, by metric: the best map of one class everywhere, on the same images. Of metrics where that is known."""
    resamples: tuple[dict[str, float | None], ...] = Field(default=(), exclude=True)
    """The metrics on resamples of the evaluation images, in one order for all results; none where the evaluation kept none. Read for
    ``Evidence.image_margin`` and not saved."""


class Cost(Record):
    """What one arm on one backbone with one seed took. None: not measured or not applicable."""

    arm: str
    backbone: str
    seed: int
    objects_generated: int | None = None
    """Images that the generator made."""
    objects_accepted: int | None = None
    """Objects left after cutting and filtering, the size of the pool."""
    training_images: int | None = _if_any(None)
    """Images that the arm's own training draws from."""
    segmented_images: int | None = _if_any(None)
    """Images that went through a zero-shot segmenter to be judged."""
    denoiser_calls: int | None = None
    """Forward passes of the denoiser, one for each image and prediction, classifier-free halves counted apart."""
    warmup_iterations: int | None = None
    """Segmenter iterations before the arm's own training: a warm-up on real images alone, a pre-training on drawn ones."""
    iterations: int | None = None
    """Segmenter iterations in total, those before the arm's own training included."""
    generate_s: float | None = None
    cut_s: float | None = None
    """Cutting and filtering."""
    pretrain_s: float | None = _if_any(None)
    """Pre-training, where ``train_s`` leaves it out."""
    train_s: float | None = None
    evaluate_s: float | None = None
    """Every evaluation, feedback included."""


class Target(Record):
    """A number that the paper prints."""

    table: str
    """As in the paper, e.g. "Table 1"."""
    arm: str
    arm_title: str
    """As the paper writes it."""
    backbone: str
    backbone_title: str = ""
    """Empty for a table in which no segmenter plays a part."""
    objects: int | None = None
    """Generated objects, or training images, as printed."""
    iterations: int | None = _if_any(None)
    """As printed."""
    metric: str
    value: float
    decimals: int = Field(ge=0)
    """Printed decimals: 28.20 has two and stands for [28.195, 28.205]."""
    certainty: Certainty = Field(default="certain", exclude_if=lambda value: value == "certain")
    low: float | None = _if_any(None)
    """Least value that the paper's text allows, for an inferred one; None where the printed decimals say it."""
    high: float | None = _if_any(None)
    source: str
    note: str = _if_any("")
    """What to mind when quoting it."""


class LostTarget(Record):
    """A cell of one of the paper's tables whose number could not be read."""

    table: str
    row: int = Field(ge=0)
    """Its place in the table, the first row is 0."""
    arm: str
    arm_title: str
    backbone: str
    objects: int | None = None
    iterations: int | None = None
    metric: str
    low: float | None = None
    """The paper's text says that the number is above it."""
    source: str
    note: str = ""


class SeriesPoint(Record):
    """One point of a quantity followed over rounds, for one seed."""

    series: str
    """Which quantity, e.g. "entropy_current"."""
    arm: str
    backbone: str
    seed: int
    round: int
    value: float
    standard_error: float | None = None
    """Over the round's objects."""
    count: int | None = None
    """How many objects the value is a mean of."""
    model: str = ""
    """Which model measured it, e.g. "M_2"."""


class ScatterPoint(Record):
    """One variant of a study over variants, with one seed: what is varied on x, what comes of it on y."""

    scatter: str
    """Which study, e.g. "pilot"."""
    variant: str
    """Short name, as it is written beside the point."""
    backbone: str
    seed: int
    x: float
    y: float
    cells: tuple[str, ...] = ()
    """Ids of the cells that the numbers come from."""


class TableStyle(Record):
    """What the generic tables of a report count and how they call it."""

    count: Literal["objects_generated", "training_images"] = "objects_generated"
    """Which cost stands beside each arm."""
    count_title: str = "Objects"
    own_iterations: bool = False
    """True to show an arm's own iterations, without those before; False for the total."""
    generated_title: str = "Objects generated"
    earlier_title: str = "Warm-up iterations"
    cost_note: str = (
        "Means over seeds. Objects, calls and seconds are what the arm needs by itself, also where arms share work. "
        "Seconds are those of a GPU, or of the CPU where no GPU was used. Iterations in total include the warm-up."
    )
    marks: str = "P paper, R authors' release, B code or paper of a baseline, D framework default, C our choice."
    """What the marks of the deviation ledger mean."""


class Deviation(Record):
    """A choice that the paper does not state, or that we make differently on purpose."""

    id: str
    what: str
    stated: str
    """What the paper or its release says."""
    ours: str
    mark: str
    """Where our choice comes from; ``TableStyle.marks`` says what the letters mean."""
    reason: str
    tiers: tuple[Tier, ...] = ("smoke", "mini", "paper")
    arms: tuple[str, ...] = ()
    """Which arms it concerns; empty for all."""
    incomparable: bool = False
    """True when it makes the named arms' numbers not comparable with the paper's."""


# --- computed from the above ------------------------------------------------------------------------------------


class Estimate(Record):
    """Mean over seeds of one number of one arm."""

    arm: str
    backbone: str
    metric: str
    n: int
    mean: float
    low: float | None = None
    """95 % Student-t interval of the mean of these seeds alone; None with one seed. It decides nothing."""
    high: float | None = None


class TargetOutcome(Record):
    """What our runs say of one printed number."""

    table: str
    arm: str
    backbone: str
    metric: str
    our_backbone: str | None
    """The backbone of ours that stands beside it; None when there is none at this tier."""
    verdict: TargetVerdict
    reason: str


class Evidence(Record):
    """One quantity behind a claim: a paired difference, a change over rounds, a correlation, or the fact of a ratio."""

    label: str
    """What was measured, with its unit in ``unit``."""
    kind: EvidenceKind
    unit: str
    backbone: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    """One value a seed, same order as ``seeds``."""
    mean: float | None = None
    """None when it was not run."""
    low: float | None = None
    """95 % interval that decides: over seeds, with the noise of comparable arms mixed in; None with one seed."""
    high: float | None = None
    degrees: float | None = _if_any(None)
    """Of freedom behind that interval."""
    plain_low: float | None = _if_any(None)
    """Student-t interval of ``values`` alone, where it differs from the one that decides."""
    plain_high: float | None = _if_any(None)
    image_margin: float | None = _if_any(None)
    """Of a difference: half of the 95 % interval that other evaluation images would give, the seeds' models kept. It decides nothing."""
    p_value: float | None = None
    """Two-sided, against zero; None with one seed or where no test is made."""
    p_against: float | None = _if_any(None)
    """One-sided, of the claim: small where the quantity lies beyond what is claimed; not yet corrected for the claim's other tests."""
    seeds_needed: int | None = _if_any(None)
    """Where it is not resolved: seeds that would resolve what is seen, with 80 % power; 101 for more than 100."""
    band: tuple[float, float] | None = None
    """For a claim of "level": the change that counts as none."""
    leave_one_out: tuple[float, float] | None = _if_any(None)
    """For a correlation: its range when any one point is left out."""
    left: str | None = None
    """Arm on the left of a difference."""
    right: str | None = None
    rivals: int | None = _if_any(None)
    """For a lead over several arms: how many; ``right`` is the one that comes closest."""
    metric: str | None = None
    verdict: ClaimVerdict
    reason: str

    @property
    def is_fact(self) -> bool:
        """True for what the set-up makes so: shown beside the tests, and none of them."""
        return self.kind == "ratio"


class ClaimOutcome(Record):
    """What our runs say of one claim, or of one control that the paper lacks."""

    id: str
    wording: str
    source: str
    """Where the paper says it; "ours" for a control."""
    control: bool = False
    qualified_by: str = _if_any("")
    """Id of the control without whose number this claim's would mislead; empty for none."""
    rule: str
    """What must be seen for it to hold, in words."""
    verdict: ClaimVerdict
    reason: str
    evidence: tuple[Evidence, ...]


class Report(Record):
    """Everything behind one report of one paper at one tier. A paper with records of its own extends it by tuples of them."""

    run: Run
    arms: tuple[Arm, ...]
    """In the order of tables and figures; also arms that were planned and did not run."""
    backbones: tuple[Backbone, ...]
    metrics: tuple[Metric, ...]
    results: tuple[Result, ...] = ()
    costs: tuple[Cost, ...] = ()
    targets: tuple[Target, ...] = ()
    """Row by row, column by column, as printed."""
    lost_targets: tuple[LostTarget, ...] = _if_any(())
    not_run: dict[str, str] = Field(default={}, exclude_if=lambda value: value == {})
    """Why a row of the paper is not run, by arm."""
    beside: dict[str, str] = {}
    """Which backbone of ours stands beside which of the paper's: {"resnet50": "miniature"} at tier mini."""
    baselines: dict[str, tuple[str, ...]] = Field(default={}, exclude_if=lambda value: value == {})
    """By arm, the printed rows that its gain is over; where ours misses one of them, the gain is not comparable."""
    series: tuple[SeriesPoint, ...] = ()
    points: tuple[ScatterPoint, ...] = _if_any(())
    deviations: tuple[Deviation, ...] = ()
    style: TableStyle = Field(default=TableStyle(), exclude_if=lambda value: value == TableStyle())

    estimates: tuple[Estimate, ...] = ()
    outcomes: tuple[TargetOutcome, ...] = ()
    claims: tuple[ClaimOutcome, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        arms, backbones = {arm.id for arm in self.arms}, {backbone.id for backbone in self.backbones}
        keys = [(result.arm, result.backbone, result.seed) for result in self.results]
        assert len(keys) == len(set(keys)), "two results for one arm, backbone and seed"
        own = [name for name in type(self).model_fields if name not in Report.model_fields]
        records = [record for name in own for record in getattr(self, name)]
        for record in (*self.results, *self.costs, *self.series, *self.points, *records):
            arm, backbone = getattr(record, "arm", None), getattr(record, "backbone", None)
            assert arm is None or arm in arms, f"{type(record).__name__} of unknown arm {arm!r}"
            assert backbone is None or backbone in backbones, (
                f"{type(record).__name__} of unknown backbone {backbone!r}"
            )
        return self

    def arm_title(self, arm: str) -> str:
        """Title of an arm; the paper's own wording for one that only the paper has."""
        printed: tuple[Target | LostTarget, ...] = (*self.targets, *self.lost_targets)
        titles = {target.arm: target.arm_title for target in printed} | {a.id: a.title for a in self.arms}
        return titles.get(arm, arm)

    def backbone_title(self, backbone: str) -> str:
        """Title of a backbone, ours or the paper's."""
        titles = {target.backbone: target.backbone_title for target in self.targets}
        return (titles | {b.id: b.title for b in self.backbones}).get(backbone, backbone)

    def metric_title(self, metric: str) -> str:
        """Title of a metric."""
        return {known.id: known.title for known in self.metrics}.get(metric, metric)

    def by_seed(self, arm: str, backbone: str, metric: str) -> dict[int, float]:
        """Value of one number by seed; seeds where it was not run or is undefined are absent."""
        found = {
            result.seed: result.metrics.get(metric)
            for result in self.results
            if result.arm == arm and result.backbone == backbone
        }
        return {seed: value for seed, value in sorted(found.items()) if value is not None}

    def estimate(self, arm: str, backbone: str | None, metric: str) -> Estimate | None:
        """The mean over seeds of one number, None where nothing was run."""
        for known in self.estimates:
            if (known.arm, known.backbone, known.metric) == (arm, backbone, metric):
                return known
        return None

    def ran(self) -> Iterator[tuple[Arm, Backbone]]:
        """Arms with at least one result, in the order of the tables."""
        done = {(result.arm, result.backbone) for result in self.results}
        for backbone in self.backbones:
            for arm in self.arms:
                if (arm.id, backbone.id) in done:
                    yield arm, backbone

    def save(self, path: Path) -> None:
        """Write the records as JSON, the same records always as the same bytes."""
        path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))
