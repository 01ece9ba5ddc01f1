"""Paired comparison: influences against resampling, p-values against SciPy, error rates."""

import html
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from codixr.errors import InputError
from codixr_bench.cli import main
from codixr_bench.comparing.comparison import (
    Difference,
    NotComparableError,
    compare_all,
)
from codixr_bench.comparing.side import load_sides
from codixr_bench.metrics.auroc import auroc_without_each, average_auroc
from codixr_bench.metrics.bleu import corpus_bleu, sacrebleu_score
from codixr_bench.metrics.per_class import AVERAGES, average_f1
from codixr_bench.registry import facts_of
from codixr_bench.statistics.bootstrap import resample_weights
from codixr_bench.statistics.influence import read_statistics
from codixr_bench.statistics.influence_interval import standard_error
from codixr_bench.statistics.significance import holm, quantile, upper_tail
from helpers.compare_fakes import DISTANCE, influences, simulate, values_of, write_run

NAMES = ["auroc_micro", "auroc_macro", "auroc_weighted", "f1_micro", "f1_macro", "f1_weighted"]
NAMES += ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "sacrebleu"]


def pair(folder: Path, n: int = 200, seed: int = 0, **worse: float) -> tuple[Path, Path]:
    first, second = simulate(np.random.default_rng(seed), n, worse={0: worse.get("worse", 0.0)})
    return write_run(folder / "a", first), write_run(folder / "b", second)


def the_comparison(first: Path, second: Path):
    (found,) = compare_all(load_sides(first), load_sides(second))
    return found


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), n=st.integers(6, 40))
def test_leaving_out_one_study_is_computed_as_by_a_weight_of_zero(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.choice([-2, -1, 0, 1], p=[0.1, 0.05, 0.5, 0.35], size=(n, 3))
    probabilities = np.round(rng.random((n, 3)), 1)  # with ties
    weights = np.vstack([np.ones((1, n)), 1 - np.eye(n)]).astype(np.int16)
    expected = average_auroc(probabilities, labels.astype(np.int8), weights)
    found = auroc_without_each(probabilities, labels)
    for name in (*AVERAGES, "per_class"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-12)
    expected = average_f1(probabilities >= 0.5, labels.astype(np.int8), weights)
    found = average_f1(probabilities >= 0.5, labels, None)
    for name in (*AVERAGES, "per_class"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-12)


@settings(max_examples=20)
@given(
    counts=st.lists(
        st.lists(st.integers(0, 30), min_size=4, max_size=4).map(lambda x: sorted(x)[::-1]),
        min_size=1,
        max_size=3,
    ),
    lengths=st.tuples(st.integers(4, 60), st.integers(1, 60)),
)
def test_sacrebleus_formula_is_sacrebleus(
    counts: list[list[int]], lengths: tuple[int, int]
) -> None:
    from sacrebleu.metrics.bleu import BLEU

    made, true = lengths
    for matches in counts:
        totals = [max(0, made - order) for order in range(4)]
        hits = [min(m, t) for m, t in zip(matches, totals, strict=True)]
        row = np.array([[made, true, *hits, *totals]], dtype=np.float64)
        theirs = BLEU.compute_bleu(hits, totals, made, true, smooth_method="exp").score
        assert sacrebleu_score(row)[0] == pytest.approx(theirs, abs=1e-9)


def test_influences_spread_as_a_bootstrap_does() -> None:
    n = 200
    (columns, other) = simulate(np.random.default_rng(3), n)
    weights = resample_weights(n, 400)
    resampled = []
    for one in (columns, other):
        labels, probabilities = (
            np.column_stack([v for k, v in one.items() if k.startswith(f"classification.{part}.")])
            for part in ("label", "probability")
        )
        orders = [f"{kind}_{order}" for kind in ("match", "total") for order in range(1, 5)]
        counts = np.column_stack([one[f"bleu.{k}"] for k in ("hyp_len", "ref_len", *orders)])
        auroc = average_auroc(probabilities.astype(float), labels, weights)
        f1 = average_f1(probabilities >= 0.4, labels, weights)
        scores = {f"auroc_{a}": getattr(auroc, a) for a in ("micro", "macro", "weighted")}
        scores |= {f"f1_{a}": getattr(f1, a) for a in ("micro", "macro", "weighted")}
        bleu = corpus_bleu(weights @ counts)
        scores |= {f"bleu_{k + 1}": bleu[:, k] for k in range(4)}
        resampled.append(scores)
    for name in [n for n in NAMES if n != "sacrebleu"]:
        of = [
            influences({k: v for k, v in c.items() if k[0] != "_"})[name] for c in (columns, other)
        ]
        error, _ = standard_error(of[0].by_study - of[1].by_study)
        drawn = np.std(resampled[0][name] - resampled[1][name])
        assert error == pytest.approx(drawn, rel=0.15), name


def test_students_t_is_scipys() -> None:
    for df in (1.0, 1.7, 3.0, 10.0, 58.3, 1999.0):
        for t in (-40.0, -3.2, -0.5, 0.0, 0.1, 1.0, 1.96, 4.0, 12.0):
            assert upper_tail(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-9, abs=1e-300)
        for tail in (0.4, 0.025, 1e-4):
            assert quantile(tail, df) == pytest.approx(stats.t.isf(tail, df), rel=1e-8)
    assert upper_tail(float("inf"), 5) == 0.0


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_its_steps_reject(p: list[float]) -> None:
    adjusted = holm(p)
    for alpha in (0.01, 0.05, 0.3):
        order, rejected = sorted(range(len(p)), key=lambda i: p[i]), set()
        for rank, index in enumerate(order):
            if p[index] * (len(p) - rank) > alpha:
                break
            rejected.add(index)
        assert {i for i, value in enumerate(adjusted) if value <= alpha} == rejected


def test_a_difference_on_few_studies_has_few_degrees_of_freedom() -> None:
    rng = np.random.default_rng(0)
    by_study = np.zeros(2000)
    by_study[:5] = rng.normal(size=5)
    assert standard_error(by_study)[1] < 10
    assert standard_error(rng.normal(size=2000))[1] == pytest.approx(2000, rel=0.2)
    assert standard_error(np.zeros(10)) == (0.0, 1.0)


def test_a_patients_studies_count_as_one() -> None:
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(100), 3)
    shared = np.repeat(rng.normal(size=100), 3)
    shared -= shared.mean()
    by_study, _ = standard_error(shared)
    by_patient, df = standard_error(shared, patients)
    # Three copies of each value are no more evidence than one.
    assert by_patient == pytest.approx(standard_error(shared[::3])[0])
    assert by_patient == pytest.approx(by_study * 3**0.5, rel=0.01)
    assert df <= 99
    alone = rng.normal(size=300)
    assert standard_error(alone, np.arange(300)) == pytest.approx(standard_error(alone))


