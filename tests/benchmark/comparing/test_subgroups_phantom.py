"""The phantom's own groups: a planted gap is found, and none is made up, over real people."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from codixr.data.groups import Groups
from codixr.data.phantom import PhantomDataset
from codixr.modality import Modality
from codixr_bench.cli import main
from codixr_bench.comparing.subgroups import Subgroups, of_columns
from codixr_bench.metric import Columns
from codixr_bench.score import Score
from helpers.small_runs import SmallRuns

BY = ("sex", "age", "view", "body_size")
PRIMARY = ("auroc_macro", "f1_macro")
N = 2000
SWAPPED = 0.10
"""Share of a group's pictures that are another patient's: it takes .05 of macro AUROC."""


def others(rng: np.random.Generator, rows: np.ndarray, share: float) -> np.ndarray:
    """Whose picture each study gets: its own, or, for a share of ``rows``, another of these."""
    whose = np.arange(N)
    chosen = rows[rng.random(len(rows)) < share]
    whose[chosen] = np.roll(rng.permutation(chosen), 1)
    return whose


def with_pictures(columns: Columns, whose: np.ndarray) -> Columns:
    """What the judge would say if study i had study ``whose[i]``'s picture."""
    return {
        name: values if ".label." in name else values[whose] for name, values in columns.items()
    }


@pytest.fixture(scope="module")
def judged() -> tuple[list[Score], Columns, Groups]:
    """Scores and columns of the real frontal pictures of the test split, and its people."""
    runs = SmallRuns("T->F", N)
    scores, columns = runs.run(runs.real, ("classification",))
    kept = {name: v for name, v in columns.items() if name.startswith("classification.")}
    return [scores[name] for name in PRIMARY], kept, PhantomDataset("test").groups()


def people(seeds: range) -> Iterator[Groups]:
    """Groups of other simulated patients: their pictures are none of the split's."""
    for seed in seeds:
        yield PhantomDataset("test", seed=seed).groups()


def alarms(found: Subgroups) -> bool:
    return any((one.gap.p_holm or 0.0) <= 0.05 for one in found.scores)


@pytest.mark.slow
def test_the_real_pictures_of_all_groups_are_read_alike(
    judged: tuple[list[Score], Columns, Groups],
) -> None:
    scores, columns, groups = judged
    found = of_columns(scores, columns, groups)
    assert set(found.hidden.values()) == {0}
    assert {one.attribute for one in found.scores} == set(BY)
    assert all(one.gap.value < 0.03 for one in found.scores)


@pytest.mark.slow
def test_a_planted_gap_of_a_twentieth_is_found_among_the_phantoms_people(
    judged: tuple[list[Score], Columns, Groups],
) -> None:
    scores, columns, groups = judged
    rng = np.random.default_rng(19)
    view = np.array(groups["view"])
    assert (view == "AP").mean() == pytest.approx(0.4, abs=0.03)
    losses, hits = [], 0
    for _ in range(50):
        whose = others(rng, np.flatnonzero(view == "AP"), SWAPPED)
        found = of_columns(scores, with_pictures(columns, whose), {"view": groups["view"]})
        auroc = next(one for one in found.scores if one.score == "auroc_macro")
        losses.append(auroc.gap.value if auroc.gap.lower == "AP" else -auroc.gap.value)
        hits += any(one.gap.lower == "AP" and alarms(found) for one in found.scores)
    assert np.mean(losses) == pytest.approx(0.05, abs=0.01)
    assert hits >= 0.8 * 50


@pytest.mark.slow
def test_no_gap_is_found_among_people_whose_pictures_are_not_theirs(
    judged: tuple[list[Score], Columns, Groups],
) -> None:
    """All four attributes are asked; a tenth of every group's pictures is another patient's."""
    scores, columns, _ = judged
    rng = np.random.default_rng(20)
    rounds, false = 200, 0
    for groups in people(range(1, rounds + 1)):
        whose = others(rng, np.arange(N), SWAPPED)
        false += alarms(of_columns(scores, with_pictures(columns, whose), groups))
    assert false / rounds <= 0.05 + 2 * (0.05 * 0.95 / rounds) ** 0.5


@pytest.mark.slow
def test_pictures_that_serve_ap_worse_are_found_out_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = PhantomDataset("test")
    view = np.array(data.groups()["view"])
    whose = others(np.random.default_rng(3), np.flatnonzero(view == "AP"), 2 * SWAPPED)
    (tmp_path / "made" / "F").mkdir(parents=True)
    for place, other in enumerate(whose):
        picture = PILImage.fromarray(np.array(data.images(Modality.F)[other]))
        picture.save(tmp_path / "made" / "F" / f"{place:05d}.png")
    words = ["score", "--samples", str(tmp_path / "made"), "--task", "T->F", "--model", "mine"]
    run = str(tmp_path / "run")
    assert main([*words, "--metrics", "classification", "--out", run]) == 0
    capsys.readouterr()
    assert main(["subgroups", run, "--by", ",".join(BY), "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    found = {(s["attribute"], s["score"]): s["gap"] for s in one["scores"]}
    gap = found["view", "auroc_macro"]
    assert (gap["higher"], gap["lower"]) == ("PA", "AP")
    assert gap["p_holm"] < 0.001
    assert gap["interval"][0] > 0.03
    assert all(g["p_holm"] > 0.05 for (by, _), g in found.items() if by in ("sex", "body_size"))
