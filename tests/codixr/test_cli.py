import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from codixr.cli import _commands_of, _parser, main
from codixr.commands import generate as generation
from codixr.commands.written_together import write_all
from codixr.modality import Modality
from codixr.model import checkpoint_info as info

REPORT = "Zebra-words: small left pleural effusion."
SIZE = 32


class FakePipeline:
    """Stands in for CoDiXRPipeline: remembers its call and makes flat pictures."""

    size = SIZE
    dtype = torch.float32
    call: dict[str, object]
    folder: Path | None

    @classmethod
    def from_pretrained(cls, folder):
        cls.folder = folder
        return cls()

    def to(self, device, dtype):
        type(self).placed = (str(device), str(dtype))

    def set_progress_bar_config(self, **options):
        pass

    def __call__(self, **call):
        type(self).call = call
        made = [Modality(letter) for letter in call["outputs"].split("+")]
        count = call["num_images"]
        picture = Image.new("L", (SIZE, SIZE), 99)
        return SimpleNamespace(
            images={modality: [picture] * count for modality in made if modality.is_image},
            reports=[f"Report {i}." for i in range(count)] if Modality.T in made else None,
        )


@pytest.fixture(autouse=True)
def fake_pipeline(monkeypatch):
    module = ModuleType("codixr.model.pipeline")
    module.CoDiXRPipeline = FakePipeline
    monkeypatch.setitem(sys.modules, "codixr.model.pipeline", module)
    return FakePipeline


