"""More names for a denial, many in the plural, and normal lines, for the tower's last lesson.

"Free of nodules and masses" denies what "nodules and masses" alone say. Our own sentences.
"""

from codixr.data.phantom.wording_normal import CM, CO, ECM, ED, EFF, LL, LO, LUNGS, PTX, Line

NAMES: dict[str, tuple[str, ...]] = {
    LL: (
        "nodules",
        "masses",
        "nodules and masses",
        "nodules or masses",
        "masses or nodules",
        "pulmonary nodules",
        "lung nodules",
        "lung masses",
        "mass lesion",
    ),
    LO: (
        "opacities",
        "airspace opacities",
        "pulmonary opacities",
        "focal opacities",
        "lung opacities",
    ),
    CO: ("focal consolidations",),
    ED: (
        "congestive heart failure",
        "congestive heart failure",
        "heart failure",
        "chf",
        "vascular congestion",
        "pulmonary vascular congestion",
    ),
}
"""Beside the names of ``wording_normal.DENIABLE``."""

LINES = (
    Line("mediastinum is midline", (), (ECM,)),
    Line("no widening of the mediastinum", (ECM,)),
    Line("no mediastinal widening", (), (ECM,)),
    Line("no mediastinal widening is seen", (), (ECM,)),
    Line("no enlargement of the mediastinum", (ECM,)),
    Line("normal mediastinal width", (), (ECM,)),
    Line("mediastinal width is normal", (), (ECM,)),
    Line("the mediastinum is normal in width", (ECM,)),
    Line("normal width of the mediastinum", (ECM,)),
    Line("heart, mediastinum and lungs are normal", (ECM,), (*LUNGS, CM)),
    Line("heart, mediastinum and lungs are all normal", (ECM,), (*LUNGS, CM)),
    Line("lungs, heart and mediastinum are normal", (ECM,), (*LUNGS, CM)),
    Line("the heart, lungs and mediastinum are unremarkable", (ECM, CM), LUNGS),
    Line("the heart, mediastinum, hila and lungs are normal", (ECM, CM), LUNGS),
    Line("the lungs, hila and heart are normal", (), (*LUNGS, CM)),
    Line("the heart size is now normal", (CM,)),
    Line("the heart, lungs and pleura are normal", (CM,), (*LUNGS, EFF, PTX)),
    Line("the lungs and pleural spaces are normal", (), (*LUNGS, EFF, PTX)),
    Line("both costophrenic angles are clear", (), (EFF,)),
    Line("both costophrenic angles are sharp", (), (EFF,)),
    Line("costophrenic angles are clear bilaterally", (), (EFF,)),
)
