"""The notebooks as pages: text as it is, code as code, no outputs.

``notebooks/NAME.ipynb`` stays beside its page, to be downloaded.
"""

import json
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for every notebook."""
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        uri = file.src_uri.removesuffix(".ipynb") + ".md"
        files.append(File.generated(config, uri, content=as_markdown(Path(str(file.abs_src_path)))))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A link to a notebook leads to its page; the notebook's own page offers the file."""
    if page.file.src_uri.startswith("notebooks/"):
        return markdown
    return markdown.replace(".ipynb)", ".md)")


def as_markdown(path: Path) -> str:
    """A notebook as Markdown, with a line that says where the file is."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first, *rest = ["".join(cell["source"]) for cell in cells]
    kinds = [cell["cell_type"] for cell in cells][1:]
    blocks = [
        text if kind == "markdown" else f"```python\n{text}\n```"
        for text, kind in zip(rest, kinds, strict=True)
    ]
    offered = f"This page is a notebook: [{path.name}]({path.name})."
    return "\n\n".join([first, offered, *blocks]) + "\n"
