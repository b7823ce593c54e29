"""Folders of pictures as people have them: what is not taken as it is seen, or not at all, is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from methods.common.errors import InputError
from methods.common.metrics.generated_images.clip_scores import evaluate_clip_image_similarity, evaluate_clip_score_text
from methods.common.metrics.generated_images.fid import fid_of_features
from methods.common.metrics.generated_images.image_folders import folder_notes, list_images, read_rgb
from methods.common.metrics.generated_images.inception import InceptionFeatures
from methods.common.metrics.generated_images.kid import kid_of_features
from methods.common.metrics.generated_images.prompt_file import order_notes
from methods.common.miniature.shipped import CHECKPOINTS


def picture(seed: int, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (17, 23, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def tagged(path: Path, tag: int) -> None:
    exif = Image.Exif()
    exif[274] = tag
    picture(3).save(path, exif=exif)


def moving(path: Path, **options: Any) -> None:
    picture(4).save(path, save_all=True, append_images=[picture(5), picture(6)], **options)


def notes_of(folder: Path) -> list[str]:
    images = list_images(folder)
    return folder_notes(images, [read_rgb(path).form for path in images.paths])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two plain pictures."""
    for name in "ab":
        picture(ord(name)).save(tmp_path / f"{name}.png")
    return tmp_path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_tags_are_not_followed_and_told(folder: Path, suffix: str) -> None:
    tagged(folder / f"c.{suffix}", 6)
    (told,) = notes_of(folder)
    assert f"orientation tags of 1 images in {folder} are not followed" in told
    assert f"(first: c.{suffix}, tag 6)" in told
    assert read_rgb(folder / f"c.{suffix}").picture.size == (23, 17)
    tagged(folder / f"c.{suffix}", 1)
    assert notes_of(folder) == []


def test_tags_of_tiffs_are_followed(folder: Path) -> None:
    tagged(folder / "c.tif", 6)
    assert notes_of(folder) == []
    seen = np.rot90(np.asarray(picture(3)), -1)
    assert (np.asarray(read_rgb(folder / "c.tif").picture) == seen).all()


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_of_frames_the_first_counts_and_is_told(folder: Path, suffix: str) -> None:
    moving(folder / f"c.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    assert notes_of(folder) == [
        f"1 images in {folder} have several frames, of which the first counts (first: c.{suffix}, 3 frames)"
    ]
    assert (np.asarray(read_rgb(folder / f"c.{suffix}").picture) == np.asarray(picture(4))).all()


def test_previews_of_cameras_are_no_frames(folder: Path) -> None:
    moving(folder / "c.jpg", format="MPO")
    assert Image.open(folder / "c.jpg").n_frames == 3  # type: ignore[attr-defined]
    assert notes_of(folder) == []


def test_other_formats_are_told(folder: Path) -> None:
    moving(folder / "z.GIF")
    for name in ("y.heic", ".w.gif", "notes.txt", "Thumbs.db"):
        (folder / name).write_bytes(b"-")
    told = f"2 pictures of other formats in {folder} do not count (first: y.heic); save them as PNG"
    assert notes_of(folder) == [told]
    for name in "ab":
        (folder / f"{name}.png").unlink()
    with pytest.raises(
        InputError, match=r"holds no image \(.bmp, .*.webp; there is y.heic, save such pictures as PNG\)"
    ):
        list_images(folder)


def test_every_kind_is_told_at_once(folder: Path) -> None:
    picture(7, "LA").save(folder / "c.png")
    tagged(folder / "d.jpg", 8)
    moving(folder / "e.webp")
    moving(folder / "f.gif")
    (folder / "in").mkdir()
    picture(8).save(folder / "in/g.bmp")
    words = ("not RGB", "tag 8", "several frames", "other formats", "in folders inside")
    assert [word in told for word, told in zip(words, notes_of(folder), strict=True)] == [True] * 5


def features(folder: str, values: list[list[float]]) -> InceptionFeatures:
    names = tuple(str(number) for number in range(len(values)))
    return InceptionFeatures(Path(folder), names, np.array(values, np.float32))


@pytest.mark.parametrize(
    "evaluate",
    [
        lambda one, other: fid_of_features(one, other, allow_few_images=True),
        lambda one, other: kid_of_features(one, other, num_subsets=2, subset_size=2),
    ],
    ids=["fid", "kid"],
)
def test_a_set_beside_itself_is_told(evaluate: Callable[..., object]) -> None:
    one = features("made", [[1, 2], [3, 5], [4, 0]])
    words = "made and real hold the same pictures, so that the distance says nothing"
    for values, told in (
        ([[1, 2], [3, 5], [4, 0]], True),
        ([[1, 2], [3, 5], [4, 0.1]], False),
        ([[1, 2], [3, 5]], False),
    ):
        assert (words in evaluate(one, features("real", values)).notes()) == told  # type: ignore[attr-defined]


def test_pictures_beside_themselves_are_told(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    clip, other = CHECKPOINTS / "clip", tmp_path_factory.mktemp("other")
    assert "equals its source" in evaluate_clip_image_similarity(folder, folder, clip).notes()[-1]
    for name, seed in (("a", ord("a")), ("b", 1)):
        picture(seed).save(other / f"{name}.png")
    assert evaluate_clip_image_similarity(folder, other, clip).notes() == []
    (other / "b.png").rename(other / "b.jfif")
    with pytest.raises(
        InputError, match=r"b.png has no image of that name in .* \(there is b.jfif: save it as PNG\), unp"
    ):
        evaluate_clip_image_similarity(folder, other, clip)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([f"{number}" for number in range(1, 12)], "line 2 of p.txt is the prompt of 10.png"),
        ([f"img_{number}" for number in (8, 9, 10)], "line 1 of p.txt is the prompt of img_10.png"),
        (["1-9", "1-10", "0-3"], "line 2 of p.txt is the prompt of 1-10.png"),
        ([f"{number:02d}" for number in range(12)], ""),
        (["a2", "b1"], ""),
        (["cat", "dog", "cow"], ""),
        (["cat 10", "dog 9"], ""),
        (["3"], ""),
    ],
)
def test_lines_that_go_to_other_numbers_are_told(tmp_path: Path, names: list[str], told: str) -> None:
    for name in names:
        (tmp_path / f"{name}.png").touch()
    images = list_images(tmp_path)
    notes = order_notes(Path("p.txt"), images)
    assert [told in note for note in notes] == [True] * bool(told)
    assert order_notes(Path("p.json"), images) == order_notes(Path("p.csv"), images) == []


def test_the_command_says_which_prompt_goes_to_a_number(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        picture(number).save(tmp_path / f"{number}.png")
    (tmp_path / "p.txt").write_text("a coin\na moon\na star\n")
    (told,) = evaluate_clip_score_text(tmp_path, tmp_path / "p.txt", CHECKPOINTS / "clip").notes()
    assert told.startswith(f"WARNING: line 2 of {tmp_path / 'p.txt'} is the prompt of 10.png, by the order of names")
