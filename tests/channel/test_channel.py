#!/usr/bin/env python3
"""Checks a channel that environment-examples/channel/make-debian-channel has made.

    test_channel.py CHANNEL_DIR [--work DIR] [unittest's arguments]

--work is the folder where the script kept its downloads; with it, a package of the distribution
is made again and compared too. Needs the zstd command. Exit code 77 (ctest's word for skipped)
if there is no channel or no zstd.
"""

import base64
import functools
import hashlib
import json
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from channel_reader import Channel, install, link_goal, zstd_decompressed  # noqa: E402

SKIPPED = 77
SCRIPT = Path(__file__).resolve().parents[2] / "environment-examples/channel/make-debian-channel"
PLACEHOLDER = ("/opt/" + "placehold_" * 25)[:255]
GLIBC = re.compile(r"^(lib(c|m|dl|pthread|rt|util|resolv)\.so\.\d+|ld-linux.*)$")
FACTS_OF_THE_ARCHIVE = {"md5", "sha256", "size", "legacy_bz2_md5", "legacy_bz2_size"}

channel = None  # set by main(): the folder is an argument
work = None


def runs_here():
    return channel.machine_subdir == {"x86_64": "linux-64", "aarch64": "linux-aarch64"}.get(
        platform.machine())


def for_each_package(check):
    """Makes a test of `check(self, record, package)`: a subtest for every package."""
    @functools.wraps(check)
    def test(self):
        self.assertTrue(channel.records)
        for (subdir, name), record in channel.records.items():
            with self.subTest(package=f"{subdir}/{name}"):
                check(self, record, channel.package(subdir, name))
    return test


