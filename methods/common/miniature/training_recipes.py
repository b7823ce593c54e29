"""How the miniature checkpoints are trained: the stages in order, with complete configs, at full and at smoke size."""

from dataclasses import dataclass, field
from typing import Any

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
    OptimizerConfig,
    ReportConfig,
    SamplingConfig,
    SamTrainingConfig,
    SegmenterConfig,
    StreetReportConfig,
    StreetSegmenterConfig,
    ThingsConfig,
    VaeConfig,
)
from methods.common.miniature.training_stages import (
    ASSEMBLE,
    ASSEMBLE_STREET,
    ENCODE_THINGS,
    ENCODE_WEB,
    REPORT_CHECKPOINTS,
    REPORT_STREET,
    TRAIN_CLIP,
    TRAIN_CUTOUT,
    TRAIN_FLAT_VAE,
    TRAIN_GENERATOR,
    TRAIN_GLIGEN,
    TRAIN_INPAINTING,
    TRAIN_JUDGES,
    TRAIN_SAM,
    TRAIN_SEGMENTER,
    TRAIN_STREET_SEGMENTER,
    TRAIN_VAE,
)
from methods.common.miniature.world_config import WebConfig
from methods.common.stage import Config, Stage


class CheckpointsConfig(Config):
    """Configs of all stages behind the shipped checkpoints."""

    vae: VaeConfig
    """The picture coder."""
    flat_vae: FlatVaeConfig
    """Its decoder, continued on flat colours."""
    clip: ClipConfig
    """Tokenizer and CLIP."""
    latents: LatentsConfig
    """Pictures the generator learns from."""
    generator: GeneratorConfig
    """U-Net and text encoder."""
    faulty_latents: LatentsConfig
    """Pictures that fail their captions, which the generator learns from last."""
    faulty_generator: GeneratorConfig
    """The U-Net, continued on these."""
    cutout: CutoutConfig
    """The cut-out network."""
    sam: SamTrainingConfig
    """The Segment Anything model."""
    segmenter: SegmenterConfig
    """The instance segmenter that trainings start from."""
    judges: JudgesConfig
    """The networks that grade the others."""
    report: ReportConfig
    """What is measured in the end."""
    things: ThingsConfig
    """Crops of the street that its painters learn from."""
    inpainting: InpaintingTrainingConfig
    """The inpainting U-Net of the street and its text encoder."""
    gligen: GligenTrainingConfig
    """What makes it a grounded one."""
    street_segmenter: StreetSegmenterConfig
    """The instance segmenter that trainings on the street start from."""
    street_report: StreetReportConfig
    """What is measured of the painters."""


def full_checkpoints() -> CheckpointsConfig:
    """The shipped weights: about 120 processor minutes on one core, 70 of them for the generator."""
    return CheckpointsConfig(
        vae=VaeConfig(
            optimizer=OptimizerConfig(num_steps=2800, batch_size=16, learning_rate=3e-3, beta2=0.98, cosine_from=0.4)
        ),
        flat_vae=FlatVaeConfig(
            optimizer=OptimizerConfig(num_steps=600, batch_size=16, learning_rate=2e-3, beta2=0.98, cosine_from=0.4)
        ),
        clip=ClipConfig(
            optimizer=OptimizerConfig(
                num_steps=2000, batch_size=64, learning_rate=1.5e-3, weight_decay=0.02, beta2=0.98, cosine_from=0.4
            ),
            num_pictures=20000,
        ),
        latents=LatentsConfig(num_pictures=24000),
        generator=GeneratorConfig(
            optimizer=OptimizerConfig(
                num_steps=10000, batch_size=32, learning_rate=1e-3, cosine_from=0.4, warmup_steps=100
            )
        ),
        faulty_latents=LatentsConfig(num_pictures=16000, web=WebConfig(faults=True)),
        faulty_generator=GeneratorConfig(
            optimizer=OptimizerConfig(
                num_steps=2000, batch_size=32, learning_rate=6e-4, cosine_from=0.3, warmup_steps=100
            ),
            text_encoder_learns=False,
        ),
        cutout=CutoutConfig(
            optimizer=OptimizerConfig(num_steps=2200, batch_size=32, learning_rate=3e-3, cosine_from=0.3),
            num_pictures=8000,
        ),
        sam=SamTrainingConfig(
            optimizer=OptimizerConfig(num_steps=1600, batch_size=12, learning_rate=1.5e-3, cosine_from=0.1)
        ),
        segmenter=SegmenterConfig(
            optimizer=OptimizerConfig(
                num_steps=1600, batch_size=8, learning_rate=3e-3, beta2=0.999, warmup_steps=50, cosine_from=0.3
            )
        ),
        judges=JudgesConfig(
            optimizer=OptimizerConfig(num_steps=400, batch_size=64, learning_rate=3e-3, warmup_steps=20)
        ),
        report=ReportConfig(),
        things=ThingsConfig(),
        inpainting=InpaintingTrainingConfig(
            optimizer=OptimizerConfig(num_steps=900, batch_size=20, learning_rate=1e-3, cosine_from=0.4)
        ),
        gligen=GligenTrainingConfig(
            optimizer=OptimizerConfig(
                num_steps=200, batch_size=16, learning_rate=2e-3, cosine_from=0.4, warmup_steps=20
            ),
            ema_decay=0.99,
        ),
        street_segmenter=StreetSegmenterConfig(
            optimizer=OptimizerConfig(
                num_steps=2400, batch_size=8, learning_rate=2e-3, beta2=0.999, warmup_steps=50, cosine_from=0.4
            )
        ),
        street_report=StreetReportConfig(),
    )


