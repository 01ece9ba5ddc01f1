"""The tables: every rule by its example, every phrase, and the original's surprises."""

import pytest

from codixr.data.labels import OBSERVATIONS
from codixr_bench.labeler.cues import DENIALS, DOUBTS, DOUBTS_FIRST
from codixr_bench.labeler.mentions import find_mentions
from codixr_bench.labeler.rules import explain_sentence, label_report
from codixr_bench.labeler.sentences import clean, split
from codixr_bench.labeler.vocabulary import VOCABULARY

RULES = [
    (rule, label)
    for rules, label in ((DOUBTS_FIRST, -1), (DENIALS, 0), (DOUBTS, -1))
    for rule in rules
]


def labels(text: str) -> dict[str, int]:
    return {n: v for n, v in zip(OBSERVATIONS, label_report(text), strict=True) if v is not None}


@pytest.mark.parametrize(("rule", "label"), RULES, ids=[rule.name for rule, _ in RULES])
def test_every_rule_decides_its_own_example(rule, label):
    found = [f for s in split(clean(rule.example)) for f in explain_sentence(s)]
    assert rule.name in {d.rule.name for f in found for d in f.decisions}
    assert label in {f.label for f in found}


def test_every_phrase_is_found_and_says_why():
    for observation, phrases in VOCABULARY.items():
        texts = [phrase.text for phrase in phrases]
        assert len(set(texts)) == len(texts), observation
        for phrase in phrases:
            assert phrase.why
            hits = find_mentions(f"x {phrase.text} x".replace("  ", " "))
            assert (observation, phrase.text) in {(h.observation, h.phrase.text) for h in hits}
    assert tuple(VOCABULARY) == OBSERVATIONS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The heart size appears within normal limits.", {"Cardiomegaly": 1}),
        ("The heart size is within normal limits.", {"No Finding": 1, "Cardiomegaly": 0}),
        ("No pneumothorax and small effusion.",
         {"No Finding": 1, "Pneumothorax": 0, "Pleural Effusion": 0}),
        ("Neither effusion nor pneumothorax.", {"Pneumothorax": 1, "Pleural Effusion": 1}),
        ("Pneumothorax is not seen.", {"Pneumothorax": 1}),
        ("Pneumothorax is no longer seen.", {"No Finding": 1, "Pneumothorax": 0}),
        ("Emphysema.", {}),
        ("No change in heart size.", {"Cardiomegaly": -1}),
        ("No change in effusion.", {"Pleural Effusion": 1}),
        ("Cannot exclude pneumonia.", {"Pneumonia": -1}),
        ("Rule out pneumonia.", {"No Finding": 1, "Pneumonia": 0}),
        ("Scar or atelectasis.", {"Lung Opacity": -1, "Atelectasis": -1}),
        ("Tuberculosis.", {"No Finding": 1, "Support Devices": 1}),
        ("Pericardial effusion.", {"No Finding": 1}),
        ("CHF.", {"Cardiomegaly": -1, "Edema": 1}),
        ("No left effusion. Small right effusion.", {"Pleural Effusion": 1}),
        ("No edema. Possible edema. Edema.", {"Edema": -1}),
        ("1.5 cm nodule.", {"Lung Lesion": 1}),
        ("Findings: no effusion but mass.",
         {"No Finding": 1, "Lung Lesion": 0, "Pleural Effusion": 0}),
        ("asdf qwer", {"No Finding": 1}),
        ("", {"No Finding": 1}),
    ],
)  # fmt: skip
def test_the_originals_surprises_are_kept(text, expected):
    assert labels(text) == expected


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("1. Stable. 2. No edema", ["1. stable.", "2. no edema"]),
        ("1. x 2. y", ["1. x 2. y"]),
        ("A 1.5 cm mass", ["a 1.", "5 cm mass"]),
        ("Edema vs. effusion. Compare with CT. No mass.",
         ["edema vs. effusion.", "compare with ct. no mass."]),
        ("Mass: none; effusion", ["mass: none; effusion"]),
        ("Is it so? (Maybe.) Yes", ["is it so?", "(maybe. )", "yes"]),
        ("a/b and/or c", ["a or b or c"]),
        ("xy..  . z", ["xy.", "z"]),
        ("Größe\nof\tit", ["gre of it"]),
    ],
)  # fmt: skip
def test_texts_are_cleaned_and_cut_as_the_original_does(text, sentences):
    assert split(clean(text)) == sentences


@pytest.mark.parametrize(
    ("text", "observation"),
    [
        ("Catheter tip projects over the left heart size.", "Cardiomegaly"),
        ("Calcified nodules.", "Lung Lesion"),
        ("Massive pneumonia.", "Lung Lesion"),
        ("Pleural scar.", "Lung Opacity"),
    ],
)
def test_some_phrases_undo_a_mention(text, observation):
    assert observation not in labels(text)
