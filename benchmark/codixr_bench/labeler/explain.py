"""Why a report has its labels: the text with its mentions in colour, and the rule behind each.

This prints the text it is given; nothing else in the labeler does.
"""

from typing import TYPE_CHECKING, Any

from codixr.data.labels import OBSERVATIONS
from codixr_bench.labeler.cues import DECIDES_NOTHING
from codixr_bench.labeler.graph import Graph
from codixr_bench.labeler.labels import ABSENT, PRESENT, Labels
from codixr_bench.labeler.mentions import Mention
from codixr_bench.labeler.rules import Found, explain_sentence, label_report
from codixr_bench.labeler.sentences import clean, split

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

STYLES = {1: "bold red", 0: "green", -1: "yellow"}
NAMES = {1: "present", 0: "absent", -1: "uncertain"}
COLUMNS = ("mention", "observation", "label", "cue", "rule", "table")


def print_explanation(
    text: str, console: "Console | None" = None, *, reading: str = "original"
) -> None:
    """Print the text as the labeler reads it, each mention's label and rule, and the result.

    ``reading``: of ``READINGS`` in ``interface.py``.
    """
    from rich.console import Console

    console = console or Console(highlight=False)
    if reading == "clinical":
        _print_clinical(text, console)
    else:
        _print_original(text, console)


def explanation(text: str, *, reading: str = "original") -> dict[str, Any]:
    """The same for programs: ``mentions`` (a row of the table each), ``notes``, ``labels``."""
    if reading == "clinical":
        from codixr_bench.labeler import clinical
        from codixr_bench.labeler.clinical_text import sentences

        read = [found for sentence in sentences(text) for found in clinical.read_sentence(sentence)]
        rows, notes = [_clinical_row(*found) for found in read], []
        labels = clinical.label_report(text)
    else:
        of = [(sentence, explain_sentence(sentence)) for sentence in split(clean(text))]
        rows = [_row(mention, sentence) for sentence, mentions in of for mention in mentions]
        notes = list(dict.fromkeys(s for one in of for s in _surprises(*one)))
        labels = label_report(text)
    return {
        "labels": dict(zip(OBSERVATIONS, labels, strict=True)),
        "mentions": [dict(zip(COLUMNS, map(str, row), strict=False)) for row in rows],
        "notes": notes,
    }


def _print_original(text: str, console: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    sentences = split(clean(text))
    found = [(sentence, explain_sentence(sentence)) for sentence in sentences]
    shown = Text()
    for sentence, mentions in found:
        part = Text(sentence)
        for mention in sorted(mentions, key=lambda f: f.label == ABSENT, reverse=True):
            part.stylize(STYLES[mention.label], mention.mention.start, mention.mention.end)
        shown.append_text(part)
        shown.append(" ")
    console.print(shown)
    console.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in COLUMNS:
        table.add_column(head, overflow="fold")
    for sentence, mentions in found:
        for mention in mentions:
            table.add_row(*_row(mention, sentence))
    if table.row_count:
        console.print(table)
        console.print()
    for surprise in dict.fromkeys(s for sentence, of in found for s in _surprises(sentence, of)):
        console.print(f"note: {surprise}", style="dim", markup=False)
    _print_labels(label_report(text), console)


def _print_clinical(text: str, console: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    from codixr_bench.labeler import clinical
    from codixr_bench.labeler.clinical_text import sentences

    shown = Text()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in COLUMNS[:4]:
        table.add_column(head, overflow="fold")
    for sentence in sentences(text):
        part = Text(sentence)
        for mention, label, why in clinical.read_sentence(sentence):
            part.stylize(_style(label), mention.start, mention.end)
            table.add_row(*_clinical_row(mention, label, why))
        shown.append_text(part)
        shown.append(". ")
    console.print(shown)
    console.print()
    if table.row_count:
        console.print(table)
        console.print()
    _print_labels(clinical.label_report(text), console)


def _clinical_row(mention: Mention, label: int | None, why: str) -> list["str | Text"]:
    from rich.text import Text

    style = _style(label)
    return [
        Text(mention.phrase.text.strip(), style=style),
        _observation(mention.observation),
        Text("not a finding" if label is None else NAMES[label], style=style),
        why or "none: present",
    ]


def _style(label: int | None) -> str:
    return "dim" if label is None else STYLES[label]


def _print_labels(labels: Labels, console: "Console") -> None:
    named = zip(OBSERVATIONS, labels, strict=True)
    shown = [f"{name} {label}" for name, label in named if label is not None]
    console.print("; ".join(shown) or "all blank", style="bold", markup=False)


def _observation(name: str) -> str:
    return "(not No Finding)" if name == "No Finding" else name


def _row(found: Found, sentence: str) -> list["str | Text"]:
    from rich.text import Text

    mention, label = found.mention, found.label
    cells: list[str | Text] = [
        Text(mention.phrase.text.strip(), style=STYLES[label]),
        _observation(mention.observation),
        Text(NAMES[label], style=STYLES[label]),
    ]
    if not found.decisions:
        rule = "no rule: present" if label != ABSENT else "the sentence begins with 'no'"
        return [*cells, "", rule, ""]
    words = Graph(sentence).lemmas
    cues = dict.fromkeys(w for d in found.decisions for w in words if w in d.rule.cues)
    rules = ", ".join(dict.fromkeys(decision.rule.name for decision in found.decisions))
    places = ", ".join(dict.fromkeys(f"{d.table} {d.place}" for d in found.decisions))
    return [*cells, ", ".join(cues), rules, places]


def _surprises(sentence: str, found: list[Found]) -> list[str]:
    """What a reader would not expect, as the original does it."""
    notes = [
        f"'{f.mention.phrase.text.strip()}' as {f.mention.observation}: {f.mention.phrase.surprise}"
        for f in found
        if f.mention.phrase.surprise and f.label != ABSENT
    ]
    for f in found:
        for decision in f.decisions:
            before = sentence[: f.mention.start]
            if decision.rule.name == "no" and " and " not in before and " but " not in before:
                continue  # an ordinary "no a, b or c"
            if decision.rule.surprise:
                notes.append(f"'{decision.rule.name}': {decision.rule.surprise}")
    if any(f.label == PRESENT for f in found):
        words = dict.fromkeys(word.strip(".,;:") for word in sentence.split())
        notes += [f"'{word}' decides nothing here" for word in words if word in DECIDES_NOTHING]
    return notes
