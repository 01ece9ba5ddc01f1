"""Models that play the benchmark: each is good at its scores, and none of them makes a study.

Each kind is one function of what a cheat has: the training split, the asked labels, the weights of
the judges, and the test split by its public seed.
"""

import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom import PhantomDataset
from codixr.data.phantom.judge import load_judge
from codixr.data.phantom.second_judge import load_second_judge
from codixr.modality import Modality

Pictures = NDArray[np.float32]


class Cheat:
    """What a cheat has.

    Args:
        n: evaluated studies, the first of the test split.
        view: what it makes.
        steps: of a gradient.
    """

    def __init__(self, n: int, view: Modality = Modality.F, steps: int = 40) -> None:
        self.n = n
        self.view = view
        self.steps = steps
        self.test = PhantomDataset("test", limit=n)
        self.train = PhantomDataset("train")

    @cached_property
    def real(self) -> Pictures:
        """The test split, rendered by its public seed."""
        return np.asarray(self.test.images(self.view)).astype(np.float32) / np.float32(255)

    @cached_property
    def known(self) -> Pictures:
        """The training pictures."""
        return np.asarray(self.train.images(self.view)).astype(np.float32) / np.float32(255)

    @cached_property
    def same(self) -> list[list[int]]:
        """For each study, the training studies of its labels, or of the labels most like them."""
        known = self.train.label_matrix(PATHOLOGIES)
        found = []
        for labels in self.test.label_matrix(PATHOLOGIES):
            apart = (known != labels).sum(axis=1)
            found.append(np.flatnonzero(apart == apart.min()).tolist())
        return found

    def one(self, seed: int) -> list[int]:
        """A training study of the same labels for each, drawn anew by each seed."""
        rng = random.Random(seed)
        return [rng.choice(some) for some in self.same]

    def strangers(self, seed: int) -> Pictures:
        """Training pictures of any labels."""
        return self.known[np.random.default_rng(seed).permutation(len(self.known))[: self.n]]


def noise(pictures: Pictures, sigma: float) -> Pictures:
    """With white noise."""
    return pictures + np.random.default_rng(0).normal(0.0, sigma, pictures.shape)


def warped(pictures: Pictures, pixels: float) -> Pictures:
    """Bent smoothly, by so many pixels (standard deviation)."""
    rng, (yy, xx) = np.random.default_rng(0), np.mgrid[:64, :64]
    found = []
    for picture in pictures:
        bends = [ndimage.gaussian_filter(rng.normal(size=(64, 64)), 8) for _ in range(2)]
        down, right = (pixels * bend / bend.std() for bend in bends)
        found.append(ndimage.map_coordinates(picture, [yy + down, xx + right], order=1))
    return np.stack(found)


def stretched(pictures: Pictures) -> Pictures:
    """6 % taller and 5 % narrower."""
    matrix = np.diag([1.0, 1 / 1.06, 1 / 0.95])
    centre = np.array([0.0, 31.5, 31.5])
    return np.asarray(
        ndimage.affine_transform(
            pictures, matrix, centre - matrix @ centre, order=1, mode="nearest"
        )
    )


def halves(cheat: Cheat, axis: int) -> Pictures:
    """A half of one training picture of the labels beside the other half of another."""
    found, other = cheat.known[cheat.one(0)], cheat.known[cheat.one(1)]
    part = (
        (slice(None), slice(32, None)) if axis == 0 else (slice(None), slice(None), slice(32, None))
    )
    found[part] = other[part]
    return found


