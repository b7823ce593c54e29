"""Published weights of AffinityNet and of its trunk: PyTorch files by their own names, and the ImageNet classifier in MXNet's format.

``res38_cls.pth`` is a classifier that was trained on real VOC images and their labels; a set that should hold nothing real must not start
from it, though DiffuMask's script does (section 13 [C D29]).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.checkpoints import (
    name_with_shapes,
    read_checkpoint,
    refuse_misfits,
    weights_and_origin,
)
from methods.diffumask_robust.affinity.config import AffinityNetConfig
from methods.diffumask_robust.affinity.mxnet_file import read_mxnet_arrays
from methods.diffumask_robust.affinity.network import AffinityNet
from methods.diffumask_robust.affinity.start import Start

_COUNTER = "num_batches_tracked"
_NEW = ("f8_3.", "f8_4.", "f8_5.", "f9.")
_VOC_CLASSIFIER = "fc8.weight"
_MXNET_LAYER = re.compile(r"(res|bn)(\d)(?:a|b(\d+))_(branch\w+?)_(\w+)")
_MXNET_LAST = re.compile(r"bn(\d)_(\w+)")
_MXNET_PARTS = {
    "weight": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_var": "running_var",
}


def load_official(checkpoint: Path | str | Mapping[str, Any], config: AffinityNetConfig | None = None) -> AffinityNet:
    """Build an AffinityNet with weights by the release's names.

    Args:
        checkpoint: a file, or a state dict of tensors or arrays.
        config: which network; the release's by default.
    Returns:
        The network on the CPU in evaluation mode.
    Raises:
        InputError: unreadable, or entries are missing, unexpected or of another shape; the message names them.
    """
    weights, origin = weights_and_origin(checkpoint)
    model = AffinityNet.without_weights(config or AffinityNetConfig())
    _fill(model, weights, origin, lambda name: True)
    return model.eval()


def take_trunk(model: AffinityNet, path: Path, start: Start) -> int:
    """Fill the trunk with published weights; return the number of its entries.

    Args:
        model: the network to fill; its branches stay as they are.
        path: a ``.params`` file of MXNet, or a file of PyTorch.
        start: what the file should be.

    Raises:
        InputError: the file is unreadable, does not fit, or is the classifier of VOC where that of ImageNet was asked for.
    """
    weights = imagenet_entries(path) if path.suffix == ".params" else read_checkpoint(path)
    if _VOC_CLASSIFIER in weights and start == "imagenet":
        raise InputError(
            f"{path} is a classifier trained on real VOC images, so training from it is not synthetic only; give the ImageNet weights "
            "ilsvrc-cls_rna-a1_cls1000_ep-0001.params, or set start to voc_classifier"
        )
    weights = {name: value for name, value in weights.items() if name != _VOC_CLASSIFIER}
    return _fill(model, weights, str(path), lambda name: not name.startswith(_NEW))


def imagenet_entries(path: Path) -> dict[str, Tensor]:
    """Read ``ilsvrc-cls_rna-a1_cls1000_ep-0001.params`` by our names; its classifier is left out.

    Raises:
        InputError: it is no such file, or has an array of another name.
    """
    entries = {}
    for stored, array in read_mxnet_arrays(path).items():
        name = stored.partition(":")[2] or stored
        if name.startswith("linear1000"):
            continue
        entries[_entry_of(name, path)] = torch.from_numpy(array)
    return entries


def _entry_of(name: str, path: Path) -> str:
    if name == "conv1a_weight":
        return "conv1a.weight"
    found = _MXNET_LAYER.fullmatch(name)
    if found and found[5] in _MXNET_PARTS:
        block = f"b{found[2]}" if found[3] is None else f"b{found[2]}_{found[3]}"
        layer = "conv" if found[1] == "res" else "bn"
        return f"{block}.{layer}_{found[4]}.{_MXNET_PARTS[found[5]]}"
    last = _MXNET_LAST.fullmatch(name)
    if last and last[2] in _MXNET_PARTS:
        return f"bn{last[1]}.{_MXNET_PARTS[last[2]]}"
    raise InputError(
        f"{path} has an array {name!r}, which no layer of a ResNet-38 is called; give the ImageNet weights"
    )


def _fill(model: AffinityNet, weights: Mapping[str, Tensor], origin: str, wanted: Callable[[str], bool]) -> int:
    mine = {name: value for name, value in model.state_dict().items() if wanted(name) and not name.endswith(_COUNTER)}
    given = {name: value for name, value in weights.items() if not name.endswith(_COUNTER)}
    refuse_misfits(
        origin,
        "AffinityNet that was asked for",
        sorted(mine.keys() - given.keys()),
        sorted(given.keys() - mine.keys()),
        [
            name_with_shapes(name, given[name], mine[name])
            for name in mine
            if name in given and given[name].shape != mine[name].shape
        ],
    )
    with torch.no_grad():
        for name, value in mine.items():
            value.copy_(given[name])
    return len(mine)
