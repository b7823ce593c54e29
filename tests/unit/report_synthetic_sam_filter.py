"""Made-up records for tests of the SAM filter's report, all from one seed. No number here is a result of anything."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from reports.records import Backbone, Cost, Provenance, Result, Run, ScatterPoint, Tier
from reports.samples import LabelMapSample
from reports.selections import ScoreHistogram, SelectionStatistics
from reproductions.sam_filter.arms import ARMS, OWN_ARMS
from reproductions.sam_filter.claims import (
    CLAIMS,
    METRICS,
    OWN_DATA_CLAIMS,
    PILOT,
    STYLE,
)
from reproductions.sam_filter.paper import PAPER
from reproductions.sam_filter.records import SamFilterReport
from reproductions.study.ledger import read_ledger
from reproductions.study.reporting import row_of
from reproductions.study.targets import read_lost_targets, read_targets
from reproductions.verdicts.verdict import judge

LEVELS = {
    "sbd": 61.0,
    "random_10k": 38.0,
    "sam_10k": 42.0,
    "random_20k": 43.0,
    "sam_20k": 48.5,
    "random_30k": 45.0,
    "sam_30k": 48.0,
    "all_40k": 44.5,
    "rc_sam_20k": 50.0,
    "va_sam_20k": 50.6,
    "rcva_sam_20k": 50.4,
    "va_all_40k": 47.5,
    "va_noisy_all_40k": 46.6,
    "va_noisy_sam_20k": 48.4,
    "random_same_mix_20k": 43.6,
    "sam_20k_equal_iterations": 49.9,
    "random_20k_equal_iterations": 44.1,
    "sam_20k_stratified": 49.0,
    "imagenet_all_40k": 50.0,
    "imagenet_sam_20k": 52.5,
    "sbd_leaky": 63.5,
    "sbd_100_epochs": 58.2,
    "va_backbone_only_sam_20k": 49.5,
}
OWN_LEVELS = {"scratch": 40.0, "rc": 44.0, "va": 45.0, "scratch_longer": 41.5}
VARIANTS = ("s8_c8", "s8_c4", "s4_c8", "s4_c4", "s8_c8_p1", "s8_c4_p1", "s4_c8_p1", "s4_c4_p1")
_CLASSES = ("coin", "bell_pepper", "melon", "kite", "star", "sun_hat", "ring", "leaf", "tent")
_KEPT = {"10k": 0.25, "20k": 0.5, "30k": 0.75}
_SEGMENTER = {"mini": "miniature", "smoke": "miniature", "paper": "mask2former_r50"}


def _results(
    rng: np.random.Generator, levels: dict[str, float], backbone: str, seeds: tuple[int, ...], noise: float
) -> tuple[Result, ...]:
    results = []
    for seed in seeds:
        luck = rng.normal(0, 0.8)  # shared by all arms, so that pairing pays
        for arm, level in levels.items():
            miou = level + luck + rng.normal(0, noise)
            cell = f"evaluate/{rng.integers(16**12):012x}"
            results.append(Result(arm=arm, backbone=backbone, seed=seed, metrics={"miou": miou}, cells=(cell,)))
    return tuple(results)


def _costs(rng: np.random.Generator, backbone: str, seeds: tuple[int, ...]) -> tuple[Cost, ...]:
    costs = []
    for seed in seeds:
        for arm in LEVELS:
            size = next((int(2000 * share) for name, share in _KEPT.items() if name in arm), 2000)
            real, filtered = arm.startswith("sbd"), "sam" in arm
            generated = 0 if real else 2000 if filtered else size
            pretrained = arm.startswith(("va", "rc", "imagenet"))
            own = 1250 if "equal_iterations" in arm else round(0.625 * size)
            costs.append(
                Cost(
                    arm=arm,
                    backbone=backbone,
                    seed=seed,
                    objects_generated=generated,
                    training_images=800 if real else size,
                    segmented_images=2000 if filtered else 0,
                    denoiser_calls=generated * 20,
                    warmup_iterations=625 if pretrained else 0,
                    iterations=own + (625 if pretrained else 0),
                    generate_s=generated / 17,
                    cut_s=20.0 if filtered else 0.0,
                    pretrain_s=float(rng.uniform(40, 45)) if pretrained else 0.0,
                    train_s=float(rng.uniform(80, 90)),
                    evaluate_s=float(rng.uniform(4, 6)),
                )
            )
    return tuple(costs)


def _points(rng: np.random.Generator, backbone: str, seeds: tuple[int, ...]) -> tuple[ScatterPoint, ...]:
    points = []
    for seed in seeds:
        for number, variant in enumerate(VARIANTS):
            quality = 62 - 4.1 * number + rng.normal(0, 0.6)
            miou = 44 - 1.7 * number + rng.normal(0, 0.7)
            points.append(
                ScatterPoint(
                    scatter=PILOT,
                    variant=variant,
                    backbone=backbone,
                    seed=seed,
                    x=quality,
                    y=miou,
                    cells=(f"evaluate/{number}{seed}",),
                )
            )
    return tuple(points)


def _selections(
    rng: np.random.Generator, seeds: tuple[int, ...]
) -> tuple[tuple[ScoreHistogram, ...], tuple[SelectionStatistics, ...]]:
    histograms, statistics = [], []
    edges = np.linspace(0, 1, 26)
    for seed in seeds:
        scores = np.where(rng.random(2000) < 0.06, 0, rng.beta(3.2, 2.2, 2000))
        cut_offs = {f"top {name}": float(np.quantile(scores, 1 - share)) for name, share in _KEPT.items()}
        histograms.append(
            ScoreHistogram(
                score="S1",
                seed=seed,
                edges=tuple(edges),
                counts=tuple(int(count) for count in np.histogram(scores, edges)[0]),
                cut_offs=cut_offs,
            )
        )
        images = rng.integers(180, 420, len(_CLASSES))
        easy = np.linspace(0.85, 0.2, len(_CLASSES))
        for arms in (("sam_20k", "va_sam_20k"), ("sam_20k_stratified",), ("random_20k",)):
            kept = easy if "sam_20k" in arms else np.full(len(_CLASSES), 0.5)
            after = rng.binomial(images, kept)
            statistics += [
                SelectionStatistics(
                    arm=arm,
                    seed=seed,
                    classes=_CLASSES,
                    images_before=tuple(int(count) for count in images),
                    images_after=tuple(int(count) for count in after),
                    pixels_before=tuple(int(count) * 500 for count in images),
                    pixels_after=tuple(
                        int(count * 500 * share) for count, share in zip(after, kept + 0.4, strict=True)
                    ),
                    num_before=2000,
                    num_after=1000,
                    classes_an_image_before={1: 1300, 2: 500, 3: 200},
                    classes_an_image_after={1: 800, 2: 160, 3: 40},
                    zero_share=float(np.mean(scores == 0)),
                    cut_off=0.0 if arm == "random_20k" else cut_offs["top 20k"],
                    quantiles={f"{share} %": float(np.quantile(scores, share / 100)) for share in (5, 25, 50, 75, 95)},
                )
                for arm in arms
            ]
    return tuple(histograms), tuple(statistics)


def _blob(size: tuple[int, int], place: tuple[int, int], radius: int, label: int) -> Image.Image:
    mask = Image.new("L", size)
    x, y = place
    ImageDraw.Draw(mask).ellipse((x - radius, y - radius, x + radius, y + radius), fill=label)
    return mask


def _filter_samples(rng: np.random.Generator, folder: Path) -> tuple[LabelMapSample, ...]:
    samples = []
    for rank in (1, 2, 3, 4, 999, 1000, 1001, 1002, 1997, 1998, 1999, 2000):
        label = int(rng.integers(1, 9))
        shift = rank // 110
        image = Image.fromarray(rng.integers(90, 160, (64, 64, 3)).astype(np.uint8))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        image.paste(colour, (0, 0), _blob((64, 64), (30, 30), 16, 255))
        generated = np.array(_blob((64, 64), (30 + shift, 30), 17, 1))
        ring = (generated == 0) & (np.array(_blob((64, 64), (30 + shift, 30), 20, 1)) == 1)
        labels = generated * label
        labels[ring] = 255
        segmented = np.array(_blob((64, 64), (30, 30), 16, label)) if rank < 1999 else np.zeros((64, 64), np.uint8)
        paths = [folder / f"pair-{rank}-{name}.png" for name in ("image", "mask", "sam")]
        image.save(paths[0])
        Image.fromarray(labels).save(paths[1])
        Image.fromarray(segmented).save(paths[2])
        samples.append(
            LabelMapSample(
                group="best" if rank < 5 else "median" if rank < 1003 else "worst",
                caption=f"{1 - rank / 2000:.2f}, rank {rank} of 2,000: {_CLASSES[label - 1]}",
                path=paths[0],
                label_paths=(paths[1], paths[2]),
            )
        )
    return tuple(samples)


def _drawn_samples(rng: np.random.Generator, folder: Path) -> tuple[LabelMapSample, ...]:
    samples = []
    for contour, noise in (("RC", ""), ("VA", ""), ("RC+VA", ""), ("VA", "noisy mask")):
        for number in range(3):
            image, mask = Image.new("RGB", (64, 64)), Image.new("L", (64, 64))
            for label in rng.integers(1, 255, 8):
                x, y, radius = (int(value) for value in (*rng.integers(5, 60, 2), rng.integers(4, 14)))
                grey = int(rng.integers(60, 256))
                ImageDraw.Draw(image).ellipse((x, y, x + radius, y + radius), outline=(grey,) * 3)
                ImageDraw.Draw(mask).ellipse((x, y, x + radius, y + radius), outline=int(label))
            stem = folder / f"drawn-{contour}{'-noisy' if noise else ''}-{number}"
            paths = stem.with_suffix(".png"), Path(f"{stem}-mask.png")
            image.save(paths[0])
            mask.save(paths[1])
            group = f"{contour}, {noise}" if noise else contour
            samples.append(LabelMapSample(group=group, path=paths[0], label_paths=(paths[1],)))
    return tuple(samples)


def _run(tier: Tier, seeds: tuple[int, ...], data: str) -> Run:
    return Run(
        paper_id="sam_filter",
        paper_title="SAM filter: keeping mask quality of generated pairs",
        paper_source="Mae, Yamada, Kataoka. Made-up records.",
        tier=tier,
        data=data,
        seeds=seeds,
        command=f"make reproduce PAPER=sam_filter TIER={tier} SEEDS={len(seeds)}",
        settings={"score": "S1", "prompter": "automatic masks and CLIP"},
        provenance=Provenance(commit="0123456789abcdef0123456789abcdef01234567", cells=200, store=".segrepro"),
    )


def synthetic_filter_report(
    images: Path | None = None,
    tier: Tier = "mini",
    seeds: tuple[int, ...] = (0, 1, 2),
    noise: float = 0.3,
    random_seed: int = 0,
) -> SamFilterReport:
    """Return judged records of a run that never happened; ``images`` is a folder for sample images."""
    rng = np.random.default_rng(random_seed)
    backbone = _SEGMENTER[tier]
    histograms, selections = _selections(rng, seeds)
    report = SamFilterReport(
        run=_run(tier, seeds, "VOC 2012" if tier == "paper" else "drawn pictures, VOC layout"),
        arms=tuple(row_of(arm) for arm in ARMS if arm.row),
        backbones=(Backbone(id=backbone, title="Mask2Former, ResNet-50" if tier == "paper" else "small U-Net"),),
        metrics=METRICS,
        results=_results(rng, LEVELS, backbone, seeds, noise),
        costs=_costs(rng, backbone, seeds),
        targets=read_targets(PAPER.folder),
        lost_targets=read_lost_targets(PAPER.folder),
        beside={"mask2former_r50": backbone},
        points=_points(rng, backbone, seeds),
        histograms=histograms,
        selections=selections,
        filter_samples=_filter_samples(rng, images) if images else (),
        drawn_samples=_drawn_samples(rng, images) if images else (),
        deviations=read_ledger(PAPER.folder, ARMS),
        style=STYLE,
    )
    return judge(report, CLAIMS)


def synthetic_own_report(seeds: tuple[int, ...] = (0, 1, 2)) -> SamFilterReport:
    """Return judged records of a run on own pictures that never happened."""
    rng = np.random.default_rng(0)
    report = SamFilterReport(
        run=_run("mini", seeds, "own data (melons)"),
        arms=tuple(map(row_of, OWN_ARMS)),
        backbones=(Backbone(id="miniature", title="small U-Net"),),
        metrics=METRICS,
        results=_results(rng, OWN_LEVELS, "miniature", seeds, 0.3),
        style=STYLE,
    )
    return judge(report, OWN_DATA_CLAIMS)
