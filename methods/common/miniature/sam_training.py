"""Training of the miniature Segment Anything model on scenes of the web split, prompted by boxes and points.

Shape suffixes: N pictures, P prompts, M masks a prompt, C channels, H, W pixels, S spots of the image embedding a side,
T tokens a prompt.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, max_pool2d, mse_loss, pixel_shuffle
from transformers import SamConfig, SamImageProcessor, SamMaskDecoderConfig, SamPromptEncoderConfig, SamVisionConfig

from methods.common.miniature.judges import augment, image_batch
from methods.common.miniature.model_classes import SamModel
from methods.common.miniature.network_training import train_networks
from methods.common.miniature.provenance import TrainedPart
from methods.common.miniature.training_configs import SamTrainingConfig
from methods.common.miniature.web import web_sample
from methods.common.miniature.world_config import WebConfig
from methods.common.segment_anything.sam import PIXEL_MEAN, PIXEL_STD
from methods.common.stage import Context, Inputs

_WIDTH, _PATCH_PX = 64, 4
_DENSE = 2
"""Channels of the auxiliary loss: object, edge."""


@dataclass(frozen=True)
class ScenePool:
    """Pictures with the number of the object that each pixel shows; networks see them many times."""

    images_NHW3: NDArray[np.uint8]
    objects_NHW: NDArray[np.uint8]
    """0 where no object is visible, else 1, 2, ... back to front."""


def draw_scenes(seed: int, count: int, config: WebConfig) -> ScenePool:
    """Draw samples 0..count-1 of a stream of the web split."""
    side = config.image_size_px
    images_NHW3 = np.empty((count, side, side, 3), np.uint8)
    objects_NHW = np.zeros((count, side, side), np.uint8)
    for index in range(count):
        scene = web_sample(seed, index, config).scene
        images_NHW3[index] = scene.image_HW3
        for number, instance in enumerate(scene.instances, 1):
            objects_NHW[index][instance.mask_HW] = number
    return ScenePool(images_NHW3, objects_NHW)


def build_sam(image_size_px: int) -> Any:
    """Return an untrained `SamModel` of 0.4 million parameters.

    Weights start as torch starts them, as in the release; what transformers would start with only suits weights that
    replace it. Positions are encoded with frequencies of deviation 1, as in the release.
    """
    vision = SamVisionConfig(
        hidden_size=_WIDTH,
        output_channels=_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=image_size_px,
        patch_size=_PATCH_PX,
        mlp_ratio=2.0,
        window_size=8,
        global_attn_indexes=(1,),
        num_pos_feats=_WIDTH // 2,
    )
    prompt = SamPromptEncoderConfig(
        hidden_size=_WIDTH, image_size=image_size_px, patch_size=_PATCH_PX, mask_input_channels=16
    )
    decoder = SamMaskDecoderConfig(hidden_size=_WIDTH, mlp_dim=128, num_attention_heads=4, iou_head_hidden_dim=_WIDTH)
    model = SamModel(
        SamConfig(
            vision_config=vision.to_dict(),
            prompt_encoder_config=prompt.to_dict(),
            mask_decoder_config=decoder.to_dict(),
        )
    )
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
            module.reset_parameters()
    positions = model.shared_image_embedding.positional_embedding
    nn.init.normal_(positions, std=1.0)
    positions.requires_grad_(False)
    nn.init.normal_(model.vision_encoder.pos_embed, std=0.02)
    return model


def build_image_processor(image_size_px: int) -> SamImageProcessor:
    """Return the preprocessing that the model was trained with, in the layout of the real ones."""
    side = {"longest_edge": image_size_px}
    square = {"height": image_size_px, "width": image_size_px}
    return SamImageProcessor(
        size=side,
        mask_size=side,
        pad_size=square,
        mask_pad_size=square,
        image_mean=list(PIXEL_MEAN),
        image_std=list(PIXEL_STD),
    )


@dataclass(frozen=True)
class Prompts:
    """What is asked of the model in one step."""

    picture_P: NDArray[np.int64]
    """Which picture of the batch each prompt belongs to."""
    mask_PHW: NDArray[np.bool_]
    """The right answer."""
    point_P2: NDArray[np.float32]
    """A pixel (x, y) of the answer."""
    box_P4: NDArray[np.float32]
    """Its box (left, top, right, bottom), pixels, jittered."""
    by_point_P: NDArray[np.bool_]
    """Whether it is asked for by its point; otherwise by its box."""


def draw_prompts(objects_NHW: NDArray[np.uint8], config: SamTrainingConfig, rng: np.random.Generator) -> Prompts:
    """Choose objects, every third one by a point, the others by a jittered box.

    No point asks for the background, which would be a mask without a class. Source: our choice.
    """
    pictures: list[int] = []
    masks, points, boxes, by_point = [], [], [], []
    height, width = objects_NHW.shape[1:]
    for picture, objects_HW in enumerate(objects_NHW):
        for _ in range(config.prompts_per_picture):
            is_point = len(pictures) % 3 == 0
            mask_HW = objects_HW == 1 + int(rng.integers(max(1, int(objects_HW.max()))))
            rows, columns = np.nonzero(mask_HW)
            if not len(rows):
                continue
            spot = int(rng.integers(len(rows)))
            box = np.array([columns.min(), rows.min(), columns.max(), rows.max()], np.float32)
            box += rng.normal(0.0, config.box_jitter_px, 4).astype(np.float32)
            pictures.append(picture)
            masks.append(mask_HW)
            points.append((columns[spot], rows[spot]))
            boxes.append(box.clip(0, [width - 1, height - 1, width - 1, height - 1]))
            by_point.append(is_point)
    return Prompts(
        np.array(pictures),
        np.stack(masks),
        np.array(points, np.float32),
        np.stack(boxes).astype(np.float32),
        np.array(by_point),
    )


def decode(
    model: Any, embedding_NCSS: Tensor, picture_P: Tensor, tokens_PTC: Tensor, multimask: bool
) -> tuple[Tensor, Tensor]:
    """Answer every prompt of a batch in one call of the decoder.

    Returns:
        mask logits (P, M, H, W) and predicted IoUs (P, M); M is 3 with ``multimask``, else 1.
    """
    embedding_PCSS = embedding_NCSS[picture_P]
    positions = model.get_image_wide_positional_embeddings().expand(len(picture_P), -1, -1, -1)
    dense = model.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand_as(embedding_PCSS)
    masks, ious = model.mask_decoder(embedding_PCSS, positions, tokens_PTC[:, None], dense, multimask)
    return masks[:, 0], ious[:, 0]


def prompt_loss(logits_PMHW: Tensor, iou_PM: Tensor, mask_PHW: Tensor) -> Tensor:
    """Cross-entropy plus Dice of each prompt's masks, plus the squared error of all predicted IoUs.

    Source: SAM (the minimum over masks, the squared error). Ours: cross-entropy instead of its focal loss, and the mean
    over masks with equal weight beside the minimum, as a point is not ambiguous here: objects have no parts.
    """
    target_PMHW = mask_PHW[:, None].expand_as(logits_PMHW)
    prob_PMHW = logits_PMHW.sigmoid()
    overlap_PM = (prob_PMHW * target_PMHW).sum((2, 3))
    dice_PM = 1.0 - (2.0 * overlap_PM + 1.0) / (prob_PMHW.sum((2, 3)) + target_PMHW.sum((2, 3)) + 1.0)
    entropy_PM = binary_cross_entropy_with_logits(logits_PMHW, target_PMHW, reduction="none").mean((2, 3))
    with torch.no_grad():
        found, wanted = logits_PMHW > 0, target_PMHW > 0.5
        true_PM = (found & wanted).sum((2, 3)) / (found | wanted).sum((2, 3)).clamp(min=1)
    loss_PM = entropy_PM + dice_PM
    return 0.5 * (loss_PM.amin(1) + loss_PM.mean(1)).mean() + mse_loss(iou_PM, true_PM)


def _dense_loss(head: nn.Module, embedding_NCSS: Tensor, objects_NHW: NDArray[np.uint8]) -> Tensor:
    """Ask each spot of the embedding for objects and their edges: without this little is learnt."""
    device = embedding_NCSS.device
    logits_NKHW = pixel_shuffle(head(embedding_NCSS), _PATCH_PX)
    objects_N1HW = torch.from_numpy(objects_NHW).to(device)[:, None].float()
    edges = max_pool2d(objects_N1HW, 3, 1, 1) != -max_pool2d(-objects_N1HW, 3, 1, 1)
    wanted = torch.cat([objects_N1HW > 0, edges], 1).float()
    return binary_cross_entropy_with_logits(logits_NKHW, wanted)


def _normalised(image_NCHW: Tensor) -> Tensor:
    mean_C11, std_C11 = (image_NCHW.new_tensor(values)[:, None, None] for values in (PIXEL_MEAN, PIXEL_STD))
    return (image_NCHW - mean_C11) / std_C11


def train_sam(inputs: Inputs, config: SamTrainingConfig, context: Context) -> TrainedPart:
    """Train and save a Segment Anything folder."""
    torch.manual_seed(context.seeds.derive("training", "sam", "start"))
    side = config.web.image_size_px
    model = build_sam(side).to(context.device).train()
    head = nn.Conv2d(_WIDTH, _DENSE * _PATCH_PX**2, 1).to(context.device)
    pool = draw_scenes(context.seeds.derive("data", "sam"), config.num_pictures, config.web)

    def loss_of_step(step: int) -> Tensor:
        rng = context.seeds.numpy("training", "sam", step)
        picks = rng.integers(config.num_pictures, size=config.optimizer.batch_size)
        images_NHW3, objects_NHW = pool.images_NHW3[picks], pool.objects_NHW[picks]
        if rng.uniform() < 0.5:
            images_NHW3, objects_NHW = images_NHW3[:, :, ::-1].copy(), objects_NHW[:, :, ::-1].copy()
        prompts = draw_prompts(objects_NHW, config, rng)
        picture_P, mask_PHW = (torch.from_numpy(a).to(context.device) for a in (prompts.picture_P, prompts.mask_PHW))
        generator = context.seeds.torch("training", "sam", step)
        image_NCHW = augment(image_batch(list(images_NHW3), context.device), generator)
        embedding_NCSS = model.vision_encoder(_normalised(image_NCHW)).last_hidden_state
        tokens = {True: _point_tokens(model, prompts.point_P2), False: _box_tokens(model, prompts.box_P4)}
        loss = config.dense_weight * _dense_loss(head, embedding_NCSS, objects_NHW)
        by_point_P = torch.from_numpy(prompts.by_point_P).to(context.device)
        for multimask, part in ((True, by_point_P), (False, ~by_point_P)):
            logits, ious = decode(model, embedding_NCSS, picture_P[part], tokens[multimask][part], multimask)
            loss = loss + prompt_loss(logits, ious, mask_PHW[part].float())
        return loss

    trained = train_networks({"sam": model, "head": head}, config.optimizer, loss_of_step, context)
    model.eval().save_pretrained(context.out / "sam")
    build_image_processor(side).save_pretrained(context.out / "sam")
    return TrainedPart({"losses": trained.losses}, trained.cpu_seconds)


def _point_tokens(model: Any, point_P2: NDArray[np.float32]) -> Tensor:
    """Return the tokens of one foreground point a prompt, (P, 2, C)."""
    point_P112 = torch.from_numpy(point_P2)[:, None, None].to(model.device)
    labels_P11 = torch.ones(point_P112.shape[:3], dtype=torch.int64, device=model.device)
    tokens: Tensor = model.prompt_encoder(point_P112, labels_P11, None, None)[0][:, 0]
    return tokens


def _box_tokens(model: Any, box_P4: NDArray[np.float32]) -> Tensor:
    """Return the tokens of one box a prompt, (P, 2, C)."""
    tokens: Tensor = model.prompt_encoder(None, None, torch.from_numpy(box_P4)[:, None].to(model.device), None)[0][:, 0]
    return tokens
