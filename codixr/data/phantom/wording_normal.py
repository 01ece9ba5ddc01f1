"""What a report says beside its findings: what is absent, what is normal, and what isn't simulated.

A sentence stands with the observations that it denies, or for "other things", with the labels that
CheXpert's rules give it; ``blocks`` says that it forbids the label No Finding. Our own sentences.
"""

from typing import NamedTuple

CM, ECM, LL, LO = "Cardiomegaly", "Enlarged Cardiomediastinum", "Lung Lesion", "Lung Opacity"
ED, CO, PN, AT = "Edema", "Consolidation", "Pneumonia", "Atelectasis"
PTX, EFF, SD = "Pneumothorax", "Pleural Effusion", "Support Devices"
PO, FX = "Pleural Other", "Fracture"
LUNGS = (LL, LO, ED, CO, PN, AT)

DENIABLE: dict[str, tuple[str, ...]] = {
    CM: ("cardiomegaly", "cardiac enlargement"),
    LL: ("nodule", "pulmonary nodule", "mass", "suspicious nodule", "lung mass", "nodule or mass"),
    LO: (
        "infiltrate",
        "airspace disease",
        "focal airspace disease",
        "focal opacity",
        "infiltrates",
        "airspace opacity",
        "focal infiltrate",
        "focal airspace opacity",
        "pulmonary infiltrates",
    ),
    ED: ("pulmonary edema", "edema", "interstitial edema", "overt edema", "frank edema"),
    CO: (
        "consolidation",
        "focal consolidation",
        "focal airspace consolidation",
        "lobar consolidation",
        "consolidations",
    ),
    PN: ("pneumonia", "focal pneumonia", "acute pneumonia", "infection"),
    AT: ("atelectasis", "collapse"),
    PTX: ("pneumothorax", "pneumothorax", "pneumothoraces"),
    EFF: (
        "pleural effusion",
        "pleural effusion",
        "effusion",
        "pleural effusions",
        "large pleural effusion",
        "effusions",
        "pleural fluid",
    ),
}
"""What a list of negations names; the usual ones are drawn most."""
DENIED_OFTEN = {EFF: 5.0, PTX: 5.0, CO: 4.0, PN: 2.0, ED: 2.0, LO: 2.5, CM: 1.0, LL: 1.0, AT: 0.5}

DENIALS = (
    "no {list}",
    "no {list}",
    "no {list}",
    "no evidence of {list}",
    "there is no {list}",
    "there is no evidence of {list}",
    "without {list}",
    "no definite {list}",
    "no radiographic evidence of {list}",
    "no visible {list}",
    "no significant {list}",
    "no large {list}",
    "no suspicious {list}",
    "there is no focal {list}",
    "no acute {list}",
)
DENIALS_OF_ONE = (
    "negative for {list}",
    "clear of {list}",
    "free of {list}",
    "no {list} is seen",
    "no {list} is identified",
    "no {list} seen",
    "no visualized {list}",
    "no discrete {list}",
    "no convincing evidence of {list}",
    "no obvious {list}",
)
RESOLVED = (
    "interval resolution of the {list}",
    "the {list} has resolved",
    "resolution of the {list}",
    "previously seen {list} has resolved",
)
"""Gone since the earlier picture: absent. For nouns in the singular."""


class Line(NamedTuple):
    """A sentence and what it says."""

    text: str
    denies: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Observations that have to be absent too, though CheXpert's rules find no mention of them."""


