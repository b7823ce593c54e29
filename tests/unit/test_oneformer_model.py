"""The network of OneFormer against the library's own passes, its predictions by hand, and its configs."""

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.oneformer import modeling_oneformer as library

from methods.common.segmenters.backbones.config import ConvNeXtConfig, SwinConfig
from methods.common.segmenters.backbones.convnext import ConvNeXt
from methods.common.segmenters.instance.interface import PanopticThresholds
from methods.common.segmenters.instance.segmenters import load_segmenter
from methods.common.segmenters.mask_queries.answers import find_instances
from methods.common.segmenters.oneformer.config import TASKS, OneFormerConfig
from methods.common.segmenters.oneformer.decoder import decode
from methods.common.segmenters.oneformer.head import library_config
from methods.common.segmenters.oneformer.model import OneFormer
from methods.common.segmenters.oneformer.presets import (
    CITYSCAPES_CLASSES,
    CITYSCAPES_STUFF,
    instsynth_recipe,
    miniature_recipe,
    oneformer_convnextl,
    oneformer_r50,
    oneformer_swinl,
    release_recipe,
    without_text,
)
from methods.common.training.batch_shard import BatchShare
from methods.common.training.dropout import ImageDropout
from tests.unit.oneformer_scenes import CLASSES, STUFF, config, scenes, target_of

WHOLE = BatchShare(0, 2, 2)


