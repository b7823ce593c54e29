"""Small pictures with panoptic segments, and what the processes of a team make of a OneFormer in the tests."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from methods.common.segmenters.instance.interface import InstanceTarget
from methods.common.segmenters.oneformer.config import OneFormerConfig
from methods.common.segmenters.oneformer.model import OneFormer
from methods.common.segmenters.oneformer.presets import oneformer_miniature
from methods.common.training.batch_norm import batch_norms
from methods.common.training.batch_shard import BatchShare
from methods.common.training.distributed import ALONE, Team
from methods.common.training.losses import Losses
from methods.common.training.micro_batches import loss_in_parts
from tests.unit.team_processes import double_precision, team_of

CLASSES, STUFF = ("red thing", "green thing", "sky", "ground"), (2, 3)
SIDE, BATCH = 32, 4


def config(**changes: object) -> OneFormerConfig:
    """The miniature, smaller, for pictures of 32 pixels."""
    base = oneformer_miniature(CLASSES, STUFF)
    smaller = {
        "num_queries": 10,
        "decoder_layers": 2,
        "loss": base.loss.model_copy(update={"num_points": 96}),
    }
    return OneFormerConfig.model_validate((base.model_copy(update=smaller)).model_dump() | changes)


def scene(generator: torch.Generator) -> tuple[Tensor, InstanceTarget]:
    """Two things in front of sky and ground: uint8-like float [3, 32, 32] and their segments."""
    horizon = int(torch.randint(12, 20, (), generator=generator))
    image = torch.zeros(3, SIDE, SIDE)
    sky = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    sky[:horizon] = True
    image[2, sky], image[:, ~sky] = 220.0, 90.0
    masks, classes = [sky, ~sky], [2, 3]
    for place in (0, 1):
        top, left = (int(torch.randint(2, 20, (), generator=generator)) for _ in range(2))
        index = int(torch.randint(0, 2, (), generator=generator))
        mask = torch.zeros_like(sky)
        mask[top : top + 9, 16 * place + left // 3 : 16 * place + left // 3 + 8] = True
        image[:, mask] = torch.tensor([[230.0, 30.0, 30.0], [30.0, 230.0, 30.0]])[index][:, None]
        masks = [other & ~mask for other in masks]
        masks.append(mask)
        classes.append(index)
    return image + 6 * torch.rand(3, SIDE, SIDE, generator=generator), target_of(classes, torch.stack(masks))


def target_of(classes: list[int], masks: Tensor) -> InstanceTarget:
    return InstanceTarget(torch.zeros(len(classes), 4), torch.tensor(classes, dtype=torch.int64), masks)


def scenes(count: int, seed: int = 0) -> tuple[Tensor, list[InstanceTarget]]:
    generator = torch.Generator().manual_seed(seed)
    images, targets = zip(*(scene(generator) for _ in range(count)), strict=True)
    return torch.stack(images), list(targets)


def gradients(team: Team, parts: int = 1) -> dict[str, Tensor]:
    """The losses and all gradients of one step on this process's share of a batch of four, summed over the team."""
    with double_precision():
        model = OneFormer(config(), torch.Generator().manual_seed(3)).train()
        for norm in batch_norms(model):
            norm.team = team
        images, targets = scenes(BATCH)
        share = BatchShare.of(team, BATCH)
        mine = slice(share.first, share.first + share.count)
        images, targets = images[mine].double(), targets[mine]

        def loss_of_part(rows: slice, part: BatchShare) -> Losses:
            generator = torch.Generator().manual_seed(5)
            return Losses.of(model.losses(images[rows], targets[rows], generator, share=part))

        losses = loss_in_parts(loss_of_part, share, parts, torch.autograd.backward)
        team.sum_gradients(model.parameters())
        sums = {name: team.sum_(part.clone()) for name, part in losses.parts.items()}
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return found | {f"loss.{name}": value for name, value in sums.items()}


def run_team(rank: int, port: int, folder: Path) -> None:
    """One of two processes; each writes what it has at the end."""
    torch.set_num_threads(1)
    with team_of(2, rank, port) as team:
        assert team is not None
        save_file(gradients(team), folder / f"{rank}.safetensors")


def gradients_alone(parts: int) -> dict[str, Tensor]:
    return gradients(ALONE, parts)
