"""Simulated radiology reports, and the way back from a report to its labels.

Each statement has two to four wordings. What the picture shows (side, zone, severity) is said;
what is absent is said in a few standard sentences, so that a score of the words rewards the
findings. Whole vocabulary under 150 words, reports under 60.
"""

import numpy as np

from codixr.data.labels import OBSERVATIONS, PATHOLOGIES
from codixr.data.phantom.case import Case, Finding

MAX_WORDS = 60
SEVERITIES = ("mild", "moderate", "severe")
SIZES = ("small", "moderate", "large")
LOBES = {
    ("right", "upper"): "right upper lobe",
    ("right", "mid"): "right middle lobe",
    ("right", "lower"): "right lower lobe",
    ("left", "upper"): "left upper lobe",
    ("left", "mid"): "lingula",
    ("left", "lower"): "left lower lobe",
}
TEMPLATES: dict[str, tuple[str, ...]] = {
    "Cardiomegaly": ("{sev} cardiomegaly.", "the heart is enlarged, {sev}."),
    "Enlarged Cardiomediastinum": (
        "the mediastinum is widened, {sev}.",
        "{sev} widening of the mediastinum.",
    ),
    "Lung Lesion": ("{lesion} in the {side} {zone} zone.", "{side} {zone} zone {lesion}."),
    "Lung Opacity": (
        "{sev} hazy {side} {zone} zone opacity.",
        "{sev} hazy opacity in the {side} {zone} zone.",
    ),
    "Edema": ("{sev} pulmonary edema.", "perihilar haze with {sev} pulmonary edema."),
    "Consolidation": ("{sev} {lobe} consolidation.", "{sev} consolidation in the {lobe}."),
    "Pneumonia": (
        "patchy {side} {zone} zone opacity, {sev} pneumonia.",
        "{sev} pneumonia with patchy {side} {zone} zone opacity.",
    ),
    "Atelectasis": (
        "{sev} {side} {zone} zone atelectasis.",
        "linear {side} {zone} atelectasis, {sev}.",
    ),
    "Pneumothorax": ("{size} {side} pneumothorax.", "there is a {size} {side} pneumothorax."),
    "Pleural Effusion": ("{size} {side} pleural effusion.", "there is a {size} {side} effusion."),
}
BILATERAL_EFFUSION = ("{size} bilateral pleural effusions.",)
HEDGES: dict[str, tuple[str, ...]] = {
    "Pneumonia": (
        "{opacity} hazy {side} {zone} zone opacity may represent pneumonia.",
        "{opacity} hazy opacity in the {side} {zone} zone, possible pneumonia.",
    ),
    "Atelectasis": (
        "possible {side} {zone} zone atelectasis.",
        "{side} {zone} zone atelectasis cannot be excluded.",
    ),
    "Pleural Effusion": (
        "possible small {side} effusion.",
        "small {side} effusion cannot be excluded.",
    ),
}
NO_HEART = ("the heart size is normal.", "no cardiomegaly.")
NO_MEDIASTINUM = (
    "the mediastinal contours are normal.",
    "the mediastinal silhouette is unremarkable.",
)
CLEAR_LUNGS = ("the lungs are clear.", "no focal consolidation or edema.")
NO_PLEURA = (
    "no pleural effusion or pneumothorax.",
    "no pneumothorax or effusion.",
)
NORMAL_ENDINGS = ("no acute abnormality.",)
STABLE = ("stable", "unchanged")
LUNG = ("Lung Opacity", "Pneumonia", "Consolidation", "Edema", "Atelectasis", "Lung Lesion")
"""The order in which a report tells the lungs' findings."""
KEYWORDS: tuple[tuple[str, str], ...] = (
    ("cardiomegaly", "Cardiomegaly"),
    ("heart is enlarged", "Cardiomegaly"),
    ("widen", "Enlarged Cardiomediastinum"),
    ("nodule", "Lung Lesion"),
    ("mass", "Lung Lesion"),
    ("opacity", "Lung Opacity"),
    ("edema", "Edema"),
    ("consolidation", "Consolidation"),
    ("pneumonia", "Pneumonia"),
    ("atelectasis", "Atelectasis"),
    ("pneumothorax", "Pneumothorax"),
    ("effusion", "Pleural Effusion"),
    ("tube", "Support Devices"),
    ("central line", "Support Devices"),
    ("pacemaker", "Support Devices"),
)


