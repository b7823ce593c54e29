"""OneFormer's forward pass beside that of ``transformers``, both with the large backbones of the release, one image of 256 x 320.

Ours predicts after the last layer alone, as detection needs; the library predicts after each.
"""

import pytest
import torch
import transformers

from benchmarks.sizes import size
from methods.common.segmenters.oneformer.model import OneFormer
from methods.common.segmenters.oneformer.presets import oneformer_convnextl, oneformer_swinl, without_text

SIZE = (256, 320)
STAGES = ["stage1", "stage2", "stage3", "stage4"]
CONFIGS = {"ConvNeXt-L": oneformer_convnextl, "Swin-L": oneformer_swinl}
BACKBONES = {
    "ConvNeXt-L": transformers.ConvNextConfig(
        depths=[3, 3, 27, 3], hidden_sizes=[192, 384, 768, 1536], out_features=STAGES
    ),
    "Swin-L": transformers.SwinConfig(
        embed_dim=192, depths=[2, 2, 18, 2], num_heads=[6, 12, 24, 48], window_size=12, out_features=STAGES
    ),
}

torch.set_num_threads(1)
backbone = pytest.mark.parametrize("name", list(CONFIGS))


def image() -> torch.Tensor:
    return torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0)) * 255


@pytest.mark.benchmark(group="forward, one image of 256 x 320")
@backbone
def test_ours(benchmark, name: str) -> None:
    model = OneFormer(without_text(CONFIGS[name]()), torch.Generator().manual_seed(0)).eval()
    command = model.commands(torch.tensor([1]))
    with torch.no_grad():
        benchmark.pedantic(lambda: model(image(), command), rounds=size(1, 2), warmup_rounds=size(0, 1))


@pytest.mark.benchmark(group="forward, one image of 256 x 320")
@backbone
def test_transformers(benchmark, name: str) -> None:
    config = transformers.OneFormerConfig(backbone_config=BACKBONES[name], num_queries=250, is_training=False)
    config.num_labels = 19
    model = transformers.OneFormerForUniversalSegmentation(config).eval()
    command = torch.rand(1, 77, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        benchmark.pedantic(lambda: model(image() / 255, command), rounds=size(1, 2), warmup_rounds=size(0, 1))
