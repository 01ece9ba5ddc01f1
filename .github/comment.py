"""A comment's text from a check's report, which may be anything: plain lines in a code block."""

import json
import sys
from pathlib import Path

LARGEST = 200_000
MOST = 40
WIDEST = 300
WORD = "bounded, unchecked and self-reported scores are the submitter's word"


def main(path: Path) -> str:
    """Markdown; empty where there is nothing to say, or where the report is not one."""
    try:
        if path.stat().st_size > LARGEST:
            return ""
        report = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return ""
    if not isinstance(report, dict):
        return ""
    changes, problems = plain(report.get("changes")), plain(report.get("problems"))
    checked = plain(report.get("checked"))
    if not changes and not problems and not checked:
        return ""
    verdict = "Refused" if problems else "The check passes"
    parts = [f"{verdict}. What this request changes in the tables:", block(changes or ["nothing"])]
    if checked:
        parts += [f"How far it is checked ({WORD}):", block(checked)]
    if problems:
        parts += ["Why it is refused:", block(problems)]
    return "\n\n".join(parts) + "\n"


def plain(lines: object) -> list[str]:
    """Short printable lines, without what could end a code block or mention somebody."""
    if not isinstance(lines, list):
        return []
    found = [line for line in lines if isinstance(line, str)][:MOST]
    kept = ["".join(c for c in line[:WIDEST] if c.isprintable()) for line in found]
    return [line.replace("`", "'").replace("@", "(at)") for line in kept]


def block(lines: list[str]) -> str:
    """Indented by nothing, fenced: no Markdown of a line is read."""
    return "\n".join(["```text", *lines, "```"])


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1])))
