"""``utility``: what a set is worth to learn from; copies count once, trainings are kept."""

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.cli import main
from codixr_bench.runs import utility
from codixr_bench.runs.utility import MADE, MADE_ON_MADE, REAL, Learnt, arms_of, mix_name
from codixr_bench.runs.utility_network import learn_pictures, learn_reports
from codixr_bench.runs.utility_pools import Pool, RunPools, open_run, refuse_seen
from codixr_bench.runs.utility_verdict import Estimate, score_arms, verdict_of

N = 60


def blobs(n, seed):
    """Pictures [n, 64, 64] with a bright square where the first label is 1, and their labels."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(90, 110, (n, 64, 64)).astype(np.uint8)
    labels = rng.integers(0, 2, (n, 2)).astype(np.int8)
    for picture, (present, _) in zip(pictures, labels, strict=True):
        if present:
            y, x = rng.integers(8, 48, 2)
            picture[y : y + 8, x : x + 8] = 180
    return pictures, labels


@pytest.mark.slow
def test_the_small_network_learns_what_is_there_and_nothing_else():
    (pictures, labels), (asked, truth) = blobs(200, 0), blobs(200, 1)
    found = learn_pictures(pictures, labels, asked, 0, steps=60)
    assert roc_auc_score(truth[:, 0], found[:, 0]) > 0.95
    assert abs(roc_auc_score(truth[:, 1], found[:, 1]) - 0.5) < 0.12
    again = learn_pictures(pictures, labels, asked, 0, steps=60)
    np.testing.assert_array_equal(found, again)
    assert (found != learn_pictures(pictures, labels, asked, 1, steps=60)).any()


def test_unknown_labels_teach_nothing():
    pictures, labels = blobs(100, 0)
    unknown = labels.copy()
    unknown[:, 1] = -1
    other = unknown.copy()
    other[:, 1] = np.where(labels[:, 1] == 1, -1, 2)
    one, two = (learn_pictures(pictures, each, pictures, 0, steps=5) for each in (unknown, other))
    np.testing.assert_array_equal(one, two)


def test_reports_are_learnt_by_their_words():
    reports = ["large effusion.", "no effusion.", "clear lungs.", "effusion is large."] * 20
    labels = np.array([[1, -1], [0, -1], [0, -1], [1, -1]] * 20, dtype=np.int8)
    found = learn_reports(reports, labels, ["large effusion.", "clear lungs.", "unheard"], 0)
    assert found[0, 0] > 0.8 > 0.2 > found[1, 0]
    assert (found[:, 1] == 0.5).all()
    assert (learn_reports(["", ""], labels[:2], ["x"], 0) == 0.5).all()


def learnt(name, probabilities, labels):
    patients = tuple(map(str, range(len(labels))))
    return Learnt(name, 100, np.array(probabilities), (labels,) * len(probabilities), patients)


@pytest.fixture(scope="module")
def answers():
    """Three seeds of a good and of a bad classifier, and the truth."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (300, 10)).astype(np.int8)
    good, bad = (
        [np.clip(0.5 + gain * (truth - 0.5) + rng.normal(0, 0.3, truth.shape), 0, 1)] * 2
        + [np.clip(0.5 + gain * (truth - 0.5) + rng.normal(0, 0.3, truth.shape), 0, 1)]
        for gain in (0.9, 0.3)
    )
    return truth, good, bad


