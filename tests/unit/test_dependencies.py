"""What is declared is imported, and what is imported is declared."""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from reproductions.requirements.published_weights import BIREFNET_PACKAGES

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCT = ("methods", "reproductions", "reports")
CHECKS = ("tests", "benchmarks")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def distribution(requirement: str) -> str:
    """The name that a requirement begins with, as package indexes compare names."""
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


RUN_TIME = {distribution(requirement) for requirement in PROJECT["project"]["dependencies"]}
EXTRAS = {
    name: {distribution(requirement) for requirement in requirements}
    for name, requirements in PROJECT["project"]["optional-dependencies"].items()
}
DEVELOPMENT = {distribution(requirement) for requirement in PROJECT["dependency-groups"]["dev"]}


def imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The top-level modules that import statements name; relative ones are ours."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def on_import(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """What of a module runs when it is imported: everything but the bodies of functions."""
    for node in nodes:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from on_import(ast.iter_child_nodes(node))


def third_party(folders: Iterable[str], *, at_import_only: bool = False) -> dict[str, set[str]]:
    """By module of somebody else, the files that import it."""
    own = {*PRODUCT, *CHECKS, *(path.stem for path in (REPOSITORY / "tests").rglob("*.py")), *sys.stdlib_module_names}
    found: dict[str, set[str]] = defaultdict(set)
    for path in (path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")):
        tree = ast.parse(path.read_text())
        for module in imports(on_import([tree]) if at_import_only else ast.walk(tree)):
            if module not in own:
                found[module].add(str(path.relative_to(REPOSITORY)))
    return found


INSTALLED = {module: {distribution(name) for name in names} for module, names in packages_distributions().items()}


def undeclared(modules: dict[str, set[str]], declared: set[str]) -> dict[str, set[str]]:
    return {module: files for module, files in modules.items() if not INSTALLED.get(module, {module}) & declared}


def test_every_run_time_dependency_is_imported_by_the_product() -> None:
    imported = {name for module in third_party(PRODUCT) for name in INSTALLED.get(module, {module})}
    assert len(imported) > 15, "the test looks in the wrong place"
    assert not RUN_TIME - imported


def test_every_import_of_the_product_is_declared() -> None:
    assert undeclared(third_party(PRODUCT), RUN_TIME.union(*EXTRAS.values())) == {}


def test_every_import_of_tests_and_benchmarks_is_declared() -> None:
    assert undeclared(third_party(CHECKS), RUN_TIME | DEVELOPMENT) == {}


def test_an_extra_is_never_needed_to_import_the_product() -> None:
    assert EXTRAS, "the test looks in the wrong place"
    assert undeclared(third_party(PRODUCT, at_import_only=True), RUN_TIME) == {}


def test_the_preflight_knows_the_packages_of_the_extra() -> None:
    assert set(BIREFNET_PACKAGES) == EXTRAS["birefnet"]


def test_the_lock_names_what_is_declared_and_no_index() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    locked = {distribution(line) for line in lock.splitlines() if re.match(r"\w", line)}
    assert (RUN_TIME | DEVELOPMENT) - locked == set()
    assert "://" not in lock


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import torch.nn as nn", {"torch"}),
        ("from torch import nn\nfrom . import x\nfrom .torch import y", {"torch"}),
        ("class A:\n    import einops", {"einops"}),
        ("def f():\n    import einops", set()),
        ("if True:\n    import einops\nf = lambda: __import__('timm')", {"einops"}),
    ],
)
def test_the_reading_itself(code: str, found: set[str]) -> None:
    assert set(imports(on_import([ast.parse(code)]))) == found
