"""The autoencoder for flat colours: its latents are the generator's, and colours come back."""

import numpy as np
import torch
from diffusers import AutoencoderKL

from methods.common.miniature.flat_vae_training import flat_batch
from methods.common.miniature.provenance import read_provenance
from methods.common.miniature.shipped import CHECKPOINTS, FLAT_VAE
from methods.common.miniature.training_configs import FlatVaeConfig, OptimizerConfig
from methods.common.miniature.training_recipes import full_checkpoints
from methods.common.miniature.training_stages import TRAIN_FLAT_VAE
from methods.common.miniature.vae import pixels_to_unit
from methods.common.miniature.web import draw_pool
from methods.common.miniature.world_config import WebConfig
from methods.common.stage import Inputs, LocalContext
from methods.seggen.colour_coding import decode, encode
from methods.seggen.palettes import PaletteConfig, build_palette

CONFIG = FlatVaeConfig(
    optimizer=OptimizerConfig(num_steps=2, batch_size=4, learning_rate=1e-3, warmup_steps=0), num_pictures=16
)
OWN = CHECKPOINTS / "stable_diffusion" / "vae"


def open_vae(folder):
    return AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32).eval()


def wrong_share(vae):
    """Of the pixels of masks of the world, drawn in the colours of 44 classes, that come back as another class."""
    palette = build_palette(PaletteConfig(kind="spread"), 44)
    label_NHW = draw_pool(11, 12, WebConfig(single_share=0.3)).semantic_NHW
    image_NHW3 = np.stack([encode(label_HW, palette) for label_HW in label_NHW])
    with torch.no_grad():
        decoded = vae.decode(vae.encode(pixels_to_unit(image_NHW3, "cpu")).latent_dist.mean).sample
    back_NHW3 = ((decoded + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).byte().numpy()
    found_NHW = np.stack([decode(image_HW3, palette).label_HW for image_HW3 in back_NHW3])
    return float((found_NHW != label_NHW).mean())


def test_latents_are_the_generators():
    own, flat = open_vae(OWN).state_dict(), open_vae(CHECKPOINTS / FLAT_VAE).state_dict()
    changed = {name.split(".")[0] for name in own if not torch.equal(own[name], flat[name])}
    assert changed == {"decoder", "post_quant_conv"}


def test_flat_colours_come_back_better():
    own, flat = wrong_share(open_vae(OWN)), wrong_share(open_vae(CHECKPOINTS / FLAT_VAE))
    assert flat < 0.5 * own, (flat, own)


def test_a_flat_crop_has_one_colour_for_each_thing():
    pool = draw_pool(3, 16, CONFIG.web)
    crops = flat_batch(pool, CONFIG.model_copy(update={"flat_share": 1.0}), np.random.default_rng(0))
    assert crops.shape == (4, 32, 32, 3)
    assert all(len(np.unique(crop.reshape(-1, 3), axis=0)) <= 5 for crop in crops)
    assert not (crops % 51).any()
    plain = flat_batch(pool, CONFIG.model_copy(update={"flat_share": 0.0}), np.random.default_rng(0))
    assert all(len(np.unique(crop.reshape(-1, 3), axis=0)) > 20 for crop in plain)


def test_only_the_decoder_learns(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    own = tmp_path / "own"
    open_vae(OWN).save_pretrained(own / "vae")
    TRAIN_FLAT_VAE.run(Inputs({"vae": [own]}), CONFIG, LocalContext(out))
    before, after = open_vae(OWN).half().state_dict(), open_vae(out / "vae").half().state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"decoder", "post_quant_conv"}
    assert read_provenance(out)["stage"] == "train_flat_vae"


def test_the_shipped_one_was_trained_as_the_recipe_says():
    shipped = read_provenance(CHECKPOINTS / FLAT_VAE)
    assert shipped["config"] == full_checkpoints().flat_vae.model_dump(mode="json")
    assert shipped["version"] == TRAIN_FLAT_VAE.version
