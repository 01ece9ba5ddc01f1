"""A folder to write into that can't be one is refused before anything is loaded, everywhere."""

from pathlib import Path

import pytest

from codixr.cli import main as codixr
from codixr_bench.cli import main as bench

COMMANDS = {
    "fetch, planned": (bench, "fetch inception --dry-run --to {}"),
    "fetch, listed": (bench, "fetch --to {}"),
    "fetch": (bench, "fetch inception --to {}"),
    "run, planned": (bench, "run --task F->T --model noise --dry-run --out {}"),
    "run": (bench, "run --task F->T --model noise --out {}"),
    "generate": (bench, "generate --task F->T --model noise --out {}"),
    "score": (bench, "score --samples none --out {}"),
    "reproduce, planned": (bench, "reproduce phantom --dry-run --out {}"),
    "submit": (bench, "submit none --to {}"),
    "site": (bench, "site none {}"),
    "new-model": (bench, "new-model mine --to {}"),
    "export": (bench, "export hub none --to {}"),
    "readers": (bench, "readers make none --to {}"),
    "train": (codixr, "train image-vae --out {}"),
    "prepare": (codixr, "prepare openi --root none --out {}"),
    "init": (codixr, "init --preset small --to {}"),
    "convert": (codixr, "convert none --to {}"),
}


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_is_no_folder(name: str, below: str, tmp_path: Path, capsys) -> None:
    file = tmp_path / "taken"
    file.write_text("mine")
    main, command = COMMANDS[name]
    assert main(command.format(file / below).split()) == 2
    printed = capsys.readouterr()
    assert f"'{file}' is a file; give a folder" in printed.err
    assert printed.out == ""
    assert file.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [file]
