"""Other tools of the ecosystem, from the Python package index, read what we write and agree on what we choose.

`ENVTOOL_PEERS_PYTHON` names a Python that has them already; else one is made for the time of the tests.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import support
from made_channel import Package, write_channel
from support import CHANNEL, CliTest, http_channel, manifest, packages, records

PEERS = ["py-rattler==0.28.0", "conda-package-handling==2.6.0", "conda-lock==4.0.3"]


class Peers(CliTest):
    shares_home = True

    @classmethod
    def setUpClass(cls):
        cls.python = os.environ.get("ENVTOOL_PEERS_PYTHON")
        if cls.python is None:
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
        home.envtool("create", "-y", "-f", support.ROOT / "environment-examples/quickstart.yml", "-c", CHANNEL, "-n", "quick")
        cls.env = home.prefix("quick")
        cls.virtual = json.dumps(home.envtool("info", "--json").json()["virtual_pkgs"])

    def peer(self, *arguments):
        done = subprocess.run([self.python, pathlib.Path(__file__).parent / "peer.py", *map(str, arguments)], capture_output=True, text=True,
                              cwd=self.work, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_rattler_reads_our_records(self):
        ours, theirs = records(self.env), self.peer("records", self.env)
        self.assertEqual(set(ours), set(theirs))
        for name, record in ours.items():
            seen = theirs[name]
            for key in ("version", "build", "build_number", "depends", "subdir", "url", "channel", "files", "sha256", "md5"):
                self.assertEqual(seen[key], record[key], (name, key))
            self.assertEqual(seen["paths"], len(record["paths_data"]["paths"]), name)
            self.assertEqual(seen["file_name"], record["fn"])
            self.assertEqual(seen["specs"], record.get("requested_specs", []), name)

    def test_rattler_reads_every_archive_of_the_channel(self):
        archives = sorted(path for path in CHANNEL.rglob("*") if path.name.endswith((".conda", ".tar.bz2")))
        theirs = self.peer("paths", *archives)
        self.assertGreater(len(archives), 70)
        for archive in archives:
            name, version, build, count = theirs[archive.name]
            self.assertTrue(archive.name.startswith(f"{name}-{version}-{build}."))

    def test_our_unpacking_is_that_of_conda(self):
        for record in records(self.env).values():
            if record["name"] in ("python", "tzdata", "numpy", "openssl", "generic-demo", "demo-lib", "activation-demo"):
                with self.subTest(package=record["name"]):
                    folder = self.work / "unpacked" / record["name"]
                    self.peer("extract", record["package_tarball_full_path"], folder)
                    ours = manifest(pathlib.Path(record["extracted_package_dir"]))
                    ours = {path: entry for path, entry in ours.items() if path not in ("info/repodata_record.json", "info/.envtool-manifest")}
                    theirs = manifest(folder)
                    # Folders are made by whoever unpacks: their modes follow the umask. Ours keep files from being written by others.
                    for tree in (ours, theirs):
                        for path, entry in tree.items():
                            tree[path] = (entry[0], entry[1] & 0o500, *entry[2:]) if entry[0] == "file" else entry if entry[0] == "link" else entry[:1]
                    self.assert_same_tree(ours, theirs)

    def test_rattler_chooses_the_same(self):
        for number, specs in enumerate((
                ["python=3.11", "numpy"], ["demo-app"], ["demo-app", "demo-lib<2"], ["prefix-demo=1.0"], ["feature-demo"], ["gpu-demo"],
                ["constrain-demo", "demo-lib"], ["requests", "pip"], ["pytest", "jinja2", "pyyaml"], ["numpy", "libblas=*=*netlib"],
                ["numpy", "blas=*=netlib"], ["generic-demo<2"], ["abi3-demo", "sqlite", "xz"], ["libgcc-ng", "libstdcxx-ng", "zlib"])):
            with self.subTest(specs=specs):
                theirs = self.peer("solve", CHANNEL, self.virtual, *specs)
                self.assertIsInstance(theirs, list, theirs)
                actions = self.envtool("create", "--dry-run", "--json", "-n", f"s{number}", "-c", CHANNEL, "--override-channels", *specs).json()["actions"]
                ours = sorted([item["name"], item["version"], item["build"]] for item in actions["LINK"])
                self.assertEqual(ours, theirs)

    def test_rattler_refuses_the_same(self):
        for specs in (["demo-app=2", "demo-lib=1"], ["constrain-demo", "demo-lib=1.0"], ["numpy=9"], ["no-such-package"]):
            with self.subTest(specs=specs):
                self.assertIn("error", self.peer("solve", CHANNEL, self.virtual, *specs))
                self.envtool("create", "--dry-run", "-n", "x", "-c", CHANNEL, "--override-channels", *specs, code=1)

    def test_environment_of_rattler_can_be_changed(self):
        env = self.home.path / "of-rattler"
        installed = self.peer("install", CHANNEL, self.virtual, env, "demo-app=1", "python")
        self.assertEqual(sorted(packages(env)), installed)
        listed = self.envtool("list", "-p", env, "--json").json()
        self.assertEqual(sorted(item["name"] for item in listed), installed)
        self.assertIn("As recorded", self.envtool("verify", "-p", env).out)
        (env / "bin/demo-app").unlink()
        self.envtool("verify", "-p", env, code=1)
        self.envtool("repair", "-y", "-p", env)
        self.assertEqual(self.run_in(env, "demo-app"), "demo-app 1.0 with demo-lib 1.1\n")
        self.envtool("install", "-y", "-p", env, "-c", CHANNEL, "--override-channels", "pip", "demo-app=2")
        self.assertEqual(self.run_in(env, "demo-app"), "demo-app 2.0 with demo-lib 2.0\n")
        self.assertIn("pip 23", self.run_in(env, "pip", "--version"))
        self.assertEqual(set(self.peer("records", env)), set(records(env)))
        self.assertEqual([path for path in env.rglob("*.envtool-saved*")], [])
        self.envtool("remove", "-y", "-p", env, "demo-lib")
        self.assertFalse((env / "bin/demo-app").exists())

    def test_environment_of_ours_can_be_changed_by_rattler(self):
        self.envtool("create", "-y", "-n", "theirs", "-c", CHANNEL, "--override-channels", "demo-app=1", "generic-demo=1")
        env = self.prefix("theirs")
        self.peer("install", CHANNEL, self.virtual, env, "demo-app=2")
        self.assertEqual(self.run_in(env, "demo-app"), "demo-app 2.0 with demo-lib 2.0\n")
        # It writes no history, and removes what nobody asked it for.
        self.assert_contains(self.envtool("verify", "-n", "theirs").err, "another tool changed the environment", "generic-demo")
        self.assertEqual({item["name"]: item["version"] for item in self.envtool("list", "-n", "theirs", "--json").json()},
                         {"demo-app": "2.0", "demo-lib": "2.0"})

    def test_conda_lock_reads_our_lock(self):
        made = [Package("any", "1.0", {"share/any": "x"}, ["native >=1,<2", "other"]), Package("other", "1.10")]
        made += [Package("native", "1.0", {"bin/native": subdir}, subdir=subdir) for subdir in (support.SUBDIR, support.OTHER_SUBDIR)]
        channel = write_channel(self.work / "channel", *made)
        self.write("lock.yml", f"name: l\nchannels: ['{channel}', nodefaults]\ndependencies: [any]\n")
        self.envtool("lock", "-f", "lock.yml", "--platform", support.SUBDIR, "--platform", support.OTHER_SUBDIR)
        theirs = self.peer("lock", self.work / "conda-lock.yml")
        self.assertEqual(sorted(theirs["platforms"]), sorted([support.SUBDIR, support.OTHER_SUBDIR]))
        self.assertEqual(theirs["channels"], [channel.as_uri()])
        expected = []
        for subdir in (support.SUBDIR, support.OTHER_SUBDIR):
            for package in (made[0], made[1], made[2] if subdir == support.SUBDIR else made[3]):
                expected.append([package.name, package.version, subdir, f"{channel.as_uri()}/{package.subdir}/{package.fn}",
                                 support.sha256_of(channel / package.subdir / package.fn),
                                 [["native", ">=1,<2"], ["other", ""]] if package.name == "any" else []])
        self.assertEqual([[*entry[:5], [[name, constraint.strip("* ")] for name, constraint in entry[5]]] for entry in theirs["packages"]], sorted(expected))

    def test_conda_lock_reads_the_lock_of_a_python_environment(self):
        with http_channel() as server:
            self.write("lock.yml", f"name: l\nchannels: ['{server}', nodefaults]\ndependencies: [python=3.11, numpy, pip]\n")
            self.envtool("lock", "-f", "lock.yml", "--platform", support.SUBDIR, "--lockfile", "python.conda-lock.yml")
        theirs = self.peer("lock", self.work / "python.conda-lock.yml")
        self.assertIn("numpy", [entry[0] for entry in theirs["packages"]])


if __name__ == "__main__":
    support.main()
