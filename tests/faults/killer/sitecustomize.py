"""Found by the Python of platforms that tests start: where FAULTS names a folder, it wraps a few functions from
outside, so that a process kills itself at a named point. The product knows nothing of it.

A point is `<role> <kind> <name>`. Kinds: `before-commit` and `after-commit` of a transaction named by the command it
is in; `after-send` of an HTTP call; `before-lake` and `after-lake` of a commit of the lake; `after-file` of a file;
`after-log` of an access in the log of what was let out.
FAULTS/armed lists points with how they kill: `process provider after-commit …` kills the one process, `platform …` all
processes of the platform. Each fires once: FAULTS/fired has a file for it. FAULTS/seen lists what was passed, if there.

FAULTS/shift, if there, says by how many seconds the platform's clock is wrong.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import sys
import time
from datetime import datetime, timedelta
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path

FOLDER = os.environ.get("FAULTS", "")
IDS = re.compile(r"[a-z]{3}_[0-9a-f]{24}|MH\d{10}|/\d+|sha-256:[0-9a-f]+")


def reach(kind: str, name: str) -> None:
    """The process is at this point."""
    role = os.environ.get("DJANGO_SETTINGS_MODULE", "..").split(".")[1]
    if "METERHALL_LISTENER" not in os.environ:
        return
    point = f"{role} {kind} {name}"
    seen, armed = Path(FOLDER, "seen"), Path(FOLDER, "armed")
    if seen.exists():
        with seen.open("a") as out:
            out.write(point + "\n")
    for line in armed.read_text().splitlines() if armed.exists() else ():
        how, _, wanted = line.partition(" ")
        if wanted == point:
            fire(how, point)


def fire(how: str, point: str) -> None:
    """Kill, unless this point has killed before."""
    mark = Path(FOLDER, "fired", hashlib.sha256(point.encode()).hexdigest()[:16])
    try:
        with os.fdopen(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as out:
            out.write(point)
    except FileExistsError:
        return
    os.kill(0 if how == "platform" else os.getpid(), signal.SIGKILL)


def command() -> str:
    """The product's function that is running: of a call that is answered once, the call's own."""
    frame = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module == "meterhall.web.api" and frame.f_code.co_name == "command":
            return str(frame.f_locals["run"].__name__)
        if module.startswith("meterhall."):
            return f"{module.removeprefix('meterhall.')}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "-"


def wrap_transaction(module) -> None:
    leave = module.Atomic.__exit__

    def __exit__(self, kind, fault, trace):  # noqa: N807
        held = module.get_connection(self.using)
        outermost = kind is None and held.in_atomic_block and not held.savepoint_ids
        name = command() if outermost else ""
        if outermost:
            reach("before-commit", name)
        leave(self, kind, fault, trace)
        if outermost:
            reach("after-commit", name)

    module.Atomic.__exit__ = __exit__


def wrap_http(module) -> None:
    send = module.Client.send

    def sent(self, request, **how):
        response = send(self, request, **how)
        reach("after-send", f"{request.method} {IDS.sub('*', request.url.path)}")
        return response

    module.Client.send = sent


def wrap_lake(module) -> None:
    commit = module.Table.commit

    def committed(self, *args, **how):
        reach("before-lake", "commit")
        done = commit(self, *args, **how)
        reach("after-lake", "commit")
        return done

    module.Table.commit = committed


def wrap_files(module) -> None:
    write = module.write_private

    def written(path, content):
        write(path, content)
        reach("after-file", path.suffix)

    module.write_private = written


def wrap_access(module) -> None:
    log_part = module.log_part

    def logged(*args, **how):
        log_part(*args, **how)
        reach("after-log", "part")

    module.log_part = logged


def shift() -> float:
    """By how many seconds the clock is ahead."""
    try:
        return float(Path(FOLDER, "shift").read_text() or 0)
    except FileNotFoundError:
        return 0.0


def wrap_clock(module) -> None:
    now = module.Platform.now
    module.Platform.now = lambda self: now(self) + timedelta(seconds=shift())


def wrap_django_clock(module) -> None:
    now = module.now
    module.now = lambda: now() + timedelta(seconds=shift())


class WrongDatetime(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(seconds=shift())


def wrap_datetime(module) -> None:
    module.datetime = WrongDatetime


def wrong_time(real=time.time) -> float:
    return real() + shift()


def hasten_restarts(module) -> None:
    """Parts that die again and again are started at once: here that is the point."""
    module.FIRST_REST_S = module.LAST_REST_S = 0.2


WRAPPED = {
    "django.db.transaction": wrap_transaction,
    "django.utils.timezone": wrap_django_clock,
    "httpx": wrap_http,
    "meterhall.client.signatures": wrap_datetime,
    "meterhall.lake.table": wrap_lake,
    "meterhall.provider.deliveries.access": wrap_access,
    "meterhall.web.home": wrap_files,
    "meterhall.web.platform": wrap_clock,
    "meterhall.web.serve": hasten_restarts,
}


class Then(Loader):
    """The real loader, and the wrapping after it."""

    def __init__(self, loader, wrap) -> None:
        self.loader, self.wrap = loader, wrap

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module) -> None:
        self.loader.exec_module(module)
        self.wrap(module)


class Finder(MetaPathFinder):
    """Finds the modules to wrap where they are."""

    def find_spec(self, name, path, target=None):
        if name not in WRAPPED:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = Then(spec.loader, WRAPPED[name])
        return spec


if FOLDER:
    time.time = wrong_time
    sys.meta_path.insert(0, Finder())
