"""Putting freshly trained checkpoints into the repository: weights, measurements, sample sheets, the measured tables."""

import json
import shutil
from pathlib import Path

from methods.common.files import write_atomic
from methods.common.miniature.provenance import FILE_NAME, read_provenance
from methods.common.miniature.shipped import CHECKPOINTS, FLAT_VAE
from methods.common.stage import Record

REPORT_FILE = "checkpoint_report.json"
STREET_REPORT_FILE = "street_report.json"
PAINTERS = ("inpainting", "gligen")
STREET_SEGMENTER = "street_segmenter"
STREET_PARTS = (*PAINTERS, STREET_SEGMENTER)
"""Folders of the street, each with where its weights come from."""
_BAR_NAMES = {
    "generated_colour": "generated objects of reliable categories recognised, colour judge",
    "generated_grey": "generated objects of reliable categories recognised, grey judge",
    "generated_failing": "generated objects of the least reliable categories not recognised, grey judge",
    "cutout_iou": "cut-out IoU on held-out renders",
    "attention_iou": "cross-attention of the noun against the object, IoU",
    "sam_box_iou": "Segment Anything, mean IoU of objects asked for by box",
    "clip_zero_shot": "CLIP zero-shot accuracy, 36 classes",
}
_LEVEL_NAMES = ("reliable", "mostly right", "often wrong", "mostly wrong")
_SOURCES = {
    "vae": "VAE",
    "clip": "tokenizer and CLIP",
    "generator": "U-Net and text encoder",
    "faulty_generator": "U-Net, continued on pictures that fail their captions",
    "cutout": "cut-out network",
    "sam": "Segment Anything",
    "segmenter": "instance segmenter, on things without a category",
    "judges": "judges",
}


def measured_tables(report: Record, provenance: Record) -> str:
    """Return the tables of ``docs/miniature.md`` as Markdown, from the two JSON files alone."""
    rows = ["| bar | asked | reached | met |", "|---|---|---|---|"]
    for name, bar in report["bars"].items():
        met = "yes" if bar["met"] else "**no**"
        rows.append(f"| {_BAR_NAMES[name]} | {bar['bar']:.2f} | {bar['reached']:.4f} | {met} |")
    rows += [
        "",
        *_prompt_rows(report),
        "",
        *_fault_rows(report),
        "",
        *_other_rows(report),
        "",
        *_training_rows(provenance),
    ]
    return "\n".join(rows)


def _prompt_rows(report: Record) -> list[str]:
    rows = [
        "| prompt | pictures | colour judge | grey judge | CLIP score, mean | its 10th percentile | same with wrong names |",
        "|---|---|---|---|---|---|---|",
    ]
    for prompt, record in report["by_prompt"].items():
        rows.append(
            f"| {prompt.format('X')} | {record['num_pictures']} | {record['colour']:.3f} | {record['grey']:.3f} "
            f"| {record['clip_score_mean']:.1f} | {record['clip_score_10th_percentile']:.1f} "
            f"| {record['clip_score_mean_of_wrong_names']:.1f} |"
        )
    return rows


