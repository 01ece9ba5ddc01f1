"""What ``reproduce`` would fetch, make and need: bytes, hours and disk. Nothing is written."""

import shutil
from dataclasses import asdict, dataclass, field
from typing import Any

from codixr.data.manifest import MANIFEST_NAME
from codixr.data.unpack import MARK_NAME
from codixr.errors import InputError
from codixr_bench.backbones.fetching import plan
from codixr_bench.backbones.lock import folder_of
from codixr_bench.reproduce.manifest import is_bundle
from codixr_bench.reproduce.request import Reproduction
from codixr_bench.reproduce.stages import missing_assets
from codixr_bench.result_files import RESULT_NAME

PREPARE_SECONDS = 0.08
"""One core, a study: two PNG read, resized and written as four. An estimate, as all of these."""
SAMPLE_BYTES = 120_000
"""A picture of 256×256, 16 bits, as a run stores it; a report is nothing beside it."""
NETWORK_SECONDS = {"inception": 0.25, "xrv": 0.09, "xrv-chex": 0.09}
"""One core, a picture; far less on a GPU."""
OTHER_NETWORK = 0.3
REPORT_SECONDS = 0.003
"""One core, a report and its reference, read by the labeler and compared."""


@dataclass(frozen=True)
class PlannedStage:
    """One stage."""

    name: str
    what: str
    to_come: int = 0
    """Bytes on the disk that aren't there yet."""
    seconds: float = 0.0
    """On one core of this kind, or at the network's speed."""
    details: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ReproductionPlan:
    """The whole."""

    stages: list[PlannedStage]
    disk: int
    """Bytes to come, all together."""
    free: int
    """Where most of them go."""
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def plan_reproduction(asked: Reproduction, *, speed: float, workers: int) -> ReproductionPlan:
    """Plan all stages; ``speed`` is the network's, in MB a second."""
    stages = [_fetching(asked, speed)]
    if asked.source is not None:
        stages += _making(asked, workers)
    stages += [_running(asked), _bundling(asked)]
    there = next(
        one for one in (asked.out.absolute(), *asked.out.absolute().parents) if one.exists()
    )
    return ReproductionPlan(
        stages,
        sum(stage.to_come for stage in stages),
        shutil.disk_usage(there).free,
        sum(stage.seconds for stage in stages),
    )


def refuse_full_disk(made: ReproductionPlan) -> None:
    """InputError where the plan needs more than is free."""
    if made.disk > made.free:
        raise InputError(
            f"about {made.disk / 1e9:.1f} GB are to come, and {made.free / 1e9:.1f} GB are free; "
            "free some space, or choose another disk with --out and CODIXR_CACHE"
        )


def _fetching(asked: Reproduction, speed: float) -> PlannedStage:
    details, to_come = [], 0
    for asset in missing_assets(asked):
        for one in plan(asset):
            size, about = one.file.size, ""
            if size is None and asked.source is not None and asset.name == asked.source.asset:
                size, about = asked.source.archive_bytes, "about "
            here = one.state == "here"
            to_come += 0 if here else size or 0
            told = "?" if size is None else f"{about}{size / 1e6:,.1f} MB"
            details.append(f"{asset.name}: {told}, {one.state}, {one.file.urls[0]}")
        asks = f"; accept it with --accept {asset.name}" if asset.ask else ""
        details.append(f"  licence: {asset.licence}{asks}; into {folder_of(asset)}")
    details += [f"{name}: '{path}', given" for name, path in asked.given.items()]
    what = "published files" if details else "nothing to fetch"
    return PlannedStage("fetch", what, to_come, to_come / 1e6 / speed, details)


def _making(asked: Reproduction, workers: int) -> list[PlannedStage]:
    source = asked.source
    assert source is not None
    pictures, data = asked.out / "pictures", asked.out / "data"
    unpacked = (pictures / MARK_NAME).is_file()
    prepared = (data / MANIFEST_NAME).is_file()
    return [
        PlannedStage(
            "unpack",
            "here" if unpacked else f"about {source.pictures:,} pictures into {pictures}",
            0 if unpacked else source.archive_bytes,
            0.0 if unpacked else source.archive_bytes / 100e6,
        ),
        PlannedStage(
            "prepare",
            "here" if prepared else f"about {source.studies:,} studies into {data}",
            0 if prepared else source.studies * source.prepared_bytes,
            0.0 if prepared else source.studies * PREPARE_SECONDS / workers,
        ),
    ]


def _running(asked: Reproduction) -> PlannedStage:
    studies = asked.source.studies if asked.source else next(iter(asked.track.splits.values()))
    if asked.source is None:
        data = asked.options.data_dir
        studies = len(asked.track.dataset(asked.options.split, asked.options.limit, data))
    elif asked.options.limit is not None:
        studies = min(studies, asked.options.limit)
    each = sum(NETWORK_SECONDS.get(name, OTHER_NETWORK) for name in asked.backbones)
    details, size, seconds, whole = [], 0, 0.0, 0
    for name in asked.specs:
        todo = [
            task
            for task in asked.serves[name]
            if not (asked.run_folder(name, task) / RESULT_NAME).is_file()
        ]
        whole += len(asked.serves[name]) - len(todo)
        pictures = sum(output.is_image for task in todo for output in task.outputs)
        size += pictures * studies * SAMPLE_BYTES
        # constant and real are scored beside each run, as the two ends of its scale.
        reports = sum(not output.is_image for task in todo for output in task.outputs)
        seconds += studies * (2 * pictures * each + 3 * reports * REPORT_SECONDS)
        details.append(f"{name}: {len(todo)} tasks to run, each of {studies:,} studies")
    what = f"{len(asked.specs)} models, {len(asked.tasks)} tasks; {whole} results are there"
    details.append("beside it the models' own time: `codixr-bench run --dry-run` tells it")
    return PlannedStage("run", what, size, seconds, details)


def _bundling(asked: Reproduction) -> PlannedStage:
    folder = asked.out / "bundle"
    what = f"{'made anew in' if is_bundle(folder) else 'into'} {folder}"
    results = sum(map(len, asked.serves.values()))
    return PlannedStage("bundle", f"{what}: results, sums, lock, tables", 60_000 * results)
