"""The Indiana University collection (OpenI): its real reports, read in place.

Notable:
- The 3,955 report files come with the torchxrayvision package; they are read from the user's
  installed copy and never copied (CC BY-NC-ND 4.0). torchxrayvision itself isn't imported.
- A study is a report with an impression (3,921 of them); its report is that impression.
- There is one split, ``test``: all of them. The collection has no official split, and holding part
  of it out as training reports would only shrink the test set of models that are trained elsewhere.
  A model that needs reports to train on (``retrieval``) can't run on this track; ``constant`` says
  ``NORMAL_IMPRESSION``, a sentence fixed beforehand and not fitted to these reports.
- The pictures are a separate download, so studies have no views here: a model that is given F or L
  can't run, one that ignores its inputs can. ``openi_pictures.py`` prepares them.

Source: Demner-Fushman et al., "Preparing a collection of radiology examinations for distribution
and retrieval", JAMIA 2016.
"""

import gzip
import hashlib
import importlib.util
import io
import re
import tarfile
import xml.etree.ElementTree as ElementTree
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from codixr.data.openi_mesh import major_terms, mesh_labels
from codixr.data.study import Split, Study
from codixr.errors import InputError
from codixr.modality import Modality

NORMAL_IMPRESSION = "No acute cardiopulmonary abnormality."
"""What a radiologist writes for a chest X-ray without findings: the text of a constant model."""

ARCHIVE_SHA256 = "8fb6de7eec73d8c3665067ad4bb003ccd57f971ae316d2642e1627ac7268667a"
"""The archive in torchxrayvision 1.5.7; it holds 3,955 reports, 3,921 with an impression."""

_RECIPE = "openi 1: IMPRESSION, whitespace collapsed, not empty; by file number; all test"
_CURE = "reinstall it with `pip install --force-reinstall --no-deps torchxrayvision`"
_LATERAL = re.compile(r"\blat(?:eral)?\b", re.IGNORECASE)
_MAX_REPORT_BYTES = 1 << 20
_MAX_ARCHIVE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class OpenIReport:
    """One report file: impression, MeSH labels (``openi_mesh.py``), and the names of its pictures.

    ``lateral``: whether the examination's name says that one of them is a lateral view.
    """

    impression: str
    labels: dict[str, int | None]
    pictures: tuple[str, ...]
    lateral: bool


class OpenIDataset:
    """The impressions of OpenI, one study a report, in the order of the report files' numbers.

    ``split`` has to be ``test`` (the module says why). ``archive`` is another copy of
    ``NLMCXR_reports.tgz``; by default the one inside the installed torchxrayvision. Labels are
    empty: unknown. InputError when the split doesn't exist, or the archive is missing or corrupt.
    """

    name = "openi"
    version = "1"
    modalities = frozenset({Modality.T})

    def __init__(self, split: Split = "test", archive: Path | None = None) -> None:
        if split != "test":
            raise InputError(
                f"track 'openi' has no split '{split}': all its studies are test studies, "
                "none to train on; use --split test, or --track phantom for a model that "
                "needs training reports"
            )
        self.split: Split = split
        self._studies, self.fingerprint = _load(archive or find_archive())

    def __len__(self) -> int:
        """The number of studies (3,921 with the known archive)."""
        return len(self._studies)

    def __getitem__(self, index: int) -> Study:
        """The study at ``index``, 0-based; IndexError outside the split."""
        if not 0 <= index < len(self._studies):
            raise IndexError(f"index {index} is outside a split of {len(self._studies)} studies")
        return self._studies[index]

    def study_ids(self) -> list[str]:
        """All study ids, in order."""
        return [study.study_id for study in self._studies]

    def subject_ids(self) -> list[str]:
        """The patient of every study: each has one."""
        return self.study_ids()