class EveryPackage(unittest.TestCase):
    @for_each_package
    def test_is_named_after_its_record(self, record, package):
        self.assertEqual(package.stem, "{name}-{version}-{build}".format(**record))
        self.assertEqual(package.path.parent.name, record["subdir"])

    @for_each_package
    def test_has_the_archive_layout(self, _, package):
        if package.extension == ".conda":
            names = [member.filename for member in package.zip_members]
            self.assertEqual(names, ["metadata.json", f"pkg-{package.stem}.tar.zst",
                                     f"info-{package.stem}.tar.zst"])
            self.assertEqual({member.compress_type for member in package.zip_members}, {0})
            self.assertEqual(package.metadata, {"conda_pkg_format_version": 2})
            self.assertFalse([m.name for m in package.pkg_members if m.name.startswith("info/")])
        else:
            self.assertEqual(package.members, package.info_members + package.pkg_members)
        self.assertTrue(all(m.name.startswith("info/") for m in package.info_members))

    @for_each_package
    def test_has_plain_members(self, _, package):
        members = package.info_members + package.pkg_members
        for part in (package.info_members, package.pkg_members):
            names = [member.name for member in part]
            self.assertEqual(names, sorted(set(names)))
        self.assertEqual({(m.uid, m.gid, m.uname, m.gname) for m in members}, {(0, 0, "", "")})
        self.assertEqual(len({member.mtime for member in members}), 1)
        for member in members:
            self.assertTrue(member.isfile() or member.issym(), member.name)
            self.assertFalse(member.name.startswith("/") or ".." in member.name.split("/"))
            if member.issym():
                self.assertFalse(member.linkname.startswith("/"), member.name)
                link_goal(member)  # fails if it leaves the package
            else:
                self.assertIn(stat.S_IMODE(member.mode), (0o644, 0o755), member.name)

    @for_each_package
    def test_has_the_metadata_that_the_repodata_tells(self, record, package):
        told = {key: value for key, value in record.items() if key not in FACTS_OF_THE_ARCHIVE}
        self.assertEqual(package.json("index.json"), told)
        for key in ("name", "version", "build"):
            self.assertRegex(record[key], r"^[a-z0-9_.+-]+$")
        self.assertTrue(record["license"])
        self.assertGreater(record["timestamp"], 10**12)
        self.assertTrue(package.json("about.json")["summary"])
        self.assertTrue([m for m in package.info_members
                         if m.name.startswith("info/licenses/")])

    @for_each_package
    def test_lists_its_files_with_their_hashes(self, _, package):
        paths = package.json("paths.json")
        self.assertEqual(paths["paths_version"], 1)
        listed = [entry["_path"] for entry in paths["paths"]]
        members = {member.name: member for member in package.pkg_members}
        self.assertEqual(listed, list(members))
        self.assertEqual(package.contents["info/files"].decode().splitlines(), listed)
        for entry in paths["paths"]:
            member = members[entry["_path"]]
            self.assertEqual(entry["path_type"], "softlink" if member.issym() else "hardlink")
            content = package.content(member) or b""
            self.assertEqual(entry["sha256"], hashlib.sha256(content).hexdigest(), member.name)
            self.assertEqual(entry["size_in_bytes"], len(content))

    @for_each_package
    def test_tells_where_the_placeholder_is(self, _, package):
        for entry in package.json("paths.json")["paths"]:
            content = package.contents.get(entry["_path"], b"")
            if PLACEHOLDER.encode() in content:
                self.assertEqual(entry["prefix_placeholder"], PLACEHOLDER)
                self.assertEqual(entry["file_mode"],
                                 "binary" if b"\0" in content else "text")
            else:
                self.assertNotIn("prefix_placeholder", entry)
            self.assertNotRegex(content, rb"/staging-[a-z0-9_]{8}/", entry["_path"])

    @for_each_package
    def test_depends_on_what_the_channel_has(self, record, _):
        for spec in record["depends"]:
            name = spec.split()[0]
            self.assertTrue(name.startswith("__") or name in channel.names, spec)

    @for_each_package
    def test_links_to_files_that_an_environment_has(self, record, package):
        for member in package.pkg_members:
            if member.issym():
                self.assertTrue(link_goal(member) in channel.closure_files(record["name"]),
                                f"{member.name} -> {member.linkname}")

    @for_each_package
    def test_keeps_the_rules_of_noarch(self, record, package):
        kind = record.get("noarch")
        if record["subdir"] == "noarch":
            self.assertIn(kind, ("generic", "python"))
        if kind is None:
            self.assertNotIn("info/link.json", package.contents)
            return
        link = package.json("link.json")
        self.assertEqual(link["noarch"]["type"], kind)
        elf = [name for name, content in package.files.items()
               if (content or b"").startswith(b"\x7fELF")]
        if record["subdir"] == "noarch":
            self.assertEqual(elf, [])
        if kind == "python":
            self.assertTrue(all(name.startswith("site-packages/") for name in package.files))
            self.assertFalse([name for name in package.files if name.endswith(".pyc")])
            for entry_point in link["noarch"]["entry_points"]:
                self.assertRegex(entry_point, r"^[\w.-]+ = [\w.]+:[\w.]+$")

    @for_each_package
    def test_has_a_true_record_of_a_python_distribution(self, record, package):
        files = package.files
        records = [name for name in files if name.endswith(".dist-info/RECORD")]
        self.assertEqual(len(records), 1 if holds_a_distribution(record) else 0)
        for name in records:
            site = name[: name.rindex("site-packages/") + len("site-packages/")]
            folder = name.removesuffix("RECORD")
            self.assertEqual(files[folder + "INSTALLER"], b"conda\n")
            metadata = files[folder + "METADATA"].decode()
            self.assertRegex(metadata, rf"(?m)^Version: {re.escape(record['version'])}$")
            told = set()
            for line in files[name].decode().splitlines():
                path, digest, size = line.rsplit(",", 2)
                told.add(site + path.strip('"'))
                if not digest:
                    continue
                content = files[site + path.strip('"')]
                value = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
                self.assertEqual(digest, "sha256=" + value.rstrip(b"=").decode(), path)
                self.assertEqual(int(size), len(content))
            modules = {path for path in files
                       if path.startswith(site) and not path.endswith(".pyc")}
            self.assertEqual(told, modules)


def holds_a_distribution(record):
    """Whether a package has a distribution that pip can see."""
    return record.get("noarch") == "python" or record["name"] in ("numpy", "markupsafe", "pyyaml")


