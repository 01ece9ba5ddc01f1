"""``export``: a card that huggingface_hub reads back without loss; runs of wandb and mlflow."""

import contextlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from huggingface_hub.repocard_data import model_index_to_eval_results

from codixr_bench.cli import main
from codixr_bench.result import load_results
from codixr_bench.show.hub_card import hub_task, results_of
from codixr_bench.task import Task

ROWS = Path(__file__).parents[3] / "leaderboard" / "results"
FILES = sorted(path for path in ROWS.glob("phantom/*.json"))


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_there_are_rows_to_export():
    assert len(FILES) >= 5


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_a_card_is_read_back_as_the_same_results(file, capsys):
    assert main(["export", "hub", str(file), "--to", "model"]) == 0
    found = ModelCard.load(Path("model/README.md")).data.eval_results
    before = {result.task: result.to_json() for result in load_results(file)}
    assert {result.task: result.to_json() for result in results_of(found)} == before
    index = yaml.safe_load(Path("model/README.md").read_text().split("---")[1])["model-index"]
    _, parsed = model_index_to_eval_results(index)
    value = {(r.task, s.name): s.value for r in load_results(file) for s in r.scores}
    shown = {(one.dataset_config, one.metric_type): one.metric_value for one in parsed}
    assert shown == {key: v for key, v in value.items() if v is not None}


def test_a_run_with_nulls_and_settings_of_none_comes_back(capsys):
    words = ["run", "--task", "F->T", "--model", "noise", "--limit", "6", "--out", "run"]
    assert main(words) == 0
    content = json.loads(Path("run/result.json").read_text())
    content["generation"] |= {"guidance": None, "steps": 4}
    Path("run/result.json").write_text(json.dumps(content))
    (result,) = load_results(Path("run"))
    assert any(s.value is None or any(c.value is None for c in s.per_class.values())
               for s in result.scores)  # fmt: skip
    assert main(["export", "hub", "run", "--to", "model"]) == 0
    (back,) = results_of(ModelCard.load(Path("model/README.md")).data.eval_results)
    assert back.to_json() == result.to_json()


CARD = """---
license: mit
model-index:
- name: mine
  results:
  - task: {type: image-classification}
    dataset: {type: beans, name: Beans}
    metrics: [{type: accuracy, value: 0.9}]
---
# Mine

Words of my own.
"""


def test_a_card_of_ones_own_keeps_its_words_and_other_numbers(capsys):
    file = str(FILES[0])
    Path("model").mkdir()
    Path("model/README.md").write_text(CARD)
    for _ in range(2):  # the second time replaces, and adds nothing
        assert main(["export", "hub", file, "--to", "model"]) == 0
    card = ModelCard.load(Path("model/README.md"))
    assert (card.data.license, card.data.model_name) == ("mit", "mine")
    assert card.text.count("Words of my own.") == card.text.count("## Evaluation") == 1
    assert [e.metric_value for e in card.data.eval_results if e.dataset_type == "beans"] == [0.9]
    assert len(results_of(card.data.eval_results)) == len(load_results(Path(file)))


def test_an_edited_card_is_not_taken_for_a_result():
    main(["export", "hub", str(FILES[0]), "--to", "model"])
    found = ModelCard.load(Path("model/README.md")).data.eval_results
    found[0].metric_args["n"] = "many"
    with pytest.raises(Exception, match="was edited: it is no result any more"):
        results_of(found)


def test_eval_results_are_written_for_a_data_set_of_the_hub(capsys):
    words = ["export", "hub", str(FILES[0]), "--dataset", "org/bench", "--url", "https://x.org/a"]
    assert main(words) == 0
    content = yaml.safe_load(Path("hub/.eval_results/codixr.yaml").read_text())
    entries = parse_eval_result_entries(content)
    first = load_results(FILES[0])[0]
    score = next(s for s in first.scores if s.value is not None)
    assert (entries[0].dataset_id, entries[0].value) == ("org/bench", score.value)
    assert entries[0].task_id == f"{first.task}:{score.name}"
    assert entries[0].source_url == "https://x.org/a"


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("T->F", "text-to-image"),
        ("F->L", "image-to-image"),
        ("F+L->T", "image-to-text"),
        ("L+T->F", "image-text-to-image"),
        ("T->F+L", "text-to-image"),
        ("F->L+T", "any-to-any"),
    ],
)
def test_tasks_have_the_hub_s_names(task, name):
    assert hub_task(Task.parse(task)) == name


