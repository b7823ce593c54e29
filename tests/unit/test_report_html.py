"""``report.html``: whole, closed, the same bytes each time; its links lead somewhere; nothing that it quotes becomes a tag."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reports.drill import ClassScores, Curve, Details, RunDetails, RunDifference, SeedRuns, ShownImage
from reports.figure import Figure
from reports.html import drawings
from reports.html.page import render_html
from reports.html.pictures import embedded, strip
from reports.html.text import to_html
from reports.html.views import run_anchor
from reports.records import Report
from reproductions.mrca.paper import PAPER
from reproductions.study.reporting import render_report
from tests.unit.report_synthetic import synthetic_report

EVIL = "<script>alert(1)</script>\"'&"
VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """Tags of a page: which are open, which ids there are, where links go, what would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.alternatives: list[str | None] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if known.get("id"):
            self.ids.append(known["id"] or "")
        if tag == "a":
            self.links.append(known.get("href") or "")
        if tag == "img":
            self.alternatives.append(known.get("alt"))
        self.sources += [value or "" for name, value in attrs if name in ("src", "srcset", "data")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


def details(folder: Path) -> Details:
    """Two runs a seed of two arms, with something evil in every text."""
    image, labels = folder / "image.png", folder / "labels.png"
    Image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(image)
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(labels)
    runs, seeds = {}, []
    for arm in ("mrca", "xpaste"):
        for seed in (0, 1, 2):
            made = [hashlib.sha256(f"{arm}{seed}{what}".encode()).hexdigest() for what in ("e", "t")]
            for cell_id, kind in zip(made, ("evaluate", "train"), strict=True):
                runs[cell_id] = RunDetails(
                    id=cell_id,
                    label=f"seed{seed}/{arm}/{kind}",
                    stage=kind,
                    kind=kind,
                    version=1,
                    state="done",
                    config="abc",
                    host=f"host {EVIL}",
                    started="2026",
                    wall_s=61.0,
                    machine_s=3700.0,
                    log=(f"log of {arm} {seed} {kind} {EVIL}",),
                    numbers={f"number {EVIL}": EVIL},
                    curves=(Curve(name=f"loss {EVIL}", iterations=(0, 1, 2), values=(3.0, None, 1.0)),),
                    classes=(ClassScores(title="IoU, %", scores={EVIL: 12.5, "cat": None}),),
                    images=(ShownImage(title=f"worst {EVIL}", pictures={"image": image, "truth": labels}),),
                )
            seeds.append(
                SeedRuns(
                    arm=arm,
                    backbone="miniature",
                    seed=seed,
                    runs=tuple(made),
                    neighbour="xpaste" if arm == "mrca" else "mrca",
                    differences=(
                        RunDifference(
                            label=EVIL, kind="setting", path="config.x", here=f"{arm}{seed}{EVIL}", there=EVIL
                        ),
                    ),
                )
            )
    return Details(runs=runs, configs={"abc": f'{{"evil": "{EVIL}"}}'}, seeds=tuple(seeds))


@pytest.fixture(scope="module")
def report() -> Report:
    made = synthetic_report()
    arms = tuple(arm.model_copy(update={"what": EVIL}) if arm.id == "mrca" else arm for arm in made.arms)
    return made.model_copy(update={"arms": arms, "run": made.run.model_copy(update={"data": EVIL, "command": EVIL})})


@pytest.fixture(scope="module")
def text(report, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("page")
    return render_html(report, [], [f"## Own\n\nwords {EVIL}\n\n| a |\n| --- |\n| {EVIL} |"], details(folder), folder)


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def test_the_page_is_well_formed_and_every_link_leads_somewhere(page) -> None:
    assert not page.open, "tags that are never closed"
    assert len(page.ids) == len(set(page.ids)), "an id twice"
    missing = {link for link in page.links if not link.startswith("#") or link[1:] not in page.ids}
    assert not missing, missing


def test_nothing_that_is_quoted_becomes_a_tag(text, page) -> None:
    assert page.tags.count("script") == 1, "only the page's own"
    assert "<script>alert" not in text
    quoted = text.count("&lt;script&gt;alert(1)&lt;/script&gt;")
    places = 12 * 5 + 6  # host, log, number twice, class of each run, and both sides of each seed's difference
    assert quoted >= places, f"{quoted} of at least {places} quotes are there to be read"


def test_only_the_pages_own_script_may_run(text) -> None:
    [script] = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert f"script-src &#39;sha256-{digest}&#39;" in policy[1]
    assert "default-src &#39;none&#39;" in policy[1]


def test_the_page_needs_nothing_beside_it(text, page) -> None:
    assert page.sources
    assert all(source.startswith("data:image/") for source in page.sources)
    assert not re.search(r"(?:url\(|@import|https?://)", re.sub(r"data:[^\"]*", "", text))
    assert all(page.alternatives), "a picture without words"


def test_an_arms_numbers_open_the_arm_and_its_seeds_open_their_own_runs(report, text, tmp_path) -> None:
    known = details(tmp_path)
    for seed in known.seeds:
        place = text.index(f'id="seed-miniature-{seed.arm}-{seed.seed}"')
        part = text[place : text.index("</details>", place)]
        assert re.findall(r'href="#(run-\w+)"', part) == [run_anchor(one) for one in seed.runs]
        mean = report.by_seed(seed.arm, "miniature", "AP_mask")[seed.seed]
        assert f"<dd>{mean:.2f}</dd>" in part
        assert f"{seed.arm}{seed.seed}&lt;script&gt;" in part, "the differences of another seed"
    for cell_id, run in known.runs.items():
        place = text.index(f'id="{run_anchor(cell_id)}"')
        assert run.label in text[place : place + 300]
        assert run.log[0].split(EVIL)[0] in text[place : text.index("More of it", place)]


def test_table_numbers_of_ours_link_to_their_arm_and_printed_ones_to_nothing(text) -> None:
    table = text[text.index('id="tables"') : text.index('id="arms"')]
    rows = re.findall(r'<tr class="(\w+)">(.*?)</tr>', table)
    assert {kind for kind, _ in rows} == {"paper", "ours"}
    assert not any("<a " in row for kind, row in rows if kind == "paper")
    mrca = next(ours for (_, printed), (_, ours) in pairwise(rows) if re.search(r">MRCA\b", printed))
    assert set(re.findall(r'href="#([^"]+)"', mrca)) == {"arm-miniature-mrca"}


def test_equal_records_give_equal_bytes(report, text, tmp_path) -> None:
    (tmp_path / "again").mkdir()
    found = details(tmp_path / "again")
    again = render_html(report, [], [f"## Own\n\nwords {EVIL}\n\n| a |\n| --- |\n| {EVIL} |"], found, tmp_path)
    assert again == text


@pytest.mark.parametrize("tier", ["smoke", "mini", "paper"])
def test_a_report_without_its_runs_is_still_a_page(tier, tmp_path) -> None:
    made = synthetic_report(tier=tier)
    render_report(PAPER, made, tmp_path)
    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    assert not page.open
    assert text.count('<article class="claim') == len(made.claims)
    assert ("numbers are meaningless" in text) == (tier == "smoke")
    assert len(text) < 5_000_000


# --- drawings, pictures, text


def test_an_interval_is_drawn_where_its_numbers_are(report) -> None:
    claim = next(one for one in report.claims if one.id == "C1")
    item = claim.evidence[0]
    scale = drawings.forest_scale(claim, item.unit)
    drawn = str(drawings.interval(item, scale, "words"))
    low, high = map(float, re.search(r'class="interval" x1="([\d.]+)" x2="([\d.]+)"', drawn).groups())
    mean = float(re.search(r'cx="([\d.]+)"', drawn)[1])
    zero = float(re.search(r'class="zero" x1="([\d.]+)"', drawn)[1])
    assert low < mean < high
    assert (zero < low) == (item.low > 0)
    span = (item.high - item.low) / (high - low)
    assert (mean - zero) * span == pytest.approx(item.mean, abs=2 * span)


def test_a_share_of_objects_is_not_on_the_scale_of_a_difference(report) -> None:
    claim = next(one for one in report.claims if any(item.is_fact for item in one.evidence))
    fact = next(item for item in claim.evidence if item.is_fact)
    without = claim.model_copy(update={"evidence": tuple(item for item in claim.evidence if not item.is_fact)})
    for item in without.evidence:
        assert drawings.forest_scale(claim, item.unit) == drawings.forest_scale(without, item.unit)
    if all(item.unit != fact.unit for item in without.evidence):
        assert drawings.forest_scale(claim, fact.unit) is None


def test_a_curve_has_gaps_where_nothing_finite_is_and_says_its_ends() -> None:
    values = (4.0, 3.0, None, 2.0, 1.5, None, 1.0)
    drawn = str(drawings.curve(Curve(name="loss", iterations=tuple(range(7)), values=values)))
    assert drawn.count("<polyline") == 2
    assert drawn.count("<circle") == 1
    assert "loss: 4.00 at iteration 0, 1.00 at 6" in drawn
    heights = [float(y) for _, y in re.findall(r"([\d.]+),([\d.]+)", re.search(r'points="([^"]+)"', drawn)[1])]
    assert heights == sorted(heights), "a falling loss falls: y grows downwards"
    assert "no finite number" in drawings.curve(Curve(name="norm", iterations=(0,), values=(None,)))


def test_our_own_folds_stay_and_others_tags_do_not() -> None:
    made = to_html(
        "<details><summary>more & more</summary>\n\n| a | b |\n| --- | ---: |\n| <b>x</b> | 1<br>2 |\n\n</details>"
    )
    assert made.startswith("<details><summary>more &amp; more</summary>")
    assert "&lt;b&gt;x&lt;/b&gt;" in made
    assert "1<br>2" in made
    assert 'class="sortable"' in made


def test_captions_are_set_as_on_the_other_page_and_read_aloud_without_marks(report, tmp_path) -> None:
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "a.png")
    figure = Figure("a.png", "A title", f"Losses are in `history.parquet`. {EVIL}")
    made = render_html(report, [figure], [], details(tmp_path), tmp_path)
    assert "<p>Losses are in <code>history.parquet</code>. &lt;script&gt;" in made
    assert any((one or "").startswith("A title. Losses are in history.parquet.") for one in Page(made).alternatives)


def test_pictures_are_side_by_side_and_labels_in_colour(tmp_path) -> None:
    Image.fromarray(np.full((10, 20, 3), 200, np.uint8)).save(tmp_path / "image.png")
    Image.fromarray(np.ones((10, 20), np.uint8)).save(tmp_path / "labels.png")
    uri, width, height = strip([tmp_path / "image.png", tmp_path / "labels.png"])
    assert (width, height) == (2 * 240 + 4, 120)
    assert uri.startswith("data:image/jpeg;base64,")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    assert embedded(tmp_path / "noise.png").startswith("data:image/jpeg"), "a photograph is smaller so"
    assert embedded(tmp_path / "labels.png").startswith("data:image/png")


def test_tables_of_which_nothing_was_run_are_folded_together_and_the_others_stand_open(report, tmp_path):
    asked = {target.arm for target in report.targets if target.table == "Table 1"}
    none = report.model_copy(update={"results": tuple(one for one in report.results if one.arm not in asked)})
    made = render_html(none, [], [], details(tmp_path), tmp_path)
    shown, together = made.split("<summary>Not run, no row of them: Table 1</summary>")
    assert "<h3>Table 1" not in shown
    assert together.split("</details>")[0].count("<h3>Table 1") == 1
    assert "Not run, no row" not in render_html(report, [], [], details(tmp_path), tmp_path)
