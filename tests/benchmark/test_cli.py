"""The command line: what goes where, exit codes, and every bad input."""

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codixr import atomic
from codixr_bench.cli import CALLS_PLUG_INS, COMMANDS, main, parse, parser_of

BENCH = [sys.executable, "-m", "codixr_bench.cli"]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from codixr_bench.cli import main\n"
        "try:\n    main(['run', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pandas', 'pyarrow', 'rich', 'numpy', 'sklearn', 'pydantic', 'yaml'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_one_command_s_parser_imports_no_other_command() -> None:
    code = (
        "import sys\n"
        "from codixr_bench.cli import COMMANDS, parser_of\n"
        "parser_of(sys.argv[1])\n"
        "own = COMMANDS[sys.argv[1]][0]\n"
        "others = {module for module, _ in COMMANDS.values()} & set(sys.modules) - {own}\n"
        "print('OTHERS', sorted(others))\n"
    )
    for name in ("run", "submit", "label"):
        command = [sys.executable, "-c", code, name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "OTHERS []"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: codixr-bench {name} ")
    assert COMMANDS[name][1].split(",")[0] in " ".join(shown.split())


RUN = ["run", "--task", "F->T", "--model", "noise"]
BAD: dict[str, tuple[list[str], str]] = {
    "no command": ([], "no command: run · generate · score"),
    "unknown command": (["rnu"], "unknown command 'rnu'; did you mean 'run'?"),
    "unknown option": ([*RUN, "--stepz", "3"], "unrecognized arguments: --stepz 3"),
    "exchanged letters": (["lable"], "did you mean 'label'?"),
    "misspelt choice": (["table", "VI"], "'VI' is none of II, III, IV, V; did you mean IV?"),
    "misspelt device": ([*RUN, "--dtype", "flaot16"], "did you mean float16?"),
    "misspelt step": (["readers", "mkae", "r"], "did you mean make?"),
    "misspelt option": ([*RUN, "--limti", "3"], "--limti 3; did you mean --limit?"),
    "unknown module": (
        ["run", "--task", "F->T", "--model", "nowhere_at_all.model:Mine"],
        "no module named 'nowhere_at_all.model' here",
    ),
    "one score of a metric": (
        [*RUN, "--metrics", "bleu_1"],
        "'bleu_1' is one score of the metric 'bleu', which makes all of its scores at once",
    ),
    "abbreviated option": ([*RUN, "--lim", "3"], "unrecognized arguments: --lim 3"),
    "no task": (["run", "--model", "noise"], "required: --task"),
    "unknown task": (["run", "--task", "X->F", "--model", "noise"], "'X' is not a modality"),
    "unknown group": (["run", "--task", "papers", "--model", "noise"], "groups: paper, joint, all"),
    "copying": (["run", "--task", "T->T", "--model", "noise"], "inputs and outputs must differ"),
    "unquoted": (["run", "--task", "L+T-", "--model", "noise"], "quote it: --task 'L+T->F'"),
    "unknown model": (["run", "--task", "F->T", "--model", "noisy"], "did you mean 'noise'?"),
    "unknown track": ([*RUN, "--track", "phntom"], "did you mean 'phantom'?"),
    "unknown split": ([*RUN, "--split", "tset"], "track 'phantom' has no split 'tset'"),
    "unknown metric": ([*RUN, "--metrics", "bleau"], "on track 'phantom'; did you mean 'bleu'?"),
    "empty metrics": ([*RUN, "--metrics", ","], "--metrics names none"),
    "other metric": (
        [*RUN, "--metrics", "fid_phantom"],
        "'fid_phantom' for 'F->T' on track 'phantom'; known: ",
    ),
    "limit 0": ([*RUN, "--limit", "0"], "argument --limit: '0' is not a whole number of 1 or more"),
    "limit text": ([*RUN, "--limit", "all"], "'all' is not a whole number of 1 or more"),
    "negative seed": ([*RUN, "--seed", "-1"], "argument --seed"),
    "batch 0": ([*RUN, "--batch-size", "0"], "argument --batch-size"),
    "no data": ([*RUN, "--data", "/nowhere/at/all"], "'/nowhere/at/all' does not exist"),
    "pictures of openi": (
        ["run", "--task", "T->F", "--model", "noise", "--track", "openi"],
        "track 'openi' has no frontal pictures on this machine",
    ),
    "retrieval on openi": (
        ["run", "--task", "F->T", "--model", "retrieval", "--track", "openi"],
        "'retrieval' needs frontal pictures",
    ),
    "missing checkpoint": (
        ["run", "--task", "F->T", "--model", "codixr:/nowhere/at/all"],
        "/nowhere/at/all",
    ),
    "samples nowhere": (
        ["score", "--samples", "/nowhere/at/all", "--task", "F->T"],
        "'/nowhere/at/all' is not a folder",
    ),
    "samples of nothing": (["score", "--samples", "."], "holds no run of codixr-bench"),
    "samples of a group": (["score", "--samples", ".", "--task", "paper"], "'paper' is a group"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line_on_stderr_and_exit_code_2(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, expected = BAD[kind]
    code = main(arguments)
    shown = capsys.readouterr()
    assert code == 2
    assert shown.out == ""
    # A slow machine says that it loads.
    (line,) = [one for one in shown.err.splitlines() if ": loading " not in one]
    assert line.startswith("codixr-bench: error: ")
    assert expected in line
    assert list(tmp_path.iterdir()) == [], "nothing is written"


def test_an_output_folder_that_cannot_be_made_is_an_input_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main([*RUN, "--limit", "4", "--out", str(tmp_path / "file" / "x")]) == 2
    assert "is a file; give a folder" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    assert main([*RUN, "--limit", "4", "--out", str(tmp_path / "run")]) == 2
    assert "no space left for" in capsys.readouterr().err
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("command", ["tasks", "models", "metrics", "doctor"])
def test_listings_are_text_or_json_on_stdout(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command]) in (0, 1)
    assert capsys.readouterr().out
    assert main([command, "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)


def test_tasks_lists_the_papers_nine(capsys: pytest.CaptureFixture[str]) -> None:
    main(["tasks", "--json"])
    assert json.loads(capsys.readouterr().out)["paper"][2] == "L+T->F"


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("codixr-bench 0.")


@pytest.mark.parametrize("package", ["codixr_bench", "codixr"])
def test_both_packages_are_commands_of_python(package: str) -> None:
    command = [sys.executable, "-m", package, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{package.replace('_', '-')} 0.")


def test_a_score_is_asked_for_by_its_own_name_though_its_metric_is_not_the_tracks() -> None:
    from codixr_bench.task import Task
    from codixr_bench.track import Track

    found = Track.load("phantom").metrics(Task.parse("T->F"), ("fid_xrv",))
    assert [metric.name for metric in found] == ["fid_xrv"]


@pytest.mark.parametrize("command", sorted(CALLS_PLUG_INS))
def test_help_of_a_supervised_command_is_no_sudden_death(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "codixr_bench.cli", command, "--help"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: codixr-bench {command}")


def test_options_may_stand_between_files():
    for words in (["table", "II", "--own", "a", "b"], ["table", "--own", "II", "a", "b"]):
        _, parsed = parse(words)
        assert (parsed.table, parsed.own, [str(one) for one in parsed.results]) == (
            "II",
            True,
            ["a", "b"],
        )
    _, parsed = parse(["plot", "intervals", "a", "--score", "bleu_4", "b", "--to", "plot.svg"])
    assert len(parsed.files) == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_answers_in_json(name: str) -> None:
    assert "--json" in parser_of(name)._option_string_actions


def test_what_commands_write_is_told_in_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str, code: int = 0) -> dict[str, Any]:
        assert main([*arguments, "--json"]) == code
        content: dict[str, Any] = json.loads(capsys.readouterr().out)
        return content

    monkeypatch.chdir(tmp_path)
    made = told("generate", "--task", "F->T", "--model", "noise", "--limit", "3")
    folder = Path("runs/phantom-3/F-to-T/noise")
    assert made == {"task": "F->T", "folder": str(folder), "samples": 3}
    scored = told("run", "--task", "F->T", "--model", "noise", "--limit", "3", "--metrics", "bleu")
    score = next(s for s in scored["scores"] if s["name"] == "bleu_1")
    drawn = told("plot", "versions", str(folder), "--score", "bleu_1", "--to", "plot.svg")
    assert drawn["lines"] == [{"label": "noise 1", "value": score["value"], "ci95": score["ci95"]}]
    assert Path(drawn["file"]).is_file()
    (block, *_) = told("table", "IV", str(folder), "--own")
    assert block["rows"][0]["label"] == "noise"
    checked = told("verify", str(folder), code=1)
    assert (checked["checked"], checked["refused"]) == (1, 1)
    assert checked["files"][0]["says"].startswith("'runs/phantom-3/F-to-T/noise/result.json'")
    assert told("new-model", "told_model")["model"] == "told_model.model:ToldModel"
    Path("r.csv").write_text("report\nNo pneumothorax.\n\n")
    labelled = told("label", "r.csv", "--column", "report", "-o", "labels.csv")
    assert (labelled["file"], labelled["reports"]) == ("labels.csv", 1)


@pytest.mark.slow
def test_the_site_s_page_is_told_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = str(Path(__file__).parents[2] / "leaderboard" / "results")
    assert main(["site", results, str(tmp_path / "pages"), "--json"]) == 0
    assert Path(json.loads(capsys.readouterr().out)["index"]).is_file()


def test_the_gate_s_json_is_its_format_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "nowhere", "--against", "nowhere", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["verdict"] == "bad input"
    assert main(["check", "a", "--against", "b", "--json", "--format", "junit"]) == 2
    assert "not allowed with argument" in capsys.readouterr().err
