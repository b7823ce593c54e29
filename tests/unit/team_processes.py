"""Small trainings in one process or several: what the processes of a team run in the tests."""

import json
import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from methods.common.errors import NotFiniteError
from methods.common.miniature.lvis_view import DrawLvisConfig, draw_lvis
from methods.common.objects.pool import PooledObject, write_pool_shard
from methods.common.segmenters.backbones.config import SwinConfig
from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.common.segmenters.centernet2.presets import centernet2_miniature, miniature_training_recipe
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.stage import Inputs, LocalContext
from methods.common.training.distributed import ALONE, Team, TeamLostError
from methods.common.training.losses import Losses
from methods.mrca.bsgal import BsgalConfig
from methods.mrca.paste import PasteConfig
from methods.mrca.size_model import PasteSizeConfig
from methods.mrca.stages import training_state
from methods.mrca.stages.pasting import XPastePasting
from methods.mrca.stages.split import SplitConfig, split
from methods.mrca.stages.train import TrainConfig, train
from tests.contracts.contexts import attempt

NUM_CLASSES = 12


@dataclass(frozen=True)
class Training:
    """A training of four images a step in some number of processes and parts."""

    network: str
    size: int = 1
    parts: int = 1
    double: bool = True
    steps: int = 3
    gated: bool = False

    @property
    def name(self) -> str:
        """Name of its folder."""
        return "-".join(str(value) for value in vars(self).values())


def draw_world(folder: Path) -> None:
    """Draw a data set, split it, and make a pool of objects of random pixels."""
    for name in ("data", "split"):
        (folder / name).mkdir(parents=True)
    sizes = DrawLvisConfig(num_train_images=24, num_val_images=8, num_categories=NUM_CLASSES)
    draw_lvis(Inputs(), sizes, LocalContext(folder / "data"))
    split(Inputs({"data": [folder / "data"]}), SplitConfig(heldout_fraction=0.15), LocalContext(folder / "split"))
    classes = json.loads((folder / "split" / "classes.json").read_text())
    rng = np.random.default_rng(0)
    objects = []
    for number in range(24):
        rgba_HW4 = rng.integers(0, 256, (12 + number % 9, 10 + number % 7, 4), dtype=np.uint8)
        rgba_HW4[..., 3] = 255
        objects.append(PooledObject(rgba_HW4, classes[number % NUM_CLASSES]["id"], 1, "a thing", number, 80.0))
    write_pool_shard(folder / "pool" / "pool-00000.parquet", objects)


def network_config(name: str) -> CenterNet2Config:
    """Return the miniature with its batch norm, with group norm, or with a Swin backbone that drops paths."""
    config = centernet2_miniature(NUM_CLASSES)
    if name == "group":
        return config.model_copy(update={"backbone": config.backbone.model_copy(update={"norm": "group"})})
    if name == "swin":
        swin = SwinConfig(
            window=4, embedding=8, depths=(1, 2, 1), heads=(1, 2, 4), drop_path=0.5, output_stages=(0, 1, 2)
        )
        return CenterNet2Config.model_validate(config.model_dump() | {"backbone": swin.model_dump()})
    return config


def train_config(network: str, steps: int, base_lr: float = 3e-3) -> TrainConfig:
    """Return a training on images of different sizes, with pasted objects."""
    recipe = miniature_training_recipe().model_copy(
        update={"batch_size": 4, "warmup_iterations": 4, "base_lr": base_lr}
    )
    size, paste = (
        PasteSizeConfig(min_length_px=8.0, min_side_px=5),
        PasteConfig(box_tolerance_px=2.0, min_visible_px=25),
    )
    return TrainConfig(
        segmenter=network_config(network),
        recipe=recipe,
        augmentation=AugmentConfig(size_px=64, min_scale=0.6, max_scale=1.5),
        pasting=XPastePasting(size=size, paste=paste),
        last_iteration=steps,
    )


def inputs_of(world: Path) -> Inputs:
    """Return the roles of a training."""
    return Inputs({name: [world / name] for name in ("data", "split", "pool")})


