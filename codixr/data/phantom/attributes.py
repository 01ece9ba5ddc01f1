"""What a simulated study's findings are like: side, zone, severity; and which devices it has.

The truth of a ``Case``, as whole numbers, for what reads pictures or reports. It says only what a
reader can know: a finding that is uncertain or not drawn has no attributes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom.case import DEVICES, Case, sample_case
from codixr.data.phantom.grammar import SEVERITIES

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "side": ("right", "left", "bilateral"),
    "zone": ("upper", "mid", "lower"),
    "severity": SEVERITIES,
}
"""Attribute -> its values, in the order of their numbers."""
BEARERS: tuple[str, ...] = (*PATHOLOGIES, *DEVICES)
"""What can have attributes: the ten pathologies, then the four devices."""
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class AttributeTable:
    """The truth of n studies.

    ``present``: int8 [n, 14], by ``BEARERS``: 1, 0, or -1 where it is uncertain. ``values``: int8
    [n, 14, 3], by ``ATTRIBUTES``: the number of the value, -1 where there is none to know.
    """

    present: NDArray[np.int8]
    values: NDArray[np.int8]


def attribute_rows(case: Case) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """One study's ``present`` [14] and ``values`` [14, 3]; see ``AttributeTable``."""
    present = np.zeros(len(BEARERS), dtype=np.int8)
    values = np.full((len(BEARERS), len(ATTRIBUTES)), UNKNOWN, dtype=np.int8)
    sides, zones = ATTRIBUTES["side"], ATTRIBUTES["zone"]
    for finding in case.findings:
        k = BEARERS.index(finding.observation)
        if not (finding.certain and finding.drawn):
            present[k] = UNKNOWN
            continue
        present[k] = 1
        # Edema is always on both sides: its side tells nothing.
        if finding.side is not None and finding.observation != "Edema":
            values[k, 0] = sides.index(finding.side)
        if finding.zone is not None:
            values[k, 1] = zones.index(finding.zone)
        values[k, 2] = min(int(finding.severity * 3), 2)
    pneumonia, opacity = BEARERS.index("Pneumonia"), BEARERS.index("Lung Opacity")
    if present[pneumonia] == 1 and case.find("Lung Opacity") is None:
        # A pneumonia is an opacity at its place, as in the labels and in the words.
        present[opacity] = 1
        values[opacity, :2] = values[pneumonia, :2]
    for device in case.devices:
        k = BEARERS.index(device.kind)
        present[k] = 1
        if device.side is not None:
            values[k, 0] = sides.index(device.side)
    return present, values


def attribute_table(seed: int, start: int, n: int) -> AttributeTable:
    """The truth of ``n`` studies of a collection, from index ``start``, without rendering any."""
    rows = [attribute_rows(sample_case(seed, start + i)) for i in range(n)]
    return AttributeTable(np.stack([p for p, _ in rows]), np.stack([v for _, v in rows]))
