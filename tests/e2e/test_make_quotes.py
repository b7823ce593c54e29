"""`make` hands places on as they are, whatever a shell would make of their letters."""

import shlex
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ODD = "my data/it's & co; echo $(HOME) *"


def test_places_with_blanks_quotes_and_more() -> None:
    place = ODD.replace("$", "$$")  # which make reads first
    words = [f"{name}={place}" for name in ("DATA", "OBJECTS", "STORE", "OUT", "SITE")]
    dry = subprocess.run(
        ["make", "-n", "-o", ".venv/ready", "reproduce", "PAPER=mrca", *words, "ARGS=--arms no_aug --seeds 2"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    [line] = [line for line in dry.stdout.splitlines() if line.startswith(".venv/bin/segrepro")]
    given = shlex.split(line)
    for option in ("--data", "--objects", "--store", "--out", "--site"):
        assert given[given.index(option) + 1] == ODD
    assert given[given.index("--seeds") + 1] == "2"
