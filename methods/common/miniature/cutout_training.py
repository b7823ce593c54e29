"""Training of the miniature cut-out network on single objects of the web split.

Shape suffixes: N pictures, H, W pixels.
"""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from methods.common.cutouts.miniature import MiniatureCutout, MiniatureCutoutConfig
from methods.common.miniature.categories import CATEGORIES
from methods.common.miniature.judges import augment, image_batch
from methods.common.miniature.network_training import train_networks
from methods.common.miniature.provenance import TrainedPart
from methods.common.miniature.training_configs import CutoutConfig
from methods.common.miniature.web import draw_pool
from methods.common.stage import Context, Inputs


def mask_loss(logits_NHW: Tensor, mask_NHW: Tensor) -> Tensor:
    """Binary cross-entropy plus one minus the soft Dice coefficient of each picture."""
    prob_NHW = logits_NHW.sigmoid()
    overlap_N = (prob_NHW * mask_NHW).sum((1, 2))
    dice_N = (2.0 * overlap_N + 1.0) / (prob_NHW.sum((1, 2)) + mask_NHW.sum((1, 2)) + 1.0)
    return binary_cross_entropy_with_logits(logits_NHW, mask_NHW) + (1.0 - dice_N).mean()


def foreground(semantic_NHW: NDArray[Any]) -> Tensor:
    """Return 1.0 where a label map shows an object, float32 (N, H, W)."""
    return (torch.from_numpy(semantic_NHW) < len(CATEGORIES)).float()


def train_cutout(inputs: Inputs, config: CutoutConfig, context: Context) -> TrainedPart:
    """Train and save a cut-out folder."""
    torch.manual_seed(context.seeds.derive("training", "cutout", "start"))
    shape = MiniatureCutoutConfig(width=config.width, image_size_px=config.web.image_size_px)
    model = MiniatureCutout(shape).to(context.device).train()
    pool = draw_pool(context.seeds.derive("data", "cutout"), config.num_pictures, config.web)

    def loss_of_step(step: int) -> Tensor:
        generator = context.seeds.torch("training", "cutout", step)
        rng = context.seeds.numpy("training", "cutout", step)
        picks = rng.integers(config.num_pictures, size=config.optimizer.batch_size)
        image_NCHW = augment(image_batch(list(pool.images_NHW3[picks]), context.device), generator)
        mask_NHW = foreground(pool.semantic_NHW[picks]).to(context.device)
        if rng.uniform() < 0.5:
            image_NCHW, mask_NHW = image_NCHW.flip(3), mask_NHW.flip(2)
        return mask_loss(model(image_NCHW), mask_NHW)

    trained = train_networks({"cutout": model}, config.optimizer, loss_of_step, context)
    model.eval().save_pretrained(context.out / "cutout")
    return TrainedPart({"losses": trained.losses}, trained.cpu_seconds)