class TheChannel(unittest.TestCase):
    def test_has_the_packages(self):
        expected = set(
            "python python_abi cpython python-gil openssl ca-certificates zlib libzlib libsqlite "
            "sqlite libffi readline ncurses bzip2 xz liblzma libexpat libuuid libxcrypt tzdata "
            "libgcc libgcc-ng libstdcxx libstdcxx-ng libgfortran libgfortran5 libgomp "
            "_openmp_mutex libopenblas libblas libcblas liblapack blas numpy pip setuptools "
            "wheel six packaging certifi idna click requests urllib3 charset-normalizer "
            "colorama attrs pytz pyyaml markupsafe jinja2 pytest prefix-demo activation-demo "
            "abi3-demo generic-demo demo-lib demo-app constrain-demo feature-demo gpu-demo "
            "link-script-demo".split())
        self.assertEqual(expected - channel.names, set())

    def test_repodata_tells_the_true_size_and_hashes(self):
        for (subdir, name), record in channel.records.items():
            with self.subTest(package=f"{subdir}/{name}"):
                content = (channel.folder / subdir / name).read_bytes()
                self.assertEqual(record["size"], len(content))
                self.assertEqual(record["sha256"], hashlib.sha256(content).hexdigest())
                self.assertEqual(record["md5"], hashlib.md5(content).hexdigest())

    def test_repodata_lists_every_archive(self):
        for subdir, repodata in channel.repodata.items():
            folder = channel.folder / subdir
            there = {path.name for path in folder.iterdir()}
            listed = {name for where, name in channel.records if where == subdir}
            self.assertEqual(there, listed | {"repodata.json", "repodata.json.zst"})
            self.assertEqual(repodata["info"], {"subdir": subdir})
            self.assertTrue(all(name.endswith(".tar.bz2") for name in repodata["packages"]))
            self.assertTrue(all(name.endswith(".conda") for name in repodata["packages.conda"]))
            self.assertEqual(zstd_decompressed((folder / "repodata.json.zst").read_bytes()),
                             (folder / "repodata.json").read_bytes())

    def test_has_choices_for_a_solver(self):
        def builds(name):
            return {(r["version"], r["build_number"]) for r in channel.records.values()
                    if r["name"] == name}

        self.assertEqual(builds("prefix-demo"), {("1.0", 0), ("1.0", 1), ("1.1", 0), ("1.1", 1)})
        self.assertEqual({version for version, _ in builds("demo-lib")}, {"1.0", "1.1", "2.0"})
        self.assertEqual(len(builds("numpy")), 2)
        variants = {r["build"] for r in channel.records.values() if r["name"] == "blas"}
        self.assertEqual(variants, {"openblas", "netlib"})
        features = {r["name"] for r in channel.records.values() if r.get("track_features")}
        self.assertLessEqual({"feature-demo", "blas", "libblas"}, features)
        self.assertIn("demo-lib >=1.1",
                      channel.records[channel.newest("constrain-demo")]["constrains"])

    def test_has_both_formats_of_a_package_with_the_same_files(self):
        for version in ("1.0", "2.0"):
            found = {
                channel.package(*key).extension: (key, record)
                for key, record in channel.records.items()
                if record["name"] == "generic-demo" and record["version"] == version
            }
            (new_key, new), (old_key, old) = found[".conda"], found[".tar.bz2"]
            self.assertEqual(channel.package(*new_key).files, channel.package(*old_key).files)
            self.assertEqual((new["legacy_bz2_md5"], new["legacy_bz2_size"]),
                             (old["md5"], old["size"]))

    def test_abi3_package_is_noarch_python_of_a_machine(self):
        subdir, name = channel.newest("abi3-demo")
        record = channel.records[subdir, name]
        self.assertEqual((subdir, record["noarch"]), (channel.machine_subdir, "python"))
        self.assertLessEqual({"cpython >=3.8", "python-gil"}, set(record["depends"]))
        self.assertIn("site-packages/abi3_demo/_native.abi3.so",
                      channel.package(subdir, name).files)

    def test_python_says_where_modules_belong(self):
        record = channel.records[channel.newest("python")]
        self.assertEqual(record["python_site_packages_path"], "lib/python3.11/site-packages")
        self.assertIn(f"python {record['version'][:4]}.* *_cpython",
                      channel.records[channel.newest("python_abi")]["constrains"])


