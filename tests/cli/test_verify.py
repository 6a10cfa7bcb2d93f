"""`verify` finds every sort of damage, `repair` puts everything back; both leave alone what is not theirs."""
import fcntl
import json
import os
import pathlib
import shutil
import stat
import sys

import support
from made_channel import Link, Package, Text, write_channel
from support import CHANNEL, CliTest, records
from test_pip import write_wheel

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reliability"))
from oracle import tree as manifest  # noqa: E402: shares no code with envtool, and reads no pipes


def plain(env):
    """The packages' files: what was kept aside left out, byte code only by name."""
    return {path: entry if not path.endswith(".pyc") else "byte code"
            for path, entry in manifest(env).items() if ".envtool-saved-" not in path and path.split("/")[0] != "conda-meta"}


def known(env):
    """What the records say, apart from where they were linked from."""
    return {name: {key: value for key, value in record.items() if key not in ("link", "extracted_package_dir", "package_tarball_full_path")}
            for name, record in records(env).items()}


def stamps(folder):
    """Everything that a reader could change by mistake: also times."""
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_ctime_ns, path.lstat().st_ino) for path in folder.rglob("*")}


def replace(path, content, mode=None):
    """A new file in the place of another, as editors do it: nothing linked to the old one changes."""
    mode = stat.S_IMODE(path.lstat().st_mode) if mode is None else mode
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


def flip(path, at=-1):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    return bytes(content)


SITE = "lib/python3.11/site-packages"


class Verify(CliTest):
    shares_home = True

    def setUp(self):
        super().setUp()
        self.use(self.home)

    def verify(self, *arguments, name="e", code=None):
        result = self.envtool("verify", "-n", name, "--json", *arguments, code=code)
        document = result.json()
        self.assertEqual(document["success"], result.code == 0, result)
        self.assertEqual(document["success"], document["problems"] == [], result)
        return document

    def repair(self, *arguments, name="e", code=0):
        return self.envtool("repair", "-y", "-n", name, "--json", *arguments, code=code).json()

    def found(self, name="e", *arguments):
        return {(item["kind"], item["path"]) for item in self.verify(*arguments, name=name)["problems"]}

    def assert_clean(self, name="e"):
        self.assertEqual(self.verify(name=name)["problems"], [])


