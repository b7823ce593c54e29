"""A folder of networks that names parts elsewhere is known by them, too; cells that were stored before stay valid."""

import json
from pathlib import Path

import pytest

from methods.common.errors import InputError
from methods.common.generators.repainting.parts import SHARED_FILE, shared_places
from methods.common.miniature.shipped import CHECKPOINTS
from reproductions.harness.fingerprint import Fingerprints
from reproductions.harness.store import Store
from reproductions.requirements import shared_parts
from reproductions.requirements.places import external, shipped
from reproductions.requirements.published_weights import MINIATURE_GLIGEN, MINIATURE_INPAINTING, ShippedModel
from reproductions.requirements.shared_parts import FIRST_PARTS
from reproductions.study.request import Request

PAINTERS = (MINIATURE_INPAINTING, MINIATURE_GLIGEN)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A painter that shares its VAE with another."""
    for part in ("painter/unet", "other/vae"):
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "weights").write_text(part)
    (tmp_path / "painter" / SHARED_FILE).write_text(json.dumps({"vae": "../other/vae"}))
    return tmp_path


def known_by(place: Path) -> str:
    need = shipped("inpainting_generator", MINIATURE_INPAINTING)
    request = Request("instance_synthesis", Store(Path("/nowhere")))
    changed = ShippedModel(need.what, str(place), need.inspect)
    return external(shipped("inpainting_generator", changed), Fingerprints(), request).fingerprint


def test_another_shared_part_is_another_painter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    painter, vae = folder / "painter", folder / "other" / "vae"
    first = known_by(painter)
    assert first != Fingerprints().of(painter, "it").fingerprint
    (vae / "weights").write_text("others")
    second = known_by(painter)
    (painter / "unet" / "weights").write_text("others")
    assert len({first, second, known_by(painter)}) == 3
    monkeypatch.setattr(shared_parts, "FIRST_PARTS", {Fingerprints().of(vae, "it").fingerprint})
    assert known_by(painter) == Fingerprints().of(painter, "it").fingerprint


@pytest.mark.parametrize("painter", PAINTERS, ids=lambda model: model.name)
def test_the_painters_that_cells_were_stored_with_are_known_as_before(painter: ShippedModel) -> None:
    """While their parts are the first ones; a part that is trained anew must not be added to them, so that cells are made anew."""
    place = CHECKPOINTS / painter.name
    shared = shared_places(place)
    assert {"vae", "tokenizer"} <= shared.keys()
    prints = {Fingerprints().of(part, "it").fingerprint for part in shared.values()}
    assert prints <= FIRST_PARTS
    assert known_by(place) == Fingerprints().of(place, "it").fingerprint


def test_a_part_that_is_nowhere_is_named(folder: Path) -> None:
    (folder / "other" / "vae").rename(folder / "gone")
    with pytest.raises(InputError, match=r"the vae that .* shares is missing"):
        known_by(folder / "painter")
    (folder / "painter" / SHARED_FILE).write_text("[]")
    with pytest.raises(InputError, match=r"shared_parts\.json cannot be read"):
        known_by(folder / "painter")
