"""`segrepro evaluate` as a user meets it: tables, files, comparisons, mistakes."""

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from methods.common.metrics.bootstrap import Difference, paired_bootstrap
from methods.common.metrics.detection.lvis import evaluate_lvis
from methods.common.metrics.official.package_evaluation import PackageEvaluation
from reproductions.cli import main
from reproductions.commands.evaluate.commands import app
from reproductions.commands.evaluate.outputs import differences_text
from tests.e2e.metric_inputs import WRITERS, write_detections
from tests.e2e.test_documents import commands
from tests.parity.cityscapes_coco_example import score_scenes

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small inputs of every metric."""
    folder = tmp_path_factory.mktemp("inputs")
    for write in WRITERS:
        write(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with annotations and detections."""
    monkeypatch.chdir(tmp_path)
    write_detections(tmp_path)
    return tmp_path


@pytest.fixture
def evaluate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[int, str, str]]:
    """Run `segrepro evaluate <words>` in this process: exit code, output, errors."""

    def run(words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["segrepro", "evaluate", *words.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        seen = capsys.readouterr()
        return int(ended.value.code or 0), seen.out, seen.err

    return run


LVIS = "lvis --ground-truth gt.json --detections dt.json --iou-type segm"
Run = Callable[[str], tuple[int, str, str]]


def test_the_numbers_are_printed_and_written(folder: Path, evaluate: Run) -> None:
    code, out, err = evaluate(f"{LVIS} --json out.json --per-class classes.csv")
    assert (code, err) == (0, "")
    written = json.loads((folder / "out.json").read_text())
    truth = evaluate_lvis(folder / "gt.json", folder / "dt.json", "segm")
    assert written["metrics"] == truth.metrics()
    assert 0.2 < written["metrics"]["AP"] < 1
    assert written["metrics"]["APc"] is None
    shown = {line.split()[0]: line.split()[1] for line in out.splitlines()}
    assert shown["APc"] == "undefined"
    assert shown["AP"] == f"{written['metrics']['AP']:.5f}"
    assert out.splitlines()[0].split(maxsplit=1) == ["metric", "value in [0, 1]"]
    assert out.splitlines()[-1] == f"definition: {truth.definition}"
    assert written["definition"] == truth.definition
    assert written["command"] == f"segrepro evaluate {LVIS} --json out.json --per-class classes.csv"
    assert written["num_images"] == 12
    assert written["inputs"]["predictions"] == {
        "path": "dt.json",
        "bytes": (folder / "dt.json").stat().st_size,
        "sha256": hashlib.sha256((folder / "dt.json").read_bytes()).hexdigest(),
    }
    assert set(written["packages"]) >= {"python", "segrepro", "numpy"}
    assert written["seconds"] > 0
    with (folder / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["cat", "dog", "owl"]
    assert float(rows[0]["AP"]) == truth.per_class()[0]["AP"]
    assert rows[2]["AP"] == ""


def test_a_comparison_is_the_paired_bootstrap(folder: Path, evaluate: Run) -> None:
    words = f"{LVIS} --compare other.json --resamples 60 --seed 5 --json out.json --per-class classes.csv"
    code, out, err = evaluate(words)
    assert (code, err) == (0, "")
    written = json.loads((folder / "out.json").read_text())
    first, second = (evaluate_lvis(folder / "gt.json", folder / name, "segm") for name in ("dt.json", "other.json"))
    expected = paired_bootstrap(first, second, 60, 5)
    comparison = written["comparison"]
    assert comparison["differences"] == {name: vars(difference) for name, difference in expected.items()}
    assert (comparison["num_resamples"], comparison["seed"]) == (60, 5)
    assert "(B + 1)" in comparison["p_value"]
    assert written["metrics"] == first.metrics()
    assert comparison["metrics"] == second.metrics()
    assert expected["AP"].low > 0  # type: ignore[operator]
    lines = {line.split()[0]: line.split() for line in out.splitlines()}
    assert out.splitlines()[:2] == ["A: dt.json", "B: other.json"]
    assert lines["AP"][3] == f"{expected['AP'].difference:.5f}"
    assert expected["AP"].p_value == 2 / 61
    assert lines["AP"][-2:] == ["<=", f"{2 / 61:.5f}"]
    assert lines["APc"][1:4] == ["undefined"] * 3
    with (folder / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["predictions"] for row in rows] == ["dt.json"] * 3 + ["other.json"] * 3


def test_predictions_compared_with_themselves_do_not_differ(folder: Path, evaluate: Run) -> None:
    assert evaluate(f"{LVIS} --compare dt.json --resamples 20 --json out.json")[0] == 0
    written = json.loads((folder / "out.json").read_text())
    difference = written["comparison"]["differences"]["AP"]
    assert [difference[name] for name in ("difference", "low", "high", "p_value")] == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (f"{LVIS} --seed 3", "--seed belongs to a comparison"),
        (f"{LVIS} --resamples 3", "--resamples belongs to a comparison"),
        (f"{LVIS} --official --compare other.json", "the official package cannot be resampled"),
        (f"{LVIS} --official --processes 2", "--processes does not reach into the official package"),
        (f"{LVIS} --json file/out.json", "--json file/out.json lies below file, which is no folder"),
        (f"{LVIS} --json sub", "--json sub is a folder"),
        (f"{LVIS} --json dt.json", "--json dt.json would replace the input predictions"),
        (f"{LVIS} --per-class gt.json", "--per-class gt.json would replace the input ground-truth"),
        (f"{LVIS} --json a --per-class ./a", "--per-class a would replace the file of --json"),
        (f"{LVIS} --compare none.json", "none.json cannot be read"),
        (f"{LVIS.replace('dt.json', 'none.json')} --json out.json", "none.json cannot be read"),
        (LVIS.replace("dt.json", "none.json"), "none.json cannot be read"),
        (LVIS.replace("dt.json", "none.json --official"), "none.json cannot be read"),
        (LVIS.replace("dt.json", "unknown_image.json --official"), "unknown_image.json, detection 1"),
        (LVIS.replace("dt.json", "unknown_image.json"), "unknown_image.json, detection 1"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(folder: Path, evaluate: Run, words: str, told: str) -> None:
    (folder / "file").write_text("not a folder")
    (folder / "sub").mkdir()
    records = json.loads((folder / "dt.json").read_text())
    records[1]["image_id"] = 99
    (folder / "unknown_image.json").write_text(json.dumps(records))
    before = sorted(folder.rglob("*"))
    code, out, err = evaluate(words)
    assert (code, out) == (2, ""), err
    assert told in err
    assert len(err.splitlines()) == 1
    assert sorted(folder.rglob("*")) == before


SEMANTIC = "semantic --ground-truth a --predictions b"


@pytest.mark.parametrize(
    "words",
    [
        "lvis",
        f"{LVIS} --iou-type mask",
        f"{LVIS} --resamples 0",
        f"{LVIS} --processes 0",
        f"{LVIS} --image-list dt.json",
        "mask-quality --ground-truth a --predictions b --num-classes 3 --official",
        "fid --predictions a --reference b --weights c --per-class d.csv",
        "fid --predictions a --reference b --weights c --processes 2",
    ],
)
def test_options_that_do_not_fit_are_refused(folder: Path, evaluate: Run, words: str) -> None:
    code, out, err = evaluate(words)
    assert (code, out) == (2, "")
    assert f"segrepro evaluate {words.split()[0]}" in err.splitlines()[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (SEMANTIC, "give --convention or --num-classes"),
        (f"{SEMANTIC} --convention voc2012 --num-classes 3", "--convention voc2012 settles the labels"),
        (f"{SEMANTIC} --convention ade20k --reduce-zero-label", "--convention ade20k settles the labels"),
        (f"{SEMANTIC} --num-classes 3 --classes names.txt", "names.txt has 2 names; write 3"),
        (f"{SEMANTIC} --num-classes 3 --classes none.txt", "none.txt cannot be read"),
        ("cityscapes-semantic --ground-truth a --predictions b --protocol grouped --official", "no official package"),
        *(
            (f"{words} --official --threads 2", "--threads does not reach into the official package")
            for words in (
                "fid --predictions a --reference b --weights c",
                "kid --predictions a --reference b --weights c",
                "clip-score-text --predictions a --prompts b --clip c",
            )
        ),
    ],
)
def test_options_that_exclude_each_other_are_refused(folder: Path, evaluate: Run, words: str, told: str) -> None:
    (folder / "names.txt").write_text("cat\ndog\n")
    code, out, err = evaluate(words)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 1


def test_a_convention_says_what_it_settles_and_predictions_may_count_from_one(folder: Path, evaluate: Run) -> None:
    for name, value in (("truth", 3), ("predicted", 2), ("from_one", 3)):
        (folder / name).mkdir()
        Image.fromarray(np.full((4, 4), value, np.uint8)).save(folder / name / "1.png")
    words = "semantic --ground-truth truth --convention ade20k --json out.json --predictions"
    settled = {"convention": "ade20k", "num_classes": 150, "ignore_label": 255, "reduce_zero_label": True}
    for predictions, option, miou in (
        ("predicted", "", 1.0),
        ("from_one", "", 0.0),
        ("from_one", "--predictions-from-one", 1.0),
    ):
        code, out, err = evaluate(f"{words} {predictions} {option}")
        assert (code, err) == (0, "")
        written = json.loads((folder / "out.json").read_text())
        assert written["settings"] == {**settled, "predictions_from_one": bool(option)}
        assert written["metrics"]["mIoU"] == miou
        assert ("(--predictions-from-one)" in out) == (not option)


def test_what_speaks_against_an_interval_is_said() -> None:
    sound = Difference(0.5, 0.25, 0.25, 0.1, 0.4, 0.02, 60, 0.001, 0.07)
    differences = {
        "sound": sound,
        "small": replace(sound, first=1.5e-5, difference=1e-6, p_value=2 / 61),
        "rare": replace(sound, num_resamples=31),
        "biased": replace(sound, bias=0.2),
        "nothing": Difference(None, 0.5, None, None, None, None, 0, None, None),
    }
    lines = differences_text(differences, 60, "in [0, 1]").splitlines()
    assert [line.split()[0] for line in lines] == ["values", "metric", *differences, "rare:", "biased:"]
    assert lines[3].split()[1:4] == ["1.5e-05", "0.25000", "1e-06"]
    assert lines[3].endswith("<= 0.03279")
    assert lines[-2] == "rare: 31 of 60 resamples define it; the others are left out"
    assert lines[-1].startswith("biased: resamples lay 0.20000 beside A - B and were moved there")
    few = differences_text({"sound": replace(sound, num_resamples=20)}, 20, "in [0, 1]").splitlines()
    assert few[-1] == "fewer than 40 resamples: no p-value can be below 0.05"


def test_an_output_that_cannot_be_written_is_told_before_the_evaluation(
    folder: Path, evaluate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("evaluated")

    monkeypatch.setattr("methods.common.metrics.detection.lvis.evaluate_lvis", never)
    (folder / "file").write_text("not a folder")
    assert evaluate(f"{LVIS} --json file/out.json")[0] == 2
    with pytest.raises(AssertionError, match="evaluated"):
        evaluate(f"{LVIS} --json out.json")


def test_progress_is_shown_on_a_terminal_and_nowhere_else(
    folder: Path, evaluate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = f"{LVIS} --compare other.json --resamples 3"
    code, silent_out, silent_err = evaluate(words)
    assert (code, silent_err) == (0, "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    code, out, err = evaluate(words)
    assert code == 0
    assert "evaluating dt.json" in err
    assert "resampling images" in err
    assert "3/3" in err
    assert out == silent_out


def test_help_stays_light() -> None:
    code = (
        "import sys\n"
        "from reproductions.cli import app\n"
        "try:\n    app(['evaluate', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'torch', 'pyarrow', 'PIL', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def documented_commands() -> list[str]:
    """The commands of docs/metrics.md, without `segrepro evaluate`."""
    page = (REPOSITORY / "docs" / "metrics.md").read_text()
    blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.replace("\\\n", "").splitlines()]
    return [line.removeprefix("segrepro evaluate ") for line in lines if line.startswith("segrepro evaluate ")]


def test_every_metric_is_documented() -> None:
    names = [command.name for command in app.registered_commands]
    assert len(names) == 12
    assert {words.split()[0] for words in documented_commands()} == set(names)


def test_the_worked_example_holds_what_is_computed() -> None:
    page = (REPOSITORY / "docs" / "metrics.md").read_text()
    section = page.split("### Cityscapes AP beside COCO AP")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| ")]
    shown = {row[0]: row[1:5] for row in rows[1:]}
    computed = {name: [f"{value:.3f}" for value in scores.values()] for name, scores in score_scenes().items()}
    assert list(shown.items()) == list(computed.items())


def first_command_of(metric: str) -> str:
    words = next(words for words in documented_commands() if words.split()[0] == metric and "--compare" not in words)
    return re.sub(r" --(json|per-class) \S+", "", words)


OTHER = {
    "lvis": "other.json",
    "coco": "other.json",
    "cityscapes-instance": "results_other",
    "cityscapes-semantic": "maps_other",
    "semantic": "voc_maps_other",
    "imagenet-s": "imagenet_s_maps_other",
    "panoptic": "panoptic_results_other.json",
    "mask-quality": "generated_masks_other",
    "fid": "generated_other",
    "kid": "generated_other",
    "clip-score-text": "generated_other",
    "clip-image-similarity": "generated_other",
}


def further_commands() -> list[str]:
    """Every other one that a document of the repository gives; a metric alone only names its command."""
    prefix = "segrepro evaluate "
    everywhere = {line.removeprefix(prefix) for _, line in commands() if line.startswith(prefix)}
    return sorted(everywhere - {first_command_of(metric) for metric in OTHER} - {"--help", *OTHER})


@pytest.mark.parametrize("words", further_commands())
def test_a_further_documented_command_works(
    inputs: Path, tmp_path: Path, evaluate: Run, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inputs)
    words = re.sub(r" --(json|per-class|resamples) \S+", "", words)
    compared = " --resamples 3" if "--compare" in words else ""
    code, out, err = evaluate(f"{words}{compared} --json {tmp_path / 'out.json'}")
    assert code == 0, err
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["num_images"] >= 4
    assert any(value is not None for value in written["metrics"].values())
    assert out.splitlines()[-1] == f"definition: {written['definition']}"


@pytest.mark.parametrize("metric", OTHER)
def test_every_metric_can_be_compared(
    inputs: Path, tmp_path: Path, evaluate: Run, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first documented command of each metric works, and what is compared with is evaluated like the first."""
    monkeypatch.chdir(inputs)
    words, out = first_command_of(metric), tmp_path / "out.json"
    code, _, err = evaluate(f"{words} --compare {OTHER[metric]} --resamples 3 --json {out}")
    assert code == 0, err
    comparison = json.loads(out.read_text())["comparison"]
    alone = re.sub(r"(--(detections|predictions)) \S+", rf"\1 {OTHER[metric]}", words)
    assert evaluate(f"{alone} --json {out}")[0] == 0
    assert comparison["metrics"] == json.loads(out.read_text())["metrics"]
    assert any(one["difference"] for one in comparison["differences"].values())
    assert all(one["num_resamples"] in (0, 3) for one in comparison["differences"].values())


@pytest.mark.parametrize("metric", ["lvis", "coco", "cityscapes-instance", "cityscapes-semantic", "panoptic"])
def test_the_official_package_answers_the_same(
    inputs: Path, tmp_path: Path, evaluate: Run, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inputs)
    found = []
    for name, option in (("ours.json", ""), ("theirs.json", " --official")):
        words = f"{first_command_of(metric)}{option} --json {tmp_path / name} --per-class {tmp_path / name}.csv"
        code, _, err = evaluate(words)
        assert code == 0, err
        found.append(json.loads((tmp_path / name).read_text()))
    ours, theirs = found
    assert ours["definition"] != theirs["definition"]
    assert ours["metrics"].keys() == theirs["metrics"].keys()
    assert ours["metrics"] == pytest.approx(theirs["metrics"], abs=1e-9)


@pytest.mark.parametrize(("metric", "tolerance"), [("semantic", 1e-6), ("kid", 1e-4), ("clip-score-text", 1e-5)])
def test_torchmetrics_and_torch_fidelity_answer_in_the_same_places(
    inputs: Path, tmp_path: Path, evaluate: Run, metric: str, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may add numbers of their own; what they warn of stays out of sight."""
    monkeypatch.chdir(inputs)
    found = []
    for name, option in (("ours.json", ""), ("theirs.json", " --official")):
        code, out, err = evaluate(f"{first_command_of(metric)}{option} --json {tmp_path / name}")
        assert (code, err) == (0, "")
        found.append(json.loads((tmp_path / name).read_text()))
        assert out.splitlines()[-1] == f"definition: {found[-1]['definition']}"
    ours, theirs = found
    assert {name: theirs["metrics"][name] for name in ours["metrics"]} == pytest.approx(ours["metrics"], rel=tolerance)
    assert theirs["notes"] == ours["notes"]
    assert {"torchmetrics", "torch-fidelity"} & set(theirs["packages"])
    assert "itself" in theirs["definition"]


def test_fid_by_torchmetrics_gets_all_that_ours_gets(
    folder: Path, evaluate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its three roots of matrices take a while; `tests/parity/test_official_pictures.py` computes them."""
    asked = []

    def answer(*places: Path, **options: Any) -> PackageEvaluation:
        asked.append((places, options))
        return PackageEvaluation("torchmetrics itself", ("0", "1"), {"FID": 1.5, "FID_torchmetrics": 1.25})

    monkeypatch.setattr("methods.common.metrics.official.fid.evaluate_fid_officially", answer)
    words = "fid --predictions a --reference b --weights c --allow-few-images --device cuda --official"
    code, out, err = evaluate(words)
    assert (code, err) == (0, "")
    assert asked == [((Path("a"), Path("b"), Path("c")), {"allow_few_images": True, "device": "cuda"})]
    assert [line.split() for line in out.splitlines()[1:3]] == [["FID", "1.50000"], ["FID_torchmetrics", "1.25000"]]


def test_a_metric_without_a_network_never_imports_torch(inputs: Path) -> None:
    calls = [
        [*("segrepro evaluate " + first_command_of(metric)).split(), "--compare", OTHER[metric], "--resamples", "2"]
        for metric in list(OTHER)[:8]
    ]
    code = (
        "import sys\n"
        "from reproductions.cli import main\n"
        f"for words in {calls!r}:\n"
        "    sys.argv = words\n"
        "    try:\n        main()\n    except SystemExit as ended:\n        assert not ended.code, words\n"
        "    heavy = {'torch', 'torchvision', 'transformers', 'diffusers'} & set(sys.modules)\n"
        "    assert not heavy, (words, heavy)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=inputs, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr


def truncate(path: Path, share: float = 0.9) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def paint(path: Path, value: int) -> None:
    label_HW = np.array(Image.open(path))
    label_HW[0, 0] = value
    Image.fromarray(label_HW).save(path)


def edit_first(path: Path, field: str, value: Any) -> None:
    content = json.loads(path.read_text())
    records = content if isinstance(content, list) else content["annotations"]
    records[0][field] = value
    path.write_text(json.dumps(content))


VOC = "voc_maps/2007_000003.png"
TOWN = "town_000000_000002"


@pytest.mark.parametrize(
    ("metric", "spoil", "told"),
    [
        ("lvis", lambda at: edit_first(at / "dt.json", "score", float("nan")), "dt.json, detection 0"),
        ("lvis", lambda at: edit_first(at / "dt.json", "category_id", 77), "dt.json, detection 0"),
        ("coco", lambda at: edit_first(at / "dt.json", "image_id", 77), "dt.json, detection 0"),
        ("coco", lambda at: edit_first(at / "dt.json", "segmentation", {"size": [9, 9], "counts": "0"}), "detection 0"),
        ("panoptic", lambda at: edit_first(at / "panoptic_results.json", "image_id", 77), "panoptic_results.json"),
        ("panoptic", lambda at: truncate(at / "panoptic_results" / "000000000002.png"), "000000000002.png"),
        ("semantic", lambda at: truncate(at / VOC), "2007_000003.png"),
        ("semantic", lambda at: (at / VOC).unlink(), "2007_000003.png"),
        ("semantic", lambda at: paint(at / VOC, 21), "2007_000003.png"),
        ("semantic", lambda at: (at / "voc_maps").rename(at / "maps_of_voc"), "voc_maps"),
        ("mask-quality", lambda at: paint(at / "generated_masks" / "2007_000003.png", 21), "2007_000003.png"),
        ("imagenet-s", lambda at: paint(at / "imagenet_s_maps" / "ILSVRC2012_val_00000002.png", 51), "00000002.png"),
        ("cityscapes-semantic", lambda at: paint(at / "maps" / f"{TOWN}_pred.png", 99), TOWN),
        ("cityscapes-semantic", lambda at: (at / "maps" / f"{TOWN}_pred.png").unlink(), TOWN),
        ("cityscapes-instance", lambda at: (at / "results" / f"{TOWN}_pred.txt").unlink(), TOWN),
        (
            "cityscapes-instance",
            lambda at: (at / "results" / f"{TOWN}_pred.txt").write_text("a 1\n"),
            f"{TOWN}_pred.txt",
        ),
        ("clip-image-similarity", lambda at: truncate(at / "generated" / "2.png", 0.5), "2.png"),
        ("clip-score-text", lambda at: (at / "prompts.csv").write_text("file,prompt\n0.png,a\n"), "1.png"),
        ("fid", lambda at: (at / "pt_inception.pth").unlink(), "pt_inception.pth"),
    ],
)
def test_faulty_inputs_are_named(
    inputs: Path,
    tmp_path: Path,
    evaluate: Run,
    monkeypatch: pytest.MonkeyPatch,
    metric: str,
    spoil: Callable[[Path], None],
    told: str,
) -> None:
    spoilt = shutil.copytree(inputs, tmp_path / "inputs", symlinks=True, ignore=shutil.ignore_patterns("*.pth"))
    (spoilt / "pt_inception.pth").symlink_to(inputs / "pt_inception.pth")
    spoil(spoilt)
    monkeypatch.chdir(spoilt)
    code, out, err = evaluate(first_command_of(metric))
    assert (code, out) == (2, ""), err
    assert told in err
    assert len(err.splitlines()) == 1


def test_no_room_for_the_table_is_one_sentence(folder: Path) -> None:
    words = [str(Path(sys.executable).with_name("segrepro")), "evaluate", *LVIS.split()]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(words, cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("segrepro: the output cannot be used (No space left on device)")
    assert len(ended.stderr.splitlines()) == 1
