"""The stages that make the miniature checkpoints. Each loads its networks only when it runs, so that planning stays light."""

from typing import Any

from methods.common.miniature.provenance import TrainedPart, write_provenance
from methods.common.miniature.training_configs import (
    AssembleConfig,
    ClipConfig,
    CutoutConfig,
    FlatVaeConfig,
    GeneratorConfig,
    GligenTrainingConfig,
    InpaintingTrainingConfig,
    JudgesConfig,
    LatentsConfig,
    ReportConfig,
    SamTrainingConfig,
    SegmenterConfig,
    StreetReportConfig,
    StreetSegmenterConfig,
    ThingsConfig,
    VaeConfig,
)
from methods.common.stage import Config, Context, Inputs, Record, Stage


def _with_provenance(stage: Stage[Any], config: Config, context: Context, trained: TrainedPart) -> Record:
    """Write beside the weights where they come from; return the stage's record."""
    write_provenance(stage, config, context, trained.cpu_seconds)
    return trained.record


def _train_vae(inputs: Inputs, config: VaeConfig, context: Context) -> Record:
    from methods.common.miniature.vae import train_vae

    return _with_provenance(TRAIN_VAE, config, context, train_vae(inputs, config, context))


def _train_flat_vae(inputs: Inputs, config: FlatVaeConfig, context: Context) -> Record:
    from methods.common.miniature.flat_vae_training import train_flat_vae

    return _with_provenance(TRAIN_FLAT_VAE, config, context, train_flat_vae(inputs, config, context))


def _train_clip(inputs: Inputs, config: ClipConfig, context: Context) -> Record:
    from methods.common.miniature.clip_training import train_clip

    return _with_provenance(TRAIN_CLIP, config, context, train_clip(inputs, config, context))


def _encode_web(inputs: Inputs, config: LatentsConfig, context: Context) -> Record:
    from methods.common.miniature.generator import encode_web

    return encode_web(inputs, config, context)


def _train_generator(inputs: Inputs, config: GeneratorConfig, context: Context) -> Record:
    from methods.common.miniature.generator import train_generator

    return _with_provenance(TRAIN_GENERATOR, config, context, train_generator(inputs, config, context))


def _train_cutout(inputs: Inputs, config: CutoutConfig, context: Context) -> Record:
    from methods.common.miniature.cutout_training import train_cutout

    return _with_provenance(TRAIN_CUTOUT, config, context, train_cutout(inputs, config, context))


def _train_sam(inputs: Inputs, config: SamTrainingConfig, context: Context) -> Record:
    from methods.common.miniature.sam_training import train_sam

    return _with_provenance(TRAIN_SAM, config, context, train_sam(inputs, config, context))


def _train_segmenter(inputs: Inputs, config: SegmenterConfig, context: Context) -> Record:
    from methods.common.miniature.segmenter_training import train_segmenter

    return _with_provenance(TRAIN_SEGMENTER, config, context, train_segmenter(inputs, config, context))


def _train_judges(inputs: Inputs, config: JudgesConfig, context: Context) -> Record:
    from methods.common.miniature.judges import train_judges

    return _with_provenance(TRAIN_JUDGES, config, context, train_judges(inputs, config, context))


def _encode_things(inputs: Inputs, config: ThingsConfig, context: Context) -> Record:
    from methods.common.miniature.repaint_training import encode_things

    return encode_things(inputs, config, context)


def _train_inpainting(inputs: Inputs, config: InpaintingTrainingConfig, context: Context) -> Record:
    from methods.common.miniature.repaint_training import train_inpainting

    return _with_provenance(TRAIN_INPAINTING, config, context, train_inpainting(inputs, config, context))


def _train_gligen(inputs: Inputs, config: GligenTrainingConfig, context: Context) -> Record:
    from methods.common.miniature.repaint_training import train_gligen

    return _with_provenance(TRAIN_GLIGEN, config, context, train_gligen(inputs, config, context))


def _train_street_segmenter(inputs: Inputs, config: StreetSegmenterConfig, context: Context) -> Record:
    from methods.common.miniature.street_segmenter_training import train_street_segmenter

    return _with_provenance(TRAIN_STREET_SEGMENTER, config, context, train_street_segmenter(inputs, config, context))


