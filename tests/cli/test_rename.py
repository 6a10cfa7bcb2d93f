"""`rename` and `env move`: the environment is elsewhere afterwards, whole; killed at any point it is at one of the two places."""
import json
import os
import shutil
import subprocess
import signal

import support
from made_channel import Link, Package, Text, write_channel
from support import CHANNEL, CliTest, files_of_packages, manifest, packages
from test_clone import naming


class Moving(CliTest):
    def setUp(self):
        super().setUp()
        self.channel = write_channel(self.work / "channel", Package("tool", files={
            "bin/tool": Text("#!/bin/sh\necho {prefix}/share/tool\n", 0o755), "share/tool": "tool\n", "share/data": b"\0data",
            "lib/current": Link("../share/tool")}), Package("other", files={"share/other": "o"}))
        self.make()

    def make(self, name="old"):
        self.envtool("create", "-q", "-y", "-n", name, "-c", self.channel, "--override-channels", "tool")
        self.old, self.new = self.prefix("old"), self.prefix("new")
        mine = self.prefix(name) / "mine"
        mine.mkdir()
        (mine / "notes").write_text(f"at {self.prefix(name)}/mine")
        (mine / "data").write_bytes(os.urandom(5000))
        (mine / "link").symlink_to(self.prefix(name) / "mine/data")
        (mine / "again").hardlink_to(mine / "data")

    def registered(self):
        return (self.home.path / ".conda/environments.txt").read_text().split()

    def check_moved(self, env=None):
        env = env or self.new
        self.assertFalse(self.old.exists())
        self.assertEqual(naming(env, self.old), [])
        self.assertEqual(self.run_in(env, "tool"), f"{env}/share/tool\n")
        self.assertEqual((env / "mine/notes").read_text(), f"at {env}/mine")
        self.assertEqual(os.readlink(env / "mine/link"), f"{env}/mine/data")
        self.assertEqual((env / "mine/again").stat().st_ino, (env / "mine/data").stat().st_ino)
        self.assertEqual(set(packages(env)), {"tool"})
        self.assertIn(str(env), self.registered())
        self.assertNotIn(str(self.old), self.registered())
        self.assert_nothing_left()


