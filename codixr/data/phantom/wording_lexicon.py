"""The words that a text can be written in: the phantom's own, and a wider choice.

``PLAIN`` is what denoisers and judges were made with. ``WIDE`` is ``PLAIN`` and more; only the text
tower's last lesson has it, and no reference is written in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from codixr.data.phantom import wording_findings as findings
from codixr.data.phantom import wording_frames as frames
from codixr.data.phantom import wording_normal as normal
from codixr.data.phantom import wording_other as beside
from codixr.data.phantom import wording_wide as wide
from codixr.data.phantom import wording_wide_denied as more_denied
from codixr.data.phantom import wording_wide_frames as around
from codixr.data.phantom import wording_wide_unlisted as odd
from codixr.data.phantom.wording_findings import Noun
from codixr.data.phantom.wording_other import Other
from codixr.data.phantom.wording_style import ABBREVIATIONS

Nouns = Mapping[str, tuple[Noun, ...]]
Sentences = Mapping[str, tuple[str, ...]]
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Names, sentences and frames to choose from, each as often as it stands here."""

    nouns: Nouns
    nodules: tuple[tuple[Noun, ...], ...]
    sentences: Sentences
    article_frames: tuple[str, ...]
    frames: tuple[str, ...]
    plain_frames: tuple[str, ...]
    hedge_frames: tuple[str, ...]
    others: tuple[Other, ...]
    normal_chest: tuple[str, ...]
    denials: tuple[str, ...]
    abbreviations: Pairs
    deniable: Sentences = field(default_factory=lambda: normal.DENIABLE)
    """What a list of negations names."""
    lines: tuple[normal.Line, ...] = ()
    """Normal lines beside the plain wording's."""
    unlisted: Nouns = field(default_factory=dict)
    """Names that a labeler of CheXpert's words doesn't know: texts with them are odd ones."""
    unlisted_sentences: Sentences = field(default_factory=dict)
    unlisted_frames: tuple[str, ...] = ()
    unlisted_deniable: Sentences = field(default_factory=dict)
    rephrased: Pairs = ()
    """Other words for the same place or phrase."""
    spellings: Pairs = ()
    """American and British."""

    @property
    def is_wide(self) -> bool:
        """Whether it has names that a labeler doesn't know."""
        return bool(self.unlisted)


PLAIN = Lexicon(
    nouns=findings.NOUNS,
    nodules=findings.NODULES,
    sentences=findings.SENTENCES,
    article_frames=frames.ARTICLE_FRAMES,
    frames=frames.FRAMES,
    plain_frames=frames.PLAIN_FRAMES,
    hedge_frames=frames.HEDGE_FRAMES,
    others=beside.OTHERS,
    normal_chest=normal.NORMAL_CHEST,
    denials=normal.DENIALS,
    abbreviations=ABBREVIATIONS,
)
_DRAWN_NOW = (
    "mediastinal lymphadenopathy",
    "blunting of the costophrenic angles",
    "volume loss in the right lung",
)
"""What only the plain wording takes for nothing that is drawn."""


def _both(plain: Mapping[str, tuple], more: Mapping[str, tuple]) -> dict[str, tuple]:  # type: ignore[type-arg]
    names = dict.fromkeys((*plain, *more))
    return {name: (*plain.get(name, ()), *more.get(name, ())) for name in names}


WIDE = Lexicon(
    nouns=_both(findings.NOUNS, wide.NOUNS),
    nodules=tuple(
        (*some, *more) for some, more in zip(findings.NODULES, wide.NODULES, strict=True)
    ),
    sentences=_both(findings.SENTENCES, wide.SENTENCES),
    article_frames=(*frames.ARTICLE_FRAMES, *around.ARTICLE_FRAMES),
    frames=(*frames.FRAMES, *around.FRAMES),
    plain_frames=(*frames.PLAIN_FRAMES, *around.PLAIN_FRAMES),
    hedge_frames=(*frames.HEDGE_FRAMES, *around.HEDGE_FRAMES),
    others=(
        *(other for other in beside.OTHERS if other.text not in _DRAWN_NOW),
        *(Other(text, (), blocks) for text, blocks in around.OTHERS),
    ),
    normal_chest=(*normal.NORMAL_CHEST, *around.NORMAL_CHEST),
    denials=(*normal.DENIALS, *around.DENIALS),
    abbreviations=(*(pair for pair in ABBREVIATIONS if pair[1] != "cm"), *around.ABBREVIATIONS),
    deniable=_both(normal.DENIABLE, more_denied.NAMES),
    lines=more_denied.LINES,
    unlisted=odd.UNLISTED,
    unlisted_sentences=odd.UNLISTED_SENTENCES,
    unlisted_frames=odd.UNLISTED_FRAMES,
    unlisted_deniable=odd.UNLISTED_DENIABLE,
    rephrased=around.REPHRASED,
    spellings=around.BRITISH,
)
LEXICONS: Mapping[str, Lexicon] = {"plain": PLAIN, "wide": WIDE}
