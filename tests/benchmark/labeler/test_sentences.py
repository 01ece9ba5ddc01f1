"""Sentences end where NLTK's Punkt ends them, given the same abbreviations."""

from random import Random

import pytest

from codixr_bench.labeler.sentences import ABBREVIATIONS, clean, split

PARTS = (
    "4:41 A.M.", "___", "HISTORY:", "no effusion.", "1.", "2.", "3/4.", "12-3.", "(", "edema", ")",
    "a.", "vs.", "(dr.", "- ", "mass,", ",", ";", ":", "? ", "!", "p.m.", "*", '"x"', "1.5", "cm.",
    "st.", "J.", "[", "e.g.", "t9.", "10:30.", "#3.", "2/3", "b)", "1)", "..", "...", "$5.", " .",
)  # fmt: skip


def punkt():
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    parameters = PunktParameters()
    parameters.abbrev_types = set(ABBREVIATIONS)
    tokenizer = PunktSentenceTokenizer()
    tokenizer._params = parameters
    return tokenizer


def test_sentences_end_where_punkt_ends_them():
    tokenizer, random = punkt(), Random(20)
    for _ in range(1500):
        text = clean(" ".join(random.choices(PARTS, k=random.randint(2, 9))))
        if "?)" not in text and "!)" not in text and text:
            assert split(text) == tokenizer.tokenize(text), text


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("4:41 A.M., ___ HISTORY: mass.", ["4:41 a. m. , ___ history: mass."]),
        ("At 5; edema. No mass: 3.; stable.", ["at 5; edema.", "no mass: 3. ; stable."]),
        ("Grade 3/4. Stable.", ["grade 3/4.", "stable."]),
    ],
)
def test_a_mark_behind_a_number_or_an_initial_goes_on(text, sentences):
    assert split(clean(text)) == sentences
