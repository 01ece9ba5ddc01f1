"""What each finding is called: its nouns, the words for its extent, and sentences of its own.

Our own sentences, in the vocabulary of our labeler and of radiology's lexicons (Fleischner
Society's glossary, RadLex). A noun is (words, number, what else it says); number is "one" (takes
an article), "some" (takes none), or "many".
"""

from typing import Literal, NamedTuple

Number = Literal["one", "some", "many"]


class Noun(NamedTuple):
    """A finding's name."""

    words: str
    number: Number = "some"
    also: tuple[str, ...] = ()
    """Other observations that the words say, as CheXpert's labels count them."""


ONE: Number = "one"
MANY: Number = "many"
OPACITY = ("Lung Opacity",)

GRADES: dict[str, tuple[tuple[str, ...], ...]] = {
    "size": (
        ("small", "small", "small", "tiny", "trace", "minimal", "slight", "minor", "minute"),
        ("moderate", "moderate", "moderate-sized", "medium-sized", "moderately sized"),
        ("large", "large", "large", "massive", "huge", "extensive", "sizable", "big"),
    ),
    "severity": (
        ("mild", "mild", "mild", "minimal", "slight", "minor", "subtle", "small", "faint", "early"),
        ("moderate", "moderate", "moderately severe", "mild-to-moderate", "mild to moderate"),
        ("severe", "severe", "marked", "extensive", "pronounced", "large", "dense", "gross"),
    ),
    "adverb": (
        ("mildly", "mildly", "slightly", "minimally", "a little", "somewhat", "borderline"),
        ("moderately", "moderately", "mildly to moderately"),
        ("severely", "markedly", "markedly", "grossly", "massively", "greatly", "significantly"),
    ),
}