class Damage(Verify):
    """Twenty and more kinds of damage, each found and repaired."""

    @classmethod
    def prepare(cls, home):
        made = write_channel(
            home.work / "channel",
            Package("things", "1.0", {
                "share/things/plain.txt": "plain text\n", "share/things/other.txt": "other text\n", "share/things/folder/a": "a" * 2000,
                "share/things/folder/b": "b", "etc/things.conf": Text("home={prefix}/share\n"),
                "bin/things-run": Text("#!/bin/sh\necho {prefix}\n", 0o755), "bin/things-linked": "#!/bin/sh\necho linked\n",
                "lib/libthings.so.1": b"\x7fELF" + bytes(5000), "lib/libthings.so": Link("libthings.so.1")}),
            Package("needs-things", "1.0", {"share/needs-things": "x"}, depends=["things >=1"]),
            # Two packages, one path: the later name wins, the other's file is parked.
            Package("fight-a", "1.0", {"share/fight": "of a", "share/fight-a": "a"}),
            Package("fight-b", "1.0", {"share/fight": "of b", "share/fight-b": "b"}),
            Package("tool", "1.0", {
                f"{SITE}/tool.py": "old = True\n", f"{SITE}/tool-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n",
                f"{SITE}/tool-1.0.dist-info/INSTALLER": "conda", "share/tool": "x",
                f"{SITE}/tool-1.0.dist-info/RECORD": "tool.py,,\ntool-1.0.dist-info/METADATA,,\ntool-1.0.dist-info/INSTALLER,,\ntool-1.0.dist-info/RECORD,,\n"}))
        cls.made = made
        home.envtool("create", "-y", "-n", "e", "-c", made, "-c", CHANNEL, "--override-channels", "python=3.11", "pip", "prefix-demo",
                     "needs-things", "fight-a", "fight-b")
        wheels = home.work / "wheels"
        write_wheel(wheels, "shout", "1.0")
        write_wheel(wheels, "tool", "2.0")
        cls.wheels = wheels
        home.write("pip.yml", f"dependencies:\n  - pip:\n    - --no-index\n    - --find-links {wheels}\n    - shout\n")
        home.envtool("install", "-y", "-n", "e", "-f", "pip.yml", "-c", made, "-c", CHANNEL, "--override-channels")
        cls.env = home.prefix("e")
        cls.files, cls.records = plain(cls.env), known(cls.env)
        cls.script = next(entry["_path"] for record in records(cls.env).values() for entry in record["paths_data"]["paths"]
                          if entry["path_type"] == "unix_python_entry_point")
        cls.binary = next(entry["_path"] for entry in records(cls.env)["prefix-demo"]["paths_data"]["paths"]
                          if entry.get("file_mode") == "binary")
        cls.pyc = next(entry["_path"] for record in records(cls.env).values() for entry in record["paths_data"]["paths"]
                       if entry["path_type"] == "pyc_file")

    def record(self, name):
        return next(path for path in (self.env / "conda-meta").glob("*.json") if json.loads(path.read_text())["name"] == name)

    def check(self, kind, path, damage, saved=0):
        """Damages something, and expects that it is found as `kind` at `path` and that a repair brings it all back."""
        with self.subTest(kind=kind, path=path, damage=getattr(damage, "__doc__", None)):
            damage(self.env / path)
            damaged = manifest(self.env)
            self.assertIn((kind, path), self.found())
            self.assert_same_tree(manifest(self.env), damaged)
            dry = self.repair("--dry-run", code=1)
            self.assertIn((kind, path), {(item["kind"], item["path"]) for item in dry["problems"]})
            self.assertEqual(dry["left"], [])
            done = self.repair()
            self.assertEqual((done["success"], done["left"]), (True, []), done)
            self.assert_same_tree(plain(self.env), self.files)
            self.assertEqual(known(self.env), self.records)
            self.assert_clean()
            kept = [item for item in self.env.rglob("*.envtool-saved-*")]
            self.assertEqual(len(kept), saved, kept)
            self.assertEqual(len(done["saved_files"]), saved, done)
            for item in kept:
                shutil.rmtree(item) if item.is_dir() else item.unlink()

    def test_contents(self):
        plain_file, linked = "share/things/plain.txt", "share/things/other.txt"

        def in_place(path):
            """Through the hard link, size and times as they were: the package in the cache is damaged, too."""
            status = path.stat()
            self.assertGreater(status.st_nlink, 1)
            with open(path, "r+b") as file:
                file.write(b"X")
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        self.check("missing", plain_file, os.unlink)
        self.check("missing", "etc/things.conf", os.unlink)
        self.check("size", plain_file, lambda path: replace(path, b"more than there was\n"), saved=1)
        self.check("size", "lib/libthings.so.1", lambda path: replace(path, b""), saved=1)
        self.check("content", plain_file, lambda path: replace(path, flip(path)), saved=1)
        self.check("content", linked, in_place, saved=1)
        self.check("content", "etc/things.conf", lambda path: replace(path, b"home=/elsewhere\n"), saved=1)
        self.check("content", self.binary, lambda path: replace(path, flip(path)), saved=1)
        self.check("content", self.script, lambda path: replace(path, path.read_bytes() + b"\n# mine\n"), saved=1)

    def test_modes(self):
        for path in ("bin/things-run", "bin/things-linked", self.script):
            self.check("mode", path, lambda path: path.chmod(0o644))
        self.check("mode", "bin/things-linked", lambda path: path.chmod(0o4755))
        self.check("mode", "share/things/other.txt", lambda path: path.chmod(0o666))
        self.check("mode", "share/things/other.txt", lambda path: path.chmod(0o044))

    def test_types(self):
        def other(make):
            def damage(path):
                path.unlink()
                make(path)
            return damage

        def folder_with_a_file(path):
            path.mkdir()
            (path / "mine").write_text("mine")

        def folder_as_file(path):
            shutil.rmtree(path)
            path.write_text("in the way")
        self.check("type", "share/things/plain.txt", other(lambda path: path.symlink_to("other.txt")), saved=1)
        self.check("type", "share/things/plain.txt", other(folder_with_a_file), saved=1)
        self.check("type", "share/things/plain.txt", other(os.mkfifo), saved=1)
        self.check("missing", "lib/libthings.so", os.unlink)
        self.check("link", "lib/libthings.so", other(lambda path: path.symlink_to("libthings.so.2")))
        self.check("link", "lib/libthings.so", other(lambda path: path.symlink_to("/etc/passwd")))
        self.check("type", "lib/libthings.so", other(lambda path: path.write_bytes(b"a file")), saved=1)
        self.check("missing", "share/things/folder/a", lambda path: shutil.rmtree(path.parent))
        self.check("missing", "share/things/folder/a", lambda path: folder_as_file(path.parent), saved=1)

    def test_records(self):
        record = self.record("things")
        path, good = str(record.relative_to(self.env)), record.read_text()
        hostile = json.loads(good)
        hostile["files"].append("../../outside")
        hostile["paths_data"]["paths"].append({"_path": "../../outside", "path_type": "hardlink"})
        for text in (good[:500], "", "\0" * 100, "[]", json.dumps(hostile), good.replace('"things"', '"../x"')):
            self.check("record-damaged", path, lambda file, text=text: file.write_text(text))

        def linked(file):
            """A symlink: what it leads to is not even read."""
            file.unlink()
            file.symlink_to("/dev/zero")
        self.check("record-damaged", path, linked)
        self.check("record-missing", path, os.unlink)

        def gone(file):
            """The record and all files, as after `rm`."""
            for name in json.loads(good)["files"]:
                (self.env / name).unlink()
            file.unlink()
        self.check("record-missing", path, gone)

        stray = self.env / "conda-meta/other-name.json"

        def misnamed(file):
            file.write_text(good)
            record.unlink()
        self.check("record-name", str(stray.relative_to(self.env)), misnamed)
        self.check("record-name", str(stray.relative_to(self.env)), lambda file: file.write_text(good), saved=1)

        def second(file):
            """Another version of the package, as a tool leaves it that died half-way."""
            old = json.loads(good)
            old["version"], old["url"] = "0.9", old["url"].replace("1.0", "0.9")
            file.write_text(json.dumps(old))
        self.check("record-twice", "conda-meta/things-0.9-0.json", second, saved=1)

    def test_parked_files(self):
        parked = next((self.env / "conda-meta/.envtool/parked").iterdir())
        for damage in (lambda _: parked.unlink(), lambda _: replace(parked, b"of X")):
            with self.subTest():
                damage(None)
                self.assertEqual(self.found(), {("parked", "share/fight")})
                self.repair()
                self.assertEqual(parked.read_text(), "of a")
                self.assert_same_tree(plain(self.env), self.files)
                self.assert_clean()

    def test_pip_packages(self):
        self.check("pip-content", f"{SITE}/shout.py", lambda path: path.write_text("evil = True\n"), saved=1)
        self.check("pip-missing", f"{SITE}/shout.py", os.unlink)
        self.check("pip-missing", f"{SITE}/shout-1.0.dist-info/METADATA", os.unlink)
        self.check("pip-record", f"{SITE}/shout-1.0.dist-info/RECORD", os.unlink)

    def test_package_that_pip_has_replaced(self):
        """The user's own doing: told, and left alone."""
        self.envtool("create", "-y", "-n", "t", "-c", self.made, "-c", CHANNEL, "--override-channels", "python=3.11", "pip", "tool")
        env = self.prefix("t")
        self.assert_clean("t")
        self.run_in(env, "python", "-m", "pip", "install", "-q", "--no-index", "--find-links", str(self.wheels), "tool==2.0")
        kinds = {(item["kind"], item["package"]) for item in self.verify(name="t")["problems"]}
        self.assertEqual(kinds, {("replaced-by-pip", "tool-1.0-0")})
        before = plain(env)
        (env / "share/tool").unlink()
        left = self.repair(name="t", code=1)["left"]
        self.assertEqual({item["kind"] for item in left}, {"replaced-by-pip", "missing"})
        self.assertTrue(all("--force-reinstall tool" in item["hint"] for item in left), left)
        (env / "share/tool").write_text("x")
        self.assert_same_tree(plain(env), before)

    def test_byte_code_is_python_s_own_matter(self):
        pyc = self.env / self.pyc
        content = pyc.read_bytes()
        replace(pyc, content[:8] + b"\1\2\3\4" + content[12:])
        document = self.verify(code=0)
        self.assertEqual(document["byte_code"], {"missing": 0, "stale": 1})
        pyc.unlink()
        self.assertEqual(self.verify(code=0)["byte_code"], {"missing": 1, "stale": 0})
        pyc.write_bytes(content)

    def test_several_at_once_and_by_name(self):
        (self.env / "share/things/plain.txt").unlink()
        (self.env / "share/fight-a").unlink()
        self.assertEqual(self.found("e", "things"), {("missing", "share/things/plain.txt")})
        self.assertEqual(self.verify("needs-things")["problems"], [])
        self.repair("things")
        self.assertEqual(self.found(), {("missing", "share/fight-a")})
        # There is nobody to ask: the plan is shown, and nothing done.
        result = self.envtool("repair", "-n", "e", code=2)
        self.assertEqual(self.found(), {("missing", "share/fight-a")})
        self.repair()
        self.assert_clean()
        self.assert_same_tree(plain(self.env), self.files)
        self.assert_contains(self.envtool("verify", "-n", "e", "thinsg", code=1).err, "thinsg", "did you mean `things`")
        self.assertIn("fight-a", result.out)

    def test_quick_reads_no_contents(self):
        replace(self.env / "share/things/plain.txt", b"plain texT\n")
        self.assertEqual(self.verify("--quick")["problems"], [])
        self.assertEqual(self.verify("--quick", "things")["bytes"], 0)
        self.assertEqual(self.found(), {("content", "share/things/plain.txt")})
        self.repair()
        for path in self.env.rglob("*.envtool-saved-*"):
            path.unlink()
        self.assert_clean()

    def test_text_for_people(self):
        path = self.env / "share/things/plain.txt"
        replace(path, flip(path))
        result = self.envtool("verify", "-n", "e", code=1)
        self.assert_contains(result.out, "things-1.0-0", "share/things/plain.txt", "content", "sha256 ", "1 problem", "envtool repair")
        result = self.envtool("repair", "-y", "-n", "e")
        self.assert_contains(result.out, "things-1.0-0", "is linked anew", "as recorded")
        self.assertIn(".envtool-saved-", result.err)
        result = self.envtool("verify", "-n", "e")
        self.assert_contains(result.out, "As recorded", "1 file was kept aside")
        for path in self.env.rglob("*.envtool-saved-*"):
            path.unlink()
        self.assertIn("Nothing to repair", self.envtool("repair", "-n", "e").out)


