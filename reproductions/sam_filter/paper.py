"""The paper on SAM-filtered masks as the command line sees it: arms and tiers to plan, things it needs, the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from methods.common.errors import InputError
from reproductions.harness.cell import Cell
from reproductions.harness.fingerprint import Fingerprints
from reproductions.harness.plan import Plan
from reproductions.requirements.need import GpuNeed, Need
from reproductions.requirements.places import external
from reproductions.sam_filter import study as studies
from reproductions.sam_filter.arms import ARMS, OWN_ARMS, ArmId, OwnArmId
from reproductions.sam_filter.places import places
from reproductions.sam_filter.plan import SeedPlanner
from reproductions.sam_filter.resources import gpu_needs
from reproductions.sam_filter.study import StudyConfig
from reproductions.study.paper import Request
from reproductions.study.settings import changed

PILOT_ARM = "pilot"
"""Stands for the pilot study where arms are named."""


class SamFilterPaper:
    """SAM-based filtering of generated masks, and pre-training on drawn shapes."""

    id = "sam_filter"
    title = "Keeping Segment Mask Quality with Self-generated Masks"
    source = "Mae, Yamada, Kataoka"

    def study(self, request: Request) -> StudyConfig:
        """Return the study of the tier, or the one of own data.

        Raises:
            InputError: own data that cannot be read, or a setting that does not exist.
        """
        if request.objects is not None:
            raise InputError("--objects has no meaning for sam_filter, which pastes nothing; leave it out")
        if request.data is not None:
            study = studies.own_data(*_count(request.data), request.tier)
        else:
            study = {"paper": studies.paper, "mini": studies.mini, "smoke": studies.smoke}[request.tier]()
        if request.tier != "paper" and request.settings.get("backbone") == "mask2former_miniature":
            study = studies.with_mask2former(study)
        return changed(study, request.settings)

    def arms(self, request: Request) -> tuple[ArmId | OwnArmId, ...]:
        """Return the arms that are asked for, without the pilot study.

        Raises:
            InputError: an unknown arm, or none.
        """
        possible: tuple[ArmId | OwnArmId, ...] = tuple(arm.id for arm in (ARMS if request.data is None else OWN_ARMS))
        if request.tier != "paper" and self.study(request).classifier is None:
            possible = tuple(arm for arm in possible if not arm.startswith("imagenet"))
        if request.arms is None:
            return possible
        names = (*possible, PILOT_ARM) if request.data is None else possible
        for name in request.arms:
            if name not in names:
                raise InputError(f"unknown arm {name!r}; choose from {', '.join(names)}")
        if not request.arms:
            raise InputError(f"no arm is named; choose from {', '.join(names)}")
        return tuple(arm for arm in possible if arm in request.arms)

    def with_pilot(self, request: Request) -> bool:
        """Whether the pilot study is run."""
        return request.data is None and (request.arms is None or PILOT_ARM in request.arms)

    def planners(self, request: Request) -> tuple[SeedPlanner, ...]:
        """Return a planner for each seed.

        Raises:
            InputError: something from outside is missing.
        """
        memory = request.store.root / "fingerprints.json" if request.store.root.is_dir() else None
        fingerprints, study = Fingerprints(memory), self.study(request)
        needs = places(request, study, self.arms(request), self.with_pilot(request))
        found = {need.role: external(need, fingerprints, request) for need in needs}
        fingerprints.save()
        return tuple(SeedPlanner(study, index, found) for index in range(request.num_seeds))

    def plan(self, request: Request) -> Plan:
        """Return every cell that a report of these arms reads."""
        targets: list[Cell] = []
        for planner in self.planners(request):
            arms = [planner.arm(arm) for arm in self.arms(request)]
            targets += [cells.evaluation for cells in arms]
            if self.with_pilot(request):
                pilot = [planner.pilot(variant) for variant in planner.study.pilot_variants]
                targets += [cell for one in pilot for cell in (one.quality, one.evaluation)]
        return Plan(f"sam_filter-{request.tier}", tuple(targets))

    def needs(self, request: Request) -> Sequence[Need]:
        """Return what must come from outside; nothing is looked for.

        Raises:
            InputError: an unknown arm or setting, own data that cannot be read.
        """
        return places(request, self.study(request), self.arms(request), self.with_pilot(request))

    def gpu_needs(self, request: Request) -> Sequence[GpuNeed]:
        """Return what GPUs must hold at tier paper."""
        return gpu_needs(request, self.study(request), self.arms(request), self.with_pilot(request))

    def report(self, request: Request, plan: Plan, out: Path) -> Path:
        """Write report.md, results.csv and the figures."""
        from reproductions.sam_filter.reporting import write_paper_report

        return write_paper_report(self, request, plan, out)


def _count(data: Path) -> tuple[int, int]:
    """Count classes and training images of own data.

    Raises:
        InputError: they cannot be read.
    """
    from methods.common.datasets.open_labelled import open_labelled_images

    if not data.is_dir():
        raise InputError(f"--data: there is no folder {data}; own data are a folder as docs/own-data.md describes")
    train = open_labelled_images(data, "train")
    return len(train.class_names), len(train)


PAPER = SamFilterPaper()
