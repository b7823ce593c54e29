"""What BSGAL's gate takes: a training step that judges its batch beside the plain step on the same images.

    pytest benchmarks/bench_bsgal.py --benchmark-only

CenterNet2 at the miniature size, 8 images of 64 px, each with a pasted object. ``times_plain`` is the ratio of the shortest steps of the same
run; ``cache_mib`` what the gate holds for good, ``peak_mib`` how much a step's process grows by (of a fork, so that nothing before counts).
"""

import multiprocessing
import resource

import pytest
import torch

from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_miniature, miniature_training_recipe
from methods.common.segmenters.instance.interface import InstanceTarget
from methods.common.segmenters.instance.training_images import Batch
from methods.common.stage import LocalContext
from methods.common.training.batch_shard import BatchShare
from methods.mrca.bsgal import BsgalConfig
from methods.mrca.stages.gate import Gate, GatedBatch

NUM_CLASSES, SIZE, BATCH = 36, 64, 8
STEPS = {
    "plain": None,
    "cosine": BsgalConfig(),
    "trial_step": BsgalConfig(comparison="trial_step"),
}
SHORTEST: dict[str, float] = {}


def batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    image_NCHW = torch.randint(0, 256, (BATCH, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    boxes_N4 = torch.tensor([[4.0, 6, 20, 24], [30, 10, 50, 40], [10, 40, 24, 60]])
    masks_NHW = torch.zeros(3, SIZE, SIZE, dtype=torch.bool)
    for mask_HW, (x0, y0, x1, y1) in zip(masks_NHW, boxes_N4.long().tolist(), strict=True):
        mask_HW[y0:y1, x0:x1] = True
    targets = [InstanceTarget(boxes_N4, torch.tensor([image, 1, 2]), masks_NHW) for image in range(BATCH)]
    return Batch(image_NCHW, [(SIZE, SIZE)] * BATCH, targets)


class Step:
    """A training step without the optimiser, after the gate where there is one."""

    def __init__(self, folder, config: BsgalConfig | None) -> None:
        torch.set_num_threads(1)
        self.model = CenterNet2(centernet2_miniature(NUM_CLASSES), torch.Generator().manual_seed(0)).train()
        recipe = miniature_training_recipe().model_copy(update={"batch_size": BATCH})
        context = LocalContext(folder)
        self.gate = None if config is None else Gate(self.model, config, recipe, context, "main")
        is_pasted = [torch.tensor([False, False, True])] * BATCH
        self.batch = GatedBatch(batch(0), batch(1), is_pasted, batch(2))
        self.iteration = 0

    def __call__(self) -> None:
        chosen = self.batch.pasted if self.gate is None else self.gate.choose(self.batch, self.iteration)
        self.iteration += 1
        self.model.zero_grad(set_to_none=True)
        self.model.add_gradients(
            chosen.image_NCHW.float(),
            chosen.targets,
            torch.Generator().manual_seed(self.iteration),
            chosen.image_sizes,
            None,
            BatchShare(0, BATCH, BATCH),
            1,
            torch.autograd.backward,
        )


def peak_mib(step: Step) -> float:
    """Megabytes by which a process that does nothing but some steps grows."""

    def measure(answer) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(3):
            step()
        answer.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=measure, args=(there,))
    process.start()
    found = here.recv()
    process.join()
    return float(found)


@pytest.mark.parametrize("name", STEPS)
def test_step(benchmark, tmp_path, name):
    step = Step(tmp_path, STEPS[name])
    step()  # what is made once, by whoever comes first
    benchmark.extra_info["peak_mib"] = round(peak_mib(step), 1)
    benchmark.pedantic(step, rounds=5)
    SHORTEST[name] = benchmark.stats["min"]
    benchmark.extra_info["times_plain"] = round(SHORTEST[name] / SHORTEST["plain"], 2)
    if step.gate is not None:
        benchmark.extra_info["cache_mib"] = round(step.gate.record()["cache_mib"], 2)
        assert step.gate.record()["judged"] == step.iteration
