"""Scores by group: equal to scikit-learn's on the group's studies, and honest about gaps."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from codixr.data.labels import PATHOLOGIES
from codixr_bench.cli import main
from codixr_bench.comparing.subgroups import LEAST, Subgroups, of_columns, shown_groups
from codixr_bench.metric import Columns
from codixr_bench.metrics.stored_labels import CLASSES, PREFIX
from codixr_bench.score import ClassScore, Score
from helpers.statistics_fakes import drawn_columns, run_folder
from helpers.submission_fakes import N


def scores_named(*names: str) -> list[Score]:
    classes = {name: ClassScore(value=0.5, n_pos=100, n_neg=100) for name in PATHOLOGIES}
    return [
        Score(
            name=name,
            value=0.5,
            n=100,
            higher_is_better=True,
            signature=f"{name}|uncertain:u-zeros|n:100",
            per_class=classes if name.endswith("macro") else {},
        )
        for name in names
    ]


def drawn(n: int, rng: np.random.Generator, loss: np.ndarray | float = 0.0) -> Columns:
    """Ten findings in 15 % each, AUROC about .9, lower by ``loss`` [n] of the shift."""
    columns: dict[str, np.ndarray] = {}
    for name in PATHOLOGIES:
        label = rng.random(n) < 0.15
        value = rng.normal((1.81 - loss) * label, 1.0)
        columns[f"classification.probability.{name}"] = (1 / (1 + np.exp(-value))).astype("f4")
        columns[f"classification.label.{name}"] = label.astype(np.int32)
        columns[f"classification.predicted.{name}"] = (value > 1).astype(np.int32)
    return columns


def of_group(found: Subgroups, score: str, group: str) -> float:
    one = next(one for one in found.scores if one.score == score)
    return next(part.value for part in one.groups if part.group == group)


def test_a_groups_auroc_and_f1_are_scikit_learns_on_its_studies() -> None:
    rng = np.random.default_rng(0)
    columns = drawn(600, rng)
    groups = rng.choice(["a", "b", "c"], 600).tolist()
    found = of_columns(scores_named("auroc_macro", "f1_micro"), columns, {"g": groups})
    rows = np.array(groups) == "b"
    made, label, said = (
        np.column_stack([columns[f"classification.{kind}.{name}"][rows] for name in PATHOLOGIES])
        for kind in ("probability", "label", "predicted")
    )
    assert of_group(found, "auroc_macro", "b") == pytest.approx(
        roc_auc_score(label, made, average="macro"), abs=1e-12
    )
    assert of_group(found, "f1_micro", "b") == pytest.approx(
        f1_score(label, said, average="micro"), abs=1e-12
    )


def test_label_f1_of_a_group_goes_by_the_policy_of_its_signature() -> None:
    rng = np.random.default_rng(1)
    n = 400
    columns = {
        f"{PREFIX}.{kind}.{name}": rng.choice([1, 0, -1], n, p=[0.3, 0.6, 0.1]).astype(np.int8)
        for kind in ("hypothesis", "reference")
        for name in CLASSES
    } | {f"{PREFIX}.is_report": np.ones(n, dtype=np.int8)}
    groups = ["a"] * 250 + ["b"] * 150
    found = of_columns(scores_named("label_f1_macro"), columns, {"g": groups})
    made, real = (
        np.column_stack([columns[f"{PREFIX}.{kind}.{name}"][250:] == 1 for name in PATHOLOGIES])
        for kind in ("hypothesis", "reference")
    )
    assert of_group(found, "label_f1_macro", "b") == pytest.approx(
        f1_score(real, made, average="macro"), abs=1e-12
    )


def test_a_class_that_one_group_hardly_has_is_in_no_groups_average() -> None:
    rng = np.random.default_rng(2)
    columns = drawn(600, rng)
    groups = np.array(["a"] * 300 + ["b"] * 300)
    edema = columns["classification.label.Edema"]
    edema[300:] = 0
    edema[300 : 300 + LEAST - 1] = 1
    found = of_columns(scores_named("auroc_macro", "f1_macro"), columns, {"g": groups.tolist()})
    assert found.without == {"g": ["Edema"]}
    nine = [name for name in PATHOLOGIES if name != "Edema"]
    made, label = (
        np.column_stack([columns[f"classification.{kind}.{name}"][:300] for name in nine])
        for kind in ("probability", "label")
    )
    assert of_group(found, "auroc_macro", "a") == pytest.approx(roc_auc_score(label, made))


@pytest.mark.parametrize(
    ("sizes", "shown", "hidden"),
    [
        ({"a": 50, "b": 40}, ["a", "b"], 0),
        ({"a": 50, "b": 40, "c": 9}, ["a"], 2),  # c alone would be the whole without a and b
        ({"a": 50, "b": 40, "c": 9, "d": 1}, ["a", "b"], 2),
        ({"a": 50, "b": 40, "c": 4, "d": 3}, ["a"], 3),  # 7 patients together are few, too
        ({"a": 50, "b": 4}, [], 2),
    ],
)
def test_a_small_group_is_hidden_and_never_alone(
    sizes: dict[str, int], shown: list[str], hidden: int
) -> None:
    values = [name for name, n in sizes.items() for _ in range(n)]
    groups, count = shown_groups(values, None)
    assert ([group.name for group in groups], count) == (shown, hidden)


def test_patients_are_counted_not_their_studies() -> None:
    values: list[str | None] = ["a"] * 60 + ["b"] * 40 + [None] * 20
    patient = np.concatenate([np.arange(60), np.repeat(np.arange(100, 109), 5)[:40], np.arange(20)])
    groups, hidden = shown_groups(values, patient)
    assert [(group.name, group.patients) for group in groups] == [("a", 60)]
    assert hidden == 2  # b has nine patients; the unknown ones would give them away


def test_studies_of_one_patient_widen_a_gaps_interval() -> None:
    rng = np.random.default_rng(3)
    once = drawn(300, rng)
    twice = {name: np.concatenate([values, values]) for name, values in once.items()}
    groups = ["a" if i % 2 else "b" for i in range(300)] * 2
    patient = {"patient": np.tile(np.arange(300), 2)}
    alone, together, single = (
        of_columns(scores_named("auroc_macro"), columns, {"g": groups[: len(columns_n)]})
        .scores[0]
        .gap
        for columns, columns_n in ((twice, groups), (twice | patient, groups), (once, groups[:300]))
    )
    assert together.value == pytest.approx(single.value, abs=1e-3)
    assert together.seen_from == pytest.approx(single.seen_from, rel=0.05)
    assert alone.seen_from < 0.8 * together.seen_from


def test_distances_have_no_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_folder(tmp_path / "run", drawn_columns())
    groups = tmp_path / "g.csv"
    rows = "\n".join(f"{i},{'north' if i % 3 else 'south'}" for i in range(N))
    groups.write_text(f"position,site\n{rows}\n")
    words = ["subgroups", str(folder), "--by", "site", "--groups", str(groups)]
    assert main([*words, "--plot", str(tmp_path / "a.svg"), "--page"]) == 0
    assert (folder / "gaps.svg").read_bytes() == (tmp_path / "a.svg").read_bytes()
    assert "Gaps between groups" in (folder / "report.html").read_text()
    out, err = capsys.readouterr()
    assert "gap north − south" in out or "gap south − north" in out
    assert "not by group, no study has its own: fid_phantom" in err
    assert max(map(len, out.splitlines())) <= 90
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
    assert main([*words, "--json", "--scores", "all"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["groups"] == {"site": {"north": 1333, "south": 667}}
    assert {score["score"] for score in one["scores"]} >= {"auroc_micro", "f1_weighted"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "race"], "'phantom' has no groups 'race'; it has: sex, age, view, body_size"),
        (["--by", " , "], "--by names no group"),
        (["--by", "body_size", "--scores", "auroc"], "has no score 'auroc'"),
        (["--by", "sex", "--tables", "."], "--tables is for MIMIC-CXR and CT"),
        (["--by", "sex", "--groups", "no.csv"], "cannot be read as CSV"),
    ],
)
def test_what_cannot_be_grouped_is_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_folder(tmp_path / "run", drawn_columns())
    assert main(["subgroups", str(folder), *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_group_that_no_study_has_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_folder(tmp_path / "run", drawn_columns())
    groups = tmp_path / "g.csv"
    groups.write_text("position,site\n" + "\n".join(f"{i},NA" for i in range(N)) + "\n")
    assert main(["subgroups", str(folder), "--by", "site", "--groups", str(groups)]) == 2
    err = capsys.readouterr().err
    assert "--by site: it is known of no study of the result" in err
    assert len(err.splitlines()) == 1


def share_found(gap: float, rounds: int) -> float:
    """Rounds whose primary scores find a gap, 2,000 studies, one group of 40 %."""
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(rounds):
        group = rng.random(2000) < 0.4
        columns = drawn(2000, rng, gap * group)
        names = np.where(group, "a", "b").tolist()
        found = of_columns(scores_named("auroc_macro", "f1_macro"), columns, {"g": names})
        hits += any((one.gap.p_holm or 0.0) <= 0.05 for one in found.scores)
    return hits / rounds


@pytest.mark.slow
def test_a_gap_of_a_twentieth_of_auroc_is_found_and_none_is_made_up() -> None:
    """A shift of .38 takes .05 of AUROC .900."""
    assert share_found(0.0, 400) <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5
    assert share_found(0.38, 100) >= 0.8
