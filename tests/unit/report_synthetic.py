"""Made-up records for tests of the report, all from one seed. No number here is a result of anything."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from reports.records import Arm, Backbone, Cost, Provenance, Result, Run, SeriesPoint, Tier
from reports.samples import CutOutSample, InstanceSample
from reproductions.mrca import arms
from reproductions.mrca.claims import (
    CLAIMS,
    ENTROPY_CURRENT,
    ENTROPY_LAST,
    ENTROPY_SAME,
    ENTROPY_WARMUP,
    METRICS,
    UNGUIDED_LAST,
    UNGUIDED_WARMUP,
)
from reproductions.mrca.paper import PAPER
from reproductions.mrca.records import BudgetRound, ClassInfo, GuidanceCost, MrcaReport
from reproductions.study.ledger import read_ledger
from reproductions.study.targets import read_targets
from reproductions.verdicts.verdict import judge

ARMS = (
    Arm(id="no_aug", title="No Aug."),
    Arm(id="no_aug_double", title="No Aug., twice the iterations", control=True),
    Arm(id="xpaste", title="X-Paste"),
    Arm(id="xpaste_equal_pool", title="X-Paste, equal pool", control=True),
    Arm(id="xpaste_equal_paste", title="X-Paste, equal pool and pasting", control=True),
    Arm(id="mrca", title="MRCA"),
)
_LEVEL = {
    "no_aug": 0.0,
    "no_aug_double": 2.1,
    "xpaste": 4.3,
    "xpaste_equal_pool": 3.6,
    "xpaste_equal_paste": 3.2,
    "mrca": 6.0,
}
_OBJECTS = {"xpaste": 9600, "xpaste_equal_pool": 1440, "xpaste_equal_paste": 1440, "mrca": 1440}
_NAMES = [
    "apple",
    "bell_pepper",
    "bridge",
    "candle",
    "cloud",
    "cross",
    "cup",
    "diamond",
    "drop",
    "fan",
    "fish",
    "flag",
    "flower",
    "gear",
    "heart",
    "house",
    "kite",
    "leaf",
    "mask",
    "moon",
    "pear",
    "ring",
    "shell",
    "shoe",
    "spade",
    "star",
    "sun_hat",
    "tent",
    "tree",
    "wheel",
]


def _classes() -> tuple[ClassInfo, ...]:
    counts = np.maximum(1, (420 / np.arange(1, 31) ** 1.75)).astype(int)
    groups = ["r" if count <= 10 else "c" if count <= 100 else "f" for count in counts]
    return tuple(
        ClassInfo.model_validate(
            {"id": i + 1, "name": name, "group": group, "train_images": int(count), "feedback_images": int(count) // 3}
        )
        for i, (name, group, count) in enumerate(zip(_NAMES, groups, counts, strict=True))
    )


def _results(rng: np.random.Generator, backbone: str, seeds: tuple[int, ...]) -> tuple[Result, ...]:
    base = {"AP": 18.0, "APr": 9.0, "APc": 17.0, "APf": 27.0}
    results = []
    for seed in seeds:
        luck = rng.normal(0, 0.8)  # shared by all arms, so that pairing pays
        for arm, level in _LEVEL.items():
            metrics = {
                metric.id: base[metric.id.split("_")[0]]
                + level * (1.5 if metric.id.startswith("APr") else 0.6)
                + (0.9 if metric.id.endswith("mask") else 2.7)
                + luck
                + rng.normal(0, 0.35)
                for metric in METRICS
            }
            digits = f"{rng.integers(16**12):012x}"
            results.append(
                Result(arm=arm, backbone=backbone, seed=seed, metrics=metrics, cells=(f"evaluate/{digits}",))
            )
    return tuple(results)


def _costs(rng: np.random.Generator, backbone: str, seeds: tuple[int, ...]) -> tuple[Cost, ...]:
    costs = []
    for seed in seeds:
        for arm in _LEVEL:
            objects = _OBJECTS.get(arm)
            costs.append(
                Cost(
                    arm=arm,
                    backbone=backbone,
                    seed=seed,
                    objects_generated=objects or 0,
                    objects_accepted=int(objects * rng.uniform(0.8, 0.9)) if objects else 0,
                    denoiser_calls=objects * 20 if objects else 0,
                    warmup_iterations=400 if arm != "no_aug" else 0,
                    iterations=400 if arm == "no_aug" else 800,
                    generate_s=objects / 17 if objects else None,
                    cut_s=objects / 200 if objects else None,
                    train_s=float(rng.uniform(80, 90)) * (1 if arm == "no_aug" else 2),
                    evaluate_s=float(rng.uniform(8, 12)),
                )
            )
    return tuple(costs)


def _budgets(
    rng: np.random.Generator, classes: tuple[ClassInfo, ...], backbone: str, seeds: tuple[int, ...], rounds: int
) -> tuple[BudgetRound, ...]:
    counts = np.array([known.train_images for known in classes])
    budgets = []
    for seed in seeds:
        for number in range(1, rounds + 1):
            share = np.ones(len(counts)) if number <= 2 else rng.uniform(0.5, 1.5, len(counts)) / (counts + 4 * number)
            objects = tuple(int(count) for count in rng.multinomial(240, share / share.sum()))
            steered = number > 2
            budgets.append(
                BudgetRound(
                    arm="mrca",
                    backbone=backbone,
                    seed=seed,
                    round=number,
                    objects=objects,
                    by_count=tuple(int(count) for count in 240 * (1 / counts) / (1 / counts).sum())
                    if steered
                    else None,
                    count_correlation=0.9 + 0.01 * number if steered else None,
                )
            )
    return tuple(budgets)


def _series(rng: np.random.Generator, backbone: str, seeds: tuple[int, ...], rounds: int) -> tuple[SeriesPoint, ...]:
    points = []
    guided, every, models = range(2, rounds + 1), range(1, rounds + 1), range(rounds + 1)
    shown = (
        (ENTROPY_CURRENT, 0.045, guided),
        (ENTROPY_WARMUP, 0.055, guided),
        (ENTROPY_LAST, 0.05, guided),
        (UNGUIDED_WARMUP, 0.002, every),
        (UNGUIDED_LAST, 0.002, every),
        (ENTROPY_SAME, -0.06, models),
    )
    for seed in seeds:
        offset = rng.normal(0, 0.04)
        for series, slope, numbers in shown:
            for number in numbers:
                points.append(
                    SeriesPoint(
                        series=series,
                        arm="mrca",
                        backbone=backbone,
                        seed=seed,
                        round=number,
                        value=2.2 + offset + slope * number + rng.normal(0, 0.02),
                        standard_error=0.03,
                        count=200,
                        model="M_0",
                    )
                )
    return tuple(points)


def _guidance_costs(backbone: str, seeds: tuple[int, ...]) -> tuple[GuidanceCost, ...]:
    """A guided image takes twice as long with the first seed, three times as long with the second, and so on."""
    return tuple(
        GuidanceCost(arm="mrca", backbone=backbone, seed=seed, round=number, guided_s=4.0 * (2 + seed), unguided_s=4.0)
        for seed in seeds
        for number in (2, 3)
    )


def _object_images(
    rng: np.random.Generator, classes: tuple[ClassInfo, ...], folder: Path, rounds: int
) -> tuple[CutOutSample, ...]:
    samples = []
    for number in range(1, rounds + 1):
        for place, known in enumerate(classes[::3]):
            if number == rounds and place % 4 == 3:
                continue
            size = (int(rng.integers(24, 60)), int(rng.integers(24, 60)))
            cut_out = Image.new("RGBA", size)
            colour = tuple(int(value) for value in rng.integers(0, 256, 3))
            ImageDraw.Draw(cut_out).ellipse((1, 1, size[0] - 2, size[1] - 2), fill=(*colour, 255))
            path = folder / f"object-{number}-{place}.png"
            cut_out.save(path)
            samples.append(CutOutSample(arm="mrca", row=f"round {number}", category=known.name, path=path))
    return tuple(samples)


def _pasted_images(rng: np.random.Generator, folder: Path) -> tuple[InstanceSample, ...]:
    samples = []
    for number in range(8):
        noise = rng.integers(90, 160, (96, 96, 3)).astype(np.uint8)
        image, instances = Image.fromarray(noise), Image.new("L", (96, 96))
        for instance in (1, 2, 3):
            x, y = (int(value) for value in rng.integers(0, 70, 2))
            colour = tuple(int(value) for value in rng.integers(0, 256, 3))
            ImageDraw.Draw(image).rectangle((x, y, x + 24, y + 20), fill=colour)
            ImageDraw.Draw(instances).rectangle((x, y, x + 24, y + 20), fill=instance)
        paths = folder / f"pasted-{number}.png", folder / f"pasted-{number}-instances.png"
        image.save(paths[0])
        instances.save(paths[1])
        samples.append(
            InstanceSample(
                arm="mrca",
                caption=f"round {number + 1}",
                path=paths[0],
                instances_path=paths[1],
                pasted=(3,),
                names={1: "tree", 2: "cup", 3: "sun_hat"},
            )
        )
    return tuple(samples)


def synthetic_report(
    images: Path | None = None,
    tier: Tier = "mini",
    seeds: tuple[int, ...] = (0, 1, 2),
    rounds: int = 6,
    random_seed: int = 0,
) -> MrcaReport:
    """Return judged records of a run that never happened; ``images`` is a folder for sample images."""
    rng = np.random.default_rng(random_seed)
    ids = ("resnet50", "swinl") if tier == "paper" else ("miniature",)
    titles = {"resnet50": "ResNet-50", "swinl": "Swin-L", "miniature": "miniature CenterNet2"}
    classes = _classes()
    report = MrcaReport(
        run=Run(
            paper_id="mrca",
            paper_title="MRCA: multi-round generative augmentation",
            paper_source="Kim, Bae, Lee. NeurIPS 2025. Made-up records.",
            tier=tier,
            data="LVIS v1" if tier == "paper" else "the miniature world",
            seeds=seeds,
            command=f"make reproduce PAPER=mrca TIER={tier} SEEDS={len(seeds)}",
            settings={"feedback split": "held-out train images", "feedback lag": "2 rounds"},
            provenance=Provenance(
                commit="0123456789abcdef0123456789abcdef01234567",
                packages={"torch": "2.15.0", "numpy": "2.3.4"},
                hosts=("host-a",),
                devices=("2 CPU cores",),
                started="2026-01-01T00:00:00+00:00",
                finished="2026-01-01T00:14:00+00:00",
                cells=87,
                store=".segrepro",
            ),
        ),
        arms=ARMS,
        backbones=tuple(Backbone(id=name, title=titles[name]) for name in ids),
        metrics=METRICS,
        results=tuple(result for name in ids for result in _results(rng, name, seeds)),
        costs=tuple(cost for name in ids for cost in _costs(rng, name, seeds)),
        targets=read_targets(PAPER.folder),
        beside={"resnet50": ids[0], "swinl": ids[-1]},
        classes=classes,
        budgets=tuple(budget for name in ids for budget in _budgets(rng, classes, name, seeds, rounds)),
        series=tuple(point for name in ids for point in _series(rng, name, seeds, rounds)),
        guidance_costs=tuple(cost for name in ids for cost in _guidance_costs(name, seeds)),
        objects=_object_images(rng, classes, images, rounds) if images else (),
        pasted=_pasted_images(rng, images) if images else (),
        deviations=read_ledger(PAPER.folder, arms.ARMS),
    )
    return judge(report, CLAIMS)
