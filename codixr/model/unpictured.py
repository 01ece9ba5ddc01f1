"""What a text names and no training picture of a checkpoint shows: a fracture, a hernia, a stent.

A tokenizer may keep a list of such words and phrases (``not_pictured`` in its folder). They are
known words, so nothing else would warn. What a text denies isn't counted: in a clause, what stands
behind its "no" or "without", and what stands before its "is not seen" or "removed". So "no
effusion, wedge fracture" is not told of. A reader of clauses, no labeler: it may err either way.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from codixr.errors import InputError
from codixr.model.familiarity import texts_at

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KEPT_AS = "not_pictured"
"""The entry of ``tokenizer_config.json``."""

_SEEN = (
    "seen|identified|present|visible|visualized|demonstrated|evident|appreciated|detected|noted"
    "|found|shown"
)
_LINE = re.compile(r"[\r\n]+(?=\s*(?:[-•*–]|\d+[.)]|[A-Z]))|[\r\n]\s*[\r\n]")
_STAYS = "old|stable|chronic|healed|healing|unchanged|known|status post|s/p"
"""What nobody denies: behind a comma it begins what is there."""
_CLAUSE = re.compile(
    r"[.;!?](?=\s|$)|\s[-•–](?=\s)|\s(?=\d+[.)]\s)|[()]|—|--"
    rf"|,\s(?=(?:an? |the )?(?:{_STAYS})\b)"
    r"|\bin (?:a|the|this) patient with\b"
    r"|\b(?:disease|process|abnormality|abnormalities|findings?) (?:with|after)\b"
    r"|\bbut\b(?! (?:is |was |are |were )?(?:not|no longer) \w+\s*(?:[.;,]|$))"
    r"|\b(?:however|although|though|yet|except|apart from|aside from|other than|otherwise)\b"
    r"|, (?:with|and) (?=an?\b|the\b)"
)
_NOTHING_DENIED = re.compile(
    r"\bno (?:(?:interval|significant|further|definite|appreciable) )*"
    r"(?:changes?|resolution|worsening|progression|improvement|healing|increase|decrease)\b"
    r"|\bnot (?:yet |significantly |appreciably )?"
    r"(?:changed|resolved|worsened|progressed|improved|healed)\b|\bnot only\b|\bnot displaced\b"
    rf"|\b(?:not|n't) (?:{_SEEN}) on (?:the |an? )?(?:prior|previous|earlier|old)\b"
    r"|\b(?:cannot|can't|can not|not) (?:be )?(?:\w+ly )?(?:excluded?|ruled out)\b"
    r"|\bshould be (?:excluded|ruled out)\b"
)
_DENIES_BEFORE = re.compile(
    rf"(?:\b(?:can)?not|n't|\bno longer) (?:be )?(?:\w+ly )?(?:{_SEEN}|in place)\b"
    r"|\b(?:is|are|was|were) absent\b|\b(?:excluded|ruled out|resolved)\b(?!:)"
    r"|\b(?:removed|withdrawn|taken out|is out|gone)\b|\b(?:unlikely|improbable)(?=\s*$|,)"
    r"|-free\b|\bfree(?=\s*$|,)|\bnot (?:\w+ly )?confirmed\b"
    r"|: ?(?:none|no|nil|absent|negative)(?=\s*$|,|\s\w+:)|\babsent\s*$"
)
_DENIES_NEXT = re.compile(
    r"\b(?:no|not|without|w/o|negative for|free of|absence of|absent|denies|nor|neither|never|none"
    r"|nothing|cannot|unable to|removal of|rather than|exclude|rule out|r/o|unlikely"
    r"|(?:evaluate|evaluation|eval|assess|check|look) for)\b|n't\b"
    r"|\b(?:ruled out|excluded|not seen|not present|resolved):"
)


def listed(tokenizer: "PreTrainedTokenizerBase") -> tuple[str, ...]:
    """The words and phrases that a tokenizer keeps; none for most.

    Raises InputError for anything but a list of words.
    """
    kept = tokenizer.init_kwargs.get(KEPT_AS)
    if kept is None:
        return ()
    if not isinstance(kept, list) or not all(isinstance(x, str) and x.strip() for x in kept):
        raise InputError(
            f"{tokenizer.name_or_path}/tokenizer_config.json: {KEPT_AS} has to be a list of words "
            "and phrases; copy it again"
        )
    return tuple(" ".join(entry.lower().split()) for entry in kept)


@lru_cache(maxsize=8)
def _pattern(entries: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the phrases, in the plural too, and with an adverb: "is (markedly) tortuous"."""
    ordered = sorted(entries, key=len, reverse=True)
    phrases = (r" (?:\w+ly |very )?".join(map(re.escape, entry.split())) for entry in ordered)
    return re.compile(rf"\b(?:{'|'.join(phrases)})s?\b")


def _names(clause: str, things: re.Pattern[str]) -> bool:
    """Whether a clause in lower case names one of them and doesn't deny it."""
    clause = _NOTHING_DENIED.sub(" ", " ".join(clause.split()))
    rest = clause
    for before in _DENIES_BEFORE.finditer(clause):
        rest = clause[before.end() :]
    if (behind := _DENIES_NEXT.search(rest)) is not None:
        rest = rest[: behind.start()]
    return things.search(" ".join(rest.replace("-", " ").split())) is not None


def unpictured(tokenizer: "PreTrainedTokenizerBase", reports: Sequence[str]) -> list[int]:
    """How many clauses of each report name what no training picture shows.

    Zeros for a tokenizer without a list. Raises InputError for a list that is none.
    """
    entries = listed(tokenizer)
    if not entries:
        return [0] * len(reports)
    things, plain = _pattern(entries), _plain(tokenizer)
    return [
        sum(
            _names(clause, things)
            for line in _LINE.split(report)
            for clause in _CLAUSE.split(plain(line))
        )
        for report in reports
    ]


def _plain(tokenizer: "PreTrainedTokenizerBase") -> Callable[[str], str]:
    """As the tokenizer itself reads a text, in lower case."""
    normalizer = getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None)

    def plain(text: str) -> str:
        text = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        return (text if normalizer is None else normalizer.normalize_str(text)).lower()

    return plain


def unpictured_doubts(tokenizer: "PreTrainedTokenizerBase", reports: Sequence[str]) -> list[str]:
    """A line on texts that name such a thing, if there are any; nothing of them is quoted."""
    naming = [i for i, count in enumerate(unpictured(tokenizer, reports)) if count]
    if not naming:
        return []
    return [
        f"T: {texts_at(naming, reports)} names something that no training picture of this "
        "checkpoint shows: it is not drawn"
    ]
