"""``codixr-bench doctor``: what is installed, what is cached, and what can run on this machine.

It answers in seconds: versions, files and their digests are read, and neither torch nor a model is
imported. ``--thorough`` opens every track and loads every model.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from codixr.arguments import add_json
from codixr.errors import InputError
from codixr.extras import EXTRAS
from codixr.workers import cores
from codixr_bench.registry import MODELS, TRACKS, load_model, names, plugged_in
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
    "matplotlib",
    "accelerate",
    "ray",
)
_OPTIONAL = {"ray", "pydicom", "matplotlib", "accelerate"}
_NOT_INSTALLED = "NOT INSTALLED: pip install codixr, or `make setup` in a clone"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``doctor``."""
    parser.add_argument(
        "--thorough",
        action="store_true",
        help="open every track and load every model: takes up to a minute",
    )
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Print the report; exit code 1 when the main job cannot run here, else 0."""
    open_track, open_model = (
        (_open_track, _load_model) if parsed.thorough else (_see_track, _see_model)
    )
    tracks = {name: _attempt(partial(open_track, name)) for name in names("tracks")}
    models = {name: _attempt(partial(open_model, name)) for name in names("models")}
    report = {
        "machine": _machine(thorough=parsed.thorough),
        "packages": {name: _version(name) for name in _PACKAGES},
        "caches": _caches(),
        "tracks": tracks,
        "models": models,
    }
    healthy = all(
        state.startswith("ready")
        for state in (tracks["phantom"], models["codixr"], *map(_presence, _PACKAGES))
    )
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


def _machine(*, thorough: bool) -> dict[str, str]:
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": str(cores()),
        "accelerator": _attempt(_torchs_accelerator if thorough else _accelerator),
        "free disk here": _gigabytes(shutil.disk_usage(Path.cwd()).free),
    }


def _accelerator() -> str:
    """What the driver lists; whether torch can use it is a question for --thorough."""
    if (tool := shutil.which("nvidia-smi")) is None:
        return "no NVIDIA driver found (--thorough asks torch)"
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    listed = found.stdout.strip().splitlines() if found.returncode == 0 else []
    return ", ".join(listed) or "the NVIDIA driver lists none"


def _torchs_accelerator() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none: the processor does the work"
    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def _presence(package: str) -> str:
    """``ready`` where a package that the main job needs is installed, or it needs none."""
    return "ready" if _version(package) != _NOT_INSTALLED else "missing"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        optional = package in _OPTIONAL
        return f"not installed (extra codixr[{EXTRAS[package]}])" if optional else _NOT_INSTALLED


def _caches() -> dict[str, str]:
    root = os.environ.get("CODIXR_CACHE")
    folder = Path(root) if root else Path.home() / ".cache" / "codixr"
    if not folder.is_dir():
        return {"pictures": f"{folder}: empty (made at the first run)"}
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"pictures": f"{folder}: {_gigabytes(size)}"}


def _open_track(name: str) -> str:
    track = Track.load(name)
    return _ready(track, len(track.dataset("test")))


def _see_track(name: str) -> str:
    """A track's recipe, and the files it names; the studies are not read."""
    track = Track.load(name)
    if track.files:
        for file, sha256 in track.files.items():
            _check_file(file, sha256)
        return _ready(track, track.splits["test"])
    if name in TRACKS:  # simulated, or in want of --data, which they say at once
        return _ready(track, len(track.dataset("test")))
    return f"found: a recipe of {track.splits.get('test', 0)} test studies (--thorough opens them)"


def _ready(track: Track, n: int) -> str:
    return f"ready: {n} test studies with {', '.join(sorted(track.modalities))}"


def _check_file(name: str, sha256: str) -> None:
    """InputError for a file of another package that isn't there, or isn't the published one."""
    package, _, inside = name.partition("/")
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    path = next((p for f in folders if (p := Path(f) / inside).is_file()), None)
    if path is None:
        raise InputError(f"'{name}' is missing: install {package}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise InputError(f"'{path}' is not the published file: install {package} again")


def _load_model(name: str) -> str:
    return f"ready: version {load_model(name).version}"


def _see_model(name: str) -> str:
    """That a model's module can be found; of the embedded checkpoint, its files and digest."""
    if name == "codixr":
        from codixr_bench.models.codixr import embedded_sha256

        return f"ready: version {version('codixr')}, checkpoint {embedded_sha256()[:10]}…"
    target = MODELS.get(name) or plugged_in("models")[name]
    if importlib.util.find_spec(target.partition(":")[0].partition(".")[0]) is None:
        raise InputError(f"no module for '{target}'")
    return "found (--thorough loads it)"


def _attempt(what: Callable[[], str]) -> str:
    try:
        return what()
    except InputError as error:
        return f"cannot run: {error}"
    except (ImportError, OSError, RuntimeError) as error:
        return f"cannot run: {type(error).__name__}: {error}"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
