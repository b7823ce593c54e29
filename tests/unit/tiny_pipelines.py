"""Pipelines with random weights and a few thousand parameters, of the kinds that guidance has to work with."""

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    IFPipeline,
    IFSuperResolutionPipeline,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

SIZE_PX = 16


def _tokenizer() -> CLIPTokenizer:
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: number for number, token in enumerate(tokens)}, merges=[], model_max_length=16)


def _text_config(width: int = 8, projection: int = 8) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=54,
        hidden_size=width,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        projection_dim=projection,
        bos_token_id=52,
        eos_token_id=53,
        pad_token_id=53,
    )


def _vae(channels: int = 4, shift: float | None = None) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=SIZE_PX,
        scaling_factor=0.5,
        shift_factor=shift,
    ).eval()


def _unet(**changes) -> UNet2DConditionModel:
    options = {
        "sample_size": SIZE_PX // 2,
        "block_out_channels": (8, 8),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 8,
        "attention_head_dim": 4,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(**{**options, **changes}).eval()


def _quiet(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tiny_stable_diffusion(addition_embed_type: str | None = None) -> StableDiffusionPipeline:
    """Stable Diffusion 1.x; with ``addition_embed_type="text"`` the miniature's variant of it."""
    torch.manual_seed(0)
    extra = {"addition_embed_type": "text", "addition_embed_type_num_heads": 2} if addition_embed_type else {}
    return _quiet(
        StableDiffusionPipeline(
            vae=_vae(),
            text_encoder=CLIPTextModel(_text_config()).eval(),
            tokenizer=_tokenizer(),
            unet=_unet(**extra),
            scheduler=DDIMScheduler(clip_sample=False, steps_offset=1),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def tiny_sdxl() -> StableDiffusionXLPipeline:
    torch.manual_seed(0)
    unet = _unet(
        cross_attention_dim=16,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=8 + 6 * 4,
    )
    return _quiet(
        StableDiffusionXLPipeline(
            vae=_vae(),
            text_encoder=CLIPTextModel(_text_config()).eval(),
            text_encoder_2=CLIPTextModelWithProjection(_text_config()).eval(),
            tokenizer=_tokenizer(),
            tokenizer_2=_tokenizer(),
            unet=unet,
            scheduler=DDIMScheduler(clip_sample=False),
            add_watermarker=False,
        )
    )


def tiny_sd3() -> StableDiffusion3Pipeline:
    torch.manual_seed(0)
    transformer = SD3Transformer2DModel(
        sample_size=SIZE_PX // 2,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=16,
        pos_embed_max_size=8,
    ).eval()
    return _quiet(
        StableDiffusion3Pipeline(
            transformer=transformer,
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=_vae(shift=0.1),
            text_encoder=CLIPTextModelWithProjection(_text_config()).eval(),
            tokenizer=_tokenizer(),
            text_encoder_2=CLIPTextModelWithProjection(_text_config()).eval(),
            tokenizer_2=_tokenizer(),
            text_encoder_3=None,
            tokenizer_3=None,
        )
    )


def _pixel_unet(side_px: int, in_channels: int, **changes) -> UNet2DConditionModel:
    """DeepFloyd's kind of denoiser: of pixels, with a text of its own width and a variance beside the noise."""
    return _unet(
        sample_size=side_px,
        in_channels=in_channels,
        out_channels=6,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        encoder_hid_dim=12,
        encoder_hid_dim_type="text_proj",
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        resnet_time_scale_shift="scale_shift",
        **changes,
    )


def tiny_deepfloyd() -> tuple[IFPipeline, IFSuperResolutionPipeline]:
    """Both stages of DeepFloyd IF: pictures of 16 px from text, and of 32 px from those and the text."""
    torch.manual_seed(0)
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((letter, -2.0) for letter in "\u2581acefghiopstu")]
    text = T5Config(
        vocab_size=len(words) + 100, d_model=12, d_kv=4, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    noise = DDPMScheduler(variance_type="learned_range", beta_schedule="squaredcos_cap_v2")
    shared = {"safety_checker": None, "feature_extractor": None, "watermarker": None, "requires_safety_checker": False}
    first = IFPipeline(
        tokenizer=T5Tokenizer(vocab=words),
        text_encoder=T5EncoderModel(text).eval(),
        unet=_pixel_unet(SIZE_PX, 3),
        scheduler=noise,
        **shared,
    )
    second = IFSuperResolutionPipeline(
        tokenizer=None,
        text_encoder=None,
        unet=_pixel_unet(2 * SIZE_PX, 6, class_embed_type="timestep"),
        scheduler=noise,
        image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        **shared,
    )
    return _quiet(first), _quiet(second)
