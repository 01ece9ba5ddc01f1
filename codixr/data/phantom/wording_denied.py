"""Denials behind what they deny, and the same lists of names said to be there.

"Cardiomegaly is absent" and "cardiomegaly is present" differ in one word. A text tower that sees
lists of bare names in denials only takes every such list for one, so each has its twin here: names,
places and frames of both are drawn alike. Our own sentences; most denials are unknown to CheXpert's
labeler, so that texts with them count as odd ones.
"""

from collections.abc import Mapping

import numpy as np

from codixr.data.phantom import wording_normal as normal
from codixr.data.phantom import wording_wide_unlisted as unlisted
from codixr.data.phantom.wording_lexicon import WIDE
from codixr.data.phantom.wording_meaning import CENTRAL, FLUID_OR_AIR, Mention, chance
from codixr.data.phantom.wording_places import LOBES, one_of, place_of, side_alone

DENIED = (
    "{list} {is} absent",
    "{list} {is} absent",
    "{list} absent",
    "{list} {is} not seen",
    "{list} {is} not present",
    "{list} {is} not identified",
    "{list} {is} not visible",
    "{list} {is} not demonstrated",
    "{list} {is} not evident",
    "{list} {isnt} seen",
    "{list} {isnt} present",
    "{list} not seen",
    "{list} not identified",
    "{list} not present",
    "{list} not visible",
    "{list} not detected",
    "{list} {has} been ruled out",
    "{list} {has} been excluded",
    "{list} {is} ruled out",
    "{list} {is} excluded",
    "{list} ruled out",
    "{list} excluded",
    "{list}: none",
    "{list}: no",
    "{list}: absent",
    "{list}: negative",
    "{list} - none",
    "{list}? no",
    "{list} {is} no longer seen",
    "{list} seen on the prior {is} no longer present",
    "interval clearance of {list}",
    "{list} {is} no longer present",
    "{list} no longer visible",
    "{list} no longer seen",
    "{list} {has} resolved",
    "{list} {has} cleared",
    "{list} {has} disappeared",
    "{list} {is} gone",
    "{list} resolved",
    "no new {list}",
    "no new {list}",
    "no new {list}",
    "no new or worsening {list}",
    "no new {list} {is} seen",
    "absence of {list}",
    "absent {list}",
    "nothing to suggest {list}",
    "not {list}",
    "there {isnt} any {list}",
    "the film shows no {list}",
    "does not show {list}",
    "doesn't show {list}",
    "we do not see {list}",
    "no longer any {list}",
    "this rules out {list}",
    "not seen: {list}",
    "absent: {list}",
    "excluded: {list}",
    "{list}: nil",
    "nil {list}",
    "zero {list}",
    "-ve for {list}",
    "neg for {list}",
    "lack of {list}",
    "not a trace of {list}",
    "never any {list}",
    "the patient has no {list}",
    "i don't see {list}",
    "i see no {list}",
    "cannot see {list}",
    "{list} {is} not there",
    "{list} {isnt} there",
    "{list} {isnt} visible",
    "{list} not there",
    "{list} not evident",
    "{list} not shown",
    "{list} completely resolved",
    "{list} {has} completely cleared",
    "interval clearing of {list}",
    "complete resolution of {list}",
    "interval resolution of {list}",
    "clearing of {list}",
    "disappearance of {list}",
    "{list} {has} completely resolved",
    "{list}: complete resolution",
    "follow-up of {list}: complete resolution",
    "previous {list} {has} resolved",
    "history of {list}, now resolved",
    "negative for {list}",
    "free of {list}",
    "free from {list}",
    "the lungs are free of {list}",
    "lungs clear of {list}",
    "devoid of {list}",
)
"""{list} stands for the names; {is}, {isnt}, {has} for the verb that fits them."""
SHORT = (
    "{list} absent",
    "{list} absent",
    "{list} {is} absent",
    "{list} not seen",
    "{list} {is} not seen",
    "{list} not present",
    "{list} excluded",
    "{list} ruled out",
    "{list} resolved",
    "{list} gone",
    "{list} no longer visible",
    "no {list}",
    "no {list} seen",
    "not {list}",
)
"""Of one name, behind a comma: what stands before the comma is there."""
STATED = (
    "{list}",
    "{list}",
    "{list}",
    "{list}",
    "{list}",
    "{list} {is} present",
    "{list} {is} present",
    "{list} present",
    "{list} {is} seen",
    "{list} {is} visible",
    "{list} {is} evident",
    "{list} {is} identified",
    "{list} seen",
    "{list} visible",
    "{list} detected",
    "{list} confirmed",
    "{list} {has} been confirmed",
    "{list}: yes",
    "{list}: present",
    "{list}: positive",
    "{list}? yes",
    "{list} {is} still seen",
    "{list} {is} still present",
    "{list} still visible",
    "{list} {has} developed",
    "{list} {has} returned",
    "{list} {has} not resolved",
    "{list} not resolved",
    "presence of {list}",
    "signs of {list}",
    "the film shows {list}",
    "shows {list}",
    "we see {list}",
    "there {is} {list}",
    "seen: {list}",
    "present: {list}",
    "confirmed: {list}",
    "positive for {list}",
    "+ve for {list}",
    "pos for {list}",
    "the patient has {list}",
    "i see {list}",
    "can see {list}",
    "{list} {is} there",
    "{list} there",
    "{list} evident",
    "{list} shown",
    "{list} not completely resolved",
    "development of {list}",
    "interval development of {list}",
    "appearance of {list}",
    "full of {list}",
    "diagnosis: {list}",
    "the lungs show {list}",
)
"""The twins of these, of findings that are there."""
NOT_LARGE: dict[str, tuple[str, ...]] = {
    "Cardiomegaly": (
        "the heart is not enlarged",
        "the heart isn't enlarged",
        "heart not enlarged",
        "heart isn't enlarged",
        "the heart is not big",
        "the heart isn't big",
        "the heart is no longer enlarged",
        "cardiac silhouette not enlarged",
        "heart size has returned to normal",
        "the heart has returned to normal size",
        "the cardiac silhouette is not enlarged",
    ),
    "Enlarged Cardiomediastinum": (
        "the mediastinum is not widened",
        "the mediastinum isn't widened",
        "mediastinum not widened",
        "the mediastinum is not wide",
        "the mediastinum is no longer widened",
        "mediastinal widening is absent",
        "mediastinal widening ruled out",
        "widened mediastinum excluded",
    ),
    "Pleural Effusion": (
        "the costophrenic angles are not blunted",
        "costophrenic angles not blunted",
    ),
    "Atelectasis": ("the lung is not collapsed", "no longer collapsed"),
    "Consolidation": ("the lungs are not consolidated", "not consolidated"),
}
LARGE: dict[str, tuple[str, ...]] = {
    "Cardiomegaly": (
        "the heart is enlarged",
        "the heart is still enlarged",
        "heart enlarged",
        "heart still enlarged",
        "the heart is big",
        "the heart remains enlarged",
        "cardiac silhouette enlarged",
        "the cardiac silhouette is enlarged",
    ),
    "Enlarged Cardiomediastinum": (
        "the mediastinum is widened",
        "the mediastinum is still widened",
        "mediastinum widened",
        "the mediastinum is wide",
        "widened mediastinum confirmed",
        "widened mediastinum",
    ),
}
"""What is enlarged, and what is not."""
Names = Mapping[str, tuple[str, ...]]
ECM = "Enlarged Cardiomediastinum"
KNOWN: Names = {**WIDE.deniable, ECM: ("widened mediastinum", "widening of the mediastinum")}
UNKNOWN: Names = unlisted.UNLISTED_DENIABLE | {ECM: ("mediastinal widening", "wide mediastinum")}
"""Bare names that CheXpert's labeler knows, and that it doesn't."""
OFTEN = {name: often**0.5 for name, often in normal.DENIED_OFTEN.items()} | {
    "Cardiomegaly": 1.7,
    ECM: 1.2,
}
"""What is denied more often than other findings is so here too, but less so."""
UNFIT = ("large", "airspace consolidation", "suspicious", " or ", "failure", "chf", "congestion")
"""Names with these deny well, but say more than their finding, or less, where it is there."""
BUT = (" but ", " but ", ", but ", " although ", "; ", " - ")
"""What stands between a denial and what is there; "," and "and" only where nobody is misled."""
WITH_PLACE = 0.3
"""How often a denied name has a side and a zone."""


