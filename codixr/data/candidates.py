"""The pictures of one study: of several candidates for a view, the first that can be read."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codixr.data.picture import fit_file
from codixr.data.plain_picture import KINDS
from codixr.data.preparation_plan import Reject, reject_reason
from codixr.data.radiograph import check_file
from codixr.data.study import Image
from codixr.errors import InputError

Candidate = tuple[str, Path]
"""Its name in rejects.csv, and its file."""


@dataclass
class ReadViews:
    """What was read, and what could not be; ``missing`` names the first view that has nothing."""

    images: dict[str, Image] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """View → sha256 of the file."""
    notes: tuple[str, ...] = ()
    rejects: tuple[Reject, ...] = ()
    missing: str | None = None


def read_views(candidates: Mapping[str, Iterable[Candidate]], size: int) -> ReadViews:
    """``candidates``: frontal and lateral → files, best first. Each picture is [1, size, size].

    A file that can't be read becomes a reject; no exception leaves here.
    """
    found = ReadViews()
    notes: dict[str, None] = {}
    rejects: list[Reject] = []
    for view, files in candidates.items():
        for name, path in files:
            try:
                check_file(path, KINDS)
                content = path.read_bytes()
                fitted = fit_file(path, size, content)
            except (InputError, OSError) as error:
                rejects.append(Reject(name, "pixels", reject_reason(error, path)))
                continue
            found.images[view] = fitted.image
            found.sources[view] = hashlib.sha256(content).hexdigest()
            notes |= dict.fromkeys(fitted.notes)
            break
        else:
            found.missing = view
            break
    found.notes, found.rejects = tuple(notes), tuple(rejects)
    return found
