"""Other reports that could have been written: a report's sentences in another order, fewer of them,
left and right exchanged. An autoencoder that has seen each report once learns it by heart.
"""

import numpy as np

from codixr.data.exchanges import SIDES, exchanged
from codixr.model.prompts import SENTENCE_END

SHUFFLED, SHORTENED, EXCHANGED = 0.5, 0.3, 0.5
"""Of the variants: sentences in another order; one of several left out; sides exchanged."""


def variant(report: str, rng: np.random.Generator) -> str:
    """One other report; a report of one sentence without a side stays as it is."""
    sentences = SENTENCE_END.split(report.strip())
    shuffled, shortened, turned = rng.random(3) < (SHUFFLED, SHORTENED, EXCHANGED)
    if shuffled:
        sentences = [sentences[i] for i in rng.permutation(len(sentences))]
    if shortened and len(sentences) > 1:
        del sentences[int(rng.integers(len(sentences)))]
    text = " ".join(sentences)
    return exchanged(text, SIDES) if turned else text


def variants(reports: list[str], count: int, seed: int) -> list[list[str]]:
    """``count`` variants of every report; those of a report depend on its place and the seed."""
    rngs = [np.random.default_rng((seed, place)) for place in range(len(reports))]
    return [
        [variant(report, rng) for report, rng in zip(reports, rngs, strict=True)]
        for _ in range(count)
    ]
