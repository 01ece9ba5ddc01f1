"""What the headers of a plan's pictures say, before a single pixel is decoded."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from codixr.data.dicom import read_header
from codixr.data.mimic import MimicMaker, PlannedStudy
from codixr.data.mimic_cohort import picture_path
from codixr.data.preparation_plan import Plan
from codixr.errors import InputError
from codixr.progress import Progress

_THREADS = 8


def header_counts(plan: Plan, *, quiet: bool = False) -> dict[str, dict[str, int]]:
    """Photometry, bits, spacing and compression of each study's first pictures -> how many.

    Pictures whose header can't be read are counted under ``unreadable``. Of the JPG release only
    the tables are known: nothing is opened.
    """
    maker = plan.make
    if not isinstance(maker, MimicMaker) or maker.release != "dicom":
        return {}

    def look(path_of: tuple[PlannedStudy, str]) -> dict[str, str]:
        item, name = path_of
        path = picture_path(maker.root, item.subject, item.study, name, maker.release)
        try:
            return read_header(path)
        except (InputError, OSError):
            return {"unreadable": "header"}

    pictures = list(_first_pictures(plan))
    counts: dict[str, Counter[str]] = {}
    with (
        Progress("reading headers", len(pictures), 0, "files", quiet=quiet) as bar,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        for found in pool.map(look, pictures):
            for key, value in found.items():
                counts.setdefault(key, Counter())[value] += 1
            bar.advance()
    return {key: dict(sorted(values.items())) for key, values in sorted(counts.items())}


def _first_pictures(plan: Plan) -> Iterator[tuple[PlannedStudy, str]]:
    for items in plan.items.values():
        for item in items:
            yield item, item.frontal[0]
            yield item, item.lateral[0]
