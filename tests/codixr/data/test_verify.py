"""A prepared folder is as its manifest says, and a change of it is found."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from codixr import cli
from codixr.data.manifest import Manifest, Shard, commitment, count_labels
from codixr.data.prepared import PreparedDataset
from codixr.data.shard_file import SCHEMA
from codixr.data.shards import hash_file
from codixr.data.verify import verify
from codixr.errors import InputError
from helpers.preparing import copy


def test_a_prepared_folder_is_as_its_manifest_says(prepared, key, capsys):
    report = verify(prepared, quiet=True)
    assert (report.problems, report.studies) == ((), key["kept"])
    assert cli.main(["prepare", "--verify", str(prepared)]) == 0
    assert "as its manifest says" in capsys.readouterr().out


def rewrite(folder: Path, name: str, keep) -> None:
    """Change a shard's rows and let the manifest know its new hash and size, as a forger would."""
    path = folder / name
    table = pq.read_table(path)
    table = keep(table)
    pq.write_table(table, path)
    manifest = Manifest.read(folder)
    shards = [
        Shard(file=s.file, split=s.split, studies=table.num_rows, sha256=hash_file(path))
        if s.file == name
        else s
        for s in manifest.shards
    ]
    rows: dict[str, list[dict]] = {}
    for shard in shards:
        found = pq.read_table(folder / shard.file, columns=["study_id", "subject_id", "labels"])
        rows.setdefault(shard.split, []).extend(found.to_pylist())
    splits = {
        split: summary.model_copy(
            update={
                "studies": len(rows[split]),
                "labels": count_labels(r["labels"] for r in rows[split]),
            }
        )
        for split, summary in manifest.splits.items()
    }
    manifest.model_copy(update={"shards": shards, "splits": splits}).write(folder)


def problems(folder: Path) -> str:
    return "\n".join(verify(folder, quiet=True).problems)


def test_verify_catches_a_flipped_byte(prepared, tmp_path, capsys):
    folder = copy(prepared, tmp_path / "data")
    path = folder / "train-00001.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "train-00001.parquet: its bytes changed since it was written" in problems(folder)
    assert cli.main(["prepare", "--verify", str(folder)]) == 1
    assert "its bytes changed" in capsys.readouterr().out


def test_verify_catches_a_dropped_row(prepared, tmp_path):
    folder = copy(prepared, tmp_path / "data")
    rewrite(folder, "train-00001.parquet", lambda table: table.slice(1))
    assert "not the studies that its commitment names" in problems(folder)


def test_verify_catches_a_moved_patient(prepared, tmp_path):
    folder = copy(prepared, tmp_path / "data")
    train = pq.read_table(folder / "train-00000.parquet")

    def swap(table):
        row = train.slice(0, 1)
        at = SCHEMA.get_field_index("split")
        row = row.set_column(at, "split", [table["split"][0:1].to_pylist()])
        import pyarrow as pa

        return pa.concat_tables([row.cast(table.schema), table.slice(1)])

    rewrite(folder, "test-00000.parquet", swap)
    found = problems(folder)
    assert "1 patients are in 'train' and in 'test'" in found
    assert "split 'test': not the studies that its commitment names" in found
    assert "more than once" in found


def test_verify_catches_pictures_that_cannot_be_independent(prepared, tmp_path):
    folder = copy(prepared, tmp_path / "data")
    train = pq.read_table(folder / "train-00000.parquet")

    def borrow(table):
        """The first study's pictures become those of a training study."""
        for name in ("frontal", "lateral"):
            cells = [train[name][0].as_py(), *table[name].to_pylist()[1:]]
            at = SCHEMA.get_field_index(name)
            import pyarrow as pa

            table = table.set_column(at, SCHEMA.field(name), pa.array(cells, pa.binary()))
        return table

    rewrite(folder, "test-00000.parquet", borrow)
    assert "2 pictures are there for two patients or more, 2 of them in two splits" in problems(
        folder
    )


def test_verify_catches_missing_and_foreign_files_and_changed_rejects(prepared, tmp_path):
    folder = copy(prepared, tmp_path / "data")
    shutil.copy(folder / "train-00000.parquet", folder / "train-00099.parquet")
    (folder / "val-00000.parquet").unlink()
    with (folder / "rejects.csv").open("a") as file:
        file.write("x,y,z\n")
    found = problems(folder)
    assert "val-00000.parquet: missing" in found
    assert "train-00099.parquet: not in the manifest" in found
    assert "rejects.csv: changed" in found
    with pytest.raises(InputError, match="no such folder"):
        verify(tmp_path / "none")


def test_two_preparations_share_a_commitment_that_a_third_does_not(prepared, archive, tmp_path):
    ids = PreparedDataset(prepared, "train").study_ids()
    assert Manifest.read(prepared).splits["train"].commitment == commitment(ids, simulated=False)
