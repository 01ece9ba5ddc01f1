"""``codixr-bench fetch``: published weights, models and data sets, by the lock file."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codixr import messages
from codixr.arguments import add_json, output_folder, positive
from codixr_bench.backbones.fetching import chosen, fetch, plan, refuse_unaccepted
from codixr_bench.backbones.lock import Asset, folder_of
from codixr_bench.commands import options

PROGRAM = "codixr-bench"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``fetch``."""
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="what to fetch: names of the list that `codixr-bench fetch` prints, or weights, "
        "model, data",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the plan: files, bytes, hours; fetch nothing"
    )
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="NAME",
        help="accept this asset's licence, after reading it; several with commas",
    )
    parser.add_argument(
        "--to", type=output_folder, metavar="DIR", help="DIR/NAME instead of the cache's folders"
    )
    parser.add_argument(
        "--mirror",
        metavar="URL",
        help="look at URL/NAME/FILE first; what it gives must have the same sha256",
    )
    parser.add_argument(
        "--parallel", type=positive, default=4, metavar="N", help="files at a time (default: 4)"
    )
    options.add_speed(parser)
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """List, plan or fetch; exit code 0."""
    wanted = chosen(parsed.names)
    accepted = {name.strip() for given in parsed.accept for name in given.split(",")}
    if not parsed.names or parsed.dry_run:
        _print_plan(wanted, parsed, files=bool(parsed.names))
        return 0
    refuse_unaccepted(wanted, accepted)
    say = (lambda _: None) if parsed.json else print
    folders = fetch(wanted, parsed.to, mirror=parsed.mirror, parallel=parsed.parallel, say=say)
    if parsed.json:
        print(json.dumps([_row(asset, parsed.to) for asset in wanted], indent=2))
        return 0
    for folder in folders:
        messages.note(PROGRAM, f"all of it is in {folder}")
    return 0


def _row(asset: Asset, to: Path | None) -> dict[str, Any]:
    files = plan(asset, to)
    return {
        "name": asset.name,
        "kind": asset.kind,
        "for": asset.purpose,
        "licence": asset.licence,
        "accept": asset.ask,
        "folder": str(folder_of(asset, to)),
        "bytes": asset.size,
        "to_come": sum(one.to_come for one in files) if files else None,
        "hub": f"{asset.hub.repo}@{asset.hub.revision}" if asset.hub else None,
        "files": [
            {
                "path": one.file.path,
                "urls": list(one.file.urls),
                "bytes": one.file.size,
                "sha256": one.file.sha256,
                "state": one.state,
            }
            for one in files
        ],
    }


def _print_plan(wanted: Sequence[Asset], parsed: argparse.Namespace, *, files: bool) -> None:
    rows = [_row(asset, parsed.to) for asset in wanted]
    if parsed.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        asks = "; to be accepted" if row["accept"] else ""
        print(f"{row['name']:<23} {_size(row['bytes']):>9}  {_state(row)}")
        print(f"  {row['for']}\n  licence: {row['licence']}{asks}")
        if files:
            print(f"  into {row['folder']}")
            for one in row["files"]:
                print(f"  {_size(one['bytes']):>9}  {one['state']:<8} {one['urls'][0]}")
                if one["sha256"]:
                    print(f"             sha256 {one['sha256']}")
            if row["hub"]:
                print(f"  every file of {row['hub']} on the Hugging Face hub")
    to_come = sum(row["to_come"] or 0 for row in rows)
    unknown = sum(1 for row in rows for one in row["files"] if one["bytes"] is None)
    unlisted = sum(1 for row in rows if row["hub"])
    hours = to_come / 1e6 / parsed.speed / 3600
    print(f"\nto come: {to_come / 1e9:.2f} GB, {hours:.1f} hours at {parsed.speed} MB/s")
    if unknown or unlisted:
        more = f", and {unlisted} whole repositories" if unlisted else ""
        print(f"beside them {unknown} files whose size nobody states{more}")


def _state(row: dict[str, Any]) -> str:
    states = [one["state"] for one in row["files"]]
    if not states:
        return "here" if Path(row["folder"]).is_dir() else "missing"
    here = states.count("here")
    if here == len(states):
        return "here"
    return f"{here} of {len(states)} files here" if here or "begun" in states else "missing"


def _size(size: int | None) -> str:
    if size is None:
        return "?"
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
