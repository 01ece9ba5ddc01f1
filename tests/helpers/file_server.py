"""A server of files on this machine that answers ranges, breaks off, and changes its files."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FileServer:
    """What it serves, by path; what it was asked."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    """Whether it can go on from the middle."""
    cut_after: int | None = None
    """Bytes after which each answer's connection breaks."""
    wrong_range: int = 0
    """By how much it goes on too late, and says so."""
    pause: float = 0.0
    """Seconds between blocks."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """(path, range) of each request."""


@contextmanager
def file_server() -> Iterator[FileServer]:
    """A server until the block ends."""
    served = FileServer("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            served.asked.append((self.path, wanted))
            content = served.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            mark = f'"{hash(content)}"'
            begin = 0
            if wanted and served.ranges and self.headers.get("If-Range") in (None, mark):
                begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if begin >= len(content):
                    self.send_error(416)
                    return
            self.send_response(206 if begin else 200)
            self.send_header("ETag", mark)
            self.send_header("Content-Length", str(len(content) - begin))
            if begin:
                told = begin + served.wrong_range
                self.send_header("Content-Range", f"bytes {told}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            end = len(content)
            if served.cut_after is not None:
                end = min(end, begin + served.cut_after)
            for at in range(begin + (served.wrong_range if begin else 0), end, 1 << 16):
                self.wfile.write(content[at : min(at + (1 << 16), end)])
                time.sleep(served.pause)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
