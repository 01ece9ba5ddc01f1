"""`codixr train`: every stage from nothing to a folder that generates, and what it refuses."""

import json
import os
import platform
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from codixr.commands.train import Request, train
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import components
from codixr.model.familiarity import Familiarity
from codixr.model.pipeline import CoDiXRPipeline
from codixr.model.presets import TokenizerConfig
from codixr.model.tokenizer import load_tokenizers
from codixr.training.data import open_training_data
from codixr.training.export import export
from codixr.training.folder import MODEL_FIELDS, TrainingFolder
from codixr.training.model_card import settings
from codixr.training.recipes import TINY, recipe
from codixr.training.settings import override

QUICK = {
    "steps": "2",
    "batch": "4",
    "refine_steps": "0",
    "validate_every": "0",
    "tracker": "none",
}


def request(out: Path, stage: str = "all", **changes: object) -> Request:
    values: dict[str, object] = {"settings": QUICK, "limit": 12, "threads": 1}
    return Request(stage=stage, preset="tiny", data="phantom", out=out, **(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all stages were trained for two steps."""
    base = tmp_path_factory.mktemp("train")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODIXR_CACHE", str(base / "cache"))
        few = QUICK | {"vocabulary_texts": "300"}
        before = train(request(base / "run", settings=few))
        assert before == [base / "run" / "model"]
    return base / "run"


@pytest.fixture(autouse=True)
def _own_pictures(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODIXR_CACHE", str(run.parent / "cache"))


def state(run: Path, name: str) -> dict[str, torch.Tensor]:
    return components.load_component(components.load_preset(run), name, run).state_dict()


def test_all_stages_make_a_checkpoint_that_generates(run: Path) -> None:
    pipe = CoDiXRPipeline.from_pretrained(run / "model")
    result = pipe({"T": "large left pleural effusion."}, "F+L", num_inference_steps=2)
    assert set(result.images) == {Modality.F, Modality.L}
    assert np.asarray(result.images[Modality.F][0]).std() > 0
    card = (run / "model" / "README.md").read_text()
    assert f"| alignment-F+T | 2 x 4 | 1 x {os.cpu_count()} cores, {platform.machine()} |" in card
    assert "Trained on 12 studies by\n" in card
    for setting in QUICK.items():
        assert "--set {}={}".format(*setting) in card
    assert "--limit 12 \\\n" in card


def test_an_export_that_is_interrupted_leaves_the_older_model_whole(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    before = {path: path.read_bytes() for path in (run / "model").rglob("*") if path.is_file()}
    folder = TrainingFolder(run, "tiny", "phantom", open_training_data("phantom", 64, 12), 64)
    monkeypatch.setattr("codixr.training.export.measure_familiarity", stopped)
    with pytest.raises(KeyboardInterrupt):
        export(folder, run / "model")
    assert before == {p: p.read_bytes() for p in (run / "model").rglob("*") if p.is_file()}
    monkeypatch.undo()
    export(folder, run / "model")
    assert not list(run.glob("*.unfinished"))


def test_a_checkpoint_knows_its_pictures_by_both_encoders(run: Path) -> None:
    inside, out = (Familiarity.load(folder) for folder in (run / "model", run))
    assert inside is not None
    assert out is not None
    assert inside.error_limit == out.error_limit
    assert 0 < (inside.error_limit or 0) < 1
    assert inside.view_limits == out.view_limits
    assert inside.lateral is not None


def test_a_card_says_what_its_recipe_does_not(run: Path, tmp_path: Path) -> None:
    asked = {"precision": "bf16", "image-ldm.low_noise": "0.25", "alignment-F+T.seed": "3"}
    configs, _ = override(recipe("tiny"), asked, MODEL_FIELDS)
    done = {
        name: {"config": asdict(config), "data": {"studies": {"train": 8000}}}
        for name, config in configs.items()
    }
    folder = TrainingFolder(run, "tiny", "phantom", open_training_data("phantom", 64, 12), 64)
    assert sorted(settings(folder, done)) == [
        "alignment-F+T.seed=3",
        "image-ldm-F.low_noise=0.25",
        "image-ldm-L.low_noise=0.25",
        "precision=bf16",
    ]
    del done["image-ldm-F"]["config"]["low_noise"]  # from before there was one: its default
    assert "image-ldm-F.low_noise=0.0" in settings(folder, done)


def test_the_resolved_config_and_the_cost_stand_beside_the_weights(run: Path) -> None:
    config = json.loads((run / "stages" / "image-ldm-F" / "config.json").read_text())
    assert (config["steps"], config["condition_mix"], config["learning_rate"]) == (
        2,
        "all-subsets",
        1e-3,
    )
    done = json.loads((run / "stages" / "image-ldm-F" / "done.json").read_text())
    assert done["processes"] == 1
    assert set(done["inputs"]) == {"image_vae", "prompt_encoder"}
    assert done["cpu_seconds"] > 0


def test_samples_of_every_stage_lie_in_the_folder(run: Path) -> None:
    found = {path.relative_to(run / "samples").as_posix() for path in run.glob("samples/*/*")}
    assert found == {
        "image-vae/step-00000002.png",
        "report-vae/step-00000002.txt",
        "image-ldm-F/step-00000002.png",
        "image-ldm-L/step-00000002.png",
        "report-ldm/step-00000002.txt",
        "alignment-F+L/step-00000002.png",
        "alignment-F+T/step-00000002.png",
        "alignment-F+T/step-00000002.txt",
    }
    with PILImage.open(run / "samples" / "alignment-F+L" / "step-00000002.png") as sheet:
        assert sheet.size == (8 * 64, 4 * 64)
    text = (run / "samples" / "report-ldm" / "step-00000002.txt").read_text()
    assert text.count("study: ") == text.count("model: ") == 8


def test_a_finished_stage_is_left_alone(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = run / "denoiser_t" / "environment" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    train(request(run, "alignment", pair="F+T"))
    assert "alignment-F+T: finished already (2 steps)" in capsys.readouterr().err
    assert weights.stat().st_mtime_ns == before


@pytest.mark.slow
def test_alignment_of_f_and_t_trains_the_environment_parts_of_t_only(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"denoiser_{m}" for m in "flt"]
    before = {name: state(run, name) for name in names}
    (run / "stages" / "alignment-F+T" / "done.json").unlink()
    for path in (run / "stages" / "alignment-F+T" / "checkpoints").iterdir():
        path.unlink()
    train(request(run, "alignment", pair="F+T"))
    changed = {
        (name, key.split(".")[0])
        for name in names
        for key, weight in state(run, name).items()
        if not torch.equal(weight, before[name][key])
    }
    assert changed == {("denoiser_t", "environment")}


def test_without_a_cache_the_loss_is_the_same(run: Path) -> None:
    from codixr.training.data import open_training_data
    from codixr.training.draw import Draw
    from codixr.training.folder import TrainingFolder
    from codixr.training.stages import build

    folder = TrainingFolder(run, "tiny", "phantom", open_training_data("phantom", 64, 12), 64)
    losses = []
    none = dict.fromkeys(("wordings", "looks", "rewritings"), "0")
    for cache in ("true", "false"):
        configs, _ = override(TINY, QUICK | {"cache": cache} | none, frozenset())
        for name in ("image-ldm-F", "report-ldm"):
            stage = build(folder, name, configs[name])
            batch = stage.fetch(torch.arange(4), "train")
            losses.append(stage(batch, Draw(0, 0, 4), 0)["loss"].item())
    assert losses[:2] == pytest.approx(losses[2:], rel=1e-4)


def test_the_wording_stage_replaces_the_text_tower_and_its_tokenizer_alone(run: Path) -> None:
    later = run / "teachers" / "prompt-lexicon"
    preset = components.load_preset(later)
    teacher = run / "stages" / "prompt-wording" / "teacher"
    before = components.load_preset(teacher)
    old = components.load_component(before, "prompt_encoder", teacher).state_dict()
    new = state(later, "prompt_encoder")
    vision = [key for key in old if key.startswith("vision.")]
    assert vision
    assert all(old[key].shape == new[key].shape for key in vision)
    assert preset.tokenizers.folders() == ("prompt_tokenizer", "tokenizer", "tokenizer")
    assert before.tokenizers.prompt == "tokenizer"
    assert preset.prompt.text["vocab_size"] > before.prompt.text["vocab_size"]
    assert replace(preset, prompt=before.prompt, tokenizers=before.tokenizers) == replace(
        before, image_vae=preset.image_vae
    )


def test_the_details_are_learnt_by_the_vision_tower_alone(run: Path) -> None:
    newest = max((run / "stages" / "prompt-wording" / "checkpoints").glob("step-*.pt"))
    worded = torch.load(newest, weights_only=True)["averaged"]
    text = {name.removeprefix("encoder."): value for name, value in worded.items()}
    now = state(run / "teachers" / "prompt-lexicon", "prompt_encoder")
    assert {name.split(".")[0] for name in text} == {"text"}
    assert all(torch.equal(now[name], value) for name, value in text.items())
    teacher = run / "stages" / "prompt-wording" / "teacher"
    old = components.load_component(components.load_preset(teacher), "prompt_encoder", teacher)
    assert not torch.equal(
        now["vision.visual_projection.weight"], old.state_dict()["vision.visual_projection.weight"]
    )


def test_the_lexicon_s_lesson_begins_as_its_teacher_and_leaves_the_vision_tower(run: Path) -> None:
    teacher = run / "teachers" / "prompt-lexicon"
    before, now = state(teacher, "prompt_encoder"), state(run, "prompt_encoder")
    own = TokenizerConfig(*["prompt_tokenizer"] * 3)
    vocabularies = [load_tokenizers(own, folder).prompt.get_vocab() for folder in (teacher, run)]
    assert "hydrothorax" not in vocabularies[0]
    assert "hydrothorax" in vocabularies[1]
    for name, weight in now.items():
        if name.startswith("vision."):
            assert torch.equal(weight, before[name]), name
        elif "token_embedding" not in name:  # two steps away from the teacher's
            torch.testing.assert_close(weight, before[name], rtol=0, atol=0.01)
    words = "text.text_model.embeddings.token_embedding.weight"
    heart = [vocabulary["effusion"] for vocabulary in vocabularies]
    torch.testing.assert_close(now[words][heart[1]], before[words][heart[0]], rtol=0, atol=0.01)


def test_what_was_trained_with_the_tower_before_the_lexicon_s_lesson_stays_finished(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = json.loads((run / "stages" / "prompt-lexicon" / "done.json").read_text())
    before = json.loads((run / "stages" / "report-ldm" / "done.json").read_text())
    assert done["replaces"]["prompt_encoder"] == before["inputs"]["prompt_encoder"]
    train(request(run, "report-ldm"))
    assert "report-ldm: finished already" in capsys.readouterr().err
    out = tmp_path / "again"
    shutil.copytree(run, out)
    shutil.rmtree(out / "stages" / "prompt-lexicon")
    with pytest.raises(InputError, match="report-ldm was trained with another prompt_encoder"):
        train(request(out, "report-ldm"))
    few = QUICK | {"vocabulary_texts": "300"}
    train(request(out, "prompt-lexicon", settings=few))  # of the teacher that was kept
    again = json.loads((out / "stages" / "prompt-lexicon" / "done.json").read_text())
    assert again["makes"] == done["makes"]
    shutil.rmtree(out / "stages" / "prompt-lexicon")
    shutil.rmtree(out / "teachers")
    for _ in range(2):
        with pytest.raises(InputError, match=r"image-ldm-F, .* were trained with another"):
            train(request(out, "prompt-lexicon", settings=few))
    assert not (out / "teachers").exists()


@pytest.mark.parametrize("first", [0, 1])
def test_a_tower_that_is_trained_anew_is_not_the_one_that_the_denoisers_knew(
    run: Path, tmp_path: Path, first: int
) -> None:
    out = tmp_path / "anew"
    shutil.copytree(run, out)
    for stage in ("prompt-wording", "prompt-details", "prompt-lexicon")[first:]:
        shutil.rmtree(out / "stages" / stage)
    told = "prompt-details would train prompt_encoder before image-ldm-F, .*were trained with it"
    with pytest.raises(InputError, match=told):
        train(request(out))


def test_a_damaged_note_of_a_stage_is_named(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "damaged"
    shutil.copytree(run, out)
    note = out / "stages" / "prompt-lexicon" / "done.json"
    note.write_text(note.read_text()[:40])
    with pytest.raises(InputError, match=r"prompt-lexicon.done\.json is damaged or cut short"):
        train(request(out, "prompt-lexicon"))


def test_a_text_is_taught_the_teacher_s_vector_of_the_whole_report(run: Path) -> None:
    from codixr.data.phantom.grammar import write_report
    from codixr.data.phantom.wording import case_of, sample_meaning
    from codixr.training.data import open_training_data
    from codixr.training.draw import Draw
    from codixr.training.folder import TrainingFolder
    from codixr.training.stages import build

    few = QUICK | {"vocabulary_texts": "300"}
    configs, _ = override({"prompt-wording": TINY["prompt-wording"]}, few, frozenset())
    folder = TrainingFolder(run, "tiny", "phantom", open_training_data("phantom", 64, 12), 64)
    stage = build(folder, "prompt-wording", configs["prompt-wording"])
    texts, wanted = stage.texts([3] * 40, list(range(40)), "train")
    own = folder.studies("train").reports[3]
    assert {own} < set(texts)
    taught = stage._taught([own], torch.device("cpu"))[0]
    torch.testing.assert_close(wanted[texts.index(own)], taught)
    rng = stage._stream(5, "train")
    whole = write_report(case_of(sample_meaning(rng), rng), rng)
    taught = torch.from_numpy(stage.targets["train"][12 + 5])
    torch.testing.assert_close(taught, stage._taught([whole], torch.device("cpu"))[0])
    batch = stage.fetch(torch.arange(4), "train")
    losses = [stage(batch, Draw(0, step, 4), step)["loss"].item() for step in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("name", ["prompt-encoders", "report-vae", "image-ldm-F", "alignment-F+L"])
def test_gradient_checkpointing_changes_no_gradient(run: Path, name: str) -> None:
    from codixr.training.data import open_training_data
    from codixr.training.draw import Draw
    from codixr.training.folder import TrainingFolder
    from codixr.training.memory import checkpoint_gradients
    from codixr.training.stages import build

    configs, _ = override(TINY, QUICK, frozenset())
    gradients = []
    for checkpointed in (False, True):
        folder = TrainingFolder(run, "tiny", "phantom", open_training_data("phantom", 64, 12), 64)
        stage = build(folder, name, configs[name]).train()
        if checkpointed:
            checkpoint_gradients(stage)
        stage(stage.fetch(torch.arange(4), "train"), Draw(0, 0, 4), 0)["loss"].backward()
        found = [p.grad.flatten() for p in stage.parameters() if p.grad is not None]
        gradients.append(torch.cat(found))
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)
    assert gradients[0].abs().sum() > 0


def test_caches_of_older_weights_are_replaced(run: Path) -> None:
    from codixr.training.cache import frozen_table
    from codixr.training.disk import ALONE

    calls = []

    def compute(rows: slice) -> torch.Tensor:
        calls.append(rows)
        return torch.full((rows.stop - rows.start, 2), float(len(calls)))

    folder = run.parent / "tables"
    first = frozen_table(folder, "prompt-F-train", {"weights": "a"}, 5, 2, compute, ALONE)
    assert first.shape == (5, 2)
    count = len(calls)
    again = frozen_table(folder, "prompt-F-train", {"weights": "a"}, 5, 2, compute, ALONE)
    assert len(calls) == count
    assert np.array_equal(first, again)
    other = frozen_table(folder, "prompt-F-train", {"weights": "b"}, 5, 2, compute, ALONE)
    assert len(calls) > count
    assert not np.array_equal(first, other)
    assert len(list(folder.iterdir())) == 1


@pytest.mark.slow
def test_an_ablations_folder_starts_from_the_parts_of_another(run: Path) -> None:
    out = run.parent / "tokens"
    settings = QUICK | {"condition_fusion": "tokens"}
    train(request(out, "image-ldm", view="F", init=run, settings=settings))
    assert components.load_preset(out).diffusion.condition_fusion == "tokens"
    for key, weight in state(out, "prompt_encoder").items():
        assert torch.equal(weight, state(run, "prompt_encoder")[key])
    with pytest.raises(InputError, match=r"condition_fusion: .* has tokens, the command says mean"):
        train(request(out, "image-ldm", settings=QUICK | {"condition_fusion": "mean"}))


def test_a_folder_of_other_data_is_refused(run: Path) -> None:
    with pytest.raises(InputError, match="was begun with data phantom"):
        train(request(run, "report-ldm", limit=13))


def test_a_finished_stage_with_other_numbers_is_refused(run: Path) -> None:
    with pytest.raises(InputError, match="finished, with batch 4, and the command says 6"):
        train(request(run, "report-ldm", settings=QUICK | {"batch": "6"}))


def test_all_refuses_other_numbers_before_an_unfinished_stage_changes_the_folder(
    run: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(run, tmp_path / "older"))
    for path in (out / "stages").iterdir():  # but for these none was trained with the encoder
        if path.name not in ("image-vae", "prompt-encoders", "prompt-wording", "report-vae"):
            shutil.rmtree(path)
    before = state(out, "prompt_encoder")
    with pytest.raises(InputError, match=r"report-vae is finished, with variants 8, and .* says 2"):
        train(request(out, settings=QUICK | {"vocabulary_texts": "300", "variants": "2"}))
    assert not (out / "stages" / "prompt-details").exists()
    after = state(out, "prompt_encoder")
    assert all(torch.equal(after[name], value) for name, value in before.items())
