"""The arguments of `codixr prepare`: a subcommand a track, and what all of them share."""

import argparse
from pathlib import Path
from typing import TypeAlias

from codixr.arguments import add_json, output_folder, positive
from codixr.data.labels import LABEL_POLICIES
from codixr.data.sizes import IMAGE_SIZES, PHANTOM_TRACKS, SIZE_STEP, check_image_size
from codixr.errors import InputError

EXAMPLES = """\
examples:
  codixr prepare phantom --as mimic-cxr-tree --n 300 --out fake
  codixr prepare mimic-cxr --root fake --out data/mimic --dry-run
  codixr prepare mimic-cxr --root fake --out data/mimic --workers 2
  codixr prepare openi --pictures NLMCXR_png --out data/openi
  codixr prepare ct --volumes scans --reports reports.csv --out data/ct
  codixr prepare --verify data/mimic

The same command goes on where it was stopped. Nothing is written outside --out, and nothing that
is printed names a patient.
"""
SHARD_SIZES = {"ct": 16}
"""Studies a file, where not the usual 128: a volume takes seconds, smaller files lose less."""

Tracks: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_tracks(tracks: Tracks) -> None:
    """Add the subcommands mimic-cxr, openi, ct and phantom."""
    _add_mimic(tracks)
    _add_openi(tracks)
    _add_ct(tracks)
    _add_phantom(tracks)


def _add_mimic(tracks: Tracks) -> None:
    parser = tracks.add_parser(
        "mimic-cxr",
        help="a download of MIMIC-CXR (credentialed access), DICOM or JPG",
        description="Studies with a frontal view, a lateral view and an impression, as the paper "
        "has them. The tables (metadata, split, chexpert) come with MIMIC-CXR-JPG only.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--root", type=Path, required=True, metavar="DIR", help="the download: holds files/p10/…"
    )
    parser.add_argument(
        "--tables",
        type=Path,
        metavar="DIR",
        help="where mimic-cxr-2.0.0-*.csv.gz are (default: --root)",
    )
    parser.add_argument(
        "--reports",
        type=Path,
        metavar="DIR|ZIP",
        help="the reports' folder, or mimic-cxr-reports.zip (default: --root)",
    )
    parser.add_argument(
        "--release", choices=("dicom", "jpg"), default="dicom", help="default: dicom, as the paper"
    )
    parser.add_argument(
        "--split",
        choices=("official", "paper"),
        default="official",
        help="MIMIC-CXR's own (default), or a patient-disjoint holdout of the paper's size",
    )
    parser.add_argument(
        "--label-policy",
        choices=tuple(LABEL_POLICIES),
        default="paper",
        metavar="NAME",
        help="what uncertain and unmentioned labels mean: " + ", ".join(LABEL_POLICIES),
    )
    _add_size(parser)
    _add_limit(parser, "studies")
    parser.add_argument(
        "--dry-run", action="store_true", help="read tables, reports and headers; write nothing"
    )
    _add_output(parser)


def _add_openi(tracks: Tracks) -> None:
    parser = tracks.add_parser(
        "openi",
        help="the pictures of a download of OpenI (public), PNG or DICOM",
        description="Studies with a frontal view, a lateral view and an impression. Reports and "
        "tables are read from the installed torchxrayvision.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--pictures", type=Path, required=True, metavar="DIR", help="the download, at any depth"
    )
    _add_size(parser)
    _add_limit(parser, "studies")
    _add_output(parser)


def _add_ct(tracks: Tracks) -> None:
    parser = tracks.add_parser(
        "ct",
        help="any folder of chest CT and a table of reports, projected to F and L",
        description="A frontal and a lateral X-ray of each scan, rendered from its voxels, with "
        "its report and labels (extra: pip install 'codixr[ct]').",
        allow_abbrev=False,
    )
    scans = parser.add_mutually_exclusive_group(required=True)
    scans.add_argument(
        "--volumes",
        type=Path,
        metavar="DIR",
        help="holds .nii or .nii.gz files, or folders of DICOM slices, at any depth",
    )
    scans.add_argument(
        "--projections",
        type=Path,
        metavar="DIR",
        help="in place of volumes: pictures that were projected already, in folders AP and LATERAL "
        "(DRR-RATE), taken as they are",
    )
    parser.add_argument(
        "--reports",
        type=Path,
        required=True,
        metavar="CSV",
        help="a row a volume: its file name (column volume), impression or report, and if known "
        "patient and labels (0, 1, -1 or empty)",
    )
    parser.add_argument(
        "--labels", type=Path, metavar="CSV", help="labels of the volumes, where in another table"
    )
    _add_size(parser, "--size")
    _add_limit(parser, "scans")
    _add_output(parser)


def _add_phantom(tracks: Tracks) -> None:
    parser = tracks.add_parser(
        "phantom",
        help="simulated studies, as a dataset or as a fake MIMIC-CXR download",
        description="Simulated studies: a dataset, or (--as mimic-cxr-tree) a fake download of "
        "MIMIC-CXR with an answer key. No number of it says anything about patients.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--as",
        dest="form",
        choices=("dataset", "mimic-cxr-tree", "mimic-cxr-jpg-tree"),
        default="dataset",
        help="default: dataset",
    )
    parser.add_argument(
        "--n", type=positive, metavar="N", help="studies of a fake download (default: 300)"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="studies a split of a dataset")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument(
        "--image-size",
        "--size",
        type=int,
        choices=tuple(PHANTOM_TRACKS),
        default=64,
        metavar="N",
        help="64 (default, the track phantom) or 256 (the track phantom-256)",
    )
    _add_output(parser)


def _add_size(parser: argparse.ArgumentParser, *aliases: str) -> None:
    low, high = IMAGE_SIZES
    parser.add_argument(
        "--image-size",
        *aliases,
        type=_image_size,
        default=256,
        metavar="N",
        help="side of the square pictures (default: 256, which the track takes); "
        f"{low} to {high} in steps of {SIZE_STEP} for training",
    )


def _image_size(text: str) -> int:
    side = positive(text)
    try:
        check_image_size(side)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error).partition(": ")[2]) from None
    return side


def _add_limit(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--limit", type=positive, metavar="N", help=f"the first N {what} only")


def _add_output(parser: argparse.ArgumentParser) -> None:
    """The options that every track's subcommand has."""
    parser.add_argument(
        "--out",
        type=output_folder,
        required=True,
        metavar="DIR",
        help="where the dataset is written",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes (default: as many as there are cores); the result doesn't depend on it",
    )
    parser.add_argument(
        "--engine",
        choices=("pool", "ray"),
        help="this machine's processes, or Ray on many (extra codixr[ray]); default pool",
    )
    parser.add_argument(
        "--shard-size",
        type=positive,
        metavar="N",
        help="studies a file; an interrupted worker loses at most one file (default: 128; ct: 16)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace another dataset in the folder"
    )
    add_json(parser)
