"""OpenI's human MeSH indexing → CheXpert's observations: labels that no labeler of reports made.

Notable:
- Two indexers gave each report its abnormal findings ("Pleural Effusion/left/small"), or "normal".
  What is named is present, "normal" is No Finding; the policy ``unmentioned-negative`` makes the
  rest absent. "No Indexing" means that nobody looked: all unknown.
- A term that may or may not be what CheXpert's observation means is stored as uncertain (−1), so
  that the policy makes it unknown, and not absent.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable

from codixr.data.labels import OBSERVATIONS

NORMAL, NOT_INDEXED = "normal", "no indexing"

PRESENT: dict[str, str] = {
    "cardiomegaly": "Cardiomegaly",
    "nodule": "Lung Lesion",
    "mass": "Lung Lesion",
    "opacity": "Lung Opacity",
    "airspace disease": "Lung Opacity",
    "infiltrate": "Lung Opacity",
    "pulmonary edema": "Edema",
    "consolidation": "Consolidation",
    "pneumonia": "Pneumonia",
    "pulmonary atelectasis": "Atelectasis",
    "pneumothorax": "Pneumothorax",
    "hydropneumothorax": "Pneumothorax",
    "pleural effusion": "Pleural Effusion",
    "fractures, bone": "Fracture",
    "catheters, indwelling": "Support Devices",
    "implanted medical device": "Support Devices",
    "medical device": "Support Devices",
    "tube, inserted": "Support Devices",
}
UNCERTAIN: dict[str, str] = {
    "cardiac shadow": "Enlarged Cardiomediastinum",
    "mediastinum": "Enlarged Cardiomediastinum",
    "calcified granuloma": "Lung Lesion",
    "granuloma": "Lung Lesion",
    "density": "Lung Opacity",
    "pulmonary congestion": "Edema",
    "pulmonary alveoli": "Consolidation",
    "thickening": "Pleural Other",
    "pleura": "Pleural Other",
    "surgical instruments": "Support Devices",
    "stents": "Support Devices",
}


def major_terms(root: ElementTree.Element) -> list[str]:
    """The main terms of one report file, lower case, without their qualifiers."""
    return [(term.text or "").partition("/")[0].strip().lower() for term in root.iter("major")]


def mesh_labels(terms: Iterable[str]) -> dict[str, int | None]:
    """Observation -> 1 present, −1 may be meant, None not named."""
    found = set(terms)
    labels: dict[str, int | None] = dict.fromkeys(OBSERVATIONS)
    if NOT_INDEXED in found:
        return labels
    if NORMAL in found:
        labels["No Finding"] = 1
    for meaning, value in ((UNCERTAIN, -1), (PRESENT, 1)):
        labels |= {meaning[term]: value for term in found & meaning.keys()}
    return labels
