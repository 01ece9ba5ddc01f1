"""Denials behind what they deny, and their twins that say the same names to be there."""

import re

import numpy as np
import pytest

from codixr.data.labels import OBSERVATIONS, PATHOLOGIES
from codixr.data.phantom import wording as phantom_wording
from codixr.data.phantom import wording_denied as denied
from codixr.data.phantom.wording import Meaning, Mention, sample_bare, word, words_of
from codixr.data.phantom.wording_lexicon import PLAIN, WIDE
from codixr.data.phantom.wording_meaning import is_bare
from codixr.data.phantom.wording_wide_denied import LINES, NAMES
from codixr.model.tokenizer import piece_tokenizer
from codixr_bench.labeler import DEFAULT
from codixr_bench.labeler.interface import load_labeler

BEHIND = re.compile(
    r"absent(?! lung)|absence|n't (seen|present)|ruled out|neither|disappear|nothing to|: nil"
)


def _rng():
    return np.random.default_rng(3)


def test_a_frame_denies_or_states_and_never_both():
    assert not set(denied.DENIED) & set(denied.STATED)
    denies = re.compile(
        r"absen|not |isnt|n't|ruled|exclud|: no|: neg|- none|\? no|no |gone|resolved"
        r"|cleared|disappear|rules out|nothing|nil|zero|-ve|neg |negative|lack|never|free|devoid"
        r"|clear|resolution"
    )
    assert all(denies.search(frame) for frame in denied.DENIED)
    assert not any(denies.search(f) for f in denied.STATED if "resolved" not in f)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["atelectasis"], "atelectasis is absent"),
        (["infiltrates"], "infiltrates are absent"),
        (["big heart"], "big heart is absent"),
    ],
)
def test_a_verb_fits_its_names(words, text):
    assert denied.framed("{list} {is} absent", words, _rng(), denied=True) == text


def test_of_two_names_both_are_or_either_is():
    rng = _rng()
    made = {
        denied.framed("{list} {is} absent", ["edema", "mass"], rng, denied=True) for _ in range(40)
    }
    assert made == {"edema and mass are absent", "edema or mass is absent"}


def test_a_denial_names_only_what_is_absent():
    rng = _rng()
    absent = {"Cardiomegaly", "Pleural Effusion", "Atelectasis"}
    for _ in range(300):
        text, names, _ = denied.denial_behind(absent, denied.KNOWN, rng)
        assert text
        assert set(names) <= absent
    assert denied.denial_behind(set(), denied.KNOWN, rng) == ("", [], "")


def test_texts_with_denials_behind_are_odd_ones_of_the_wide_lexicon():
    rng = _rng()
    meaning = Meaning((Mention("Pneumothorax", None, "left"),))
    plain = [word(meaning, rng, 0.2, PLAIN) for _ in range(800)]
    wide = [word(meaning, rng, 0.2, WIDE) for _ in range(800)]
    assert not any(BEHIND.search(w.text.lower()) for w in plain)
    found = [w for w in wide if BEHIND.search(w.text.lower())]
    assert len(found) > 40
    assert all(w.odd for w in found)
    assert all(w.labels["Pneumothorax"] == 1 for w in wide)


def test_a_text_that_only_denies_has_no_finding(monkeypatch):
    monkeypatch.setattr(phantom_wording, "_aside", lambda *_: None)  # the rules call some of it one
    rng = _rng()
    for _ in range(300):
        labels = word(Meaning(), rng, 0.4, WIDE).labels
        assert not [n for n in PATHOLOGIES if labels.get(n) == 1], labels


def test_more_names_are_denied_and_by_the_wide_lexicon_alone():
    rng, labeler = _rng(), load_labeler(DEFAULT)
    names = [name for words in NAMES.values() for name in words]
    read = labeler.label([f"There are no {name}." for name in names])
    asked = [name for name, words in NAMES.items() for _ in words]
    cells = [row[OBSERVATIONS.index(a)] for row, a in zip(read, asked, strict=True)]
    assert cells == [0] * len(names)
    listed = re.compile("no [a-z ,]*(nodules|masses|opacities)")
    plain = [word(Meaning(), rng, 0.0, PLAIN).text.lower() for _ in range(1000)]
    wide = [word(Meaning(), rng, 0.0, WIDE) for _ in range(1000)]
    assert not any(listed.search(text) for text in plain)
    found = [w for w in wide if listed.search(w.text.lower())]
    assert len(found) > 20
    assert all(0 in (w.labels.get("Lung Lesion"), w.labels.get("Lung Opacity")) for w in found)


