"""`create --clone`: the copy is what a new environment at its place would be, with everything that no package brought."""
import base64
import csv
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess

import support
from made_channel import Link, Package, Text, write_channel
from support import CHANNEL, CliTest, files_of_packages, manifest, packages, records, sha256_of
from test_pip import write_wheel


def naming(folder, text) -> list:
    """Files and symlinks below the folder that hold the text, by reading every byte. What was done (history) may."""
    found = []
    for path in sorted(folder.rglob("*")):
        relative = str(path.relative_to(folder))
        if relative == "conda-meta/history" or relative.startswith("conda-meta/.envtool/revisions"):
            continue
        if path.is_symlink():
            content = os.readlink(path).encode()
        elif path.is_file():
            content = path.read_bytes()
        else:
            continue
        # `/envs/source` is no part of the name of `/envs/source-2`.
        if re.search(re.escape(str(text).encode()) + rb"(?![-\w])", content):
            found.append(relative)
    return found


def wrong_lines(site_packages) -> list:
    """Lines of the wheels' RECORD files whose digest or size is not that of the file."""
    wrong = []
    for record in site_packages.glob("*.dist-info/RECORD"):
        for path, digest, size in csv.reader(record.read_text().splitlines()):
            if not digest:
                continue
            content = (site_packages / path).read_bytes()
            known = "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            if (known, str(len(content))) != (digest, size):
                wrong.append(path)
    return wrong


def check_history(test, copy, source):
    """The copy has the source's history, and one more revision that says where it is from."""
    told, before = ((prefix / "conda-meta/history").read_text() for prefix in (copy, source))
    test.assertTrue(told.startswith(before))
    test.assert_contains(told[len(before):], f"# note: copied from {source}\n")
    test.assertEqual(told[len(before):].count("==>"), 1)


