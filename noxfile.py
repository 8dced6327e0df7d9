"""The version matrix: `make versions`, or one corner with `nox -s floor`.

Each corner installs its versions into a new environment and runs the core tests there: the door
(discovery, reliances on the harness, settings) and every layer of the packaged demo. A corner runs
on the Python that runs nox; `nox -s floor --force-python 3.10` chooses another.
"""

from __future__ import annotations

import re
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["floor", "middle", "newest", "editable"]

TORCH = "torch==2.13.0"
"""A CPU build where the package index has one; a local build of the user's stays."""

CORE = ("dependencies", "discovery", "plugin", "settings", "harness", "demo")
"""Test modules that every corner runs."""


def install(session: nox.Session, *packages: str) -> None:
    """Install torch, then the versions of a corner, then this package beside them."""
    session.install("-q", TORCH)
    session.install("-q", *packages, ".", "pytest>=8")


def run_core(session: nox.Session) -> None:
    """Run the core tests, as a user's process would: with one thread, and without the network."""
    session.run("python", "-m", "pip", "list", "--format=freeze", silent=True)
    environment = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    tests = [f"tests/test_{name}.py" for name in CORE]
    session.run("python", "-m", "pytest", *tests, *session.posargs, env=environment)


@nox.session
def floor(session: nox.Session) -> None:
    """Every package at the lowest version that pyproject.toml allows."""
    dependencies = nox.project.load_toml("pyproject.toml")["project"]["dependencies"]
    bounds = [re.match(r"(.+?)>=([\d.]+)", dependency) for dependency in dependencies]
    install(session, *(f"{bound[1]}=={bound[2]}" for bound in bounds if bound))
    run_core(session)


@nox.session
def middle(session: nox.Session) -> None:
    """The first transformers 5 with the harness of its time."""
    install(session, "lm_eval==0.4.12", "transformers==5.0.0")
    run_core(session)


@nox.session
def newest(session: nox.Session) -> None:
    """The newest of everything."""
    install(session, "--upgrade", "lm_eval", "transformers", "datasets", "accelerate")
    run_core(session)


@nox.session
def editable(session: nox.Session) -> None:
    """An editable harness from its source distribution, and this package after it."""
    source = Path(session.create_tmp())
    session.install("-q", TORCH)
    session.run(
        *("python", "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "lm_eval"),
        *("--dest", str(source), "lm_eval==0.4.13"),
    )
    (archive,) = source.glob("lm_eval-*.tar.gz")
    session.run("python", "-m", "tarfile", "-e", str(archive), str(source), silent=True)
    session.install("-q", "-e", str(source / archive.name.removesuffix(".tar.gz")))
    session.install("-q", ".", "pytest>=8")
    run_core(session)
