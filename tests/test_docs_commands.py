"""Every command of the documents runs, as it is written, where its files are.

Tutorials are walked through (``test_docs_tutorials.py``). The other pages' commands name a reader's
files: they run here among small ones of the same names. What needs a network, an archive of
patients or released weights says so in one line, and this file says which those are.
"""

import csv
import importlib.util
import json
import os
import shlex
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import codixr.cli
import codixr_bench.cli
from codixr.data.phantom import PhantomDataset
from codixr.modality import Modality
from helpers import model_folders
from helpers.dicom_files import film

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow
_found = importlib.util.spec_from_file_location("test_docs", ROOT / "tests" / "test_docs.py")
test_docs = importlib.util.module_from_spec(_found)
_found.loader.exec_module(test_docs)
MAIN = {"codixr": codixr.cli.main, "codixr-bench": codixr_bench.cli.main}

HOURS = {
    ("codixr", "train"),
    ("codixr-bench", "court"),
    ("codixr-bench", "utility"),
    ("codixr-bench", "reproduce"),
}
"""They train or score for minutes to days: their own tests run them, smaller."""
ABSENT = (
    "codixr convert",  # CoDi's and XGeM's released weights
    "codixr init",  # Stable Diffusion, CLIP, Optimus
    "codixr prepare openi --pictures",  # the collection's pictures
    "codixr prepare ct",  # chest CT
    "codixr-bench run --task 'F->L' --model noise --track ct",
    "codixr-bench run --task 'L+T->F' --model noise --track openi --data",
    "codixr-bench run --task 'T->F' --model codi:codi",
    "codixr-bench run --task paper --model codixr:run/model",
    "codixr-bench fid generated real --backbone inception",  # its weights
    "codixr-bench fid generated real --backbone xrv",
    "codixr-bench fid runs/mine statistics.npz --backbone inception.pth",
    "codixr-bench fetch sd15",  # a network
    "codixr-bench verify reproduced",
    "codixr-bench label files.zip",
    "codixr-bench label --compare mimic-cxr",
    "codixr-bench label reports.csv --compare original",  # the original's installation
    "codixr-bench label reports.csv --labeler original",
    "codixr-bench score --samples runs/openi/F+L-to-T/MODEL",
    "codixr-bench subgroups RUN",
    "codixr-bench subgroups runs/mimic-cxr",
    "codixr-bench export wandb",  # their libraries
    "codixr-bench export mlflow",
    "codixr-bench verify --request",  # a clone with both revisions
)
"""What isn't on this machine: the command must say what is missing, in one line."""
PARTIAL = ("codixr-bench submit", "codixr-bench verify scored")
"""The leaderboard takes whole splits: four studies are refused, in words."""
WORSE_IS_FINE = {"check", "audit"}
"""Their exit code 1 is an answer."""


def todo() -> list[tuple[str, ...]]:
    """The commands of all pages but the tutorials, apart from what takes hours."""
    walked = {
        command
        for page in (ROOT / "docs" / "tutorials").glob("*.md")
        for block in test_docs.blocks(page, "bash")
        for line in block.splitlines()
        for command in test_docs.parts(shlex.split(line, comments=True))
    }
    return [
        command
        for command in test_docs.commands()
        if command not in walked
        and (command[:2] not in HOURS or not {"--plan", "--dry-run"}.isdisjoint(command))
    ]


def smaller(command: tuple[str, ...]) -> list[str]:
    """With four studies in place of thousands; ``$model`` as the loop around it has it."""
    words = [word.replace("$model", "constant") for word in command]
    for option, value in (("--limit", "4"), ("--n", "30"), ("--studies", "2")):
        if option in words:
            words[words.index(option) + 1] = value
    if command[1:3] == ("readers", "make"):
        words += ["--pairs", "4"]  # the run here has eight studies
    makes = command[:2] in {("codixr-bench", "run"), ("codixr-bench", "generate")}
    scores = command[1] == "score" and {"theirs", "my_pictures"} & set(words)
    if "--limit" not in words and (makes or scores):
        words += ["--limit", "4"]
    return words


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with everything that the pages name."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])  # the commands add their folder
        _files()
        _archive()
        _runs()
    return folder