def smoke_checkpoints() -> CheckpointsConfig:
    """A few steps of everything, about a minute; the weights are useless."""
    few = OptimizerConfig(num_steps=3, batch_size=4, learning_rate=1e-3, warmup_steps=0)
    return CheckpointsConfig(
        vae=VaeConfig(optimizer=few, num_pictures=16),
        flat_vae=FlatVaeConfig(optimizer=few, num_pictures=16),
        clip=ClipConfig(optimizer=few, num_pictures=64),
        latents=LatentsConfig(num_pictures=16),
        generator=GeneratorConfig(optimizer=few),
        faulty_latents=LatentsConfig(num_pictures=16, web=WebConfig(faults=True)),
        faulty_generator=GeneratorConfig(optimizer=few, text_encoder_learns=False),
        cutout=CutoutConfig(optimizer=few, num_pictures=32),
        sam=SamTrainingConfig(optimizer=few, num_pictures=16),
        segmenter=SegmenterConfig(optimizer=few),
        judges=JudgesConfig(optimizer=few),
        report=ReportConfig(
            num_renders_per_category=1,
            num_generated_per_category=1,
            num_scenes=3,
            num_attention=6,
            sampling=SamplingConfig(num_steps=1, guidance_scale=3.5),
        ),
        things=ThingsConfig(num_things=16),
        inpainting=InpaintingTrainingConfig(optimizer=few),
        gligen=GligenTrainingConfig(optimizer=few),
        street_segmenter=StreetSegmenterConfig(optimizer=few),
        street_report=StreetReportConfig(
            things=ThingsConfig(num_things=8), real_things=ThingsConfig(num_things=16), num_steps=2
        ),
    )


@dataclass(frozen=True)
class PlannedStage:
    """One cell of the plan."""

    name: str
    """Unique; other cells name it as their input."""
    stage: Stage[Any]
    config: Config
    inputs: dict[str, str] = field(default_factory=dict)
    """Role in the stage's inputs to the name of the cell that fills it."""


def checkpoint_plan(config: CheckpointsConfig) -> list[PlannedStage]:
    """Return the stages behind the checkpoints, each after those it reads.

    The cells ``checkpoints`` and ``street_checkpoints`` are the folders to ship, ``report`` and ``street_report`` hold
    ``checkpoint_report.json``, ``street_report.json`` and the sample sheets.
    """
    parts = ("vae", "clip", "generator", "faulty_generator", "cutout", "sam", "segmenter", "judges")
    street = ("vae", "clip", "inpainting", "gligen", "street_segmenter")
    return [
        PlannedStage("vae", TRAIN_VAE, config.vae),
        PlannedStage("flat_vae", TRAIN_FLAT_VAE, config.flat_vae, {"vae": "vae"}),
        PlannedStage("clip", TRAIN_CLIP, config.clip),
        PlannedStage("latents", ENCODE_WEB, config.latents, {"vae": "vae", "clip": "clip"}),
        PlannedStage("generator", TRAIN_GENERATOR, config.generator, {"latents": "latents", "clip": "clip"}),
        PlannedStage("faulty_latents", ENCODE_WEB, config.faulty_latents, {"vae": "vae", "clip": "clip"}),
        PlannedStage(
            "faulty_generator",
            TRAIN_GENERATOR,
            config.faulty_generator,
            {"latents": "faulty_latents", "clip": "clip", "start": "generator"},
        ),
        PlannedStage("cutout", TRAIN_CUTOUT, config.cutout),
        PlannedStage("sam", TRAIN_SAM, config.sam),
        PlannedStage("segmenter", TRAIN_SEGMENTER, config.segmenter),
        PlannedStage("judges", TRAIN_JUDGES, config.judges),
        PlannedStage("checkpoints", ASSEMBLE, AssembleConfig(), {part: part for part in parts}),
        PlannedStage("report", REPORT_CHECKPOINTS, config.report, {"checkpoints": "checkpoints"}),
        PlannedStage("things", ENCODE_THINGS, config.things, {"vae": "vae", "clip": "clip"}),
        PlannedStage("inpainting", TRAIN_INPAINTING, config.inpainting, {"things": "things", "generator": "generator"}),
        PlannedStage("gligen", TRAIN_GLIGEN, config.gligen, {"things": "things", "inpainting": "inpainting"}),
        PlannedStage("street_segmenter", TRAIN_STREET_SEGMENTER, config.street_segmenter),
        PlannedStage("street_checkpoints", ASSEMBLE_STREET, AssembleConfig(), {part: part for part in street}),
        PlannedStage("street_report", REPORT_STREET, config.street_report, {"checkpoints": "street_checkpoints"}),
    ]
