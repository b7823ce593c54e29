"""The stage that measures the painters of the street on held-out crops, beside controls, and draws a sample sheet.

What a picture shows is told by real crops: its class and look are those that most of its nearest ones have. The silhouette is given
with the mask and says much of the class, so one flat colour inside it is the control.

Shape legend: N pictures; M real crops; S side; D numbers of a described picture; 3 RGB.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from methods.common.files import write_atomic
from methods.common.generators.repainting.configs import (
    BlendedLatentConfig,
    GligenConfig,
    IdentityConfig,
    InpaintingConfig,
    RepaintConfig,
    SolidConfig,
)
from methods.common.generators.repainting.interface import RepaintOrder, repaint
from methods.common.generators.repainting.load import load_back_end
from methods.common.miniature import sheets
from methods.common.miniature.measurements import psnr_db
from methods.common.miniature.repaint_training import draw_things
from methods.common.miniature.street_classes import VEHICLE_COLOURS, StreetKind
from methods.common.miniature.street_crops import ThingCrop
from methods.common.miniature.training_configs import StreetReportConfig
from methods.common.stage import Context, Inputs, Record

_GRID = 16
_NEAREST = 5
_BATCH = 32
_SHOWN = 20
Pictures = Sequence[NDArray[np.uint8]]


def back_ends(config: StreetReportConfig) -> dict[str, tuple[RepaintConfig, str | None]]:
    """Return what is measured: a name, its config, and the painter's folder if it has one."""
    common = {"num_steps": config.num_steps, "size_px": config.things.side_px, "precision": "float32"}
    guided = {**common, "guidance_scale": config.guidance_scale}
    return {
        "the crop itself": (IdentityConfig(), None),
        "one grey inside the mask": (SolidConfig(), None),
        "inpainting": (InpaintingConfig.model_validate(guided), "inpainting"),
        "GLIGEN": (
            GligenConfig.model_validate({**guided, "max_entities": 4, "negative_prompt": None, "scheduler": "own"}),
            "gligen",
        ),
        "blended, from the noised crop": (BlendedLatentConfig.model_validate(guided), "inpainting"),
        "blended, from noise": (
            BlendedLatentConfig.model_validate({**guided, "start": "noise", "skip": 0.0}),
            "inpainting",
        ),
    }


def orders_of(crops: Sequence[ThingCrop], seed: int) -> list[RepaintOrder]:
    """Ask for the class of each crop with a look that another crop of the class has."""
    rng = np.random.default_rng(seed)
    phrases: dict[StreetKind, list[str]] = {}
    for crop in crops:
        phrases.setdefault(crop.kind, []).append(crop.phrase)
    orders = []
    for number, crop in enumerate(crops):
        phrase = phrases[crop.kind][int(rng.integers(len(phrases[crop.kind])))]
        orders.append(
            RepaintOrder(crop.image_HW3, crop.mask_HW, f"a photo of {phrase}", crop.kind, (seed + number) % 2**62)
        )
    return orders


def describe(images: Pictures, masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.float32]:
    """Describe what masks show by few numbers: the picture on black, made small, float32 [N, D] in [0, 1]."""
    small = [
        cv2.resize(image * mask[..., None], (_GRID, _GRID), interpolation=cv2.INTER_AREA)
        for image, mask in zip(images, masks, strict=True)
    ]
    return np.asarray(np.stack(small).reshape(len(small), -1) / 255, np.float32)


def nearest_agree(
    described_ND: NDArray[np.float32], real_MD: NDArray[np.float32], labels: Sequence[str], asked: Sequence[str]
) -> float:
    """Return the share of pictures whose nearest real ones are mostly what was asked for; ties go to the nearest."""
    right = 0
    for described_D, wanted in zip(described_ND, asked, strict=True):
        order = np.argsort(np.square(real_MD - described_D).sum(1), kind="stable")[:_NEAREST]
        named = [labels[place] for place in order]
        right += max(named, key=named.count) == wanted
    return right / len(asked)


def _words(order: RepaintOrder) -> str:
    return order.prompt.removeprefix("a photo of ")


