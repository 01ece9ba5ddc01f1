"""The card of a family of metrics: what its numbers mean."""

from pathlib import Path

from codixr_bench.metric import Family

_PACKAGE = Path(__file__).parents[1]
_CARDS = (_PACKAGE / "cards", _PACKAGE.parents[1] / "docs" / "metrics")
"""In an installed wheel, and in the repository."""


def card_of(family: Family) -> str:
    """Its card, Markdown; the docstring of a family without one."""
    for folder in _CARDS:
        if family.card and (folder / family.card).is_file():
            return (folder / family.card).read_text(encoding="utf-8").strip()
    return (type(family).__doc__ or "").strip()