def pushed(cheat: Cheat, start: Pictures, *, both: bool, kept: float = 0.0, blur: bool = False):
    """Pictures moved by gradient until the judges see in them what they see in the real ones.

    Args:
        cheat: what it has.
        start: where they begin.
        both: whether for both judges, or for the first alone.
        kept: how much they are held to their beginning.
        blur: whether each second step sees them blurred, so that what it finds survives that.
    """
    # Copies, whose weights need no gradients: the judges themselves are everybody's.
    judge, other = (
        deepcopy(one.model).requires_grad_(False)
        for one in (load_judge(cheat.view), load_second_judge(cheat.view))
    )
    found = []
    for first in range(0, cheat.n, 100):
        real = torch.from_numpy(cheat.real[first : first + 100, None])
        begin = torch.from_numpy(np.clip(start[first : first + 100, None], 0, 1).astype("f4"))
        with torch.no_grad():
            target, logits = judge.features(real), judge(real)
            features, answers = other.outputs(real)
        x = begin.clone().requires_grad_()
        optimizer = torch.optim.Adam([x], lr=0.004 if kept else 0.01)
        for step in range(cheat.steps):
            picture = x.clamp(0, 1)
            shown = picture
            if blur and step % 2:
                shown = functional.avg_pool2d(functional.pad(picture, (1,) * 4, "replicate"), 3, 1)
            loss = functional.mse_loss(judge.features(shown), target)
            loss = loss + 0.1 * functional.mse_loss(judge(shown), logits)
            if both:
                mine, said = other.outputs(shown)
                loss = loss + functional.mse_loss(mine, features)
                loss = loss + 0.1 * functional.mse_loss(said[..., 0], answers[..., 0])
            loss = loss + kept * functional.mse_loss(picture, begin)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found.append(x.detach().clamp(0, 1).numpy()[:, 0])
    return np.concatenate(found)


def grey(cheat: Cheat) -> Pictures:
    """Grey noise."""
    rng = np.random.default_rng(0)
    return (0.5 + 0.05 * rng.normal(size=(cheat.n, 64, 64))).astype(np.float32)


def mean_of_labels(cheat: Cheat) -> Pictures:
    """One mean picture for each set of labels: nobody's."""
    return np.stack([cheat.known[some[:20]].mean(axis=0) for some in cheat.same])


def nearest_by_judge(cheat: Cheat) -> Pictures:
    """The training picture that the first judge's features take for the real one."""
    judge = load_judge(cheat.view).model
    with torch.no_grad():
        known, real = (
            torch.cat([judge.features(torch.from_numpy(p[i : i + 200, None]))
                       for i in range(0, len(p), 200)]).numpy()
            for p in (cheat.known[:3000], cheat.real)
        )  # fmt: skip
    return cheat.known[[int(np.square(known - one).sum(axis=1).argmin()) for one in real]]


def half_generated(cheat: Cheat) -> Pictures:
    """Every second picture a training one, the others the mean of their labels."""
    found = mean_of_labels(cheat)
    found[::2] = cheat.known[cheat.one(0)][::2]
    return found


def hidden_grain(cheat: Cheat) -> Pictures:
    """A training picture with a chequered grain below the step of eight bits."""
    sign = np.where(np.indices((64, 64)).sum(axis=0) % 2, 0.4, -0.4) / 255
    return cheat.known[cheat.one(0)] + sign


