"""Forked processes, which need not import torch again: one that is killed, two that train together.

The two join on CPUs as those of torchrun do.
"""

import multiprocessing
import os
import queue
import signal
import socket
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

FORK = multiprocessing.get_context("fork")
FSDP = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}


def killed(work: Callable[..., Any], *arguments: Any, sign: Path, delay: float) -> None:
    """Start ``work(*arguments)``; kill it by -9 ``delay`` seconds after ``sign`` is there.

    What it started is killed with it.
    """
    process = FORK.Process(target=_in_own_group, args=(work, *arguments))
    process.start()
    while not sign.exists():
        assert process.is_alive(), f"it ended before {sign} was there"
        time.sleep(0.001)
    time.sleep(delay)
    assert process.pid is not None
    os.killpg(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _in_own_group(work: Callable[..., Any], *arguments: Any) -> None:
    os.setpgid(0, 0)
    work(*arguments)


def in_two(work: Callable[..., Any], *arguments: Any, **environment: str) -> list[Any]:
    """What ``work(*arguments)`` returns in the first process and in the second."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = environment | {
        "ACCELERATE_USE_CPU": "true",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    results: Any = FORK.Queue()
    pair = [
        FORK.Process(target=_one, args=(rank, shared, results, work, arguments)) for rank in (0, 1)
    ]
    for process in pair:
        process.start()
    try:
        found = dict(_next(results, pair) for _ in pair)
    finally:
        for process in pair:
            process.join(10)
            process.kill()
    return [found[0], found[1]]


def _next(results: Any, pair: list[Any]) -> tuple[int, Any]:
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        try:
            rank, answer, trace = results.get(timeout=5)
        except queue.Empty:
            dead = [process.exitcode for process in pair if process.exitcode]
            assert not dead, f"a process ended with {dead[0]} and said nothing"
            continue
        assert trace is None, trace
        return rank, answer
    raise AssertionError("two processes gave no answer in 15 minutes")


def _one(
    rank: int, shared: dict[str, str], results: Any, work: Callable[..., Any], arguments: Any
) -> None:
    from accelerate.state import AcceleratorState

    torch.set_num_threads(1)
    os.environ |= shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    AcceleratorState._reset_state(True)
    try:
        results.put((rank, work(*arguments), None))
    except BaseException:
        results.put((rank, None, traceback.format_exc()))
