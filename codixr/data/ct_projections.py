"""Projections of CT that somebody made: DRR-RATE's folders, or any that keep views apart.

DRR-RATE (arXiv:2406.03688, https://huggingface.co/datasets/farrell236/DRR-RATE) projects CT-RATE:
``train/AP/train_1/train_1_a/train_1_a_1.png`` and the same under ``LATERAL``.

Notable:
- A picture's view is the nearest folder above it that is called like one; its scan is the file's
  name, as CT-RATE's tables have it.
- The pictures are taken as they are: not turned, mirrored or inverted. Which way they look is the
  maker's business; they differ from ours (``ct_render.py``), and their recipe says so.
- A scan needs both views of the same reconstruction.
"""

from dataclasses import dataclass
from pathlib import Path

from codixr.data.candidates import read_views
from codixr.data.ct_scan import VIEWS, PlannedScan
from codixr.data.ct_tables import volume_name
from codixr.data.picture import SUFFIXES
from codixr.data.preparation_plan import Made, Reject
from codixr.errors import InputError

_VIEW_OF = {
    **dict.fromkeys(("ap", "pa", "frontal", "f"), "frontal"),
    **dict.fromkeys(("lateral", "lat", "l"), "lateral"),
}
Pair = tuple[str, str]
"""Paths of a frontal and a lateral picture."""


@dataclass(frozen=True, slots=True)
class ProjectionMaker:
    """A planned scan → its row."""

    root: Path
    size: int

    def __call__(self, item: PlannedScan[Pair]) -> Made:
        """Read the first reconstruction whose two views can be read."""
        rejects: list[Reject] = []
        for pair in item.volumes:
            files = {
                view: [(name, self.root / name)] for view, name in zip(VIEWS, pair, strict=True)
            }
            found = read_views(files, self.size)
            rejects += found.rejects
            if found.missing is None:
                frontal, lateral = (found.images[view] for view in VIEWS)
                row = item.row(frontal, lateral, found.sources, found.notes)
                return Made(row, rejects=tuple(rejects))
        return Made(None, "no two readable views", tuple(rejects))


def find_projections(root: Path) -> tuple[dict[str, Pair], set[str]]:
    """Scan -> its two pictures' paths under ``root``; and the names that are there twice.

    InputError: no such folder, or no scan with both views.
    """
    if not root.is_dir():
        raise InputError(f"--projections: '{root}' is not a folder; give the one of the pictures")
    found: dict[str, dict[str, str]] = {view: {} for view in VIEWS}
    twice: set[str] = set()
    for path in sorted(root.rglob("*")):
        here = path.relative_to(root)
        view = _view(here)
        if view is None or path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        name = volume_name(path.name)
        if name in found[view]:
            twice.add(name)
        found[view][name] = here.as_posix()
    frontal, lateral = (found[view] for view in VIEWS)
    both = {name: (frontal[name], lateral[name]) for name in sorted(frontal.keys() & lateral)}
    if not both:
        raise InputError(
            f"--projections: no scan with two views under '{root}' ({len(frontal):,} frontal, "
            f"{len(lateral):,} lateral pictures); a view is a folder's name, AP or LATERAL, and a "
            "scan's two pictures have the same name"
        )
    return both, twice


def _view(path: Path) -> str | None:
    """What the nearest folder with a view's name says."""
    for folder in reversed(path.parts[:-1]):
        if view := _VIEW_OF.get(folder.lower()):
            return view
    return None
