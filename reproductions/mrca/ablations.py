"""What each variant of MRCA's rounds changes in its settings; everything else is the study's."""

from __future__ import annotations

from typing import Any

from methods.mrca.accuracy import ShrinkageConfig
from methods.mrca.stages.cut import MrcaCutting
from reproductions.mrca.arms import Rounds
from reproductions.mrca.recipe import MrcaConfig

_AS_MEASURED = ShrinkageConfig(toward="none")


def settings_of(config: MrcaConfig, how: Rounds) -> MrcaConfig:
    """Return the settings of a variant.

    A uniform budget, one that is shuffled, and sizes without feedback are a matter of cells, not of settings.
    """
    if how.as_released:
        config = _as_released(config)
    if how.feedback == "val":
        config = _changed(config, "budget", shrinkage=_AS_MEASURED)
        resizing = config.pasting.resizing.model_copy(update={"shrinkage": _AS_MEASURED})
        config = _changed(config, "pasting", resizing=resizing)
    if how.lag is not None:
        config = _changed(config, "rounds", feedback_lag=how.lag)
    if how.real_counts:
        config = _changed(config, "budget", count_mode="real")
    if how.budget == "inverse_count":
        config = _changed(config, "budget", steering="inverse_count", early_rounds="inverse_count")
    if how.guidance == "none":
        config = _changed(config, "generation", guidance=None)
    if how.guidance == "random" and config.generation.guidance is not None:
        guidance = config.generation.guidance.model_copy(update={"direction": "random"})
        config = _changed(config, "generation", guidance=guidance)
    if not how.unique_mapping:
        mapping = config.pasting.mapping.model_copy(update={"draw": "random"})
        config = _changed(config, "pasting", mapping=mapping)
    return _one_shot(config) if how.one_shot else config


def _changed(config: MrcaConfig, part: str, **changes: Any) -> MrcaConfig:
    return config.model_copy(update={part: getattr(config, part).model_copy(update=changes)})


def _one_shot(config: MrcaConfig) -> MrcaConfig:
    """One round as long as all, whose objects M_0 alone guides and which fill the smallest classes up. Section 5.5."""
    rounds = config.rounds
    config = _changed(
        config,
        "rounds",
        num_rounds=1,
        objects_per_round=rounds.num_rounds * rounds.objects_per_round,
        iterations_per_round=rounds.num_rounds * rounds.iterations_per_round,
        feedback_lag=1,
    )
    return _changed(config, "budget", early_rounds="fill_up")


def _as_released(config: MrcaConfig) -> MrcaConfig:
    """Follow the release where it differs from the poster, and where it runs at all. Section 9, items 2, 3, 4, 6, 7, 8 and 9."""
    config = _changed(
        config,
        "budget",
        accuracy_term="ap",
        count_mode="real",
        early_rounds="inverse_count",
        weight_change_rows="shifted",
    )
    if config.generation.guidance is not None:
        faults = {
            "drop_background": False,
            "latent_scale": "eighth",
            "detector_input": "normalised_twice",
            "branches": "both",
        }
        config = _changed(config, "generation", guidance=config.generation.guidance.model_copy(update=faults))
    rule = config.cutting.rule
    if isinstance(rule, MrcaCutting):
        whole = rule.model_copy(update={"filter": rule.filter.model_copy(update={"canvas": "whole"})})
        config = _changed(config, "cutting", rule=whole)
    return config
