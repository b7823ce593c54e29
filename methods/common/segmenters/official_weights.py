"""Weights under the names of a release, for networks whose entries are runs of rows of official entries.

Each of our entries takes an official one whole, or a third of its rows: query, key and value of an attention often share one
matrix in a release, while ``transformers`` keeps three.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn

from methods.common.segmenters.checkpoints import name_with_shapes, refuse_misfits

_FIELDS = {"i": "[0-9]+", "p": "[a-z_]+", "r": ".+"}
"""Fields of a template: a number, one part of a name, the rest of a name."""
Rules = list[tuple[re.Pattern[str], str]]


@dataclass(frozen=True)
class Place:
    """Where rows of an official entry go."""

    ours: str
    """Name in our state dict."""
    third: int | None = None
    """Which third of the official rows; all of them when None."""


@dataclass(frozen=True)
class OfficialNames:
    """The names of a release, and ours."""

    templates: tuple[tuple[str, str], ...]
    """Official names and ours, with fields ``{i}``, ``{p}`` and ``{r}``."""
    joint: tuple[str, str] | None
    """Template of a joint projection without its last part, such as ``layers.{i}.in_proj_``, and what precedes ``q_proj.``;
    None where nothing is joined."""
    unused: re.Pattern[str]
    """Official entries that hold nothing the network needs."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Official names by names that early checkpoints have instead."""

    def our_places(self, official: str) -> list[Place]:
        """Return where an official entry goes: one place, three for a joint projection, none for a name that is not official."""
        official = self.aliases.get(official, official)
        ours = _translate(official, self._joint_rules[0])
        if ours is not None:
            prefix, _, kind = ours.rpartition(".")
            return [Place(f"{prefix}.{part}_proj.{kind}", third) for third, part in enumerate("qkv")]
        ours = _translate(official, self._rules[0])
        return [] if ours is None else [Place(ours)]

    def official_name(self, ours: str) -> str:
        """Return the official entry that one of our state-dict entries comes from."""
        name = _translate(ours, self._joint_rules[1]) or _translate(ours, self._rules[1])
        assert name is not None, f"no official name for {ours}"
        return name

    @cached_property
    def _rules(self) -> tuple[Rules, Rules]:
        return [_rule(*pair) for pair in self.templates], [_rule(*pair[::-1]) for pair in self.templates]

    @cached_property
    def _joint_rules(self) -> tuple[Rules, Rules]:
        if self.joint is None:
            return [], []
        official, ours = self.joint
        pattern, target = _rule(f"{ours}.{{p}}", f"{official}{{p}}")
        back = pattern.pattern.replace(r"\.(?P<p>", r"\.[qkv]_proj\.(?P<p>")
        return [_rule(f"{official}{{p}}", f"{ours}.{{p}}")], [(re.compile(back), target)]


def detectron2_resnet(official: str, ours: str) -> Iterator[tuple[str, str]]:
    """Yield templates of a bottleneck ResNet by detectron2's names; both prefixes end with a dot."""
    yield f"{official}stem.conv1.weight", f"{ours}conv1.weight"
    yield f"{official}stem.conv1.norm.{{p}}", f"{ours}bn1.{{p}}"
    for stage in (1, 2, 3, 4):  # detectron2 counts the stem as stage 1
        theirs, layer = f"{official}res{stage + 1}", f"{ours}layer{stage}"
        yield theirs + ".0.shortcut.weight", layer + ".0.downsample.0.weight"
        yield theirs + ".0.shortcut.norm.{p}", layer + ".0.downsample.1.{p}"
        for conv in (1, 2, 3):
            yield f"{theirs}.{{i}}.conv{conv}.weight", f"{layer}.{{i}}.conv{conv}.weight"
            yield f"{theirs}.{{i}}.conv{conv}.norm.{{p}}", f"{layer}.{{i}}.bn{conv}.{{p}}"


def deformable_pixel_decoder(official: str, ours: str) -> Iterator[tuple[str, str]]:
    """Yield templates of a pixel decoder with deformable attention, ours being that of ``transformers``; both prefixes end with a dot."""
    names = {
        "input_proj.{r}": "input_projections.{r}",
        "transformer.level_embed": "level_embed",
        "mask_features.{p}": "mask_projection.{p}",
        "transformer.encoder.layers.{i}.self_attn.{r}": "encoder.layers.{i}.self_attn.{r}",
    }
    for part in ("adapter_{i}", "layer_{i}"):
        names |= {f"{part}.weight": f"{part}.0.weight", f"{part}.norm.{{p}}": f"{part}.1.{{p}}"}
    parts = {"norm1": "self_attn_layer_norm", "linear1": "fc1", "linear2": "fc2", "norm2": "final_layer_norm"}
    for theirs, mine in parts.items():
        names[f"transformer.encoder.layers.{{i}}.{theirs}.{{p}}"] = f"encoder.layers.{{i}}.{mine}.{{p}}"
    yield from ((official + theirs, ours + mine) for theirs, mine in names.items())


def fill(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    names: OfficialNames,
    origin: str,
    network: str,
    optional: Callable[[str], bool],
) -> None:
    """Copy official weights into a network, in place.

    Args:
        model: on the CPU.
        weights: by official name.
        names: of the release.
        origin: what to call the weights in a message.
        network: what to call the network in a message.
        optional: whether the network works without a value for one of our entries.

    Raises:
        InputError: entries are missing, unexpected or of another shape; the message names them.
    """
    state = model.state_dict()
    transfers = [
        _Transfer(name, place.ours, _rows(value, place))
        for name, value in weights.items()
        for place in names.our_places(name)
    ]
    found = {transfer.ours for transfer in transfers}
    known = {transfer.official for transfer in transfers if transfer.ours in state or optional(transfer.ours)}
    absent = (names.official_name(name) for name in state if name not in found and not optional(name))
    missing = list(dict.fromkeys(absent))  # one joint projection has three places
    unexpected = [name for name in weights if name not in known and not names.unused.fullmatch(name)]
    shapes = [
        name_with_shapes(transfer.official, transfer.value, state[transfer.ours])
        for transfer in transfers
        if transfer.ours in state and transfer.value.shape != state[transfer.ours].shape
    ]
    refuse_misfits(origin, network, missing, unexpected, shapes)
    with torch.no_grad():
        for transfer in transfers:
            if transfer.ours in state:
                state[transfer.ours].copy_(transfer.value)


@dataclass(frozen=True)
class _Transfer:
    official: str
    ours: str
    value: Tensor


def _rows(value: Tensor, place: Place) -> Tensor:
    if place.third is None:
        return value
    rows = len(value) // 3
    return value[place.third * rows : (place.third + 1) * rows]


def _translate(name: str, rules: Rules) -> str | None:
    for pattern, target in rules:
        found = pattern.fullmatch(name)
        if found is not None:
            return target.format(**found.groupdict())
    return None


def _rule(source: str, target: str) -> tuple[re.Pattern[str], str]:
    return re.compile(re.sub(r"\\\{(\w)\\\}", _group, re.escape(source))), target


def _group(match: re.Match[str]) -> str:
    return f"(?P<{match[1]}>{_FIELDS[match[1]]})"
