"""The pages read in a browser: they sort, fit, and are complete without a script."""

import html
import json
import os
import re
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from codixr_bench.score import Score
from codixr_leaderboard.submission import Submission
from helpers.submission_fakes import PRINTED, build_pages, submission

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PROBE = """
const done = {};
const button = (i) => document.querySelectorAll("#results thead button")[i];
done.buttons = document.querySelectorAll("#results thead button").length;
done.width = window.innerWidth;
done.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
const first = () => document.querySelector("#results tbody tr th a").textContent;
done.before = first();
button(2).focus();
done.focused = document.activeElement.tagName;
button(2).click(); button(2).click();
done.after = first();
done.sort = document.querySelectorAll("thead th")[2].getAttribute("aria-sort");
done.page = getComputedStyle(document.body).backgroundColor;
document.querySelector("details").open = true;
const inside = (node) => {
  const range = document.createRange();
  range.selectNodeContents(node);
  return [...range.getClientRects()];
};
const others = [...document.querySelectorAll("details table")];
const cells = (table) => [...table.querySelectorAll("td")];
done.columns = others.map((table) => table.tHead.rows[0].cells.length - 1);
done.hidden = others.filter((table) => table.tHead.rows[0].cells.length === 2).flatMap(cells)
  .filter((cell) => cell.getBoundingClientRect().right > window.innerWidth).length;
done.across = others.flatMap(cells).filter((cell) =>
  inside(cell).some((box) => box.right > cell.getBoundingClientRect().right)).length;
done.broken = others.flatMap((table) => [...table.querySelectorAll("thead button")])
  .flatMap((head) => [...head.childNodes])
  .filter((node) => node.nodeType === Node.TEXT_NODE && inside(node).length > 1).length;
done.picture = [...document.images].every((image) => image.naturalWidth > 0);
document.title = JSON.stringify(done);
"""
"""Run in the page after its own script; what it finds becomes the title."""


def browse(url: str, folder: Path, *more: str) -> str:
    """The page's DOM after its scripts ran."""
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", *more]
    done = subprocess.run(
        [*command, "--window-size=1500,1000", "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "HOME": str(folder)},
    )
    return done.stdout


@pytest.fixture
def serve(tmp_path):
    """The address of a folder, served here."""
    handler = partial(QuietHandler, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def with_frd(model: str, quality: float) -> Submission:
    """A submission with a score whose card explains no other one."""
    row = submission(model, quality)
    frd = Score(name="frd", value=3.0, ci95=(2.5, 3.5), n=2000, higher_is_better=False,
                signature="frd|n:2000")  # fmt: skip
    (result,) = row.results
    more = result.model_copy(update={"scores": (*result.scores, frd)})
    return row.model_copy(update={"results": (more,)})


FRAME = """<!doctype html><meta name="color-scheme" content="light dark"><title>none</title>
<iframe src="phantom-t-to-f.html" style="border:0" width="{width}" height="900"></iframe>
<script>addEventListener("load", () => {{
  document.title = document.querySelector("iframe").contentDocument.title;
}});</script>"""
"""A window is at least 500 pixels wide; a frame is as narrow as a phone."""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("dark", [False, True])
def test_a_table_works_in_a_browser(tmp_path, serve, width, dark):
    sent = [with_frd(f"a-model-with-a-long-name-{i}", 0.3 + i / 20) for i in range(6)]
    site = tmp_path / "site"
    build_pages(sent, PRINTED, site)
    # The page's policy allows scripts from its own folder: the probe goes in by that way.
    script = site / "sort.js"
    script.write_text(script.read_text() + f"addEventListener('load', () => {{{PROBE}}});")
    more = ["--blink-settings=preferredColorScheme=0"] if dark else []
    (site / "frame.html").write_text(FRAME.format(width=width))
    dom = browse(f"{serve}/frame.html", tmp_path, *more)
    found = html.unescape(re.search(r"<title>(.*?)</title>", dom, re.DOTALL)[1])  # type: ignore[index]
    seen = json.loads(found)
    assert seen["buttons"] == 5
    assert seen["width"] == width
    assert seen["overflow"] <= 0
    assert seen["focused"] == "BUTTON"
    assert (seen["before"], seen["after"]) == (
        "a-model-with-a-long-name-5",
        "a-model-with-a-long-name-0",
    )
    assert seen["sort"] == "descending"
    assert seen["picture"]
    # Of other scores: one alone is seen beside its model, no value lies on the next one, and a
    # head breaks between words only.
    assert 1 in seen["columns"]
    assert max(seen["columns"]) >= 4
    assert (seen["hidden"], seen["across"], seen["broken"]) == (0, 0, 0)
    assert seen["page"] == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
def test_a_table_is_complete_without_a_script(tmp_path):
    site = tmp_path / "site"
    build_pages([submission(f"model {i}", 0.3 + i / 20) for i in range(3)], {}, site)
    # Blink without scripts cannot dump its DOM either: the script is taken away instead.
    (site / "sort.js").unlink()
    dom = browse((site / "phantom-t-to-f.html").as_uri(), tmp_path)
    assert "<button" not in dom
    assert [int(rank) for rank in re.findall(r'<td data-value="(\d+)">\d', dom)] == [1, 1, 2]
