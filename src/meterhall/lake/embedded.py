"""The embedded engine: DuckDB in memory, in this process."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from meterhall.domain.readings.resampling import SumOutOfRange
from meterhall.lake import queries
from meterhall.lake.engine import Engine, FilesGone, Query
from meterhall.lake.snapshot import Snapshot


class EmbeddedEngine(Engine):
    """DuckDB over the files, wherever the lake is."""

    dialect = queries.DUCKDB

    def __init__(self, *, threads: int | None = None) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": "false"}
        if threads is not None:
            config["threads"] = threads
        self._connection = duckdb.connect(":memory:", config=config)

    def look(self, snapshot: Snapshot) -> str:
        if snapshot.files:
            self._run(Query(queries.rows(self.dialect), list(snapshot.files)))
        return f"embedded, DuckDB {duckdb.__version__}"

    def close(self) -> None:
        self._connection.close()

    def _run(self, query: Query) -> pa.Table:
        parameters = query.parameters | {"files": [file.path for file in query.files]}
        with self._connection.cursor() as cursor:
            for name, table in query.tables.items():
                cursor.register(name, table)
            try:
                return cursor.sql(query.sql, params=parameters).to_arrow_table()
            except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
                raise SumOutOfRange from error
            except duckdb.IOException as error:
                raise FilesGone from error
