"""What the processes of a team make of a panoptic Mask2Former in the tests: images with very different numbers of segments."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from methods.common.segmenters.instance.interface import InstanceTarget
from methods.common.segmenters.mask2former.config import PanopticMask2FormerConfig
from methods.common.segmenters.mask2former.panoptic import PanopticMask2Former
from methods.common.segmenters.mask2former.recipes import panoptic_miniature
from methods.common.training.batch_norm import batch_norms
from methods.common.training.batch_shard import BatchShare
from methods.common.training.distributed import ALONE, Team
from tests.unit.oneformer_scenes import BATCH, scenes
from tests.unit.team_processes import double_precision, team_of


def config(**changes: object) -> PanopticMask2FormerConfig:
    """The miniature, smaller, for pictures of 32 pixels with two things, sky and ground."""
    base = panoptic_miniature(4, (2, 3))
    smaller = {"num_queries": 8, "decoder_layers": 2, "loss": base.loss.model_copy(update={"num_points": 96})}
    return PanopticMask2FormerConfig.model_validate(base.model_copy(update=smaller).model_dump() | changes)


def uneven_scenes() -> tuple[Tensor, list[InstanceTarget]]:
    """Four images; the first two, which one process of two has, show four segments each, the others one and none."""
    images, targets = scenes(BATCH)
    for row, count in ((2, 1), (3, 0)):
        target = targets[row]
        targets[row] = InstanceTarget(target.boxes_N4[:count], target.classes_N[:count], target.masks_NHW[:count])
    return images, targets


def gradients(team: Team) -> dict[str, Tensor]:
    """The losses and all gradients of one step on this process's share of a batch of four, summed over the team."""
    with double_precision():
        model = PanopticMask2Former(config(), torch.Generator().manual_seed(3)).train()
        for norm in batch_norms(model):
            norm.team = team
        images, targets = uneven_scenes()
        share = BatchShare.of(team, BATCH)
        mine = slice(share.first, share.first + share.count)
        generator = torch.Generator().manual_seed(5)
        losses = model.losses(images[mine].double(), targets[mine], generator, share=share)
        torch.stack(list(losses.values())).sum().backward()
        team.sum_gradients(model.parameters())
        sums = {name: team.sum_(part.detach().clone()) for name, part in losses.items()}
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return found | {f"loss.{name}": value for name, value in sums.items()}


def run_team(rank: int, port: int, folder: Path) -> None:
    """One of two processes; each writes what it has at the end."""
    torch.set_num_threads(1)
    with team_of(2, rank, port) as team:
        assert team is not None
        save_file(gradients(team), folder / f"{rank}.safetensors")


def gradients_alone() -> dict[str, Tensor]:
    return gradients(ALONE)
