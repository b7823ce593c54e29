"""What stands for ImageNet weights in the miniature world: an instance segmenter that knows how things look, and no category.

It is trained on the silhouettes of the categories with surfaces that none of them has (``categories.UNNAMED``), as ImageNet's
classes are other than those of a data set to be segmented. Its classifiers are dropped.
"""

import torch
from safetensors.torch import save_file
from torch import Tensor

from methods.common.miniature.backgrounds import BACKGROUNDS
from methods.common.miniature.categories import UNNAMED
from methods.common.miniature.network_training import train_networks
from methods.common.miniature.provenance import TrainedPart
from methods.common.miniature.renderer import Scene, render_scene
from methods.common.miniature.training_configs import SegmenterConfig
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_miniature
from methods.common.segmenters.centernet2.pretrained import is_class_agnostic
from methods.common.segmenters.instance.interface import InstanceTarget
from methods.common.stage import Context, Inputs

SEGMENTER_FILE = "class_agnostic.safetensors"
_EMA_DECAY = 0.998


def _draw_scene(config: SegmenterConfig, context: Context, step: int, number: int) -> Scene:
    rng = context.seeds.numpy("data", "segmenter", step, number)
    kinds = [int(kind) for kind in rng.integers(len(UNNAMED), size=int(rng.integers(1, config.max_objects + 1)))]
    background = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    return render_scene(kinds, background, config.scene, rng, looks=[UNNAMED[kind] for kind in kinds])


def scene_target(scene: Scene) -> InstanceTarget:
    """Return a scene's instances as a training target; their categories are its class numbers."""
    return InstanceTarget(
        torch.tensor([instance.box_xyxy for instance in scene.instances], dtype=torch.float32).reshape(-1, 4),
        torch.tensor([instance.category for instance in scene.instances], dtype=torch.long),
        torch.stack([torch.from_numpy(instance.mask_HW) for instance in scene.instances]),
    )


def train_segmenter(inputs: Inputs, config: SegmenterConfig, context: Context) -> TrainedPart:
    """Train the miniature CenterNet2 on things without a category; save all of it but its classifiers."""
    model = CenterNet2(centernet2_miniature(len(UNNAMED)), context.seeds.torch("training", "segmenter", "start"))
    model = model.to(context.device).train()

    def loss_of_step(step: int) -> Tensor:
        scenes = [_draw_scene(config, context, step, number) for number in range(config.optimizer.batch_size)]
        image_NCHW = torch.stack([torch.from_numpy(scene.image_HW3).permute(2, 0, 1) for scene in scenes]).float()
        targets = [scene_target(scene).to(context.device) for scene in scenes]
        generator = context.seeds.torch("training", "segmenter", step)
        return torch.stack(list(model.losses(image_NCHW.to(context.device), targets, generator).values())).sum()

    trained = train_networks({"segmenter": model}, config.optimizer, loss_of_step, context, _EMA_DECAY)
    state = trained.networks["segmenter"].state_dict()
    kept = {name: value.cpu().contiguous() for name, value in state.items() if is_class_agnostic(name)}
    save_file(kept, context.out / SEGMENTER_FILE)
    return TrainedPart({"losses": trained.losses}, trained.cpu_seconds)
