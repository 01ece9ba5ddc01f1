"""Sentences of our own for what is known of the original's mentions, rules, totals and surprises.

None stands in the reference labels. ``behaviour`` is the fact that the label follows from.
"""

import pytest

from codixr.data.labels import OBSERVATIONS
from codixr_bench.labeler.rules import label_report

SHORT = {
    "NF": "No Finding", "ECM": "Enlarged Cardiomediastinum", "CM": "Cardiomegaly",
    "LL": "Lung Lesion", "LO": "Lung Opacity", "Ed": "Edema", "Con": "Consolidation",
    "Pn": "Pneumonia", "At": "Atelectasis", "Ptx": "Pneumothorax", "Eff": "Pleural Effusion",
    "PO": "Pleural Other", "Fx": "Fracture", "SD": "Support Devices",
}  # fmt: skip

MENTIONS = [
    ("one word serves two observations", "Hazy nodular opacities are present.", "LL=1 LO=1"),
    ("one word serves two observations", "The cardiac contour is enlarged.", "CM=1 ECM=1"),
    ("one word serves two observations", "Coarse interstitial markings persist.", "LO=1"),
    ("one word serves two observations", "Defibrillator leads are intact.", "SD=1"),
    ("substrings, no word boundary", "Bilateral bronchopneumonia.", "Pn=1"),
    ("substrings, no word boundary", "Large left hydropneumothorax.", "Ptx=1"),
    ("stems", "Bands of atelectatic lung.", "At=1"),
    ("stems", "Consolidative change at the apex.", "Con=1"),
    ("no mention: calcified nodule", "Small calcified nodule.", ""),
    ("no mention: begins with mass", "Massive ascites.", "NF=1"),
    ("no mention: pericardial effusion", "Small pericardial effusion.", "NF=1"),
    ("no mention: pleural scar", "Old pleural scar.", "PO=1"),
    ("no mention: a place", "Clips project over the heart.", "NF=1"),
    ("no mention: a place", "Lead tip in the left heart.", "NF=1"),
    ("a leading blank: the place counts", "Clips in the mediastinum.", "ECM=1"),
    ("no size word needed", "The heart.", "CM=1"),
    ("no size word needed", "Heart is large.", "NF=1"),
    ("no size word needed", "The heart and lungs are expanded.", "CM=1"),
    ("trap: endplate", "Endplate sclerosis.", "NF=1 SD=1"),
    ("trap: Kerley", "Kerley B lines are present.", "NF=1 SD=1"),
    ("trap: lumpectomy", "Status post lumpectomy.", "LL=1"),
    ("trap: vertebral collapse", "Partial vertebral collapse.", "At=1"),
    ("trap: soft tissue", "Chest wall edema.", "Ed=1"),
    ("trap: fibrosis", "Apical fibrosis.", "PO=1"),
    ("trap: any contour", "Lobulated diaphragmatic contour.", "ECM=1"),
    ("does not match", "Infiltrative change.", "NF=1"),
    ("does not match", "Chronic pneumonitis.", "NF=1"),
    ("does not match", "Sternotomy wires.", "NF=1"),
    ("does not match", "Right central line.", "NF=1"),
    ("blocker of No Finding", "Hiatal hernia.", ""),
    ("blocker of No Finding", "Old granulomas.", ""),
]
RULES = [
    ("not excluded, before denials", "An early pneumonia cannot be excluded.", "Pn=-1"),
    ("not excluded, before denials", "Atelectasis is not excluded.", "At=-1"),
    ("no new is uncertain", "No new nodule.", "LL=-1"),
    ("no reaches a list", "No effusion, edema, or fracture.", "NF=1 Eff=0 Ed=0 Fx=0"),
    ("no passes 'of'", "No area of consolidation.", "NF=1 Con=0"),
    ("no evidence of", "There is no evidence of pneumothorax.", "NF=1 Ptx=0"),
    ("without", "Clear lungs without atelectasis or edema.", "NF=1 At=0 Ed=0"),
    ("normal beside it", "Unremarkable mediastinal contour.", "NF=1 ECM=0"),
    ("prefix: normally", "Mediastinal contour normally.", "NF=1 ECM=0"),
    ("within limits", "Cardiac size is within normal limits.", "NF=1 CM=0"),
    ("upper limits", "Cardiac size is at the upper limits of normal.", "NF=1 CM=0"),
    ("clear of", "The bases are clear of opacity.", "NF=1 LO=0"),
    ("free of", "The apices are free of scarring.", "NF=1 LO=0"),
    ("clearing of", "Interval clearing of the infiltrate.", "NF=1 LO=0"),
    ("resolution of", "Complete resolution of edema.", "NF=1 Ed=0"),
    ("drainage of", "Successful drainage of the effusion.", "NF=1 Eff=0"),
    ("disappearance of", "Disappearance of the nodule.", "NF=1 LL=0"),
    ("negative for", "Study is negative for pneumothorax.", "NF=1 Ptx=0"),
    ("has resolved", "The edema has resolved.", "NF=1 Ed=0"),
    ("needs the auxiliary", "Edema resolved.", "Ed=1"),
    ("removed", "The right catheter has been removed.", "NF=1 SD=0"),
    ("no longer seen", "The opacity is no longer seen.", "NF=1 LO=0"),
    ("previously demonstrated", "A nodule was previously visualized.", "NF=1 LL=0"),
    ("rule out, denied", "Pneumonia cannot be ruled out.", "Pn=1"),
    ("possible", "Suspected consolidation.", "Con=-1"),
    ("probable", "Probable small effusion.", "Eff=-1"),
    ("questionable", "Questionable rib fracture.", "Fx=-1"),
    ("may represent", "This may represent focal left lower lobe pneumonia.", "Pn=-1"),
    ("might reflect", "Density might reflect edema.", "Ed=-1"),
    ("could indicate", "This could indicate infection.", "Pn=-1"),
    ("would include", "This would include atelectasis.", "At=-1"),
    ("may be due to", "Blurring may be due to edema.", "Ed=-1"),
    ("may be consistent with", "Findings may be consistent with infection.", "Pn=-1"),
    ("concern for", "Concern for fracture.", "Fx=-1"),
    ("suspicion for", "There is suspicion for a mass.", "LL=-1"),
    ("versus", "Scarring versus edema.", "LO=-1 Ed=-1"),
    ("any or", "Effusion or consolidation.", "Eff=-1 Con=-1"),
    ("differential diagnosis", "The differential diagnosis includes mass.", "LL=-1"),
    ("secondary to", "Opacity is secondary to edema.", "LO=1 Ed=-1"),
    ("obscured", "The right base is obscured by effusion.", "Eff=-1"),
    ("incompletely evaluated", "The fracture is poorly evaluated.", "Fx=-1"),
    ("stable size", "The cardiac silhouette is unchanged.", "CM=-1"),
    ("stable contour", "Stable mediastinal contour.", "ECM=-1"),
    ("congestion by itself", "Mild pulmonary vascular congestion.", "Ed=-1"),
    ("borderline size", "Borderline heart size is seen.", "CM=-1"),
    ("not handled: unlikely", "Effusion is unlikely.", "Eff=1"),
    ("not handled: likely", "Likely infection.", "Pn=1"),
    ("not handled: probably", "Probably scarring.", "LO=1"),
    ("not handled: suggestive of", "Suggestive of edema.", "Ed=1"),
    ("not handled: consistent with", "Consistent with edema.", "Ed=1"),
    ("not handled: not seen", "A nodule is not seen.", "LL=1"),
    ("not handled: not identified", "Fracture is not identified.", "Fx=1"),
    ("not handled: absence of", "Absence of edema.", "Ed=1"),
    ("not handled: lack of", "Lack of infiltrate.", "LO=1"),
    ("not handled: evaluate for", "Evaluate for edema.", "Ed=1"),
    ("not handled: vs", "Effusion vs scarring.", "Eff=1 LO=1"),
    ("not handled: resolving", "Resolving effusion.", "Eff=1"),
    ("not handled: improved", "Improved consolidation.", "Con=1"),
    ("not handled: neither nor", "Neither mass nor effusion.", "LL=1 Eff=1"),
    ("stable finding", "Stable nodule.", "LL=1"),
    ("stable cardiomegaly", "Cardiomegaly is stable.", "CM=1"),
    ("history of", "History of edema.", "NF=1 Ed=0"),
    ("override", "Impression: no mass, yet an effusion.", "NF=1 LL=0 Eff=0"),
]
TOTALS = [
    ("1 beats 0", "No right effusion. There is a left effusion.", "Eff=1"),
    ("-1 beats 0", "No edema. Possible edema.", "Ed=-1"),
    ("1 beats -1", "Possible effusion. Small effusion.", "Eff=1"),
    ("failure adds Cardiomegaly -1", "Mild heart failure.", "CM=-1 Ed=1"),
    ("failure adds Cardiomegaly -1", "Questionable CHF.", "CM=-1 Ed=-1"),
    ("denied failure adds nothing", "No heart failure.", "NF=1 Ed=0"),
    ("no hierarchy", "Left consolidation.", "Con=1"),
    ("Support Devices don't block", "Chest tube.", "NF=1 SD=1"),
    ("a denied blocker doesn't block", "No hernia.", "NF=1"),
    ("an uncertain size blocks", "Stable heart size.", "CM=-1"),
    ("without a mention", "Lungs are hazy.", "NF=1"),
    ("misspelt", "Plueral efusion.", "NF=1"),
]
SURPRISES = [
    ("appears within limits", "The heart size appears within normal limits. No mass.",
     "CM=1 LL=0"),
    ("and behind no", "No pneumothorax and large effusion.", "NF=1 Ptx=0 Eff=0"),
    ("but behind no", "No infiltrate, but atelectasis.", "NF=1 LO=0 At=0"),
    ("no change in size", "No change in cardiac size.", "CM=-1"),
    ("no change in a finding", "No change in the nodule.", "LL=1"),
    ("difficult to exclude", "Difficult to exclude edema.", "NF=1 Ed=0"),
    ("cannot exclude", "Cannot exclude mass.", "LL=-1"),
    ("rule out", "Rule out fracture.", "NF=1 Fx=0"),
    ("a or b", "Nodule or scar.", "LL=-1 LO=-1"),
    ("a or b behind without", "Clear without nodule or scar.", "NF=1 LL=0 LO=0"),
    ("a slash", "Edema/effusion.", "Ed=-1 Eff=-1"),
    ("and/or", "Edema and/or effusion.", "Ed=-1 Eff=-1"),
    ("a decimal point ends a sentence", "No 1.5 cm mass.", "LL=1"),
    ("negative for a list", "Negative for edema, effusion or fracture.", "Ed=0 Eff=-1 Fx=-1"),
    ("an emphysema alone", "Mild emphysema.", ""),
]  # fmt: skip
GRAMMAR = [
    ("adjectives before a noun", "May represent vague focal right basal pneumonia.", "Pn=-1"),
    ("only the first of a list takes 'or'", "Edema and small effusion or scarring.",
     "Ed=-1 Eff=1 LO=-1"),
    ("the next item's number", "1. Scar and effusion versus nodule 2. Stable.",
     "LO=-1 Eff=1 LL=-1"),
    ("a clause behind 'but'", "It is small, but a mass on the left cannot be excluded.", "LL=-1"),
    ("two subjects behind 'but'", "It is fat, but edema or mass cannot be excluded.",
     "Ed=-1 LL=-1"),
    ("a clause of its own", "No focal edema, no effusion seen, calcified granulomas and dense "
     "mass suggest a tumor.", "Ed=0 Eff=0 LL=1"),
    ("a whole item denied", "No mass. There is no obvious displaced rib fracture.",
     "NF=1 LL=0 Fx=0"),
    ("'within' forgotten", "Cardiac size normal limits.", "NF=1 CM=0"),
    ("a place that is none", "Opacity, consistent with a tortuous aorta versus a mass.",
     "LO=1 LL=-1"),
    ("amounts pass their place", "No significant amount of pleural fluid.", "NF=1 Eff=0"),
    ("too long to parse", "No " + "word " * 400 + "edema.", "Ed=1"),
]  # fmt: skip
EVERYTHING = MENTIONS + RULES + TOTALS + SURPRISES + GRAMMAR


@pytest.mark.parametrize(
    ("text", "expected"),
    [(text, expected) for _, text, expected in EVERYTHING],
    ids=[f"{fact}: {text[:60]}" for fact, text, _ in EVERYTHING],
)
def test_a_sentence_gets_the_labels_of_the_known_behaviour(text, expected):
    wanted = {SHORT[k]: int(v) for k, v in (cell.split("=") for cell in expected.split())}
    got = zip(OBSERVATIONS, label_report(text), strict=True)
    assert {name: value for name, value in got if value is not None} == wanted


def test_no_sentence_is_labelled_twice():
    texts = [text for _, text, _ in EVERYTHING]
    assert len(set(texts)) == len(texts) >= 60
