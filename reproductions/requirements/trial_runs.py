"""Trials of a plan's models, one at a time, each in a process of its own; what comes of each is one line of the preflight."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from reproductions.requirements.inspect_machine import free_memory_bytes
from reproductions.requirements.inspect_weights import count_weights, weight_files
from reproductions.requirements.preflight import Finding
from reproductions.requirements.trial import Trial

_GIB = 1 << 30
_BASE_BYTES = 1 << 30
"""What Python, torch and the libraries take with a miniature network: 0.7 to 1.0 GiB in our trials of the small tiers, Linux, CPU."""
LIMIT_S = 3600.0
"""A trial that takes longer is given up; reading the largest models from a slow disk takes minutes. Our choice."""


def loading_findings(
    trials: Iterable[Trial], found: Sequence[Finding], announce: Callable[[str], object] = lambda what: None
) -> Iterator[Finding]:
    """Try to load each model of a plan.

    Args:
        trials: of the plan.
        found: what looking at the places has told; a model of a place that is not in order is not tried.
        announce: is told what comes next.
    """
    faulty = {finding.where: finding.what for finding in found if finding.is_fatal}
    for trial in trials:
        lacking = [faulty[str(place)] for place in trial.places.values() if str(place) in faulty]
        if lacking:
            yield _finding(trial, Finding("", "", "unknown", notes=(f"not tried: {lacking[0]} is not in order",)))
            continue
        announce(trial.what)
        yield _finding(trial, try_loading(trial))


def _finding(trial: Trial, seen: Finding) -> Finding:
    where = ", ".join(str(place) for place in trial.places.values())
    return Finding(f"loading {trial.what}", where, seen.state, seen.problems, seen.notes, steps=seen.steps)


def try_loading(trial: Trial, limit_s: float = LIMIT_S) -> Finding:
    """Open a model in a process of its own and send a tiny batch through it."""
    needed, free = least_bytes(trial), free_memory_bytes()
    if free is not None and needed > free:
        note = f"not tried: opening it takes about {_gib(needed)} GiB, {_gib(free)} are free; check on a larger machine"
        return Finding("", "", "unknown", notes=(note,))
    with tempfile.TemporaryDirectory(prefix="segrepro-load-") as folder:
        result, said = Path(folder) / "result.json", Path(folder) / "said"
        code = _run(trial, result, said, limit_s)
        outcome = json.loads(result.read_text()) if code == 0 else None
        last_words = _last_line(said)
    if outcome is not None:
        return _judge(outcome)
    return Finding("", "", *_death(code, free, last_words, limit_s))


def least_bytes(trial: Trial) -> int:
    """Return what opening a model takes at least: its weights, once more those of its largest file on their way, and the libraries."""
    counts = [count_weights(path) for place in trial.places.values() for path in weight_files(place)]
    return trial.bytes_per_weight * (sum(counts) + max(counts, default=0)) + _BASE_BYTES


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / _GIB:.1f}"


def _run(trial: Trial, result: Path, said: Path, limit_s: float) -> int | None:
    """Run the process of a trial; returns its exit code, negative for a signal, or None when its time was up."""
    command = [sys.executable, "-m", "reproductions.requirements.trial_process", str(result)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}  # a trial looks at what is there
    with said.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment)
        try:
            process.communicate(json.dumps(trial.document()).encode(), timeout=limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    return process.returncode


def _last_line(said: Path) -> str:
    lines = [line.strip() for line in said.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def _judge(outcome: dict[str, Any]) -> Finding:
    """Turn what a process that came to its end wrote into a state and a sentence."""
    opened = (
        f"opened in {outcome['seconds']:.0f} s on {outcome['device']}, peak memory {outcome['peak_gib']} GiB"
        if (outcome["opened"])
        else ""
    )
    if outcome["no_room"] and outcome["opened"]:
        return Finding("", "", "ok", notes=(f"{opened}; {outcome['problem']}",))
    if outcome["no_room"]:
        return Finding("", "", "too small", (outcome["problem"],), steps=(_LARGER,))
    if outcome["problem"]:
        return Finding("", "", "does not load", (outcome["problem"],), steps=(_NOTHING_STARTS,))
    ran = "a tiny batch went through" if outcome["ran"] else "no tiny batch was run: in float32 it does not fit here"
    return Finding("", "", "ok", notes=(f"{opened}; {ran}",))


_LARGER = "(check, and run, on a machine with more memory)"
_NOTHING_STARTS = "(the stages load it in the same way, so they would end in the same error)"


def _death(code: int | None, free: int | None, last_words: str, limit_s: float) -> tuple[Any, ...]:
    """Say what ended a process that left no result: state, problems, notes, licence, source, steps."""
    if code is None:
        return "does not load", (f"it was not open after {limit_s / 60:.0f} minutes",), (), "", "", (_NOTHING_STARTS,)
    if code == -signal.SIGKILL or "bad_alloc" in last_words:
        room = "" if free is None else f", of which {_gib(free)} GiB were free"
        sentence = f"its process was killed, most likely because memory ran out{room}"
        return "too small", (sentence,), (), "", "", (_LARGER,)
    how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    words = f", its last words: {last_words}" if last_words else ""
    return "does not load", (f"its process ended {how}{words}",), (), "", "", (_NOTHING_STARTS,)
