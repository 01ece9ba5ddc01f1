"""A pipe whose reader went away, as ``| head`` does: a command ends quietly."""

import os
import sys

EXIT_CODE = 141
"""What a shell has of any program that a closed pipe ends: 128 and SIGPIPE's number."""


def end_quietly() -> int:
    """Send what is unwritten nowhere, so that nothing complains at exit; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
    return EXIT_CODE
