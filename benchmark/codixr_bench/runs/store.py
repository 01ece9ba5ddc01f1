"""SampleStore: what a model made, in chunks that a killed run can go on from.

``FOLDER/chunk-00000.parquet`` holds one row a study: ``position`` in the split, and for every
output modality a column: ``F`` and ``L`` as 16-bit PNG bytes (rounding below 1.6e-5 of the range;
8-bit pictures come back exactly), ``T`` as text. No study id is written. ``FOLDER/run.json`` is the
run's fingerprint. Equal samples make equal bytes.
"""

import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image as PILImage

from codixr import messages
from codixr.atomic import make_folder, remove_parts, write_atomically
from codixr.data.study import Image
from codixr.errors import InputError
from codixr.locks import lock_folder, unlock
from codixr.modality import Modality
from codixr_bench.model import Content, Sample
from codixr_bench.runs.record import RECORD_NAME, RunRecord
from codixr_bench.task import Task

CHUNK_SIZE = 64
_LEVELS = np.float32(65535.0)


_note = partial(messages.note, "codixr-bench")


class SampleStore:
    """The samples of one run in a folder; ``create`` to write, ``open`` to read what is there."""

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder = folder
        self.record = record
        self.task = Task.parse(record.task)
        self._lock: int | None = None

    @classmethod
    def create(
        cls, folder: Path, record: RunRecord, *, overwrite: bool = False, leads: bool = True
    ) -> Self:
        """Begin a run in ``folder``, or go on with an equal one.

        Args:
            folder: made if absent.
            record: the run's fingerprint.
            overwrite: remove another run's chunks instead of refusing.
            leads: whether this process writes the record; the others only check.

        Raises:
            InputError: the folder holds another run (says what differs), holds samples that are no
                run's, cannot be written, or another process is writing to it.
        """
        store = cls(folder, record)
        if not overwrite:
            store.refuse_other_run()
        if not leads:
            return store
        make_folder(folder)
        store._take_lock()
        remove_parts(folder)
        if overwrite:
            (folder / RECORD_NAME).unlink(missing_ok=True)
            for pattern in ("chunk-*.parquet", "part-*.parquet"):
                for chunk in folder.glob(pattern):
                    chunk.unlink()
        if not (folder / RECORD_NAME).exists():
            write_atomically(folder / RECORD_NAME, record.to_json())
        return store

    def keep_private(self) -> None:
        """Let nobody else read the samples, and no repository take them: they show patients.

        Other models repeat training reports word for word, and ``real`` copies the studies. Of a
        secret split they give away what nobody should look up.
        """
        with suppress(OSError):  # a file system without permissions has none to give
            self.folder.chmod(0o700)
        write_atomically(self.folder / ".gitignore", b"*\n")

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The run that is in ``folder``; InputError where there is none."""
        path = folder / RECORD_NAME
        if not path.is_file():
            raise InputError(f"'{folder}' holds no run: '{RECORD_NAME}' is missing")
        return cls(folder, RunRecord.from_json(path))

    def close(self) -> None:
        """Let another process write to the folder."""
        unlock(self._lock)
        self._lock = None

    def __len__(self) -> int:
        return self.record.n

    @property
    def chunks(self) -> range:
        """The numbers of all chunks of the run, made or not."""
        return range(-(-self.record.n // self.record.chunk_size))

    def positions(self, chunk: int) -> range:
        """The positions of the studies in ``chunk``."""
        start = chunk * self.record.chunk_size
        return range(start, min(start + self.record.chunk_size, self.record.n))

    def path(self, chunk: int) -> Path:
        """The file of ``chunk``."""
        return self.folder / f"chunk-{chunk:05d}.parquet"

    def write(self, chunk: int, samples: Sequence[Sample]) -> None:
        """Write a whole chunk, one sample a position, atomically.

        Raises InputError when the disk is full; then nothing of the chunk is left.
        """
        write_atomically(self.path(chunk), encode_chunk(self.positions(chunk), samples, self.task))
        self._part(chunk).unlink(missing_ok=True)

    def write_part(self, chunk: int, samples: Sequence[Sample]) -> None:
        """Keep the first samples of a chunk that a crash cut short; a full disk is only noted."""
        if samples:
            made = self.positions(chunk)[: len(samples)]
            try:
                write_atomically(self._part(chunk), encode_chunk(made, samples, self.task))
            except InputError as error:
                _note(f"{len(samples)} finished samples could not be kept: {error}")

    def read_part(self, chunk: int) -> list[Sample]:
        """The first samples of a chunk that were kept; none where there are none, or damaged."""
        path = self._part(chunk)
        if not path.is_file():
            return []
        try:
            content = path.read_bytes()
            rows = pq.ParquetFile(io.BytesIO(content)).metadata.num_rows
            return decode_chunk(content, self.positions(chunk)[:rows], self.task)
        except (OSError, ValueError, pa.ArrowException):
            _note(f"'{path}' is damaged: making its samples anew")
            return []

    def _part(self, chunk: int) -> Path:
        return self.folder / f"part-{chunk:05d}.parquet"

    def read(self, chunk: int) -> list[Sample]:
        """The samples of a chunk, in position order.

        Raises InputError for a chunk that is missing, damaged, or not this run's.
        """
        path = self.path(chunk)
        if not path.is_file():
            raise InputError(f"'{path}' is missing: the run is not finished; run it again")
        try:
            return decode_chunk(path.read_bytes(), self.positions(chunk), self.task)
        except ValueError as error:
            raise InputError(
                f"'{path}' is damaged ({error}); run again: it will be made anew"
            ) from error

    def missing(
        self, among: Iterable[int] | None = None, note: Callable[[str], None] = _note
    ) -> list[int]:
        """The chunks that have yet to be made: absent ones, and damaged ones (with a note)."""
        chunks = []
        for chunk in self.chunks if among is None else among:
            if not self.path(chunk).is_file():
                chunks.append(chunk)
                continue
            try:
                self.read(chunk)
            except InputError as error:
                note(f"{str(error).split('; run again')[0]}: making it anew")
                chunks.append(chunk)
        return chunks

    def batches(self, rank: int = 0, size: int = 1) -> Iterator[tuple[range, list[Sample]]]:
        """(positions, samples) of every chunk in order, or of a process's; InputError as ``read``.

        Process ``rank`` of ``size`` has the chunks that it makes in a run.
        """
        for chunk in self.chunks[rank::size]:
            yield self.positions(chunk), self.read(chunk)

    def refuse_other_run(self) -> None:
        """InputError where the folder holds another run, or samples that are no run's."""
        path = self.folder / RECORD_NAME
        if not path.exists():
            if any(self.folder.glob("chunk-*.parquet")):
                raise InputError(
                    f"'{self.folder}' holds samples without their '{RECORD_NAME}': "
                    "use another --out, or --overwrite to start anew"
                )
            return
        if found := RunRecord.from_json(path).differences(self.record):
            raise InputError(
                f"'{self.folder}' holds another run ({'; '.join(found)}): "
                "use another --out, or --overwrite to replace it"
            )

    def _take_lock(self) -> None:
        try:
            self._lock = lock_folder(self.folder)
        except BlockingIOError as error:
            raise InputError(
                f"another process is writing samples to '{self.folder}': wait for it, "
                "or use another --out"
            ) from error


