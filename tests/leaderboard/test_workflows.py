"""The workflows: what they may do, what they run, and a request emulated from beginning to end.

They run on the platform alone. Here their files are read, each command is held against the
program's parsers, and the check's own step runs in a fresh clone as the platform would run it.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import codixr.cli
import codixr_bench.cli
from helpers.request_repo import Repo, row

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
FILES = sorted([*GITHUB.glob("workflows/*.yml"), *GITHUB.glob("actions/*/action.yml")])
WORKFLOWS = [path for path in FILES if path.parent.name == "workflows"]
Step = dict[str, object]


def content(name: str) -> dict:
    return yaml.safe_load((GITHUB / "workflows" / f"{name}.yml").read_text())


def steps(path: Path) -> list[Step]:
    found = yaml.safe_load(path.read_text())
    jobs = found["jobs"].values() if "jobs" in found else [found["runs"]]
    return [step for job in jobs for step in job["steps"]]


def scripts(path: Path) -> list[str]:
    return [str(step["run"]) for step in steps(path) if "run" in step]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name + "/" + path.name)
def test_a_script_is_bash_and_nothing_of_an_event_is_written_into_it(path: Path) -> None:
    for script in scripts(path):
        assert "${{" not in script, "an expression's text would be run: hand it over by env"
        subprocess.run(["bash", "-n", "-c", script], check=True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_asks_for_what_it_needs_and_no_more(path: Path) -> None:
    text = path.read_text()
    found = yaml.safe_load(text)
    assert not re.search(r"\$\{\{[^}]*secrets\.", text)
    assert found["permissions"].get("contents") == "read"
    may_write = {r for r, how in found["permissions"].items() if how == "write"}
    assert may_write <= ({"pull-requests"} if path.name == "submission-comment.yml" else set())
    for job in found["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            if str(step.get("uses", "")).startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_the_required_check_reads_a_request_and_never_takes_it_out() -> None:
    found = content("submission")
    assert found["permissions"] == {"contents": "read"}
    # PyYAML reads the key `on` as True.
    assert list(found[True]) == ["pull_request_target"]
    (job,) = found["jobs"].values()
    assert "permissions" not in job
    (checkout,) = [s for s in job["steps"] if "checkout@" in s.get("uses", "")]
    assert checkout["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    handed = {value for step in job["steps"] for value in step.get("env", {}).values()}
    heads = {value for value in handed if ".head." in value}
    assert heads == {"${{ github.event.pull_request.head.sha }}"}, "a name of the head is text"
    for script in scripts(GITHUB / "workflows" / "submission.yml"):
        assert not re.search(r"git (checkout|switch|merge|worktree|restore)", script)
        assert "GITHUB_ENV" not in script
        assert "GITHUB_OUTPUT" not in script
        assert "GITHUB_PATH" not in script


def test_the_comment_takes_the_requests_number_from_the_event_and_runs_nothing_of_it() -> None:
    found = content("submission-comment")
    assert list(found[True]) == ["workflow_run"]
    assert found[True]["workflow_run"]["workflows"] == [content("submission")["name"]]
    (job,) = found["jobs"].values()
    (script,) = scripts(GITHUB / "workflows" / "submission-comment.yml")
    assert "case" in script
    assert "report/report.json" in script
    assert not any("head" in str(step.get("with", "")) for step in job["steps"])


VALUES = {
    "BASE": "main", "HEAD": "feature", "AUTHOR": "ann", "OPENED": "2026-11-20T10:00:00Z",
    "MODEL": "codixr", "AGAINST": "constant", "OUT": "out", "old": "out/old", "number": "7",
}  # fmt: skip

OPTIONS = {
    "run": ["--task", "T->F", "--limit", "4"],
    "check": ["--margin", "frd=1", "--against", "x"],
}
"""What a script gathers in ``options`` before it calls a command."""


def commands() -> Iterator[tuple[str, list[str]]]:
    """(file, words) of every command of ours in a script, with values for its variables."""
    for path in FILES:
        for script in scripts(path):
            for line in script.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if not words or words[0] not in ("codixr", "codixr-bench"):
                    continue
                kept = []
                for word in words:
                    if word in (">", "||", "|", "&&", ";"):
                        break
                    if word == "${options[@]}":
                        kept += OPTIONS[words[1]]
                    else:
                        kept.append(re.sub(r"\$(\w+)", lambda m: VALUES[m[1]], word))
                yield path.name, kept


def test_every_command_of_a_workflow_is_one_that_the_program_takes() -> None:
    found = list(commands())
    assert {words[1] for _, words in found} >= {"verify", "site", "run", "check"}
    for name, words in found:
        program = codixr.cli if words[0] == "codixr" else codixr_bench.cli
        if words[1:2] == ["--version"]:
            continue
        try:
            program.parse(words[1:])
        except SystemExit as stopped:
            pytest.fail(f"{name}: {shlex.join(words)}: {stopped}")


def checked(repo: Repo, folder: Path, author: str) -> tuple[int, str, str]:
    """A request's check in a clone of its base: exit code, printed lines, the comment."""
    head = repo.commit()
    repo.git("update-ref", "refs/pull/7/head", head)
    repo.git("checkout", "-q", "main")
    clone, tools = folder / "base", folder / "tools"
    tools.mkdir()
    repo.git("clone", "-q", "--branch", "main", str(repo.folder), str(clone))
    program = tools / "codixr-bench"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m codixr_bench.cli "$@"\n')
    (tools / "python").symlink_to(sys.executable)
    program.chmod(0o755)
    (script,) = [s for s in scripts(GITHUB / "workflows" / "submission.yml") if "--request" in s]
    areas = [ROOT, ROOT / "benchmark", ROOT / "leaderboard"]
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin", "HOME": str(folder), "NUMBER": "7",
        "PYTHONPATH": os.pathsep.join(map(str, areas)),
        "BASE": repo.git("rev-parse", "main"), "HEAD": head, "AUTHOR": author,
        "OPENED": "2026-11-20T10:00:00Z", "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=clone, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    report = clone / "report.json"
    said = subprocess.run(
        [sys.executable, str(GITHUB / "comment.py"), str(report)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "### Results of this request" in (folder / "summary.md").read_text()
    return done.returncode, done.stdout + done.stderr, said.stdout


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repo")
    made.git("checkout", "-q", "-b", "request")
    return made


def test_an_emulated_request_that_takes_a_row_is_refused(repo: Repo, tmp_path: Path) -> None:
    repo.write(row("anns-model", "bob", 0.9))
    code, printed, comment = checked(repo, tmp_path, "bob")
    assert code == 1
    assert "owner: the row is another owner's" in printed
    assert comment.startswith("Refused. ")
    assert "phantom/anns-model: owner: the row is another owner's" in comment


def test_an_emulated_update_of_ones_own_row_is_accepted_and_its_change_told(
    repo: Repo, tmp_path: Path
) -> None:
    repo.write(row("anns-model", "ann", 0.8))
    code, printed, comment = checked(repo, tmp_path, "ann")
    assert code == 0, printed
    assert comment.startswith("The check passes. ")
    assert re.search(r"phantom/anns-model, T→F: fid_phantom [\d.]+ → [\d.]+", comment)


def test_what_an_emulated_request_prints_is_no_command_of_the_runner(
    repo: Repo, tmp_path: Path
) -> None:
    path = repo.write(row("bobs-model", "bob", 0.8))
    path.rename(path.with_name("x\n::error::y.json"))
    code, printed, comment = checked(repo, tmp_path, "bob")
    assert code == 1
    stop, *_ = printed.splitlines()
    assert re.fullmatch(r"::stop-commands::[0-9a-f]{32}", stop)
    assert "::error" not in printed
    assert "::error" not in comment
