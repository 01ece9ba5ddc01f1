"""``audit``: planted inconsistencies are found, rounding is none, published tables stand."""

import json
from pathlib import Path

import numpy as np
import pytest

from codixr.data.labels import PATHOLOGIES
from codixr.errors import InputError
from codixr_bench.cli import main
from codixr_bench.paper.audit import Kind, Measure, audit, read_table
from codixr_bench.paper.averages import Rounded, mean_of, micro_f1_ends
from codixr_bench.paper.printed import AUROC, BLEU, CODI_XR, F1, FID, LABEL_F1, SUPPORT
from helpers.published_tables import OTHERS


def csv_of(heads, rows) -> str:
    lines = [["system", *heads], *rows]
    return "\n".join(",".join(f'"{cell}"' for cell in line) for line in lines)


def random_table(rng, places=2, classes=10):
    """Counts of a random multi-label evaluation; its F1 cells, averages and supports."""
    n = int(rng.integers(300, 5000))
    positives = rng.integers(3, n // 3, classes)
    hits = rng.binomial(positives, rng.uniform(0.2, 0.98, classes))
    false = rng.binomial(n - positives, rng.uniform(0.0, 0.2, classes))
    f1 = 2 * hits / (hits + false + positives)
    averages = {
        "micro": 2 * hits.sum() / (hits + false + positives).sum(),
        "macro": f1.mean(),
        "weighted": (f1 * positives).sum() / positives.sum(),
    }
    names = [f"class {i}" for i in range(classes)]
    cells = [f"{value:.{places}f}" for value in f1]
    return names, cells, averages, positives, n - positives


def table_of(names, cells, averages, positives, negatives, places=2):
    shown = [f"{averages[a]:.{places}f}" for a in ("micro", "macro", "weighted")]
    empty = ["", "", ""]
    rows = [
        ["support", *positives, *empty],
        ["negatives", *negatives, *empty],
        ["a model", *cells, *shown],
    ]
    return read_table(csv_of([*names, "micro", "macro", "weighted"], rows), "it")


@pytest.mark.parametrize("places", [2, 3])
def test_rounding_alone_raises_no_alarm_in_98_of_100_tables(places):
    rng = np.random.default_rng(places)
    alarms = 0
    for _ in range(1000):
        made = random_table(rng, places)
        alarms += bool(audit(table_of(*made, places=places), Measure.F1))
    assert alarms <= 20, alarms


def planted(rng, kind, places):
    names, cells, averages, positives, negatives = random_table(rng, places)
    unit = 10.0**-places
    if kind == "macro two units off":
        averages["macro"] += rng.choice([-1, 1]) * 2 * unit
    elif kind == "weighted two units off":
        averages["weighted"] += rng.choice([-1, 1]) * 2 * unit
    elif kind == "another row's macro":
        other = random_table(rng, places)[2]["macro"]
        if abs(other - averages["macro"]) < 2 * unit:
            return None
        averages["macro"] = other
    elif kind == "a digit of a cell":
        i = int(rng.integers(len(cells)))
        old = float(cells[i])
        cells[i] = f"{old - 0.3 if old > 0.5 else old + 0.3:.{places}f}"
    elif kind == "micro above every class":
        averages["micro"] = min(1.0, max(map(float, cells)) + 2 * unit)
        if averages["micro"] == 1.0:
            return None
    return table_of(names, cells, averages, positives, negatives, places)


@pytest.mark.parametrize("places", [2, 3])
@pytest.mark.parametrize(
    "kind",
    [
        "macro two units off",
        "weighted two units off",
        "another row's macro",
        "a digit of a cell",
        "micro above every class",
    ],
)
def test_planted_inconsistencies_are_found_in_95_of_100_tables(kind, places):
    rng = np.random.default_rng(7)
    tables = [t for _ in range(500) if (t := planted(rng, kind, places)) is not None]
    found = sum(any(f.is_contradiction for f in audit(t, Measure.F1)) for t in tables)
    assert len(tables) >= 300
    assert found / len(tables) >= 0.95, found / len(tables)


def test_the_chance_of_a_mean_is_that_of_random_hidden_digits():
    """Against drawn digits: ten cells printed as .50, and a mean printed as .51."""
    cells = [Rounded.parse(".50")] * 10
    rng = np.random.default_rng(0)
    means = 0.5 + rng.uniform(-0.005, 0.005, (200_000, 10)).mean(axis=1)
    for printed, places in ((".500", 3), (".502", 3), (".51", 2), (".50", 2)):
        drawn = np.mean(np.abs(np.round(means, places) - float(printed)) < 1e-9)
        assert mean_of(cells, [1.0] * 10, Rounded.parse(printed)).chance == pytest.approx(
            drawn, abs=0.006
        )
    assert not mean_of(cells, [1.0] * 10, Rounded.parse(".52")).possible


def test_micro_f1_lies_between_its_bounds_and_they_are_reached():
    rng = np.random.default_rng(0)
    for _ in range(300):
        _, cells, averages, positives, negatives = random_table(rng, 4, classes=3)
        shown = [Rounded.parse(cell) for cell in cells]
        low, high = micro_f1_ends(shown, positives.tolist(), negatives.tolist())
        assert low - 1e-3 <= averages["micro"] <= high + 1e-3
    # One class of each kind: no false alarm at all, or only false alarms.
    low, high = micro_f1_ends([Rounded(0.5, 0.0), Rounded(0.9, 0.0)], [100, 100])
    assert high > 0.7
    assert low < 0.65


@pytest.mark.parametrize(
    ("text", "value", "half"),
    [(".84", 0.84, 0.005), ("84.0", 84.0, 0.05), ("1,052", 1052.0, 0.5), ("−0.028", -0.028, 5e-4)],
)
def test_a_printed_number_says_how_much_it_hides(text, value, half):
    assert Rounded.parse(text) == Rounded(value, pytest.approx(half))


SUPPORTS = [str(SUPPORT[name][2]) for name in PATHOLOGIES]
TEN = list(PATHOLOGIES)


def cells(values):
    return ["" if value is None else f"{value:.2f}" for value in values]


def averaged(printed, heads, support=True):
    rows = [["support", *SUPPORTS, *[""] * (len(heads) - 10)]] if support else []
    rows += [[f"{model} {task or ''}".strip(), *cells(v)] for (model, task), v in printed.items()]
    return csv_of(heads, rows)


FLAT = [[model, *(f"{v:.2f}" for of in FID[model].values() for v in of)] for model in FID]
PUBLISHED: dict[str, tuple[str, Measure, set[tuple[str, str]]]] = {
    # CoDi_XR, the paper of this project: docs/metrics, codixr_bench/paper/printed.py.
    "CoDi_XR, Table II": (
        csv_of([f"{t} {b}" for t in FID[CODI_XR] for b in ("v3", "XRV")], FLAT),
        Measure.DISTANCE,
        set(),
    ),
    "CoDi_XR, Table III, AUROC": (
        averaged(AUROC, [*TEN, "micro", "macro", "weighted"]),
        Measure.AUROC,
        {
            ("CoDi", "macro"),
            ("CoDi_XR L->F", "weighted"),
            ("CoDi_XR L+T->F", "macro"),
            ("CoDi_XR L+T->F", "weighted"),
        },
    ),
    "CoDi_XR, Table III, F1": (
        averaged(F1, [*TEN, "micro", "macro", "weighted"]),
        Measure.F1,
        {
            ("CoDi_XR T->F", "weighted"),
            ("CoDi_XR L+T->F", "macro"),
            ("CoDi_XR L+T->F", "weighted"),
        },
    ),
    "CoDi_XR, Table IV": (
        csv_of(
            [f"{task} B-{k}" for task in BLEU[CODI_XR] for k in range(1, 5)],
            [
                [model, *cells([v for of in tasks.values() for v in of])]
                for model, tasks in BLEU.items()
            ],
        ),
        Measure.OTHER,
        set(),
    ),
    "CoDi_XR, Table V, the ten": (
        averaged(
            {key: (*values[:10], values[12]) for key, values in LABEL_F1.items()},
            [*TEN, "macro"],
            support=False,
        ),
        Measure.F1,
        {("CoDi_XR L->T", "macro"), ("CoDi_XR F+L->T", "macro")},
    ),
    **OTHERS,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_tables_contradict_themselves_where_known_and_nowhere_else(name):
    content, measure, expected = PUBLISHED[name]
    found = audit(read_table(content, name), measure)
    assert {(f.row, f.column) for f in found if f.is_contradiction} == expected


def test_an_average_over_fewer_classes_says_without_which_it_follows():
    heads = [*TEN, "No Finding", "macro"]
    values = LABEL_F1[CODI_XR, "F->T"]
    table = read_table(csv_of(heads, [["ours", *cells((*values[:11], values[12]))]]), "it")
    (finding,) = audit(table, Measure.F1)
    assert finding.kind is Kind.IMPOSSIBLE
    assert finding.says.endswith("it follows without No Finding")


TABLE = """system,a,b,macro,micro precision,micro recall,micro f1,n
support,50,60,,,,,
one,"0.50 [0.45, 0.55]",0.70,0.60,0.50,0.70,0.58,400
two,"0.52 [0.47, 0.57]",1.20,0.86,0.50,0.70,0.68,300
three,"0.90 (0.95-0.99)",0.10,0.50,,,,400
"""


def test_ranges_intervals_unequal_n_and_unclear_differences_are_told(tmp_path: Path, capsys):
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    assert main(["audit", str(path), "--measure", "f1", "--json"]) == 1
    found = {
        (f["kind"], f["row"], f["column"]) for f in json.loads(capsys.readouterr().out)["findings"]
    }
    assert found == {
        ("out of range", "two", "b"),
        ("out of range", "three", "a"),
        ("can't follow", "two", "micro f1"),
        ("unequal n", "all", "n"),
        ("not carried by the intervals", "two", "a"),
    }
    assert main(["audit", str(path), "--measure", "distance"]) == 1
    said = capsys.readouterr().out
    assert "these rows have no order" in said
    assert "warning" in said.splitlines()[-1]


def test_a_sound_table_ends_with_0_and_says_what_it_did_not_check(tmp_path: Path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("system,a,b,micro,macro,weighted\nx,.5,.7,.61,.60,.62\n")
    assert main(["audit", str(path), "--measure", "auroc"]) == 0
    said = capsys.readouterr().out
    assert "not checked: micro AUROC" in said
    assert "not checked: weighted averages: a row 'support'" in said
    assert "0 contradictions and 0 warnings in 1 rows" in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "a line of heads"),
        ("system,a\n", "a line of heads"),
        ("system,a,a\nx,1,2\n", "'a' stands twice"),
        ("system,a\nx,1,2\n", "row 'x' has 2 cells for 1"),
        ("system,a\nx,good\n", "row 'x', column 'a': 'good' is not a number"),
        ("system,a\nx,1\nx,2\n", "two rows are called 'x'"),
        ("system,a,n\nx,1,2.5\n", "column 'n': 2.5 is not a count"),
        ("system,a\nsupport,3\n", "no row but support"),
    ],
)
def test_a_table_that_cannot_be_read_says_where(content, says, tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=says):
        read_table(content, str(path))
    assert main(["audit", str(path)]) == 2
    assert "t.csv" in capsys.readouterr().err
    assert main(["audit", str(tmp_path / "absent.csv")]) == 2
