"""Other reports that could have been written: a report's sentences in another order, fewer of them,
left and right exchanged. An autoencoder that has seen each report once learns it by heart.
"""

import re

import numpy as np

SHUFFLED, SHORTENED, EXCHANGED = 0.5, 0.3, 0.5
"""Of the variants: sentences in another order; one of several left out; sides exchanged."""
_SENTENCE = re.compile(r"\S.*?(?:[.!?](?=\s|$)|$)", re.DOTALL)
_SIDES = re.compile(r"\b(left|right)\b", re.IGNORECASE)
_OTHER = {"left": "right", "right": "left"}


def variant(report: str, rng: np.random.Generator) -> str:
    """One other report; a report of one sentence without a side stays as it is."""
    sentences = _SENTENCE.findall(report)
    if not sentences:
        return report
    shuffled, shortened, exchanged = rng.random(3) < (SHUFFLED, SHORTENED, EXCHANGED)
    if shuffled:
        sentences = [sentences[i] for i in rng.permutation(len(sentences))]
    if shortened and len(sentences) > 1:
        del sentences[int(rng.integers(len(sentences)))]
    text = " ".join(sentences)
    return exchange_sides(text) if exchanged else text


def exchange_sides(text: str) -> str:
    """Left for right and right for left, in the case that they have."""

    def other(found: re.Match[str]) -> str:
        word = found[0]
        swapped = _OTHER[word.lower()]
        if word.isupper():
            return swapped.upper()
        return swapped.capitalize() if word[0].isupper() else swapped

    return _SIDES.sub(other, text)


def variants(reports: list[str], count: int, seed: int) -> list[list[str]]:
    """``count`` variants of every report; those of a report depend on its place and the seed."""
    rngs = [np.random.default_rng((seed, place)) for place in range(len(reports))]
    return [
        [variant(report, rng) for report, rng in zip(reports, rngs, strict=True)]
        for _ in range(count)
    ]
