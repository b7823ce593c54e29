"""The ladder of sizes: what a pass costs, smaller U-Nets from larger ones, and distillation."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from methods.common.seeds import Seeds
from methods.common.segmenters.backbones.cost import cost_of
from methods.common.segmenters.backbones.generative.config import ExtractorConfig
from methods.common.segmenters.backbones.generative.extractor import Extractor
from methods.common.segmenters.backbones.generative.loading import load_extractor, networks_of, strongest_heads
from methods.common.segmenters.backbones.generative.networks import attentions
from methods.common.segmenters.backbones.generative.networks_config import AutoencoderShape, Networks, UNetShape
from methods.common.segmenters.backbones.generative.presets import decoder_taps
from methods.common.segmenters.backbones.generative.pruning import take_from_larger
from methods.common.stage import Inputs, LocalContext
from methods.common.training.recipe import TrainingRecipe
from methods.instance_synthesis.distillation import map_losses
from methods.instance_synthesis.sizes import LadderConfig, without_blocks
from methods.instance_synthesis.stages.distill import DISTILL, DistillConfig
from methods.instance_synthesis.stages.sizes import SIZES, SizesConfig
from tests.unit.generative_folders import images, tiny_folder
from tests.unit.instance_frames import street_frame, write_cityscapes

CPU = torch.device("cpu")
NETWORKS = Networks(
    unet=UNetShape(
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(8, 16),
        cross_attention_dim=8,
        attention_head_dim=4,
        norm_num_groups=4,
    ),
    vae=AutoencoderShape(block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4),
    text_tokens=5,
)
"""Two layers a block."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_folder(tmp_path_factory.mktemp("generator"))


def random_extractor(networks: Networks, seed: int = 0) -> Extractor:
    torch.manual_seed(seed)
    return Extractor(ExtractorConfig(networks=networks, taps=decoder_taps(networks)))


def test_products_of_linear_layers_convolutions_and_attention_are_counted() -> None:
    linear, convolution = nn.Linear(3, 5), nn.Conv2d(2, 4, 3, padding=1)
    cost = cost_of([linear], lambda: linear(torch.ones(2, 3)), CPU)
    assert (cost.parameters, cost.multiply_adds) == (20, 2 * 3 * 5)
    assert cost.weights_mib == 80 / 2**20
    cost = cost_of([convolution], lambda: convolution(torch.ones(1, 2, 6, 7)), CPU)
    assert cost.multiply_adds == 6 * 7 * 4 * 2 * 9
    query = torch.ones(1, 2, 6, 4)
    cost = cost_of([], lambda: functional.scaled_dot_product_attention(query, query, query), CPU)
    assert cost.multiply_adds == 2 * (2 * 6 * 6 * 4)


def test_the_peak_is_what_is_alive_at_once_and_the_weights() -> None:
    layer = nn.Linear(10, 10).half()

    def run() -> torch.Tensor:
        first = torch.zeros(1000)
        second = first + 1
        del first
        third = second.view(10, 100)  # the same bytes
        return third * 2

    assert cost_of([layer, layer], run, CPU).peak_mib == (2 * 4000 + 110 * 2) / 2**20


def test_costs_fall_from_rung_to_rung(folder, tmp_path) -> None:
    config = SizesConfig(
        networks=networks_of(folder), width=32, strides_px=(2, 4), half="bfloat16", image_px=(16, 24), rounds=1
    )
    rows = SIZES.run(Inputs({"backbone": (folder,)}), config, LocalContext(tmp_path))["rungs"]
    by_rung = {row["rung"]: row for row in rows}
    assert list(by_rung) == ["full", "half", "features_only", "cut", "block_pruned", "head_pruned"]
    full, half = by_rung["full"], by_rung["half"]
    parts = [sum(one.numel() for one in load.values()) for load in _weights_of(folder)]
    assert full["parameters"] == sum(parts)
    assert half["weights_mib"] == pytest.approx(full["weights_mib"] / 2, rel=1e-3)
    assert half["multiply_adds"] == full["multiply_adds"]
    order = ["half", "features_only", "cut", "block_pruned"]
    for name in ("parameters", "weights_mib", "multiply_adds"):
        values = [by_rung[rung][name] for rung in order]
        assert values == sorted(values, reverse=True), name
        assert len(set(values)) == len(values), name
    assert by_rung["head_pruned"]["parameters"] < by_rung["cut"]["parameters"]
    assert all(row["ms_per_image"] > 0 and row["peak_mib"] > row["weights_mib"] for row in rows)


