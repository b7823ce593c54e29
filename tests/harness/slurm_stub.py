"""SLURM's commands as small scripts: what is asked of a cluster can be looked at without one, and costs no time of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_SCRIPTS = {
    "sbatch": """\
number=$(($(cat {folder}/number) + 1)); echo $number > {folder}/number
if [ -s {folder}/refusal ]; then cat {folder}/refusal >&2; exit 1; fi
cp "$1" {folder}/batch-$number.sh
echo "Submitted batch job $number"
""",
    "squeue": "cat {folder}/queue\n",
    "sinfo": "cat {folder}/partitions\n",
    "scontrol": 'echo "$@" >> {folder}/told; if [ "$2" = config ]; then echo "MaxArraySize            = 1001"; fi\n',
    "scancel": 'echo "cancel $@" >> {folder}/told\n',
    "srun": "exit 1\n",
}


class StubCluster:
    """A folder with the scripts, what they answer and what they were told."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        scripts = folder / "bin"
        scripts.mkdir(parents=True)
        for name, text in _SCRIPTS.items():
            path = scripts / name
            path.write_text("#!/bin/sh\n" + text.replace("{folder}", str(folder)))
            path.chmod(0o755)
        (folder / "number").write_text("100")
        self.queue([])
        (folder / "partitions").write_text(
            "low|1-00:00:00|1:00:00|gpu:2\nnormal*|infinite|n/a|gpu:2\ncpu|30:00|n/a|(null)\n"
        )
        monkeypatch.setenv("PATH", f"{scripts}{os.pathsep}{os.environ['PATH']}")

    def queue(self, lines: list[str]) -> None:
        """Let squeue answer with these lines."""
        (self.folder / "queue").write_text("".join(f"{line}\n" for line in lines))

    def refuse(self, message: str) -> None:
        """Let sbatch refuse everything."""
        (self.folder / "refusal").write_text(message)

    def batches(self) -> dict[int, str]:
        """The scripts given to sbatch, by job number."""
        return {int(path.stem.partition("-")[2]): path.read_text() for path in sorted(self.folder.glob("batch-*.sh"))}

    def told(self) -> list[str]:
        """What scontrol and scancel were told."""
        path = self.folder / "told"
        return path.read_text().splitlines() if path.exists() else []