@pytest.fixture
def frontal(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "front.png"
    Image.fromarray(rng.integers(0, 255, (50, 40), dtype=np.uint8)).save(path)
    return path


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_view_and_a_report_become_the_other_view(frontal, tmp_path, capsys):
    out = tmp_path / "deep" / "out"
    arguments = ["generate", "--from", f"F={frontal}", "--from", f"T={REPORT}", "--to", "L"]
    assert main([*arguments, "--out", str(out), "--seed", "7", "--steps", "3"]) == 0
    assert contents(out) == ["L.png"]
    printed = capsys.readouterr()
    assert printed.out == f"{out / 'L.png'}\n"
    assert "nothing about a patient" in printed.err
    call = FakePipeline.call
    assert call["outputs"] == "L"
    assert (call["seed"], call["num_inference_steps"], call["guidance_scale"]) == (7, 3, None)
    assert call["num_images"] == 1
    assert call["inputs"]["T"] == REPORT
    assert call["inputs"]["F"].shape == (1, SIZE, SIZE)
    assert call["inputs"]["F"].dtype == np.float32


def test_without_an_input_nobody_in_particular_is_made(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["generate", "--to", "F+T", "--out", str(out)]) == 0
    assert contents(out) == ["F.png", "report.txt", "report.warning.txt"]
    assert FakePipeline.call["inputs"] == {}
    assert "no --from given" in capsys.readouterr().err


def test_several_of_each_output_are_numbered(tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["generate", "--from", f"R={REPORT}", "--to", "l+f", "--num", "2"]
    assert main([*arguments, "--out", str(out)]) == 0
    assert contents(out) == ["F-0.png", "F-1.png", "L-0.png", "L-1.png"]
    assert FakePipeline.call["outputs"] == "F+L"


def test_a_report_is_written_as_text_and_read_from_a_file(frontal, tmp_path):
    out = tmp_path / "out"
    assert main(["generate", "--from", f"F={frontal}", "--to", "T+L", "--out", str(out)]) == 0
    assert (out / "report.txt").read_text() == "Report 0.\n"
    arguments = ["generate", "--from", f"T=@{out / 'report.txt'}", "--to", "F"]
    assert main([*arguments, "--out", str(out)]) == 0
    assert FakePipeline.call["inputs"] == {"T": "Report 0."}
    assert contents(out) == ["F.png", "L.png", "report.txt"]


@pytest.mark.parametrize("name", ["notes", "report.txt"])
def test_a_file_named_without_the_at_sign_is_not_taken_for_a_report(name, tmp_path, capsys):
    named = tmp_path / name
    if name == "notes":  # a text file is meant even where there is none of that name
        named.write_text("No effusion.")
    out = tmp_path / "out"
    assert main(["generate", "--from", f"T={named}", "--to", "F", "--out", str(out)]) == 2
    assert "T=@FILE reads a file" in capsys.readouterr().err
    assert not out.exists()


def test_a_checkpoint_of_the_users_own_carries_no_note(frontal, tmp_path, capsys):
    arguments = ["generate", "--from", f"F={frontal}", "--to", "T", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--checkpoint", str(tmp_path)]) == 0
    assert FakePipeline.folder == tmp_path
    assert capsys.readouterr().err == ""


def test_an_unusable_spacing_is_noted(tmp_path, capsys):
    import data_store  # the package pydicom-data

    scan = Path(data_store.__file__).parent / "data" / "RG1_UNCR.dcm"
    out = tmp_path / "out"
    assert main(["generate", "--from", f"L={scan}", "--to", "F", "--out", str(out)]) == 0
    assert f"note: {scan}: no usable pixel spacing" in capsys.readouterr().err


def test_the_sampling_options_reach_the_pipeline(frontal, tmp_path):
    arguments = ["generate", "--from", f"F={frontal}", "--from", f"T={REPORT}", "--to", "L"]
    more = "--weights T=2,F=1 --scheduler DDIM --eta 0.5 --batch-size 3 --num-images 2"
    options = [*more.split(), "--dtype", "bfloat16", "--strict-length", "--guidance", "3"]
    assert main([*arguments, "--out", str(tmp_path / "out"), *options]) == 0
    call = FakePipeline.call
    assert call["weights"] == {"T": 2, "F": 1}
    assert (call["scheduler"], call["eta"], call["batch_size"]) == ("DDIM", 0.5, 3)
    assert (call["strict_length"], call["guidance_scale"], call["num_images"]) == (True, 3, 2)
    assert FakePipeline.placed == ("cpu", "torch.bfloat16")


REFUSED = {
    "weights without a number": (["--from", "F={f}", "--to", "L", "--weights", "F"], "M=NUMBER"),
    "weights of nothing": (["--from", "F={f}", "--to", "L", "--weights", "X=1"], "not a modality"),
    "outputs repeat inputs": (["--from", "F={f}", "--to", "F"], "gives already"),
    "outputs overlap inputs": (["--from", "F={f}", "--to", "L+F"], "asks for F"),
    "unknown output": (["--from", "F={f}", "--to", "X"], "'X' is not a modality"),
    "unknown input": (["--from", "CT={f}", "--to", "L"], "'CT' is not a modality"),
    "an output twice": (["--from", "F={f}", "--to", "L+L"], "twice"),
    "no output": (["--from", "F={f}", "--to", ""], "not a modality"),
    "an input twice": (["--from", "F={f}", "--from", "f={f}", "--to", "L"], "given twice"),
    "an input without a value": (["--from", "F", "--to", "L"], "M=VALUE"),
    "an input with an empty value": (["--from", "F=", "--to", "L"], "M=VALUE"),
    "a missing picture": (["--from", "F=none.png", "--to", "L"], "none.png: cannot be read"),
    "a picture that is none": (["--from", "F={text}", "--to", "L"], "not a PNG"),
    "a report of no name": (["--from", "T=@", "--to", "L"], "write T=@FILE, e.g. T=@report.txt"),
    "a report that is a folder": (["--from", "T=@{d}", "--to", "L"], "is a folder; T=@FILE takes"),
    "a missing report": (["--from", "T=@none.txt", "--to", "L"], "none.txt: cannot be read"),
    "an empty report": (["--from", "T=@{empty}", "--to", "L"], "is empty"),
    "a binary report": (["--from", "T=@{f}", "--to", "L"], "not UTF-8"),
    "a report without end": (["--from", "T=@{long}", "--to", "L"], "not a report"),
    "an output folder that is a file": (["--from", "F={f}", "--to", "L", "--out", "{f}"], "a file"),
    "no such checkpoint": (
        ["--from", "F={f}", "--to", "L", "--checkpoint", "none"],
        "no such folder",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_bad_input_is_one_clear_line_and_leaves_nothing(kind, frontal, tmp_path, capsys):
    arguments, message = REFUSED[kind]
    files = {
        "f": frontal,
        "d": tmp_path,
        "text": tmp_path / "a.txt",
        "empty": tmp_path / "e",
        "long": tmp_path / "l",
    }
    files["text"].write_text(REPORT * 9)
    files["empty"].write_text(" \n")
    files["long"].write_text(REPORT * 999)
    before = contents(tmp_path)
    given = [argument.format(**files) for argument in arguments]
    out = [] if "--out" in given else ["--out", str(tmp_path / "out")]
    assert main(["generate", *given, *out]) == 2
    printed = capsys.readouterr()
    error = printed.err.removeprefix(f"codixr generate: note: {generation.EMBEDDED_NOTE}\n")
    assert message in error
    assert error.count("\n") == 1
    assert "Zebra" not in error
    assert printed.out == ""
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--seed", "-1"], ["--seed", "x"], ["--num", "0"], ["--steps", "0"]),
        *(["--guidance", "nan"], ["--guidance", "-1"], ["--sed", "1"]),
        *(["--eta", "2"], ["--batch-size", "0"], ["--dtype", "int8"]),
        ["--device", "tpu9"],
    ],
)
def test_a_bad_number_exits_with_2(arguments, frontal, tmp_path, capsys):
    given = ["generate", "--from", f"F={frontal}", "--to", "L", "--out", "out", *arguments]
    assert main(given) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert arguments[0] in line


@pytest.mark.parametrize(
    ("arguments", "guess"),
    [
        (["generat", "--to", "F"], "did you mean generate?"),
        (["generate", "--from", "T=x", "--to", "F", "--out", "o", "--sed", "1"], "mean --seed?"),
        (["info", "--jsn"], "did you mean --json?"),
        (["prepare", "opnei", "--out", "o"], "did you mean openi?"),
        (["prepare", "ct", "--vlumes", "v", "--reports", "r", "--out", "o"], "required"),
        (["prepare", "phantom", "--out", "o", "--sede", "1"], "mean --seed? (see `codixr prepare"),
        (["train", "image-vea", "--preset", "tiny"], "did you mean image-vae?"),
        (["init", "--preset", "papre", "--to", "t"], "did you mean paper?"),
        (["generate", "--dtype", "flaot16"], "did you mean float16?"),
        (["info", "--zzz"], None),
    ],
)
def test_a_misspelt_command_or_option_gets_a_guess(arguments, guess, capsys):
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("codixr: error: ")
    assert "did you mean" not in line if guess is None else guess in line


def test_files_that_are_there_are_kept_unless_asked(frontal, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "L.png").write_bytes(b"mine")
    arguments = ["generate", "--from", f"F={frontal}", "--to", "L+T", "--out", str(out)]
    assert main(arguments) == 2
    assert "already holds L.png" in capsys.readouterr().err
    assert contents(out) == ["L.png"]
    assert (out / "L.png").read_bytes() == b"mine"
    assert main([*arguments, "--overwrite"]) == 0
    assert contents(out) == ["L.png", "report.txt"]
    assert Image.open(out / "L.png").size == (SIZE, SIZE)


class Failing(Image.Image):
    def __init__(self, error):
        self.error = error

    def save(self, path, **options):
        Path(path).write_bytes(b"half")
        raise self.error


@pytest.mark.parametrize("there_before", [True, False])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, there_before):
    out = tmp_path / "a" / "out"
    if there_before:
        out.mkdir(parents=True)
    full = Failing(OSError(28, os.strerror(28)))
    with pytest.raises(generation.InputError, match="No space left on device"):
        write_all(out, {"report.txt": "text", "F.png": full})
    assert contents(tmp_path) == (["a"] if there_before else [])
    assert not there_before or contents(out) == []


def test_ctrl_c_exits_with_130_and_leaves_nothing(frontal, tmp_path, monkeypatch, capsys):
    def interrupted(self, **call):
        raise KeyboardInterrupt

    monkeypatch.setattr(FakePipeline, "__call__", interrupted)
    out = tmp_path / "out"
    assert main(["generate", "--from", f"F={frontal}", "--to", "L", "--out", str(out)]) == 130
    assert not out.exists()
    assert "interrupted" in capsys.readouterr().err


def write_safetensors(path: Path, shapes: dict[str, list[int]]) -> Path:
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    encoded = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + bytes(end))
    return path


def test_info_counts_the_values_of_each_part(tmp_path, capsys):
    write_safetensors(tmp_path / "vae" / "model.safetensors", {"w": [3, 4], "b": [4]})
    write_safetensors(tmp_path / "unet" / "model.safetensors", {"w": [10, 10], "scale": []})
    (tmp_path / "config.json").write_text("{}")
    assert main(["info", "--checkpoint", str(tmp_path), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert {part["name"]: part["parameters"] for part in summary["components"]} == {
        "unet": 101,
        "vae": 16,
    }
    assert summary["parameters"] == 117
    assert summary["bytes"] == sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file())
    assert main(["info", "--checkpoint", str(tmp_path)]) == 0
    table = capsys.readouterr().out
    assert "total" in table
    assert "117" in table


def test_a_checkpoint_of_the_same_weights_has_the_same_digest(tmp_path):
    for name in "ab":
        write_safetensors(tmp_path / name / "vae" / "model.safetensors", {"w": [2]})
    write_safetensors(tmp_path / "c" / "vae" / "model.safetensors", {"w": [3]})
    a, b, c = (info.describe(tmp_path / name).sha256 for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("kind", ["truncated", "tail", "junk", "empty", "none", "missing"])
def test_a_broken_checkpoint_is_named(kind, tmp_path, capsys):
    folder = tmp_path / "checkpoint"
    weights = write_safetensors(folder / "vae" / "model.safetensors", {"w": [9]})
    whole = weights.read_bytes()
    if kind == "missing":
        folder = tmp_path / "nowhere"
    elif kind == "none":
        weights.unlink()
    else:
        tail = {"truncated": whole[:-1], "tail": whole + b"x", "junk": b"junk" * 9, "empty": b""}
        weights.write_bytes(tail[kind])
    assert main(["info", "--checkpoint", str(folder)]) == 2
    error = capsys.readouterr().err
    assert str(folder) in error
    assert error.count("\n") == 1


def test_help_and_info_need_no_torch():
    code = (
        "import sys; sys.argv = ['codixr']\n"
        "from codixr.cli import main\n"
        "try: main({arguments})\n"
        "except SystemExit: pass\n"
        "print(sorted({{'torch', 'numpy', 'PIL', 'pydicom'}} & set(sys.modules)))"
    )
    for arguments in (["--help"], ["generate", "--help"], ["info"]):
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments=arguments)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_answers_in_json():
    lacking = []
    parsers = dict(_commands_of(_parser()))
    parsers |= {f"prepare {n}": p for n, p in _commands_of(parsers["prepare"]).items()}
    for name, parser in parsers.items():
        if "--json" not in parser._option_string_actions:
            lacking.append(name)
    assert lacking == []


def test_the_files_of_generate_are_told_in_json(frontal, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["generate", "--from", f"F={frontal}", "--to", "L+T", "--out", str(out), "--json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["files"][:2] == [str(out / "L.png"), str(out / "report.txt")]
    assert told["files"][2:] == ([str(out / "report.warning.txt")] if told["warnings"] else [])
