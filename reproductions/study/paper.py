"""What the command line knows of a paper, and the base that papers share: arms and tiers to plan, things it needs, the report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from methods.common.errors import InputError
from reports.figure import Figure
from reports.records import Deviation, Metric, Report, TableStyle
from reproductions.harness.cell import Cell
from reproductions.harness.fingerprint import Fingerprints
from reproductions.harness.plan import Plan
from reproductions.requirements.need import GpuNeed, Need
from reproductions.requirements.places import external
from reproductions.requirements.trial import Trial
from reproductions.study.arms import Arm
from reproductions.study.collector import Collector
from reproductions.study.config import BACKBONE
from reproductions.study.ledger import read_ledger
from reproductions.study.planner import CellsT, HowT, SeedPlanner, StudyT
from reproductions.study.request import ALL_ARMS, Request
from reproductions.study.setting_rows import Setting, is_like, settings_of, touched_arms
from reproductions.study.settings import changed
from reproductions.verdicts.claims import Claim

ReportT = TypeVar("ReportT", bound=Report)


class Paper(Protocol):
    """One reproducible paper (or another plan that the command line can run)."""

    @property
    def id(self) -> str:
        """As typed on the command line."""

    @property
    def title(self) -> str:
        """As printed."""

    def plan(self, request: Request) -> Plan:
        """Return every cell behind the report.

        Raises:
            InputError: an unknown arm, tier or setting; missing data.
        """

    def needs(self, request: Request) -> Sequence[Need]:
        """Return what the plan needs from outside, without looking for it."""

    def gpu_needs(self, request: Request) -> Sequence[GpuNeed]:
        """Return what GPUs must hold for the plan; nothing where it runs on a CPU."""

    def trials(self, request: Request) -> Sequence[Trial]:
        """Return how each network of the plan is tried, without opening it."""

    def settings(self, request: Request, pattern: str) -> Mapping[str, Sequence[Setting]]:
        """Return what ``--set`` can change in each study, by its name; those whose name is like the pattern."""

    def report_folders(self, request: Request, out: Path) -> Sequence[Path]:
        """Return the folders into which :meth:`report` will write."""

    def report(self, request: Request, plan: Plan, out: Path) -> Path:
        """Write the report from what the store holds and return its main file."""


@dataclass(frozen=True)
class Asked(Generic[StudyT, HowT]):
    """One study of a request, read and checked once."""

    study: StudyT
    arms: tuple[Arm[HowT], ...]
    """Those that are asked for and make sense with what is given, in the order of the tables."""


class StudiedPaper(ABC, Generic[StudyT, HowT, CellsT, ReportT]):
    """A paper whose arms are trained with several seeds and compared. A paper says what is its own; the rest is here."""

    # -- what a paper says -------------------------------------------------------------------------------------------------

    id: str
    title: str
    source: str
    """Authors, venue, year."""
    folder: Path
    """Where ``targets.csv`` and ``deviations.csv`` are, if there are any."""
    arms: Sequence[Arm[HowT]]
    """Every arm, rows that cannot be run included, in the order of the tables."""
    claims: Sequence[Claim]
    """What is asked of the results."""
    metrics: tuple[Metric, ...]
    """Columns of the tables."""
    style: TableStyle = TableStyle()
    """What the generic tables count and how they call it."""
    backbones: Mapping[str, str]
    """Title by id of every segmenter that a study may have."""
    beside: Mapping[str, Sequence[str]] = {}
    """Beside which backbones of the paper each of ours stands."""
    baselines: Mapping[str, tuple[str, ...]] = {}
    """By arm, the printed rows that its gain is over; where ours misses one of them, the gain is not comparable."""
    mini_seeds: int = 3
    """Seeds at tier ``mini`` where nobody says how many: what its claims need, as far as about 20 minutes on two cores allow."""
    smoke_seeds: int = 3
    """Seeds at tier ``smoke`` where nobody says how many: one where many arms, whose numbers say nothing there, would take minutes."""
    planner_type: type[SeedPlanner[StudyT, HowT, CellsT]]
    collector_type: type[Collector[StudyT, HowT, CellsT]] = Collector
    """A paper with costs or records of its own extends the common one."""
    report_type: type[ReportT]
    """The record of the report; a paper with records of its own extends the common one."""

    @abstractmethod
    def studies(self, request: Request) -> tuple[StudyT, ...]:
        """Return the recipe of each report, before the user's settings.

        Raises:
            InputError: own data that cannot be read, or an option that has no meaning here.
        """

    def data_name(self, request: Request) -> str:
        """Say on what the models are trained and evaluated, when the user brings no data."""
        return "the miniature world"

    def known_arms(self, request: Request) -> Sequence[Arm[HowT]]:
        """Return the arms that a request may name; own data may have others."""
        return self.arms

    def asked_claims(self, request: Request) -> Sequence[Claim]:
        """Return what is asked of the results of a request; own data may be asked other things."""
        return self.claims

    def study_claims(self, request: Request, study: StudyT) -> Sequence[Claim]:
        """Return what is asked of one study's results, where that is not the same for all of a request."""
        return self.asked_claims(request)

    def num_seeds(self, request: Request) -> int:
        """Return how many seeds are asked for."""
        if request.num_seeds is not None:
            return request.num_seeds
        if request.tier == "smoke":
            return self.smoke_seeds
        return self.mini_seeds if request.tier == "mini" and request.data is None else 3

    def impossible(self, arm: Arm[HowT], request: Request, study: StudyT) -> str | None:
        """Say what an arm needs that is not given; None when it can be run."""
        return None

    def study_needs(self, request: Request, study: StudyT, arms: Sequence[Arm[HowT]]) -> Sequence[Need]:
        """Return what a study needs from outside, without looking for it."""
        return ()

    def study_gpu_needs(self, request: Request, study: StudyT, arms: Sequence[Arm[HowT]]) -> Sequence[GpuNeed]:
        """Return what GPUs must hold for a study."""
        return ()

    def study_trials(self, request: Request, study: StudyT, arms: Sequence[Arm[HowT]]) -> Sequence[Trial]:
        """Return how each network that a study needs from outside is tried, without opening it."""
        return ()

    def ledger(self, request: Request) -> tuple[Deviation, ...]:
        """Return the deviation ledger; what it says of the miniature world does not hold for own data."""
        return read_ledger(self.folder, self.arms, drawn_data=request.data is None)

    def facts(self, request: Request, study: StudyT) -> dict[str, str]:
        """Return what a reader must know to read the numbers."""
        return {}

    def figures(self, report: ReportT, folder: Path) -> Sequence[Figure | None]:
        """Draw what the records allow into the folder; the base draws accuracy by arm and the paired differences."""
        from reports.common_figures import accuracy, differences

        titles = [metric.title for metric in self.metrics]
        shown = [metric.id for metric in self.metrics]
        return [*accuracy(report, folder, shown, ", ".join(titles)), differences(report, folder)]

    def sections(self, report: ReportT) -> Sequence[str]:
        """Return sections that only this paper's page has; empty ones are left out."""
        return ()

    # -- what follows from it ----------------------------------------------------------------------------------------------

    def asked(self, request: Request) -> tuple[Asked[StudyT, HowT], ...]:
        """Return the studies of a request with the user's settings, and the arms of each.

        Raises:
            InputError: own data that cannot be read, a setting that does not exist, an unknown arm or one that needs something else.
        """
        if request.data is not None and request.tier == "paper":
            raise InputError(
                "--tier paper is the paper's own recipe on the paper's own data; own data (--data) run at --tier mini, or smoke to try"
            )
        studies = self._chosen_studies(request)
        known = [arm for arm in self.known_arms(request) if not arm.not_run]
        possible = [[arm for arm in known if self.impossible(arm, request, study) is None] for study in studies]
        if request.arms is None:
            possible = [[arm for arm in arms if not arm.extra or request.tier == "smoke"] for arms in possible]
        elif request.arms != ALL_ARMS:
            somewhere = [arm for arm in known if any(arm in arms for arms in possible)]
            self._check_arms(request, studies, known, somewhere)
            possible = [[arm for arm in arms if {arm.id, arm.asked_as} & set(request.arms or ())] for arms in possible]
        return tuple(
            Asked(changed(study, request.settings), tuple(arms))
            for study, arms in zip(studies, possible, strict=True)
            if arms or not any(possible)
        )

    def _chosen_studies(self, request: Request) -> tuple[StudyT, ...]:
        """Return the recipes of a request; where a backbone is named (:data:`BACKBONE`), those of it: a name alone changes no network.

        Raises:
            InputError: no recipe of the tier has it.
        """
        studies, named = self.studies(request), request.settings.get(BACKBONE)
        if named is None:
            return studies
        chosen = tuple(study for study in studies if changed(study, {BACKBONE: named}) == study)
        if not chosen:
            there = [
                name
                for name in self.backbones
                if name in (study.backbone for study in self.studies(replace(request, settings={BACKBONE: name})))
            ]
            raise InputError(
                f"setting {BACKBONE}: tier {request.tier} of {self.id} has no recipe for {named}; choose from {', '.join(there)}"
            )
        return chosen

    def _check_arms(
        self, request: Request, studies: Sequence[StudyT], known: Sequence[Arm[HowT]], possible: Sequence[Arm[HowT]]
    ) -> None:
        """Refuse arms that are unknown, or that make sense in no study."""
        together = list(dict.fromkeys(arm.asked_as for arm in possible if arm.asked_as))
        names = [*(arm.id for arm in possible if not arm.asked_as), *together]
        choice = f"choose from {', '.join(names)}, or {ALL_ARMS[0]} alone"
        by_id = {**{arm.asked_as: arm for arm in (*known, *possible) if arm.asked_as}, **{arm.id: arm for arm in known}}
        for name in request.arms or ():
            if name not in by_id:
                near = get_close_matches(name, names, n=3)
                nearest = f"nearest: {', '.join(near)}; " if near else ""
                raise InputError(f"unknown arm {name!r}; {nearest}{choice}")
            if by_id[name] not in possible:
                raise InputError(f"arm {name!r} {self.impossible(by_id[name], request, studies[0])}; {choice}")
        if not request.arms:
            raise InputError(f"no arm is named; {choice}")

    def planners(
        self, request: Request, asked: Sequence[Asked[StudyT, HowT]]
    ) -> tuple[tuple[SeedPlanner[StudyT, HowT, CellsT], ...], ...]:
        """Return a planner for each seed of each study.

        Raises:
            InputError: something from outside is missing.
        """
        memory = request.store.root / "fingerprints.json" if request.store.is_there else None
        fingerprints = Fingerprints(memory)
        found = []
        for one in asked:
            needs = self.study_needs(request, one.study, one.arms)
            places = {need.role: external(need, fingerprints, request) for need in needs}
            beginning = f"{one.study.backbone}/" if len(asked) > 1 else ""
            seeds = range(self.num_seeds(request))
            found.append(tuple(self.planner_type(one.study, index, places, beginning) for index in seeds))
        fingerprints.save()
        return tuple(found)

    def plan(self, request: Request) -> Plan:
        """Return every cell that a report of these arms reads."""
        asked = self.asked(request)
        wanted = [
            (arm.id, cell)
            for one, planners in zip(asked, self.planners(request, asked), strict=True)
            for planner in planners
            for arm in one.arms
            for cell in planner.arm(arm).wanted
        ]
        arms: dict[str, list[Cell]] = {}
        for arm_id, cell in wanted:
            arms.setdefault(arm_id, []).append(cell)
        groups = {arm_id: tuple(cells) for arm_id, cells in arms.items()}
        return Plan(f"{self.id}-{request.tier}", tuple(cell for _, cell in wanted), groups)

    def needs(self, request: Request) -> Sequence[Need]:
        """Return what must come from outside, each place once; nothing is looked for."""
        found = [need for one in self.asked(request) for need in self.study_needs(request, one.study, one.arms)]
        return list({(need.place, need.what): need for need in found}.values())

    def gpu_needs(self, request: Request) -> Sequence[GpuNeed]:
        """Return what GPUs must hold, each need once."""
        found = [need for one in self.asked(request) for need in self.study_gpu_needs(request, one.study, one.arms)]
        return list(dict.fromkeys(found))

    def trials(self, request: Request) -> Sequence[Trial]:
        """Return how each network of the studies is tried, each once."""
        found: list[Trial] = []
        for one in self.asked(request):
            found += [trial for trial in self.study_trials(request, one.study, one.arms) if trial not in found]
        return found

    def settings(self, request: Request, pattern: str = "") -> dict[str, tuple[Setting, ...]]:
        """Return the settings of each study by its backbone, with the arms that each one touches, seen at one seed.

        Raises:
            InputError: an unknown arm or setting.
        """
        assuming = replace(request, assume_published=True, num_seeds=1)
        asked = self.asked(assuming)
        found = {}
        for one, (planner,) in zip(asked, self.planners(assuming, asked), strict=True):

            def ids(study: StudyT, planner: Any = planner, arms: Any = one.arms) -> dict[str, list[str]]:
                other = replace(planner, study=study)
                return {arm.id: [cell.id for cell in other.arm(arm).wanted] for arm in arms}

            before = ids(one.study)
            found[one.study.backbone] = tuple(
                replace(setting, arms=touched_arms(one.study, setting.name, ids, before))
                for setting in settings_of(one.study)
                if is_like(setting.name, pattern)
            )
        return found

    def report_folders(self, request: Request, out: Path) -> list[Path]:
        """Return the folder of each study's report."""
        from reproductions.study.reporting import report_folders

        return report_folders(self, request, out)

    def report(self, request: Request, plan: Plan, out: Path) -> Path:
        """Write one report a study and return the main file of the last one."""
        from reproductions.study.reporting import write_reports

        return write_reports(self, request, plan, out)
