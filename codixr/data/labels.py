"""CheXpert's fourteen observations, the paper's ten of them, and policies for their labels."""

from collections.abc import Callable, Mapping

from codixr.errors import InputError

OBSERVATIONS: tuple[str, ...] = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Lesion",
    "Lung Opacity",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
"""CheXpert's fourteen, in the original labeler's order."""

PATHOLOGIES: tuple[str, ...] = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Lung Lesion",
    "Lung Opacity",
    "Pleural Effusion",
    "Pneumonia",
    "Pneumothorax",
)
"""The paper's ten (Tables I, III and V), in its order."""

SHORT_NAMES: dict[str, str] = dict(
    zip(
        PATHOLOGIES,
        ("Atl.", "Cmgl.", "Cnsl.", "Edm.", "Enl.", "Les.", "Opc.", "Eff.", "Pnm.", "Ptx."),
        strict=True,
    )
)
"""The paper's column heads."""

Labels = Mapping[str, int | None]
"""Observation -> 1 present, 0 absent, -1 uncertain, None unknown."""


def _raw(labels: Labels) -> dict[str, int | None]:
    return dict(labels)


def _certain(labels: Labels) -> dict[str, int | None]:
    return {name: None if value == -1 else value for name, value in labels.items()}


def _uncertain_as(value: int) -> Callable[[Labels], dict[str, int | None]]:
    return lambda labels: {name: value if v == -1 else v for name, v in labels.items()}


def _unmentioned_negative(labels: Labels) -> dict[str, int | None]:
    negative = {name: 0 if value is None else value for name, value in labels.items()}
    # A study without any label was not labelled at all.
    return _certain(negative if any(v is not None for v in labels.values()) else labels)


def _paper(labels: Labels) -> dict[str, int | None]:
    found = _certain(labels)
    if found.get("No Finding") == 1:
        found |= {name: 0 for name in found if name not in ("No Finding", "Support Devices")}
    return found


LABEL_POLICIES: dict[str, Callable[[Labels], dict[str, int | None]]] = {
    "paper": _paper,
    "certain": _certain,
    "uncertain-positive": _uncertain_as(1),
    "uncertain-negative": _uncertain_as(0),
    "unmentioned-negative": _unmentioned_negative,
    "raw": _raw,
}
"""Name -> what a study's labels become before anybody counts them.

- ``paper``: uncertain ones are unknown; a study labelled No Finding is negative for every
  pathology. Table I's negatives (9,123 to 9,657 for all ten) can't come from mentions alone; this
  is how torchxrayvision, whose classifier the paper uses, reads MIMIC-CXR's labels.
- ``certain``: uncertain ones are unknown, nothing else.
- ``uncertain-positive``, ``uncertain-negative``: CheXpert's U-Ones and U-Zeros.
- ``unmentioned-negative``: uncertain ones are unknown, what a labelled study doesn't mention is
  absent.
- ``raw``: the labeler's own 1, 0, -1 and nothing.
"""


def label_policy(name: str) -> Callable[[Labels], dict[str, int | None]]:
    """The policy of that name; InputError for an unknown one."""
    if name not in LABEL_POLICIES:
        raise InputError(f"unknown label policy '{name}'; known: {', '.join(LABEL_POLICIES)}")
    return LABEL_POLICIES[name]
