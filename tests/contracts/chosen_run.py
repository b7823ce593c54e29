"""Runs the chosen cells of a paper's smoke plan, with all that they need: ``python -m tests.contracts.chosen_run PAPER STORE``."""

import sys
from pathlib import Path

from reproductions.harness.launcher import run_local
from reproductions.harness.store import Store
from tests.contracts.papers import chosen_plan

if __name__ == "__main__":
    paper_id, folder = sys.argv[1:]
    outcome = run_local(chosen_plan(paper_id), Store.create(Path(folder)), 1, lambda: None)
    sys.exit(outcome.exit_code)
