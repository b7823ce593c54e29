"""A CenterNet2 that gets classes for training alone: everything it knows stays, only their columns are new."""

from __future__ import annotations

import torch

from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.common.segmenters.centernet2.model import CenterNet2


def with_extra_classes(model: CenterNet2, config: CenterNet2Config, generator: torch.Generator) -> CenterNet2:
    """Return a network with extra classes whose other weights are those of one without; their columns are drawn from ``generator``.

    Source: MRCA section 5.4 [B] (extra classes in training); how a trained network gets them is our choice [C MRCA D84].
    """
    assert model.config.extra_classes == 0, "it has extra classes already"
    assert model.config.num_classes == config.num_classes, (
        f"{model.config.num_classes} and {config.num_classes} classes"
    )
    wider, known, kept = CenterNet2(config, generator), model.state_dict(), config.num_classes
    with torch.no_grad():
        for name, value in wider.state_dict().items():
            old = known[name]
            if old.shape == value.shape:
                value.copy_(old)
                continue
            value[:kept] = old[:kept]
            value[config.trained_classes :] = old[kept:]  # background, where there is a row of it
    return wider
