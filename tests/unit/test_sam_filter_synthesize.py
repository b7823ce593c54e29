"""The stages that make pairs: prompts from real images, then pictures with masks; killed, torn, sharded."""

import json
import subprocess
import sys
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import Attention
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from tiny_pipelines import tiny_sd3, tiny_stable_diffusion

from methods.common.datasets import open_labelled
from methods.common.datasets.png_labels import read_labels
from methods.common.errors import InputError
from methods.common.generators import captioners, text_to_image
from methods.common.generators.captioners import BlipCaptions, TemplateCaptions, load_captioner
from methods.common.resumable_records import append_lines, read_lines
from methods.common.seeds import Seeds
from methods.common.stage import Inputs
from methods.sam_filter.stages import synthesize as stage
from methods.sam_filter.stages.prompts import PromptsConfig, classes_present, draw_candidates, make_prompts
from methods.sam_filter.stages.synthesis_config import CaptureSteps, SynthesizeConfig, variant_name
from methods.sam_filter.stages.synthesize import synthesize
from tests.contracts import contexts
from tests.contracts.contexts import files_of
from tests.contracts.runs import without_clocks
from tests.unit.tiny_models import tiny_blip

CLASSES = ["background", "cat", "dog", "cow"]
CONFIG = SynthesizeConfig(
    num_steps=3,
    guidance_scale=3.0,
    negative_prompt="ugly",
    size_px=16,
    batch_size=2,
    self_sides=(8, 4),
    cross_sides=(8,),
    powers=(4, 0),
    image_format="png",
)


def attempt(run, inputs, config, out, **options):
    """Run once; returns the context, and the record without clocks, or None if killed."""
    context, record = contexts.attempt(run, inputs, config, out, **options)
    return context, without_clocks(record)


def lines(*prompts):
    return [
        {"id": f"{k:06d}", "caption": f"a b; {p}", "class_prompt": p, "classes": sorted(set(p.split()))}
        for k, p in enumerate(prompts)
    ]


