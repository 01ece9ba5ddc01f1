"""Models by their name on a hub, arguments for a model's class, and a name of one's own."""

import json
import shutil

import huggingface_hub
import pytest

from codixr_bench.cli import main
from codixr_bench.registry import load_model
from helpers import model_folders

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    model_folders.text_to_image(folder / "sd")
    model_folders.image_to_text(folder / "vit")
    return folder


@pytest.fixture
def hub(good, tmp_path, monkeypatch):
    """A hub that has two repositories; what it was asked for."""
    asked = []

    def snapshot(name, *, revision, allow_patterns):
        asked.append((name, revision, tuple(allow_patterns)))
        source = {"org/sd": good / "sd", "org/vit": good / "vit"}.get(name)
        if source is None:
            raise OSError("404 Client Error: no such repository\nmore")
        folder = tmp_path / name.replace("/", "--") / COMMIT
        shutil.copytree(source, folder, dirs_exist_ok=True)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    monkeypatch.chdir(tmp_path)
    return asked


@pytest.mark.parametrize(("kind", "name"), [("diffusers", "sd"), ("transformers", "vit")])
def test_a_name_on_the_hub_gives_the_folders_model_and_its_commit(hub, good, kind, name):
    model = load_model(f"{kind}:org/{name}@v1")
    local = load_model(f"{kind}:{good / name}")
    assert model.name == local.name == name
    assert model.checkpoint_sha256 == local.checkpoint_sha256
    assert model.settings["hub"] == f"org/{name}"
    assert model.settings["revision"] == COMMIT
    assert "hub" not in local.settings
    ((asked, revision, patterns),) = hub
    assert (asked, revision) == (f"org/{name}", "v1")
    assert not any(pattern.endswith((".py", ".bin", ".pt", ".ckpt")) for pattern in patterns)


def test_what_the_hub_does_not_have_is_said_and_a_misspelt_path_is_not_asked_for(
    hub, tmp_path, capsys
):
    run = ["run", "--task", "T->F", "--limit", "2", "--model"]
    assert main([*run, "diffusers:org/none"]) == 2
    said = capsys.readouterr().err
    assert "404 Client Error" in said
    assert "hf download org/none" in said
    (tmp_path / "runs").mkdir()
    assert main([*run, "diffusers:runs/mine"]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert [name for name, _, _ in hub] == ["org/none"]


def test_code_in_a_hubs_folder_is_refused_too(hub, good, tmp_path, monkeypatch, capsys):
    hostile = tmp_path / "hostile" / COMMIT
    shutil.copytree(good / "vit", hostile)
    config = json.loads((hostile / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "mine.Mine"}
    (hostile / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(hostile))
    assert main(["run", "--task", "F->T", "--limit", "2", "--model", "transformers:org/x"]) == 2
    assert "names code of its own" in capsys.readouterr().err


def result(folder):
    return json.loads((folder / "result.json").read_text())


def test_arguments_reach_the_model_and_its_settings_and_the_name_the_folder(
    good, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    run = ["run", "--task", "T->F", "--limit", "2", "--model", "codixr"]
    assert main([*run, "--model-arg", "steps=2", "--name", "codixr-2"]) == 0
    found = result(tmp_path / "runs" / "phantom-2" / "T-to-F" / "codixr-2")
    assert found["model"]["name"] == "codixr-2"
    assert found["generation"]["steps"] == 2


MINE = """
class Mine:
    name, version = "mine", "1"
    def __init__(self, *, depth: int = 1, word: str = "clear"):
        self.depth, self.word = depth, word
    def supports(self, task):
        return str(task).endswith("T")
    def generate(self, conditions, task, seeds):
        return [{"T": f"Lungs are {self.word}." * self.depth} for _ in conditions]
ready = Mine()
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mine_of_args.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["depht=2"], "unknown argument 'depht' of model 'mine_of_args:Mine'; did you mean 'depth"),
        (["depth"], "write KEY=VALUE"),
        (["depth=1", "depth=2"], "'depth' is given twice"),
    ],
)
def test_wrong_arguments_are_refused(mine, capsys, given, said):
    run = ["run", "--task", "F->T", "--limit", "2", "--model", "mine_of_args:Mine"]
    assert main([*run, *(word for one in given for word in ("--model-arg", one))]) == 2
    assert said in capsys.readouterr().err


def test_an_object_takes_no_arguments_and_samples_neither(mine, tmp_path, capsys):
    run = ["run", "--task", "F->T", "--limit", "2", "--model-arg", "depth=2", "--model"]
    assert main([*run, "mine_of_args:ready"]) == 2
    assert "is an object: it takes no --model-arg" in capsys.readouterr().err
    assert main([*run, f"samples:{tmp_path}"]) == 2
    assert "samples are not" in capsys.readouterr().err


def test_arguments_of_ones_own_class_stand_in_the_result(mine, tmp_path):
    run = ["run", "--task", "F->T", "--limit", "2", "--model", "mine_of_args:Mine"]
    more = ["--model-arg", "word=normal", "--model-arg", "depth=3", "--out", str(tmp_path / "out")]
    assert main([*run, *more]) == 0
    found = result(tmp_path / "out")["generation"]
    assert (found["word"], found["depth"]) == ("normal", 3)


@pytest.mark.parametrize("name", ["../up", "", "a b", "-x", "x" * 61])
def test_a_name_that_no_folder_could_have_is_refused(name, capsys):
    assert main(["run", "--task", "F->T", "--model", "noise", f"--name={name}"]) == 2
    assert "--name" in capsys.readouterr().err
