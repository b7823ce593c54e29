"""The numbers of InstSynth's quality tables: by hand, by another way to compute them, and told apart from what they are named after."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from methods.common.clip import ClipScorer
from methods.common.errors import InputError
from methods.common.metrics.generated_images.clip_scores import evaluate_clip_image_similarity, evaluate_clip_score_text
from methods.common.metrics.generated_images.crop_pairs import (
    ClipFeatureNetwork,
    CropPair,
    InceptionFeatureNetwork,
    measure_clip,
    measure_paired_fid,
    measure_pixels,
    measure_real_fid,
)
from methods.common.metrics.generated_images.fid import evaluate_fid
from methods.common.metrics.generated_images.paired import evaluate_paired, load_lpips, structural_similarity
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.street_classes import StreetConfig
from methods.common.miniature.street_crops import thing_crops
from methods.common.miniature.street_scene import street_scene
from tests.parity.random_inception import random_inception

CLIP = CHECKPOINTS / "clip"


@pytest.fixture(scope="module")
def scorer() -> ClipScorer:
    return ClipScorer.from_pretrained(CLIP)


@pytest.fixture(scope="module")
def pairs() -> list[CropPair]:
    """34 crops of the street; "repainted" ones are mirrored, or another thing, and some have another size than their source."""
    crops = [crop for index in range(12) for crop in thing_crops(street_scene(1, index, StreetConfig()), 64)][:34]
    made = []
    for number, crop in enumerate(crops):
        picture = crops[number - 1].image_HW3 if number % 3 == 0 else crop.image_HW3[:, ::-1]
        source = crop.image_HW3 if number % 2 else cv2.resize(crop.image_HW3, (40, 40))
        made.append(CropPair(np.ascontiguousarray(picture), source, crop.captions[1], 1 + number % 2))
    assert len(made) == 34
    return made


def flat(value: int, side: int = 16) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


def folders(pairs: list[CropPair], place: Path) -> tuple[Path, Path]:
    for name in ("made", "source"):
        (place / name).mkdir()
    for number, pair in enumerate(pairs):
        Image.fromarray(pair.generated_HW3).save(place / "made" / f"{number:03d}.png")
        Image.fromarray(pair.source_HW3).save(place / "source" / f"{number:03d}.png")
    return place / "made", place / "source"


class Brightness:
    """Mean brightness as the only feature, so that the distance is (m1 - m2)^2 + (s1 - s2)^2."""

    name, num_features = "brightness", 1

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def features(self, pictures: list[np.ndarray]) -> np.ndarray:
        self.shapes += [picture.shape for picture in pictures]
        return np.array([[picture.mean()] for picture in pictures], np.float32)


def test_clip_numbers_equal_those_of_the_commands_on_folders(pairs, scorer, tmp_path) -> None:
    made, source = folders(pairs, tmp_path)
    found = measure_clip(pairs, scorer)
    of_images = evaluate_clip_image_similarity(made, source, CLIP).metrics()
    (tmp_path / "prompts.txt").write_text("".join(f"{pair.prompt}\n" for pair in pairs))
    of_texts = evaluate_clip_score_text(made, tmp_path / "prompts.txt", CLIP).metrics()
    assert found["clip-similarity-release"].value == pytest.approx(of_images["clip_image_similarity"], abs=1e-6)
    assert found["clip-similarity"].value == pytest.approx(of_images["mean_cosine"], abs=1e-6)
    assert found["clip-score-text"].value == pytest.approx(of_texts["clip_score_text"], abs=1e-6)
    assert found["clip-similarity-release"].value != pytest.approx(found["clip-similarity"].value, abs=1e-4)
    assert {one.num_pairs for one in found.values()} == {34}
    assert len({one.definition for one in found.values()}) == 3


def test_the_mean_of_means_weighs_a_short_last_batch_like_a_full_one(scorer) -> None:
    """33 pairs: 32 equal ones and one that is not; the one has half of the weight."""
    other = street_scene(9, 1, StreetConfig()).image_HW3[:, :96]
    same = street_scene(9, 2, StreetConfig()).image_HW3[:, :96]
    pairs = [CropPair(same, same, "a photo of a car")] * 32 + [CropPair(other, same, "a photo of a car")]
    found = measure_clip(pairs, scorer)
    alone = measure_clip(pairs[32:], scorer)["clip-similarity"].value
    assert alone < 0.98
    assert found["clip-similarity-release"].value == pytest.approx((1 + alone) / 2, abs=1e-6)
    assert found["clip-similarity"].value == pytest.approx((32 + alone) / 33, abs=1e-6)


def test_paired_fid_by_hand() -> None:
    """Variant 1: crops of 10, 20, 30 from sources of 20, 30, 70; variant 2, which is left out, is far away on both sides."""
    network = Brightness()
    kept = [CropPair(flat(a), flat(b, 30), "") for a, b in ((10, 20), (20, 30), (30, 70))]
    left_out = [CropPair(flat(250), flat(0), "", variant=2)] * 4
    found = measure_paired_fid([*kept[:2], *left_out, kept[2]], network, "train")["fid-paired-crops"]
    deviation = math.sqrt((400 + 100 + 900) / 2)  # of 20, 30, 70 about 40
    assert found.value == pytest.approx((20 - 40) ** 2 + (10 - deviation) ** 2, rel=1e-6)
    assert found.num_pairs == 3
    assert found.definition == (
        "Fréchet distance of 3 generated crops and their own 3 sources of train, variant 2 left out, 224 x 224 first, by brightness"
    )
    assert set(network.shapes) == {(224, 224, 3)}


def test_the_first_resize_is_bicubic_whatever_the_proportions() -> None:
    class Kept(Brightness):
        def features(self, pictures: list[np.ndarray]) -> np.ndarray:
            seen.extend(pictures)
            return super().features(pictures)

    seen: list[np.ndarray] = []
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, 256, (40, 60 + k, 3), np.uint8) for k in range(4)]
    measure_paired_fid([CropPair(drawn[0], drawn[1], ""), CropPair(drawn[2], drawn[3], "")], Kept(), "train")
    for picture, source in zip(seen, [drawn[0], drawn[2], drawn[1], drawn[3]], strict=True):
        assert (picture == np.asarray(Image.fromarray(source).resize((224, 224), Image.Resampling.BICUBIC))).all()


def test_real_fid_takes_all_crops_at_their_own_size_against_others() -> None:
    network = Brightness()
    pairs = [CropPair(flat(10), flat(99), ""), CropPair(flat(30), flat(99), "", variant=2)]
    real = [flat(40, 20), flat(50, 20), flat(60, 20)]
    found = measure_real_fid(pairs, real, network, "val")["fid-real-crops"]
    assert found.value == pytest.approx((20 - 50) ** 2 + (math.sqrt(200) - 10) ** 2, rel=1e-6)
    assert found.definition == "Fréchet distance of 2 generated crops and 3 real crops of val, by brightness"
    assert set(network.shapes) == {(16, 16, 3), (20, 20, 3)}


def test_too_few_crops_are_refused_or_said(pairs, scorer) -> None:
    network = ClipFeatureNetwork(scorer, "the miniature")
    assert network.num_features == 64
    with pytest.raises(
        InputError, match=r"17 generated crops against their own 17 sources of train.*64 features needs as many"
    ):
        measure_paired_fid(pairs, network, "train")
    found = measure_paired_fid(pairs, network, "train", allow_few=True)["fid-paired-crops"]
    assert 0 < found.value < 2
    assert found.definition.endswith(
        "by CLIP embeddings of the miniature instead of Inception features, so no FID; fewer pictures than the 64 features, so far too high"
    )
    with pytest.raises(InputError, match="1 generated crops against"):
        measure_paired_fid(pairs[:2], network, "train", allow_few=True)
    with pytest.raises(InputError, match="no pair of a generated crop and its source"):
        measure_clip([], scorer)
    with pytest.raises(InputError, match="no pair"):
        measure_pixels([])


def test_equal_pairs_are_perfect(pairs, scorer) -> None:
    """InstSynth section 13, item 8."""
    same = [pair._replace(generated_HW3=pair.source_HW3) for pair in pairs]
    assert measure_clip(same, scorer)["clip-similarity-release"].value == pytest.approx(1, abs=1e-6)
    network = ClipFeatureNetwork(scorer, "the miniature")
    assert measure_paired_fid(same, network, "train", allow_few=True)["fid-paired-crops"].value == pytest.approx(
        0, abs=1e-3
    )
    pixels = measure_pixels(same)
    assert pixels["ssim"].value == pytest.approx(1) == pixels["ssim-grey-release"].value
    assert pixels["psnr"].value is None
    assert pixels["psnr"].definition.endswith("undefined, as 34 of 34 equal their source")


def test_pixel_numbers_by_another_way(pairs, tmp_path) -> None:
    found = measure_pixels(pairs)
    assert list(found) == ["psnr", "ssim-grey-release", "ssim"]
    psnr, grey = [], []
    for pair in pairs:
        height, width = pair.generated_HW3.shape[:2]
        source = cv2.resize(pair.source_HW3, (width, height))
        assert pair.generated_HW3.shape == (64, 64, 3)
        psnr.append(cv2.PSNR(pair.generated_HW3, source))
        greys = [np.asarray(Image.fromarray(one).convert("L"), np.float64) for one in (pair.generated_HW3, source)]
        grey.append(float(structural_similarity(*(torch.from_numpy(one / 255)[None, None] for one in greys))))
    assert found["psnr"].value == pytest.approx(np.mean(psnr), abs=1e-6)
    assert found["ssim-grey-release"].value == pytest.approx(np.mean(grey), abs=2e-3)
    assert found["ssim-grey-release"].value != pytest.approx(found["ssim"].value, abs=1e-3)
    of_one_size = [pair for pair in pairs if pair.source_HW3.shape == (64, 64, 3)]
    means = evaluate_paired(*folders(of_one_size, tmp_path)).metrics()
    again = measure_pixels(of_one_size)
    assert (again["psnr"].value, again["ssim"].value) == pytest.approx((means["PSNR"], means["SSIM"]))


def test_grey_forgets_colours_of_one_luma() -> None:
    """Two colours of the same luma, 0.299 R + 0.587 G + 0.114 B, in halves that are swapped: grey sees no difference."""
    one = flat(0, 24)
    one[:, :12] = (100, 0, 0)
    one[:, 12:] = (0, 51, 0)
    pair = CropPair(one, np.ascontiguousarray(one[:, ::-1]), "")
    found = measure_pixels([pair])
    assert found["ssim-grey-release"].value == pytest.approx(1, abs=1e-3)
    assert found["ssim"].value < 0.7


def test_lpips_is_the_networks_mean(pairs, tmp_path) -> None:
    from torchvision.models import get_model

    torch.manual_seed(0)
    weights = {
        f"features.{name}": value
        for name, value in get_model("squeezenet1_1", weights=None).features.state_dict().items()
    }
    torch.save(weights, tmp_path / "squeeze.pth")
    lpips = load_lpips(tmp_path / "squeeze.pth", "squeeze")
    some = [pairs[1], pairs[4]]
    found = measure_pixels(some, lpips)["lpips"]
    values = []
    for pair in some:
        source = cv2.resize(pair.source_HW3, (64, 64))
        one, other = (torch.from_numpy(np.array(p)).permute(2, 0, 1)[None] / 255 for p in (pair.generated_HW3, source))
        values.append(float(lpips(one, other)))
    assert found.value == pytest.approx(np.mean(values), rel=1e-5)
    assert (found.num_pairs, values[0] > 0) == (2, True)
    with pytest.raises(InputError, match="16x16 pixels; LPIPS needs 32 a side"):
        measure_pixels([CropPair(flat(3), flat(4), "")], lpips)


def test_inception_features_are_those_of_the_fid_command(pairs, tmp_path) -> None:
    torch.save(random_inception(), tmp_path / "inception.pth")
    some = pairs[:6]
    real = [pair.source_HW3 for pair in pairs[10:15]]
    network = InceptionFeatureNetwork(str(tmp_path / "inception.pth"), torch.device("cpu"))
    assert network.num_features == 2048
    found = measure_real_fid(some, real, network, "val", allow_few=True)["fid-real-crops"]
    made, _ = folders(some, tmp_path)
    (tmp_path / "real").mkdir()
    for number, picture in enumerate(real):
        Image.fromarray(picture).save(tmp_path / "real" / f"{number}.png")
    expected = evaluate_fid(made, tmp_path / "real", tmp_path / "inception.pth", allow_few_images=True).metrics()["FID"]
    assert found.value == pytest.approx(expected, rel=1e-5)
    assert "by the 2015-12-05 Inception network; fewer pictures than the 2,048 features" in found.definition
