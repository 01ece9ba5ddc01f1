"""Model folders of strangers: no line of theirs is run, and no question is asked on stdin."""

import json
import sys
from pathlib import Path

import pytest

from codixr.errors import InputError
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
