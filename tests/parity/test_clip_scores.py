"""CLIP scores of folders against transformers' own forward pass, on the shipped miniature."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file
from torchvision import transforms
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

from methods.common.errors import InputError
from methods.common.metrics.generated_images.clip_scores import (
    ClipImageEvaluation,
    ClipTextEvaluation,
    evaluate_clip_image_similarity,
    evaluate_clip_score_text,
)
from methods.common.metrics.generated_images.image_folders import list_images, partners_of, read_rgb
from methods.common.metrics.generated_images.prompt_file import read_prompts
from methods.common.miniature.measurements import render_balanced, single_categories
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.world_config import WebConfig

CLIP = CHECKPOINTS / "clip"
NUM_IMAGES = 35  # a batch of 32 and one of 3


@pytest.fixture(scope="module")
def model():
    return CLIPModel.from_pretrained(CLIP, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def prompts():
    return {f"{i:02d}": "a photo of a coin" if i % 2 else "a photo of a moon" for i in range(NUM_IMAGES)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Generated pictures, none of them square, and darker, mirrored sources of the same names."""
    place, pool = tmp_path_factory.mktemp("pictures"), render_balanced(77, 1, ("white", "sand"), WebConfig())
    assert len(set(single_categories(pool))) > 3
    for folder in ("made", "source"):
        (place / folder).mkdir()
    for index in range(NUM_IMAGES):
        picture = Image.fromarray(pool.images_NHW3[index % len(pool.images_NHW3)]).resize((96, 70 + index))
        picture.save(place / "made" / f"{index:02d}.png")
        mirrored = Image.fromarray(np.asarray(picture)[:, ::-1] // (1 + index % 3))
        mirrored.save(place / "source" / f"{index:02d}.bmp")
    return place / "made", place / "source"


def test_text_score_is_two_and_a_half_times_the_positive_cosine(model, prompts, folders, tmp_path):
    (tmp_path / "prompts.json").write_text(json.dumps({f"{name}.png": text for name, text in prompts.items()}))
    evaluation = evaluate_clip_score_text(folders[0], tmp_path / "prompts.json", CLIP, num_threads=2)
    processor, tokenizer = CLIPImageProcessor.from_pretrained(CLIP), CLIPTokenizer.from_pretrained(CLIP)
    cosines = []
    for name, text in prompts.items():
        pixels = processor(images=Image.open(folders[0] / f"{name}.png"), return_tensors="pt")
        with torch.no_grad():
            outputs = model(**tokenizer([text], return_tensors="pt"), **pixels)
        cosines.append((outputs.logits_per_image / model.logit_scale.exp()).item())
    assert np.allclose(evaluation.cosine_I, cosines, atol=2e-6)
    assert evaluation.image_ids == tuple(prompts)
    assert evaluation.metrics()["clip_score_text"] == pytest.approx(2.5 * np.maximum(cosines, 0).mean(), abs=1e-5)
    assert evaluation.metrics()["mean_cosine"] == pytest.approx(np.mean(cosines), abs=2e-6)
    assert evaluation.notes() == []


def test_prefix_threads_and_form_of_the_file(prompts, folders, tmp_path):
    plain = {name: f"{text}, at night" for name, text in prompts.items()}
    (tmp_path / "prompts.txt").write_text("".join(f"{text}\n" for text in plain.values()))
    quoted = "".join(f'{name}.png,"A photo of {text}"\n' for name, text in reversed(plain.items()))
    (tmp_path / "prompts.csv").write_text("file,prompt\n" + quoted)
    seen = []
    prefixed = evaluate_clip_score_text(
        folders[0],
        tmp_path / "prompts.txt",
        CLIP,
        prefix="A photo of ",
        num_threads=2,
        progress=lambda *told: seen.append(told),
    )
    written = evaluate_clip_score_text(folders[0], tmp_path / "prompts.csv", CLIP)
    assert np.array_equal(prefixed.cosine_I, written.cosine_I)
    assert seen[-1] == (NUM_IMAGES, NUM_IMAGES)
    assert "'A photo of '" in prefixed.definition


def test_long_prompts_and_grey_pictures_are_noted(tmp_path):
    (tmp_path / "made").mkdir()
    Image.new("L", (40, 40), 90).save(tmp_path / "made" / "a.png")
    Image.new("RGB", (40, 40), "red").save(tmp_path / "made" / "b.png")
    (tmp_path / "prompts.txt").write_text("a coin " * 200 + "\na coin\n")
    notes = evaluate_clip_score_text(tmp_path / "made", tmp_path / "prompts.txt", CLIP).notes()
    assert notes[0].startswith("1 of the 2 images in")
    assert "(first: a.png, mode L)" in notes[0]
    assert notes[1].startswith("1 of the 2 prompts are longer than")


def test_image_similarity_is_the_mean_of_batch_means_of_squashed_pictures(model, folders):
    evaluation = evaluate_clip_image_similarity(*folders, CLIP, num_threads=2)
    square = transforms.Compose(
        [transforms.Resize((64, 64)), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    )
    of_pairs = []
    for index in range(NUM_IMAGES):
        paths = folders[0] / f"{index:02d}.png", folders[1] / f"{index:02d}.bmp"
        pixels = torch.stack([square(Image.open(path).convert("RGB")) for path in paths])
        with torch.no_grad():
            one, other = model.visual_projection(model.vision_model(pixels).pooler_output)
        of_pairs.append(torch.cosine_similarity(one, other, dim=0).item())
    assert np.allclose(evaluation.cosine_I, of_pairs, atol=2e-6)
    expected = (np.mean(of_pairs[:32]) + np.mean(of_pairs[32:])) / 2
    assert evaluation.metrics()["clip_image_similarity"] == pytest.approx(expected, abs=2e-6)
    assert evaluation.metrics()["mean_cosine"] == pytest.approx(np.mean(of_pairs), abs=2e-6)
    assert abs(expected - np.mean(of_pairs)) > 1e-4, "the test sees the difference"


def test_a_picture_equals_itself(folders):
    metrics = evaluate_clip_image_similarity(folders[0], folders[0], CLIP).metrics()
    assert metrics["clip_image_similarity"] == pytest.approx(1, abs=1e-6)


def test_weights_repeat_images():
    rng = np.random.default_rng(0)
    cosines, weights = rng.uniform(-0.2, 1, 70), rng.integers(0, 4, 70).astype(float)
    names, repeated = tuple(map(str, range(70))), np.repeat(cosines, weights.astype(int))
    for build in (
        lambda cosine_I: ClipTextEvaluation(names, cosine_I, "made"),
        lambda cosine_I: ClipImageEvaluation(names, cosine_I),
    ):
        assert build(cosines).metrics(np.ones(70)) == build(cosines).metrics()
        assert build(cosines).metrics(weights) == pytest.approx(build(repeated).metrics(), rel=1e-12)
        assert set(build(cosines).metrics(np.zeros(70)).values()) == {None}
    assert ClipTextEvaluation(names, np.array([-0.5, 0.1]), "made").metrics()["clip_score_text"] == pytest.approx(0.125)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("p.json", '{"a.png": "x"}', "b.png has no prompt in"),
        ("p.json", '{"a": "x", "b": "y", "c.png": "z"}', "prompt of 'c.png' has no image"),
        ("p.json", '{"a": "x", "a.png": "y", "b": "z"}', "image 'a' has two prompts"),
        ("p.json", '{"a": "x", "b": " "}', "the prompt of 'b' is empty"),
        ("p.json", '["x", "y"]', "must hold one JSON object"),
        ("p.json", "{", "is not JSON"),
        ("p.csv", "name,text\na,x\n", "has no columns file and prompt"),
        ("p.csv", "file,prompt\na,x\nb,y\na,z\n", "line 4: image 'a' has two prompts"),
        (
            "p.csv",
            "file,prompt\na,a dog, very big\nb,y\n",
            "line 2 has 3 columns and the first line 2; put a prompt with",
        ),
        ("p.csv", "file,prompt,prompt\na,x,x\nb,y,y\n", "names a column twice"),
        ("p.csv", "file,prompt\na,x\nb," + "y" * 200_000 + "\n", "is no CSV"),
        ("p.json", '{"a": "x", "a": "y", "b": "z"}', "image 'a' has two prompts"),
        ("p.json", '{"a": "half \\ud800", "b": "z"}', "prompt of 'a' holds half a character at place 6"),
        ("p.json", "[" * 100_000, "is not JSON"),
        ("p.txt", "x\n", "has 1 lines and"),
        ("p.txt", b"\xff\xfe\x00", "is not UTF-8"),
        ("p.yaml", "a: x", "must end in .json, .csv or .txt"),
        ("absent.json", None, "there is no file of prompts"),
    ],
)
def test_prompts_that_do_not_fit_are_one_sentence(tmp_path, file, content, said):
    (tmp_path / "made").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / "made" / name)
    if content is not None:
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=said):
        evaluate_clip_score_text(tmp_path / "made", tmp_path / file, CLIP)


