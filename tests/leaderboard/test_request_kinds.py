"""What lies in the place of a row: any kind of file is refused in our words, never a crash."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from codixr_bench.result_files import LARGEST
from codixr_leaderboard.request import Request, check_request
from helpers.request_repo import DAY, PLACE, Repo, reasons, row

SECRET = "Jane Roe 50414267"
"""Stands in every hostile file; no refusal may repeat it."""
GOOD = row("bobs-model", "bob", 0.8).to_json()
FIELDS = json.loads(GOOD)


def png() -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(sink, "PNG")
    return sink.getvalue() + SECRET.encode()


def zipped() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr(f"{SECRET}.json", GOOD)
    return sink.getvalue()


def edited(**fields: object) -> bytes:
    return json.dumps(FIELDS | fields).encode()


def replaced(old: str, new: str) -> bytes:
    text = GOOD.decode()
    assert old in text
    return text.replace(old, new, 1).encode()


LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 5041426\n"
CONTENTS: dict[str, bytes] = {
    "a picture": png(),
    "an archive": zipped(),
    "a compressed row": gzip.compress(GOOD),
    "a pointer of git-lfs": LFS.encode(),
    "a pointer of git-annex": f"/annex/objects/SHA256E-s7--{'b' * 64}".encode(),
    "nothing": b"",
    "null": b"null",
    "a number": b"50414267",
    "a text": json.dumps(SECRET).encode(),
    "a list of rows": b"[" + GOOD + b"]",
    "two rows": GOOD + GOOD,
    "a row and a rest": GOOD + SECRET.encode(),
    "a thousand levels of lists": edited(x=json.loads("[" * 900 + "]" * 900)),
    "a million levels": b"[" * 1_000_000,
    "levels of objects": b'{"results":' * 5000 + b"1" + b"}" * 5000,
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-16 without a mark": GOOD.decode().encode("utf-16-le"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "a lone surrogate": replaced("bobs-model", "bobs-\\ud800"),
    "bytes that are no text": GOOD.replace(b"bobs-model", b"bobs-\xff\xfe", 1),
    "a NUL in it": GOOD.replace(b"bobs-model", b"bobs\x00model", 1),
    "a NUL escaped": replaced("bobs-model", "bobs\\u0000model"),
    "NaN": replaced('"value": ', '"value": NaN, "was": '),
    "Infinity": replaced('"value": ', '"value": -Infinity, "was": '),
    "a number of five thousand digits": replaced('"value": ', f'"value": {"7" * 5000}.0, "was": '),
    "a whole number without end": replaced('"n": 2000', f'"n": {"9" * 4000}'),
    "an exponent without end": replaced('"value": ', '"value": 1e999999, "was": '),
    "a key twice": replaced('"model":', '"model": "other", "model":'),
    "a key twice deep inside": replaced('"fingerprint":', '"fingerprint": "x", "fingerprint":'),
    "a key twice by an escape": replaced('"owner":', '"owne\\u0072": "ann", "owner":'),
    "a comment": b"// a row\n" + GOOD,
    "a comma too many": GOOD.rstrip()[:-1] + b",}",
    "single quotes": GOOD.replace(b'"', b"'"),
    "a field of one's own": edited(notes=SECRET),
    "a name in capitals": replaced('"owner":', '"Owner": "bob", "owner":'),
    "a number for a name": edited(model=50414267),
    "true for a version": edited(schema_version=True),
    "a list for a name": edited(model=[SECRET]),
    "no results": edited(results=[]),
    "results without end": edited(results=FIELDS["results"] * 30),
    "a date with an hour": edited(submitted="2026-11-20T10:00:00"),
    "a date as a number": edited(submitted=1763596800),
    "an owner of two names": edited(owner="bob\nann"),
    "a hub of another host": edited(hub={"name": "https://x.org/y", "revision": "a" * 40}),
    "a hub's branch": edited(hub={"name": "bob/model", "revision": "main"}),
    "too many bytes": GOOD + b" " * LARGEST,
}  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """One repository: a request here is a commit on its main branch's first."""
    return Repo(tmp_path_factory.mktemp("kinds") / "repo")


