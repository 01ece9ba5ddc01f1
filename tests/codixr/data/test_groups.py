"""Groups of patients: what may be one, and where each track's come from."""

import csv
import gzip
import io
from collections import Counter
from pathlib import Path

import pytest

from codixr.data.ct_groups import ct_groups
from codixr.data.groups import HasGroups, age_band, checked, read_groups
from codixr.data.mimic_groups import mimic_groups
from codixr.data.openi import OpenIDataset
from codixr.data.openi_groups import openi_groups
from codixr.data.phantom import PhantomDataset
from codixr.errors import InputError

IDS = [f"5000000{i}" for i in range(6)]
PATIENTS = ["10000001", "10000001", "10000002", "10000003", "10000004", "10000005"]


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sink = io.StringIO()
    writer = csv.DictWriter(sink, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    data = sink.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize(
    ("years", "band"),
    [(0, "under 40"), (39.9, "under 40"), (40, "40-59"), (79, "60-79"), (91, "80 and over")],
)
def test_an_age_is_one_of_four_bands(years: float, band: str) -> None:
    assert age_band(years) == band


@pytest.mark.parametrize(
    "value",
    [
        "p10000032",
        "2180-05-06",
        "20180506",
        "12:45",
        "3/4/2019",
        "The patient was seen at night",
        "a@b.org",
        "Lungs\nclear",
        "x" * 41,
    ],
)
def test_identifiers_dates_and_sentences_are_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(InputError, match="dates, identifiers or sentences") as refused:
        checked("note", ["female", value], "'t.csv'")
    assert value not in str(refused.value)


def test_a_column_of_many_values_is_no_group() -> None:
    with pytest.raises(InputError, match="'ward' has 13 different values, at most 12 are groups"):
        checked("ward", [f"ward {chr(65 + i)}" for i in range(13)], "'t.csv'")


def test_ages_in_years_and_as_dicom_writes_them_become_bands() -> None:
    assert checked("age", ["45", "061Y", None, "83.5"], "'t'") == [
        "40-59",
        "60-79",
        None,
        "80 and over",
    ]
    with pytest.raises(InputError, match="above 130"):
        checked("age", ["456"], "'t'")


def test_a_users_table_is_joined_by_study_or_by_patient(tmp_path: Path) -> None:
    by_study = table(
        tmp_path / "a.csv",
        [{"study_id": name, "site": "north" if i % 2 else "NA"} for i, name in enumerate(IDS)],
    )
    found = read_groups(by_study, ["site"], IDS, PATIENTS)
    assert found == {"site": [None, "north", None, "north", None, "north"]}
    by_patient = table(
        tmp_path / "b.csv.gz", [{"subject_id": p, "sex": "female"} for p in PATIENTS[1:4]]
    )
    found = read_groups(by_patient, ["sex"], IDS, PATIENTS)
    assert found["sex"] == ["female", "female", "female", "female", None, None]
    by_place = table(tmp_path / "c.csv", [{"position": "5", "sex": "male"}])
    assert read_groups(by_place, ["sex"], IDS, PATIENTS)["sex"][5] == "male"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": "1", "sex": "female"}], "none of the columns position, study_id, subject_id"),
        ([{"study_id": "9", "sex": "female"}], "no study_id of .* is of this split"),
        ([{"study_id": IDS[0], "age": "50"}], "has no column 'sex'; it has: age"),
        (
            [{"study_id": IDS[0], "sex": s} for s in ("female", "male")],
            "two rows of one study_id with different 'sex'",
        ),
    ],
)
def test_a_table_that_does_not_fit_says_what_is_wrong(
    rows: list[dict[str, str]], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        read_groups(table(tmp_path / "a.csv", rows), ["sex"], IDS, PATIENTS)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"study_id,sex\n", b'a,"b\n'])
def test_a_broken_table_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"--groups: '.*a\.csv'"):
        read_groups(tmp_path / "a.csv", ["sex"], IDS, PATIENTS)
    with pytest.raises(InputError, match="FileNotFoundError"):
        read_groups(tmp_path / "none.csv", ["sex"], IDS, PATIENTS)


def mimic_tables(folder: Path) -> Path:
    table(
        folder / "hosp" / "patients.csv.gz",
        [
            {"subject_id": p, "gender": "F" if i % 2 else "M", "anchor_age": str(30 + 20 * i),
             "anchor_year": "2150"}
            for i, p in enumerate(sorted(set(PATIENTS)))
        ],
    )  # fmt: skip
    table(
        folder / "hosp" / "admissions.csv.gz",
        [
            {"subject_id": PATIENTS[0], "admittime": "2150-01-01", "race": "WHITE",
             "insurance": "x"},
            {"subject_id": PATIENTS[0], "admittime": "2151-01-01", "race": "ASIAN - CHINESE",
             "insurance": "Medicare"},
            {"subject_id": PATIENTS[2], "admittime": "2151-01-01", "race": "UNABLE TO OBTAIN",
             "insurance": ""},
            {"subject_id": PATIENTS[3], "admittime": "2151-01-01",
             "race": "MULTIPLE RACE/ETHNICITY", "insurance": "Private"},
        ],
    )  # fmt: skip
    usual = {"StudyDate": "21520301", "StudyTime": "1"}
    table(
        folder / "mimic-cxr-2.0.0-metadata.csv.gz",
        [
            {"dicom_id": f"{s}{view}", "subject_id": p, "study_id": s, "ViewPosition": view,
             "PerformedProcedureStepDescription": words} | usual
            for s, p, view, words in [
                (IDS[0], PATIENTS[0], "AP", "CHEST (PORTABLE AP)"),
                (IDS[1], PATIENTS[1], "PA", "CHEST (PA AND LAT)"),
                (IDS[1], PATIENTS[1], "LATERAL", "CHEST (PA AND LAT)"),
                (IDS[2], PATIENTS[2], "AP", ""),
                (IDS[2], PATIENTS[2], "PA", ""),
            ]
        ],
    )  # fmt: skip
    return folder


