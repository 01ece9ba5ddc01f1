"""What only texts of a wide lexicon say, sentence by sentence.

Bare names that are there or denied, places before what is in them, the lung that is clear.
"""

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from codixr.data.phantom import wording_around as around
from codixr.data.phantom import wording_denied as denied
from codixr.data.phantom.wording_findings import Noun
from codixr.data.phantom.wording_meaning import CENTRAL, FLUID_OR_AIR, Mention, chance
from codixr.data.phantom.wording_places import Place, one_of, place_of, side_alone

if TYPE_CHECKING:
    from codixr.data.phantom.wording_writer import Writer

AIR_AND_FLUID = ("hydropneumothorax", "haemopneumothorax", "hemopneumothorax", "hydro-pneumothorax")
SIZED = 0.15
"""How often a nodule, air or fluid has a measure, and a finding stands behind its place."""


def article(words: str, noun: Noun) -> str:
    """The words with "a" or "an" where the noun wants one."""
    if noun.number != "one":
        return words
    return f"{'an' if words[:1] in 'aeiou' and words else 'a'} {words}"


def verb(noun: Noun) -> dict[str, str]:
    """The verb that fits a noun, as a frame names it."""
    many = noun.number == "many"
    return {"is": "are" if many else "is", "has": "have" if many else "has"}


def behind_its_place(w: "Writer", m: Mention) -> bool:
    """A heart by its ratio, or a finding behind its place; False where it is neither."""
    rng, name = w.rng, m.observation
    if name == "Cardiomegaly" and m.grade is None and chance(rng, SIZED):
        w.odd = True
        w.say(around.ratio(large=True, rng=rng), {name: 1})
        return True
    if name in CENTRAL or m.side not in ("left", "right") or not chance(rng, SIZED):
        return False
    words, noun = w.noun(replace(m, side=None, zone=None))
    if chance(rng, 0.4):
        where = _bare(place_of(m.side, m.zone, rng))
        if name in FLUID_OR_AIR:
            where = f"{m.side}{one_of(('', ' side', ' lung', ' hemithorax'), rng)}"
        w.say(
            one_of(around.PLACE_BARE, rng).format(np=words, where=where),
            {name: 1} | dict.fromkeys(noun.also, 1),
        )
        return True
    frames_of: tuple[str, ...] = around.SIDE_FIRST
    place = place_of(m.side, m.zone, rng)
    if m.zone is not None:
        while not place.behind:
            place = place_of(m.side, m.zone, rng)
        frames_of = around.PLACE_FIRST
    text = one_of(frames_of, rng).format(
        at=place.behind, side=m.side, np=words, a=article(words, noun)
    )
    w.say(text, {name: 1} | dict.fromkeys(noun.also, 1))
    return True


def _bare(place: Place) -> str:
    """A place by its name alone: "left base" of "at the left base"."""
    return re.sub(r"^(in|at|within|on) (the )?", "", place.behind or place.before)


def air_and_fluid(w: "Writer", m: Mention) -> None:
    """A pneumothorax and an effusion in one word."""
    word, place = one_of(AIR_AND_FLUID, w.rng), side_alone(m.side or "", w.rng)
    words = f"{w.extent(m, 'size')}{place.before} {word} {place.behind}"
    noun = Noun(words, "one")
    frame = one_of(w.lexicon.frames, w.rng)
    w.odd = True
    text = frame.format(np=words, a=article(words, noun), **verb(noun))
    w.say(text, dict.fromkeys(FLUID_OR_AIR, 1))


def other_side(w: "Writer", side: str) -> None:
    """Nothing is on the side that is not this one."""
    other = "left" if side == "right" else "right"
    text = one_of(around.ONE_BEHIND, w.rng).format(other=other)
    if w.sentences and chance(w.rng, 0.5):
        text = w.sentences.pop() + one_of((", ", "; ", ", and "), w.rng) + text
    w.odd = True
    w.say(text, {})


def state(w: "Writer") -> None:
    """All findings in one sentence that only lists their names."""
    names = denied.KNOWN
    if w.unlisted and chance(w.rng, 0.7):
        names, w.odd = denied.UNKNOWN, True
    mentions = [w.meaning.mentions[i] for i in w.rng.permutation(len(w.meaning.mentions))]
    labels = {m.observation: 1 for m in mentions}
    large = denied.LARGE.get(mentions[0].observation) if len(mentions) == 1 else None
    if large and w.around and chance(w.rng, 0.35):
        w.odd = True
        return w.say(one_of(large, w.rng), labels)
    return w.say(denied.statement(mentions, names, w.rng), labels)


def denial_behind(w: "Writer", absent: set[str]) -> None:
    """A denial behind what it denies; at times in one sentence with what is there."""
    rng = w.rng
    names = denied.UNKNOWN if chance(rng, 0.25) else denied.KNOWN
    if w.sentences and w.meaning.mentions and chance(rng, 0.3):
        text, name = denied.short_denial(absent, names, rng)
        if name:
            w.odd = True
            w.say(f"{w.sentences.pop()}, {text}", {name: 0})
        return
    text, chosen, frame = denied.denial_behind(absent, names, rng)
    if not chosen:
        return
    w.odd = True
    labels = dict.fromkeys(chosen, 0)
    if w.sentences and chance(rng, 0.55):
        text = denied.beside(w.sentences.pop(), text, frame, len(chosen), rng)
    w.say(text, labels)
