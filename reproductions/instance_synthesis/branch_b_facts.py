"""What a reader must know to read the numbers of branch B."""

from __future__ import annotations

from reproductions.instance_synthesis.recipe import InstanceSynthesisStudy


def few_shot_facts(study: InstanceSynthesisStudy) -> dict[str, str]:
    """Say which classes are learnt when, and how long."""
    few_shot, base = study.few_shot, study.reproduced
    assert few_shot is not None, "the study of branch B"
    support = few_shot.support
    return {
        "base classes": ", ".join(support.base),
        "novel classes": f"{', '.join(support.novel)}; ignored in the base stage",
        "support": f"K instances of every class with at least {support.min_area_px} px, another draw each seed"
        if support.given is None
        else f"from {support.given}",
        "base stage": f"{base.recipe.iterations} iterations, batch {base.recipe.batch_size}",
        "novel stage": f"{few_shot.recipe.iterations} iterations, batch {few_shot.recipe.batch_size}; "
        f"frozen: {', '.join(few_shot.frozen)}",
        "synthetic images": f"whole frames, intensities {study.integration.paste.normalise!r}",
    }
