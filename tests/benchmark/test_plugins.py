"""Models from other libraries' folders, from samples, from a package of one's own; crashes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codixr.errors import InputError
from codixr_bench.cli import main
from codixr_bench.commands.new_model import class_name, package_name, write_package
from codixr_bench.models.diffusers import DiffusersModel, as_grey
from codixr_bench.models.transformers import TransformersModel
from codixr_bench.registry import load_model
from codixr_bench.runs.crash import ModelError
from codixr_bench.runs.generation import generate
from codixr_bench.runs.store import SampleStore
from codixr_bench.task import Task
from codixr_bench.testing import check_model
from helpers import model_folders
from helpers.bench_fakes import FakeDataset, SeededModel, contents, record


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def text_to_image(folders: Path) -> DiffusersModel:
    folder = model_folders.text_to_image(folders / "tiny_sd")
    return DiffusersModel(folder, steps=2)


def test_a_text_to_image_pipeline_makes_views_from_reports(text_to_image: DiffusersModel) -> None:
    report = check_model(text_to_image, "all", n=2)
    assert report.passed, str(report)
    assert report.tasks == ("T->F", "T->L")
    assert text_to_image.name == "tiny_sd"
    assert text_to_image.settings["num_inference_steps"] == 2
    assert text_to_image.version == text_to_image.checkpoint_sha256[:8]


def test_a_pipelines_pictures_have_the_size_that_the_track_asks_for(
    text_to_image: DiffusersModel,
) -> None:
    task = Task.parse("T->F")
    made = {}
    for side in (None, 24):
        text_to_image.use_image_size(side)
        (sample,) = text_to_image.generate([{task.inputs[0]: "Clear lungs."}], task, [3])
        made[side] = sample[task.outputs[0]]
    assert made[None].shape == (1, 16, 16)
    assert made[24].shape == (1, 24, 24)
    np.testing.assert_allclose(made[24].mean(), made[None].mean(), atol=0.02)


def test_an_image_to_image_pipeline_needs_a_view_and_follows_it(folders: Path) -> None:
    model = DiffusersModel(model_folders.image_to_image(folders / "tiny_img2img"), steps=2)
    report = check_model(model, ["L->F", "L+T->F"], n=2)
    assert report.passed, str(report)
    assert not model.supports(Task.parse("T->F"))
    assert not model.supports(Task.parse("F->T"))
    assert not model.supports(Task.parse("T->F+L"))


def test_colour_becomes_grey_by_luma() -> None:
    picture = np.zeros((4, 4, 3), dtype=np.float32)
    picture[..., 1] = 1.0
    grey = as_grey(picture, None)
    assert grey.dtype == np.float32
    np.testing.assert_allclose(grey, 0.587, atol=1e-6)
    # Pillow's own luma, up to its 8 bits.
    ours = as_grey(np.array([[[0.2, 0.4, 0.9]]]), None)[0, 0, 0]
    theirs = Image.new("RGB", (1, 1), (51, 102, 230)).convert("L").getpixel((0, 0))
    assert ours * 255 == pytest.approx(theirs, abs=1)
    with pytest.raises(InputError, match="8×4; square ones are needed"):
        as_grey(np.zeros((4, 8, 3)), None)


@pytest.mark.parametrize("sampling", [False, True])
def test_an_image_to_text_model_writes_reports_from_one_view(folders: Path, sampling: bool) -> None:
    folder = model_folders.image_to_text(folders / f"tiny_vit_{sampling}", sampling=sampling)
    model = TransformersModel(folder)
    report = check_model(model, "all", n=3)
    assert report.passed, str(report)
    assert report.tasks == ("F->T", "L->T")
    assert model.uses_seeds is sampling
    assert model.settings["max_new_tokens"] == 6


def test_what_is_wrong_with_a_folder_is_one_line(folders: Path) -> None:
    unconditional = model_folders.unconditional(folders / "ddpm")
    bert = model_folders.text_model(folders / "bert")
    broken = folders / "broken"
    broken.mkdir()
    (broken / "model_index.json").write_text('{"_class_name": "NoSuchPipeline"}')
    ours = folders / "ours"
    ours.mkdir()
    (ours / "model_index.json").write_text('{"_class_name": "CoDiXRPipeline"}')
    for spec, said in {
        "diffusers": "write --model diffusers:my_pipeline",
        "diffusers:nowhere": "no such folder",
        f"diffusers:{bert}": "it has no 'model_index.json'",
        f"diffusers:{unconditional}": "neither a prompt nor an image",
        f"diffusers:{broken}": "its pipeline 'NoSuchPipeline' is none of",
        f"diffusers:{ours}": f"write --model codixr:{ours}",
        f"transformers:{bert}": "a bert model writes no text from pictures",
        f"transformers:{unconditional}": "it has no 'config.json'",
        "samples:somewhere": "generates nothing",
    }.items():
        with pytest.raises(InputError) as caught:
            load_model(spec)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_folder_of_samples_runs_as_it_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "theirs"
    (folder / "F").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for position in range(8):
        picture = rng.integers(256, size=(64, 64), dtype=np.uint8)
        Image.fromarray(picture).save(folder / "F" / f"{position:05d}.png")
    common = ["--task", "T->F", "--limit", "8", "--metrics", "fid_phantom", "--json"]
    assert main(["run", "--model", "samples:theirs", *common]) == 0
    ran = json.loads(capsys.readouterr().out)
    assert main(["score", "--samples", "theirs", *common]) == 0
    scored = json.loads(capsys.readouterr().out)
    assert ran["model"] == {"name": "theirs", "version": "external", "checkpoint_sha256": None}
    assert ran["scores"] == scored["scores"]
    assert main(["run", "--model", "samples:", *common]) == 2
    assert "write --model samples:DIR" in capsys.readouterr().err


def test_a_new_model_runs_at_once_and_passes_its_own_test(tmp_path: Path) -> None:
    write_package("lung_painter", tmp_path / "lung-painter")
    folder = tmp_path / "lung-painter"
    assert set(contents(folder)) == {
        "README.md",
        "pyproject.toml",
        "lung_painter/__init__.py",
        "lung_painter/model.py",
        "tests/test_model.py",
    }
    assert not any("$" in text.decode() for text in contents(folder).values())
    command = ["codixr_bench.cli", "run", "--task", "T->F", "--limit", "8", "--json"]
    command += ["--model", "lung_painter.model:LungPainter", "--metrics", "fid_phantom"]
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"]["name"] == "lung_painter"
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert "1 passed" in tested.stdout, tested.stdout


def test_the_documents_class_does_what_the_benchmark_asks_in_25_lines() -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "models.md"
    (block,) = re.findall(r"^```python\n(import numpy.*?)^```$", page.read_text(), re.M | re.S)
    assert len(block.splitlines()) <= 25
    names: dict[str, type] = {}
    exec(block, names)
    report = check_model(names["MyModel"](), ["T->F", "T->L"])
    assert report.passed, str(report)


def test_a_new_model_replaces_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("kept")
    assert main(["new-model", "mine", "--to", str(tmp_path / "mine")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert contents(tmp_path) == {"mine/notes.txt": b"kept"}


@pytest.mark.parametrize(
    ("text", "package", "kind"),
    [("my-model", "my_model", "MyModel"), ("XrayGen2", "xray_gen2", "XrayGen2")],
)
def test_names_become_a_package_and_a_class(text: str, package: str, kind: str) -> None:
    assert package_name(text) == package
    assert class_name(package) == kind


@pytest.mark.parametrize(
    "text", ["", "1st", "class", "json", "torch", "a/b", "../x", "é", "a" * 41]
)
def test_names_that_cannot_be_a_package_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="new-model"):
        package_name(text)


class CrashingModel(SeededModel):
    """Crashes on the study with the given seeds' number ``bad``, until it is mended."""

    bad: int | None = None

    def generate(self, conditions, task, seeds):
        if self.bad in seeds:
            raise ValueError("no lung found in 'some report'")
        return super().generate(conditions, task, seeds)


def test_a_crash_names_its_study_and_keeps_what_was_made(tmp_path: Path) -> None:
    from codixr_bench.runs.seeds import study_seed

    task, dataset = Task.parse("L+T->F"), FakeDataset(20)
    whole = SampleStore.create(tmp_path / "whole", record(20))
    generate(SeededModel(), task, dataset, whole, image_size=8, batch_size=2)
    model = CrashingModel()
    model.bad = study_seed("study-13", task, 0)
    store = SampleStore.create(tmp_path / "crashed", record(20))
    with pytest.raises(ModelError) as caught:
        generate(model, task, dataset, store, image_size=8, batch_size=2)
    assert "crashed on the study at position 13: ValueError: no lung found" in str(caught.value)
    assert 'in generate\n    raise ValueError("no lung' in caught.value.trace
    assert "codixr_bench/runs/generate.py" not in caught.value.trace
    # Chunk 0 is whole; of chunk 1, positions 8 to 15, the batches before position 12 are kept.
    assert set(contents(tmp_path / "crashed")) == {
        "run.json",
        "chunk-00000.parquet",
        "part-00001.parquet",
    }
    model.bad, model.batches = None, []
    generate(model, task, dataset, store, image_size=8, batch_size=2)
    assert sum(model.batches) == 20 - 12
    store.close()
    whole.close()
    assert contents(tmp_path / "crashed") == contents(tmp_path / "whole")


def test_a_crash_quotes_no_study_where_content_is_not_shown(tmp_path: Path) -> None:
    class Chatty(SeededModel):
        def generate(self, conditions, task, seeds):
            raise ValueError(f"cannot read {conditions[0]}")

    store = SampleStore.create(tmp_path, record(20))
    task = Task.parse("L+T->F")
    with pytest.raises(ModelError) as caught:
        generate(Chatty(), task, FakeDataset(20), store, image_size=8, show_messages=False)
    store.close()
    assert str(caught.value).endswith("the study at position 0: ValueError")
    assert "effusion" not in caught.value.trace + str(caught.value)
    assert "cannot read" not in caught.value.trace.splitlines()[-1]


def test_a_batch_that_crashes_only_together_says_so(tmp_path: Path) -> None:
    class Hungry(SeededModel):
        def generate(self, conditions, task, seeds):
            if len(seeds) > 4:
                raise MemoryError("out of memory")
            return super().generate(conditions, task, seeds)

    store = SampleStore.create(tmp_path, record(20))
    with pytest.raises(ModelError, match=r"0 to 7 together, on none of them alone.*--batch-size"):
        generate(Hungry(), Task.parse("L+T->F"), FakeDataset(20), store, image_size=8)
    store.close()


def test_a_crash_is_exit_code_1_with_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine_that_crashes.py").write_text(
        "class Model:\n"
        "    name, version = 'mine', '1'\n"
        "    def supports(self, task): return True\n"
        "    def generate(self, conditions, task, seeds): return [1 / 0]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    command = ["run", "--task", "F->T", "--model", "mine_that_crashes:Model", "--limit", "4"]
    assert main([*command, "--metrics", "bleu"]) == 1
    said = capsys.readouterr()
    assert not said.out
    assert "return [1 / 0]" in said.err
    assert "the study at position 0: ZeroDivisionError" in said.err
    assert "nothing was made before that" in said.err