NOUNS: dict[str, tuple[Noun, ...]] = {
    "Cardiomegaly": (
        Noun("cardiomegaly"),
        Noun("cardiomegaly"),
        Noun("cardiomegaly"),
        Noun("cardiac enlargement"),
        Noun("enlargement of the cardiac silhouette"),
        Noun("enlarged cardiac silhouette", ONE),
        Noun("enlargement of the heart"),
        Noun("enlarged heart", ONE),
        Noun("prominence of the cardiac silhouette"),
    ),
    "Enlarged Cardiomediastinum": (
        Noun("widening of the mediastinum"),
        Noun("enlarged cardiomediastinum", ONE),
        Noun("enlarged cardiomediastinal silhouette", ONE),
        Noun("enlargement of the cardiomediastinal silhouette"),
        Noun("enlargement of the mediastinal silhouette"),
        Noun("widened mediastinum", ONE),
        Noun("widening of the superior mediastinum"),
        Noun("mediastinal widening"),
        Noun("widening of the mediastinal contours", "some"),
        Noun("enlarged mediastinum", ONE),
        Noun("widening of the cardiomediastinal silhouette"),
    ),
    "Lung Lesion": (
        Noun("nodule", ONE),
        Noun("nodule", ONE),
        Noun("pulmonary nodule", ONE),
        Noun("lung nodule", ONE),
        Noun("rounded nodule", ONE),
        Noun("round nodule", ONE),
        Noun("solitary pulmonary nodule", ONE),
        Noun("spiculated nodule", ONE),
        Noun("indeterminate nodule", ONE),
        Noun("nodule", ONE),
        Noun("nodular density", ONE),
        Noun("mass", ONE),
        Noun("lung mass", ONE),
        Noun("pulmonary mass", ONE),
        Noun("neoplasm", ONE),
        Noun("tumor", ONE),
        Noun("cavitary lesion", ONE),
        Noun("nodules", MANY),
        Noun("pulmonary nodules", MANY),
        Noun("masslike density", ONE),
        Noun("carcinoma", ONE),
        Noun("nodular opacity", ONE, OPACITY),
    ),
    "Lung Opacity": (
        Noun("opacity", ONE),
        Noun("hazy opacity", ONE),
        Noun("opacities", MANY),
        Noun("hazy opacities", MANY),
        Noun("airspace disease"),
        Noun("airspace opacity", ONE),
        Noun("airspace opacities", MANY),
        Noun("infiltrate", ONE),
        Noun("infiltrates", MANY),
        Noun("opacification"),
        Noun("ground-glass opacity", ONE),
        Noun("ground glass opacities", MANY),
        Noun("hazy opacification"),
        Noun("parenchymal opacity", ONE),
        Noun("interstitial opacities", MANY),
        Noun("ill-defined opacity", ONE),
        Noun("air space disease"),
        Noun("scarring"),
        Noun("linear scarring"),
        Noun("scar", ONE),
        Noun("increased interstitial markings", MANY),
        Noun("prominent interstitial markings", MANY),
        Noun("interstitial infiltrates", MANY),
        Noun("interstitial lung disease"),
        Noun("reticular opacities", MANY),
        Noun("patchy opacity", ONE),
        Noun("patchy airspace disease"),
        Noun("streaky opacities", MANY),
        Noun("increased density"),
        Noun("bronchial wall thickening"),
    ),
    "Edema": (
        Noun("pulmonary edema"),
        Noun("pulmonary edema"),
        Noun("edema"),
        Noun("interstitial edema"),
        Noun("interstitial edema"),
        Noun("interstitial pulmonary edema"),
        Noun("alveolar edema"),
        Noun("perihilar edema"),
        Noun("pulmonary interstitial edema"),
        Noun("fluid overload with pulmonary edema"),
        Noun("cardiogenic pulmonary edema"),
        Noun("pulmonary venous congestion with edema"),
    ),
    "Consolidation": (
        Noun("consolidation"),
        Noun("consolidation"),
        Noun("consolidation"),
        Noun("focal consolidation"),
        Noun("airspace consolidation"),
        Noun("lobar consolidation"),
        Noun("consolidative change"),
        Noun("consolidations", MANY),
        Noun("dense consolidation"),
        Noun("area of consolidation", ONE),
        Noun("alveolar consolidation"),
    ),
    "Pneumonia": (
        Noun("pneumonia"),
        Noun("pneumonia"),
        Noun("pneumonia"),
        Noun("bronchopneumonia"),
        Noun("patchy pneumonia"),
        Noun("infectious process", ONE),
        Noun("infection"),
        Noun("acute pneumonia"),
        Noun("bacterial pneumonia"),
        Noun("patchy opacity of pneumonia", "some", OPACITY),
        Noun("lobar pneumonia"),
        Noun("multifocal pneumonia"),
        Noun("infectious infiltrate", ONE, OPACITY),
        Noun("pneumonia"),
    ),
    "Atelectasis": (
        Noun("atelectasis"),
        Noun("atelectasis"),
        Noun("atelectasis"),
        Noun("subsegmental atelectasis"),
        Noun("linear atelectasis"),
        Noun("discoid atelectasis"),
        Noun("bandlike atelectasis"),
        Noun("compressive atelectasis"),
        Noun("atelectatic change"),
        Noun("atelectatic changes", MANY),
        Noun("segmental atelectasis"),
        Noun("partial collapse"),
        Noun("collapse"),
        Noun("atelectasis with volume loss"),
        Noun("minimal platelike atelectasis", "some", ("Support Devices",)),
        Noun("streaky atelectasis"),
        Noun("dependent atelectasis"),
    ),
    "Pneumothorax": (
        Noun("pneumothorax", ONE),
        Noun("pneumothorax", ONE),
        Noun("pneumothorax", ONE),
        Noun("apical pneumothorax", ONE),
        Noun("tension pneumothorax", ONE),
        Noun("spontaneous pneumothorax", ONE),
        Noun("residual pneumothorax", ONE),
        Noun("basilar pneumothorax", ONE),
    ),
    "Pleural Effusion": (
        Noun("pleural effusion", ONE),
        Noun("pleural effusion", ONE),
        Noun("pleural effusion", ONE),
        Noun("effusion", ONE),
        Noun("layering pleural effusion", ONE),
        Noun("pleural fluid"),
        Noun("layering effusion", ONE),
        Noun("loculated pleural effusion", ONE),
        Noun("subpulmonic effusion", ONE),
        Noun("parapneumonic effusion", ONE),
    ),
}
EFFUSIONS = (
    Noun("pleural effusions", MANY),
    Noun("pleural effusions", MANY),
    Noun("effusions", MANY),
    Noun("layering pleural effusions", MANY),
)
"""Fluid on both sides."""
NODULES: tuple[tuple[Noun, ...], ...] = (
    (
        Noun("small nodule", ONE),
        Noun("small nodule", ONE),
        Noun("small pulmonary nodule", ONE),
        Noun("tiny nodule", ONE),
        Noun("subcentimeter nodule", ONE),
        Noun("small lung nodule", ONE),
        Noun("small nodular density", ONE),
    ),
    (
        Noun("large nodule", ONE),
        Noun("large nodule", ONE),
        Noun("moderate-sized nodule", ONE),
        Noun("large pulmonary nodule", ONE),
        Noun("2 cm nodule", ONE),
        Noun("large nodular density", ONE),
    ),
    (
        Noun("mass", ONE),
        Noun("mass", ONE),
        Noun("large mass", ONE),
        Noun("lung mass", ONE),
        Noun("pulmonary mass", ONE),
        Noun("5 cm mass", ONE),
        Noun("mass lesion", ONE),
        Noun("large tumor", ONE),
    ),
)
"""A lesion's size is in its name."""

