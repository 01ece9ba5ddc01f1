"""What the documents say is true: commands parse and run, links lead somewhere, examples work."""

import importlib.util
import itertools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import codixr.cli
import codixr_bench.cli
from codixr_bench.task import parse_tasks

ROOT = Path(__file__).parent.parent
_found = importlib.util.spec_from_file_location("outputs", ROOT / "docs" / "outputs.py")
outputs = importlib.util.module_from_spec(_found)
_found.loader.exec_module(outputs)
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *(ROOT / area / "README.md" for area in ("benchmark", "leaderboard", "data_manifests")),
]
PARSE = {
    "codixr": lambda words: codixr.cli._parser().parse_args(words),
    "codixr-bench": lambda words: codixr_bench.cli.parse(words)[1],
}
RUNS_AT_ONCE = {("codixr-bench", "tasks"), ("codixr-bench", "models"), ("codixr-bench", "metrics")}
RUNS_AT_ONCE |= {("codixr", "info")}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(program: str | None = None) -> list[tuple[str, ...]]:
    """Every command line of ours in a bash block of a document, once."""
    lines = [
        line for page in PAGES for block in blocks(page, "bash") for line in block.splitlines()
    ]
    words = [command for line in lines for command in parts(shlex.split(line, comments=True))]
    names = set(PARSE) if program is None else {program}
    return sorted({line for line in words if line and line[0] in names})


def parts(words: list[str]) -> Iterator[tuple[str, ...]]:
    """The commands of a line, without what the shell does with them."""
    for between, group in itertools.groupby(
        words, lambda word: word in {"||", "&&", "|", ">", ";"}
    ):
        if not between:
            yield tuple(group)


@pytest.mark.parametrize("command", commands(), ids=shlex.join)
def test_every_command_in_the_documents_parses(command):
    parsed = PARSE[command[0]](command[1:])
    if task := getattr(parsed, "task", None):
        assert parse_tasks(task)


def test_the_documents_show_both_commands_and_the_main_job():
    main_job = "codixr-bench run --task 'L+T->F' --model codixr --limit 64"
    assert tuple(shlex.split(main_job)) in commands()
    assert {line[1] for line in commands("codixr")} >= {"generate", "info", "convert"}
    assert len(commands()) > 15


@pytest.mark.parametrize(
    "command",
    [line for line in commands() if line[:2] in RUNS_AT_ONCE and "--data" not in line],
    ids=shlex.join,
)
def test_the_cheap_commands_run(command, capsys):
    main = codixr.cli.main if command[0] == "codixr" else codixr_bench.cli.main
    assert main(command[1:]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_make_target_in_the_documents_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = "\n".join(block for page in PAGES for block in blocks(page, "bash"))
    named = set(re.findall(r"^make ([a-z-]+)", shown, re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_ci_runs_the_same_two_commands_as_a_person():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-2:] == ["make lint", "make test"]


def example(name: str) -> str:
    """The python block of CONTRIBUTING.md that defines ``name``, under thirty lines."""
    found = [b for b in blocks(ROOT / "CONTRIBUTING.md", "python") if f"class {name}" in b]
    assert len(found) == 1
    assert len(found[0].splitlines()) < 30
    return found[0]


def test_the_example_model_runs_as_it_is_written(tmp_path):
    (tmp_path / "my_model.py").write_text(example("GreyModel"))
    command = next(line for line in commands("codixr-bench") if "my_model:GreyModel" in line)
    done = subprocess.run(
        [sys.executable, "-m", "codixr_bench.cli", *command[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "bleu_4" in done.stdout
    assert len(list(tmp_path.glob("runs/phantom-*/F-to-T/grey/result.json"))) == 1


def test_the_readme_s_ten_lines_of_python_run(tmp_path, monkeypatch, capsys):
    (script,) = blocks(ROOT / "README.md", "python")
    assert len(script.splitlines()) == 10
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)  # the report's draw has no generator of its own
    exec(script, {})
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        f"frontal-{k}.png" for k in range(4)
    ]
    report = capsys.readouterr().out
    assert "large left pleural effusion" in report


def test_the_example_track_is_python():
    compile(example("ClinicDataset"), "CONTRIBUTING.md", "exec")


SHOWN = [(page, *block) for page in outputs.PAGES for block in outputs.shown(page)]


@pytest.mark.parametrize(
    ("page", "command", "text"),
    SHOWN,
    ids=[f"{page.name}: {command}" for page, command, _ in SHOWN],
)
def test_a_document_shows_what_the_command_prints(page, command, text):
    found = outputs.differences(text, outputs.printed(command))
    assert not found, f"{page.name}: make docs-outputs\n" + "\n".join(found)


def test_the_readme_shows_the_main_job_s_output():
    main_job = "codixr-bench run --task 'L+T->F' --model codixr --limit 64"
    assert main_job in [command for command, _ in outputs.shown(ROOT / "README.md")]


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("auroc  0.948  0.909 – 0.979", "auroc 0.949  0.909 – 0.979", True),
        ("auroc  0.948  0.909 – 0.979", "auroc  0.951  0.909 – 0.979", False),
        ("F1 .400 .875", "F1 .401 .875", True),
        ("F1 .400 .875", "F1 .40 .875", False),
        ("n 1,000", "n 1,001", False),
        ("fid 13.46", "fid 3.94", False),
        ("fid 13.46", "kid 13.46", False),
    ],
)
def test_only_the_last_decimal_of_a_number_may_differ(old, new, same):
    assert (outputs.differences(old, new) == []) is same
