"""What a training pays for its history, and an evaluation for what it keeps, beside the same work without it.

    pytest benchmarks/bench_history.py --benchmark-only

Training: the loop with and without history take turns; without it no norm of the gradients is computed, nothing noted and no file written. The
bar is 1 %. `share_percent` is what the norm, noting and the files take, by what the rest of the same run takes, in processor time; it scatters
little. `more_percent` is the median of the ratios of neighbouring whole runs, which scatters by some percent on a busy machine. The network is the
smallest that the suite trains, 16 pictures of 64 pixels an iteration, whose recipe clips nothing and so needs the norm for the history alone.

Evaluation: the whole stage on 60 label maps of random patches by the same network, which is quicker than any other. `share_percent` is what
scores of images and classes, the best and the worst pictures and the kept maps take, by the rest; `cpu_ms_a_map` the same a map.
Of instances the stage runs on drawn pictures with the smallest detector, untrained; detections are written for the score in any case, so what is
kept beside it are the scores, the pictures and the list of what ids mean. `kept_share_percent` is what these take on disk, by the detections.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.sizes import size
from methods.common.miniature.lvis_view import DrawLvisConfig, draw_lvis
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_miniature
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.convolutional import ConvolutionalSegmenter
from methods.common.segmenters.semantic.training import begin_training
from methods.common.stage import Inputs, LocalContext
from methods.common.stages import evaluate_instances, evaluate_semantic, evaluation_files, shown_instances
from methods.common.training import loop
from methods.common.training.history import History
from methods.common.training.sgd_recipe import SgdRecipe
from tests.unit.test_evaluate_semantic import write_data

ITERATIONS, TURNS = size(40, 300), size(2, 9)
NUM_MAPS, SIDE, NUM_CLASSES = 60, 128, 3
NUM_PICTURES, NUM_CATEGORIES = size(24, 200), 12


@contextmanager
def timed(*places: tuple[object, str]) -> Iterator[list[float]]:
    """Add up the processor seconds of every call of some functions."""
    spent = [0.0]

    def watch(function: Callable[..., object]) -> Callable[..., object]:
        def watched(*arguments: object, **more: object) -> object:
            start = time.process_time()
            try:
                return function(*arguments, **more)
            finally:
                spent[0] += time.process_time() - start

        return watched

    with ExitStack() as stack:
        for owner, name in places:
            stack.enter_context(mock.patch.object(owner, name, watch(getattr(owner, name))))
        yield spent


class NoHistory(History):
    """Counts iterations, as progress and checkpoints did before there were histories."""

    def add(self, loss: float, parts: object, learning_rate: float, gradient_norm: torch.Tensor) -> None:
        self._columns.setdefault("loss", []).append(loss)

    def write(self, folder: Path, first_iteration: int) -> None: ...


def processor_s(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def test_history_of_a_training(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (16, 3, 64, 64), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (16, 64, 64), dtype=torch.uint8, generator=generator)

    def train() -> None:
        model = ConvolutionalSegmenter(ConvolutionalConfig(num_classes=10), torch.Generator().manual_seed(0))
        context = LocalContext(tmp_path)
        training = begin_training(model, SgdRecipe(iterations=ITERATIONS, momentum=0.9), context)
        batches = [(images, labels)] * ITERATIONS
        loop.run_training(training, range(ITERATIONS), lambda first: batches[first:], context)

    def plain() -> float:
        nothing = torch.zeros(())
        with (
            mock.patch.object(loop, "History", NoHistory),
            mock.patch.object(loop, "_total_norm", return_value=nothing),
        ):
            return processor_s(train)

    train()
    ratios, shares = [], []
    for _ in range(TURNS):
        without = plain()
        with timed((loop, "_total_norm"), (History, "add"), (History, "write")) as spent:
            whole = processor_s(train)
        ratios.append(whole / without)
        shares.append(spent[0] / (whole - spent[0]))
    benchmark.pedantic(train, rounds=1)
    benchmark.extra_info["more_percent"] = 100 * (float(np.median(ratios)) - 1)
    benchmark.extra_info["share_percent"] = 100 * float(np.median(shares))
    benchmark.extra_info["cpu_ms_an_iteration"] = 1000 * without / ITERATIONS


def test_what_an_evaluation_of_label_maps_keeps(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    maps = [
        rng.integers(0, NUM_CLASSES, (8, 8), np.uint8).repeat(SIDE // 8, 0).repeat(SIDE // 8, 1)
        for _ in range(NUM_MAPS)
    ]
    data = write_data(tmp_path / "data", maps, maps)
    network = ConvolutionalSegmenter(ConvolutionalConfig(num_classes=NUM_CLASSES), torch.Generator().manual_seed(0))
    network.save_pretrained(tmp_path / "model")
    config = evaluate_semantic.EvaluateSemanticConfig(short_side_px=SIDE, max_long_side_px=SIDE)
    inputs = Inputs({"data": [data], "model": [tmp_path]})

    def evaluate() -> None:
        evaluate_semantic.evaluate_semantic(inputs, config, LocalContext(tmp_path))

    evaluate()
    kept = [(evaluate_semantic.Room, "keep"), (evaluation_files.Extremes, "offer")]
    shares = []
    for _ in range(TURNS):
        with timed(*kept, (evaluate_semantic, "write_extremes"), (evaluate_semantic, "_write_scores")) as spent:
            whole = processor_s(evaluate)
        shares.append(spent[0] / (whole - spent[0]))
    benchmark.pedantic(evaluate, rounds=1)
    benchmark.extra_info["share_percent"] = 100 * float(np.median(shares))
    benchmark.extra_info["cpu_ms_a_map"] = 1000 * spent[0] / NUM_MAPS


def test_what_an_evaluation_of_instances_keeps(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    data, model, out = (tmp_path / name for name in ("data", "model", "out"))
    for folder in (data, out):
        folder.mkdir()
    drawn = DrawLvisConfig(num_train_images=NUM_CATEGORIES, num_val_images=NUM_PICTURES, num_categories=NUM_CATEGORIES)
    draw_lvis(Inputs(), drawn, LocalContext(data))
    torch.manual_seed(0)
    CenterNet2(centernet2_miniature(NUM_CATEGORIES)).save_pretrained(model / "model")
    config = evaluate_instances.EvaluateInstancesConfig(short_side_px=64, long_side_px=96, batch_size=8)
    inputs = Inputs({"data": [data], "model": [model]})

    def evaluate() -> None:
        evaluate_instances.evaluate_instances(inputs, config, LocalContext(out))

    evaluate()
    kept = [
        (shown_instances, "keep_image_scores"),
        (shown_instances, "write_picture_list"),
        (evaluation_files, "write_class_scores"),
    ]
    shares = []
    for _ in range(TURNS):
        with timed(*kept) as spent:
            whole = processor_s(evaluate)
        shares.append(spent[0] / (whole - spent[0]))
    benchmark.pedantic(evaluate, rounds=1)
    sizes = {path.name: path.stat().st_size for path in out.rglob("*") if path.is_file()}
    detections = sizes.pop(evaluate_instances.DETECTIONS_FILE)
    benchmark.extra_info["share_percent"] = 100 * float(np.median(shares))
    benchmark.extra_info["cpu_ms_a_picture"] = 1000 * spent[0] / NUM_PICTURES
    benchmark.extra_info["kept_share_percent"] = 100 * sum(sizes.values()) / detections