def test_a_run_of_wandb_gets_numbers_and_what_they_are_of(monkeypatch, capsys):
    made = []

    def init(**call):
        run = SimpleNamespace(id=f"r{len(made)}", summary={}, finish=lambda: None)
        made.append((call, run.summary))
        return run

    wandb = ModuleType("wandb")
    wandb.init = init
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    assert main(["export", "wandb", str(FILES[0]), "--project", "chest"]) == 0
    results = load_results(FILES[0])
    assert len(made) == len(results)
    for (call, summary), result in zip(made, results, strict=True):
        assert (call["project"], call["config"]["task"]) == ("chest", result.task)
        assert call["config"]["track/fingerprint"] == result.track.fingerprint
        for score in result.scores:
            if score.value is not None and score.ci95 is not None:
                name = score.name.replace("[", "/").replace("]", "")
                assert summary[name] == score.value
                assert (summary[f"{name}/low"], summary[f"{name}/high"]) == score.ci95
        assert all("[" not in name for name in summary)
    assert capsys.readouterr().out.startswith("wandb run r0: ")


def test_a_run_of_mlflow_gets_params_metrics_and_the_file(monkeypatch, capsys):
    seen = {}
    mlflow = ModuleType("mlflow")
    mlflow.set_experiment = lambda name: seen.update(experiment=name)

    @contextlib.contextmanager
    def start_run(run_name):
        seen["name"] = run_name
        yield SimpleNamespace(info=SimpleNamespace(run_id="abc"))

    mlflow.start_run = start_run
    mlflow.log_params = lambda params: seen.update(params=params)
    mlflow.log_metrics = lambda metrics: seen.update(metrics=metrics)
    mlflow.log_text = lambda text, name: seen.update({name: text})
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    assert main(["export", "mlflow", str(FILES[0]), "--json"]) == 0
    last = load_results(FILES[0])[-1]
    assert seen["experiment"] == "codixr"
    assert seen["params"]["task"] == last.task
    assert json.loads(seen["result.json"]) == last.content()
    assert set(map(type, seen["metrics"].values())) == {float}
    assert len(json.loads(capsys.readouterr().out)["made"]) == len(load_results(FILES[0]))


@pytest.mark.parametrize("place", ["wandb", "mlflow"])
def test_a_missing_library_is_one_line_that_names_the_extra(place, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, place, None)
    assert main(["export", place, str(FILES[0])]) == 2
    said = capsys.readouterr().err
    line = f"export {place} needs {place}: pip install 'codixr[{place}]'\n"
    assert said == f"codixr-bench: error: {line}"


def test_a_missing_library_of_the_core_is_no_extra_of_the_hub(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["export", "hub", str(FILES[0])]) == 2
    line = "codixr-bench export needs huggingface_hub, which this installation lacks: "
    assert capsys.readouterr().err == f"codixr-bench: error: {line}pip install codixr\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hub", "--project", "x"], "--project: doesn't go with export hub"),
        (["wandb", "--to", "x"], "--to: doesn't go with export wandb"),
        (["hub", "--url", "https://x.org"], "--url without --dataset"),
        (["hub", "--dataset", "x"], "write the hub's name, ORG/NAME"),
        (["hub", str(FILES[1])], "a model card is of one model, these are of"),
    ],
)
def test_what_does_not_go_together_is_refused(words, said, capsys):
    assert main(["export", words[0], str(FILES[0]), *words[1:]]) == 2
    assert said in capsys.readouterr().err
    assert not Path("hub").exists()
