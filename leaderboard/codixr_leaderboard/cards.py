"""The metrics' cards as pages of the site, and where each score's is.

A card is this package's own Markdown. Links to other files of the documentation are left out, which
the site doesn't have.
"""

from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from codixr_bench.metric import Family
from codixr_bench.registry import METRICS, family_of, load_family
from codixr_bench.show.card import card_of

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def card_page(score: str) -> str:
    """The page of a score's card below the site's root; empty for an unknown score."""
    family = family_of(score)
    return "" if family is None or family.name not in METRICS else f"metrics/{_stem(family)}.html"


def pages() -> dict[str, tuple[str, str]]:
    """Page -> its title and HTML; families that share a card share a page."""
    found: dict[str, tuple[str, str]] = {}
    for name in METRICS:
        family = load_family(name)
        if f"metrics/{_stem(family)}.html" not in found:
            text = card_of(family)
            whole = text if text.startswith("# ") else f"# {family.name}\n\n{text}"
            found[f"metrics/{_stem(family)}.html"] = (_stem(family), _html(whole))
    return found


def _stem(family: Family) -> str:
    return family.card.removesuffix(".md") or family.name


@lru_cache(maxsize=64)
def _html(text: str) -> str:
    tokens = _MARKDOWN.parse(text)
    for token in tokens:
        # The alignment of a table's cells: the site's policy allows no style but its own file's.
        token.attrs.pop("style", None)
        if token.children:
            token.children = _without_inner_links(token.children)
    return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))


def _without_inner_links(children: list[Token]) -> list[Token]:
    kept, opened = [], []
    for token in children:
        if token.type == "link_open":
            opened.append(str(token.attrGet("href")).startswith("https://"))
            if not opened[-1]:
                continue
        if token.type == "link_close" and not opened.pop():
            continue
        kept.append(token)
    return kept
