"""Files of tensors: whole or not at all, and for everybody who may read the folder."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from codixr.modality import Modality
from codixr.model import tensor_file
from codixr.model.familiarity import FILE, Familiarity
from codixr.model.tensor_file import write_tensors
from codixr.training import checkpoint_shards


def test_a_file_is_readable_to_others(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a.safetensors", {"x": torch.ones(2)})
    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == 0o644
    assert load_file(tmp_path / "a.safetensors")["x"].tolist() == [1.0, 1.0]


def test_so_are_a_checkpoints_rows_and_what_it_is_used_to(tmp_path: Path) -> None:
    checkpoint_shards.write(tmp_path / "rows.safetensors", {"x": torch.ones(2)}, 0)
    vectors = torch.randn(300, 32, generator=torch.Generator().manual_seed(0))
    Familiarity.measure({Modality.F: vectors[:200]}, {Modality.F: vectors[200:]}, 0.05).save(
        tmp_path
    )
    for name in ("rows.safetensors", FILE):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o644, name


def test_what_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"x": torch.ones(2)})

    def fails(*_: object) -> None:
        raise RuntimeError("half way")

    monkeypatch.setattr(tensor_file, "save_file", fails)
    with pytest.raises(RuntimeError):
        write_tensors(path, {"x": torch.zeros(2)})
    assert load_file(path)["x"].tolist() == [1.0, 1.0]
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]
