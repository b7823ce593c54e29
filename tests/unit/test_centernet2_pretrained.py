"""A CenterNet2 that starts from one of other classes."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from methods.common.errors import InputError
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_miniature
from methods.common.segmenters.centernet2.pretrained import is_class_agnostic, load_class_agnostic
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.stage import Inputs, LocalContext
from methods.common.training.recipe import TrainingRecipe
from methods.mrca.stages.train import TrainConfig
from methods.mrca.stages.training_state import begin_training


@pytest.fixture(scope="module")
def other_classes(tmp_path_factory):
    model = CenterNet2(centernet2_miniature(9), torch.Generator().manual_seed(3))
    place = tmp_path_factory.mktemp("pretrained") / "weights.safetensors"
    save_file(
        {name: value.contiguous() for name, value in model.state_dict().items() if is_class_agnostic(name)}, place
    )
    return place


def test_everything_but_the_classifiers_is_taken(other_classes):
    model = CenterNet2(centernet2_miniature(5), torch.Generator().manual_seed(4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    load_class_agnostic(model, other_classes)
    weights = load_file(other_classes)
    own = {name for name in before if name not in weights}
    assert own == {"cascade.class_weight_C"} | {
        f"cascade.heads.{stage}.classifier.{part}" for stage in range(3) for part in ("weight", "bias")
    }
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name] if name in own else weights[name]), name


def test_weights_that_do_not_fit_are_refused_by_name(other_classes, tmp_path):
    weights = load_file(other_classes)
    name = "first_stage.tower.0.weight" if "first_stage.tower.0.weight" in weights else sorted(weights)[0]
    del weights[name]
    save_file(weights, tmp_path / "cut.safetensors")
    model = CenterNet2(centernet2_miniature(5), torch.Generator().manual_seed(4))
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        load_class_agnostic(model, tmp_path / "cut.safetensors")


@pytest.mark.parametrize("start", ["scratch", "weights"])
def test_only_a_training_from_scratch_starts_from_them(start, other_classes, tmp_path):
    segmenter = centernet2_miniature(5)
    (tmp_path / "before").mkdir()
    trained = CenterNet2(segmenter, torch.Generator().manual_seed(9))
    trained.save_pretrained(tmp_path / "before" / "model")
    config = TrainConfig(
        segmenter=segmenter,
        recipe=TrainingRecipe(iterations=2, batch_size=2, warmup_iterations=1),
        augmentation=AugmentConfig(size_px=64),
        start=start,
        last_iteration=2,
    )
    inputs = Inputs({"pretrained": (other_classes,), "start": (tmp_path / "before",)})
    training, _ = begin_training(inputs, config, [1] * 5, LocalContext(tmp_path / "out"))
    wanted = load_file(other_classes) if start == "scratch" else trained.state_dict()
    for name, value in training.model.state_dict().items():
        if is_class_agnostic(name):
            assert torch.equal(value, wanted[name]), name
