"""`envtool index`: a folder of packages becomes a channel that envtool and other tools read."""
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import support
from made_channel import Package
from support import CHANNEL, SUBDIR, CliTest, http_channel, sha256_of

PEERS = ["py-rattler==0.28.0", "conda-index==0.13.0"]
# What only an index knows, and what conda-index does not write.
OURS_ALONE = {"indexed_timestamp"}


def copy_packages(source, target) -> pathlib.Path:
    """The packages of a channel without its index."""
    for path in source.rglob("*"):
        if path.name.endswith((".conda", ".tar.bz2")):
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    return target


def put(folder, *packages):
    for package in packages:
        place = folder / package.subdir / package.fn
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(package.archive())
    return folder


def document(folder, subdir="noarch", name="repodata.json"):
    return json.loads((folder / subdir / name).read_text())


def records_of(folder, subdir):
    """File name to record, without what only our index says."""
    repodata = document(folder, subdir)
    return {fn: {key: value for key, value in record.items() if key not in OURS_ALONE}
            for section in ("packages", "packages.conda") for fn, record in repodata[section].items()}


def index_tree(folder) -> dict:
    """The bytes of the whole index."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and ".cache" not in path.parts and not path.name.endswith((".conda", ".tar.bz2"))}


class Index(CliTest):
    def folder(self, *packages, name="channel"):
        return put(self.work / name, *packages)

    def index(self, folder, *options, code=0, **kwargs):
        return self.envtool("index", folder, "--json", *options, code=code, **kwargs).json()

    def test_real_channel(self):
        channel = copy_packages(CHANNEL, self.work / "channel")
        report = self.index(channel)
        self.assertTrue(report["success"])
        self.assertEqual((report["warnings"], report["broken"]), ([], []))
        for subdir in (SUBDIR, "noarch"):
            # Neither relics nor guesses about which file was made from which.
            dropped = ("arch", "platform", "legacy_bz2_md5", "legacy_bz2_size")
            expected = {fn: {key: value for key, value in record.items() if key not in dropped}
                        for fn, record in records_of(CHANNEL, subdir).items()}
            self.assertEqual(records_of(channel, subdir), expected)
            self.assertEqual(report["subdirs"][subdir]["packages"], len(records_of(CHANNEL, subdir)))
        # And an environment can be made from it, over every way of reading it.
        actions = {}
        for source in (CHANNEL, channel):
            plan = self.envtool("create", "--dry-run", "--json", "-n", "x", "-c", source, "--override-channels", "python=3.11", "numpy", "demo-app").json()
            actions[source] = sorted(item["dist_name"] for item in plan["actions"]["LINK"])
        self.assertEqual(actions[CHANNEL], actions[channel])
        self.envtool("create", "-y", "-n", "demo", "-c", channel, "--override-channels", "demo-app=1")
        self.assertEqual(self.run_in(self.prefix("demo"), "demo-app"), "demo-app 1.0 with demo-lib 1.1\n")

    def test_text(self):
        channel = self.folder(Package("a"), Package("b", subdir=SUBDIR))
        self.assertEqual(self.envtool("index", channel).out, f"{SUBDIR}  1 package  1 read\nnoarch    1 package  1 read\n")
        self.assertEqual(self.envtool("index", channel).out,
                         f"{SUBDIR}  1 package  0 read\nnoarch    1 package  0 read\nThe index was up to date.\n")
        self.assertEqual(self.envtool("index", channel, "-q").out, "")

    def test_noarch_is_made(self):
        channel = self.folder(Package("b", subdir=SUBDIR))
        self.assertEqual(sorted(self.index(channel)["subdirs"]), sorted([SUBDIR, "noarch"]))
        self.assertEqual(document(channel)["packages"], {})
        self.envtool("create", "--dry-run", "-n", "x", "-c", channel, "--override-channels", "b")

    def test_left_out(self):
        channel = self.folder(Package("good"), Package("other"), Package("wrong", subdir=SUBDIR))
        (channel / SUBDIR / "wrong-1.0-0.tar.bz2").rename(channel / "noarch/wrong-1.0-0.tar.bz2")
        broken = channel / "noarch/other-1.0-0.tar.bz2"
        broken.write_bytes(broken.read_bytes()[:-30])
        report = self.index(channel, code=1)
        self.assertFalse(report["success"])
        self.assertEqual([item["file"] for item in report["broken"]], ["noarch/other-1.0-0.tar.bz2", "noarch/wrong-1.0-0.tar.bz2"])
        self.assertIn(f"has the subdir `{SUBDIR}`", report["broken"][1]["reason"])
        self.assertEqual(list(document(channel)["packages"]), ["good-1.0-0.tar.bz2"])
        shown = self.envtool("index", channel, code=1)
        self.assert_contains(shown.err, "2 packages are left out of the index", "other-1.0-0.tar.bz2", "wrong-1.0-0.tar.bz2")
        self.assertIn("1 package   2 read, 2 left out", shown.out)
        for name in ("other", "wrong"):
            (channel / f"noarch/{name}-1.0-0.tar.bz2").unlink()
        self.assertTrue(self.index(channel)["success"])

    def test_wrong_folders(self):
        self.assert_contains(self.envtool("index", self.work / "none", code=1).err, "no such folder")
        channel = self.folder(Package("a"))
        self.assert_contains(self.envtool("index", channel / "noarch", code=1).err, f"envtool index {channel}")
        self.assertFalse((channel / "noarch/repodata.json").exists())
        self.envtool("index", code=2)
        self.envtool("index", channel, "--base-channel", "https://example", code=2)

    def test_options(self):
        channel = self.folder(Package("a"))
        self.index(channel, "--base-url", "https://packages.example/c", "--base-channel", "../base", "--no-shards", "--no-zst", "--no-run-exports",
                   "--no-channeldata", "-j", "1")
        self.assertEqual(document(channel)["info"], {"base_url": "https://packages.example/c/noarch/", "subdir": "noarch",
                                                     "channel_relations": {"base": "../base"}})
        self.assertEqual(sorted(index_tree(channel)), ["noarch/repodata.json", "noarch/repodata_from_packages.json"])
        self.assertEqual(self.index(channel, "--subdir", "noarch")["subdirs"]["noarch"]["unchanged"], 1)

    def test_base_urls(self):
        channel = self.folder(Package("a"))
        for url in ("not a url", "https://packages.example/a b", "/packages", "https:/packages.example", "../a\tb", "..\\packages", "../packages?x=1",
                    "https://packages.example/c#x", "https://u:canary@packages.example/a b"):
            with self.subTest(url=url):
                result = self.envtool("index", channel, "--base-url", url, code=2)
                self.assertIn("neither a URL nor a relative path", result.err)
                self.assertNotIn("canary", result.err)
                self.assertEqual(index_tree(channel), {})
        for url in ("../packages", "file:///packages", "https://packages.example/a%20b/"):
            with self.subTest(url=url):
                self.index(channel, "--base-url", url)
                self.assertEqual(document(channel)["info"]["base_url"], url.rstrip("/") + "/noarch/")

    def test_hints_are_for_whoever_has_the_folder(self):
        channel = self.folder(Package("a"))
        for content in (b"", b"<html>log in</html>", b"PK\x03\x04"):
            with self.subTest(content=content):
                (channel / "noarch/bad-1-0.conda").write_bytes(content)
                result = self.envtool("index", channel, code=1)
                self.assert_contains(result.err, "bad-1-0.conda", "replace or remove the file")
                self.assertEqual(result.err.count("hint: "), 1, result.err)

    def test_new_versions_are_seen_by_clients(self):
        channel = self.folder(Package("a"))
        self.index(channel)
        with http_channel(channel) as url:
            for version in ("1.0", "2.0", "3.0"):
                put(channel, Package("a", version))
                self.index(channel)
                plan = self.envtool("create", "--dry-run", "--json", "-n", "x", "-c", url, "--override-channels", "--repodata-ttl", "0", "a").json()
                self.assertEqual([item["version"] for item in plan["actions"]["LINK"]], [version])
                self.assertEqual(plan["actions"]["LINK"][0]["base_url"], url)

    def test_own_client_reads_shards(self):
        made = [Package("a", depends=["b >=1"]), Package("b", "1.5", depends=["c"]), Package("c", subdir=SUBDIR), Package("c", "0.9")]
        channel = self.folder(*made)
        self.index(channel)
        for path in channel.glob("*/repodata*.json*"):  # nothing but shards is left
            path.unlink()
        with http_channel(channel) as url:
            self.envtool("create", "-y", "-n", "x", "-c", url, "--override-channels", "a")
        self.assertEqual({name: record["version"] for name, record in support.records(self.prefix("x")).items()}, {"a": "1.0", "b": "1.5", "c": "1.0"})
        for name, record in support.records(self.prefix("x")).items():
            self.assertEqual(record["sha256"], sha256_of(channel / record["subdir"] / record["fn"]), name)

    def test_newer_records(self):
        conditional = Package("a", "2.0", depends=["b >=1", "none[when=\"__win\"]"])
        channel = self.folder(Package("a"), conditional, Package("b"))
        self.assertEqual(self.index(channel)["subdirs"]["noarch"]["v3"], 1)
        plan = self.envtool("create", "--dry-run", "--json", "-n", "x", "-c", channel, "--override-channels", "a").json()
        self.assertEqual(sorted((item["name"], item["version"]) for item in plan["actions"]["LINK"]), [("a", "2.0"), ("b", "1.0")])

    def test_two_at_once(self):
        channel = self.folder(*(Package(f"p{number}") for number in range(60)))
        runs = [self.start("index", channel, "--json") for _ in range(4)]
        reports = [json.loads(run.communicate(timeout=120)[0]) for run in runs]
        self.assertEqual([run.returncode for run in runs], [0] * 4)
        self.assertEqual(sum(report["subdirs"]["noarch"]["read"] for report in reports), 60)
        self.assertEqual(len(document(channel)["packages"]), 60)

    def test_locked(self):
        channel = self.folder(Package("a"))
        self.index(channel)
        with (channel / ".cache/envtool-index/lock").open("r+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            self.assertEqual(self.index(channel, "--lock-timeout", "0", code=75)["exit_code"], 75)
        self.index(channel, "--lock-timeout", "0")

    def test_killed_at_every_point(self):
        old = [Package("a"), Package("b")]
        model = self.folder(*old, name="model")
        self.index(model)
        before = index_tree(model)
        new = Package("a", "2.0")
        killed = 0
        for number in range(1, 200):
            channel = self.work / "channel"
            shutil.rmtree(channel, ignore_errors=True)
            shutil.copytree(model, channel)  # new inodes: everything is read again
            put(channel, new)
            run = self.envtool("index", channel, code=None, env={"ENVTOOL_FAILPOINT": f"any:{number}:kill"})
            for path, content in index_tree(channel).items():
                if ".envtool-" in path or path.endswith(".lock"):
                    continue
                if path.endswith(".json"):
                    self.assertIn("a-1.0-0.tar.bz2" if "/" in path else '"a"', content.decode(), path)  # whole, old or new
                    json.loads(content)
                elif "/shards/" in path:
                    self.assertEqual(sha256_of(channel / path), pathlib.Path(path).name.split(".")[0])
            if run.code == 0:
                break
            killed += 1
            self.index(channel)
            self.assertEqual(sorted(document(channel)["packages"]), ["a-1.0-0.tar.bz2", "a-2.0-0.tar.bz2", "b-1.0-0.tar.bz2"])
            old_times = {fn: record["indexed_timestamp"] for fn, record in document(model)["packages"].items()}
            self.assertEqual({fn: record["indexed_timestamp"] for fn, record in document(channel)["packages"].items() if fn in old_times}, old_times)
        else:
            self.fail("it never comes to an end")
        if killed == 0:
            self.skipTest("this build has no fail points")
        self.assertGreater(killed, 15)
        self.assertEqual(index_tree(model), before)

    def test_full_disk(self):
        channel = self.folder(Package("a"))
        self.index(channel)
        before = index_tree(channel)
        put(channel, Package("b"))
        for call in ("os.write", "os.rename", "os.create", "os.sync"):
            for number in range(1, 12):
                put(channel, Package("b", f"1.{number}", files={"call": call}))
                run = self.envtool("index", channel, "--json", code=None, env={"ENVTOOL_FAILPOINT": f"{call}:{number}+:ENOSPC"})
                if run.code == 0 and number == 1:
                    self.skipTest("this build has no fail points")
                if run.code == 0:
                    break
                self.assertIn("ENOSPC", run.json()["error"])
                self.assertLessEqual(set(before), set(index_tree(channel)))
        self.index(channel)
        self.assertEqual(len(document(channel)["packages"]), len(list(channel.glob("noarch/*.tar.bz2"))))
        self.assertEqual([path for path in channel.rglob("*") if ".envtool-" in path.name and path.is_file() and "cache" not in path.name], [])


class Peers(CliTest):
    shares_home = True

    @classmethod
    def setUpClass(cls):
        cls.python = os.environ.get("ENVTOOL_PEERS_PYTHON")
        if cls.python is None or subprocess.run([cls.python, "-c", "import conda_index, rattler"], capture_output=True).returncode != 0:
            cls.make_python()
        super().setUpClass()

    @classmethod
    def make_python(cls):
        if not support.pypi_reached():
            raise unittest.SkipTest("the Python package index is not reached from here")
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="envtool-peers-")))
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        cls.python = folder / "venv/bin/python"
        done = subprocess.run([cls.python, "-m", "pip", "install", "-q", *PEERS], capture_output=True, text=True)
        if done.returncode != 0:
            raise unittest.SkipTest(f"the peers cannot be installed here: {done.stderr[-300:]}")

    @classmethod
    def prepare(cls, home):
        cls.channel = copy_packages(CHANNEL, home.work / "channel")
        put(cls.channel, Package("exports", info={"run_exports.json": json.dumps({"weak": ["exports >=1"]}), "about.json": json.dumps(
            {"summary": "Exports something", "home": "https://exports.example", "dev_url": "https://dev.example", "tags": ["x"]})}),
            Package("exports", "0.9", info={"run_exports.json": json.dumps({"strong": ["exports >=0.9"]})}))
        home.envtool("index", cls.channel)

    def peer(self, *arguments):
        done = subprocess.run([self.python, pathlib.Path(__file__).parent / "peer.py", *map(str, arguments)], capture_output=True, text=True,
                              cwd=self.work, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def test_conda_index_agrees(self):
        theirs = copy_packages(self.channel, self.work / "theirs")
        self.peer("index", theirs, "--channeldata", "--run-exports", "--no-rss")
        for subdir in (SUBDIR, "noarch"):
            ours, other = records_of(self.channel, subdir), records_of(theirs, subdir)
            self.assertEqual(sorted(ours), sorted(other))
            for fn, record in other.items():
                self.assertEqual(ours[fn], record)
            self.assertEqual({key: value for key, value in document(self.channel, subdir).items() if key not in ("packages", "packages.conda")},
                             {key: value for key, value in document(theirs, subdir).items() if key not in ("packages", "packages.conda")})
            self.assertEqual(document(self.channel, subdir, "run_exports.json"), document(theirs, subdir, "run_exports.json"))
            self.assertEqual(sorted(document(self.channel, subdir, "repodata_from_packages.json")), sorted(document(theirs, subdir, "repodata_from_packages.json")))
        ours, other = (json.loads((folder / "channeldata.json").read_text()) for folder in (self.channel, theirs))
        self.assertEqual((ours["subdirs"], ours["channeldata_version"]), (other["subdirs"], other["channeldata_version"]))
        self.assertEqual(sorted(ours["packages"]), sorted(other["packages"]))
        for name, package in other["packages"].items():
            # conda-index takes the time of the package that it saw last, CEP 38 wants the most recent; it reads recipes, too.
            for key in set(package) - {"timestamp", "source_url", "source_git_url"}:
                self.assertEqual(ours["packages"][name].get(key), package[key], (name, key))

    def test_rattler_reads_our_index_in_both_forms(self):
        names = sorted({record["name"] for subdir in (SUBDIR, "noarch") for record in records_of(self.channel, subdir).values()})
        expected = {fn: record for subdir in (SUBDIR, "noarch") for fn, record in records_of(self.channel, subdir).items()}
        seen = {}
        for form in ("yes", "no"):
            served = shutil.copytree(self.channel, self.work / f"served-{form}")
            for path in served.glob("*/repodata.json*" if form == "yes" else "*/repodata_shards*"):  # only one form is there
                path.unlink()
            with http_channel(served) as url:
                seen[form] = self.peer("gateway", url, form, *names)
                for fn, record in seen[form].items():
                    self.assertEqual(record.pop("url"), f"{url}/{record['subdir']}/{fn}")
        # Of a package in both formats rattler takes the `.conda` alone, but for shards.
        twins = {fn for fn in expected if fn.endswith(".tar.bz2") and fn.replace(".tar.bz2", ".conda") in expected}
        self.assertEqual({fn: record for fn, record in seen["yes"].items() if fn not in twins}, seen["no"])
        self.assertEqual(sorted(seen["yes"]), sorted(expected))
        for fn, record in seen["yes"].items():
            for key in ("name", "version", "build", "build_number", "depends", "subdir", "size", "sha256", "md5"):
                self.assertEqual(record[key], expected[fn][key], (fn, key))
            self.assertEqual(record["constrains"], expected[fn].get("constrains", []))
            self.assertEqual(record["license"], expected[fn].get("license"))
            self.assertEqual(record["timestamp"], expected[fn]["timestamp"] / 1000)


if __name__ == "__main__":
    support.main()