def find_archive() -> Path:
    """The report archive of the installed torchxrayvision, found without importing the package.

    InputError when the package or the file isn't there.
    """
    spec = importlib.util.find_spec("torchxrayvision")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        archive = Path(folder) / "data" / "NLMCXR_reports.tgz"
        if archive.is_file():
            return archive
    if spec is None:
        raise InputError(
            "track 'openi' reads its reports from the package torchxrayvision, which isn't "
            "installed: `pip install torchxrayvision`"
        )
    raise InputError(
        f"track 'openi': the installed torchxrayvision has no data/NLMCXR_reports.tgz; {_CURE}"
    )


def _load(archive: Path) -> tuple[tuple[Study, ...], str]:
    try:
        status = archive.stat()
    except OSError as error:
        raise InputError(
            f"track 'openi': cannot read {archive}: {error.strerror}; {_CURE}"
        ) from error
    return _read_archive(archive, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=2)
def _read_archive(archive: Path, size: int, _mtime_ns: int) -> tuple[tuple[Study, ...], str]:
    """Studies and fingerprint; cached as long as the file keeps its size and time."""
    packed, reports = _read_reports(archive, size)
    studies = tuple(
        # The collection holds one examination a patient.
        Study(
            study_id=f"CXR{number}",
            subject_id=f"CXR{number}",
            split="test",
            report=report.impression,
        )
        for number, report in sorted(reports.items())
    )
    recipe = f"{_RECIPE}\n{hashlib.sha256(packed).hexdigest()}\n"
    return studies, hashlib.sha256(recipe.encode()).hexdigest()


def read_reports(archive: Path) -> dict[int, OpenIReport]:
    """File number → report, of those with an impression.

    InputError when the archive is missing or corrupt.
    """
    try:
        size = archive.stat().st_size
    except OSError as error:
        raise InputError(f"track 'openi': cannot read {archive}: {error.strerror}") from error
    return _read_reports(archive, size)[1]


def _read_reports(archive: Path, size: int) -> tuple[bytes, dict[int, OpenIReport]]:
    if size > _MAX_ARCHIVE_BYTES:
        raise InputError(f"track 'openi': {archive} is far too large ({size:,} bytes); {_CURE}")
    try:
        packed = archive.read_bytes()
        reports = _reports(packed)
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
        kind = type(error).__name__  # the message itself could quote a report
        raise InputError(f"track 'openi': {archive} is corrupt ({kind}); {_CURE}") from None
    if not reports:
        raise InputError(f"track 'openi': {archive} holds no report with an impression; {_CURE}")
    return packed, reports


def _reports(packed: bytes) -> dict[int, OpenIReport]:
    """File number → impression, whitespace collapsed, and labels; those with an impression."""
    # Unpacked as a whole first: that checks the gzip checksum, which tarfile alone doesn't.
    with gzip.open(io.BytesIO(packed)) as stream:
        unpacked = stream.read(_MAX_ARCHIVE_BYTES)
        if stream.read(1):
            raise ValueError("the archive unpacks to more than it can hold")
    reports = {}
    with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if not member.isfile() or path.suffix != ".xml" or not path.stem.isdecimal():
                continue
            if member.size > _MAX_REPORT_BYTES:
                raise ValueError("a report file is far too large")
            file = archive.extractfile(member)
            assert file is not None, "a regular member has content"
            root = _parse(file.read())
            if impression := _impression(root):
                reports[int(path.stem)] = OpenIReport(
                    impression,
                    mesh_labels(major_terms(root)),
                    tuple(image.get("id", "") for image in root.iter("parentImage")),
                    any(_LATERAL.search(node.text or "") for node in root.iter("caption")),
                )
    return reports


def _parse(xml: bytes) -> ElementTree.Element:
    text = xml.decode("utf-8")
    if "<!DOCTYPE" in text:  # entities can only be declared there: none to expand, none to fetch
        raise ValueError("a report file declares a document type")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        raise ValueError("a report file is not XML") from None


def _impression(root: ElementTree.Element) -> str:
    """The impression of one report file, or an empty string."""
    sections = [
        section.text or ""
        for section in root.iter("AbstractText")
        if section.get("Label") == "IMPRESSION"
    ]
    return " ".join(" ".join(sections).split())
