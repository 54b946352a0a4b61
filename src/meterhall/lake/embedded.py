"""The embedded engine: DuckDB in memory, in this process; few series are read without it (`seeking`)."""

from __future__ import annotations

from threading import Lock

import duckdb
import pyarrow as pa

from meterhall.domain.readings.resampling import SumOutOfRange
from meterhall.lake import queries
from meterhall.lake.engine import Engine, FilesGone, Query, Span
from meterhall.lake.layout import Versions, from_arrow
from meterhall.lake.seeking import Footers, sought
from meterhall.lake.snapshot import Snapshot


class EmbeddedEngine(Engine):
    """DuckDB over the files, wherever the lake is."""

    dialect = queries.DUCKDB

    def __init__(self, *, threads: int | None = None) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": "false"}
        if threads is not None:
            config["threads"] = threads
        self._config = config
        self._opening = Lock()
        self._footers = Footers()
        self._opened: duckdb.DuckDBPyConnection | None = None

    def look(self, snapshot: Snapshot) -> str:
        if snapshot.files:
            self._run(Query(queries.rows(self.dialect), list(snapshot.files)))
        return f"embedded, DuckDB {duckdb.__version__}"

    def close(self) -> None:
        with self._opening:
            if self._opened is not None:
                self._opened.close()

    def newest(self, snapshot: Snapshot, span: Span, slots: int, known_us: int | None = None) -> Versions:
        """As any engine; what is asked of few series is read without a query."""
        files = snapshot.covering(span.series_ids.tolist(), span.first_day, span.last_day)
        found = sought(self._footers, files, span, known_us)
        return super().newest(snapshot, span, slots, known_us) if found is None else from_arrow(found, slots)

    def _connection(self) -> duckdb.DuckDBPyConnection:
        """Opened by the first query: who only writes new days needs none."""
        with self._opening:
            if self._opened is None:
                self._opened = duckdb.connect(":memory:", config=self._config)
            return self._opened

    def _run(self, query: Query) -> pa.Table:
        # From the first file DuckDB guesses how many days there are: after a small one it would put all days, not the
        # wanted series, into the table that a join looks up in.
        files = sorted(query.files, key=lambda file: file.rows, reverse=True)
        parameters = query.parameters | {"files": [file.path for file in files]}
        with self._connection().cursor() as cursor:
            for name, table in query.tables.items():
                cursor.register(name, table)
            try:
                return cursor.sql(query.sql, params=parameters).to_arrow_table()
            except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
                raise SumOutOfRange from error
            except duckdb.IOException as error:
                raise FilesGone from error
