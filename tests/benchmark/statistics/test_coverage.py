"""The 95 % intervals hold the true value as often as they say, in simulation, for each family.

``pytest -m slow`` measures every cell of the table in docs/metrics/intervals.md;
``CODIXR_COVERAGE=table.md`` writes the table there.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from helpers.coverage import GROUPS, PREVALENCES, SIZES, table
from helpers.coverage_cells import LEAST, MOST, Cell

ROUNDS = int(os.environ.get("CODIXR_ROUNDS", "2000"))
DOCS = Path(__file__).parents[3] / "docs" / "metrics" / "intervals.md"
_measured: dict[tuple[str, int, float], Cell] = {}


@pytest.mark.slow
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.labels[0])
def test_intervals_cover_the_true_value(group, n):
    for prevalence in PREVALENCES:
        for label, cell in group.cells(n, prevalence, ROUNDS).items():
            _measured[label, n, prevalence] = cell
            where = f"{label}, n {n}, {prevalence:.0%}: {cell}"
            assert not cell.short, where
            assert not cell.long, where


@pytest.mark.slow
def test_the_table_in_docs_is_what_is_measured():
    labels = [label for group in GROUPS for label in group.labels]
    if len(_measured) < len(labels) * len(SIZES) * len(PREVALENCES):
        pytest.skip("only a part was measured: run the whole file in one process")
    if "CODIXR_COVERAGE" in os.environ:
        Path(os.environ["CODIXR_COVERAGE"]).write_text(table(_measured), encoding="utf-8")
    # Another version of NumPy may draw other studies: each cell within three Monte Carlo errors.
    for row, cells in printed().items():
        for prevalence, covered in zip(PREVALENCES, cells, strict=True):
            cell = _measured[(*row, prevalence)]
            assert covered is not None, (
                f"{row}, {prevalence:.0%}: {cell.covered:.3f} is not in docs"
            )
            assert covered == pytest.approx(cell.covered, abs=3 * np.sqrt(2 * 0.05 / ROUNDS))


def printed():
    """(family, n) -> the coverages in the table in docs; None for one that is not measured yet."""
    found = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 2 + len(PREVALENCES) and cells[1][0].isdigit():
            numbers = [None if cell == "–" else float(cell) for cell in cells[2:]]
            found[cells[0], int(cells[1].replace(",", ""))] = numbers
    return found


def test_docs_show_every_family_and_none_is_short():
    rows = printed()
    assert list(rows) == [(label, n) for g in GROUPS for label in g.labels for n in SIZES]
    error = np.sqrt(LEAST * (1 - LEAST) / 2000)
    shown = [cell for cells in rows.values() for cell in cells if cell is not None]
    assert min(shown) >= round(LEAST - 2 * error, 3)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.labels[0])
def test_the_simulated_truth_is_inside_the_interval_of_very_many_studies(group):
    # At so many the interval is hardly longer than the truth's own digits.
    rng = np.random.default_rng(0)
    drawn = group.draw(rng, 4, 8_000, 0.2)
    for one in drawn if isinstance(drawn, tuple) else (drawn,):
        assert np.max(one.high - one.low) < 0.08
        middle = 0.5 * (one.low + one.high)
        half = 0.5 * (one.high - one.low)
        assert np.all(np.abs(middle - one.truth) < 2.5 * half)


def test_a_cell_fails_below_93_and_above_98_5_percent():
    assert Cell(0.918, 2000, 0.95, 2000).short
    assert not Cell(0.92, 2000, 0.95, 2000).short
    assert Cell(0.99, 2000, 0.991, 2000).long
    assert not Cell(0.999, 2000, 0.999, 50).long
    assert (LEAST, MOST) == (0.93, 0.985)
