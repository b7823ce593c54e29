"""Attention presets against stored maps of the official DAAM, OVAM, Attn2mask, Dataset Diffusion and DiffuMask code.

All read one sampling run of a small Stable Diffusion with the real one's topology. How close is equal is told by the data's README: what a
change of the first latents by rounding does to each map.
"""

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from methods.common.generators.attention_capture import AttentionCapture, Reading
from methods.common.generators.attention_heat_maps import AttentionPrompt, HeatMaps, PresetCapture
from methods.common.generators.attention_masks import Thresholds, label_pixels, normalise
from methods.common.generators.attention_presets import (
    AttentionPreset,
    attn2mask,
    daam,
    dataset_diffusion,
    diffumask,
    ovam,
)
from methods.common.generators.attention_words import prompt_words
from tests.parity.tiny_stable_diffusion import FOLDER, first_latents, tiny_stable_diffusion

SIZE = (512, 512)
VOC_IDS = {"aeroplane": 1, "cat": 8}
_WHOLE_TEXT = {"keys": "caption"}
PRESETS: dict[str, AttentionPreset] = {
    "daam": daam("as_released"),
    "daam_meant": daam(),
    "diffumask": diffumask("as_released"),
    "diffumask_meant": diffumask(),
    "ovam_uncond_softmax": ovam("as_released").model_copy(update=_WHOLE_TEXT),
    "ovam_cond_softmax": ovam().model_copy(update=_WHOLE_TEXT),
    "ovam_uncond_linear": ovam("as_released", "scores").model_copy(update=_WHOLE_TEXT),
    "ovam_cond_linear": ovam("as_meant", "scores").model_copy(update=_WHOLE_TEXT),
    "ovam_word": ovam("as_released"),
    "dd_official": dataset_diffusion("as_released"),
    "dd_span": dataset_diffusion(),
    **{
        f"attn2mask_{half[:-7]}_{name}": attn2mask("as_released", activation).model_copy(update={"half": half})
        for half in ("conditional", "unconditional")
        for name, activation in (("softmax", "softmax"), ("linear", "scores"))
    },
    "attn2mask_meant": attn2mask(),
}


class Run:
    """Stored maps, and all of ours from one sampling call."""

    def __init__(self, golden: dict[str, np.ndarray], pipeline) -> None:
        self.golden = golden
        words = tuple(str(word) for word in golden["words"])
        self.words = words
        caption = str(golden["prompt"])
        prompt = AttentionPrompt(caption, prompt_words(words))
        classes = tuple(sorted(words, key=str(golden["class_prompt"]).index))
        self.classes = AttentionPrompt(caption, prompt_words(classes))
        steps, evaluation, guidance = (float(value) for value in golden["steps_capture_guidance"])
        places = (tuple(int(token) for token in golden["raw_tokens"]),)
        reading = Reading(apart=True, positions=places)
        with ExitStack() as stack:
            self.ours = {
                name: stack.enter_context(
                    PresetCapture(pipeline, preset, [self.classes if name.startswith("dd") else prompt], int(steps))
                )
                for name, preset in PRESETS.items()
            }
            self.raw = [
                stack.enter_context(AttentionCapture(pipeline, None, (), None, chosen, num_images=1, reading=reading))
                for chosen in (lambda call: True, lambda call: call == int(evaluation))
            ]
            self.latents = pipeline(
                caption,
                num_inference_steps=int(steps),
                guidance_scale=guidance,
                latents=first_latents(int(golden["latent_seed"])),
                output_type="latent",
            ).images
        self._maps: dict[str, HeatMaps] = {}

    def maps(self, name: str) -> HeatMaps:
        if name not in self._maps:
            self._maps[name] = self.ours[name].heat_maps(0, SIZE)
        return self._maps[name]

    def pieces(self, name: str) -> Tensor:
        """The map of every token, in the prompt's order, which is that of the words."""
        return torch.cat([self.ours[name].piece_maps(0, word, SIZE) for word in range(len(self.words))])

    def rows(self, word: str) -> list[int]:
        """Rows of the stored maps that are a word's tokens."""
        spans = json.loads(str(self.golden["word_spans"]))
        return [list(self.golden["raw_tokens"]).index(token) for token in spans[word]]

    def check(self, name: str, ours: Tensor, within: float) -> None:
        expected = self.golden[name].astype(np.float64)
        assert ours.shape == expected.shape, name
        assert np.abs(ours.double().numpy() - expected).max() < within, name


@pytest.fixture(scope="module")
def run(shared: Path) -> Run:
    path = shared / FOLDER / "attention_tiny_sd_public.npz"
    if not path.is_file():
        pytest.skip(f"no stored attention at {path}")
    golden = dict(np.load(path))
    return Run(golden, tiny_stable_diffusion(shared, int(golden["salt"])))


