"""MRCA as the command line sees it: arms and tiers to plan, things it needs, the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from methods.common.errors import InputError
from reproductions.harness.fingerprint import Fingerprints
from reproductions.harness.plan import Plan
from reproductions.mrca import study as studies
from reproductions.mrca.arms import ARMS, ArmId
from reproductions.mrca.places import places
from reproductions.mrca.plan import SeedPlanner
from reproductions.mrca.resources import gpu_needs
from reproductions.mrca.study import StudyConfig
from reproductions.requirements.need import GpuNeed, Need
from reproductions.requirements.places import external
from reproductions.study.paper import Request
from reproductions.study.settings import changed


class MrcaPaper:
    """Sample-efficient multi-round generative augmentation, and X-Paste."""

    id = "mrca"
    title = "Sample-Efficient Multi-Round Generative Data Augmentation for Long-Tail Instance Segmentation"
    source = "Kim, Bae, Lee (KAIST), NeurIPS 2025"

    def studies(self, request: Request) -> tuple[StudyConfig, ...]:
        """Return the study of each table: one at the small tiers, one a backbone at tier paper.

        Raises:
            InputError: own data that are not LVIS, or a setting that does not exist.
        """
        if request.data is not None:
            chosen: tuple[StudyConfig, ...] = (studies.own_data(*_count(request.data), request.tier),)
        elif request.tier == "paper":
            chosen = (studies.paper_r50(), studies.paper_swinl())
        else:
            chosen = (studies.mini() if request.tier == "mini" else studies.smoke(),)
        return tuple(changed(study, request.settings) for study in chosen)

    def arms(self, request: Request) -> tuple[ArmId, ...]:
        """Return the arms that are asked for and make sense with what is given.

        Raises:
            InputError: an unknown arm, or one that needs something that is not given.
        """
        given = {"nothing"}
        if request.objects is not None:
            given |= {"given objects", "any objects"}
        else:
            given |= {"generator", "any objects"}
        possible = tuple(arm.id for arm in ARMS if arm.needs in given)
        if request.arms is None:
            return possible
        for name in request.arms:
            if name not in get_args(ArmId):
                raise InputError(f"unknown arm {name!r}; choose from {', '.join(possible)}")
            if name not in possible:
                needs = next(arm.needs for arm in ARMS if arm.id == name)
                raise InputError(f"arm {name!r} needs {needs}; choose from {', '.join(possible)}, or change --objects")
        if not request.arms:
            raise InputError(f"no arm is named; choose from {', '.join(possible)}")
        return tuple(arm for arm in possible if arm in request.arms)

    def planners(self, request: Request) -> tuple[tuple[SeedPlanner, ...], ...]:
        """Return a planner for each seed of each study.

        Raises:
            InputError: something from outside is missing.
        """
        memory = request.store.root / "fingerprints.json" if request.store.root.is_dir() else None
        fingerprints = Fingerprints(memory)
        found = []
        for study in self.studies(request):
            found_places = {
                need.role: external(need, fingerprints, request) for need in places(request, study, self.arms(request))
            }
            found.append(tuple(SeedPlanner(study, index, found_places) for index in range(request.num_seeds)))
        fingerprints.save()
        return tuple(found)

    def plan(self, request: Request) -> Plan:
        """Return every cell that a report of these arms reads."""
        arms = self.arms(request)
        targets = []
        for planners in self.planners(request):
            for planner in planners:
                for arm in arms:
                    cells = planner.arm(arm)
                    targets.append(cells.evaluation)
                    targets += [item.entropy for item in cells.rounds if item.entropy is not None]
        return Plan(f"mrca-{request.tier}", tuple(targets))

    def needs(self, request: Request) -> Sequence[Need]:
        """Return what must come from outside, each place once; nothing is looked for.

        Raises:
            InputError: an unknown arm or setting, own data that are not LVIS.
        """
        arms = self.arms(request)
        found = [need for study in self.studies(request) for need in places(request, study, arms)]
        return list({(need.place, need.what): need for need in found}.values())

    def gpu_needs(self, request: Request) -> Sequence[GpuNeed]:
        """Return what GPUs must hold at tier paper, each need once."""
        arms = self.arms(request)
        found = [need for study in self.studies(request) for need in gpu_needs(request, study, arms)]
        return list(dict.fromkeys(found))

    def report(self, request: Request, plan: Plan, out: Path) -> Path:
        """Write report.md, results.csv and the figures; the last study's report is the one that is named."""
        from reproductions.mrca.reporting import write_reports

        return write_reports(self, request, plan, out)


def _count(data: Path) -> tuple[int, int]:
    """Count categories and training images of own data; everything else about them is checked by the split stage.

    Raises:
        InputError: train.json or val.json is missing or not LVIS.
    """
    for name in ("train.json", "val.json"):
        if not (data / name).is_file():
            raise InputError(
                f"--data {data} has no {name}; own data are a folder with train.json, val.json and the images"
            )
    try:
        train = json.loads((data / "train.json").read_text())
        class_ids, num_images = {category["id"] for category in train["categories"]}, len(train["images"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{data / 'train.json'} is not an LVIS file (no readable categories and images); see docs/own-data.md"
        ) from error
    if not class_ids or not num_images:
        raise InputError(f"{data / 'train.json'} lists no category or no image; see docs/own-data.md")
    return len(class_ids), num_images


PAPER = MrcaPaper()
