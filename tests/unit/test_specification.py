"""References to a specification have a place on its page, and marks of our own choices have an entry in its ledger.

CONTRIBUTING.md gives the forms. What looks like a reference or a mark in comments and strings, but is of no form, is a fault, too.
"""

import ast
import csv
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = REPOSITORY / "docs" / "papers"
PAPERS = {
    "Attn2mask": "diffumask_robust",
    "InstSynth": "instance_synthesis",
    "MRCA": "mrca",
    "SAM filter": "sam_filter",
    "SegGen": "seggen",
}
"""What a reference calls a paper, and its page."""
CHECKED = ("methods", "reproductions", "reports", "benchmarks", "tests")
CHOICE, OPEN = "C", "?"
"""Marks of our choice, and of what no source says; both name the ledger's entry."""

_PAPER = "|".join(PAPERS)
_NUMBER = r"\d+(?:\.\d+)*(?![.\d]*\d)"
_LIST = rf"{_NUMBER}(?:, {_NUMBER})*(?: (?:and|to) {_NUMBER})?"
_ITEMS = rf"(?:items? (?P<items>{_LIST})|steps? (?P<steps>{_LIST}))"
REFERENCE = re.compile(
    rf"(?:\b(?P<paper>{_PAPER}) )?\b[Ss]ection(?:s (?P<several>{_LIST})| (?P<one>{_NUMBER})(?:, {_ITEMS})?)"
    r"(?! (?:of|in)\b|,? (?:(?:and|to) )?\d)"
)
ELSEWHERE = re.compile(rf"\bSecs?\. {_LIST} of [\w(]")
"""A section of another document than our pages."""
OTHER_OWNER = re.compile(r"(?:\b[A-Z][\w+.-]*|'s|\b\d{4},?|\bspecification,?) $")
"""Before an unnamed section: it is that of something else."""
SENTENCE_STARTS = ("See ", "In ", "As ", "From ")
SUSPECT = re.compile(
    r"§|\b(?:sec|secs|sect|sects|section|sections)\b\.? ?(?:no\.? |number |\()?\d"
    r"|\bspec(?:ification)?s?\b\.?,? \(?\d"
    rf"|\b(?:{_PAPER})(?:'s)?,? \(?\d+\.\d"
    r"|\bitems? \(?\d|\bsteps? \d[\d, andto]* (?:of|in) [\w ]*section|\bsource: \(?\d+(?:\.\d+)?(?:[;,.)]|$| \[)",
    re.IGNORECASE,
)
"""What may be meant as a reference."""
MARKED_NUMBER = re.compile(r"(?<![\w.])(\d+\.\d+) \[[A-Z?]")

_MARK = r"\?|code|[A-Z][A-Z0-9]*"
BRACKET = re.compile(r"\[([^\[\]]+)\]")
PLAIN_MARK = re.compile(_MARK)
ENTRY_MARK = re.compile(rf"({_MARK}) (?:({_PAPER}) )?(D\d+(?:, D\d+)*)")
NO_MARK = re.compile(r"(?!.*\bD\d)(?:.*[,+*/-].*|(?!code\b)[^A-Z?].*)")
"""A shape, an interval, or words."""
OUR_CHOICE = re.compile(r"\b[Oo]ur(?: own)? choices?\b")


@dataclass(frozen=True)
class Text:
    """A block of comments or a string, its white space made single blanks."""

    place: str
    words: str
    paper: str | None
    """The page that an unnamed reference means; None where it must be named."""
    told: bool
    """A comment or docstring, which is where marks stand."""


