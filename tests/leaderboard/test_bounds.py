"""What is only stated has to be such as there can be; the documented kinds are those that hold."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest

from codixr_bench.registry import METRICS, load_family
from codixr_bench.result import Result
from codixr_bench.runs.small_cells import with_counts
from codixr_bench.score import Score
from codixr_bench.statistics.influence import as_pseudovalues
from codixr_leaderboard.evidence import evidence_of
from codixr_leaderboard.statistics_file import First, Table, read_table
from codixr_leaderboard.submission import Submission, submission_of
from helpers.small_runs import SmallRuns

ROWS = Path(__file__).parents[2] / "leaderboard" / "results" / "phantom"
DOCS = Path(__file__).parents[2] / "docs" / "leaderboard.md"


def row(model: str, task: str) -> First:
    """A committed result, and its statistics."""
    path = ROWS / f"{model}.json"
    found: Submission = submission_of(path.read_bytes(), path, checked=False)
    (result,) = (one for one in found.results if one.task == task)
    beside = ROWS / model / f"{task.replace('->', '-to-')}.parquet"
    return result, read_table(beside.read_bytes(), result.track.n, "it")


RESULT, TABLE = row("codixr", "F->L+T")
REAL = row("real", "F->L+T")


def said(columns: Table, *, result: Result = RESULT) -> str:
    return "; ".join(map(str, evidence_of(result, columns, REAL).problems))


def with_score(name: str, **changed: object) -> Result:
    scores = tuple(
        score.model_copy(update=changed) if score.name == name else score for score in RESULT.scores
    )
    return RESULT.model_copy(update={"scores": scores})


def score(name: str) -> Score:
    found = RESULT.score(name)
    assert found is not None
    return found


def test_the_committed_row_has_nothing_against_it() -> None:
    assert said(TABLE) == ""


def test_a_gap_between_the_judges_is_that_of_their_decisions() -> None:
    values = TABLE["judge_gap.pseudovalue"] + 0.01
    assert "scores.judge_gap.value: its statistics give" in said(
        TABLE | {"judge_gap.pseudovalue": values}
    )
    moved = with_score("judge_gap", value=score("judge_gap").value + 0.01, ci95=(-0.1, 0.1))
    assert "scores.judge_gap.value: computed anew it is" in said(
        TABLE | {"judge_gap.pseudovalue": values}, result=moved
    )


def test_half_an_answer_is_none() -> None:
    answers = TABLE["copies_image.pseudovalue"].copy()
    answers[:4] = (0.5, 0.5, 0.0, 1.0)
    answers += score("copies_image").value - answers.mean()
    assert "scores.copies_image: an answer of a study that is neither yes nor no" in said(
        TABLE | {"copies_image.pseudovalue": answers}
    )


@pytest.mark.parametrize("name", ["copies_image", "authpct", "testable_reports"])
def test_the_interval_of_a_share_is_the_one_that_its_count_gives(name: str) -> None:
    low, high = score(name).ci95
    forged = with_score(name, ci95=(low, high + 0.002))
    assert f"scores.{name}.ci95: its answers give" in said(TABLE, result=forged)


def test_a_cosine_of_a_study_is_one() -> None:
    values = TABLE["clip_agreement.pseudovalue"].copy()
    values[:2] += (7.0, -7.0)
    assert "scores.clip_agreement: an answer of a study that is beyond what there can be" in said(
        TABLE | {"clip_agreement.pseudovalue": values}
    )


def test_a_share_is_that_of_its_answers() -> None:
    answers = np.rint(TABLE["authpct.pseudovalue"])
    answers[np.flatnonzero(answers == 0)[:100]] = 1.0
    assert "scores.authpct.value: its statistics give" in said(
        TABLE | {"authpct.pseudovalue": answers}
    )


def kinds() -> dict[str, str]:
    """Score -> how far its value is checked, of few studies and, for searches, as declared."""
    found: dict[str, str] = {}
    for task, model in (("T->F+L", "T->F+L"), ("L->F+T", "F->L+T")):
        runs = SmallRuns(task, 16)
        sides = []
        for samples in (runs.noisy(), runs.real):
            scores, columns = runs.run(samples)
            values = {name: one.value for name, one in scores.items()}
            counted = with_counts(list(scores.values()), columns, real_patients=False)
            result = row("codixr", model)[0].model_copy(
                update={"task": task, "scores": tuple(counted)}
            )
            narrow = {n: c for n, c in columns.items() if c.ndim == 1 or c.shape[1] != 256}
            sides.append((result, as_pseudovalues(narrow, values)))
        evidence = evidence_of(*sides[0], sides[1])
        assert [p for p in evidence.problems if ".ci95" not in p.field] == []
        for kind in ("recomputed", "bounded", "unchecked"):
            found |= {n.partition("[")[0]: kind for n in getattr(evidence, kind)}
    for family in map(load_family, METRICS):
        found |= {name: "bounded" for name, facts in family.scores.items() if facts.only_stated}
    # Its reader learns from the training studies: tests/benchmark/metrics/test_second_opinion.py.
    return found | {"plain_gap": "recomputed"}


def test_the_documented_kinds_of_scores_are_the_ones_that_hold() -> None:
    text, documented = DOCS.read_text(), {}
    for kind in ("recomputed", "bounded", "unchecked"):
        (line,) = re.findall(rf"^\| \*{kind}\* \|(.*?)\|", text, flags=re.MULTILINE)
        documented[kind] = re.findall(r"`([^`]+)`", line)
    found = kinds()
    for name, kind in found.items():
        of = [k for k, names in documented.items() if any(fnmatchcase(name, n) for n in names)]
        assert of == [kind], name
    for kind, names in documented.items():
        for pattern in names:
            assert any(fnmatchcase(name, pattern) for name in found), (kind, pattern)
