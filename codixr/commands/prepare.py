"""`codixr prepare`: from a raw archive to a verified dataset, and the check of one.

Each track has a subcommand; what it does lives in ``codixr.data``. Heavy imports wait until then.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codixr.errors import InputError

if TYPE_CHECKING:
    from codixr.data.manifest import Manifest, Step
    from codixr.data.shards import Plan

_EXAMPLES = """\
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
_POLICIES = (
    "paper",
    "certain",
    "uncertain-positive",
    "uncertain-negative",
    "unmentioned-negative",
    "raw",
)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `prepare` to the commands of `codixr`."""
    parser = commands.add_parser(
        "prepare",
        help="make a dataset from an archive, or verify one",
        description="Make a dataset from a raw archive, or verify one that was made.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--verify", type=Path, metavar="DIR", help="check every byte and count of a prepared folder"
    )
    parser.add_argument("--json", action="store_true", help="with --verify: JSON on stdout")
    tracks = parser.add_subparsers(dest="track", metavar="TRACK")
    _add_mimic(tracks)
    _add_openi(tracks)
    _add_ct(tracks)
    _add_phantom(tracks)


def run(options: argparse.Namespace) -> int:
    """Run the subcommand; 0 fine, 1 when a verified folder has problems."""
    if options.verify is not None:
        if options.track is not None:
            raise InputError("--verify takes a folder and no track: codixr prepare --verify DIR")
        return _verify(options)
    if options.track is None:
        raise InputError("no track: mimic-cxr, openi, ct, phantom; or --verify DIR (see `--help`)")
    return int(options.prepare(options))


def add_output(parser: argparse.ArgumentParser) -> None:
    """The options that every track's subcommand has."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where the dataset is written"
    )
    parser.add_argument(
        "--workers",
        type=_positive,
        metavar="N",
        help="processes (default: as many as there are cores); the result doesn't depend on it",
    )
    parser.add_argument(
        "--engine",
        choices=("pool", "ray"),
        default="pool",
        help="this machine's processes, or Ray on many (extra codixr[ray]); default pool",
    )
    parser.add_argument(
        "--shard-size",
        type=_positive,
        default=128,
        metavar="N",
        help="studies a file; an interrupted worker loses at most one file (default: 128; ct: 16)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace another dataset in the folder"
    )
    parser.add_argument("--json", action="store_true", help="JSON on stdout instead of a table")


def prepare_and_show(plan: "Plan", options: argparse.Namespace) -> int:
    """Make the dataset of a plan, and print its ledger."""
    from codixr.data.shards import prepare

    manifest = prepare(
        plan,
        options.out,
        workers=options.workers or len(_cores()),
        engine=options.engine,
        shard_size=options.shard_size,
        overwrite=options.overwrite,
    )
    _show(manifest, manifest.ledger, options)
    return 0


def _add_mimic(tracks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
        choices=_POLICIES,
        default="paper",
        metavar="NAME",
        help="what uncertain and unmentioned labels mean: " + ", ".join(_POLICIES),
    )
    parser.add_argument(
        "--image-size", type=_positive, default=256, metavar="N", help="default: 256, as the paper"
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="the first N studies only")
    parser.add_argument(
        "--dry-run", action="store_true", help="read tables, reports and headers; write nothing"
    )
    add_output(parser)
    parser.set_defaults(prepare=_mimic)


