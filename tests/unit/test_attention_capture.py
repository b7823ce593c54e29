"""Attention capture: equal to the naive formula, bounded in memory, and never seen in the picture."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor
from torch.utils._python_dispatch import TorchDispatchMode

sys.path.insert(0, str(Path(__file__).parent))
from tiny_pipelines import tiny_sdxl, tiny_stable_diffusion

from methods.common.errors import InputError
from methods.common.generators import attention_capture
from methods.common.generators.attention_capture import AttentionCapture, encode_class_prompts
from methods.common.generators.text_to_image import generate_images

PROMPTS, CLASS_PROMPTS, SEEDS = ["a cat on a mat; cat", "two dogs"], ["cat", "dog dog"], [3, 4]
PIPELINES = {
    "plain": tiny_stable_diffusion,
    "pooled_text": lambda: tiny_stable_diffusion("text"),
    "xl": tiny_sdxl,
}


def sample(pipeline, guidance=3.0, num_steps=3, **options):
    return generate_images(pipeline, PROMPTS, SEEDS, num_steps, guidance, 16, **options)


def captured(pipeline, guidance=3.0, steps=lambda call: True, cross=(8, 4)):
    with AttentionCapture(pipeline, encode_class_prompts(pipeline, CLASS_PROMPTS), (8, 4), cross, steps) as capture:
        images = sample(pipeline, guidance)
    return capture, images


class Naive(AttnProcessor):
    """The whole attention written out, kept for each call."""

    def __init__(self, text_NTC, kept, count):
        super().__init__()
        self.text_NTC, self.kept, self.count = text_NTC, kept, count

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **options):
        own = hidden_states[-self.count :]
        keys = own if encoder_hidden_states is None else self.text_NTC
        query, key = (attn.head_to_batch_dim(x) for x in (attn.to_q(own), attn.to_k(keys)))
        prob = (query @ key.transpose(1, 2) * attn.scale).softmax(-1)
        prob = prob.reshape(self.count, attn.heads, *prob.shape[1:]).mean(1)
        self.kept.setdefault((encoder_hidden_states is not None, prob.shape[1]), []).append(prob)
        return super().__call__(attn, hidden_states, encoder_hidden_states, **options)


def naive_means(pipeline, guidance):
    kept = {}
    pipeline.unet.set_attn_processor(Naive(encode_class_prompts(pipeline, CLASS_PROMPTS), kept, len(PROMPTS)))
    sample(pipeline, guidance)
    return {key: torch.stack(maps).mean(0) for key, maps in kept.items()}


@pytest.mark.parametrize("kind", PIPELINES)
@pytest.mark.parametrize("guidance", [3.0, 1.0])
def test_maps_are_the_naive_means_and_pictures_stay(kind, guidance):
    pipeline = PIPELINES[kind]()
    plain = sample(pipeline, guidance)
    capture, images = captured(pipeline, guidance)
    assert np.array_equal(images, plain)
    assert np.array_equal(sample(pipeline, guidance), plain)
    assert capture.num_calls == capture.num_captured == 3
    expected = naive_means(pipeline, guidance)
    assert sorted(expected) == [(False, 16), (False, 64), (True, 16), (True, 64)]
    for side in (8, 4):
        own, cross = capture.self_attention(side), capture.cross_attention(side)
        assert own.shape == (2, side**2, side**2)
        assert cross.shape == (2, side**2, 16)
        torch.testing.assert_close(own, expected[False, side**2], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(cross, expected[True, side**2], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(own.sum(-1), torch.ones(2, side**2))
        torch.testing.assert_close(cross.sum(-1), torch.ones(2, side**2))


def test_keys_come_from_the_class_prompt_not_from_the_caption():
    pipeline = tiny_stable_diffusion()
    first, _ = captured(pipeline)
    text_NTC = encode_class_prompts(pipeline, CLASS_PROMPTS[::-1])
    with AttentionCapture(pipeline, text_NTC, (8,), (8,)) as other:
        sample(pipeline)
    assert torch.equal(first.self_attention(8), other.self_attention(8))
    assert not torch.allclose(first.cross_attention(8), other.cross_attention(8), atol=1e-4)


def test_without_class_prompts_keys_are_those_of_the_caption():
    pipeline = tiny_stable_diffusion()
    with AttentionCapture(pipeline, None, (), (8,), num_images=2) as read:
        sample(pipeline)
    with AttentionCapture(pipeline, encode_class_prompts(pipeline, PROMPTS), (), (8,)) as given:
        sample(pipeline)
    torch.testing.assert_close(read.cross_attention(8), given.cross_attention(8))


def test_only_chosen_steps_count_and_others_run_plainly():
    pipeline = tiny_stable_diffusion()
    attentions = [module for module in pipeline.unet.modules() if isinstance(module, Attention)]
    hooked = []

    def watch(module, args):
        hooked.append(sum(len(a.to_q._forward_hooks) + len(a.to_k._forward_hooks) for a in attentions) > 0)

    handle = attentions[0].register_forward_pre_hook(watch)
    alone, _ = captured(pipeline, steps=lambda call: call == 1)
    handle.remove()
    assert hooked == [False, True, False]
    assert (alone.num_calls, alone.num_captured) == (3, 1)
    rest, _ = captured(pipeline, steps=lambda call: call != 1)
    everything, _ = captured(pipeline)
    mean = (alone.self_attention(8) + 2 * rest.self_attention(8)) / 3
    torch.testing.assert_close(everything.self_attention(8), mean)
    assert not torch.allclose(alone.self_attention(8), rest.self_attention(8), atol=1e-5)


def test_nothing_stays_behind_even_after_an_error():
    pipeline = tiny_stable_diffusion()
    with pytest.raises(ZeroDivisionError), AttentionCapture(pipeline, torch.zeros(2, 16, 8), (8,), ()):
        sample(pipeline, callback_on_step_end=lambda *arguments: 1 / 0)
    modules = list(pipeline.unet.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)


def test_any_attention_processor_gives_the_same_maps():
    pipeline = tiny_stable_diffusion()
    fused, _ = captured(pipeline)
    pipeline.unet.set_attn_processor(AttnProcessor())
    written_out, _ = captured(pipeline)
    torch.testing.assert_close(fused.self_attention(8), written_out.self_attention(8), atol=1e-6, rtol=1e-4)


def test_half_precision_is_summed_in_float32():
    pipeline = tiny_stable_diffusion().to(dtype=torch.bfloat16)
    capture, _ = captured(pipeline)
    own = capture.self_attention(8)
    assert own.dtype == capture.cross_attention(4).dtype == torch.float32
    torch.testing.assert_close(own.sum(-1), torch.ones(2, 64), atol=1e-5, rtol=0)


class Largest(TorchDispatchMode):
    """The largest tensor that any operation returned."""

    bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.bytes = max(self.bytes, result.numel() * result.element_size())
        return result


@pytest.mark.parametrize("limit", [1, 20 * 64 * 4, 64 * 64 * 4, 3 * 64 * 64 * 4, 2**27])
def test_memory_keeps_its_bound_and_parts_change_nothing(monkeypatch, limit):
    torch.manual_seed(0)
    query, key = torch.randn(2, 5, 64, 12)
    whole = attention_capture._Sum(torch.zeros(5, 64, 64))
    whole.add(query, key, 3, 0.5)
    monkeypatch.setitem(attention_capture.WORKSPACE_BYTES, "cpu", limit)
    parts = attention_capture._Sum(torch.zeros(5, 64, 64))
    with Largest() as largest:
        parts.add(query, key, 3, 0.5)
    torch.testing.assert_close(parts.total, whole.total)
    assert parts.num_heads == 3
    # Beside probabilities there are only queries, keys and the sum itself.
    assert largest.bytes <= max(limit, 5 * 64 * 12 * 4, parts.total.nbytes)


@pytest.mark.parametrize("limit", [1, 1000, 4 * 64 * 64, 10**6])
@pytest.mark.parametrize("images_at_once", [1, 5])
def test_parts_fit_into_the_limit_and_cover_a_layer_once(limit, images_at_once):
    covered = torch.zeros(5, 3, 64, dtype=torch.int64)
    for part in attention_capture._chunks(5, 3, 64, 64, limit, images_at_once):
        covered[part] += 1
        assert 4 * 64 * covered[part].numel() <= max(limit, 4 * 64), "one query is the least"
        assert covered[part].shape[0] <= images_at_once
    assert (covered == 1).all()


def test_latents_that_are_not_square_are_refused():
    pipeline = tiny_stable_diffusion()
    capture = AttentionCapture(pipeline, encode_class_prompts(pipeline, ["cat"]), (8,), (8,))
    with pytest.raises(InputError, match="square pictures, but the latents have 8 x 12 cells"), capture:
        pipeline("a cat", num_inference_steps=1, height=16, width=24)


@pytest.mark.parametrize(("own", "cross", "kind"), [((64, 8), (8,), "self"), ((8,), (64, 8), "cross")])
def test_a_resolution_that_the_network_lacks_is_named(own, cross, kind):
    pipeline = tiny_stable_diffusion()
    capture = AttentionCapture(pipeline, encode_class_prompts(pipeline, CLASS_PROMPTS), own, cross)
    message = f"no {kind}-attention at 64 cells a side: at this picture size it has 8, 4"
    with pytest.raises(InputError, match=message), capture:
        sample(pipeline)


def test_fused_projections_and_other_counts_are_refused():
    pipeline = tiny_stable_diffusion()
    one = encode_class_prompts(pipeline, ["cat"])
    with pytest.raises(InputError, match="denoises 4 latents for 1 prompts"):  # noqa: SIM117
        with AttentionCapture(pipeline, one, (8,), (8,)):
            sample(pipeline)
    with pytest.raises(InputError, match="none of the 3 denoising steps is captured"):
        captured(pipeline, steps=lambda call: call > 5)
    pipeline.unet.fuse_qkv_projections()
    with pytest.raises(InputError, match="unfuse its projections"):
        captured(pipeline, cross=())
