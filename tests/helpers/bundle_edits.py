"""One edit in a bundle: of any field of any file, sealed anew or not."""

import copy
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from codixr_bench.reproduce.manifest import BUNDLE_NAME, json_bytes

Place = tuple[str | int, ...]
Change = Callable[[Any], Any]


def copied(bundle: Path, to: Path) -> Path:
    """A copy to be edited."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(bundle, to)
    return to


def leaves(content: Any, at: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every place of a JSON value that holds no other, with what it holds."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        if isinstance(value, dict | list) and value:
            yield from leaves(value, (*at, key))
        else:
            yield (*at, key), value


def at(content: Any, place: Place) -> Any:
    for key in place:
        content = content[key]
    return content


def other(value: Any) -> Any:
    """A value of the same kind that might pass: another number, another letter."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 1.01 + 0.001
    if isinstance(value, str):
        return value[:-1] + ("x" if value[-1:] != "x" else "y")
    return {None: 1, (): [1]}.get(None if value is None else (), 1)


def edit(bundle: Path, file: str, place: Place, change: Change = other) -> None:
    """Change one field of a JSON file, written as it was written."""
    path = bundle / file
    text = path.read_text(encoding="utf-8")
    content = json.loads(text)
    changed = copy.deepcopy(content)
    holder = at(changed, place[:-1])
    holder[place[-1]] = change(holder[place[-1]])
    assert changed != content, f"{file} {place}: nothing was changed"
    path.write_bytes(_like(text, changed))


def edit_text(bundle: Path, file: str, old: str, new: str) -> None:
    """Change the first ``old`` of a text file."""
    path = bundle / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{file} has no {old!r}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def seal(bundle: Path) -> str:
    """Make the manifest fit the files again, as a forger would; its sha256."""
    path = bundle / BUNDLE_NAME
    manifest = json.loads(path.read_bytes())
    manifest["files"] = {
        file.relative_to(bundle).as_posix(): {
            "bytes": file.stat().st_size,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        for file in sorted(bundle.rglob("*"))
        if file.is_file() and file.name != BUNDLE_NAME
    }
    path.write_bytes(json_bytes(manifest))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _like(text: str, content: Any) -> bytes:
    """As results are written (two spaces), or all else (one)."""
    if text.startswith('{\n  "'):
        return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
    return json_bytes(content)
