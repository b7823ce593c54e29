"""Random weights of the FID Inception network, for tests without the published ones."""

import torch
from torch import Tensor

from methods.common.metrics.generated_images.inception import fid_inception

LAST_SCALE = 1e-4


def random_inception() -> dict[str, Tensor]:
    """Draw tensors under the published names; the last block is scaled down, so that features are of a size with the published ones."""
    generator = torch.Generator().manual_seed(7)
    tensors = {}
    for name, tensor in fid_inception().state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if tensor.ndim == 4:
            tensors[name] = noise * (2 / tensor[0].numel()) ** 0.5
        elif name.endswith(("running_var", "bn.weight")):
            tensors[name] = 0.5 + noise.abs()
        else:
            tensors[name] = 0.2 * noise
        if name.startswith("Mixed_7c") and name.endswith(("bn.weight", "bn.bias")):
            tensors[name] *= LAST_SCALE
    return tensors
