"""What the miniature segmenter is pretrained on, and what is kept of it."""

import numpy as np
import torch
from safetensors.torch import load_file

from methods.common.miniature.categories import UNNAMED
from methods.common.miniature.renderer import render_scene
from methods.common.miniature.segmenter_training import SEGMENTER_FILE, scene_target, train_segmenter
from methods.common.miniature.training_configs import OptimizerConfig, SegmenterConfig
from methods.common.miniature.world_config import SceneConfig
from methods.common.segmenters.centernet2.pretrained import is_class_agnostic
from methods.common.stage import Inputs, LocalContext


def _scene(looks):
    kinds = [UNNAMED.index(look) for look in looks]
    return render_scene(kinds, "white", SceneConfig(noise=0.0), np.random.default_rng(6), looks=looks)


def test_each_object_looks_like_its_own_kind():
    mixed = _scene([UNNAMED[0], UNNAMED[23]])
    assert {instance.category for instance in mixed.instances} == {0, 23}
    outlines = {instance.category: instance.mask_HW.sum() / instance.radius_px**2 for instance in mixed.instances}
    assert UNNAMED[0].shape == "disk"
    assert UNNAMED[23].shape == "pill"
    assert outlines[0] > 1.4 * outlines[23]


def test_targets_are_the_scene_s_instances():
    scene = _scene([UNNAMED[3], UNNAMED[14]])
    target = scene_target(scene)
    assert target.classes_N.tolist() == [instance.category for instance in scene.instances]
    for row, instance in enumerate(scene.instances):
        assert tuple(target.boxes_N4[row].tolist()) == instance.box_xyxy
        assert np.array_equal(target.masks_NHW[row].numpy(), instance.mask_HW)


def test_classifiers_are_dropped_and_a_step_changes_the_rest(tmp_path):
    files = []
    for steps in (1, 2):
        out = tmp_path / str(steps)
        out.mkdir()
        few = OptimizerConfig(num_steps=steps, batch_size=1, learning_rate=1e-3, warmup_steps=0)
        train_segmenter(Inputs({}), SegmenterConfig(optimizer=few), LocalContext(out))
        files.append(load_file(out / SEGMENTER_FILE))
    assert all(is_class_agnostic(name) for name in files[0])
    assert not any("classifier" in name for name in files[0])
    name = "backbone.stem.weight" if "backbone.stem.weight" in files[0] else next(n for n in files[0] if "weight" in n)
    assert not torch.equal(files[0][name], files[1][name])