def refused(repo: Repo, author: str = "bob") -> str:
    """Why what lies in the work tree, or the index alone, is refused; both are as before then."""
    if not repo.git("diff", "--cached", "--name-only"):
        repo.git("add", "-A")
    main = repo.git("rev-parse", "main")
    head = repo.git("commit-tree", repo.git("write-tree"), "-p", main, "-m", "a request")
    repo.git("reset", "-q", "--hard", "main")
    repo.git("clean", "-q", "-fdx")
    return reasons(check_request(repo.folder, Request("main", head, author, DAY)))


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_that_is_no_row_is_refused_in_our_words(base: Repo, name: str) -> None:
    path = base.folder / PLACE / "bobs-model.json"
    path.write_bytes(CONTENTS[name])
    said = refused(base)
    assert said, name
    assert "Traceback" not in said
    for word in ("Jane", "50414267", "x.org", "annex"):
        assert word not in said
    assert all(character.isprintable() or character == "\n" for character in said)


@pytest.mark.parametrize("name", ["a picture", "a pointer of git-lfs", "nothing", "NaN", "UTF-16"])
@pytest.mark.parametrize("place", ["T-to-F.parquet", "reproduced.json"])
def test_a_file_beside_a_row_that_is_of_another_kind_is_refused(
    base: Repo, name: str, place: str
) -> None:
    folder = base.folder / PLACE
    (folder / "bobs-model").mkdir()
    (folder / "bobs-model.json").write_bytes(GOOD)
    (folder / "bobs-model" / place).write_bytes(CONTENTS[name])
    said = refused(base)
    assert f"bobs-model/{place}" in said
    assert "Jane" not in said


def submodule(place: str) -> Callable[[Repo], None]:
    def put(repo: Repo) -> None:
        sha = repo.git("rev-parse", "HEAD")
        repo.git("update-index", "--add", "--cacheinfo", f"160000,{sha},{PLACE}/{place}")

    return put


def symlink(repo: Repo) -> None:
    (repo.folder / PLACE / "bobs-model.json").symlink_to("/etc/hostname")


def symlink_to_another_row(repo: Repo) -> None:
    (repo.folder / PLACE / "bobs-model.json").symlink_to("anns-model.json")


def symlink_for_the_folder(repo: Repo) -> None:
    (repo.folder / PLACE / "bobs-model.json").write_bytes(GOOD)
    (repo.folder / PLACE / "bobs-model").symlink_to("../phantom")


def runnable(repo: Repo) -> None:
    path = repo.folder / PLACE / "bobs-model.json"
    path.write_bytes(GOOD)
    path.chmod(0o755)


def named(name: str) -> Callable[[Repo], None]:
    def put(repo: Repo) -> None:
        path = repo.folder / PLACE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(GOOD)

    return put


KINDS: dict[str, Callable[[Repo], None]] = {
    "a submodule": submodule("bobs-model.json"),
    "a submodule for a row's folder": submodule("bobs-model"),
    "a link": symlink,
    "a link to another row": symlink_to_another_row,
    "a link for a row's folder": symlink_for_the_folder,
    "a file that can be run": runnable,
    "a name that is another's in capitals": named("Anns-Model.json"),
    "an ending in capitals": named("bobs-model.JSON"),
    "a name with an accent taken apart": named("bobs-mode\u0301l.json"),
    "a name with a new line": named("bobs-model\n::error::x.json"),
    "a name right to left": named("bobs-model\u202egpj.json"),
    "a name with a space": named("bobs model.json"),
    "a name without letters": named(".json"),
    "a hidden file": named(".gitattributes"),
    "a folder of one's own": named("mine/bobs-model.json"),
    "a track of one's own": named("../nobody/bobs-model.json"),
    "a device's name": named("con.json"),
    "a name of 200 letters": named("b" * 200 + ".json"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_row_that_is_no_plain_file_of_its_name_is_refused(base: Repo, name: str) -> None:
    KINDS[name](base)
    said = refused(base)
    assert said, name
    assert "::error" not in said
    assert "\u202e" not in said
    assert "/etc" not in said


def test_rows_whose_names_differ_in_case_alone_are_one(base: Repo) -> None:
    # On a file system that folds case one would lie over the other.
    folder = base.folder / PLACE
    (folder / "bobs-model.json").write_bytes(GOOD)
    (folder / "BOBS-model.json").write_bytes(GOOD)
    assert "belongs there" in refused(base)


def test_the_row_itself_is_fine(base: Repo) -> None:
    (base.folder / PLACE / "bobs-model.json").write_bytes(GOOD)
    assert refused(base) == ""


def test_a_results_folder_that_becomes_a_submodule_removes_no_row(base: Repo) -> None:
    sha = base.git("rev-parse", "HEAD")
    base.git("rm", "-q", "-r", "--cached", "leaderboard")
    base.git("update-index", "--add", "--cacheinfo", f"160000,{sha},leaderboard")
    assert "a row is removed by the maintainers only" in refused(base)
