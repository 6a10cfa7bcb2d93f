"""Whose file is it: users' files survive, packages that fight over a path do so in the open."""
import json

import support
from made_channel import Link, Package, Text, write_channel
from support import CliTest, manifest, without_lock


class Ownership(CliTest):
    def channel(self, *made, name="channel"):
        folder = write_channel(self.work / name, *made)
        return ("-c", folder, "--override-channels", "--repodata-ttl", "0")

    def saved(self, env):
        return sorted(str(path.relative_to(env)) for path in env.rglob("*.envtool-saved*"))

    def make(self, channel, *specs, code=0):
        return self.envtool("create", "-y", "-n", "e", *channel, *specs, code=code)

    def install(self, channel, *specs, code=0):
        return self.envtool("install", "-y", "-n", "e", *channel, *specs, code=code)


class UserFiles(Ownership):
    def setUp(self):
        super().setUp()
        self.env = self.prefix("e")
        self.from_channel = self.channel(
            Package("p", "1", {"etc/p.conf": "one", "lib/p/data": "one", "lib/p/sub/deep": "one"}),
            Package("p", "2", {"etc/p.conf": "two", "lib/p/data": "two", "etc/new.conf": "new"}),
            Package("q", "1", {"share/q": "q"}))
        self.make(self.from_channel, "p=1")

    def test_unowned_files_survive_everything(self):
        (self.env / "lib/p/mine").write_text("mine")
        (self.env / "lib/p/sub/mine").write_text("mine")
        (self.env / "lib/p/my-link").symlink_to("data")
        self.install(self.from_channel, "p=2")
        self.install(self.from_channel, "q")
        self.envtool("remove", "-y", "-n", "e", "p", "q")
        self.assertEqual((self.env / "lib/p/mine").read_text(), "mine")
        self.assertEqual((self.env / "lib/p/sub/mine").read_text(), "mine")
        self.assertTrue((self.env / "lib/p/my-link").is_symlink())
        self.assertFalse((self.env / "etc").exists())
        self.assertEqual(self.saved(self.env), [])

    def test_changed_file_is_kept_when_it_is_replaced(self):
        # As an editor does it: a new file in the place of the linked one.
        (self.env / "etc/p.conf").unlink()
        (self.env / "etc/p.conf").write_text("edited")
        result = self.install(self.from_channel, "p=2")
        saved = self.saved(self.env)
        self.assertEqual(len(saved), 1)
        self.assertTrue(saved[0].startswith("etc/p.conf.envtool-saved"))
        self.assertEqual((self.env / saved[0]).read_text(), "edited")
        self.assertEqual((self.env / "etc/p.conf").read_text(), "two")
        self.assert_contains(result.err, "etc/p.conf", saved[0])

    def test_changed_file_is_kept_when_it_goes(self):
        (self.env / "lib/p/data").unlink()
        (self.env / "lib/p/data").write_text("edited")
        document = self.envtool("remove", "--json", "-n", "e", "p").json()
        saved = self.saved(self.env)
        self.assertEqual([(self.env / path).read_text() for path in saved], ["edited"])
        self.assertEqual(document["saved_files"], [{"path": "lib/p/data", "saved_as": saved[0]}])

    def test_unowned_file_in_the_way_is_kept(self):
        (self.env / "etc/new.conf").write_text("mine")
        self.install(self.from_channel, "p=2")
        self.assertEqual((self.env / "etc/new.conf").read_text(), "new")
        self.assertEqual([(self.env / path).read_text() for path in self.saved(self.env)], ["mine"])

    def test_same_file_in_the_way_is_taken_over(self):
        (self.env / "etc/new.conf").write_text("new")
        self.install(self.from_channel, "p=2")
        self.assertEqual((self.env / "etc/new.conf").read_text(), "new")
        self.assertEqual(self.saved(self.env), [])

    def test_unchanged_files_leave_no_copies(self):
        self.install(self.from_channel, "p=2")
        self.envtool("remove", "-y", "-n", "e", "p")
        self.assertEqual(self.saved(self.env), [])

    def test_missing_file_is_no_obstacle(self):
        (self.env / "lib/p/data").unlink()
        self.install(self.from_channel, "p=2")
        self.assertEqual((self.env / "lib/p/data").read_text(), "two")

    def test_writing_through_a_link_is_seen(self):
        # A program that opens a hard-linked file for writing changes the cache: it must not spread.
        with open(self.env / "etc/p.conf", "w") as file:
            file.write("through")
        self.envtool("create", "-y", "-n", "other", *self.from_channel, "p=1")
        self.assertEqual((self.prefix("other") / "etc/p.conf").read_text(), "one")


