"""CLIP scores on the shipped miniature and on an untrained model of CLIP's own shape."""

import numpy as np
import pytest
import torch
from PIL import Image

from methods.common.clip import ClipScorer
from methods.common.errors import InputError
from methods.common.miniature.measurements import render_balanced, single_categories, zero_shot
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.world_config import WebConfig


@pytest.fixture(scope="module")
def clip():
    return ClipScorer.from_pretrained(CHECKPOINTS / "clip")


@pytest.fixture(scope="module")
def pool():
    return render_balanced(4321, 2, ("white", "sand", "sky"), WebConfig())


def test_weights_are_float32_whatever_the_file(clip):
    assert {p.dtype for p in clip.model.parameters()} == {torch.float32}


def test_scores_are_100_times_the_cosine_of_unit_vectors(clip, pool):
    images, texts = list(pool.images_NHW3[:3]), ["a photo of a coin", "a photo of a moon", "a photo of a coin"]
    image_ID, text_TD = clip.embed_images(images), clip.embed_texts(texts)
    assert torch.allclose(image_ID.norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.allclose(text_TD.norm(dim=1), torch.ones(3), atol=1e-5)
    expected = 100 * (image_ID * text_TD).sum(1)
    assert np.allclose(clip.score(images, texts), expected, atol=1e-3)


def test_transformers_own_forward_agrees(clip, pool):
    texts = ["a photo of a coin", "a photo of a moon"]
    tokens = clip.tokenizer(texts, padding=True, return_tensors="pt")
    pixels = clip.processor(images=[Image.fromarray(i) for i in pool.images_NHW3[:2]], return_tensors="pt")
    with torch.no_grad():
        logits = clip.model(**tokens, **pixels).logits_per_image / clip.model.logit_scale.exp()
    assert np.allclose(clip.score(list(pool.images_NHW3[:2]), texts), 100 * logits.diagonal(), atol=1e-2)


def test_arrays_and_pil_pictures_score_alike_and_batches_do_not_matter(clip, pool):
    arrays = [pool.images_NHW3[k % 72] for k in range(66)]
    from_arrays = clip.score(arrays, ["a photo of a coin"])
    assert np.allclose(from_arrays[:2], clip.score([Image.fromarray(a) for a in arrays[:2]], ["a photo of a coin"]))
    assert np.allclose(from_arrays[65], clip.score(arrays[65:], ["a photo of a coin"]), atol=1e-3)


def test_nothing_scores_nothing(clip):
    assert clip.score([], []).shape == (0,)


def test_zero_shot_reaches_its_bar(clip, pool):
    assert zero_shot(clip, pool.images_NHW3, single_categories(pool), "a photo of a {}") >= 0.8


def test_a_folder_without_clip_is_one_clear_sentence(tmp_path):
    with pytest.raises(InputError, match="holds no CLIP"):
        ClipScorer.from_pretrained(tmp_path)
