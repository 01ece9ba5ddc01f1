"""Checkpoints of a running stage: whole or not there, the last two and the best.

A checkpoint is one ``step-NNNNNNNN.pt`` with weights, averaged weights, optimizer, step, and what
it belongs to; where processes hold rows of the tensors, these lie in files beside it, which it
names. The schedule, the order of studies and all randomness are functions of the step.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import torch

from codixr.atomic import remove_parts, replacing
from codixr.errors import InputError
from codixr.messages import note
from codixr.training import checkpoint_shards
from codixr.training.processes import refused_together
from codixr.training.stage_config import StageConfig, contradiction

VERSION = 1
CHECKPOINT_BYTES = 16
"""A trained parameter's: its value, its average and AdamW's two moments, in float32."""
LARGE = 2e9
"""Bytes from which a checkpoint is written more rarely."""
SECONDS, SECONDS_LARGE = 120.0, 1800.0
ROWS = "rows"
"""Of a checkpoint whose tensors lie in other files: their names."""


def save_interval(asked: float | None, size: float) -> tuple[float, bool]:
    """(seconds between checkpoints, whether they are large) for one of ``size`` bytes.

    As ``asked``, else two minutes, and half an hour where a checkpoint is large.
    """
    large = size > LARGE
    usual = SECONDS_LARGE if large else SECONDS
    return usual if asked is None else asked, large


class CheckpointFolder:
    """The checkpoints of one stage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: dict[str, Any], *, best: bool = False) -> Path:
        """Write one; older ones than the last two go. InputError when the disk is full."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{_stem(state)}.pt"
        with replacing(path) as part, part.open("wb") as file:
            # Given a path, torch would hide why it cannot be written.
            torch.save({"version": VERSION, **state}, file)
        if best:
            self._keep_as_best(path)
        for old in self.paths()[:-2]:
            old.unlink(missing_ok=True)
        self._drop_rows()
        return path

    def save_rows(
        self, state: dict[str, Any], index: int, count: int, *, best: bool = False
    ) -> None:
        """Write one in rows: each of the ``count`` processes asks, and writes what it has.

        InputError, in all of them, where one can't write.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        rest, tensors = checkpoint_shards.apart(state)
        files = checkpoint_shards.file_names(_stem(state), count)
        with refused_together():
            checkpoint_shards.write(self.folder / files[index], tensors, index)
        with refused_together():
            if index == 0:
                self.save({**rest, ROWS: files}, best=best)

    def _drop_rows(self) -> None:
        """Remove files of rows that no checkpoint names: of old ones, or of a killed process."""
        found = {path.name for path in self.folder.glob(checkpoint_shards.PATTERN)}
        if not found:
            return
        for path in self.folder.glob("*.pt"):
            try:
                state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
                found -= set(state.get(ROWS, ()))
            except Exception:  # damaged: what it named stays until it goes
                found -= {name for name in found if name.startswith(f"{path.stem}.")}
        for name in found:
            (self.folder / name).unlink(missing_ok=True)

    def _keep_as_best(self, path: Path) -> None:
        part = self.folder / f".best.{os.getpid()}.part"
        part.unlink(missing_ok=True)
        try:
            os.link(path, part)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, part)
        part.replace(self.folder / "best.pt")

    def paths(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted(self.folder.glob("step-*.pt"))

    def newest(self) -> dict[str, Any] | None:
        """The newest checkpoint that can be read, or None; a damaged one is named and left out.

        InputError when there are some and none can be read.
        """
        self.sweep()
        damaged = []
        for path in reversed(self.paths()):
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
                if state["version"] != VERSION:
                    raise InputError(
                        f"{path} has version {state['version']} of the format, this program reads "
                        f"{VERSION}: go on with the program that wrote it, or remove {self.folder}"
                    )
                if ROWS in state:
                    rows = checkpoint_shards.Rows(self.folder / name for name in state[ROWS])
                    state = checkpoint_shards.together(state, rows)
            except InputError:
                raise
            except Exception as error:
                damaged.append(path)
                note("codixr train", f"{path} is damaged ({type(error).__name__}): not used")
                continue
            for bad in damaged:
                bad.unlink(missing_ok=True)
            self._drop_rows()
            return dict(state)
        if damaged:
            raise InputError(
                f"no checkpoint in {self.folder} can be read; remove the folder to start again"
            )
        return None

    def to_go_on_from(
        self, stage: str, config: StageConfig, identity: dict[str, Any]
    ) -> dict[str, Any] | None:
        """The newest checkpoint, or None; InputError where it is of another config or data."""
        saved = self.newest()
        if saved is None:
            return None
        again = f"remove {self.folder.parent} to start again"
        if found := contradiction(stage, saved["config"], config):
            raise InputError(
                f"{stage}: {found.name} is {found.before} in the checkpoint and {found.now} now: "
                f"go on with {found.cure}, or {again}"
            )
        for key, before in saved["identity"].items():
            if before != (now := identity[key]):
                raise InputError(
                    f"{stage}: its checkpoint belongs to {key} {_short(before)}, and {key} is "
                    f"{_short(now)} now: {again}"
                )
        return saved

    def sweep(self) -> None:
        """Remove what a killed process left half-written, or without its checkpoint."""
        remove_parts(self.folder)
        self._drop_rows()


def _stem(state: dict[str, Any]) -> str:
    return f"step-{state['step']:08d}"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {str(v)[:12]}" for k, v in sorted(value.items()))
    return str(value)[:12]
