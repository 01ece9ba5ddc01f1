"""The reference of a program's commands, written from its parsers when the site is built.

A line ``<!-- commands: codixr-bench -->`` of a page is replaced by all commands with their options.
"""

import argparse
import re
from collections.abc import Iterator

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

import codixr.cli
import codixr_bench.cli

MARK = re.compile(r"^<!-- commands: (?P<program>[a-z-]+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the commands in the place of the mark."""
    return MARK.sub(lambda found: reference(found["program"]), markdown)


def reference(program: str) -> str:
    """All commands of a program as Markdown: usage, arguments, defaults."""
    return "\n".join(_section(parser) for parser in parsers(program))


def parsers(program: str) -> Iterator[argparse.ArgumentParser]:
    """The parsers of a program's commands, in the order of ``--help``."""
    if program == "codixr":
        yield from _leaves(codixr.cli._parser())
    else:
        for name in codixr_bench.cli.COMMANDS:
            yield from _leaves(codixr_bench.cli.parser_of(name))


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if len(arguments_of(parser)) or not below:
        yield parser
    for action in below:
        for child in dict.fromkeys(action.choices.values()):
            yield from _leaves(child)


def arguments_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """What can be given to a command; not --help, and nothing that is hidden."""
    return [
        action
        for action in parser._actions
        if action.help != argparse.SUPPRESS
        and not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    ]


def _section(parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = _narrow
    usage = parser.format_usage().removeprefix("usage: ").rstrip()
    lines = [f"## {parser.prog}", "", *_sentences(parser), "```text", usage, "```", ""]
    arguments = arguments_of(parser)
    if arguments:
        lines += ["| argument | what |", "|---|---|"]
        lines += [f"| {_name(action)} | {_what(parser, action)} |" for action in arguments]
    return "\n".join([*lines, ""])


def _narrow(prog: str) -> argparse.HelpFormatter:
    return argparse.HelpFormatter(prog, width=90)


def _sentences(parser: argparse.ArgumentParser) -> list[str]:
    text = " ".join((parser.description or "").split())
    if not text:
        return []
    return [_escaped(text[0].upper() + text[1:]).rstrip(".") + ".", ""]


def _name(action: argparse.Action) -> str:
    shown = action.metavar or (action.choices and "|".join(map(str, action.choices))) or action.dest
    value = " ".join(shown) if isinstance(shown, tuple) else str(shown)
    takes = "" if action.nargs == 0 else f" {value}"
    if not action.option_strings:
        return f"`{value}`".replace("|", "\\|")
    return ", ".join(f"`{name}{takes}`" for name in action.option_strings).replace("|", "\\|")


def _what(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = " ".join(str(action.help or "").split())
    if text:
        values = dict(vars(action), prog=parser.prog)
        text = text % {k: v for k, v in values.items() if v is not argparse.SUPPRESS}
    needed = " (required)" if action.option_strings and action.required else ""
    return _escaped(text) + needed


def _escaped(text: str) -> str:
    """Plain text for a Markdown table; what stands between back-ticks stays."""
    parts = re.split(r"(`[^`]*`)", text)
    for k, part in enumerate(parts):
        if not part.startswith("`"):
            parts[k] = re.sub(r"([\\<>*_\[\]])", r"\\\1", part)
    return "".join(parts).replace("|", "\\|")
