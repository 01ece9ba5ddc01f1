"""The same pictures and reports under other conventions: how far apart two "same" numbers can be.

``python tests/perf/conventions.py`` prints the tables of docs/why-different.md. The "generated"
pictures are 2,000 simulated ones of other patients, slightly blurred; the reports are real OpenI
findings, each against the most similar ones of another patient. Two minutes of one core.
"""

import io

import bleu_conventions
import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from codixr.data.labels import OBSERVATIONS
from codixr.data.openi import NORMAL_IMPRESSION
from codixr.data.phantom import PhantomDataset
from codixr.modality import Modality
from codixr_bench.backbones.phantom_judge import JudgePass
from codixr_bench.labeler.interface import load_labeler
from codixr_bench.metrics.frechet import distance_between
from codixr_bench.metrics.stored_labels import BLANK, CLASSES, read_labels

N = 2000
TEN = len(CLASSES) - 1


def as_floats(pictures):
    return pictures[:, None].astype(np.float32) / 255


def features(judge, pictures):
    """uint8 [n, H, W] or float [n, 1, H, W] in [0, 1] -> [n, d]."""
    given = as_floats(pictures) if pictures.dtype == np.uint8 else pictures
    return np.concatenate([judge.features(given[k : k + 64]) for k in range(0, len(given), 64)])


def by_pil(pictures, change):
    return np.stack([np.asarray(change(Image.fromarray(picture))) for picture in pictures])


def jpeg(picture, quality):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def smaller(picture, how):
    return picture.resize((48, 48), how, reducing_gap=None).resize(
        (64, 64), Image.Resampling.BILINEAR
    )


def distances():
    judge = JudgePass(Modality.F)
    real = np.asarray(PhantomDataset("test").images(Modality.F)[:N])
    others = np.asarray(PhantomDataset("train").images(Modality.F)[:N])
    made = np.stack([gaussian_filter(picture, 0.6) for picture in others])
    x, y = features(judge, made), features(judge, real)
    yield "as this benchmark does it, 2,000 against 2,000", distance_between(x, y)
    yield (
        "real pictures of other patients (nothing is wrong with them)",
        distance_between(features(judge, others), y),
    )
    yield (
        "generated ones against the very pictures that they were made from",
        distance_between(x, features(judge, others)),
    )
    yield "the first 200 of each", distance_between(x[:200], y[:200])
    shards = np.split(x, 10), np.split(y, 10)
    yield (
        "ten shards of 200, averaged",
        np.mean([distance_between(*pair) for pair in zip(*shards, strict=True)]),
    )
    yield (
        "generated ones as JPEG, quality 75",
        distance_between(features(judge, by_pil(made, lambda p: jpeg(p, 75))), y),
    )
    nearest = by_pil(made, lambda p: smaller(p, Image.Resampling.NEAREST))
    yield (
        "generated ones by way of 48×48, nearest pixel",
        distance_between(features(judge, nearest), y),
    )
    antialiased = by_pil(made, lambda p: smaller(p, Image.Resampling.BILINEAR))
    yield (
        "generated ones by way of 48×48, antialiased",
        distance_between(features(judge, antialiased), y),
    )
    low, high = (f(made, axis=(1, 2), keepdims=True).astype(np.float32) for f in (np.min, np.max))
    stretched = ((made - low) / np.maximum(high - low, 1))[:, None].astype(np.float32)
    yield (
        "each generated picture stretched to 0 to 1",
        distance_between(features(judge, stretched), y),
    )


def sections():
    """BLEU-1 and BLEU-4 of one sentence for everybody, by the section that it is held against."""
    both = [text for text in bleu_conventions.sections() if all(text)]
    for name, true in (
        ("impression (this benchmark, the paper)", [impression for impression, _ in both]),
        ("findings (the R2Gen family)", [findings for _, findings in both]),
        ("findings, then impression", [f"{findings} {one}" for one, findings in both]),
    ):
        texts = [(NORMAL_IMPRESSION, one) for one in true]
        found = bleu_conventions.nltk_like(texts, bleu_conventions.tokenize)
        yield name, found[0], found[3]


def f1(called, truth):
    tp = (called & (truth == 1)).sum(0)
    return 2 * tp / np.maximum(called.sum(0) + (truth == 1).sum(0), 1)


def thresholds():
    """Macro F1 of the judge on blurred test pictures, by who chose the thresholds."""
    judge = JudgePass(Modality.F)
    data = PhantomDataset("test")
    real = data.images(Modality.F)[:N]
    pictures = as_floats(np.stack([gaussian_filter(picture, 1.5) for picture in real]))
    scores = np.concatenate([judge.probabilities(pictures[k : k + 64]) for k in range(0, N, 64)])
    truth = data.label_matrix(judge.classes)[:N]
    known = (truth == 0) | (truth == 1)

    def macro(cuts):
        found = []
        for k in range(truth.shape[1]):
            rows = known[:, k]
            found.append(f1(scores[rows, k : k + 1] >= cuts[k], truth[rows, k : k + 1])[0])
        return float(np.mean(found))

    best = [
        max(
            np.unique(np.quantile(scores[known[:, k], k], np.linspace(0, 1, 400))),
            key=lambda c, k=k: f1(
                (scores[known[:, k], k] >= c)[:, None], truth[known[:, k], k][:, None]
            )[0],
        )
        for k in range(truth.shape[1])
    ]
    yield "found on real validation pictures (ours)", macro(judge.thresholds)
    yield "0.5 for every class", macro(np.full(truth.shape[1], 0.5))
    yield "0.2 for every class", macro(np.full(truth.shape[1], 0.2))
    yield "the best on the evaluated pictures (optimistic)", macro(best)
    filled = np.where(known, truth, 0)
    called = scores >= judge.thresholds
    yield "ours, uncertain labels counted as negative", float(np.mean(f1(called, filled)))


def report_labels():
    """F1 of the same 200 pairs of reports, by policy and average."""
    labeler = load_labeler("chexpert-rules")
    pairs = bleu_conventions.pairs()
    made, true = (labeler.label([pair[side] for pair in pairs]) for side in (0, 1))
    places = [OBSERVATIONS.index(name) for name in CLASSES]

    def stored(rows):
        return np.array([[BLANK if row[i] is None else row[i] for i in places] for row in rows])

    for policy in ("u-zeros", "u-ones", "u-ignore"):
        called, truth = read_labels(
            stored(made), stored(true), np.ones(len(pairs), dtype=bool), policy
        )
        known = truth != BLANK if policy == "u-ignore" else np.ones_like(called)
        tp = (called & (truth == 1) & known).sum(0)
        asked = (called & known).sum(0) + ((truth == 1) & known).sum(0)

        def micro(columns, tp=tp, asked=asked):
            return 2 * tp[columns].sum() / asked[columns].sum()

        ten = slice(0, TEN)
        some = ((truth == 1) & known).sum(0)[ten] > 0
        macro = np.mean(2 * tp[ten][some] / asked[ten][some])
        yield f"{policy}", micro(slice(None)), micro(ten), macro


def main():
    for name, value in distances():
        print(f"| {name} | {value:.2f} |", flush=True)
    for name, value in thresholds():
        print(f"| {name} | {value:.3f} |", flush=True)
    for name, *values in sections():
        print(f"| {name} | " + " | ".join(f"{v:.4f}" for v in values) + " |", flush=True)
    for name, *values in report_labels():
        print(f"| `{name}` | " + " | ".join(f"{v:.3f}" for v in values) + " |", flush=True)


if __name__ == "__main__":
    main()
