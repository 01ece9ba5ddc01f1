"""Rows that are consistent in themselves and still not what they say: copies, made-up distances.

Each of these once passed as "statistics checked" and took a rank.
"""

import copy
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from codixr_bench.metrics.copied_reports import TOO_COMMON
from codixr_bench.result import Result
from codixr_leaderboard.checks import letters_problem
from codixr_leaderboard.doubts import doubts_of, takes_rank
from codixr_leaderboard.evidence import evidence_of
from codixr_leaderboard.ownership import is_reserved, skeleton
from codixr_leaderboard.standing import Badge, standing_of
from codixr_leaderboard.studies import Studies, report_copy_problems
from codixr_leaderboard.submission import RefusedError, Submission
from helpers.request_repo import DAY, PLACE, Repo, reasons, row
from helpers.statistics_fakes import (
    HEAD,
    Columns,
    drawn_columns,
    encoded,
    recomputed,
    result_of,
    with_features,
)
from helpers.submission_fakes import Json, N, result_json

REAL = with_features(drawn_columns(3), seed=3)
OTHER = with_features(drawn_columns(7), REAL, seed=7)
COLUMNS = with_features(drawn_columns(), REAL)
FEATURES = "fid_phantom.features"


def _row(columns: Columns, model: str, owner: str | None, day: date) -> Submission:
    result = Result.model_validate(result_of(columns, model))
    return Submission(model=model, submitted=day, owner=owner, results=(result,))


ROWS = [
    (_row(REAL, "real", None, date(2026, 11, 1)), lambda _: encoded(REAL)),
    (_row(OTHER, "other", "bob", date(2026, 11, 20)), lambda _: encoded(OTHER)),
]


def refusal(columns: Columns, content: Json | None = None) -> str:
    result = Result.model_validate(content or result_of(columns))
    try:
        standing = standing_of(result, encoded(columns), studies=Studies(ROWS))
    except RefusedError as error:
        return str(error)
    assert standing.badge is Badge.CHECKED
    return ""


def pictures_of(features: np.ndarray) -> Columns:
    """Statistics that follow from the features to the last column."""
    made = dict(COLUMNS)
    kept = features.astype(np.float16)
    said = HEAD.probabilities(kept).astype(np.float32)
    for i, label in enumerate(HEAD.classes):
        if f"classification.probability.{label}" in made:
            made[f"classification.probability.{label}"] = said[:, i]
            decided = (said[:, i] >= HEAD.thresholds[label]).astype(np.int32)
            made[f"classification.predicted.{label}"] = decided
    made[FEATURES] = kept
    distance = recomputed(made, REAL)["fid_phantom"]
    return made | {"fid_phantom.pseudovalue": distance.value + distance.by_study}


def noisy(features: np.ndarray, by: float) -> np.ndarray:
    return features + np.random.default_rng(5).normal(0.0, by, features.shape)


SHUFFLED = np.random.default_rng(5).permutation(N)
COPIES = {
    "real pictures in another order": (REAL[FEATURES][SHUFFLED], "of 'real', in another order"),
    "real pictures with noise": (noisy(REAL[FEATURES], 0.02), "'real', with a little noise"),
    "both": (noisy(np.roll(REAL[FEATURES], 1, 0), 0.05), "'real', with a little noise"),
    "another row's in another order": (OTHER[FEATURES][SHUFFLED], "'other', in another order"),
}


def test_an_honest_row_is_checked() -> None:
    assert refusal(COLUMNS) == ""


@pytest.mark.parametrize("name", COPIES)
def test_copied_pictures_show_in_any_order_and_real_ones_under_noise(name: str) -> None:
    features, said = COPIES[name]
    assert said in refusal(pictures_of(features))


def _signed(old: str, new: str, **more: object) -> Callable[[Json], None]:
    def forge(score: Json) -> None:
        score["signature"] = score["signature"].replace(old, new)
        score.update(more)

    return forge


@pytest.mark.parametrize(
    "forge",
    [
        _signed("|n:", "|x:y|n:"),
        _signed("n:2000", "n:1999", n=1999),
        _signed("ref:same-studies", "ref:train-studies"),
    ],
)
def test_a_distance_of_another_signature_does_not_escape_its_recomputation(forge) -> None:
    content = copy.deepcopy(result_of(COLUMNS))
    score = next(one for one in content["scores"] if one["name"] == "fid_phantom")
    forge(score)
    score["value"], score["ci95"] = 0.01, [0.009, 0.011]
    influence = np.random.default_rng(1).normal(0.0, 0.005, N)
    forged = COLUMNS | {"fid_phantom.pseudovalue": 0.01 + influence - influence.mean()}
    assert "fid_phantom.signature: not that of the row of the real outputs" in refusal(
        forged, content
    )


def test_an_interval_that_would_tie_with_every_row_is_refused() -> None:
    content = copy.deepcopy(result_of(COLUMNS))
    score = next(one for one in content["scores"] if one["name"] == "fid_phantom")
    score["ci95"] = [0.0, 5000.0]
    assert "fid_phantom.ci95: wider than its statistics allow" in refusal(COLUMNS, content)


@pytest.mark.parametrize(
    "name", ["secret.notes.mine", "classification.note.Edema", "ids.of.patients", "patient"]
)
def test_columns_that_no_statistics_have_are_refused(name: str) -> None:
    said = refusal(COLUMNS | {name: np.arange(N)})
    assert "1 columns that 'real' doesn't have" in said
    assert name not in said


