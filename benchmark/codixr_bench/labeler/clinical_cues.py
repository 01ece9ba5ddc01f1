"""Words that deny or doubt a finding, or ask for it, and how far they reach.

Scope is by words, after NegEx (Chapman et al. 2001), not by grammar: a cue reaches to the end of
its clause, of a list that goes on, or to a word such as "but". The tables are short on purpose:
what stands here is what radiologists write.
"""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from codixr_bench.labeler.words import word_set


class Kind(StrEnum):
    """What a cue says."""

    DENIES = "denies"
    """What follows is absent."""
    DENIED = "denied"
    """What stands before is absent."""
    DOUBTS = "doubts"
    """What follows may be."""
    DOUBTED = "doubted"
    """What stands before may be."""
    ASKS = "asks"
    """What follows is looked for, or was: it is not a finding of this film."""
    BREAKS = "breaks"
    """Another statement begins."""
    MEANS_NOTHING = "means nothing"
    """Looks like a cue: "no change"."""


class Cue(NamedTuple):
    """Where a cue stands in a sentence."""

    start: int
    end: int
    kind: Kind
    text: str


_SEEN = (
    "seen|identified|visuali[sz]ed|demonstrated|present|evident|appreciated|noted|detected|apparent"
    "|found|observed|visible|shown"
)
_BE = "(?:(?:is|are|was|were|be|been|has been|have been|had been) )?"
_ENDS = r"(?=$|[,:]| (?:in|at|on|but|and|given|due|with|which|as)\b)"
_TABLE: tuple[tuple[Kind, str], ...] = (
    (Kind.MEANS_NOTHING,
     r"(?:no|without|not) (?:(?:significant|interval|definite|appreciable|substantial|gross|much"
     r"|any|significantly|substantially|appreciably) )*(?:change[ds]?|increase[ds]?|decrease[ds]?"
     r"|improve(?:ment|d)|progression|difference|worsen(?:ed|ing))\b(?! from)"),
    (Kind.MEANS_NOTHING, r"not only|not significantly|gram[ -]negative|no doubt"),
    (Kind.MEANS_NOTHING,
     r"(?:ensure|document|confirm|assess for|evaluate for|until|to|for|verify|establish|partial"
     r"|incomplete|near|nearly complete|near-complete|almost complete|subtotal"
     r"|partially|nearly|almost) (?:\w+ )?(?:resolution|clearing)"
     r"(?: of)?|(?:partially|nearly|almost|incompletely|not) (?:\w+ )?resolved"),
    (Kind.DENIED, r"(?<!is )(?<!are )(?<!was )(?<!be )not \w+ly excluded"),
    (Kind.DENIED, _BE + r"(?:difficult|hard|impossible) to (?:\w+ly )?(?:exclude|rule out)$"),
    (Kind.DENIES, r"(?:difficult|hard|impossible) to (?:\w+ly )?(?:exclude|rule out)"),
    (Kind.DOUBTS, r"(?:cannot|could not) (?:\w+ly )?(?:exclude|rule out)|not (?:\w+ly )?exclude\b"),
    (Kind.DOUBTED,
     r"(?:cannot|could not) be (?:\w+ )?(?:excluded|ruled out)"
     r"|not (?:\w+ )?(?:excluded|ruled out)"),
    (Kind.DOUBTED,
     _BE + r"(?:not (?:well|clearly|adequately|fully) (?:evaluated|assessed|" + _SEEN + ")"
     r"|(?:poorly|incompletely|suboptimally) (?:evaluated|assessed|" + _SEEN + "))"),
    (Kind.DOUBTED,
     r"(?:is|are|was|were|would be|could be|may be|might be|remains?) (?:also |another |an? |in )*"
     r"(?:possible|questioned|questionable|suspected|considered|possibility|consideration|concern"
     r"|the differential(?: diagnosis)?)" + _ENDS),
    (Kind.DOUBTED, r"(?:may|might|could|can) (?:also )?be present|(?:possible|suspected)$"),
    (Kind.DOUBTED,
     r"(?:should|can|could|may|might|must|would) (?:also )?be (?:considered|suspected|questioned"
     r"|entertained)|in the differential(?: diagnosis)?|,? ?if (?:present|any)\b"),
    (Kind.DOUBTED, _BE + r"(?:considered )?less likely" + _ENDS),
    (Kind.DENIED, _BE + r"(?:not|no longer) (?:\w+ly |clearly )?(?:" + _SEEN + r")\b"),
    (Kind.DENIED,
     r"(?:has|have|had) (?:(?:since|now|completely|entirely|fully|essentially) )*"
     r"(?:resolved|cleared)\b"),
    (Kind.DENIED, r"(?:is|are|was|were) (?:now )?(?:resolved|absent)\b"),
    (Kind.DENIED, r": ?(?:none|absent|nil|not seen)\b|: ?(?:no|negative)(?=$|,)"),
    (Kind.DENIED, r"- (?:none|absent|nil)\b|\(-\)|" + _BE + r"negative(?=$|,)"),
    (Kind.DENIED,
     r"(?:is|are|was|were|has been|have been|had been) (?:\w+ )?(?:removed|excluded|ruled out)\b"),
    (Kind.DENIED, r"(?:removed|resolved|absent|excluded)(?=$|,)"),
    (Kind.DENIED, r"(?:has|have|had) not (?:developed|recurred|re-?accumulated|appeared)"),
    (Kind.DENIED, _BE + r"(?:very )?doubtful(?! for)\b"),
    (Kind.DENIES, r"^unlikely|^absent|doubt(?:ful for)?|nothing (?:\w+ )?to (?:suggest|indicate)"),
    (Kind.DENIES, r"unlikely to (?:be|represent|reflect|indicate)"),
    (Kind.DENIED, _BE + r"(?:(?:very|highly|considered|felt to be|thought) )?unlikely\b"),
    (Kind.DOUBTS, r"less likely"),
    (Kind.ASKS,
     r"(?:to )?rule out|(?:re-?)?evaluat(?:e|ion|ing) for|assess(?:ment|ing)? for|to exclude"
     r"|^exclude|history of|query|indication ?:|reason for (?:exam(?:ination)?|study) ?:"
     r"|clinical (?:history|information|indication) ?:|compar(?:ed|ison) (?:with|to)"),
    (Kind.DENIES,
     r"absence of|lack of|negative for|free of|clear of|neither|nor|never|denies"
     r"|fail(?:s|ed)? to (?:show|demonstrate|reveal)"
     r"|(?:does|do|did) not (?:have|see|show|demonstrate|suggest|reveal|appear to have)"
     r"|(?:resolution|removal|clearing|disappearance) of|^resolved|(?:now|interval) resolved"
     r"|rather than|instead of|no longer|without|no"),
    (Kind.DOUBTS,
     r"possib(?:le|ly|ility of)|probable|questionabl[ey]|question(?: of)?|presum(?:ed|ably)"
     r"|suspect(?:ed)?|suspicio(?:n|us)(?: for| of)?|concern(?:ing)?(?: for| of)|worrisome for"
     r"|may|might|could|would|can (?:be|represent|reflect)"
     r"|differential(?: \w+)?(?: (?:includes?|including|is))?"
     r"|consider(?:ed|ation of)?|potential|suggestion of|equivocal|perhaps|maybe"
     r"|correlate (?:\w+ )?for|raises? (?:the )?(?:possibility|question|concern)(?: of| for)?"),
    (Kind.BREAKS,
     r"but|however|although|though|except(?: for)?|(?:aside|apart) from|with the exception of"
     r"|other than|yet|nevertheless|which|whereas|while|otherwise|there (?:is|are)|now"),
)  # fmt: skip
"""Earlier lines win where two would begin at the same word."""