class Small(Verify):
    """Environments of their own."""
    shares_home = False

    def setUp(self):
        CliTest.setUp(self)
        self.channel = write_channel(
            self.work / "channel",
            Package("p", "1.0", {"share/p": "p one", "bin/p": "#!/bin/sh\necho p\n", "lib/p.so.1": "so", "lib/p.so": Link("p.so.1")}),
            Package("p", "2.0", {"share/p": "p two", "share/new": "new"}),
            Package("q", "1.0", {"share/q/q": "q"}, depends=["p"]))
        self.env = self.prefix("e")
        self.make("q", "p=1.0")

    def make(self, *specs):
        self.envtool("create", "-y", "-n", "e", "-c", self.channel, "--override-channels", *specs)

    def require_failpoints(self):
        probe = self.envtool("create", "-y", "-n", "probe", code=None, env={"ENVTOOL_FAILPOINT": "nonsense"})
        if probe.code == 0:
            self.skipTest("this binary has no fail points (built without ENVTOOL_FAILPOINTS)")

    def assert_not_left_in_place(self):
        self.assertEqual([str(path) for path in self.env.rglob("tx")], [])

    def test_read_only_and_blocked_by_nobody(self):
        before = stamps(self.home.path)
        self.envtool("verify", "-n", "e")
        self.envtool("verify", "-n", "e", "--json", "--extra")
        self.envtool("repair", "-n", "e", "--dry-run")
        changed = {path for path, entry in stamps(self.home.path).items() if before.get(path) != entry}
        self.assertEqual(changed, set())
        lock = self.env / "conda-meta/.envtool/lock"
        lock.touch()
        with open(lock, "r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            document = self.verify(code=0)
            self.assertTrue(document["changed_by"])
            self.assertIn("being changed right now", self.envtool("verify", "-n", "e").err)
        self.assertIsNone(self.verify(code=0)["changed_by"])

    def test_pending_change(self):
        self.require_failpoints()
        install = ("install", "-y", "-n", "e", "-c", self.channel, "--override-channels", "p=2.0")
        for failpoint, pending, word, version in (("apply.staged:1:kill", "undo", "undone", "1.0"), ("apply.committed:1:kill", "finish", "finished", "2.0")):
            with self.subTest(pending=pending):
                self.envtool(*install, code=None, env={"ENVTOOL_FAILPOINT": failpoint})
                self.assertTrue((self.env / "conda-meta/.envtool/tx").exists())
                before = manifest(self.env)
                document = self.verify(code=1)
                self.assertEqual(document["pending"], pending)
                self.assertIn("pending", {item["kind"] for item in document["problems"]})
                self.assertEqual(self.repair("--dry-run", code=1)["pending"], pending)
                self.assert_same_tree(manifest(self.env), before)
                self.assertEqual(self.repair()["pending"], word)
                self.assertEqual(records(self.env)["p"]["version"], version)
                self.assert_clean()
                self.assert_not_left_in_place()

    def test_extra_files(self):
        (self.env / "share/mine").write_text("mine")
        (self.env / "share/q/deep").mkdir()
        (self.env / "share/q/deep/link").symlink_to("/")
        document = self.verify("--extra", code=0)
        self.assertEqual((document["extra_files"], document["extra"]), (2, ["share/mine", "share/q/deep/link"]))
        self.assertNotIn("extra", self.verify(code=0))
        self.assertEqual((self.env / "share/mine").read_text(), "mine")

    def test_root_environment_does_not_look_into_others(self):
        self.envtool("create", "-y", "-p", self.root, "--force", "-c", self.channel, "--override-channels", "p", code=None)
        if not (self.root / "conda-meta/history").exists():
            (self.root / "conda-meta").mkdir(exist_ok=True)
            (self.root / "conda-meta/history").write_text("")
        self.assertEqual(json.loads(self.envtool("verify", "-p", self.root, "--json", "--extra").out)["extra"], [])

    def test_records_of_other_tools(self):
        """They know neither modes nor the texts of symlinks: the packages in the cache do."""
        for path in (self.env / "conda-meta").glob("*.json"):
            record = json.loads(path.read_text())
            del record["envtool"]
            path.write_text(json.dumps(record))
        self.assert_clean()
        replace(self.env / "bin/p", (self.env / "bin/p").read_bytes(), 0o644)
        (self.env / "lib/p.so").unlink()
        (self.env / "lib/p.so").symlink_to("elsewhere")
        self.assertEqual(self.found(), {("mode", "bin/p"), ("link", "lib/p.so")})
        self.repair()
        self.assert_clean()
        self.assertEqual(os.readlink(self.env / "lib/p.so"), "p.so.1")
        self.assertTrue(os.access(self.env / "bin/p", os.X_OK))

    def test_without_the_cache(self):
        before = plain(self.env)
        (self.env / "share/p").unlink()
        shutil.rmtree(self.home.cache)
        left = self.repair("--offline", code=1)["left"]
        self.assertEqual([(item["kind"], item["path"]) for item in left], [("missing", "share/p")])
        self.assertIn("--offline", left[0]["hint"])
        self.repair()
        self.assert_same_tree(plain(self.env), before)
        self.assert_clean()

    def test_damaged_cache(self):
        """The file of the cache is the damaged one itself, and the archive is gone, too."""
        before = plain(self.env)
        file = self.home.cache / "p-1.0-0/share/p"
        status = file.stat()
        with open(file, "r+b") as opened:
            opened.write(b"X")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        for archive in self.home.cache.glob("p-1.0-0.*"):
            archive.unlink()
        self.assertEqual(self.found(), {("content", "share/p")})
        self.repair()
        self.assert_same_tree(plain(self.env), {**before})
        self.assertEqual(file.read_text(), "p one")
        self.assert_clean()

    def test_mode_lost_through_a_hard_link_is_not_handed_on(self):
        """`chmod` in one environment changes the file of the cache; the next environment gets a good one."""
        self.assertGreater((self.env / "bin/p").stat().st_nlink, 1)
        (self.env / "bin/p").chmod(0o644)
        self.envtool("create", "-y", "-n", "other", "-c", self.channel, "--override-channels", "p=1.0")
        self.assertTrue(os.access(self.prefix("other") / "bin/p", os.X_OK))
        self.assertEqual(self.found(), {("mode", "bin/p")})
        self.repair()
        self.assert_clean()
        self.assert_clean("other")

    def test_link_changed_in_the_cache(self):
        link = self.home.cache / "p-1.0-0/lib/p.so"
        link.unlink()
        link.symlink_to("elsewhere")
        self.envtool("create", "-y", "-n", "other", "-c", self.channel, "--override-channels", "p=1.0")
        self.assertEqual(os.readlink(self.prefix("other") / "lib/p.so"), "p.so.1")

    def test_way_out_of_the_environment(self):
        outside = self.work / "outside"
        outside.mkdir()
        (outside / "q").write_text("precious")
        shutil.rmtree(self.env / "share/q")
        (self.env / "share/q").symlink_to(outside)
        (self.env / "share/p").unlink()
        before = manifest(outside)
        self.assertEqual(self.found(), {("folder", "share/q"), ("missing", "share/p")})
        document = self.repair(code=1)
        self.assertEqual([(item["kind"], item["path"]) for item in document["left"]], [("folder", "share/q")])
        self.assertTrue(document["left"][0]["hint"])
        self.assertEqual((self.env / "share/p").read_text(), "p one")
        self.assert_same_tree(manifest(outside), before)

    def test_hostile_paths_are_not_read(self):
        victim = self.write("victim", "precious")
        victim.chmod(0o600)
        record = self.env / "conda-meta/p-1.0-0.json"
        good = json.loads(record.read_text())
        (self.env / "lib/out").symlink_to(self.work)
        before = victim.stat()
        for path in ("../../../work/victim", str(victim), "lib/out/victim", "conda-meta/../../../../work/victim"):
            with self.subTest(path=path):
                hostile = json.loads(json.dumps(good))
                hostile["files"].append(path)
                hostile["paths_data"]["paths"].append({"_path": path, "path_type": "hardlink", "sha256": "0" * 64, "sha256_in_prefix": "0" * 64})
                hostile["envtool"]["executables"].append(path)
                record.write_text(json.dumps(hostile))
                kinds = {kind for kind, _ in self.found()}
                self.assertTrue(kinds & {"record-damaged", "outside", "folder"}, kinds)
                self.assertNotIn("content", kinds)
                self.repair(code=None)
                after = victim.stat()
                self.assertEqual((victim.read_text(), after.st_mode, after.st_mtime_ns, after.st_ctime_ns),
                                 ("precious", before.st_mode, before.st_mtime_ns, before.st_ctime_ns))
                record.write_text(json.dumps(good))

    def test_control_characters_stay_out_of_the_terminal(self):
        record = self.env / "conda-meta/p-1.0-0.json"
        text = json.loads(record.read_text())
        text["files"].append("share/\x1b[31mred")
        text["paths_data"]["paths"].append({"_path": "share/\x1b[31mred", "path_type": "hardlink"})
        record.write_text(json.dumps(text))
        self.assertNotIn("\x1b", self.envtool("verify", "-n", "e", code=1).out)

    def test_what_cannot_be_repaired_is_said(self):
        stray = self.env / "conda-meta/notes.json"
        stray.write_text("{}")
        (self.env / "share/p").unlink()
        self.assertEqual(self.found(), {("record-damaged", "conda-meta/notes.json"), ("missing", "share/p")})
        document = self.repair(code=1)
        self.assertEqual(len(document["left"]), 2)
        self.assertTrue(all(item["hint"] for item in document["left"]))
        self.assertEqual(stray.read_text(), "{}")
        stray.unlink()
        self.repair()
        self.assert_clean()

    def test_missing_dependency(self):
        # Removed by a tool that says so in the history: nothing is guessed, the need is told.
        self.envtool("remove", "-y", "-n", "e", "--force", "p", code=None)
        if "p" in records(self.env):
            self.envtool("remove", "-y", "-n", "e", "--no-deps", "p")
        self.assertEqual({kind for kind, _ in self.found()}, {"dependency"})
        document = self.repair(code=1)
        self.assertIn("envtool install 'p'", document["left"][0]["hint"])

    def test_package_that_another_tool_has_removed(self):
        """One that writes no history: nothing is left of the package, and nobody needs it."""
        (self.env / "conda-meta/q-1.0-0.json").unlink()
        self.assertEqual(self.found(), {("record-missing", "conda-meta/q-1.0-0.json")})
        shutil.rmtree(self.env / "share/q")
        document = self.verify(code=0)
        self.assertIn("q-1.0-0", " ".join(document["notes"]))

    def test_frozen(self):
        (self.env / "share/p").unlink()
        (self.env / "conda-meta/frozen").write_text("")
        self.assertIn("--override-frozen", self.envtool("repair", "-y", "-n", "e", code=1).err)
        self.assertFalse((self.env / "share/p").exists())
        self.repair("--override-frozen")
        self.assertEqual((self.env / "share/p").read_text(), "p one")

    def test_a_repair_is_a_change_like_any_other(self):
        """It is in the history, and a rollback does not undo it by accident."""
        (self.env / "share/p").unlink()
        self.repair()
        (self.env / "share/q/q").unlink()
        (self.env / "conda-meta/q-1.0-0.json").unlink()
        self.repair()
        self.envtool("install", "-y", "-n", "e", "-c", self.channel, "--override-channels", "p=2.0")
        self.envtool("rollback", "0", "-y", "-n", "e", "--offline")
        self.assertEqual((self.env / "share/p").read_text(), "p one")
        self.assert_clean()

    def test_killed_repair(self):
        self.require_failpoints()
        before = plain(self.env)
        good = known(self.env)
        for number in range(1, 400, 23):
            with self.subTest(number=number):
                (self.env / "share/p").unlink(missing_ok=True)
                (self.env / "conda-meta/q-1.0-0.json").write_text("{")
                (self.env / "bin/p").chmod(0o644)
                self.envtool("repair", "-y", "-n", "e", code=None, env={"ENVTOOL_FAILPOINT": f"any:{number}:kill"})
                self.repair()
                self.assert_same_tree(plain(self.env), before)
                self.assertEqual(known(self.env), good)
                self.assert_clean()
                self.assert_not_left_in_place()


if __name__ == "__main__":
    support.main()
