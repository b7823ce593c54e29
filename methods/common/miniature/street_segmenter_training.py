"""What stands for published weights of an instance segmenter on the street: it knows how things stand there, and none of its classes.

It is trained on an endless street whose things are others (``street_foreign.py``), as ImageNet's or Mapillary's classes are other than those
of a data set to be segmented. A training that starts from it takes all but the layers that decide about classes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from methods.common.miniature.network_training import train_networks
from methods.common.miniature.provenance import TrainedPart
from methods.common.miniature.street_classes import STREET_KINDS
from methods.common.miniature.street_foreign import draw_foreign
from methods.common.miniature.street_scene import StreetScene, render_street
from methods.common.miniature.training_configs import StreetSegmenterConfig
from methods.common.segmenters.fastinst.model import FastInst
from methods.common.segmenters.fastinst.presets import fastinst_miniature
from methods.common.segmenters.instance.instances import Image, Instances, real_instances
from methods.common.segmenters.instance.short_side import ShortSideAugmentConfig, augment_short_side
from methods.common.segmenters.instance.training_images import collate
from methods.common.stage import Context, Inputs

MODEL_FOLDER = "model"
_EMA_DECAY = 0.998
_SHORT_SIDES = tuple(range(72, 145, 12))
"""Pixels: 0.75 to 1.5 times the street's height, as in the trainings that start from it."""


def scene_instances(scene: StreetScene) -> Instances:
    """Return a scene's instances; their classes count :data:`STREET_KINDS`."""
    shown = scene.instances
    masks = [scene.mask_HW(layer) for layer in shown]
    class_N = np.array([STREET_KINDS.index(layer.kind) for layer in shown if layer.kind is not None], np.int64)
    height, width = scene.instance_HW.shape
    return real_instances(class_N, np.stack(masks) if masks else np.zeros((0, height, width), bool))


def _draw(config: StreetSegmenterConfig, context: Context, step: int, number: int) -> tuple[Image, Instances]:
    rng = context.seeds.numpy("data", "street segmenter", step, number)
    scene = render_street(config.scene, rng, draw_foreign)
    crop = ShortSideAugmentConfig(
        short_sides_px=_SHORT_SIDES,
        max_long_side_px=384,
        first_crop_probability=0.0,
        last_crop_px=(config.crop_px, 2 * config.crop_px),
    )
    return augment_short_side(scene.image_HW3, scene_instances(scene), rng, crop)


def train_street_segmenter(inputs: Inputs, config: StreetSegmenterConfig, context: Context) -> TrainedPart:
    """Train the miniature FastInst on a street of other things; save it as ``model/``."""
    model = FastInst(
        fastinst_miniature(len(STREET_KINDS)), context.seeds.torch("training", "street segmenter", "start")
    )
    model = model.to(context.device).train()

    def loss_of_step(step: int) -> Tensor:
        batch = collate([_draw(config, context, step, number) for number in range(config.optimizer.batch_size)])
        generator = context.seeds.torch("training", "street segmenter", step)
        targets = [target.to(context.device) for target in batch.targets]
        return torch.stack(
            list(model.losses(batch.image_NCHW.to(context.device).float(), targets, generator).values())
        ).sum()

    trained = train_networks({"segmenter": model}, config.optimizer, loss_of_step, context, _EMA_DECAY)
    trained.networks["segmenter"].save_pretrained(context.out / MODEL_FOLDER)
    return TrainedPart({"losses": trained.losses}, trained.cpu_seconds)
