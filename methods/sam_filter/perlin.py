"""One-dimensional Perlin noise at random positions, as a table.

The drawings ask for the noise at a fresh uniform position each time, so only its distribution matters. The function repeats after 256
cells; the table holds it at 256 positions within each cell, and a uniformly random entry stands for a uniformly random position.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

TABLE_SIZE = 1 << 16

# The permutation of Perlin's "Improving Noise" (2002).
_PERMUTATION = bytes.fromhex(
    "97a0895b5a0f830dc95f6035c2e907e18c24671e458e086325f0150a17be0694f778ea4b001ac53e5efcdbcb75230b20"
    "39b12158ed953857ae147d88aba844af4aa547868b301ba64d929ee7536fe57a3cd385e6dc695c29372ef528f4668f36"
    "41193fa101d85049d14c84bbd05912a9c8c4878274bc9f56a4646dc6adba034034d9e2fa7c7b05ca2693767eff5255d4"
    "cfce3be32f103a11b6bd1c2adfb7aad577f898022c9aa346dd99659ba72bac09811627fd13626c6e4f71e0e8b2b97068"
    "daf661e4fb22f2c1eed2900cbfb3a2f1513391ebf90eef6b31c0d61fb5c76a9db854ccb07379322d7f0496fe8aeccd5d"
    "de72431d1848f38d80c34e42d73d9cb4"
)
_AMPLITUDE = 0.4


def _gradients() -> NDArray[np.float64]:
    """Slope at the left end of each cell: half of them -1, the others 1 to 8.

    Source: the noise function of the published scripts; the quantiles of section 5.2 hold it to this.
    """
    code = np.frombuffer(_PERMUTATION, np.uint8)
    return np.where(code & 8, -1.0, (code & 7) + 1.0)


@cache
def noise_table() -> NDArray[np.float64]:
    """Return the values of one octave of noise, float64 [65536], mean about 0, standard deviation about 0.33."""
    position = (np.arange(TABLE_SIZE // 256) + 0.5) / (TABLE_SIZE // 256)
    fade = position**3 * (position * (position * 6 - 15) + 10)
    left = _gradients()[:, None]
    right = np.roll(left, -1, axis=0)
    table = _AMPLITUDE * ((1 - fade) * left * position + fade * right * (position - 1))
    table.flags.writeable = False
    return table.ravel()


def draw_noise(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw noise values at independent uniform positions, float64 [count]."""
    index = np.frombuffer(rng.bytes(2 * count), "<u2")
    return np.asarray(noise_table()[index])
