"""Images a second of FastInst on a GPU: bfloat16 and ``torch.compile``, batches of 1 and 32.

    python -m benchmarks.gpu_fastinst --config r50_d3 --out gpu.json

Prints, and writes where asked, one row a batch size: how the compiled bfloat16 network compares with plain float32 in the same run.
On a machine without a GPU ``--tiny`` tries the script itself on the miniature network; such numbers say nothing of a GPU.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.common.segmenters.fastinst.model import FastInst
from methods.common.segmenters.fastinst.presets import (
    fastinst_miniature,
    fastinst_r50_d1,
    fastinst_r50_d3,
    fastinst_r50_d_dcn,
    fastinst_r101,
)

CONFIGS = {
    "r50_d1": fastinst_r50_d1,
    "r50_d3": fastinst_r50_d3,
    "r50_d_dcn": fastinst_r50_d_dcn,
    "r101": fastinst_r101,
}


class Forward(torch.nn.Module):
    """What is timed: class and mask logits of the last layer."""

    def __init__(self, model: FastInst) -> None:
        super().__init__()
        self.model = model

    def forward(self, image_N3HW: Tensor) -> tuple[Tensor | None, Tensor]:
        last = self.model(image_N3HW).predictions[-1]
        return last.class_logit_NQK, last.mask_logit_NQhw


def seconds(run: torch.nn.Module, image: Tensor, dtype: torch.dtype | None, rounds: int) -> float:
    """Median time of a pass."""
    times = []
    for _ in range(rounds + 2):
        if image.is_cuda:
            torch.cuda.synchronize()
        start = time.perf_counter()
        with torch.autocast(image.device.type, dtype, enabled=dtype is not None):
            run(image)
        if image.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return sorted(times[2:])[rounds // 2]


@torch.no_grad()
def measure(config: str, batches: list[int], rounds: int, tiny: bool, backend: str) -> list[dict[str, Any]]:
    """One row a batch size."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    made = fastinst_miniature(8).model_copy(update={"decoder_layers": 1}) if tiny else CONFIGS[config](80)
    model = Forward(FastInst(made, torch.Generator().manual_seed(0))).eval().to(device)
    compiled = torch.compile(model, dynamic=False, backend=backend)
    rows = []
    for batch in batches:
        image = torch.rand(batch, 3, *((64, 64) if tiny else (640, 864)), device=device) * 255
        plain, fast = seconds(model, image, None, rounds), seconds(compiled, image, torch.bfloat16, rounds)
        expected, found = model(image)[1], compiled(image)[1]
        rows.append(
            {
                "config": "miniature" if tiny else config,
                "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
                "batch": batch,
                "float32_images_per_s": batch / plain,
                "bfloat16_compiled_images_per_s": batch / fast,
                "compiled_float32_largest_difference": float((expected - found).abs().max() / expected.abs().max()),
            }
        )
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", choices=CONFIGS, default="r50_d3")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--tiny", action="store_true", help="the miniature on 64 px, wherever")
    parser.add_argument(
        "--backend", default="inductor", help="of torch.compile; eager captures the graph and compiles nothing"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    rows = measure(options.config, options.batches, options.rounds, options.tiny, options.backend)
    for row in rows:
        print(json.dumps(row))
    if options.out is not None:
        options.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
