"""The Delta table on disk: opened, written under one lock, compacted, erased. What is in a row: `layout`."""

from __future__ import annotations

import errno
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError
from filelock import FileLock, Timeout

from meterhall.domain.errors import Unavailable
from meterhall.lake.layout import BUCKETS, CONFIGURATION, PARTITIONS, SCHEMA, WRITER, Versions, as_arrow, bucket_of
from meterhall.lake.snapshot import Snapshot, snapshot_of

_TARGET_BYTES: Final = 256 * 1024 * 1024
_ERASED_AT_ONCE: Final = 1000
_KEPT_H: Final = 7 * 24
"""How long files stay that the newest version is without: readers of an older one may be at them."""
STAGED: Final = "*#[0-9]*"
"""What a file is called while the library writes it; it lists none of these, and so removes none."""
OS_ERROR: Final = re.compile(r"\(os error (\d+)\)")
WHY: Final = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "a file would be larger than allowed",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "the folder may not be written",
    errno.EPERM: "the folder may not be written",
    errno.EIO: "the disk fails",
}


class LakeBusy(Unavailable):
    code = "lake_busy"
    title = "Another writer holds the lake."


class LakeUnwritable(Unavailable):
    """Make room, or make the folder writable; what waits is then written by itself. Reading goes on meanwhile."""

    code = "lake_unwritable"
    title = "The lake cannot be written: see to the disk and the folder it is in."


class Table:
    """The one Delta table of a lake; one writer at a time over all processes, any number of readers."""

    def __init__(self, path: Path, *, buckets: int, lock_timeout_s: float) -> None:
        self._root = path / "readings"
        self._lock_path = path / "writer.lock"
        self._lock_timeout_s = lock_timeout_s
        self._guard = threading.RLock()
        if DeltaTable.is_deltatable(str(self._root)):
            self._table = DeltaTable(self._root)  # takes no lock: a lake that cannot be written can be read
        else:
            with reported():
                path.mkdir(parents=True, exist_ok=True)
            with self.writing():
                self._table = self._opened(buckets)
        self._buckets = int(self._table.metadata().configuration[BUCKETS])
        self._snapshot = snapshot_of(self._table, self._root, self._buckets)

    def _opened(self, buckets: int) -> DeltaTable:
        return DeltaTable.create(
            self._root,
            SCHEMA,
            mode="ignore",
            partition_by=PARTITIONS,
            configuration=CONFIGURATION | {BUCKETS: str(buckets)},
            raise_if_key_not_exists=False,
        )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Holds the one right to write; the operating system ends it with the process.

        Raises `LakeBusy`, and `LakeUnwritable` when what is done meanwhile finds no room or may not write.
        """
        with reported():
            try:
                lock = FileLock(self._lock_path, timeout=self._lock_timeout_s).acquire()
            except Timeout as error:
                raise LakeBusy(retry_after_s=5) from error
            with lock:
                yield

    def snapshot(self) -> Snapshot:
        """The newest state."""
        with self._guard:
            self._table.update_incremental()
            if self._table.version() != self._snapshot.version:
                self._snapshot = snapshot_of(self._table, self._root, self._buckets)
            return self._snapshot

    def last_transaction(self, app: str) -> int | None:
        """The number of the last committed transaction of an application; None before its first."""
        with self._guard:
            self._table.update_incremental()
            return self._table.transaction_version(app)

    def commit(self, batch: Iterable[Versions], transaction: tuple[str, int]) -> int:
        """Adds these days and records the transaction, both or neither; returns the new version. Only while writing.

        Days that come one after the other are written as they come, and are not all in memory.
        """
        app, number = transaction
        with self._guard:
            sequence = self._table.version() + 1
            tables = (as_arrow(part, sequence=sequence, buckets=self._buckets) for part in batch if len(part))
            stream = _Stream(tables) if isinstance(batch, Iterator) else None
            try:
                write_deltalake(
                    self._table,
                    stream.reader if stream else pa.concat_tables([SCHEMA.empty_table(), *tables]),
                    mode="append",
                    writer_properties=WRITER,
                    commit_properties=CommitProperties(
                        max_commit_retries=0, app_transactions=[Transaction(app_id=app, version=number)]
                    ),
                )
            except CommitFailedError as error:
                raise LakeBusy("Another program wrote to the table at the same time.", retry_after_s=5) from error
            except Exception:
                if stream and stream.fault:
                    raise stream.fault from None
                raise
            return self._table.version()

    def compact(self) -> int:
        """Rewrites crowded partitions, neighbours side by side; clears files a week old; returns how many partitions.

        Every version of a day is kept. Readers go on undisturbed. Safe to kill: a partition is rewritten in one commit.
        """
        with self.writing(), self._guard:
            crowded = self.snapshot().crowded(_TARGET_BYTES)
            for month, bucket in crowded:
                self._table.optimize.z_order(
                    ["series_id"],
                    partition_filters=[("month", "=", month), ("bucket", "=", str(bucket))],
                    target_size=_TARGET_BYTES,
                    writer_properties=WRITER,
                )
            self._clear(_KEPT_H)
            self._table.create_checkpoint()
            self._table.cleanup_metadata()
            return len(crowded)

    def erase(self, series_ids: Iterable[int]) -> int:
        """Deletes every version of every day of these series, and every file that held one; returns rows deleted."""
        wanted = sorted({int(series_id) for series_id in series_ids})
        deleted = 0
        with self.writing(), self._guard:
            self._table.update_incremental()
            for first in range(0, len(wanted), _ERASED_AT_ONCE):
                deleted += self._delete(wanted[first : first + _ERASED_AT_ONCE])
            self._clear(0)
        return deleted

    def _clear(self, hours: int) -> None:
        """Removes the files, so old at least, that the newest version is without: what was rewritten or deleted, and
        what a killed commit or compaction left behind, which is in no version. Only while writing."""
        self._table.vacuum(retention_hours=hours, enforce_retention_duration=False, dry_run=False, full=True)
        before = time.time() - hours * 3600
        for staged in self._root.rglob(STAGED):
            if staged.stat().st_mtime <= before:
                staged.unlink()

    def _delete(self, series_ids: Sequence[int]) -> int:
        buckets = sorted({bucket_of(series_id, self._buckets) for series_id in series_ids})
        predicate = f"bucket in ({_list(buckets)}) and series_id in ({_list(series_ids)})"
        return int(self._table.delete(predicate, writer_properties=WRITER)["num_deleted_rows"])


class _Stream:
    """Tables as one reader; what goes wrong in making them is kept, since the writer passes on only its text."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self.fault: Exception | None = None
        self.reader = pa.RecordBatchReader.from_batches(SCHEMA, self._batches(tables))

    def _batches(self, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
        try:
            for table in tables:
                yield from table.to_batches()
        except Exception as fault:
            self.fault = fault
            raise


@contextmanager
def reported() -> Iterator[None]:
    """Name what an operating system refuses to write; a panic of the library in doing so is no end of this process."""
    try:
        yield
    except Exception as fault:
        why = WHY.get(_errno(fault) or 0)
        if why is None:
            raise
        raise LakeUnwritable(f"The lake cannot be written: {why}.", retry_after_s=60) from fault
    except BaseException as fault:
        if type(fault).__name__ != "PanicException":
            raise
        raise LakeUnwritable("The lake cannot be written: the library that writes it broke off.") from fault


def _errno(fault: BaseException) -> int | None:
    """The operating system's number of an error, from the library's text where it comes through it."""
    if isinstance(fault, OSError) and fault.errno is not None:
        return fault.errno
    found = OS_ERROR.search(str(fault))
    return int(found[1]) if found else None


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)
