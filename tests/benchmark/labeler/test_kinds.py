"""Sentences of the kinds that public bug reports name, as the original reads them.

None stands in the shared cases; the label follows from the original's rules (docs/labeler.md).
"""

import pytest

from codixr.data.labels import OBSERVATIONS
from codixr_bench.labeler.rules import label_report

KINDS = {
    "no -ing finding": """
        No complicating pneumothorax. | Pneumothorax 0
        No coexisting pneumonia. | Pneumonia 0
        No enlarging pleural effusion. | Pleural Effusion 0
        No surrounding consolidation. | Consolidation 0
        No overlying fracture. | Fracture 0
        No obscuring opacity. | Lung Opacity 0
        There is no lingering effusion or residual edema. | Pleural Effusion 0, Edema 0
        There are no indwelling tubes or lines. | Support Devices 0
        No impending or frank edema. | Edema 0
        No protruding or indwelling lines. | Support Devices 0
        No accompanying effusion, edema, or pneumothorax. | Edema 0, Pneumothorax 0
        Atelectasis without accompanying effusion. | Atelectasis 1, Pleural Effusion 0
        No rapidly expanding pneumothorax is seen. | Pneumothorax 0
        Cardiomegaly with accompanying edema. | Cardiomegaly 1, Edema 1
        Accompanying effusion is possible. | Pleural Effusion -1
        No suspicious appearing nodules. | Lung Lesion 1
    """,
    "adjectives joined behind 'no'": """
        There is no residual or enlarging pneumothorax. | Pneumothorax 0
        There are no focal or accompanying infiltrates. | Lung Opacity 0
        There is no new, enlarging, or loculated effusion. | Pleural Effusion -1
        Lungs show no residual or recurrent pneumothorax. | Pneumothorax 0
        No focal, segmental or lobar consolidation. | Consolidation 0
        No large, enlarging, or loculated effusion. | Pleural Effusion 0
        No loculated or layering effusion. | Pleural Effusion 0
        There is a small or moderate effusion. | Pleural Effusion 1
        Heart is normal and mediastinal contours are clear. | Enlarged Cardiomediastinum 0
    """,
    "not excluded": """
        Early fracture not excluded. | Fracture -1
        Small pneumothorax not excluded on the left. | Pneumothorax -1
        Pneumonia or edema not excluded. | Pneumonia -1, Edema -1
        Bibasilar atelectasis, pneumonia not excluded. | Atelectasis 1, Pneumonia -1
        No effusion, small pneumothorax not excluded. | Pleural Effusion 0, Pneumothorax -1
        Pneumothorax not completely excluded. | Pneumothorax 0
        Small left effusion not fully excluded. | Pleural Effusion 0
        Infection not altogether excluded. | Pneumonia 0
        A fracture not quite excluded. | Fracture 0
        Pneumonia is not entirely excluded. | Pneumonia -1
        Pneumonia excluded. | Pneumonia 0
        Small apical pneumothorax not excluded due to overlying tubing. | Pneumothorax -1
        Atelectasis, with pneumonia not excluded. | Atelectasis 1, Pneumonia -1
        Effusion with atelectasis and edema not excluded. | Pleural Effusion 1, Edema -1
        Pneumonia isn't excluded. | Pneumonia -1
        We can't exclude a small effusion. | Pleural Effusion -1
    """,
    "difficult to exclude": """
        A mass is difficult to exclude. | Lung Lesion 0
        Underlying consolidation may be difficult to exclude. | Consolidation 0
        Pneumonia is difficult to completely exclude. | Pneumonia 0
        Pneumonia or edema is difficult to exclude. | Pneumonia 0, Edema 0
        Infection remains difficult to exclude. | Pneumonia 0
        Superimposed pneumonia difficult to exclude. | Pneumonia 0
        Opacities are seen, and infection is difficult to exclude. | Lung Opacity 1, Pneumonia 0
    """,
    "rather than": """
        Opacity may represent atelectasis rather than pneumonia. | Atelectasis -1, Pneumonia 0
        Findings reflect atelectasis rather than infection or edema. | Pneumonia 0, Edema 0
        Opacity due to atelectasis rather than due to pneumonia. | Atelectasis 1, Pneumonia 0
        Atelectasis rather than pneumonia is suspected. | Atelectasis -1, Pneumonia 0
        Mild atelectasis, rather than pneumonia, is favored. | Atelectasis 1, Pneumonia 0
        Findings suggest edema rather than infection. | Edema 1, Pneumonia 0
        Old rather than acute fracture. | Fracture 1
    """,
    "drain": """
        Drain projects over the left base. | Support Devices 1
        Catheter (drain in the left base). | Support Devices 1
        Drain has been removed. | Support Devices 0
    """,
    "obscured": """
        The mediastinal silhouette is obscured. | Enlarged Cardiomediastinum -1
        The cardiac silhouette is largely obscured by effusion. | Cardiomegaly -1
        Cardiac size partially obscured. | Cardiomegaly -1
        Opacity obscures the cardiac silhouette. | Lung Opacity -1, Cardiomegaly 0
        The cardiac silhouette remains obscured by effusion. | Cardiomegaly -1, Pleural Effusion -1
        The mediastinum appears partially obscured. | Enlarged Cardiomediastinum -1
        The chest tube appears removed. | Support Devices 0
        Heart size appears normal. | Cardiomegaly 0
    """,
    "versus": """
        Patchy opacities bilaterally, edema versus infection. | Lung Opacity 1, Edema -1
        Left basilar consolidation, atelectasis versus pneumonia. | Consolidation 1, Pneumonia -1
        There are bibasilar opacities, atelectasis versus edema. | Lung Opacity 1, Edema -1
        Consolidation, which might reflect edema versus infection. | Consolidation -1, Edema -1
        Consolidation, which might reflect edema or infection. | Consolidation 1, Edema -1
        Atelectasis versus pneumonia. | Atelectasis -1, Pneumonia -1
    """,
    "a remark between 'may' and its verb": """
        Haze may, in the appropriate clinical setting, represent edema. | Edema -1
        Haze could in this setting reflect atelectasis. | Atelectasis -1
        Haze may on this portable film be due to effusion. | Pleural Effusion -1
        Haze may, however, represent edema. | Edema -1
        Haze may, given the effusion, represent edema. | Edema -1, Pleural Effusion 1
        This may, or may not, represent pneumonia. | Pneumonia -1
        Pneumonia cannot, on this view, be excluded. | Pneumonia -1
        Pneumonia could not, on this view, be excluded. | Pneumonia -1
        Effusion should, in the future, be followed. | Pleural Effusion 1
        The tube may need to be advanced. | Support Devices 1
    """,
    "in part": """
        Diffuse haze may in part represent edema. | Edema -1
        Diffuse haze may at least partially reflect edema. | Edema -1
        Diffuse haze may be due in part to edema. | Edema -1
        Diffuse haze may represent at least in part atelectasis. | Atelectasis -1
        Diffuse haze may indeed represent atelectasis. | Atelectasis -1
        Edema, in part, has resolved. | Edema 0
        No pneumothorax in part of the lung. | Pneumothorax 0
        At least mild edema. | Edema 1
    """,
    "of which": """
        Markings, some of which may represent edema. | Edema -1
        Haze, part of which could reflect atelectasis. | Atelectasis -1
        Opacity, the majority of which is atelectasis. | Lung Opacity 1, Atelectasis 1
        The lung, in which there is an effusion, is small. | Pleural Effusion 1
        Two leads, one of which is fractured. | Fracture 1
        A base in which consolidation is not excluded. | Consolidation -1
        Opacity in which a nodule cannot be excluded. | Lung Opacity 1, Lung Lesion -1
    """,
    "ours to decide": """
        Cardiomegaly but no pneumothorax, however edema persists. | Pneumothorax 0, Edema 1
        Opacity could be due to edema or pneumonia, has increased. | Edema -1, Pneumonia -1
        Aside from atelectasis, the lungs are clear. | Atelectasis 0
        Apart from cardiomegaly and edema, the chest is normal. | Cardiomegaly 0, Edema 0
        The lungs are clear aside from scarring. | Lung Opacity 0
        - Effusion - Edema | Pleural Effusion 1, Edema 1
        - No effusion - Edema | Pleural Effusion 0, Edema 0
    """,
    "within normal limits": """
        Heart size is maintained within normal limits. | Cardiomegaly 1
        Heart size is large, vessels within normal limits. | Cardiomegaly 0
        Heart size is at top limits of normal. | Cardiomegaly 1
    """,
}
CASES = [
    (kind, *line.strip().split(" | "))
    for kind, lines in KINDS.items()
    for line in lines.strip().splitlines()
]


@pytest.mark.parametrize(("kind", "sentence", "expected"), CASES, ids=[c[1] for c in CASES])
def test_a_sentence_of_a_kind_is_labelled_as_the_original_does(kind, sentence, expected):
    found = dict(zip(OBSERVATIONS, label_report(sentence), strict=True))
    for part in expected.split(", "):
        observation, _, label = part.rpartition(" ")
        assert found[observation] == int(label), kind
