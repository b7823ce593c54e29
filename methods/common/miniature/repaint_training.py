"""The miniature painters of the street: an inpainting U-Net that goes on from the text-to-image one, and a grounded one on top of it.

Both learn from square crops of single things (``street_crops.py``), encoded once. The grounded one is an adapter, as GLIGEN is: the
inpainting U-Net stays as it is but for its first convolution, and gated layers with their position network are added.

Shape suffixes: N pictures, C channels, H, W latent cells, T tokens, D text width, 4 box corners.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from methods.common.generators.repainting.gligen import grounding_tokens, inpainting_input, mask_box
from methods.common.generators.repainting.latents import resize_mask
from methods.common.miniature.generator import build_noise_schedule
from methods.common.miniature.model_classes import AutoencoderKL, CLIPTextModel, UNet2DConditionModel
from methods.common.miniature.network_training import train_networks
from methods.common.miniature.provenance import TrainedPart
from methods.common.miniature.street_classes import STREET_KINDS
from methods.common.miniature.street_crops import ThingCrop, thing_crops
from methods.common.miniature.street_scene import street_scene
from methods.common.miniature.tokenizer import load_tokenizer
from methods.common.miniature.training_configs import GligenTrainingConfig, InpaintingTrainingConfig, ThingsConfig
from methods.common.miniature.vae import LATENT_CHANNELS, pixels_to_unit
from methods.common.stage import Context, Inputs, Record

_ENCODE_BATCH = 64
INPAINTING_CHANNELS = 2 * LATENT_CHANNELS + 1


def draw_things(seed: int, config: ThingsConfig) -> list[ThingCrop]:
    """Return the first crops of a stream of scenes."""
    crops: list[ThingCrop] = []
    index = 0
    while len(crops) < config.num_things:
        crops += thing_crops(street_scene(seed, index, config.scene), config.side_px)
        index += 1
    return crops[: config.num_things]


def encode_things(inputs: Inputs, config: ThingsConfig, context: Context) -> Record:
    """Write ``things.safetensors``: latents of crops with and without their thing, masks, boxes, tokens of captions and class names.

    Inputs: ``vae`` (from ``train_vae``), ``clip`` (from ``train_clip``, for its tokenizer).
    """
    vae = AutoencoderKL.from_pretrained(inputs.folder("vae") / "vae", dtype=torch.float32).to(context.device).eval()
    tokenizer = load_tokenizer(inputs.folder("clip") / "clip")
    crops = draw_things(context.seeds.derive("data", "street"), config)
    encoded: dict[str, list[Tensor]] = {"mean": [], "deviation": [], "hidden_mean": []}
    for start in range(0, len(crops), _ENCODE_BATCH):
        part = crops[start : start + _ENCODE_BATCH]
        image_NCHW = pixels_to_unit(np.stack([crop.image_HW3 for crop in part]), context.device)
        mask_N1HW = torch.from_numpy(np.stack([crop.mask_HW for crop in part])).to(context.device)[:, None]
        with torch.no_grad():
            posterior = vae.encode(image_NCHW).latent_dist
            hidden = vae.encode(image_NCHW * ~mask_N1HW).latent_dist
        for name, tensor in (("mean", posterior.mean), ("deviation", posterior.std), ("hidden_mean", hidden.mean)):
            encoded[name].append(tensor.half().cpu())
        context.progress(start + len(part), len(crops), "pictures")
    grey = vae.encode(torch.zeros(1, 3, config.side_px, config.side_px, device=context.device)).latent_dist.mean
    grid = encoded["mean"][0].shape[-1]

    def tokens(texts: list[str]) -> Tensor:
        found: Tensor = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        return found.int()

    tensors = {
        **{name: torch.cat(parts).contiguous() for name, parts in encoded.items()},
        "grey": grey.detach().half().cpu(),
        "mask": torch.from_numpy(np.stack([resize_mask(crop.mask_HW, grid) for crop in crops])),
        "box": torch.tensor([mask_box(crop.mask_HW, "union", 2) for crop in crops]),
        "kind": torch.tensor([STREET_KINDS.index(crop.kind) for crop in crops]),
        "tokens": tokens([crop.captions[0] for crop in crops]),
        "plain_tokens": tokens([crop.captions[1] for crop in crops]),
        "phrase_tokens": tokens(list(STREET_KINDS)),
        "empty_tokens": tokens([""]),
    }
    save_file(tensors, context.out / "things.safetensors")
    counts = np.bincount(tensors["kind"].numpy(), minlength=len(STREET_KINDS))
    return {"num_things": len(crops), "things_by_kind": dict(zip(STREET_KINDS, counts.tolist(), strict=True))}


class _Batch(NamedTuple):
    """Things of one step, on the device."""

    picks_N: Tensor
    latent_NCHW: Tensor
    noise_NCHW: Tensor
    timestep_N: Tensor
    repaint_N1HW: Tensor
    """1 where it is repainted."""
    whole_N: Tensor
    """Where the whole picture is hidden."""
    tokens_NT: Tensor


class _Things:
    """Encoded crops that batches are drawn from, every class equally often."""

    def __init__(self, inputs: Inputs, context: Context) -> None:
        self.data = load_file(inputs.folder("things") / "things.safetensors")
        kind_N = self.data["kind"].numpy()
        weight_N = 1.0 / np.bincount(kind_N, minlength=len(STREET_KINDS))[kind_N]
        self._share_N: NDArray[np.float64] = weight_N / weight_N.sum()
        self._context = context

    def draw(self, name: str, step: int, config: InpaintingTrainingConfig) -> _Batch:
        """Return the batch of one step."""
        rng = self._context.seeds.numpy("training", name, step)
        generator = self._context.seeds.torch("training", name, step)
        data, count = self.data, config.optimizer.batch_size
        picks = torch.from_numpy(rng.choice(len(self._share_N), count, p=self._share_N))
        own_NCHW, noise_NCHW = torch.randn((2, count, *data["mean"].shape[1:]), generator=generator)
        latent_NCHW = data["mean"][picks].float() + data["deviation"][picks].float() * own_NCHW
        timestep_N = torch.randint(1000, (count,), generator=generator)
        draw_3N = torch.from_numpy(rng.uniform(size=(3, count)))
        whole_N = draw_3N[0] < config.whole_share
        repaint_N1HW = (data["mask"][picks] | whole_N[:, None, None])[:, None].float()
        tokens_NT = torch.where(
            (draw_3N[1] < config.plain_caption_share)[:, None], data["plain_tokens"][picks], data["tokens"][picks]
        )
        tokens_NT = torch.where((draw_3N[2] < config.empty_caption_share)[:, None], data["empty_tokens"], tokens_NT)
        batch = (picks, latent_NCHW, noise_NCHW, timestep_N, repaint_N1HW, whole_N, tokens_NT.long())
        return _Batch(*(tensor.to(self._context.device) for tensor in batch))

    def hidden(self, batch: _Batch) -> Tensor:
        """Return the latents of the crops without what is repainted."""
        hidden = self.data["hidden_mean"][batch.picks_N.cpu()].float().to(batch.latent_NCHW)
        return torch.where(batch.whole_N[:, None, None, None], self.data["grey"].to(hidden), hidden)

    def phrases(self, batch: _Batch) -> Tensor:
        """Return the tokens of the class names."""
        kind_N = self.data["kind"][batch.picks_N.cpu()]
        return self.data["phrase_tokens"][kind_N].long().to(batch.latent_NCHW.device)


def repaint_loss(predicted_NCHW: Tensor, batch: _Batch, schedule: Any, config: InpaintingTrainingConfig) -> Tensor:
    """Weighted squared error of the velocity, as for text to image; what is only copied counts less."""
    alpha_N = schedule.alphas_cumprod.to(predicted_NCHW.device)[batch.timestep_N]
    velocity_NCHW = schedule.get_velocity(batch.latent_NCHW, batch.noise_NCHW, batch.timestep_N)
    snr_N = alpha_N / (1.0 - alpha_N)
    weight_N = (snr_N.clamp(max=config.snr_limit) + 1.0) / (snr_N + 1.0)
    weight_N1HW = config.kept_weight + (1.0 - config.kept_weight) * batch.repaint_N1HW
    weight_N1HW = weight_N1HW / weight_N1HW.mean((1, 2, 3), keepdim=True)
    error_N = ((predicted_NCHW - velocity_NCHW).square() * weight_N1HW).mean((1, 2, 3))
    loss: Tensor = (weight_N * error_N).mean()
    return loss


def widen_for_inpainting(unet: Any) -> Any:
    """Return a U-Net with nine input channels that, at first, heeds the four of the noisy latent only."""
    wide = UNet2DConditionModel.from_config(unet.config, in_channels=INPAINTING_CHANNELS)
    weights = unet.state_dict()
    old = weights["conv_in.weight"]
    weights["conv_in.weight"] = torch.cat([old, old.new_zeros(len(old), INPAINTING_CHANNELS - old.shape[1], 3, 3)], 1)
    wide.load_state_dict(weights)
    return wide


def train_inpainting(inputs: Inputs, config: InpaintingTrainingConfig, context: Context) -> TrainedPart:
    """Train the inpainting U-Net and its text encoder, from the text-to-image model on; save both with averaged weights.

    Its input is that of Stable Diffusion's: noisy latent, mask, latent of the crop without what is hidden.

    Inputs: ``things`` (from ``encode_things``), ``generator`` (from ``train_generator``).
    """
    generator = inputs.folder("generator")
    unet = widen_for_inpainting(UNet2DConditionModel.from_pretrained(generator / "unet", dtype=torch.float32))
    text_encoder = CLIPTextModel.from_pretrained(generator / "text_encoder", dtype=torch.float32)
    unet, text_encoder = unet.to(context.device), text_encoder.to(context.device)
    things, schedule = _Things(inputs, context), build_noise_schedule()

    def loss_of_step(step: int) -> Tensor:
        batch = things.draw("inpainting", step, config)
        noisy_NCHW = schedule.add_noise(batch.latent_NCHW, batch.noise_NCHW, batch.timestep_N)
        given_NCHW = torch.cat([noisy_NCHW, batch.repaint_N1HW, things.hidden(batch)], 1)
        text_NTD = text_encoder(batch.tokens_NT)[0]
        predicted_NCHW = unet(given_NCHW, batch.timestep_N, encoder_hidden_states=text_NTD).sample
        return repaint_loss(predicted_NCHW, batch, schedule, config)

    networks = {"unet": unet, "text_encoder": text_encoder}
    trained = train_networks(networks, config.optimizer, loss_of_step, context, config.ema_decay)
    for name, network in trained.networks.items():
        network.eval().save_pretrained(context.out / name)
    return TrainedPart({"losses": trained.losses}, trained.cpu_seconds)


def add_gated_layers(unet: Any) -> Any:
    """Return an inpainting U-Net with gated layers, closed at first, all else frozen but the first convolution.

    GLIGEN is given the kept part of the latent and where it is kept, where the other is given where it is hidden and the latent of the
    blanked crop; the first convolution starts from what it was, sorted anew.
    """
    gated = UNet2DConditionModel.from_config(unet.config, attention_type="gated")
    weights = unet.state_dict()
    old = weights["conv_in.weight"]
    noisy, hidden, blanked = old.split([LATENT_CHANNELS, 1, LATENT_CHANNELS], 1)
    weights["conv_in.weight"] = torch.cat([noisy, blanked, -hidden], 1)
    weights["conv_in.bias"] = weights["conv_in.bias"] + hidden.sum((1, 2, 3))
    missing = gated.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys, missing.unexpected_keys
    for name, parameter in gated.named_parameters():
        parameter.requires_grad_(is_gated(name))
    return gated


def train_gligen(inputs: Inputs, config: GligenTrainingConfig, context: Context) -> TrainedPart:
    """Train the gated layers on top of the inpainting U-Net; save them with their averaged weights.

    Inputs: ``things`` (from ``encode_things``), ``inpainting`` (from ``train_inpainting``).
    """
    base = inputs.folder("inpainting")
    torch.manual_seed(context.seeds.derive("training", "gligen", "start"))
    unet = add_gated_layers(UNet2DConditionModel.from_pretrained(base / "unet", dtype=torch.float32)).to(context.device)
    text_encoder = CLIPTextModel.from_pretrained(base / "text_encoder", dtype=torch.float32).to(context.device).eval()
    things, schedule = _Things(inputs, context), build_noise_schedule()
    box_N4 = things.data["box"]

    def loss_of_step(step: int) -> Tensor:
        batch = things.draw("gligen", step, config)
        noisy_NCHW = schedule.add_noise(batch.latent_NCHW, batch.noise_NCHW, batch.timestep_N)
        given_NCHW = torch.cat([noisy_NCHW, inpainting_input(batch.latent_NCHW, batch.repaint_N1HW)], 1)
        with torch.no_grad():
            text_NTD = text_encoder(batch.tokens_NT)[0]
            phrase_ND = text_encoder(things.phrases(batch)).pooler_output
        boxes = box_N4[batch.picks_N.cpu()].to(phrase_ND)
        grounding = grounding_tokens(boxes, phrase_ND, config.max_entities)
        left_out_N = context.seeds.numpy("training", "gligen", "null", step).uniform(size=len(boxes))
        grounding["masks"] *= torch.from_numpy(left_out_N >= config.null_share).to(phrase_ND)[:, None]
        predicted_NCHW = unet(
            given_NCHW,
            batch.timestep_N,
            encoder_hidden_states=text_NTD,
            cross_attention_kwargs={"gligen": grounding},
        ).sample
        return repaint_loss(predicted_NCHW, batch, schedule, config)

    trained = train_networks({"unet": unet}, config.optimizer, loss_of_step, context, config.ema_decay)
    averaged: Any = trained.networks["unet"].eval()
    averaged.save_config(context.out / "unet")
    save_file(gated_weights(averaged), context.out / "unet" / "diffusion_pytorch_model.safetensors")
    return TrainedPart({"losses": trained.losses}, trained.cpu_seconds)


def is_gated(name: str) -> bool:
    """Tell whether a weight of the grounded U-Net is trained and kept; the others are the inpainting U-Net's."""
    return name.startswith(("conv_in.", "position_net.")) or ".fuser." in name


def gated_weights(unet: Any) -> dict[str, Tensor]:
    """Return what of a grounded U-Net is not the inpainting U-Net's."""
    return {name: tensor.contiguous() for name, tensor in unet.state_dict().items() if is_gated(name)}
