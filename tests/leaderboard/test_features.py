"""Distances are computed anew from the judge's features; what doesn't come from the judge shows."""

import copy
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from codixr.errors import InputError
from codixr_bench.result import Result
from codixr_bench.runs.finish import encode_statistics
from codixr_leaderboard.evidence import evidence_of
from codixr_leaderboard.judging import judging_problems
from codixr_leaderboard.sending import submit
from codixr_leaderboard.standing import standing_of
from codixr_leaderboard.statistics_file import read_table, slim
from codixr_leaderboard.studies import Studies, copy_problems
from codixr_leaderboard.submission import RefusedError, Submission
from helpers.statistics_fakes import (
    Columns,
    drawn_columns,
    encoded,
    result_of,
    run_folder,
    with_features,
)
from helpers.submission_fakes import JUDGE, Json, N

DAY = date(2026, 11, 20)
REAL = with_features(drawn_columns(3), seed=3)
COLUMNS = with_features(drawn_columns(), REAL)
FIRST = (Result.model_validate(result_of(REAL, "real")), REAL)


def said(columns: Columns, content: Json | None = None) -> str:
    result = Result.model_validate(content or result_of(columns))
    found = [*evidence_of(result, columns, FIRST).problems, *judging_problems(result, columns)]
    return "\n".join(map(str, [*found, *copy_problems(columns, FIRST)]))


def test_a_distance_is_recomputed_from_features_and_nothing_is_unchecked() -> None:
    result = Result.model_validate(result_of(COLUMNS))
    found = evidence_of(result, COLUMNS, FIRST)
    assert found.problems == ()
    assert found.unchecked == ()
    assert "fid_phantom" in found.recomputed
    assert said(COLUMNS) == ""
    # Without the real outputs' row there is nothing to measure from.
    assert evidence_of(result, COLUMNS).unchecked == ("fid_phantom",)


def test_a_distance_and_pseudovalues_that_fit_only_each_other_are_refused() -> None:
    forged = COLUMNS | {"fid_phantom.pseudovalue": COLUMNS["fid_phantom.pseudovalue"] * 0.5}
    text = said(forged)
    assert "scores.fid_phantom.value: computed anew it is" in text
    assert "its pseudo-values are not those computed anew" in text


def test_a_narrower_spread_of_pseudovalues_is_refused() -> None:
    values = COLUMNS["fid_phantom.pseudovalue"]
    forged = COLUMNS | {"fid_phantom.pseudovalue": values.mean() + 0.2 * (values - values.mean())}
    assert said(forged) == "scores.fid_phantom: its pseudo-values are not those computed anew"


def test_features_left_out_are_asked_for() -> None:
    forged = {n: c for n, c in COLUMNS.items() if n != "fid_phantom.features"}
    assert (
        said(forged)
        == "scores.fid_phantom: the statistics lack what it is computed from: score again"
    )


def test_features_of_better_pictures_are_not_those_of_the_probabilities() -> None:
    better = 0.5 * COLUMNS["fid_phantom.features"] + 0.5 * REAL["fid_phantom.features"]
    forged = COLUMNS | {"fid_phantom.features": better.astype(np.float16)}
    assert "Edema: the probabilities are not what the judge says of the features" in said(forged)


def test_decisions_by_better_thresholds_are_refused() -> None:
    forged = dict(COLUMNS)
    probability = COLUMNS["classification.probability.Edema"]
    forged["classification.predicted.Edema"] = (probability >= 0.4).astype(np.int32)
    assert (
        said(forged) == "classification.Edema: the decisions are not those of the judge's threshold"
    )


