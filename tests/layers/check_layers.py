#!/usr/bin/env python3
"""Checks the rules about layers that docs/architecture.md states (ADR 1).

    check_layers.py ROOT         check the source tree, exit code 1 with one line per violation
    check_layers.py --self-test  prove on small made-up trees that every rule catches its violation

Rules, for everything in `src/` and `include/envtool/`:
  row         a folder is a row of `cmake/layers.cmake`, and a row names only rows above it
  layer       `#include "envtool/<library>/..."` only of the own library or one that the row allows
  private     a quoted include names a header of the own `src/<library>/`; public headers have none
  public      public headers include the C++ standard library, `<sys/types.h>` and nothing else
  owner       a third-party header only in `src/` of the libraries that own it (table below)
  unknown     a header in angle brackets is in one of the tables below
  pure        system headers only in `os` and in libraries that may use `os`
  once        a header starts with `#pragma once` before any other code
  length      a C++ file, one of a test too, has at most 800 lines
"""

import pathlib
import re
import sys
import tempfile

LONGEST_FILE = 800

# Third-party headers, by how their names begin, and the libraries that own them. `.cpp` files and
# private headers of these alone may include them, so that replacing one touches one folder.
OWNERS = {
    "openssl/": {"base"},
    "nlohmann/": {"records", "transaction", "repodata", "prefix", "package_cache", "channel_index", "install", "app", "cli"},
    "yaml-cpp/": {"yaml"},
    "solv/": {"solver"},
    "spdlog/": {"os"},
    "curl/": {"download"},
    "archive.h": {"archive"},
    "archive_entry.h": {"archive"},
    "zstd.h": {"archive", "channel_index", "repodata"},
    "simdjson.h": {"repodata"},
    "CLI/": {"cli"},
}

STANDARD_HEADERS = set(
    """algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes
    climits clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp csignal cstdarg
    cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception execution filesystem
    format forward_list fstream functional future initializer_list iomanip ios iosfwd iostream istream iterator
    latch limits list locale map memory memory_resource mutex new numbers numeric optional ostream queue random
    ranges ratio regex scoped_allocator semaphore set shared_mutex source_location span sstream stack stdexcept
    stop_token streambuf string string_view strstream syncstream system_error thread tuple type_traits typeindex
    typeinfo unordered_map unordered_set utility valarray variant vector version""".split()
)