def grade(severity: float, words: tuple[str, str, str] = SEVERITIES) -> str:
    """The word for a severity in [0, 1]."""
    return words[min(int(severity * 3), 2)]


def lesion_name(severity: float) -> str:
    """A small or large nodule, or a mass, for a severity in [0, 1]."""
    return grade(severity, ("small nodule", "large nodule", "mass"))


def _pick(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    """The first wording is the usual one."""
    return choices[0] if rng.random() < 0.65 else choices[int(rng.integers(len(choices)))]


def _sentence(finding: Finding, case: Case, rng: np.random.Generator) -> str:
    name = finding.observation
    choices = TEMPLATES[name] if finding.certain else HEDGES[name]
    if name == "Pleural Effusion" and finding.side == "bilateral":
        choices = BILATERAL_EFFUSION
    haze = case.find("Lung Opacity")
    text = _pick(choices, rng).format(
        sev=grade(finding.severity),
        size=grade(finding.severity, SIZES),
        lesion=lesion_name(finding.severity),
        side=finding.side,
        zone=finding.zone,
        lobe=LOBES.get((str(finding.side), str(finding.zone)), ""),
        opacity=grade(haze.severity) if haze else "",
    )
    if finding.stable:
        text = text.removesuffix(".") + f", {_pick(STABLE, rng)}."
    return text


def _lungs(case: Case, rng: np.random.Generator) -> list[str]:
    found = {f.observation: f for f in case.findings}
    pneumonia = found.get("Pneumonia")
    sentences = [
        _sentence(found[name], case, rng)
        for name in LUNG
        if name in found
        # The sentence of a hedged pneumonia tells its opacity too.
        and not (name == "Lung Opacity" and pneumonia is not None and not pneumonia.certain)
    ]
    if not sentences:
        return [_pick(CLEAR_LUNGS, rng)]
    absent = [n.lower() for n in ("Consolidation", "Edema") if n not in found]
    if absent:
        focal = "focal " if absent[0] == "consolidation" else ""
        sentences.append(f"no {focal}{' or '.join(absent)}.")
    return sentences


def _pleura(case: Case, rng: np.random.Generator) -> list[str]:
    effusion, air = case.find("Pleural Effusion"), case.find("Pneumothorax")
    if effusion is None and air is None:
        return [_pick(NO_PLEURA, rng)]
    return [
        _sentence(effusion, case, rng) if effusion else "no pleural effusion.",
        _sentence(air, case, rng) if air else "no pneumothorax.",
    ]


def write_report(case: Case, rng: np.random.Generator) -> str:
    """The report of a case: lower case, at most 60 words."""
    heart, wide = case.find("Cardiomegaly"), case.find("Enlarged Cardiomediastinum")
    centre = [
        _sentence(heart, case, rng) if heart else _pick(NO_HEART, rng),
        _sentence(wide, case, rng) if wide else _pick(NO_MEDIASTINUM, rng),
    ]
    chest = [*_lungs(case, rng), *_pleura(case, rng)]
    sentences = [*chest, *centre] if rng.random() < 0.2 else [*centre, *chest]
    for device in case.devices:
        side = f"{device.side} " if device.side else ""
        sentences.append(f"{side}{device.kind} in place.")
    if not case.findings and not case.devices and rng.random() < 0.25:
        sentences.append(NORMAL_ENDINGS[0])
    return " ".join(sentences)


def labels_from_report(text: str) -> dict[str, int | None]:
    """Read a report of this grammar back: CheXpert's fourteen, as ``labels_of`` gives them.

    1 present, 0 absent or not mentioned, -1 hedged, None for what the phantom does not simulate.
    """
    labels: dict[str, int | None] = dict.fromkeys(OBSERVATIONS)
    labels.update(dict.fromkeys((*PATHOLOGIES, "Support Devices"), 0))
    for sentence in text.lower().split("."):
        words = sentence.split()
        if not words or words[0] == "no":
            continue
        hedged = any(h in sentence for h in ("may represent", "possible", "cannot be excluded"))
        for keyword, name in KEYWORDS:
            if keyword in sentence:
                # "opacity may represent pneumonia": only the cause is uncertain.
                labels[name] = -1 if hedged and name != "Lung Opacity" else 1
    labels["No Finding"] = int(all(labels[name] == 0 for name in PATHOLOGIES))
    return labels
