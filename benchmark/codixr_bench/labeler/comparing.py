"""Two labelings of the same reports side by side: files of labels, or labelers at work."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from codixr.errors import InputError
from codixr_bench.labeler.agreement import Tally
from codixr_bench.labeler.labels import Labels

Labelled = tuple[str, Labels]
"""Identity and labels."""
_SHOWN = 12
_HEADS = ("differ", "same", "either", "kappa", "pres.", "unc.", "abs.", "none")
"""Short, so that a terminal of 80 columns shows every digit."""


@dataclass(frozen=True)
class Comparison:
    """What two labelings have in common."""

    names: tuple[str, str]
    tally: Tally
    matched: int
    """Reports that both label."""
    by: str | None
    """The column that matched them; None: their order."""
    alone: tuple[int, int] = (0, 0)
    """Reports that only one of them labels."""


def match(
    names: tuple[str, str], one: Iterable[Labelled], other: Iterable[Labelled], by: str | None
) -> Comparison:
    """Match labels by identity, or by order where ``by`` is None.

    InputError where an identity comes twice, or the order cannot match: the numbers differ.
    """
    tally = Tally()
    if by is None:
        matched = 0
        first, second = iter(one), iter(other)
        while (a := next(first, None)) is not None:
            if (b := next(second, None)) is None:
                raise _unequal(names[0], names[1])
            tally.add(a[0], a[1], b[1])
            matched += 1
        if next(second, None) is not None:
            raise _unequal(names[1], names[0])
        return Comparison(names, tally, matched, None)
    waiting = dict(_once(names[1], by, other))
    matched = alone = 0
    for identity, labels in _once(names[0], by, one):
        found = waiting.pop(identity, None)
        if found is None:
            alone += 1
            continue
        tally.add(identity, labels, found)
        matched += 1
    if not matched:
        raise InputError(f"'{names[0]}' and '{names[1]}' have no {by} in common")
    return Comparison(names, tally, matched, by, (alone, len(waiting)))


def _once(name: str, by: str, rows: Iterable[Labelled]) -> Iterator[Labelled]:
    seen: set[str] = set()
    for number, (identity, labels) in enumerate(rows, 1):
        if identity in seen:
            raise InputError(f"'{name}', row {number}: its {by} has come before")
        seen.add(identity)
        yield identity, labels


def _unequal(longer: str, shorter: str) -> InputError:
    return InputError(
        f"'{longer}' has more rows than '{shorter}', and no column (study_id) to match them by"
    )


def as_json(comparison: Comparison, *, ids: bool) -> str:
    """The comparison as JSON; with ``ids``, the reports that differ."""
    differ = comparison.tally.differing
    rows = [
        asdict(one) | ({"differ": differ.get(one.observation, [])} if ids else {})
        for one in comparison.tally.agreements()
    ]
    facts = {
        "a": comparison.names[0],
        "b": comparison.names[1],
        "matched": comparison.matched,
        "matched_by": comparison.by or "order",
        "only_in_a": comparison.alone[0],
        "only_in_b": comparison.alone[1],
        "by": rows,
    }
    return json.dumps(facts, indent=2)


def print_comparison(comparison: Comparison, *, ids: bool) -> None:
    """Print agreement and kappa by observation; with ``ids``, the reports that differ."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("observation", no_wrap=True)
    for head in _HEADS:
        table.add_column(head, justify="right")
    differing = comparison.tally.differing
    for one in comparison.tally.agreements():
        cells = [one.agreement, one.mentioned, one.kappa, *one.by_class.values()]
        count = len(differing.get(one.observation, ()))
        table.add_row(one.observation, f"{count:,}", *(_shown(cell) for cell in cells))
    console.print(table)
    console.print()
    console.print(_footing(comparison), highlight=False, markup=False)
    for name, rows in differing.items() if ids else ():
        more = f", and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
        shown = ", ".join(rows[:_SHOWN])
        console.print(f"{name}: differs in {shown}{more}", markup=False, highlight=False)


def _footing(comparison: Comparison) -> str:
    how = f"matched by {comparison.by}" if comparison.by else "in the same order"
    alone = "".join(
        f"; {count:,} only in {name}"
        for name, count in zip(comparison.names, comparison.alone, strict=True)
        if count
    )
    return (
        f"{comparison.matched:,} reports, {how}{alone}; same: equal labels; either: equal where "
        "either mentions it; kappa: Cohen's over the four classes, then of each against the rest: "
        "present, uncertain, absent, not mentioned"
    )


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
