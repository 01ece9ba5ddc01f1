"""THE number format: enough digits, and no number shown as another."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codixr_bench.registry import facts_of
from codixr_bench.score import Score
from codixr_bench.show.number import cell, chance, interval, number, together


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("fid_phantom", 8.914, "8.91"),
        ("fid_phantom", 1052.34, "1,052.3"),
        ("fid_inception[L]", 232.41, "232.4"),
        ("fid_xrv", 0.0, "0.00"),
        ("fid_xrv", 0.00031, "0.0003"),
        ("kid_phantom", 0.00042, "0.0004"),
        ("kid_phantom", 0.00000042, "0.0000004"),
        ("kid_phantom", -0.0281, "-0.0281"),
        ("auroc_macro", 0.98765, "0.988"),
        ("auroc_macro", 0.9996, "0.9996"),
        ("auroc_macro[F]", 1.0, "1.000"),
        ("chex_auroc_macro", 1.0 - 1e-13, "1.000"),
        ("label_f1_macro", 0.0004, "0.0004"),
        ("sacrebleu", 100.00000000000004, "100.0"),
        ("sacrebleu", 99.999, "99.999"),
        ("a_metric_that_nobody_has", 0.25, "0.250"),
        ("auroc_macro", None, "–"),
    ],
)
def test_a_score_has_the_digits_of_its_family(name, value, shown):
    assert number(name, value) == shown


def test_a_difference_always_has_its_sign_and_only_zero_is_special():
    assert number("auroc_macro", 0.0123, sign=True) == "+0.012"
    assert number("auroc_macro", -0.0001, sign=True) == "-0.0001"
    assert number("auroc_macro", 0.0, sign=True) == "0.000"
    assert number("auroc_macro", 0.9996, sign=True) == "+1.000"


NAMES = ["auroc_macro", "label_f1_micro", "fid_phantom", "kid_phantom", "sacrebleu"]


@given(st.sampled_from(NAMES), st.floats(-1e6, 1e6))
def test_what_is_printed_is_near_and_never_an_end_that_it_is_not(name, value):
    facts = facts_of(name)
    assert facts is not None
    value = min(max(value, facts.lowest), facts.highest)
    read = float(number(name, value).replace(",", ""))
    assert abs(read - value) <= 0.5 * 10 ** -min(1, facts.decimals) + 1e-12
    for end in (0.0, facts.lowest, facts.highest):
        if math.isfinite(end) and abs(value - end) > 2e-9 * max(1, abs(end)):
            assert read != end, (value, read)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("auroc_macro", 0.9412, ".941"),
        ("auroc_macro", 0.9996, ".9996"),
        ("auroc_macro", 1.0, "1.00"),
        ("auroc_macro", 0.0, ".000"),
        ("fid_phantom", 8.31, "8.31"),
        ("fid_phantom", 23.46, "23.5"),
        ("fid_phantom", 1052.3, "1,052"),
        ("kid_phantom", -0.0123, "-.012"),
        ("auroc_macro", None, "–"),
    ],
)
def test_a_narrow_cell_keeps_three_digits(name, value, shown):
    assert cell(name, value) == shown


def test_numbers_side_by_side_show_their_difference():
    assert together("auroc_macro", (0.9413, 0.9409, 0.0004)) == 4
    assert together("auroc_macro", (0.9413, 0.8, 0.1413)) == 3
    assert together("fid_phantom", (465.0, 461.0, 4.0)) == 2
    assert together("auroc_macro", (0.5, 0.5, 0.0)) == 3
    assert together("auroc_macro", (0.5, 0.5, 1e-8)) == 5


def test_an_interval_is_written_like_its_value():
    score = Score(
        name="kid_phantom", value=0.0, ci95=(-0.00042, 0.0031), n=9, higher_is_better=False,
        signature="kid|n:9",
    )  # fmt: skip
    assert interval(score) == "-0.0004 to 0.0031"
    assert interval(score.model_copy(update={"ci95": None})) == interval(None) == ""


@pytest.mark.parametrize(
    ("p", "shown"), [(0.0, "<.001"), (0.0421, ".042"), (0.9996, ">.999"), (1.0, "1")]
)
def test_a_p_value_is_not_shown_as_certain(p, shown):
    assert chance(p) == shown
