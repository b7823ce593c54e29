"""BLIP-2 behind the captioner's interface, against its network asked word by word."""

from pathlib import Path

import numpy as np
import torch
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from methods.common.generators.captioners import Blip2Captions, load_captioner
from tests.unit.tiny_models import tiny_blip2

CPU = torch.device("cpu")


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (20, 24, 3), dtype=np.uint8)


def word_by_word(folder: Path, image_HW3: np.ndarray, max_words: int) -> list[int]:
    """Ask the language model for the likeliest next word after what the picture says and the word for the beginning."""
    network: Blip2ForConditionalGeneration = Blip2ForConditionalGeneration.from_pretrained(folder).eval()
    processor = Blip2Processor.from_pretrained(folder)
    pixels = processor.image_processor(image_HW3, return_tensors="pt").pixel_values
    with torch.no_grad():
        seen = network.vision_model(pixels).last_hidden_state
        asked = network.qformer(query_embeds=network.query_tokens, encoder_hidden_states=seen).last_hidden_state
        said = network.language_projection(asked)
        words: list[int] = []
        while len(words) < max_words and network.config.text_config.eos_token_id not in words:
            heard = network.get_input_embeddings()(torch.tensor([[network.config.text_config.bos_token_id, *words]]))
            words.append(int(network.language_model(inputs_embeds=torch.cat([said, heard], 1)).logits[0, -1].argmax()))
    return words


def test_a_caption_is_what_the_network_says_after_the_picture(tmp_path: Path) -> None:
    """Neither the places of the picture nor the word for the beginning are a part of it, and the limit counts words of the caption alone."""
    folder = tiny_blip2(tmp_path / "blip2")
    tokenizer = Blip2Processor.from_pretrained(folder).tokenizer
    captioner = load_captioner(Blip2Captions(num_beams=1, max_new_tokens=6), folder, CPU)
    assert captioner.looks
    for seed in range(3):
        words = word_by_word(folder, picture(seed), 6)
        expected = tokenizer.decode(words, skip_special_tokens=True).strip()
        assert captioner.captions(picture(seed), ["wall"], [0, 1]) == [expected] * 2
        assert "<image>" not in expected
        assert "<image>" in tokenizer.all_special_tokens


def test_a_search_depends_on_the_picture_alone(tmp_path: Path) -> None:
    captioner = load_captioner(Blip2Captions(num_beams=3, max_new_tokens=5), tiny_blip2(tmp_path / "blip2"), CPU)
    torch.manual_seed(1)
    first = captioner.captions(picture(5), ["wall"], [7])
    torch.manual_seed(2)
    assert captioner.captions(picture(5), ["floor"], [8]) == first