def test_patients_are_read_from_the_statistics_and_have_to_agree(tmp_path: Path) -> None:
    sides = simulate(np.random.default_rng(0), 90)
    plain = write_run(tmp_path / "a", sides[0]), write_run(tmp_path / "b", sides[1])
    several = np.repeat(np.arange(30), 3).astype(np.int32)
    for side in sides:
        side["patient"] = several
    grouped = write_run(tmp_path / "c", sides[0]), write_run(tmp_path / "d", sides[1])
    pairs = zip(
        the_comparison(*plain).differences, the_comparison(*grouped).differences, strict=True
    )
    assert all(one.error != other.error and other.df <= 29 for one, other in pairs)
    sides[1]["patient"] = several[::-1].copy()
    other = write_run(tmp_path / "e", sides[1])
    with pytest.raises(NotComparableError, match="studies: the column 'patient'"):
        the_comparison(grouped[0], other)


def test_every_score_is_compared_in_pairs_and_narrower_than_by_intervals(tmp_path: Path) -> None:
    first, second = pair(tmp_path)
    found = the_comparison(first, second)
    assert [d.name for d in found.differences] == [*NAMES, DISTANCE]
    assert all(d.paired for d in found.differences)
    (second / "statistics.parquet").unlink()
    apart = the_comparison(first, second)
    assert not any(d.paired for d in apart.differences)
    assert "no 'statistics.parquet' beside" in apart.differences[0].reason
    narrower = [
        p.error < u.error for p, u in zip(found.differences, apart.differences, strict=True)
    ]
    assert all(narrower)


def test_a_model_against_itself_does_not_differ(tmp_path: Path) -> None:
    first, _ = pair(tmp_path, 50)
    for one in the_comparison(first, first).differences:
        assert (one.value, one.error, one.p_value, one.p_loss()) == (0.0, 0.0, 1.0, 0.5)
        assert one.interval() == (0.0, 0.0)


def test_swapping_the_sides_changes_the_sign_and_nothing_else(tmp_path: Path) -> None:
    first, second = pair(tmp_path, 80)
    there, back = the_comparison(first, second), the_comparison(second, first)
    for one, other in zip(there.differences, back.differences, strict=True):
        assert one.value == -other.value
        assert one.p_value == pytest.approx(other.p_value)
        low, high = one.interval()
        assert other.interval() == pytest.approx((-high, -low))


