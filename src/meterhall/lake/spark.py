"""The distributed engine: whatever answers Spark Connect (Apache Spark, Sail) over the same files of the same table.

Its client is the extra `spark` and is imported when a query runs for the first time, never before a fork. The client
has types only in part: sessions and frames are `Any` here, and nothing of it leaves this module.
"""

from __future__ import annotations

import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa

from meterhall.domain.errors import Unavailable
from meterhall.lake import queries
from meterhall.lake.engine import Engine, EngineBlind, EngineUnavailable, FilesGone, Query
from meterhall.lake.snapshot import LakeFile, Snapshot

T = TypeVar("T")

_SCHEMA: Final = (
    "series_id bigint, day date, version int, sequence bigint, available_at timestamp, "
    "`values` array<bigint>, quality array<int>"
)
_PORT: Final = 15002
"""Spark Connect's own."""

_CHANNEL: Final = [("grpc.use_local_subchannel_pool", 1), ("grpc.keepalive_time_ms", 330_000)]
"""A new session looks for the engine at once, however long others have waited for it; an engine whose machine went away
without a word is given up. Pings more often than every five minutes a server may refuse."""

_UNSEEN: Final = ("PATH_NOT_FOUND", "FAILED_READ_FILE")
_RETRY_S: Final = 30
_DETAILS: Final = re.compile(r'details = "(.*?)"\n', re.DOTALL)


class SparkMissing(Unavailable):
    code = "spark_missing"
    title = "An engine sc://… needs the client of Spark Connect: pip install 'meterhall[spark]'."


def require_client() -> None:
    """Raises `SparkMissing` where the extra `spark` is not installed; imports nothing of it."""
    if find_spec("pyspark") is None or find_spec("grpc") is None:
        raise SparkMissing


class SparkEngine(Engine):
    """Calculates at `url` over the lake in `folder`; connects with the first query, and anew where that ended."""

    dialect = queries.SPARK

    def __init__(self, url: str, folder: str | Path, *, seen_at: str = "") -> None:
        """`seen_at` is the URL under which the engine sees `folder`; empty: the same path. Raises `SparkMissing`."""
        require_client()
        self._url, self._folder = url, str(Path(folder).absolute())
        self._seen_at = seen_at.rstrip("/") or f"file://{self._folder}"
        place = urlsplit(url)
        self._name = f"{place.hostname}:{place.port or _PORT}"
        self._guard = threading.Lock()
        self._session: Any = None

    def look(self, snapshot: Snapshot) -> str:
        version = self._answer((), lambda session: (session.sql("select 1").toArrow(), session.version)[1])
        if not snapshot.files:
            return f"{self._name} answers as Spark {version}; the lake has no file yet that it could see"
        self._run(Query(queries.rows(self.dialect), list(snapshot.files)))
        days = sum(file.rows for file in snapshot.files)
        return f"{self._name} answers as Spark {version} and sees all of the table's {days:,} rows at {self._seen_at}"

    def close(self) -> None:
        with self._guard:
            session, self._session = self._session, None
        if session is not None:
            session.stop()

    def _run(self, query: Query) -> pa.Table:
        """An engine may read a file that is not there as an empty one, so its rows are counted once it has answered."""
        paths = [self._seen_at + file.path.removeprefix(self._folder) for file in query.files]

        def ask(session: Any) -> tuple[pa.Table, int]:
            files = session.read.schema(_SCHEMA).parquet(*paths)
            tables = {name: session.createDataFrame(table) for name, table in query.tables.items()}
            rows = session.sql(query.sql, args=query.parameters, files=files, **tables).toArrow()
            seen = session.sql(queries.rows(self.dialect), files=files).toArrow()
            return rows, seen["seen"][0].as_py()

        rows, seen = self._answer(query.files, ask)
        if seen != sum(file.rows for file in query.files):
            raise _unseen(query.files)
        return rows

    def _answer(self, files: Sequence[LakeFile], ask: Callable[[Any], T]) -> T:
        """What is answered; asked once more in a new session, since an engine that was started anew, or that has waited
        long, does not know the one there was. Raises what `_run` does."""
        session = self._connected(None)
        faults = _faults()
        try:
            return ask(session)
        except faults as fault:
            if _condition(fault).startswith(_UNSEEN):
                raise _refusal(fault, files) from fault
        try:
            return ask(self._connected(session))
        except faults as fault:
            raise _refusal(fault, files) from fault

    def _connected(self, lost: Any) -> Any:
        """The session; a new one where there is none or it is the lost one. Nothing is sent yet."""
        with self._guard:
            if self._session is lost:
                self._session = _session(self._url)
            return self._session


@contextmanager
def _a_program() -> Iterator[None]:
    """While it is imported, the client takes a program without a file, as `python -c` is, for its own doctests, and
    ends the process where their engine is missing; so a file is lent."""
    main = sys.modules["__main__"]
    lent = not hasattr(main, "__file__")
    if lent:
        main.__file__ = __file__
    try:
        yield
    finally:
        if lent:
            del main.__file__


def _session(url: str) -> Any:
    """A session of its own; whoever still uses an older one is not disturbed."""
    with warnings.catch_warnings(), _a_program():
        warnings.simplefilter("ignore", FutureWarning)  # of pandas, of which nothing is used
        from pyspark.logger import PySparkLogger
        from pyspark.sql.connect.client import DefaultChannelBuilder
        from pyspark.sql.connect.session import SparkSession
    warnings.filterwarnings("ignore", module=r"pyspark\.")
    PySparkLogger.getLogger("SQLQueryContextLogger").disabled = True  # would write each refused query to stderr
    session = SparkSession(connection=DefaultChannelBuilder(url, _CHANNEL))
    session.client.set_retry_policies([])  # they would go on for ten minutes
    return session


def _faults() -> tuple[type[Exception], ...]:
    """What the client raises."""
    import grpc
    from pyspark.errors import PySparkException

    return PySparkException, grpc.RpcError


def _condition(fault: Exception) -> str:
    return getattr(fault, "getCondition", lambda: None)() or ""


def _refusal(fault: Exception, files: Sequence[LakeFile]) -> Unavailable:
    """What a failed query means to whoever asked; the engine's own words are for the operator."""
    if _condition(fault).startswith(_UNSEEN) or not all(Path(file.path).exists() for file in files):
        return _unseen(files)
    said = _DETAILS.search(str(fault))
    reason = (said[1] if said else str(fault)).strip().partition("\n")[0][:300]
    return EngineUnavailable(retry_after_s=_RETRY_S, reason=reason)


def _unseen(files: Sequence[LakeFile]) -> Unavailable:
    """Rows are missing: of files that are gone, or of files that only the engine does not see."""
    if not all(Path(file.path).exists() for file in files):
        return FilesGone()
    return EngineBlind(retry_after_s=_RETRY_S)