def report_street(inputs: Inputs, config: StreetReportConfig, context: Context) -> Record:
    """Measure a folder of painters; writes ``street_report.json`` and a sheet into ``context.out``.

    Inputs: ``checkpoints`` (from ``assemble_street``).
    """
    folder = inputs.folder("checkpoints")
    crops = draw_things(context.seeds.derive("data", "street_report"), config.things)
    real = draw_things(context.seeds.derive("data", "street_report", "real"), config.real_things)
    real_MD = describe([one.image_HW3 for one in real], [one.mask_HW for one in real])
    kinds, looks = [one.kind for one in real], [one.phrase for one in real]
    orders = orders_of(crops, context.seeds.derive("generation", "street_report") % 2**40)
    measured: dict[str, Record] = {}
    shown: list[Pictures] = [[order.crop_SS3 for order in orders[:_SHOWN]]]
    for name, (back_end, painter) in back_ends(config).items():
        pictures = _paint(back_end, None if painter is None else folder / painter, orders)
        described_ND = describe(pictures, [order.mask_SS for order in orders])
        # The crop itself has its own look, every other picture is asked for another.
        words = [crop.phrase for crop in crops] if painter is None else [_words(order) for order in orders]
        vehicles = [place for place, word in enumerate(words) if word.split()[1] in VEHICLE_COLOURS]
        measured[name] = {
            "class": nearest_agree(described_ND, real_MD, kinds, [crop.kind for crop in crops]),
            "colour": nearest_agree(
                described_ND[vehicles], real_MD, _second_words(looks), _second_words([words[k] for k in vehicles])
            ),
            "changed": float(np.mean([_change(one, order) for one, order in zip(pictures, orders, strict=True)])),
            "kept_psnr_db": psnr_db(*_kept(pictures, orders)),
        }
        if painter is not None or name.startswith("one"):
            shown.append(pictures[:_SHOWN])
        context.progress(len(measured), len(back_ends(config)), "painters")
    columns = [picture for pictures in zip(*shown, strict=True) for picture in pictures]
    sheets.write_sheet(context.out / "sheets" / "street_painters.png", _by_column(columns, len(shown)), _SHOWN)
    record = {"num_things": len(crops), "num_real": len(real), "num_steps": config.num_steps, "painters": measured}
    write_atomic(context.out / "street_report.json", json.dumps(record, indent=2).encode())
    return record


def _second_words(phrases: Sequence[str]) -> list[str]:
    """Return looks: "red" of "a red car"."""
    return [phrase.split()[1] for phrase in phrases]


def _by_column(pictures: Sequence[NDArray[np.uint8]], rows: int) -> list[NDArray[np.uint8]]:
    return [picture for row in range(rows) for picture in pictures[row::rows]]


def _paint(config: RepaintConfig, folder: Path | None, orders: Sequence[RepaintOrder]) -> Pictures:
    back_end = load_back_end(config, folder, {}, torch.device("cpu"))
    parts = [orders[start : start + _BATCH] for start in range(0, len(orders), _BATCH)]
    return [picture for part in parts for picture in repaint(back_end, part)]


def _change(picture: NDArray[np.uint8], order: RepaintOrder) -> float:
    """Return the mean absolute change inside the mask, of 255."""
    return float(np.abs(picture.astype(np.int16) - order.crop_SS3)[order.mask_SS].mean())


def _kept(pictures: Pictures, orders: Sequence[RepaintOrder]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return pictures and crops on black where they are repainted."""
    kept = [~order.mask_SS[..., None] for order in orders]
    return (
        np.stack([picture * keep for picture, keep in zip(pictures, kept, strict=True)]),
        np.stack([order.crop_SS3 * keep for order, keep in zip(orders, kept, strict=True)]),
    )


def street_tables(report: Record, provenance: Mapping[str, Record]) -> str:
    """Return the tables of ``docs/miniature.md`` as Markdown, from the JSON files alone."""
    rows = [
        "| painter | class | colour | change inside the mask | kept part |",
        "|---|---|---|---|---|",
    ]
    for name, one in report["painters"].items():
        kept = "exact" if one["kept_psnr_db"] > 100 else f"{one['kept_psnr_db']:.1f} dB"
        rows.append(f"| {name} | {one['class']:.3f} | {one['colour']:.3f} | {one['changed']:.1f} of 255 | {kept} |")
    rows += ["", "| trained part | steps | pictures a step | processor minutes |", "|---|---|---|---|"]
    for part, record in provenance.items():
        optimizer = record["config"]["optimizer"]
        minutes = record["cpu_seconds"] / 60
        rows.append(
            f"| {part.replace('_', ' ')} | {optimizer['num_steps']} | {optimizer['batch_size']} | {minutes:.1f} |"
        )
    return "\n".join(rows)
