"""What turns a mention from present to absent or uncertain: one table a class of cue.

Notable:
- A rule asks about one word of a mention and its neighbours in the sentence's graph (``graph.py``),
  one or two links away, never about a distance in words. The relation names are its vocabulary.
- Order, as in the original: ``DOUBTS_FIRST`` (uncertain whatever is denied), ``DENIALS``,
  ``DOUBTS``; no rule: present. ``--explain`` names the first rule of a table that fits.
- ``cues``: words (their dictionary form) one of which must stand in the sentence; a rule is not
  even tried without.
- What is missing here is missing on purpose: "unlikely", "likely", "not seen", "not enlarged",
  "absence of", "suggestive of", "improved" decide nothing in the original.

To add a rule: a function of a graph and a word, and a line in a table with an example that
``tests/benchmark/labeler/test_cues.py`` runs.
"""

from collections.abc import Callable
from dataclasses import dataclass

from codixr_bench.labeler import denials, doubts
from codixr_bench.labeler.graph import Graph
from codixr_bench.labeler.words import word_set

Test = Callable[[Graph, int], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to deny or to doubt a mention."""

    name: str
    example: str
    """A sentence in which it decides the label of its first mention."""
    cues: frozenset[str]
    test: Test
    """Whether it fits the word with this number."""
    surprise: str = ""
    """What it does that a reader would not expect."""


_CAN = word_set("may maybe might could would can possibly")
_DOUBT = word_set(
    "possible possibly presumably probable questionable suspect suspected suspicious question"
)
_GONE = word_set("history free disappearance resolution drainage removal")


SURPRISES = {
    "no new": "'no new' is uncertain, not absent",
    "no": "it reaches all of a list, behind 'and' and 'but' too",
    "beside normal": "whatever hangs on a normal noun is absent with it",
    "resolution of": "a history of something is absent",
    "seen before": "'previously demonstrated' is absent",
    "excluded": "'difficult to exclude' is absent; only 'cannot exclude' is uncertain",
    "rule out": "an order to rule out is absent",
    "obscured silhouette": "a silhouette that something obscures is absent",
    "stable": "a stable size or contour is uncertain; a stable finding is present",
    "no change": "no change in size or contour is uncertain; in a finding, present",
    "compatible with": "'is compatible with' is uncertain; 'is consistent with' is present",
    "secondary to": "'secondary to' is always uncertain",
    "or": "both sides of an 'or' are uncertain",
    "uncertain by itself": "congestion is uncertain without any doubt spoken",
}
"""Rule -> what it does that a reader would not expect; ``--explain`` says so."""
DECIDES_NOTHING = word_set(
    "unlikely likely probably neither nor absence lack vs resolving improved suggestive evaluate "
    "doubtful not"
)
"""Words that a reader would take for a cue, and the original does not."""


def _table(*rules: tuple[str, str, str, Test]) -> tuple[Rule, ...]:
    return tuple(
        Rule(name, example, word_set(cues), test, SURPRISES.get(name, ""))
        for name, example, cues, test in rules
    )


DOUBTS_FIRST = _table(
    ("not excluded", "Pneumonia is not excluded.", "exclude", doubts.not_excluded),
    ("no new", "No new consolidation.", "new", doubts.no_new),
)
"""Uncertain, and tried before the denials, because they contain a "no" or "not" themselves."""

DENIALS = _table(
    ("no", "No pneumothorax.", "no not never", denials.no),
    ("part of a denied noun", "No infectious process.", "no not", denials.part_of_denied),
    ("without", "Cardiomegaly without edema.", "without", denials.without),
    ("beside a denied 'or'", "No effusion or scar with mass.", "no", denials.beside_denied_or),
    ("no evidence of", "No evidence for edema.", "no not without", denials.no_evidence),
    ("nothing to suggest", "There is no finding to suggest edema.", "no",
     denials.nothing_to_suggest),
    ("normal", "The mediastinum is normal.", "normal normally unremarkable", denials.normal),
    ("beside normal", "Heart size is normal.", "normal normally unremarkable",
     denials.beside_normal),
    ("appears normal", "Heart size appears normal.", "normal unremarkable", denials.appears_normal),
    ("within normal limits", "Heart size within normal limits.", "limit", denials.within_limits),
    ("is within normal limits", "Heart size is within normal limits.", "limit",
     denials.is_within_limits),
    ("resolution of", "Resolution of the effusion.", " ".join(sorted(_GONE)), denials.gone),
    ("clear of", "Lungs are clear of consolidation.", "clear clearing", denials.clear_of),
    ("negative for", "Negative for fracture.", "negative", denials.negative_for),
    ("removed", "The chest tube was removed.", "remove", denials.removed),
    ("has resolved", "The effusion has resolved.", "resolve", denials.has_resolved),
    ("with resolution", "Effusion with interval resolution.", "resolution",
     denials.with_resolution),
    ("is absent", "Effusion is absent.", "absent", denials.is_absent),
    ("no longer seen", "Effusion is no longer seen.", "see", denials.no_longer_seen),
    ("seen before", "The nodule was previously demonstrated.", "previously", denials.seen_before),
    ("rather than", "Artifact rather than mass.", "rather", denials.rather_than),
    ("excluded", "Pneumothorax is excluded.", "exclude", denials.excluded),
    ("rule out", "Rule out pneumonia.", "rule", denials.rule_out),
    ("obscured silhouette", "Fluid obscures the mediastinal silhouette.", "obscure",
     denials.obscured_silhouette),
)  # fmt: skip
"""Absent, unless the word has an adjective "new"."""

DOUBTS = _table(
    ("stable", "Heart size is stable.", "stable unchanged", doubts.stable),
    ("no change", "No change in heart size.", "change", doubts.no_change),
    ("similar to prior", "Heart size is similar to prior.", "similar", doubts.similar_to_prior),
    ("borderline size", "Borderline heart size.", "borderline", doubts.borderline),
    ("possible", "Possible pneumonia.", " ".join(sorted(_DOUBT)), doubts.doubted),
    ("may be", "This may be atelectasis.", " ".join(sorted(_CAN)), doubts.may_be),
    ("may represent", "This could represent edema.", " ".join(sorted(_CAN)), doubts.may_represent),
    ("may have this appearance", "Edema could have this appearance.", "appearance",
     doubts.may_have_appearance),
    ("may be due to", "This may be due to edema.", "due relate", doubts.may_be_due_to),
    ("secondary to", "Secondary to atelectasis.", "secondary", doubts.secondary_to),
    ("compatible with", "This is compatible with edema.", "compatible consistent",
     doubts.compatible_with),
    ("concern for", "There is concern for pneumonia.",
     "concern suspicion suspicious worrisome concerning", doubts.concern_for),
    ("suspected", "We suspect edema.", "suspect", doubts.suspected),
    ("considered", "We favor edema.", "consider favor question", doubts.considered),
    ("question of", "Question of a nodule.", "question suggestion possible", doubts.question_of),
    ("differential", "Differential diagnosis includes edema.", "differential", doubts.differential),
    ("poorly seen", "Effusion is not well evaluated.", "evaluate visualize see appreciate",
     doubts.poorly_seen),
    ("obscured", "The base is obscured by effusion.", "obscure", doubts.obscured),
    ("correlate for", "Correlate clinically for pneumonia.", "correlate correlation",
     doubts.correlate_for),
    ("or", "Atelectasis or pneumonia.", "or versus", doubts.either),
    ("uncertain by itself", "Vascular congestion.", "congestion prominence indistinctness",
     doubts.congestion),
)  # fmt: skip
"""Uncertain, where nothing above fits."""