def test_a_worse_set_is_worse_the_same_set_is_not_and_the_interval_knows_the_seeds(answers):
    truth, good, bad = answers
    real, made = score_arms([learnt(REAL, good, truth), learnt(MADE, bad, truth)], 0.02)
    assert made.verdict == "worse than real"
    assert made.minus_real.high < 0
    expected = np.mean([roc_auc_score(truth, one, average="macro") for one in good])
    assert real.auroc.value == pytest.approx(expected, abs=1e-12)
    assert real.auroc.low < real.auroc.value < real.auroc.high
    _, same = score_arms([learnt(REAL, good, truth), learnt(MADE, good, truth)], 0.02)
    assert same.verdict == "not worse than real by 0.02"
    assert (same.minus_real.low, same.minus_real.high) == (0.0, 0.0)
    _, better = score_arms([learnt(REAL, bad, truth), learnt(MADE, good, truth)], 0.02)
    assert better.verdict == "better than real"
    scattered = [good[0], bad[0], good[0]]
    _, wide = score_arms([learnt(REAL, good, truth), learnt(MADE, scattered, truth)], 0.02)
    assert wide.verdict == "can't tell: more studies or seeds would"


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.001, 0.1, "better than real"),
        (-0.019, 0.1, "not worse than real by 0.02"),
        (-0.019, -0.001, "not worse than real by 0.02"),
        (-0.1, -0.001, "worse than real"),
        (-0.1, 0.1, "can't tell: more studies or seeds would"),
    ],
)
def test_the_verdict_in_words(low, high, said):
    assert verdict_of(Estimate((low + high) / 2, low, high), 0.02) == said


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Runs of the same studies."""
    root = tmp_path_factory.mktemp("runs")
    for task, model in (
        ("T->F", "real"),
        ("T->F", "constant"),
        ("T->F+L", "noise"),
        ("F->T", "real"),
    ):
        out = root / f"{model}-{task[-1]}"
        run = ["run", "--task", task, "--model", model, "--limit", str(N), "--out", str(out)]
        metrics = ["--metrics", "bleu" if task.endswith("T") else "frechet"]
        assert main([*run, *metrics]) == 0
    return root


@pytest.mark.slow
def test_a_content_made_twice_counts_once(folders):
    run = open_run(folders / "constant-F", None, None)
    assert len(run.made) == N
    assert len(run.firsts) == 1
    real = open_run(folders / "real-F", None, None)
    arms = {arm.name: arm for arm in arms_of(real, real.real, 0)}
    assert len(arms[REAL].train) == len(arms[MADE].train) == N
    np.testing.assert_array_equal(real.made.pictures, real.real.pictures)
    assert len(arms[MADE_ON_MADE].train) + len(arms[MADE_ON_MADE].test) == N
    sizes = [len(arms[mix_name(share)].train) for share in (0, 25, 50, 100, 200)]
    assert sizes == [20, 25, 30, 40, 60]
    constant = {arm.name: arm for arm in arms_of(run, run.real, 0)}
    assert len(constant[MADE].train) == 1
    assert len(constant[mix_name(200)].train) <= 21


@pytest.fixture
def quick(monkeypatch):
    """Trainings of four steps; how many were made."""
    made = []

    def learn(*given, **more):
        made.append(given)
        return partial(learn_pictures, steps=4)(*given, **more)

    monkeypatch.setattr(utility, "learn_pictures", learn)
    return made


@pytest.mark.slow
def test_the_command_prints_every_arm_and_goes_on_where_it_was_killed(
    folders, tmp_path, capsys, quick
):
    command = ["utility", str(folders / "real-F"), "--cache", str(tmp_path / "cache")]
    assert main([*command, "--plot", str(tmp_path / "mix.svg"), "--page"]) == 0
    said = capsys.readouterr().out
    assert "tested on 500 real\nstudies of val; 3 trainings an arm" in said
    assert "learnt from generated studies: " in said
    assert all(len(line) <= 80 for line in said.splitlines())
    assert b"</svg>" in (tmp_path / "mix.svg").read_bytes()
    # One run's own curve is that of all runs, where there is no other.
    assert (folders / "real-F" / "mix.svg").read_bytes() == (tmp_path / "mix.svg").read_bytes()
    assert "Utility: " in (folders / "real-F" / "report.html").read_text()
    # The real run's generated set is its real set: those three trainings are shared.
    assert len(quick) == 3 * 8 - 3
    for kept in sorted((tmp_path / "cache").iterdir())[:5]:
        kept.unlink()
    sorted((tmp_path / "cache").iterdir())[0].write_bytes(b"half a file")
    quick.clear()
    assert main([*command, "--json"]) == 0
    assert len(quick) == 6
    ((found),) = json.loads(capsys.readouterr().out)
    arms = {arm["name"]: arm for arm in found["arms"]}
    assert arms[MADE]["auroc"] == arms[REAL]["auroc"]
    assert arms[MADE]["minus_real"]["value"] == 0.0
    assert arms[MADE_ON_MADE]["minus_real"] is None
    assert found["tested"] == 500
    # The verdict's two arms alone: they are there already.
    quick.clear()
    assert main([*command, "--quick", "--json"]) == 0
    ((short),) = json.loads(capsys.readouterr().out)
    assert [arm for arm in found["arms"] if arm["name"] in (REAL, MADE)] == short["arms"]
    assert quick == []


def test_pictures_of_the_tested_studies_are_refused_even_under_noise():
    rng = np.random.default_rng(4)
    pictures, labels = (rng.integers(0, 256, (120, 16, 16)), np.zeros((120, 10), dtype=np.int8))
    pictures = np.kron(pictures, np.ones((4, 4))).astype(np.uint8)
    pools = [
        Pool(part, (), labels[:40], tuple(map(str, range(40)))) for part in np.split(pictures, 3)
    ]
    real, test, made = pools
    run = RunPools(SimpleNamespace(model="mine"), Modality.F, made, real, np.arange(40), "val")
    refuse_seen(run, test)
    noisy = made.pictures.copy()
    noisy[3] = np.clip(test.pictures[7] + rng.normal(0, 20, (64, 64)), 0, 255)
    seen = replace(run, made=replace(made, pictures=noisy))
    with pytest.raises(InputError, match="'mine' made 1 pictures of studies of val"):
        refuse_seen(seen, test)
    refuse_seen(replace(seen, firsts=np.array([0, 1])), test)


@pytest.mark.slow
def test_reports_go_the_same_way(folders, tmp_path, capsys):
    assert main(["utility", str(folders / "real-T"), "--cache", str(tmp_path), "--json"]) == 0
    ((found),) = json.loads(capsys.readouterr().out)
    assert found["modality"] == "T"
    assert {arm["name"]: arm["auroc"]["value"] for arm in found["arms"]}[REAL] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["nowhere"], "is no run"),
        (["noise-L"], "made F, L: say which by --of"),
        (["real-F", "--of", "L"], "made no L"),
        (["real-F", "--of", "X"], "--of 'X'"),
        (["real-F", "--margin", "0"], "--margin"),
        (["real-F", "--quick", "--page"], "--quick makes no mix curve"),
        (["real-F", "real-T"], "are of another modality"),
    ],
)
def test_what_cannot_be_compared_is_refused(folders, tmp_path, monkeypatch, capsys, given, said):
    monkeypatch.chdir(folders)
    assert main(["utility", *given, "--cache", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_of_a_secret_split_and_of_a_track_of_one_split_are_refused(tmp_path, capsys):
    (tmp_path / "key").write_bytes(bytes(range(32)))
    run = ["run", "--task", "F->T", "--model", "constant", "--limit", "40", "--metrics", "bleu"]
    for name, more, said in (
        ("secret", ["--split", "secret", "--split-key", str(tmp_path / "key")], "a secret split"),
        ("openi", ["--track", "openi"], "track 'openi' has no split 'val'"),
    ):
        assert main([*run, *more, "--out", str(tmp_path / name)]) == 0
        capsys.readouterr()
        assert main(["utility", str(tmp_path / name), "--cache", str(tmp_path)]) == 2
        err = capsys.readouterr().err
        assert said in err
        assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_too_few_studies_are_refused(tmp_path, capsys):
    run = ["run", "--task", "T->F", "--model", "noise", "--limit", "8", "--metrics", "frechet"]
    assert main([*run, "--out", str(tmp_path / "few")]) == 0
    assert main(["utility", str(tmp_path / "few"), "--cache", str(tmp_path)]) == 2
    assert "utility is learnt from 30 or more" in capsys.readouterr().err
