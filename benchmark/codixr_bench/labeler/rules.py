"""The labeler ``chexpert-rules``: the original's behaviour by rules of our own, without a parser.

A report is cleaned and cut into sentences (``sentences.py``), their mentions found
(``mentions.py``), a sentence with a cue in it linked (``clauses.py``), each word of a mention
tested against the tables of ``cues.py``, and the mentions summed up (``labels.py``). The time is
linear in the length of the text.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from codixr.data.labels import OBSERVATIONS
from codixr_bench.labeler.clauses import MAX_WORDS, link_words
from codixr_bench.labeler.cues import DENIALS, DOUBTS, DOUBTS_FIRST, Rule
from codixr_bench.labeler.graph import Graph
from codixr_bench.labeler.labels import (
    ABSENT,
    ALL_BITS,
    PRESENT,
    UNCERTAIN,
    Evidence,
    Labels,
    aggregate,
    evidence,
)
from codixr_bench.labeler.mentions import Mention, find_mentions
from codixr_bench.labeler.sentences import clean, split
from codixr_bench.labeler.vocabulary import VERSION

_OVERRIDES = ("findings: no ", "impression: no ")
_NEW = frozenset(("new",))
_MANY_SENTENCES = 500
_EDEMA = OBSERVATIONS.index("Edema")
_CACHED_LENGTH = 2_000
"""Characters: longer sentences hardly come twice."""


class Decision(NamedTuple):
    """Why a word of a mention is absent or uncertain."""

    word: str
    rule: Rule
    label: int
    table: str
    place: int
    """The rule's place in its table, from 1."""


class Found(NamedTuple):
    """A mention with its label and the rules that decided it, none for one that is present."""

    mention: Mention
    label: int
    decisions: tuple[Decision, ...]


class ChexpertRules:
    """The default labeler."""

    name = "chexpert-rules"
    version = VERSION
    tells_absent = True

    def label(self, reports: Sequence[str]) -> list[Labels]:
        """The labels of each report."""
        return [label_report(report) for report in reports]


def label_report(report: str) -> Labels:
    """A report's labels."""
    sentences = split(clean(report))
    if len(sentences) < _MANY_SENTENCES:
        return aggregate([_evidence_of(sentence) for sentence in sentences])
    return aggregate(_evidence_of_many(sentences))


def _evidence_of_many(sentences: Sequence[str]) -> list[Evidence]:
    """Without the sentences that can add nothing: every label of their observations was seen."""
    found: list[Evidence] = []
    seen: dict[int, int] = {}
    settled: set[str] = set()
    for sentence in sentences:
        if settled and len(sentence) <= _CACHED_LENGTH and _mentioned(sentence) <= settled:
            continue
        one = _evidence_of(sentence)
        found.append(one)
        for index, bits in one.bits:
            seen[index] = seen.get(index, 0) | bits
            # Words for heart failure speak of the heart's size too: Edema waits for it.
            if seen[index] == ALL_BITS and OBSERVATIONS[index] != "Edema":
                settled.add(OBSERVATIONS[index])
        if "Cardiomegaly" in settled and seen.get(_EDEMA, 0) == ALL_BITS:
            settled.add("Edema")
        if one.finding:
            settled.add("No Finding")
    return found


def explain_sentence(sentence: str) -> list[Found]:
    """The mentions of a cleaned sentence, each with its label and why."""
    mentions = find_mentions(sentence)
    if not mentions:
        return []
    if sentence.startswith(_OVERRIDES):
        return [Found(mention, ABSENT, ()) for mention in mentions]
    spans = dict.fromkeys((mention.start, mention.end) for mention in mentions)
    decided = _decide(sentence, list(spans))
    if not decided:
        return [Found(mention, PRESENT, ()) for mention in mentions]
    around = sorted(decided)
    longest = max(end - start for start, end in decided)
    found = []
    for mention in mentions:
        # A longer mention around this one decides for it too.
        why: list[Decision] = []
        for i in range(bisect_left(around, (mention.end - longest, 0)), len(around)):
            start, end = around[i]
            if start > mention.start:
                break
            if mention.end <= end:
                why += decided[start, end]
        if not why:
            found.append(Found(mention, PRESENT, ()))
            continue
        label = ABSENT if any(d.label == ABSENT for d in why) else UNCERTAIN
        found.append(Found(mention, label, tuple(d for d in why if d.label == label)))
    return found


def _evidence_of(sentence: str) -> Evidence:
    return _cached(sentence) if len(sentence) <= _CACHED_LENGTH else _evidence(sentence)


def _evidence(sentence: str) -> Evidence:
    if sentence.count(" ") >= MAX_WORDS:
        # No rule is tried on so many words, so that one hit of a phrase says all.
        label = ABSENT if sentence.startswith(_OVERRIDES) else PRESENT
        mentions = find_mentions(sentence, once=True)
        return evidence([(m.observation, m.phrase.text, label) for m in mentions])
    return evidence(
        [
            (f.mention.observation, f.mention.phrase.text, f.label)
            for f in explain_sentence(sentence)
        ]
    )


_cached = lru_cache(maxsize=32_768)(_evidence)


@lru_cache(maxsize=32_768)
def _mentioned(sentence: str) -> frozenset[str]:
    """The observations that a sentence mentions."""
    return frozenset(mention.observation for mention in find_mentions(sentence, once=True))


def _decide(sentence: str, spans: list[tuple[int, int]]) -> dict[tuple[int, int], list[Decision]]:
    """The rules that fit the words of each span."""
    if sentence.count(" ") >= MAX_WORDS:
        return {}
    g = Graph(sentence)
    tables = _rules_for(_CUES.intersection(g.lemmas))
    if not tables:
        return {}
    link_words(g)
    by_word: dict[int, Decision | None] = {}
    decided: dict[tuple[int, int], list[Decision]] = {}
    for start, end in spans:
        decisions = []
        for word in g.at(start, end):
            if word not in by_word:
                by_word[word] = _first_rule(g, word, tables)
            if (decision := by_word[word]) is not None:
                decisions.append(decision)
        if decisions:
            decided[start, end] = decisions
    return decided


_Table = tuple[int, str, list[tuple[int, Rule]]]
_TABLES = (
    (UNCERTAIN, "DOUBTS_FIRST", DOUBTS_FIRST),
    (ABSENT, "DENIALS", DENIALS),
    (UNCERTAIN, "DOUBTS", DOUBTS),
)


_CUES: frozenset[str] = frozenset().union(*(rule.cues for _, _, rules in _TABLES for rule in rules))


@lru_cache(maxsize=4096)
def _rules_for(cues: frozenset[str]) -> list[_Table]:
    """The rules that these cues can set off, by table."""
    tables = [
        (label, table, [(i, rule) for i, rule in enumerate(rules, 1) if rule.cues & cues])
        for label, table, rules in _TABLES
    ]
    return [table for table in tables if table[2]]


def _first_rule(g: Graph, word: int, tables: list[_Table]) -> Decision | None:
    for label, table, rules in tables:
        if label == ABSENT and g.has(word, _NEW, "amod"):
            continue
        for place, rule in rules:
            if rule.test(g, word):
                return Decision(g.words[word], rule, label, table, place)
    return None
