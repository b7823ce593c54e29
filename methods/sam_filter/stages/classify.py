"""Stage ``sam_filter_pretrain_classifier``: the miniature stand-in for ImageNet weights, a backbone that has learned to name objects.

Shape legend: N images, H, W pixels, K classes, C channels; 3 RGB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from methods.common.miniature.categories import CATEGORIES
from methods.common.miniature.training_configs import OptimizerConfig
from methods.common.miniature.world_config import WebConfig
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    from torch import Tensor

    from methods.common.miniature.web import WebPool


class PretrainClassifierConfig(Config):
    """Training of a backbone to name the one object of a web picture."""

    segmenter: ConvolutionalConfig = ConvolutionalConfig(num_classes=2)
    """Whose backbone; its class layer and decoder stay random, and its number of classes does not matter."""
    optimizer: OptimizerConfig = OptimizerConfig(
        num_steps=300, batch_size=32, learning_rate=5e-3, weight_decay=0.05, warmup_steps=20
    )
    """Steps and rates."""
    num_pictures: int = Field(default=2000, ge=8)
    """Pictures, drawn once and seen many times."""
    num_held_out: int = Field(default=360, ge=1)
    """Further pictures, on which the accuracy is measured."""
    web: WebConfig = WebConfig(single_share=1.0)
    """Pictures: single objects, as in ImageNet."""


def pretrain_classifier(inputs: Inputs, config: PretrainClassifierConfig, context: Context) -> Record:
    """Train backbone and a linear layer on its averaged deepest level; write ``model/``, a segmenter with that backbone.

    A training with ``start="backbone"`` takes it as role ``start``. The pictures depend on the data seed, but are none of any
    data set's (split "web").

    Returns:
        ``accuracy`` in percent on pictures that were not trained on, of ``num_classes`` classes, and ``losses``.
    Source: our choice [C D49]; ImageNet weights are an extra row only (section 8.1).
    """
    import torch
    from torch import nn

    from methods.common.miniature.network_training import train_networks
    from methods.common.miniature.web import draw_pool
    from methods.common.segmenters.semantic.convolutional import ConvolutionalSegmenter

    segmenter = ConvolutionalSegmenter(config.segmenter, context.seeds.torch("training", "initial weights"))
    generator = context.seeds.torch("training", "classifier")
    head = nn.Linear(config.segmenter.widths[-1], len(CATEGORIES))
    with torch.no_grad():
        head.weight.normal_(std=0.01, generator=generator)
        head.bias.zero_()
    networks = {"segmenter": segmenter.to(context.device).train(), "head": head.to(context.device)}
    for parameter in segmenter.parameters():
        parameter.requires_grad_(False)
    segmenter.backbone.requires_grad_(True)
    count = config.num_pictures + config.num_held_out
    pool = draw_pool(context.seeds.derive("data", "classifier"), count, config.web)

    def logits(picks: list[int], mirror: bool) -> Tensor:
        image_N3HW = images_of(pool, picks).to(context.device)
        image_N3HW = image_N3HW.flip(3) if mirror else image_N3HW
        logits_NK: Tensor = head(segmenter.features(image_N3HW)[-1].mean((2, 3)))
        return logits_NK

    def loss_of_step(step: int) -> Tensor:
        rng = context.seeds.numpy("training", "classifier", step)
        picks = rng.integers(config.num_pictures, size=config.optimizer.batch_size).tolist()
        found_NK = logits(picks, bool(rng.random() < 0.5))
        return nn.functional.cross_entropy(found_NK, categories_of(pool, picks).to(context.device))

    trained = train_networks(networks, config.optimizer, loss_of_step, context)
    segmenter.eval()
    held_out = list(range(config.num_pictures, count))
    with torch.no_grad():
        right = (logits(held_out, False).argmax(1).cpu() == categories_of(pool, held_out)).float().mean()
    segmenter.save_pretrained(context.out / "model")
    return {
        "iterations": config.optimizer.num_steps,
        "accuracy": 100.0 * float(right),
        "num_classes": len(CATEGORIES),
        "losses": trained.losses,
    }


def images_of(pool: WebPool, picks: list[int]) -> Tensor:
    """Return pictures of the pool, float32 RGB in [0, 255], [N, 3, H, W]."""
    import torch

    return torch.from_numpy(pool.images_NHW3[picks]).permute(0, 3, 1, 2).float()


def categories_of(pool: WebPool, picks: list[int]) -> Tensor:
    """Return the first category of each picture, int64 (N,); single-object pictures have one."""
    import torch

    return torch.tensor([pool.categories[pick][0] for pick in picks])


PRETRAIN_CLASSIFIER: Stage[PretrainClassifierConfig] = Stage(
    "sam_filter_pretrain_classifier",
    1,
    PretrainClassifierConfig,
    pretrain_classifier,
    ("data", "training"),
    uses_gpu=True,
    kind="train",
)
