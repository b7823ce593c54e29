"""How class names are written for networks that were trained on natural English.

Source: SAM filter section 4.2 [? SAM filter D4] for the first table, SAM filter section 2.1 [DD] for the two-word forms of the second.
"""

from typing import Literal

Naming = Literal["natural", "voc"]
"""``natural``: ``airplane``, ``motorcycle``, ``television``; ``voc``: ``aeroplane``, ``motorbike``, ``tv monitor``."""

_NATURAL = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "tvmonitor": "television",
}
_VOC = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv monitor"}
_TABLES: dict[Naming, dict[str, str]] = {"natural": _NATURAL, "voc": _VOC}


def written_name(class_name: str, naming: Naming = "natural") -> str:
    """Return the written form of a data set's class name; names outside the table stay, with spaces for underscores."""
    return _TABLES[naming].get(class_name, class_name.replace("_", " "))
