"""More models that play the benchmark, made after its limits were set: what do fresh eyes find?

All four are told.
"""

import random
import re
from collections.abc import Callable, Sequence

from helpers.games import Cheat, of_training, templates

SYNONYMS = {
    "pleural effusion": ("pleural fluid", "effusion"),
    "effusion": ("pleural fluid", "pleural effusion"),
    "no": ("no evidence of", "without", "no sign of"),
    "small": ("little", "minor"),
    "large": ("big", "extensive"),
    "mild": ("slight", "minimal"),
    "severe": ("marked", "pronounced"),
    "lungs are clear": ("lung fields are clear", "lungs appear clear"),
    "is normal": ("is within normal limits", "appears normal"),
    "are normal": ("are within normal limits", "appear normal"),
    "there is a": ("there is", "we see a"),
    "opacity": ("opacification", "density"),
    "cardiomegaly": ("enlarged heart", "cardiac enlargement"),
    "no acute abnormality": ("nothing acute", "no acute disease"),
}


def with_synonyms(reports: Sequence[str], share: float = 0.5) -> list[str]:
    """Each word that has synonyms exchanged for one of them, in so many of the cases."""
    rng, found = random.Random(0), []
    words = sorted(SYNONYMS, key=len, reverse=True)
    one = re.compile(r"\b(" + "|".join(map(re.escape, words)) + r")\b")

    def other(match: re.Match[str]) -> str:
        return rng.choice(SYNONYMS[match[0]]) if rng.random() < share else match[0]

    for report in reports:
        found.append(one.sub(other, report))
    return found


def templates_with_synonyms(cheat: Cheat) -> list[str]:
    """One template a set of labels, its words and the order of its sentences drawn anew."""
    rng, found = random.Random(1), []
    for report in with_synonyms(templates(cheat)):
        sentences = report.rstrip(".").split(". ")
        rng.shuffle(sentences)
        found.append(". ".join(sentences) + ".")
    return found


def sentences_of_many(cheat: Cheat) -> list[str]:
    """Each sentence out of another training report of the same labels."""
    reports, found = cheat.train.reports(), []
    for place, some in enumerate(cheat.same):
        rng = random.Random(place)
        base = reports[rng.choice(some)].rstrip(".").split(". ")
        others = [reports[rng.choice(some)].rstrip(".").split(". ") for _ in base]
        made = [o[min(k, len(o) - 1)] for k, o in enumerate(others)]
        found.append(". ".join(made) + ".")
    return found


NEW_REPORTS: dict[str, tuple[Callable[[Cheat], list[str]], str]] = {
    "references with synonyms": (lambda c: with_synonyms(c.test.reports()), "copies_of_test"),
    "training reports with synonyms": (lambda c: with_synonyms(of_training(c)), "copies"),
    "templates with synonyms, in any order": (templates_with_synonyms, "copies"),
    "each sentence of another training report": (sentences_of_many, "copies"),
}
"""What is done -> how, and a code that it must have."""
