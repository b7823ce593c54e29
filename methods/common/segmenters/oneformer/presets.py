"""Complete OneFormer configs and training recipes: those of the release and of InstSynth, and a miniature for CPU minutes."""

from __future__ import annotations

from collections.abc import Sequence

from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS
from methods.common.segmenters.backbones.config import ConvNeXtConfig, SwinConfig
from methods.common.segmenters.backbones.presets import miniature_resnet
from methods.common.segmenters.mask_queries.config import MaskSetLossConfig
from methods.common.segmenters.oneformer.config import OneFormerConfig, TextBranchConfig
from methods.common.training.poly_recipe import PolyRecipe

CITYSCAPES_CLASSES = tuple(label.name for label in EVALUATED_LABELS)
"""The 19 classes in the order of their training ids."""
CITYSCAPES_STUFF = tuple(label.train_id for label in EVALUATED_LABELS if not label.has_instances)
"""The first 11 of them."""


def oneformer_r50(
    class_names: tuple[str, ...] = CITYSCAPES_CLASSES, stuff_classes: tuple[int, ...] = CITYSCAPES_STUFF
) -> OneFormerConfig:
    """Return the release's R50: 150 queries (InstSynth section 8)."""
    return OneFormerConfig(class_names=class_names, stuff_classes=stuff_classes)


def oneformer_convnextl(
    class_names: tuple[str, ...] = CITYSCAPES_CLASSES, stuff_classes: tuple[int, ...] = CITYSCAPES_STUFF
) -> OneFormerConfig:
    """Return the release's ConvNeXt-L: 250 queries, drop path 0.4 (InstSynth section 8.3)."""
    return OneFormerConfig(
        class_names=class_names,
        stuff_classes=stuff_classes,
        backbone=ConvNeXtConfig(),
        num_queries=250,
        detections_per_image=250,
    )


def oneformer_swinl(
    class_names: tuple[str, ...] = CITYSCAPES_CLASSES, stuff_classes: tuple[int, ...] = CITYSCAPES_STUFF
) -> OneFormerConfig:
    """Return the release's Swin-L: 250 queries, drop path 0.3 (InstSynth section 8.3)."""
    return OneFormerConfig(
        class_names=class_names,
        stuff_classes=stuff_classes,
        backbone=SwinConfig(output_stages=(0, 1, 2, 3)),
        num_queries=250,
        detections_per_image=250,
    )


def without_text(config: OneFormerConfig) -> OneFormerConfig:
    """Return the same network without text branch and contrastive loss ("without CLIP", InstSynth section 10, item 4)."""
    return config.model_copy(update={"text": None})


def oneformer_miniature(
    class_names: Sequence[str], stuff_classes: Sequence[int] = (), *, with_text: bool = True
) -> OneFormerConfig:
    """Return a 64 px size of the same network that trains from scratch in CPU minutes.

    Convolutional backbone with strides 2 to 16; sentences are cut into words, so that no vocabulary is needed.
    """
    return OneFormerConfig(
        class_names=tuple(class_names),
        stuff_classes=tuple(stuff_classes),
        backbone=miniature_resnet(),
        num_queries=24,
        width=64,
        encoder_layers=1,
        query_layers=1,
        decoder_layers=3,
        heads=4,
        encoder_ffn_width=128,
        decoder_ffn_width=128,
        norm_groups=8,
        tokens="words",
        sentence_length=16,
        text=TextBranchConfig(width=64, layers=1, vocabulary_size=256, learned_vectors=4) if with_text else None,
        loss=MaskSetLossConfig(num_points=512),
        detections_per_image=24,
        pad_multiple=16,
    )


def release_recipe() -> PolyRecipe:
    """Return the release's training on Cityscapes: 90,000 steps of 16 images, polynomial decay (InstSynth section 8.3).

    Embeddings are not decayed: queries, levels, tokens, learned vectors, and Swin's biases of relative positions. [OF]
    """
    return PolyRecipe(
        iterations=90_000,
        batch_size=16,
        undecayed=("queries_embedder", "level_embed", "token_embedding", "prompt_ctx", "relative_position_bias_table"),
        autocast="float16",
    )


def instsynth_recipe() -> PolyRecipe:
    """Return InstSynth's training: the release's with 4 images a step at the same rate (InstSynth section 2.8 [MAPR24])."""
    return release_recipe().model_copy(update={"batch_size": 4})


def miniature_recipe(iterations: int = 600) -> PolyRecipe:
    """Return a training from scratch in CPU minutes, for :func:`oneformer_miniature`."""
    return release_recipe().model_copy(
        update={
            "iterations": iterations,
            "batch_size": 8,
            "base_lr": 2e-3,
            "backbone_lr_factor": 1.0,
            "warmup_iterations": min(50, iterations // 4),
            "max_gradient_norm": 1.0,
            "autocast": "none",
        }
    )
