"""The figure of losses: each row's own last training, its own seeds, rows that share theirs once, and what is not there left out."""

from PIL import Image

from reports.drill import NO_DETAILS, Curve, Details, RunDetails, SeedRuns
from reports.loss_curves import last_trainings, loss_figure
from reports.records import Report
from tests.unit.report_synthetic import synthetic_report

ARMS = ("no_aug", "xpaste", "mrca")


def run(id: str, kind: str, label: str, inputs: dict[str, tuple[str, ...]], loss: float | None = None) -> RunDetails:
    columns = [] if loss is None else [("learning_rate", 0.1), ("loss", loss)]
    curves = tuple(Curve(name=name, iterations=(0, 10), values=(value, value / 2)) for name, value in columns)
    return RunDetails(
        id=id, label=label, stage="s", kind=kind, version=1, state="done", config="c", inputs=inputs, curves=curves
    )


def details_of(seeds: tuple[int, ...], finished: set[str] | None = None) -> Details:
    """Arm number a with seed s ends in a training with loss 10 a + s; the warm-up behind it began at 100. X-Paste and MRCA share theirs."""
    runs, found = {}, []
    for seed in seeds:
        for number, arm in enumerate(ARMS):
            last = min(number, 1)
            warm, train, evaluate = f"w{seed}", f"t{seed}{last}", f"e{seed}{arm}"
            runs[warm] = run(warm, "train", "warm up", {}, 100.0)
            loss = 10.0 * last + seed + 1 if finished is None or train in finished else None
            runs[train] = run(train, "train", "train", {"start": (warm,)}, loss)
            runs[evaluate] = run(evaluate, "evaluate", "evaluate", {"model": (train,), "data": ("d",)})
            # The warm-up stands before: the order tells nothing of which model is scored.
            found.append(SeedRuns(arm=arm, backbone="miniature", seed=seed, runs=(evaluate, warm, train)))
    return Details(runs=runs, seeds=tuple(found))


def rows(report: Report) -> list[str]:
    return [arm.title for arm, _ in report.ran() if arm.id in ARMS]


def test_each_row_shows_the_training_that_it_is_evaluated_on() -> None:
    report = synthetic_report()
    seeds = report.run.seeds
    found = last_trainings(report, details_of(seeds))
    first, *shared = rows(report)
    assert [one.titles for one in found] == [(first,), tuple(shared)], "rows with one training are one panel"
    for number, one in enumerate(found):
        assert [(seed, curve.name, curve.values[0]) for seed, curve in one.by_seed] == [
            (seed, "loss", 10.0 * number + seed + 1) for seed in seeds
        ]


def test_a_seed_without_a_history_is_left_out() -> None:
    report = synthetic_report()
    found = last_trainings(report, details_of(report.run.seeds, {"t00"}))
    assert [([*one.titles], [seed for seed, _ in one.by_seed]) for one in found] == [(rows(report)[:1], [0])]


def test_the_figure_is_drawn_once_there_is_something(tmp_path) -> None:
    report = synthetic_report()
    assert loss_figure(report, NO_DETAILS, tmp_path) is None
    assert not list(tmp_path.iterdir())
    figure = loss_figure(report, details_of(report.run.seeds), tmp_path)
    assert figure is not None
    assert "scale of its own" in figure.caption
    with Image.open(tmp_path / figure.file) as picture:
        assert picture.width > 900
    before = (tmp_path / figure.file).read_bytes()
    loss_figure(report, details_of(report.run.seeds), tmp_path)
    assert (tmp_path / figure.file).read_bytes() == before
