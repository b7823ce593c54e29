"""A generator's networks with random weights, drawn once for whoever reads their features."""

import pytest
import torch

from methods.common.seeds import Seeds
from methods.common.segmenters.backbones.generative.loading import load_extractor
from methods.common.stage import Inputs, LocalContext
from methods.instance_synthesis.stages.random_extractor import RandomExtractorConfig, draw_extractor
from tests.unit.generative_folders import images, tiny_config, tiny_folder


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return tiny_config(tiny_folder(tmp_path_factory.mktemp("generator"))).extractor


def drawn(root, config, seed: int):
    root.mkdir()
    record = draw_extractor(
        Inputs({}), RandomExtractorConfig(extractor=config), LocalContext(root, Seeds(training=seed))
    )
    return record, load_extractor(config, root)


def test_weights_and_prompt_are_those_of_the_seed_whatever_was_drawn_before(config, tmp_path) -> None:
    record, one = drawn(tmp_path / "one", config, 0)
    torch.manual_seed(5)
    again, same = drawn(tmp_path / "same", config, 0)
    _, other = drawn(tmp_path / "other", config, 1)
    assert record == again
    assert record["weights_sha256"] == one.weights_sha256() == same.weights_sha256() != other.weights_sha256()
    assert torch.equal(one.text_TD, same.text_TD)
    assert not torch.equal(one.text_TD, other.text_TD)


def test_none_of_it_comes_from_the_generator(config, tmp_path) -> None:
    _, random = drawn(tmp_path / "random", config, 0)
    trained = load_extractor(config, tiny_folder(tmp_path))
    shared = dict(trained.unet.named_parameters())
    matrices = [(name, weight) for name, weight in random.unet.named_parameters() if weight.dim() > 1]
    assert len(matrices) > 10
    assert not any(torch.allclose(weight, shared[name]) for name, weight in matrices)
    assert all(torch.isfinite(found).all() and found.std() > 0 for found in random(images()))
