"""Heat maps of the five presets: equal to their formulas written out, one image as in a batch, bounded in memory."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor
from pydantic import ValidationError
from torch.nn.functional import interpolate

sys.path.insert(0, str(Path(__file__).parent))
from tiny_pipelines import tiny_stable_diffusion

from methods.common.errors import InputError
from methods.common.generators import attention_heat_maps
from methods.common.generators.attention_capture import AttentionCapture, Reading, encode_class_prompts
from methods.common.generators.attention_heat_maps import AttentionPrompt, PresetCapture, scale_maps
from methods.common.generators.attention_presets import (
    AttentionPreset,
    attn2mask,
    daam,
    dataset_diffusion,
    diffumask,
    ovam,
)
from methods.common.generators.attention_words import PromptWord, prompt_words
from methods.common.generators.text_to_image import generate_images

STEPS, SIZE = 4, (16, 16)
PROMPTS = [
    AttentionPrompt("a cat on a mat", prompt_words(["cat", "mat"])),
    AttentionPrompt("dog", prompt_words(["dog"])),
]
CAT, MAT = [2, 3, 4], [8, 9, 10]
LAYERS = ("down_blocks.0", "mid_block", "up_blocks.1", "up_blocks.1")


def small(preset: AttentionPreset, **changes) -> AttentionPreset:
    """The preset at the side of a small network, whose middle block has 4 cells a side and whose other layers have 8."""
    sides = {"resolutions": (8, 4), "refinement": (4,)}.get(preset.pooling)
    alone = (("mat", 4),) if preset.one_side_classes else ()
    update = {"cross_sides": sides, "one_side_classes": alone, "self_side": 8, "map_side": 12, **changes}
    return preset.model_copy(update=update)


def run(preset, prompts=PROMPTS, seeds=(3, 4), guidance=3.0, num_steps=STEPS):
    pipeline = tiny_stable_diffusion()
    with PresetCapture(pipeline, preset, prompts, num_steps) as capture:
        captions = [prompt.caption for prompt in prompts]
        generate_images(pipeline, captions, list(seeds)[: len(prompts)], num_steps, guidance, 16)
    return capture


class Written(AttnProcessor):
    """Keeps queries, own keys and the layer of every call."""

    def __init__(self, kept):
        super().__init__()
        self.kept = kept

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **options):
        cross = encoder_hidden_states is not None
        text = encoder_hidden_states if cross else hidden_states
        self.kept.append((cross, attn, attn.to_q(hidden_states), attn.to_k(text)))
        return super().__call__(attn, hidden_states, encoder_hidden_states, **options)


@pytest.fixture(scope="module")
def written():
    """Of the first picture: what each layer did in each evaluation, cross-attention first."""
    pipeline, kept = tiny_stable_diffusion(), []
    pipeline.unet.set_attn_processor(Written(kept))
    generate_images(pipeline, [prompt.caption for prompt in PROMPTS], [3, 4], STEPS, 3.0, 16)
    return pipeline, [kept[call * 8 : call * 8 + 8] for call in range(STEPS)]


def values(record, image=2, text=None, num_tokens=None, scores=False):
    """[H, Q, T] of one layer; image 0 and 1 are the unconditional half, 2 and 3 the conditional one."""
    _, attn, query, own_key = record
    key = own_key[image] if text is None else attn.to_k(text)[0]
    query, key = (x.reshape(x.shape[0], attn.heads, -1).transpose(0, 1) for x in (query[image], key[:num_tokens]))
    score = query @ key.transpose(1, 2) * attn.scale
    return score.detach() if scores else score.softmax(-1).detach()


def cross_layers(calls, blocks, steps=range(STEPS), **options):
    """Values of each layer, one list an evaluation."""
    found = []
    for step in steps:
        layers = [record for record in calls[step] if record[0]]
        assert len(layers) == len(LAYERS)
        found.append(
            [values(one, **options) for one, name in zip(layers, LAYERS, strict=True) if name.split("_")[0] in blocks]
        )
    return found


def square(map_PQ):
    side = round(map_PQ.shape[-1] ** 0.5)
    return map_PQ.reshape(-1, side, side)


def fine(map_Phw, side, mode):
    return interpolate(map_Phw[None], (side, side), mode=mode)[0]


def close(ours, expected):
    torch.testing.assert_close(ours, expected.detach(), atol=1e-6, rtol=1e-5)


def test_attn2mask_reads_the_middle_evaluation_alone(written):
    capture = run(small(attn2mask()))
    layers = cross_layers(written[1], ("down", "up"), [2])[0]
    for word, tokens in enumerate((CAT, MAT)):
        maps = [fine(square(layer[:, :, tokens].mean(2).mean(0)), 12, "bilinear") for layer in layers]
        raw = torch.stack(maps).mean(0)[0]
        found = capture.heat_maps(0, SIZE)
        close(found.raw_MHW[word], raw)
        scaled = (raw - raw.min()) / (raw.max() - raw.min())
        torch.testing.assert_close(found.scaled_MHW[word], fine(scaled[None], 16, "bilinear")[0], atol=1e-3, rtol=1e-3)


def test_scores_are_read_before_softmax(written):
    layers = cross_layers(written[1], ("down", "up"), [2], scores=True)[0]
    maps = [fine(square(layer[:, :, CAT].mean(2).mean(0)), 12, "bilinear") for layer in layers]
    close(run(small(attn2mask(activation="scores"))).heat_maps(0, SIZE).raw_MHW[0], torch.stack(maps).mean(0)[0])


@pytest.mark.parametrize("activation", ["softmax", "scores"])
def test_attn2mask_as_released_reads_the_other_half_and_the_last_piece(written, activation):
    pipeline, calls = written
    text = encode_class_prompts(pipeline, [PROMPTS[0].caption])
    options = {"image": 0, "text": text, "num_tokens": 12, "scores": activation == "scores"}
    layers = cross_layers(calls, ("down", "up"), [2], **options)[0]
    maps = torch.stack([fine(square(layer[:, :, 4].sum(0)), 12, "bilinear")[0] for layer in layers])
    expected = maps.sum(0) if activation == "softmax" else maps.mean(0)
    close(run(small(attn2mask("as_released", activation))).heat_maps(0, SIZE).raw_MHW[0], expected)


@pytest.mark.parametrize(("form", "image"), [("as_meant", 2), ("as_released", 0)])
def test_ovam_adds_everything_up_over_a_text_of_the_word(written, form, image):
    pipeline, calls = written
    capture = run(small(ovam(form)))
    found = capture.heat_maps(0, SIZE)
    for word, name in enumerate(("cat", "mat")):
        text = encode_class_prompts(pipeline, [name])
        layers = [
            one for call in cross_layers(calls, ("down", "up"), image=image, text=text, num_tokens=5) for one in call
        ]
        raw = sum(fine(square(layer[:, :, 1:4].mean(2).sum(0)), 12, "bilinear")[0] for layer in layers)
        close(found.raw_MHW[word], raw)
        high = fine(raw[None], 16, "bilinear")[0]
        close(found.scaled_MHW[word], high / high.max())


def test_daam_cuts_negatives_of_each_layer_and_head_after_the_sum_over_time(written):
    layers = cross_layers(written[1], ("down", "up"))
    heads = [
        fine(square(sum(call[layer][head, :, token] for call in layers)), 12, "bicubic")[0].clamp(min=0)
        for layer in range(3)
        for head in range(4)
        for token in CAT
    ]
    raw = torch.stack(heads).mean(0)
    found = run(small(daam())).heat_maps(0, SIZE)
    close(found.raw_MHW[0], raw)
    high = fine(raw[None], 16, "bicubic")[0]
    torch.testing.assert_close(
        found.scaled_MHW[0], (high - high.min()) / (high.max() - high.min()), atol=1e-3, rtol=1e-3
    )


def test_daam_cuts_what_a_sharp_map_overshoots():
    """Bicubic weights are negative beside a peak; what they take from one layer must not count against another."""
    sharp, wide = torch.zeros(4, 4), torch.full((4, 4), 0.3)
    sharp[1, 2] = 1.0
    layers = [SimpleNamespace(mean_NHQP=one.reshape(1, 1, 16, 1)) for one in (sharp, wide)]
    capture = SimpleNamespace(layers_apart=lambda: layers, num_captured=5)
    found = attention_heat_maps._pool_heads(capture, 0, slice(None), small(daam()))
    fine_sharp = fine(5 * sharp[None], 12, "bicubic")[0]
    assert fine_sharp.min() < -0.01
    close(found[0], (fine_sharp.clamp(min=0) + 1.5) / 2)


def test_diffumask_scales_each_piece_and_resolution_by_its_own_maximum(written):
    calls = cross_layers(written[1], ("down", "mid", "up"))

    def resolution(side, token):
        maps = [layer[:, :, token].mean(0) for call in calls for layer in call if layer.shape[1] == side**2]
        high = fine(square(torch.stack(maps).mean(0)), 16, "bicubic")[0]
        return high / high.max()

    found = run(small(diffumask())).heat_maps(0, SIZE)
    cat = torch.stack([(resolution(8, token) + resolution(4, token)) / 2 for token in CAT]).mean(0)
    mat = torch.stack([resolution(4, token) for token in MAT]).mean(0)
    close(found.raw_MHW, torch.stack([cat, mat]))
    close(found.scaled_MHW, torch.stack([cat, mat]))


def test_dataset_diffusion_refines_attention_to_the_class_names(written):
    pipeline, calls = written
    text = encode_class_prompts(pipeline, ["cat mat"])
    middle = [layer for call in cross_layers(calls, ("mid",), text=text) for layer in call]
    own = [values(record) for call in calls for record in call if not record[0] and record[2].shape[1] == 64]
    self_QQ = torch.stack(own).mean((0, 1)).double()
    found = run(small(dataset_diffusion())).heat_maps(0, SIZE)
    for word, tokens in enumerate(([1, 2, 3], [4, 5, 6])):
        coarse = torch.stack(middle).mean((0, 1))[:, tokens].mean(1)
        map_Q = fine(square(coarse), 8, "bicubic").flatten().double()
        raw = torch.linalg.matrix_power(self_QQ, 4) @ map_Q
        close(found.raw_MHW[word].flatten(), raw.float())


ALL = {
    "attn2mask": attn2mask(),
    "attn2mask_released": attn2mask("as_released"),
    "ovam": ovam(),
    "daam": daam(),
    "diffumask": diffumask(),
    "dataset_diffusion": dataset_diffusion(),
}


@pytest.mark.parametrize("name", ALL)
def test_a_picture_of_a_batch_has_the_maps_that_it_has_alone(name):
    both = run(small(ALL[name]))
    for index, prompt in enumerate(PROMPTS):
        alone = run(small(ALL[name]), [prompt], [(3, 4)[index]])
        ours, expected = both.heat_maps(index, SIZE).raw_MHW, alone.heat_maps(0, SIZE).raw_MHW
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)


HELD = {  # numbers held for the first prompt, with 3 tokens of "cat" and 3 of "mat"
    "attn2mask": 6 * 64,
    "attn2mask_released": 6 * 64,
    "ovam": 6 * 64,
    "daam": 3 * 4 * 6 * 64,
    "diffumask": 6 * (64 + 16),
    "dataset_diffusion": 64 * 64 + 6 * 16,
}


@pytest.mark.parametrize("name", ALL)
def test_memory_does_not_grow_with_steps(name):
    held = [run(small(ALL[name]), PROMPTS[:1], num_steps=steps).held_bytes for steps in (1, 5)]
    assert held == [4 * HELD[name]] * 2


def test_captures_beside_each_other_do_not_disturb(written):
    pipeline = tiny_stable_diffusion()
    with PresetCapture(pipeline, small(daam()), PROMPTS, STEPS) as first:  # noqa: SIM117
        with PresetCapture(pipeline, small(ovam()), PROMPTS, STEPS):
            generate_images(pipeline, [prompt.caption for prompt in PROMPTS], [3, 4], STEPS, 3.0, 16)
    alone = run(small(daam()))
    torch.testing.assert_close(first.heat_maps(0, SIZE).raw_MHW, alone.heat_maps(0, SIZE).raw_MHW)


def test_the_unconditional_half_needs_guidance():
    with pytest.raises(InputError, match="without guidance there is none; set a guidance scale above 1"):
        run(small(attn2mask("as_released")), guidance=1.0)


def test_without_guidance_the_only_half_is_read():
    assert run(small(attn2mask()), guidance=1.0).heat_maps(0, SIZE).constant == ()


def test_a_step_behind_the_last_one_is_refused():
    with pytest.raises(InputError, match="none of the 4 denoising steps is captured"):
        run(small(attn2mask(), steps=50))


def test_blocks_without_layers_are_refused():
    pipeline = tiny_stable_diffusion()
    with pytest.raises(InputError, match="no cross-attention at 4 cells a side"):  # noqa: SIM117
        with AttentionCapture(pipeline, None, (), (4,), num_images=1, reading=Reading(blocks=("up",))):
            generate_images(pipeline, ["a"], [1], 1, 3.0, 16)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("bad", [0.25, torch.nan, torch.inf])
def test_a_constant_map_or_one_without_numbers_is_zero_and_named(name, bad):
    good = torch.rand(16, 16, generator=torch.Generator().manual_seed(1))
    flat = torch.full((16, 16), 0.25)
    flat[3, 4] = bad
    found = scale_maps(torch.stack([flat, good]), ["cat", "dog"], small(ALL[name]), SIZE)
    assert found.constant == ("cat",)
    assert not found.scaled_MHW[0].any()
    assert found.scaled_MHW[1].isfinite().all()
    assert found.scaled_MHW[1].max() > 0.9


def test_attention_that_is_no_number_is_told():
    pipeline = tiny_stable_diffusion()
    with PresetCapture(pipeline, small(diffumask()), PROMPTS[:1], 1) as capture:
        generate_images(pipeline, ["a cat on a mat"], [3], 1, 3.0, 16)
    for found in capture._captures[0]._sums.values():
        found.total[..., 0] = torch.nan
    found = capture.heat_maps(0, SIZE)
    assert found.constant == ("cat",)
    assert not found.scaled_MHW[0].any()
    assert found.scaled_MHW[1].any()


@pytest.mark.parametrize(
    "changes",
    [
        {"pooling": "resolutions", "scaling": "none"},
        {"pooling": "refinement", "cross_sides": (16, 8)},
        {"pooling": "layers_and_heads", "heads": "sum"},
        {"scaling": "none"},
        {"search": "word_number"},
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes):
    with pytest.raises(ValidationError):
        AttentionPreset(**{"pooling": "layers", "scaling": "min_max_then_resize", **changes})


def test_resolutions_of_one_class_are_read_for_it_only():
    preset = diffumask()
    assert preset.sides_for(["cat"]) == (64, 32, 16)
    assert preset.sides_for(["sofa"]) == (8,)
    assert preset.sides_for(["diningtable", "train"]) == (16, 8)
    assert preset.sides_for(["tvmonitor", "dog"]) == (64, 32, 16, 8)


def test_a_later_picture_may_need_a_resolution_that_the_first_does_not():
    preset = small(diffumask(), cross_sides=(8,))
    both = run(preset, [PROMPTS[1], PROMPTS[0]], (4, 3))
    alone = run(preset, PROMPTS[:1], (3,))
    torch.testing.assert_close(both.heat_maps(1, SIZE).raw_MHW, alone.heat_maps(0, SIZE).raw_MHW, atol=1e-5, rtol=1e-4)


def test_each_of_three_words_is_read_at_its_own_pieces():
    """Whatever stands before it: the third word alone has the same map."""
    caption = "a cat on a mat by a dog"
    three = run(small(attn2mask()), [AttentionPrompt(caption, prompt_words(["cat", "mat", "dog"]))], (3,))
    alone = run(small(attn2mask()), [AttentionPrompt(caption, prompt_words(["dog"]))], (3,))
    close(three.heat_maps(0, SIZE).raw_MHW[2], alone.heat_maps(0, SIZE).raw_MHW[0])


def test_a_word_of_the_prompt_stands_in_for_its_class():
    prompt = AttentionPrompt("a tabby on a mat", (PromptWord("cat", "tabby"),))
    capture = run(small(attn2mask()), [prompt])
    same = AttentionPrompt("a tabby on a mat", (PromptWord("tabby", "tabby", ((2, 7),)),))
    assert torch.equal(capture.heat_maps(0, SIZE).raw_MHW, run(small(attn2mask()), [same]).heat_maps(0, SIZE).raw_MHW)
