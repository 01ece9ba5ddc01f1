"""Processes that train together end together."""

from pathlib import Path

import pytest

from codixr.commands.train import Request, train
from codixr.errors import InputError
from codixr.training.processes import left_alone
from helpers.processes import in_two

SETTINGS = {"steps": "1", "batch": "4", "tracker": "none"}


def refused(out: Path) -> str:
    """Only the process that writes looks into --init, and finds nothing."""
    start = out / "nothing"
    request = Request(
        "report-vae", "tiny", "phantom", out / "run", settings=SETTINGS, init=start, limit=8
    )
    with pytest.raises(InputError) as error:
        train(request)
    return str(error.value)


def test_what_the_writing_process_refuses_all_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    first, second = in_two(refused, tmp_path)
    assert first == second
    assert first.startswith(f"no checkpoint at {tmp_path / 'nothing'}")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("[gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:25268", True),
        ("NCCL error: remote process exited or there was a network error", True),
        ("mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_a_process_whose_partner_has_ended_is_told_from_one_with_an_error(
    words: str, found: bool
) -> None:
    assert left_alone(RuntimeError(words)) is found
    assert not left_alone(ValueError(words))
