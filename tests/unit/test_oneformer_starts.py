"""What a OneFormer's training starts from: published weights of other classes, and the sentences of its text branch."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.common.errors import InputError
from methods.common.miniature.lvis_view import DrawLvisConfig, draw_lvis
from methods.common.miniature.tokenizer import build_tokenizer
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.segmenters.oneformer import official
from methods.common.segmenters.oneformer import sentences as sentences_module
from methods.common.segmenters.oneformer.config import OneFormerConfig
from methods.common.segmenters.oneformer.model import OneFormer
from methods.common.segmenters.oneformer.official_names import NAMES
from methods.common.segmenters.oneformer.presets import miniature_recipe, without_text
from methods.common.segmenters.oneformer.sentences import sentences_of
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.train_instances import TrainInstancesConfig, train_instances
from tests.unit.oneformer_scenes import config as tiny

NAMES_OF_DATA = ("one", "two", "three")


def segmenter(**changes: object) -> OneFormerConfig:
    return OneFormerConfig.model_validate(
        {**tiny().model_dump(), "class_names": NAMES_OF_DATA, "stuff_classes": (), "decoder_layers": 1, **changes}
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    drawing = DrawLvisConfig(num_train_images=4, num_val_images=2, num_categories=3, image_size_px=40)
    draw_lvis(Inputs(), drawing, LocalContext(folder))
    return folder


def train(data: Path, out: Path, network: OneFormerConfig, begin: str = "scratch", **roles: Path) -> OneFormer:
    """Train so slowly that the weights stay what they were at the start."""
    still = miniature_recipe(1).model_copy(update={"base_lr": 1e-30, "weight_decay": 0.0, "batch_size": 2})
    config = TrainInstancesConfig.model_validate(
        {
            "segmenter": network.model_dump(),
            "recipe": still.model_dump(),
            "augmentation": AugmentConfig(size_px=32, min_scale=1.0, max_scale=1.0).model_dump(),
            "start": begin,
        }
    )
    out.mkdir()
    train_instances(
        Inputs({"data": [data], **{role: [place] for role, place in roles.items()}}), config, LocalContext(out)
    )
    return OneFormer.from_pretrained(out / "model")


def published(network: OneFormer) -> dict[str, Tensor]:
    """The weights of a network by the release's names."""
    parts: dict[str, dict[int, Tensor]] = {}
    for name, value in network.state_dict().items():
        if name != "sentence_SL":
            theirs = NAMES.official_name(name)
            third = next(place.third for place in NAMES.our_places(theirs) if place.ours == name)
            parts.setdefault(theirs, {})[third or 0] = value
    return {
        name: torch.cat([of[third] for third in sorted(of)]) if len(of) > 1 else of[0] for name, of in parts.items()
    }


@pytest.mark.parametrize("has_text", [True, False])
def test_all_but_the_class_layers_of_published_weights_are_taken(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_text: bool
) -> None:
    """InstSynth section 8.3: Mapillary's 65 classes become Cityscapes' 19; a text branch that is not trained is left out."""
    theirs = segmenter(class_names=("a", "b", "c", "d", "e"))
    before = OneFormer(theirs, torch.Generator().manual_seed(8))
    torch.save({"model": published(before)}, tmp_path / "weights.pth")
    monkeypatch.setattr(official, "infer_config", lambda weights: theirs)
    mine = segmenter() if has_text else without_text(segmenter())
    after = train(data, tmp_path / "out", mine, "official_all_but_classes", start=tmp_path / "weights.pth")
    old, new = before.state_dict(), after.state_dict()
    left = {name for name, value in new.items() if value.shape != old[name].shape}
    assert left == {f"head.transformer.decoder.class_embed.{kind}" for kind in ("weight", "bias")} | {"sentence_SL"}
    counters = {name for name in new if "running" in name or "num_batches" in name}
    others = [name for name in new.keys() - left - counters if not torch.allclose(new[name], old[name])]
    assert not others
    assert any(name.startswith("text.") for name in new) == has_text
    assert torch.equal(new["sentence_SL"], sentences_module.known_tokens(mine))


def test_only_a_oneformer_starts_from_the_release(data: Path, tmp_path: Path) -> None:
    from methods.common.segmenters.fastinst.presets import fastinst_miniature

    with pytest.raises(ValueError, match="is for OneFormer alone; set another start"):
        TrainInstancesConfig(
            segmenter=fastinst_miniature(3),
            recipe=miniature_recipe(1),
            augmentation=AugmentConfig(),
            start="official_all_but_classes",
        )
    with pytest.raises(InputError, match="nothing was given to start from; name it as role 'start'"):
        train(data, tmp_path / "out", segmenter(), "official_all_but_classes")


def test_a_text_branch_gets_its_sentences_from_the_vocabulary(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = segmenter(tokens="clip")
    tokenizer = build_tokenizer(sorted(set(" ".join(sentences_of(network)).split())))
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    begin, *_, end = tokenizer("a").input_ids
    commands = {task: tuple(tokenizer(f"the task is {task}").input_ids[1:-1]) for task in sentences_module.TASKS}
    for name, value in (("_COMMAND_TOKENS", commands), ("_BEGIN", begin), ("_END", end)):
        monkeypatch.setattr(sentences_module, name, value)
    trained = train(data, tmp_path / "out", network, tokenizer=tmp_path / "tokenizer")
    assert not trained.lacks_sentences
    row = trained.sentence_SL[1].tolist()
    wanted = tokenizer("a photo with a two").input_ids
    assert row == [*wanted, *[0] * (network.sentence_length - len(wanted))]
    with pytest.raises(InputError, match="name a folder with its tokenizer as role 'tokenizer', or train without"):
        train(data, tmp_path / "none", network)
