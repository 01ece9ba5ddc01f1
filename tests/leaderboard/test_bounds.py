"""What is only stated has to be such as there can be; the documented kinds are those that hold."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest

from codixr_bench.metric import About
from codixr_bench.registry import METRICS, load_family
from codixr_bench.result import Result
from codixr_bench.runs.small_cells import with_counts
from codixr_bench.score import Score
from codixr_bench.statistics.influence import as_pseudovalues
from codixr_leaderboard.evidence import evidence_of
from codixr_leaderboard.judging import judging_problems
from codixr_leaderboard.statistics_file import Table
from codixr_leaderboard.studies import Studies, copy_problems, study_problems
from codixr_leaderboard.submission import Submission
from helpers.committed_rows import ROWS, committed
from helpers.small_runs import SmallRuns

DOCS = Path(__file__).parents[2] / "docs" / "leaderboard.md"


RESULT, TABLE = committed("codixr", "F->L+T")
REAL = committed("real", "F->L+T")


def said(columns: Table, *, result: Result = RESULT) -> str:
    return "; ".join(map(str, evidence_of(result, columns, REAL).problems))


def with_score(name: str, of: Result = RESULT, **changed: object) -> Result:
    scores = tuple(
        score.model_copy(update=changed) if score.name == name else score for score in of.scores
    )
    return of.model_copy(update={"scores": scores})


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


SHARES = ("precision_phantom", "coverage_phantom")


def test_shares_of_balls_are_those_of_the_features() -> None:
    """Both forged at once: each check of a row takes a second."""
    better, wide, higher, rolled = RESULT, RESULT, dict(TABLE), dict(TABLE)
    for name in SHARES:
        value, (low, high) = score(name).value, score(name).ci95
        better = with_score(name, better, value=value + 0.01, ci95=(low + 0.01, high + 0.01))
        wide = with_score(name, wide, ci95=(low - 0.01, high + 0.01))
        higher[f"{name}.pseudovalue"] = TABLE[f"{name}.pseudovalue"] + 0.01
        rolled[f"{name}.pseudovalue"] = np.roll(TABLE[f"{name}.pseudovalue"], 1)
    by_value, by_interval, by_study = (
        said(higher, result=better),
        said(TABLE, result=wide),
        said(rolled),
    )
    for name in SHARES:
        assert f"scores.{name}.value: computed anew it is" in by_value
        assert f"scores.{name}.ci95: computed anew it is" in by_interval
        assert f"scores.{name}: its pseudo-values are not those computed anew" in by_study


def test_the_scale_of_unrelated_pictures_is_that_of_the_studies() -> None:
    scale = score("fid_phantom").unrelated
    assert scale is not None
    assert list(study_problems(RESULT, TABLE, REAL)) == []
    for forged in (scale.model_copy(update={"value": 400.0, "ci95": (390.0, 410.0)}), None):
        found = list(study_problems(with_score("fid_phantom", unrelated=forged), TABLE, REAL))
        assert [str(problem) for problem in found] == [
            "scores.fid_phantom.unrelated: not that of 'real', of the same studies"
        ]


def test_a_skill_is_on_the_scale_of_the_studies() -> None:
    skill = score("auroc_macro").skill
    assert skill is not None
    assert list(study_problems(RESULT, TABLE, REAL)) == []
    for ends in ({"constant": 0.2}, {"ceiling": 0.9}, {"of": "classifier"}):
        forged = with_score("auroc_macro", skill=skill.model_copy(update=ends))
        assert [str(problem) for problem in study_problems(forged, TABLE, REAL)] == [
            "scores.auroc_macro.skill: of another scale than that of 'real', of the same studies"
        ]


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
            result = committed("codixr", model)[0].model_copy(
                update={"task": task, "scores": tuple(counted)}
            )
            narrow = {n: c for n, c in columns.items() if c.ndim == 1 or c.shape[1] != 256}
            sides.append((result, as_pseudovalues(narrow, values)))
        evidence = evidence_of(*sides[0], sides[1])
        assert [p for p in evidence.problems if ".ci95" not in p.field] == []
        for kind in ("recomputed", "bounded", "unchecked"):
            found |= {n.partition("[")[0]: kind for n in getattr(evidence, kind)}
    for family in map(load_family, METRICS):
        # Of reports all is counted again: tests/leaderboard/test_report_evidence.py.
        found |= {
            name: "recomputed" if facts.about is About.REPORT else "bounded"
            for name, facts in family.scores.items()
            if facts.only_stated
        }
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


def judged(columns: Table) -> str:
    return "; ".join(map(str, judging_problems(RESULT, columns)))


def test_the_judges_say_nothing_against_the_committed_row() -> None:
    assert judged(TABLE) == ""


def test_features_that_no_picture_has_are_refused() -> None:
    second = TABLE["fid_phantom_second.features"]
    rng = np.random.default_rng(0)
    moved = (second + 0.1 * rng.normal(size=second.shape)).astype(np.float16)
    longer = (1.6 * second).astype(np.float16)
    for forged in (moved, longer):
        assert "'fid_phantom_second.features': no picture has such features" in judged(
            TABLE | {"fid_phantom_second.features": forged}
        )
    first = TABLE["fid_phantom.features"].copy()
    first[5, np.flatnonzero(first[5] == 0)[0]] = -0.004
    assert "'fid_phantom.features': a feature below 0" in judged(
        TABLE | {"fid_phantom.features": first}
    )


def test_the_second_judges_decisions_are_those_of_its_thresholds() -> None:
    name = "second_classification.predicted.Edema"
    assert "second_classification.Edema: the decisions are not" in judged(
        TABLE | {name: 1 - TABLE[name]}
    )


def test_an_agreement_is_of_what_the_judge_said() -> None:
    name = "report_image_agreement.generated.L"
    better = TABLE[name] + 2.0 * TABLE["report_image_agreement.generated.T"]
    assert "scores.report_image_agreement: it is not of what the judge said" in judged(
        TABLE | {name: better}
    )


def test_probabilities_of_another_row_beside_moved_features_are_a_copy() -> None:
    rng = np.random.default_rng(1)
    features = TABLE["fid_phantom.features"]
    moved = np.maximum(features + 0.05 * rng.random(features.shape), 0).astype(np.float16)
    named = RESULT.model_copy(update={"model": RESULT.model.model_copy(update={"name": "mine"})})
    assert not list(copy_problems(REAL[1], (named, TABLE)))
    forged = {n: c for n, c in TABLE.items() if n != "fid_phantom_second.features"}
    forged["fid_phantom.features"] = moved
    found = "; ".join(map(str, copy_problems(forged, (named, TABLE))))
    assert found == "statistics: 100% of what the judges say is what they say of 'mine'"


def test_pictures_of_two_rows_are_a_copy_of_both_together() -> None:
    other, theirs = committed("retrieval", "F->L+T")
    rest, of_noise = committed("noise", "F->L+T")
    mixed = {name: column.copy() for name, column in TABLE.items()}
    for name, column in mixed.items():
        if name in theirs and name in of_noise and column.shape == theirs[name].shape:
            column[:700], column[700:1300] = theirs[name][:700], of_noise[name][700:1300]
    rows = [
        (Submission(model=r.model.name, submitted="2026-11-20", owner="codixr", results=(r,)), t)
        for r, t in ((other, theirs), (rest, of_noise))
    ]
    files = {one.model: (ROWS / one.model / "F-to-L+T.parquet").read_bytes() for one, _ in rows}
    studies = Studies([(one, lambda _, m=one.model: files[m]) for one, _ in rows])
    found = "; ".join(map(str, studies.problems("mine", RESULT, mixed)))
    assert "65% of the pictures are those of other rows, taken together" in found
    assert "taken together" not in "; ".join(map(str, studies.problems("mine", RESULT, TABLE)))