@contextmanager
def double_precision(wanted: bool = True) -> Iterator[None]:
    """Compute in float64 what otherwise is computed in float32, so that only wrong sums differ by more than 1e-12."""
    to_float = torch.Tensor.float
    if wanted:
        torch.set_default_dtype(torch.float64)
        torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.Tensor.float = to_float


def run_training(training: Training, world: Path, folder: Path, team: Team = ALONE) -> None:
    """Train, and write the losses; every process has a folder of its own."""
    out = folder / training.name / str(team.rank)
    out.mkdir(parents=True)
    context = LocalContext(out, team=team, batch_parts=training.parts)
    with double_precision(training.double):
        config = train_config(training.network, training.steps)
        config = config.model_copy(update={"acceptance": BsgalConfig()}) if training.gated else config
        record = train(inputs_of(world), config, context)
        out.with_name(f"acceptance-{out.name}.json").write_text(json.dumps(record.get("acceptance")))
    write_losses(context, out)


def write_losses(context: LocalContext, out: Path) -> None:
    """Write the loss of each step beside the output folder."""
    losses = [numbers["loss"] for _, _, _, numbers in context.history if numbers]
    out.with_name(f"losses-{out.name}.json").write_text(json.dumps(losses))


def train_with_interruptions(training: Training, world: Path, out: Path, team: Team) -> None:
    """Stop after step 1, lose process 1's share of the loss in step 3, and go on each time."""
    out.mkdir(parents=True)
    config = train_config(training.network, training.steps)
    _, record = attempt(train, inputs_of(world), config, out, team=team, kill_at=2)
    assert record is None, "was not stopped"
    try:
        with broken_loss(call=2, here=team.rank == 1):
            train(inputs_of(world), config, LocalContext(out, team=team))
        raise AssertionError("went on with a broken loss")
    except NotFiniteError as error:
        out.with_name(f"error-{out.name}").write_text(str(error))
    context = LocalContext(out, team=team)
    train(inputs_of(world), config, context)
    write_losses(context, out)


@contextmanager
def broken_loss(call: int, here: bool) -> Iterator[None]:
    """Make one call's loss not a number in this process, if it is the one."""
    add_gradients, calls = training_state.add_gradients, []

    def broken(*arguments: object, **named: object) -> Losses:
        calls.append(0)
        losses = add_gradients(*arguments, **named)
        return replace(losses, total=losses.total * torch.nan) if here and len(calls) == call else losses

    training_state.add_gradients = broken
    try:
        yield
    finally:
        training_state.add_gradients = add_gradients


def run_team(rank: int, trainings: Sequence[Training], ports: Sequence[int], world: Path, folder: Path) -> None:
    """Process ``rank`` of each team in turn: the trainings, the last one with interruptions, a team that loses a process."""
    torch.set_num_threads(1)
    for training, port in zip(trainings, ports, strict=False):
        with team_of(training.size, rank, port) as team:
            if team is not None:
                run_training(training, world, folder, team)
    with team_of(trainings[-1].size, rank, ports[-2]) as team:
        if team is not None:
            train_with_interruptions(trainings[-1], world, folder / "interrupted" / str(rank), team)
    lose_a_process(Team.join("127.0.0.1", ports[-1], rank, 3, torch.device("cpu")), folder)


@contextmanager
def team_of(size: int, rank: int, port: int) -> Iterator[Team | None]:
    """Meet the others for a while; None for a process that is not in the team."""
    if rank >= size:
        yield None
        return
    team = Team.join("127.0.0.1", port, rank, size, torch.device("cpu"))
    yield team
    team.leave()


def lose_a_process(team: Team, folder: Path) -> None:
    """Process 2 goes without a word; the others wait for it."""
    if team.rank == 2:
        os._exit(0)
    try:
        team.barrier()
    except TeamLostError as error:
        (folder / f"lost-{team.rank}").write_text(str(error))
    os._exit(0)


def start_processes(count: int, action: Callable[..., None], *arguments: object) -> list[multiprocessing.Process]:
    """Start processes that get their rank and the arguments; they import torch once for all."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["tests.unit.team_processes"])
    processes = [server.Process(target=action, args=(rank, *arguments)) for rank in range(count)]
    for process in processes:
        process.start()
    return processes


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports
