"""Model folders of strangers: no line of theirs is run, and no question is asked on stdin."""

import io
import json
import pickle
import sys
from pathlib import Path

import huggingface_hub
import pytest

from codixr.errors import InputError
from codixr_bench.cli import main
from codixr_bench.models.local_folder import refuse_code
from codixr_bench.registry import load_model
from helpers import model_folders

HOSTILE = "import pathlib\npathlib.Path({marker!r}).write_text('ran')\nclass Mine: pass\n"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    model_folders.text_to_image(folder / "sd")
    model_folders.image_to_text(folder / "vit")
    return folder


def hostile_copy(source: Path, folder: Path, file: str, change: dict[str, object]) -> Path:
    """A copy with ``change`` merged into one JSON file, and a module that leaves a marker."""
    for path in source.rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | change))
    code = HOSTILE.format(marker=str(folder.parent / "ran"))
    for name in ("mine.py", "unet/mine.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code)
    return folder


@pytest.mark.parametrize(
    ("kind", "source", "file", "change"),
    [
        ("diffusers", "sd", "model_index.json", {"_class_name": ["mine", "Mine"]}),
        ("diffusers", "sd", "model_index.json", {"unet": ["mine", "Mine"]}),
        ("diffusers", "sd", "model_index.json", {"_class_name": "os"}),
        ("diffusers", "sd", "model_index.json", {"_class_name": "UNet2DConditionModel.mine"}),
        ("diffusers", "sd", "model_index.json", {"vae": ["diffusers", "loaders"]}),
        ("diffusers", "sd", "model_index.json", {"vae": ["stable_diffusion", "mine"]}),
        ("diffusers", "sd", "model_index.json", {"vae": ["subprocess", "Popen"]}),
        ("diffusers", "sd", "model_index.json", {"custom_pipeline": "mine.py"}),
        ("diffusers", "sd", "scheduler/scheduler_config.json", {"custom_pipeline": "mine"}),
        ("transformers", "vit", "config.json", {"encoder": {"auto_map": {"AutoModel": "mine.M"}}}),
        ("transformers", "vit", "generation_config.json", {"more": [{"auto_map": {"A": "m.M"}}]}),
        (
            "diffusers",
            "sd",
            "text_encoder/config.json",
            {"auto_map": {"AutoModel": "mine.Mine"}},
        ),
        ("transformers", "vit", "config.json", {"auto_map": {"AutoConfig": "mine.Mine"}}),
        (
            "transformers",
            "vit",
            "tokenizer_config.json",
            {"auto_map": {"AutoTokenizer": ["mine.Mine", None]}},
        ),
        (
            "transformers",
            "vit",
            "preprocessor_config.json",
            {"auto_map": {"AutoImageProcessor": "mine.Mine"}},
        ),
    ],
)
def test_a_folder_that_names_code_of_its_own_is_refused_and_nothing_of_it_runs(
    good: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    source: str,
    file: str,
    change: dict[str, object],
) -> None:
    folder = hostile_copy(good / source, tmp_path / "model", file, change)
    monkeypatch.setattr(sys, "stdin", None)  # whoever asks there fails
    with pytest.raises(InputError, match="own classes are run"):
        load_model(f"{kind}:{folder}")
    assert not (tmp_path / "ran").exists()


def test_the_same_folders_without_it_are_loaded(good: Path) -> None:
    assert load_model(f"diffusers:{good / 'sd'}").name == "sd"
    assert load_model(f"transformers:{good / 'vit'}").name == "vit"


def test_a_part_behind_a_link_is_looked_at_too(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "config.json").write_text('{"auto_map": {"AutoModel": "mine.Mine"}}')
    (elsewhere / "round").symlink_to(tmp_path / "model")
    folder = tmp_path / "model"
    folder.mkdir()
    refuse_code("diffusers", folder, {})
    (folder / "text_encoder").symlink_to(elsewhere)
    with pytest.raises(InputError, match=r"'text_encoder/config\.json' names code of its own"):
        refuse_code("diffusers", folder, {})


@pytest.mark.parametrize(("kind", "source"), [("diffusers", "sd"), ("transformers", "vit")])
def test_who_asks_on_stdin_while_a_folder_is_opened_gets_no_answer(
    good: Path, monkeypatch: pytest.MonkeyPatch, kind: str, source: str
) -> None:
    import diffusers
    import transformers

    def asks(*_: object, **__: object) -> None:
        # As transformers does where trust_remote_code is not said.
        if input("Do you wish to run the custom code? [y/N]").lower() == "y":
            pytest.fail("the answer was read")

    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    for owner in (diffusers.DiffusionPipeline, transformers.AutoModelForImageTextToText):
        monkeypatch.setattr(owner, "from_pretrained", asks)
    with pytest.raises(InputError, match="cannot load it: EOFError"):
        load_model(f"{kind}:{good / source}")
    assert sys.stdin.read() == "y\n", "it is as it was afterwards"


@pytest.mark.parametrize(("kind", "source"), [("diffusers", "sd"), ("transformers", "vit")])
def test_every_call_of_a_library_says_that_no_code_is_to_be_run(
    good: Path, monkeypatch: pytest.MonkeyPatch, kind: str, source: str
) -> None:
    import diffusers
    import transformers

    said: list[object] = []
    for owner in (
        diffusers.DiffusionPipeline,
        transformers.AutoModelForImageTextToText,
        transformers.AutoImageProcessor,
        transformers.AutoTokenizer,
    ):
        real = owner.from_pretrained

        def noted(*given: object, real: object = real, **named: object) -> object:
            said.append((named.get("trust_remote_code"), named.get("local_files_only")))
            return real(*given, **named)  # type: ignore[operator]

        monkeypatch.setattr(owner, "from_pretrained", noted)
    load_model(f"{kind}:{good / source}")
    assert said
    assert set(said) == {(False, True)}


def test_pickled_weights_are_not_read(good: Path, tmp_path: Path) -> None:
    folder = hostile_copy(good / "vit", tmp_path / "model", "config.json", {})
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(InputError, match="transformers cannot load it"):
        load_model(f"transformers:{folder}")
    other = hostile_copy(good / "sd", tmp_path / "pipeline", "model_index.json", {})
    for path in (other / "unet").glob("*.safetensors"):
        path.unlink()
    bomb = pickle.dumps(Bomb(tmp_path / "ran"))
    (other / "unet" / "diffusion_pytorch_model.bin").write_bytes(bomb)
    with pytest.raises(InputError, match="diffusers cannot load it"):
        load_model(f"diffusers:{other}")
    assert not (tmp_path / "ran").exists()


class Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.marker,))


PIPELINE = """
import pathlib
from diffusers import StableDiffusionPipeline

pathlib.Path({marker!r}).write_text("ran")


class Mine(StableDiffusionPipeline):
    pass
"""
MODEL = """
import pathlib
from transformers import VisionEncoderDecoderConfig, VisionEncoderDecoderModel

pathlib.Path({marker!r}).write_text("ran")


class MineConfig(VisionEncoderDecoderConfig):
    model_type = "mine"


class Mine(VisionEncoderDecoderModel):
    config_class = MineConfig
"""


@pytest.fixture
def with_code(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, tuple[Path, str]]:
    """Folders whose class is their own code, as CXRMate's or Cheff's are; it leaves a mark."""
    import transformers.dynamic_module_utils as modules

    cache = tmp_path / "modules"
    cache.mkdir()
    monkeypatch.setattr(modules, "HF_MODULES_CACHE", str(cache))
    monkeypatch.setattr("diffusers.utils.dynamic_modules_utils.HF_MODULES_CACHE", str(cache))
    monkeypatch.setattr(sys, "path", list(sys.path))
    marker = str(tmp_path / "ran")
    sd = hostile_copy(
        good / "sd", tmp_path / "own-sd", "model_index.json", {"_class_name": ["own_sd", "Mine"]}
    )
    (sd / "own_sd.py").write_text(PIPELINE.format(marker=marker))
    classes = {"AutoConfig": "own_vit.MineConfig", "AutoModel": "own_vit.Mine"}
    vit = hostile_copy(
        good / "vit",
        tmp_path / "own-vit",
        "config.json",
        {"model_type": "mine", "auto_map": classes},
    )
    (vit / "own_vit.py").write_text(MODEL.format(marker=marker))
    return {"diffusers": (sd, "T->F"), "transformers": (vit, "F->T")}


@pytest.mark.parametrize("kind", ["diffusers", "transformers"])
def test_code_of_a_folder_runs_by_the_flag_only_and_the_result_says_so(
    with_code: dict[str, tuple[Path, str]], tmp_path: Path, kind: str
) -> None:
    folder, task = with_code[kind]
    run = ["run", "--task", task, "--limit", "2", "--model", f"{kind}:{folder}"]
    assert main([*run, "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "ran").exists()
    assert main([*run, "--out", str(tmp_path / "out"), "--trust-code"]) == 0
    assert (tmp_path / "ran").exists()
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["generation"]["trust_code"] is True
    assert (result["generation"].get("pipeline") or result["generation"]["model"]) == "Mine"


@pytest.mark.parametrize("name", ["org/sd", "org/sd@main", "org/sd@v1.0", "org/sd@0123456789"])
def test_of_the_hub_only_a_commit_is_trusted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked"))
    asked = ["run", "--task", "T->F", "--limit", "2", "--trust-code", "--model"]
    assert main([*asked, f"diffusers:{name}"]) == 2
    assert "the 40 hexadecimal digits of a commit" in capsys.readouterr().err


def test_code_comes_from_the_hub_with_the_flag_only(
    good: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[list[str]] = []

    def snapshot(name: str, *, revision: str, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns)
        return str(good / "sd")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    commit = "0123456789abcdef0123456789abcdef01234567"
    load_model(f"diffusers:org/sd@{commit}")
    load_model(f"diffusers:org/sd@{commit}", {"trust_code": True})
    assert ["*.py" in patterns for patterns in asked] == [False, True]


@pytest.mark.parametrize("model", ["codixr", "noise", "real"])
def test_the_flag_is_refused_where_no_code_comes_along(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--task", "T->F", "--limit", "2", "--model", model, "--trust-code"]) == 2
    assert "brings no code along" in capsys.readouterr().err


def test_the_flag_is_no_argument_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["run", "--task", "T->F", "--model", "diffusers:x", "--model-arg", "trust_code=true"]
    assert main(asked) == 2
    assert "write --trust-code" in capsys.readouterr().err
