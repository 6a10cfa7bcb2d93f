"""The `python` package: the distribution's interpreter, made relocatable.

Debian's interpreter finds its prefix from its own path already. What is changed is where
Debian differs from an upstream Python on purpose (dist-packages, the /usr/local scheme, the
EXTERNALLY-MANAGED marker, a disabled ensurepip), and the absolute paths under /usr.
"""

import ast
import os
import pprint
import re
import shutil
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .archives import list_files
from .errors import BuildError
from .layout import Layout
from .recipe import PLACEHOLDER
from .tools import run

DEBS = (
    "libpython3.11-dev",  # headers and the build configuration; its static libraries stay out
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "python3-distutils",
    "python3-lib2to3",
    "python3-pip-whl",  # what ensurepip installs into a new venv
    "python3-setuptools-whl",
    "python3.11",
    "python3.11-minimal",
    "python3.11-venv",
)

# Extension modules that need libraries which this channel does not have (nis: NIS, with
# Kerberos behind it; _dbm: Berkeley DB), and the interpreter's own test modules.
LEFT_OUT = (
    "lib/python3.11/lib-dynload/nis.*",
    "lib/python3.11/lib-dynload/_dbm.*",
    "lib/python3.11/lib-dynload/_test*",
    "lib/python3.11/lib-dynload/_ctypes_test*",
    "lib/python3.11/lib-dynload/_xxtestfuzz*",
    "lib/python3.11/lib-dynload/xxlimited*",
    "lib/python3.11/EXTERNALLY-MANAGED",
    "lib/python3.11/_distutils_system_mod.py",
    "lib/python3.11/sitecustomize.py",
    "lib/python3.11/config-*/libpython*",
    "lib/python3.11/config-*/*.[co]",
    "lib/python3.11/config-*/config.c.in",
    "lib/libpython*",
    "lib/pkgconfig/*",
    "bin/*-config",
    "bin/pdb3.11",
    "bin/pygettext3.11",
    "share/man/man1/pdb3*",
    "share/man/man1/py[gs]*",
)

# setuptools imports a module of this name if there is one. Debian's setuptools (also the one that
# ensurepip installs) relies on Debian's, which adds the options of its layouts to `install`.
DISTUTILS_SYSTEM_MODULE = '''\
"""Options that the distribution's setuptools asks the `install` command for."""

import distutils.command.install

distutils.command.install.install.install_layout = None
distutils.command.install.install.multiarch = None
# Any true value keeps the version of Python in the names of .egg-info folders.
distutils.command.install.install.prefix_option = True
'''

# Compiled in this many runs, whatever the number of processors: what a run writes depends a
# little on the files that it compiled before.
COMPILE_RUNS = 4


def fill(tree, debian, target):
    layout = Layout(target.triplet, noarch=False)
    for name in DEBS:
        layout.copy(debian.package(name).tree, tree, drop=LEFT_OUT)
    library = Path(tree, "lib/python3.11")
    use_site_packages(library)
    rewrite_configuration(tree, debian, target)
    load_site_from_file(Path(tree, "bin/python3.11"))
    rewrite_shebang(Path(tree, "bin/pydoc3.11"))
    for link, goal in (
        ("bin/python", "python3.11"), ("bin/python3", "python3.11"),
        ("bin/pydoc", "pydoc3.11"), ("bin/pydoc3", "pydoc3.11"),
        ("share/man/man1/python3.1.gz", "python3.11.1.gz"),
    ):
        Path(tree, link).symlink_to(goal)
    site_packages = library / "site-packages"
    site_packages.mkdir()
    (site_packages / "README.txt").write_text("This folder is for packages of others.\n")
    compile_modules(tree, "lib/python3.11", debian, target)


def edit(path, *changes):
    """Replaces text in a file; BuildError if a text is not there, as then Debian's file changed."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        if old not in text:
            raise BuildError(f"`{path.name}` has no `{old}`: Debian's Python is not the expected one")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def use_site_packages(library):
    """Takes Debian's installation layouts out of the standard library."""
    site = library / "site.py"
    text = site.read_text(encoding="utf-8")
    start = text.find("            if is_virtual_environment:\n")
    end = text.find("            # this one is deprecated for Debian\n")
    if not 0 < start < end:
        raise BuildError("`site.py` is not the expected one of Debian's Python")
    end = text.index("\n", end) + 1
    site.write_text(text[:start] + text[end:], encoding="utf-8")
    edit(site, ('"dist-packages")', '"site-packages")'))
    edit(library / "sysconfig.py",
         ("prefix_scheme = 'deb_system'", "prefix_scheme = 'posix_prefix'"),
         ("prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"))
    edit(library / "distutils/command/install.py",
         ('self.select_scheme("unix_local")', 'self.select_scheme("unix_prefix")'))
    edit(library / "distutils/sysconfig.py",
         ('os.path.join(prefix, "lib", "python3", "dist-packages")',
          'os.path.join(libpython, "site-packages")'))
    edit(library / "ensurepip/__init__.py",
         ("    _ensurepip_is_disabled_in_debian_for_system()\n", ""))
    (library / "_distutils_system_mod.py").write_text(DISTUTILS_SYSTEM_MODULE)


