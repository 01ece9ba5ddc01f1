"""The same 200 reports under six conventions of BLEU: how far apart papers' numbers can be.

Real OpenI findings; the "generated" one is the most similar findings of another patient (Jaccard
index of words). ``python tests/perf/bleu_conventions.py`` prints the table of docs/metrics/bleu.md.
"""

import re
import tarfile
import xml.etree.ElementTree as ElementTree

import numpy as np

from codixr.data.openi import find_archive
from codixr_bench.metrics import bleu_coco
from codixr_bench.metrics.bleu import corpus_bleu, ngram_counts, tokenize

N = 200


def sections() -> list[tuple[str, str]]:
    """(impression, findings) of OpenI's reports, in the archive's order; one may be empty."""
    found = []
    with tarfile.open(find_archive()) as archive:
        for member in archive:
            if not member.name.endswith(".xml"):
                continue
            root = ElementTree.fromstring(archive.extractfile(member).read())
            texts = {
                section.get("Label"): (section.text or "").strip()
                for section in root.iter("AbstractText")
            }
            found.append((texts.get("IMPRESSION", ""), texts.get("FINDINGS", "")))
    return found


def findings() -> list[str]:
    """The findings of OpenI's reports, in the archive's order."""
    return [text for _, text in sections() if text]


def pairs() -> list[tuple[str, str]]:
    """(made, true) of the first 200."""
    reports = findings()
    words = [frozenset(tokenize(report)) for report in reports]
    found = []
    for i in range(N):
        shares = [
            0.0
            if i == j or reports[i] == reports[j]
            else len(words[i] & other) / len(words[i] | other)
            for j, other in enumerate(words)
        ]
        found.append((reports[int(np.argmax(shares))], reports[i]))
    return found


def nltk_like(texts, cut) -> list[float]:
    counts = np.array([ngram_counts(cut(made), cut(true)) for made, true in texts])
    return corpus_bleu(counts.sum(axis=0, keepdims=True))[0].tolist()


def main() -> None:
    """Print one line a convention: BLEU-1 and BLEU-4."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
    from sacrebleu.metrics.bleu import BLEU

    texts = pairs()
    rows = {
        "this benchmark (`bleu_k`): wordpunct, lower case": nltk_like(texts, tokenize),
        "words only, lower case (about what PTB's tokenizer leaves: CXRMate)": nltk_like(
            texts, lambda t: re.findall(r"\w+", t.lower())
        ),
        "split at blanks, case kept (RadEval)": nltk_like(texts, str.split),
    }
    counts = np.array([
        ngram_counts(
            bleu_coco.clean(made).split(), bleu_coco.clean(true).split(), at_least=0
        )
        for made, true in texts
    ])  # fmt: skip
    rows["R2Gen's cleaning, pycocoevalcap (`bleu_coco_k`)"] = bleu_coco.coco_bleu(
        counts.sum(axis=0, keepdims=True)
    )[0].tolist()
    sacre = [
        BLEU(max_ngram_order=order)
        .corpus_score([m for m, _ in texts], [[t for _, t in texts]])
        .score
        for order in (1, 2, 3, 4)
    ]
    rows["sacrebleu (13a, case kept, smoothed), / 100"] = [score / 100 for score in sacre]
    smooth = SmoothingFunction().method1
    rows["mean of sentence BLEUs, smoothed (ReXrank prints BLEU-2 so)"] = [
        float(
            np.mean([
                sentence_bleu([tokenize(t)], tokenize(m), [1 / order] * order, smooth)
                for m, t in texts
            ])
        )
        for order in (1, 2, 3, 4)
    ]  # fmt: skip
    for name, values in rows.items():
        print(f"| {name} | {values[0]:.3f} | {values[3]:.3f} |")
    for beta in (1.0, 1.2):
        bleu_coco.BETA = beta
        values = [
            bleu_coco.coco_rouge(bleu_coco.clean(m).split(" "), bleu_coco.clean(t).split(" "))
            for m, t in texts
        ]
        print(f"ROUGE-L, beta {beta}: {np.mean(values):.3f}")


if __name__ == "__main__":
    main()
