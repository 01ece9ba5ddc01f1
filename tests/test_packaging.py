"""What is in the wheel that users install."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*command, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("codixr-*.whl")
    return zipfile.ZipFile(path)


def test_the_three_packages_are_in_the_wheel_and_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    packages = {"codixr", "codixr_bench", "codixr_leaderboard"}
    assert tops == {*packages, f"codixr-{PROJECT['version']}.dist-info"}
    for package in packages:
        assert f"{package}/__init__.py" in wheel.namelist()
        assert f"{package}/py.typed" in wheel.namelist()


def test_every_recipe_and_every_asset_is_in_the_wheel(wheel):
    recipes = {f"codixr_bench/data_manifests/{path.name}" for path in ROOT.glob("data_manifests/*")}
    assets = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "codixr" / "assets").rglob("*")
        if path.is_file()
    }
    assert recipes >= {f"codixr_bench/data_manifests/{name}.yaml" for name in ("phantom", "openi")}
    assert recipes | assets <= set(wheel.namelist())


def test_the_licence_and_both_commands_are_in_the_wheel(wheel):
    info = f"codixr-{PROJECT['version']}.dist-info"
    licence = wheel.read(f"{info}/licenses/LICENSE").decode()
    assert "Apache License" in licence
    assert "Version 2.0, January 2004" in licence
    entries = wheel.read(f"{info}/entry_points.txt").decode()
    assert "codixr = codixr.cli:main" in entries
    assert "codixr-bench = codixr_bench.cli:main" in entries


def test_no_file_of_a_patient_or_a_build_is_in_the_wheel(wheel):
    ends = (".tgz", ".dcm", ".xml", ".parquet", ".pyc", ".npy")
    assert not [name for name in wheel.namelist() if name.endswith(ends)]
    assert sum(item.file_size for item in wheel.infolist()) < 40e6


def test_the_extras_are_the_promised_ones():
    promised = {
        "dev",
        "docs",
        "mimic",
        "ct",
        "lora",
        "ray",
        "radeval",
        "wandb",
        "mlflow",
        "train",
        "plot",
        "dicom",
        "all",
    }
    assert set(PROJECT["optional-dependencies"]) == promised


def test_the_versions_agree():
    import codixr

    assert codixr.__version__ == PROJECT["version"]
    assert f"version: {PROJECT['version']}" in (ROOT / "CITATION.cff").read_text()
