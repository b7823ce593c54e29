"""The site file: what it may say, and how it tells a mistake."""

import re
from pathlib import Path

import pytest

from methods.common.errors import InputError
from reproductions.harness.site import Site, StageResources, read_site

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_example_is_valid_and_names_every_field() -> None:
    path = REPOSITORY / "docs" / "segrepro.example.toml"
    site = read_site(path)
    text = path.read_text()
    for name in (*Site.model_fields, *StageResources.model_fields):
        assert re.search(rf"\b{name}\b", text), f"the example does not show {name}"
    assert site.resources("train", runs_on_team=True).gpus == 8


def test_without_a_file_everything_has_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_site(None) == Site()
    gpus = {
        kind: Site().resources(kind, False).gpus
        for kind in ("prepare", "generate", "cut", "filter", "train", "evaluate")
    }
    assert gpus == {"prepare": 0, "generate": 1, "cut": 0, "filter": 0, "train": 1, "evaluate": 0}


def test_a_file_here_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("segrepro.toml").write_text('partition = "gpu"\n[stages.cut]\npartition = "cpu"\n')
    site = read_site(None)
    assert site.resources("cut", False).partition == "cpu"
    assert site.resources("train", False).partition == "gpu"


def test_a_team_gets_a_process_a_gpu() -> None:
    site = Site(stages={"train": StageResources(nodes=2, gpus=4)})
    team, alone = site.resources("train", runs_on_team=True), site.resources("train", runs_on_team=False)
    assert (team.nodes, team.gpus, team.processes) == (2, 4, 4)
    assert (alone.nodes, alone.gpus, alone.processes) == (1, 1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('partiton = "gpu"', "there is no field 'partiton'; did you mean 'partition'?"),
        ("[stages.train]\ngpu = 1", "there is no field 'stages.train.gpu'; did you mean 'gpus'?"),
        ("[stages.training]\ngpus = 1", "there is no kind of stage 'training'; did you mean 'train'?"),
        ("[stages.train]\ngpus = -1", "stages.train.gpus: Input should be greater than or equal to 0 (given -1)"),
        ('[stages.train]\ntime_min = "soon"', "stages.train.time_min: Input should be a valid integer"),
        ('store = "scratch"', "store: must be an absolute path: jobs start in other folders (given 'scratch')"),
        ("partition = gpu", "is not TOML: "),
    ],
)
def test_a_mistake_is_one_sentence(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(message)) as error:
        read_site(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_named_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read .No such file or directory.; name another with --site"):
        read_site(tmp_path / "no.toml")
