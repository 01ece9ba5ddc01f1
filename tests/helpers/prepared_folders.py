"""A small prepared folder of every track of real pictures, each made by the track's own code."""

import csv
from pathlib import Path

from codixr.data.ct import CtOptions, plan_ct
from codixr.data.mimic import MimicOptions, plan_mimic
from codixr.data.openi_pictures import plan_openi
from codixr.data.phantom.archive import write_archive
from codixr.data.shards import prepare
from helpers.ct_bodies import chest, write_nifti
from helpers.openi_download import write_download

REAL_TRACKS = ("mimic-cxr", "mimic-cxr-jpg", "openi", "ct")
LEAST_TEST_STUDIES = 4


def prepared_folder(track: str, root: Path, image_size: int = 256) -> Path:
    """Prepare ``track`` under ``root``: at least four test studies.

    MIMIC's tracks at any ``image_size``.
    """
    out = root / "data"
    if track == "openi":
        write_download(root)
        plan = plan_openi(root / "pictures", archive=root / "NLMCXR_reports.tgz")
    elif track == "ct":
        plan = plan_ct(CtOptions(root / "volumes", _write_scans(root)))
    else:
        release = "jpg" if track.endswith("jpg") else "dicom"
        write_archive(root / "archive", 40, release=release, quiet=True)
        options = MimicOptions(root / "archive", release=release, image_size=image_size)
        plan = plan_mimic(options, quiet=True)
    prepare(plan, out, quiet=True)
    return out


def _write_scans(root: Path) -> Path:
    """Five patients; the one that the holdout makes a test patient has four scans."""
    (root / "volumes").mkdir()
    patients = ["patient-0"] * LEAST_TEST_STUDIES + [f"patient-{i}" for i in range(1, 5)]
    rows = [["volume", "patient", "report", "cardiomegaly"]]
    for place, patient in enumerate(patients):
        hu = chest("right" if place % 2 else "left")
        write_nifti(root / "volumes" / f"scan-{place}.nii.gz", hu)
        rows.append([f"scan-{place}", patient, f"A report of scan {place}.", str(place % 2)])
    with (root / "reports.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return root / "reports.csv"