def listed(words: list[str], rng: np.random.Generator, *, denied: bool) -> str:
    """ "a, b and c"; of denied names at times "a, b or c"."""
    if len(words) == 1:
        return words[0]
    joiners = (
        (" and ", " and ", " or ", " or ") if denied else (" and ", " and ", " and ", " plus ")
    )
    last = one_of(joiners, rng)
    if len(words) > 2 and chance(rng, 0.4):
        last = f",{last}"
    return ", ".join(words[:-1]) + last + words[-1]


def framed(frame: str, words: list[str], rng: np.random.Generator, *, denied: bool) -> str:
    """The frame with the names in it, and the verb that fits them."""
    text = listed(words, rng, denied=denied)
    plural = words[-1].endswith("s") and not words[-1].endswith(("sis", "ss"))
    many = plural or (len(words) > 1 and " or " not in text)
    verbs = {
        "is": "are" if many else "is",
        "isnt": "aren't" if many else "isn't",
        "has": "have" if many else "has",
    }
    return frame.format(list=text, **verbs)


def name_of(m: Mention, names: Names, rng: np.random.Generator) -> str:
    """A bare name of a finding, with its side and zone where it has them."""
    name = m.observation
    words = one_of(names[name], rng)
    if name in CENTRAL or m.side is None:
        return words
    place = side_alone(m.side, rng) if name in FLUID_OR_AIR else place_of(m.side, m.zone, rng)
    return " ".join(f"{place.before} {words} {place.behind}".split())


