"""Whoever plays the benchmark is warned of and has no rank; honest models aren't.

The gradients take some minutes each: ``pytest -m slow -s tests/benchmark/test_games.py``.
"""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from codixr.data.phantom.case import STREAM_WORDS, sample_case, study_rng
from codixr.data.phantom.dataset import SPLIT_STARTS
from codixr.data.phantom.grammar import write_report
from codixr.data.phantom.render import render_case
from codixr.modality import Modality
from codixr_bench.hooks import train_limit
from codixr_bench.registry import family_warnings, load_model
from codixr_bench.runs.scoring import prepare_metrics
from codixr_bench.score import UNRANKED, Score
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track
from helpers.games import GRADIENTS, PICTURES, REPORTS, Cheat, noise
from helpers.new_games import NEW_REPORTS

pytestmark = pytest.mark.slow
N = 400
TRACK = Track.load("phantom")
WARNING = {
    Modality.F: ("copies_image", "judge_gap", "served_share", "diversity"),
    Modality.T: ("copies_report", "diversity_report"),
}
"""The families that warn of an output."""
TOGETHER = "judge_gap"
"""Its warning is of all its scores at once."""
FIRST = {"judge_gap": "judge_gap", "collapse": "diversity"}
"""Code -> the family to look at first, where a game has it."""


@pytest.fixture(scope="module")
def cheat() -> Cheat:
    return Cheat(N)


@pytest.fixture(scope="module")
def evaluation(cheat: Cheat) -> Evaluation:
    return Evaluation(TRACK, cheat.test)


@pytest.fixture(scope="module")
def studies(cheat: Cheat):
    cheat.test.images(Modality.F)
    return [cheat.test[i] for i in range(N)]


def codes(
    task: str, made, evaluation: Evaluation, studies, until: str | None = None
) -> dict[str, str]:
    """The codes that take the rank of a model with these outputs, with what was found.

    ``until``: a code after which no more is looked at.
    """
    (output,) = Task.parse(task).outputs
    found: dict[str, str] = {}
    for name in sorted(
        WARNING[output], key=lambda name: not name.startswith(FIRST.get(until, "?"))
    ):
        metrics = TRACK.metrics(Task.parse(task), (name,))
        for some in [metrics] if name == TOGETHER else [[metric] for metric in metrics]:
            warnings = family_warnings(scores_of(some, output, made, evaluation, studies))
            found |= {one.code: one.message for one in warnings if one.code in UNRANKED}
            if until in found:
                return found
    return found


def scores_of(metrics, output: Modality, made, evaluation: Evaluation, studies) -> list[Score]:
    prepare_metrics(metrics, evaluation)
    scores = []
    for metric in metrics:
        for first in range(0, N, 64):
            some = range(first, min(N, first + 64))
            metric.update(some, [studies[i] for i in some], [{output: made[i]} for i in some])
        scores += metric.compute()
    return scores


def told(task: str, made, code: str, evaluation: Evaluation, studies) -> None:
    """The game has this code: what was found is printed, for docs/games.md."""
    found = codes(task, made, evaluation, studies, until=code)
    assert code in found, found
    print(f"\n{code}: {found[code]}")


def as_pictures(made: np.ndarray) -> list[np.ndarray]:
    return list(np.clip(made, 0.0, 1.0).astype(np.float32)[:, None])


@pytest.mark.parametrize("name", [*PICTURES, *GRADIENTS])
def test_a_game_with_pictures_takes_its_rank(name, cheat, evaluation, studies) -> None:
    play, code = (PICTURES | GRADIENTS)[name]
    told("T->F", as_pictures(play(cheat)), code, evaluation, studies)


@pytest.mark.parametrize("sigma", [0.0, 0.025, 0.05])
def test_a_look_up_beside_the_other_view_is_found(sigma, cheat, evaluation, studies) -> None:
    made = as_pictures(noise(cheat.real, sigma))
    told("L+T->F", made, "copies_of_test", evaluation, studies)


@pytest.mark.parametrize("name", [*REPORTS, *NEW_REPORTS])
def test_a_game_with_reports_takes_its_rank(name, cheat, evaluation, studies) -> None:
    play, code = (REPORTS | NEW_REPORTS)[name]
    told("F->T", play(cheat), code, evaluation, studies)


def test_an_honest_model_that_knows_all_findings_has_no_warning(evaluation, studies) -> None:
    """Another person with the same findings, and another wording of them: the best there can be."""
    indices = range(SPLIT_STARTS["test"], SPLIT_STARTS["test"] + N)
    pictures = np.stack([render_case(sample_case(0, i), 7003, i, 64)[0] for i in indices])
    made = pictures.astype(np.float32) / np.float32(255)
    for shown in (made, gaussian_filter(made, (0, 1, 1)), noise(made, 0.03)):
        assert codes("T->F", as_pictures(shown), evaluation, studies) == {}
    reports = [write_report(sample_case(0, i), study_rng(7003, i, STREAM_WORDS)) for i in indices]
    assert codes("F->T", reports, evaluation, studies) == {}


@pytest.mark.parametrize(
    ("model", "true"),
    [
        ("real", {"copies_of_test"}),
        ("constant", {"collapse"}),
        ("noise", {"judge_gap"}),
        # It gives one training study wherever reports are alike.
        ("retrieval", {"copies", "collapse"}),
        ("codixr", set()),
    ],
)
def test_shipped_models_have_no_warning_that_is_not_true(
    model, true, cheat, evaluation, studies
) -> None:
    task = Task.parse("T->F")
    maker = load_model(model)
    if model == "real":
        samples = maker.reproduce(studies, task)
    else:
        if hasattr(maker, "prepare"):
            maker.prepare(evaluation.split("train", train_limit(maker)), task)
        conditions = [{Modality.T: study.report} for study in studies]
        samples = []
        for first in range(0, N, 50):
            samples += maker.generate(
                conditions[first : first + 50], task, list(range(first, first + 50))
            )
    found = codes("T->F", [sample[Modality.F] for sample in samples], evaluation, studies)
    print(f"\n{model}: {found}")
    assert set(found) - true == set()
    assert found or not true
