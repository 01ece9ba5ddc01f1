"""Reference point ``classifier``: what supervised towers see, written down as a report.

The ceiling for reports from pictures: nothing is generated. Each view's tower is the phantom
track's judge of that view, a classifier trained on real training pictures; of two views the logits
are averaged. A class counts as found from its best F1 on the real validation split. Where a finding
is and how severe it is comes from linear probes on the towers' features, fitted to the training
studies' truth. The phantom's grammar writes it all down, in its usual wording.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from codixr.data.dataset import StudyDataset
from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom.case import Case, Finding, PlacedDevice, sample_case
from codixr.data.phantom.dataset import SPLIT_STARTS, PhantomDataset
from codixr.data.phantom.grammar import SEVERITIES, grade, write_report
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.progress import track
from codixr_bench.backbones.operating_points import operating_points
from codixr_bench.backbones.placement import device, placed, scoring
from codixr_bench.model import Conditions, Sample
from codixr_bench.task import Task

if TYPE_CHECKING:
    from codixr.data.phantom.judge import LoadedJudge

POLICY = "f1max-on-real-val"
DEVICES = "Support Devices"
CLASSES = (*PATHOLOGIES, DEVICES)
SMOOTH = 0.05
"""Inverse strength of the probes' penalty: 256 features, a few hundred studies a finding."""
_BATCH = 256

Array = NDArray[np.float64]


class ClassifierModel:
    """Towers for F and L, their late fusion, and the phantom's grammar."""

    name = "classifier"
    version = "1"
    needs_training = True
    takes_checkpoint = False
    summary = "supervised towers' findings, written down: the ceiling for reports"

    def __init__(self) -> None:
        from codixr.data.phantom.judge import load_judge

        self._towers: dict[Modality, LoadedJudge] = {
            view: load_judge(view) for view in (Modality.F, Modality.L)
        }
        self._learnt: dict[tuple[Modality, ...], _Learnt] = {}
        self.settings: dict[str, str | int | float] = {
            f"tower_{view}": tower.sha256 for view, tower in self._towers.items()
        }
        self.settings |= {"fusion": "mean-logit", "thresholds": POLICY}

    def supports(self, task: Task) -> bool:
        """F→T, L→T and F+L→T."""
        return task.outputs == (Modality.T,) and all(m.is_image for m in task.inputs)

    def check_track(self, name: str, image_size: int | None, *, simulated: bool) -> None:
        """InputError for real pictures."""
        if not simulated:
            raise InputError(
                f"model 'classifier' has towers for simulated pictures only, and track '{name}' "
                "holds real ones: use --track phantom"
            )

    def prepare(self, train: StudyDataset | None, task: Task) -> None:
        """Tune on the validation split, fit the probes; InputError on another track."""
        if not isinstance(train, PhantomDataset):
            raise InputError(
                "model 'classifier' has towers for simulated pictures only: use --track phantom"
            )
        if task.inputs in self._learnt:
            return
        val = PhantomDataset("val", size=train.size, seed=train.seed)
        _, logits = self._read(val, task.inputs)
        points = operating_points(POLICY, logits, val.label_matrix(CLASSES), CLASSES)
        features, _ = self._read(train, task.inputs)
        start = SPLIT_STARTS[train.split]
        cases = [sample_case(train.seed, start + i) for i in range(len(train))]
        self._learnt[task.inputs] = _Learnt(points, features, cases)

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        """A report a study. One picture at a time: the batch cannot change a rounding."""
        samples: list[Sample] = []
        for condition in conditions:
            seen = {view: _picture(condition, view) for view in task.inputs}
            features, logits = self._towers_on(seen)
            case = self._learnt[task.inputs].case(features[0], logits[0])
            samples.append({Modality.T: write_report(case, _UsualWording(np.random.PCG64(0)))})
        return samples

    def _read(self, data: PhantomDataset, views: tuple[Modality, ...]) -> tuple[Array, Array]:
        """Features [n, d] and fused logits [n, k] of a whole split."""
        pictures = {view: data.images(view) for view in views}
        parts = [
            self._towers_on({v: _to_float(p[i : i + _BATCH]) for v, p in pictures.items()})
            for i in track(
                range(0, len(data), _BATCH),
                f"classifier {data.split} {'+'.join(views)}",
                "batches",
            )
        ]
        features, logits = zip(*parts, strict=True)
        return np.concatenate(features), np.concatenate(logits)

    def _towers_on(self, pictures: dict[Modality, NDArray[np.float32]]) -> tuple[Array, Array]:
        """Pictures [B, 1, H, W] a view -> features [B, d], fused logits [B, k]."""
        import torch

        features, logits = [], []
        for view, batch in pictures.items():
            model = placed(self._towers[view].model)
            with scoring():
                try:
                    given = torch.from_numpy(np.ascontiguousarray(batch))
                    seen = model.features(given.to(device()))
                except ValueError as error:
                    raise InputError(f"model 'classifier', {view}: {error}") from error
                chosen = [model.classes.index(name) for name in CLASSES]
                features.append(seen.cpu().double().numpy())
                logits.append(model.head(seen)[:, chosen].cpu().double().numpy())
        return np.hstack(features), np.mean(logits, axis=0)