class WithPython(CliTest):
    """Environments of the real channel."""
    shares_home = True

    @classmethod
    def prepare(cls, home):
        home.envtool("create", "-q", "-y", "-n", "source", "-c", CHANNEL, "--override-channels",
                     "python=3.11", "pip", "setuptools", "wheel", "prefix-demo", "pytest", "demo-app=1.0")

    def test_is_what_a_new_environment_would_be(self):
        self.envtool("create", "-n", "copy", "--clone", "source")
        copy = self.prefix("copy")
        cloned, cloned_records = files_of_packages(copy), records(copy)
        self.assertEqual(naming(copy, self.prefix("source")), [])
        self.envtool("env", "remove", "-y", "-n", "copy")
        self.envtool("create", "-q", "-y", "-n", "copy", "-c", CHANNEL, "--override-channels", "--offline",
                     "python=3.11", "pip", "setuptools", "wheel", "prefix-demo", "pytest", "demo-app=1.0")
        fresh = {path: entry for path, entry in files_of_packages(copy).items() if not path.endswith(".pyc")}
        self.assert_same_tree({path: entry for path, entry in cloned.items() if not path.endswith(".pyc")}, fresh)
        for name, record in records(copy).items():
            self.assertEqual(sorted(cloned_records[name]["files"]), sorted(record["files"]), name)
            entries = {entry["_path"]: entry.get("sha256_in_prefix") for entry in cloned_records[name]["paths_data"]["paths"]}
            self.assertEqual(entries, {entry["_path"]: entry.get("sha256_in_prefix") for entry in record["paths_data"]["paths"]}, name)

    def test_programs_run_from_the_new_place(self):
        self.envtool("create", "-n", "runs", "--clone", "source")
        env = self.prefix("runs")
        self.assertEqual(self.run_in(env, "python", "-c", "import sys; print(sys.prefix)"), f"{env}\n")
        self.assertIn(f"from {env}/lib/python3.11/", self.run_in(env, "pip", "--version"))
        self.assertIn("pytest 7", self.run_in(env, "pytest", "--version"))
        self.assertEqual({name: r.get("requested_specs") for name, r in records(env).items()},
                         {name: r.get("requested_specs") for name, r in records(self.prefix("source")).items()})
        check_history(self, env, self.prefix("source"))
        self.envtool("install", "-y", "-n", "runs", "-c", CHANNEL, "--override-channels", "demo-app=2.0")
        self.assertEqual(packages(self.prefix("source"))["demo-app"][0], "1.0")

    def test_byte_code_is_up_to_date(self):
        # A stale file would be compiled again at each import where nobody may write.
        self.envtool("create", "-n", "code", "--clone", "source")
        env = self.prefix("code")
        script = ("import importlib.util, pathlib, sys\n"
                  "from importlib._bootstrap_external import _validate_timestamp_pyc as check\n"
                  "wrong = []\n"
                  "for pyc in pathlib.Path(sys.prefix).rglob('*.pyc'):\n"
                  "    source = pathlib.Path(importlib.util.source_from_cache(str(pyc)))\n"
                  "    data, status = pyc.read_bytes(), source.stat()\n"
                  "    if data[:4] != importlib.util.MAGIC_NUMBER: wrong.append(str(pyc)); continue\n"
                  "    if data[4:8] == bytes(4) and (int.from_bytes(data[8:12], 'little'), int.from_bytes(data[12:16], 'little')) != (int(status.st_mtime), status.st_size): wrong.append(str(pyc))\n"
                  "print(len(list(pathlib.Path(sys.prefix).rglob('*.pyc'))), wrong[:5])\n")
        count, wrong = self.run_in(env, "python", "-c", script).split(" ", 1)
        self.assertEqual(wrong, "[]\n")
        self.assertGreater(int(count), 500)

    def test_packages_that_no_cache_has(self):
        cache = self.home.cache
        aside = self.home.path / "pkgs-aside"
        cache.rename(aside)
        try:
            result = self.envtool("create", "-n", "alone", "--clone", "source", "--offline")
        finally:
            shutil.rmtree(cache, ignore_errors=True)
            aside.rename(cache)
        self.assertIn("in no package cache", result.out)
        env = self.prefix("alone")
        self.assertEqual(naming(env, self.prefix("source")), [])
        self.envtool("create", "-n", "cached", "--clone", "source")
        # The same as from the cache, but for the name.
        def masked(name):
            place = self.prefix(name)
            return {path: (place / path).read_bytes().replace(str(place).encode(), b"PREFIX").replace(b"\0", b"")
                    for path, entry in files_of_packages(place).items() if entry[0] == "file" and not path.endswith(".pyc")}
        first, second = masked("alone"), masked("cached")
        self.assertEqual([path for path in first if first[path] != second.get(path)], [])
        self.assertEqual(set(first), set(second))
        self.assertEqual(self.run_in(env, "python", "-c", "import sys; print(sys.prefix)"), f"{env}\n")
        # The digests that the records have are those of the files.
        for record in records(env).values():
            for entry in record["paths_data"]["paths"]:
                path = env / entry["_path"]
                if entry.get("sha256_in_prefix") and path.is_file() and not path.is_symlink():
                    self.assertEqual(sha256_of(path), entry["sha256_in_prefix"], path)

    def test_place_that_is_too_long(self):
        deep = self.home.path / "/".join(["d" * 60] * 5)
        result = self.envtool("create", "-p", deep, "--clone", "source", code=1)
        self.assert_contains(result.err, "too long", str(deep))
        self.assertFalse(deep.exists())
        self.assertEqual(list(deep.parent.glob("*")) if deep.parent.exists() else [], [])
        self.assert_nothing_left()


