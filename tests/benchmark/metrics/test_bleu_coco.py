"""``bleu_coco``: R2Gen's cleaning, and pycocoevalcap's arithmetic, against NLTK and by hand."""

import math
import random

import numpy as np
import pytest

from codixr_bench.metrics.bleu import ngram_counts
from codixr_bench.metrics.bleu_coco import BLEU_COCO, clean, coco_bleu, coco_rouge


def words(text: str) -> list[str]:
    return text.split()


WORDS = words("no acute effusion heart is normal in size lungs are clear . small left mass")


@pytest.mark.parametrize(
    ("report", "cleaned"),
    [
        ("The heart is normal in size. No mass.", "the heart is normal in size . no mass ."),
        ("1. Stable. 2. No edema. 3. Normal", "stable . no edema . normal ."),
        ("1. Stable 2. No edema", "stable . no edema ."),
        ("Mass (1.5 cm), left/right; \"big\"...", "mass 15 cm leftright big ."),
        ("A well-known\nmass: stable", "a well-known mass stable ."),
        ("", " ."),
    ],
)  # fmt: skip
def test_reports_are_cleaned_as_those_papers_do(report, cleaned):
    assert clean(report) == cleaned


def corpus(n: int = 40) -> list[tuple[list[str], list[str]]]:
    """Reports, and others like them."""
    rng = random.Random(3)
    pairs = []
    for _ in range(n):
        true = rng.choices(WORDS, k=rng.randint(5, 30))
        made = [word if rng.random() < 0.8 else rng.choice(WORDS) for word in true]
        pairs.append((made[rng.randint(0, 1) :], true))
    return pairs


def test_bleu_equals_nltks_where_every_text_is_long_enough():
    from nltk.translate.bleu_score import corpus_bleu

    pairs = corpus()
    counts = np.array([ngram_counts(made, true, at_least=0) for made, true in pairs]).sum(axis=0)
    ours = coco_bleu(counts[None, :])[0]
    for order in range(1, 5):
        theirs = corpus_bleu(
            [[true] for _, true in pairs], [made for made, _ in pairs], [1 / order] * order
        )
        assert ours[order - 1] == pytest.approx(theirs, rel=1e-9)


def test_an_order_without_a_match_is_almost_nothing_and_not_zero():
    counts = np.array([ngram_counts(words("no mass"), words("no large mass"), at_least=0)])
    one, two, three, _ = coco_bleu(counts)[0]
    assert one == pytest.approx(math.exp(1 - 3 / 2))
    assert 0 < two < 1e-6
    assert three > 0  # no trigram at all: 1e-15 of 1e-9


def test_rouge_weighs_recall_by_beta():
    # The longest common subsequence of these is "no mass".
    precision, recall = 2 / 2, 2 / 3
    expected = (1 + 1.44) * precision * recall / (recall + 1.44 * precision)
    assert coco_rouge(words("no mass"), words("no large mass")) == pytest.approx(expected)
    assert coco_rouge(["a"], ["b"]) == 0.0


def test_rouge_with_beta_1_is_rouge_scores(monkeypatch):
    from rouge_score.rouge_scorer import RougeScorer

    from codixr_bench.metrics import bleu_coco

    monkeypatch.setattr(bleu_coco, "BETA", 1.0)
    scorer = RougeScorer(["rougeL"])
    for made, true in corpus(10):
        both = [[word for word in tokens if word != "."] for tokens in (made, true)]
        theirs = scorer.score(" ".join(both[1]), " ".join(both[0]))["rougeL"].fmeasure
        assert coco_rouge(*both) == pytest.approx(theirs)


def test_rouge_counts_no_blank_as_a_word(monkeypatch):
    pair = ("No effusion, no edema.", "No effusion , no mass.")  # a comma gone leaves two blanks
    monkeypatch.setattr("codixr_bench.metrics.bleu_coco.report_pairs", lambda *_: [pair])
    *_, rouge = BLEU_COCO.rows([0], [], [])[0]
    assert rouge == pytest.approx(4 / 5)
