"""The clinical reading: sentences of our own with a radiologist's label, and the MeSH indexing."""

import numpy as np
import pytest

from codixr.data.labels import OBSERVATIONS, PATHOLOGIES
from codixr.data.openi_mesh import major_terms, mesh_labels
from codixr_bench.labeler import clinical, rules
from codixr_bench.labeler.nonreports import is_english, is_loop, is_report

from .conftest import TABLE, openi_roots, openi_sections

SENTENCES = """
    No pneumothorax but moderate right effusion is present. | Pneumothorax 0, Pleural Effusion 1
    No effusion, but mild interstitial edema. | Pleural Effusion 0, Edema 1
    No mass, moderate right effusion, no edema. | Lung Lesion 0, Pleural Effusion 1, Edema 0
    Unremarkable except for small left effusion. | Pleural Effusion 1
    Normal chest except for mild bibasilar atelectasis. | Atelectasis 1
    Recommend repeat film to document resolution of the effusion. | Pleural Effusion 1
    Follow-up to ensure clearing of the infiltrate. | Lung Opacity 1
    Effusion: none. | Pleural Effusion 0
    Consolidation: Absent. | Consolidation 0
    Pneumothorax: No. | Pneumothorax 0
    The previously noted effusion is no longer seen. | Pleural Effusion 0
    Left pneumothorax is no longer identified. | Pneumothorax 0
    Effusion is not seen. | Pleural Effusion 0
    Consolidation is not identified. | Consolidation 0
    A discrete nodule is not visualized. | Lung Lesion 0
    Absence of pneumothorax. | Pneumothorax 0
    Lack of consolidation. | Consolidation 0
    Resolved left effusion. | Pleural Effusion 0
    The edema has resolved. | Edema 0
    Interval resolution of pulmonary edema. | Edema 0
    Effusion cannot be ruled out. | Pleural Effusion -1
    Early pneumonia cannot be excluded. | Pneumonia -1
    Evaluate for pneumothorax. | Pneumothorax
    Please evaluate for rib fracture. | Fracture
    Rule out pneumonia. | Pneumonia
    R/O pneumonia. | Pneumonia
    r/o PTX | Pneumothorax
    Cough, assess for consolidation. | Consolidation
    Pneumonia is unlikely. | Pneumonia 0
    Effusion unlikely. | Pleural Effusion 0
    Heart is not enlarged. | Cardiomegaly 0
    The cardiac silhouette is not enlarged. | Cardiomegaly 0
    The heart size is not increased. | Cardiomegaly 0
    The mediastinum is not enlarged. | Enlarged Cardiomediastinum 0
    The heart is mildly enlarged. | Cardiomegaly 1
    The heart is moderately enlarged but unchanged. | Cardiomegaly 1
    Heart size is enlarged, stable. | Cardiomegaly 1
    Cardiac silhouette is mildly enlarged but unchanged. | Cardiomegaly 1
    The heart is normal in size. | Cardiomegaly 0
    The heart and lungs are normal. | Cardiomegaly 0
    Heart and mediastinum within normal limits. | Cardiomegaly 0, Enlarged Cardiomediastinum 0
    Heart size appears within normal limits. | Cardiomegaly 0
    Stable heart size. | Cardiomegaly
    The heart. | Cardiomegaly
    Mildly enlarged heart. | Cardiomegaly 1
    Mediastinum is wide and widened. | Enlarged Cardiomediastinum 1
    The mediastinum is mildly widened. | Enlarged Cardiomediastinum 1
    Widened mediastinum. | Enlarged Cardiomediastinum 1
    No cardiac enlargement. | Cardiomegaly 0
    No new effusion. | Pleural Effusion 0
    No new pneumothorax or consolidation. | Pneumothorax 0, Consolidation 0
    RLL opacity vs. atelectasis. | Lung Opacity -1, Atelectasis -1
    Edema vs pneumonia | Edema -1, Pneumonia -1
    s/p removal of left chest tube | Support Devices 0
    Chest tube has been removed w/o PTX. | Support Devices 0, Pneumothorax 0
    Opacity c/w PNA. | Lung Opacity 1, Pneumonia 1
    Findings c/w edema w/o effusion | Edema 1, Pleural Effusion 0
    Large right PTX. | Pneumothorax 1
    No PTX. | Pneumothorax 0
    LLL PNA. | Pneumonia 1
    No PNA or PTX. | Pneumonia 0, Pneumothorax 0
    Possible LLL PNA. | Pneumonia -1
    Neither effusion nor pneumothorax. | Pleural Effusion 0, Pneumothorax 0
    No change in effusion. | Pleural Effusion 1
    Unchanged small effusion without pneumothorax. | Pleural Effusion 1, Pneumothorax 0
    History of pneumonia. | Pneumonia
    Tuberculosis. | Support Devices
    Plate-like atelectasis. | Support Devices, Atelectasis 1
    Kerley B lines. | Support Devices
    No effusion and mild cardiomegaly. | Pleural Effusion 0, Cardiomegaly 1
    1.5 cm nodule in the left lung. | Lung Lesion 1
    No 1.5 cm nodule. | Lung Lesion 0
    - No effusion - Small pneumothorax | Pleural Effusion 0, Pneumothorax 1
    Clear without effusion, pneumothorax, or edema. | Pleural Effusion 0, Pneumothorax 0, Edema 0
    No consolidation, effusion, pneumothorax. | Pleural Effusion 0, Pneumothorax 0
    Effusion and pneumothorax are not seen. | Pleural Effusion 0, Pneumothorax 0
    Small effusion, pneumothorax is not seen. | Pleural Effusion 1, Pneumothorax 0
    Aside from atelectasis, the lungs are clear. | Atelectasis 1
    The lungs are clear aside from scarring. | Lung Opacity 1
    Scar but no effusion, however edema persists. | Pleural Effusion 0, Edema 1
    Could be due to edema or pneumonia, has increased. | Edema -1, Pneumonia -1
    Pleural effusion has decreased. | Pleural Effusion 1
    Resolving pneumonia. | Pneumonia 1
    Improved edema. | Edema 1
    Difficult to exclude pneumonia. | Pneumonia 0
    Cannot exclude small effusion. | Pleural Effusion -1
    Partially resolved edema. | Edema 1
    The effusion has nearly resolved. | Pleural Effusion 1
    Atelectasis or pneumonia at the bases. | Atelectasis -1, Pneumonia -1
    No acute or chronic fracture. | Fracture 0
    Acute or chronic fracture. | Fracture 1
    No displaced fracture is identified, mild edema. | Fracture 0, Edema 1
    Pneumonia is suspected. | Pneumonia -1
    There is possible pneumonia. | Pneumonia -1
    Pneumonia is a consideration. | Pneumonia -1
    No abnormality other than cardiomegaly. | Cardiomegaly 1
    Endotracheal tube removed. | Support Devices 0
    Interval removal of the right PICC. | Support Devices 0
    Status post removal of chest tube. | Support Devices 0
    No pneumothorax, status post chest tube removal. | Pneumothorax 0
    Heart size top normal. | Cardiomegaly 0
    Heart size is XXXX within normal limits. | Cardiomegaly 0
    Mild pulmonary vascular congestion without overt edema. | Edema -1
    No pleural effusion but there is a small pneumothorax. | Pleural Effusion 0, Pneumothorax 1
    No focal consolidation; mild edema. | Consolidation 0, Edema 1
    Lungs are clear except for a small left effusion. | Pleural Effusion 1
    Unremarkable chest apart from cardiomegaly. | Cardiomegaly 1
    Normal except mild cardiomegaly. | Cardiomegaly 1
    Pulmonary edema: resolved. | Edema 0
    Pneumothorax: not seen. | Pneumothorax 0
    Effusions: absent. | Pleural Effusion 0
    Pneumothorax - none. | Pneumothorax 0
    Fracture: None seen. | Fracture 0
    There is absence of focal consolidation. | Consolidation 0
    Follow up to resolution of pneumonia is recommended. | Pneumonia 1
    Repeat radiograph until resolution of the opacity. | Lung Opacity 1
    Pneumonia has resolved. | Pneumonia 0
    Previously seen effusion has resolved. | Pleural Effusion 0
    The pneumothorax seen previously is no longer present. | Pneumothorax 0
    The previously described nodule is no longer visualized. | Lung Lesion 0
    Pneumonia not ruled out. | Pneumonia -1
    Pneumothorax cannot be entirely ruled out. | Pneumothorax -1
    Small pneumothorax can't be ruled out. | Pneumothorax -1
    Rule out pneumothorax. | Pneumothorax
    Evaluation for pneumonia. | Pneumonia
    Please assess for effusion. | Pleural Effusion
    The heart does not appear enlarged. | Cardiomegaly 0
    Heart size is not enlarged. | Cardiomegaly 0
    The heart isn't enlarged. | Cardiomegaly 0
    Cardiac silhouette remains enlarged. | Cardiomegaly 1
    Stable enlarged cardiac silhouette. | Cardiomegaly 1
    Cardiac silhouette is stable and enlarged. | Cardiomegaly 1
    The mediastinum does not appear widened. | Enlarged Cardiomediastinum 0
    Mediastinum is not widened; heart is enlarged. | Enlarged Cardiomediastinum 0, Cardiomegaly 1
    The superior mediastinum is widened. | Enlarged Cardiomediastinum 1
    Mediastinal contours are widened. | Enlarged Cardiomediastinum 1
    Heart enlarged. | Cardiomegaly 1
    Heart moderately enlarged. | Cardiomegaly 1
    Heart is borderline enlarged. | Cardiomegaly -1
    No new or increasing effusion. | Pleural Effusion 0
    No new infiltrate. | Lung Opacity 0
    RUL infiltrate vs mass. | Lung Opacity -1, Lung Lesion -1
    Atelectasis vs. pneumonia at the left base. | Atelectasis -1, Pneumonia -1
    Interval removal of ET tube w/o pneumothorax. | Support Devices 0, Pneumothorax 0
    Chest tube removed, no PTX. | Support Devices 0, Pneumothorax 0
    PTX resolved. | Pneumothorax 0
    Tiny apical PTX. | Pneumothorax 1
    No residual PTX. | Pneumothorax 0
    LLL PNA cannot be excluded. | Pneumonia -1
    Bilateral PNA. | Pneumonia 1
    Pneumonia unlikely given the clinical picture. | Pneumonia 0
    Pneumonia is considered unlikely. | Pneumonia 0
    Unlikely pneumonia. | Pneumonia 0
    No pneumonia, mild cardiomegaly, no effusion. | Pneumonia 0, Cardiomegaly 1, Pleural Effusion 0
    No edema but moderate cardiomegaly is present. | Edema 0, Cardiomegaly 1
    No effusion, although mild atelectasis is noted. | Pleural Effusion 0, Atelectasis 1
    Opacity c/w atelectasis. | Lung Opacity 1, Atelectasis 1
    Pulmonary edema w/o effusion. | Edema 1, Pleural Effusion 0
    Effusion is not identified. | Pleural Effusion 0
    No pneumothorax is seen. | Pneumothorax 0
    Pneumothorax has not developed. | Pneumothorax 0
    Pleural effusion is not evident. | Pleural Effusion 0
    Consolidation is not present. | Consolidation 0
    Resolved pneumonia. | Pneumonia 0
    Resolved right pneumothorax, small left effusion. | Pneumothorax 0, Pleural Effusion 1
    Query pneumonia. | Pneumonia
    ? pneumonia | Pneumonia -1
    Heart size enlarged but unchanged. | Cardiomegaly 1
    Mild cardiomegaly without failure. | Cardiomegaly 1
    Heart is at the upper limits of normal. | Cardiomegaly 0
    Pleura: No effusion. Lungs: No edema or pneumonia. | Pleural Effusion 0, Edema 0, Pneumonia 0
    Effusion: No. Pneumothorax: No. | Pleural Effusion 0, Pneumothorax 0
    Effusion: negative. Lungs: negative for edema. | Pleural Effusion 0, Edema 0
    Comparison No. 3 shows an effusion. | Pleural Effusion 1
    Near-complete resolution of edema. | Edema 1
    Atelectasis; pneumonia is less likely. | Atelectasis 1, Pneumonia -1
    Widening of the superior mediastinum. | Enlarged Cardiomediastinum 1
    Mediastinal widening is not seen. | Enlarged Cardiomediastinum 0
    Effusion, if present, is tiny. | Pleural Effusion -1
    Doubt pneumonia. Effusion is doubtful. | Pneumonia 0, Pleural Effusion 0
    Nothing to suggest pneumonia. | Pneumonia 0
    Pneumonia should be considered. | Pneumonia -1
    Edema is in the differential. | Edema -1
    Pneumothorax (-). Effusion neg. | Pneumothorax 0, Pleural Effusion 0
    Opacity c/f PNA. | Pneumonia -1
    Suspicious for malignancy: mass in the apex. | Lung Lesion 1
    Heart WNL. | Cardiomegaly 0
    No PTX s/p line placement. | Pneumothorax 0
    No effusion following placement of a catheter. | Pleural Effusion 0, Support Devices 1
    Small pneumothorax after chest tube removal. | Pneumothorax 1, Support Devices 0
"""
CASES = [line.strip().split(" | ") for line in SENTENCES.strip().splitlines()]