@pytest.fixture(scope="module")
def model() -> OneFormer:
    made = OneFormer(config(), torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():  # offsets that depend on the query, so that a wrong position shows
        for name, parameter in made.named_parameters():
            if "sampling_offsets.weight" in name or "attention_weights.weight" in name:
                parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    return made


def maps(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    widths = config().backbone.output_channels
    return [torch.randn(2, width, 24 >> level, 32 >> level, generator=generator) for level, width in enumerate(widths)]


def test_pixel_decoder_is_the_librarys(model: OneFormer) -> None:
    chosen = config()
    theirs = library.OneFormerPixelDecoder(library_config(chosen), list(chosen.backbone.output_channels)).eval()
    for module in theirs.modules():
        if isinstance(module, nn.GroupNorm):
            module.num_groups = chosen.norm_groups
    theirs.load_state_dict(model.head.pixel_decoder.state_dict())
    ours, expected = model.head.pixel_decoder(maps()), theirs(maps())
    assert torch.allclose(ours.mask_features, expected.mask_features, atol=1e-5)
    for mine, other in zip(ours.multi_scale_features, expected.multi_scale_features, strict=True):
        assert torch.allclose(mine, other, atol=1e-5)


@torch.no_grad()
def test_decoder_is_the_librarys_in_all_layers(model: OneFormer) -> None:
    outputs = model.head(maps(), model.commands(torch.tensor([0, 2])), all_layers=True)
    theirs = model.head.transformer(list(outputs.multi_scale), outputs.mask_features_NChw, outputs.task_NC)
    earlier = theirs.auxiliary_predictions
    classes = [*(one["class_queries_logits"] for one in earlier), theirs.prediction_class]
    masks = [*(one["masks_queries_logits"] for one in earlier), theirs.prediction_masks]
    assert len(classes) == len(outputs.class_logits) == 3
    for ours, expected in zip((*outputs.class_logits, *outputs.mask_logits), (*classes, *masks), strict=True):
        assert torch.allclose(ours, expected, atol=2e-5)
    assert torch.allclose(outputs.query_NQC, theirs.contrastive_logits, atol=1e-5)
    last = model.head(maps(), model.commands(torch.tensor([0, 2])), all_layers=False)
    assert len(last.class_logits) == 1
    assert torch.equal(last.mask_logits[0], outputs.mask_logits[-1])


@torch.no_grad()
def test_a_query_with_an_empty_mask_looks_everywhere(model: OneFormer) -> None:
    generator, module = torch.Generator().manual_seed(2), model.head.transformer
    scales = [torch.randn(1, 64, side, side, generator=generator) for side in (2, 4, 8)]
    features, task = torch.rand(1, 64, 16, 16, generator=generator), torch.randn(1, 64, generator=generator)
    bias = module.decoder.mask_embed.layers[-1].get_parameter("0.bias")
    kept = bias.clone()
    bias.fill_(-50.0)
    ours = decode(module, scales, features, task, ImageDropout(0.0), all_layers=False)
    theirs = module(scales, features, task)
    bias.copy_(kept)
    assert ours.mask_logits[0].max() < 0, "no mask is empty"
    assert torch.allclose(ours.class_logits[0], theirs.prediction_class, atol=2e-5)


@torch.no_grad()
def test_the_task_changes_what_is_predicted(model: OneFormer) -> None:
    outputs = model.head(maps(), model.commands(torch.tensor([0, 1])), all_layers=False)
    alike = model.head(maps(), model.commands(torch.tensor([0, 0])), all_layers=False)
    assert torch.allclose(outputs.class_logits[0][0], alike.class_logits[0][0], atol=1e-6)
    assert not torch.allclose(outputs.class_logits[0][1], alike.class_logits[0][1], atol=1e-3)


@torch.no_grad()
def test_words_see_earlier_words_alone_and_the_end_is_read(model: OneFormer) -> None:
    assert model.text is not None
    text, sentence = model.text, model.sentence_SL
    encoder = text.mapper.text_encoder
    x = (encoder.token_embedding(sentence) + encoder.positional_embedding).transpose(0, 1)
    later = torch.ones(16, 16, dtype=torch.bool).triu(1)
    for layer in encoder.transformer.layers:
        normed = layer.layer_norm1(x)
        x = x + layer.self_attn(normed, normed, normed, attn_mask=later, need_weights=False)[0]
        x = x + layer.mlp(layer.layer_norm2(x))
    expected = encoder.ln_final(x.transpose(0, 1))[torch.arange(len(sentence)), sentence.argmax(1)]
    assert torch.allclose(text.encode(sentence), expected, atol=1e-5)
    padded = sentence.clone()
    padded[0, 9:] = 3  # after the end
    assert torch.allclose(text.encode(padded), expected, atol=1e-5)


@torch.no_grad()
def test_text_queries_are_sentences_and_then_learned_vectors(model: OneFormer) -> None:
    assert model.text is not None
    rows = torch.tensor([[0, 4, 4, 4, 4, 4], [1, 2, 3, 6, 6, 6]])
    queries = model.text(model.sentence_SL, rows)
    assert queries.shape == (2, 10, 64)
    assert torch.equal(queries[0, 1], queries[0, 5])
    assert torch.equal(queries[1, 6:], model.text.mapper.prompt_ctx.weight)
    alone = model.text.mapper.text_projector(model.text.encode(model.sentence_SL[2:3]))
    assert torch.allclose(queries[1, 1], alone[0], atol=1e-6)


def test_dropout_belongs_to_images_and_happens_in_training_only() -> None:
    drop, ones = ImageDropout(0.25), torch.ones(3, 4000)
    assert torch.equal(drop(ones), ones)
    with drop.drawing(torch.Generator().manual_seed(0), BatchShare(0, 3, 3), torch.device("cpu")):
        dropped = drop(ones)
        again = drop(ones)
    assert dropped.unique().tolist() == [0, pytest.approx(4 / 3)]
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert not torch.equal(dropped, again)
    with drop.drawing(torch.Generator().manual_seed(0), BatchShare(2, 1, 3), torch.device("cpu")):
        assert torch.equal(drop(ones[:1])[0], dropped[2])


def test_evaluation_repeats_itself_and_training_drops(model: OneFormer) -> None:
    images, targets = scenes(2)
    first = model.losses(images, targets, torch.Generator().manual_seed(1))
    assert first == model.losses(images, targets, torch.Generator().manual_seed(1))
    trained = OneFormer(config(), torch.Generator().manual_seed(0)).train()
    still = OneFormer(config(dropout=0), torch.Generator().manual_seed(0)).train()
    losses = [one.losses(images, targets, torch.Generator().manual_seed(1))["class"] for one in (trained, still)]
    assert losses[0] != losses[1]


def test_masks_scores_and_boxes_by_hand() -> None:
    strong = torch.tensor([[4.0, -4.0], [-4.0, -4.0]])
    masks = torch.stack([strong, strong.flip(0), torch.full((2, 2), -3.0)])
    classes = torch.log(torch.tensor([[0.6, 0.2, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1], [0.9, 0.05, 0.03, 0.02]]))
    sizes = ((2, 2), (2, 2), (2, 2))
    found = find_instances(classes, masks, sizes, (0, 1), 4, masks=True)
    # Of the four best pairs (0.9 q2 c0, 0.7 q1 c2, 0.6 q0 c0, 0.2 q0 c1), one is stuff and one has no pixel.
    sure = torch.tensor(4.0).sigmoid().item()
    assert found.scores_N.tolist() == pytest.approx([0.6 * sure, 0.2 * sure], rel=1e-5)
    assert found.classes_N.tolist() == [0, 1]
    assert found.boxes_N4.tolist() == [[0, 0, 1, 1]] * 2
    assert found.masks_NHW is not None
    assert found.masks_NHW.tolist() == [[[True, False], [False, False]]] * 2
    assert find_instances(classes, masks, sizes, (0, 1), 4, masks=False).masks_NHW is None
    assert len(find_instances(classes, masks, sizes, (1,), 1, masks=True)) == 0


def test_masks_are_resized_to_the_padded_image_then_cut_then_to_the_output() -> None:
    logits = torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(0))
    classes = torch.tensor([[5.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    found = find_instances(classes, logits, ((24, 24), (20, 16), (35, 30)), (0, 1), 2, masks=True)
    full = functional.interpolate(logits[None], (24, 24), mode="bilinear", align_corners=False)[..., :20, :16]
    expected = functional.interpolate(full, (35, 30), mode="bilinear", align_corners=False)[0]
    assert found.masks_NHW is not None
    query = found.classes_N
    assert torch.equal(found.masks_NHW, (expected > 0)[query])
    quality = [float(expected[q].sigmoid()[expected[q] > 0].mean()) for q in query]
    probability = classes.softmax(1)
    assert found.scores_N.tolist() == pytest.approx(
        [float(probability[q, q]) * part for q, part in zip(query, quality, strict=True)], rel=1e-4
    )
    assert found.scores_N.tolist() == sorted(found.scores_N.tolist(), reverse=True)


def test_each_map_is_asked_for_with_its_own_task(model: OneFormer, monkeypatch: pytest.MonkeyPatch) -> None:
    """InstSynth section 9.5; things one by one, stuff once; sizes as they are asked for."""
    asked: list[list[int]] = []
    commands = OneFormer.commands

    def told(self: OneFormer, task_N: torch.Tensor) -> torch.Tensor:
        asked.append(task_N.tolist())
        return commands(self, task_N)

    monkeypatch.setattr(OneFormer, "commands", told)
    images, _ = scenes(2)
    wanted = [(64, 64), (20, 24)]
    thresholds = PanopticThresholds(0.0, 0.0)
    panoptic = model.segment_panoptic(images, thresholds, [(32, 32), (20, 24)], wanted)
    semantic = model.segment_semantic(images, [(32, 32), (20, 24)], wanted)
    assert asked == [[TASKS.index("panoptic")] * 2, [TASKS.index("semantic")] * 2]
    for found, class_HW, size in zip(panoptic, semantic, wanted, strict=True):
        assert found.segment_HW.shape == class_HW.shape == size
        assert int(found.segment_HW.max()) <= len(found.classes_N)
        stuff = [index for index in found.classes_N.tolist() if index in STUFF]
        assert len(stuff) == len(set(stuff))
        assert int(class_HW.max()) < len(CLASSES)


def test_detection_finds_things_in_pictures_of_several_sizes(model: OneFormer) -> None:
    images = scenes(2)[0]
    images[1, :, 20:] = images[1, :, :, 24:] = 99.0
    found = model.detect(images, [(32, 32), (20, 24)], [(64, 64), (20, 24)])
    assert [one.masks_NHW.shape[1:] for one in found] == [(64, 64), (20, 24)]
    assert all(set(one.classes_N.tolist()) <= {0, 1} for one in found)
    assert all(((one.scores_N > 0) & (one.scores_N <= 1)).all() for one in found)
    cleared = images.clone()
    cleared[1, :, 20:] = cleared[1, :, :, 24:] = 0.0
    again = model.detect(cleared, [(32, 32), (20, 24)])
    assert torch.equal(again[1].scores_N, found[1].scores_N)


@torch.no_grad()
def test_queries_answer_what_they_are_asked_for(model: OneFormer) -> None:
    image = scenes(1)[0]
    answer = {task: next(model.answers(task, image)) for task in ("instance", "panoptic", "semantic")}
    for one, other in itertools.combinations(answer.values(), 2):
        assert not torch.equal(one[0], other[0])
    num_kept = model.config.detections_per_image
    expected = find_instances(*answer["instance"], model.config.thing_classes, num_kept, masks=True)
    assert torch.equal(model.detect(image)[0].scores_N, expected.scores_N)


def test_a_saved_network_is_the_same(model: OneFormer, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    again = OneFormer.from_pretrained(tmp_path)
    assert again.config == model.config
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in again.state_dict().items())
    assert isinstance(load_segmenter(tmp_path), OneFormer)
    images = scenes(1)[0]
    assert torch.equal(again.detect(images)[0].scores_N, model.detect(images)[0].scores_N)


def test_without_text_branch_nothing_of_it_is_left() -> None:
    model = OneFormer(without_text(config())).train()
    images, targets = scenes(2)
    losses = model.losses(images, targets, torch.Generator().manual_seed(0))
    assert sorted(losses) == ["class", "dice", "earlier_class", "earlier_dice", "earlier_mask", "mask"]
    assert not any(name.startswith("text.") for name in model.state_dict())


def test_a_batch_without_segments_trains_the_classifier() -> None:
    model = OneFormer(config(), torch.Generator().manual_seed(0)).train()
    empty = [target_of([], torch.zeros(0, 32, 32, dtype=torch.bool))] * 2
    losses = model.losses(scenes(2)[0], empty, torch.Generator().manual_seed(0))
    assert losses["mask"].item() == losses["dice"].item() == 0
    assert losses["class"].item() > 0


def test_the_loss_falls() -> None:
    model = OneFormer(config(), torch.Generator().manual_seed(1)).train()
    recipe = miniature_recipe(iterations=40)
    optimizer, (images, targets) = recipe.build_optimizer(model), scenes(4)
    totals, contrastive = [], []
    for iteration in range(recipe.iterations):
        optimizer.zero_grad(set_to_none=True)
        losses = model.losses(images, targets, torch.Generator().manual_seed(iteration))
        total = torch.stack(list(losses.values())).sum()
        total.backward()
        recipe.set_rates(optimizer, iteration)
        recipe.clip_gradients(model.parameters())
        optimizer.step()
        totals.append(total.item())
        contrastive.append(losses["contrastive"].item())
    assert sum(totals[-5:]) < 0.6 * sum(totals[:5])
    assert sum(contrastive[-5:]) < sum(contrastive[:5])


def test_presets_are_those_of_the_papers() -> None:
    large = (oneformer_convnextl(), oneformer_swinl())
    assert [one.num_queries for one in large] == [one.detections_per_image for one in large] == [250, 250]
    assert (oneformer_r50().num_queries, oneformer_r50().detections_per_image) == (150, 150)
    assert [one.backbone.drop_path for one in large] == [0.4, 0.3]
    assert large[0].num_sentences == 234
    assert large[0].thing_classes == (11, 12, 13, 14, 15, 16, 17, 18)
    assert [CITYSCAPES_CLASSES[index] for index in (0, 10, 11, 18)] == ["road", "sky", "person", "bicycle"]
    assert tuple(range(11)) == CITYSCAPES_STUFF
    loss = large[0].loss
    assert (loss.class_weight, loss.mask_weight, loss.dice_weight, loss.no_object_weight) == (2, 5, 5, 0.1)
    assert (loss.num_points, loss.oversampling, loss.importance_share) == (12_544, 3, 0.75)
    assert large[0].text is not None
    assert (large[0].text.weight, large[0].text.temperature, large[0].text.learned_vectors) == (0.5, 0.07, 16)
    recipe = release_recipe()
    assert (recipe.iterations, recipe.batch_size, recipe.base_lr, recipe.weight_decay) == (90_000, 16, 1e-4, 0.05)
    assert (recipe.backbone_lr_factor, recipe.max_gradient_norm, recipe.warmup_iterations) == (0.1, 0.01, 0)
    assert (instsynth_recipe().batch_size, instsynth_recipe().base_lr) == (4, 1e-4)


def test_what_is_decayed() -> None:
    chosen = config(
        backbone=SwinConfig(
            window=4, embedding=8, depths=(1,) * 4, heads=(1,) * 4, output_stages=(0, 1, 2, 3)
        ).model_dump(),
        pad_multiple=32,
    )
    plain = release_recipe().names_without_decay(OneFormer(chosen))
    assert "head.transformer.queries_embedder.weight" in plain
    assert "text.mapper.token_embedding.weight" not in plain
    assert {"text.mapper.text_encoder.token_embedding.weight", "text.mapper.prompt_ctx.weight"} <= plain
    assert any(name.endswith("relative_position_bias_table") for name in plain)
    assert "head.transformer.decoder.class_embed.weight" not in plain
    assert "text.logit_scale" not in plain


def test_convnext_is_the_librarys() -> None:
    from transformers import ConvNextBackbone
    from transformers import ConvNextConfig as TheirConfig

    ours = ConvNeXt(ConvNeXtConfig(depths=(1, 1, 2, 1), widths=(4, 8, 12, 16), layer_scale=0.7, drop_path=0.0)).eval()
    stages = ["stage1", "stage2", "stage3", "stage4"]
    theirs = ConvNextBackbone(TheirConfig(depths=[1, 1, 2, 1], hidden_sizes=[4, 8, 12, 16], out_features=stages)).eval()
    mine, state = ours.state_dict(), theirs.state_dict()
    with torch.no_grad():
        for value in mine.values():
            value.normal_(std=0.3, generator=torch.Generator().manual_seed(value.numel()))
        assert len(mine) == len(state)
        for name, value in mine.items():
            state[their_name(name)].copy_(value)
        image = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
        for own, other in zip(ours(image), theirs(image).feature_maps, strict=True):
            assert torch.allclose(own, other, atol=1e-4)


def their_name(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "stages":
        inner = {"norm": "layernorm", "gamma": "layer_scale_parameter"}.get(parts[3], parts[3])
        return ".".join(["encoder", "stages", parts[1], "layers", parts[2], inner, *parts[4:]])
    if parts[0] == "downsample_layers":
        if parts[1] == "0":
            return ".".join(["embeddings", ("patch_embeddings", "layernorm")[int(parts[2])], parts[3]])
        return ".".join(["encoder", "stages", parts[1], "downsampling_layer", *parts[2:]])
    return f"hidden_states_norms.stage{int(parts[0][4:]) + 1}.{parts[1]}"


def test_convnext_drops_residuals_of_whole_images_by_the_given_draws() -> None:
    network = ConvNeXt(ConvNeXtConfig(depths=(1, 1, 1, 1), widths=(4, 4, 4, 4), drop_path=0.5)).train()
    image, draws = torch.randn(3, 3, 32, 32), []

    def draw() -> Tensor:
        draws.append(0)
        return torch.tensor([0.9, 0.0, 0.9]) if len(draws) == 3 else torch.full((3,), 0.9)

    with torch.no_grad():
        last = network(image, draw)[-1]
        kept = network(image, lambda: torch.full((3,), 0.9))[-1]
    assert len(draws) == 3  # the first block's chance is 0
    assert torch.equal(last[[0, 2]], kept[[0, 2]])
    assert not torch.allclose(last[1], kept[1], atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stuff_classes": (4,)}, "stuff_classes names class 4; there are 4 from 0"),
        ({"stuff_classes": (0, 1, 2, 3)}, "leave one that has instances"),
        ({"task_shares": (0.5, 0.5, 0.5)}, "do not add up to 1"),
        ({"num_queries": 4}, "leaves no sentence beside"),
        ({"text": {"width": 128}}, "text.width 128 differs from width 64"),
        ({"text": {"width": 96}}, "no multiple of the 64 channels"),
        ({"pad_multiple": 24}, "no multiple of the backbone's stride 16"),
        ({"width": 80}, "no multiple of 32, of norm_groups"),
        ({"backbone": {"kind": "convnext", "output_stages": (1, 2, 3)}}, "names 3 stages; OneFormer reads 4"),
        ({"backbone": {"kind": "convnext", "depths": (1, 1)}}, "depths names 2 stages and widths 4"),
    ],
)
def test_configs_that_do_not_fit(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**changes)


def test_configs_survive_json() -> None:
    chosen = oneformer_convnextl()
    assert OneFormerConfig.model_validate_json(chosen.model_dump_json()) == chosen