def test_pictures_that_do_not_fit_are_one_sentence(folders, tmp_path):
    made, source = tmp_path / "made", tmp_path / "source"
    for folder in (made, source):
        folder.mkdir()
        Image.new("RGB", (4, 4)).save(folder / "a.png")
    Image.new("RGB", (4, 4)).save(source / "b.jpg")
    with pytest.raises(InputError, match=r"b.jpg has no image of that name in .*made, unpaired images in all: 1"):
        evaluate_clip_image_similarity(made, source, CLIP)
    (made / "b.webp").write_bytes((folders[0] / "00.png").read_bytes()[:400])
    with pytest.raises(InputError, match=r"b\.webp cannot be read as an image"):
        evaluate_clip_image_similarity(made, source, CLIP)
    whole = (folders[0] / "00.png").read_bytes()
    (made / "b.webp").write_bytes(whole[:-20])  # all pixels are there, their checksum is not
    with pytest.raises(InputError, match=r"b\.webp cannot be read as an image"):
        evaluate_clip_image_similarity(made, source, CLIP)
    (made / "b.webp").write_bytes(whole[:-60] + bytes([whole[-60] ^ 1]) + whole[-59:])
    with pytest.raises(InputError, match=r"b\.webp cannot be read as an image"):
        evaluate_clip_image_similarity(made, source, CLIP)
    Image.fromarray(np.full((4, 4), 60000, np.uint16)).save(made / "b.webp", format="PNG")
    with pytest.raises(InputError, match=r"b\.webp has more than 8 bits a channel"):
        evaluate_clip_image_similarity(made, source, CLIP)
    Image.new("RGB", (4, 4)).save(made / "b.png")
    with pytest.raises(InputError, match=r"holds both b.png and b.webp"):
        evaluate_clip_image_similarity(made, source, CLIP)
    with pytest.raises(InputError, match="there is no CLIP folder"):
        evaluate_clip_image_similarity(source, source, tmp_path / "clip")
    with pytest.raises(InputError, match="device 'tpu' cannot be used"):
        evaluate_clip_image_similarity(source, source, CLIP, device="tpu")


