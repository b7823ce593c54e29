"""Training of the painters of the street: hand-computed pieces, and a chain of all stages at the smallest size."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from methods.common.generators.repainting.interface import repaint
from methods.common.generators.repainting.load import load_back_end
from methods.common.generators.repainting.parts import load_parts
from methods.common.miniature.generator import build_noise_schedule, build_unet
from methods.common.miniature.model_classes import CLIPTextModel, UNet2DConditionModel
from methods.common.miniature.repaint_training import (
    _Batch,
    add_gated_layers,
    draw_things,
    gated_weights,
    is_gated,
    repaint_loss,
    widen_for_inpainting,
)
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.street_report import back_ends, describe, nearest_agree, orders_of, street_tables
from methods.common.miniature.training_configs import (
    AssembleConfig,
    GligenTrainingConfig,
    InpaintingTrainingConfig,
    OptimizerConfig,
    StreetReportConfig,
    StreetSegmenterConfig,
    ThingsConfig,
)
from methods.common.miniature.training_stages import (
    ASSEMBLE_STREET,
    ENCODE_THINGS,
    REPORT_STREET,
    TRAIN_GLIGEN,
    TRAIN_INPAINTING,
    TRAIN_STREET_SEGMENTER,
)
from methods.common.stage import Inputs, LocalContext

FEW = OptimizerConfig(num_steps=3, batch_size=4, learning_rate=1e-3, warmup_steps=0)


def text(count):
    return torch.randn(count, 16, 96, generator=torch.Generator().manual_seed(1))


def small_unet():
    torch.manual_seed(0)
    return build_unet((16, 32), 16).eval()


def test_a_widened_network_at_first_paints_as_before():
    plain, latent = small_unet(), torch.randn(2, 4, 16, 16)
    wide = widen_for_inpainting(plain).eval()
    timestep = torch.tensor([3, 700])
    with torch.no_grad():
        before = plain(latent, timestep, encoder_hidden_states=text(2)).sample
        given = torch.cat([latent, torch.rand(2, 5, 16, 16)], 1)
        assert torch.allclose(wide(given, timestep, encoder_hidden_states=text(2)).sample, before, atol=1e-5)


def test_closed_gates_change_nothing_but_the_order_of_the_input():
    base = widen_for_inpainting(small_unet()).eval()
    torch.nn.init.normal_(base.conv_in.weight, std=0.1)
    gated = add_gated_layers(base).eval()
    latent, blanked = torch.randn(2, 2, 4, 16, 16)
    hidden = (torch.rand(2, 1, 16, 16) > 0.5).float()
    grounding = {
        "boxes": torch.rand(2, 3, 4),
        "positive_embeddings": torch.randn(2, 3, 96),
        "masks": torch.ones(2, 3),
    }
    timestep = torch.tensor([3, 700])
    with torch.no_grad():
        before = base(torch.cat([latent, hidden, blanked], 1), timestep, encoder_hidden_states=text(2)).sample
        given = torch.cat([latent, blanked, 1 - hidden], 1)
        after = gated(
            given, timestep, encoder_hidden_states=text(2), cross_attention_kwargs={"gligen": grounding}
        ).sample
    inner = np.s_[:, :, 6:10, 6:10]
    assert torch.allclose(after[inner], before[inner], atol=0.2)  # borders see other padding
    trained = {name for name, parameter in gated.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, _ in gated.named_parameters() if is_gated(name)}
    assert {name.split(".")[0] for name in trained} >= {"conv_in", "position_net", "mid_block"}
    assert not any("attn1" in name or "resnets" in name for name in trained)
    assert set(gated_weights(gated)) | set(base.state_dict()) == set(gated.state_dict())


def test_what_is_only_copied_counts_less():
    schedule = build_noise_schedule()
    zeros = torch.zeros(1, 4, 4, 4)
    repainted = torch.zeros(1, 1, 4, 4)
    repainted[..., :2] = 1
    timestep = torch.tensor([500])
    batch = _Batch(
        torch.tensor([0]), zeros, zeros, timestep, repainted, torch.tensor([False]), torch.zeros(1, 16).long()
    )
    config = InpaintingTrainingConfig(optimizer=FEW)
    inside, outside = zeros + repainted, zeros + (1 - repainted)
    ratio = repaint_loss(inside, batch, schedule, config) / repaint_loss(outside, batch, schedule, config)
    assert float(ratio) == pytest.approx(4.0, rel=1e-5)
    alpha = schedule.alphas_cumprod[500]
    snr = float(alpha / (1 - alpha))
    everything = float(repaint_loss(torch.ones_like(zeros), batch, schedule, config))
    assert everything == pytest.approx((min(snr, 5.0) + 1) / (snr + 1), rel=1e-5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """All stages, on a small U-Net with the shipped text encoder and VAE."""
    root = tmp_path_factory.mktemp("street")
    small_unet().save_pretrained(root / "generator" / "unet")
    shipped = CHECKPOINTS / "stable_diffusion"
    CLIPTextModel.from_pretrained(shipped / "text_encoder", dtype=torch.float32).save_pretrained(
        root / "generator" / "text_encoder"
    )

    def run(stage, name, config, **roles):
        (root / name).mkdir()
        inputs = Inputs({role: (folder,) for role, folder in roles.items()})
        return stage.run(inputs, config, LocalContext(root / name))

    records = {
        "things": run(ENCODE_THINGS, "things", ThingsConfig(num_things=24), vae=shipped, clip=CHECKPOINTS),
        "inpainting": run(
            TRAIN_INPAINTING,
            "inpainting",
            InpaintingTrainingConfig(optimizer=FEW),
            things=root / "things",
            generator=root / "generator",
        ),
        "gligen": run(
            TRAIN_GLIGEN,
            "gligen",
            GligenTrainingConfig(optimizer=FEW),
            things=root / "things",
            inpainting=root / "inpainting",
        ),
        "street_segmenter": run(TRAIN_STREET_SEGMENTER, "street_segmenter", StreetSegmenterConfig(optimizer=FEW)),
    }
    roles = {"vae": shipped, "clip": CHECKPOINTS, "inpainting": root / "inpainting", "gligen": root / "gligen"}
    roles["street_segmenter"] = root / "street_segmenter"
    run(ASSEMBLE_STREET, "painters", AssembleConfig(), **roles)
    return root, records


def test_crops_are_encoded_with_and_without_their_thing(trained):
    root, records = trained
    things = load_file(root / "things" / "things.safetensors")
    crops = draw_things(LocalContext(root).seeds.derive("data", "street"), ThingsConfig(num_things=24))
    assert sum(records["things"]["things_by_kind"].values()) == 24
    assert things["mean"].shape == things["hidden_mean"].shape == (24, 4, 16, 16)
    for place in (0, 11, 23):
        share = float(things["mask"][place].float().mean())
        assert share == pytest.approx(crops[place].mask_HW.mean(), abs=0.1)
        difference = (things["mean"][place].float() - things["hidden_mean"][place].float()).abs().mean(0)
        inside, outside = difference[things["mask"][place]].mean(), difference[~things["mask"][place]].mean()
        assert inside > 2 * outside
    assert (things["box"][:, 2] > things["box"][:, 0]).all()
    assert len({tuple(row) for row in things["phrase_tokens"].tolist()}) == 10
    assert things["tokens"].shape[1] == 16


def test_the_base_of_the_grounded_network_stays_and_its_gates_open(trained):
    root, _ = trained
    base = UNet2DConditionModel.from_pretrained(root / "inpainting" / "unet").state_dict()
    own = load_file(root / "gligen" / "unet" / "diffusion_pytorch_model.safetensors")
    assert all(is_gated(name) for name in own)
    gates = [tensor for name, tensor in own.items() if name.endswith("alpha_attn")]
    assert gates
    assert all(float(gate.abs()) > 0 for gate in gates)
    loaded = load_parts(root / "painters" / "gligen", torch.device("cpu"), torch.float32).unet.state_dict()
    assert torch.allclose(
        loaded["mid_block.resnets.0.conv1.weight"], base["mid_block.resnets.0.conv1.weight"], atol=1e-3
    )
    assert torch.allclose(loaded["conv_in.weight"], own["conv_in.weight"], atol=1e-3)


def test_assembled_painters_paint_and_are_reported(trained):
    root, _ = trained
    config = StreetReportConfig(things=ThingsConfig(num_things=8), real_things=ThingsConfig(num_things=20), num_steps=2)
    orders = orders_of(draw_things(5, config.things), 3)
    for back_end, painter in back_ends(config).values():
        folder = None if painter is None else root / "painters" / painter
        assert repaint(load_back_end(back_end, folder, {}, torch.device("cpu")), orders[:1])[0].shape == (64, 64, 3)
    (root / "report").mkdir()
    record = REPORT_STREET.run(Inputs({"checkpoints": (root / "painters",)}), config, LocalContext(root / "report"))
    assert record == json.loads((root / "report" / "street_report.json").read_text())
    assert record["painters"]["the crop itself"]["changed"] == 0.0
    assert record["painters"]["inpainting"]["changed"] > 5.0
    assert (root / "report" / "sheets" / "street_painters.png").is_file()
    provenance = {"inpainting": json.loads((root / "painters" / "inpainting" / "training_provenance.json").read_text())}
    table = street_tables(record, provenance)
    assert "| the crop itself |" in table
    assert "| inpainting | 3 | 4 |" in table


def test_the_nearest_decide_by_majority():
    real = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]], np.float32)
    labels = ["car", "car", "bus", "bus", "bus", "bus"]
    asked = np.array([[0.1], [11.0], [0.1]], np.float32)
    assert nearest_agree(asked[:1], real, labels, ["bus"]) == 1.0  # 3 of the 5 nearest
    assert nearest_agree(asked, real[:5], ["car"] * 3 + ["bus"] * 2, ["car", "bus", "bus"]) == pytest.approx(1 / 3)
    mask = np.zeros((64, 64), bool)
    mask[:32] = True
    described = describe([np.full((64, 64, 3), 255, np.uint8)], [mask])
    assert described.shape == (1, 768)
    assert described.mean() == pytest.approx(0.5)
