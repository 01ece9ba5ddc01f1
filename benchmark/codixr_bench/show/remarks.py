"""What a reader must know beside a result's numbers: what is missing, and what they don't mean."""

from codixr_bench.registry import family_of, family_warnings
from codixr_bench.result import Result
from codixr_bench.score import UNRANKED, ResultWarning


def remarks(result: Result) -> list[str]:
    """A line each: what a result warns of, what has no value, and what families say of theirs."""
    # Files of before version 0.3 hold no warnings: families' own follow from the scores.
    held = "warnings" in result.model_fields_set
    warnings = result.warnings if held else family_warnings(result.scores)
    return [*map(warning_line, warnings), *not_scored(result), *caveats(result)]


def warning_line(warning: ResultWarning) -> str:
    """The code, the message, and whether the result takes no rank."""
    ends = "; a result with this takes no rank" if warning.code in UNRANKED else ""
    return f"{warning.told}{ends}"


def caveats(result: Result) -> list[str]:
    """What their families say of the values; equal words of several scores stand once."""
    said: dict[str, list[str]] = {}
    for score in result.scores:
        family = family_of(score.name)
        for caveat in family.caveats(score) if family else ():
            said.setdefault(caveat, []).append(score.name)
    return [f"{', '.join(names)}: {caveat}" for caveat, names in said.items()]


def not_scored(result: Result) -> list[str]:
    """A line for every score or pathology without a value, and why."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for score in result.scores:
        if score.value is None:
            reasons.setdefault(("", score.reason or "no reason given"), []).append(score.name)
        for label, one in score.per_class.items():
            if one.value is None:
                key = (label, one.reason or "no reason given")
                reasons.setdefault(key, []).append(score.name)
    return [
        f"{label or ', '.join(names)}: not scored: {reason}"
        + (f" ({', '.join(names)})" if label else "")
        for (label, reason), names in reasons.items()
    ]