def _files() -> None:
    Path("leaderboard").symlink_to(ROOT / "leaderboard")
    study = PhantomDataset("test")[1]
    for name, view in (("front", study.frontal), ("side", study.lateral)):
        Image.fromarray((view[0] * 255).astype(np.uint8)).save(f"{name}.png")
    Path("scan.dcm").write_bytes(film((study.lateral[0] * 65535).astype(np.uint16)))
    Path("report.txt").write_text("Small left pleural effusion.")
    for side in ("generated", "real"):
        Path(side).mkdir()
        shutil.copy("front.png", f"{side}/0.png")
    for name in ("theirs", "my_pictures"):
        Path(name, "F").mkdir(parents=True)
        for k in range(4):
            Image.fromarray(PhantomDataset("test").images(Modality.F)[k]).save(
                f"{name}/F/{k:05}.png"
            )
    with Path("reports.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["study_id", "report"], ["1", "No edema."]])
    Path("board.key").write_bytes(bytes(range(32)))
    Path("table.csv").write_text("system,Atelectasis,Edema,macro\nours,0.54,0.64,0.59\n")
    for page, name, file in (
        ("CONTRIBUTING.md", "GreyModel", "my_model.py"),
        ("CONTRIBUTING.md", "GreyModel", "my_package/my_module.py"),
    ):
        (text,) = [b for b in test_docs.blocks(ROOT / page, "python") if f"class {name}" in b]
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_text(text.replace("GreyModel", "MyModel") if "/" in file else text)


def _archive() -> None:
    """A fake MIMIC-CXR, under the names that a real one has."""
    assert (
        MAIN["codixr"](
            ["prepare", "phantom", "--as", "mimic-cxr-tree", "--n", "60", "--out", "fake"]
        )
        == 0
    )
    for name in ("mimic-cxr/2.1.0", "mimic-cxr-jpg/2.1.0"):
        shutil.copytree("fake", name)
    with zipfile.ZipFile("mimic-cxr-reports.zip", "w") as archive:
        for path in Path("fake").rglob("s*.txt"):
            archive.write(path, path.relative_to("fake"))
    for name in ("mimic", "fake"):
        assert (
            MAIN["codixr"](["prepare", "mimic-cxr", "--root", "fake", "--out", f"data/{name}"]) == 0
        )


def _runs() -> None:
    """Runs of models that take no time, under the names of the pages."""
    run = MAIN["codixr-bench"]

    def named(*models: str) -> list[str]:
        return [f"runs/{t}/T-to-F/{model}" for t in ("phantom", "phantom-64") for model in models]

    for task, model, seed, folders in (
        ("L+T->F", "noise", 0, ["runs/mine"]),
        ("L+T->F", "noise", 1, ["runs/phantom/L+T-to-F/codixr", "runs/other"]),
        ("L->F", "noise", 0, ["runs/phantom-64/L-to-F/codixr"]),
        ("T->F", "noise", 0, ["runs/new", "runs/v1", "runs/fake", *named("codixr")]),
        ("T->F", "noise", 1, ["runs/old", "runs/v2", "runs/v3", *named("mine", "my_model")]),
        ("T->F", "real", 0, ["runs/phantom/T-to-F/real"]),
    ):
        words = ["run", "--task", task, "--model", model, "--seed", str(seed), "--limit", "8"]
        assert run([*words, "--out", folders[0]]) == 0
        for other in folders[1:]:
            shutil.copytree(folders[0], other)
    theirs = ["score", "--samples", "theirs", "--task", "L+T->F", "--limit", "4"]
    assert run([*theirs, "--out", "scored"]) == 0


def _before(command: tuple[str, ...]) -> None:
    """What this command needs, or must not find."""
    line = shlex.join(command)
    if command[1] == "prepare" and "--out" in command:
        shutil.rmtree(command[command.index("--out") + 1], ignore_errors=True)
    if command[1] == "generate" and "runs/mine" in line:
        shutil.rmtree("runs/mine")
    if "transformers:my_model" in line:
        model_folders.image_to_text(Path("my_model"))
    if "diffusers:my_pipeline" in line:
        model_folders.text_to_image(Path("my_pipeline"))
    if "new-model my_model" in line:
        Path("my_model.py").unlink()
    if "readers score" in line:
        _answers(Path("study"))
    if "my_model.model:MyModel" in line:
        Path("my_model.py").unlink()
        assert MAIN["codixr-bench"](["new-model", "my_model"]) == 0
        os.chdir("my_model")


def _answers(study: Path) -> None:
    """A reader study of four pairs, and what two readers saved from its page."""
    words = ["readers", "make", "runs/mine", "--to", str(study), "--pairs", "4"]
    assert MAIN["codixr-bench"](words) == 0
    key = json.loads((study / "key.json").read_text())
    for reader, answers in (("R1", [item["real"] for item in key["items"]]), ("R2", ["A"] * 8)):
        saved = {"schema_version": 1, "study": key["study"], "reader": reader, "answers": answers}
        Path(f"answers-{reader}.json").write_text(json.dumps(saved))


@pytest.mark.parametrize("command", todo(), ids=shlex.join)
def test_a_command_of_the_documents_runs(command, place, tmp_path, monkeypatch, capfd):
    here = shutil.copytree(place, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(here)
    for name in [name for name in sys.modules if name.split(".")[0] in {"my_model", "my_package"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [*sys.path])  # the commands add their folder
    importlib.invalidate_caches()
    _before(command)
    monkeypatch.setenv("CODIXR_OFFLINE", "1")
    shown = shlex.join(command)
    try:
        code = MAIN[command[0]](smaller(command)[1:])
    except SystemExit as error:  # argparse's
        code = error.code
    printed = capfd.readouterr()
    if shown.startswith((*ABSENT, *PARTIAL)):
        assert code in {1, 2}, printed
        assert "Traceback" not in printed.err
        assert (printed.err + printed.out).strip()
    elif command[1] in WORSE_IS_FINE:
        assert code in {0, 1}, printed.err
    else:
        assert code == 0, printed.err


def test_what_is_absent_is_named_once():
    shown = [shlex.join(command) for command in todo()]
    for start in ABSENT:
        assert any(line.startswith(start) for line in shown), start
