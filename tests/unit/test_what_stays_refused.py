"""The tables of docs/own-data.md that say what stays refused: every row is tried, and its sentence is the product's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.own.reading import read_own
from methods.common.objects.cutout_folders import list_cutouts, read_cutout
from methods.mrca.stages.split import SplitConfig
from reproductions.harness.store import Store
from reproductions.mrca.paper import PAPER
from reproductions.requirements.inspect_labelled import labelled_folder
from reproductions.sam_filter.paper import PAPER as SAM_FILTER
from reproductions.study.request import Request
from tests.unit.inspected import problem
from tests.unit.labelled_data import cut_file, refusal
from tests.unit.own_instances import HEIGHT, WIDTH, Document, in_train, in_val, outline, picture, write_own
from tests.unit.test_label_layouts import own, put
from tests.unit.test_own_instances import each, renamed, scaled, tag
from tests.unit.test_own_split import divided

PAGE = Path(__file__).resolve().parents[2] / "docs" / "own-data.md"
Refuse = Callable[[Path], str]
Change = Callable[[Document, str], object]


def read(
    change: Change = lambda content, split: None, damage: Callable[[Path], object] = lambda folder: None
) -> Refuse:
    """Refuse own data with outlines."""

    def refuse(folder: Path) -> str:
        data = write_own(folder / "data", change=change)
        damage(data)
        return refusal(lambda: read_own(data, "decode"))

    return refuse


def boxes(written: Callable[[float, float, float, float], list[float]]) -> Refuse:
    return read(in_train(each(lambda one: one.update(bbox=written(*one["bbox"])))))


def one_box(*box: float) -> Refuse:
    return read(in_train(lambda content: content["annotations"][2].update(bbox=list(box))))


def deep(folder: Path) -> None:
    Image.fromarray(np.ones((HEIGHT, WIDTH), np.uint16)).save(folder / "train/train_1.png")


def two_of_a_name(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        picture().save(folder / name / "x.png")


def two_files(folder: Path) -> None:
    (folder / "train.json").rename(folder / "instances_train2017.json")
    (folder / "instances_train2014.json").write_text("{}")


def single(content: Document, split: str) -> None:
    content["images"], content["annotations"] = content["images"][:1], content["annotations"][:2]


def undivided(folder: Path) -> str:
    return refusal(lambda: divided(write_own(folder / "data", change=single), SplitConfig()))


def asked(**words: Any) -> Refuse:
    """Refuse what a command asks for."""

    def refuse(folder: Path) -> str:
        request = Request("mrca", Store(folder / "store"), data=write_own(folder / "data"), **words)
        return refusal(lambda: (PAPER.asked(request), PAPER.needs(request)))

    return refuse


def cutouts(place: str, mode: str = "RGBA", alpha: int = 255, names: tuple[str, ...] = ("cat", "dog")) -> Refuse:
    def refuse(folder: Path) -> str:
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGBA", (4, 4), (1, 2, 3, alpha)).convert(mode).save(path)
        known = dict(enumerate(names))
        return refusal(lambda: [read_cutout(folder, *found) for found in list_cutouts(folder, known)])

    return refuse


def labels(names: str, *label_maps: Any, damage: Callable[[Path], object] = lambda folder: None) -> Refuse:
    """Refuse data with a label for every pixel."""

    def refuse(folder: Path) -> str:
        own(folder, names, *(np.array(label_map, np.uint8) for label_map in label_maps))
        damage(folder)
        return problem(labelled_folder(folder, ["train"]))

    return refuse


def one_class(folder: Path) -> str:
    data = own(folder, "sky\n[void]\n", np.array([[0, 1]], np.uint8))
    return refusal(lambda: SAM_FILTER.asked(Request("sam_filter", Store(folder / "store"), data=data)))


def coloured(folder: Path) -> None:
    Image.new("RGB", (2, 1)).save(folder / "train/labels/0.png")


def larger(folder: Path) -> None:
    Image.new("RGB", (3, 2)).save(folder / "train/images/0.jpg")


def without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def called_otherwise(folder: Path) -> str:
    own(folder, "sky\nroad\n", np.array([[0, 1]], np.uint8))
    (folder / "val").rename(folder / "holdout")
    return problem(labelled_folder(folder, ["val"]))


def listed(lines: str) -> Refuse:
    def refuse(folder: Path) -> str:
        for name in ("a", "b"):
            put(folder / f"images/{name}.jpg", folder / f"labels/{name}.png", np.array([[0, 1]], np.uint8))
        (folder / "classes.txt").write_text("sky\nroad\n")
        (folder / "splits").mkdir()
        (folder / "splits/train.txt").write_text(lines)
        return problem(labelled_folder(folder, ["train"]))

    return refuse


REFUSED: dict[str, Refuse] = {
    "an orientation tag where the size fits both ways": read(damage=lambda data: tag(data / "train/train_1.png", 3)),
    "a picture of more than 8 bits": read(damage=deep),
    "a damaged picture": read(damage=lambda data: cut_file(data / "train/train_1.png")),
    "a file that is no picture": read(damage=lambda data: (data / "train/train_1.png").write_text("<html>")),
    "a picture of another size than its record": read(in_train(lambda c: c["images"][0].update(width=WIDTH - 1))),
    "no picture of that name": read(in_train(lambda content: renamed(content, "train_1.jpg"))),
    "two pictures that fit a name equally": read(in_train(lambda content: renamed(content, "x.png")), two_of_a_name),
    "ids with other names in val": read(
        in_val(lambda c: c["categories"][0].update(name="dog") or c["categories"][1].update(name="cat"))
    ),
    "a class in one file only": read(in_val(lambda c: c["categories"].append({"id": 3, "name": "cow"}))),
    "two ids with one name": read(lambda c, _: c["categories"].append({"id": 3, "name": "cat"})),
    "another `frequency` in val": read(in_val(lambda c: c["categories"][0].update(frequency="f"))),
    "coordinates in 0..1": read(in_train(each(scaled(1 / WIDTH, 1 / HEIGHT)))),
    "boxes as two corners, by their centre, with x and y exchanged": boxes(
        lambda x, y, w, h: [x + w / 2, y + h / 2, w, h]
    ),
    "a box elsewhere than its outline": one_box(15, 10, 6, 5),
    "most boxes loose by half": boxes(lambda x, y, w, h: [0, 0, WIDTH, HEIGHT]),
    "a box without width or height": one_box(2, 3, 6, 0),
    "outlines of two points": read(in_train(lambda c: c["annotations"][0]["segmentation"].append([3, 3, 4, 4]))),
    "outlines that all cover no pixel": read(
        in_train(each(lambda a: a.update(segmentation=outline(a["bbox"][0], a["bbox"][1], 0.01, 5))))
    ),
    "boxes only": read(in_train(each(lambda one: one.update(segmentation=[])))),
    "crowds only": read(in_train(each(lambda one: one.update(iscrowd=1)))),
    "a text as `iscrowd`": read(in_train(lambda content: content["annotations"][0].update(iscrowd="0"))),
    "a field under another spelling": read(in_train(lambda content: content["annotations"][0].update(isCrowd=1))),
    "ids as texts, or beyond 2^63": read(in_train(lambda content: content["annotations"][0].update(id="1"))),
    "no annotation at all": read(in_train(lambda content: content.update(annotations=[]))),
    "no annotation file": read(damage=lambda data: (data / "train.json").unlink()),
    "two annotation files that may be the split's": read(damage=two_files),
    "too few pictures to hold one out": undivided,
    "neither cut-outs nor a generator": asked(),
    "tier `paper`": asked(tier="paper"),
    "without transparency": cutouts("cat/a.png", "RGB"),
    "transparent everywhere": cutouts("cat/a.png", alpha=0),
    "of another format": cutouts("cat/a.webp"),
    "in no folder": cutouts("a.png"),
    "in a folder of no class": cutouts("cow/a.png"),
    "in a folder that may be two classes'": cutouts("CAT/a.png", names=("Cat", "cat")),
    "masks of 0 and 255": labels("background\ncar\n", [[0, 255]]),
    "nothing but 255 and brackets": labels("[void]\nsky\nroad\n", [[0, 255]]),
    "one class": one_class,
    "coloured label maps": labels("sky\nroad\n", [[0, 1]], damage=coloured),
    "a number that no line names": labels("sky\nroad\n", [[1, 9]]),
    "another size than the image": labels("sky\nroad\n", [[0, 1, 0, 1], [0, 0, 0, 0]], damage=larger),
    "an image without labels": labels("sky\nroad\n", [[0, 1]], damage=without("train/labels/0.png")),
    "labels without an image": labels("a\nb\n", [[0, 1]], [[0, 1]], damage=without("train/images/1.jpg")),
    "a split of another name": called_otherwise,
    "two lines of `classes.txt` alike": labels("sky\nroad\nsky\n", [[0, 1]]),
    "an image twice in a list": listed("a\na\n"),
    "several images in a line": listed("a b\n"),
    "a list that names no image there": listed("z\n"),
}
"""By the first cell of each row."""


def rows() -> dict[str, str]:
    """What the page says: the case, and its sentence."""
    part = PAGE.read_text(encoding="utf-8").partition("# What stays refused\n")[2].partition("\n# ")[0]
    cells = [line.strip("| ").split(" | ", 1) for line in part.splitlines() if line.startswith("| ")]
    return {what: said.strip("`") for what, said in cells if said != "sentence"}


def test_every_row_is_tried() -> None:
    assert rows().keys() == REFUSED.keys()


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_says_what_the_page_says(what: str, tmp_path: Path) -> None:
    said = rows()[what]
    pattern = ".*".join(map(re.escape, said.split("…")))
    told = REFUSED[what](tmp_path)
    assert re.fullmatch(pattern, told, re.DOTALL), f"{told}\nis not\n{said}"
