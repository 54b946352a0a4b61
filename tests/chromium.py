"""The browser of tests/e2e/browser: where it is, and its installation from the system's packages where that can be.

`python -m tests.chromium` prints where it is, or why there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_S = 300
INSTALL = (["apt-get", "update", "-qq"], ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "chromium"])


class NoChromium(RuntimeError):
    """There is none, and why none was installed."""


def find() -> str | None:
    """Where Chromium is, if anywhere."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def provide() -> str:
    """Where Chromium is; installed first where it is missing and may be installed. Raises `NoChromium`."""
    if found := find():
        return found
    if not shutil.which("apt-get"):
        raise NoChromium(f"none of {', '.join(NAMES)} is there, and no apt-get to install it")
    if os.geteuid() != 0:
        raise NoChromium(
            f"none of {', '.join(NAMES)} is there, and only root may install it (apt-get install chromium)"
        )
    for words in INSTALL:
        _run(words)
    if found := find():
        return found
    raise NoChromium("apt-get ended well, and yet there is no chromium")


def _run(words: list[str]) -> None:
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(words, env=quiet, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        raise NoChromium(f"{' '.join(words)} took longer than {PATIENCE_S} s") from None
    if done.returncode:
        raise NoChromium(f"{' '.join(words)}: {done.stderr.strip().splitlines()[-1:] or done.returncode}")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{provide()}\n")
    except NoChromium as reason:
        sys.stdout.write(f"no browser: {reason}\n")
