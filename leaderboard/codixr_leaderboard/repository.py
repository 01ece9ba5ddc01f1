"""A repository's trees, read and never checked out."""

import re
import subprocess
from pathlib import Path

from codixr.errors import InputError

PLAIN_FILE = "100644"
"""The mode of a file that is no link and can't be run."""
_REVISION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/-]{0,200}")


class Repository:
    """The trees of a repository, read and never checked out."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *arguments: str) -> bytes:
        """The output of a git command; InputError when it fails."""
        command = ["git", "-C", str(self.path), "--no-pager", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f"git can't read '{self.path}': {type(error).__name__}") from error
        if done.returncode:
            raise InputError(f"git {arguments[0]} failed in '{self.path}': is the revision there?")
        return done.stdout

    def commit(self, revision: str) -> str:
        """The full hash of a revision; InputError for one that isn't there."""
        if not _REVISION.fullmatch(revision):
            raise InputError("--request: write BASE..HEAD, two revisions of this repository")
        return self.git("rev-parse", "--verify", f"{revision}^{{commit}}").decode().strip()

    def files(self, revision: str, folder: str) -> dict[str, tuple[str, int]]:
        """Path -> (mode, bytes) of the files below a folder."""
        listed = self.git("ls-tree", "-r", "-l", "-z", revision, "--", folder)
        found = {}
        for line in filter(None, listed.split(b"\0")):
            about, _, name = line.partition(b"\t")
            mode, _, _, size = about.decode().split()
            found[name.decode("utf-8", "replace")] = (mode, int(size) if size != "-" else 0)
        return found

    def read(self, revision: str, path: str) -> bytes:
        """A file's content."""
        return self.git("show", f"{revision}:{path}")