def test_lines_go_to_pictures_in_the_order_of_file_names(tmp_path):
    for name in ("a.png", "a-1.png", "b.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "p.txt").write_text("of a-1\nof a\u2028still a\nof b\n", encoding="utf-8")
    images = list_images(tmp_path)
    assert images.names == ("a-1", "a", "b")
    assert read_prompts(tmp_path / "p.txt", images) == ["of a-1", "of a\u2028still a", "of b"]


def test_partners_have_the_order_of_the_first_folder(tmp_path):
    for folder, ending in (("made", "png"), ("source", "jpg")):
        (tmp_path / folder).mkdir()
        for name in ("a", "a.o"):  # .png stands before .o, .jpg behind
            Image.new("RGB", (4, 4)).save(tmp_path / folder / f"{name}.{ending}")
    images, others = (list_images(tmp_path / folder) for folder in ("made", "source"))
    assert images.names != others.names
    assert partners_of(images, others).names == images.names


@pytest.mark.parametrize("ending", ["png", "tif", "ppm"])
def test_pictures_of_16_bits_are_refused_in_colour_too(tmp_path, ending):
    for bits in (8, 16):
        cv2.imwrite(str(tmp_path / f"{bits}.{ending}"), np.zeros((4, 5, 3), f"uint{bits}"))
    assert read_rgb(tmp_path / f"8.{ending}").picture.size == (5, 4)
    with pytest.raises(InputError, match="has more than 8 bits a channel"):
        read_rgb(tmp_path / f"16.{ending}")


def test_transparent_palettes_are_read_without_a_word(tmp_path, recwarn):
    pixels = np.arange(20, dtype=np.uint8).reshape(4, 5)
    picture = Image.fromarray(pixels, "P")
    picture.putpalette(bytes(range(60)))
    picture.save(tmp_path / "a.png", transparency=bytes([0, 128, 255]))
    expected = np.stack([3 * pixels, 3 * pixels + 1, 3 * pixels + 2], 2)
    assert np.array_equal(np.asarray(read_rgb(tmp_path / "a.png").picture), expected)
    assert not recwarn.list


def without_a_tensor(tensors):
    del tensors["text_projection.weight"]


def with_nan(tensors):
    tensors["text_projection.weight"][:] = np.nan


def of_another_shape(tensors):
    tensors["text_projection.weight"] = tensors["text_projection.weight"][1:].copy()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without_a_tensor, "lacks 1 of the weights of CLIP, text_projection.weight"),
        (with_nan, "gives values that are no numbers"),
        (of_another_shape, "holds 1 weights of CLIP in another shape"),
    ],
)
def test_damaged_tensors_are_one_sentence(folders, prompts, tmp_path, spoil, said, capfd):
    tensors = load_file(CLIP / "model.safetensors")
    spoil(tensors)
    shutil.copytree(CLIP, tmp_path / "clip")
    save_file(tensors, tmp_path / "clip" / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "p.json").write_text(json.dumps(prompts))
    with pytest.raises(InputError, match=said) as told:
        evaluate_clip_score_text(folders[0], tmp_path / "p.json", tmp_path / "clip")
    assert "\n" not in str(told.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("model.safetensors", b"", "holds no CLIP"),
        ("model.safetensors", b"\xff" * 100, "holds no CLIP"),
        ("config.json", b"[]", "holds no CLIP"),
        ("tokenizer.json", b"{}", "holds no CLIP"),
        ("tokenizer.json", None, "neither tokenizer.json nor vocab.json is there"),
    ],
)
def test_damaged_files_are_one_sentence(folders, prompts, tmp_path, file, content, said):
    shutil.copytree(CLIP, tmp_path / "clip")
    (tmp_path / "clip" / file).unlink() if content is None else (tmp_path / "clip" / file).write_bytes(content)
    (tmp_path / "p.json").write_text(json.dumps(prompts))
    with pytest.raises(InputError, match=said) as told:
        evaluate_clip_score_text(folders[0], tmp_path / "p.json", tmp_path / "clip")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["meta", "nonsense", "cuda:99"])
def test_devices_that_are_not_here(folders, name):
    with pytest.raises(InputError, match=f"device '{name}' cannot be used here"):
        evaluate_clip_image_similarity(*folders, CLIP, device=name)
