"""Results that were edited before the gate: found, or of no effect."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codixr_bench.cli import main
from codixr_bench.comparing.gate import Asked, check
from codixr_bench.statistics.influence_interval import influence_interval
from helpers.compare_fakes import DISTANCE, edited


def run_check(new: Path, old: Path) -> int:
    return main(["check", str(new), "--against", str(old)])


def test_an_edited_distance_is_found_by_its_pseudo_values(runs, capsys) -> None:
    def better(scores) -> None:
        scores[DISTANCE]["value"] = 4.0
        scores[DISTANCE]["ci95"] = [3.5, 4.5]

    edited(runs["equal"], better)
    assert run_check(runs["equal"], runs["old"]) == 2
    assert f"gives {DISTANCE}" in capsys.readouterr().err


def test_a_value_outside_its_interval_is_found_without_statistics(runs, capsys) -> None:
    (runs["equal"] / "statistics.parquet").unlink()
    edited(runs["equal"], lambda scores: scores[DISTANCE].update(value=4.0))
    assert run_check(runs["equal"], runs["old"]) == 2
    assert f"{DISTANCE} is outside its own interval" in capsys.readouterr().err


def edited_column(folder: Path, change) -> None:
    path, name = folder / "statistics.parquet", f"{DISTANCE}.pseudovalue"
    table = pq.read_table(path)
    values = change(table.column(name).to_numpy())
    place = table.column_names.index(name)
    table = table.remove_column(place)
    if values is not None:
        table = table.add_column(place, name, pa.array(values))
    pq.write_table(table, path)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.mean() + 100.0 * (v - v.mean()),  # So wide that no loss is seen.
        lambda v: np.where(np.arange(len(v)) == 0, np.nan, v),
        lambda v: None,
    ],
)
def test_influences_that_are_edited_or_gone_hide_no_loss(change, runs, capsys) -> None:
    edited_column(runs["worse"], change)
    assert run_check(runs["worse"], runs["old"]) == 2
    said = capsys.readouterr().err
    assert DISTANCE in said
    assert "score the samples again" in said


def test_an_edited_interval_of_influences_is_found(runs, capsys) -> None:
    made_of_influences = f"{DISTANCE}|ref:same-studies|n:400|ci:influence"

    def name_it(scores) -> None:
        score = scores[DISTANCE]
        column = pq.read_table(runs[side] / "statistics.parquet")[f"{DISTANCE}.pseudovalue"]
        influence = column.to_numpy() - score["value"]
        score["ci95"] = influence_interval(score["value"], influence)
        score["signature"] = made_of_influences

    for side in ("old", "equal"):
        edited(runs[side], name_it)
    assert run_check(runs["equal"], runs["old"]) == 0
    edited(runs["equal"], lambda scores: scores[DISTANCE].update(ci95=[0.0, 500.0]))
    assert run_check(runs["equal"], runs["old"]) == 2
    assert f"the interval of {DISTANCE}" in capsys.readouterr().err


def test_a_direction_that_is_turned_round_on_both_sides_is_found(runs, capsys) -> None:
    for side in ("old", "worse"):
        edited(runs[side], lambda scores: scores[DISTANCE].update(higher_is_better=True))
    assert run_check(runs["worse"], runs["old"]) == 2
    assert f"{DISTANCE} says the opposite of what is better" in capsys.readouterr().err


def test_no_number_of_studies_is_named_for_a_share_of_a_distance_of_equal_pictures(runs) -> None:
    (runs["old"] / "statistics.parquet").unlink()
    tiny = {"value": 4.007e-12, "ci95": [4.001e-12, 4.013e-12]}
    edited(runs["old"], lambda scores: scores[DISTANCE].update(tiny))
    verdict = check(runs["equal"], runs["old"], only=[DISTANCE])
    assert [one.n_needed for one in verdict.tested] == [None]
    asked = Asked(require_power=0.8)
    assert not check(runs["equal"], runs["old"], asked=asked, only=[DISTANCE]).passes
