"""Published data and weights of the paper's tables: from where, under which licence, how to get them, their checksums.

Checksums are SHA-256; a file without one below has none that we found published.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from reproductions.requirements.published import HubModel, SingleFile

STABLE_DIFFUSION_3 = HubModel(
    "stabilityai/stable-diffusion-3-medium-diffusers",
    "Stability AI licence (research, non-commercial), gated: accept it on the model page first",
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
STABLE_DIFFUSION_15 = HubModel(
    "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "CreativeML OpenRAIL-M (use restrictions)",
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
)
BIREFNET = HubModel(
    "ZhengPeng7/BiRefNet",
    "MIT; runs its own Python code: read that code, then allow it",
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
RESNET50 = SingleFile(
    "https://miil-public-eu.oss-eu-central-1.aliyuncs.com/model-zoo/ImageNet_21K_P/models/resnet50_miil_21k.pth",
    "MIT (that of the publishing repository)",
    "https://github.com/Alibaba-MIIL/ImageNet21K/blob/main/MODEL_ZOO.md",
)
SWINL = SingleFile(
    "https://github.com/SwinTransformer/storage/releases/download/v1.0.0/swin_large_patch4_window12_384_22k.pth",
    "MIT (that of microsoft/Swin-Transformer)",
    "https://github.com/SwinTransformer/storage/releases/tag/v1.0.0",
)
LVIS_LICENCE = "annotations CC BY 4.0; COCO images under Flickr's terms"
LVIS_SOURCE = "https://www.lvisdataset.org/dataset"


_LVIS_ARCHIVES = {
    "https://dl.fbaipublicfiles.com/LVIS/lvis_v1_train.json.zip": "334a4caa374030a7817cf050364525e910f7960f9b6968cef47cffbf3893f8ba",
    "https://dl.fbaipublicfiles.com/LVIS/lvis_v1_val.json.zip": "5cae9a3c79aadb667550c2b5dcf7f4d86e059a41ec91ef690225b667e28e9ba5",
    "http://images.cocodataset.org/zips/train2017.zip": "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
    "http://images.cocodataset.org/zips/val2017.zip": "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
}
"""Source of the checksums: tensorflow_datasets/datasets/lvis/checksums.tsv; of what is inside, none is published."""


def lvis_steps(place: Path) -> tuple[str, ...]:
    """How to get LVIS v1 with its COCO 2017 images to ``place``: 20.6 GB to download, somewhat more unpacked.

    The archives go away at the end, because everything in the folder counts as data.
    """
    folder = shlex.quote(str(place))
    sums = [f"{digest}  {url.rsplit('/', 1)[-1]}" for url, digest in _LVIS_ARCHIVES.items()]
    return (
        f"mkdir -p {folder} && wget -c -P {folder} \\",
        *(f"  {url} \\" for url in list(_LVIS_ARCHIVES)[:-1]),
        f"  {list(_LVIS_ARCHIVES)[-1]}",
        f"(cd {folder} && sha256sum -c) <<'END'",
        *sums,
        "END",
        f"(cd {folder} && for archive in *.zip; do unzip -q -o $archive && rm $archive; done)",
        f"mv {folder}/lvis_v1_train.json {folder}/train.json && mv {folder}/lvis_v1_val.json {folder}/val.json",
    )
