"""Published data and weights of the paper's tables: from where, under which licence, how to get them, their checksums.

Checksums are SHA-256; a file without one below has none that we found published.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from reproductions.requirements.published import HubModel, SingleFile

STABLE_DIFFUSION_21 = HubModel(
    "stabilityai/stable-diffusion-2-1-base",
    "CreativeML OpenRAIL++-M (use restrictions); where it is no longer served, a mirror of it, or SD 1.5 with --generator",
    {},
    leave_out=("v2-1_*", "*.bin", "*.fp16.*", "*.ckpt"),
)
BLIP = HubModel("Salesforce/blip-image-captioning-base", "BSD-3-Clause", {}, leave_out=("*.bin", "*.h5"))
SAM = HubModel("facebook/sam-vit-huge", "Apache-2.0", {}, leave_out=("*.bin", "*.h5"))
GROUNDING_DINO = HubModel("IDEA-Research/grounding-dino-base", "Apache-2.0", {}, leave_out=("*.bin",))
SAM3 = HubModel("facebook/sam3", "SAM License, gated: accept it on the model page first", {}, gated=True)
RESNET50 = SingleFile(
    "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    "BSD-3-Clause (that of torchvision)",
    "https://pytorch.org/vision/stable/models/generated/torchvision.models.resnet50.html",
)
VOC_LICENCE = "photographs under Flickr's terms; SBD annotations for research"
VOC_SOURCE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"
_VOC_ARCHIVE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar"


def voc_steps(place: Path) -> tuple[str, ...]:
    """How to get VOC 2012, and where SBD's labels and the training list belong.

    SBD's annotations are MATLAB files; the usual 10,582 training labels circulate as PNG files in a folder of their own.
    """
    folder = shlex.quote(str(place))
    return (
        f"mkdir -p {folder} && wget -c -P {folder} {_VOC_ARCHIVE}",
        f"tar -xf {folder}/{_VOC_ARCHIVE.rsplit('/', 1)[-1]} -C {folder} --strip-components=2 && rm {folder}/*.tar",
        f"(put the 12,031 label files of SBD and VOC, as PNG, into {place / 'SegmentationClassAug'})",
        f"(put the list of the 10,582 training images without VOC val into {place / 'ImageSets/Segmentation/trainaug.txt'})",
    )
