"""Toy stages with the shapes of the real ones (write files, train step by step, generate shard by shard), and plans."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from pydantic import Field

from methods.common.errors import InputError, NotFiniteError
from methods.common.seeds import Seeds
from methods.common.stage import Config, Context, Inputs, Record, Stage
from reproductions.harness.cell import Cell
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store

STORE_FILES = {"provenance.json", "seal.json"}
"""Files of a finished cell that tell about the run and may differ between two runs."""


def _tell(what: str) -> None:
    """Append a line to the log that a test reads; one write, so that lines of several processes do not mix."""
    if "SEGREPRO_TOY_LOG" in os.environ:
        with Path(os.environ["SEGREPRO_TOY_LOG"]).open("ab", buffering=0) as file:
            file.write(f"{what}\n".encode())


def _wait_for_disturbance(stage: str, done: int, total: int) -> None:
    """Half-way, wait as long as the test that wants to disturb this stage has not done so, however slow the machine is."""
    held = Path(os.environ.get("SEGREPRO_TOY_HOLD", "/nowhere"), stage)
    while 2 * done >= total and held.exists():
        time.sleep(0.05)


class DrawConfig(Config):
    size: int = Field(default=8, ge=1)
    """How many numbers to draw."""
    pause_s: float = 0.0
    """Seconds to wait."""


def draw(inputs: Inputs, config: DrawConfig, context: Context) -> Record:
    numbers = context.seeds.numpy("data", "draw").normal(size=config.size)
    np.savetxt(context.out / "numbers.txt", numbers)
    if config.pause_s:
        time.sleep(config.pause_s)
    _tell(f"draw {context.seeds.data}")
    return {"sum": float(numbers.sum())}


class WalkConfig(Config):
    steps: int = Field(default=50, ge=1)
    """Steps of the walk."""
    step_s: float = 0.0
    """Seconds a step."""


def walk(inputs: Inputs, config: WalkConfig, context: Context) -> Record:
    """Take random steps from a checkpoint on, as a training does, with a state that needs no torch."""
    step, state = context.checkpoints.load() or (0, {"position": np.zeros(4), "path": []})
    position, path = state["position"], state["path"]
    if inputs.folders("start") and step == 0:
        position = position + inputs.record("start")["sum"]
    while step < config.steps:
        _wait_for_disturbance("walk", step, config.steps)
        position = position + context.seeds.numpy("training", step).normal(size=4)
        path.append(float(position[0]))
        step += 1
        if config.step_s:
            time.sleep(config.step_s)
        if context.checkpoint_due():
            context.checkpoints.save(step, {"position": position, "path": path})
        context.progress(step, config.steps, loss=float(np.linalg.norm(position)))
    (context.out / "path.txt").write_text("\n".join(map(repr, path)))
    _tell(f"walk {context.seeds.training}")
    return {"position": position.tolist()}


class TrainConfig(Config):
    steps: int = Field(default=4, ge=1)
    """Optimiser steps."""


def train(inputs: Inputs, config: TrainConfig, context: Context) -> Record:
    """Train a real network with momentum and a random state that runs through the whole training."""
    import torch

    generator = context.seeds.torch("training", "noise")
    weight = torch.randn(2, 3, generator=context.seeds.torch("training", "weights"), requires_grad=True)
    momentum = torch.zeros(2, 3)
    step, state = context.checkpoints.load() or (0, None)
    if state is not None:
        weight = state["weight"].requires_grad_()
        momentum = state["momentum"]
        generator.set_state(state["generator"])
    while step < config.steps:
        loss = torch.nn.functional.linear(torch.randn(5, 3, generator=generator), weight).square().mean()
        [gradient] = torch.autograd.grad(loss, [weight])
        momentum = 0.9 * momentum + gradient
        weight = (weight - 0.1 * momentum).detach().requires_grad_()
        step += 1
        if context.checkpoint_due():
            state = {"weight": weight, "momentum": momentum, "generator": generator.get_state()}
            context.checkpoints.save(step, state)
        context.progress(step, config.steps)
    return {"weight": weight.tolist()}


class ShardsConfig(Config):
    shards: int = 4
    """Files to write."""
    shard_s: float = 0.0
    """Seconds a file."""


def shards(inputs: Inputs, config: ShardsConfig, context: Context) -> Record:
    """Write one file after another and go on after the last one, as generation does."""
    found = context.checkpoints.load()
    done = found[0] if found is not None else 0
    for index in range(done, config.shards):
        _wait_for_disturbance("shards", index, config.shards)
        if config.shard_s:
            time.sleep(config.shard_s)
        data = context.seeds.numpy("generation", index).bytes(64)
        (context.out / f"shard-{index}.bin").write_bytes(data)
        if context.checkpoint_due():
            context.checkpoints.save(index + 1, {})
        context.progress(index + 1, config.shards, "shards")
    _tell(f"shards {context.seeds.generation}")
    return {"shards": config.shards}


def team_walk(inputs: Inputs, config: WalkConfig, context: Context) -> Record:
    """Add up whole numbers, each process its share of every step, as a training adds up gradients."""
    found = context.checkpoints.load()
    step, total = (found[0], found[1]["total"]) if found is not None else (0, 0)
    team = context.team
    while step < config.steps:
        numbers = context.seeds.numpy("training", step).integers(0, 1000, size=6)
        total += round(team.sum_number(float(numbers[team.rank :: team.size].sum())))
        step += 1
        time.sleep(config.step_s)
        if context.checkpoint_due() and team.is_first:
            context.checkpoints.save(step, {"total": total})
        context.progress(step, config.steps)
    if team.is_first:
        (context.out / "size.txt").write_text("one result, whatever the size of the team")
    return {"total": total}


class TableConfig(Config):
    pass


def table(inputs: Inputs, config: TableConfig, context: Context) -> Record:
    """Put what the other cells found into one table, as a report does."""
    records = [json.loads((folder / "result.json").read_text()) for folder in inputs.folders("rows")]
    rows = [f"{index},{json.dumps(record)}" for index, record in enumerate(records)]
    (context.out / "table.csv").write_text("\n".join(rows))
    return {"rows": len(rows)}


class FailConfig(Config):
    how: str = "error"
    """input, error, exit, kill, full, nan, type, axis, memory, memory_of_parts or not_finite."""


def fail(inputs: Inputs, config: FailConfig, context: Context) -> Record:
    if config.how == "input":
        raise InputError("the toy is broken; mend it")
    if config.how == "exit":
        sys.exit(3)
    if config.how == "kill":
        os.kill(os.getpid(), 9)
    if config.how == "full":
        raise OSError(28, "No space left on device")
    if config.how == "nan":
        return {"scores": [1.0, {"AP": float("nan")}]}
    if config.how == "type":
        return {"value": np.float32(1)}
    if config.how == "memory" or (config.how == "memory_of_parts" and context.batch_parts < 2):
        raise MemoryError("the toy is too large")
    if config.how == "memory_of_parts":
        return {}
    if config.how == "not_finite":
        raise NotFiniteError("the loss is nan at iteration 3; lower recipe.base_lr")
    if config.how == "axis":
        context.seeds.numpy("data")
    raise RuntimeError("boom")


DRAW = Stage("toy_draw", 1, DrawConfig, draw, ("data",))
WALK = Stage("toy_walk", 1, WalkConfig, walk, ("training",), kind="train")
TRAIN = Stage("toy_train", 1, TrainConfig, train, ("training",), kind="train")
SHARDS = Stage("toy_shards", 1, ShardsConfig, shards, ("generation",), kind="generate")
TEAM_WALK = Stage("toy_team_walk", 1, WalkConfig, team_walk, ("training",), kind="train", runs_on_team=True)
TABLE = Stage("toy_table", 1, TableConfig, table)
FAIL = Stage("toy_fail", 1, FailConfig, fail)


def draw_cell(seed: int = 0, **config: float) -> Cell:
    return Cell(DRAW, DrawConfig(**config), Seeds(data=seed), f"draw/{seed}")


def walk_cell(seed: int = 0, start: Cell | None = None, **config: float) -> Cell:
    inputs = {"start": [start]} if start is not None else {}
    return Cell(WALK, WalkConfig(**config), Seeds(training=seed), f"walk/{seed}", inputs)


def train_cell(seed: int = 0, **config: int) -> Cell:
    return Cell(TRAIN, TrainConfig(**config), Seeds(training=seed), f"train/{seed}")


def shards_cell(seed: int = 0, **config: float) -> Cell:
    return Cell(SHARDS, ShardsConfig(**config), Seeds(generation=seed), f"shards/{seed}")


def fail_cell(how: str, start: Cell | None = None) -> Cell:
    return Cell(FAIL, FailConfig(how=how), Seeds(), f"fail/{how}", {"start": [start]} if start is not None else {})


def table_plan(steps: int = 120, step_s: float = 0.1) -> Plan:
    """A walk on what was drawn, a real training, and shards, of ``steps * step_s`` seconds each, joined in a table."""
    walk = walk_cell(0, draw_cell(), steps=steps, step_s=step_s)
    made = shards_cell(shards=steps // 4, shard_s=4 * step_s)
    rows = [walk, made, walk_cell(1, steps=5), train_cell(steps=5)]
    return Plan("table", (Cell(TABLE, TableConfig(), Seeds(), "table", {"rows": rows}),))


def slow_plan() -> Plan:
    """Two chains of about two seconds each, for tests that kill real processes."""
    return Plan("slow", (walk_cell(0, draw_cell(), steps=40, step_s=0.05), shards_cell(0, shards=20, shard_s=0.1)))


def outputs(plan: Plan, store: Store) -> dict[str, bytes]:
    """Every file of every finished cell, but for those that tell about the run."""
    return {
        f"{cell.label}/{path.relative_to(store.cell_folder(cell))}": path.read_bytes()
        for cell in plan
        for path in sorted(store.cell_folder(cell).rglob("*"))
        if path.is_file() and path.name not in STORE_FILES
    }


def main() -> None:
    """Run :func:`slow_plan` in the store given, as ``segrepro run`` would: exit code, and one line a failure."""
    from reproductions.harness.launcher import run_local

    outcome = run_local(slow_plan(), Store.create(Path(sys.argv[1])), int(sys.argv[2]), lambda: None)
    print(json.dumps([failure.message for failure in outcome.failures.values()]))
    sys.exit(outcome.exit_code)
