"""The one training loop on a toy: resumption, losses that are not finite, and who saves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn

from methods.common.errors import NotFiniteError
from methods.common.stage import LocalContext
from methods.common.state_file import state_to_bytes
from methods.common.training.distributed import ALONE, Team
from methods.common.training.ema import ExponentialMovingAverage
from methods.common.training.history import HISTORY_FILE, PACE_FILE, History
from methods.common.training.loop import Training, run_training, share_model
from methods.common.training.losses import Losses
from methods.common.training.recipe import Recipe
from tests.contracts.contexts import Killed, MortalContext

STRETCH = range(3, 9)
"""A stretch of six iterations that does not begin at 0."""


class ToyRecipe(Recipe):
    """A rate that falls, and gradients that are clipped together."""

    rate_setting = "toy.rate"

    def rate_at(self, iteration: int) -> float:
        return 0.1 / (1 + iteration)

    def clip_gradients(self, parameters) -> None:
        nn.utils.clip_grad_norm_(parameters, 0.5)


@dataclass
class Toy:
    """Two networks and one optimiser; notes what it is asked for."""

    broken_at: int = -1
    """Iteration whose loss is not a number."""
    steps: list[int] = field(default_factory=list)
    counted: int = 0
    """State of its own, which the training keeps."""

    def state_dict(self) -> dict[str, int]:
        return {"counted": self.counted}

    def load_state_dict(self, state) -> None:
        self.counted = state["counted"]

    def batches(self, first: int) -> Iterator[Tensor]:
        for iteration in range(first, STRETCH.stop):
            yield torch.randn(6, 3, generator=torch.Generator().manual_seed(iteration))

    def training(self, context: LocalContext) -> Training[nn.ModuleDict, Tensor]:
        torch.manual_seed(0)
        body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        model = share_model(nn.ModuleDict({"body": body, "head": nn.Linear(4, 2)}), context)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1.0)
        gradients, average = partial(self.add_gradients, model), ExponentialMovingAverage(model, 0.9, warmup=True)
        return Training(
            model, optimizer, ToyRecipe(), gradients, context.team, average, others={"toy": self}, where=" of the toy"
        )

    def add_gradients(self, model, batch_N3: Tensor, iteration: int, backward: Callable[[Tensor], None]) -> Losses:
        self.steps.append(iteration)
        self.counted += iteration
        out_N2 = model["head"](model["body"](batch_N3))
        parts = {"near": (out_N2 - 1).square().mean(), "even": out_N2.sum(1).abs().mean() / 10}
        losses = Losses.of(parts)
        if iteration == self.broken_at:
            losses = replace(losses, total=losses.total * torch.nan)
        backward(losses.total)
        return losses.detach()

    def train(self, context: LocalContext) -> tuple[bytes, list[float]]:
        """Return everything that the training has at its end, and the losses."""
        training = self.training(context)
        losses = run_training(training, STRETCH, self.batches, context)
        return state_to_bytes(training.to_tree()), losses


def mortal(out: Path, kill_after: int = 99, every: int = 2, team: Team = ALONE) -> MortalContext:
    """Saves after every second step, or every step, and is killed after ``kill_after`` of them; the first sign comes before any."""
    return MortalContext(out, team=team, kill_at=kill_after + 1, save_every=every)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[float]]:
    return Toy().train(LocalContext(tmp_path_factory.mktemp("undisturbed") / "out"))


@pytest.mark.parametrize("kill_after", range(1, 7))
def test_killed_after_any_step_it_ends_alike(undisturbed, tmp_path: Path, kill_after: int) -> None:
    with pytest.raises(Killed):
        Toy().train(mortal(tmp_path / "out", kill_after=kill_after))
    toy, context = Toy(), LocalContext(tmp_path / "out")
    assert toy.train(context) == undisturbed
    saved = kill_after // 2 * 2
    assert toy.steps == list(STRETCH[saved:]), "it goes on from the newest checkpoint"
    assert [done for done, *_ in context.history] == list(range(saved, 7))
    assert {total for _, total, *_ in context.history} == {6}


def test_killed_again_and_again_it_ends_alike(undisturbed, tmp_path: Path) -> None:
    for _ in range(5):
        with pytest.raises(Killed):
            Toy().train(mortal(tmp_path / "out", kill_after=1, every=1))
    assert Toy().train(mortal(tmp_path / "out", every=1)) == undisturbed


def test_every_loss_is_told_and_returned(undisturbed, tmp_path: Path) -> None:
    context = LocalContext(tmp_path / "out")
    _, losses = Toy().train(context)
    assert len(losses) == len(STRETCH)
    assert losses[-1] < losses[0]
    assert [numbers for *_, numbers in context.history] == [{}] + [{"loss": loss} for loss in losses]


def test_a_step_tells_its_loss_and_the_parts_that_add_up_to_it(tmp_path: Path) -> None:
    toy = Toy()
    numbers = toy.training(LocalContext(tmp_path)).step(next(toy.batches(3)), 3)
    assert list(numbers.parts) == ["near", "even"]
    assert sum(numbers.parts.values()) == pytest.approx(numbers.loss)
    assert all(type(value) is float for value in [numbers.loss, *numbers.parts.values()])


def test_the_average_follows_each_step(tmp_path: Path) -> None:
    toy = Toy()
    training = toy.training(LocalContext(tmp_path))
    start_NC = training.model["head"].weight.detach().clone()
    training.step(next(toy.batches(3)), 3)
    expected = start_NC.lerp(training.model["head"].weight, 9 / 11)
    assert torch.equal(training.averaged["head"].weight, expected)
    assert replace(training, average=None).averaged is training.model


def test_the_recipe_sets_the_rate_and_clips_what_all_processes_found(tmp_path: Path) -> None:
    seen = []

    class Watching(ToyRecipe):
        def clip_gradients(self, parameters) -> None:
            parameters = list(parameters)
            seen.append(torch.cat([parameter.grad.flatten() for parameter in parameters]).clone())
            super().clip_gradients(parameters)

    for team in (ALONE, Doubling(size=2)):
        toy = Toy()
        training = toy.training(LocalContext(tmp_path, team=team))
        training.recipe = Watching()
        training.step(next(toy.batches(5)), 5)
        assert training.optimizer.param_groups[0]["lr"] == 0.1 / 6
        clipped = torch.cat([parameter.grad.flatten() for parameter in training.model.parameters()])
        assert clipped.norm() == pytest.approx(0.5, rel=1e-4)
    assert torch.equal(seen[1], 2 * seen[0])


@pytest.mark.parametrize("broken_at", [3, 6])
def test_a_loss_that_is_not_finite_keeps_the_last_good_step(tmp_path: Path, broken_at: int) -> None:
    context = LocalContext(tmp_path / "out")
    message = f"the loss is nan at iteration {broken_at} of the toy; lower toy.rate or look at the training images"
    with pytest.raises(NotFiniteError, match=message):
        Toy(broken_at).train(context)
    good = broken_at - STRETCH.start
    reference = mortal(tmp_path / "reference", kill_after=good, every=1)
    if good:
        with pytest.raises(Killed):
            Toy().train(reference)
    else:
        empty = {"training": Toy().training(reference).to_tree(), "losses": []}
        reference.checkpoints.save(0, empty | {"history": History(reference.device).to_tree()})
    step, tree = context.checkpoints.load()
    assert step == good == len(tree["losses"])
    expected = reference.checkpoints.load()[1]
    for state in (tree, expected):
        del state["training"]["toy"]  # the broken step has counted itself
        del state["history"]["pace"]  # no two runs are equally fast
    assert state_to_bytes(tree) == state_to_bytes(expected)


def test_it_goes_on_where_the_loss_was_not_finite(undisturbed, tmp_path: Path) -> None:
    with pytest.raises(NotFiniteError):
        Toy(6).train(LocalContext(tmp_path / "out"))
    toy = Toy()
    assert toy.train(LocalContext(tmp_path / "out"))[1] == undisturbed[1]
    assert toy.steps == [6, 7, 8]


@pytest.mark.parametrize("damage", ["torn", "flipped", "empty"])
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(undisturbed, tmp_path: Path, damage: str) -> None:
    context = mortal(tmp_path / "out", kill_after=5)
    with pytest.raises(Killed):
        Toy().train(context)
    newest = max(context.checkpoints.folder.iterdir())
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes({"torn": data[:-9], "flipped": data, "empty": b""}[damage])
    toy = Toy()
    assert toy.train(LocalContext(tmp_path / "out")) == undisturbed
    assert toy.steps == list(STRETCH[2:])


def test_checkpoints_of_another_layout_are_forgotten(undisturbed, tmp_path: Path, capsys) -> None:
    """They are of other code, and newer than what is saved from now on."""
    context = mortal(tmp_path / "out", kill_after=2, every=1)
    for step in (30, 40):
        context.checkpoints.save(step, {"training": {"networks": {}}, "sums": [0.5], "cpu_seconds": 2.0})
    with pytest.raises(Killed):
        Toy().train(context)
    assert (
        "the checkpoint after 40 iterations is of another layout; the training starts over" in capsys.readouterr().err
    )
    assert context.checkpoints.load()[0] == 2
    toy = Toy()
    assert toy.train(context) == undisturbed
    assert toy.steps == list(STRETCH[2:])


@pytest.mark.parametrize("missing", ["losses", "optimizer"])
def test_a_checkpoint_that_lacks_something_is_not_half_read(undisturbed, tmp_path: Path, missing: str) -> None:
    context = mortal(tmp_path / "out", kill_after=4)
    with pytest.raises(Killed):
        Toy().train(context)
    tree = context.checkpoints.load()[1]
    (tree if missing == "losses" else tree["training"]).pop(missing)
    context.checkpoints.save(5, tree)
    toy = Toy()
    assert toy.train(LocalContext(tmp_path / "out")) == undisturbed
    assert toy.steps == list(STRETCH)


def test_a_checkpoint_that_holds_more_is_taken(undisturbed, tmp_path: Path) -> None:
    context = mortal(tmp_path / "out", kill_after=4)
    with pytest.raises(Killed):
        Toy().train(context)
    tree = context.checkpoints.load()[1]
    tree["training"]["iterations_total"] = 4
    context.checkpoints.save(5, tree)
    toy = Toy()
    assert toy.train(LocalContext(tmp_path / "out")) == undisturbed
    assert toy.steps == list(STRETCH[4:])


def test_every_iteration_is_in_the_history_with_parts_rate_and_norm(tmp_path: Path) -> None:
    toy, context = Toy(), LocalContext(tmp_path / "out")
    _, losses = toy.train(context)
    found = pq.read_table(context.out / HISTORY_FILE).to_pydict()
    assert found["iteration"] == list(STRETCH)
    assert found["loss"] == losses
    assert found["learning_rate"] == [0.1 / (1 + iteration) for iteration in STRETCH]
    sums = [near + even for near, even in zip(found["loss/near"], found["loss/even"], strict=True)]
    assert sums == pytest.approx(losses)
    assert set(found) == {"iteration", "loss", "learning_rate", "gradient_norm", "loss/near", "loss/even"}
    pace = pq.read_table(context.out / PACE_FILE).to_pydict()
    assert (pace["iteration"], set(pace)) == (list(STRETCH), {"iteration", "seconds", "memory_mib"})
    assert all(0 < seconds < 60 for seconds in pace["seconds"])
    assert all(50 < memory < 1e6 for memory in pace["memory_mib"])


def test_the_norm_is_that_of_the_whole_batch_before_clipping(tmp_path: Path) -> None:
    toy, context = Toy(), LocalContext(tmp_path / "out")
    training = toy.training(context)
    twin = Toy().training(context)
    batch = next(toy.batches(3))
    numbers = training.step(batch, 3)
    twin.add_gradients(batch, 3, torch.autograd.backward)
    expected = torch.cat([parameter.grad.flatten() for parameter in twin.model.parameters()]).double().norm()
    assert expected > 0.5, "it is clipped"
    assert float(numbers.gradient_norm) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("kill_after", [1, 2, 3, 5])
def test_the_history_of_an_interrupted_training_is_the_same_file(tmp_path: Path, kill_after: int) -> None:
    whole = LocalContext(tmp_path / "whole")
    Toy().train(whole)
    with pytest.raises(Killed):
        Toy().train(mortal(tmp_path / "out", kill_after=kill_after))
    context = LocalContext(tmp_path / "out")
    Toy().train(context)
    assert (context.out / HISTORY_FILE).read_bytes() == (whole.out / HISTORY_FILE).read_bytes()
    assert len(pq.read_table(context.out / PACE_FILE)) == len(STRETCH)


def test_a_checkpoint_of_before_there_were_histories_is_taken(undisturbed, tmp_path: Path) -> None:
    context = mortal(tmp_path / "out", kill_after=4)
    with pytest.raises(Killed):
        Toy().train(context)
    tree = context.checkpoints.load()[1]
    del tree["history"]
    context.checkpoints.save(5, tree)
    toy = Toy()
    assert toy.train(LocalContext(tmp_path / "out")) == undisturbed
    found = pq.read_table(tmp_path / "out" / HISTORY_FILE).to_pandas()
    assert found["loss"].tolist() == undisturbed[1]
    assert found["gradient_norm"].isna().tolist() == found["loss/near"].isna().tolist() == 4 * [True] + 2 * [False]


@dataclass(frozen=True)
class Doubling(Team):
    """One of two processes that do the same; ``told`` is what the first has sent, where this is the other."""

    told: bytes = b""

    def sum_(self, tensor: Tensor) -> Tensor:
        return tensor.mul_(2)

    def copy_first_(self, tensor: Tensor) -> Tensor:
        return tensor

    def agree_bytes(self, data: bytes) -> bytes:
        return data if self.is_first else self.told


@pytest.mark.parametrize("rank", [0, 1])
def test_only_the_first_process_saves(tmp_path: Path, rank: int) -> None:
    context = mortal(tmp_path / "out", team=Doubling(rank, 2, state_to_bytes(None)), every=1)
    Toy().train(context)
    assert len(list(tmp_path.glob("out.checkpoints/*"))) == (2 if rank == 0 else 0)


@pytest.mark.parametrize("rank", [0, 1])
def test_all_processes_go_on_from_what_the_first_found(tmp_path: Path, rank: int) -> None:
    first = mortal(tmp_path / "first", team=Doubling(0, 2), kill_after=4)
    with pytest.raises(Killed):
        Toy().train(first)
    whole = Toy().train(LocalContext(tmp_path / "whole", team=Doubling(0, 2)))
    team = Doubling(rank, 2, state_to_bytes(first.checkpoints.load()[1]))
    toy = Toy()
    context = LocalContext(tmp_path / ("first" if rank == 0 else "other"), team=team)
    if rank:
        context.checkpoints.save(1, "what this process sees is neither read nor cleared")
    assert toy.train(context) == whole
    assert toy.steps == list(STRETCH[4:])
    assert rank == 0 or context.checkpoints.load()[0] == 1


def test_the_numbers_of_a_step_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    alone, both = (
        toy.training(LocalContext(tmp_path, team=team)).step(next(toy.batches(3)), 3)
        for toy, team in ((Toy(), ALONE), (Toy(), Doubling(size=2)))
    )
    assert both.loss == 2 * alone.loss
    assert both.parts == {name: 2 * value for name, value in alone.parts.items()}


def test_too_few_batches_are_noticed(tmp_path: Path) -> None:
    toy, context = Toy(), LocalContext(tmp_path / "out")
    with pytest.raises(ValueError, match="shorter"):
        run_training(toy.training(context), STRETCH, lambda first: list(toy.batches(first))[:-1], context)
