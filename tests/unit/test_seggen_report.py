"""SegGen's own parts of a report: tables of masks, network calls and everything measured, and the gain by class."""

from pathlib import Path
from statistics import fmean

import pytest
from PIL import Image

from reports.records import Arm, Backbone, Provenance, Result, Run
from reports.samples import PictureRowSample, save_sample
from reproductions.seggen.claims import METRICS, STYLE
from reproductions.seggen.figures import calls_section, draw_figures, mask_section, measures_section
from reproductions.seggen.records import ClassGain, MaskRating, NetworkCalls, SeggenReport
from reproductions.verdicts.verdict import judge


def rating(steps: int, seed: int, valid: float) -> MaskRating:
    return MaskRating(
        steps=steps,
        seed=seed,
        num_masks=40,
        valid_px=valid,
        small_segments=12.0,
        void_px=3.0,
        class_shift=20.0,
        together_shift=4.0,
        nearest=61.0,
        nearest_of_human=70.0,
    )


def report(**more: object) -> SeggenReport:
    words = {"paper_title": "P", "tier": "mini", "data": "d", "command": "c", "provenance": Provenance(commit="0")}
    results = tuple(
        Result(
            arm=arm,
            backbone="small",
            seed=seed,
            metrics={"miou": level + seed, "miou_rare": level - 20, "alignment": 44.0 if arm == "both" else None},
            cells=("cell",),
        )
        for arm, level in (("real", 50.0), ("both", 53.0))
        for seed in (0, 1)
    )
    made = SeggenReport(
        run=Run(paper_id="p", seeds=(0, 1), **words),
        arms=(Arm(id="real", title="Real", group="real data"), Arm(id="both", title="Both", group="both")),
        backbones=(Backbone(id="small", title="Small"),),
        metrics=METRICS,
        style=STYLE,
        results=results,
        **more,
    )
    return judge(made, ())


def rows_of(section: str) -> list[list[str]]:
    lines = [line for line in section.splitlines() if line.startswith("| ") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_masks_stand_by_rising_steps_as_means_over_seeds() -> None:
    section = mask_section([rating(20, 0, 90.0), rating(5, 0, 40.0), rating(5, 1, 50.0), rating(20, 1, 94.0)])
    header, *rows = rows_of(section)
    assert [row[0] for row in rows] == ["5", "20"]
    assert [row[1] for row in rows] == ["45.0", "92.0"]
    assert header[-1] == "Human to human"
    assert "means over 2 seeds; 40 masks each" in section
    assert mask_section(()) == ""


def test_network_calls_are_told_by_job_with_the_time_of_one() -> None:
    calls = [
        NetworkCalls(job="Text2Mask", seed=seed, samples=10, steps=4, calls=80, seconds=4.0 + seed) for seed in (0, 1)
    ]
    _, row = rows_of(calls_section(calls))
    assert row == ["Text2Mask", "10", "4", "80", "56.25", "4.5"]
    assert calls_section(()) == ""


def test_everything_measured_leaves_out_what_nobody_measured() -> None:
    header, *rows = rows_of(measures_section(report()))
    assert header[3:] == ["mIoU", "mIoU rare", "Alignment"]
    assert [row[0] for row in rows] == ["Real", "Both"]
    assert rows[1][3].startswith(f"{fmean((53.0, 54.0)):.2f}")
    assert rows[0][-1] == "–"


@pytest.mark.parametrize("share", [3.0, 0.0])
def test_figures_are_drawn_from_what_there_is(tmp_path: Path, share: float) -> None:
    import numpy as np

    classes = tuple(
        ClassGain(arm=arm, seed=0, name=name, share=share, iou=iou)
        for arm, iou in (("real", 40.0), ("both", 45.0))
        for name in ("coin", "grass")
    )
    picture = save_sample(tmp_path / "pictures", "one", np.full((8, 8, 3), 100, np.uint8))
    samples = (PictureRowSample(row="image 1", caption="a coin", pictures={"real": picture}),)
    figures = [one for one in draw_figures(report(classes=classes, samples=samples), tmp_path) if one is not None]
    names = {one.file for one in figures}
    assert {"figure_accuracy_small.png", "figure_samples.png"} <= names
    assert ("figure_classes.png" in names) == (share > 0), "a class that training never shows has no place on the scale"
    for name in names:
        with Image.open(tmp_path / name) as drawn:
            assert min(drawn.size) > 50


def test_a_panoptic_report_draws_panoptic_quality(tmp_path: Path) -> None:
    made = report()
    results = tuple(one.model_copy(update={"metrics": {"PQ": 30.0 + one.seed, "miou": None}}) for one in made.results)
    made = judge(made.model_copy(update={"results": results}), ())
    [figure] = [one for one in draw_figures(made, tmp_path) if one is not None and "accuracy" in one.file]
    assert figure.title == "PQ by arm, Small"