@cache
def texts(path: Path, root: Path = REPOSITORY) -> tuple[Text, ...]:
    """Every block of comments and every string of a file."""
    source, parts = path.read_text(encoding="utf-8"), path.relative_to(root).parts
    paper = parts[1] if parts[0] in ("methods", "reproductions") and parts[1] in PAPERS.values() else None
    statements = {node.value.lineno for node in ast.walk(ast.parse(source)) if is_docstring(node)}  # type: ignore[attr-defined]
    comments: dict[int, str] = {}
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line = token.start[0]
        if token.type == tokenize.COMMENT:
            comments[line] = token.string.lstrip("#")
        elif token.type == tokenize.STRING or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
            found.append(Text(f"{'/'.join(parts)}:{line}", " ".join(token.string.split()), paper, line in statements))
    for line in comments:
        if line - 1 not in comments:
            block = list(iterate_block(comments, line))
            found.append(Text(f"{'/'.join(parts)}:{line}", " ".join(" ".join(block).split()), paper, told=True))
    return tuple(found)


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def iterate_block(comments: dict[int, str], line: int) -> Iterator[str]:
    while line in comments:
        yield comments[line]
        line += 1


@cache
def page_lines(page: str) -> list[str]:
    return (PAGES / f"{page}.md").read_text(encoding="utf-8").splitlines()


@cache
def headings(page: str) -> dict[str, int]:
    """Line of each numbered heading."""
    found = ((re.match(r"#{2,} (\d+(?:\.\d+)*)\.? ", line), number) for number, line in enumerate(page_lines(page)))
    return {match[1]: number for match, number in found if match}


@cache
def numbered(page: str, section: str) -> frozenset[int]:
    """Numbers of the list or table that stands in a section, before the next heading."""
    found = set()
    for line in page_lines(page)[headings(page)[section] + 1 :]:
        if line.startswith("##"):
            break
        if match := re.match(r"\| *(\d+) *\||(\d+)\. ", line):
            found.add(int(match[1] or match[2]))
    return frozenset(found)


@cache
def legend(page: str) -> dict[str, str]:
    """What the marks of a page mean: its table whose first column is called "mark"."""
    rows = [line.split("|") for line in page_lines(page) if line.startswith("|")]
    first = next(number for number, row in enumerate(rows) if row[1].strip() == "mark")
    meanings: dict[str, str] = {}
    for row in rows[first + 2 :]:
        if not row[1].strip(" *").startswith("["):
            break
        meanings.update(dict.fromkeys(BRACKET.findall(row[1]), row[2]))
    return meanings


@cache
def ledger(page: str) -> dict[str, str]:
    """The mark of each entry of a paper's ledger."""
    file = REPOSITORY / "reproductions" / page / "deviations.csv"
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", newline="") as rows:
        return {row["id"]: row["mark"] for row in csv.DictReader(rows)}


def listed(numbers: str) -> list[str]:
    return re.findall(_NUMBER, numbers)


def references(text: Text) -> list[re.Match[str]]:
    """The references of a clear form."""
    return [match for match in REFERENCE.finditer(text.words) if match["paper"] or not is_of_another(match)]


def is_of_another(match: re.Match[str]) -> bool:
    before = OTHER_OWNER.search(match.string[: match.start()])
    return before is not None and before[0] not in SENTENCE_STARTS


def faults_of_references(text: Text) -> Iterator[str]:
    """Everything wrong with the references of a text, in words."""
    clear = [*references(text), *ELSEWHERE.finditer(text.words)]
    for match in references(text):
        yield from unresolved(match, text)
    known = {number for page in PAPERS.values() for number in headings(page)}
    numbers = [match for match in MARKED_NUMBER.finditer(text.words) if match[1] in known]
    for suspect in [*SUSPECT.finditer(text.words), *numbers]:
        if not any(match.start() <= suspect.start() < match.end() for match in clear):
            around = text.words[max(0, suspect.start() - 20) : suspect.end() + 20]
            yield f"{text.place}: unclear reference in {around!r}; CONTRIBUTING.md gives the forms"


