"""Nested training state in one file: what goes in comes out, and damage is noticed."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from methods.common.state_file import Checkpoints, load_state, save_state, state_to_bytes

ARRAYS = hnp.arrays(
    st.sampled_from([np.dtype(name) for name in ("bool", "u1", "i4", "u4", "i8", "f2", "f4", "f8")]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | ARRAYS
TENSORS = ARRAYS.filter(lambda array: array.dtype != np.uint32).map(lambda array: torch.from_numpy(array.copy()))
TREES = st.recursive(
    LEAVES | TENSORS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


def same(left: Any, right: Any) -> bool:
    """Equal in value, type, dtype and shape; NaN equals itself."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and same(left.numpy(), right.numpy())
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    return bool(left == right) or (isinstance(left, float) and math.isnan(left) and math.isnan(right))


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, state: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "state.safetensors"
    save_state(path, state)
    assert same(load_state(path), state)


def test_equal_states_are_equal_bytes() -> None:
    state = {"weights": [torch.arange(3.0), np.zeros(2)], "step": 3}
    assert state_to_bytes(state) == state_to_bytes(state)


def test_keys_that_look_alike_stay_apart(tmp_path: Path) -> None:
    state = {1: np.array([1]), "1": np.array([2]), "a": {"b": torch.tensor(3)}, "a/b": torch.tensor(4)}
    save_state(tmp_path / "state", state)
    assert same(load_state(tmp_path / "state"), state)


def test_what_is_loaded_may_be_changed_in_place(tmp_path: Path) -> None:
    for state in ({"array": np.zeros(2)}, {"array": np.zeros(2), "tensor": torch.zeros(2)}):
        save_state(tmp_path / "state", state)
        loaded = load_state(tmp_path / "state")
        for value in loaded.values():
            value += 1
        assert all(float(value.sum()) == 2 for value in loaded.values())


def test_views_tuples_gradients_and_bfloat16(tmp_path: Path) -> None:
    base = torch.arange(6.0).view(2, 3)
    state = {"view": base.t(), "leaf": torch.ones(2, requires_grad=True), "half": torch.ones(2, dtype=torch.bfloat16)}
    save_state(tmp_path / "state", {**state, "pair": (1, 2)})
    loaded = load_state(tmp_path / "state")
    assert torch.equal(loaded["view"], base.t())
    assert not loaded["leaf"].requires_grad
    assert loaded["half"].dtype == torch.bfloat16
    assert loaded["pair"] == [1, 2]


def test_an_optimiser_goes_on_exactly(tmp_path: Path) -> None:
    def step(weight: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        weight.square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    weight = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=0.1)
    step(weight, optimizer)
    save_state(tmp_path / "state", {"weight": weight, "optimizer": optimizer.state_dict()})
    loaded = load_state(tmp_path / "state")
    again = loaded["weight"].requires_grad_()
    resumed = torch.optim.Adam([again], lr=0.1)
    resumed.load_state_dict(loaded["optimizer"])
    step(weight, optimizer)
    step(again, resumed)
    assert torch.equal(weight, again)


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", np.float32(1), {(1, 2): 3}, {None: 1}])
def test_what_does_not_fit_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(TypeError, match="state at /outer/0"):
        state_to_bytes({"outer": [value]})


@pytest.mark.parametrize("data", [b"", b"\0" * 8, b"not a state file at all"])
def test_torn_and_foreign_files(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"is not a readable state file .*; delete it and run again"):
        load_state(path)


def test_weights_of_another_program_are_not_a_state(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, tmp_path / "state")
    with pytest.raises(ValueError, match="is not a readable state file"):
        load_state(tmp_path / "state")


def test_the_newest_checkpoints_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.load() is None
    for step in (9, 10, 1000):
        checkpoints.save(step, {"step": step})
    assert [path.name[5:14] for path in sorted(checkpoints.folder.iterdir())] == ["000000010", "000001000"]
    assert checkpoints.load() == (1000, {"step": 1000})


def test_every_damage_of_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    """Each single flipped byte, and each length that a torn write could leave."""
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(2, {"x": np.arange(4)})
    [path] = tmp_path.iterdir()
    whole = path.read_bytes()
    damaged = [whole[:index] + bytes([whole[index] ^ 0x10]) + whole[index + 1 :] for index in range(len(whole))]
    for data in [*damaged, *(whole[:length] for length in range(0, len(whole), 7))]:
        path.write_bytes(data)
        assert checkpoints.load() is None
        assert not path.exists(), "a damaged one is removed"
    path.write_bytes(whole)
    assert checkpoints.load() is not None


def test_a_state_of_arrays_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, numpy; from pathlib import Path; from methods.common.state_file import Checkpoints\n"
        f"c = Checkpoints(Path({str(tmp_path)!r})); c.save(1, {{'x': numpy.arange(3)}}); c.load()\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])
