"""A model's folder on this disk or the hub: found, read as JSON, told apart by its content."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codixr import hub
from codixr.errors import InputError

_BLOCK = 1 << 20


FROM_HUB = (*hub.PATTERNS, "*.model", "*.jinja")
"""What a model's folder on the hub gives: no pickles, and no code."""


@dataclass(frozen=True)
class ModelFolder:
    """A model's folder, and what it is called."""

    path: Path
    name: str
    """As a model's: letters, digits and ``_ . + -``."""
    source: dict[str, str]
    """For the settings: ``hub`` and ``revision`` of one from the hub; else empty."""


def find_folder(kind: str, given: Path | None, index: str, example: str) -> ModelFolder:
    """The folder of ``kind:FOLDER`` or ``kind:ORG/NAME[@REVISION]``, which has to hold ``index``.

    Raises InputError where the folder is not given, not there, or holds no such file.
    """
    if given is None:
        raise InputError(f"model '{kind}' needs a folder: write --model {kind}:{example}")
    folder, name, source = given, given.resolve().name, {}
    if not given.is_dir():
        named = hub.named(given)
        if named is None:
            raise InputError(
                f"model '{kind}:{given}': no such folder; write a folder of this disk, or "
                "ORG/NAME of the Hugging Face hub"
            )
        folder = hub.download(*named, FROM_HUB)
        name = named[0].partition("/")[2]
        source = {"hub": named[0], "revision": hub.snapshot_revision(folder) or "unknown"}
    if not (folder / index).is_file():
        raise InputError(
            f"model '{kind}:{given}': it has no '{index}', which every {kind} folder has"
        )
    return ModelFolder(folder, name_of(name), source)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; InputError for anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"'{path}' is not a JSON object")
    return content


def refuse_code(kind: str, folder: Path, libraries: Collection[str]) -> None:
    """InputError for a folder whose files would have Python of its own imported.

    Libraries differ by version in what they run unasked, so this is looked at before any of them
    opens the folder: ``auto_map`` in a JSON file (transformers), and in ``model_index.json`` a
    class that is ``[module, class]``, or a component whose library isn't in ``libraries``.
    """
    cure = "only the libraries' own classes are run; put the model in a class of your own"
    for path in sorted(folder.rglob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if not isinstance(content, dict):
            continue
        if content.get("auto_map"):
            raise InputError(
                f"model '{kind}:{folder}': '{path.relative_to(folder)}' names code of its own "
                f"(auto_map); {cure}"
            )
        if path.name == "model_index.json":
            for part, named in content.items():
                if part == "_class_name" and not isinstance(named, str):
                    fault = "its pipeline is code of its own"
                elif isinstance(named, list) and named and named[0] not in (None, *libraries):
                    fault = f"its part '{part}' is of a library or module that isn't known here"
                else:
                    continue
                raise InputError(f"model '{kind}:{folder}': {fault}; {cure}")


def folder_sha256(folder: Path) -> str:
    """The sha256 of all files below a folder, by their names and contents; hidden ones apart."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in relative.parts):
            continue
        digest.update(f"{relative.as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def name_of(given: str) -> str:
    """A folder's name as a model's: letters, digits and ``_ . + -``."""
    name = "".join(c if c.isalnum() or c in "_.+-" else "-" for c in given)
    return name.lstrip("_.+-")[:60] or "model"
