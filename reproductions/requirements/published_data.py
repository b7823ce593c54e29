"""Published data sets that papers need: from where, under which licence, how to get them."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reproductions.requirements.inspect_cityscapes import cityscapes_folder
from reproductions.requirements.inspect_coco_panoptic import coco_panoptic_folder
from reproductions.requirements.inspect_divergen import class_list, prompts_folder
from reproductions.requirements.inspect_labelled import (
    ade20k_folder,
    ade20k_instances_folder,
    coco_stuff_folder,
    imagenet_s_folder,
    voc_folder,
    voc_val_folder,
)
from reproductions.requirements.inspect_lvis import lvis_folder
from reproductions.requirements.inspect_wordnet import wordnet_folder
from reproductions.requirements.published import DataSet

_LVIS_ARCHIVES = {
    "https://dl.fbaipublicfiles.com/LVIS/lvis_v1_train.json.zip": "334a4caa374030a7817cf050364525e910f7960f9b6968cef47cffbf3893f8ba",
    "https://dl.fbaipublicfiles.com/LVIS/lvis_v1_val.json.zip": "5cae9a3c79aadb667550c2b5dcf7f4d86e059a41ec91ef690225b667e28e9ba5",
    "http://images.cocodataset.org/zips/train2017.zip": "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
    "http://images.cocodataset.org/zips/val2017.zip": "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
}
"""Source of the checksums: tensorflow_datasets/datasets/lvis/checksums.tsv; of what is inside, none is published."""
_VOC_ARCHIVE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar"

_ADE20K_ARCHIVE = "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip"
_ADE20K_INSTANCES_ARCHIVE = "http://sceneparsing.csail.mit.edu/data/ChallengeData2017/annotations_instance.tar"
_COCO_STUFF_ARCHIVE = (
    "http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/stuffthingmaps_trainval2017.zip"
)
_COCO_STUFF_NAMES = "https://raw.githubusercontent.com/nightrome/cocostuff/master/labels.txt"
_COCO_ARCHIVES = (
    "http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
    "http://images.cocodataset.org/annotations/panoptic_annotations_trainval2017.zip",
    "http://images.cocodataset.org/zips/train2017.zip",
    "http://images.cocodataset.org/zips/val2017.zip",
)


def _lvis_steps(place: Path) -> tuple[str, ...]:
    """LVIS v1 with its COCO 2017 images: 20.6 GB to download, somewhat more unpacked.

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


def _voc_val_steps(place: Path) -> tuple[str, ...]:
    """VOC 2012 as it is published."""
    folder = shlex.quote(str(place))
    return (
        f"mkdir -p {folder} && wget -c -P {folder} {_VOC_ARCHIVE}",
        f"tar -xf {folder}/{_VOC_ARCHIVE.rsplit('/', 1)[-1]} -C {folder} --strip-components=2 && rm {folder}/*.tar",
    )


def _voc_steps(place: Path) -> tuple[str, ...]:
    """VOC 2012, and where SBD's labels and the training list belong.

    SBD's annotations are MATLAB files; the usual 10,582 training labels circulate as PNG files in a folder of their own.
    """
    return (
        *_voc_val_steps(place),
        f"(put the 12,031 label files of SBD and VOC, as PNG, into {place / 'SegmentationClassAug'})",
        f"(put the list of the 10,582 training images without VOC val into {place / 'ImageSets/Segmentation/trainaug.txt'})",
    )


def _cityscapes_steps(place: Path) -> tuple[str, ...]:
    """Cityscapes' fine annotations and pictures: 11.5 GB to download after a registration."""
    folder = shlex.quote(str(place))
    return (
        "(register at https://www.cityscapes-dataset.com; cityscapesscripts, which is installed here, brings csDownload)",
        f"mkdir -p {folder} && csDownload -d {folder} gtFine_trainvaltest.zip leftImg8bit_trainvaltest.zip",
        f"(cd {folder} && for archive in *.zip; do unzip -q -o $archive && rm $archive; done)",
    )


def _ade20k_steps(place: Path) -> tuple[str, ...]:
    """ADE20K as its scene parsing challenge of 2016 published it: 0.9 GB."""
    folder = shlex.quote(str(place))
    return (
        f"mkdir -p {folder} && wget -c -P {folder} {_ADE20K_ARCHIVE}",
        f"(cd {folder} && unzip -q -o ADEChallengeData2016.zip && mv ADEChallengeData2016/* . && rm -r ADEChallengeData2016*)",
    )


def _coco_panoptic_steps(place: Path) -> tuple[str, ...]:
    """COCO 2017 with its panoptic and instance annotations: 20.6 GB to download, the panoptic maps are archives in an archive."""
    folder = shlex.quote(str(place))
    annotations = f"{folder}/annotations"
    return (
        f"mkdir -p {folder} && wget -c -P {folder} \\",
        *(f"  {url} \\" for url in _COCO_ARCHIVES[:-1]),
        f"  {_COCO_ARCHIVES[-1]}",
        f"(cd {folder} && for archive in *.zip; do unzip -q -o $archive && rm $archive; done)",
        f"(cd {annotations} && for archive in panoptic_*.zip; do unzip -q -o $archive && rm $archive; done; rm -rf __MACOSX)",
    )


def _ade20k_instances_steps(place: Path) -> tuple[str, ...]:
    """ADE20K's scene parsing data, and the instances of its challenge of 2017 beside them."""
    folder = shlex.quote(str(place))
    return (
        *_ade20k_steps(place),
        f"wget -c -P {folder} {_ADE20K_INSTANCES_ARCHIVE}",
        f"(cd {folder} && tar -xf annotations_instance.tar && rm annotations_instance.tar)",
    )


