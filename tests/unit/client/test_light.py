"""The client needs nothing of the platforms: with every module of the extra refused, it loads and its commands run."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from tests.unit.docs.pages import ROOT

from meterhall.cli import OF_PLATFORMS

REFUSE = f"""
import sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {set(OF_PLATFORMS)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refusing())
"""


def light(source: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program in which the extra is not there."""
    command = [sys.executable, "-c", REFUSE + source, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def meterhall(*words: str) -> subprocess.CompletedProcess[str]:
    return light("sys.argv[0] = 'meterhall'\nfrom meterhall.cli import main\nmain()", *words)


EVERYTHING = """
import importlib, pkgutil, meterhall.client, meterhall.domain, meterhall.formats
for package in (meterhall.client, meterhall.domain, meterhall.formats):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
for name in meterhall.client.__all__:
    getattr(meterhall.client, name)
"""


def test_every_module_of_the_client_loads_without_the_extra():
    done = light(EVERYTHING)
    assert done.returncode == 0, done.stderr


def test_help_and_client_commands_run_without_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("METERHALL_CLIENTS", "/nowhere")
    assert "client" in meterhall("--help").stdout
    done = meterhall("client", "status", "--client", "nobody")
    assert (done.returncode, done.stderr.partition(":")[0]) == (2, "no_client")


def test_a_platforms_command_names_the_extra():
    done = meterhall("demo", "--once")
    assert done.returncode == 2
    assert done.stderr == "platforms_missing: This command needs the platforms: pip install 'meterhall[platform]'.\n"


def test_the_extra_is_what_is_refused_here():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {line.partition(">")[0].partition("[")[0] for line in project["optional-dependencies"]["platform"]}
    base = {line.partition(">")[0].partition("[")[0] for line in project["dependencies"]}
    brought = packages_distributions()
    found = {module: {_plain(one) for one in brought.get(module, [])} for module in OF_PLATFORMS}
    assert named == set().union(*found.values())
    assert not named & base


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
