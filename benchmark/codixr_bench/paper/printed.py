"""The numbers that the paper prints (Tables I to V), as printed; None where our copy is unreadable.

Own split of MIMIC-CXR, 33,588 images, impressions, 256 x 256. They do not all follow from one
another: ``codixr-bench reconcile`` lists the cells that don't.
"""

from codixr.data.labels import PATHOLOGIES
from codixr_bench.task import Task

Printed = tuple[float | None, ...]

CODI, CODI_XR, REAL = "CoDi", "CoDi_XR", "Real Data"

SUPPORT: dict[str, tuple[int, int, int]] = dict(
    zip(
        PATHOLOGIES,
        (
            (10561, 9123, 1438),
            (10305, 9159, 1146),
            (9911, 9657, 254),
            (10230, 9456, 774),
            (9215, 9132, 83),
            (9476, 9134, 342),
            (11136, 9156, 1980),
            (10558, 9300, 1258),
            (10454, 9601, 853),
            (9337, 9253, 84),
        ),
        strict=True,
    )
)
"""Table I: pathology -> samples, negatives, positives."""

FID: dict[str, dict[str, Printed]] = {
    CODI: {
        "T->F": (541.44, 107.23),
        "L->F": (520.03, 83.12),
        "L+T->F": (539.35, 107.17),
        "T->L": (522.00, 83.01),
        "F->L": (540.65, 105.63),
        "F+T->L": (525.80, 82.52),
    },
    CODI_XR: {
        "T->F": (10.56, 0.86),
        "L->F": (34.89, 3.31),
        "L+T->F": (22.63, 1.89),
        "T->L": (13.90, 0.84),
        "F->L": (43.24, 4.95),
        "F+T->L": (23.12, 1.99),
    },
}
"""Table II: model -> task -> Inception v3, XRV DenseNet."""

AUROC: dict[tuple[str, str | None], Printed] = {
    (REAL, None): (.84, .91, .91, .93, .81, .78, .85, .95, .78, .86, .87, .86, .87),
    (CODI, None): (.50, .50, .50, .50, .50, .50, .50, .50, .50, .50, .50, .54, .50),
    (CODI_XR, "T->F"): (.91, .95, .93, .96, .84, .82, .91, .97, .84, .88, .90, .90, .91),
    (CODI_XR, "L->F"): (.84, .88, .90, .91, .81, .76, .85, .95, .76, .82, .83, .85, .90),
    (CODI_XR, "L+T->F"): (.89, .91, .92, .91, .82, .80, .86, .97, .77, .85, .88, .89, .90),
}  # fmt: skip
"""Table III, left: model, task -> ten pathologies, then micro, macro, weighted."""

F1: dict[tuple[str, str | None], Printed] = {
    (REAL, None): (.49, .49, .35, .60, .09, .12, .60, .73, .35, .21, .49, .40, .53),
    (CODI, None): (0.0,) * 13,
    (CODI_XR, "T->F"): (.60, .60, .33, .66, .10, .05, .64, .78, .38, .17, .53, .43, .59),
    (CODI_XR, "L->F"): (.51, .45, .32, .42, .06, .07, .59, .73, .27, .10, .43, .35, .49),
    (CODI_XR, "L+T->F"): (.54, .55, .32, .64, .09, .06, .63, .75, .38, .17, .53, .44, .58),
}  # fmt: skip
"""Table III, right."""

BLEU: dict[str, dict[str, Printed]] = {
    CODI: {
        "F->T": (None, 0.001, 0.00, 0.00),
        "L->T": (0.02, 0.01, 0.00, 0.00),
        "F+L->T": (0.02, 0.01, 0.00, 0.00),
    },
    CODI_XR: {
        "F->T": (None, 0.27, 0.22, 0.18),
        "L->T": (0.38, 0.28, 0.23, 0.18),
        "F+L->T": (0.42, 0.32, 0.27, 0.22),
    },
}
"""Table IV: model -> task -> BLEU-1 to 4."""

LABEL_F1: dict[tuple[str, str | None], Printed] = {
    (CODI, None): (0.0,) * 14,
    (CODI_XR, "F->T"): (.56, .56, .15, .67, .10, .26, .47, .71, .52, .37, .88, .67, .44, .67),
    (CODI_XR, "L->T"): (.54, .58, .14, .65, .07, .23, .45, .75, .51, .30, .89, .68, .41, .68),
    (CODI_XR, "F+L->T"): (.61, .61, .17, .70, .09, .31, .53, .78, .59, .27, .91, .72, .45, .72),
}  # fmt: skip
"""Table V: model, task -> ten pathologies, No Finding, then micro, macro, weighted."""


def printed_scores(system: str, task: Task) -> dict[str, float | None]:
    """Score name -> value as printed, of one system on one task; None where it is unreadable."""
    cells: dict[str, float | None] = {}
    if task.name in FID.get(system, {}):
        cells.update(zip(("fid_inception", "fid_xrv"), FID[system][task.name], strict=True))
    for family, table in (("auroc", AUROC), ("f1", F1), ("label_f1", LABEL_F1)):
        # A system that is printed once stands for every task of its output.
        is_its = ("T" in task.outputs) if family == "label_f1" else ("F" in task.outputs)
        values = table.get((system, task.name)) or (table.get((system, None)) if is_its else None)
        if values is not None:
            names = [f"{family}_{average}" for average in ("micro", "macro", "weighted")]
            cells.update(zip(names, values[-3:], strict=True))
    if task.name in BLEU.get(system, {}):
        names = [f"bleu_{order}" for order in range(1, 5)]
        cells.update(zip(names, BLEU[system][task.name], strict=True))
    return cells
