"""A fake MIMIC-CXR download made of simulated studies, with everything that real archives hold.

Real DICOM files in MIMIC-CXR's layout, its tables, its report files, and ``answer-key.json``: what
a correct preparation makes of it. It is the test bed of ``codixr prepare mimic-cxr``, and a way to
try the command without the data. Nothing in it is a patient's.

Notable:
- Every oddity is planted on purpose in a known study (``archive_oddities.py``), so that the key can
  say what is kept, with which picture, and why the rest is not. The key is written from what was
  planted; no code of the preparation takes part.
- One (seed, n, size) makes the same bytes wherever the same encoders are installed. A syntax whose
  encoder is missing is written uncompressed; the key says which were used.
"""

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image as PILImage

from codixr.atomic import make_folder, write_atomically
from codixr.data.labels import OBSERVATIONS
from codixr.data.phantom.archive_dicom import film_bytes
from codixr.data.phantom.archive_oddities import (
    DICOM_ONLY,
    ODDITIES,
    Picture,
    PlannedOddStudy,
    plan_study,
)
from codixr.errors import InputError
from codixr.progress import Progress

KEY_NAME = "answer-key.json"
MAX_STUDIES = 100_000
Release = Literal["dicom", "jpg"]

_PREFIX = "mimic-cxr-2.0.0"
_METADATA = (
    "dicom_id",
    "subject_id",
    "study_id",
    "PerformedProcedureStepDescription",
    "ViewPosition",
    "Rows",
    "Columns",
    "StudyDate",
    "StudyTime",
    "ProcedureCodeSequence_CodeMeaning",
    "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
)


def write_archive(
    folder: Path,
    n: int,
    *,
    seed: int = 0,
    size: int = 64,
    release: Release = "dicom",
    quiet: bool = False,
) -> dict[str, Any]:
    """Write ``n`` simulated studies as a MIMIC-CXR download; the answer key.

    Args:
        folder: made if absent; InputError when there is something in it.
        n: studies, 1 to 100,000, two a patient.
        seed: of the simulated studies and of everything planted.
        size: side of the simulated pictures, 64 or 256; the files are half as large again.
        release: ``dicom``, or ``jpg`` for the 8-bit JPEG release.
        quiet: no progress bar.
    """
    if not 1 <= n <= MAX_STUDIES:
        raise InputError(f"--n {n}: use 1 to {MAX_STUDIES:,}")
    if size not in (64, 256):
        raise InputError(f"--image-size {size}: use 64 or 256")
    make_folder(folder)
    if any(folder.iterdir()):
        raise InputError(f"'{folder}' is not empty; choose another --out")
    left_out = DICOM_ONLY if release == "jpg" else ()
    oddities = tuple(name for name in ODDITIES if name not in left_out)
    studies = []
    with Progress("writing a fake archive", n, 0, "studies", quiet=quiet) as bar:
        for index in range(n):
            study = plan_study(seed, index, size, oddities)
            _write_study(folder, study, release)
            studies.append(study)
            bar.advance()
    _mark_split_patients(studies)
    _write_tables(folder, studies)
    key = {"simulated": True, "seed": seed, "n": n, "size": size, "release": release}
    key |= _answers(studies, release)
    write_atomically(folder / KEY_NAME, (json.dumps(key, indent=1) + "\n").encode())
    return key


def _write_study(folder: Path, study: PlannedOddStudy, release: Release) -> None:
    patient = folder / "files" / f"p{study.subject[:2]}" / f"p{study.subject}"
    place = patient / f"s{study.study}"
    place.mkdir(parents=True, exist_ok=True)
    for picture in study.pictures:
        if picture.on_disk:
            suffix = "dcm" if release == "dicom" else "jpg"
            (place / f"{picture.name}.{suffix}").write_bytes(_file_bytes(picture, release))
    if study.report is not None:
        (patient / f"s{study.study}.txt").write_bytes(study.report)