class PipPackages(CliTest):
    shares_home = True

    @classmethod
    def prepare(cls, home):
        cls.source = home.path / "envs one/source"
        home.envtool("create", "-q", "-y", "-p", cls.source, "-c", CHANNEL, "--override-channels", "python=3.11", "pip", "setuptools", "wheel")
        wheels = home.work / "wheels"
        write_wheel(wheels, "shout", "1.0", ["whisper>=1"])
        wheel = write_wheel(wheels, "whisper", "1.5")
        # From a file of the environment, so that direct_url.json names it.
        inside = cls.source / "wheels"
        inside.mkdir()
        shutil.copy(wheel, inside)
        project = cls.source / "src/here"
        project.mkdir(parents=True)
        (project / "here.py").write_text("def where():\n    return __file__\n")
        (project / "setup.py").write_text("from setuptools import setup\nsetup(name='here', version='3.0', py_modules=['here'])\n")
        python = str(cls.source / "bin/python")
        for arguments in (["--no-index", str(inside / wheel.name)], ["--no-index", "--find-links", str(wheels), "shout"],
                          ["--no-index", "--no-build-isolation", "--no-deps", "-e", str(project)]):
            done = subprocess.run([python, "-m", "pip", "install", "-q", *arguments], env=home.environ, cwd=home.work, capture_output=True, text=True)
            if done.returncode != 0:
                raise AssertionError(done.stdout + done.stderr)

    def check(self, env):
        site = env / "lib/python3.11/site-packages"
        self.assertEqual(naming(env, self.source), [])
        self.assertEqual(naming(env, str(self.source).replace(" ", "%20")), [])
        self.assertEqual(self.run_in(env, "shout"), "shout 1.0\n")
        self.assertEqual(self.run_in(env, "python", "-c", "import here; print(here.where())"), f"{env}/src/here/here.py\n")
        url = json.loads((site / "whisper-1.5.dist-info/direct_url.json").read_text())["url"]
        self.assertEqual(url, (env / "wheels/whisper-1.5-py3-none-any.whl").as_uri())
        self.assertEqual(wrong_lines(site), [])
        self.assertIn("No broken requirements", self.run_in(env, "python", "-m", "pip", "check"))
        listed = {item["name"]: item["version"] for item in self.envtool("list", "-p", env, "--json").json()}
        self.assertEqual((listed["shout"], listed["whisper"]), ("1.0", "1.5"))

    def test_short_and_long_and_odd_places(self):
        self.assertNotEqual(naming(self.source, self.source), [])
        self.assertEqual(wrong_lines(self.source / "lib/python3.11/site-packages"), [])
        for place in ("c", "envs one/source-2", "a much longer place than before/" + "d" * 120 + "/e", "grüße/ünd"):
            with self.subTest(place=place):
                env = self.home.path / place
                self.envtool("create", "-p", env, "--clone", self.source)
                self.check(env)
                # It goes away again: pip knows every file of its packages.
                done = self.run_in(env, "python", "-m", "pip", "uninstall", "-y", "shout")
                self.assertIn("Successfully uninstalled", done)
                self.assertFalse((env / "bin/shout").exists())