def _coco_stuff_steps(place: Path) -> tuple[str, ...]:
    """COCO 2017's pictures, the maps of COCO-Stuff, and the list of its classes: 20 GB to download."""
    folder = shlex.quote(str(place))
    return (
        f"mkdir -p {folder}/stuffthingmaps && wget -c -P {folder} \\",
        *(f"  {url} \\" for url in _COCO_ARCHIVES[2:]),
        f"  {_COCO_STUFF_ARCHIVE} \\",
        f"  {_COCO_STUFF_NAMES}",
        f"(cd {folder} && for archive in *2017.zip; do case $archive in stuff*) in=stuffthingmaps;; *) in=.;; esac; "
        "unzip -q -o $archive -d $in && rm $archive; done)",
    )


def _imagenet_s_steps(place: Path) -> tuple[str, ...]:
    """ImageNet-S' masks, and the pictures of ImageNet-1k that they belong to, which its own tool copies."""
    return (
        "(register at https://image-net.org and download the training and validation pictures of ImageNet-1k)",
        "(follow the readme of LUSSeg/ImageNet-S: its data_preparation.sh, with the mode of 50 categories, copies pictures and masks)",
        f"(put the folder ImageNetS50 with train-semi, validation and both -segmentation folders at {place})",
    )


def _wordnet_steps(place: Path) -> tuple[str, ...]:
    """The nouns of WordNet 3.0: 20 MB, from a Debian package or from NLTK's data."""
    folder = shlex.quote(str(place))
    return (
        f"mkdir -p {folder}",
        f"apt-get install wordnet-base && cp /usr/share/wordnet/*.noun {folder}",
        f"(or, instead: python -m nltk.downloader wordnet, and copy index.noun and data.noun of its corpora/wordnet to {place})",
    )


_DIVERGEN = "https://github.com/aim-uofa/DiverGen"
_DIVERGEN_LICENCE = "that of aim-uofa/DiverGen (the file LICENSE of the repository)"


def _divergen_steps(part: str) -> Callable[[Path], tuple[str, ...]]:
    """One part of DiverGen's repository, without the rest of it staying."""

    def steps(place: Path) -> tuple[str, ...]:
        parent, target = shlex.quote(str(place.parent)), shlex.quote(str(place))
        return (
            f"git clone --depth 1 {_DIVERGEN} /tmp/DiverGen && mkdir -p {parent}",
            f"cp -r /tmp/DiverGen/DiverGen/{part} {target}",
        )

    return steps


DIVERGEN_CLASSES = DataSet(
    "DiverGen's classes",
    "divergen_classes.json",
    _DIVERGEN_LICENCE,
    _DIVERGEN,
    class_list,
    _divergen_steps("datasets/metadata/ImageNet2012_filtered04_lvis_v1_train_cat_info_250.json"),
)
DIVERGEN_PROMPTS = DataSet(
    "DiverGen's written prompts",
    "divergen_prompts",
    _DIVERGEN_LICENCE,
    _DIVERGEN,
    prompts_folder,
    _divergen_steps("input/gpt_prompt"),
)
LVIS_V1 = DataSet(
    "LVIS v1, COCO 2017 images",
    "lvis",
    "annotations CC BY 4.0; COCO images under Flickr's terms",
    "https://www.lvisdataset.org/dataset",
    lvis_folder,
    _lvis_steps,
)
VOC_2012 = DataSet(
    "PASCAL VOC 2012 with SBD's labels",
    "voc2012",
    "photographs under Flickr's terms; SBD annotations for research",
    "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
    voc_folder,
    _voc_steps,
)
CITYSCAPES = DataSet(
    "Cityscapes, fine annotations",
    "cityscapes",
    "non-commercial, behind a registration; pictures made of it must not be handed on",
    "https://www.cityscapes-dataset.com/downloads/",
    cityscapes_folder,
    _cityscapes_steps,
)
VOC_2012_VAL = replace(
    VOC_2012, title="PASCAL VOC 2012, for evaluation alone", inspect=voc_val_folder, steps=_voc_val_steps
)
ADE20K = DataSet(
    "ADE20K, scene parsing with 150 classes",
    "ade20k",
    "images for non-commercial research and teaching; annotations BSD-3-Clause",
    "http://sceneparsing.csail.mit.edu/",
    ade20k_folder,
    _ade20k_steps,
)
ADE20K_INSTANCES = DataSet(
    "ADE20K, scene parsing with instances of 100 classes",
    "ade20k_instances",
    "images for non-commercial research and teaching; annotations BSD-3-Clause",
    "http://sceneparsing.csail.mit.edu/",
    ade20k_instances_folder,
    _ade20k_instances_steps,
)
COCO_STUFF = DataSet(
    "COCO-Stuff, 164,000 images with 171 classes",
    "coco_stuff",
    "annotations CC BY 4.0; images under Flickr's terms",
    "https://github.com/nightrome/cocostuff",
    coco_stuff_folder,
    _coco_stuff_steps,
)
COCO_PANOPTIC = DataSet(
    "COCO 2017, panoptic",
    "coco_panoptic",
    "annotations CC BY 4.0; images under Flickr's terms",
    "https://cocodataset.org/#download",
    coco_panoptic_folder,
    _coco_panoptic_steps,
)
IMAGENET_S50 = DataSet(
    "ImageNet-S with 50 categories",
    "imagenet_s50",
    "masks for research; pictures under ImageNet's terms, behind a registration",
    "https://github.com/LUSSeg/ImageNet-S",
    imagenet_s_folder,
    _imagenet_s_steps,
)
WORDNET_30 = DataSet(
    "WordNet 3.0, nouns",
    "wordnet",
    "WordNet 3.0 licence, free to use and hand on",
    "https://wordnet.princeton.edu/download",
    wordnet_folder,
    _wordnet_steps,
)