def test_pictures_and_every_layer_are_those_of_the_reference(run: Run) -> None:
    run.check("latents_final", run.latents, 2e-3)
    for kept, name in zip(run.raw, ("raw_mean", "raw_step3"), strict=True):
        layers = kept.layers_apart()
        assert len(layers) == 16
        for layer in layers:
            block, _, rest = layer.name.partition(".attentions.")
            stored = f"{name}/{block}.{rest.split('.')[0]}"
            half_precision = 2e-4 if run.golden[stored].dtype == np.float16 else 0
            run.check(stored, layer.mean_NHQP[0].mean(0).T, 5e-5 + half_precision)
    assert [kept.num_captured for kept in run.raw] == [7, 1]  # PNDM takes one evaluation more than steps


def test_daam(run: Run) -> None:
    run.check("daam_tokens", run.pieces("daam"), 2e-5)
    for number, word in enumerate(run.words):
        run.check(f"daam_word_{word}", run.maps("daam").raw_MHW[number], 2e-5)
        scaled = run.maps("daam").scaled_MHW[number]
        run.check(f"daam_expand512_s8_{word}", scaled[::8, ::8], 5e-5)
        assert_few_differ(scaled > 0.4, run.golden[f"daam_mask512_t0.4_{word}"])
    torch.testing.assert_close(run.maps("daam_meant").raw_MHW, run.maps("daam").raw_MHW)


@pytest.mark.parametrize("name", ["uncond_softmax", "cond_softmax", "uncond_linear", "cond_linear"])
def test_ovam_over_the_prompt(run: Run, name: str) -> None:
    run.check(f"ovam_{name}_sumtime_prompt", run.pieces(f"ovam_{name}"), 3e-3)


def test_ovam_over_a_word(run: Run) -> None:
    for number, word in enumerate(run.words):
        run.check(f"ovam_uncond_softmax_sumtime_word_{word}", run.ours["ovam_word"].piece_maps(0, number, SIZE), 3e-3)
        assert_few_differ(
            run.maps("ovam_word").scaled_MHW[number] > 0.4, run.golden[f"ovam_mask512_max_t0.4_meanpiece_{word}"]
        )


@pytest.mark.parametrize("name", ["uncond_softmax", "cond_softmax", "uncond_linear", "cond_linear"])
def test_attn2mask_as_released(run: Run, name: str) -> None:
    stored = run.golden[f"attn2mask_{name}_step3_prompt"]
    for number, word in enumerate(run.words):
        last = run.rows(word)[-1]
        assert np.abs(run.maps(f"attn2mask_{name}").raw_MHW[number].numpy() - stored[last]).max() < 1e-3
        for beta in (0.2, -0.2):
            label = run.golden.get(f"attn2mask_label512_{name}_lastpiece_beta{beta}_{word}")
            if label is not None:
                assert_few_differ(run.maps(f"attn2mask_{name}").scaled_MHW[number] > (1 - beta) / 2, label)


def test_attn2mask_as_meant_is_the_mean_of_stored_layers(run: Run) -> None:
    layers = [name for name in run.golden if name.startswith("raw_step3/") and "mid_block" not in name]
    assert len(layers) == 15
    for number, word in enumerate(run.words):
        total: Tensor | float = 0.0
        for name in layers:
            map_Q = torch.from_numpy(run.golden[name][run.rows(word)].astype(np.float32)).mean(0)
            side = round(len(map_Q) ** 0.5)
            square = map_Q.reshape(1, 1, side, side)
            total = total + torch.nn.functional.interpolate(square, (64, 64), mode="bilinear")[0, 0] / 15
        torch.testing.assert_close(run.maps("attn2mask_meant").raw_MHW[number], total, atol=1e-4, rtol=0)


def test_diffumask(run: Run) -> None:
    for number, word in enumerate(run.words):
        for name in ("diffumask", "diffumask_meant"):
            map_HW = run.maps(name).scaled_MHW[number]
            run.check(f"diffumask_cam512_s8_{word}", map_HW[::8, ::8], 5e-5)
            assert abs(float(map_HW.max()) - run.golden[f"diffumask_max_{word}"]) < 5e-5
            assert abs(float(map_HW.min()) - run.golden[f"diffumask_min_{word}"]) < 5e-5


@pytest.mark.parametrize("form", ["official", "span"])
def test_dataset_diffusion(run: Run, form: str) -> None:
    maps = run.maps(f"dd_{form}")
    run.check(f"dd_{form}_heat32", normalise(maps.raw_MHW)[0], 1e-3)
    run.check(f"dd_{form}_heat512_s8", maps.scaled_MHW[:, ::8, ::8], 1e-3)
    labels = [VOC_IDS.get(word.class_name, 0) for word in run.classes.words]
    if all(labels):
        label_HW = label_pixels(maps.scaled_MHW, torch.tensor(labels, dtype=torch.uint8), Thresholds())
        assert_few_differ(label_HW, run.golden[f"dd_{form}_mask512"], share=2e-3)


def test_as_meant_and_as_released_differ_where_released_code_reads_another_token(run: Run) -> None:
    span, official = run.maps("dd_span").raw_MHW, run.maps("dd_official").raw_MHW
    assert (span - official).abs().amax((1, 2)).min() > 1e-3


def assert_few_differ(ours: Tensor, expected: np.ndarray, share: float = 2e-4) -> None:
    """Pixels on a threshold may fall to either side."""
    differing = int((ours.numpy().astype(np.int64) != expected).sum())
    assert differing <= share * expected.size, differing
