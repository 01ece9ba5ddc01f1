"""A repository with rows on its main branch, and pull requests against it."""

import os
import subprocess
from datetime import date
from pathlib import Path

from codixr_leaderboard.request import Report, Request, check_request
from codixr_leaderboard.submission import Submission, slug
from helpers.submission_fakes import a_result

DAY = date(2026, 11, 20)
PLACE = Path("leaderboard/results/phantom")


def row(model: str, owner: str | None = "ann", quality: float = 0.7, **more: object) -> Submission:
    results = (a_result("T->F", model, quality),)
    return Submission(
        **{"model": model, "submitted": DAY, "owner": owner, "results": results} | more
    )


class Repo:
    """A repository with two rows on its main branch, and requests against it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        (folder / "README.md").write_text("a project")
        for one in (row("anns-model", "ann", 0.7), row("real", None, 0.9)):
            self.write(one)
        self.commit("rows")

    def git(self, *arguments: str) -> str:
        who = {f"GIT_{kind}_{what}": "t@e.st" for kind in ("AUTHOR", "COMMITTER")
               for what in ("NAME", "EMAIL")}  # fmt: skip
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            capture_output=True, text=True, check=True, env=os.environ | who,
        )  # fmt: skip
        return done.stdout.strip()

    def write(self, one: Submission, name: str | None = None) -> Path:
        path = self.folder / PLACE / (name or f"{slug(one.model)}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.to_json())
        return path

    def commit(self, message: str = "a change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def check(self, author: str = "bob", opened: date = DAY) -> Report:
        head = self.commit()
        self.git("checkout", "-q", "main~0")
        return check_request(self.folder, Request("main", head, author, opened))


def reasons(report: Report) -> str:
    return "\n".join(f"{where}: {problem}" for where, problem in report.problems)
