"""A model given with ``--init`` that is gone, changed or damaged behind a training's back."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from codixr.commands.train import train
from codixr.errors import InputError
from codixr.model import components
from codixr.model.familiarity import FILE as FAMILIARITY
from codixr.model.mean_latent import FILE as MEAN
from codixr.training.brought import NOTE
from helpers.from_a_model import START, request


def run(base: Path, stage: str, **changes: object) -> list[Path]:
    """A stage that goes on in ``base/out`` from ``base/start``."""
    return train(request(base / "out", stage, base / "start", **changes))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``start``, a model, and ``out``, where one stage has gone on from it."""
    base = tmp_path_factory.mktemp("brought")
    shutil.copytree(START, base / "start")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODIXR_CACHE", str(base / "cache"))
        run(base, "report-ldm")
    return base


@pytest.fixture
def base(begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of both; its note names the copy's model."""
    monkeypatch.setenv("CODIXR_CACHE", str(begun / "cache"))
    for name in ("start", "out"):
        shutil.copytree(begun / name, tmp_path / name)
    note = json.loads((tmp_path / "out" / NOTE).read_text())
    note["init"] = str(tmp_path / "start")
    (tmp_path / "out" / NOTE).write_text(json.dumps(note))
    return tmp_path


def test_a_component_that_is_gone_is_not_made_anew_in_silence(base: Path) -> None:
    shutil.rmtree(base / "start" / "denoiser_l")
    with pytest.raises(InputError, match=r"--init .*start: its denoiser_l is gone since --out "):
        run(base, "image-ldm", view="L")
    assert not (base / "out" / "stages" / "image-ldm-L" / "done.json").exists()


def test_nor_one_of_a_folder_that_is_gone_whole(base: Path) -> None:
    shutil.rmtree(base / "start")
    note = json.loads((base / "out" / NOTE).read_text())
    del note["brings"]  # as in a folder that was begun before it was noted
    (base / "out" / NOTE).write_text(json.dumps(note))
    for stage, view in (("image-ldm", "L"), ("image-vae", None)):
        with pytest.raises(InputError, match=r"--init .*start: its \w+ is gone since --out "):
            run(base, stage, view=view)


def test_the_mean_latent_beside_a_denoiser_is_one_of_its_weights(base: Path) -> None:
    assert run(base, "alignment", pair="F+T") == [base / "out" / "model"]
    shutil.rmtree(base / "out" / "stages" / "alignment-F+T")
    path = base / "start" / "denoiser_f" / MEAN
    save_file({key: value + 3 for key, value in load_file(path).items()}, path)
    with pytest.raises(InputError, match="denoiser_f has changed since"):
        run(base, "alignment", pair="F+T")
    path.unlink()
    with pytest.raises(InputError, match="denoiser_f has changed since"):
        run(base, "alignment", pair="F+T")


@pytest.mark.parametrize("inside", ["", "model"])
def test_a_model_in_the_place_that_is_written_to_is_refused(
    base: Path, tmp_path: Path, inside: str
) -> None:
    out = tmp_path / "other"
    init = out / inside
    shutil.copytree(base / "start", init)
    kept = {path: path.read_bytes() for path in init.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"would be written over by --out .*: give another --out"):
        train(request(out, "report-ldm", init))
    assert {path: path.read_bytes() for path in kept} == kept


def test_a_model_elsewhere_in_the_folder_is_not(base: Path, tmp_path: Path) -> None:
    init = tmp_path / "other" / "start"
    shutil.copytree(base / "start", init)
    kept = {path: path.read_bytes() for path in init.rglob("*") if path.is_file()}
    assert train(request(init.parent, "report-ldm", init)) == [init.parent / "model"]
    assert {path: path.read_bytes() for path in kept} == kept


@pytest.mark.parametrize(
    "content",
    [None, "", "{", "[]", "\xff", '{"init": null}'],
    ids=["gone", "empty", "half", "list", "binary", "keys"],
)
def test_a_damaged_note_of_what_was_begun(base: Path, content: str | None) -> None:
    note = base / "out" / NOTE
    note.unlink()
    if content is not None:
        note.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=r"training\.json is missing or damaged"):
        run(base, "report-ldm")


def test_damaged_familiarity_of_the_start_reaches_no_model(base: Path) -> None:
    (base / "start" / FAMILIARITY).write_bytes(b"damaged")
    model = (base / "out" / "model" / FAMILIARITY).read_bytes()
    with pytest.raises(InputError, match=r"familiarity\.safetensors is damaged"):
        run(base, "alignment", pair="F+T")
    assert (base / "out" / "model" / FAMILIARITY).read_bytes() == model


def test_the_note_names_what_the_start_has_and_what_was_taken(base: Path) -> None:
    note = json.loads((base / "out" / NOTE).read_text())
    assert note["brings"] == list(components.BUILDERS)
    assert {"denoiser_t", "denoiser_f/mean_latent", "report_vae"} <= note["weights"].keys()
