"""Imports point one way, and planning stays light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = ("methods", "reproductions", "reports")
HEAVY = (
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "cv2",
    "matplotlib",
    "submitit",
    "pyarrow",
    "pandas",
    "scipy",
)


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function; relative ones resolved."""
    package = path.relative_to(REPOSITORY).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*start, *([node.module] if node.module else [])))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def forbidden(importer: str, module: str) -> str | None:
    """Say which rule an import breaks, if any. Both are dotted names."""
    of, to = importer.split("."), module.split(".")
    if to[0] == "submitit" and of[:2] != ["reproductions", "harness"]:
        return "only reproductions.harness knows submitit"
    if to[0] not in OURS or of[0] not in OURS:
        return None
    if of[0] == "methods" and to[0] in ("reproductions", "reports"):
        return "methods import neither reproductions nor reports"
    if of[0] == "reports" and to[0] in ("methods", "reproductions"):
        return "reports take plain records and import neither methods nor reproductions"
    if of[:2] == ["methods", "common"] and to[0] == "methods" and to[1:2] not in ([], ["common"]):
        return "methods.common imports no paper"
    if of[0] == to[0] == "methods" and to[1:2] not in ([], ["common"], of[1:2]):
        return "papers never import each other"
    if of[:2] == ["reproductions", "harness"] and module.startswith("methods.") and to[1] != "common":
        return "the harness knows no paper"
    return None


@pytest.mark.parametrize(
    ("importer", "module", "fine"),
    [
        ("methods.mrca.paste", "methods.common.stage", True),
        ("methods.mrca.paste", "methods.mrca.mapping", True),
        ("methods.mrca.paste", "methods.seggen.masks", False),
        ("methods.common.clip", "methods.mrca.paste", False),
        ("methods.mrca.paste", "reproductions.harness.cell", False),
        ("methods.mrca.paste", "reports.tables", False),
        ("reports.tables", "methods.common.stage", False),
        ("reports.tables", "reproductions.harness.cell", False),
        ("reproductions.mrca.plan", "methods.mrca.stages", True),
        ("reproductions.harness.cell", "methods.mrca.stages", False),
        ("reproductions.harness.launcher", "submitit", True),
        ("reproductions.cli", "submitit.core", False),
        ("reports.tables", "matplotlib.pyplot", True),
    ],
)
def test_the_rules_themselves(importer: str, module: str, fine: bool) -> None:
    assert (forbidden(importer, module) is None) == fine


def test_imports_point_one_way() -> None:
    files = [path for folder in OURS for path in (REPOSITORY / folder).rglob("*.py")]
    assert len(files) > 20, "the test looks in the wrong place"
    broken = set()
    for path in files:
        name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for module in imported(path):
            rule = forbidden(name, module)
            if rule is not None:
                broken.add(f"{name} imports {module}: {rule}")
    assert not broken, "\n".join(sorted(broken))


LIGHT = [
    "methods.common.stage",
    "methods.common.seeds",
    "methods.common.segmenters.centernet2.config",
    "methods.common.segmenters.mask2former.config",
    "methods.common.training.poly_recipe",
    "methods.sam_filter.stages.train",
    "methods.sam_filter.stages.evaluate",
    "methods.sam_filter.stages.classify",
    "reproductions.sam_filter.paper",
    "reproductions.harness.plan",
    "reproductions.harness.launcher",
    "reproductions.harness.progress",
    "reproductions.harness.why",
    "reproductions.study.paper",
    "reproductions.cli",
    "reproductions.requirements.preflight",
    "reproductions.commands.running",
    "reproductions.harness.status",
    "reproductions.harness.slurm.submissions",
    "reproductions.harness.slurm.job",
]


def test_planning_loads_nothing_heavy() -> None:
    modules = [name for name in LIGHT if (REPOSITORY / Path(*name.split("."))).with_suffix(".py").is_file()]
    assert len(modules) >= 6
    code = "import sys, importlib\n" + "".join(
        f"importlib.import_module({name!r})\n"
        f"heavy = {{name for name in {HEAVY!r} if name in sys.modules}}\n"
        f"assert not heavy, f'{name} loads {{heavy}}'\n"
        for name in modules
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
