"""Names of cut-out networks. Imports nothing heavy, so that plans can be made from them."""

from typing import Literal

CutterName = Literal["cutter", "u2net", "clipseg", "sam_middle", "sam_background"]
"""Cut-out networks by the role in which stages get them: ``cutter`` is the miniature one or BiRefNet; Segment Anything is asked for
what lies in the middle, or for the background at the corners."""
