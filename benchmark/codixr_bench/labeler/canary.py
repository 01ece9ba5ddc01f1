"""A dozen sentences whose labels are beyond doubt, tried before any report is labelled.

A labeler that fails one is broken, not of another opinion: the original calls everything present
when its parser does not run, and other versions of its graph library turn labels around.
"""

from codixr.data.labels import OBSERVATIONS
from codixr.errors import InputError
from codixr_bench.labeler.interface import Labeler
from codixr_bench.labeler.labels import ABSENT, PRESENT, UNCERTAIN

CANARY: tuple[tuple[str, str, int], ...] = (
    ("No pneumothorax.", "Pneumothorax", ABSENT),
    ("There is no pleural effusion.", "Pleural Effusion", ABSENT),
    ("No evidence of pulmonary edema.", "Edema", ABSENT),
    ("There is no focal consolidation.", "Consolidation", ABSENT),
    ("Small left pleural effusion.", "Pleural Effusion", PRESENT),
    ("Large right pneumothorax.", "Pneumothorax", PRESENT),
    ("Mild cardiomegaly.", "Cardiomegaly", PRESENT),
    ("Right upper lobe consolidation.", "Consolidation", PRESENT),
    ("Multiple acute rib fractures.", "Fracture", PRESENT),
    ("Bibasilar atelectasis.", "Atelectasis", PRESENT),
    ("Possible right lower lobe pneumonia.", "Pneumonia", UNCERTAIN),
    ("This may represent pneumonia.", "Pneumonia", UNCERTAIN),
)
"""(sentence, observation, label)."""


def check(labeler: Labeler) -> None:
    """InputError when a label is wrong; where a labeler cannot tell absent, "not present" will do.

    So will "present" for an uncertain one: a labeler may lean. Absent it is not.
    """
    found = labeler.label([sentence for sentence, _, _ in CANARY])
    for (sentence, observation, label), labels in zip(CANARY, found, strict=True):
        got = labels[OBSERVATIONS.index(observation)]
        if label == ABSENT:
            fine = got == ABSENT if labeler.tells_absent else got not in (PRESENT, UNCERTAIN)
        elif label == UNCERTAIN:
            fine = got in (UNCERTAIN, PRESENT)
        else:
            fine = got == PRESENT
        if not fine:
            raise InputError(
                f"labeler '{labeler.name}' labels '{sentence}' as {observation} "
                f"{_word(got)}, not {_word(label)}: it is broken or not wholly installed, and "
                "nothing was labelled"
            )


def _word(label: int | None) -> str:
    return {1: "present", 0: "absent", -1: "uncertain", None: "not mentioned"}.get(label, "?")