def test_the_direction_of_a_score_decides_what_a_loss_is() -> None:
    kind = {"task": "T->F", "n": 100, "error": 1.0, "df": 99.0, "paired": True}
    distance = Difference(name="d", first=12.0, second=10.0, higher_is_better=False, **kind)
    share = Difference(name="s", first=12.0, second=10.0, higher_is_better=True, **kind)
    assert (distance.gain, share.gain) == (-2.0, 2.0)
    assert distance.p_loss() == pytest.approx(stats.t.sf(2.0, 99))
    assert distance.p_loss(margin=2.0) == 0.5
    assert share.p_loss() == pytest.approx(stats.t.sf(-2.0, 99))


def test_the_needed_n_gives_the_power_it_promises() -> None:
    one = Difference("T->F", "s", 0.8, 0.8, True, 200, 0.03, 199.0, True)
    n = one.n_needed(loss=0.04, margin=0.0, alpha=0.05, power=0.8)
    assert one.power(0.04, 0.0, 0.05, n) == pytest.approx(0.8, abs=0.005)
    assert one.power(0.04, 0.0, 0.05, n - 5) < 0.8
    assert one.n_needed(loss=0.04, margin=0.04, alpha=0.05, power=0.8) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"task": "F->L+T"}, "task: "),
        ({"track": {"name": "openi"}}, "track.name: fake against openi"),
        ({"track": {"version": "2"}}, "track.version: 1 against 2"),
        ({"track": {"split": "val"}}, "track.split: test against val"),
        (
            {"track": {"fingerprint": "1" * 64}},
            "track.fingerprint: 0000000000… against 1111111111…",
        ),
        ({"signature": {"bleu_1": "bleu|tok:13a"}}, "bleu_1.signature: "),
        ({"drop": ("auroc_macro",)}, "auroc_macro: there against absent"),
    ],
)
def test_what_is_not_of_one_thing_is_refused_by_its_field(
    tmp_path: Path, changes: dict, field: str
) -> None:
    first, second = simulate(np.random.default_rng(0), 30)
    here = write_run(tmp_path / "a", first)
    there = write_run(tmp_path / "b", second, **changes)
    with pytest.raises(NotComparableError) as caught:
        the_comparison(here, there)
    assert len(caught.value.fields) == 1
    assert caught.value.fields[0].startswith(field)


def test_another_number_of_studies_is_refused(tmp_path: Path) -> None:
    first, _ = pair(tmp_path / "x", 30)
    _, second = pair(tmp_path / "y", 31)
    with pytest.raises(NotComparableError, match=r"track\.n: 30 against 31"):
        the_comparison(first, second)


def test_other_studies_are_found_out_by_their_labels(tmp_path: Path) -> None:
    first, _ = pair(tmp_path / "x", 30, seed=0)
    _, second = pair(tmp_path / "y", 30, seed=1)
    with pytest.raises(NotComparableError, match=r"studies: the column 'classification\.label"):
        the_comparison(first, second)


def test_statistics_of_another_run_are_found_out_by_their_scores(tmp_path: Path) -> None:
    first, second = pair(tmp_path, 60)
    stolen = (second / "statistics.parquet").read_bytes()
    (first / "statistics.parquet").write_bytes(stolen)
    with pytest.raises(InputError, match="they are of two runs, or one was edited"):
        the_comparison(first, second)