HEART_FAILURE = (
    "congestive heart failure",
    "findings of congestive heart failure",
    "findings consistent with congestive heart failure",
    "chf",
    "heart failure",
    "mild congestive heart failure",
    "congestive heart failure with {sev}pulmonary edema",
    "findings of fluid overload and heart failure",
    "decompensated heart failure",
)
"""Edema; and of the heart's size, CheXpert's rules count them as doubt."""
SENTENCES: dict[str, tuple[str, ...]] = {
    "Cardiomegaly": (
        "the heart is {adv}enlarged",
        "the heart is {adv}enlarged",
        "heart size is {adv}enlarged",
        "heart size is {adv}increased",
        "the cardiac silhouette is {adv}enlarged",
        "cardiac silhouette is {adv}enlarged",
        "the heart size is {adv}enlarged",
        "{adv}enlarged heart",
        "{adv}enlarged cardiac silhouette",
        "the heart remains {adv}enlarged",
        "the heart appears {adv}enlarged",
        "there is {sev}enlargement of the cardiac silhouette",
        "heart size {adv}enlarged",
        "the cardiac shadow is {adv}enlarged",
        "the heart is {adv}increased in size",
        "stable {sev}cardiomegaly",
        "{sev}cardiomegaly is unchanged",
        "chronic {sev}cardiomegaly",
        "{sev}cardiomegaly again noted",
        "cardiomegaly which is {adv}increased",
        "{sev}cardiomegaly accentuated by technique",
        "heart size is {adv}enlarged and stable",
    ),
    "Enlarged Cardiomediastinum": (
        "the mediastinum is {adv}widened",
        "the mediastinum is {adv}widened",
        "{adv}widened mediastinum",
        "the cardiomediastinal silhouette is {adv}enlarged",
        "cardiomediastinal silhouette is {adv}widened",
        "the mediastinal silhouette is {adv}widened",
        "the mediastinum is {adv}enlarged",
        "the mediastinum appears {adv}widened",
        "the mediastinum is {adv}wide",
        "{adv}enlarged cardiomediastinal silhouette",
    ),
    "Edema": (
        "findings of pulmonary vascular congestion and {sev}interstitial edema",
        "vascular congestion with {sev}pulmonary edema",
        "perihilar haze consistent with {sev}pulmonary edema",
        "vascular engorgement and {sev}interstitial edema",
        "{sev}edema in both lungs",
        "central vascular congestion with {sev}edema",
        "indistinct pulmonary vasculature compatible with {sev}edema",
        "bilateral perihilar haze with {sev}pulmonary edema",
    ),
    "Pneumonia": (
        "patchy opacity{at} consistent with {sev}pneumonia",
        "patchy airspace opacity{at} compatible with pneumonia",
        "airspace disease{at} consistent with {sev}pneumonia",
        "patchy infiltrate{at} compatible with {sev}pneumonia",
        "{sev}pneumonia with patchy opacity{at}",
    ),
    "Pleural Effusion": (
        "blunting of the {side} costophrenic angle compatible with a {size}pleural effusion",
        "blunting of the {side} costophrenic angle consistent with {size}effusion",
        "{size}pleural effusion blunts the {side} costophrenic angle",
        "layering fluid on the {side} consistent with a {size}effusion",
    ),
    "Pneumothorax": (
        "visceral pleural edge on the {side} with a {size}pneumothorax",
        "{size}pneumothorax along the {side} apex",
        "{size}pneumothorax with partial lung deflation on the {side}",
    ),
    "Atelectasis": (
        "low lung volumes with {sev}atelectasis{at}",
        "band of {sev}atelectasis{at}",
        "crowding of the vessels with {sev}atelectasis{at}",
    ),
}
"""Sentences that no noun with a frame makes. {at} is a place behind a noun, with its blank."""
SENTENCES_ALSO: dict[str, tuple[str, ...]] = {"Pneumonia": OPACITY}
"""What else these sentences say, where their opacity is the finding itself."""