class Rename(Moving):
    def test_name(self):
        history = (self.old / "conda-meta/history").read_text()
        result = self.envtool("rename", "-n", "old", "new")
        self.assertIn(f"Nothing is at {self.old} any more", result.out)
        self.check_moved()
        # The history goes on with one block of its own.
        text = (self.new / "conda-meta/history").read_text()
        self.assertTrue(text.startswith(history))
        self.assert_contains(text[len(history):], "rename -n old new", f"# note: moved from {self.old}")
        self.envtool("install", "-y", "-n", "new", "-c", self.channel, "--override-channels", "other")
        self.assertEqual(set(packages(self.new)), {"tool", "other"})
        self.assertIn("no environment `old`", self.envtool("list", "-n", "old", code=1).err)

    def test_is_what_a_new_environment_would_be(self):
        self.envtool("rename", "-n", "old", "new")
        moved = {path: entry for path, entry in files_of_packages(self.new).items() if not path.startswith("mine")}
        shutil.rmtree(self.new)
        self.make("new")
        self.assert_same_tree(moved, {path: entry for path, entry in files_of_packages(self.new).items() if not path.startswith("mine")})

    def test_forms(self):
        self.envtool("rename", "-p", self.old, "new")
        self.check_moved()
        self.envtool("rename", "-n", "new", self.work / "far/away")
        self.check_moved(self.work / "far/away")
        self.envtool("env", "move", self.work / "far/away", "./near", cwd=self.work)
        self.check_moved(self.work / "near")
        self.envtool("env", "move", "./near", self.new, "--offline", cwd=self.work)
        self.check_moved()

    def test_last_name_of_a_second_folder(self):
        folder = self.work / "more-envs"
        self.envtool("env", "move", "old", folder / "old")
        self.envtool("rename", "-n", "old", "new", env={"CONDA_ENVS_DIRS": f"{self.home.root}/envs:{folder}"})
        self.check_moved(folder / "new")

    def test_a_slash_alone_makes_no_path_of_a_new_name(self):
        error = self.envtool("rename", "-n", "old", "a/b", cwd=self.work, code=1).err
        self.assert_contains(error, "a/b", "slash", "./a/b")
        self.assertFalse((self.work / "a").exists())
        self.envtool("rename", "-n", "old", "./a/b", cwd=self.work)
        self.check_moved(self.work / "a/b")

    def test_env_move_takes_names_and_paths_alike(self):
        self.envtool("env", "move", "old", "new", cwd=self.work)
        self.check_moved()
        self.assertFalse((self.work / "new").exists())
        self.envtool("env", "move", "new", "a/b", cwd=self.work)
        self.check_moved(self.work / "a/b")
        self.envtool("env", "move", "a/b", "new", cwd=self.work)
        self.envtool("list", "-n", "new")

    def test_history(self):
        packages_before = self.envtool("list", "-n", "old", "--json").json()
        self.envtool("rename", "-n", "old", "new")
        self.envtool("env", "move", "new", "./far", cwd=self.work)
        far = self.work / "far"
        self.envtool("create", "-y", "-n", "copy", "--clone", far)
        shown = self.envtool("history", "-n", "copy").out
        self.assert_contains(shown, f"moved from {self.old}", f"moved from {self.new}", f"copied from {far}")
        self.assertNotIn("copied", self.envtool("history", "-p", far).out)
        notes = [revision.get("note") for revision in self.envtool("history", "-n", "copy", "--json").json()]
        self.assertEqual(notes[-3:], [f"moved from {self.old}", f"moved from {self.new}", f"copied from {far}"])
        self.envtool("verify", "-n", "copy")
        # To conda every block is a change of packages: one of a package that stays changes nothing.
        installed = set()
        for block in (self.prefix("copy") / "conda-meta/history").read_text().split("==>")[1:]:
            lines = [line for line in block.splitlines()[1:] if line and not line.startswith("#")]
            self.assertTrue(lines)
            installed = (installed - {line[1:] for line in lines if line[0] == "-"}) | {line[1:] for line in lines if line[0] == "+"}
        self.assertEqual({line.rsplit("::", 1)[1] for line in installed}, {package["dist_name"] for package in packages_before})
        # And nothing is taken for a change that others made.
        self.envtool("install", "-y", "-n", "copy", "-c", self.channel, "--override-channels", "other")
        self.assertNotIn("outside of envtool", (self.prefix("copy") / "conda-meta/history").read_text())
        self.envtool("rollback", "0", "-y", "-n", "copy", "--offline")
        self.assertEqual(set(packages(self.prefix("copy"))), {"tool"})

    def test_rollback_after_a_move_takes_back_what_came_before_it(self):
        before = set(packages(self.old))
        self.envtool("install", "-y", "-n", "old", "-c", self.channel, "--override-channels", "other")
        self.envtool("rename", "-n", "old", "new")
        self.envtool("rollback", "-y", "-n", "new", "--offline")
        self.assertEqual(set(packages(self.prefix("new"))), before)
        self.envtool("create", "-y", "-n", "copy", "--clone", "new")
        self.envtool("rollback", "-y", "-n", "copy", "--offline")
        self.assertIn("other", packages(self.prefix("copy")))
        self.envtool("verify", "-n", "copy")

    def behind_symlink(self):
        real = self.work / "elsewhere/real"
        real.parent.mkdir()
        shutil.move(self.old, real)
        self.old.symlink_to(real)
        return real

    def test_behind_a_symlink(self):
        for command in (["rename", "-n", "old", "new"], ["env", "move", "old", "new"]):
            with self.subTest(command=command[0]):
                real = self.behind_symlink()
                result = self.envtool(*command)
                self.assert_contains(result.out, f"Source:      {real} (by the symlink {self.old}, which goes, too)",
                                     f"Nothing is at {real} and {self.old} any more")
                self.assertFalse(real.exists())
                self.assertFalse(self.old.is_symlink())
                self.check_moved()
                self.assertEqual(list(real.parent.iterdir()), [])
                real.parent.rmdir()
                self.envtool("rename", "-n", "new", "old")

    def test_a_clone_leaves_the_symlink(self):
        real = self.behind_symlink()
        self.envtool("create", "-y", "-n", "new", "--clone", "old")
        self.assertTrue(real.exists())
        self.assertTrue(self.old.is_symlink())
        self.envtool("verify", "-n", "new")

    def test_json(self):
        document = self.envtool("rename", "--json", "-n", "old", "new").json()
        self.assertEqual((document["success"], document["src_prefix"], document["dst_prefix"]), (True, str(self.old), str(self.new)))
        self.assertEqual(document["untracked_files"], ["mine/again", "mine/data", "mine/link", "mine/notes"])
        self.check_moved()

    def test_dry_run(self):
        before = manifest(self.old)
        self.assertIn("nothing was changed", self.envtool("rename", "-d", "-n", "old", "new").out)
        self.assertTrue(self.envtool("rename", "-d", "--json", "-n", "old", "new").json()["dry_run"])
        self.assert_same_tree(before, manifest(self.old))
        self.assertFalse(self.new.exists())

    def test_force(self):
        self.envtool("create", "-q", "-y", "-n", "new", "-c", self.channel, "--override-channels", "other")
        (self.new / "theirs").write_text("t")
        error = self.envtool("rename", "-n", "old", "new", code=1).err
        self.assert_contains(error, "already", "--force")
        self.assertEqual(set(packages(self.new)), {"other"})
        self.envtool("rename", "--force", "-n", "old", "new")
        self.check_moved()
        self.assertFalse((self.new / "theirs").exists())

    def test_refusals(self):
        (self.work / "mine").mkdir()
        (self.work / "mine/file").write_text("f")
        (self.root / "conda-meta").mkdir(exist_ok=True)
        (self.root / "conda-meta/history").touch()
        before = manifest(self.old)
        for arguments, environ, word in (
                (["-n", "old", "old"], {}, "there already"),
                (["-n", "old", self.old / "inside"], {}, "inside"),
                (["-n", "old", self.work / "mine"], {}, "taken"),
                (["--force", "-n", "old", self.work / "mine"], {}, "taken"),
                (["-n", "old", "a b:c"], {}, "name"),
                (["-n", "nobody", "new"], {}, "no environment"),
                (["-n", "base", "new"], {}, "root prefix"),
                (["--force", "-n", "old", "base"], {}, ""),
                (["new"], {}, "which environment"),
                (["new"], {"CONDA_PREFIX": str(self.old)}, "active"),
                (["-n", "old", "new"], {"CONDA_PREFIX": "/x", "CONDA_PREFIX_1": str(self.old)}, "active")):
            result = self.envtool("rename", *arguments, env=environ, code=None)
            self.assertIn(result.code, (1, 2), arguments)
            self.assertIn(word, result.err, arguments)
        self.assert_same_tree(before, manifest(self.old))
        self.assertTrue((self.work / "mine/file").exists())
        self.assertFalse(self.new.exists())

    def test_frozen(self):
        (self.old / "conda-meta/frozen").write_text('{"message": "in production"}')
        self.assertIn("in production", self.envtool("rename", "-n", "old", "new", code=1).err)
        self.envtool("rename", "--override-frozen", "-n", "old", "new")
        self.check_moved()
        self.assertIn("in production", self.envtool("remove", "-y", "-n", "new", "tool", code=1).err)

    def test_place_behind_a_symlink(self):
        (self.work / "link").symlink_to(self.root / "envs")
        self.assertIn("inside", self.envtool("rename", "-n", "old", self.work / "link/old/x", code=2).err)
        self.assertIn("there already", self.envtool("rename", "-n", "old", self.work / "link/old", code=1).err)

    def test_python(self):
        self.envtool("create", "-q", "-y", "-n", "python", "-c", CHANNEL, "--override-channels", "python=3.11", "pip")
        self.envtool("rename", "-n", "python", "moved")
        env = self.prefix("moved")
        self.assertEqual(naming(env, self.prefix("python")), [])
        self.assertIn(f"from {env}/lib", self.run_in(env, "pip", "--version"))


