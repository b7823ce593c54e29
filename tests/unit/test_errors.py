"""The words for what a library or the system found wrong."""

import gzip
import json
from pathlib import Path

import pytest

from methods.common.errors import reason


def caught(action: object) -> Exception:
    try:
        action()  # type: ignore[operator]
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: Path("/nowhere/file").read_text(), "No such file or directory"),
        (lambda: gzip.compress(b"{}").decode(), "it is compressed by gzip"),
        (lambda: b"\xff\xfe".decode(), "it is no UTF-8 text"),
        (lambda: {}["size"], "'size' is missing"),
        (lambda: [].get("size"), "something in it is of another kind"),  # type: ignore[attr-defined]
        (lambda: json.loads("{"), "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (lambda: int("a\nb"), "invalid literal for int() with base 10: 'a\\nb'"),
    ],
)
def test_what_was_wrong(action: object, words: str) -> None:
    assert reason(caught(action)) == words


def test_an_error_without_words_has_its_name() -> None:
    assert reason(ValueError()) == "ValueError"
