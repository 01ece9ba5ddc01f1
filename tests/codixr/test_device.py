"""Where networks compute: the choice, by mocks of torch's own answers, and what is refused."""

import pytest
import torch

from codixr import device
from codixr.arguments import device as argument
from codixr.cli import main as codixr_main
from codixr.device import device_named, is_out_of_memory, type_named
from codixr.errors import InputError
from codixr_bench.cli import main as bench_main


@pytest.fixture
def machine(monkeypatch):
    """A machine with so many CUDA cards, and with Apple's MPS or without."""

    def made(cards=0, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: None)
        for name in ("WORLD_SIZE", "LOCAL_RANK"):
            monkeypatch.delenv(name, raising=False)

    return made


@pytest.mark.parametrize(
    ("cards", "mps", "chosen"),
    [(2, False, "cuda"), (1, True, "cuda"), (0, True, "mps"), (0, False, "cpu")],
)
def test_auto_is_cuda_else_mps_else_the_cpu(machine, cards, mps, chosen):
    machine(cards, mps)
    assert device_named("auto") == torch.device(chosen)


def test_a_device_that_is_named_is_taken(machine):
    machine(2)
    assert device_named("cpu") == torch.device("cpu")
    assert device_named("cuda:1") == torch.device("cuda", 1)


@pytest.mark.parametrize(
    ("cards", "mps", "asked", "said"),
    [
        (0, False, "cuda", "device 'cuda': torch sees no accelerator here"),
        (0, True, "cuda:0", "device 'cuda:0': torch sees 'mps' here"),
        (1, False, "mps", "device 'mps': torch sees 'cuda' here"),
        (2, False, "cuda:2", "device 'cuda:2': there are 2 here, from 0 on"),
    ],
)
def test_a_device_that_is_not_here_is_refused(machine, cards, mps, asked, said):
    machine(cards, mps)
    with pytest.raises(InputError, match=said):
        device_named(asked)


def test_each_of_several_processes_takes_a_card_of_its_own(machine, monkeypatch):
    machine(2)
    monkeypatch.setenv("WORLD_SIZE", "4")
    chosen = []
    for rank in range(4):
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        chosen.append(device_named("auto").index)
    assert chosen == [0, 1, 0, 1]
    assert device_named("cuda:0").index == 0, "one that is named stays"


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:-1", "CPU", "cuda:0,1", ""])
def test_what_is_no_device_is_a_wrong_argument(text):
    with pytest.raises(Exception, match="none of auto, cpu, cuda"):
        argument(text)


def test_auto_keeps_stored_types_on_a_card_only():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    half = torch.bfloat16
    assert type_named("auto", cpu, half) == torch.float32
    assert type_named("auto", cuda, half) == half
    assert type_named("float16", cpu, torch.float32) == torch.float16


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8.9 GB)"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), True),
        (MemoryError(), True),
        (RuntimeError("shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_that_ran_out_is_told_from_other_errors(error, is_one):
    assert is_out_of_memory(error) is is_one


def test_the_name_of_a_card_stands_in_a_result(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H200")
    assert device.described(torch.device("cuda", 3)) == "cuda (NVIDIA H200)"
    assert device.described(torch.device("cpu")) == "cpu"


BENCH = {
    "run": ["--task", "T->F", "--model", "codixr", "--limit", "2"],
    "generate": ["--task", "T->F", "--model", "codixr", "--limit", "2"],
    "score": ["--samples", "{}", "--task", "T->F"],
    "fid": ["{}", "{}", "--backbone", "phantom"],
    "utility": ["{}"],
}


@pytest.mark.parametrize("command", BENCH)
def test_cuda_that_is_absent_ends_every_command_with_one_line(
    machine, command, tmp_path, monkeypatch, capsys
):
    machine()
    monkeypatch.chdir(tmp_path)
    given = [word.format(tmp_path) for word in BENCH[command]]
    assert bench_main([command, *given, "--device", "cuda"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1] == (
        "codixr-bench: error: device 'cuda': torch sees no accelerator here; give cpu"
    )
    assert list(tmp_path.iterdir()) == []


def test_codixr_generate_says_the_same(machine, tmp_path, capsys):
    machine()
    asked = ["generate", "--from", "T=clear", "--to", "F", "--out", str(tmp_path / "out")]
    assert codixr_main([*asked, "--device", "cuda"]) == 2
    assert "torch sees no accelerator here" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["score", "fid", "utility"])
def test_half_of_float32_is_refused_where_only_scores_are_computed(command, capsys):
    given = [word.format(".") for word in BENCH[command]]
    assert bench_main([command, *given, "--dtype", "bfloat16"]) == 2
    assert "--dtype" in capsys.readouterr().err
