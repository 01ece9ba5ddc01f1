"""The jobs of a preparation, done by Ray Data on one machine or many that share a file system."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from codixr.errors import InputError

Job = TypeVar("Job")


def run_on_ray(
    work: Callable[[Job], tuple[str, str]], jobs: Sequence[Job], workers: int
) -> Iterator[tuple[str, str]]:
    """``work(job)`` of each job as it is finished: two texts; at most ``workers`` at a time.

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
    sent = list(jobs)

    def do(row: dict[str, Any]) -> dict[str, str]:
        first, second = work(sent[int(row["id"])])
        return {"first": first, "second": second}

    started = not ray.is_initialized()
    if started:
        ray.init(num_cpus=workers, log_to_driver=False, include_dashboard=False)
    try:
        if started:
            _hang_up_as_exit()
        ray.data.DataContext.get_current().enable_progress_bars = False
        done = ray.data.range(len(sent), override_num_blocks=len(sent)).map(do, concurrency=workers)
        for row in done.iter_rows():
            yield row["first"], row["second"]
    finally:
        if started:
            ray.shutdown()


def _hang_up_as_exit() -> None:
    """Have SIGHUP end the command as Ray has SIGTERM end it: by an exit, which stops the cluster.

    Two helpers of Ray's outlive a driver that a signal ends at once.
    """
    if (
        threading.current_thread() is threading.main_thread()
        and hasattr(signal, "SIGHUP")
        and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL  # nohup: stays ignored
    ):
        signal.signal(signal.SIGHUP, lambda number, frame: sys.exit(128 + number))