def _file_bytes(picture: Picture, release: Release) -> bytes:
    if picture.spoilt == "empty":
        return b""
    if picture.spoilt == "not a picture":
        return b"<html><body>403 Forbidden</body></html>\n" * 20
    film = picture.film.flat() if picture.spoilt == "one shade" else picture.film
    if release == "dicom":
        content = film_bytes(film, picture.name, picture.elements)
    else:
        sink = io.BytesIO()
        PILImage.fromarray(film.shown()).save(sink, "JPEG", quality=95)
        content = sink.getvalue()
    return content[: len(content) // 2] if picture.spoilt == "truncated" else content


def _mark_split_patients(studies: Sequence[PlannedOddStudy]) -> None:
    """A patient in two splits takes all studies along, before any picture is opened."""
    patients = {study.subject for study in studies if study.oddity == "patient in two splits"}
    for study in studies:
        if study.subject in patients and (not study.lost or study.lost.startswith("no readable")):
            study.lost, study.rejected = "patient in two splits", ()


def _write_tables(folder: Path, studies: Sequence[PlannedOddStudy]) -> None:
    metadata, splits, labels = [], [], []
    for study in studies:
        for number, picture in enumerate(study.pictures):
            rows, columns = picture.film.stored().shape
            row = [picture.name, study.subject, study.study, picture.procedure, picture.position]
            row += [str(rows), str(columns), "21800101", picture.time, "", picture.code, "Erect"]
            metadata.append(row)
            if study.oddity == "listed twice" and number == 0:
                metadata.append(row)
            if study.oddity == "study of two patients" and number == 0:
                twin = f"{19_000_000 + study.index}"
                metadata.append([f"{study.index:08x}-twin", twin, *row[2:]])
            crossed = study.oddity == "patient in two splits" and number == 0
            official = ("test" if study.split == "train" else "train") if crossed else study.split
            splits.append([picture.name, study.study, study.subject, official])
        if study.oddity != "labels missing":
            labels.append([study.subject, study.study, *study.labels])
        if study.oddity == "labels contradict":
            other = ["" if cell else "1.0" for cell in study.labels]
            labels.append([study.subject, study.study, *other])
    label_columns = ("subject_id", "study_id", *OBSERVATIONS)
    _write_table(folder, "metadata", _METADATA, metadata)
    _write_table(folder, "split", ("dicom_id", "study_id", "subject_id", "split"), splits)
    _write_table(folder, "chexpert", label_columns, labels)
    _write_table(folder, "negbio", label_columns, labels)


def _write_table(
    folder: Path, kind: str, columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    packed = gzip.compress(text.getvalue().encode(), 6, mtime=0)
    write_atomically(folder / f"{_PREFIX}-{kind}.csv.gz", packed)


def _answers(studies: Sequence[PlannedOddStudy], release: Release) -> dict[str, Any]:
    """What becomes of each study with the official split, and how many are lost to what."""
    names = {"train": "train", "validate": "val", "test": "test"}
    entries = []
    for study in studies:
        kept = not study.lost
        known = study.oddity not in ("labels missing", "labels contradict")
        labels = [int(float(cell)) if cell else None for cell in study.labels]
        entries.append(
            {
                "index": study.index,
                "study": study.study,
                "subject": study.subject,
                "split": names[study.split],
                "oddity": study.oddity,
                "lost": study.lost,
                "frontal": study.pictures[study.frontal].name if kept else None,
                "lateral": study.pictures[study.lateral].name if kept else None,
                "report": study.impression if kept else None,
                "labels": labels if kept and known else None,
                "rejected": [study.pictures[i].name for i in study.rejected],
            }
        )
    films = [p.film for s in studies for p in s.pictures if release == "dicom" and p.on_disk]
    return {
        "syntaxes": dict(sorted(Counter(f.written_syntax().name for f in films).items())),
        "lost": dict(sorted(Counter(s.lost for s in studies if s.lost).items())),
        "kept": sum(not study.lost for study in studies),
        "studies": entries,
    }