class Killed(Moving):
    def setUp(self):
        super().setUp()
        probe = self.envtool("create", "-y", "-n", "probe", code=None, env={"ENVTOOL_FAILPOINT": "nonsense"})
        if probe.code >= 0:
            self.skipTest("this binary has no fail points (built without ENVTOOL_FAILPOINTS)")
        # Each move adds a revision: every try starts from the very same environment.
        self.kept = self.work / "kept"
        subprocess.run(["cp", "-a", self.old, self.kept], check=True)
        self.content = {path: entry for path, entry in manifest(self.old).items() if not path.startswith("conda-meta/.envtool")}
        self.names = set(self.content)

    def rename(self, failpoint, *command):
        return self.envtool(*(command or ("rename", "-n", "old", "new")), code=None, env={"ENVTOOL_FAILPOINT": failpoint})

    def names_in(self, env):
        return {path for path in manifest(env) if not path.startswith("conda-meta/.envtool")}

    def settle(self):
        """One ordinary command for each place; then exactly one is an environment."""
        for name in ("new", "old"):
            self.envtool("list", "-n", name, code=None)
        self.assertNotEqual(self.old.exists(), self.new.exists(), "not exactly one of the two")
        if self.old.exists():
            left = {path: entry for path, entry in manifest(self.old).items() if not path.startswith("conda-meta/.envtool")}
            self.assert_same_tree(self.content, left)
            return False
        self.assertEqual(self.names_in(self.new), self.names)
        self.assertEqual(naming(self.new, self.old), [])
        self.assertEqual((self.new / "mine/notes").read_text(), f"at {self.new}/mine")
        return True

    def back(self):
        self.envtool("rename", "-n", "new", "old")
        shutil.rmtree(self.old)
        subprocess.run(["cp", "-a", self.kept, self.old], check=True)

    def test_every_point(self):
        outcomes = []
        for number in range(1, 400):
            result = self.rename(f"any:{number}:kill")
            if result.code == 0:
                break
            self.assertEqual(result.code, -signal.SIGKILL, result)
            outcomes.append(self.settle())
            if outcomes[-1]:
                self.back()
        else:
            self.fail("more points than this test looks at")
        self.assertEqual(set(outcomes), {True, False})
        self.assertGreater(len(outcomes), 30)
        self.check_moved()

    def test_killed_again_while_it_is_finished(self):
        for name in ("move.decided", "move.renamed", "move.carried", "copy.renamed"):
            for number in range(1, 60):
                self.assertEqual(self.rename(f"{name}:1:kill").code, -signal.SIGKILL)
                second = self.envtool("list", "-n", "new", code=None, env={"ENVTOOL_FAILPOINT": f"any:{number}:kill"})
                self.assertTrue(self.settle(), f"{name}, then {number}")
                self.back()
                if second.code == 0:
                    break
            else:
                self.fail("the second run never ends")

    def test_failing_calls(self):
        for number in range(1, 400, 2):
            result = self.rename(f"any:{number}:ENOSPC")
            if result.code == 0 and self.new.exists():
                if number > 100:
                    break
            else:
                self.assertEqual(result.code, 1, result)
            if self.settle():
                self.back()
        else:
            self.fail("more points than this test looks at")

    def test_clone_at_every_point(self):
        for number in range(1, 400):
            result = self.rename(f"any:{number}:kill", "create", "-n", "new", "--clone", "old")
            if result.code == 0:
                break
            self.envtool("list", "-n", "old")
            self.assertEqual({path: entry for path, entry in manifest(self.old).items() if not path.startswith("conda-meta/.envtool")}, self.content)
            if self.new.exists():
                self.assertEqual(self.names_in(self.new), self.names)
                self.assertEqual(naming(self.new, self.old), [])
                self.envtool("env", "remove", "-y", "-n", "new")
        self.assertEqual(self.names_in(self.new), self.names)
        self.assert_nothing_left()

    def test_forced_at_every_fifth_point(self):
        for number in range(1, 400, 5):
            self.envtool("create", "-q", "-y", "-n", "new", "-c", self.channel, "--override-channels", "other")
            result = self.rename(f"any:{number}:kill", "rename", "--force", "-n", "old", "new")
            if result.code == 0:
                break
            for name in ("new", "old"):
                self.envtool("list", "-n", name, code=None)
            if self.old.exists():
                self.assertEqual(self.names_in(self.old), self.names)
                self.assertEqual(set(packages(self.new)), {"other"})
                self.envtool("env", "remove", "-y", "-n", "new")
            else:
                self.assertEqual(self.names_in(self.new), self.names)
                self.back()
        self.check_moved()

    def test_the_old_name_tells_where_it_is(self):
        self.assertEqual(self.rename("move.decided:1:kill").code, -signal.SIGKILL)
        self.assertTrue(self.old.exists() and self.new.exists())
        result = self.envtool("list", "-n", "old", code=1)
        self.assert_contains(result.err, "has moved", str(self.new))
        self.check_moved_files()

    def check_moved_files(self):
        self.assertFalse(self.old.exists())
        self.assertEqual(self.names_in(self.new), self.names)

    def test_what_is_written_to_the_old_place_at_the_end(self):
        self.assertEqual(self.rename("move.decided:1:kill").code, -signal.SIGKILL)
        (self.old / "mine/late").write_text("late")
        (self.old / "mine/notes").unlink()
        (self.old / "mine/notes").write_text("changed late")
        with (self.old / "mine/data").open("ab") as file:  # the same file at both places
            file.write(b"more")
        self.envtool("list", "-n", "new")
        self.assertFalse(self.old.exists())
        self.assertEqual((self.new / "mine/late").read_text(), "late")
        self.assertEqual((self.new / "mine/notes").read_text(), f"at {self.new}/mine")
        saved = list((self.new / "mine").glob("notes.envtool-saved-*"))
        self.assertEqual([path.read_text() for path in saved], ["changed late"])
        self.assertTrue((self.new / "mine/data").read_bytes().endswith(b"more"))

    def test_undecided_is_forgotten(self):
        self.assertEqual(self.rename("copy.marked:1:kill").code, -signal.SIGKILL)
        self.assertFalse(self.new.exists())
        (self.old / "mine/later").write_text("l")
        self.envtool("install", "-y", "-n", "old", "-c", self.channel, "--override-channels", "other")
        self.assertEqual((self.old / "mine/later").read_text(), "l")
        self.envtool("rename", "-n", "old", "new")
        self.assertEqual((self.new / "mine/later").read_text(), "l")
        self.assert_nothing_left()

    def test_marks_that_make_no_sense(self):
        # An environment with the mark of a move that somebody copied, or wrote, loses the mark and nothing else.
        self.envtool("create", "-q", "-y", "-n", "victim")
        for text in ("", "envtool move 1\n", f"envtool move 1\nx\n{self.prefix('victim')}\n{self.old}\n/tmp/x\n" + "0" * 64 + "\n"):
            mark = self.old / "conda-meta/.envtool/tx/move"
            mark.parent.mkdir()
            mark.write_text(text)
            self.envtool("list", "-n", "old")
            self.assertFalse(mark.parent.exists())
            self.assertTrue((self.prefix("victim") / "conda-meta/history").exists())


if __name__ == "__main__":
    support.main()
