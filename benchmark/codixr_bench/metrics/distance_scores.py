"""From stored sets of features to scores: values, intervals, scales, signatures, reasons."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import PATHOLOGIES
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metric import About, Facts
from codixr_bench.metrics.fid_infinity import extrapolated_distance
from codixr_bench.metrics.frechet import Influences, frechet_of_rows
from codixr_bench.metrics.kid import kernel_distance, paired_kernel_distance
from codixr_bench.metrics.precision_recall import K_DENSITY, K_PRECISION, manifolds
from codixr_bench.score import ClassScore, Score, Unrelated
from codixr_bench.statistics.bootstrap import Interval
from codixr_bench.statistics.half_samples import Halved, Splits
from codixr_bench.statistics.influence_interval import (
    influence_interval,
    kernel_interval,
    standard_error,
)

_SHARE = Facts(higher_is_better=True, about=About.PICTURE, lowest=0.0, highest=1.0, by_study=False)
_DISTANCE = Facts(higher_is_better=False, about=About.PICTURE, lowest=0.0, decimals=2)
FACTS: dict[str, Facts] = {
    "fid": replace(_DISTANCE, primary=True),
    "fid_other": _DISTANCE,
    "fid_other_real": replace(_DISTANCE, of_model=False),
    "kid": replace(_DISTANCE, lowest=-np.inf, decimals=4),
    "precision": _SHARE,
    "recall": _SHARE,
    "density": replace(_SHARE, highest=np.inf),
    "coverage": _SHARE,
    "fid_inf": replace(_DISTANCE, lowest=-np.inf),
    "fid_by_class": replace(_DISTANCE, title="Fréchet distance", only_classes=True),
}
"""What can be asked for; see ``score_name``."""
KINDS = tuple(FACTS)
TOO_FEW = "a distance needs two studies or more"
TOO_FEW_TO_COVER = "the coverage of other studies needs 14 studies or more"
NO_OTHERS = "too few real pictures of other studies at hand"
NO_LABELS = "the pictures come without labels"
LEAST_OF_CLASS = 50
"""Studies with a pathology, for its own distance."""
NO_CLASS = f"no pathology has {LEAST_OF_CLASS} studies"

_NORMAL = 1.959964
"""Half of a 95 % interval, in standard errors."""
_MANIFOLDS = {"precision", "recall", "density", "coverage"}
"""Higher is better; the interval comes from halves of the studies."""
_OTHER = {"fid_other", "fid_other_real"}
"""Against real pictures of other studies."""

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """What to compute, and what the scores say about it."""

    backbone: str
    signature: str
    """The backbone's."""
    kinds: tuple[str, ...]
    n: int
    reference: str
    """``same-studies``: the sides are paired, row by row; anything else: they are independent."""
    suffix: str = ""
    unrelated: Unrelated | None = None
    others: FeatureRows | None = None
    """Real pictures of n other studies."""
    others_from: str = "none"
    """Where they are from: ``train``, or ``test-rest``, the evaluated split's other studies."""
    patients: list[str] | None = None
    """A patient a study, where patients have several."""
    labels: NDArray[np.int8] | None = None
    """[n, 10] of the paper's pathologies: 1 present."""
    absent: str | None = None
    """Why the backbone gives nothing."""

    @property
    def paired(self) -> bool:
        """Whether row i of both sides is of one study."""
        return self.reference == "same-studies"

    @property
    def groups(self) -> NDArray[np.intp] | None:
        """[n], the number of each study's patient; None where the sides are independent."""
        if not self.paired:
            return None
        if self.patients is None:
            return np.arange(self.n)
        return np.unique(np.asarray(self.patients), return_inverse=True)[1]


@dataclass(frozen=True)
class Scored:
    """A score, and what each study does to it where that is known."""

    score: Score
    influence: Vector | None = None
    """[n], mean zero: of both pictures of a study, where the sides are paired."""


