"""The sections and figures that only instance synthesis has, on made-up records whose answers are known."""

import numpy as np
import pytest
from PIL import Image

from reports.amount_plot import AmountLine, amount_plot
from reports.records import Arm, Backbone, Provenance, Result, Run
from reports.sample_sheets import instance_sheet, repainted_sheet
from reports.samples import InstanceSample, RepaintedSample, save_sample
from reproductions.instance_synthesis.arms import ARMS
from reproductions.instance_synthesis.figures import draw_figures
from reproductions.instance_synthesis.gains import gains_section
from reproductions.instance_synthesis.paper import PAPER
from reproductions.instance_synthesis.records import InstanceSynthesisReport
from reproductions.study.targets import read_targets
from reproductions.verdicts.verdict import judge

LEVELS = {
    "published": 35.5,
    "real": 27.65,
    "zoom": 33.65,
    "blended": 36.52,
    "gligen": 34.0,
    "real_10": 10.0,
    "zoom_10": 14.0,
    "blended_10": 12.0,
}
OURS = "fastinst_r50"


def report(levels=LEVELS, tier="paper", seeds=3) -> InstanceSynthesisReport:
    """Arms at these levels of AP, the seeds a tenth apart."""
    results = tuple(
        Result(
            arm=arm,
            backbone=OURS,
            seed=seed,
            metrics={"AP": level + 0.1 * (seed - 1), "AP50": level + 20},
            cells=("c",),
        )
        for arm, level in levels.items()
        for seed in range(seeds)
    )
    words = {"paper_title": "P", "tier": tier, "data": "d", "command": "c", "provenance": Provenance(commit="0")}
    made = InstanceSynthesisReport(
        run=Run(paper_id="instance_synthesis", seeds=tuple(range(seeds)), **words),
        arms=tuple(
            Arm(id=arm.id, title=arm.title, control=arm.control, table=arm.table, group=arm.group) for arm in ARMS
        ),
        backbones=(Backbone(id=OURS, title="FastInst"),),
        metrics=PAPER.metrics,
        results=results,
        targets=read_targets(PAPER.folder),
        beside=dict.fromkeys(PAPER.beside[OURS], OURS),
        baselines=dict(PAPER.baselines),
    )
    return judge(made, PAPER.claims)


def rows(text: str) -> dict[tuple[str, str], list[str]]:
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| R + S"):
            found[cells[0], cells[1]] = cells[2:]
    return found


def test_both_gains_stand_side_by_side_with_the_zooms_part() -> None:
    """InstSynth section 13, item 9: (R+S) - (R+Z), beside the paper's (R+S) - (R)."""
    found = rows(gains_section(report()))
    printed, over_real, of_zoom, over_zoom, part, beside = found["R + S, blended", "100 %"]
    assert printed == "+8.87"
    assert (over_real.split()[0], of_zoom.split()[0], over_zoom.split()[0]) == ("+8.87", "+6.00", "+2.87")
    assert part == "68 %"
    assert beside == "comparable"
    assert found["R + S, GLIGEN", "100 %"][:4][0] == "+7.23"


def test_less_data_has_rows_of_its_own_without_a_printed_gain() -> None:
    printed, over_real, of_zoom, over_zoom, part, beside = rows(gains_section(report()))["R + S, blended", "10 %"]
    assert (printed, beside) == ("–", "–")
    assert (over_real.split()[0], of_zoom.split()[0], over_zoom.split()[0]) == ("+2.00", "+4.00", "-2.00")
    assert part == "200 %"


@pytest.mark.parametrize(("arm", "title"), [("published", "Real, published recipe"), ("real", "R: real")])
def test_a_missed_baseline_is_named_beside_the_gain(arm, title) -> None:
    found = rows(gains_section(report(LEVELS | {arm: LEVELS[arm] - 6})))
    assert found["R + S, blended", "100 %"][-1] == f"not comparable: {title} misses its printed number"


def test_at_other_tiers_no_gain_is_comparable_and_the_papers_baselines_are_told_all_the_same() -> None:
    text = gains_section(report(tier="mini"))
    assert rows(text)["R + S, blended", "100 %"][-1] == "not comparable (tier mini)"
    for words in ("FastInst, ResNet-50 27.65 where 35.50", "ConvNeXt-L 21.75 where 48.7", "Swin-L 25.68 where 45.6"):
        assert words in text