def rewrite_configuration(tree, debian, target):
    """Points what `sysconfig` tells, the Makefile and pyconfig.h to the environment."""
    library = Path(tree, "lib/python3.11")
    data = library / f"_sysconfigdata__{target.triplet}.py"
    # The file assigns one dictionary literal.
    values = ast.literal_eval(data.read_text().split("=", 1)[1].strip())
    values = {name: in_prefix(value, target) for name, value in values.items()}
    values["LIBDIR"] = f"{PLACEHOLDER}/lib"
    values["TZPATH"] = f"{PLACEHOLDER}/share/zoneinfo:{PLACEHOLDER}/share/tzinfo"
    data.write_text(
        "# Where this Python was configured to be; an installer puts its prefix in.\n"
        "build_time_vars = " + pprint.pformat(values, width=100) + "\n")
    makefile = library / f"config-3.11-{target.triplet}" / "Makefile"
    makefile.write_text(in_prefix(makefile.read_text(encoding="utf-8"), target), encoding="utf-8")
    # Debian's include/python3.11/pyconfig.h chooses between architectures; here is one.
    headers = debian.package("libpython3.11-dev").tree / "usr/include" / target.triplet
    shutil.copyfile(headers / "python3.11/pyconfig.h", Path(tree, "include/python3.11/pyconfig.h"))


def in_prefix(value, target):
    """`value` with the distribution's prefix replaced by the placeholder."""
    if not isinstance(value, str):
        return value
    # Where the distribution built it is nobody's business: those folders are gone.
    value = re.sub(r"-f(file|debug|macro)-prefix-map=\S+ ?", "", value)
    value = re.sub(rf"/usr/lib/{target.triplet}\b", "/usr/lib", value)
    value = re.sub(r"(?<![\w/.])/usr/bin/(install|mkdir|dtrace|grep|sed)\b", r"\1", value)
    return re.sub(r"(?<![\w/.])/usr(?=/|$|[\s:'])(?!/local)", PLACEHOLDER, value, flags=re.M)


def load_site_from_file(program):
    """Makes the interpreter read site.py from its library, where Debian's is corrected.

    Python 3.11 has `site` and a few other modules compiled in ("frozen"). The table of them is
    an array of 32-byte entries that begin with a pointer to the name. The entry of `site`, the
    one before `stat`, gets a name that nobody asks for: the same string without its first letter.
    """
    content = bytearray(program.read_bytes())
    segments = load_segments(content)

    def address(offset):
        return next((a + offset - o for o, a, size in segments if o <= offset < o + size), None)

    def string_at(value):
        offset = next((o + value - a for o, a, size in segments if a <= value < a + size), None)
        return None if offset is None else bytes(content[offset:content.find(b"\0", offset)])

    entries = []
    for match in re.finditer(rb"site\0", bytes(content)):
        value = address(match.start())
        pointer = None if value is None else struct.pack("<Q", value)
        found = content.find(pointer) if pointer else -1
        while found >= 0:
            following, = struct.unpack_from("<Q", content, found + 32)
            if found % 8 == 0 and string_at(following) == b"stat":
                entries.append((found, value))
            found = content.find(pointer, found + 1)
    if len(entries) != 1:
        raise BuildError("the frozen `site` module was not found in Debian's python3.11")
    offset, value = entries[0]
    struct.pack_into("<Q", content, offset, value + 1)
    program.write_bytes(content)


def load_segments(content):
    """(file offset, address, size) of each loaded part of a 64-bit little-endian ELF file."""
    table, = struct.unpack_from("<Q", content, 32)
    entry_size, count = struct.unpack_from("<HH", content, 54)
    segments = []
    for index in range(count):
        kind, _, offset, address, _, size = struct.unpack_from(
            "<IIQQQQ", content, table + index * entry_size)
        if kind == 1:
            segments.append((offset, address, size))
    return segments


def rewrite_shebang(path):
    """Lets a script of the distribution run with the environment's Python."""
    content = path.read_bytes()
    first, rest = content.split(b"\n", 1)
    if not re.match(rb"#! ?/usr/bin/(env )?python3", first):
        raise BuildError(f"`{path.name}` is not the Python script that was expected")
    path.write_bytes(b"#!" + PLACEHOLDER.encode() + b"/bin/python3.11\n" + rest)


def compile_modules(tree, folder, debian, target):
    """Compiles the modules under `folder` of `tree` with the distribution's interpreter.

    The compiled files carry the hash of their source, not its time, so they stay valid whatever
    an installer does to times. A file with the placeholder is not compiled: its text changes.
    For another machine's packages nothing is compiled; Python then does it as it goes.
    """
    if not target.native:
        return
    root = Path(tree, folder)
    sources = [
        name for name in list_files(root)
        if name.endswith(".py") and not (root / name).is_symlink()
        and PLACEHOLDER.encode() not in (root / name).read_bytes()
    ]
    interpreter = debian.package("python3.11-minimal").tree / "usr/bin/python3.11"
    libraries = ":".join(
        str(debian.package(name).tree / place / target.triplet)
        for name in ("libexpat1", "zlib1g") for place in ("lib", "usr/lib"))
    environment = {
        "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "LD_LIBRARY_PATH": libraries,
        "PYTHONHOME": str(debian.package("libpython3.11-minimal").tree / "usr"),
        "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1",
    }
    script = (
        "import py_compile, sys\n"
        "mode = py_compile.PycInvalidationMode.CHECKED_HASH\n"
        "for name in sys.stdin.read().splitlines():\n"
        f"    py_compile.compile(name, dfile={folder!r} + '/' + name, doraise=True,"
        " invalidation_mode=mode)\n"
    )

    def compile_some(names):
        run([interpreter, "-S", "-P", "-c", script], input_bytes="\n".join(names).encode(),
            cwd=root, env=environment)

    size = max(1, -(-len(sources) // COMPILE_RUNS))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_some,
                      [sources[i:i + size] for i in range(0, len(sources), size)]))
