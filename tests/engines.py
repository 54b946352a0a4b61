"""Distributed engines of the tests' own: Sail from its wheel, Apache Spark where `SPARK_HOME` names one; each on a free
port of this machine, and gone when the block ends."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

READY_WITHIN_S = 120


class NoEngine(RuntimeError):
    """There is no such engine here, or it did not come up; the text says why."""


@dataclass
class Server:
    """A running engine. It can be killed and started again at the same address."""

    words: list[str]
    port: int
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"sc://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once it listens. Raises `NoEngine`."""
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(
            self.words, env=os.environ | self.environment, stdout=quiet, stderr=quiet, start_new_session=True
        )
        until = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < until and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        self.kill()
        raise NoEngine(f"{self.words[0]} did not listen within {READY_WITHIN_S} s")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def sail() -> Server:
    """Sail, not yet started. Raises `NoEngine`."""
    if importlib.util.find_spec("pysail") is None:
        raise NoEngine("the package pysail is not installed")
    port = _free_port()
    return Server([sys.executable, "-m", "pysail", "spark", "server", "--port", str(port)], port, {})


def spark() -> Server:
    """Apache Spark's own Connect server on two cores, not yet started. Raises `NoEngine`."""
    home = os.environ.get("SPARK_HOME") or _packaged_spark()
    submit = Path(home) / "bin" / "spark-submit"
    if not home or not submit.is_file():
        raise NoEngine("SPARK_HOME names no Apache Spark (4.2 or later), and the package pyspark is not installed")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        raise NoEngine("Apache Spark needs Java")
    port = _free_port()
    options = {
        "spark.connect.grpc.binding.port": str(port),
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
    }
    words = [str(submit), "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--master", "local[2]"]
    for name, value in options.items():
        words += ["--conf", f"{name}={value}"]
    return Server([*words, "spark-internal"], port, {"SPARK_HOME": home, "SPARK_LOCAL_IP": "127.0.0.1"})


def _packaged_spark() -> str:
    """The folder of the package pyspark; of pyspark-client, which has no Spark in it, nothing."""
    found = importlib.util.find_spec("pyspark")
    folder = Path(found.origin).parent if found and found.origin else Path()
    return str(folder) if (folder / "jars").is_dir() else ""


ENGINES = {"sail": sail, "spark": spark}


@contextmanager
def running(name: str) -> Iterator[Server]:
    """The engine of this name while the block runs. Raises `NoEngine`."""
    server = ENGINES[name]()
    server.start()
    try:
        yield server
    finally:
        server.kill()


def served(name: str) -> Iterator[Server]:
    """The engine of this name, for a fixture; who asks for one that is not here is skipped."""
    try:
        with running(name) as server:
            yield server
    except NoEngine as reason:
        pytest.skip(str(reason))


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
