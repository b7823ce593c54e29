"""What a mutant is: one wrong wire, and the tests that must notice it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A change of one place of the code that nobody wants."""

    id: str
    file: str
    """From the repository's root."""
    old: str
    """Occurs exactly once in the file."""
    new: str
    breaks: str
    """What is wrong then, in one line."""
    tests: tuple[str, ...]
    """Paths of pytest's nodes; at least one test must fail."""

    def applied_to(self, text: str) -> str:
        """Return the text of the file with the change."""
        assert text.count(self.old) == 1, f"{self.id}: the old text occurs {text.count(self.old)} times in {self.file}"
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Place:
    """A file that mutants change."""

    file: str

    def mutant(self, id: str, old: str, new: str, breaks: str, *tests: str) -> Mutant:
        """Return a change of this file."""
        return Mutant(id, self.file, old, new, breaks, tests)