def write_prompts(folder, records, classes=CLASSES):
    folder.mkdir(parents=True)
    append_lines(folder / "prompts.jsonl", records)
    (folder / "classes.json").write_text(json.dumps(classes))
    return folder


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The roles; the pipeline is loaded from them once, not for each attempt."""
    folder = tmp_path_factory.mktemp("inputs")
    pipeline = tiny_stable_diffusion()
    for module in pipeline.unet.modules():
        if isinstance(module, Attention):  # random weights look everywhere alike
            module.to_q.weight.data *= 20
            module.to_k.weight.data *= 20
    pipeline.save_pretrained(folder / "generator")
    write_prompts(folder / "prompts", lines("cat", "dog cow", "cat cat", "cow", "dog", "cat dog", "cow"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_to_image, "load_text_to_image", cache(text_to_image.load_text_to_image))
        yield Inputs({"prompts": [folder / "prompts"], "generator": [folder / "generator"]})


@pytest.fixture(scope="module")
def undisturbed(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    return attempt(synthesize, inputs, CONFIG, out)[1], files_of(out)


def with_prompts(inputs, folder):
    return Inputs({**inputs.roles, "prompts": [folder]})


def test_every_prompt_has_a_picture_a_line_and_a_mask_of_each_variant(undisturbed):
    record, written = undisturbed
    assert record["num_images"] == 7
    assert record["num_blanked"] == record["constant_maps"] == 0
    assert record["denoiser_calls"] == 7 * 3 * 2
    assert record["variants"] == ["s8_c8", "s8_c8_p0", "s4_c8", "s4_c8_p0"]
    assert json.loads(written["classes.json"]) == CLASSES
    pairs = [json.loads(line) for line in written["pairs.jsonl"].splitlines()]
    assert [pair["id"] for pair in pairs] == [f"{k:06d}" for k in range(7)]
    assert len({pair["seed"] for pair in pairs}) == 7
    assert pairs[2] == {**lines("", "", "cat cat")[2], "seed": pairs[2]["seed"], "constant_maps": {}}
    assert len(written) == 2 + 7 * (1 + 4)


def test_masks_hold_the_labels_of_the_named_classes_only(undisturbed, tmp_path):
    for pair in (json.loads(line) for line in undisturbed[1]["pairs.jsonl"].splitlines()):
        allowed = {0, 255, *(CLASSES.index(name) for name in pair["classes"])}
        for variant in CONFIG.variants():
            path = tmp_path / "mask.png"
            path.write_bytes(undisturbed[1][f"masks/{variant}/{pair['id']}.png"])
            assert Image.open(path).mode == "P"
            label_HW = read_labels(path)
            assert label_HW.shape == (16, 16)
            assert set(np.unique(label_HW)) <= allowed
            assert set(np.unique(label_HW)) & allowed - {0, 255}, "each named class owns some pixel"


def test_pictures_are_those_of_plain_sampling(inputs, undisturbed):
    pipeline = text_to_image.load_text_to_image(inputs.folder("generator"), "cpu", torch.float32)
    seed = json.loads(undisturbed[1]["pairs.jsonl"].splitlines()[1])["seed"]
    assert seed == Seeds().derive("generation", "picture", "000001")
    plain = text_to_image.generate_images(pipeline, ["a b; dog cow"], [seed], 3, 3.0, 16, negative_prompt=["ugly"])

    found = np.asarray(Image.open(BytesIO(undisturbed[1]["images/000001.png"])))
    assert np.abs(found.astype(int) - plain[0]).max() <= 1


@pytest.mark.parametrize("damaged", ["images/000002.png", "masks/s4_c8/000003.png", "pairs.jsonl"])
@pytest.mark.parametrize("how", ["torn", "flipped", "missing"])
def test_what_is_damaged_is_made_again_and_what_is_before_it_kept(inputs, undisturbed, tmp_path, damaged, how):
    out = tmp_path / "out"
    attempt(synthesize, inputs, CONFIG, out, kill_at=4)
    path = out / damaged
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data if how == "flipped" else data[:-20])
    if how == "missing":
        path.unlink()
    context, record = attempt(synthesize, inputs, CONFIG, out)
    assert (record, files_of(out)) == undisturbed
    if damaged != "pairs.jsonl":
        assert context.history[0][0] == 4  # the first batch of two was whole


def test_black_pictures_get_no_line_and_no_mask(inputs, tmp_path, monkeypatch):
    real = text_to_image.generate_images

    def blanked(*arguments, **options):
        images = real(*arguments, **options).copy()
        images[0] = 0
        return images

    monkeypatch.setattr(text_to_image, "generate_images", blanked)
    _, record = attempt(synthesize, inputs, CONFIG, tmp_path / "out")
    assert (record["num_images"], record["num_blanked"]) == (3, 4)
    written = files_of(tmp_path / "out")
    assert [pair["id"] for pair in read_lines(tmp_path / "out" / "pairs.jsonl")] == ["000001", "000003", "000005"]
    assert len(written) == 2 + 3 * 5


def test_constant_maps_are_recorded(inputs, tmp_path, monkeypatch):
    from methods.common.generators.attention_capture import AttentionCapture

    def flat(self, side):
        return torch.full((self.num_images, side * side, 16), 1 / 16)

    monkeypatch.setattr(AttentionCapture, "cross_attention", flat)
    _, record = attempt(synthesize, inputs, CONFIG, tmp_path / "out")
    assert record["constant_maps"] == 10 * 4
    second = read_lines(tmp_path / "out" / "pairs.jsonl")[1]
    assert second["constant_maps"] == {variant: ["dog", "cow"] for variant in CONFIG.variants()}


def test_captions_that_the_encoder_cuts_are_counted(inputs, tmp_path):
    records = lines("cat", "dog")
    records[1]["caption"] = "a very long caption indeed; dog"
    folder = write_prompts(tmp_path / "prompts", records)
    _, record = attempt(synthesize, with_prompts(inputs, folder), CONFIG, tmp_path / "out")
    assert record["num_cut_prompts"] == 1


def test_jpeg_pictures_without_guidance_and_with_few_steps_captured(inputs, tmp_path):
    changes = {
        "image_format": "jpeg",
        "guidance_scale": 1.0,
        "capture_steps": CaptureSteps(first=1, every=2),
        "negative_prompt": None,
    }
    _, record = attempt(synthesize, inputs, CONFIG.model_copy(update=changes), tmp_path / "out")
    assert record["denoiser_calls"] == 7 * 3
    assert Image.open(tmp_path / "out" / "images" / "000000.jpg").format == "JPEG"


def test_words_around_the_names_change_masks_and_nothing_else(inputs, undisturbed, tmp_path):
    config = CONFIG.model_copy(update={"key_prefix": "a ", "key_joiner": " b "})
    attempt(synthesize, inputs, config, tmp_path / "out")
    changed = {name for name, data in files_of(tmp_path / "out").items() if data != undisturbed[1][name]}
    assert changed
    assert all(name.startswith("masks/") for name in changed)


def test_steps_that_count():
    steps = CaptureSteps(first=2, last=8, every=3)
    assert [step for step in range(12) if steps.includes(step)] == [2, 5, 8]
    assert all(CaptureSteps().includes(step) for step in range(100))


def test_names_of_variants():
    assert SynthesizeConfig().variants()[:5] == ("s64_c8", "s64_c16", "s64_c32", "s64_c64", "s32_c8")
    assert variant_name(8, 4, 1) == "s8_c4_p1"


@pytest.mark.parametrize(
    "changes",
    [{"lower_threshold": 0.7}, {"shard_index": 1}, {"powers": (-1,)}, {"self_sides": (8, 8)}, {"cross_sides": (0,)}],
)
def test_configs_that_cannot_work_are_refused(changes):
    with pytest.raises(ValueError):
        SynthesizeConfig(**changes)


FAULTS = [
    ({"class_prompt": "cat zebra"}, r"prompts\.jsonl, line 2: the class prompt 'cat zebra' has the word 'zebra'"),
    ({"class_prompt": " "}, r"line 2: 'class_prompt' is missing or no text"),
    ({"caption": 5}, r"line 2: 'caption' is missing or no text"),
    ({"id": "../x"}, r"line 2: the id '../x' occurs twice or cannot be a file name"),
    ({"id": "000000"}, r"line 2: the id '000000' occurs twice"),
    ({"class_prompt": "cat dog cow cat dog cow"}, "has 20 tokens, but the text encoder reads 16"),
]


@pytest.mark.parametrize(("changes", "message"), FAULTS)
def test_faulty_prompts_are_the_users_mistake(inputs, tmp_path, changes, message):
    records = lines("cat", "dog", "cow")
    records[1] |= changes
    folder = write_prompts(tmp_path / "prompts", records)
    with pytest.raises(InputError, match=message):
        attempt(synthesize, with_prompts(inputs, folder), CONFIG, tmp_path / "out")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("{}", "no list of different names"),
        ('["a", "a"]', "no list of different names"),
        ('["a"]', "has 1 names"),
        ("[", "cannot be read"),
    ],
)
def test_faulty_class_lists_are_the_users_mistake(inputs, tmp_path, classes, message):
    folder = write_prompts(tmp_path / "prompts", lines("cat"))
    (folder / "classes.json").write_text(classes)
    with pytest.raises(InputError, match=message):
        attempt(synthesize, with_prompts(inputs, folder), CONFIG, tmp_path / "out")


def test_a_generator_without_a_unet_is_refused(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(text_to_image, "load_text_to_image", lambda *arguments: tiny_sd3())
    with pytest.raises(InputError, match="has no U-Net"):
        attempt(synthesize, inputs, CONFIG, tmp_path / "out")


class FakeData:
    """Images whose label maps hold chosen labels."""

    class_names = ("background", "cat", "dog", "diningtable")

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def name(self, index):
        return f"image{index}"

    def __getitem__(self, index):
        label_HW = np.zeros((4, 8), np.uint8)
        label_HW.flat[: len(self.labels[index])] = self.labels[index]
        return np.full((4, 8, 3), index, np.uint8), label_HW


DATA = FakeData([[1]] * 8 + [[2, 2, 1], [255], [], [3, 255], [1, 2, 3, 3]])


@pytest.fixture
def data(monkeypatch):
    def opened(folder, split):
        if split != "train":
            raise InputError("no such list")
        return DATA

    monkeypatch.setattr(open_labelled, "open_labelled_images", opened)
    return Inputs({"data": [Path("data")]})


PROMPTS = PromptsConfig(num_prompts=12, samples_per_image=2, min_images_per_class=3)


def test_prompts_hold_caption_and_classes_and_rare_classes_have_their_minimum(data, tmp_path):
    _, record = attempt(make_prompts, data, PROMPTS, tmp_path / "out")
    made = read_lines(tmp_path / "out" / "prompts.jsonl")
    assert [prompt["id"] for prompt in made] == [f"{k:06d}" for k in range(12)]
    for prompt in made:
        assert prompt["caption"].endswith("; " + prompt["class_prompt"])
        assert prompt["class_prompt"] == " ".join(prompt["classes"]).replace("diningtable", "dining table")
    counts = {name: sum(name in prompt["classes"] for prompt in made) for name in DATA.class_names[1:]}
    assert min(counts.values()) >= 3
    assert record["images_per_class"] == dict(sorted(counts.items()))
    assert record["split"] == "train"
    assert record["below_minimum"] == {}
    assert json.loads((tmp_path / "out" / "classes.json").read_text()) == list(DATA.class_names)


def test_a_class_without_enough_images_is_reported(data, tmp_path):
    config = PROMPTS.model_copy(update={"min_images_per_class": 5})
    _, record = attempt(make_prompts, data, config, tmp_path / "out")
    assert record["below_minimum"] == {"diningtable": 4, "dog": 4}


def test_no_image_comes_twice_before_each_has_come_once():
    present = [("cat",)] * 10
    drawn = draw_candidates(present, PromptsConfig(num_prompts=25, samples_per_image=3), Seeds())
    assert len(set(drawn)) == 25
    times = [sum(image == k for image, _ in drawn) for k in range(10)]
    assert set(times) == {2, 3}
    assert draw_candidates(present, PromptsConfig(num_prompts=25, samples_per_image=3), Seeds()) == drawn
    assert draw_candidates(present, PromptsConfig(num_prompts=25, samples_per_image=3), Seeds(generation=1)) != drawn


def test_classes_are_in_the_order_of_labels_and_the_largest_stay():
    label_HW = np.array([[3, 3, 3, 1], [2, 2, 0, 255]], np.uint8)
    assert classes_present(label_HW, DATA.class_names, None) == ("cat", "dog", "diningtable")
    assert classes_present(label_HW, DATA.class_names, 2) == ("dog", "diningtable")


def test_too_few_images_and_absent_splits_are_the_users_mistake(data, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="has 11 images with a class, so 22 captions for 23 prompts"):
        attempt(make_prompts, data, PROMPTS.model_copy(update={"num_prompts": 23}), tmp_path / "out")
    with pytest.raises(InputError, match="no such list"):
        attempt(make_prompts, data, PROMPTS.model_copy(update={"fallback_split": None}), tmp_path / "out")
    monkeypatch.setattr(FakeData, "class_names", ("cat", "dog", "cow"))
    with pytest.raises(InputError, match="label 0 is 'cat'"):
        attempt(make_prompts, data, PROMPTS, tmp_path / "out")


def test_sentences_name_every_class():
    captioner = load_captioner(TemplateCaptions(templates=("see {names}",)), None, torch.device("cpu"))
    assert captioner.captions(None, ["cat", "diningtable"], [1]) == ["see a cat and a dining table"]
    many = load_captioner(TemplateCaptions(), None, torch.device("cpu")).captions(None, ["cat"], range(200))
    assert len(set(many)) == 4 * len(captioners.MINIATURE_BACKGROUNDS)


@pytest.mark.parametrize("changes", [{"templates": ()}, {"templates": ("a cat",)}, {"backgrounds": ()}])
def test_sentences_without_a_gap_are_refused(changes):
    with pytest.raises(ValueError, match=r"least one|needs"):
        TemplateCaptions(**changes)


@pytest.fixture(scope="module")
def blip_folder(tmp_path_factory):
    return tiny_blip(tmp_path_factory.mktemp("blip"))


def test_blip_samples_captions_that_depend_on_their_seed_only(blip_folder):
    captioner = load_captioner(BlipCaptions(max_new_tokens=8), blip_folder, torch.device("cpu"))
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    before = torch.random.get_rng_state()
    found = captioner.captions(image, ["cat"], [1, 2, 3])
    assert torch.equal(torch.random.get_rng_state(), before)
    assert captioner.captions(image, ["cat"], [3]) == found[2:]
    assert len(set(found)) == 3
    assert all(set(caption) <= set("abcdefghij [UNKMASDECP]") for caption in found), found


def test_blip_without_its_folder_is_the_users_mistake(tmp_path):
    with pytest.raises(InputError, match="name one for the role 'captioner'"):
        load_captioner(BlipCaptions(), None, torch.device("cpu"))
    with pytest.raises(InputError, match="holds no captioner"):
        load_captioner(BlipCaptions(), tmp_path, torch.device("cpu"))


def test_planning_the_stages_loads_nothing_heavy():

    code = (
        "import sys, methods.sam_filter.stages.prompts, methods.sam_filter.stages.synthesize\n"
        "print({'torch', 'cv2', 'diffusers', 'transformers', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert stage.SYNTHESIZE.config_type is SynthesizeConfig
