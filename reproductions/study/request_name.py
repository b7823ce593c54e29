"""How a report is called after what was asked for it, so that no request overwrites the report of another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from methods.common.stage import Config
from reproductions.harness.cell import canonical_json
from reproductions.study.config import BACKBONE, StudyConfig
from reproductions.study.request import ALL_ARMS, Request

if TYPE_CHECKING:
    from reproductions.study.paper import StudiedPaper

_HASH_DIGITS = 6
_MAX_READABLE = 60
"""Characters of a folder's name before its hash; names of files end at 255 bytes on most disks."""
_MOST_NAMED = 3
"""Arms or settings that a folder's name spells out."""
_ODD = re.compile(r"[^\w.=+-]+")


@dataclass(frozen=True)
class RequestName:
    """What differs from the plain request of the paper and tier, and what its report's folder is called."""

    folder: str
    """The tier's name for the plain request, else followed by what differs and a short hash of all of it."""
    differs: str
    """In words; empty for the plain request."""


def name_request(paper: StudiedPaper[Any, Any, Any, Any], request: Request, study: StudyConfig) -> RequestName:
    """Name a request of one study.

    Args:
        paper: that is asked.
        request: what is asked.
        study: as the tier has it for the backbone that is asked, before the user's other settings.
    """
    readable: list[str] = []
    told: list[str] = []
    identity: dict[str, Any] = {}
    if request.arms is not None:
        arms = list(dict.fromkeys(request.arms))
        identity["arms"] = sorted(arms)
        readable.append("+".join(arms) if len(arms) <= _MOST_NAMED else f"{len(arms)}arms")
        told.append("every arm" if request.arms == ALL_ARMS else f"only the arms {', '.join(arms)}")
    usual = paper.num_seeds(replace(request, num_seeds=None))
    if paper.num_seeds(request) != usual:
        identity["seeds"] = request.num_seeds
        readable.append(f"{request.num_seeds}seeds")
        told.append(f"{request.num_seeds} seed{'' if request.num_seeds == 1 else 's'} instead of {usual}")
    for what, place in (("data", request.data), ("objects", request.objects), ("generator", request.generator)):
        if place is not None:
            identity[what] = str(place.resolve())
            readable += [] if what == "data" else [what]
            told.append(f"own {what} {place.name}")
    settings = _changed_settings(study, request.settings) | _other_backbone(paper, request, study)
    if settings:
        identity["settings"] = {name: value for name, (_, value) in settings.items()}
        short = [f"{name.rpartition('.')[2]}={value}" for name, (_, value) in settings.items()]
        readable.append("+".join(short) if len(short) <= _MOST_NAMED else f"{len(short)}settings")
        told += [f"{name} = {value} instead of {before}" for name, (before, value) in settings.items()]
    return RequestName(_folder(request.tier, readable, identity), "; ".join(told))


def _folder(tier: str, readable: Sequence[str], identity: Mapping[str, Any]) -> str:
    if not identity:
        return tier
    digest = hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:_HASH_DIGITS]
    words = _ODD.sub("_", "-".join([tier, *readable]))[:_MAX_READABLE].rstrip("-_+.=")
    return f"{words}-{digest}"


def _other_backbone(
    paper: StudiedPaper[Any, Any, Any, Any], request: Request, study: StudyConfig
) -> dict[str, tuple[str, str]]:
    """Return the backbones that the tier has when none is named, and the one that is, where these are not the same."""
    if BACKBONE not in request.settings:
        return {}
    others = {name: text for name, text in request.settings.items() if name != BACKBONE}
    usual = [one.backbone for one in paper.studies(replace(request, settings=others))]
    return {} if usual == [study.backbone] else {BACKBONE: (", ".join(usual), study.backbone)}


def _changed_settings(study: Config, settings: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the value before and the value asked for of each setting that is not at its usual value, in alphabetical order."""
    document = study.model_dump(mode="json")
    found = {}
    for name, text in sorted(settings.items()):
        owner: Any = document
        for part in name.split("."):
            owner = owner.get(part) if isinstance(owner, dict) else None
        before = "none" if owner is None else owner if isinstance(owner, str) else canonical_json(owner)
        if before != text:
            found[name] = (before, text)
    return found
