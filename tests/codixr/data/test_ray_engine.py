"""Ray's part of a preparation that needs no Ray: what ends the command stops the cluster."""

import os
import signal
import sys
from types import ModuleType, SimpleNamespace

import pytest

from codixr.data.ray_engine import run_on_ray


@pytest.fixture
def ray(monkeypatch):
    """A cluster of this process: jobs are done in order."""
    calls: list[str] = []
    module, data = ModuleType("ray"), ModuleType("ray.data")
    module.is_initialized = lambda: False
    module.init = lambda **options: calls.append("init")
    module.shutdown = lambda: calls.append("shutdown")
    context = SimpleNamespace()
    data.DataContext = SimpleNamespace(get_current=lambda: context)
    data.range = lambda n, override_num_blocks: SimpleNamespace(
        map=lambda do, concurrency: SimpleNamespace(
            iter_rows=lambda: (do({"id": place}) for place in range(n))
        )
    )
    module.data = data
    monkeypatch.setitem(sys.modules, "ray", module)
    monkeypatch.setitem(sys.modules, "ray.data", data)
    before = signal.getsignal(signal.SIGHUP)
    yield calls
    signal.signal(signal.SIGHUP, before)


def test_each_job_gives_its_two_texts_and_the_cluster_is_stopped(ray):
    done = list(run_on_ray(lambda job: (str(job), str(job * job)), [2, 3], workers=1))
    assert done == [("2", "4"), ("3", "9")]
    assert ray == ["init", "shutdown"]


def test_a_closed_terminal_ends_the_command_and_stops_the_cluster(ray):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def work(job):
        os.kill(os.getpid(), signal.SIGHUP)
        return "", ""

    with pytest.raises(SystemExit) as ended:
        list(run_on_ray(work, [1], workers=1))
    assert ended.value.code == 128 + signal.SIGHUP
    assert ray == ["init", "shutdown"]


def test_nohup_stays_in_force(ray):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    list(run_on_ray(lambda job: ("", ""), [1], workers=1))
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
