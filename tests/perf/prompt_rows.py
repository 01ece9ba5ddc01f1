"""The rows of a list of prompts: what each asks for, and on which side."""

import csv
from dataclasses import dataclass
from pathlib import Path

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom.wording_meaning import CENTRAL
from codixr.errors import InputError

COLUMNS = ("prompt", "asked", "side")


@dataclass(frozen=True)
class Asked:
    """One row of the file."""

    prompt: str
    findings: tuple[str, ...]
    side: str

    @property
    def placed(self) -> list[tuple[str, str]]:
        """Each asked finding that can be on one side, and the side it is asked on."""
        sides = self.side.split("+") if "+" in self.side else [self.side] * len(self.findings)
        pairs = zip(self.findings, sides, strict=True)
        return [(name, side) for name, side in pairs if name not in CENTRAL]


def read(path: Path) -> list[Asked]:
    """The rows of FILE; InputError, with the row's number, for what is no such list."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            if missing := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
                raise InputError(
                    f"{path}: no column {', '.join(missing)}; it needs {', '.join(COLUMNS)}"
                )
            cells = [[(row[name] or "").strip() for name in COLUMNS] for row in table]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a CSV file") from None
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"{path}: is no CSV file in UTF-8; save it as one") from None
    if not cells:
        raise InputError(f"{path}: has no prompts")
    rows = []
    for number, (prompt, asked, side) in enumerate(cells, 2):
        row = Asked(prompt, tuple(filter(None, asked.split("+"))), side)
        if (wrong := _wrong(row)) is not None:
            raise InputError(f"{path}, row {number}: {wrong}")
        rows.append(row)
    return rows


def _wrong(row: Asked) -> str | None:
    """What is wrong with a row; the prompt itself isn't quoted."""
    if not row.prompt:
        return "the prompt is empty"
    if unknown := sorted(set(row.findings) - set(PATHOLOGIES)):
        return f"'{', '.join(unknown)}' is none of {', '.join(PATHOLOGIES)}"
    if len(set(row.findings)) < len(row.findings):
        return f"'{'+'.join(row.findings)}' names a finding twice"
    sides = row.side.split("+") if row.side else []
    if set(sides) - {"left", "right"} or len(sides) not in (0, 1, len(row.findings)):
        return f"'{row.side}' is no side, nor one for each of {', '.join(row.findings) or 'none'}"
    if row.side and not row.placed:
        return "it has a side, and asks for nothing that is on one"
    return None
