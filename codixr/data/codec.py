"""Compressed pixels are decoded in a process of their own, which may die without harm.

The decoders are C, C++ and Rust. A broken file makes one of them loop for ever, another one abort:
in an archive of half a million files, neither may stop the preparation. The process is started when
the first compressed file comes, and again after a file that killed it; it has a limit of processor
time for each picture, and of memory. Run as ``python -m codixr.data.codec``.
"""

import atexit
import io
import os
import struct
import subprocess
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

SECONDS, SECONDS_A_MEGAPIXEL = 5, 2
"""Of processor time: a film of five megapixels takes under one, and may take fifteen."""
MEMORY = 16 << 30

_REQUEST = struct.Struct("<QI")
_REPLY = struct.Struct("<?16sQQ")
_lock = threading.Lock()
_process: subprocess.Popen[bytes] | None = None
_owner = 0
"""The process that started it: a fork must not share its pipes."""


class CodecError(Exception):
    """The pixels can't be decoded; the message is a kind of error, and quotes nothing."""


def decode_apart(content: bytes, megapixels: int) -> NDArray[np.generic]:
    """The stored values of a DICOM file, decoded in the other process; CodecError when it can't."""
    global _owner, _process
    with _lock:
        if _process is None or _owner != os.getpid() or _process.poll() is not None:
            _process, _owner = _start(), os.getpid()
        assert _process.stdin is not None, "it is a pipe"
        assert _process.stdout is not None, "it is a pipe"
        try:
            _process.stdin.write(_REQUEST.pack(len(content), megapixels))
            _process.stdin.write(content)
            _process.stdin.flush()
            fine, name, *shape = _REPLY.unpack(_read(_process.stdout, _REPLY.size))
            kind = name.rstrip(b"\0").decode()
            if not fine:
                raise CodecError(kind)
            dtype = np.dtype(kind)
            pixels = _read(_process.stdout, dtype.itemsize * shape[0] * shape[1])
        except (EOFError, OSError):
            stop()
            raise CodecError("the decoder died or ran too long") from None
        except BaseException as error:
            if not isinstance(error, CodecError):
                stop()  # half an answer would be taken for the next one
            raise
    return np.frombuffer(pixels, dtype).reshape(shape)


def stop() -> None:
    """End the other process; the next file starts a new one."""
    global _process
    if _process is not None and _owner == os.getpid():
        _process.kill()
        for stream in (_process.stdin, _process.stdout):
            with suppress(OSError):
                assert stream is not None, "both are pipes"
                stream.close()
        _process.wait()
    _process = None


atexit.register(stop)


def _start() -> subprocess.Popen[bytes]:
    package = str(Path(__file__).parent.parent.parent)
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-m", "codixr.data.codec"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # codecs write there whatever they like
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )


def _read(stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) != count:
        raise EOFError
    return content


def _serve() -> None:
    """Answer one request after another until the input ends."""
    from pydicom import dcmread

    from codixr.workers import end_with_parent

    end_with_parent()  # a decoder that loops reads no end of its input
    _limit_memory()
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a codec prints can be taken for an answer
    while head := sys.stdin.buffer.read(_REQUEST.size):
        length, megapixels = _REQUEST.unpack(head)
        content = sys.stdin.buffer.read(length)
        _limit_time(SECONDS + SECONDS_A_MEGAPIXEL * megapixels)
        try:
            pixels = np.ascontiguousarray(dcmread(io.BytesIO(content)).pixel_array)
            if pixels.ndim != 2:
                raise ValueError
        except BaseException as error:
            kind = type(error).__name__.encode()[:16]
            answers.write(_REPLY.pack(False, kind, 0, 0))
        else:
            answers.write(_REPLY.pack(True, pixels.dtype.str.encode(), *pixels.shape))
            answers.write(pixels.tobytes())
        answers.flush()


def _limit_memory() -> None:
    if sys.platform == "win32":
        return  # it has no such limits
    import resource

    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))


def _limit_time(seconds: int) -> None:
    """End this process where it takes more processor time than that from now on."""
    if sys.platform == "win32":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


if __name__ == "__main__":
    _serve()
