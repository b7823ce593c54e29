"""Markdown that the other page has too, as HTML. What it quotes (names, settings, log lines) never becomes a tag."""

from __future__ import annotations

import re
from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup, escape

_FOLDED = re.compile(r"^<details><summary>(.*)</summary>\n\n(.*?)\n\n</details>$", re.MULTILINE | re.DOTALL)
"""What our own Markdown folds; the one kind of tag in it beside line breaks."""
_PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)\n*")
_BREAK = "<br>"


@cache
def _reader() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def to_html(markdown: str) -> Markup:
    """Turn one of the page's sections into HTML; tables can scroll, folds stay folds, pictures are left out."""
    parts, end = [], 0
    for fold in _FOLDED.finditer(markdown):
        parts.append(_plain(markdown[end : fold.start()]))
        parts.append(Markup("<details><summary>{}</summary>{}</details>").format(inline(fold[1]), to_html(fold[2])))
        end = fold.end()
    parts.append(_plain(markdown[end:]))
    return Markup("").join(parts)


def inline(markdown: str) -> Markup:
    """Turn a sentence with emphasis and code into HTML."""
    return Markup(_reader().renderInline(markdown)).replace(escape(_BREAK), Markup(_BREAK))


def _plain(markdown: str) -> Markup:
    made = _reader().render(_PICTURE.sub("", markdown)).replace(str(escape(_BREAK)), _BREAK)
    made = made.replace("<table>", '<div class="scroll"><table class="sortable">').replace("</table>", "</table></div>")
    return Markup(made)
