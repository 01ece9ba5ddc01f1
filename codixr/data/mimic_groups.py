"""Groups of MIMIC-CXR's patients, from the tables that its users hold; nothing is stored.

``patients.csv`` (MIMIC-IV: gender, anchor_age, anchor_year) gives ``sex`` and ``age``;
``admissions.csv`` gives ``race`` and ``insurance``, the last admission's;
``mimic-cxr-*-metadata.csv`` gives ``view`` (AP or PA) and ``portable``. Each may be there or not.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from codixr.data.groups import Groups, age_band, checked, known
from codixr.data.mimic_tables import METADATA_COLUMNS, read_table
from codixr.errors import InputError

ATTRIBUTES = ("sex", "age", "race", "insurance", "view", "portable")
_RACES = ("AMERICAN INDIAN", "ASIAN", "BLACK", "HISPANIC", "WHITE")
"""Beginnings of MIMIC-IV's 33 values: their parts are too small to be groups."""
_HISPANIC = ("SOUTH AMERICAN",)
_PROCEDURE = "PerformedProcedureStepDescription"
_FRONTAL = {"AP": "AP", "PA": "PA"}
_GENDERS = {"F": "female", "M": "male"}


def mimic_groups(
    tables: Path,
    attributes: Sequence[str],
    study_ids: Sequence[str],
    subject_ids: Sequence[str],
) -> Groups:
    """The attributes asked for, one value a study.

    Raises InputError for an attribute that MIMIC does not have, and for a table that is missing,
    unreadable, or lacks a column; no cell is repeated.
    """
    makers: Mapping[str, Callable[..., dict[str, str | None]]] = {
        "sex": _sex, "age": _age, "race": _race, "insurance": _insurance,
        "view": _view, "portable": _portable,
    }  # fmt: skip
    by_study = ("age", "view", "portable")
    found: dict[str, Sequence[str | None]] = {}
    for attribute in attributes:
        if attribute not in makers:
            raise InputError(
                f"--by: MIMIC-CXR's tables have no '{attribute}'; they give: {', '.join(makers)} "
                "(or name a table of your own with --groups)"
            )
        of_key = makers[attribute](tables)
        names = study_ids if attribute in by_study else subject_ids
        values = [of_key.get(name) for name in names]
        if not any(value is not None for value in values):
            raise InputError(
                f"--by {attribute}: no study of the split is in the tables of '{tables}'"
            )
        found[attribute] = checked(attribute, values, f"'{tables}'")
    return found


def _sex(tables: Path) -> dict[str, str | None]:
    rows = _table(tables, "patients", ("subject_id", "gender"))
    return {
        subject: _GENDERS.get(gender.strip().upper())
        for subject, gender in zip(rows["subject_id"], rows["gender"], strict=True)
    }


def _age(tables: Path) -> dict[str, str | None]:
    """At the study: both tables shift a patient's dates alike, so years can be taken off."""
    patients = _table(tables, "patients", ("subject_id", "anchor_age", "anchor_year"))
    anchors = {
        subject: (int(age), int(year))
        for subject, age, year in patients[["subject_id", "anchor_age", "anchor_year"]].itertuples(
            index=False, name=None
        )
        if age.isdecimal() and year.isdecimal()
    }
    found: dict[str, str | None] = {}
    for subject, study, date in zip(*_metadata(tables, "StudyDate"), strict=True):
        if subject in anchors and date[:4].isdecimal():
            age, year = anchors[subject]
            found[study] = age_band(age + int(date[:4]) - year)
    return found


def _race(tables: Path) -> dict[str, str | None]:
    return {subject: _coarse(race) for subject, race in _admissions(tables, "race").items()}


def _coarse(race: str) -> str | None:
    """One of five, other, or unknown: of ``ASIAN - CHINESE`` and its like."""
    if (value := known(race)) is None or value.startswith(("UNABLE", "PATIENT DECLINED")):
        return None
    text = value.upper()
    if text.startswith(_HISPANIC):
        return "hispanic"
    return next((name.casefold() for name in _RACES if text.startswith(name)), "other")


def _insurance(tables: Path) -> dict[str, str | None]:
    return {subject: known(value) for subject, value in _admissions(tables, "insurance").items()}


def _view(tables: Path) -> dict[str, str | None]:
    """``AP``, ``PA``, or ``AP and PA`` for a study with frontal pictures of both."""
    seen: dict[str, set[str]] = {}
    for _, study, view in zip(*_metadata(tables, "ViewPosition"), strict=True):
        if (name := _FRONTAL.get(view.strip().upper())) is not None:
            seen.setdefault(study, set()).add(name)
    return {study: " and ".join(sorted(views)) for study, views in seen.items()}


def _portable(tables: Path) -> dict[str, str | None]:
    """Whether a picture's procedure says that it was taken at the bedside."""
    found: dict[str, str | None] = {}
    for _, study, words in zip(*_metadata(tables, _PROCEDURE), strict=True):
        portable = "PORT" in words.upper()
        if known(words) is not None and found.get(study) != "portable":
            found[study] = "portable" if portable else "not portable"
    return found


def _metadata(tables: Path, column: str) -> tuple[list[str], list[str], list[str]]:
    rows = read_table(tables, "metadata", (*METADATA_COLUMNS, column)).rows
    return rows["subject_id"].tolist(), rows["study_id"].tolist(), rows[column].tolist()


def _admissions(tables: Path, column: str) -> dict[str, str]:
    rows = _table(tables, "admissions", ("subject_id", "admittime", column))
    last = rows.sort_values("admittime", kind="stable").drop_duplicates("subject_id", keep="last")
    return dict(zip(last["subject_id"], last[column], strict=True))


def _table(tables: Path, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """``NAME.csv`` or ``NAME.csv.gz`` of MIMIC-IV's folder ``hosp``, every cell a string."""
    places = [
        tables / folder / f"{name}.csv{end}" for folder in ("", "hosp") for end in ("", ".gz")
    ]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise InputError(
            f"'{tables}' has no {name}.csv.gz: it is MIMIC-IV's (hosp/{name}.csv.gz); name its "
            "folder with --tables"
        )
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (OSError, EOFError, ValueError, pd.errors.ParserError) as error:
        raise InputError(f"'{path}' cannot be read ({type(error).__name__})") from None
    if missing := [column for column in columns if column not in rows.columns]:
        raise InputError(f"'{path}' lacks the column {missing[0]}; is it MIMIC-IV's table?")
    return rows
