"""Groups of patients: for each study of a split, its sex, age band, view …, for scores by group.

A source says ``attribute -> one value a study``, None where it is unknown. Values are few and
short: a column that could hold identifiers, dates or sentences is refused, and no value of it is
repeated in the message.
"""

import csv
import gzip
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from codixr.errors import InputError

Groups = Mapping[str, Sequence[str | None]]
"""Attribute -> the group of each study, in the split's order; None where it is unknown."""

LEAST = 10
"""Patients that a shown number must be of, where they are real: fewer can point at a person."""
MOST_GROUPS = 12
"""Groups that one attribute may have: more is a list of something else."""
KEYS = ("position", "study_id", "subject_id")
"""What a row of a user's table may be about; of several, the first in this order counts."""
AGE_BANDS = (40, 60, 80)
_VALUE = re.compile(r"[A-Za-z0-9<>≥≤+/&()., _-]{1,40}")
_DATE = re.compile(r"\d{4}[-/.]?\d{2}[-/.]?\d{2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{1,2}:\d{2}")
_LONG_NUMBER = re.compile(r"\d{5,}")
_MOST_WORDS = 4
_MOST_BYTES = 1 << 30
_UNKNOWN = frozenset({"", "na", "nan", "none", "null", "unknown", "?", "___"})


@runtime_checkable
class HasGroups(Protocol):
    """A dataset that knows groups of its studies."""

    def groups(self) -> Groups:
        """Attribute -> the group of each study."""
        ...


def age_band(years: float) -> str:
    """``under 40``, ``40-59``, ``60-79``, ``80 and over``."""
    low = None
    for limit in AGE_BANDS:
        if years < limit:
            return f"under {limit}" if low is None else f"{low}-{limit - 1}"
        low = limit
    return f"{low} and over"


def known(value: str | None) -> str | None:
    """A cell, stripped; None for an empty one and for the usual words for "unknown"."""
    text = (value or "").strip()
    return None if text.casefold() in _UNKNOWN else text


def checked(attribute: str, values: Sequence[str | None], where: str) -> list[str | None]:
    """The values of one attribute, as they may be printed.

    Numbers of an attribute called ``age`` become age bands.

    Raises InputError for what could be identifiers, dates or free text; the message repeats none.
    """
    if attribute.casefold() in ("age", "age_years", "anchor_age"):
        values = [value if value is None else _band_of(value, where) for value in values]
    different = {value for value in values if value is not None}
    fault = None
    if any(
        not _VALUE.fullmatch(value)
        or _DATE.search(value)
        or _LONG_NUMBER.search(value)
        or len(value.split()) > _MOST_WORDS
        for value in different
    ):
        fault = "holds dates, identifiers or sentences"
    elif len(different) > MOST_GROUPS:
        fault = f"has {len(different)} different values, at most {MOST_GROUPS} are groups"
    if fault is not None:
        raise InputError(
            f"{where}: column '{attribute}' {fault}; give groups, a few short words each, "
            "e.g. sex or an age band"
        )
    return list(values)


def _band_of(value: str, where: str) -> str:
    if not re.fullmatch(r"\d{1,3}(\.\d+)?", value):
        if re.fullmatch(r"0?\d{2,3}Y", value):  # DICOM's age string
            return age_band(float(value[:-1]))
        return value  # a band already, or refused with the other values
    years = float(value)
    if years > 130:
        raise InputError(f"{where}: column 'age' holds an age above 130; give years")
    return age_band(years)


def read_groups(
    path: Path, attributes: Sequence[str], study_ids: Sequence[str], subject_ids: Sequence[str]
) -> Groups:
    """Groups from a user's table, CSV or CSV.gz.

    One of its columns is ``position`` (in the split, from 0), ``study_id`` or ``subject_id``; the
    others are attributes. Studies without a row are unknown.

    Raises InputError: an unreadable file, no key column, no such attribute, two rows of one key
    that differ, no row of any study, or a column that ``checked`` refuses.
    """
    rows, header = _rows(path)
    key = next((name for name in KEYS if name in header), None)
    if key is None:
        raise InputError(f"--groups: '{path}' has none of the columns {', '.join(KEYS)}")
    found: dict[str, Sequence[str | None]] = {}
    names = {
        "position": [str(i) for i in range(len(study_ids))],
        "study_id": study_ids,
        "subject_id": subject_ids,
    }[key]
    for attribute in attributes:
        if attribute not in header or attribute in KEYS:
            others = ", ".join(name for name in header if name not in KEYS) or "none"
            raise InputError(f"--groups: '{path}' has no column '{attribute}'; it has: {others}")
        of_key: dict[str, str | None] = {}
        for row in rows:
            value, name = known(row[attribute]), (row[key] or "").strip()
            if of_key.setdefault(name, value) != value:
                raise InputError(
                    f"--groups: '{path}' has two rows of one {key} with different '{attribute}': "
                    "keep one"
                )
        if not any(name in of_key for name in names):
            raise InputError(
                f"--groups: no {key} of '{path}' is of this split; is it of another release?"
            )
        found[attribute] = checked(attribute, [of_key.get(name) for name in names], f"'{path}'")
    return found


def _rows(path: Path) -> tuple[list[dict[str, str | None]], Sequence[str]]:
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            with gzip.open(io.BytesIO(data)) as stream:
                data = stream.read(_MOST_BYTES)
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        rows = list(reader)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        kind = type(error).__name__  # the message itself could quote a cell
        raise InputError(f"--groups: '{path}' cannot be read as CSV ({kind})") from None
    header = [name.strip() for name in reader.fieldnames or ()]
    if not header or not rows:
        raise InputError(f"--groups: '{path}' has no row under its header")
    return [{(k or "").strip(): v for k, v in row.items() if k is not None} for row in rows], header