def _reports(seed: int) -> Columns:
    rng = np.random.default_rng(seed)
    columns = {f"bleu.{n}": rng.integers(0, 40, N) for n in ("hyp_len", "match_1", "match_2")}
    return columns | {"report_labels.hypothesis.Edema": rng.integers(0, 2, N).astype(np.int8)}


def test_reports_of_another_row_are_a_copy_in_any_order() -> None:
    result = Result.model_validate(result_json("F->T"))
    mine, other = _reports(0), (result, _reports(1))
    assert not list(report_copy_problems(result, mine, other))
    shuffled = {name: column[SHUFFLED] for name, column in _reports(1).items()}
    (problem,) = report_copy_problems(result, shuffled, other)
    assert str(problem) == "statistics: 100% of the reports are those of 'my-model'"


def test_a_warning_left_out_is_said_again_by_the_scores() -> None:
    content = copy.deepcopy(result_of(COLUMNS))
    extra = copy.deepcopy(content["scores"][0])
    extra |= {"name": "copies_of_test_image", "value": 0.6, "ci95": [0.5, 0.7]}
    content["scores"].append(extra)
    found = doubts_of(Result.model_validate(content))
    assert [warning.code for warning in found] == ["copies_of_test"]
    assert takes_rank(found)


def test_a_score_that_rows_are_doubted_by_is_not_left_out() -> None:
    real = copy.deepcopy(result_of(REAL, "real"))
    extra = copy.deepcopy(real["scores"][0]) | {"name": "copies_of_test_image"}
    real["scores"].append(extra)
    result = Result.model_validate(result_of(COLUMNS))
    found = evidence_of(result, COLUMNS, (Result.model_validate(real), REAL)).problems
    assert [str(one) for one in found] == [
        "scores.copies_of_test_image: missing: rows are doubted by it; score all metrics"
    ]


@pytest.mark.parametrize("reason", ["no study was scored", TOO_COMMON])
def test_a_score_is_not_null_where_the_real_outputs_have_a_value(reason: str) -> None:
    name, yes = "copies_of_test_report", np.ones(N, dtype=np.int8)
    scores = {}
    for model, columns in (("real", REAL), ("mine", COLUMNS)):
        content = copy.deepcopy(result_of(columns, model))
        extra = copy.deepcopy(content["scores"][0]) | {"name": name}
        content["scores"].append(extra)
        scores[model] = content
    scores["mine"]["scores"][-1] |= {"value": None, "ci95": None, "reason": reason}
    real, mine = (Result.model_validate(scores[model]) for model in ("real", "mine"))

    def said(testable: np.ndarray) -> str:
        columns = COLUMNS | {"testable_reports.yes": testable}
        return "; ".join(map(str, evidence_of(mine, columns, (real, REAL)).problems))

    assert f"scores.{name}: null, where the real outputs have a value" in said(yes)
    # One report for all studies may be too common to be told from chance.
    assert name not in said(0 * yes)


@pytest.mark.parametrize("name", ["real (phantom)", "noise (reference)", "codixr (official)"])
def test_brackets_make_no_other_name_of_a_reserved_one(name: str) -> None:
    assert is_reserved(name)
    assert not is_reserved("noise-robust unet")


@pytest.mark.parametrize(
    "name", ["cod\u0131xr", "c\u1d0fdixr", "\u0261an", "m\u0251del", "\u0280eal"]
)
def test_latin_letters_that_look_like_others_are_refused(name: str) -> None:
    assert "mistaken for another" in (letters_problem(name) or "")


def test_letters_of_languages_are_names_and_look_like_those_without() -> None:
    for name, plain in (("cødixr", "codixr"), ("Müller", "muller"), ("łódź", "lodz")):
        assert letters_problem(name) is None
        assert skeleton(name) == skeleton(plain)
    assert is_reserved("nøise")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repo")
    made.write(row("zoes-model", "zoe", 0.6))
    made.commit("one more row")
    made.git("checkout", "-q", "-b", "request")
    return made


@pytest.mark.parametrize("days", [0, 5])
def test_a_copy_is_the_requests_own_fault_whatever_day_and_name_it_has(
    repo: Repo, days: int
) -> None:
    repo.write(row("bobs-model", "bob", 0.6, submitted=date(2026, 11, 20 - days)))
    assert "phantom/bobs-model: results.0.scores: every score" in reasons(repo.check("bob"))


def test_an_old_row_does_not_become_a_copy_of_a_newer_one(repo: Repo) -> None:
    repo.git("checkout", "-q", "main")
    for model, owner, columns, day in (
        ("real", None, REAL, date(2026, 11, 1)),
        ("anns-model", "ann", COLUMNS, date(2026, 11, 2)),
        ("zoes-model", "zoe", OTHER, DAY),
    ):
        _stored(repo, model, owner, columns, day)
    repo.commit("rows with statistics")
    repo.git("checkout", "-q", "-B", "request")
    _stored(repo, "anns-model", "ann", pictures_of(noisy(OTHER[FEATURES], 1e-3)), DAY)
    assert "100% of the pictures are those of 'zoes-model'" in reasons(repo.check("ann"))


def _stored(repo: Repo, model: str, owner: str | None, columns: Columns, day: date) -> None:
    repo.write(_row(columns, model, owner, day))
    beside = repo.folder / PLACE / model / "T-to-F.parquet"
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.write_bytes(encoded(columns))