def unresolved(match: re.Match[str], text: Text) -> Iterator[str]:
    page = PAPERS[match["paper"]] if match["paper"] else text.paper
    if page is None:
        yield f"{text.place}: {match[0]!r} does not name the paper"
        return
    sections = listed(match["several"] or match["one"])
    yield from (f"{text.place}: {page}.md has no section {name}" for name in sections if name not in headings(page))
    for item in listed(match["items"] or match["steps"] or ""):
        if sections[0] in headings(page) and int(item) not in numbered(page, sections[0]):
            yield f"{text.place}: section {sections[0]} of {page}.md has no item {item}"


def faults_of_marks(text: Text) -> Iterator[str]:
    """Everything wrong with the marks of a docstring or comment, in words."""
    if not text.told:
        return
    marks = BRACKET.findall(text.words)
    for inside in marks:
        if match := ENTRY_MARK.fullmatch(inside):
            yield from without_entry(match, text)
        elif PLAIN_MARK.fullmatch(inside):
            yield from unknown_mark(inside, text)
        elif not NO_MARK.fullmatch(inside):
            yield f"{text.place}: unclear mark [{inside}]"
    if text.paper and OUR_CHOICE.search(text.words) and not any(ENTRY_MARK.fullmatch(mark) for mark in marks):
        yield f"{text.place}: our choice names no entry of the ledger"


def unknown_mark(mark: str, text: Text) -> Iterator[str]:
    pages = [text.paper] if text.paper else PAPERS.values()
    if mark in (CHOICE, OPEN):
        yield f"{text.place}: [{mark}] names no entry of the ledger"
    elif not any(mark in legend(page) for page in pages):
        yield f"{text.place}: no legend has [{mark}]; a vector's shape is written ({mark},)"


def without_entry(match: re.Match[str], text: Text) -> Iterator[str]:
    mark, paper, entries = match.groups()
    page = PAPERS[paper] if paper else text.paper
    if page is None:
        yield f"{text.place}: [{match[0]}] does not name the paper"
        return
    if mark not in (CHOICE, OPEN) or mark not in legend(page):
        yield f"{text.place}: [{match[0]}] is neither a choice nor an open question of {page}.md's legend"
    for entry in entries.split(", "):
        found = ledger(page).get(entry)
        if found is None:
            yield f"{text.place}: the ledger of {page} has no entry {entry}"
        elif mark == CHOICE and found != CHOICE:
            yield f"{text.place}: entry {entry} of {page} is marked {found}, not {CHOICE}"


def files(folder: str) -> list[Path]:
    return [path for path in sorted((REPOSITORY / folder).rglob("*.py")) if path != Path(__file__)]


def faults(path: Path, root: Path = REPOSITORY) -> list[str]:
    return [fault for text in texts(path, root) for fault in (*faults_of_references(text), *faults_of_marks(text))]


@pytest.mark.parametrize("folder", CHECKED)
def test_every_reference_has_a_place_and_every_choice_an_entry(folder: str) -> None:
    found = [fault for path in files(folder) for fault in faults(path)]
    assert not found, "\n".join(found)


def test_references_and_marks_are_found_at_all() -> None:
    told = [
        text for folder in ("methods", "reproductions") for path in files(folder) for text in texts(path, REPOSITORY)
    ]
    marks = [match for text in told if text.told for match in map(ENTRY_MARK.fullmatch, BRACKET.findall(text.words))]
    assert sum(len(references(text)) for text in told) > 150
    assert len([match for match in marks if match]) > 70


def test_every_page_has_a_name_and_one_mark_for_our_choices() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == set(PAPERS.values())
    for page in PAPERS.values():
        assert "our" in legend(page)[CHOICE], page
        assert headings(page), page


