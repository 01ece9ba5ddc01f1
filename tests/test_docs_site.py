"""The documents as a site: no warning, nothing from a network, every link leads somewhere."""

import html.parser
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
needs_mkdocs = pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed: extra docs"
)


class Links(html.parser.HTMLParser):
    """What a page loads, what it links to, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag in {"script", "img", "iframe", "source"} and given.get("src"):
            self.loaded.append(given["src"])
        if tag == "link" and given.get("href") and given.get("rel") not in {"canonical"}:
            self.loaded.append(given["href"])
        if tag == "a" and given.get("href"):
            self.linked.append(given["href"])


def hook(name: str):
    found = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    loaded = importlib.util.module_from_spec(found)
    found.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> dict[Path, Links]:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},  # as `make docs` has it
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    pages = {}
    for page in folder.rglob("*.html"):
        pages[page] = Links()
        pages[page].feed(page.read_text(encoding="utf-8"))
    return pages


@needs_mkdocs
@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_a_network(site):
    assert len(site) > 50
    root = min(site, key=lambda page: len(page.parts)).parent
    nowhere = site[root / "404.html"]
    assert not nowhere.loaded + nowhere.linked, "it is shown at any address, below any place"
    for page, links in site.items():
        for target in links.loaded:
            assert not urlsplit(target).netloc, f"{page.name} loads {target}"
            assert (page.parent / unquote(urlsplit(target).path)).exists(), f"{page}: {target}"
    for style in next(iter(site)).parent.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?https?:", style.read_text(encoding="utf-8")), style


@needs_mkdocs
@pytest.mark.slow
def test_every_link_of_the_site_leads_to_a_page_and_its_anchor(site):
    seen = 0
    for page, links in site.items():
        for target in links.linked:
            parts = urlsplit(target)
            if parts.scheme or page.name == "404.html":
                continue
            there = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            there = there / "index.html" if there.is_dir() else there
            assert there.exists(), f"{page}: {target}"
            seen += 1
            if parts.fragment and there.suffix == ".html" and parts.fragment != "__skip":
                anchor = unquote(parts.fragment)
                assert anchor in site[there].anchors, f"{page}: {target}"
    assert seen > 1000


@needs_mkdocs
@pytest.mark.slow
def test_the_search_finds_commands_metrics_and_functions(site):
    (index,) = {p for page in site for p in page.parent.glob("search/search_index.json")}
    places = [entry["location"] for entry in json.loads(index.read_text())["docs"]]
    for wanted in (
        "why-different.html#7-the-tokenizer",
        "reference/codixr-bench.html#codixr-bench-run",
        "reference/api.html#codixr_bench.api.evaluate",
        "metrics/bleu.html",
    ):
        assert wanted in places
    assert "repository/codixr/assets/tiny/index.html" in places  # the card is a document
    assert not [place for place in places if re.search(r"\.(py|csv|toml|ya?ml)\b", place)]


@needs_mkdocs
@pytest.mark.parametrize("program", ["codixr", "codixr-bench"])
def test_the_reference_has_every_command_with_every_option(program):
    commands = hook("commands")
    text = commands.reference(program)
    found = list(commands.parsers(program))
    assert len(found) > 5
    for parser in found:
        assert f"## {parser.prog}\n" in text
        section = text.split(f"## {parser.prog}\n")[1].split("\n## ")[0]
        for action in commands.arguments_of(parser):
            for option in action.option_strings:
                assert option in section
    assert "%(" not in text


def test_every_metric_has_a_card_and_every_card_is_in_the_navigation():
    for card in (ROOT / "docs" / "metrics").glob("*.md"):
        assert f"metrics/{card.name}" in CONFIG


def test_the_paper_s_page_names_only_what_the_linked_files_define():
    text = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    links = re.findall(r"\[`(\w+)`\]\(\.\./([^)#]+)\)", text)
    assert len(links) > 25
    for name, file in links:
        code = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^\s*(def|class) {name}\b|^{name}\b.* = ", code, re.MULTILINE), (
            f"{file} has no {name}"
        )


def test_all_pictures_of_the_gallery_are_simulated_by_its_script():
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\(gallery/([^)]+)\)", text))
    assert shown == {path.name for path in (ROOT / "docs" / "gallery").iterdir()}
    assert "All pictures here are simulated" in text


def test_every_page_is_in_the_navigation():
    for page in sorted((ROOT / "docs").rglob("*.md")):
        place = page.relative_to(ROOT / "docs").as_posix()
        assert re.search(rf"(- |: ){re.escape(place)}$", CONFIG, re.MULTILINE), (
            f"docs/{place} has no line in mkdocs.yml"
        )