class _Learnt:
    """Features and logits of one study -> its most likely case."""

    def __init__(self, points: Array, features: Array, cases: Sequence[Case]) -> None:
        self._points = points
        self._probes: dict[tuple[str, str], _Probe] = {}
        certain = [{f.observation: f for f in case.findings if f.certain} for case in cases]
        for name in PATHOLOGIES:
            found = [(i, of[name]) for i, of in enumerate(certain) if name in of]
            rows = features[[i for i, _ in found]]
            self._probes[name, "side"] = _Probe(rows, [f.side for _, f in found])
            self._probes[name, "zone"] = _Probe(rows, [f.zone for _, f in found])
            self._probes[name, "severity"] = _Probe(rows, [grade(f.severity) for _, f in found])
        placed = [(i, case.devices[0]) for i, case in enumerate(cases) if case.devices]
        rows = features[[i for i, _ in placed]]
        self._probes[DEVICES, "device"] = _Probe(rows, [(d.kind, d.side) for _, d in placed])

    def case(self, features: Array, logits: Array) -> Case:
        """Features [d] and logits [k] -> findings without hedges, at most one device."""
        names = [name for name, found in zip(CLASSES, logits >= self._points, strict=True) if found]
        findings = [
            Finding(
                name,
                _severity(self._probes[name, "severity"].most_likely(features)),
                self._probes[name, "side"].most_likely(features),
                self._probes[name, "zone"].most_likely(features),
            )
            for name in names
            if name != DEVICES
            # The sentence of a pneumonia tells its opacity too.
            and not (name == "Lung Opacity" and "Pneumonia" in names)
        ]
        devices = [
            PlacedDevice(*self._probes[name, "device"].most_likely(features))
            for name in names
            if name == DEVICES
        ]
        return Case(tuple(findings), tuple(devices))


class _Probe:
    """A linear classifier of one property of a finding; a constant where one value occurs."""

    def __init__(self, features: Array, values: Sequence[Any]) -> None:
        self._choices = list(dict.fromkeys(values))
        self._fitted: Any = None
        if len(self._choices) > 1:
            numbers = [self._choices.index(value) for value in values]
            logistic = LogisticRegression(C=SMOOTH, max_iter=300)
            self._fitted = make_pipeline(StandardScaler(), logistic).fit(features, numbers)

    def most_likely(self, features: Array) -> Any:
        """The property's value for one study's features [d]; InputError if none was ever seen."""
        if not self._choices:
            raise InputError(
                "model 'classifier': the training studies show no example of a finding that the "
                "towers see; use the whole training split"
            )
        if self._fitted is None:
            return self._choices[0]
        return self._choices[int(self._fitted.predict(features[None])[0])]


class _UsualWording(np.random.Generator):
    """Draws the usual choice every time: the first wording, the usual order, no rare ending."""

    def random(self, *_: Any, **__: Any) -> Any:
        """0.5, which the grammar reads as the usual choice."""
        return 0.5


def _severity(word: str) -> float:
    """The middle of the third that the word stands for."""
    return (SEVERITIES.index(word) + 0.5) / len(SEVERITIES)


def _to_float(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 [B, S, S] -> float32 [B, 1, S, S] in [0, 1]."""
    scaled: NDArray[np.float32] = pictures[:, None].astype(np.float32) / np.float32(255.0)
    return scaled


def _picture(condition: Conditions, view: Modality) -> NDArray[np.float32]:
    content = condition[view]
    if isinstance(content, str):
        raise InputError(f"model 'classifier': {view} is a picture, not text")
    return content[None]