def _fault_rows(report: Record) -> list[str]:
    rows = [
        "| categories | learnt from: another thing | cut off | doubled | colour judge | grey judge | CLIP score, mean | its 10th percentile |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for level, record in enumerate(report["by_fault_level"]):
        rows.append(
            f"| {_LEVEL_NAMES[level]} | {record['wrong_sense']:.2f} | {record['cut_off']:.2f} | {record['doubled']:.2f} "
            f"| {record['colour']:.3f} | {record['grey']:.3f} | {record['clip_score_mean']:.1f} "
            f"| {record['clip_score_10th_percentile']:.1f} |"
        )
    return rows


def _other_rows(report: Record) -> list[str]:
    rows = ["| also measured | value |", "|---|---|"]
    rows.append(f"| judges on {report['num_renders']} held-out renders, colour | {report['renders_colour']:.4f} |")
    rows.append(f"| the same, grey | {report['renders_grey']:.4f} |")
    rows.append(f"| VAE, signal to noise of decoded renders | {report['vae_psnr_db']:.1f} dB |")
    rows.append(f"| cut-out IoU, worst picture | {report['cutout_iou_worst']:.3f} |")
    rows.append(
        f"| Segment Anything on {report['num_scenes']} held-out scenes, {report['num_scene_objects']} objects: IoU by box "
        f"| {report['sam_box_iou']:.3f} |"
    )
    rows.append(
        f"| the same by a point inside, the mask of highest predicted IoU (best of three) "
        f"| {report['sam_point_iou']:.3f} ({report['sam_point_iou_best_of_three']:.3f}) |"
    )
    for background, value in report["attention_iou_by_background"].items():
        control = report["attention_iou_of_shuffled_pictures"][background]
        rows.append(
            f"| attention IoU on {background} (against another picture's object) | {value:.3f} ({control:.3f}) |"
        )
    hardest = sorted(report["grey_by_category"].items(), key=lambda pair: pair[1])[:3]
    named = ", ".join(f"{name} {share:.2f}" for name, share in hardest)
    return [*rows, f"| hardest categories, grey judge | {named} |"]


def _training_rows(provenance: Record) -> list[str]:
    rows = ["| trained part | steps | pictures a step | processor minutes |", "|---|---|---|---|"]
    for part, record in provenance.items():
        optimizer = record["config"]["optimizer"]
        minutes = record["cpu_seconds"] / 60
        rows.append(f"| {_SOURCES[part]} | {optimizer['num_steps']} | {optimizer['batch_size']} | {minutes:.1f} |")
    return rows


def replace_measured(page: str, tables: str, subject: str = "measured") -> str:
    """Return a page with the text between the two markers of a subject replaced."""
    begin, end = f"<!-- {subject}: begin -->", f"<!-- {subject}: end -->"
    assert page.count(begin) == page.count(end) == 1, f"the page has one pair of markers for {subject}"
    before, rest = page.split(begin)
    return f"{before}{begin}\n{tables}\n{end}{rest.split(end)[1]}"


def install_street(checkpoints: Path, report: Path, repository: Path) -> None:
    """Copy the finished parts of the street into the repository.

    Args:
        checkpoints: folder of ``assemble_street``.
        report: folder of ``report_street``.
        repository: root of the checkout.
    """
    from methods.common.miniature.street_report import street_tables

    target = repository / CHECKPOINTS.relative_to(CHECKPOINTS.parents[3])
    for part in STREET_PARTS:
        shutil.rmtree(target / part, ignore_errors=True)
        shutil.copytree(checkpoints / part, target / part)
    shutil.copyfile(report / STREET_REPORT_FILE, target / STREET_REPORT_FILE)
    _copy_sheets(report, repository)
    page = repository / "docs" / "miniature.md"
    provenance = {part: read_provenance(target / part) for part in STREET_PARTS}
    tables = street_tables(json.loads((target / STREET_REPORT_FILE).read_text()), provenance)
    write_atomic(page, replace_measured(page.read_text(), tables, "street").encode())


def install_flat_vae(trained: Path, repository: Path) -> None:
    """Copy the autoencoder for flat colours into the repository, with where its weights come from.

    Args:
        trained: folder of ``train_flat_vae``.
        repository: root of the checkout.
    """
    target = repository / CHECKPOINTS.relative_to(CHECKPOINTS.parents[3]) / FLAT_VAE
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(trained / "vae", target)
    shutil.copyfile(trained / FILE_NAME, target / FILE_NAME)


def _copy_sheets(report: Path, repository: Path) -> None:
    images = repository / "docs" / "images"
    images.mkdir(parents=True, exist_ok=True)
    for sheet in sorted((report / "sheets").glob("*.png")):
        shutil.copyfile(sheet, images / f"miniature_{sheet.name}")


def install_checkpoints(checkpoints: Path, report: Path, repository: Path) -> None:
    """Copy finished cells into the repository.

    Args:
        checkpoints: folder of ``assemble_checkpoints``.
        report: folder of ``report_checkpoints``.
        repository: root of the checkout; weights go into the package, pictures and tables into ``docs``.
    """
    target = repository / CHECKPOINTS.relative_to(CHECKPOINTS.parents[3])
    for part in ("stable_diffusion", "clip", "cutout", "sam", "segmenter", "judges"):
        shutil.rmtree(target / part, ignore_errors=True)
        shutil.copytree(checkpoints / part, target / part)
    shutil.copyfile(checkpoints / FILE_NAME, target / FILE_NAME)
    shutil.copyfile(report / REPORT_FILE, target / REPORT_FILE)
    _copy_sheets(report, repository)
    page = repository / "docs" / "miniature.md"
    tables = measured_tables(json.loads((target / REPORT_FILE).read_text()), read_provenance(target))
    write_atomic(page, replace_measured(page.read_text(), tables).encode())
