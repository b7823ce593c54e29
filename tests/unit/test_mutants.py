"""The catalogue of mutants fits the code as it is, and a verdict on one says what its tests did."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.mutants.catalogue import CATALOGUE
from tests.mutants.mutant import Mutant
from tests.mutants.run import Job, Witness, judge, run_jobs

REPOSITORY = Path(__file__).resolve().parents[2]
FEWEST = 60
BY_ID = pytest.mark.parametrize("mutant", CATALOGUE, ids=lambda mutant: mutant.id)


@cache
def text_of(file: str) -> str:
    return (REPOSITORY / file).read_text()


@cache
def names_of_tests_in(file: str) -> frozenset[str]:
    tree = ast.parse(text_of(file))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_there_are_many_each_told_apart() -> None:
    assert len(CATALOGUE) >= FEWEST
    assert len({mutant.id for mutant in CATALOGUE}) == len(CATALOGUE)
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in CATALOGUE}) == len(CATALOGUE)
    rooms = {
        "methods/mrca/",
        "methods/sam_filter/",
        "methods/common/",
        "reproductions/mrca/",
        "reproductions/sam_filter/",
    }
    for room in rooms:
        assert sum(mutant.file.startswith(room) for mutant in CATALOGUE) >= 5, room


@BY_ID
def test_a_mutant_changes_one_place_of_code_that_is_there(mutant: Mutant) -> None:
    """Its old text occurs once, a file of Python still is one with the new text, and its tests exist."""
    changed = mutant.applied_to(text_of(mutant.file))
    if mutant.file.endswith(".py"):
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text_of(mutant.file))), "nothing changes"
    assert re.fullmatch(r"[a-z0-9_]+", mutant.id)
    assert "\n" not in mutant.breaks
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert (REPOSITORY / file).is_file(), test
        assert not name or name.partition("[")[0] in names_of_tests_in(file), f"there is no test {test}"


def test_an_old_text_that_is_gone_or_there_twice_is_noticed() -> None:
    mutant = Mutant("m", "a.py", "x = 1", "x = 2", "x is wrong", ())
    assert mutant.applied_to("x = 1\n") == "x = 2\n"
    for text in ("x = 3\n", "x = 1\nx = 1\n"):
        with pytest.raises(AssertionError, match=r"m: the old text occurs [02] times in a\.py"):
            mutant.applied_to(text)


@pytest.mark.parametrize(
    ("code", "failures", "verdict"),
    [
        (1, [("t", AssertionError)], "noticed"),
        (1, [("t", ValueError)], "noticed"),
        (1, [("t", ImportError), ("u", AssertionError)], "noticed"),
        (1, [("t", ModuleNotFoundError)], "broken import"),
        (2, [("t", SyntaxError)], "broken import"),
        (1, [("t", NameError)], "broken import"),
        (0, [], "not noticed"),
        (4, [], "no verdict"),
        (5, [], "no verdict"),
    ],
)
def test_only_a_test_that_ran_and_failed_notices(code, failures, verdict) -> None:
    assert judge(code, Witness(failures)).verdict == verdict


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A repository of one function and its tests."""
    for name in ("methods", "reproductions", "reports"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "methods" / "thing.py").write_text("def twice(x):\n    return 2 * x\n")
    (tmp_path / "test_thing.py").write_text(
        "import time\nfrom methods.thing import twice\n"
        "def test_twice():\n    assert twice(3) == 6\n"
        "def test_zero():\n    assert twice(0) == 0\n"
        "def test_patience():\n    time.sleep(9 if twice(1) == 3 else 0)\n"
    )
    return tmp_path


def verdict_on(copy: Path, new: str, test: str, limit_s: float = 60.0) -> tuple[str, str]:
    mutant = Mutant("m", "methods/thing.py", "2 * x", new, "", (f"test_thing.py::{test}",))
    [(_, outcome)] = run_jobs([Job(mutant, mutant.tests, limit_s)], [copy])
    assert (copy / "methods" / "thing.py").read_text() == "def twice(x):\n    return 2 * x\n", "it was not undone"
    return outcome.verdict, outcome.said


@pytest.mark.parametrize(
    ("new", "test", "verdict", "said"),
    [
        ("3 * x", "test_twice", "noticed", "test_thing.py::test_twice (AssertionError)"),
        ("3 * x", "test_zero", "not noticed", "all tests pass"),
        ("2 * y", "test_twice", "broken import", "test_thing.py::test_twice (NameError)"),
        ("3 * x", "test_of_nothing", "no verdict", "pytest ended with 4: do its tests exist?"),
    ],
)
def test_a_mutant_is_tried_on_its_own_copy_in_its_own_process(copy, new, test, verdict, said) -> None:
    assert verdict_on(copy, new, test) == (verdict, said)


def test_a_mutant_that_takes_too_long_is_given_up(copy) -> None:
    assert verdict_on(copy, "3 * x", "test_patience", limit_s=4.0) == ("no verdict", "its time was up")