# Headers of the C library, the compiler and the kernel that reach the machine.
SYSTEM_HEADERS = set(
    """cpuid.h dirent.h dlfcn.h elf.h fcntl.h fnmatch.h glob.h grp.h link.h malloc.h netdb.h poll.h pthread.h pwd.h sched.h
    semaphore.h signal.h spawn.h syslog.h termios.h unistd.h utime.h""".split()
)
SYSTEM_FOLDERS = ("sys/", "linux/", "netinet/", "arpa/", "net/", "gnu/")
# What public headers may have besides the standard library: plain types such as mode_t.
PUBLIC_SYSTEM_HEADERS = {"sys/types.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')


def read_layers(root):
    """Library -> the libraries that it may use, in the file's order; and what is wrong with the table."""
    text = (root / "cmake" / "layers.cmake").read_text(encoding="utf-8")
    table, problems = {}, []
    block = re.search(r"set\(ENVTOOL_LAYERS(.*?)\)", text, re.DOTALL)
    if not block:
        return table, ["cmake/layers.cmake: row: no `set(ENVTOOL_LAYERS ...)`"]
    for row in re.findall(r'"([^"]*)"', block.group(1)):
        library, _, dependencies = row.partition(":")
        allowed = [name for name in dependencies.split(",") if name]
        for name in allowed:
            if name not in table:
                problems.append(f"cmake/layers.cmake: row: `{library}` names `{name}`, which is not above it")
        if library in table:
            problems.append(f"cmake/layers.cmake: row: `{library}` has two rows")
        table[library] = set(allowed)
    if not table:
        problems.append("cmake/layers.cmake: row: the table is empty")
    return table, problems


def without_comments(text):
    """The text with comments blanked out and its lines kept; string literals are left alone."""
    pattern = re.compile(r'R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.DOTALL)

    def blank(match):
        found = match.group(0)
        return re.sub(r"[^\n]", " ", found) if found.startswith("/") else found

    return pattern.sub(blank, text)


def owner_of(header):
    for beginning, owners in OWNERS.items():
        if header == beginning or (beginning.endswith("/") and header.startswith(beginning)):
            return owners
    return None


def is_system(header):
    return header in SYSTEM_HEADERS or header.startswith(SYSTEM_FOLDERS)


class Checker:
    def __init__(self, root):
        self.root = root
        self.table, self.problems = read_layers(root)
        self.files = 0
        self.includes = 0
        self.libraries = set()

    def report(self, path, line, rule, text):
        place = path.relative_to(self.root).as_posix()
        self.problems.append(f"{place}:{line}: {rule}: {text}" if line else f"{place}: {rule}: {text}")

    def check_angle(self, path, line, library, public, header):
        if header in STANDARD_HEADERS:
            return
        if public:
            if header not in PUBLIC_SYSTEM_HEADERS:
                self.report(path, line, "public", f"a public header includes `<{header}>`")
            return
        owners = owner_of(header)
        if owners is not None:
            if library not in owners:
                self.report(path, line, "owner", f"`<{header}>` belongs to {', '.join(sorted(owners))}")
        elif is_system(header):
            if library != "os" and "os" not in self.table.get(library, set()):
                self.report(path, line, "pure", f"`{library}` is pure and includes `<{header}>`")
        else:
            self.report(path, line, "unknown", f"`<{header}>` is in no table of {pathlib.Path(__file__).name}")

    def check_quoted(self, path, line, library, public, header):
        match = re.fullmatch(r"envtool/([^/]+)/(.+)", header)
        if match:
            used = match.group(1)
            if used != library and used not in self.table.get(library, set()):
                self.report(path, line, "layer", f"`{library}` may not use `{used}`")
            elif not (self.root / "include" / header).is_file():
                self.report(path, line, "layer", f"there is no public header `{header}`")
            return
        if public:
            self.report(path, line, "private", f"a public header includes the private `{header}`")
            return
        folder = self.root / "src" / library
        candidates = [(start / header).resolve() for start in (path.parent, folder)]
        if not any(place.is_file() and place.is_relative_to(folder) for place in candidates):
            self.report(path, line, "private", f"`{header}` is no header of `src/{library}/`")

    def check_source(self, path, library, public):
        self.files += 1
        self.libraries.add(library)
        code = without_comments(path.read_text(encoding="utf-8"))
        for number, text in enumerate(code.splitlines(), 1):
            match = INCLUDE.match(text)
            if not match:
                continue
            self.includes += 1
            if match.group(1) is not None:
                self.check_angle(path, number, library, public, match.group(1))
            else:
                self.check_quoted(path, number, library, public, match.group(2))
        if path.suffix == ".hpp":
            first = next((line.split() for line in code.splitlines() if line.strip()), [])
            if first != ["#pragma", "once"]:
                self.report(path, 0, "once", "the header does not start with `#pragma once`")

    def check_length(self, path):
        with path.open("rb") as file:
            lines = sum(1 for _ in file)
        if lines > LONGEST_FILE:
            self.report(path, 0, "length", f"{lines} lines; {LONGEST_FILE} are allowed")

    def run(self):
        for top, public in ((self.root / "include" / "envtool", True), (self.root / "src", False)):
            for folder in sorted(top.iterdir()) if top.is_dir() else []:
                if not folder.is_dir():
                    self.report(folder, 0, "row", "a file outside of every library")
                    continue
                sources = [path for path in sorted(folder.rglob("*")) if path.suffix in (".hpp", ".cpp", ".h", ".cc")]
                if sources and folder.name not in self.table:
                    self.report(folder, 0, "row", f"`{folder.name}` has no row in cmake/layers.cmake")
                for path in sources:
                    self.check_source(path, folder.name, public)
                    self.check_length(path)
        for path in sorted((self.root / "tests").rglob("*")):
            if path.suffix in (".hpp", ".cpp", ".h", ".cc"):
                self.check_length(path)
        if self.files == 0:
            self.problems.append("src, include: row: no source file was found")
        return self.problems


# The self-test: a tree that is good, and for each rule changes that must be caught.
GOOD_TREE = {
    "cmake/layers.cmake": 'set(ENVTOOL_LAYERS\n  "base:"\n  "specs:base"\n  "os:base"\n  "download:base,os"\n)\n',
    "include/envtool/base/error.hpp": "#pragma once\n#include <string>\n",
    "include/envtool/specs/name.hpp": '#pragma once\n\n#include "envtool/base/error.hpp"\n',
    "include/envtool/os/files.hpp": '// why\n#pragma once\n#include <sys/types.h>\n#include "envtool/base/error.hpp"\n',
    "src/base/error.cpp": '#include "envtool/base/error.hpp"\n#include <openssl/evp.h>\n',
    "src/specs/name.cpp": '#include "inner.hpp"\n// #include "envtool/os/files.hpp"\n/*\n#include <curl/curl.h>\n*/\n',
    "src/specs/inner.hpp": "#pragma once\n",
    "src/specs/part/more.cpp": '#include "../inner.hpp"\n#include "inner.hpp"\n#include "near.hpp"\n',
    "src/specs/part/near.hpp": "#pragma once\n",
    "src/os/files.cpp": "#include <unistd.h>\n#include <spdlog/logger.h>\n",
    "src/download/get.cpp": '#include <sys/stat.h>\n#  include <curl/curl.h>\n#include "envtool/os/files.hpp"\n',
    "tests/unit/base/error_test.cpp": "int x;\n" * LONGEST_FILE,
}
VIOLATIONS = [
    ("layer", {"src/specs/name.cpp": '#include "envtool/os/files.hpp"\n'}),
    ("layer", {"src/base/error.cpp": '  #  include   "envtool/specs/name.hpp"\n'}),
    ("layer", {"src/base/error.cpp": 'auto a = "//"; /* x */\n#include "envtool/specs/name.hpp" // why\n'}),
    ("layer", {"include/envtool/base/error.hpp": '#pragma once\n#include "envtool/specs/name.hpp"\n'}),
    ("layer", {"src/specs/name.cpp": '#include "envtool/base/none.hpp"\n'}),
    ("layer", {"src/specs/name.cpp": '#include "envtool/none/none.hpp"\n'}),
    ("row", {"src/other/x.cpp": "\n"}),
    ("row", {"include/envtool/other/x.hpp": "#pragma once\n"}),
    ("row", {"src/x.cpp": "\n"}),
    ("row", {"cmake/layers.cmake": 'set(ENVTOOL_LAYERS "base:" "specs:base,os" "os:base" "download:base,os")\n'}),
    ("row", {"cmake/layers.cmake": "set(ENVTOOL_LAYERS)\n"}),
    ("row", {"cmake/layers.cmake": "\n"}),
    ("private", {"src/download/get.cpp": '#include "../specs/inner.hpp"\n'}),
    ("private", {"src/download/get.cpp": '#include "inner.hpp"\n'}),
    ("private", {"src/specs/part/more.cpp": '#include "../../base/error.cpp"\n'}),
    ("private", {"src/specs/name.cpp": '#include "near.hpp"\n'}),
    ("private", {"include/envtool/specs/name.hpp": '#pragma once\n#include "inner.hpp"\n'}),
    ("public", {"include/envtool/os/files.hpp": "#pragma once\n#include <spdlog/logger.h>\n"}),
    ("public", {"include/envtool/os/files.hpp": "#pragma once\n#include <unistd.h>\n"}),
    ("owner", {"src/download/get.cpp": "#include <archive.h>\n"}),
    ("owner", {"src/specs/inner.hpp": "#pragma once\n#include <nlohmann/json_fwd.hpp>\n"}),
    ("unknown", {"src/specs/name.cpp": "#include <boost/any.hpp>\n"}),
    ("unknown", {"src/base/error.cpp": "#include <archive.hpp>\n"}),
    ("pure", {"src/specs/name.cpp": "#include <unistd.h>\n"}),
    ("pure", {"src/base/error.cpp": "#include <sys/stat.h>\n"}),
    ("once", {"include/envtool/base/error.hpp": "#include <string>\n"}),
    ("once", {"include/envtool/base/error.hpp": "#include <string>\n#pragma once\n"}),
    ("once", {"include/envtool/base/error.hpp": "// #pragma once\n"}),
    ("once", {"src/specs/inner.hpp": ""}),
    ("length", {"src/base/error.cpp": "\n" * (LONGEST_FILE + 1)}),
    ("length", {"tests/unit/base/error_test.cpp": "\n" * (LONGEST_FILE + 1)}),
]


def problems_of(tree):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        for name, text in tree.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Checker(root).run()


def self_test():
    failures = [f"the good tree is refused: {problem}" for problem in problems_of(GOOD_TREE)]
    for rule, change in VIOLATIONS:
        problems = problems_of({**GOOD_TREE, **change})
        if not any(f": {rule}: " in problem for problem in problems):
            failures.append(f"rule `{rule}` does not catch {change}: {problems}")
    rules = set(re.findall(r"^  (\w+) {2,}\S", __doc__, re.MULTILINE))
    untested = rules - {rule for rule, _ in VIOLATIONS}
    failures.extend(f"rule `{rule}` has no violation to catch" for rule in sorted(untested))
    # A tree without sources must not count as checked.
    if not problems_of({"cmake/layers.cmake": GOOD_TREE["cmake/layers.cmake"]}):
        failures.append("a tree without any source passes")
    for failure in failures:
        print(failure)
    print(f"self-test: {len(VIOLATIONS)} violations of {len(rules)} rules tried, {len(failures)} failures")
    return 1 if failures else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    checker = Checker(pathlib.Path(arguments[0]).resolve())
    for problem in checker.run():
        print(problem)
    names = ", ".join(name for name in checker.table if name in checker.libraries)
    print(
        f"layers: scanned {checker.files} files with {checker.includes} includes in {len(checker.libraries)} of "
        f"{len(checker.table)} libraries ({names}): {len(checker.problems)} problems"
    )
    return 1 if checker.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