def test_no_change_in_a_finding_leaves_it_there_and_nothing_new_denies_it():
    rng = _rng()
    meaning = Meaning((Mention("Pleural Effusion", None, "left"),))
    texts = [word(meaning, rng, 0.4, WIDE) for _ in range(1500)]
    same = [w for w in texts if re.search("no (interval |significant )?change in", w.text.lower())]
    new = [w for w in texts if re.search("no new (or worsening )?[a-z]+", w.text.lower())]
    assert len(same) > 5
    assert len(new) > 2
    assert all(w.labels["Pleural Effusion"] == 1 for w in texts)
    assert all(w.odd and 0 in w.labels.values() for w in new)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.text)
def test_a_normal_line_says_of_what_has_to_be_absent_that_it_is_or_nothing(line):
    (read,) = load_labeler(DEFAULT).label([f"{line.text}."])
    found = {o: v for o, v in zip(OBSERVATIONS, read, strict=True) if v is not None}
    assert set(found) - {"No Finding"} == set(line.denies)
    assert all(found[name] == 0 for name in line.denies)
    assert not set(line.needs) & set(line.denies)


def test_bare_findings_are_stated_as_a_denial_would_name_them():
    rng = _rng()
    meanings = [sample_bare(rng) for _ in range(600)]
    assert all(is_bare(m) for m in meanings)
    assert {len(m.mentions) for m in meanings} == {1, 2, 3}
    wordings = [word(m, rng, 0.0, WIDE) for m in meanings]
    for meaning, wording in zip(meanings, wordings, strict=True):
        assert all(wording.labels[m.observation] == 1 for m in meaning.mentions)
    both = Meaning((Mention("Cardiomegaly"), Mention("Edema")))
    texts = {word(both, rng, 0.0, WIDE).text.lower().rstrip(".") for _ in range(3000)}
    assert {"cardiomegaly and pulmonary edema", "pulmonary edema and cardiomegaly"} & texts


def test_a_labeler_agrees_with_what_is_stated():
    rng = _rng()
    labeler = load_labeler(DEFAULT)
    meanings = [sample_bare(rng) for _ in range(500)]
    texts = [denied.statement(list(m.mentions), denied.KNOWN, rng) + "." for m in meanings]
    read = labeler.label(texts)
    cells = [
        row[OBSERVATIONS.index(m.observation)] == 1
        for meaning, row in zip(meanings, read, strict=True)
        for m in meaning.mentions
    ]
    assert np.mean(cells) >= 0.97


def test_every_word_of_these_sentences_is_a_token():
    tokenizer = piece_tokenizer(words_of(50, 0, WIDE), pieces=20)
    known = tokenizer.get_vocab()
    for text in (*denied.DENIED, *denied.STATED, "isn't aren't doesn't neither nor have"):
        words = re.findall(r"[a-z]+", re.sub(r"{\w+}", " ", text))
        assert not [w for w in words if w not in known], text


def test_a_short_denial_behind_a_comma_leaves_what_stands_before_it():
    rng = _rng()
    meaning = Meaning((Mention("Pneumothorax", None, "left"),))
    texts = [word(meaning, rng, 1.0, WIDE) for _ in range(600)]
    found = [w for w in texts if re.search(r", [a-z ]+ (absent|not seen|excluded)\b", w.text)]
    assert len(found) > 5
    assert all(w.labels["Pneumothorax"] == 1 for w in found)
    assert denied.short_denial(set(), denied.KNOWN, rng) == ("", "")
    text, name = denied.short_denial({"Edema"}, denied.KNOWN, rng)
    assert name == "Edema"
    assert text
