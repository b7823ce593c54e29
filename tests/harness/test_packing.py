"""A packed report: what comes out is what went in, and whatever was changed on the way is refused before it reaches a store."""

import io
import json
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from methods.common.errors import InputError
from reproductions.harness.launcher import run_in_process
from reproductions.harness.packing import MANIFEST, pack, unpack
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from tests.harness.toy import draw_cell, outputs, walk_cell

PLAN = Plan("toy", (walk_cell(0, draw_cell(), steps=3), draw_cell(4)))


@pytest.fixture
def packed(store: Store, tmp_path: Path) -> Path:
    run_in_process(PLAN, store, lambda: None)
    (tmp_path / "made" / "toy" / "mini").mkdir(parents=True)
    (tmp_path / "made" / "toy" / "mini" / "report.md").write_text("the report")
    pack(store, PLAN, tmp_path / "made", {"command": "segrepro run toy"}, tmp_path / "packed.tar")
    return tmp_path / "packed.tar"


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "other")


def test_everything_arrives_and_can_be_used(store: Store, packed: Path, other: Store, tmp_path: Path) -> None:
    found = unpack(packed, other, tmp_path / "reports")
    assert (found.num_new, found.num_known, found.manifest["command"]) == (3, 0, "segrepro run toy")
    assert PLAN.missing(other) == []
    assert all(other.damage(cell, deep=True) is None for cell in PLAN)
    assert outputs(PLAN, other) == outputs(PLAN, store)
    assert all(other.provenance(cell) == store.provenance(cell) for cell in PLAN)
    assert found.report is not None
    assert (found.report / "toy" / "mini" / "report.md").read_text() == "the report"
    assert not list(other.root.glob(".import-*"))


def test_a_second_time_nothing_is_new(packed: Path, other: Store, tmp_path: Path) -> None:
    first = unpack(packed, other, tmp_path / "reports")
    again = unpack(packed, other, tmp_path / "reports")
    assert (again.num_new, again.num_known, again.report) == (0, 3, first.report)


def test_equal_contents_are_equal_files(store: Store, packed: Path, tmp_path: Path) -> None:
    pack(store, PLAN, tmp_path / "made", {"command": "segrepro run toy"}, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == packed.read_bytes()


def test_a_changed_cell_is_not_packed(store: Store, packed: Path, tmp_path: Path) -> None:
    (store.cell_folder(draw_cell(4)) / "numbers.txt").write_text("3.0")
    with pytest.raises(InputError, match=r"draw/4 \(.*numbers\.txt has another size; run the plan again"):
        pack(store, PLAN, tmp_path / "made", {}, tmp_path / "again.tar")
    assert not list(tmp_path.glob("*again.tar*"))


Members = list[tuple[tarfile.TarInfo, bytes]]


def rewritten(path: Path, change: Callable[[Members], Iterable[tuple[tarfile.TarInfo, bytes]]]) -> Path:
    with tarfile.open(path) as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    target = path.with_name("changed.tar")
    with tarfile.open(target, "w") as tar:
        for member, data in change(members):
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return target


def edited_manifest(path: Path, edit: Callable[[dict], None]) -> Path:
    def change(members: Members) -> Members:
        manifest = json.loads(members[0][1])
        edit(manifest)
        return [(members[0][0], json.dumps(manifest).encode()), *members[1:]]

    return rewritten(path, change)


def with_number_changed(members: Members) -> Members:
    return [
        (member, data.replace(b"0", b"1", 1) if member.name.endswith("numbers.txt") else data)
        for member, data in members
    ]


def with_a_link(members: Members) -> Members:
    link = tarfile.TarInfo(members[-1][0].name)
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    return [*members[:-1], (link, b"")]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (with_number_changed, r"numbers\.txt was changed"),
        (lambda members: members[:-1], r"report/toy/mini/report\.md is missing"),
        (lambda members: [*members, (tarfile.TarInfo("report/more"), b"x")], r"report/more is not in its manifest"),
        (lambda members: [*members, members[-1]], r"report\.md is not in its manifest"),
        (with_a_link, r"report\.md is not in its manifest"),
        (lambda members: members[1:], "does not begin with manifest.json"),
        (lambda members: [], "does not begin with manifest.json"),
    ],
)
def test_what_was_changed_is_refused(
    packed: Path, other: Store, tmp_path: Path, change: Callable[[Members], Members], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        unpack(rewritten(packed, change), other, tmp_path / "reports")
    assert list((other.root / "cells").iterdir()) == []
    assert not (tmp_path / "reports").exists()
    assert not list(other.root.glob(".import-*"))


def test_names_that_lead_elsewhere_are_refused(packed: Path, other: Store, tmp_path: Path) -> None:
    for name in ("../../x", "/etc/x", "report/../../x", "cells/other/x", "specs/x"):
        bad = edited_manifest(
            packed, lambda manifest, name=name: manifest["files"].update({name: {"bytes": 1, "sha256": ""}})
        )  # type: ignore[misc]
        with pytest.raises(InputError, match="lies outside of what it says to hold"):
            unpack(bad, other, tmp_path / "reports")


def test_a_cell_under_another_id_is_refused_though_all_hashes_are_right(
    packed: Path, other: Store, tmp_path: Path
) -> None:
    cell = draw_cell(4)

    def edit(manifest: dict) -> None:
        manifest["cells"][cell.id[:20] + "0" * 44] = manifest["cells"].pop(cell.id)

    with pytest.raises(InputError, match=f"holds the cell {cell.id[:12]}"):
        unpack(edited_manifest(packed, edit), other, tmp_path / "reports")


def test_other_files_and_other_formats(packed: Path, other: Store, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no tar")
    with pytest.raises(InputError, match="is not a file that `segrepro export` wrote"):
        unpack(tmp_path / "text", other, tmp_path / "reports")
    with pytest.raises(InputError, match="has format 2, this version reads 1"):
        unpack(edited_manifest(packed, lambda manifest: manifest.update(format=2)), other, tmp_path / "reports")
    with pytest.raises(InputError, match=f"its {MANIFEST} is torn"):
        unpack(edited_manifest(packed, lambda manifest: manifest.pop("files")), other, tmp_path / "reports")
