"""The sections of a MIMIC-CXR report, and its impression.

The rules are those that the data set's own authors published with it (the repository MIT-LCP/
mimic-cxr, ``txt/section_parser.py`` and ``create_section_files.py``), in our own words and code, so
that our impressions are the ones that everybody else means.

Notable:
- A header is a line that begins with exactly one blank, then capitals, blanks and ``( ) / , -`` up
  to a colon that is followed by white space. At the very beginning of a file there is none.
- The rest of a header's own line is text, whatever it looks like.
- A name is looked up in a table of spellings; else a main section's name inside it decides; else a
  view ("CHEST, PA AND LATERAL") counts as findings.
- Empty impressions and findings are dropped, and the last impression counts: a report's addendum
  or preliminary reading comes first.
- A report with neither gets ``last_paragraph``: what follows the last section's first paragraph.
- Left out: the authors' list of 54 studies with hand-set sections. It names patients' studies.
"""

import re
from dataclasses import dataclass

_HEADER = re.compile(r"\n ([A-Z ()/,-]+):\s")
_PARAGRAPH = "\n \n"
_BEST = ("impression", "findings", "last_paragraph", "comparison")
_MAIN = ("impression", "findings", "history", "comparison", "addendum")
_SPELLINGS = {
    "impression": "conclusion, findings and impression, findings/impression, findings/ impression, "
    "ndication, impresson, imprression, imoression, impressoin, imprssion, impresion, imperssion, "
    "mpression, impession",
    "findings": "chest; two views, finding, findins, findindgs, findgings, findngs, findnings, "
    "finidngs, reference findings",
    "comparison": "comparisons, reference exam, comparison exam, comparison film, comparision, "
    "comparsion, comparrison, comparisions",
    "indication": "reason for examination, reason for exam, clinical indication, idication",
    "history": "clinical history, clinical information, patient history, pfi",
    "examination": "exam, type of examination",
    "recommendations": "recommendation(s), recommendation",
    "wet read": "wetread",
}
_KEPT = ("preamble", "technique", "notification", "addendum", "date", "comment")
SECTION_NAMES = {name: name for name in (*_SPELLINGS, *_KEPT)} | {
    spelling.replace(";", ","): name
    for name, spellings in _SPELLINGS.items()
    for spelling in spellings.split(", ")
}
"""A header in lower case, in any of its spellings -> the section's name."""
_VIEWS = re.compile(
    "chest|portable|ribs|bone window|two views|one view|frontal (?:and|view|upright|semi-upright)"
    "|(?:pa|ap|lateral) view|(?:pa|ap) and lateral|pa and lat|lateral and (?:pa|ap)"
)


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its normalised name, and its text as it stands in the report."""

    name: str
    text: str


def split_sections(report: str) -> list[Section]:
    """All sections in order; the first is ``preamble``, or ``full report`` without any header."""
    sections = _non_empty(_by_header(report))
    if any(section.name in ("impression", "findings") for section in sections):
        return sections
    last = sections[-1]
    first, blank, rest = last.text.partition(_PARAGRAPH)
    if not blank:
        return sections
    return [*sections[:-1], Section(last.name, first), Section("last_paragraph", rest)]


def impression(report: str) -> str:
    """The last impression, white space collapsed; empty where the report has none."""
    return _last(split_sections(report), "impression")


def conclusion(report: str) -> str:
    """The impression, else the findings, else the last paragraph, else the comparison."""
    sections = split_sections(report)
    names = {section.name for section in sections}
    return next((_last(sections, name) for name in _BEST if name in names), "")


def _last(sections: list[Section], name: str) -> str:
    texts = [section.text for section in sections if section.name == name]
    return " ".join(texts[-1].split()) if texts else ""


def _by_header(report: str) -> list[Section]:
    header = _HEADER.search(report)
    if header is None:
        return [Section("full report", report)]
    sections = [Section("preamble", report[: header.start(1)])]
    while header is not None:
        start, name = header.end(), header.group(1)
        line_end = report.find("\n", start)
        header = _HEADER.search(report, start if line_end < 0 else line_end)
        end = len(report) if header is None else header.start()
        sections.append(Section(section_name(name), report[start:end]))
    return sections


def section_name(header: str) -> str:
    """A header's normalised name, e.g. ``impression`` for "CONCLUSION"."""
    name = header.lower().strip()
    if name in SECTION_NAMES:
        return SECTION_NAMES[name]
    for main in _MAIN:
        if main in name:
            return main
    return "findings" if _VIEWS.search(name) else name


def _non_empty(sections: list[Section]) -> list[Section]:
    return [s for s in sections if s.name not in ("impression", "findings") or s.text.strip()]
