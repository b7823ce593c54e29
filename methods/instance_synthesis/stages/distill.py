"""Stage ``instance_synthesis_distill``: a smaller extractor learns the features of a larger one (section 6.2, items 4 and 5)."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from methods.common.segmenters.backbones.generative.config import ExtractorConfig
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.common.training.recipe import TrainingRecipe
from methods.instance_synthesis.training_set_config import FramesSource


class DistillConfig(Config):
    """Who learns from whom, on which pictures."""

    teacher: ExtractorConfig
    """The larger one, with the weights of role ``backbone``."""
    student: ExtractorConfig
    """The smaller one; it begins with what remains of the larger. Both have the same maps in the same order."""
    source: FramesSource = FramesSource()
    """Pictures; what they show is not looked at."""
    crop_px: tuple[int, int] = (512, 512)
    """Height and width of the crops that are learnt from, multiples of the U-Net's coarsest cell."""
    recipe: TrainingRecipe = Field(
        default=TrainingRecipe(iterations=10_000, batch_size=8, base_lr=5e-5, warmup_iterations=500)
    )
    """Optimiser and length; all is our choice [C D58]. The averaged weights are kept."""

    @model_validator(mode="after")
    def _maps_agree(self) -> Self:
        if [(tap.channels, tap.stride_px) for tap in self.teacher.tapped] != [
            (tap.channels, tap.stride_px) for tap in self.student.tapped
        ]:
            raise ValueError(
                "teacher and student tap maps of other channels or strides; tap the same places in the same order"
            )
        if self.student.precision != "float32":
            raise ValueError(
                "a student that is trained needs precision float32; it can be read in half precision afterwards"
            )
        return self


def distill(inputs: Inputs, config: DistillConfig, context: Context) -> Record:
    """Train the student's U-Net to give the teacher's maps; write ``extractor/``, which trainings take as role ``backbone``.

    Roles: those of the source, ``backbone`` (a diffusers folder, or one of an extractor).

    Returns:
        ``iterations``, ``num_images``, ``losses`` (means over each twentieth), ``loss_first``, ``loss_last``, and ``start_error`` and ``end_error``: mean
        squared error of the student's maps over the variance of the teacher's on the first pictures, before and after.

    Raises:
        InputError: data or generator do not fit.
        NotFiniteError: the loss is not finite.
    """
    from methods.common.segmenters.backbones.generative.loading import EXTRACTOR_FOLDER, load_extractor
    from methods.common.stages.train_semantic import training_record
    from methods.instance_synthesis.distillation import Distillation

    teacher = load_extractor(config.teacher, inputs.folder("backbone"))
    dataset = config.source.open(inputs, context.seeds)
    distillation = Distillation(teacher, dataset, config, context)
    start = distillation.error()
    losses = distillation.train()
    distillation.student.save_pretrained(context.out / EXTRACTOR_FOLDER)
    errors = {"start_error": start, "end_error": distillation.error()}
    return {**training_record(losses, len(dataset.images)), **errors}


DISTILL = Stage(
    "instance_synthesis_distill", 1, DistillConfig, distill, ("data", "training"), uses_gpu=True, kind="train"
)
