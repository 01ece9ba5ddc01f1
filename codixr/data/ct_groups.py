"""Groups of a CT collection's patients, from the table of headers that it has; nothing is stored.

A row is of a volume, as in the table of reports: ``sex`` and ``age`` from the columns that are
called as in DICOM (``PatientSex``, ``PatientAge``; CT-RATE's metadata tables are read as they are)
or plainly so, and ``manufacturer``, the scanner's.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from codixr.data.ct_tables import VOLUME_COLUMNS, read_rows, scan_name, volume_name
from codixr.data.groups import Groups, checked, known
from codixr.errors import InputError

COLUMNS = {
    "sex": ("patientsex", "patient_sex", "sex", "gender"),
    "age": ("patientage", "patient_age", "age"),
    "manufacturer": ("manufacturer",),
}
"""Attribute -> the names that its column may have, any case."""
_SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}


def ct_groups(tables: Path, attributes: Sequence[str], study_ids: Sequence[str]) -> Groups:
    """The attributes asked for, one value a study.

    Args:
        tables: a table, or a folder with several (those with "metadata" in their names).
        attributes: of ``COLUMNS``.
        study_ids: of the prepared studies: names of scans.

    Raises InputError: an attribute that no table has, a table that cannot be read or without a
    column for the volumes' names, two volumes of one scan that differ, no row of any study, and
    what ``checked`` refuses; no cell is repeated.
    """
    found: dict[str, dict[str, str]] = {name: {} for name in attributes}
    has: dict[str, None] = {}
    for path in _paths(tables):
        rows, _ = read_rows(path)
        named = {column.strip().lower(): column for column in rows[0]}
        volume = next((named[name] for name in VOLUME_COLUMNS if name in named), None)
        if volume is None:
            raise InputError(
                f"--tables: '{path}' has no column for the volumes' names: name it one of "
                f"{', '.join(VOLUME_COLUMNS)}"
            )
        scans = [scan_name(volume_name(row[volume])) for row in rows]
        for attribute, columns in COLUMNS.items():
            column = next((named[name] for name in columns if name in named), None)
            if column is None:
                continue
            has[attribute] = None
            if attribute in found:
                cells = (_value(attribute, row[column]) for row in rows)
                _add(found[attribute], zip(scans, cells, strict=True), attribute, path)
    return {
        name: _of_studies(name, found[name], study_ids, tables, tuple(has)) for name in attributes
    }


def _paths(tables: Path) -> list[Path]:
    if not tables.is_dir():
        return [tables]
    paths = sorted(path for path in tables.rglob("*.csv") if "metadata" in path.name.lower())
    if not paths:
        raise InputError(
            f"--tables: no table with 'metadata' in its name under '{tables}'; name the file"
        )
    return paths


def _value(attribute: str, cell: str) -> str | None:
    value = known(cell)
    if attribute == "sex" and value is not None:
        return _SEXES.get(value.lower())
    return value


def _add(
    found: dict[str, str], rows: Iterable[tuple[str, str | None]], attribute: str, path: Path
) -> None:
    for scan, value in rows:
        if value is not None and found.setdefault(scan, value) != value:
            raise InputError(
                f"--tables: '{path}' has two volumes of one scan with different '{attribute}': "
                "keep one"
            )


def _of_studies(
    attribute: str,
    of_scan: Mapping[str, str],
    study_ids: Sequence[str],
    tables: Path,
    has: Sequence[str],
) -> list[str | None]:
    if attribute not in has:
        raise InputError(
            f"--by: '{tables}' has no '{attribute}'; it gives: {', '.join(has) or 'none'} "
            "(or name a table of your own with --groups)"
        )
    values = [of_scan.get(name) for name in study_ids]
    if not any(value is not None for value in values):
        raise InputError(f"--by {attribute}: no study of the split is in '{tables}'")
    return checked(attribute, values, f"'{tables}'")
