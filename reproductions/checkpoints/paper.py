"""``make checkpoints``: the miniature checkpoints as a plan like any other."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from methods.common.errors import InputError
from methods.common.seeds import Seeds
from reproductions.harness.cell import Cell
from reproductions.harness.plan import Plan
from reproductions.requirements.need import GpuNeed, Need
from reproductions.requirements.trial import Trial
from reproductions.study.request import Request
from reproductions.study.setting_rows import Setting, is_like, settings_of
from reproductions.study.settings import changed

if TYPE_CHECKING:
    from methods.common.miniature.training_recipes import CheckpointsConfig

REPOSITORY = Path(__file__).resolve().parents[2]

_EXPECTED_S = {
    "vae": 600.0,
    "flat_vae": 100.0,
    "clip": 500.0,
    "latents": 120.0,
    "generator": 3300.0,
    "cutout": 250.0,
    "sam": 320.0,
    "judges": 120.0,
    "things": 150.0,
    "inpainting": 400.0,
    "gligen": 200.0,
    "street_segmenter": 900.0,
    "street_report": 120.0,
}
"""Processor seconds at full size, as ``docs/miniature.md`` tells them; only for the time left."""


class MiniatureCheckpoints:
    """Generators, cut-out network, Segment Anything, CLIP and judges of the miniature world."""

    id = "checkpoints"
    title = "Miniature checkpoints"

    def plan(self, request: Request) -> Plan:
        """Return the training cells and the report on them; tier smoke takes a few steps of everything.

        Raises:
            InputError: an option that has no meaning here.
        """
        from methods.common.miniature.training_recipes import checkpoint_plan

        if request.data or request.objects or request.generator or request.arms:
            raise InputError(
                "checkpoints have no arms and take no data; leave --arms, --data, --objects and --generator out"
            )
        smoke = request.tier == "smoke"
        config = self._config(request)
        cells: dict[str, Cell] = {}
        for planned in checkpoint_plan(config):
            inputs = {role: (cells[name],) for role, name in planned.inputs.items()}
            cost_s = 5.0 if smoke else _EXPECTED_S.get(planned.name, 60.0)
            cells[planned.name] = Cell(planned.stage, planned.config, Seeds(), planned.name, inputs, cost_s=cost_s)
        return Plan(f"checkpoints-{request.tier}", (cells["report"], cells["street_report"], cells["flat_vae"]))

    def _config(self, request: Request) -> CheckpointsConfig:
        from methods.common.miniature.training_recipes import full_checkpoints, smoke_checkpoints

        return changed(smoke_checkpoints() if request.tier == "smoke" else full_checkpoints(), request.settings)

    def needs(self, request: Request) -> Sequence[Need]:
        """Nothing comes from outside: the world is drawn."""
        return []

    def gpu_needs(self, request: Request) -> Sequence[GpuNeed]:
        """Nothing needs a GPU."""
        return []

    def trials(self, request: Request) -> Sequence[Trial]:
        """Nothing from outside is loaded."""
        return []

    def settings(self, request: Request, pattern: str) -> Mapping[str, Sequence[Setting]]:
        """Return the settings of the trainings; there are no arms."""
        config = self._config(request)
        return {"miniature": tuple(one for one in settings_of(config) if is_like(one.name, pattern))}

    def report_folders(self, request: Request, out: Path) -> list[Path]:
        """Return where measurements go; weights, where there are usable ones, go into the checkout as well."""
        return [out / self.id / request.tier if request.tier == "smoke" else REPOSITORY / "docs"]

    def report(self, request: Request, plan: Plan, out: Path) -> Path:
        """Put weights, measurements and sample sheets into the checkout, and return the page about them.

        At tier smoke, whose weights are useless, only the measurements are copied, to ``<out>/checkpoints/smoke``.

        Raises:
            InputError: a cell is not finished.
        """
        from methods.common.miniature.install import REPORT_FILE, install_checkpoints, install_flat_vae, install_street

        cells = {cell.label: cell for cell in plan}
        for name in ("checkpoints", "report", "street_checkpoints", "street_report", "flat_vae"):
            if not request.store.is_complete(cells[name]):
                raise InputError(f"{name} is not finished; run `segrepro run checkpoints --tier {request.tier}` first")
        weights, measured = (request.store.cell_folder(cells[name]) for name in ("checkpoints", "report"))
        if request.tier == "smoke":
            [folder] = self.report_folders(request, out)
            folder.mkdir(parents=True, exist_ok=True)
            return Path(shutil.copy2(measured / REPORT_FILE, folder / REPORT_FILE))
        install_checkpoints(weights, measured, REPOSITORY)
        painters, painted = (request.store.cell_folder(cells[f"street_{name}"]) for name in ("checkpoints", "report"))
        install_street(painters, painted, REPOSITORY)
        install_flat_vae(request.store.cell_folder(cells["flat_vae"]), REPOSITORY)
        return REPOSITORY / "docs" / "miniature.md"


PAPER = MiniatureCheckpoints()
