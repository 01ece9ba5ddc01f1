"""The shards of a plan, made by Ray Data on one machine or many that share a file system."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from codixr.errors import InputError

if TYPE_CHECKING:
    from codixr.data.shards import _Job


def run_on_ray(jobs: "Sequence[_Job]", workers: int) -> Iterator[tuple[str, str]]:
    """Name and sha256 of each shard as it is finished; at most ``workers`` at a time.

    A running cluster is used (``RAY_ADDRESS``), else one is started on this machine. InputError
    when Ray is not installed, or a worker is lost.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise InputError(
            "--engine ray needs Ray, which isn't installed: `pip install 'codixr[ray]'`"
        ) from None
    from codixr.data.shards import make_shard

    def make(row: dict[str, Any]) -> dict[str, str]:
        name, digest = make_shard(jobs_ref[int(row["id"])])
        return {"name": name, "sha256": digest}

    jobs_ref = list(jobs)
    started = not ray.is_initialized()
    if started:
        ray.init(num_cpus=workers, log_to_driver=False, include_dashboard=False)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        made = ray.data.range(len(jobs_ref), override_num_blocks=len(jobs_ref)).map(
            make, concurrency=workers
        )
        for row in made.iter_rows():
            yield row["name"], row["sha256"]
    finally:
        if started:
            ray.shutdown()
