"""``doctor``: quick, right about what is there, and honest about what it did not try."""

import json
import subprocess
import sys

import pytest

from codixr.model import checkpoint_info
from codixr_bench.cli import main
from codixr_bench.commands import doctor
from codixr_bench.registry import load_model


def test_neither_torch_nor_scikit_learn_is_imported():
    code = (
        "import sys\n"
        "from codixr_bench.cli import main\n"
        "main(['doctor', '--json'])\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'sklearn', 'torchxrayvision'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_the_checkpoint_s_digest_is_the_one_that_results_carry(capsys):
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    digest = load_model("codixr").checkpoint_sha256
    assert report["models"]["codixr"] == f"ready: version 0.1.0, checkpoint {digest[:10]}…"
    assert report["ready"] is True


def test_thorough_opens_what_the_quick_answer_only_found(capsys):
    assert main(["doctor", "--json"]) == 0
    quick = json.loads(capsys.readouterr().out)
    assert main(["doctor", "--json", "--thorough"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert quick["tracks"] == whole["tracks"]
    assert quick["models"]["noise"] == "found (--thorough loads it)"
    assert whole["models"]["noise"] == f"ready: version {load_model('noise').version}"


def test_a_damaged_checkpoint_is_not_ready(monkeypatch, tmp_path, capsys):
    (tmp_path / "model.safetensors").write_bytes(b"half")
    monkeypatch.setattr(checkpoint_info, "embedded_checkpoint", lambda: tmp_path)
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert f"codixr           cannot run: {tmp_path}" in shown
    assert shown.endswith("no: see above\n")


def test_a_package_that_is_missing_means_no(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_PACKAGES", (*doctor._PACKAGES, "no-such-package"))
    assert main(["doctor"]) == 1
    assert "no-such-package  NOT INSTALLED: pip install codixr, or" in capsys.readouterr().out


def test_a_file_that_is_not_the_published_one_is_named(tmp_path, monkeypatch, capsys):
    package = tmp_path / "somebodys"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "reports.tgz").write_bytes(b"mine")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(doctor.InputError, match="is not the published file: install somebodys"):
        doctor._check_file("somebodys/reports.tgz", "0" * 64)
    with pytest.raises(doctor.InputError, match=r"'somebodys/other\.tgz' is missing"):
        doctor._check_file("somebodys/other.tgz", "0" * 64)
