"""What the court finds: a row a score, a finding a fault, and the sensitivities that were lost."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from codixr.modality import Modality
from codixr_bench.comparing.fault import Fault
from codixr_bench.comparing.picture_faults import PICTURE_FAULTS
from codixr_bench.comparing.report_faults import REPORT_FAULTS
from codixr_bench.metric import About
from codixr_bench.registry import facts_of, family_of

FAULTS = (*PICTURE_FAULTS, *REPORT_FAULTS)


class Verdict(StrEnum):
    """What a score makes of a fault."""

    SEES = "sees"
    BLIND = "blind"
    REWARDS = "rewards"
    NOT_TRIED = "not tried"
    """No study has what the fault changes."""
    NO_VALUE = "no value"
    """The score is null with the fault."""


@dataclass(frozen=True)
class Finding:
    """A score and a fault."""

    fault: Fault
    verdict: Verdict
    studies: int = 0
    """With the fault in its severest grade."""
    values: tuple[float | None, ...] = ()
    """Of the score, a grade each."""
    losses: tuple[float, ...] = ()
    """What each grade costs, as a share of what worthless outputs cost; below 0: it is better."""
    p: float | None = None
    """One-sided, of the severest grade; None without influences."""
    grows: bool = False
    """Whether a severer grade costs more, each time."""


@dataclass(frozen=True)
class Row:
    """A score on trial."""

    score: str
    """Without the view."""
    output: Modality
    """What was changed."""
    task: str
    real: float
    """Of the real outputs."""
    worthless: float
    findings: tuple[Finding, ...]

    @property
    def label(self) -> str:
        """A picture's score names its output, ``fid_phantom[F]``; a report's does not."""
        facts = facts_of(self.score)
        of_reports = facts is not None and facts.about is About.REPORT
        return self.score if of_reports else f"{self.score}[{self.output}]"

    def faults(self, verdict: Verdict, *, harmless: bool = False) -> list[Finding]:
        """The findings with that verdict, of faults or of harmless changes."""
        return [f for f in self.findings if f.verdict is verdict and f.fault.harmless is harmless]


@dataclass
class Trial:
    """All rows of a track, and what could not be tried."""

    track: str
    n: int
    rows: list[Row] = field(default_factory=list)
    without: dict[str, str] = field(default_factory=dict)
    """Score -> why it was not on trial."""

    def lost(self) -> Iterator[tuple[str, str]]:
        """(score, fault) of every sensitivity that a metric declares and doesn't show here."""
        for row in self.rows:
            family = family_of(row.score)
            found = {finding.fault.name: finding.verdict for finding in row.findings}
            for name in family.sees.get(row.score, ()) if family is not None else ():
                if name not in {fault.name for fault in FAULTS} or found.get(name) in (
                    Verdict.BLIND,
                    Verdict.REWARDS,
                    Verdict.NO_VALUE,
                ):
                    yield row.label, name
