"""Training means the same in several processes and parts, interrupted or not."""

import json
from pathlib import Path

import pytest
import torch

from methods.common.errors import NotFiniteError
from methods.common.stage import Inputs, LocalContext
from methods.common.state_file import load_state
from methods.mrca.stages.train import train
from tests.unit.team_processes import (
    Training,
    draw_world,
    free_ports,
    inputs_of,
    run_team,
    run_training,
    start_processes,
    train_config,
)

SINGLE_PRECISION = Training("batch", size=2, double=False, steps=4)
IN_PARTS = [
    Training("batch", parts=2),
    Training("group", parts=3),
    Training("swin", parts=2),
    Training("swin", parts=2, gated=True),
]
IN_TEAMS = [
    Training("batch", size=2),
    Training("group", size=3),
    Training("swin", size=2),
    Training("group", size=2, parts=2),
    Training("batch", size=2, gated=True),
    Training("swin", size=2, parts=2, gated=True),
    SINGLE_PRECISION,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All trainings: those of teams in three other processes, those of one process meanwhile here."""
    folder = tmp_path_factory.mktemp("teams")
    draw_world(folder / "world")
    ports = free_ports(len(IN_TEAMS) + 2)
    processes = start_processes(3, run_team, IN_TEAMS, ports, folder / "world", folder)
    try:
        references = [Training("batch"), Training("group"), Training("swin"), Training("batch", double=False, steps=4)]
        references += [Training("batch", gated=True), Training("swin", gated=True)]
        for training in references + IN_PARTS:
            run_training(training, folder / "world", folder)
        for process in processes:
            process.join(timeout=120)
        assert [process.exitcode for process in processes] == [0, 0, 0]
    finally:
        for process in processes:
            process.kill()
    return folder


def losses(folder: Path, training: Training, rank: int = 0) -> list[float]:
    found: list[float] = json.loads((folder / training.name / f"losses-{rank}.json").read_text())
    return found


def tensors(path: Path) -> list[torch.Tensor]:
    return list(_tensors(load_state(path)))


def _tensors(tree):
    if isinstance(tree, torch.Tensor):
        yield tree
    for item in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else []:
        yield from _tensors(item)


def weights(folder: Path, training: Training) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_state(folder / training.name / "0" / "training.safetensors")["model"]
    return found


@pytest.mark.parametrize("training", [*IN_PARTS, *IN_TEAMS[:-1]], ids=lambda training: training.name)
def test_processes_and_parts_change_nothing(folder: Path, training: Training) -> None:
    alone = Training(training.network, gated=training.gated)
    assert losses(folder, training) == pytest.approx(losses(folder, alone), rel=1e-12)
    expected = weights(folder, alone)
    for name, found in weights(folder, training).items():
        torch.testing.assert_close(
            found, expected[name], rtol=1e-9, atol=1e-12, msg=lambda text, name=name: name + text
        )


def test_a_team_judges_as_one_process_does(folder: Path) -> None:
    """Every process of a team decides alike, by the gradients of the whole batch."""
    gated = [training for training in [*IN_PARTS, *IN_TEAMS] if training.gated]
    for training in gated:
        alone = (folder / Training(training.network, gated=True).name / "acceptance-0.json").read_text()
        assert json.loads(alone)["judged"] == training.steps
        for rank in range(training.size):
            assert (folder / training.name / f"acceptance-{rank}.json").read_text() == alone
        expected = load_state(folder / Training(training.network, gated=True).name / "0" / "training.safetensors")[
            "gate"
        ]
        found = load_state(folder / training.name / "0" / "training.safetensors")["gate"]
        assert found["scores"] == pytest.approx(expected["scores"], rel=1e-7)
        torch.testing.assert_close(found["cache"], expected["cache"], rtol=1e-7, atol=1e-10)


def test_single_precision_differs_by_rounding(folder: Path) -> None:
    alone = Training("batch", double=False, steps=4)
    assert losses(folder, SINGLE_PRECISION) == pytest.approx(losses(folder, alone), rel=1e-5)
    expected = torch.cat([value.flatten() for value in weights(folder, alone).values()])
    found = torch.cat([value.flatten() for value in weights(folder, SINGLE_PRECISION).values()])
    assert (found - expected).norm() < 1e-4 * expected.norm()


def test_every_process_has_the_same_losses_and_only_the_first_writes(folder: Path) -> None:
    for training in IN_TEAMS:
        for rank in range(1, training.size):
            assert losses(folder, training, rank) == losses(folder, training)
            assert list((folder / training.name / str(rank)).iterdir()) == []


def test_interrupted_equals_uninterrupted(folder: Path) -> None:
    """The other process has no checkpoint of its own: it goes on from the first's."""
    interrupted, alone = folder / "interrupted", folder / SINGLE_PRECISION.name
    assert not (interrupted / "1.checkpoints").exists()
    assert json.loads((interrupted / "losses-0.json").read_text()) == losses(folder, SINGLE_PRECISION)[2:]
    for name in ("training.safetensors", "model/model.safetensors"):
        assert (interrupted / "0" / name).read_bytes() == (alone / "0" / name).read_bytes()


def test_a_loss_that_one_process_loses_stops_all(folder: Path) -> None:
    for rank in (0, 1):
        assert (
            "the loss is nan at iteration 2 of phase warm_up" in (folder / "interrupted" / f"error-{rank}").read_text()
        )


def test_a_process_that_goes_is_noticed(folder: Path) -> None:
    for rank in (0, 1):
        assert f"process {rank} of 3 has lost the others" in (folder / f"lost-{rank}").read_text()


def test_weights_that_explode_are_stopped_at_the_last_good_step(folder: Path, tmp_path: Path) -> None:
    inputs, config = inputs_of(folder / "world"), train_config("batch", 3, base_lr=1e30)
    for name in ("one_step", "three_steps"):
        (tmp_path / name).mkdir()
    train(inputs, config.model_copy(update={"last_iteration": 1}), LocalContext(tmp_path / "one_step"))
    context = LocalContext(tmp_path / "three_steps")
    with pytest.raises(NotFiniteError, match=r"at iteration 1 of phase warm_up; lower recipe.base_lr"):
        train(inputs, config, context)
    found = context.checkpoints.load()
    assert found is not None
    assert found[0] == len(found[1]["losses"]) == 1
    expected = tensors(tmp_path / "one_step" / "training.safetensors")
    assert all(torch.equal(one, other) for one, other in zip(_tensors(found[1]), expected, strict=True))


def test_a_stretch_goes_on_from_the_file_of_the_one_before(folder: Path, tmp_path: Path) -> None:
    inputs, config = inputs_of(folder / "world"), train_config("batch", 2)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    record = train(inputs, config, LocalContext(tmp_path / "first"))
    (tmp_path / "first" / "result.json").write_text(json.dumps(record))
    again = config.model_copy(update={"start": "resume", "first_iteration": 2, "last_iteration": 4})
    roles = Inputs({**inputs.roles, "start": [tmp_path / "first"]})
    second = train(roles, again, LocalContext(tmp_path / "second"))
    assert (second["iterations"], second["iterations_total"]) == (2, 4)
    whole = folder / Training("batch", double=False, steps=4).name / "0"
    for name in ("training.safetensors", "model/model.safetensors"):
        assert (tmp_path / "second" / name).read_bytes() == (whole / name).read_bytes()


def test_the_file_of_a_stretch_has_the_names_that_stored_ones_have(folder: Path) -> None:
    """Files in stores outlive this code: a name may come, none may change."""
    tree = load_state(folder / Training("batch", double=False, steps=4).name / "0" / "training.safetensors")
    assert list(tree) == ["model", "average", "optimizer", "scaler", "iterations_total"]
    assert list(tree["average"]) == ["steps", "model"]
    assert list(tree["model"]) == list(tree["average"]["model"])
    assert list(tree["optimizer"]) == ["state", "param_groups"]
    assert list(tree["optimizer"]["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert tree["scaler"] == {}
    assert tree["iterations_total"] == tree["average"]["steps"] == 4
