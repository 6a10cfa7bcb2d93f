"""Makes programs and libraries find the environment's libraries, wherever it is."""

import os
import re
from pathlib import Path

from .archives import list_files
from .tools import run

# glibc stays the system's. A file that needs nothing else needs no search path either and
# keeps the distribution's very bytes.
GLIBC = re.compile(r"^(lib(c|m|dl|pthread|rt|util|resolv|nsl|anl|mvec)\.so\.\d+|ld-linux.*)$")


def is_dynamic_elf(path):
    """Whether the file is an ELF program or shared library (not an object file)."""
    with open(path, "rb") as file:
        head = file.read(18)
    return head[:4] == b"\x7fELF" and head[16] in (2, 3)


def set_search_paths(tree):
    """Gives each ELF file under `tree` a search path to lib/, relative to the file itself.

    DT_RPATH like other conda packages, not DT_RUNPATH: LD_LIBRARY_PATH then does not override it.
    """
    for name in list_files(tree):
        path = Path(tree, name)
        if path.is_symlink() or not is_dynamic_elf(path):
            continue
        needed = run(["patchelf", "--print-needed", path]).decode().split()
        if all(GLIBC.match(library) for library in needed):
            continue
        up = os.path.relpath("lib", os.path.dirname(name))
        search = "$ORIGIN" if up == "." else f"$ORIGIN/{up}"
        run(["patchelf", "--force-rpath", "--set-rpath", search, path])