def test_damaged_statistics_are_bad_input(tmp_path: Path) -> None:
    first, second = pair(tmp_path, 20)
    (first / "statistics.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match="is not a statistics file"):
        the_comparison(first, second)
    with pytest.raises(InputError, match="20 rows for 21 studies"):
        read_statistics(second / "statistics.parquet", 21)


def test_groups_are_compared_task_by_task(tmp_path: Path) -> None:
    for side, seed in (("a", 0), ("b", 1)):
        for task in ("L->F+T", "F->L+T"):
            columns = simulate(np.random.default_rng(5), 30)[seed]
            write_run(tmp_path / side / task.replace("->", "-to-"), columns, task=task)
    found = compare_all(load_sides(tmp_path / "a"), load_sides(tmp_path / "b"))
    assert {one.first.result.task for one in found} == {"L->F+T", "F->L+T"}
    one = load_sides(tmp_path / "a" / "L-to-F+T")
    with pytest.raises(NotComparableError, match="on one side only: F->L"):
        compare_all(one, load_sides(tmp_path / "b"))
    with pytest.raises(InputError, match=r"has no 'result\.json'"):
        load_sides(tmp_path)


def test_seeds_may_differ_and_are_told(tmp_path: Path) -> None:
    first, second = simulate(np.random.default_rng(0), 30)
    here, there = write_run(tmp_path / "a", first), write_run(tmp_path / "b", second, seed=1)
    assert (
        "seeds 0 and 1: their noise is part of the difference" in the_comparison(here, there).notes
    )


def test_the_command_prints_a_table_or_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = pair(tmp_path, 300, worse=0.5)
    assert main(["compare", str(first), str(second / "result.json")]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    assert "95 % interval" in out
    assert "<.001" in out
    assert main(["compare", str(first), str(second), "--json", "--scores", "bleu_1,f1_macro"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["differences"]] == ["f1_macro", "bleu_1"]
    for row in found["differences"]:
        assert row["difference"] == pytest.approx(row["a"] - row["b"])
        assert row["ci95"][0] < row["difference"] < row["ci95"][1] < 0
        assert row["p_holm"] < 0.001
        assert row["p"] <= row["p_holm"]
    assert main(["compare", str(first), str(second), "--scores", "nope"]) == 2
    assert "has no score 'nope'" in capsys.readouterr().err


def test_the_page_has_the_numbers_of_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = pair(tmp_path, 300, worse=0.5)
    page = tmp_path / "new" / "page.html"
    assert main(["compare", str(first), str(second), "--html", str(page)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if " to " in line]
    text = page.read_text(encoding="utf-8")
    for row in rows:
        for cell in (row[0], *row[2:5], " to ".join((row[5], row[7]))):
            assert html.escape(cell) in text, row
    assert text.count("B is better") == len(rows) > 10
    assert main(["compare", str(first), str(second), "--html", str(tmp_path)]) == 2
    assert "is a folder: give a file" in capsys.readouterr().err


def test_intervals_of_the_difference_cover_and_nulls_are_rarely_rejected() -> None:
    """A short version of the simulation in docs/LOG.md: 80 null pairs, 12 scores each."""
    found = null_p_values(n=60, pairs=80, seed=11)
    singles = np.mean([p <= 0.05 for ps in found for p in ps])
    families = np.mean([min(holm(ps)) <= 0.05 for ps in found])
    assert 0.02 <= singles <= 0.08
    assert families <= 0.08


@pytest.mark.slow
@pytest.mark.parametrize("n", [64, 200, 1000])
def test_equal_models_are_called_different_in_at_most_6_of_100(n: int) -> None:
    found = null_p_values(n=n, pairs=1000, seed=n)
    by_score = np.mean([[p <= 0.05 for p in ps] for ps in found], axis=0)
    assert by_score.max() <= 0.075  # 1,000 pairs: three standard errors above 5.5 %
    assert by_score.mean() <= 0.06
    assert np.mean([min(holm(ps)) <= 0.05 for ps in found]) <= 0.06


def null_p_values(n: int, pairs: int, seed: int) -> list[list[float]]:
    """Two-sided p-values of every score, for pairs of equally good models on new studies."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(pairs):
        sides = simulate(rng, n)
        of = [influences({k: v for k, v in c.items() if k[0] != "_"}) for c in sides]
        values = [values_of(c) for c in sides]
        ps = []
        for name in (*NAMES, DISTANCE):
            error, df = standard_error(of[0][name].by_study - of[1][name].by_study)
            difference = abs(values[0][name] - values[1][name])
            ps.append(2 * upper_tail(difference / error, df))
        found.append(ps)
    return found


def test_the_interval_of_a_difference_ends_where_differences_end() -> None:
    one = Difference("L->F", "f1_macro", 0.9, 0.1, True, 16, 0.2, 2.0, True)
    assert one.interval()[1] == 1.0
    assert one.interval()[0] < 0.8


def test_what_is_about_real_pictures_is_not_compared() -> None:
    for name in ("fid_phantom_other_real", "fid_phantom_other_real[L]"):
        assert not facts_of(name).of_model
    assert facts_of("fid_phantom_other").of_model


def test_other_commits_are_told_apart_by_their_digits(tmp_path):
    first, second = pair(tmp_path)
    for side, digit in ((first, "a"), (second, "b")):
        content = json.loads((side / "result.json").read_text())
        content["code"]["commit"] = digit * 40
        (side / "result.json").write_text(json.dumps(content))
    said = "were scored by other commits of codixr: aaaaaaaaaa and bbbbbbbbbb"
    assert any(said in note for note in the_comparison(first, second).notes)
