"""Why a report has its labels: the text with its mentions in colour, and the rule behind each.

This prints the text it is given; nothing else in the labeler does.
"""

from typing import TYPE_CHECKING

from codixr.data.labels import OBSERVATIONS
from codixr_bench.labeler.cues import DECIDES_NOTHING
from codixr_bench.labeler.graph import Graph
from codixr_bench.labeler.labels import ABSENT, PRESENT
from codixr_bench.labeler.rules import Found, explain_sentence, label_report
from codixr_bench.labeler.sentences import clean, split

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

STYLES = {1: "bold red", 0: "green", -1: "yellow"}
NAMES = {1: "present", 0: "absent", -1: "uncertain"}


def print_explanation(text: str, console: "Console | None" = None) -> None:
    """Print the text as the labeler reads it, each mention's label and rule, and the result."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console(highlight=False)
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
    for head in ("mention", "observation", "label", "cue", "rule", "table"):
        table.add_column(head, overflow="fold")
    for sentence, mentions in found:
        for mention in mentions:
            table.add_row(*_row(mention, sentence))
    if table.row_count:
        console.print(table)
        console.print()
    for surprise in dict.fromkeys(s for sentence, of in found for s in _surprises(sentence, of)):
        console.print(f"note: {surprise}", style="dim", markup=False)
    labels = [
        f"{name} {label}"
        for name, label in zip(OBSERVATIONS, label_report(text), strict=True)
        if label is not None
    ]
    console.print("; ".join(labels) or "all blank", style="bold", markup=False)


def _row(found: Found, sentence: str) -> list["str | Text"]:
    from rich.text import Text

    mention, label = found.mention, found.label
    observation = mention.observation
    if observation == "No Finding":
        observation = "(not No Finding)"
    cells: list[str | Text] = [
        Text(mention.phrase.text.strip(), style=STYLES[label]),
        observation,
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
