"""Training of the miniature CLIP, a plain ``CLIPModel``, on the web split.

Shape suffixes: I pictures, T texts, P patches, K labels.
"""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot
from transformers import CLIPConfig, CLIPImageProcessor, CLIPTokenizer

from methods.common.miniature.backgrounds import BACKGROUNDS
from methods.common.miniature.captions import vocabulary
from methods.common.miniature.categories import CATEGORIES
from methods.common.miniature.judges import augment, image_batch
from methods.common.miniature.model_classes import CLIPModel
from methods.common.miniature.network_training import train_networks
from methods.common.miniature.objects import HUES
from methods.common.miniature.provenance import TrainedPart
from methods.common.miniature.tokenizer import TEXT_LENGTH, build_tokenizer
from methods.common.miniature.training_configs import ClipConfig
from methods.common.miniature.web import WebPool, draw_pool
from methods.common.stage import Context, Inputs

TEXT_WIDTH = 96
PATCH_PX = 8
NUM_LABELS = len(CATEGORIES) + len(BACKGROUNDS)
_PARTICULAR_WORDS = frozenset([*HUES, "slim", "broad"])
_BACKGROUND_WORDS = frozenset([*BACKGROUNDS, "background"])


def build_clip(tokenizer: CLIPTokenizer, image_size_px: int) -> Any:
    """Return an untrained CLIP: text 2 layers, vision 3 layers, both 96 wide, joint space of 64."""
    tokens = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    tower = {"hidden_size": TEXT_WIDTH, "intermediate_size": 4 * TEXT_WIDTH, "num_attention_heads": 4}
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": TEXT_LENGTH, "num_hidden_layers": 2, **tower}
    vision = {"image_size": image_size_px, "patch_size": PATCH_PX, "num_hidden_layers": 3, **tower}
    config = CLIPConfig(
        text_config={**text, **tokens, "projection_dim": 64},
        vision_config={**vision, "projection_dim": 64},
        projection_dim=64,
        logit_scale_init_value=2.3026,
    )
    return CLIPModel(config)


def build_image_processor(image_size_px: int) -> CLIPImageProcessor:
    """Return CLIP's preprocessing at our size: resize, crop, mean and deviation 0.5."""
    half = [0.5, 0.5, 0.5]
    side = image_size_px
    return CLIPImageProcessor(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}, image_mean=half, image_std=half
    )


class DenseHeads(nn.Module):
    """Auxiliary classifiers on the vision tower: what each patch shows, and what the picture shows."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Sequential(nn.LayerNorm(TEXT_WIDTH), nn.Linear(TEXT_WIDTH, NUM_LABELS))
        self.picture = nn.Linear(64, NUM_LABELS)


def patch_shares(semantic_IHW: Tensor) -> Tensor:
    """Return the share of every label in every patch, (I, P, K), of integer label maps."""
    count, height, width = semantic_IHW.shape
    rows, columns = height // PATCH_PX, width // PATCH_PX
    cells = semantic_IHW.reshape(count, rows, PATCH_PX, columns, PATCH_PX).transpose(2, 3)
    return one_hot(cells.reshape(count, rows * columns, -1).long(), NUM_LABELS).float().mean(2)


def true_pairs(pool: WebPool, picks: NDArray[Any]) -> Tensor:
    """Tell which caption is true of which picture, (I, T) in {0, 1}.

    A caption fits every picture with the same categories and, where it names one, the same background; a caption that
    names a colour or build is taken to fit its own picture only.
    """
    fits = torch.eye(len(picks))
    for column, text_index in enumerate(picks):
        words = set(pool.captions[text_index].split())
        if words & _PARTICULAR_WORDS:
            continue
        for row, image_index in enumerate(picks):
            same_background = pool.backgrounds[image_index] == pool.backgrounds[text_index]
            if pool.categories[image_index] == pool.categories[text_index] and (
                same_background or not words & _BACKGROUND_WORDS
            ):
                fits[row, column] = 1.0
    return fits


def _soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy with target distributions over the last dimension."""
    return -(target * logits.log_softmax(-1)).sum(-1).mean()


def contrastive_loss(logits_IT: Tensor, fits_IT: Tensor) -> Tensor:
    """CLIP's symmetric loss where a picture may fit several texts and a text several pictures."""
    by_image = _soft_cross_entropy(logits_IT, fits_IT / fits_IT.sum(1, keepdim=True))
    by_text = _soft_cross_entropy(logits_IT.T, fits_IT.T / fits_IT.T.sum(1, keepdim=True))
    return 0.5 * (by_image + by_text)


def clip_loss(
    model: Any, heads: DenseHeads, image_ICHW: Tensor, tokens_TL: Tensor, fits_IT: Tensor, shares_IPK: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (contrastive loss, auxiliary loss); pictures in [-1, 1]."""
    vision = model.vision_model(pixel_values=image_ICHW)
    text = model.text_model(input_ids=tokens_TL)
    image_ID = model.visual_projection(vision.pooler_output)
    text_TD = normalize(model.text_projection(text.pooler_output), dim=-1)
    logits_IT = model.logit_scale.exp().clamp(max=100.0) * normalize(image_ID, dim=-1) @ text_TD.T
    present_IK = (shares_IPK.amax(1) > 0.2).float()
    picture = _soft_cross_entropy(heads.picture(image_ID), present_IK / present_IK.sum(1, keepdim=True))
    patch = _soft_cross_entropy(heads.patch(vision.last_hidden_state[:, 1:]), shares_IPK)
    return contrastive_loss(logits_IT, fits_IT), picture + patch


def train_clip(inputs: Inputs, config: ClipConfig, context: Context) -> TrainedPart:
    """Build the tokenizer, train CLIP, and save a transformers directory with both and the image processor."""
    tokenizer = build_tokenizer(vocabulary())
    torch.manual_seed(context.seeds.derive("training", "clip", "start"))
    model = build_clip(tokenizer, config.web.image_size_px).to(context.device).train()
    heads = DenseHeads().to(context.device)
    pool = draw_pool(context.seeds.derive("data", "clip"), config.num_pictures, config.web)
    tokens_NL = tokenizer(list(pool.captions), padding="max_length", truncation=True, return_tensors="pt").input_ids

    def loss_of_step(step: int) -> Tensor:
        generator = context.seeds.torch("training", "clip", step)
        picks = context.seeds.numpy("training", "clip", step).integers(config.num_pictures, size=batch_size)
        image_ICHW = augment(image_batch(list(pool.images_NHW3[picks]), context.device), generator) * 2.0 - 1.0
        shares_IPK = patch_shares(torch.from_numpy(pool.semantic_NHW[picks]).to(context.device))
        fits_IT = true_pairs(pool, picks).to(context.device)
        main, auxiliary = clip_loss(model, heads, image_ICHW, tokens_NL[picks].to(context.device), fits_IT, shares_IPK)
        return main + config.dense_weight * auxiliary

    batch_size = config.optimizer.batch_size
    trained = train_networks({"clip": model, "heads": heads}, config.optimizer, loss_of_step, context)
    for part in (model.eval(), tokenizer, build_image_processor(config.web.image_size_px)):
        part.save_pretrained(context.out / "clip")
    return TrainedPart({"losses": trained.losses}, trained.cpu_seconds)