NORMAL_HEART = (
    Line("the heart size is normal", (CM,)),
    Line("heart size is normal", (CM,)),
    Line("heart size normal", (CM,)),
    Line("the heart is normal in size", (CM,)),
    Line("normal heart size", (CM,)),
    Line("the heart size is within normal limits", (CM,)),
    Line("heart size within normal limits", (CM,)),
    Line("no cardiomegaly", (CM,)),
    Line("the cardiac silhouette is normal", (CM,)),
    Line("cardiac silhouette is unremarkable", (CM,)),
    Line("cardiac silhouette within normal limits", (CM,)),
    Line("normal cardiac silhouette", (CM,)),
    Line("heart is normal in size", (), (CM,)),
    Line("heart is not enlarged", (), (CM,)),
    Line("cardiac size is normal", (CM,)),
    Line("heart and pulmonary vascularity are within normal limits", (), (CM, ED)),
)
NORMAL_MEDIASTINUM = (
    Line("the mediastinal contours are normal", (ECM,)),
    Line("the mediastinal silhouette is unremarkable", (ECM,)),
    Line("mediastinal contours are within normal limits", (ECM,)),
    Line("the mediastinum is unremarkable", (ECM,)),
    Line("normal mediastinal contours", (ECM,)),
    Line("the mediastinum is normal", (ECM,)),
    Line("mediastinal silhouette is normal", (ECM,)),
)
NORMAL_BOTH = (
    Line("the cardiomediastinal silhouette is normal", (ECM,), (CM,)),
    Line("cardiomediastinal silhouette is within normal limits", (ECM,), (CM,)),
    Line("the cardiomediastinal silhouette is unremarkable", (ECM,), (CM,)),
    Line("cardiomediastinal contours are normal", (ECM,), (CM,)),
    Line("normal cardiomediastinal silhouette", (ECM,), (CM,)),
    Line("the heart size and mediastinal contours are normal", (CM, ECM)),
    Line("heart size and mediastinal silhouette are within normal limits", (CM, ECM)),
    Line("the heart and mediastinum are normal", (CM, ECM)),
    Line("the heart and mediastinum are unremarkable", (CM, ECM)),
    Line("cardiac and mediastinal contours are normal", (ECM,), (CM,)),
    Line("normal heart size and mediastinal contours", (CM, ECM)),
)
NORMAL_LUNGS = (
    Line("the lungs are clear", (), LUNGS),
    Line("the lungs are clear", (), LUNGS),
    Line("lungs are clear", (), LUNGS),
    Line("lungs clear", (), LUNGS),
    Line("clear lungs", (), LUNGS),
    Line("both lungs are clear", (), LUNGS),
    Line("the lungs are clear bilaterally", (), LUNGS),
    Line("lungs are grossly clear", (), LUNGS),
    Line("the lungs remain clear", (), LUNGS),
    Line("the lungs are well expanded and clear", (), LUNGS),
    Line("the lung fields are clear", (), LUNGS),
    Line("lungs are clear without focal consolidation", (CO,), LUNGS),
    Line("pulmonary vascularity is normal", (), (ED,)),
    Line("normal pulmonary vascularity", (), (ED,)),
    Line("the pulmonary vasculature is normal", (), (ED,)),
    Line("the lungs are well aerated", (), LUNGS),
    Line("heart size is normal and the lungs are clear", (CM,), (*LUNGS, CM)),
    Line("heart size is normal and lungs are clear", (CM,), (*LUNGS, CM)),
    Line("the heart is normal in size and the lungs are clear", (CM,), (*LUNGS, CM)),
)
NORMAL_PLEURA = (
    Line("the pleural spaces are clear", (), (EFF, PTX)),
    Line("pleural spaces are clear", (), (EFF, PTX)),
    Line("the costophrenic angles are sharp", (), (EFF,)),
    Line("costophrenic angles are clear", (), (EFF,)),
    Line("no pleural abnormality", (), (EFF, PTX)),
    Line("the pleura is normal", (), (EFF, PTX)),
)
NORMAL_CHEST = (
    "no acute cardiopulmonary abnormality",
    "no acute cardiopulmonary abnormality",
    "no acute cardiopulmonary process",
    "no acute cardiopulmonary disease",
    "no acute cardiopulmonary findings",
    "no acute disease",
    "no acute abnormality",
    "no acute findings",
    "no acute pulmonary disease",
    "no active disease",
    "no active cardiopulmonary disease",
    "no acute intrathoracic process",
    "no acute pulmonary process",
    "no acute intrathoracic abnormality",
    "no evidence of active disease",
    "no evidence of acute cardiopulmonary disease",
    "no evidence of acute disease",
    "no radiographic evidence of acute cardiopulmonary disease",
    "no acute radiographic cardiopulmonary process",
    "normal chest",
    "normal chest radiograph",
    "normal chest x-ray",
    "normal study",
    "normal examination",
    "normal chest exam",
    "unremarkable chest",
    "unremarkable examination",
    "negative chest",
    "negative chest radiograph",
    "negative for acute disease",
    "negative for acute abnormality",
    "normal two view chest",
    "chest within normal limits",
    "no significant abnormality",
    "no abnormality detected",
    "no abnormality",
    "no cardiopulmonary abnormality",
    "clear chest",
    "no acute process",
    "no acute abnormalities",
    "no acute pulmonary abnormality",
    "no acute changes",
    "stable chest without acute disease",
    "no radiographic abnormality",
    "no acute cardiac or pulmonary disease",
    "no acute cardiac or pulmonary abnormality",
    "no acute thoracic abnormality",
    "no interval change",
    "stable appearance of the chest",
    "stable chest",
    "essentially normal chest",
    "normal heart and lungs",
    "no pathology seen",
)
"""Only where nothing is found, and no observation is named."""
ACUTE_ONLY = tuple(text for text in NORMAL_CHEST if "acute" in text)
"""These may stand beside a chronic finding."""