class Conflicts(Ownership):
    def fighting(self):
        return self.channel(Package("left", "1", {"bin/tool": "#!/bin/sh\necho left\n", "share/left": "l"}),
                            Package("right", "1", {"bin/tool": "#!/bin/sh\necho right\n", "share/right": "r"}))

    def test_both_names_are_said(self):
        result = self.make(self.fighting(), "left", "right")
        self.assert_contains(result.err, "bin/tool", "left-1-0", "right-1-0")

    def test_order_does_not_matter_and_the_loser_comes_back(self):
        channel = self.fighting()
        contents = set()
        for order in (("left", "right"), ("right", "left"), ("left right",)):
            for name in order:
                verb = "install" if (self.prefix("e") / "conda-meta").exists() else "create"
                self.envtool(verb, "-y", "-n", "e", *channel, *name.split())
            env = self.prefix("e")
            winner = self.run_in(env, "tool").strip()
            contents.add(winner)
            self.envtool("remove", "-y", "-n", "e", winner)
            loser = "right" if winner == "left" else "left"
            self.assertEqual(self.run_in(env, "tool").strip(), loser)
            self.envtool("remove", "-y", "-n", "e", loser)
            self.assertFalse((env / "bin").exists())
            self.envtool("env", "remove", "-y", "-n", "e")
        self.assertEqual(len(contents), 1)

    def test_the_owner_changes_with_the_dependencies_of_others(self):
        # Who depends on more has the path: `deep` while `middle` needs `low`, else `wide` by its name.
        channel = self.channel(
            Package("low", "1"), Package("middle", "1", {}, ["low"]), Package("middle", "2"),
            Package("deep", "1", {"share/z": Text("of deep in {prefix}\n")}, ["middle"]),
            Package("wide", "1", {"share/z": Text("of wide in {prefix}\n")}, ["low"]), name="turning")
        env = self.prefix("e")
        self.make(channel, "deep", "wide", "middle=1")
        for version, owner in (("2", "wide"), ("1", "deep"), ("2", "wide")):
            self.install(channel, f"middle={version}")
            self.assertEqual((env / "share/z").read_text(), f"of {owner} in {env}\n")
            self.envtool("verify", "-n", "e")
        self.envtool("remove", "-y", "-n", "e", "wide")
        self.assertEqual((env / "share/z").read_text(), f"of deep in {env}\n")
        self.envtool("verify", "-n", "e")
        self.envtool("remove", "-y", "-n", "e", "deep")
        self.assertFalse((env / "share/z").exists())
        self.assertFalse(any((env / "conda-meta/.envtool/parked").glob("*")))

    def test_prevented(self):
        (self.home.path / ".condarc").write_text("path_conflict: prevent\n")
        result = self.make(self.fighting(), "left", "right", code=1)
        self.assert_contains(result.err, "bin/tool", "left", "right")
        self.assertFalse(self.prefix("e").exists())
        document = self.envtool("create", "-y", "--json", "-n", "e", *self.fighting(), "left", "right", code=1).json()
        self.assertEqual(document["exception_name"], "ClobberError")

    def test_prevented_in_an_existing_environment(self):
        self.make(self.fighting(), "left")
        before = without_lock(manifest(self.prefix("e")))
        (self.home.path / ".condarc").write_text("path_conflict: prevent\n")
        self.install(self.fighting(), "right", code=1)
        self.assert_same_tree(without_lock(manifest(self.prefix("e"))), before)

    def test_same_content_is_shared(self):
        channel = self.channel(Package("a", "1", {"share/licence": "free", "share/a": "a"}), Package("b", "1", {"share/licence": "free"}))
        (self.home.path / ".condarc").write_text("path_conflict: prevent\n")
        result = self.make(channel, "a", "b")
        self.assertNotIn("licence", result.err)
        self.envtool("remove", "-y", "-n", "e", "b")
        self.assertEqual((self.prefix("e") / "share/licence").read_text(), "free")
        self.envtool("remove", "-y", "-n", "e", "a")
        self.assertFalse((self.prefix("e") / "share").exists())

    def test_file_where_another_needs_a_folder(self):
        channel = self.channel(Package("a", "1", {"share/x": "file"}), Package("b", "1", {"share/x/y": "below"}))
        result = self.make(channel, "a", "b", code=1)
        self.assert_contains(result.err, "share/x", "a-1", "b-1")
        self.assertFalse(self.prefix("e").exists())


