"""AffinityNet, its labels, its loss and its walk against stored outputs of the official code with formula-made weights and input."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from methods.common.training.batch_shard import BatchShare
from methods.diffumask_robust.affinity.config import AffinityNetConfig
from methods.diffumask_robust.affinity.labels import fuse_labels, pool_scores
from methods.diffumask_robust.affinity.loss import affinity_loss, pair_labels
from methods.diffumask_robust.affinity.network import AffinityNet, AffinityOutputs
from methods.diffumask_robust.affinity.official import load_official
from methods.diffumask_robust.affinity.pairs import affinities, pair_cells
from methods.diffumask_robust.affinity.walk import transitions, walk
from tests.parity.formula import formula_image, formula_state, key_table, shape_of

STEM = "psa_resnet38_aff"
NUM_PARAMETERS = 106_484_032
BLOCKS = ("b2_2", "b3_2", "b4_5", "b5_2", "b6", "b7")
BLOCK_NOISE, FEATURE_NOISE, AFFINITY_NOISE, WALK_NOISE, MATRIX_NOISE = 5e-5, 2e-5, 6e-7, 4e-5, 7e-5
"""Largest absolute change under rounding, as the reference data's README states it; a few times that is equal."""


def formula_cam(height: int, width: int, s: int, r: float = 0.1) -> np.ndarray:
    """Maps of 20 classes, as the reference data's README gives them."""
    y, x = np.ogrid[0 : float(height), 0 : float(width)]
    maps = []
    for k in range(20):
        peak = 0.3 + 0.6 * ((7 * k + s) % 20) / 19
        cx, cy = width * ((3 * k + s) % 20 + 0.5) / 20, height * ((11 * k + 2 * s) % 20 + 0.5) / 20
        maps.append(peak * np.exp(-(((x - cx) / (r * width)) ** 2) - ((y - cy) / (r * height)) ** 2))
    return np.stack(maps).astype(np.float32)


def formula_scores(side: int, s: int, power: int) -> np.ndarray:
    """Background and three classes, cleared where a crop lies outside of its image."""
    cam = formula_cam(side, side, s, 0.25)[[(5 * s + 3) % 20, (5 * s + 9) % 20, (5 * s + 14) % 20]]
    cam = np.clip(cam / cam.max((1, 2), keepdims=True), 0, 1)
    scores = np.concatenate([((1 - cam.max(0)) ** power)[None], cam]).astype(np.float32)
    scores[:, :, -16:] = 0
    scores[:, :8, :] = 0
    return scores


@dataclass
class Run:
    golden: dict[str, np.ndarray]
    outputs: AffinityOutputs
    blocks: dict[str, Tensor]
    affinity_P: np.ndarray

    def check(self, name: str, ours: Tensor, noise: float) -> None:
        expected = self.golden[name]
        assert ours.shape == expected.shape, name
        difference = np.abs(ours.numpy() - expected).max()
        assert difference <= 3 * noise, f"{name}: {difference}"

    @property
    def cells(self) -> tuple[int, int]:
        height, width = self.outputs.feature_NChw.shape[-2:]
        return height, width


@pytest.fixture(scope="module")
def run(shared: Path) -> Run:
    golden = dict(np.load(shared / "parity" / f"{STEM}_public.npz"))
    model = load_official(formula_state(shared, STEM, int(golden["salt"])))
    height, width, *constants = golden["image_h_w_a_b_p_q"]
    blocks: dict[str, Tensor] = {}
    for name in BLOCKS:
        keep = lambda _module, _given, output, name=name: blocks.__setitem__(name, output)  # noqa: E731
        model.get_submodule(name).register_forward_hook(keep)
    with torch.no_grad():
        outputs = model(formula_image(int(height), int(width), *constants))
        affinity_P = affinities(outputs.feature_NChw, 5, "as_released")[0].numpy()
    return Run(golden, outputs, blocks, affinity_P)


def test_every_official_entry_is_ours(shared: Path) -> None:
    model = AffinityNet.without_weights(AffinityNetConfig())
    ours = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert ours == {row["name"]: shape_of(row) for row in key_table(shared, STEM)}
    assert sum(parameter.numel() for parameter in model.parameters()) == NUM_PARAMETERS


def test_features(run: Run) -> None:
    for name, output in run.blocks.items():
        run.check(f"{name}_ch0_7", output[:, :8], BLOCK_NOISE)
    for name, tap in zip(("conv4", "conv5", "conv6"), run.outputs.taps, strict=True):
        run.check(f"{name}_ch0_7", tap[:, :8], BLOCK_NOISE)
    for name, branch in zip(("f8_3", "f8_4", "f8_5"), run.outputs.branches, strict=True):
        run.check(f"{name}_ch0_7", branch[:, :8], FEATURE_NOISE)
    run.check("feature_ch0_15", run.outputs.feature_NChw[:, :16], FEATURE_NOISE)