@unittest.skipUnless(shutil.which("readelf"), "needs readelf (binutils)")
class Libraries(unittest.TestCase):
    def dynamic(self, content):
        """(needed libraries, RPATH, RUNPATH) of an ELF file."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            text = subprocess.run(["readelf", "-dW", file.name], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, check=True).stdout.decode()
        return (re.findall(r"\(NEEDED\).*\[(.*)\]", text),
                "".join(re.findall(r"\(RPATH\).*\[(.*)\]", text)),
                "".join(re.findall(r"\(RUNPATH\).*\[(.*)\]", text)))

    def test_are_found_in_the_packages_that_are_depended_on(self):
        seen = 0
        for key, record in channel.records.items():
            elf = {name: content for name, content in channel.package(*key).files.items()
                   if (content or b"").startswith(b"\x7fELF")}
            if not elf:
                continue
            with self.subTest(package="/".join(key)):
                provided = channel.closure_files(record["name"])
                self.assertTrue(any(s.startswith("__glibc ") for s in record["depends"]))
                for name, content in elf.items():
                    needed, rpath, runpath = self.dynamic(content)
                    others = [library for library in needed if not GLIBC.match(library)]
                    for library in others:
                        self.assertTrue(f"lib/{library}" in provided, f"{library} of {name}")
                        where = name
                        if record.get("noarch") == "python":
                            where = f"lib/python3.11/{name}"
                        folder = os.path.dirname(where)
                        self.assertEqual(
                            os.path.normpath(rpath.replace("$ORIGIN", folder)), "lib", name)
                        self.assertEqual(runpath, "", name)
                        seen += 1
        self.assertGreater(seen, 30)


class MadeAgain(unittest.TestCase):
    """The script gives the same bytes for the same inputs."""

    def made_again(self, package, work_folder):
        with tempfile.TemporaryDirectory() as out:
            done = subprocess.run(
                [sys.executable, SCRIPT, out, "--work", work_folder, "--only", package, "--quiet"],
                stdin=subprocess.DEVNULL, capture_output=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            files = {path.relative_to(out).as_posix(): path.read_bytes()
                     for path in Path(out).rglob("*.*")
                     if path.is_file() and not path.name.startswith("repodata")}
        self.assertTrue(files)
        return files

    def compare(self, package, work_folder):
        for name, content in self.made_again(package, work_folder).items():
            self.assertEqual(hashlib.sha256(content).hexdigest(),
                             channel.records[tuple(name.split("/"))]["sha256"], name)

    def setUp(self):
        if not runs_here():
            self.skipTest("the channel is another machine's")
        for tool in ("gcc", "patchelf"):
            if not shutil.which(tool):
                self.skipTest(f"{tool} is not installed")

    def test_data(self):
        with tempfile.TemporaryDirectory() as folder:
            self.compare("generic-demo", folder)

    def test_compiled_program(self):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            deeper = Path(two, "another folder", "with a longer name")
            self.assertEqual(self.made_again("prefix-demo", one),
                             self.made_again("prefix-demo", deeper))
            self.compare("prefix-demo", one)

    def test_package_of_the_distribution(self):
        if work is None or not Path(work, "downloads").is_dir():
            self.skipTest("no folder with downloads is given (--work)")
        self.compare("sqlite", work)


class AnEnvironment(unittest.TestCase):
    """Packages put together in a folder, without a solver: they do work."""

    @classmethod
    def setUpClass(cls):
        if not runs_here():
            raise unittest.SkipTest("the channel is another machine's")
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.prefix = Path(os.path.realpath(cls.temporary.name), "an environment")
        install(channel, channel.closure(
            "python", "numpy", "libblas:openblas", "pip", "prefix-demo", "abi3-demo", "openssl",
            "sqlite", "xz", "bzip2", "requests", "pyyaml", "jinja2", "pytest", "demo-app",
            "python-dateutil", "pytz", "click", "colorama"), cls.prefix)

    def run_in(self, program, *arguments, **more):
        environment = {"PATH": "/usr/bin:/bin", "HOME": self.temporary.name, "LC_ALL": "C.UTF-8",
                       "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([self.prefix / "bin" / program, *arguments], env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False, **more)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode()

    def python(self, code):
        return self.run_in("python", "-c", code)

    def test_modules_load_the_environments_libraries(self):
        loaded = json.loads(self.python(
            "import ssl, sqlite3, ctypes, numpy, bz2, lzma, readline, zlib, uuid, curses, json\n"
            "import crypt, hashlib, decimal, pyexpat, yaml, markupsafe\n"
            "from numpy import linalg\n"
            "lines = [line.split(None, 5) for line in open('/proc/self/maps')]\n"
            "print(json.dumps(sorted({l[5].strip() for l in lines if len(l) > 5 and '.so' in l[5]})))"))
        mine = {Path(name).name.split(".so")[0] for name in loaded
                if name.startswith(str(self.prefix))}
        others = {Path(name).name for name in loaded if not name.startswith(str(self.prefix))}
        self.assertLessEqual({"libssl", "libcrypto", "libsqlite3", "libffi", "libbz2", "liblzma",
                              "libreadline", "libz", "libncursesw", "libuuid", "libexpat",
                              "libcrypt", "libblas", "liblapack"}, mine)
        self.assertEqual([name for name in others if not GLIBC.match(name)], [])

    def test_python_lives_in_the_prefix_alone(self):
        facts = json.loads(self.python(
            "import sys, site, sysconfig, zoneinfo, json\n"
            "print(json.dumps([sys.prefix, sys.path[1:], site.getsitepackages(),"
            " sysconfig.get_path('purelib'), sysconfig.get_path('platlib'),"
            " sysconfig.get_path('scripts'), sysconfig.get_config_var('prefix'),"
            " str(zoneinfo.ZoneInfo('Europe/Berlin')), zoneinfo.TZPATH[0]]))"))
        prefix = str(self.prefix)
        library = f"{prefix}/lib/python3.11"
        self.assertEqual(facts, [
            prefix,
            [f"{prefix}/lib/python311.zip", library, f"{library}/lib-dynload",
             f"{library}/site-packages"],
            [f"{library}/site-packages"], f"{library}/site-packages", f"{library}/site-packages",
            f"{prefix}/bin", prefix, "Europe/Berlin", f"{prefix}/share/zoneinfo"])

    def test_the_whole_standard_library_imports(self):
        # nis and _dbm are left out on purpose; tkinter and idle are packages of their own.
        code = (
            "import sys, importlib, warnings\n"
            "warnings.simplefilter('ignore')\n"
            "absent = {'nis', '_dbm', '_gdbm', 'tkinter', '_tkinter', 'idlelib', 'turtle',"
            " 'turtledemo', 'antigravity', 'this', 'spwd', 'msilib', 'nt', 'winreg', 'winsound',"
            " 'msvcrt'}\n"
            "for name in sorted(sys.stdlib_module_names - absent):\n"
            "    if name.startswith('_') and importlib.util.find_spec(name) is None: continue\n"
            "    if name in ('_scproxy', '_overlapped', '_winapi', '_msi'): continue\n"
            "    importlib.import_module(name)\n")
        self.python("import importlib.util\n" + code)

    def test_packages_import_and_fit_each_other(self):
        self.python(
            "import requests, certifi, os, jinja2, yaml, dateutil.parser, pytz, click, colorama\n"
            "assert requests.certs.where() == certifi.where() and os.path.isfile(certifi.where())\n"
            f"assert certifi.where().startswith({str(self.prefix)!r})\n"
            "assert yaml.load('a: 1', Loader=yaml.CSafeLoader) == {'a': 1}\n"
            "assert jinja2.Template('{{ x }}').render(x=1) == '1'\n"
            "import numpy\n"
            "assert abs(numpy.linalg.det(numpy.eye(3) * 2) - 8) < 1e-9\n")
        self.assertIn("No broken requirements", self.run_in("python", "-m", "pip", "check"))

    def test_pip_installs_into_the_prefix(self):
        project = Path(self.temporary.name, "project")
        project.mkdir()
        (project / "setup.py").write_text(
            "from setuptools import setup\n"
            "setup(name='probe', version='1.0', py_modules=['probe'],"
            " entry_points={'console_scripts': ['probe = probe:main']})\n")
        (project / "probe.py").write_text("def main():\n    print(__file__)\n")
        pip = ("python", "-m", "pip", "--disable-pip-version-check")
        self.run_in(*pip, "install", "--no-index", "--no-build-isolation", "--quiet",
                    "--root-user-action", "ignore", str(project))
        self.assertEqual(self.run_in("probe").strip(),
                         f"{self.prefix}/lib/python3.11/site-packages/probe.py")
        self.run_in(*pip, "uninstall", "--yes", "--quiet", "--root-user-action", "ignore", "probe")
        self.assertFalse((self.prefix / "bin/probe").exists())
        self.assertFalse((self.prefix / "local").exists())

    def test_makes_virtual_environments(self):
        for options in ((), ("--without-pip",)):
            folder = Path(self.temporary.name, "venv" + "".join(options))
            self.run_in("python", "-m", "venv", *options, folder)
            done = subprocess.run(
                [folder / "bin/python", "-c", "import ssl, sys; print(sys.prefix, sys.path[-1])"],
                capture_output=True, check=True)
            self.assertEqual(done.stdout.decode().strip(),
                             f"{folder} {folder}/lib/python3.11/site-packages")
            self.assertEqual((folder / "bin/pip").exists(), not options)

    def test_programs_run(self):
        self.assertEqual(self.run_in("prefix-demo"),
                         f"program: {self.prefix}\nlibrary: {self.prefix}\n")
        self.assertEqual(self.run_in("prefix-demo", "--paths").strip(),
                         f"{self.prefix}/bin:{self.prefix}/lib:{self.prefix}/share/prefix-demo")
        self.assertIn(f"data = {self.prefix}/share", self.run_in("prefix-demo", "--config"))
        self.assertEqual(self.run_in("demo-app"), "demo-app 2.0 with demo-lib 2.0\n")
        self.assertEqual(self.run_in("sqlite3", ":memory:", "select 6 * 7"), "42\n")
        self.assertRegex(self.run_in("openssl", "version"), r"^OpenSSL 3\.")
        self.assertIn("XZ Utils", self.run_in("xz", "--version"))
        self.assertEqual(self.python("import abi3_demo; print(abi3_demo.answer())"), "42\n")

    def test_the_reference_linear_algebra_works_too(self):
        prefix = Path(os.path.realpath(self.temporary.name), "netlib")
        install(channel, channel.closure(
            "libblas:netlib", "libcblas:netlib", "liblapack:netlib", "python", "numpy"), prefix)
        self.assertFalse(list(prefix.glob("lib/libopenblas*")))
        done = subprocess.run(
            [prefix / "bin/python", "-c", "import numpy; print(numpy.dot([1, 2], [3, 4]),"
             " numpy.linalg.solve([[2.0]], [4.0]))"], capture_output=True, check=True)
        self.assertEqual(done.stdout.decode().split(), ["11", "[2.]"])


def main():
    global channel, work
    arguments = sys.argv[1:]
    if not arguments or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments.pop(0))
    if "--work" in arguments:
        position = arguments.index("--work")
        work = Path(arguments[position + 1]).absolute()
        del arguments[position:position + 2]
    if not (folder / "noarch/repodata.json").is_file():
        print(f"SKIPPED: no channel in {folder}; make it with {SCRIPT.name}")
        return SKIPPED
    if not shutil.which("zstd"):
        print("SKIPPED: zstd is not installed")
        return SKIPPED
    channel = Channel(folder.absolute())
    outcome = unittest.main(argv=[sys.argv[0], *arguments], exit=False).result
    return 0 if outcome.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
