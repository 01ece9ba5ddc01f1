"""The first commands of docs/data.md, word for word, from a fake archive to Table II."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs" / "data.md"


@pytest.mark.slow
def test_the_walk_of_the_documentation_ends_with_a_table_of_the_references(tmp_path):
    commands = re.search(r"```bash\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]
    assert "table II" in commands
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, module in (("codixr", "codixr.cli"), ("codixr-bench", "codixr_bench.cli")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (programs / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        ["sh", "-e", "-c", commands], cwd=work, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    table = done.stdout[done.stdout.rindex("Table II") :]
    names = {
        "real": "Real Data",
        "constant": "constant",
        "retrieval": "retrieval",
        "noise": "noise",
    }
    for model, shown in names.items():
        assert shown in table
        assert len(list((work / "runs" / "fake" / model).rglob("result.json"))) == 9