@pytest.mark.parametrize(("sentence", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_sentence_is_read_as_a_radiologist_would(sentence, expected):
    found = dict(zip(OBSERVATIONS, clinical.label_report(sentence), strict=True))
    for part in expected.split(", "):
        observation, _, label = part.rpartition(" ")
        if label.lstrip("-").isdigit():
            assert found[observation] == int(label), sentence
        else:  # not a finding of this film
            assert found[part] is None, sentence


def positives(label) -> np.ndarray:
    """[reports, 14]: the impression or the findings say so; No Finding: both do."""
    sections = openi_sections()
    ids = sorted(set(sections["impression"]) | set(sections["findings"]))
    rows = []
    for name in ids:
        labels = [label(texts[name]) for texts in sections.values() if name in texts]
        rows.append(
            [
                (all if observation == "No Finding" else any)(one[c] == 1 for one in labels)
                for c, observation in enumerate(OBSERVATIONS)
            ]
        )
    return np.array(rows)


def micro_f1(predicted: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> float:
    ten = [OBSERVATIONS.index(name) for name in PATHOLOGIES]
    hits, claimed, present = (
        (weights @ part[:, ten]).sum() for part in (predicted & truth, predicted, truth)
    )
    return 2 * hits / (claimed + present)


def test_the_clinical_reading_is_nearer_to_the_human_indexing():
    sections = openi_sections()
    ids = sorted(set(sections["impression"]) | set(sections["findings"]))
    mesh = {name: mesh_labels(major_terms(root)) for name, root in openi_roots().items()}
    truth = np.array([[mesh[name][o] == 1 for o in OBSERVATIONS] for name in ids])
    default, ours = positives(rules.label_report), positives(clinical.label_report)
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(300):
        drawn = rng.integers(0, len(ids), len(ids))
        weights = np.bincount(drawn, minlength=len(ids)).astype(np.float64)
        differences.append(micro_f1(ours, truth, weights) - micro_f1(default, truth, weights))
    once = np.ones(len(ids))
    low, high = np.percentile(differences, [2.5, 97.5])
    TABLE.append(
        f"MeSH headings, micro F1 over the ten: original {micro_f1(default, truth, once):.3f}, "
        f"clinical {micro_f1(ours, truth, once):.3f}, difference [{low:.3f}, {high:.3f}] "
        f"({len(ids):,} reports)"
    )
    assert low > 0


@pytest.mark.parametrize(
    "text",
    [
        "Kein Pneumothorax. Pleuraerguss links. Herz normal gross.",
        "Pas de pneumothorax ni d'épanchement pleural. Silhouette cardiaque normale.",
        "No se observa neumotórax. Derrame pleural izquierdo.",
        "Cuore nei limiti. Non versamento pleurico, no pneumothorax.",
        "Sem pneumotórax ou derrame pleural. Área cardíaca normal.",
        "Geen pneumothorax. Hart niet vergroot, geen pleuravocht.",
    ],
)
def test_a_report_in_another_language_is_no_report(text):
    assert not is_english(text)
    assert not is_report(text)


def test_every_report_of_openi_is_english_and_no_loop():
    texts = [text for section in openi_sections().values() for text in section.values()]
    assert len(texts) > 7000
    assert all(map(is_english, texts))
    assert not any(map(is_loop, texts))


@pytest.mark.parametrize(
    "text",
    [
        "line " * 128,
        "Pleural effusion. " * 3,
        "no pneumothorax, no pneumothorax, NO pneumothorax; no pneumothorax",
        "The heart is normal. " + "the lungs are clear. the heart is enlarged. " * 5,
        "edema edema edema edema edema edema in the lungs",
        " ".join(["right lower lobe opacity"] * 40),
    ],
)
def test_one_phrase_again_and_again_is_no_report(text):
    assert is_loop(text)
    assert not is_report(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "line",
        "No no, a small effusion.",
        "XXXX XXXX XXXX XXXX XXXX XXXX XXXX effusion.",
        "___ ___ ___ ___ ___ ___ ___ pneumothorax.",
        "No effusion. No effusion. No acute disease.",
        "Left effusion, right effusion. Left atelectasis, right atelectasis.",
    ],
)
def test_what_a_reader_may_say_twice_is_no_loop(text):
    assert not is_loop(text)


@pytest.mark.parametrize(
    "part",
    ["no ", "(", "the heart ", "mass ", ". ", ", ", "1. a ", "effusion or ", "\n", "- a ", "[**",
     "which may represent ", "edema is not ", "possible, ", "the heart is "],
)  # fmt: skip
def test_the_time_is_linear_in_the_text(part):
    import time

    def seconds(length: int) -> float:
        text = part * (length // len(part))
        best = 99.0
        for _ in range(3):
            clinical._cached.cache_clear()
            began = time.process_time()
            clinical.label_report(text)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(80_000) < 4 * seconds(20_000) * 2.5 + 0.05
