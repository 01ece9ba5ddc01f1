"""`codixr prepare`: from a raw archive to a verified dataset, and the check of one.

Each track has a subcommand; what it does lives in ``codixr.data``. Heavy imports wait until then.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codixr.arguments import add_json
from codixr.commands.prepare_arguments import EXAMPLES, SHARD_SIZES, add_tracks
from codixr.data.sizes import TRACK_SIZE
from codixr.errors import InputError
from codixr.messages import note
from codixr.workers import cores

if TYPE_CHECKING:
    from codixr.data.manifest import Manifest, Step
    from codixr.data.preparation_plan import Plan


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `prepare` to the commands of `codixr`."""
    parser = commands.add_parser(
        "prepare",
        help="make a dataset from an archive, or verify one",
        description="Make a dataset from a raw archive, or verify one that was made.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--verify", type=Path, metavar="DIR", help="check every byte and count of a prepared folder"
    )
    add_json(parser)
    add_tracks(parser.add_subparsers(dest="track", metavar="TRACK"))


def run(options: argparse.Namespace) -> int:
    """Run the subcommand; 0 fine, 1 when a verified folder has problems."""
    if options.verify is not None:
        if options.track is not None:
            raise InputError("--verify takes a folder and no track: codixr prepare --verify DIR")
        return _verify(options)
    if options.track is None:
        raise InputError("no track: mimic-cxr, openi, ct, phantom; or --verify DIR (see `--help`)")
    if options.track == "phantom" and options.form != "dataset":
        return _write_archive(options)
    plan = _plan(options)
    if getattr(options, "dry_run", False):
        return _show_dry_run(plan, options)
    return _prepare_and_show(plan, options)


def _plan(options: argparse.Namespace) -> "Plan":
    """What the subcommand is asked to make."""
    if options.track == "mimic-cxr":
        from codixr.data.mimic import MimicOptions, plan_mimic

        return plan_mimic(
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
    if options.track == "openi":
        from codixr.data.openi_pictures import plan_openi

        return plan_openi(options.pictures, options.image_size, options.limit)
    if options.track == "ct":
        from codixr.data.ct import CtOptions, plan_ct

        return plan_ct(
            CtOptions(
                volumes=options.volumes,
                reports=options.reports,
                labels=options.labels,
                projections=options.projections,
                image_size=options.image_size,
                limit=options.limit,
            )
        )
    if options.n is not None:
        raise InputError(
            f"--n {options.n} is for a fake download (--as mimic-cxr-tree); a dataset's studies a "
            f"split: --limit {options.n}"
        )
    from codixr.data.phantom.phantom_plan import plan_phantom

    return plan_phantom(options.seed, options.image_size, options.limit)


def _prepare_and_show(plan: "Plan", options: argparse.Namespace) -> int:
    """Make the dataset of a plan, and print its ledger."""
    from codixr.data.preparation_plan import SHARD_SIZE
    from codixr.data.shards import prepare

    _check_plan(plan, options)
    manifest = prepare(
        plan,
        options.out,
        workers=options.workers or cores(),
        engine=options.engine or "pool",
        shard_size=options.shard_size or SHARD_SIZES.get(options.track, SHARD_SIZE),
        overwrite=options.overwrite,
    )
    _show(manifest, options)
    return 0


def _check_plan(plan: "Plan", options: argparse.Namespace) -> None:
    """InputError for a plan whose folder would serve nobody; a note where it serves training only.

    The ledger goes to stderr first, so that the step which left nothing can be seen.
    """
    if not plan.items.get("test"):
        from codixr.data.ledger import ledger_lines

        print("\n".join(ledger_lines(plan.ledger)), file=sys.stderr)
        if not any(plan.items.values()):
            raise InputError(
                "no study is left after the rules of inclusion: the ledger above says which step "
                "left them out"
            )
        limit = options.limit
        cure = f"give more than --limit {limit}" if limit else "prepare more of the archive"
        raise InputError(f"no study of the test split is among them: {cure}")
    if not plan.simulated and plan.image_size != TRACK_SIZE:
        note(
            "codixr prepare",
            f"the track {plan.track} evaluates {TRACK_SIZE}×{TRACK_SIZE} pictures: a folder of "
            f"{plan.image_size}×{plan.image_size} serves `codixr train` only",
        )


def _show_dry_run(plan: "Plan", options: argparse.Namespace) -> int:
    from codixr.data.dry_run import header_counts

    headers = header_counts(plan)
    test_studies = len(plan.items["test"])
    if options.json:
        print(json.dumps(_ledger_json(plan.ledger, test_studies) | {"headers": headers}))
        return 0
    _print_ledger(plan.ledger, test_studies, mimic=True)
    for key, values in headers.items():
        print(f"{key:22}" + ", ".join(f"{n:,} {value}" for value, n in values.items()))
    return 0


def _write_archive(options: argparse.Namespace) -> int:
    """A fake download of MIMIC-CXR."""
    given = {
        "--limit": options.limit,
        "--workers": options.workers,
        "--engine": options.engine,
        "--shard-size": options.shard_size,
        "--overwrite": options.overwrite or None,
    }
    if unused := [name for name, value in given.items() if value is not None]:
        raise InputError(
            f"{', '.join(unused)}: of a dataset, not of a fake download (--as {options.form}); "
            "leave it out; --n says how many studies"
        )
    from codixr.data.phantom.archive import KEY_NAME, write_archive

    key = write_archive(
        options.out,
        300 if options.n is None else options.n,
        seed=options.seed,
        size=options.image_size,
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


def _show(manifest: "Manifest", options: argparse.Namespace) -> None:
    from codixr.data.ledger import is_mimic

    test = manifest.splits.get("test")
    test_studies = test.studies if test else 0
    mimic = is_mimic(manifest.track)
    if options.json:
        shown = _ledger_json(manifest.ledger, test_studies, mimic=mimic)
        shown |= {"splits": {name: split.studies for name, split in manifest.splits.items()}}
        print(json.dumps(shown | {"rejects": manifest.rejects, "notes": manifest.notes}))
        return
    _print_ledger(manifest.ledger, test_studies, mimic=mimic)
    counts = ", ".join(f"{name} {split.studies:,}" for name, split in manifest.splits.items())
    print(f"\n{options.out}: {counts}")
    if manifest.rejects:
        total = sum(manifest.rejects.values())
        note("codixr prepare", f"{total:,} rejected; which and why: {options.out / 'rejects.csv'}")


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