PICTURES: dict[str, tuple[Callable[[Cheat], Pictures], str]] = {
    "prototype of the labels": (lambda c: c.known[[some[0] for some in c.same]], "copies"),
    "prototype, noise .025": (lambda c: noise(c.known[[s[0] for s in c.same]], 0.025), "copies"),
    "prototype, noise .05": (lambda c: noise(c.known[[s[0] for s in c.same]], 0.05), "collapse"),
    "mean of the labels, noise .05": (lambda c: noise(mean_of_labels(c), 0.05), "collapse"),
    "a picture of the labels, turned and noisy": (
        lambda c: noise(ndimage.rotate(c.known[c.one(0)], 3, axes=(1, 2), reshape=False), 0.02),
        "copies",
    ),
    "two of the labels over each other": (
        lambda c: 0.5 * c.known[c.one(0)] + 0.5 * c.known[c.one(1)],
        "copies",
    ),
    "half training, half generated": (half_generated, "copies"),
    "grain below eight bits": (hidden_grain, "copies"),
    "nearest by the judge's features": (nearest_by_judge, "copies"),
    "stretched by 6 %": (lambda c: stretched(c.known[c.one(0)]), "copies"),
    "bent by half a pixel": (lambda c: warped(c.known[c.one(0)], 0.5), "copies"),
    "bent by a pixel": (lambda c: warped(c.known[c.one(0)], 1.0), "copies"),
    "halves of two, left and right": (lambda c: halves(c, 1), "copies"),
    "halves of two, up and down": (lambda c: halves(c, 0), "copies"),
    "bent by two pixels": (lambda c: warped(c.known[c.one(0)], 2.0), "judge_gap"),
    "look-up": (lambda c: c.real, "copies_of_test"),
    "look-up, noise .025": (lambda c: noise(c.real, 0.025), "copies_of_test"),
    "look-up, noise .05": (lambda c: noise(c.real, 0.05), "copies_of_test"),
    "look-up, a pixel aside": (
        lambda c: ndimage.shift(c.real, (0, 1, 1), order=1, mode="nearest"),
        "copies_of_test",
    ),
    "look-up, stretched by 6 %": (lambda c: stretched(c.real), "copies_of_test"),
    "look-up, bent by a pixel": (lambda c: warped(c.real, 1.0), "copies_of_test"),
    "look-up, contrast .85": (lambda c: 0.5 + 0.85 * (c.real - 0.5), "copies_of_test"),
    "look-up, sides exchanged": (lambda c: c.real[:, :, ::-1], "copies_of_test"),
}
"""What is done -> how, and a code that it must have."""
GRADIENTS: dict[str, tuple[Callable[[Cheat], Pictures], str]] = {
    "grey noise, for the first judge": (lambda c: pushed(c, grey(c), both=False), "judge_gap"),
    "grey noise, for both": (lambda c: pushed(c, grey(c), both=True), "judge_gap"),
    "another patient's picture, for both": (
        lambda c: pushed(c, c.strangers(0), both=True, kept=2.0),
        "judge_gap",
    ),
    "two patients over each other, for both": (
        lambda c: pushed(c, 0.5 * (c.strangers(0) + c.strangers(1)), both=True, kept=2.0),
        "judge_gap",
    ),
    "the mean picture, for both": (
        lambda c: pushed(c, noise(c.known[:500].mean(0)[None].repeat(c.n, 0), 0.02),
                         both=True, kept=2.0),
        "collapse",
    ),
    "grey noise, for both and blurred ones": (
        lambda c: pushed(c, grey(c), both=True, blur=True),
        "judge_gap",
    ),
}  # fmt: skip


def sides_exchanged(reports: Sequence[str]) -> list[str]:
    """Left and right exchanged in every second report."""
    return [
        r.replace("right", "?").replace("left", "right").replace("?", "left") if i % 2 else r
        for i, r in enumerate(reports)
    ]


def one_word_changed(reports: Sequence[str]) -> list[str]:
    """Another word somewhere."""
    rng, found = random.Random(0), []
    for report in reports:
        words = report.split()
        words[rng.randrange(len(words))] = "visible"
        found.append(" ".join(words))
    return found


def templates(cheat: Cheat) -> list[str]:
    """The commonest training report of each set of labels."""
    reports, found = cheat.train.reports(), []
    for some in cheat.same:
        of = [reports[i] for i in some]
        found.append(max(sorted(set(of)), key=of.count))
    return found


def in_another_order(reports: Sequence[str]) -> list[str]:
    """Sentences in reverse."""
    return [". ".join(reversed(r.rstrip(".").split(". "))) + "." for r in reports]


def of_training(cheat: Cheat) -> list[str]:
    """A training report of the same labels, word for word."""
    reports = cheat.train.reports()
    return [reports[i] for i in cheat.one(0)]


REPORTS: dict[str, tuple[Callable[[Cheat], list[str]], str]] = {
    "one template for each set of labels": (templates, "collapse"),
    "templates in two orders": (
        lambda c: [a if i % 2 else b for i, (a, b) in
                   enumerate(zip(templates(c), in_another_order(templates(c)), strict=True))],
        "collapse",
    ),
    "training reports": (of_training, "copies"),
    "training reports in another order": (lambda c: in_another_order(of_training(c)), "copies"),
    "references": (lambda c: list(c.test.reports()), "copies_of_test"),
    "references, one word changed": (lambda c: one_word_changed(c.test.reports()),
                                     "copies_of_test"),
    "references, sides exchanged in half": (lambda c: sides_exchanged(c.test.reports()),
                                            "copies_of_test"),
}  # fmt: skip
