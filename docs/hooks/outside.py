"""Pages of the site for the repository's files that the documents link to.

A document says ``[the sampler](../codixr/model/sampling.py)``, which works where the repository is
read. In the site each such file becomes a page under ``repository/``, and links are turned to it:
nothing of the site needs a network, and a link to a file that is gone stops ``make docs --strict``.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(?<=\]\()(?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?(?=\))")
LANGUAGES = {".py": "python", ".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}
_documents: dict[str, str] = {}
"""Page of the site -> where its Markdown stands in the repository, for those outside docs/."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for every file of the repository that a page links to, and so on from there."""
    _documents.clear()
    pages = files.documentation_pages()
    waiting = [(f"docs/{file.src_uri}", file.content_string) for file in pages]
    listed = _files_of_nav(config.nav)
    waiting.append(("docs/mkdocs.yml", "".join(f"]({place})" for place in listed)))
    while waiting:
        place, text = waiting.pop()
        for target in _outside(place, text):
            uri = page_of(target)
            if uri in files.src_uris:
                continue
            content = (ROOT / target).read_text(encoding="utf-8")
            if target.endswith(".md"):
                _documents[uri] = target
                waiting.append((target, content))
            else:
                content = _code_page(target, content)
            files.append(
                File.generated(config, uri, content=content, inclusion=InclusionLevel.NOT_IN_NAV)
            )
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links that leave docs/ to the pages of those files."""
    uri = page.file.src_uri
    if uri.startswith("repository/") and uri not in _documents:
        return markdown
    here = _documents.get(uri, f"docs/{uri}")

    def turned(found: re.Match[str]) -> str:
        target = _resolved(here, found["target"])
        if not (ROOT / target).is_file():
            return found[0]
        inside = target.startswith("docs/")
        uri_there = target.removeprefix("docs/") if inside else page_of(target)
        relative = os.path.relpath(uri_there, PurePosixPath(uri).parent)
        return PurePosixPath(relative).as_posix() + (found["anchor"] or "")

    return LINK.sub(turned, markdown)


def page_of(target: str) -> str:
    """``codixr/cli.py`` -> ``repository/codixr/cli.py.md``; a document keeps its name."""
    return f"repository/{target}" if target.endswith(".md") else f"repository/{target}.md"


def _outside(place: str, text: str) -> Iterator[str]:
    for found in LINK.finditer(text):
        target = _resolved(place, found["target"])
        if not target.startswith(("docs/", "..")) and (ROOT / target).is_file():
            yield target


def _resolved(place: str, target: str) -> str:
    return Path(os.path.normpath(PurePosixPath(place).parent / target)).as_posix()


def _code_page(target: str, text: str) -> str:
    language = LANGUAGES.get(Path(target).suffix, "text")
    return (
        "---\nsearch:\n  exclude: true\n---\n\n"
        f"# `{target}`\n\n"
        f'``````{{.{language} linenums="1"}}\n{text.rstrip()}\n``````\n'
    )


def _files_of_nav(items: Any) -> Iterator[str]:
    """``repository/X`` in the navigation, as a link from docs/."""
    if isinstance(items, str):
        if items.startswith("repository/"):
            yield "../" + items.removeprefix("repository/")
    elif isinstance(items, dict):
        for item in items.values():
            yield from _files_of_nav(item)
    elif isinstance(items, list):
        for item in items:
            yield from _files_of_nav(item)