def score_name(kind: str, backbone: str, suffix: str = "") -> str:
    """E.g. ``fid_inception[F]``, ``fid_inception_other``."""
    base, other, more = kind.partition("_other")
    return f"{base}_{backbone}{other}{more}{suffix}"


def distance_scores(generated: FeatureRows, real: FeatureRows, asked: Asked) -> list[Scored]:
    """The scores of ``asked.kinds``, in that order."""
    if asked.absent:
        return [_null(kind, asked, asked.absent) for kind in asked.kinds]
    if min(len(generated), len(real)) < 2:
        return [_null(kind, asked, TOO_FEW) for kind in asked.kinds]
    computations: dict[str, Callable[[], Influences]] = {
        "fid": lambda: frechet_of_rows(generated, real),
        "kid": lambda: _kernel_distance(generated, real, asked),
        "fid_inf": lambda: extrapolated_distance(generated, real),
    }
    of_manifolds = _of_manifolds(generated, real, asked) if _MANIFOLDS & set(asked.kinds) else {}
    scored = []
    for kind in asked.kinds:
        if kind == "fid_by_class":
            scored.append(_by_class(generated, real, asked))
            continue
        if kind in _MANIFOLDS:
            scored.append(of_manifolds[kind])
            continue
        if kind in _OTHER:
            scored.append(_to_others(kind, real if kind.endswith("real") else generated, asked))
            continue
        try:
            scored.append(_scored(kind, computations[kind](), asked))
        except ValueError as error:
            scored.append(_null(kind, asked, str(error)))
    return scored


def _kernel_distance(generated: FeatureRows, real: FeatureRows, asked: Asked) -> Influences:
    if asked.groups is None:
        return kernel_distance(generated, real)
    return paired_kernel_distance(generated, real, asked.groups)


def interval(kind: str, found: Influences, asked: Asked) -> Interval:
    """95 % of a distance: from studies where the sides are paired, else from both sides apart."""
    low, high = FACTS[kind].lowest, FACTS[kind].highest
    if asked.paired:
        both = found.first + found.second
        plain = influence_interval(found.value, both, asked.patients, low, high)
    else:
        errors = [standard_error(side)[0] for side in (found.first, found.second)]
        half = _NORMAL * math.hypot(*errors)
        plain = max(low, found.value - half), min(high, found.value + half)
    if kind == "kid":
        return kernel_interval(found.value, plain[1] - found.value)
    return plain


def _scored(kind: str, found: Influences, asked: Asked) -> Scored:
    score = Score(
        name=score_name(kind, asked.backbone, asked.suffix),
        value=found.value,
        ci95=interval(kind, found, asked),
        n=asked.n,
        higher_is_better=False,
        unrelated=asked.unrelated if kind == "fid" else None,
        signature=_signature(kind, asked, "influence-score" if kind == "kid" else "influence"),
    )
    return Scored(score, found.first + found.second if asked.paired else None)


def _to_others(kind: str, rows: FeatureRows, asked: Asked) -> Scored:
    """The distance of the generated pictures, or the real ones, to those of other studies.

    The sides are independent, and the other studies the same for every model.
    """
    if asked.others is None:
        return _null(kind, asked, NO_OTHERS)
    found = frechet_of_rows(rows, asked.others)
    errors = (standard_error(found.first, asked.patients), standard_error(found.second))
    half = _NORMAL * math.hypot(*(error for error, _ in errors))
    score = Score(
        name=score_name(kind, asked.backbone, asked.suffix),
        value=found.value,
        ci95=(max(0.0, found.value - half), found.value + half),
        n=asked.n,
        higher_is_better=False,
        signature=_signature(kind, asked, "influence"),
    )
    return Scored(score, found.first)


