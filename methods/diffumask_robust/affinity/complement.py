"""Two readings of the class of a cell. Imports nothing."""

from __future__ import annotations

from typing import Literal

Complement = Literal["as_meant", "as_released"]
"""``as_meant``: the best score names the class, as AffinityNet has it [code]; ``as_released``: DiffuMask's data set puts 1 - p in the place
of each probability first, so that the least likely class is named [code] [C D28]."""
