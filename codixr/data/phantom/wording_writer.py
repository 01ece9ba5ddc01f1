"""One text while it is written: how a finding, a denial, a pair become sentences.

The words come from a lexicon; the labels that a sentence says are noted with it.
"""

from dataclasses import replace

import numpy as np

from codixr.data.phantom import wording_around as around
from codixr.data.phantom import wording_findings as findings
from codixr.data.phantom import wording_frames as frames
from codixr.data.phantom import wording_more as more
from codixr.data.phantom import wording_normal as normal
from codixr.data.phantom.wording_findings import Noun
from codixr.data.phantom.wording_lexicon import Lexicon
from codixr.data.phantom.wording_meaning import CENTRAL, FLUID_OR_AIR, Meaning, Mention, chance
from codixr.data.phantom.wording_more import SIZED, article, verb
from codixr.data.phantom.wording_places import LOBES, one_of, place_of, side_alone

BESIDE = (
    " with adjacent ",
    " with underlying ",
    " with associated ",
    " and adjacent ",
    " with ",
    " causing ",
    " due to ",
    " secondary to ",
    " superimposed on ",
    " and ipsilateral ",
)
"""What joins a finding to one at the same place."""
JOINERS = (" and ", " and ", " with ", ", ", " with associated ", " and a ")
MORE_JOINERS = (
    *JOINERS,
    *JOINERS,
    " plus ",
    " as well as ",
    " together with ",
    " + ",
    " & ",
    " / ",
    "; also ",
    "; separate ",
    ", additionally ",
    ", in addition ",
)
"""What joins two findings; more of them in a wide lexicon."""


