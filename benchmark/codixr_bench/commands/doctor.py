"""``codixr-bench doctor``: what is installed, what is cached, and what can run on this machine."""

import argparse
import json
import os
import platform
import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from codixr.arguments import add_json
from codixr.errors import InputError
from codixr_bench.registry import load_model, names
from codixr_bench.track import Track

_PACKAGES = (
    "codixr",
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "pyarrow",
    "diffusers",
    "transformers",
    "torchxrayvision",
    "torch-fidelity",
    "nltk",
    "sacrebleu",
    "pydantic",
    "pydicom",
    "ray",
)
_OPTIONAL = {"ray"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``doctor``."""
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Print the report; exit code 1 when the main job cannot run here, else 0."""
    tracks = {name: _attempt(_open_track(name)) for name in names("tracks")}
    models = {name: _attempt(_open_model(name)) for name in names("models")}
    report = {
        "machine": _machine(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "caches": _caches(),
        "tracks": tracks,
        "models": models,
    }
    healthy = tracks["phantom"].startswith("ready") and models["codixr"].startswith("ready")
    if parsed.json:
        print(json.dumps(report | {"ready": healthy}, indent=2))
        return 0 if healthy else 1
    for title, rows in report.items():
        print(title)
        for name, value in rows.items():
            print(f"  {name:<16} {value}")
    verdict = "yes" if healthy else "no: see above"
    print(f"\ncan run `codixr-bench run --task 'L+T->F' --model codixr`: {verdict}")
    return 0 if healthy else 1


def _machine() -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": str(cores),
        "accelerator": _attempt(_accelerator),
        "free disk here": _gigabytes(shutil.disk_usage(Path.cwd()).free),
    }


def _accelerator() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none: the processor does the work"
    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        optional = package in _OPTIONAL
        return "not installed (optional)" if optional else "NOT INSTALLED: run `make setup`"


def _caches() -> dict[str, str]:
    root = os.environ.get("CODIXR_CACHE")
    folder = Path(root) if root else Path.home() / ".cache" / "codixr"
    if not folder.is_dir():
        return {"pictures": f"{folder}: empty (made at the first run)"}
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"pictures": f"{folder}: {_gigabytes(size)}"}


def _open_track(name: str) -> Callable[[], str]:
    def attempt() -> str:
        track = Track.load(name)
        n = len(track.dataset("test"))
        has = ", ".join(sorted(track.modalities))
        return f"ready: {n} test studies with {has}"

    return attempt


def _open_model(name: str) -> Callable[[], str]:
    def attempt() -> str:
        return f"ready: version {load_model(name).version}"

    return attempt


def _attempt(what: Callable[[], str]) -> str:
    try:
        return what()
    except InputError as error:
        return f"cannot run: {error}"
    except (ImportError, OSError, RuntimeError) as error:
        return f"cannot run: {type(error).__name__}: {error}"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