def _add_openi(tracks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    parser.add_argument(
        "--image-size", type=_positive, default=256, metavar="N", help="default: 256"
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="the first N studies only")
    add_output(parser)
    parser.set_defaults(prepare=_openi)


def _add_ct(tracks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = tracks.add_parser(
        "ct",
        help="any folder of chest CT and a table of reports, projected to F and L",
        description="A frontal and a lateral X-ray of each scan, rendered from its voxels, with "
        "its report and labels (extra: pip install 'codixr[ct]').",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--volumes",
        type=Path,
        required=True,
        metavar="DIR",
        help="holds .nii or .nii.gz files, or folders of DICOM slices, at any depth",
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
    parser.add_argument(
        "--size", type=_positive, default=256, metavar="N", help="32 to 1024 (default: 256)"
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="the first N scans only")
    add_output(parser)
    # A volume takes seconds: smaller files lose less, and share out better.
    parser.set_defaults(prepare=_ct, shard_size=16)


def _add_phantom(tracks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
        "--n", type=_positive, default=300, metavar="N", help="studies of a fake download (300)"
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="studies a split of a dataset")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument("--size", type=int, default=64, metavar="N", help="64 (default) or 256")
    add_output(parser)
    parser.set_defaults(prepare=_phantom)


def _mimic(options: argparse.Namespace) -> int:
    from codixr.data.mimic import MimicOptions, plan_mimic

    plan = plan_mimic(
        MimicOptions(
            root=options.root,
            tables=options.tables,
            reports=options.reports,
            release=options.release,
            split=options.split,
            label_policy=options.label_policy,
            image_size=options.image_size,
            limit=options.limit,
        )
    )
    if not options.dry_run:
        return prepare_and_show(plan, options)
    from codixr.data.dry_run import header_counts

    headers = header_counts(plan)
    if options.json:
        print(json.dumps(_ledger_json(plan.ledger, len(plan.items["test"])) | {"headers": headers}))
        return 0
    _print_ledger(plan.ledger, len(plan.items["test"]), mimic=True)
    for key, values in headers.items():
        print(f"{key:22}" + ", ".join(f"{n:,} {value}" for value, n in values.items()))
    return 0


def _openi(options: argparse.Namespace) -> int:
    from codixr.data.openi_pictures import plan_openi

    return prepare_and_show(
        plan_openi(options.pictures, options.image_size, options.limit), options
    )


def _ct(options: argparse.Namespace) -> int:
    from codixr.data.ct import CtOptions, plan_ct

    plan = plan_ct(
        CtOptions(
            volumes=options.volumes,
            reports=options.reports,
            labels=options.labels,
            image_size=options.size,
            limit=options.limit,
        )
    )
    return prepare_and_show(plan, options)


def _phantom(options: argparse.Namespace) -> int:
    if options.form == "dataset":
        from codixr.data.phantom.phantom_plan import plan_phantom

        return prepare_and_show(plan_phantom(options.seed, options.size, options.limit), options)
    from codixr.data.phantom.archive import KEY_NAME, write_archive

    key = write_archive(
        options.out,
        options.n,
        seed=options.seed,
        size=options.size,
        release="jpg" if options.form == "mimic-cxr-jpg-tree" else "dicom",
    )
    if options.json:
        print(json.dumps({name: key[name] for name in ("n", "kept", "lost", "syntaxes")}))
        return 0
    print(f"{options.out}: {key['n']:,} simulated studies, {key['kept']:,} of them complete")
    print(f"what a correct preparation makes of them: {options.out / KEY_NAME}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from codixr.data.verify import verify

    report = verify(options.verify)
    if options.json:
        print(json.dumps(asdict(report)))
    else:
        for problem in report.problems:
            print(problem)
        verdict = f"{len(report.problems)} problems" if report.problems else "as its manifest says"
        print(f"{options.verify}: {report.studies:,} studies in {report.shards:,} files: {verdict}")
    return 1 if report.problems else 0


def _show(manifest: "Manifest", ledger: "Sequence[Step]", options: argparse.Namespace) -> None:
    from codixr.data.ledger import is_mimic

    test = manifest.splits.get("test")
    test_studies = test.studies if test else 0
    mimic = is_mimic(manifest.track)
    if options.json:
        shown = _ledger_json(ledger, test_studies, mimic=mimic)
        shown |= {"splits": {name: split.studies for name, split in manifest.splits.items()}}
        print(json.dumps(shown | {"rejects": manifest.rejects, "notes": manifest.notes}))
        return
    _print_ledger(ledger, test_studies, mimic=mimic)
    counts = ", ".join(f"{name} {split.studies:,}" for name, split in manifest.splits.items())
    print(f"\n{options.out}: {counts}")
    if manifest.rejects:
        total = sum(manifest.rejects.values())
        print(f"{total:,} rejected; which and why: {options.out / 'rejects.csv'}", file=sys.stderr)


def _ledger_json(
    ledger: "Sequence[Step]", test_studies: int, *, mimic: bool = True
) -> dict[str, Any]:
    from codixr.data.ledger import compare_with_paper

    compared = compare_with_paper(ledger, test_studies) if mimic else []
    return {
        "ledger": [step.model_dump() for step in ledger],
        "compared": [asdict(c) | {"difference": c.difference} for c in compared],
    }


def _print_ledger(ledger: "Sequence[Step]", test_studies: int, *, mimic: bool) -> None:
    from codixr.data.ledger import compare_with_paper, comparison_lines, ledger_lines

    lines = ledger_lines(ledger)
    if mimic:
        lines += comparison_lines(compare_with_paper(ledger, test_studies))
    print("\n".join(lines))


def _cores() -> "set[int] | range":
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count() or 1)


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= 10**9:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of 1 or more")
    return value