def _weights_of(folder):
    from safetensors.torch import load_file
    from transformers import CLIPTextModel

    yield from (load_file(folder / part / "diffusion_pytorch_model.safetensors") for part in ("unet", "vae"))
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder")
    yield {**dict(encoder.named_parameters()), **dict(encoder.named_buffers())}


def test_rungs_read_what_they_say() -> None:
    ladder = LadderConfig(half="float16")
    full, half, cut = (ladder.backbone(rung) for rung in ("full", "half", "cut"))
    assert (full.extractor.precision, half.extractor.precision) == ("float32", "float16")
    assert ladder.backbone("features_only") == half
    assert full.extractor.taps == half.extractor.taps == decoder_taps(Networks())
    assert cut.extractor.taps == half.extractor.taps[1:]
    assert cut.levels[0].taps == cut.levels[1].taps == ("unet.up_blocks.2.attentions.2",)
    pruned, narrow = ladder.backbone("block_pruned").extractor, ladder.backbone("head_pruned").extractor
    assert (pruned.networks.unet.layers_per_block, pruned.networks.unet.mid_block_type) == (1, None)
    assert pruned.taps[0] == "unet.up_blocks.2.attentions.1"
    assert (narrow.networks.heads_kept, narrow.networks.unet) == (0.5, Networks().unet)
    maps = [[(tap.channels, tap.stride_px) for tap in one.tapped] for one in (cut.extractor, pruned, narrow)]
    assert maps[0] == maps[1] == maps[2]


def test_a_smaller_unet_takes_the_layers_that_remain() -> None:
    teacher, student = random_extractor(NETWORKS), random_extractor(without_blocks(NETWORKS), 1)
    take_from_larger(student, teacher)
    mine, theirs = student.unet.state_dict(), teacher.unet.state_dict()
    for place, original in (
        ("down_blocks.0.resnets.0.conv1.weight", "down_blocks.0.resnets.0.conv1.weight"),
        ("up_blocks.1.resnets.0.conv1.weight", "up_blocks.1.resnets.0.conv1.weight"),
        ("up_blocks.1.resnets.1.conv1.weight", "up_blocks.1.resnets.2.conv1.weight"),
        ("up_blocks.1.attentions.1.proj_in.weight", "up_blocks.1.attentions.2.proj_in.weight"),
    ):
        assert torch.equal(mine[place], theirs[original]), place
    assert torch.equal(student.text_TD, teacher.text_TD)
    assert torch.equal(student.vae.state_dict()["quant_conv.weight"], teacher.vae.state_dict()["quant_conv.weight"])
    with torch.no_grad():
        found, wanted = student(images()), teacher(images())
    assert [maps.shape for maps in found] == [maps.shape for maps in wanted]


def test_all_layers_and_heads_are_the_larger_one() -> None:
    teacher, student = random_extractor(NETWORKS), random_extractor(NETWORKS, 1)
    take_from_larger(student, teacher)
    assert student.weights_sha256() == teacher.weights_sha256()


def test_fewer_heads_are_the_strongest_of_the_larger_one() -> None:
    teacher = random_extractor(NETWORKS)
    student = random_extractor(NETWORKS.model_copy(update={"heads_kept": 0.5}), 1)
    take_from_larger(student, teacher)
    chosen = strongest_heads(teacher.unet, 0.5)
    for (name, few), (_, many) in zip(attentions(student.unet), attentions(teacher.unet), strict=True):
        width = many.to_q.out_features // many.heads
        rows = torch.cat([torch.arange(head * width, (head + 1) * width) for head in chosen[name]])
        assert torch.equal(few.to_v.weight, many.to_v.weight[rows])


