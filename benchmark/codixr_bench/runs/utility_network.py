"""The fixed classifiers of ``utility``: what is learnt from one set says what the set is worth.

Small on purpose and never tuned: the question is which training set is better, at the same budget.
Pictures: four strided convolutions on 64 x 64, AdamW, one-cycle rate, 400 steps of 64, shifts and
a little noise. Reports: counts of words and pairs of words, a logistic regression a class.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from codixr_bench.backbones import placement

SIDE = 64
STEPS = 400
BATCH = 64
_RATE = 3e-3
_SHIFT = 2
_NOISE = 0.02
_WIDTHS = (16, 32, 64, 96)

Labels = NDArray[np.int8]
Probabilities = NDArray[np.float64]


class SmallClassifier(nn.Module):
    """Pictures [B, 1, 64, 64] to ``classes`` logits; 84 k weights."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inside, outside in zip((1, *_WIDTHS[:-1]), _WIDTHS, strict=True):
            layers += [
                nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outside),
                nn.ReLU(inplace=True),
            ]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(_WIDTHS[-1], classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits [B, classes]."""
        features: Tensor = self.body(pictures)
        # The mean loses where a small finding is, and the maximum keeps that there is one.
        pooled = features.mean(dim=(2, 3)) + features.amax(dim=(2, 3))
        logits: Tensor = self.head(pooled)
        return logits


def learn_pictures(
    pictures: NDArray[np.uint8],
    labels: Labels,
    asked: NDArray[np.uint8],
    seed: int,
    steps: int = STEPS,
) -> Probabilities:
    """Train on pictures [n, 64, 64] with labels [n, k]; probabilities [m, k] of ``asked``.

    On the device where networks compute (``backbones.placement``).

    Labels other than 0 and 1 are left out of the loss. Equal seeds give equal weights.
    """
    torch.manual_seed(seed)
    device = placement.device()
    model = SmallClassifier(labels.shape[1]).to(device)
    draw = torch.Generator().manual_seed(seed)
    x, y = torch.from_numpy(pictures)[:, None], torch.from_numpy(labels.astype(np.float32))
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    model.train()
    order = torch.zeros(0, dtype=torch.long)
    for _ in range(steps):
        while len(order) < BATCH:
            order = torch.cat([order, torch.randperm(len(x), generator=draw)])
        chosen, order = order[:BATCH], order[BATCH:]
        loss = _loss(model(_shaken(x[chosen], draw).to(device)), y[chosen].to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()

    def logits(some: NDArray[np.uint8]) -> Tensor:
        given = torch.from_numpy(some)[:, None].to(device)
        found: Tensor = model(given.float() / 255.0).cpu()
        return found

    parts = placement.in_passes(asked, logits, 256)
    return np.asarray(torch.cat(parts).double().sigmoid().numpy(), dtype=np.float64)


def _shaken(pictures: Tensor, draw: torch.Generator) -> Tensor:
    """Float [B, 1, S, S] in [0, 1]: one shift for all, a noise of its own for each."""
    padded = functional.pad(pictures.float() / 255.0, (_SHIFT,) * 4, mode="replicate")
    y, x = torch.randint(0, 2 * _SHIFT + 1, (2,), generator=draw).tolist()
    moved = padded[:, :, y : y + pictures.shape[2], x : x + pictures.shape[3]]
    return moved + _NOISE * torch.randn(moved.shape, generator=draw)


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    known = ((labels == 0) | (labels == 1)).float()
    loss = functional.binary_cross_entropy_with_logits(logits, labels.clamp(0, 1), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1.0)


def learn_reports(reports: list[str], labels: Labels, asked: list[str], seed: int) -> Probabilities:
    """Train on reports with labels [n, k]; probabilities [m, k] of the reports ``asked``.

    The training reports are drawn with replacement, by ``seed``: the regression itself draws
    nothing. A class with one kind of label only gets its share everywhere.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    drawn = np.random.default_rng(seed).integers(0, len(reports), len(reports))
    count = CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=r"(?u)\b\w+\b")
    try:
        x = count.fit_transform([reports[i] for i in drawn])
    except ValueError:  # no word in any report
        return np.full((len(asked), labels.shape[1]), 0.5)
    given = count.transform(asked)
    found = np.full((len(asked), labels.shape[1]), 0.5)
    for c in range(labels.shape[1]):
        y = labels[drawn, c]
        known = np.flatnonzero((y == 0) | (y == 1))
        if len(set(y[known].tolist())) == 2:
            fitted = LogisticRegression(max_iter=300).fit(x[known], y[known])
            found[:, c] = fitted.predict_proba(given)[:, 1]
    return found
