"""AffinityNet's random walk: sparse with Chebyshev's polynomials, beside squaring the dense matrix eight times in the same run.

    pytest benchmarks/bench_random_walk.py --benchmark-only

A map of 64 x 64 cells is that of a picture of 512 px. The dense walk is what AffinityNet's release does: float32, `scores @ T` after eight
squarings. `extra_info` holds how many times longer it takes, the largest difference of the scores, and what 256 single sparse steps take.
Both sides get the same affinities; building either matrix counts.
"""

import time

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.sizes import size
from methods.diffumask_robust.affinity.pairs import pair_cells
from methods.diffumask_robust.affinity.walk import transitions, walk

BETA, LOG2_STEPS = 16, 8
FLOAT32_DRIFT = 2e-4
"""Squaring in float32 lets columns drift by up to 7e-5 already at 192 cells."""


def affinities(side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Affinities of a map with a disc in it: high inside and outside of it, low across its rim."""
    rng = np.random.default_rng(0)
    first, second = (cells.numpy() for cells in pair_cells(side, side, 5, "as_released"))
    rows, columns = np.divmod(np.arange(side * side), side)
    inside = (rows - side / 2) ** 2 + (columns - side / 2) ** 2 < (side / 4) ** 2
    affinity = np.where(inside[first] == inside[second], 0.9, 0.6) + rng.uniform(-0.1, 0.1, len(first))
    return affinity.astype(np.float32), first, second


def dense_walk(score_KA: np.ndarray, affinity: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the scores as the release makes them."""
    num_cells = score_KA.shape[1]
    weights = torch.eye(num_cells)
    weights[first, second] = weights[second, first] = torch.from_numpy(affinity)
    step = weights**BETA
    step = step / step.sum(0, keepdim=True)
    for _ in range(LOG2_STEPS):
        step = step @ step
    return (torch.from_numpy(score_KA) @ step).numpy()


def single_steps(score_KA: np.ndarray, affinity: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the scores after 256 products."""
    turned = transitions(affinity, first, second, score_KA.shape[1], BETA).T.tocsr()
    score_AK = score_KA.T.astype(np.float64)
    for _ in range(2**LOG2_STEPS):
        score_AK = turned @ score_AK
    return score_AK.T


@pytest.mark.benchmark(group="random walk")
@pytest.mark.parametrize("side", [28, *([64] if size(0, 1) else [])])
def test_walk(benchmark: BenchmarkFixture, side: int) -> None:
    affinity, first, second = affinities(side)
    score_KA = np.random.default_rng(1).uniform(0, 1, (2, side * side)).astype(np.float32)

    def ours() -> np.ndarray:
        step = transitions(affinity, first, second, side * side, BETA)
        return walk(score_KA, step, 2**LOG2_STEPS)

    walked = benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
    taken = {}
    for name, other in (("dense", dense_walk), ("single steps", single_steps)):
        started = time.process_time()
        expected = other(score_KA, affinity, first, second)
        taken[name] = time.process_time() - started
        difference = float(np.abs(walked - expected).max())
        assert difference < (FLOAT32_DRIFT if name == "dense" else 1e-7), f"{name}: {difference}"
        benchmark.extra_info[f"difference from {name}"] = f"{difference:.1e}"
    started = time.process_time()
    ours()
    ours_s = time.process_time() - started
    benchmark.extra_info["dense_s"] = round(taken["dense"], 3)
    benchmark.extra_info["ours_s"] = round(ours_s, 4)
    benchmark.extra_info["dense_over_ours"] = round(taken["dense"] / ours_s, 1)
    benchmark.extra_info["single_steps_over_ours"] = round(taken["single steps"] / ours_s, 2)
