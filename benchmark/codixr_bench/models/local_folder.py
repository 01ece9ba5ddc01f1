"""A model's folder on this disk or the hub: found, read as JSON, told apart by its content."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


def find_folder(
    kind: str, given: Path | None, index: str, example: str, *, trusted: bool = False
) -> ModelFolder:
    """The folder of ``kind:FOLDER`` or ``kind:ORG/NAME[@REVISION]``, which has to hold ``index``.

    Of one that is ``trusted`` the hub gives its code too, and the revision has to be a commit: a
    branch or a tag may be other code tomorrow. Raises InputError where it is none, and where the
    folder is not given, not there, or holds no such file.
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
        if trusted and (named[1] is None or not hub.COMMIT.fullmatch(named[1])):
            raise InputError(
                f"--trust-code: write {kind}:{named[0]}@COMMIT, the 40 hexadecimal digits of a "
                "commit whose code you have read: a branch may be other code tomorrow"
            )
        folder = hub.download(*named, (*FROM_HUB, "*.py") if trusted else FROM_HUB)
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


def refuse_code(kind: str, folder: Path, libraries: Mapping[str, Any]) -> None:
    """InputError for a folder whose files would have Python of its own imported.

    Libraries differ by version in what they run unasked, so this is looked at before any of them
    opens the folder: ``auto_map`` in a JSON file (transformers), and in ``model_index.json`` a
    class that is ``[module, class]``, a pipeline that isn't one of diffusers', or a component that
    isn't a class of ``libraries`` (name -> the module itself).
    """
    cure = (
        "only the libraries' own classes are run; put the model in a class of your own, or run its "
        "code with --trust-code"
    )
    for path in _json_files(folder):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if not isinstance(content, dict):
            continue
        if _names(content, ("auto_map", "custom_pipeline")):
            raise InputError(
                f"model '{kind}:{folder}': '{path.relative_to(folder)}' names code of its own "
                f"(auto_map or custom_pipeline); {cure}"
            )
        if path.name == "model_index.json":
            for part, named in content.items():
                if (fault := _fault(part, named, libraries)) is not None:
                    raise InputError(f"model '{kind}:{folder}': {fault}; {cure}")


def _json_files(folder: Path) -> Iterator[Path]:
    """JSON files below a folder, those behind links too: the libraries follow them."""
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from sorted(Path(place, name) for name in files if name.lower().endswith(".json"))


def _names(content: Any, keys: tuple[str, ...]) -> bool:
    """Whether one of the keys has a value, at any depth."""
    if isinstance(content, dict):
        return any(content.get(key) for key in keys) or _names(list(content.values()), keys)
    return isinstance(content, list) and any(_names(one, keys) for one in content)


def _fault(part: str, named: Any, libraries: Mapping[str, Any]) -> str | None:
    """What is wrong with an entry of ``model_index.json``; None for nothing."""
    if part == "_class_name":
        if not isinstance(named, str):
            return "its pipeline is code of its own"
        if not _is_class(libraries.get("diffusers"), named):
            return f"its pipeline '{named[:60]}' is none of diffusers' here"
    elif isinstance(named, list) and named and named[0] is not None:
        library, name = named[0], named[-1]
        if not isinstance(library, str) or library not in libraries:
            return f"its part '{part}' is of a library or module that isn't known here"
        if not _is_class(libraries[library], name):
            return f"its part '{part}' is no class of {library}"
    return None


def _is_class(library: Any, name: Any) -> bool:
    found = getattr(library, name, None) if isinstance(name, str) else None
    return isinstance(found, type) and hasattr(found, "from_pretrained")


@contextmanager
def no_questions() -> Iterator[None]:
    """Within, who asks a question on stdin, such as whether to run code, gets no answer."""
    before = sys.stdin
    with Path(os.devnull).open() as nothing:
        sys.stdin = nothing
        try:
            yield
        finally:
            sys.stdin = before


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
