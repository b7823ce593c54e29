"""Names in letters that the usual font lacks: another installed font draws them, or one sentence says that none has them."""

import warnings
from pathlib import Path

import matplotlib as mpl
import pytest

from reports import figures


def test_letters_that_no_font_has_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(figures, "other_scripts", tuple)
    figures._tell_once.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(2):
            with figures.drawing(1) as figure:
                figure.text(0.1, 0.5, "臭鼬")
                figures.save_figure(figure, tmp_path / f"{number}.png")
    told = capsys.readouterr().err
    assert told.count("note: no installed font has all letters") == 1
    assert (tmp_path / "0.png").is_file()


def test_an_installed_font_of_another_script_is_asked_after_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "_OTHER_SCRIPTS", ("DejaVu Serif", "no such font"))
    figures.other_scripts.cache_clear()
    with figures.drawing(1):
        assert mpl.rcParams["font.family"] == ["DejaVu Sans", "DejaVu Serif"]
    figures.other_scripts.cache_clear()


def test_a_font_installed_after_the_first_figure_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """matplotlib keeps its list of fonts in the user's cache."""
    from matplotlib import font_manager

    kept = [font for font in font_manager.fontManager.ttflist if font.name != "DejaVu Serif"]
    files = [font.fname for font in font_manager.fontManager.ttflist if font.name == "DejaVu Serif"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", kept)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [*files, "/no/such/font.ttf"])
    monkeypatch.setattr(figures, "_OTHER_SCRIPTS", ("DejaVu Serif",))
    figures.other_scripts.cache_clear()
    assert figures.other_scripts() == ("DejaVu Serif",)
    figures.other_scripts.cache_clear()