def _somewhere(name: str, rng: np.random.Generator) -> Mention:
    """An absent finding, at times of one place."""
    if name in CENTRAL or not chance(rng, WITH_PLACE):
        return Mention(name)
    if name in FLUID_OR_AIR:
        return Mention(name, side="right" if chance(rng, 0.5) else "left")
    places = list(LOBES)
    side, zone = places[int(rng.integers(len(places)))]
    return Mention(name, side=side, zone=zone)  # type: ignore[arg-type]


def denial_behind(
    absent: set[str], names: Names, rng: np.random.Generator
) -> tuple[str, list[str], str]:
    """A sentence that denies one to three of ``absent``, which, and its frame; of none, nothing."""
    known = [name for name in OFTEN if name in absent]
    if not known:
        return "", [], ""
    weights = np.array([OFTEN[name] for name in known])
    order = np.argsort(rng.exponential(size=len(known)) / weights)
    count = int((1, 1, 1, 2, 2, 3)[int(rng.integers(6))])
    chosen = [known[i] for i in order[:count]]
    if len(chosen) == 1 and chosen[0] in NOT_LARGE and chance(rng, 0.35):
        return one_of(NOT_LARGE[chosen[0]], rng), chosen, ""
    words = [name_of(_somewhere(name, rng), names, rng) for name in chosen]
    if len(chosen) == 2 and chance(rng, 0.06):
        return f"neither {words[0]} nor {words[1]}", chosen, ""
    frame = one_of(DENIED, rng)
    return framed(frame, words, rng, denied=True), chosen, frame


def beside(said: str, text: str, frame: str, count: int, rng: np.random.Generator) -> str:
    """What is there and a denial of ``count`` names in one sentence.

    "A and B absent" denies both: a list's edge to what is there is never "," or "and" alone.
    """
    loose: list[str] = []
    if chance(rng, 0.6):
        first, second = said, text
        begins = frame.startswith("{list}")
        if not begins or count == 1:
            loose += (", ",) * 6
        if not begins or (count == 1 and "{" in frame[6:]):
            loose.append(" and ")
    else:
        first, second = text, said
        if not frame.endswith("{list}"):
            loose += (", ", " and ")
    return first + one_of((*BUT, *loose), rng) + second


def short_denial(absent: set[str], names: Names, rng: np.random.Generator) -> tuple[str, str]:
    """The denial of one name in few words, as it stands behind a comma; ("", "") of none."""
    known = [name for name in OFTEN if name in absent]
    if not known:
        return "", ""
    weights = np.array([OFTEN[name] for name in known])
    name = known[int(rng.choice(len(known), p=weights / weights.sum()))]
    if name in NOT_LARGE and chance(rng, 0.4):
        return one_of(NOT_LARGE[name], rng), name
    return framed(one_of(SHORT, rng), [one_of(names[name], rng)], rng, denied=True), name


def statement(mentions: list[Mention], names: Names, rng: np.random.Generator) -> str:
    """A sentence that names these findings as a denial would, and says that they are there."""
    fit = {k: tuple(n for n in v if not any(u in n for u in UNFIT)) for k, v in names.items()}
    words = [name_of(m, fit, rng) for m in mentions]
    return framed(one_of(STATED, rng), words, rng, denied=False)


def words() -> list[str]:
    """Texts that hold every word of these sentences."""
    own = [
        text
        for table in (NOT_LARGE, LARGE, KNOWN, UNKNOWN)
        for texts in table.values()
        for text in texts
    ]
    frames = [
        framed(f, [name], np.random.default_rng(0), denied=True)
        for f in (*DENIED, *STATED)
        for name in ("it", "they are its")
    ]
    return [*own, *frames, "neither nor although plus"]