def _assemble(inputs: Inputs, config: AssembleConfig, context: Context) -> Record:
    from methods.common.miniature.assemble import assemble

    return assemble(inputs, config, context)


def _assemble_street(inputs: Inputs, config: AssembleConfig, context: Context) -> Record:
    from methods.common.miniature.street_assembly import assemble_street

    return assemble_street(inputs, config, context)


def _report_street(inputs: Inputs, config: StreetReportConfig, context: Context) -> Record:
    from methods.common.miniature.street_report import report_street

    return report_street(inputs, config, context)


def _report_checkpoints(inputs: Inputs, config: ReportConfig, context: Context) -> Record:
    from methods.common.miniature.checkpoint_report import report_checkpoints

    return report_checkpoints(inputs, config, context)


TRAIN_VAE: Stage[VaeConfig] = Stage(
    "train_vae", 1, VaeConfig, _train_vae, ("data", "training"), uses_gpu=True, kind="train"
)
TRAIN_FLAT_VAE: Stage[FlatVaeConfig] = Stage(
    "train_flat_vae", 1, FlatVaeConfig, _train_flat_vae, ("data", "training"), uses_gpu=True, kind="train"
)
TRAIN_CLIP: Stage[ClipConfig] = Stage(
    "train_clip", 1, ClipConfig, _train_clip, ("data", "training"), uses_gpu=True, kind="train"
)
ENCODE_WEB: Stage[LatentsConfig] = Stage(
    "encode_web", 1, LatentsConfig, _encode_web, ("data",), uses_gpu=True, kind="generate"
)
TRAIN_GENERATOR: Stage[GeneratorConfig] = Stage(
    "train_generator", 1, GeneratorConfig, _train_generator, ("data", "training"), uses_gpu=True, kind="train"
)
TRAIN_CUTOUT: Stage[CutoutConfig] = Stage(
    "train_cutout", 1, CutoutConfig, _train_cutout, ("data", "training"), uses_gpu=True, kind="train"
)
TRAIN_SAM: Stage[SamTrainingConfig] = Stage(
    "train_sam", 1, SamTrainingConfig, _train_sam, ("data", "training"), uses_gpu=True, kind="train"
)
TRAIN_JUDGES: Stage[JudgesConfig] = Stage(
    "train_judges", 1, JudgesConfig, _train_judges, ("data", "training"), uses_gpu=True, kind="train"
)
TRAIN_SEGMENTER: Stage[SegmenterConfig] = Stage(
    "train_segmenter", 1, SegmenterConfig, _train_segmenter, ("data", "training"), uses_gpu=True, kind="train"
)
ENCODE_THINGS: Stage[ThingsConfig] = Stage(
    "encode_things", 1, ThingsConfig, _encode_things, ("data",), uses_gpu=True, kind="generate"
)
TRAIN_INPAINTING: Stage[InpaintingTrainingConfig] = Stage(
    "train_inpainting", 1, InpaintingTrainingConfig, _train_inpainting, ("training",), uses_gpu=True, kind="train"
)
TRAIN_GLIGEN: Stage[GligenTrainingConfig] = Stage(
    "train_gligen", 1, GligenTrainingConfig, _train_gligen, ("training",), uses_gpu=True, kind="train"
)
TRAIN_STREET_SEGMENTER: Stage[StreetSegmenterConfig] = Stage(
    "train_street_segmenter",
    1,
    StreetSegmenterConfig,
    _train_street_segmenter,
    ("data", "training"),
    uses_gpu=True,
    kind="train",
)
ASSEMBLE: Stage[AssembleConfig] = Stage("assemble_checkpoints", 1, AssembleConfig, _assemble, (), uses_gpu=False)
REPORT_CHECKPOINTS: Stage[ReportConfig] = Stage(
    "report_checkpoints", 1, ReportConfig, _report_checkpoints, ("data", "generation"), uses_gpu=False, kind="evaluate"
)
ASSEMBLE_STREET: Stage[AssembleConfig] = Stage("assemble_street", 1, AssembleConfig, _assemble_street, ())
REPORT_STREET: Stage[StreetReportConfig] = Stage(
    "report_street", 1, StreetReportConfig, _report_street, ("data", "generation"), kind="evaluate"
)