def test_affinities(run: Run) -> None:
    pairs = run.golden["aff_pairs"]
    assert np.abs(run.affinity_P.reshape(pairs.shape) - pairs).max() <= 3 * AFFINITY_NOISE
    first, second = (cells.numpy() for cells in pair_cells(*run.cells, 5, "as_released"))
    dense = np.eye(len(run.golden["aff_dense"]), dtype=np.float32)
    dense[first, second] = dense[second, first] = run.affinity_P
    assert np.abs(dense - run.golden["aff_dense"]).max() <= 3 * AFFINITY_NOISE
    assert np.array_equal(dense != 0, run.golden["aff_dense"] != 0)


@pytest.mark.parametrize("beta", [8, 16])
def test_the_walk(run: Run, beta: int) -> None:
    height, width = run.cells
    first, second = (cells.numpy() for cells in pair_cells(height, width, 5, "as_released"))
    pooled = run.golden["cam_pooled"]
    step = transitions(run.affinity_P, first, second, height * width, beta)
    assert np.allclose(step.sum(0), 1, atol=1e-12)
    whole = walk(np.eye(height * width), step, 256)
    assert np.abs(whole - run.golden[f"trans_mat_beta{beta}"]).max() <= 3 * MATRIX_NOISE
    walked = walk(pooled.reshape(21, -1), step, 256).reshape(1, 21, height, width)
    run.check(f"cam_rw_beta{beta}", torch.from_numpy(walked), WALK_NOISE)
    up = functional.interpolate(torch.from_numpy(walked).float(), scale_factor=8, mode="bilinear")
    run.check(f"cam_rw_up_s4_beta{beta}", up[:, :, ::4, ::4], WALK_NOISE)
    assert np.array_equal(up[0].argmax(0).numpy(), run.golden[f"label_beta{beta}"])


def test_scores_are_pooled_with_their_background_as_the_walk_takes_them(run: Run) -> None:
    height, width = (int(side) for side in run.golden["image_h_w_a_b_p_q"][:2])
    cam = formula_cam(height, width, int(run.golden["cam_s"]))
    scores = torch.from_numpy(np.concatenate([((1 - cam.max(0)) ** 16)[None], cam]))
    assert np.abs(pool_scores(scores[None], 8)[0].numpy() - run.golden["cam_pooled"]).max() <= 1e-6


@pytest.fixture(scope="module")
def loss_golden(shared: Path) -> dict[str, np.ndarray]:
    return dict(np.load(shared / "parity" / "psa_affinity_loss_public.npz"))


def test_labels_of_cells(loss_golden: dict[str, np.ndarray]) -> None:
    side = int(loss_golden["crop_size"])
    pooled = []
    for name, power in (("la", 4), ("ha", 32)):
        stacks = np.stack([formula_scores(side, int(s), power) for s in loss_golden["scores_s"]])
        pooled.append(pool_scores(torch.from_numpy(stacks), 8))
        assert np.abs(pooled[-1].numpy() - loss_golden[f"pooled_{name}"]).max() <= 1e-6
    assert np.array_equal(fuse_labels(*pooled).numpy(), loss_golden["label_map"])


def test_the_loss(loss_golden: dict[str, np.ndarray]) -> None:
    label = torch.from_numpy(loss_golden["label_map"])
    first, second = pair_cells(*label.shape[-2:], 5, "as_released")
    assert np.array_equal(first.reshape(34, -1)[0].numpy(), loss_golden["pair_from"])
    assert np.array_equal(second.reshape(34, -1).numpy(), loss_golden["pair_to"])
    labels = pair_labels(label, 5, "as_released")
    names = ("bg_pos_label", "fg_pos_label", "neg_label")
    for ours, theirs, count in zip(labels, names, ("bg_count", "fg_count", "neg_count"), strict=True):
        assert np.array_equal(ours.reshape(2, 34, -1).numpy(), loss_golden[theirs] == 1)
        assert abs(int(ours.sum()) + 1e-5 - float(loss_golden[count])) < 1e-4
    affinity = torch.from_numpy(loss_golden["affinity"]).flatten(1).requires_grad_()
    losses = affinity_loss(affinity, labels, BatchShare(0, 2, 2))
    for ours, theirs, weight in (
        ("background", "bg_loss", 4),
        ("foreground", "fg_loss", 4),
        ("unequal", "neg_loss", 2),
    ):
        assert abs(float(losses[ours].detach()) * weight - float(loss_golden[theirs])) <= 3e-7, ours
    total = torch.stack(list(losses.values())).sum()
    assert abs(float(total.detach()) - float(loss_golden["loss"])) <= 3e-7
    total.backward()
    assert affinity.grad is not None
    assert np.abs(affinity.grad.reshape(2, 34, -1).numpy() - loss_golden["aff_grad"]).max() <= 1e-7
