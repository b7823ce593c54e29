"""The pages in a real browser, as a reader goes: scoreboard, claim, arm, seed, run, line of its log; wide and narrow, by mouse and by keyboard."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.smoke_runs import report_below, shared_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAPER = "mrca"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 400, "height": 800}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])  # root has no sandbox
        yield started
        started.close()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_run(PAPER, tmp_path_factory) / "out"


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture(params=[WIDE, NARROW], ids=["1280 px", "400 px"])
def page(request: pytest.FixtureRequest, browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """A page without any network, whose errors a test ends with."""
    context = browser.new_context(viewport=request.param, offline=True)
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda sent: None if sent.url.startswith(("file:", "data:")) else complaints.append(sent.url))
    yield opened
    context.close()
    assert not complaints


def keep(page: Page, name: str) -> None:
    """Keep a picture where the user asks for them."""
    folder = os.environ.get("SEGREPRO_SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{folder}/{name}_{page.viewport_size['width']}.png")


def fits(page: Page) -> bool:
    """Whether nothing but tables must be scrolled sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def crumbs(page: Page) -> list[str]:
    return page.locator("#trail > *").all_text_contents()


def test_from_the_scoreboard_to_a_line_of_a_log(page: Page, out: Path) -> None:
    page.goto((out / "index.html").as_uri())
    assert fits(page)
    keep(page, "scoreboard")
    page.locator(".standing h3 a").click()
    assert page.url.endswith("/report.html")
    assert fits(page)
    keep(page, "report")

    claim = page.locator("#claim-C1")
    claim.locator(".look a", has_text=re.compile("^MRCA$")).click()
    panel = page.locator("#panel")
    assert panel.is_visible()
    assert crumbs(page) == ["C1", "MRCA"]
    assert page.url.endswith("#arm-miniature-mrca")
    keep(page, "arm")

    panel.get_by_role("link", name="seed 0").first.click()
    assert crumbs(page) == ["C1", "MRCA", "seed 0"]
    assert panel.locator("h4", has_text="What differs from X-Paste").is_visible()
    keep(page, "seed")

    panel.get_by_role("link", name="seed0/mrca/round1/train", exact=True).click()
    assert crumbs(page)[-1] == "seed0/mrca/round1/train"
    loss = panel.locator("svg.curve").first
    assert re.match(r"loss: [\d.,]+ at iteration \d+, [\d.,]+ at \d+", loss.get_attribute("aria-label") or "")
    assert loss.locator("polyline").count() == 1
    keep(page, "run")

    page.go_back()
    assert crumbs(page) == ["C1", "MRCA", "seed 0"]
    panel.get_by_role("link", name="seed0/mrca/round1/cut", exact=False).first.click()
    run = page.url.partition("#run-")[2]
    [log] = (out.parent / "store" / "logs").glob(f"{run}*.log")
    printed = [line.rstrip() for line in log.read_text().splitlines()]
    shown = panel.locator("pre.log").text_content() if printed else ""
    assert [line.rstrip() for line in (shown or "").splitlines()] == printed[-12:]

    page.keyboard.press("Escape")
    assert not panel.is_visible()
    assert page.evaluate("document.activeElement.textContent") == "MRCA", "the focus is back where it came from"
    assert "#" not in page.url


def test_a_link_to_a_run_opens_that_run(page: Page, out: Path) -> None:
    address = (report_below(out / PAPER) / "report.html").as_uri()
    page.goto(address)
    run = page.locator("details.run").last.get_attribute("id")
    page.goto("about:blank")
    page.goto(f"{address}#{run}")
    assert page.locator("#panel").is_visible()
    page.locator("#close").click()
    assert not page.locator("#panel").is_visible()


def test_the_keyboard_alone_is_enough(page: Page, out: Path) -> None:
    page.goto((report_below(out / PAPER) / "report.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#tables td a").first.focus()
    page.keyboard.press("Enter")
    panel = page.locator("#panel")
    assert panel.is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('panel').contains(document.activeElement)"), (
        "the focus left the panel"
    )
    page.keyboard.press("Escape")
    assert not panel.is_visible()


def test_tables_are_sorted_by_numbers_and_filtered_by_words(page: Page, out: Path) -> None:
    page.goto((report_below(out / PAPER) / "report.html").as_uri())
    table = page.locator("table.results").first
    head = table.locator("thead th", has_text="AP mask").first
    column = head.evaluate("head => head.cellIndex")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    texts = table.locator(f"tbody tr.ours td:nth-child({column + 1})").all_text_contents()
    numbers = [float(text.split()[0]) for text in texts if text[:1].isdigit()]
    assert len(numbers) > 2
    assert numbers == sorted(numbers, reverse=True)
    assert not any(text[:1].isdigit() for text in texts[len(numbers) :]), "what has no number comes last"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"

    page.locator(".tools input").first.fill("x-paste")
    shown = table.locator("tbody:visible tr:first-child th").all_text_contents()
    assert shown
    assert all("X-Paste" in text for text in shown)

    page.locator("input[data-filters=run-list]").fill("round1/train")
    assert all(
        "round1/train" in text for text in page.locator("#run-list > details:visible .label").all_text_contents()
    )


def test_claims_are_shown_by_verdict_and_light_turns_dark(page: Page, out: Path) -> None:
    page.goto((report_below(out / PAPER) / "report.html").as_uri())
    button = page.locator("button[data-verdict]").first
    button.click()
    wanted = button.get_attribute("data-verdict")
    shown = page.locator("article.claim:visible")
    assert {one.get_attribute("data-verdict") for one in shown.all()} == {wanted}
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    keep(page, "dark")


def test_on_paper_it_is_dark_on_white_and_nothing_that_counts_is_left_out(browser: Browser, out: Path) -> None:
    context = browser.new_context(viewport={"width": 794, "height": 1100}, color_scheme="dark", offline=True)
    page = context.new_page()
    page.goto((report_below(out / PAPER) / "report.html").as_uri())
    page.locator("#theme").click()
    page.locator("#theme").click()  # dark by choice, too
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"
    counts = page.locator("button[data-verdict]").all_text_contents()
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 31, 36)"
    assert page.locator("button[data-verdict]:visible").all_text_contents() == counts != []
    assert not page.locator(".top, .tools").first.is_visible()
    assert page.locator(".scroll").first.evaluate("box => getComputedStyle(box).overflowX") == "visible", (
        "columns are cut"
    )
    context.close()


def test_the_page_reads_without_scripts(browser: Browser, out: Path) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto((report_below(out / PAPER) / "report.html").as_uri())
    page.locator("#arm-miniature-mrca > summary").click()
    page.locator("#seed-miniature-mrca-0 > summary").click()
    assert page.locator("#seed-miniature-mrca-0").get_by_role("link", name="seed0/mrca/evaluate").is_visible()
    context.close()