_CUE = re.compile(
    "|".join(
        rf"(?P<k{i}>(?:(?<![a-z0-9-])|(?=[:,]))(?:{pattern})(?![a-z0-9]))"
        for i, (_, pattern) in enumerate(_TABLE)
    )
)
VERBS = word_set(
    "is are was were has have had appears appear remains remain shows show demonstrates demonstrate"
    " suggests suggest represents reflects indicates persists persist includes seen noted"
)
"""A statement ends before the next of these."""
_PARTICIPLES = word_set("seen noted")
NEW_STATEMENT = word_set(
    "small mild mildly moderate moderately large trace minimal tiny stable unchanged new persistent"
    " increased increasing decreased decreasing prominent enlarged patchy streaky likely possible"
    " interval slight slightly worsening improving improved subsegmental bibasilar status"
)
"""After a comma or "and" these open a statement of their own, unless "or" closes the list."""
_AFTERWARDS = word_set("after following")
_TOKEN = re.compile(r"[a-z0-9][a-z0-9'-]*|[,:()]")
_REACH = 60
"""Words that a cue can reach; it keeps the time linear."""


_start, _end = attrgetter("start"), attrgetter("end")


@dataclass(frozen=True, slots=True)
class Cues:
    """A sentence's cues."""

    sentence: str
    found: tuple[Cue, ...]

    def before(self, start: int) -> list[Cue]:
        """Cues before a place that reach it, the nearest first."""
        reaching = []
        for i in range(bisect_right(self.found, start, key=_end) - 1, -1, -1):
            cue = self.found[i]
            if cue.kind == Kind.BREAKS or start - cue.end > 12 * _REACH:
                break
            if cue.kind in (Kind.DENIES, Kind.DOUBTS, Kind.ASKS) and self._reaches(cue, start):
                reaching.append(cue)
        return reaching

    def after(self, end: int) -> Cue | None:
        """The first cue behind a place that speaks of it."""
        for i in range(bisect_left(self.found, end, key=_start), len(self.found)):
            cue = self.found[i]
            if cue.start - end > 12 * _REACH:
                return None
            if cue.kind in (Kind.DENIED, Kind.DOUBTED):
                return cue if self._speaks_of(end, cue.start) else None
            if cue.kind in (Kind.BREAKS, Kind.DENIES, Kind.ASKS):
                return None
        return None

    def _reaches(self, cue: Cue, start: int) -> bool:
        between = _TOKEN.findall(self.sentence[cue.end : start])
        if len(between) > _REACH:
            return False
        following = _TOKEN.findall(self.sentence[start : start + 10 * _REACH])
        words = between + following
        adjective = cue.kind == Kind.DOUBTS and cue.text.startswith(_ADJECTIVES)
        for i, word in enumerate(between):
            if word in VERBS and cue.kind != Kind.ASKS and between[max(i - 1, 0)] != "to":
                return False
            if cue.text.startswith("differential"):
                continue
            if word == ":" and i and cue.kind == Kind.DOUBTS:
                return False  # "suspicious for malignancy: a mass in the apex"
            if word in _AFTERWARDS and i and cue.kind == Kind.DENIES:
                return False  # "no pneumothorax after placement of a line"
            if word == "," and not _list_goes_on(words, i, cue.kind):
                return False
            if word in ("and", "with") and (
                words[i + 1] in NEW_STATEMENT or adjective or (word == "with" and i > 0)
            ):
                return False
        return True

    def _speaks_of(self, end: int, start: int) -> bool:
        words = _TOKEN.findall(self.sentence[end:start])
        if len(words) > _REACH or any(word in VERBS - _PARTICIPLES for word in words):
            return False
        return "," not in words or "or" in words or "and" in words


_ADJECTIVES = ("possib", "probable", "questionabl", "presum", "suspect", "potential", "equivocal")


def _list_goes_on(words: list[str], comma: int, kind: Kind) -> bool:
    """Whether a comma is one of a list: "no a, b or c", "no a, b"."""
    following = words[comma + 1] if comma + 1 < len(words) else ""
    if following in ("or", "nor"):
        return True
    closed = False
    for word in words[comma + 1 : comma + 16]:
        if word in ("or", "nor", "versus"):
            closed = True
            break
        if word in ("no", "without", "but", "there") or word in VERBS:
            break
    if closed:
        return True
    if kind != Kind.DENIES:
        return False
    if following == "and":
        return comma + 2 < len(words) and words[comma + 2] not in NEW_STATEMENT
    return following not in NEW_STATEMENT


def find_cues(sentence: str) -> Cues:
    """All cues of a sentence, from left to right, none inside another."""
    found = []
    for match in _CUE.finditer(sentence):
        kind = _TABLE[int(str(match.lastgroup)[1:])][0]
        found.append(Cue(match.start(), match.end(), kind, match[0]))
    return Cues(sentence, tuple(found))