def test_a_gain_that_is_none_has_no_part() -> None:
    assert rows(gains_section(report(LEVELS | {"blended": 20.0})))["R + S, blended", "100 %"][-2] == "–"


def test_nothing_is_said_where_nothing_ran() -> None:
    assert gains_section(report({"real": 1.0})) == ""


def test_figures_are_drawn_of_what_is_there(tmp_path) -> None:
    drawn = [figure.file for figure in draw_figures(report(), tmp_path) if figure is not None]
    assert {path.name for path in tmp_path.glob("*.png")} == set(drawn)
    names = {name.removesuffix(".png").removesuffix(f"_{OURS}") for name in drawn}
    shares = {"figure_data_shares", "figure_synthetic_shares"}
    assert names == {"figure_accuracy_AP", "figure_accuracy_AP50", "figure_differences"} | shares


def test_differences_leave_out_what_is_no_accuracy(tmp_path, monkeypatch) -> None:
    """FID and similarity have other scales; with them the axis would show nothing else."""
    shown = []
    monkeypatch.setattr(
        "reproductions.instance_synthesis.figures.differences", lambda made, *_, **__: shown.append(made)
    )
    draw_figures(report(), tmp_path)
    metrics = {item.metric for claim in shown[0].claims for item in claim.evidence}
    assert metrics == {"AP"}


def test_an_amount_needs_two_places(tmp_path) -> None:
    lines = [AmountLine("R", "#000000", {"10 %": "real_10", "100 %": "real"})]
    assert amount_plot(report(), OURS, "AP", ["10 %", "100 %"], lines, tmp_path / "a.png")
    lines = [AmountLine("R", "#000000", {"10 %": "real_25", "100 %": "real"})]
    assert not amount_plot(report(), OURS, "AP", ["10 %", "100 %"], lines, tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()


# -- sheets


def pixels(height: int, width: int, level: int) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def sample(folder, repainted=("GLIGEN", "blended")) -> RepaintedSample:
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 255
    whole = np.zeros((50, 100), np.uint8)
    whole[10:30, 10:30] = 255
    return RepaintedSample(
        row="car",
        caption="'a photo of a red car'",
        crop_path=save_sample(folder, "crop", pixels(40, 40, 90)),
        mask_path=save_sample(folder, "mask", mask),
        repainted={title: save_sample(folder, title, pixels(64, 64, 10 * n)) for n, title in enumerate(repainted)},
        pasted_title="blended",
        pasted_path=save_sample(folder, "pasted", pixels(50, 100, 60)),
        pasted_mask_path=save_sample(folder, "pasted-mask", whole),
        difference_path=save_sample(folder, "change", pixels(50, 100, 0)),
    )


def test_a_sheet_has_a_tile_a_generator_between_crop_and_image(tmp_path) -> None:
    sizes = []
    for names in (("GLIGEN",), ("GLIGEN", "inpainting", "blended")):
        assert repainted_sheet([sample(tmp_path, names)], tmp_path / "sheet.png")
        sizes.append(Image.open(tmp_path / "sheet.png").width)
    assert sizes[1] - sizes[0] == pytest.approx(2 * 130, abs=2)


def test_a_mask_of_another_size_is_noticed(tmp_path) -> None:
    faulty = sample(tmp_path)
    save_sample(tmp_path, "mask", np.zeros((10, 10), np.uint8))
    with pytest.raises(AssertionError, match="another size"):
        repainted_sheet([faulty], tmp_path / "sheet.png")


def test_wide_images_get_wide_tiles(tmp_path) -> None:
    def sheet_of(height: int, width: int) -> int:
        stem = f"{height}x{width}"
        made = InstanceSample(
            arm="zoom",
            caption="c",
            path=save_sample(tmp_path, stem, pixels(height, width, 50)),
            instances_path=save_sample(tmp_path, f"{stem}-i", np.zeros((height, width), np.uint8)),
        )
        assert instance_sheet([made], tmp_path / "sheet.png")
        return Image.open(tmp_path / "sheet.png").height

    square, wide, tall = sheet_of(60, 60), sheet_of(60, 120), sheet_of(120, 60)
    assert square - wide == pytest.approx(117, abs=2)
    assert tall == square


def test_no_sample_is_no_sheet(tmp_path) -> None:
    assert not repainted_sheet([], tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()