def test_mimics_groups_come_from_its_own_tables(tmp_path: Path) -> None:
    names = ["sex", "age", "race", "insurance", "view", "portable"]
    found = mimic_groups(mimic_tables(tmp_path), names, IDS, PATIENTS)
    assert found["sex"] == ["male", "male", "female", "male", "female", "male"]
    assert found["age"][:3] == ["under 40", "under 40", "40-59"]  # two years after the anchor
    assert found["race"][:4] == ["asian", "asian", None, "other"]
    assert found["insurance"][:4] == ["Medicare", "Medicare", None, "Private"]
    assert found["view"] == ["AP", "PA", "AP and PA", None, None, None]
    assert found["portable"] == ["portable", "not portable", None, None, None, None]


def test_a_table_of_mimic_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no patients\.csv\.gz: it is MIMIC-IV's"):
        mimic_groups(tmp_path, ["sex"], IDS, PATIENTS)
    with pytest.raises(InputError, match="have no 'weight'; they give: sex, age"):
        mimic_groups(tmp_path, ["weight"], IDS, PATIENTS)
    folder = mimic_tables(tmp_path)
    with pytest.raises(InputError, match="no study of the split is in the tables"):
        mimic_groups(folder, ["sex"], ["1"], ["2"])


def test_openis_ages_and_views_come_from_the_installed_table() -> None:
    dataset = OpenIDataset()
    found = openi_groups(dataset.study_ids())
    ages, views = Counter(found["age"]), Counter(found["view"])
    assert len(found["age"]) == len(dataset) == 3921
    assert ages[None] < 150
    assert all(ages[age_band(years)] > 200 for years in (30, 50, 70))
    assert views["PA"] > 2000
    assert views["AP"] > 100


def test_the_phantoms_people_are_all_kinds_whatever_is_asked_first() -> None:
    dataset = PhantomDataset("test")
    assert isinstance(dataset, HasGroups)
    found = dataset.groups()
    assert list(found) == ["sex", "age", "view", "body_size"]
    for values in found.values():
        assert min(Counter(values).values()) > 200
    few = PhantomDataset("test", limit=30).groups()
    assert {name: list(values[:30]) for name, values in found.items()} == few


SCANS = ["train_1_a", "train_2_a", "valid_3_b", "ours"]


def header(name: str, sex: str = "M", age: str = "047Y", maker: str = "Siemens") -> dict[str, str]:
    return {"VolumeName": name, "PatientSex": sex, "PatientAge": age, "Manufacturer": maker}


def test_cts_groups_come_from_the_headers_of_any_reconstruction(tmp_path: Path) -> None:
    table(
        tmp_path / "train_metadata.csv",
        [
            header("train_1_a_1.nii.gz"),
            header("train_1_a_2.nii.gz"),
            header("train_2_a_1.nii.gz", "F", "081Y", "GE"),
        ],
    )
    table(tmp_path / "more" / "validation_metadata.csv", [header("valid_3_b_1.nii.gz", "", "")])
    table(tmp_path / "labels.csv", [{"VolumeName": "ours", "PatientSex": "F"}])
    found = ct_groups(tmp_path, ["sex", "age", "manufacturer"], SCANS)
    assert found["sex"] == ["male", "female", None, None]
    assert found["age"] == ["40-59", "80 and over", None, None]
    assert found["manufacturer"] == ["Siemens", "GE", "Siemens", None]
    mine = table(tmp_path / "mine.csv", [{"file": "scans/ours.nii", "sex": "female"}])
    assert ct_groups(mine, ["sex"], SCANS)["sex"] == [None, None, None, "female"]


@pytest.mark.parametrize(
    ("rows", "by", "said"),
    [
        ([header("train_1_a_1")], "view", "has no 'view'; it gives: sex, age, manufacturer"),
        ([{"who": "1", "PatientSex": "F"}], "sex", "has no column for the volumes' names"),
        ([header("train_9_a_1")], "sex", "no study of the split is in"),
        (
            [header("train_1_a_1"), header("train_1_a_2", "F")],
            "sex",
            "two volumes of one scan with different 'sex'",
        ),
        ([header("train_1_a_1", maker="2019-03-04")], "manufacturer", "holds dates"),
        ([header("train_1_a_1", age="456")], "age", "holds an age above 130"),
    ],
)
def test_headers_that_do_not_fit_say_what_is_wrong(
    rows: list[dict[str, str]], by: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        ct_groups(table(tmp_path / "metadata.csv", rows), [by], SCANS)


def test_a_folder_without_a_table_of_headers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table with 'metadata' in its name"):
        ct_groups(tmp_path, ["sex"], SCANS)
