"""The page of an address that leads nowhere: it loads nothing.

A server shows ``404.html`` at any depth, below a place that nobody knows when the pages are made
(``site/docs`` of a project's page): a style sheet by a relative address, or from the server's
root, would not be found.
"""

from typing import Any

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>No such page - codixr</title>
<style>
  body { font: 1.1rem/1.6 system-ui, sans-serif; margin: 15vh auto; max-width: 34rem;
    padding: 0 1rem }
</style>
<h1>No such page</h1>
<p>This address leads nowhere. The site's first page has a search.</p>
"""


def on_post_template(output_content: str, template_name: str, config: Any) -> str:
    """Give this page in place of the theme's ``404.html``."""
    return PAGE if template_name == "404.html" else output_content
