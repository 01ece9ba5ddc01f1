"""A blind reader study: pairs of a real and a generated output, in two rounds, and its score.

Every pair is shown twice, in another order and with its sides drawn anew: a reader's accuracy is
the share of real ones found (.5 is chance), the agreement with oneself that of both rounds. A key
says which side is real; neither it nor the page says which studies were chosen.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic import model_validator as validator

from codixr.errors import InputError
from codixr_bench.statistics.effective_draws import Array, ratio_interval

Side = Literal["A", "B"]
Interval = tuple[float, float]
StudyName = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,12}$")]
Round = Literal[1, 2]
ROUNDS: tuple[Round, Round] = (1, 2)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Item(_Part):
    """One showing of a pair."""

    round: Round
    pair: int = Field(ge=0)
    """A number drawn for this study; it says nothing about the split."""
    real: Side


class Key(_Part):
    """What the organiser keeps: which side was real."""

    schema_version: Literal[1] = 1
    study: StudyName
    """Of the page and its answers; drawn by chance."""
    task: str
    track: str
    model: str
    output: Literal["F", "L", "T"]
    items: tuple[Item, ...]

    @validator(mode="after")
    def _pairs_are_shown_twice(self) -> Self:
        shown = [{item.pair for item in self.items if item.round == r} for r in ROUNDS]
        pairs = len(self.items) // 2
        if shown[0] != shown[1] or [len(one) for one in shown] != [pairs, pairs]:
            raise ValueError("items: every pair belongs once into each round")
        return self


class Answers(_Part):
    """What a reader sends back."""

    schema_version: Literal[1] = 1
    study: StudyName
    reader: Code
    answers: tuple[Side | None, ...]
    """In the order of the items; None where there is none."""


@dataclass(frozen=True)
class Share:
    """A share or a kappa of a reader, or of two."""

    who: str
    what: str
    value: float | None
    ci95: Interval | None
    n: int
    """Answers, or pairs of answers, that it is of."""


def items(pairs: int, seed: int) -> tuple[Item, ...]:
    """Both rounds in a random order: real at A in half of a round, where ``pairs`` is even."""
    rng = random.Random(seed)
    found = []
    for number in ROUNDS:
        order = list(range(pairs))
        rng.shuffle(order)
        sides: list[Side] = ["A", "B"]
        rng.shuffle(sides)
        real = [sides[i % 2] for i in range(pairs)]
        rng.shuffle(real)
        found += [Item(round=number, pair=p, real=r) for p, r in zip(order, real, strict=True)]
    return tuple(found)


def score(key: Key, sent: Sequence[Answers]) -> list[Share]:
    """Accuracies of each reader, kappa with oneself, and of each two readers.

    The interval of an accuracy counts pairs, not showings. Kappa is of which of a pair's two was
    called real, named by where they stood in round 1; its interval is that of the agreement.

    InputError for answers to another page, of another number, or of one reader twice.
    """
    names = [one.reader for one in sent]
    for one in sent:
        if one.study != key.study:
            raise InputError(f"the answers of {one.reader} are to another page than the key's")
        if len(one.answers) != len(key.items):
            raise InputError(f"{one.reader}: {len(one.answers)} answers to {len(key.items)} items")
        if names.count(one.reader) > 1:
            raise InputError(f"two files are of the reader {one.reader}: give one each")
    found = []
    for one in sent:
        right = [None if a is None else a == item.real for a, item in _shown(key, one)]
        for number in ROUNDS:
            chosen = [r for r, item in zip(right, key.items, strict=True) if item.round == number]
            pairs = [item.pair for item in key.items if item.round == number]
            found.append(_accuracy(one.reader, f"accuracy, round {number}", chosen, pairs))
        pairs = [item.pair for item in key.items]
        found.append(_accuracy(one.reader, "accuracy", right, pairs))
    choices = {one.reader: _choices(key, one) for one in sent}
    for reader, by_item in choices.items():
        rounds = [
            (by_item.get((1, pair)), by_item.get((2, pair)), pair)
            for pair in range(len(key.items) // 2)
        ]
        found.append(_kappa(f"{reader} and {reader}", rounds))
    for first, second in combinations(choices, 2):
        mine, others = choices[first], choices[second]
        both = [(mine[at], others.get(at), at[1]) for at in mine]
        found.append(_kappa(f"{first} and {second}", both))
    return found


def _shown(key: Key, one: Answers) -> list[tuple[Side | None, Item]]:
    return list(zip(one.answers, key.items, strict=True))


def _choices(key: Key, one: Answers) -> dict[tuple[int, int], bool]:
    """(round, pair) -> whether the one that stood at A in round 1 was called real."""
    first = {item.pair: item.real == "A" for item in key.items if item.round == 1}
    return {
        (item.round, item.pair): (answer == item.real) == first[item.pair]
        for answer, item in _shown(key, one)
        if answer is not None
    }


def _accuracy(reader: str, what: str, right: Sequence[bool | None], pairs: Sequence[int]) -> Share:
    parts, wholes = _by_pair([(r, p) for r, p in zip(right, pairs, strict=True) if r is not None])
    return _share(reader, what, parts, wholes)


def _share(who: str, what: str, parts: Array, wholes: Array) -> Share:
    n = int(wholes.sum())
    if n == 0:
        return Share(who, what, None, None, 0)
    low, high = ratio_interval(parts, wholes)
    return Share(who, what, float(parts.sum() / n), (float(low), float(high)), n)


def _kappa(who: str, both: Sequence[tuple[bool | None, bool | None, int]]) -> Share:
    """Cohen's kappa; None where chance alone would agree always."""
    known = [(a, b, pair) for a, b, pair in both if a is not None and b is not None]
    n = len(known)
    if n == 0:
        return Share(who, "kappa", None, None, 0)
    first, second = (sum(bool(row[side]) for row in known) / n for side in (0, 1))
    chance = first * second + (1 - first) * (1 - second)
    agreed = _share(who, "", *_by_pair([(a == b, pair) for a, b, pair in known]))
    if chance == 1.0 or agreed.value is None or agreed.ci95 is None:
        return Share(who, "kappa", None, None, n)
    value, low, high = ((x - chance) / (1 - chance) for x in (agreed.value, *agreed.ci95))
    return Share(who, "kappa", value, (low, high), n)


def _by_pair(rows: Sequence[tuple[bool, int]]) -> tuple[Array, Array]:
    """Hits and answers of every pair that has any."""
    numbers = sorted({pair for _, pair in rows})
    parts = [sum(hit for hit, pair in rows if pair == number) for number in numbers]
    wholes = [sum(pair == number for _, pair in rows) for number in numbers]
    return np.array(parts, dtype=np.float64), np.array(wholes, dtype=np.float64)
