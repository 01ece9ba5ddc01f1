"""Whose a row is, which names are taken, and whether two rows are one.

A row belongs to the owner that its file declares, e.g. an account's name. Reference points and the
paper's rows are the project's (``MAINTAINERS``). A name that only looks like another one is that
other one.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from codixr_bench.paper import printed as paper
from codixr_bench.registry import facts_of
from codixr_bench.result import Result
from codixr_leaderboard.checks import Problem, plain_letters
from codixr_leaderboard.submission import Submission, slug

MAINTAINERS = "codixr"
"""The owner of rows without one, and of the reserved names."""
REAL = "real"
"""The reference point that is the studies themselves."""
REFERENCES = frozenset({REAL, "retrieval", "classifier", "constant", "noise"})
"""Built-in models that were not trained to generate: shown in their place, not ranked."""
_PAPER = (paper.CODI, paper.CODI_XR, paper.REAL)
RESERVED = (*sorted(REFERENCES), *_PAPER, *(f"{name} (paper)" for name in _PAPER))
_FEWEST = 3
"""Scores that have to be equal before two results are called one."""
_LOOKS = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "8": "b"})
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


@lru_cache(maxsize=4096)
def skeleton(name: str) -> str:
    """What is left of a name once everything that can be mistaken for another is one.

    Accents, case, signs and spaces go; ``0`` is ``o``, ``1`` and ``i`` are ``l``, ``rn`` is ``m``.
    """
    plain = "".join(c for c in plain_letters(name).casefold() if c.isalnum() or c == "|")
    plain, before = plain.translate(_LOOKS), ""
    # A pair may be of letters that only look like its own: ``c1`` is ``cl``, which is ``d``.
    while plain != before:
        before = plain
        for pair, one in _PAIRS:
            plain = plain.replace(pair, one)
    return plain


def is_reserved(name: str) -> bool:
    """Whether a name is, or looks like, a reference point's or a row of the paper.

    What stands in brackets or behind a sign makes it no other name: ``real (phantom)``.
    """
    known = set(map(skeleton, RESERVED))
    bare = re.split(r"[(\[/:,@+]", name)[0]
    return slug(name).startswith("paper-") or skeleton(name) in known or skeleton(bare) in known


def may_change(before: Submission, owner: str | None) -> bool:
    """Whether ``owner`` may change a row: its own owner, or the project where it has none."""
    return owner is not None and owner == (before.owner or MAINTAINERS)


def taken_name(name: str, owner: str | None, others: Sequence[str]) -> str | None:
    """Why a new row can't have this name; None where it can."""
    if is_reserved(name) and owner != MAINTAINERS:
        return "the name of a reference point or of a row of the paper: use another one"
    own = skeleton(name)
    if own in (skeleton(other) for other in others if other != name):
        return "it looks like the name of another row: use one that can be told apart"
    return None


def together_problems(
    submissions: Sequence[Submission], before: Sequence[Submission] = ()
) -> Iterator[tuple[Submission, Problem]]:
    """What is wrong between the rows of one track: names that look alike, results that are copies.

    Of two rows the one that was submitted later is told; on one day the later name. Rows of
    ``before`` were there first, whatever their days, and are not told.
    """
    ordered = sorted(submissions, key=lambda s: (not is_reserved(s.model), s.submitted, s.model))
    told = {id(r): _telling(r) for s in (*before, *ordered) for r in s.results}
    for i, one in enumerate(ordered):
        for other in (*before, *ordered[:i]):
            if one.track != other.track:
                continue
            if skeleton(one.model) == skeleton(other.model):
                yield one, Problem("model", "it looks like the name of another row")
            for number, result in enumerate(one.results):
                twin = next((r for r in other.results if r.task == result.task), None)
                if twin is not None and _equal(told[id(result)], told[id(twin)]):
                    said = "every score that isn't at an end equals another row's: a copy"
                    yield one, Problem(f"results.{number}.scores", said)


def is_copy(one: Result, other: Result) -> bool:
    """Whether all scores of two results that say anything are equal."""
    return _equal(_telling(one), _telling(other))


def _equal(one: dict[str, float], other: dict[str, float]) -> bool:
    both = one.keys() & other.keys()
    return len(both) >= _FEWEST and all(one[name] == other[name] for name in both)


def _telling(result: Result) -> dict[str, float]:
    """The values that are not at an end of their range, nor a classifier's that knows nothing."""
    found = {}
    for score in result.scores:
        facts = facts_of(score.name)
        ends = {0.0, 0.5} | ({facts.lowest, facts.highest} if facts else set())
        if score.value is not None and score.value not in ends:
            found[score.name] = score.value
    return found