class Writer:
    """One text while it is written: its sentences, and what they say."""

    def __init__(
        self,
        meaning: Meaning,
        rng: np.random.Generator,
        lexicon: Lexicon,
        *,
        unlisted: bool,
        around: bool = False,
        remarks: bool = True,
    ) -> None:
        self.meaning, self.rng, self.lexicon, self.unlisted = meaning, rng, lexicon, unlisted
        self.around, self.remarks = around, remarks
        """Whether it tells of measures and of the other side; of anything but the picture."""
        self.sentences: list[str] = []
        self.labels: dict[str, int] = {}
        self.blocked = False
        self.reports = False
        """Whether a sentence is about the picture, rather than about technique or advice."""
        self.odd = False
        """Whether it has a name that a labeler doesn't know."""

    def say(self, text: str, labels: dict[str, int], *, reports: bool = True) -> None:
        """Add a sentence. Present beats absent, as in CheXpert's reports."""
        if not (reports or self.remarks):
            return
        self.sentences.append(" ".join(text.split()))
        self.reports = self.reports or reports
        for name, label in labels.items():
            if self.labels.get(name, 0) == 0 or label == 1:
                self.labels[name] = label

    def extent(self, m: Mention, kind: str) -> str:
        """A word for the extent with its blank; "" where it is open."""
        if m.grade is None:
            return ""
        return one_of(findings.GRADES[kind][m.grade], self.rng) + " "

    def noun(self, m: Mention) -> tuple[str, Noun]:
        """A finding's name with its extent and place, and its noun."""
        rng, name = self.rng, m.observation
        nouns = self.lexicon.nouns[name]
        if name == "Pleural Effusion" and m.side == "bilateral" and chance(rng, 0.9):
            nouns = findings.EFFUSIONS
        if name == "Lung Lesion" and m.grade is not None:
            nouns, extent = self.lexicon.nodules[m.grade], ""
        else:
            extent = self.extent(m, "size" if name in FLUID_OR_AIR else "severity")
        if self.unlisted and chance(rng, 0.7):
            nouns, self.odd = self.lexicon.unlisted[name], True
            if name == "Lung Lesion":
                extent = self.extent(m, "size")
        noun = nouns[int(rng.integers(len(nouns)))]
        if name in CENTRAL:
            return f"{extent}{noun.words}", noun
        if name in FLUID_OR_AIR:
            place = side_alone(m.side, rng) if m.side else place_of(None, None, rng)
        else:
            place = place_of(m.side, m.zone, rng)
        words = f"{place.before} {noun.words}".strip()
        behind = f" {place.behind}" if place.behind else ""
        if extent and place.before and chance(rng, 0.06):
            return f"{place.before} {extent}{noun.words}{behind}", noun
        return f"{extent}{words}{behind}", noun

    def mention(self, m: Mention) -> None:
        """The sentence of one finding."""
        rng, name = self.rng, m.observation
        if not m.certain and name == "Edema" and chance(rng, 0.4):
            return self.say(one_of(frames.CONGESTION, rng), {name: -1})
        own = self.lexicon.sentences.get(name, ())
        if self.unlisted and m.certain and chance(rng, 0.3):
            unlisted = self.lexicon.unlisted_sentences[name]
            if self._own(m, unlisted):
                self.odd = True
                return None
        if self.around and m.certain and more.behind_its_place(self, m):
            return None
        share = {"Cardiomegaly": 0.55, "Enlarged Cardiomediastinum": 0.5}.get(name, 0.15)
        if m.certain and own and chance(rng, share) and self._own(m, own):
            return None
        words, noun = self.noun(m)
        if self.around and name in (*FLUID_OR_AIR, "Lung Lesion") and chance(rng, SIZED):
            words = words if any(c.isdigit() for c in words) else around.sized(words, m, rng)
        says = {name: 1 if m.certain else -1} | dict.fromkeys(noun.also, 1 if m.certain else -1)
        still = name in ("Cardiomegaly", "Enlarged Cardiomediastinum")
        if name == "Cardiomegaly" and noun.words == "cardiomegaly":
            still = False
        lexicon = self.lexicon
        choices: tuple[str, ...] = (
            lexicon.hedge_frames
            if not m.certain
            else lexicon.plain_frames
            if still
            else lexicon.frames
        )
        if m.certain and not still and chance(rng, 0.3):
            choices = lexicon.article_frames
        if m.certain and self.unlisted and chance(rng, 0.1):
            choices, self.odd = lexicon.unlisted_frames, True
        text = one_of(choices, rng).format(np=words, a=article(words, noun), **verb(noun))
        if text.startswith("there is") and noun.number == "many":
            text = text.replace("there is", "there are", 1)
        return self.say(text, says)

    def _own(self, m: Mention, own: tuple[str, ...]) -> bool:
        """One of the finding's own sentences; False where its place doesn't fit them."""
        rng, name = self.rng, m.observation
        text = one_of(own, rng)
        if "{side}" in text and m.side not in ("left", "right"):
            return False
        if "{both}" in text and m.side != "bilateral":
            return False
        if ("{mid}" in text and m.zone != "mid") or ("{low}" in text and m.zone != "lower"):
            return False
        if "{lobe}" in text and (m.side, m.zone) not in LOBES:
            return False
        if "{small}" in text and m.grade not in (None, 0):
            return False
        place = place_of(m.side, m.zone, rng)
        while "{at}" in text and place.before:
            place = place_of(m.side, m.zone, rng)
        opaque = any(stem in text for stem in ("opac", "airspace", "infiltrate"))
        also = findings.SENTENCES_ALSO.get(name, ()) if opaque else ()
        text = text.format(
            side=m.side,
            both="",
            mid="",
            low="",
            lobe=LOBES.get((m.side or "", m.zone or ""), ("",))[0],
            small=self.extent(m, "size") if "{small}" in text else "",
            at=f" {place.behind}" if place.behind else "",
            adv=self.extent(m, "adverb"),
            sev=self.extent(m, "severity"),
            size=self.extent(m, "size"),
        )
        self.say(text, {name: 1} | dict.fromkeys(also, 1))
        return True

    def pair(self, first: Mention, second: Mention) -> None:
        """Two findings in one sentence."""
        beside = self.lexicon.is_wide and first.side == second.side and first.side is not None
        if beside and second.observation not in CENTRAL and chance(self.rng, 0.5):
            second = replace(second, side=None, zone=None)  # it is where the first one is
        else:
            beside = False
        (words, noun), (other, also) = self.noun(first), self.noun(second)
        if beside:
            joiner = one_of(BESIDE, self.rng)
            labels = dict.fromkeys((first.observation, second.observation, *noun.also), 1)
            return self.say(words + joiner + other, labels | dict.fromkeys(also.also, 1))
        joiner = one_of(MORE_JOINERS if self.around else JOINERS, self.rng)
        if joiner == " and a ":
            joiner = f" and {article('', also)}".rstrip() + " "
        return self.say(
            words + joiner + other,
            {first.observation: 1, second.observation: 1}
            | dict.fromkeys((*noun.also, *also.also), 1),
        )

    def cause(self, opacity: Mention, cause: Mention) -> None:
        """An opacity and what it is, or may be."""
        words, _ = self.noun(opacity)
        other = one_of(
            {"Atelectasis": ("atelectasis",)}.get(
                cause.observation, ("pneumonia", "pneumonia", "infection")
            ),
            self.rng,
        )
        choices = frames.CAUSES if cause.certain else frames.DOUBTFUL_CAUSES
        text = one_of(choices, self.rng).format(np=words, other=other)
        self.say(text, {opacity.observation: 1, cause.observation: 1 if cause.certain else -1})

    def either(self, first: Mention, second: Mention) -> None:
        """One of two findings at one place."""
        words, _ = self.noun(first)
        nouns = {"Lung Opacity": ("infiltrate", "airspace disease"), "Pneumonia": ("pneumonia",)}
        other = one_of(nouns[second.observation], self.rng)
        joined = one_of(("or", "versus", "or"), self.rng)
        text = one_of(frames.EITHER, self.rng).format_map(
            {"np": words, "or": joined, "other": other}
        )
        self.say(text, {first.observation: -1, second.observation: -1})

    def without(self, absent: set[str]) -> None:
        """Behind the last sentence, one or two absent findings."""
        names = [name for name in self.lexicon.deniable if name in absent]
        if not names or any(mark in self.sentences[-1] for mark in (",", " no ", "without")):
            return
        weights = np.array([normal.DENIED_OFTEN[name] for name in names])
        order = np.argsort(self.rng.exponential(size=len(names)) / weights)
        chosen = [names[i] for i in order[: 1 + int(self.rng.random() < 0.3)]]
        deniable = self.lexicon.deniable
        if self.around and chance(self.rng, 0.3):
            deniable, self.odd = self.lexicon.unlisted_deniable, True
        listed = " or ".join(one_of(deniable[name], self.rng) for name in chosen)
        text = one_of(frames.WITHOUT, self.rng).format(text=self.sentences.pop(), denied=listed)
        self.say(text, dict.fromkeys(chosen, 0))

    def line(self, lines: tuple[normal.Line, ...], absent: set[str]) -> None:
        """One of the lines that agrees with what is absent, if there is one."""
        line = lines[int(self.rng.integers(len(lines)))]
        if {*line.denies, *line.needs} <= absent:
            self.say(line.text, dict.fromkeys(line.denies, 0))

    def denial(self, absent: set[str]) -> None:
        """ "no A, B or C" of absent findings."""
        rng = self.rng
        names = [name for name in self.lexicon.deniable if name in absent]
        if not names:
            return
        weights = np.array([normal.DENIED_OFTEN[name] for name in names])
        count = min(len(names), 1 + int(rng.integers(4)))
        order = np.argsort(rng.exponential(size=len(names)) / weights)[:count]
        chosen = [names[i] for i in order]
        deniable = self.lexicon.deniable
        if self.unlisted and chance(rng, 0.4):
            deniable, self.odd = self.lexicon.unlisted_deniable, True
        words = [one_of(deniable[name], rng) for name in chosen]
        if count == 1 and chance(rng, 0.3):
            frame = one_of(normal.DENIALS_OF_ONE, rng)
        elif count == 1 and chosen[0] in (*FLUID_OR_AIR, "Pneumonia", "Edema") and chance(rng, 0.1):
            frame = one_of(normal.RESOLVED, rng)
            words = [deniable[chosen[0]][0]]
        else:
            frame = one_of(self.lexicon.denials, rng)
        last = one_of((" or ", ", or ") if count > 2 else (" or ", " or ", " and "), rng)
        listed = ", ".join(words[:-1]) + last + words[-1] if count > 1 else words[0]
        self.say(frame.format(list=listed), dict.fromkeys(chosen, 0))
