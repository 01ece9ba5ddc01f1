"""A blind reader study: what the page gives away (nothing), and what its score says."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codixr.errors import InputError
from codixr_bench.cli import main
from codixr_bench.comparing.readers import Answers, Item, Key, items, score


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "noise"
    words = ["generate", "--task", "T->F", "--model", "noise", "--limit", "12"]
    assert main([*words, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def study(run, tmp_path) -> Path:
    words = ["readers", "make", str(run), "--pairs", "6", "--to", str(tmp_path / "study")]
    assert main(words) == 0
    return tmp_path / "study"


def pictures(page: str) -> list[np.ndarray]:
    found = re.findall(r"base64,([A-Za-z0-9+/=]+)", page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def test_the_key_says_where_the_real_one_stands_and_the_page_does_not(study):
    page = (study / "page.html").read_text()
    key = json.loads((study / "key.json").read_text())
    shown = pictures(page)
    assert len(shown) == 2 * len(key["items"]) == 24
    for number, item in enumerate(key["items"]):
        # The model is noise: of a pair the smoother one is real.
        rough = [np.abs(np.diff(one.astype(float))).mean() for one in shown[2 * number :][:2]]
        assert item["real"] == "AB"[int(np.argmin(rough))]
    blind = re.sub(r"base64,[A-Za-z0-9+/=]+", "", page).lower()
    assert "noise" not in blind
    assert "phantom" not in blind
    items_shown = re.findall(r'<div class="pair".*?</div>', blind, re.DOTALL)
    assert not re.search(r"data-(?!item|side)", " ".join(items_shown))
    assert len({re.sub(r"\d+", "", one) for one in items_shown}) == 1, "all look alike in the code"


def test_each_pair_is_shown_twice_and_real_stands_half_of_the_time_on_each_side():
    made = items(40, 7)
    for number in (1, 2):
        of_round = [item for item in made if item.round == number]
        assert sorted(item.pair for item in of_round) == list(range(40))
        assert sum(item.real == "A" for item in of_round) == 20
    orders = [[item.pair for item in made if item.round == number] for number in (1, 2)]
    assert orders[0] != orders[1]


def test_the_page_needs_no_network_and_names_nobody(study):
    page = (study / "page.html").read_text()
    assert "default-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page
    key = json.loads((study / "key.json").read_text())
    assert set(key) == {"schema_version", "study", "task", "track", "model", "output", "items"}
    assert set(key["items"][0]) == {"round", "pair", "real"}


def key_of(pairs: int, seed: int = 0) -> Key:
    return Key(
        study="0" * 16,
        task="T->F",
        track="phantom",
        model="m",
        output="F",
        items=items(pairs, seed),
    )


def sent(key: Key, reader: str, right: list[bool]) -> Answers:
    other = {"A": "B", "B": "A"}
    answers = [i.real if r else other[i.real] for i, r in zip(key.items, right, strict=True)]
    return Answers(study=key.study, reader=reader, answers=tuple(answers))


def test_whoever_finds_all_has_an_accuracy_of_one_and_agrees_with_oneself():
    key = key_of(40)
    found = {one.what: one for one in score(key, [sent(key, "R1", [True] * 80)])}
    assert found["accuracy"].value == found["kappa"].value == 1.0
    low, high = found["accuracy"].ci95
    # Forty pairs, not eighty answers: mid-p of 40 of 40 is .05 ** (1 / 40) = .928.
    assert 0.90 < low < 0.94
    assert high == 1.0
    assert (found["accuracy"].n, found["kappa"].n) == (80, 40)


def test_kappa_is_cohens_of_which_picture_was_called_real():
    from sklearn.metrics import cohen_kappa_score

    key = key_of(40, 3)
    rng = np.random.default_rng(0)
    one, other = (list(rng.random(80) < p) for p in (0.7, 0.8))
    found = score(key, [sent(key, "R1", one), sent(key, "R2", other)])
    first = {item.pair: item.real == "A" for item in key.items if item.round == 1}
    called = [
        [r == first[item.pair] for r, item in zip(right, key.items, strict=True)]
        for right in (one, other)
    ]
    (between,) = [share for share in found if share.who == "R1 and R2"]
    assert between.value == pytest.approx(cohen_kappa_score(*called))
    by_round = {(item.round, item.pair): c for c, item in zip(called[0], key.items, strict=True)}
    (within,) = [share for share in found if share.who == "R1 and R1"]
    rounds = [[by_round[r, p] for p in range(40)] for r in (1, 2)]
    assert within.value == pytest.approx(cohen_kappa_score(*rounds))


def test_intervals_cover_readers_whose_answers_to_a_pair_are_alike():
    """Half of the pairs are easy (.95), half are not (.55): both showings share that."""
    rng = np.random.default_rng(1)
    key, covered, tries = key_of(40), 0, 300
    for _ in range(tries):
        chance = np.where(rng.random(40) < 0.5, 0.95, 0.55)
        right = [bool(rng.random() < chance[item.pair]) for item in key.items]
        (share,) = [s for s in score(key, [sent(key, "R", right)]) if s.what == "accuracy"]
        covered += share.ci95[0] <= 0.75 <= share.ci95[1]
    assert covered / tries > 0.92


def test_answers_are_scored_by_the_command(study, tmp_path, capsys):
    key = Key.model_validate_json((study / "key.json").read_text())
    for reader, wrong in (("R1", 0), ("R2", 3)):
        right = [number >= wrong for number in range(12)]
        (tmp_path / f"{reader}.json").write_text(sent(key, reader, right).model_dump_json())
    capsys.readouterr()
    words = ["readers", "score", str(study / "key.json")]
    files = [str(tmp_path / f"{reader}.json") for reader in ("R1", "R2")]
    assert main([*words, *files, "--json"]) == 0
    found = {(one["who"], one["what"]): one for one in json.loads(capsys.readouterr().out)}
    assert found["R1", "accuracy"]["value"] == 1.0
    assert found["R2", "accuracy"]["value"] == 0.75
    assert ("R1 and R2", "kappa") in found
    assert main([*words, *files]) == 0
    assert "R2             accuracy            0.750" in capsys.readouterr().out


def test_answers_left_out_are_not_counted():
    key = key_of(4)
    answers = [item.real if item.round == 1 else None for item in key.items]
    one = Answers(study=key.study, reader="R1", answers=tuple(answers))
    found = {share.what: share for share in score(key, [one])}
    assert (found["accuracy"].n, found["accuracy, round 2"].value) == (4, None)
    assert found["kappa"].value is None


def test_answers_that_do_not_belong_are_refused():
    key = key_of(3)
    fine = sent(key, "R1", [True] * 6)
    for answers, said in (
        ([fine, fine], "two files are of the reader R1"),
        ([fine.model_copy(update={"study": "1" * 16})], "to another page"),
        ([fine.model_copy(update={"answers": fine.answers[:5]})], "5 answers to 6 items"),
    ):
        with pytest.raises(InputError, match=said):
            score(key, answers)
    with pytest.raises(ValueError, match="once into each round"):
        Key.model_validate(key.model_dump() | {"items": [Item(round=1, pair=0, real="A")] * 2})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["make", "{run}"], "readers make RUN --to DIR"),
        (["make", "{run}", "--to", "."], "is there already"),
        (["make", "{run}", "--to", "new", "--pairs", "13"], "the run has 12 studies"),
        (["make", "{run}", "--to", "new", "--output", "L"], "--output L: the run made F"),
        (["score", "k.json"], "the key, and a file a reader"),
        (["score", "k.json", "a.json", "--pairs", "3"], "--pairs: of readers make"),
        (["score", "k.json", "a.json"], "'k.json' cannot be read"),
    ],
)
def test_bad_input_is_one_line(run, words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["readers", *(word.format(run=run) for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_reports_of_patients_are_not_shown_unasked(tmp_path, capsys):
    run, to = str(tmp_path / "openi"), str(tmp_path / "study")
    words = ["generate", "--task", "F->T", "--model", "constant", "--track", "openi"]
    assert main([*words, "--limit", "8", "--out", run]) == 0
    assert main(["readers", "make", run, "--pairs", "2", "--to", to]) == 2
    assert "--show-content draws them" in capsys.readouterr().err
    assert main(["readers", "make", run, "--pairs", "2", "--to", to, "--show-content"]) == 0
    assert Path(to).stat().st_mode & 0o077 == 0
