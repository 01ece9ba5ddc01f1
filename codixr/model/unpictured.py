"""What a text names and no training picture of a checkpoint shows: a fracture, a hernia, a stent.

A tokenizer may keep a list of such words and phrases (``not_pictured`` in its folder). They are
known words, so nothing else would warn. What a sentence denies isn't counted: what stands behind
its "no" or "without", and the whole of one with "is not" or "removed". So "no effusion, old
fracture" is not told of.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KEPT_AS = "not_pictured"
"""The entry of ``tokenizer_config.json``."""
_SENTENCE = re.compile(r"[.;:!?\n]+(?=\s|$)")
_DENIES_NEXT = re.compile(
    r"\b(?:no|not|without|w/o|negative for|free of|absence of|absent|denies|nor|neither|never)\b"
)
_DENIES_BEFORE = re.compile(
    r"\b(?:absent|excluded|ruled out|removed|resolved|(?:is|are|was|were)(?: not|n't)"
    r"|not (?:seen|identified|present|visible|demonstrated))\b"
)


@lru_cache(maxsize=8)
def _pattern(listed: tuple[str, ...]) -> re.Pattern[str]:
    ordered = sorted(listed, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, ordered))})\b")


def _names(sentence: str, things: re.Pattern[str]) -> bool:
    """Whether a sentence in lower case names one of them and doesn't deny it."""
    if _DENIES_BEFORE.search(sentence):
        return False
    denied = _DENIES_NEXT.search(sentence)
    return things.search(sentence[: denied.start()] if denied else sentence) is not None


def unpictured(tokenizer: "PreTrainedTokenizerBase", reports: Sequence[str]) -> list[int]:
    """How many sentences of each report name what no training picture shows.

    Zeros for a tokenizer without a list.
    """
    listed = tuple(tokenizer.init_kwargs.get(KEPT_AS) or ())
    if not listed:
        return [0] * len(reports)
    things = _pattern(listed)
    return [
        sum(_names(" ".join(sentence.split()), things) for sentence in _SENTENCE.split(r.lower()))
        for r in reports
    ]


def unpictured_doubts(tokenizer: "PreTrainedTokenizerBase", reports: Sequence[str]) -> list[str]:
    """A line on texts that name such a thing, if there are any; nothing of them is quoted."""
    naming = [i for i, count in enumerate(unpictured(tokenizer, reports)) if count]
    if not naming:
        return []
    which = "the text" if len(reports) == 1 else f"text {naming[0]} of {len(reports)}"
    more = f" (and {len(naming) - 1} more)" if len(naming) > 1 else ""
    return [
        f"T: {which}{more} names something that no training picture of this checkpoint shows: "
        "it is not drawn"
    ]
