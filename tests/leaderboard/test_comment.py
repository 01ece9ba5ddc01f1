"""The comment on a pull request: from a report that may be anything, only plain lines."""

import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".github" / "comment.py"


@pytest.fixture(scope="module")
def comment():
    spec = importlib.util.spec_from_file_location("comment", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_changes_and_reasons_are_told(comment, tmp_path) -> None:
    report = {"changes": ["phantom/x, T→F: fid 12.00 → 8.00"], "problems": ["owner: missing"]}
    said = comment(write(tmp_path / "r.json", report))
    assert said.startswith("Refused. ")
    assert "```text\nphantom/x, T→F: fid 12.00 → 8.00\n```" in said
    assert "```text\nowner: missing\n```" in said
    fine = comment(write(tmp_path / "r.json", {**report, "problems": []}))
    assert fine.startswith("The check passes. ")


def test_how_far_scores_are_checked_is_told_whole(comment, tmp_path) -> None:
    line = f"phantom/{'x' * 60}, T→F: statistics checked; 7 scores recomputed, 8 bounded, " + (
        "1 unchecked; self-reported: that there is no warning of copies, copies_of_test, collapse"
    )
    said = comment(write(tmp_path / "r.json", {"changes": [], "checked": [line]}))
    assert f"are the submitter's word):\n\n```text\n{line}\n```" in said


def test_a_hostile_report_ends_no_block_and_mentions_nobody(comment, tmp_path) -> None:
    lines = ["```\n# @everyone", "<img src=x>", "a" * 999, "\u202eevil", 5, None, {"x": 1}]
    said = comment(write(tmp_path / "r.json", {"changes": lines * 50, "problems": "text"}))
    assert said.count("```") == 2
    assert "@" not in said
    assert "\u202e" not in said
    assert max(map(len, said.splitlines())) <= 300
    assert len(said.splitlines()) <= 45


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b" " * 300_000])
def test_what_is_no_report_gives_no_comment(comment, tmp_path, content) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    assert comment(path) == ""
    assert comment(tmp_path / "absent.json") == ""
