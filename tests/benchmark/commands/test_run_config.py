"""``run --config``, the YAML that a result prints, and ``run --dry-run``."""

import json
from pathlib import Path

import pytest
import yaml

from codixr_bench.cli import main, parse
from codixr_bench.result import Result

NOISE = ["run", "--task", "T->F", "--model", "noise", "--limit", "12"]


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(**content: object) -> str:
    Path("run.yaml").write_text(yaml.safe_dump(content))
    return "run.yaml"


def test_a_file_gives_options_and_the_command_line_wins():
    name = written(task="T->F", model="noise", limit=5, samples_per_study=2, overwrite=True)
    _, parsed = parse(["run", "--config", name, "--limit", "7"])
    assert (parsed.task, parsed.model, parsed.limit) == ("T->F", "noise", 7)
    assert (parsed.samples_per_study, parsed.overwrite, parsed.json) == (2, True, False)
    _, parsed = parse(["run", f"--config={written(task='T->F', model='a', metrics=['x', 'y'])}"])
    assert parsed.metrics == "x,y"


BAD = {
    "unknown option": ({"limti": 3}, "unknown option 'limti' in 'run.yaml'; did you mean 'limit'?"),
    "wrong value": ({"limit": "many"}, "'run.yaml', limit: 'many' is not a whole number"),
    "no flag": ({"overwrite": "yes please"}, "'run.yaml', overwrite: write true or false"),
    "a mapping": ({"task": {"in": "F"}}, "'run.yaml', task: write a text or a number"),
    "a file in a file": ({"config": "other.yaml"}, "unknown option 'config' in 'run.yaml'"),
    "nothing": ({}, "write a line an option"),
    "no model": ({"task": "T->F"}, "required: --model"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_wrong_file_is_one_line_that_names_it(kind, capsys):
    content, expected = BAD[kind]
    assert main(["run", "--config", written(**content)]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1


def test_a_file_that_is_no_yaml_is_named_with_its_line(capsys):
    Path("run.yaml").write_text("task: T->F\n  x: [\n")
    assert main(["run", "--config", "run.yaml"]) == 2
    assert "'run.yaml', line 2: not YAML" in capsys.readouterr().err
    assert main(["run", "--config", "nowhere.yaml"]) == 2
    assert "'nowhere.yaml' cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--metrics", "fid_phantom", "--seed", "3"],
        ["--metrics", "bleu,rouge", "--task", "F->T", "--samples-per-study", "2"],
        ["--task", "F->T", "--labeler", "chexpert-clinical"],
    ],
    ids=lambda options: options[1],
)
def test_a_result_prints_the_run_that_makes_it_again(options, capsys):
    assert main([*NOISE, *options, "--out", "a"]) == 0
    capsys.readouterr()
    assert main(["show", "a", "--config"]) == 0
    Path("run.yaml").write_text(capsys.readouterr().out)
    assert main(["run", "--config", "run.yaml", "--out", "b"]) == 0
    first, second = (Result.load(Path(name)) for name in "ab")
    assert first.content(timings=False) == second.content(timings=False)


def test_samples_of_another_program_have_no_run_to_print(capsys):
    Path("mine").mkdir()
    lines = [f"{position},No finding." for position in range(4)]
    Path("mine/reports.csv").write_text("\n".join(["position,report", *lines]))
    words = ["score", "--samples", "mine", "--task", "F->T", "--limit", "4", "--out", "a"]
    assert main(words) == 0
    capsys.readouterr()
    assert main(["show", "a", "--config"]) == 2
    assert "made by another program" in capsys.readouterr().err


def test_a_dry_run_writes_nothing_and_counts_what_is_there(workplace, capsys):
    words = [*NOISE, "--metrics", "fid_phantom", "--chunk-size", "5", "--out", "a"]
    assert main([*words, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert list(workplace.iterdir()) == []
    assert (plan["samples"], plan["kept"], plan["metrics"]) == (12, 0, ["fid_phantom"])
    assert plan["has_result"] is False
    assert main(words) == 0
    size = sum(path.stat().st_size for path in Path("a/samples").glob("chunk-*"))
    # A file's own frame is counted with the few that are tried.
    assert plan["bytes"] == pytest.approx(size, rel=0.25)
    Path("a/samples/chunk-00001.parquet").unlink()
    capsys.readouterr()
    assert main([*words, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "5 samples of 12 studies to make, 7 are there" in shown
    assert "replaces the result in a" in shown


def test_a_dry_run_refuses_what_the_run_would(capsys):
    assert main([*NOISE, "--metrics", "fid_phantom", "--out", "a"]) == 0
    capsys.readouterr()
    other = [*NOISE, "--metrics", "fid_phantom", "--out", "a", "--seed", "1"]
    assert main([*other, "--dry-run"]) == 2
    assert "holds another run (seed: 0 → 1)" in capsys.readouterr().err
    assert main([*other, "--dry-run", "--overwrite"]) == 0