class OwnFiles(CliTest):
    """Made-up packages, and files that no package owns."""

    def setUp(self):
        super().setUp()
        self.channel = write_channel(self.work / "channel", Package("tool", files={
            "bin/tool": Text("#!{prefix}/bin/sh\necho {prefix}/share/tool\n", 0o755), "share/tool": "tool\n", "share/data": b"\0data",
            "lib/current": Link("../share/tool")}))
        self.envtool("create", "-y", "-n", "source", "-c", self.channel, "--override-channels", "tool")
        self.source = self.prefix("source")

    def clone(self, *options, **kwargs):
        result = self.envtool("create", "-n", "copy", "--clone", "source", *options, **kwargs)
        self.copy = self.prefix("copy")
        return result

    def test_texts_and_their_neighbours(self):
        text = (f"{self.source}\n{self.source}/x -L{self.source}/lib {self.source}.\nfile://{self.source}/y\n"
                f"{self.source}-2/x {self.source}2 {self.source}.bak /mnt{self.source}/x\n")
        (self.source / "notes.txt").write_text(text)
        self.clone()
        copy = self.copy
        self.assertEqual((copy / "notes.txt").read_text(),
                         f"{copy}\n{copy}/x -L{copy}/lib {copy}.\nfile://{copy}/y\n"
                         f"{self.source}-2/x {self.source}2 {self.source}.bak /mnt{self.source}/x\n")

    def test_modes_times_links(self):
        folder = self.source / "mine"
        folder.mkdir(mode=0o750)
        (folder / "secret").write_text("s")
        (folder / "secret").chmod(0o600)
        os.utime(folder / "secret", (1_000_000_000, 1_000_000_000))
        (folder / "empty").mkdir()
        os.link(folder / "secret", folder / "secret-too")
        (folder / "absolute").symlink_to(self.source / "share/tool")
        (folder / "relative").symlink_to("../share/tool")
        (folder / "outside").symlink_to("../../../../work")
        (folder / "out-and-in").symlink_to("../../source/share/tool")
        (folder / "dangling").symlink_to("/nowhere")
        os.mkfifo(folder / "pipe")
        (folder / "closed").mkdir()
        (folder / "closed/file").write_text("f")
        (folder / "closed").chmod(0o555)
        self.addCleanup(lambda: [p.chmod(0o755) for p in (folder / "closed", self.copy / "mine/closed")])
        outside = os.path.realpath(folder / "outside")
        self.clone()
        mine = self.copy / "mine"
        self.assertEqual(stat.S_IMODE(mine.stat().st_mode), 0o750)
        self.assertEqual(stat.S_IMODE((mine / "closed").stat().st_mode), 0o555)
        status = (mine / "secret").stat()
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_mtime), (0o600, 1_000_000_000))
        self.assertEqual(status.st_ino, (mine / "secret-too").stat().st_ino)
        self.assertNotEqual(status.st_ino, (folder / "secret").stat().st_ino)
        self.assertTrue((mine / "empty").is_dir())
        self.assertEqual({name: os.readlink(mine / name) for name in ("absolute", "relative", "out-and-in", "dangling")},
                         {"absolute": f"{self.copy}/share/tool", "relative": "../share/tool",
                          "out-and-in": f"{self.copy}/share/tool", "dangling": "/nowhere"})
        self.assertEqual(os.path.realpath(mine / "outside"), outside)
        self.assertTrue(stat.S_ISFIFO((mine / "pipe").stat().st_mode))

    def test_nothing_of_the_users_is_shared(self):
        (self.source / "mine.txt").write_text("mine")
        (self.source / "bin/tool").write_text("changed by hand " + str(self.source))
        self.clone()
        mine = {path for path in ("mine.txt", "bin/tool", "conda-meta/history")}
        for path in mine:
            self.assertNotEqual((self.copy / path).stat().st_ino, (self.source / path).stat().st_ino, path)
        self.assertEqual((self.copy / "bin/tool").read_text(), "changed by hand " + str(self.copy))
        # The package cache's are, as always.
        self.assertEqual((self.copy / "share/data").stat().st_ino, (self.source / "share/data").stat().st_ino)
        self.envtool("create", "-n", "copied", "--clone", "source", "--copy")
        self.assertNotEqual((self.prefix("copied") / "share/data").stat().st_ino, (self.source / "share/data").stat().st_ino)

    def test_binaries_of_the_user(self):
        old = str(self.source).encode()
        program = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x01" + bytes(1) + old + b"/lib\0" + b"next\0"
        (self.source / "program").write_bytes(program)
        (self.source / "data.bin").write_bytes(b"\0\x80" + old + b"/x\0")
        result = self.envtool("create", "-p", self.home.path / "s", "--clone", "source")
        copy = self.home.path / "s"
        new = str(copy).encode()
        self.assertLess(len(new), len(old))
        self.assertEqual((copy / "program").read_bytes(), program.replace(old + b"/lib", new + b"/lib" + bytes(len(old) - len(new))))
        self.assertEqual((copy / "data.bin").read_bytes(), b"\0\x80" + old + b"/x\0")
        self.assert_contains(result.err, "1 file of no package may still name the old place", "data.bin")
        # No room: the file stays what it is, and is told of.
        longer = self.home.path / ("longer" * 20)
        document = self.envtool("create", "--json", "-p", longer, "--clone", "source").json()
        self.assertEqual(document["untouched_files"], ["data.bin", "program"])
        self.assertEqual((longer / "program").read_bytes(), program)

    def test_what_belongs_to_the_environment(self):
        self.envtool("env", "config", "vars", "set", "-n", "source", f"WHERE={self.source}/share", "WORD=b")
        (self.source / "conda-meta/pinned").write_text("tool 1.*\n")
        (self.source / "conda-meta/frozen").write_text('{"message": "hands off"}')
        self.clone()
        self.assertEqual(json.loads((self.copy / "conda-meta/state").read_text())["env_vars"], {"WHERE": f"{self.copy}/share", "WORD": "b"})
        self.assertEqual((self.copy / "conda-meta/pinned").read_text(), "tool 1.*\n")
        self.assertIn("hands off", self.envtool("remove", "-y", "-n", "copy", "tool", code=1).err)
        check_history(self, self.copy, self.source)
        self.assertIn(str(self.copy), (self.home.path / ".conda/environments.txt").read_text().split("\n"))

    def test_json(self):
        (self.source / "mine.txt").write_text("mine")
        document = self.clone("--json").json()
        # conda's keys.
        self.assertEqual((document["success"], document["src_prefix"], document["dst_prefix"], document["untracked_files"]),
                         (True, str(self.source), str(self.copy), ["mine.txt"]))
        self.assertEqual([item["name"] for item in document["actions"]["LINK"]], ["tool"])

    def test_dry_run(self):
        before = manifest(self.home.root)
        self.assertIn("nothing was changed", self.clone("--dry-run").out)
        self.assertTrue(self.clone("--dry-run", "--json").json()["dry_run"])
        self.assert_same_tree({p: e for p, e in before.items() if "/pkgs" not in p}, {p: e for p, e in manifest(self.home.root).items() if "/pkgs" not in p})

    def test_by_path(self):
        self.envtool("create", "-p", self.work / "there", "--clone", self.source)
        self.envtool("create", "-n", "back", "--clone", "there", cwd=self.work, code=1)
        self.envtool("create", "-n", "back", "--clone", "./there", cwd=self.work)
        self.assertEqual((self.prefix("back") / "bin/tool").read_text(),
                         f"#!{self.prefix('back')}/bin/sh\necho {self.prefix('back')}/share/tool\n")

    def test_source_behind_a_symlink(self):
        link = self.work / "link"
        link.symlink_to(self.home.root / "envs")
        (self.source / "real.txt").write_text(f"{self.source}/x {link}/source/x")
        self.envtool("create", "-n", "copy", "--clone", link / "source")
        self.assertEqual((self.prefix("copy") / "real.txt").read_text(), f"{self.prefix('copy')}/x {self.prefix('copy')}/x")

    def test_refusals(self):
        before = manifest(self.source)
        for arguments, word in ((["-n", "source", "--clone", "source"], "there already"),
                                (["-p", self.source / "inside", "--clone", "source"], "inside"),
                                (["-n", "x", "--clone", "nobody"], "no environment `nobody`"),
                                (["--clone", "source"], "where")):
            result = self.envtool("create", *arguments, code=None)
            self.assertIn(result.code, (1, 2), arguments)
            self.assertIn(word, result.err)
        self.assertIn("as it is", self.envtool("create", "-n", "x", "--clone", "source", "tool", code=2).err)
        self.assert_same_tree({p: e for p, e in before.items() if "envtool" not in p}, {p: e for p, e in manifest(self.source).items() if "envtool" not in p})
        self.assertFalse(self.prefix("x").exists())

    def test_place_that_is_taken(self):
        self.envtool("create", "-y", "-n", "other")
        self.envtool("create", "-n", "other", "--clone", "source", code=1)
        self.assertEqual(packages(self.prefix("other")), {})
        self.envtool("create", "-y", "-n", "other", "--clone", "source")
        self.assertEqual(set(packages(self.prefix("other"))), {"tool"})
        (self.work / "mine").mkdir()
        (self.work / "mine/file").write_text("f")
        self.envtool("create", "-y", "-p", self.work / "mine", "--clone", "source", code=1)
        self.assertEqual((self.work / "mine/file").read_text(), "f")
        self.assert_nothing_left()

    def test_environment_within(self):
        self.envtool("create", "-y", "-p", self.source / "inner")
        self.assertIn("holds another environment", self.clone(code=1).err)

    def test_root_prefix(self):
        self.envtool("create", "-y", "-p", self.root, "-c", self.channel, "--override-channels", "tool", code=None)
        if not (self.root / "conda-meta/history").exists():
            (self.root / "conda-meta").mkdir()
            (self.root / "conda-meta/history").touch()
            self.envtool("install", "-y", "-p", self.root, "-c", self.channel, "--override-channels", "tool")
        self.envtool("create", "-n", "copy", "--clone", "base")
        copy = self.prefix("copy")
        self.assertEqual(set(packages(copy)), {"tool"})
        self.assertEqual([name for name in ("envs", "pkgs") if (copy / name).exists()], [])


if __name__ == "__main__":
    support.main()