def test_a_map_counts_by_its_own_variance() -> None:
    wanted = [torch.tensor([0.0, 2.0]), torch.tensor([0.0, 20.0])]
    losses = map_losses([torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0])], wanted)
    assert {name: float(loss) for name, loss in losses.items()} == {"map_0": 0.5 / 2 / 2, "map_1": 50 / 200 / 2}


def distillation(folder, iterations: int = 60) -> DistillConfig:
    networks = networks_of(folder)
    narrow = networks.model_copy(update={"heads_kept": 0.5})
    return DistillConfig(
        teacher=ExtractorConfig(networks=networks, taps=decoder_taps(networks)),
        student=ExtractorConfig(networks=narrow, taps=decoder_taps(narrow)),
        crop_px=(16, 16),
        recipe=TrainingRecipe(
            iterations=iterations, batch_size=2, base_lr=5e-4, warmup_iterations=1, clip_value=None, ema_warmup=True
        ),
    )


def run_distill(root, folder, config, name, every_s=1e9):
    (root / name).mkdir(exist_ok=True)
    context = LocalContext(root / name, Seeds(), checkpoint_every_s=every_s)
    return DISTILL.run(Inputs({"data": (root,), "backbone": (folder,)}), config, context)


def test_a_student_comes_nearer_to_its_teacher_and_is_a_place_to_load_from(folder, tmp_path) -> None:
    root = write_cityscapes(tmp_path, [street_frame(name=f"aachen_00000{place}_000019") for place in range(2)])
    config = distillation(folder)
    record = run_distill(root, folder, config, "whole")
    assert record["end_error"] < 0.7 * record["start_error"]
    assert record["loss_last"] < record["loss_first"]
    student, teacher = load_extractor(config.student, root / "whole"), load_extractor(config.teacher, folder)
    untrained = load_extractor(config.student, folder)
    image = images(2, 16, 16)
    with torch.no_grad():
        found, before = student(image), untrained(image)
    assert torch.equal(student.vae.quant_conv.weight, teacher.vae.quant_conv.weight)
    assert not torch.equal(found[0], before[0])


def test_a_student_keeps_its_averaged_weights(folder, tmp_path) -> None:
    root, config = write_cityscapes(tmp_path, [street_frame()]), distillation(folder, 3)
    slow = config.recipe.model_copy(update={"ema_decay": 1 - 1e-9, "ema_warmup": False})
    record = run_distill(root, folder, config.model_copy(update={"recipe": slow}), "slow")
    assert record["end_error"] == pytest.approx(record["start_error"], rel=1e-5), "an average that hardly moves"
    assert run_distill(root, folder, config, "usual")["end_error"] != pytest.approx(record["start_error"], rel=1e-5)


def test_an_interrupted_distillation_ends_with_the_same_weights(folder, tmp_path) -> None:
    root = write_cityscapes(tmp_path, [street_frame()])
    config = distillation(folder, 4)
    run_distill(root, folder, config, "whole")

    class StoppedError(Exception):
        pass

    class Killed(LocalContext):
        def progress(self, done, total, unit="steps", **numbers):
            if done == 3:
                raise StoppedError

    (root / "killed").mkdir()
    inputs = Inputs({"data": (root,), "backbone": (folder,)})
    with pytest.raises(StoppedError):
        DISTILL.run(inputs, config, Killed(root / "killed", Seeds(), checkpoint_every_s=0))
    run_distill(root, folder, config, "killed")
    files = [(root / name / "extractor" / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert files[0] == files[1]


def test_students_of_other_maps_are_refused(folder) -> None:
    config = distillation(folder)
    fewer = config.student.model_copy(update={"taps": config.student.taps[:1]})
    with pytest.raises(ValidationError, match="other channels or strides; tap the same places"):
        DistillConfig.model_validate({**config.model_dump(), "student": fewer})
    half = config.student.model_copy(update={"precision": "float16"})
    with pytest.raises(ValidationError, match="needs precision float32"):
        DistillConfig.model_validate({**config.model_dump(), "student": half})
