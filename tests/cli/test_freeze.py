"""Frozen environments (CEP 22): nothing changes them unless it is said, pip and uv are kept out (PEP 668), using them works."""
import json
import subprocess

import support
from made_channel import Package, write_channel
from support import CHANNEL, CliTest, manifest, packages
from test_pip import write_wheel


class Frozen(CliTest):
    def setUp(self):
        super().setUp()
        self.channel = write_channel(self.work / "channel", Package("tool", files={"bin/tool": "#!/bin/sh\necho tool\n"}),
                                     Package("tool", "2.0", files={"bin/tool": "#!/bin/sh\necho tool 2\n"}), Package("other", files={"share/other": "o"}))
        self.from_channel = ["-c", self.channel, "--override-channels"]
        self.envtool("create", "-q", "-y", "-n", "e", *self.from_channel, "tool=1")
        self.env = self.prefix("e")
        self.mark = self.env / "conda-meta/frozen"

    def test_the_file(self):
        self.assertIn("is frozen", self.envtool("freeze", "-n", "e").out)
        self.assertEqual(self.mark.read_text(), "")  # CEP 22: it may be empty
        self.envtool("freeze", "-n", "e", "--message", "in production\nsince May")
        self.assertEqual(json.loads(self.mark.read_text()), {"message": "in production\nsince May"})
        self.envtool("unfreeze", "-n", "e")
        self.assertFalse(self.mark.exists())
        self.assertIn("was not frozen", self.envtool("unfreeze", "-n", "e").out)
        self.assertEqual(list(self.env.rglob("EXTERNALLY-MANAGED")), [])

    def test_a_message_stays(self):
        self.envtool("freeze", "-n", "e", "-m", "in production")
        self.envtool("freeze", "-n", "e")
        self.assertIn("in production", self.envtool("remove", "-y", "-n", "e", "tool", code=1).err)
        self.envtool("freeze", "-n", "e", "-m", "something else")
        self.assertIn("something else", self.envtool("remove", "-y", "-n", "e", "tool", code=1).err)

    def test_a_folder_in_its_place(self):
        self.mark.mkdir()
        self.assert_contains(self.envtool("freeze", "-n", "e", code=1).err, "folder", "unfreeze")
        self.assertIn("frozen", self.envtool("remove", "-y", "-n", "e", "tool", code=1).err)
        (self.mark / "precious").touch()
        self.assert_contains(self.envtool("unfreeze", "-n", "e", code=1).err, "there is something in it", "remove it yourself", str(self.mark))
        (self.mark / "precious").unlink()
        self.assertIn("can be changed again", self.envtool("unfreeze", "-n", "e").out)
        self.assertFalse(self.mark.exists())
        self.envtool("remove", "-y", "-n", "e", "tool")

    def test_a_symlink_in_its_place(self):
        target = self.write("policy", "theirs")
        self.mark.symlink_to(target)
        for message in ([], ["-m", "why"]):
            self.assert_contains(self.envtool("freeze", "-n", "e", *message, code=1).err, "symlink", "neither followed nor replaced")
        self.assertEqual((self.mark.is_symlink(), target.read_text()), (True, "theirs"))
        self.envtool("unfreeze", "-n", "e")
        self.assertEqual((self.mark.is_symlink(), target.read_text()), (False, "theirs"))

    def test_in_lists(self):
        self.envtool("create", "-q", "-y", "-n", "other")
        self.envtool("freeze", "-n", "e")
        for command in (["env", "list"], ["info", "--envs"]):
            lines = self.envtool(*command, env={"CONDA_PREFIX": str(self.env)}).out.splitlines()
            self.assertEqual(lines[:4], ["# conda environments:", "#", "# * -> active", "# + -> frozen"])
            self.assertEqual([line.split() for line in lines[4:]], [["e", "*", "+", str(self.env)], ["other", str(self.prefix("other"))]])
            details = self.envtool(*command, "--json").json()["envs_details"]
            self.assertEqual({path: entry["frozen"] for path, entry in details.items()}, {str(self.env): True, str(self.prefix("other")): False})

    def changes(self):
        return [["install", "-y", "-n", "e", *self.from_channel, "other"], ["update", "-y", "-n", "e", *self.from_channel, "tool"],
                ["remove", "-y", "-n", "e", "tool"], ["remove", "-y", "-n", "e", "--all"], ["env", "remove", "-y", "-n", "e"],
                ["create", "-y", "-n", "e", *self.from_channel, "other"], ["rename", "-n", "e", "f"], ["env", "move", "e", self.work / "e"],
                ["env", "config", "vars", "set", "-n", "e", "A=b"], ["env", "update", "-n", "e", "-f", self.work / "environment.yml"],
                ["rollback", "-y", "-n", "e"], ["install", "-y", "-n", "e", *self.from_channel, "--dry-run", "other"]]

    def test_every_change_is_refused(self):
        self.write("environment.yml", f"channels: ['{self.channel}', nodefaults]\ndependencies: [other]\n")
        self.envtool("freeze", "-n", "e", "--message", "in production")
        before = support.without_lock(manifest(self.env))
        for command in self.changes():
            with self.subTest(command=command[0]):
                result = self.envtool(*command, code=1)
                self.assert_contains(result.err, "in production", "--override-frozen")
                document = self.envtool(*command, "--json", code=1).json()
                self.assertEqual((document["success"], document["reason"]), (False, "in production"))
        self.assert_same_tree(before, support.without_lock(manifest(self.env)))

    def test_every_change_can_be_said(self):
        for command in self.changes():
            if command[0] == "rollback":
                continue
            with self.subTest(command=command[:2]):
                if not self.env.exists():
                    self.envtool("env", "remove", "-y", "-n", "f", "--override-frozen", code=None)
                    self.envtool("create", "-q", "-y", "-n", "e", *self.from_channel, "tool=1")
                self.write("environment.yml", f"channels: ['{self.channel}', nodefaults]\ndependencies: [other]\n")
                self.mark.write_text("")
                self.envtool(*command, "--override-frozen")
        self.assertEqual((self.work / "e/conda-meta/history").exists(), True)

    def test_nobody_overrides_by_default(self):
        # CEP 22: tools must not offer that.
        self.envtool("freeze", "-n", "e")
        (self.home.path / ".condarc").write_text("protect_frozen_envs: false\noverride_frozen: true\n")
        self.envtool("remove", "-y", "-n", "e", "tool", code=1, env={"CONDA_PROTECT_FROZEN_ENVS": "false", "CONDA_OVERRIDE_FROZEN": "1"})

    def test_a_change_made_all_the_same_leaves_it_frozen(self):
        self.envtool("freeze", "-n", "e")
        self.envtool("install", "-y", "-n", "e", *self.from_channel, "--override-frozen", "other")
        self.assertEqual(set(packages(self.env)), {"tool", "other"})
        self.envtool("install", "-y", "-n", "e", *self.from_channel, "tool=2", code=1)

    def test_using_it(self):
        self.envtool("freeze", "-n", "e", "--message", "x")
        self.assertEqual(self.envtool("run", "-n", "e", "tool").out, "tool\n")
        self.assertIn("tool", self.envtool("list", "-n", "e").out)
        self.assertIn(str(self.env), self.envtool("shell", "activate", "e", "--shell", "bash").out)
        self.envtool("env", "export", "-n", "e")
        details = self.envtool("env", "list", "--json").json()["envs_details"]
        self.assertTrue(details[str(self.env)]["frozen"])
        self.envtool("create", "-n", "copy", "--clone", "e")
        self.assertTrue(self.envtool("env", "list", "--json").json()["envs_details"][str(self.prefix("copy"))]["frozen"])

    def test_odd_marks(self):
        for content in (b"", b"not json", b"{}", b'{"message": ""}', b'{"message": 7}', b"\xff\0", b'["x"]'):
            self.mark.write_bytes(content)
            self.assertIn("--override-frozen", self.envtool("remove", "-y", "-n", "e", "tool", code=1).err)
        self.mark.write_text(json.dumps({"message": "tabs\tand \x1b[31mcolour"}))
        self.assertNotIn("\x1b", self.envtool("remove", "-y", "-n", "e", "tool", code=1).err)
        self.mark.unlink()
        self.mark.mkdir()
        self.envtool("remove", "-y", "-n", "e", "tool", code=1)

    def test_json(self):
        document = self.envtool("freeze", "-n", "e", "--message", "m", "--json").json()
        self.assertEqual(document, {"success": True, "prefix": str(self.env), "frozen": True, "was_frozen": False, "externally_managed": None})
        self.assertEqual(self.envtool("unfreeze", "-n", "e", "--json").json()["was_frozen"], True)

    def test_base(self):
        (self.root / "conda-meta").mkdir(exist_ok=True)
        (self.root / "conda-meta/history").touch()
        self.envtool("freeze", "-n", "base", "--message", "base is for conda alone")
        self.assertIn("for conda alone", self.envtool("install", "-y", "-n", "base", *self.from_channel, "tool", code=1).err)

    def test_no_environment(self):
        self.envtool("freeze", "-n", "nobody", code=1)
        self.envtool("unfreeze", "-p", self.work, code=1)


