"""Every mutant. A new wire between two parts wants one: change it on purpose, and name the fast test that notices.

Each module of this folder that has ``MUTANTS`` is part of it.
"""

import importlib
import pkgutil
from collections.abc import Iterator

import tests.mutants
from tests.mutants.mutant import Mutant


def _modules() -> Iterator[str]:
    names = (module.name for module in pkgutil.iter_modules(tests.mutants.__path__))
    return (name for name in sorted(names) if name not in ("catalogue", "mutant", "run"))


CATALOGUE: tuple[Mutant, ...] = tuple(
    mutant for name in _modules() for mutant in importlib.import_module(f"tests.mutants.{name}").MUTANTS
)
