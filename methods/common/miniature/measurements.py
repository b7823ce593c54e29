"""Measurements of the miniature checkpoints: each function measures one thing and returns plain numbers.

Shape suffixes: N pictures, H, W pixels, 3 colours.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.common.clip import ClipScorer
from methods.common.cutouts.load import DichotomousSegmenter
from methods.common.miniature.attention_maps import WordAttention
from methods.common.miniature.backgrounds import Background
from methods.common.miniature.categories import CATEGORIES, CATEGORY_NAMES
from methods.common.miniature.judges import Judge, image_batch
from methods.common.miniature.training_configs import SamplingConfig
from methods.common.miniature.vae import pixels_to_unit
from methods.common.miniature.web import WebPool, single_object, web_sample
from methods.common.miniature.world_config import WebConfig
from methods.common.segment_anything.sam import Sam

Pictures = NDArray[np.uint8]
"""(N, H, W, 3) RGB."""
_CPU = torch.device("cpu")
_BATCH = 72


def render_balanced(seed: int, per_category: int, backgrounds: Sequence[Background], web: WebConfig) -> WebPool:
    """Draw single objects, ``per_category`` of each, backgrounds in turn; captions are empty."""
    scenes = [
        single_object(seed, index, category, backgrounds[(index + category) % len(backgrounds)], web)
        for index in range(per_category)
        for category in range(len(CATEGORIES))
    ]
    return WebPool(
        images_NHW3=np.stack([scene.image_HW3 for scene in scenes]),
        semantic_NHW=np.stack([scene.semantic_HW for scene in scenes]),
        captions=("",) * len(scenes),
        categories=tuple((scene.instances[0].category,) for scene in scenes),
        backgrounds=tuple(scene.background for scene in scenes),
    )


def single_categories(pool: WebPool) -> NDArray[np.int64]:
    """Return the one category of each picture, int64 (N,)."""
    return np.array([categories[0] for categories in pool.categories])


def recognised(
    judges: Mapping[str, Judge], images: Pictures, categories: NDArray[np.int64]
) -> dict[str, NDArray[np.bool_]]:
    """Tell which pictures each judge names rightly, bool (N,)."""
    image_NCHW = image_batch(list(images), _CPU)
    with torch.no_grad():
        return {name: judge(image_NCHW).argmax(1).numpy() == categories for name, judge in judges.items()}


@torch.no_grad()
def decode_again(vae: Any, images: Pictures) -> Pictures:
    """Return pictures after encoding and decoding."""
    decoded = []
    for start in range(0, len(images), _BATCH):
        latent_NCHW = vae.encode(pixels_to_unit(images[start : start + _BATCH], _CPU)).latent_dist.mode()
        image_NHWC = vae.decode(latent_NCHW).sample.clamp(-1, 1).permute(0, 2, 3, 1)
        decoded.append(((image_NHWC + 1.0) * 127.5).round().byte().numpy())
    return np.concatenate(decoded)


def psnr_db(images: Pictures, others: Pictures) -> float:
    """Return the mean peak signal-to-noise ratio of picture pairs, decibels."""
    error_N = np.square(images.astype(np.float64) - others).mean((1, 2, 3))
    return float(np.mean(10.0 * np.log10(255.0**2 / np.maximum(error_N, 1e-9))))


def generate(pipeline: Any, prompts: Sequence[str], first_seed: int, sampling: SamplingConfig) -> Pictures:
    """Generate one picture a prompt; picture i is drawn from seed ``first_seed + i`` whatever the batch."""
    batches = []
    for start in range(0, len(prompts), _BATCH):
        part = list(prompts[start : start + _BATCH])
        seeds = range(first_seed + start, first_seed + start + len(part))
        output = pipeline(
            part,
            num_inference_steps=sampling.num_steps,
            guidance_scale=sampling.guidance_scale,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="np",
        )
        batches.append((output.images * 255.0 + 0.5).astype(np.uint8, order="C"))
    return np.concatenate(batches)


def overlap(mask_NHW: Tensor, other_NHW: Tensor) -> NDArray[np.float64]:
    """Return intersection over union of two boolean masks for each picture, (N,); 1 where both are empty."""
    both = (mask_NHW & other_NHW).sum((1, 2)).double()
    either = (mask_NHW | other_NHW).sum((1, 2)).double()
    return torch.where(either > 0, both / either.clamp(min=1), 1.0).numpy()


def cut(cutout: DichotomousSegmenter, images: Pictures) -> Tensor:
    """Return the boolean mask of each picture, threshold 0.5."""
    parts = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
    return torch.cat([cutout.soft_mask(image_batch(list(part), _CPU)) > 0.5 for part in parts])


def prompted_overlap(sam: Sam, seed: int, count: int, web: WebConfig) -> dict[str, float]:
    """Ask for every object of held-out scenes, by its exact box and by one random pixel of it.

    Returns:
        mean IoU by box; by point, of the mask with the highest predicted IoU and of the best of three; the counts.
    """
    box_iou, point_iou, best_iou = [], [], []
    rng = np.random.default_rng(seed)
    for index in range(count):
        scene = web_sample(seed, index, web).scene
        masks_NHW = torch.from_numpy(np.stack([instance.mask_HW for instance in scene.instances]))
        # SAM names the box by its outermost pixels.
        boxes_N4 = np.array([instance.box_xyxy for instance in scene.instances], np.float32)
        boxes_N4[:, 2:] -= 1
        places = [rng.choice(np.argwhere(instance.mask_HW)) for instance in scene.instances]
        embedded = sam.embed(scene.image_HW3)
        box_iou.append(overlap(torch.from_numpy(sam.masks_in_boxes(embedded, boxes_N4)[0]), masks_NHW))
        logits_NMHW, predicted_NM = sam.masks_at_points(embedded, np.array(places, np.float32)[:, ::-1].copy())
        iou_NM = np.stack([overlap(logits_NHW > 0, masks_NHW) for logits_NHW in logits_NMHW.unbind(1)], axis=1)
        point_iou.append(np.take_along_axis(iou_NM, predicted_NM.argmax(1, keepdim=True).numpy(), 1)[:, 0])
        best_iou.append(iou_NM.max(axis=1))
    return {
        "sam_box_iou": float(np.concatenate(box_iou).mean()),
        "sam_point_iou": float(np.concatenate(point_iou).mean()),
        "sam_point_iou_best_of_three": float(np.concatenate(best_iou).mean()),
        "num_scenes": count,
        "num_scene_objects": len(np.concatenate(box_iou)),
    }


def zero_shot(clip: ClipScorer, images: Pictures, categories: NDArray[np.int64], template: str) -> float:
    """Return the share of pictures whose most similar class prompt is right."""
    text_TD = clip.embed_texts([template.format(name) for name in CATEGORY_NAMES])
    best_N = (clip.embed_images(list(images)) @ text_TD.T).argmax(1).numpy()
    return float((best_N == categories).mean())


def composite_scores(clip: ClipScorer, images: Pictures, mask_NHW: Tensor, texts: Sequence[str]) -> NDArray[np.float32]:
    """Score cut objects as MRCA does: the larger score of the object on white and on black."""
    solid = mask_NHW.numpy()[..., None]
    scores = [clip.score(list(np.where(solid, images, np.uint8(shade))), texts) for shade in (255, 0)]
    return np.maximum(scores[0], scores[1])


def attention_overlap(
    pipeline: Any,
    cutout: DichotomousSegmenter,
    background: Background,
    categories: Sequence[int],
    first_seed: int,
    sampling: SamplingConfig,
) -> tuple[NDArray[np.float64], Pictures, Tensor]:
    """Compare thresholded attention of the object word with the cut-out network's mask of the generated picture.

    Returns:
        IoU (N,), the pictures, and the attention maps (N, H, W) in [0, 1].
    """
    suffix = "a white background" if background == "white" else background
    prompts = [f"a photo of a {CATEGORY_NAMES[category]} on {suffix}" for category in categories]
    # Begin token, then "a photo of a": the noun is token 5.
    with WordAttention(pipeline, [5] * len(prompts)) as recorded:
        assert len(prompts) <= _BATCH, "one call of the pipeline"
        images = generate(pipeline, prompts, first_seed, sampling)
    map_NHW = recorded.maps(images.shape[1])
    return overlap(map_NHW > 0.5, cut(cutout, images)), images, map_NHW
