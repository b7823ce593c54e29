"""What a folder of networks is known by where it names parts that lie in another folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from methods.common.generators.repainting.parts import shared_places
from reproductions.harness.cell import External
from reproductions.harness.fingerprint import Fingerprints

FIRST_PARTS = frozenset(
    {
        "310e26f7deb1a808d084f77cdd211129dff1756efe1979f5b34cd8a84fc0fe68",  # stable_diffusion/vae
        "cdead01f67c1c78bddb992bc957f1bf12e57a1fc73834c814a41c3aae1d8b3ae",  # stable_diffusion/tokenizer
        "47cba76e9f70d5538f0a05d63fd20e03d533ce9ed8418b8f59f2823cb6b797af",  # inpainting/text_encoder
        "0d0e98396b0f4eec8189c3723cfe14599ae0f7317412c1a61f638e2d790aefee",  # inpainting/scheduler
        "b419ce9d8d6b43f2f77146296744f72de0aa08e54893723887d66caff09450c2",  # inpainting/unet
    }
)
"""Fingerprints of the shared parts of the miniature painters with which cells were stored before shared parts counted. They stay out, as an
added field does at its neutral value, so that these cells stay valid; any other part counts."""


def with_shared_parts(found: External, what: str, fingerprints: Fingerprints) -> External:
    """Return a place whose fingerprint also covers the parts that it names elsewhere.

    Args:
        found: the place, with the fingerprint of what lies in it.
        what: what people call it.
        fingerprints: for the parts.

    Raises:
        InputError: a part is missing, or the file that names them cannot be read.
    """
    prints = {
        part: fingerprints.of(place, f"the {part} that {what} shares").fingerprint
        for part, place in sorted(shared_places(found.path).items())
    }
    counted = {part: print_ for part, print_ in prints.items() if print_ not in FIRST_PARTS}
    if not counted:
        return found
    joint = json.dumps([found.fingerprint, *counted.items()])
    return replace(found, fingerprint=hashlib.sha256(joint.encode()).hexdigest())