class Pip(CliTest):
    """With the real Python and its pip."""
    shares_home = True

    @classmethod
    def prepare(cls, home):
        home.envtool("create", "-q", "-y", "-n", "e", "-c", CHANNEL, "--override-channels", "python=3.11", "pip")
        write_wheel(home.work / "wheels", "whisper", "1.5")

    def setUp(self):
        super().setUp()
        self.env = self.prefix("e")
        self.file = self.env / "lib/python3.11/EXTERNALLY-MANAGED"
        self.addCleanup(self.envtool, "unfreeze", "-n", "e", code=None)

    def pip(self, *arguments, env=None):
        return subprocess.run([self.env / "bin/python", "-m", "pip", *arguments, "--no-index", "--find-links", self.work / "wheels"],
                              env={**self.environ, **(env or {})}, capture_output=True, text=True)

    def test_pip_is_refused(self):
        self.envtool("freeze", "-n", "e", "--message", "in production\n\nask the owners")
        done = self.pip("install", "whisper")
        self.assertNotEqual(done.returncode, 0)
        for part in ("externally-managed-environment", "in production", "ask the owners", "envtool unfreeze"):
            self.assertIn(part, done.stderr)
        self.assertIn("pip 23", self.run_in(self.env, "python", "-m", "pip", "--version"))
        self.envtool("unfreeze", "-n", "e")
        self.assertFalse(self.file.exists())
        self.assertEqual(self.pip("install", "whisper").returncode, 0)

    def test_what_became_of_the_file(self):
        self.assertEqual(self.envtool("freeze", "-n", "e", "--json").json()["externally_managed"], str(self.file))
        self.assertNotIn("EXTERNALLY-MANAGED", self.envtool("verify", "--quick", "--extra", "-n", "e", code=None).out)
        dry_run = ["env", "remove", "-n", "e", "-y", "--override-frozen", "--dry-run", "--json"]
        unowned = self.envtool(*dry_run).json()["unowned_files"]
        self.assertIsNone(self.envtool("unfreeze", "-n", "e", "--json").json()["externally_managed"])
        self.assertFalse(self.file.exists())
        self.file.write_text("theirs")
        self.addCleanup(lambda: self.file.unlink(missing_ok=True))
        self.assertEqual(self.envtool(*dry_run).json()["unowned_files"], unowned + 1)
        self.assertEqual(self.envtool("unfreeze", "-n", "e", "--json").json()["externally_managed"], str(self.file))

    def test_what_somebody_else_wrote_stays(self):
        text = "[externally-managed]\nError=by the distribution\n"
        self.file.write_text(text)
        self.addCleanup(lambda: self.file.unlink(missing_ok=True))
        self.assertIn("is not from envtool", self.envtool("freeze", "-n", "e").err)
        self.envtool("unfreeze", "-n", "e")
        self.assertEqual(self.file.read_text(), text)

    def test_pip_section_with_override(self):
        self.envtool("freeze", "-n", "e")
        file = self.write("environment.yml", f"channels: ['{CHANNEL}', nodefaults]\ndependencies:\n  - pip\n  - pip:\n    - --no-index\n    - --find-links ./wheels\n    - whisper\n")
        self.envtool("env", "update", "-n", "e", "-f", file, code=1)
        self.envtool("env", "update", "-n", "e", "-f", file, "--override-frozen")
        self.assertEqual(self.run_in(self.env, "whisper"), "whisper 1.5\n")
        self.assertTrue(self.file.exists())

    def test_it_moves_with_the_environment(self):
        self.envtool("freeze", "-n", "e", "--message", "still frozen")
        self.envtool("create", "-n", "copy", "--clone", "e")
        text = (self.prefix("copy") / "lib/python3.11/EXTERNALLY-MANAGED").read_text()
        self.assert_contains(text, "still frozen", f"unfreeze -p {self.prefix('copy')}`")
        self.envtool("unfreeze", "-n", "copy")
        self.assertFalse((self.prefix("copy") / "lib/python3.11/EXTERNALLY-MANAGED").exists())
        self.envtool("env", "remove", "-y", "-n", "copy")


if __name__ == "__main__":
    support.main()
