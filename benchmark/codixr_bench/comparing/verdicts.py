"""The court's verdicts as text, Markdown and JSON."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from codixr.modality import Modality
from codixr_bench.comparing.court import ALPHA, LEAST
from codixr_bench.comparing.trial import Finding, Row, Trial, Verdict
from codixr_bench.show.number import number

_GROWS = "↑"
_WHAT = {
    Modality.F: "frontal pictures",
    Modality.L: "lateral pictures",
    Modality.T: "reports",
}


def as_text(trial: Trial, width: int = 80) -> Iterator[str]:
    """Lines: a paragraph a score."""
    yield f"{trial.track}, {trial.n} studies; {_GROWS}: a severer fault costs more"
    for row in trial.rows:
        real, worthless = (number(row.score, value) for value in (row.real, row.worthless))
        yield ""
        yield f"{row.label}: {real} real, {worthless} worthless"
        for what, findings in _paragraphs(row):
            text = f"{what}: {_listed(findings)}"
            yield from textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="    ")
    for score, why in trial.without.items():
        yield f"\nnot on trial: {score}: {why}"


def as_markdown(trial: Trial) -> Iterator[str]:
    """Lines: a table of verdicts, and a table of what each fault costs each score."""
    yield "| score | sees | is blind to | rewards | minds, though harmless |"
    yield "|---|---|---|---|---|"
    for row in trial.rows:
        cells = [
            _listed(row.faults(Verdict.SEES)),
            _listed(row.faults(Verdict.BLIND)),
            _listed(row.faults(Verdict.REWARDS)),
            _listed(_minded(row)),
        ]
        yield f'| <a id="{anchor(row)}"></a>`{row.label}` | {" | ".join(cells)} |'
    for output, what in _WHAT.items():
        rows = [row for row in trial.rows if row.output is output]
        if rows:
            yield ""
            yield f"### What faults of {what} cost"
            yield ""
            yield from _costs(rows)
    for score, why in trial.without.items():
        yield ""
        yield f"Not on trial: `{score}`: {why}."


def as_json(trial: Trial) -> dict[str, Any]:
    """Everything, unrounded."""
    return {
        "track": trial.track,
        "n": trial.n,
        "least": LEAST,
        "alpha": ALPHA,
        "scores": [
            {
                "score": row.label,
                "task": row.task,
                "real": row.real,
                "worthless": row.worthless,
                "faults": [_fault(finding) for finding in row.findings],
            }
            for row in trial.rows
        ],
        "not_on_trial": trial.without,
        "lost": [{"score": score, "fault": fault} for score, fault in trial.lost()],
    }


def anchor(row: Row) -> str:
    """Where the page has a row: ``fid_phantom-F``."""
    return row.label.replace("[", "-").removesuffix("]")


def _paragraphs(row: Row) -> Iterator[tuple[str, Sequence[Finding]]]:
    for verdict, what in (
        (Verdict.SEES, "sees"),
        (Verdict.BLIND, "is blind to"),
        (Verdict.REWARDS, "rewards"),
        (Verdict.NO_VALUE, "has no value with"),
        (Verdict.NOT_TRIED, "was not tried with"),
    ):
        if found := row.faults(verdict):
            yield what, found
    if minded := _minded(row):
        yield "minds, though harmless", minded


def _minded(row: Row) -> list[Finding]:
    return row.faults(Verdict.SEES, harmless=True)


def _listed(findings: Sequence[Finding]) -> str:
    return ", ".join(f"{f.fault.name}{' ' + _GROWS if _grows(f) else ''}" for f in findings)


def _grows(finding: Finding) -> bool:
    return finding.grows and finding.verdict is Verdict.SEES


def _costs(rows: Sequence[Row]) -> Iterator[str]:
    faults = [finding.fault for finding in rows[0].findings]
    yield f"| fault, its grades | {' | '.join(f'`{row.label}`' for row in rows)} |"
    yield f"|---|{'---:|' * len(rows)}"
    for place, fault in enumerate(faults):
        grades = ", ".join(f"{grade:g}" for grade in fault.grades)
        cells = [_cost(row.findings[place]) for row in rows]
        yield f"| {fault.name}: {grades} ({fault.unit}) | {' | '.join(cells)} |"


def _cost(finding: Finding) -> str:
    if not finding.losses:
        return "–"
    shown = f"{finding.losses[-1]:.2f}"
    return "0.00" if shown == "-0.00" else shown


def _fault(finding: Finding) -> dict[str, Any]:
    fault = finding.fault
    return {
        "fault": fault.name,
        "harmless": fault.harmless,
        "grades": list(fault.grades),
        "unit": fault.unit,
        "studies": finding.studies,
        "values": list(finding.values),
        "losses": list(finding.losses),
        "p": finding.p,
        "grows": finding.grows,
        "verdict": str(finding.verdict),
    }