def encode_chunk(positions: range, samples: Sequence[Sample], task: Task) -> bytes:
    """One Parquet file: a row a study, page checksums, the same bytes for the same samples."""
    if len(samples) != len(positions):
        raise ValueError(f"{len(samples)} samples for {len(positions)} positions")
    columns: dict[str, pa.Array] = {"position": pa.array(positions, pa.int64())}
    for modality in task.outputs:
        values = [_encode(sample[modality]) for sample in samples]
        kind = pa.binary() if modality.is_image else pa.string()
        columns[modality.value] = pa.array(values, kind)
    sink = io.BytesIO()
    pq.write_table(
        pa.table(columns),
        sink,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
    )
    return sink.getvalue()


def decode_chunk(content: bytes, positions: range, task: Task) -> list[Sample]:
    """The samples of a chunk file; ValueError when it is damaged or not the chunk expected."""
    try:
        table = pq.read_table(io.BytesIO(content), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise ValueError("not a whole Parquet file") from error
    if table.column_names != ["position", *(m.value for m in task.outputs)]:
        raise ValueError("unexpected columns")
    if table.column("position").to_pylist() != list(positions):
        raise ValueError("unexpected positions")
    columns: dict[Modality, list[Content]] = {}
    for modality in task.outputs:
        values = table.column(modality.value).to_pylist()
        if any(value is None for value in values):
            raise ValueError("empty cells")
        columns[modality] = [decode_png(v) for v in values] if modality.is_image else values
    return [{m: columns[m][i] for m in task.outputs} for i in range(len(positions))]


def encode_png(image: Image) -> bytes:
    """float32 [1, H, W] in [0, 1] -> a 16-bit grey PNG."""
    levels = np.rint(image[0] * _LEVELS).astype(np.uint16)
    sink = io.BytesIO()
    PILImage.fromarray(levels).save(sink, "PNG", compress_level=1)
    return sink.getvalue()


def decode_png(content: bytes) -> Image:
    """A 16-bit grey PNG -> float32 [1, H, W] in [0, 1]; ValueError when it is damaged."""
    try:
        with PILImage.open(io.BytesIO(content)) as picture:
            levels = np.asarray(picture)
    except (OSError, SyntaxError, ValueError, zlib.error) as error:
        raise ValueError("a picture cannot be decoded") from error
    if levels.dtype != np.uint16 or levels.ndim != 2:
        raise ValueError("a picture is not 16-bit grey")
    return (levels.astype(np.float32) / _LEVELS)[None]


def as_stored(image: Image) -> Image:
    """A picture as it comes back from the store: rounded to 16 bits."""
    levels = np.rint(image * _LEVELS).astype(np.uint16)
    stored: Image = levels.astype(np.float32) / _LEVELS
    return stored


def _encode(content: Content) -> Content | bytes:
    return content if isinstance(content, str) else encode_png(content)