class Moves(Ownership):
    """A path changes its owner or its kind in one step."""

    def change(self, before, after, *specs):
        self.make(self.channel(*before), *specs)
        result = self.envtool("update", "-y", "-n", "e", *self.channel(*before, *after), "--all")
        self.assertNotIn("is in several packages", result.err)
        self.assertEqual(self.saved(self.prefix("e")), [])
        return self.prefix("e")

    def test_file_moves_to_another_package(self):
        env = self.change((Package("a", "1", {"lib/x": "from a", "lib/a": "a"}), Package("b", "1", {"lib/b": "b"})),
                          (Package("a", "2", {"lib/a": "a"}), Package("b", "2", {"lib/b": "b", "lib/x": "from b"})), "a", "b")
        self.assertEqual((env / "lib/x").read_text(), "from b")
        self.envtool("remove", "-y", "-n", "e", "a")
        self.assertEqual((env / "lib/x").read_text(), "from b")

    def test_file_becomes_a_folder_and_back(self):
        env = self.change((Package("a", "1", {"lib/x": "file"}),), (Package("a", "2", {"lib/x/y": "below"}),), "a")
        self.assertEqual((env / "lib/x/y").read_text(), "below")
        self.install(self.channel(Package("a", "1", {"lib/x": "file"})), "a=1")
        self.assertEqual((env / "lib/x").read_text(), "file")

    def test_file_becomes_a_link(self):
        env = self.change((Package("a", "1", {"lib/x": "file", "lib/z": "z"}),), (Package("a", "2", {"lib/x": Link("z"), "lib/z": "z"}),), "a")
        self.assertEqual((env / "lib/x").readlink().name, "z")

    def test_folder_becomes_a_link(self):
        env = self.change((Package("a", "1", {"lib/x/one": "1", "lib/z/two": "2"}),),
                          (Package("a", "2", {"lib/x": Link("z"), "lib/z/two": "2"}),), "a")
        self.assertEqual((env / "lib/x/two").read_text(), "2")

    def test_mode_changes(self):
        env = self.change((Package("a", "1", {"libexec/x": Text("#!/bin/sh\n", 0o644)}),),
                          (Package("a", "2", {"libexec/x": Text("#!/bin/sh\n", 0o755)}),), "a")
        self.assertEqual((env / "libexec/x").stat().st_mode & 0o777, 0o755)


class Hostile(Ownership):
    """Packages that reach out of the environment are refused and leave nothing."""

    def refused(self, package):
        channel = self.channel(Package("fine", "1", {"share/fine": "x"}), package)
        outside = self.work / "outside"
        outside.mkdir()
        before = manifest(outside)
        document = self.envtool("create", "-y", "--json", "-n", "e", *channel, "fine", package.name, code=1).json()
        self.assertIn(document["exception_name"], ("SafetyError", "CondaVerificationError", "CondaValueError"), document)
        self.assertFalse(self.prefix("e").exists())
        self.assertEqual(manifest(outside), before)
        self.assertEqual([path for path in self.home.path.rglob("*evil*") if path.name not in (package.fn,)
                          and "pkgs" not in path.parts], [])
        self.assert_nothing_left()

    def test_parent_folders(self):
        self.refused(Package("bad", "1", {"../../../evil": "x"}))

    def test_absolute_path(self):
        self.refused(Package("bad", "1", {f"{self.work}/outside/evil": "x"}))

    def test_through_a_link(self):
        self.refused(Package("bad", "1", {"share/door": Link(f"{self.work}/outside"), "share/door/evil": "x"}))

    def test_records_of_the_environment(self):
        self.refused(Package("bad", "1", {"conda-meta/evil-1-0.json": json.dumps({"name": "evil"})}))

    def test_history_of_the_environment(self):
        self.refused(Package("bad", "1", {"conda-meta/history": "x"}))

    def test_foreign_index(self):
        self.refused(Package("bad", "1", {"share/x": "x"}, info={"index.json": json.dumps(
            {"name": "other", "version": "1", "build": "0", "build_number": 0, "depends": [], "subdir": "noarch"})}))


if __name__ == "__main__":
    support.main()
