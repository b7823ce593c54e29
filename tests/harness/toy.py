"""Toy stages with the shapes of the real ones: write files, train step by step, generate shard by shard."""

import os
import time

import numpy as np
from pydantic import Field

from methods.common.errors import InputError
from methods.common.stage import Config, Context, Inputs, Record, Stage


class DrawConfig(Config):
    size: int = Field(default=8, ge=1)
    """How many numbers to draw."""


def draw(inputs: Inputs, config: DrawConfig, context: Context) -> Record:
    numbers = context.seeds.numpy("data", "draw").normal(size=config.size)
    np.savetxt(context.out / "numbers.txt", numbers)
    return {"sum": float(numbers.sum())}


class WalkConfig(Config):
    steps: int = Field(default=50, ge=1)
    """Steps of the walk."""
    step_s: float = 0.0
    """Seconds a step."""


def walk(inputs: Inputs, config: WalkConfig, context: Context) -> Record:
    """Take random steps from a checkpoint on, as a training does."""
    import torch

    found = context.checkpoints.load()
    step, state = found if found is not None else (0, {"position": torch.zeros(4, dtype=torch.float64)})
    position = state["position"]
    if inputs.folders("start") and step == 0:
        position += inputs.record("start")["sum"]
    while step < config.steps:
        position = position + torch.randn(4, generator=context.seeds.torch("training", step), dtype=torch.float64)
        step += 1
        time.sleep(config.step_s)
        if context.checkpoint_due():
            context.checkpoints.save(step, {"position": position})
        context.progress(step, config.steps, loss=float(position.norm()))
    (context.out / "position.txt").write_text(repr(position.tolist()))
    return {"norm": float(position.norm())}


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
        time.sleep(config.shard_s)
        data = context.seeds.numpy("generation", index).bytes(64)
        (context.out / f"shard-{index}.bin").write_bytes(data)
        if context.checkpoint_due():
            context.checkpoints.save(index + 1, {})
        context.progress(index + 1, config.shards, "shards")
    return {"shards": config.shards}


class FailConfig(Config):
    how: str = "error"
    """input, error, kill, full or nan."""


def fail(inputs: Inputs, config: FailConfig, context: Context) -> Record:
    if config.how == "input":
        raise InputError("the toy is broken; mend it")
    if config.how == "kill":
        os.kill(os.getpid(), 9)
    if config.how == "full":
        raise OSError(28, "No space left on device")
    if config.how == "nan":
        return {"value": float("nan")}
    raise RuntimeError("boom")


DRAW = Stage("toy_draw", 1, DrawConfig, draw, ("data",))
WALK = Stage("toy_walk", 1, WalkConfig, walk, ("training",))
SHARDS = Stage("toy_shards", 1, ShardsConfig, shards, ("generation",))
FAIL = Stage("toy_fail", 1, FailConfig, fail)
