"""``release_check.py v1.2.3``: do the tag, the package, the citation and the changelog agree?"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """A line for everything that doesn't say the tag's version, or its date."""
    version = tag.removeprefix("v")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    found = []
    if not re.fullmatch(r"v\d+\.\d+\.\d+", tag):
        found.append(f"'{tag}' is no tag of a release: write v1.2.3")
    if project["version"] != version:
        found.append(f"pyproject.toml has version {project['version']}")
    if not re.search(rf"^version: {re.escape(version)}$", citation, re.MULTILINE):
        found.append(f"CITATION.cff has no version: {version}")
    dated = re.search(
        rf"^## \[{re.escape(version)}\] - (\d{{4}}-\d\d-\d\d)$", changelog, re.MULTILINE
    )
    if dated is None:
        found.append(f"CHANGELOG.md has no '## [{version}] - DATE'")
    elif f"date-released: {dated[1]}" not in citation:
        found.append(f"CITATION.cff isn't of the changelog's date, {dated[1]}")
    return found


def main(tag: str) -> int:
    """Print the problems; exit code 1 where there are any."""
    found = problems(tag)
    print("\n".join(found) or f"{tag}: everything agrees")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
