"""`codixr train STAGE --init MODEL`: one stage more gives a finished model, if it fits together."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from codixr.commands.train import train
from codixr.errors import InputError
from codixr.model import components
from codixr.model.familiarity import FILE
from codixr.model.pipeline import CoDiXRPipeline
from codixr.training.cache import hash_weights
from helpers.from_a_model import QUICK, START, request

WORDS = QUICK | {"vocabulary_texts": "300"}


def state(folder: Path, name: str) -> dict[str, torch.Tensor]:
    preset = components.load_preset(folder)
    return components.load_component(preset, name, folder).state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the embedded model learnt a little: words, reports, and to join them."""
    base = tmp_path_factory.mktemp("from-a-model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODIXR_CACHE", str(base / "cache"))
        assert train(request(base / "out", "prompt-lexicon", settings=WORDS)) == [
            base / "out" / "model"
        ]
        shutil.copytree(base / "out" / "model", base / "words")
        train(request(base / "out", "report-ldm"))
        train(request(base / "out", "alignment", pair="F+T"))  # F+L's came with the model
    return base / "out"


@pytest.fixture(autouse=True)
def _own_pictures(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODIXR_CACHE", str(out.parent / "cache"))


def test_what_a_stage_does_not_train_is_that_of_the_model_it_begins_with(out: Path) -> None:
    words = out.parent / "words"
    for name in ("image_vae", "denoiser_f", "denoiser_l", "denoiser_t", "report_vae"):
        assert same(state(words, name), state(START, name)), name
    tower = "text.text_model.encoder.layers.0.mlp.fc1.weight"
    towers = [state(folder, "prompt_encoder")[tower] for folder in (words, START)]
    assert not torch.equal(*towers)
    assert (words / FILE).read_bytes() == (START / FILE).read_bytes()
    pipe = CoDiXRPipeline.from_pretrained(words)
    assert pipe({"T": "No pneumothorax."}, "F", num_inference_steps=1).images["F"]


def test_a_second_stage_has_what_the_first_one_made_and_the_card_names_both(out: Path) -> None:
    note = json.loads((out / "stages" / "report-ldm" / "done.json").read_text())
    tower = components.load_component(components.load_preset(out), "prompt_encoder", out)
    assert note["inputs"]["prompt_encoder"] == hash_weights(tower)
    model, words = out / "model", out.parent / "words"
    assert same(state(model, "prompt_encoder"), state(words, "prompt_encoder"))
    assert not same(state(model, "denoiser_t"), state(START, "denoiser_t"))
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "codixr train prompt-lexicon --preset tiny" in card
    assert "codixr train report-ldm --preset tiny" in card
    assert "codixr train alignment --pair F+T --preset tiny" in card
    assert card.count("--init CHECKPOINT") == card.count("--limit 12 ") == 3
    lexicon, *others = card.split("codixr train ")[1:]  # in the order in which they were run
    assert lexicon.startswith("prompt-lexicon ")
    assert "--set vocabulary_texts=300" in lexicon
    assert all("vocabulary_texts" not in other for other in others)
    assert [other.split()[0] for other in others] == ["report-ldm", "alignment"]
    assert "train all" not in card


def test_alignment_alone_is_in_the_model_that_it_gives(tmp_path: Path) -> None:
    out = tmp_path / "aligned"
    assert train(request(out, "alignment", pair="F+L")) == [out / "model"]
    for name in ("denoiser_f", "denoiser_l"):
        now, before = state(out / "model", name), state(START, name)
        changed = [key for key in now if not torch.equal(now[key], before[key])]
        assert changed, name
        assert all(key.startswith("environment") for key in changed), changed


def test_a_stage_whose_note_was_removed_begins_with_the_model_s_weights_again(
    out: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    shutil.copytree(out, again)
    for stage in ("report-ldm", "alignment-F+T"):
        shutil.rmtree(again / "stages" / stage)
    train(request(again, "report-ldm"))
    train(request(again, "alignment", pair="F+T"))
    assert same(state(again, "denoiser_t"), state(out, "denoiser_t"))
    assert same(state(again, "denoiser_f"), state(out, "denoiser_f"))


def test_a_component_that_was_copied_in_part_is_read_from_the_model(
    out: Path, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    shutil.copytree(out, killed)
    shutil.rmtree(killed / "model")
    shutil.rmtree(killed / "report_vae" / "latent")
    assert train(request(killed, "report-ldm")) == [killed / "model"]
    assert same(state(killed / "model", "report_vae"), state(START, "report_vae"))


def test_a_new_autoencoder_makes_no_finished_model_with_the_denoisers_of_another(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "latents"
    assert train(request(other, "image-vae")) == [other]
    assert not (other / "model").exists()
    older = tmp_path / "older"
    shutil.copytree(out, older)
    for stage in ("report-ldm", "alignment-F+T"):
        shutil.rmtree(older / "stages" / stage)
    assert train(request(older, "image-vae")) == [older]
    told = capsys.readouterr().err
    assert "stays as it was: denoiser_f, denoiser_l, denoiser_t of --init" in told
    assert "don't know what image-vae made" in told


@pytest.mark.parametrize(
    ("stage", "view", "part", "later"),
    [
        ("prompt-encoders", None, "prompt_encoder", "prompt-lexicon"),
        ("prompt-details", None, "prompt_encoder", "prompt-lexicon"),
        ("report-ldm", None, "denoiser_t", "alignment-F+T"),
    ],
)
def test_a_stage_does_not_make_anew_what_a_finished_one_has_changed(
    out: Path, tmp_path: Path, stage: str, view: str | None, part: str, later: str
) -> None:
    other = tmp_path / "other"
    shutil.copytree(out, other)
    shutil.rmtree(other / "stages" / stage, ignore_errors=True)
    before = state(other, part)
    kept = sorted(other.glob("stages/*/done.json"))
    with pytest.raises(InputError, match=f"before {later.replace('+', '.')}, which has"):
        train(request(other, stage, view=view))
    assert same(state(other, part), before)
    assert sorted(other.glob("stages/*/done.json")) == kept


@pytest.mark.parametrize(
    ("stage", "which", "part", "later"),
    [
        ("image-vae", {}, "image_vae", "alignment-F+T"),
        ("all", {}, "image_vae", "alignment-F+T"),
        ("report-vae", {}, "report_vae", "report-ldm, alignment-F+T"),
        ("image-ldm", {"view": "F"}, "denoiser_f", "alignment-F+T"),
        ("alignment", {"pair": "F+L"}, "denoiser_f", "alignment-F+T"),
    ],
)
def test_nor_what_a_finished_one_was_trained_with(
    out: Path, tmp_path: Path, stage: str, which: dict[str, str], part: str, later: str
) -> None:
    other = tmp_path / "other"
    shutil.copytree(out, other)
    kept = sorted(other.glob("stages/*/done.json"))
    told = rf"{part} before {later.replace('+', '.')}, which (was|were) trained with it"
    with pytest.raises(InputError, match=told):
        train(request(other, stage, **which))
    assert sorted(other.glob("stages/*/done.json")) == kept


def test_what_nothing_finished_builds_on_may_be_trained(out: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(out, other)
    assert train(request(other, "image-ldm", view="L")) == [other / "model"]


def test_a_model_whose_start_is_gone_stays_as_it_was_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, made = tmp_path / "start", tmp_path / "made"
    shutil.copytree(START, start)
    assert train(request(made, "prompt-lexicon", start, settings=WORDS)) == [made / "model"]
    shutil.rmtree(start)
    train(request(made, "prompt-lexicon", start, settings=WORDS))
    assert "stays as it was: neither it nor --init" in capsys.readouterr().err


def test_a_finished_stage_needs_no_tracker(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accelerate.tracking.get_available_trackers", lambda: ["tensorboard"])
    wandb = QUICK | {"tracker": "wandb"}
    assert train(request(out, "report-ldm", settings=wandb)) == [out / "model"]
    with pytest.raises(InputError, match="image-ldm-L: tracker wandb is not installed"):
        train(request(out, "image-ldm", view="L", settings=wandb))


def other_weights(folder: Path, name: str) -> None:
    """A component that someone trained on, in the place of the one that was there."""
    module = components.load_component(components.load_preset(folder), name, folder)
    with torch.no_grad():
        next(module.parameters()).add_(0.01)
    components.save_component(module, folder / name)


def test_a_model_to_begin_with_that_changes_under_a_run_is_refused(tmp_path: Path) -> None:
    start, made = tmp_path / "start", tmp_path / "made"
    shutil.copytree(START, start)
    train(request(made, "prompt-lexicon", start, settings=WORDS))
    kept = {path: path.read_bytes() for path in made.glob("model/*/*.safetensors")}
    for part, stage in (("image_vae", "alignment"), ("denoiser_t", "report-ldm")):
        other_weights(start, part)
        with pytest.raises(InputError, match=rf"{part} has changed since --out .*made took it"):
            train(request(made, stage, start, pair="F+T" if stage == "alignment" else None))
        shutil.copytree(START / part, start / part, dirs_exist_ok=True)
    assert {path: path.read_bytes() for path in made.glob("model/*/*.safetensors")} == kept
    assert train(request(made, "report-ldm", start)) == [made / "model"]


def test_of_a_folder_from_nothing_no_stage_speaks_of_its_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "nothing"
    (folder / "model").mkdir(parents=True)
    assert train(request(folder, "image-vae", None)) == [folder]
    assert "stays as it was" not in capsys.readouterr().err