COMMON, OF_MRCA, OF_FILTER = "methods/common/x.py", "methods/mrca/x.py", "methods/sam_filter/x.py"
RIGHT = [
    (COMMON, "Source: MRCA section 6.5 [R][D]."),
    (
        COMMON,
        "MRCA sections 3.2, 3.3 and\n    3.9; SAM filter section 10, item 13; SAM filter section 2.4, steps 2 and 5",
    ),
    (COMMON, "Source: Sec. 3 of Hessel et al. 2021; Secs. 13.3 and 15.4 of Efron and Tibshirani 1993."),
    (COMMON, "float64 (C,) and [N, C], [N + 1], in [0, 255] [C MRCA D8] [C SAM filter D8, D16]; section by section"),
    (OF_MRCA, "Section 3.4, step 7 [P]; see SAM filter section 4.3 [C D8]"),
    (OF_FILTER, "As in sections 5.3 and 7: our choice [? D5]."),
]
WRONG = [
    (COMMON, "Source: MRCA section 9.9.", "mrca.md has no section 9.9"),
    (COMMON, "MRCA sections 3.2 and 3.99", "mrca.md has no section 3.99"),
    (COMMON, "Source: section 6.5 [R].", "does not name the paper"),
    (OF_MRCA, "Source: section 5.9", "mrca.md has no section 5.9"),
    (OF_MRCA, "section 3.4, step 8", "section 3.4 of mrca.md has no item 8"),
    (OF_FILTER, "section 10, item 25", "section 10 of sam_filter.md has no item 25"),
    *((COMMON, words, "unclear reference") for words in ("MRCA 3.4", "section 9.9 of MRCA", "MRCA's section 3.4")),
    *((COMMON, words, "unclear reference") for words in ("Sec. 3.4 [R]", "MRCA Sec. 3.4", "Hessel 2021, section 3")),
    *((OF_MRCA, words, "unclear reference") for words in ("specification 3.4", "specification section 3.4", "§3.4")),
    *((OF_MRCA, words, "unclear reference") for words in ("section (3.4)", "sect. 3.4", "2.1 [R]", "Source: 6.5.")),
    *((OF_MRCA, words, "unclear reference") for words in ("section 3.4 and 3.5", "sections 3.4 and 3.5 of DiverGen")),
    *((OF_MRCA, words, "unclear reference") for words in ("BSGAL section 3", "step 7 of section 3.4", "item 7")),
    (OF_MRCA, "[C]", "names no entry"),
    (OF_FILTER, "[?]", "names no entry"),
    (OF_MRCA, "int64 [N]", "a vector's shape is written (N,)"),
    (OF_MRCA, "[MM]", "no legend has [MM]"),
    (OF_MRCA, "[C D999]", "the ledger of mrca has no entry D999"),
    (OF_MRCA, "[C D20]", "entry D20 of mrca is marked P, not C"),
    (OF_MRCA, "[R D20]", "neither a choice nor an open question"),
    (COMMON, "[C D8]", "does not name the paper"),
    (COMMON, "[C MRCA D999]", "the ledger of mrca has no entry D999"),
    (OF_MRCA, "[C: D8]", "unclear mark"),
    (OF_MRCA, "[C, see D8]", "unclear mark"),
    (OF_MRCA, "Source: our choice.", "our choice names no entry"),
]


def faults_of_docstring(tmp_path: Path, place: str, words: str) -> list[str]:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(f'"""{words}"""\n')
    return faults(path, tmp_path)


@pytest.mark.parametrize(("place", "words"), RIGHT)
def test_what_is_right_has_no_fault(tmp_path: Path, place: str, words: str) -> None:
    assert faults_of_docstring(tmp_path, place, words) == []


@pytest.mark.parametrize(("place", "words", "fault"), WRONG)
def test_a_planted_fault_is_noticed(tmp_path: Path, place: str, words: str, fault: str) -> None:
    found = faults_of_docstring(tmp_path, place, words)
    assert any(fault in one for one in found), found


def test_comments_of_several_lines_and_strings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "methods" / "common" / "x.py"
    path.parent.mkdir(parents=True)
    path.write_text('size = 3  # as in MRCA section\n# 9.9\nreason = "by MRCA section 9.8"\nshape = "[C]"\n')
    assert {fault.split(": ", 1)[1] for fault in faults(path, tmp_path)} == {
        "mrca.md has no section 9.9",
        "mrca.md has no section 9.8",
    }
