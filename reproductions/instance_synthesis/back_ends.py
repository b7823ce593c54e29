"""What repaints an instance, by the names of the tables."""

from __future__ import annotations

from typing import Literal

BackEndId = Literal["blended", "inpainting", "gligen", "identity", "copy_paste"]
"""What repaints: three generators, nothing, or another real instance."""
GENERATORS: tuple[BackEndId, ...] = ("gligen", "inpainting", "blended")
"""Those with a network, in the order of Table 1."""
