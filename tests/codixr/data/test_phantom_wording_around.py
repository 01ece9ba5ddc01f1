"""What stands around a finding: circumstances, measures, wishes, the lung that is clear."""

import re

import numpy as np
import pytest

from codixr.data.labels import OBSERVATIONS, PATHOLOGIES
from codixr.data.phantom import wording_around as around
from codixr.data.phantom.wording import (
    Meaning,
    Mention,
    sample_meaning,
    sample_pair,
    spelt_words,
    word,
    words_of,
)
from codixr.data.phantom.wording_lexicon import PLAIN, WIDE
from codixr.data.phantom.wording_meaning import FLUID_OR_AIR
from codixr.model.familiarity import SPELT, unknown_words
from codixr.model.tokenizer import piece_tokenizer
from codixr_bench.labeler import DEFAULT
from codixr_bench.labeler.interface import load_labeler

CM = re.compile(r"([\d.]+)[ -]?(mm|cm)\b", re.IGNORECASE)


def _rng():
    return np.random.default_rng(5)


def _made(meaning, count, odd=0.3, lexicon=WIDE):
    rng = _rng()
    return [word(meaning, rng, odd, lexicon).text for _ in range(count)]


def test_no_circumstance_or_wish_is_a_finding_to_our_labeler():
    rng = _rng()
    texts = [around.circumstance(rng) for _ in range(1500)]
    texts += [around.request("", rng) for _ in range(100)]
    rows = load_labeler(DEFAULT).label(texts)
    told = [
        (text, name)
        for text, row in zip(texts, rows, strict=True)
        for name, label in zip(OBSERVATIONS, row, strict=True)
        if label is not None and name in PATHOLOGIES
    ]
    assert told == []


@pytest.mark.parametrize("name", ["Lung Lesion", *FLUID_OR_AIR])
@pytest.mark.parametrize(("grade", "low", "high"), [(0, 0, 1.0), (1, 1.0, 3.0), (2, 3.4, 9.1)])
def test_a_measure_goes_with_the_extent(name, grade, low, high):
    sizes = [around.size_of(Mention(name, grade, "left"), rng) for rng in [_rng()] * 200]
    for size in sizes:
        number, unit = CM.search(size.split(" x ")[0] + " " + size.rsplit(None, 1)[-1]).groups()
        cm = float(number) / (10 if unit == "mm" else 1)
        assert low <= cm <= high, size
    assert any("mm" in size for size in sizes)


def test_a_ratio_is_that_of_a_large_heart_or_of_another():
    rng = _rng()
    for large in (True, False):
        for _ in range(100):
            text = around.ratio(large=large, rng=rng)
            number = re.search(r"([\d.]+)(%?)$", text)
            value = float(number[1]) / (100 if number[2] else 1)
            assert (value > 0.5) == large, text


def test_only_texts_of_the_wide_lexicon_that_may_be_odd_tell_circumstances():
    meaning = Meaning((Mention("Pneumothorax", 1, "left"),))
    numbers = re.compile(r"\d{2}")
    assert sum(bool(numbers.search(text)) for text in _made(meaning, 300)) > 40
    assert not any(numbers.search(text) for text in _made(meaning, 300, odd=0.0))
    assert not any(numbers.search(text) for text in _made(meaning, 300, lexicon=PLAIN))


def test_the_other_lung_is_clear_only_where_one_side_has_all():
    other = re.compile(
        r"(none|nothing) on the right|right (lung|side) (is )?(clear|normal|ok|unremarkable)"
    )
    one = Meaning((Mention("Pneumonia", 1, "left", "lower"), Mention("Pneumothorax", 1, "left")))
    assert sum(bool(other.search(text.lower())) for text in _made(one, 400)) > 20
    same = Meaning((Mention("Pneumonia", 1, "right", "lower"),))
    two = Meaning((Mention("Pneumonia", 1, "left", "lower"), Mention("Pneumothorax", 1, "right")))
    wet = Meaning((Mention("Edema", 1), Mention("Pneumothorax", 1, "left")))
    for meaning in (same, two, wet):
        assert not any(other.search(text.lower()) for text in _made(meaning, 300))


def test_air_and_fluid_of_one_side_and_extent_may_be_one_word():
    def told(first, second):
        meaning = Meaning((Mention("Pleural Effusion", *first), Mention("Pneumothorax", *second)))
        return [text for text in _made(meaning, 200) if "opneumothorax" in text.lower()]

    assert len(told((1, "left"), (1, "left"))) > 30
    assert not told((1, "left"), (1, "right"))
    assert not told((1, "left"), (2, "left"))
    rng = _rng()
    pairs = [sample_pair(rng) for _ in range(500)]
    both = [m for m in pairs if {x.observation for x in m.mentions} == {*FLUID_OR_AIR}]
    assert any(m.mentions[0].side == m.mentions[1].side for m in both)


def test_every_word_is_a_token_or_known_in_pieces(tmp_path):
    tokenizer = piece_tokenizer(words_of(3000, 0, WIDE), pieces=8)
    tokenizer.init_kwargs[SPELT] = spelt_words(tokenizer.get_vocab())
    texts = [around.circumstance(rng) for rng in [_rng()] * 300]
    assert "thoracentesis" in tokenizer.init_kwargs[SPELT]
    rng, known = _rng(), 0
    for _ in range(300):
        text = word(sample_meaning(rng), rng, 0.0, WIDE).text
        known += unknown_words(tokenizer, [text])[0][0] == 0
    assert known > 285  # a rare name of the grammar is met in fewer texts
    assert not any(lost for lost, _ in unknown_words(tokenizer, texts))  # "49m" is no word
    assert unknown_words(tokenizer, ["Thoracentesis of a banana"]) == [(1, 4)]
