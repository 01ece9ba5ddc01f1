"""``python .github/for_the_index.py OWNER/NAME TAG``: what a package index shows leads back here.

An index shows README.md alone, so its links and pictures become addresses of the tagged files, and
the package's metadata get the project's URLs. Run in the release's checkout, before the build:
wherever the repository is, its releases name that place.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<to>[^)\s]+)\)")


def absolute(readme: str, repository: str, tag: str, root: Path = ROOT) -> str:
    """The text with every relative link as an address; ValueError for one that leads nowhere."""

    def address(found: re.Match[str]) -> str:
        to = found["to"]
        if re.match(r"[a-z]+:|#", to):
            return found[0]
        path, _, anchor = to.partition("#")
        if not (root / path).exists():
            raise ValueError(f"README.md: {to} leads nowhere")
        if found["picture"]:
            place = f"https://raw.githubusercontent.com/{repository}/{tag}/{path}"
        else:
            kind = "tree" if (root / path).is_dir() else "blob"
            place = f"https://github.com/{repository}/{kind}/{tag}/{path}"
        return f"{found['picture']}[{found['text']}]({place}{'#' if anchor else ''}{anchor})"

    return _LINK.sub(address, readme)


def with_urls(project: str, repository: str, tag: str) -> str:
    """``pyproject.toml`` with ``[project.urls]``; ValueError where it has one."""
    if "[project.urls]" in project:
        raise ValueError("pyproject.toml has URLs already")
    home = f"https://github.com/{repository}"
    urls = {
        "Source": home,
        "Documentation": f"{home}/tree/{tag}/docs",
        "Changelog": f"{home}/blob/{tag}/CHANGELOG.md",
        "Issues": f"{home}/issues",
    }
    lines = "".join(f'{name} = "{url}"\n' for name, url in urls.items())
    return project.replace("[project.scripts]", f"[project.urls]\n{lines}\n[project.scripts]", 1)


def main(repository: str, tag: str, root: Path = ROOT) -> None:
    """Write both files anew."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or not re.fullmatch(r"[\w.-]+", tag):
        raise ValueError(f"{repository} {tag}: OWNER/NAME and a tag")
    for name, change in (("README.md", absolute), ("pyproject.toml", with_urls)):
        text = (root / name).read_text(encoding="utf-8")
        (root / name).write_text(change(text, repository, tag), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
