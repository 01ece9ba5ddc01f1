"""Words for the fourteen observations: one small table each, every entry with why it is there.

Notable:
- A phrase is looked for inside the sentence, not as a word: ``atelecta`` finds atelectasis and
  atelectatic. A blank at either end is part of the phrase. Text is lower case by then.
- The strings follow the original labeler's behaviour, because published numbers were made with
  it. An entry marked ``surprise`` finds more, or less, than a radiologist would; ``--explain``
  flags those and ``docs/labeler.md`` lists them.
- ``not_when``: a hit that overlaps one of these phrases does not count.
- ``No Finding`` has blockers only: words that forbid the label No Finding and set nothing else.

To add a phrase: a line in its observation's table with a reason or an example, and a sentence in
``tests/benchmark/labeler/test_vocabulary.py``. That makes another labeler: change ``VERSION``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

VERSION = "4"
"""Changes with every entry and rule; it stands in the signature of every score."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """One string to look for."""

    text: str
    why: str
    """A reason, or an example of what it finds."""
    surprise: str = ""
    """What it finds that a reader would not expect."""


def _table(*entries: tuple[str, str] | tuple[str, str, str]) -> tuple[Phrase, ...]:
    return tuple(Phrase(*entry) for entry in entries)


NO_FINDING = _table(
    # Lung and airways
    ("emphysema", "emphysematous change"),
    ("bullae", "apical bullae"),
    ("copd", "the abbreviation"),
    ("asthma", "asthmatic"),
    ("hyperinflat", "hyperinflated, hyperinflation"),
    ("hyperexpansion", "the noun only", "'hyperexpanded lungs' does not block"),
    ("bronchitis", "chronic bronchitis"),
    ("bronchiolitis", "small airways"),
    ("bronchospasm", "a cause of air trapping"),
    ("airways disease", "reactive airways disease"),
    ("cuffing", "peribronchial cuffing"),
    ("aspiration", "aspiration"),
    ("volume loss", "loss of volume of a lobe"),
    ("reticula", "reticular, reticulation"),
    ("interstitial markings", "also Lung Opacity"),
    ("cephalization", "of the pulmonary vessels"),
    ("irregular lucency", "a cavity or bulla"),
    ("granuloma", "granulomatous disease"),
    ("calcifi", "calcified, calcification"),
    ("inflam", "inflammation, inflammatory"),
    ("hemorrhage", "pulmonary hemorrhage"),
    ("contusion", "lung contusion"),
    ("density", "a density that is named no further", "also 'bone density'"),
    ("metastasis", "the singular only", "'metastases' and 'metastatic' do not block"),
    # Pleura, diaphragm, mediastinum
    ("blunt", "blunting of a costophrenic angle"),
    ("thickening", "also inside pleural and bronchial wall thickening"),
    ("fissure", "fluid in, or thickening of, a fissure"),
    ("plaque", "pleural plaques"),
    ("elevation", "of a hemidiaphragm"),
    ("eventration", "of a hemidiaphragm"),
    ("hernia", "hiatal hernia"),
    ("pneumomediastinum", "air in the mediastinum"),
    ("pneumoperitoneum", "free air under the diaphragm"),
    ("prominen", "prominent hilum, prominence"),
    # Heart and vessels
    ("aortic disease", "atherosclerotic aortic disease"),
    ("atherosclero", "atherosclerosis, atherosclerotic"),
    ("hypertension", "pulmonary hypertension"),
    # Bones and soft tissue
    ("degenera", "degenerative changes, degeneration"),
    ("scoliosis", "of the spine"),
    ("kyphosis", "of the spine"),
    ("osteophytosis", "of the spine"),
    ("osteopenia", "of the bones"),
    ("osteodystrophy", "renal osteodystrophy"),
    ("arthropathy", "of a shoulder"),
    ("deformity", "compression deformity; a deformity of a rib"),
    ("hematoma", "of the chest wall"),
    # Other things that a picture shows
    ("bullet", "a foreign body"),
    ("radiopaque", "a radiopaque foreign body"),
    ("aerophagia", "a stomach full of air"),
    ("tracheostomy", "a tracheostomy tube"),
    ("thoracentesis", "status post thoracentesis"),
    ("defib", "a defibrillator; also Support Devices"),
)

ENLARGED_CARDIOMEDIASTINUM = _table(
    ("cardiomediastinum", "the whole word"),
    (" mediastinum", "the noun after a blank", "'in the mediastinum' too, a place"),
    ("mediastinal silhouette", "also inside cardiomediastinal silhouette"),
    ("mediastinal configuration", "also inside cardiomediastinal configuration"),
    ("pericardial silhouette", "of the heart's sac"),
    ("contour", "mediastinal contours", "any contour: of the diaphragm, the aorta, a rib"),
    ("cardiac silhouette and vascularity", "the pair, read as one"),
)

CARDIOMEGALY = _table(
    ("cardiomegaly", "the word itself"),
    ("cardiac enlargement", "the words for it"),
    ("enlarged heart", "the words for it"),
    ("heart size", "a size, whatever is said of it: present unless a rule denies it"),
    ("cardiac size", "as heart size"),
    ("cardiac silhouette", "as heart size"),
    ("cardiac contour", "as heart size; also Enlarged Cardiomediastinum"),
    ("cardiac shadow", "as heart size"),
    ("the heart", "the heart as a subject", "positive even where no size is spoken of"),
)

LUNG_LESION = _table(
    ("nodule", "a nodule"),
    ("nodular density", "a nodule, described"),
    ("nodular densities", "nodules, described"),
    ("nodular opacity", "a nodule, described; also Lung Opacity"),
    ("nodular opacities", "nodules, described; also Lung Opacity"),
    ("nodular opacification", "nodules, described; also Lung Opacity"),
    ("mass", "a mass, of any organ"),
    ("lump", "a lump", "also 'lumpectomy'"),
    ("cavitary lesion", "a lesion with a cavity"),
    ("tumor", "a tumor"),
    ("neoplasm", "a neoplasm; not neoplastic"),
    ("carcinoma", "a carcinoma", "any carcinoma, of the breast too"),
)

LUNG_OPACITY = _table(
    ("opaci", "opacity, opacities, opacification"),
    ("airspace disease", "the usual spelling"),
    ("air-space disease", "with a hyphen"),
    ("air space disease", "in two words"),
    ("infiltrate", "infiltrate, infiltrates", "'infiltrative' does not count"),
    ("infiltration", "the process"),
    ("increased density", "a density that is new or more"),
    ("decreased translucency", "the same, from the other side"),
    ("interstitial marking", "increased interstitial markings"),
    ("interstitial pattern", "an interstitial pattern"),
    ("interstitial lung", "interstitial lung disease"),
    ("reticular pattern", "of interstitial disease"),
    ("reticular marking", "of interstitial disease"),
    ("reticulation", "of interstitial disease"),
    ("parenchymal scarring", "scars of the lung"),
    ("scar", "a scar of the lung", "any scar"),
    ("peribronchial thickening", "of bronchial walls"),
    ("wall thickening", "bronchial wall thickening"),
)

EDEMA = _table(
    ("edema", "pulmonary edema", "soft tissue edema too"),
    ("heart failure", "congestive heart failure; makes Cardiomegaly uncertain"),
    ("chf", "its abbreviation; makes Cardiomegaly uncertain"),
    ("vascular congestion", "uncertain by itself"),
    ("pulmonary congestion", "uncertain by itself"),
    ("vascular prominence", "uncertain by itself"),
    ("indistinctness", "of the pulmonary vessels; uncertain by itself"),
)

CONSOLIDATION = _table(("consolidat", "consolidation, consolidative"))

PNEUMONIA = _table(
    ("pneumonia", "also inside bronchopneumonia"),
    ("infection", "an infection, of any organ"),
    ("infectious process", "the pair; 'process' then counts as part of the mention"),
    ("infectious", "infectious disease, etiology"),
)

ATELECTASIS = _table(
    ("atelecta", "atelectasis, atelectatic"),
    ("collapse", "of a lobe", "vertebral collapse too"),
)

PNEUMOTHORAX = _table(
    ("pneumothorax", "also inside hydropneumothorax"),
    ("pneumothoraces", "the plural"),
)

PLEURAL_EFFUSION = _table(
    ("effusion", "pleural effusion; any but a pericardial one"),
    ("pleural fluid", "the words for it"),
)

PLEURAL_OTHER = _table(
    ("pleural thickening", "of the pleura"),
    ("pleural scar", "pleural scarring"),
    ("pleural parenchymal scar", "pleura and lung"),
    ("pleuro-parenchymal scar", "pleura and lung"),
    ("pleuro-pericardial scar", "pleura and heart sac"),
    ("fibrothorax", "the word itself"),
    ("fibrosis", "of the pleura", "pulmonary fibrosis too"),
)

FRACTURE = _table(("fracture", "fracture, fractured, fractures"))

SUPPORT_DEVICES = _table(
    ("tube", "chest tube, endotracheal tube", "also 'tuberculosis'"),
    ("catheter", "a venous catheter"),
    ("picc", "the abbreviation"),
    (" line ", "a central line", "not before a full stop or comma"),
    ("lines", "central lines", "Kerley B lines too"),
    ("mediport", "a port"),
    ("drain ", "a pleural drain", "not before a full stop or comma"),
    ("cannula", "a cannula"),
    ("pacer", "the short word"),
    ("pacemaker", "a pacemaker"),
    ("icd", "an implanted defibrillator"),
    ("defib", "a defibrillator"),
    ("valve", "a replaced valve", "any valve, the patient's own too"),
    ("hardware", "spinal hardware"),
    ("arthroplast", "of a shoulder"),
    ("plate", "a plate in the spine", "also 'endplate' and 'plate-like atelectasis'"),
    ("screw", "screws"),
    ("coil", "an embolisation coil", "also 'recoil'"),
    ("marker", "a biopsy marker"),
    ("device", "a device"),
    ("apparatus", "an apparatus"),
    ("equipment", "equipment"),
    ("support", "support apparatus", "'supportive care' too"),
)

VOCABULARY: Mapping[str, tuple[Phrase, ...]] = MappingProxyType(
    {
        "No Finding": NO_FINDING,
        "Enlarged Cardiomediastinum": ENLARGED_CARDIOMEDIASTINUM,
        "Cardiomegaly": CARDIOMEGALY,
        "Lung Lesion": LUNG_LESION,
        "Lung Opacity": LUNG_OPACITY,
        "Edema": EDEMA,
        "Consolidation": CONSOLIDATION,
        "Pneumonia": PNEUMONIA,
        "Atelectasis": ATELECTASIS,
        "Pneumothorax": PNEUMOTHORAX,
        "Pleural Effusion": PLEURAL_EFFUSION,
        "Pleural Other": PLEURAL_OTHER,
        "Fracture": FRACTURE,
        "Support Devices": SUPPORT_DEVICES,
    }
)
"""Observation -> its phrases, in the order of ``OBSERVATIONS``."""


def _places(phrases: tuple[Phrase, ...], spared: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """A structure as the place of something else: 'over the left heart' does not mention it."""
    names = [p.text.replace("the ", "") for p in phrases if p.text not in spared]
    return tuple(
        f"{start}{side} {name}"
        for start in ("over the", "overly the", "in the")
        for side in ("", " superior", " left", " right")
        for name in names
    )


NOT_WHEN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Cardiomegaly": _places(CARDIOMEGALY, frozenset({"cardiomegaly", "cardiac enlargement"})),
        "Enlarged Cardiomediastinum": _places(ENLARGED_CARDIOMEDIASTINUM),
        # Benign, or words that only begin with "mass".
        "Lung Lesion": ("calcified nodul", "massive", "massengale"),
        "Lung Opacity": ("pleural scar",),
        "Pleural Effusion": ("pericardial effusion",),
    }
)
"""Observation -> phrases that undo a mention which overlaps them."""
