"""Training of the miniature parts: losses fall, hand-computed pieces."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from methods.common.miniature.attention_maps import WordAttention
from methods.common.miniature.captions import vocabulary
from methods.common.miniature.clip_training import contrastive_loss, patch_shares, true_pairs
from methods.common.miniature.cutout_training import mask_loss
from methods.common.miniature.generator import build_noise_schedule, build_unet, diffusion_loss
from methods.common.miniature.measurements import prompted_overlap
from methods.common.miniature.network_training import train_networks
from methods.common.miniature.provenance import read_provenance
from methods.common.miniature.sam_training import (
    ScenePool,
    build_sam,
    decode,
    draw_prompts,
    draw_scenes,
    prompt_loss,
)
from methods.common.miniature.tokenizer import TEXT_LENGTH, build_tokenizer, load_tokenizer
from methods.common.miniature.training_configs import (
    CutoutConfig,
    OptimizerConfig,
    SamTrainingConfig,
)
from methods.common.miniature.training_stages import TRAIN_CUTOUT, TRAIN_SAM
from methods.common.miniature.vae import build_vae, fold_latent_statistics
from methods.common.miniature.web import WebPool, draw_pool
from methods.common.miniature.world_config import WebConfig
from methods.common.segment_anything.sam import Sam
from methods.common.stage import Inputs, LocalContext
from tests.contracts.contexts import Killed, MortalContext

REPOSITORY = Path(__file__).resolve().parents[2]


def test_rate_warms_up_stays_and_falls_to_zero():
    config = OptimizerConfig(num_steps=100, batch_size=1, learning_rate=2.0, warmup_steps=9, cosine_from=0.5)
    assert config.rate_at(0) == pytest.approx(0.2)
    assert config.rate_at(9) == config.rate_at(50) == 2.0
    assert config.rate_at(75) == pytest.approx(1.0)
    assert config.rate_at(100) == pytest.approx(0.0)


def small_training(num_steps):
    torch.manual_seed(0)
    network = nn.Linear(3, 1)
    config = OptimizerConfig(num_steps=num_steps, batch_size=4, learning_rate=0.05, warmup_steps=2)

    def loss_of_step(step):
        inputs = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        return (network(inputs)[:, 0] - inputs.sum(1)).square().mean()

    return {"net": network}, config, loss_of_step


def test_processor_time_of_earlier_attempts_counts(tmp_path):
    context = MortalContext(tmp_path / "cut", kill_at=11)
    with pytest.raises(Killed):
        train_networks(*small_training(30), context)
    step, tree = context.checkpoints.load()
    assert 0 < tree["training"]["processor_time"]["seconds"] < 60
    tree["training"]["processor_time"]["seconds"] = 1000.0
    context.checkpoints.save(step + 1, tree)
    assert 1000 < train_networks(*small_training(30), LocalContext(tmp_path / "cut")).cpu_seconds < 1060


def test_the_loss_falls(tmp_path):
    losses = train_networks(*small_training(30), LocalContext(tmp_path), 0.9).losses
    assert losses[-1] < 0.1 * losses[0]


def test_averages_replace_the_weights(tmp_path):
    """After one step the average keeps a tenth of the start, as the decay then is (1 + 0) / (10 + 0)."""
    networks, config, loss_of_step = small_training(1)
    start = networks["net"].weight.detach().clone()
    averaged = train_networks(networks, config, loss_of_step, LocalContext(tmp_path), 0.9).networks["net"].weight
    assert torch.allclose(averaged, 0.1 * start + 0.9 * networks["net"].weight)
    assert not torch.allclose(averaged, networks["net"].weight)


def test_cutout_stage_learns_writes_provenance_and_can_be_loaded(tmp_path):
    config = CutoutConfig(
        optimizer=OptimizerConfig(num_steps=20, batch_size=8, learning_rate=3e-3, warmup_steps=2),
        num_pictures=64,
        width=8,
    )
    (tmp_path / "out").mkdir()
    record = TRAIN_CUTOUT.run(Inputs(), config, LocalContext(tmp_path / "out"))
    assert record["losses"][-1] < 0.8 * record["losses"][0]
    provenance = read_provenance(tmp_path / "out")
    assert provenance["stage"] == "train_cutout"
    assert provenance["config"]["optimizer"]["num_steps"] == 20
    assert provenance["seeds"] == {"data": 0, "training": 0}
    assert provenance["cpu_seconds"] > 0


FEW_SAM_STEPS = SamTrainingConfig(
    optimizer=OptimizerConfig(num_steps=12, batch_size=4, learning_rate=1.5e-3, warmup_steps=2), num_pictures=24
)


def test_sam_stage_learns_and_can_be_loaded(tmp_path):
    record = TRAIN_SAM.run(Inputs(), FEW_SAM_STEPS, LocalContext(tmp_path))
    assert record["losses"][-1] < 0.9 * record["losses"][0]
    sam = Sam.from_pretrained(tmp_path / "sam")
    assert 0 < prompted_overlap(sam, 0, 2, WebConfig())["sam_box_iou"] < 0.9
    assert read_provenance(tmp_path)["config"]["prompts_per_picture"] == 4


def test_scene_pool_numbers_the_objects():
    pool = draw_scenes(3, 6, WebConfig(single_share=0.0))
    assert isinstance(pool, ScenePool)
    assert pool.images_NHW3.shape == (6, 64, 64, 3)
    assert set(np.unique(pool.objects_NHW)) <= {0, 1, 2, 3}
    assert all(objects_HW.max() >= 2 for objects_HW in pool.objects_NHW)


def test_prompts_lie_on_their_objects():
    objects_NHW = draw_scenes(3, 6, WebConfig(single_share=0.3)).objects_NHW
    config = FEW_SAM_STEPS.model_copy(update={"box_jitter_px": 0.0})
    prompts = draw_prompts(objects_NHW, config, np.random.default_rng(0))
    assert len(prompts.picture_P) == 24
    assert prompts.by_point_P.sum() == 8
    for picture, mask_HW, (x, y), box_4 in zip(
        prompts.picture_P, prompts.mask_PHW, prompts.point_P2.astype(int), prompts.box_P4, strict=True
    ):
        number = objects_NHW[picture][y, x]
        assert number > 0
        assert np.array_equal(mask_HW, objects_NHW[picture] == number)
        rows, columns = np.nonzero(mask_HW)
        assert box_4.tolist() == [columns.min(), rows.min(), columns.max(), rows.max()]


def test_prompt_loss_takes_the_best_mask_and_the_mean_and_knows_true_ious():
    mask_PHW = torch.zeros(1, 2, 2)
    mask_PHW[0, 0, 0] = 1.0
    right_HW = torch.where(mask_PHW[0] > 0, 40.0, -40.0)
    wrong_HW = -right_HW
    true_ious = torch.tensor([[1.0, 0.0]])
    # Right: no loss. Wrong: cross-entropy 40; Dice (0 + 1) / (3 + 1 + 1) = 0.2, so 0.8.
    loss = prompt_loss(torch.stack([right_HW, wrong_HW])[None], true_ious, mask_PHW)
    assert float(loss) == pytest.approx(0.5 * (0.0 + 40.8 / 2), rel=1e-5)
    worse = prompt_loss(torch.stack([right_HW, wrong_HW])[None], 1.0 - true_ious, mask_PHW)
    assert float(worse - loss) == pytest.approx(1.0, rel=1e-5)


def test_one_decoder_call_answers_like_single_ones():
    torch.manual_seed(0)
    model = build_sam(64).eval()
    with torch.no_grad():
        embedding_NCSS = model.vision_encoder(torch.randn(2, 3, 64, 64)).last_hidden_state
        tokens_PTC = torch.randn(3, 2, 64)
        masks, ious = decode(model, embedding_NCSS, torch.tensor([0, 1, 1]), tokens_PTC, True)
        alone, alone_iou = decode(model, embedding_NCSS[1:], torch.tensor([0]), tokens_PTC[2:], True)
    assert masks.shape == (3, 3, 64, 64)
    assert torch.allclose(masks[2], alone[0], atol=1e-4)
    assert torch.allclose(ious[2], alone_iou[0], atol=1e-5)


def test_mask_loss_by_hand():
    mask_NHW = torch.zeros(1, 2, 2)
    mask_NHW[0, 0, 0] = 1.0
    # Probability 0.5 everywhere: cross-entropy ln 2; Dice (2 * 0.5 + 1) / (2 + 1 + 1) = 0.5.
    assert float(mask_loss(torch.zeros(1, 2, 2), mask_NHW)) == pytest.approx(0.693147 + 0.5, abs=1e-5)


def test_every_word_is_one_token_and_unknown_words_are_spelt(tmp_path):
    tokenizer = build_tokenizer(vocabulary())
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    ids = loaded("a photo of a coin on a white background").input_ids
    assert len(ids) == 11
    assert ids[0] == loaded.bos_token_id
    assert ids[-1] == loaded.eos_token_id
    assert len(loaded("zyzzyva").input_ids) > 4
    assert len(loaded("a " * 40, truncation=True).input_ids) == TEXT_LENGTH == loaded.model_max_length


def test_folding_keeps_pictures_and_makes_latents_standard():
    torch.manual_seed(0)
    vae = build_vae(32).eval()
    image_NCHW = torch.rand(6, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        before_NCHW = vae.decode(vae.encode(image_NCHW).latent_dist.mode()).sample
        fold_latent_statistics(vae, image_NCHW)
        posterior = vae.encode(image_NCHW).latent_dist
        after_NCHW = vae.decode(posterior.mode()).sample
        total_C = posterior.mean.var((0, 2, 3)) + posterior.var.mean((0, 2, 3))
    assert torch.allclose(before_NCHW, after_NCHW, atol=1e-4)
    assert torch.allclose(posterior.mean.mean((0, 2, 3)), torch.zeros(4), atol=1e-3)
    assert torch.allclose(total_C, torch.ones(4), atol=1e-3)


def test_patch_shares_by_hand():
    semantic_IHW = torch.full((1, 16, 16), 40)
    semantic_IHW[0, :8, 8:12] = 3
    shares_IPK = patch_shares(semantic_IHW)
    assert shares_IPK.shape == (1, 4, 44)
    assert shares_IPK[0, 1, 3] == shares_IPK[0, 1, 40] == 0.5
    assert shares_IPK[0, 0, 40] == shares_IPK[0, 2, 40] == shares_IPK[0, 3, 40] == 1.0


def test_captions_fit_all_pictures_they_are_true_of():
    drawn = draw_pool(0, 4, WebConfig())
    pool = WebPool(
        drawn.images_NHW3,
        drawn.semantic_NHW,
        ("a photo of a coin", "coin on grass", "a red coin on grass", "a moon on grass"),
        ((0,), (0,), (0,), (1,)),
        ("white", "grass", "grass", "grass"),
    )
    expected = [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 1]]
    assert true_pairs(pool, torch.arange(4).numpy()).tolist() == expected


def test_contrastive_loss_is_least_when_the_right_pairs_stand_out():
    fits_IT = torch.eye(3)
    assert float(contrastive_loss(torch.zeros(3, 3), fits_IT)) == pytest.approx(1.0986, abs=1e-4)
    assert float(contrastive_loss(50 * fits_IT, fits_IT)) < 1e-6


def test_diffusion_loss_weights_by_snr():
    class Nothing(nn.Module):
        def forward(self, sample, timestep, encoder_hidden_states):
            return type("Output", (), {"sample": torch.zeros_like(sample)})()

    schedule = build_noise_schedule()
    latent, noise = torch.ones(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)
    for timestep in (0, 999):
        alpha = float(schedule.alphas_cumprod[timestep])
        snr = alpha / (1 - alpha)
        # Velocity is sqrt(a) * noise - sqrt(1 - a) * latent: its square is 1 - a here.
        expected = (min(snr, 5.0) + 1) / (snr + 1) * (1 - alpha)
        text = torch.zeros(1, 1, 96)
        loss = diffusion_loss(Nothing(), latent, text, noise, torch.tensor([timestep]), schedule, 5.0)
        assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_recorded_attention_belongs_to_the_word_and_leaves_the_network_as_it_was():
    torch.manual_seed(0)
    unet = build_unet((32, 64), 16)
    before = dict(unet.attn_processors)
    pipeline = type("Pipeline", (), {"unet": unet})()
    text_NTD = torch.randn(4, 6, 96)
    with torch.no_grad(), WordAttention(pipeline, [2, 3]) as recorded:
        unet(torch.randn(4, 4, 16, 16), 5, encoder_hidden_states=text_NTD)
    assert unet.attn_processors == before
    assert recorded.mean().shape == (2, 64)
    assert float(recorded.mean().mean()) > 0
    maps_NHW = recorded.maps(32)
    assert maps_NHW.shape == (2, 32, 32)
    assert maps_NHW.amin((1, 2)).tolist() == [0.0, 0.0]
    assert maps_NHW.amax((1, 2)).tolist() == [1.0, 1.0]


def test_planning_loads_no_networks():
    modules = "lvis_view, training_recipes, training_stages, shipped"
    code = f"import sys\nfrom methods.common.miniature import {modules}\nprint({{'torch', 'cv2', 'diffusers'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "set()"