def _of_manifolds(generated: FeatureRows, real: FeatureRows, asked: Asked) -> dict[str, Scored]:
    """Those that are asked for, from one pass, or why there are none."""
    patients = asked.patients if asked.paired else None
    splits = Splits.draw(len(generated), len(real), paired=asked.paired, patients=patients)
    try:
        found = manifolds(
            generated, real, splits, groups=asked.groups, with_recall="recall" in asked.kinds
        )
    except ValueError as error:
        return {kind: _null(kind, asked, str(error)) for kind in _MANIFOLDS}
    scored = {}
    for kind in _MANIFOLDS & set(asked.kinds):
        halved: Halved | None = getattr(found, kind)
        if halved is None:
            scored[kind] = _null(kind, asked, TOO_FEW_TO_COVER)
            continue
        r = len(halved.halves)
        score = Score(
            name=score_name(kind, asked.backbone, asked.suffix),
            value=halved.value,
            ci95=halved.interval(splits.draws),
            n=asked.n,
            higher_is_better=True,
            signature=_signature(kind, asked, f"half-samples:{r}" if r else None),
        )
        column = splits.column(halved.changes()) if r and asked.paired else None
        scored[kind] = Scored(score, column)
    return scored


def _null(kind: str, asked: Asked, reason: str) -> Scored:
    return Scored(
        Score(
            name=score_name(kind, asked.backbone, asked.suffix),
            value=None,
            reason=reason,
            n=asked.n,
            higher_is_better=FACTS[kind].higher_is_better,
            signature=_signature(kind, asked, None),
        )
    )


def _signature(kind: str, asked: Asked, ci: str | None) -> str:
    pairs = "others" if asked.paired else "all"
    tested = "other-patients" if asked.paired and asked.patients is not None else pairs
    covered = "other-half" if asked.paired else "all"
    how = {
        "kid": f"|kernel:poly3|est:unbiased|pairs:{pairs}",
        "precision": f"|k:{K_PRECISION}|pairs:{tested}",
        "recall": f"|k:{K_PRECISION}|pairs:{tested}",
        "density": f"|k:{K_DENSITY}|pairs:{tested}",
        "coverage": f"|k:{K_DENSITY}|pairs:{covered}",
        "fid_inf": "|sizes:1,1/2,1/4",
        "fid_by_class": f"|least:{LEAST_OF_CLASS}",
    }.get(kind, "")
    backbone = asked.signature or asked.backbone
    reference = asked.others_from if kind in _OTHER else asked.reference
    name = kind.partition("_other")[0]
    parts = f"{name}|backbone:{backbone}{how}|ref:{reference}|n:{asked.n}"
    if ci is not None:
        parts += f"|ci:{ci}" + (",by-patient" if asked.patients is not None else "")
    return parts


def _by_class(generated: FeatureRows, real: FeatureRows, asked: Asked) -> Scored:
    """The distance among the studies with a pathology, for each; the value is their mean."""
    if asked.labels is None or not asked.paired:
        return _null("fid_by_class", asked, NO_LABELS)
    classes: dict[str, ClassScore] = {}
    total = np.zeros(asked.n)
    values = []
    for c, name in enumerate(PATHOLOGIES):
        which = np.flatnonzero(asked.labels[:, c] == 1)
        n_pos, n_neg = len(which), int((asked.labels[:, c] == 0).sum())
        if n_pos < LEAST_OF_CLASS:
            reason = f"fewer than {LEAST_OF_CLASS} studies show it"
            classes[name] = ClassScore(value=None, reason=reason, n_pos=n_pos, n_neg=n_neg)
            continue
        found = frechet_of_rows(generated, real, which)
        both = found.first + found.second
        patients = None if asked.patients is None else [asked.patients[i] for i in which]
        ci95 = influence_interval(found.value, both, patients, lowest=0.0)
        classes[name] = ClassScore(value=found.value, ci95=ci95, n_pos=n_pos, n_neg=n_neg)
        values.append(found.value)
        total[which] += both * (asked.n / n_pos)
    if not values:
        return _null("fid_by_class", asked, NO_CLASS)
    total /= len(values)
    mean = Influences(float(np.mean(values)), total - total.mean(), np.zeros(asked.n))
    scored = _scored("fid_by_class", mean, asked)
    return Scored(scored.score.model_copy(update={"per_class": classes}), scored.influence)
