"""Environments and caches in which somebody else has rummaged: no crash, the file is named, what can be done is done."""
import json
import os
import shutil

import support
from made_channel import Package, write_channel
from support import CHANNEL, CliTest, packages, records

FROM_CHANNEL = ("-c", CHANNEL, "--override-channels")


class Environment(CliTest):
    def setUp(self):
        super().setUp()
        self.env = self.create("e", "demo-app=1.0")
        self.record = self.env / "conda-meta/demo-lib-1.1-hf7ddc87_0.json"

    def test_broken_record(self):
        good = self.record.read_text()
        for text in ("", "{", "[]", "null", good[:300], '{"name": 3}', "[" * 100000, good.replace('"demo-lib"', '"../../x"')):
            with self.subTest(text=text[:40]):
                self.record.write_text(text)
                for command in (["list", "-n", "e"], ["install", "-y", "-n", "e", *FROM_CHANNEL, "generic-demo"], ["remove", "-y", "-n", "e", "demo-app"]):
                    result = self.envtool(*command, code=None)
                    self.assertIn(result.code, (0, 1), result)
                    if result.code != 0:
                        self.assertIn(self.record.name, result.err)
                self.assertFalse(any("x" == path.name for path in self.home.path.iterdir()))

    def test_paths_that_lead_out(self):
        victim = self.write("victim", "precious")
        for path in ("../../../work/victim", str(victim), "share/../../../../work/victim"):
            with self.subTest(path=path):
                env = self.prefix("p")
                shutil.copytree(self.env, env, symlinks=True, dirs_exist_ok=True)
                file = env / "conda-meta" / self.record.name
                record = json.loads(file.read_text())
                record["files"].append(path)
                record["paths_data"]["paths"].append({"_path": path, "path_type": "hardlink"})
                file.write_text(json.dumps(record))
                self.envtool("remove", "-y", "-n", "p", "demo-lib", code=None)
                self.envtool("update", "-y", "-n", "p", *FROM_CHANNEL, "demo-lib", code=None)
                self.assertEqual(victim.read_text(), "precious")

    def test_remove_through_a_link_that_leads_out(self):
        outside = self.work / "outside"
        outside.mkdir()
        (outside / "libdemo.so.1").write_text("precious")
        shutil.rmtree(self.env / "lib")
        (self.env / "lib").symlink_to(outside)
        self.envtool("remove", "-y", "-n", "e", "demo-lib", code=None)
        self.assertEqual((outside / "libdemo.so.1").read_text(), "precious")
        self.envtool("env", "remove", "-y", "-n", "e")
        self.assertEqual((outside / "libdemo.so.1").read_text(), "precious")

    def test_history(self):
        history = self.env / "conda-meta/history"
        for text in ("", "\0\xff nonsense\n==> \n# update specs: ['", "==> 2020-01-01 00:00:00 <==\n# update specs: not a list\n+x\n"):
            with self.subTest(text=text[:20]):
                history.write_bytes(text.encode("latin-1"))
                self.envtool("list", "-n", "e")
                self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "generic-demo")
                self.envtool("remove", "-y", "-n", "e", "generic-demo")
                self.assertEqual(set(packages(self.env)), {"demo-app", "demo-lib"})

    def test_missing_history_is_no_environment(self):
        (self.env / "conda-meta/history").unlink()
        result = self.envtool("install", "-y", "-p", self.env, *FROM_CHANNEL, "generic-demo", code=1)
        self.assert_contains(result.err, str(self.env), "conda-meta/history")

    def test_state(self):
        state = self.env / "conda-meta/state"
        for text in ("", "{", "[]", '{"env_vars": {"A=B": "x"}}', '{"env_vars": {"A": ["x"]}}', '{"env_vars": 3}'):
            with self.subTest(text=text):
                state.write_text(text)
                result = self.envtool("shell", "activate", "-s", "bash", "e", code=None)
                self.assertIn(result.code, (0, 1))
                if result.code:
                    self.assertIn("conda-meta/state", result.err)
                self.assertNotIn("A=B", result.out)

    def test_removed_files_can_be_put_back(self):
        shutil.rmtree(self.env / "bin")
        shutil.rmtree(self.env / "lib")
        self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "--force-reinstall", "demo-app", "demo-lib=1.1")
        self.assertEqual(self.run_in(self.env, "demo-app"), "demo-app 1.0 with demo-lib 1.1\n")

    def test_moved_environment(self):
        moved = self.work / "moved"
        self.env.rename(moved)
        self.assertEqual(self.envtool("list", "-p", moved, "--json").json()[0]["name"], "demo-app")
        self.assertNotIn(str(self.env), self.envtool("env", "list", "--json").json()["envs"])
        self.envtool("env", "remove", "-y", "-p", moved)
        self.assertFalse(moved.exists())

    def test_environment_behind_a_link(self):
        link = self.work / "link"
        link.symlink_to(self.env)
        self.envtool("install", "-y", "-p", link, *FROM_CHANNEL, "generic-demo")
        self.assertIn("generic-demo", packages(self.env))
        self.envtool("env", "remove", "-y", "-p", link, code=None)
        # Either the link or all of it: never a half.
        self.assertEqual((self.env / "bin/demo-app").exists(), (self.env / "conda-meta/history").exists())

    def test_extra_files_in_conda_meta(self):
        (self.env / "conda-meta/notes.txt").write_text("mine")
        (self.env / "conda-meta/sub").mkdir()
        self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "generic-demo")
        self.assertEqual((self.env / "conda-meta/notes.txt").read_text(), "mine")

    def test_list_of_environments(self):
        (self.home.path / ".conda/environments.txt").write_bytes(b"/no/such\n\n relative\n\xff\xfe\n" + str(self.env).encode() + b"\n")
        self.assertEqual(self.envtool("env", "list", "--json").json()["envs"], [str(self.env)])


