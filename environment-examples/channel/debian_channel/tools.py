"""Calls of the command line tools that the build needs."""

import shutil
import subprocess
from pathlib import Path

from .errors import BuildError

PACKAGE_LIST = Path(__file__).resolve().parent.parent / "debian-packages.txt"

# Tool -> the Debian package that has it. All of them are in debian-packages.txt or essential.
REQUIRED_TOOLS = {
    "apt-get": "apt",
    "dpkg": "dpkg",
    "dpkg-deb": "dpkg",
    "gcc": "gcc",
    "patchelf": "patchelf",
    "zstd": "zstd",
}


def run(command, *, input_bytes=None, cwd=None, env=None):
    """Runs `command` and returns its stdout as bytes; BuildError with its stderr if it fails."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            input=input_bytes,
            stdin=subprocess.DEVNULL if input_bytes is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=env,
            check=False,
        )
    except OSError as error:
        raise BuildError(f"cannot run `{command[0]}`: {error.strerror}") from error
    if done.returncode != 0:
        words = " ".join(str(part) for part in command)
        message = done.stderr.decode(errors="replace").strip()
        raise BuildError(f"`{words}` failed with exit code {done.returncode}:\n{message}")
    return done.stdout


def require_tools():
    """BuildError that names every missing tool and the command that installs them."""
    missing = {tool: package for tool, package in REQUIRED_TOOLS.items() if not shutil.which(tool)}
    if "gcc" not in missing and not Path("/usr/include/stdio.h").exists():
        missing["the C library's headers"] = "libc6-dev"
    if missing:
        names = ", ".join(missing)
        packages = " ".join(sorted(set(missing.values())))
        raise BuildError(
            f"missing on this machine: {names}",
            hint="install what the script needs: "
            f"xargs -a {PACKAGE_LIST} apt-get install -y --no-install-recommends"
            f"   (missing now: {packages})",
        )
