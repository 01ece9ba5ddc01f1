"""The one progress bar: what it says in a log, when it keeps quiet, and what it counts."""

import time

import pytest

from codixr import progress
from codixr.progress import Progress, duration, track


class Clock:
    """``time.monotonic``, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_a_log_gets_a_line_every_half_minute_and_one_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("preparing", 40, unit="studies") as bar:
        for _ in range(40):
            clock.now += 10.0
            bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 14
    assert lines[0] == "preparing: 3/40 studies, 0.1/s, 6 min 10 s left"
    assert lines[-1] == "preparing: 40/40 studies, 0.1/s"


def test_short_work_leaves_nothing_in_a_log(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in track(range(3), "reading", "files"):
        clock.now += 0.5
    assert capsys.readouterr().err == ""


def test_the_rate_counts_only_what_is_done_here(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("preparing", 100, 90, "studies") as bar:
        clock.now += 5.0
        bar.advance(10)
    assert capsys.readouterr().err == "preparing: 100/100 studies, 2/s\n"


def test_more_to_show_is_asked_for_only_when_something_is_shown(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def loss() -> str:
        asked.append(clock.now)
        return "loss 0.5"

    with Progress("training", 10, unit="steps") as bar:
        for _ in range(10):
            clock.now += 1.0
            bar.advance(1, loss)
    assert len(asked) == 1
    assert capsys.readouterr().err == "training: 10/10 steps, 1/s, loss 0.5\n"


def test_other_processes_than_the_first_and_quiet_bars_say_nothing(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Progress("preparing", 1, quiet=True) as bar:
        clock.now += 60.0
        bar.advance()
    monkeypatch.setenv("RANK", "1")
    with Progress("preparing", 1) as bar:
        clock.now += 60.0
        bar.advance()
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_and_none_within_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(progress, "_SHORT", 0.0)
    with Progress("outer [L]", 2, unit="studies") as outer:
        with Progress("inner", 1) as inner:
            inner.advance()
        outer.advance(2)
    shown = capsys.readouterr().err
    assert "outer [L]" in shown
    assert "2/2 studies" in shown
    assert "inner" not in shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(8.2, "8 s"), (125, "2 min 05 s"), (3725, "1 h 02 min")]
)
def test_durations_are_read_at_a_glance(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_share_of_the_next_is_shown_and_counted_in_the_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("T->F", 128, unit="studies") as bar:
        clock.now += 100.0
        bar.within(64, 0.25, "64 at a time, step 10 of 40")
        clock.now += 300.0
        bar.advance(64)
    first, second = capsys.readouterr().err.splitlines()
    assert first == ("T->F: 0/128 studies, 0.16/s, 64 at a time, step 10 of 40, 11 min 40 s left")
    assert second == "T->F: 64/128 studies, 0.16/s, 6 min 40 s left"


def test_what_says_nothing_for_long_is_said_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.03)
    with Progress("T->F", 64, unit="studies") as bar, bar.alive("64 at a time"):
        time.sleep(0.2)
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert lines[0] == "T->F: 0/64 studies, 0/s, 64 at a time, 0 s so far"
    with Progress("T->F", 64, quiet=True) as bar, bar.alive("64 at a time"):
        time.sleep(0.05)
    assert capsys.readouterr().err == ""
