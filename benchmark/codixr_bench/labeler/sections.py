"""The sections of a report as people's files have them, for ``--sections``.

Notable:
- A MIMIC-CXR report is cut by its authors' rules (``codixr.data.report``).
- Elsewhere a header is a known name before a colon: first on its line, behind a blank, a tab or
  capitals or not; or inside a line, in capitals or behind the end of a sentence. A name alone on
  its line, or before a dash, needs a capital. Marks of Markdown and HTML around it are no text.
- Names are looked up in one table of spellings: "CONCLUSION:" is an impression. "NDICATION:" is
  one too, a slip of the table that MIMIC-CXR's authors published, kept as they have it.
- A report that has none of the sections is read whole, as the original does with a warning.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from codixr.data.report import SECTION_NAMES, section_name, split_sections
from codixr.errors import InputError

_MORE = (
    "abdomen and pelvis", "clinical data", "clinical indication", "comparison study date",
    "conclusions", "diagnosis", "exam date", "final report", "impressions", "indications",
    "medical condition", "opinion", "procedure", "reason for study", "reason for this examination",
    "report", "result", "results", "summary", "techniques",
)  # fmt: skip
_SAME = {
    "conclusions": "impression", "impressions": "impression", "opinion": "impression",
    "summary": "impression", "indications": "indication", "clinical data": "history",
    "reason for study": "indication", "reason for this examination": "indication",
    "techniques": "technique", "results": "findings", "result": "findings",
}  # fmt: skip
_NO_HEADER = {"preamble", "full report", "last_paragraph"}
_KNOWN = sorted({*SECTION_NAMES, *_MORE}, key=len, reverse=True)
_ANY = "|".join(re.escape(name).replace("\\ ", r"[ \t]+") for name in _KNOWN)
_MARKUP = r"(?:[*_#]{1,4}[ \t]*|</?(?:b|strong|h\d|u)>[ \t]*)?"
_COLON = rf"[ \t]*{_MARKUP}[:\N{{FULLWIDTH COLON}}]+{_MARKUP}"
_LINE = r"(?:^|(?<=[\n\r]))"
_HEADER = re.compile(
    rf"(?:{_LINE}|(?<=[.;:!?)\]_>]))[ \t]*{_MARKUP}(?i:(?P<line>{_ANY})){_COLON}"
    rf"|(?<=[\s])(?P<capitals>(?i:{_ANY})){_COLON}"
    rf"|{_LINE}[ \t]*{_MARKUP}(?i:(?P<alone>{_ANY}))[ \t]*{_MARKUP}"
    r"(?:[-\u2013\u2014]+(?=\s)|(?=[\r\n]))"
)


@dataclass
class SectionCounts:
    """What was found in the reports that were cut."""

    reports: int = 0
    without: int = 0
    names: Counter[str] = field(default_factory=Counter)


class SectionCutter:
    """Cuts the wanted sections out of reports, and counts what it meets.

    Args:
        wanted: names of sections, in any spelling.
        required: give None for a report that has none of them, instead of all its text.
    """

    def __init__(self, wanted: str, *, required: bool = False) -> None:
        self.wanted = tuple(dict.fromkeys(_name(w) for w in re.split("[,;]", wanted) if w.strip()))
        if not self.wanted:
            raise InputError(f"--sections '{wanted}' names no section")
        self.required = required
        self.counts = SectionCounts()

    def __call__(self, report: str) -> str | None:
        """The text of the wanted sections."""
        sections = named_sections(report, self.wanted)
        self.counts.reports += 1
        self.counts.names.update({name for name, _ in sections} - _NO_HEADER)
        texts = [text for name, text in sections if name in self.wanted]
        if texts:
            return "\n".join(texts)
        self.counts.without += 1
        return None if self.required else report

    def finish(self) -> None:
        """InputError where one of the wanted sections was in no report at all."""
        names = self.counts.names
        for name in self.wanted:
            if self.counts.reports and name not in names:
                found = ", ".join(f"{one} ({n:,})" for one, n in names.most_common(12))
                raise InputError(
                    f"no report has a section '{name}'; they have: {found or 'no headers at all'}"
                )


def named_sections(report: str, wanted: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """(name, text) of the report's sections; what stands before the first header is left out."""
    official = [(s.name, s.text) for s in split_sections(report)]
    if any(name in wanted for name, _ in official):
        return official[1:] if official[0][0] == "preamble" else official
    headers = [m for m in _HEADER.finditer(report) if _is_header(m)]
    ends = [*(m.start() for m in headers[1:]), len(report)][: len(headers)]
    return [
        (_name(m["line"] or m["capitals"] or m["alone"]), report[m.end() : end].strip())
        for m, end in zip(headers, ends, strict=True)
    ]


def _is_header(match: "re.Match[str]") -> bool:
    """In prose, "my impression: unchanged" is none, nor is a line that ends with "findings"."""
    if match["line"]:
        return True
    name: str = match["capitals"] or match["alone"]
    return name.isupper() or (match["alone"] is not None and name[0].isupper())


def _name(header: str) -> str:
    plain = " ".join(header.lower().split())
    return _SAME.get(plain) or section_name(plain)
