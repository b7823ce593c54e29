"""Training source of the cross validation: labelled pictures without those of one fold (section 10.5). Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from methods.common.errors import InputError
from methods.common.stage import Inputs
from methods.common.stages.training_sources import TrainingSource

if TYPE_CHECKING:
    from methods.common.datasets.labelled_images import LabelledImages
    from methods.common.seeds import Seeds
    from methods.diffumask_robust.label_files import ListedLabels


class FoldSource(TrainingSource):
    """Labelled pictures of all folds but one. Roles: ``pairs`` and ``labels`` (all shards of both)."""

    kind: Literal["fold"] = "fold"
    """Which source this is."""
    num_folds: int = Field(default=3, ge=2)
    """Folds of the cross validation. [C D34]"""
    fold: int = Field(default=0, ge=0)
    """The fold that is left out, which ``diffumask_score_fold`` then rates."""

    @model_validator(mode="after")
    def _fold_exists(self) -> Self:
        if self.fold >= self.num_folds:
            raise ValueError("fold must be below num_folds")
        return self

    def open(self, inputs: Inputs, seeds: Seeds) -> LabelledImages:
        """Open the pictures.

        Raises:
            InputError: files are missing or do not belong together, or no picture is left.
        """
        from methods.common.generated.pair_reader import list_pairs
        from methods.diffumask_robust.label_files import list_labels
        from methods.diffumask_robust.trusted_images import LabelledPictures

        pairs, class_names = list_pairs(inputs.folders("pairs"))
        listed = sorted(list_labels(pairs, inputs.folders("labels")), key=lambda one: one.pair.id)
        kept = [one for one, fold in in_folds(listed, self.num_folds) if fold != self.fold]
        if not kept:
            raise InputError(f"fold {self.fold} of {self.num_folds} holds every picture that is of use; generate more")
        return LabelledPictures(kept, class_names)


def in_folds(listed: Sequence[ListedLabels], num_folds: int) -> list[tuple[ListedLabels, int]]:
    """Return the pictures that are of use, each with its fold.

    Args:
        listed: labels of pictures of one class each, in any order.
        num_folds: of the cross validation.

    Raises:
        InputError: a picture is of no class, or of several.
    """
    from methods.diffumask_robust.diffumask.noise_learning import assign_folds

    useful = [one for one in listed if not one.dropped]
    names = [only_class(one) for one in useful]
    folds = assign_folds([one.pair.id for one in useful], names, num_folds)
    return list(zip(useful, folds, strict=True))


def only_class(listed: ListedLabels) -> str:
    """Return the class that a picture was generated for.

    Raises:
        InputError: there is none, or there are several.
    """
    if len(listed.pair.classes) != 1:
        raise InputError(
            f"picture {listed.pair.id!r} of {listed.pair.shard} shows {len(listed.pair.classes)} classes; noise learning ranks pictures of "
            "one class"
        )
    return listed.pair.classes[0]