def test_pictures_of_another_row_are_a_copy_though_some_are_ones_own() -> None:
    mixed: Columns = {}
    for name, theirs in REAL.items():
        mixed[name] = theirs.copy()
        mixed[name][: N // 3] = COLUMNS[name][: N // 3]
    forged = with_features(mixed, REAL)
    forged["fid_phantom.features"] = mixed["fid_phantom.features"]
    assert [str(problem) for problem in copy_problems(forged, FIRST)] == [
        "statistics: 67% of the pictures are those of 'real', study by study",
        "statistics: 67% of what the judges say is what they say of 'real'",
    ]
    assert not list(copy_problems(COLUMNS, FIRST))


def test_another_judges_pictures_are_left_alone() -> None:
    content = copy.deepcopy(result_of(COLUMNS))
    for score in content["scores"]:
        score["signature"] = score["signature"].replace(JUDGE, "phantom-judge-F|weights:00000000")
    result = Result.model_validate(content)
    assert not list(judging_problems(result, COLUMNS | {"classification.predicted.Edema": 0}))


def test_features_travel_with_the_row_and_other_studies_with_the_real_row(tmp_path: Path) -> None:
    others = {"fid_phantom.other_features": REAL["fid_phantom.features"][::-1]}
    for name, columns in (("real", REAL), ("mine", COLUMNS)):
        run_folder(tmp_path / name, columns | others, name)
        content = encode_statistics(columns | others, N)
        (tmp_path / name / "statistics.parquet").write_bytes(content)
    root = tmp_path / "results"
    submit([tmp_path / "real"], root, owner="codixr", today=DAY)
    submit([tmp_path / "mine"], root, owner="ann", today=DAY)
    kept = {
        name: read_table((root / "phantom" / name / "T-to-F.parquet").read_bytes(), N, "it")
        for name in ("real", "mine")
    }
    assert "fid_phantom.other_features" in kept["real"]
    assert "fid_phantom.other_features" not in kept["mine"]
    np.testing.assert_array_equal(
        kept["mine"]["fid_phantom.features"], COLUMNS["fid_phantom.features"]
    )
    assert len(slim(tmp_path / "mine" / "statistics.parquet")) < 1_000_000


def test_submit_refuses_distances_that_are_not_of_the_features(tmp_path: Path) -> None:
    submit([run_folder(tmp_path / "real", REAL, "real")], tmp_path / "r", owner="codixr", today=DAY)
    forged = COLUMNS | {"fid_phantom.pseudovalue": COLUMNS["fid_phantom.pseudovalue"] * 0.5}
    with pytest.raises(RefusedError, match="computed anew it is"):
        submit([run_folder(tmp_path / "run", forged)], tmp_path / "r", owner="ann", today=DAY)


WIDE = np.repeat(COLUMNS["classification.probability.Edema"][:, None], 4, axis=1)
FORMS: dict[str, Columns] = {
    "half of the features": {"fid_phantom.features": COLUMNS["fid_phantom.features"][:, :64]},
    "features of one number": {"fid_phantom.features": COLUMNS["fid_phantom.pseudovalue"]},
    "probabilities in rows": {"classification.probability.Edema": WIDE},
    "decisions in rows": {"classification.predicted.Edema": WIDE},
    "labels in rows": {"classification.label.Edema": WIDE},
    "pseudo-values in rows": {"fid_phantom.pseudovalue": WIDE},
    "huge features": {"fid_phantom.features": COLUMNS["fid_phantom.features"] * 0 + 60000},
    "a single label": {"classification.label.Edema": np.ones(N, dtype=np.int32)},
    "labels that are none": {"classification.label.Edema": np.full(N, 7.5)},
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("beside", [True, False])
def test_columns_of_another_form_are_refused_in_our_words(name: str, beside: bool) -> None:
    result = Result.model_validate(result_of(COLUMNS))
    row = Submission(model="real", submitted=DAY, owner="codixr", results=(FIRST[0],))
    studies = Studies([(row, lambda _: encoded(REAL))] if beside else ())
    with pytest.raises(InputError):
        standing_of(result, encoded(COLUMNS | FORMS[name]), studies=studies)
    assert standing_of(result, encoded(COLUMNS), studies=studies).unchecked == (
        () if beside else ("fid_phantom",)
    )
