"""The action that runs the gate in a workflow: its commands, its inputs and its exit code."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from codixr_bench import cli
from helpers.compare_fakes import environment

GITHUB = Path(__file__).parents[3] / ".github"


def steps() -> dict[str, dict]:
    action = yaml.safe_load((GITHUB / "actions" / "check" / "action.yml").read_text())
    return {step["name"]: step for step in action["runs"]["steps"]}


def test_every_command_of_the_action_parses() -> None:
    lines = [line.strip() for step in steps().values() for line in step["run"].splitlines()]
    found = [line for line in lines if line.startswith("codixr-bench")]
    assert len(found) == 4
    for line in found:
        plain = line.partition(" > ")[0].replace('"${options[@]}"', "").replace("$", "")
        run = " run " in plain
        plain += " --task 'T->F' --track phantom --limit 8" if run else " --against old"
        cli.parse(shlex.split(plain)[1:])


def test_the_actions_inputs_reach_the_shell_as_variables_only() -> None:
    for step in steps().values():
        assert "${{" not in step["run"]


@pytest.mark.parametrize(("new", "margin", "code"), [("equal", "", 0), ("worse", "bleu_1=99%", 1)])
def test_the_actions_check_fails_the_job_where_the_candidate_is_worse(
    runs, tmp_path: Path, new: str, margin: str, code: int
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    tool = tools / "codixr-bench"
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m codixr_bench.cli "$@"\n')
    tool.chmod(0o755)
    out = tmp_path / "out"
    shutil.copytree(runs[new], out / "new")
    variables = {"AGAINST": str(runs["old"]), "OUT": str(out), "MARGIN": margin}
    path = f"{tools}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps()["Check"]["run"]],
        env=environment() | variables | {"PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    suite = ET.parse(out / "junit.xml").getroot()
    assert (int(suite.get("failures")) > 0) == bool(code)
    assert ("::error" in done.stdout) == bool(code)


def test_the_workflow_hands_the_action_what_it_takes() -> None:
    action = yaml.safe_load((GITHUB / "actions" / "check" / "action.yml").read_text())
    workflow = yaml.safe_load((GITHUB / "workflows" / "check-checkpoint.yml").read_text())
    steps = workflow["jobs"]["check"]["steps"]
    (used,) = [s for s in steps if s.get("uses", "").startswith("./")]
    assert used["uses"] == "./.codixr/.github/actions/check"
    (fetched,) = [s for s in steps if s.get("with", {}).get("path") == ".codixr"]
    repository = fetched["with"]["repository"]
    assert set(used["with"]) <= set(action["inputs"])
    # PyYAML reads the key `on` as True.
    for trigger in workflow[True].values():
        given = {f"${{{{ inputs.{name} }}}}" for name in trigger["inputs"] if name != "codixr"}
        assert given == set(used["with"].values())
        assert repository == "${{ inputs.codixr || github.repository }}"
        # A model that says one sentence is no baseline for a checkpoint.
        assert trigger["inputs"]["against"]["default"].endswith("result.json")


def test_a_baseline_that_is_missing_is_named_as_a_path(tmp_path: Path) -> None:
    step = steps()["Run what it is held against, unless it is a result"]["run"]
    variables = {
        "AGAINST": "baseline/result.json",
        "OUT": "x",
        "LIMIT": "",
        "TASK": "",
        "TRACK": "",
    }
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step],
        env=environment() | variables, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no such file or folder: baseline/result.json" in done.stderr


def test_every_action_of_others_is_pinned_to_a_commit() -> None:
    found = []
    for path in [*GITHUB.glob("workflows/*.yml"), *GITHUB.glob("actions/*/action.yml")]:
        found += re.findall(r"uses: *([^ \n]+)", path.read_text())
    foreign = [used for used in found if not used.startswith("./")]
    assert len(foreign) >= 8
    for used in foreign:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", used), used
