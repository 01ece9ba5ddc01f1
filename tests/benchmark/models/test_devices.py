"""Models go where they are told, in the type they are told, and say how far they are."""

import json

import numpy as np
import pytest
import torch

from codixr.modality import Modality
from codixr_bench.backbones import placement
from codixr_bench.cli import main
from codixr_bench.hooks import TellsProgress, UsesDevice
from codixr_bench.registry import load_model
from codixr_bench.runs import generation
from codixr_bench.task import Task
from helpers import model_folders


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        "codixr": "codixr",
        "diffusers": f"diffusers:{model_folders.text_to_image(folder / 'sd')}",
        "transformers": f"transformers:{model_folders.image_to_text(folder / 'vit')}",
    }


@pytest.fixture(autouse=True)
def as_before():
    yield
    placement.use()


def modules(model):
    network = model.network()
    if isinstance(network, torch.nn.Module):
        return [network]
    return [part for part in network.components.values() if isinstance(part, torch.nn.Module)]


KINDS = ("codixr", "diffusers", "transformers")


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_a_model_moves_and_the_result_names_its_type(specs, kind, monkeypatch):
    model = load_model(specs[kind])
    assert isinstance(model, UsesDevice)
    assert isinstance(model, TellsProgress)
    model.use_device("cpu", "bfloat16")
    assert model.settings["dtype"] == "bfloat16"
    held = [one for part in modules(model) for one in (*part.parameters(), *part.buffers())]
    assert {one.dtype for one in held if one.is_floating_point()} <= {
        torch.bfloat16,
        torch.float32,  # buffers that are kept exact
    }
    assert all(one.dtype == torch.bfloat16 for part in modules(model) for one in part.parameters())
    model.use_device("cpu", "auto")
    assert "dtype" not in model.settings, "float32 is what a result takes for granted"
    monkeypatch.setattr("codixr.device.check_here", lambda device: device)
    model.use_device("meta", "float32")
    held = [one for part in modules(model) for one in (*part.parameters(), *part.buffers())]
    assert {one.device.type for one in held} == {"meta"}


@pytest.mark.parametrize(("kind", "task"), [("codixr", "T->F"), ("transformers", "F->T")])
def test_a_run_in_bfloat16_says_so_and_on_which_device(specs, kind, task, tmp_path):
    run = ["run", "--task", task, "--limit", "2", "--model", specs[kind], "--out", str(tmp_path)]
    assert main([*run, "--dtype", "bfloat16", "--device", "cpu", "--metrics", METRIC[task]]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["generation"]["dtype"] == "bfloat16"
    assert result["environment"]["device"] == "cpu"
    assert main([*run, "--metrics", METRIC[task]]) == 2, "samples of another type are another run's"


METRIC = {"T->F": "classification", "F->T": "rouge"}


def told(model, task, conditions):
    steps = []
    model.tell_progress(lambda done, of: steps.append((done, of)))
    model.generate(conditions, Task.parse(task), list(range(len(conditions))))
    return steps


def test_diffusion_models_tell_each_step(specs):
    prompts = [{Modality.T: "clear"}, {Modality.T: "edema"}]
    model = load_model(specs["codixr"], {"steps": 4})
    assert told(model, "T->F", prompts) == [(1, 4), (2, 4), (3, 4), (4, 4)]
    model = load_model(specs["diffusers"], {"steps": 3})
    assert told(model, "T->F", prompts) == [(1, 3), (2, 3), (3, 3)]


def test_writing_models_tell_each_token_or_each_report(specs, tmp_path):
    views = [{Modality.F: np.full((1, 16, 16), 0.5, dtype=np.float32)}] * 3
    steps = told(load_model(specs["transformers"]), "F->T", views)
    assert steps
    assert steps[0] == (1, 6)
    assert steps == sorted(steps)
    drawn = model_folders.image_to_text(tmp_path / "drawn", sampling=True)
    assert told(load_model(f"transformers:{drawn}"), "F->T", views) == [(1, 3), (2, 3), (3, 3)]


OWN = """
class Mine:
    name, version = "mine", "1"
    at_most = 99
    def __init__(self):
        self.settings = {}
        self.sizes = []
    def use_device(self, device, dtype):
        self.settings |= {"where": device, "type": dtype}
    def supports(self, task):
        return str(task).endswith("T")
    def generate(self, conditions, task, seeds):
        self.sizes.append(len(seeds))
        print("size", len(seeds))
        if len(seeds) > self.at_most:
            import torch
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        return [{"T": "Lungs are clear."} for _ in conditions]

class Without(Mine):
    use_device = None

class Large(Mine):
    at_most = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "of_devices.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


RUN = ["run", "--task", "F->T", "--metrics", "rouge", "--model"]


def test_a_class_of_ones_own_is_told(own, tmp_path):
    more = ["--limit", "2", "--device", "cpu", "--dtype", "float16", "--out", str(tmp_path / "o")]
    assert main([*RUN, "of_devices:Mine", *more]) == 0
    found = json.loads((tmp_path / "o" / "result.json").read_text())["generation"]
    assert (found["where"], found["type"]) == ("cpu", "float16")


def test_a_type_is_refused_where_nothing_takes_it(own, capsys):
    assert main([*RUN, "noise", "--limit", "2", "--dtype", "bfloat16"]) == 2
    assert "model 'noise' computes as it likes" in capsys.readouterr().err


def test_auto_halves_the_batch_where_memory_runs_out_and_keeps_the_samples(own, tmp_path, capsys):
    more = ["--limit", "10", "--batch-size", "auto", "--out", str(tmp_path / "o")]
    assert main([*RUN, "of_devices:Large", *more]) == 0
    shown = capsys.readouterr()
    sizes = [int(line.split()[1]) for line in shown.out.splitlines() if line.startswith("size")]
    assert sizes == [10, 5, 2, 2, 2, 2, 2]
    assert "memory ran out with 10 studies at a time: going on with 5" in shown.err
    assert "memory ran out with 5 studies at a time: going on with 2" in shown.err
    result = json.loads((tmp_path / "o" / "result.json").read_text())
    assert result["coverage"] == {"expected": 10, "scored": 10}


def test_a_number_stays_and_the_crash_names_the_cure(own, tmp_path, capsys):
    more = ["--limit", "10", "--batch-size", "8", "--out", str(tmp_path / "o")]
    assert main([*RUN, "of_devices:Large", *more]) == 1
    assert "try a smaller --batch-size, or auto" in capsys.readouterr().err


def test_the_batch_size_is_a_number_or_auto(capsys):
    assert main([*RUN, "noise", "--batch-size", "many"]) == 2
    assert "'many' is not a whole number of 1 or more" in capsys.readouterr().err
    assert generation.BATCH_SIZE == 64