class Cache(CliTest):
    def setUp(self):
        super().setUp()
        self.channel = write_channel(self.work / "channel", Package("p", files={"share/p": "p", "share/q": "q"}))
        self.create_again("one")
        self.package = self.home.cache / "p-1.0-0"

    def create_again(self, name):
        self.envtool("create", "-y", "-n", name, "-c", self.channel, "--override-channels", "--copy", "p")
        self.assertEqual([(self.prefix(name) / path).read_text() for path in ("share/p", "share/q")], ["p", "q"])

    def test_missing_file(self):
        (self.package / "share/q").unlink()
        self.create_again("two")

    def test_missing_metadata(self):
        for file in ("info/paths.json", "info/index.json", "info/repodata_record.json", "info/.envtool-manifest"):
            with self.subTest(file=file):
                (self.package / file).unlink()
                self.create_again("after-" + file.replace("/", "-").strip("."))

    def test_broken_metadata(self):
        for file in ("info/paths.json", "info/index.json", "info/repodata_record.json", "info/.envtool-manifest"):
            with self.subTest(file=file):
                (self.package / file).unlink()
                (self.package / file).write_text("{")
                self.create_again("after-" + file.replace("/", "-").strip("."))

    def test_half_unpacked_by_somebody_else(self):
        shutil.rmtree(self.package)
        (self.package / "info").mkdir(parents=True)
        self.create_again("two")

    def test_broken_archive_beside_a_good_package(self):
        (self.home.cache / "p-1.0-0.tar.bz2").write_bytes(b"x")
        self.create_again("two")
        shutil.rmtree(self.package)
        self.create_again("three")

    def test_broken_indices(self):
        for path in sorted((self.home.cache / "cache").iterdir()):
            if path.is_file() and path.suffix != ".lock":
                with self.subTest(path=path.suffix):
                    content = path.read_bytes()
                    for damaged in (b"", content[:len(content) // 2], content[:-1], bytes(len(content)), os.urandom(len(content))):
                        path.write_bytes(damaged)
                        self.envtool("create", "-y", "-n", "damaged", "-c", self.channel, "--override-channels", "p")

    def test_cache_is_gone(self):
        shutil.rmtree(self.home.cache)
        self.create_again("two")
        self.assertEqual(set(records(self.prefix("one"))), {"p"})

    def test_file_where_the_cache_should_be(self):
        shutil.rmtree(self.home.cache)
        self.home.cache.write_text("x")
        result = self.envtool("create", "-y", "-n", "two", "-c", self.channel, "--override-channels", "p", code=1,
                              env={"CONDA_PKGS_DIRS": str(self.home.cache)})
        self.assertIn(str(self.home.cache), result.err)
        self.assertEqual(self.home.cache.read_text(), "x")
        # With another package folder to go to, that one is used.
        other = self.work / "other-packages"
        self.envtool("create", "-y", "-n", "two", "-c", self.channel, "--override-channels", "p",
                     env={"CONDA_PKGS_DIRS": f"{self.home.cache},{other}"})
        self.assertTrue(any(other.glob("p-*")))


if __name__ == "__main__":
    support.main()
