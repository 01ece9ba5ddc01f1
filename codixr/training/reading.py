"""Batches read before they are needed, by threads: the device need not wait for the disk.

Notable: what is read is mapped arrays (``cache.py``), whose copies leave Python's lock alone, so
threads are enough and nothing is sent from process to process. The order is that of the items, and
so are the batches, whatever the number of threads.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
Batch = dict[str, Tensor]
AHEAD = 2
"""Batches a thread has ready or in work."""


def read_ahead(
    items: Iterable[T], read: Callable[[T], Batch], workers: int, *, pin: bool = False
) -> Generator[tuple[T, Batch]]:
    """Each item with its batch, in order; with ``workers`` of 0, read when it is asked for.

    ``pin`` puts batches into pinned memory, from which a copy to a GPU goes on beside the GPU's
    work. What a thread raises is raised here, at its item. Close the iterator to end the threads.
    """

    def ready(item: T) -> Batch:
        batch = read(item)
        return {name: x.pin_memory() for name, x in batch.items()} if pin else batch

    if not workers:
        for item in items:
            yield item, ready(item)
        return
    source = iter(items)
    coming: deque[tuple[T, Future[Batch]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="reading")
    try:
        for item in islice(source, workers * AHEAD):
            coming.append((item, pool.submit(ready, item)))
        while coming:
            item, future = coming.popleft()
            batch = future.result()
            for following in islice(source, 1):
                coming.append((following, pool.submit(ready, following)))
            yield item, batch
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def workers_for(device: torch.device, asked: int | None) -> int:
    """Threads to read with: as asked, else two beside a GPU and none beside a CPU's own work."""
    if asked is not None:
        return asked
    return 0 if device.type == "cpu" else 2


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on ``device``."""
    return {name: x.to(device, non_blocking=True) for name, x in batch.items()}
