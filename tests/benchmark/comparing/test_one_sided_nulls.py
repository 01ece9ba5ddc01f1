"""A score that one side's outputs can't give, and one that a side leaves out."""

import numpy as np
import pytest

from codixr_bench.comparing.comparison import NotComparableError, compare_all
from codixr_bench.comparing.side import load_sides
from helpers.compare_fakes import edited, simulate, write_run


def test_a_null_of_one_side_is_noted_and_a_primary_ones_is_held_against_it(tmp_path) -> None:
    drawn = simulate(np.random.default_rng(0), 200, worse={0: 0.0})
    first, second = (write_run(tmp_path / name, run) for name, run in zip("ab", drawn, strict=True))

    def unknown(name):
        return lambda scores: scores[name].update(value=None, ci95=None, reason="too few words")

    edited(first, unknown("auroc_weighted"))
    (found,) = compare_all(load_sides(first), load_sides(second))
    assert "auroc_weighted" not in [one.name for one in found.differences]
    assert any("auroc_weighted: null (too few words) against there" in n for n in found.notes)
    edited(first, unknown("auroc_macro"))
    with pytest.raises(NotComparableError, match=r"auroc_macro: null \(too few words\)"):
        compare_all(load_sides(first), load_sides(second))
