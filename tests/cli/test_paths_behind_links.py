"""Packages whose files lie behind other packages' symlinks: what cannot be carried out is refused before anything is done."""
import support
from made_channel import Link, Package, write_channel
from support import CliTest, manifest, without_lock


class BehindLinks(CliTest):
    def setUp(self):
        super().setUp()
        self.env = self.prefix("e")
        self.outside = self.work / "outside"
        self.outside.mkdir()
        (self.outside / "victim").write_text("mine")

    def tearDown(self):
        self.assertEqual([(p.name, p.read_text()) for p in self.outside.iterdir()], [("victim", "mine")])

    def channel(self, *made, name="channel"):
        folder = write_channel(self.work / name, *made)
        return ("-c", folder, "--override-channels", "--repodata-ttl", "0")

    def run_in_env(self, command, *words, code=0):
        return self.envtool(command, "-y", "-n", "e", *words, code=code)

    def assert_refused(self, command, *words, says=(), code=1, is_whole=True):
        """The environment is as it was, nothing is pending, and the next command works."""
        before = without_lock(manifest(self.env))
        result = self.run_in_env(command, *words, code=code)
        self.assert_contains(result.err, *says)
        self.assert_same_tree(without_lock(manifest(self.env)), before)
        listed = self.envtool("list", "-n", "e")
        self.assertEqual(listed.err, "")
        if is_whole:
            self.envtool("verify", "-n", "e")
        self.assert_nothing_left(self.root)
        return result


class OneChange(BehindLinks):
    """The symlink and the file behind it come together into an environment that is there."""

    def pair(self, target, *others, path="share/lnk/owned"):
        return self.channel(Package("base", files={"base": "b"}), Package("lnk", files={"share/lnk": Link(target)}),
                            Package("thru", files={path: "owned"}), *others)

    def refused(self, channel, *says, specs=("lnk", "thru")):
        if not self.env.exists():
            self.run_in_env("create", *channel, "base")
        self.assert_refused("install", *channel, *specs, says=says)
        # A new environment says no, too.
        self.envtool("create", "-y", "-n", "other", *channel, *specs, code=1)
        self.assertFalse(self.prefix("other").exists())

    def test_absolute(self):
        self.refused(self.pair(str(self.outside)), "share/lnk", "lnk-1.0-0", "thru-1.0-0", "out of the environment")

    def test_absolute_into_the_environment(self):
        self.refused(self.pair(str(self.env / "share")), "share/lnk")

    def test_relative_out_of_it(self):
        self.refused(self.pair("../../../../../../../" + str(self.outside)), "share/lnk")

    def test_into_conda_meta(self):
        self.refused(self.pair("../conda-meta", path="share/lnk/state"), "conda-meta")

    def test_leads_to_nothing(self):
        self.refused(self.pair("missing"), "share/lnk", "leads to nothing")

    def test_leads_in_circles(self):
        self.refused(self.pair("lnk"), "share/lnk")

    def test_leads_to_a_file(self):
        self.refused(self.pair("../base"), "no folder", specs=("base", "lnk", "thru"))

    def test_a_chain(self):
        chain = Package("chain", files={"share/next": Link(str(self.outside))})
        self.refused(self.pair("next", chain), "share/lnk", specs=("lnk", "thru", "chain"))

    def test_a_file_that_another_package_has_there(self):
        owner = Package("owner", files={"share/real/owned": "another"})
        self.refused(self.pair("real", owner), "share/real/owned", specs=("lnk", "thru", "owner"))

    def test_a_file_that_an_installed_package_has_there(self):
        channel = self.pair("real", Package("owner", files={"share/real/owned": "another"}))
        self.run_in_env("create", *channel, "owner", "base")
        self.assert_refused("install", *channel, "lnk", "thru", says=["share/real/owned", "owner-1.0-0"])
        self.run_in_env("install", *channel, "lnk")
        self.assert_refused("install", *channel, "thru", says=["share/real/owned", "owner-1.0-0"])

    def test_a_folder_inside_is_fine(self):
        channel = self.pair("real", Package("owner", files={"share/real/x": "x"}), Package("chain", files={"share/chain": Link("lnk")}),
                            Package("deep", files={"share/chain/sub/deep": "deep"}))
        specs = ["lnk", "thru", "owner", "chain", "deep"]
        self.run_in_env("create", *channel, "base")
        self.run_in_env("install", *channel, *specs)
        self.assertEqual((self.env / "share/real/owned").read_text(), "owned")
        self.assertEqual((self.env / "share/real/sub/deep").read_text(), "deep")
        self.envtool("verify", "-n", "e")
        self.envtool("create", "-y", "-n", "other", *channel, "base", *specs)
        self.assertEqual(support.files_of_packages(self.env), support.files_of_packages(self.prefix("other")))
        self.run_in_env("remove", "thru", "deep")
        self.assertFalse((self.env / "share/real/owned").exists())
        self.assertFalse((self.env / "share/real/sub").exists())

    def test_lock(self):
        channel = self.pair(str(self.outside))
        lines = ["@EXPLICIT"] + [f"file://{channel[1]}/noarch/{name}-1.0-0.tar.bz2" for name in ("lnk", "thru")]
        self.run_in_env("create", *channel, "base")
        self.assert_refused("install", "--file", self.write("list.txt", "\n".join(lines) + "\n"), says=["share/lnk"])


class Updates(BehindLinks):
    """The symlink changes while another package's files lie behind it."""

    def setUp(self):
        super().setUp()
        self.from_channel = self.channel(
            Package("lnk", "1", files={"share/lnk": Link("real"), "share/real/x": "x"}),
            Package("lnk", "2", files={"share/lnk/own": "a folder", "share/real/x": "x"}),
            Package("lnk", "3", files={"share/lnk": "a file", "share/real/x": "x"}),
            Package("lnk", "4", files={"share/lnk": Link("other"), "share/real/x": "x", "share/other/x": "x"}),
            Package("lnk", "5", files={"share/lnk": Link(str(self.outside)), "share/real/x": "x"}),
            Package("lnk", "6", files={"share/real": Link("other"), "share/lnk": Link("real"), "share/other/x": "x"}),
            Package("lnk", "7", files={"share/lnk": Link("real"), "share/real/x": "xx"}),
            Package("thru", "1", files={"share/lnk/owned": "owned"}),
            Package("thru", "2", files={"share/lnk/owned": "owned 2", "share/lnk/more": "more"}),
            Package("thru", "3", files={"share/real/owned": "owned 3"}))
        self.run_in_env("create", *self.from_channel, "lnk=1", "thru=1")
        self.assertEqual((self.env / "share/real/owned").read_text(), "owned")

    def test_refused(self):
        for version in "23456":
            with self.subTest(version=version):
                self.assert_refused("install", *self.from_channel, f"lnk={version}", says=["share/lnk/owned", "thru-1-0"])
        self.assert_refused("remove", "lnk", says=["share/lnk/owned", "thru-1-0"])

    def test_refused_with_both(self):
        self.assert_refused("install", *self.from_channel, "lnk=5", "thru=2", says=["share/lnk", "out of the environment"])
        self.assert_refused("install", *self.from_channel, "lnk=3", "thru=2", says=["share/lnk"])

    def test_what_works(self):
        self.run_in_env("install", *self.from_channel, "lnk=7")
        self.run_in_env("install", *self.from_channel, "thru=2")
        self.assertEqual((self.env / "share/real/owned").read_text(), "owned 2")
        self.envtool("verify", "-n", "e")
        self.run_in_env("rollback", "0")
        self.assertEqual((self.env / "share/real/owned").read_text(), "owned")
        self.run_in_env("install", *self.from_channel, "thru=3")
        self.assertEqual((self.env / "share/real/owned").read_text(), "owned 3")
        self.envtool("verify", "-n", "e")
        self.assertEqual(list(self.env.rglob("*envtool-saved*")), [])
        self.run_in_env("install", *self.from_channel, "thru=1")
        self.assertEqual((self.env / "share/lnk/owned").read_text(), "owned")
        self.run_in_env("remove", "lnk", "thru")
        self.assertFalse((self.env / "share").exists())

    def test_a_folder_becomes_a_symlink(self):
        channel = self.channel(Package("dir", "1", files={"share/d/own": "own"}), Package("dir", "2", files={"share/d": Link("e"), "share/e/x": "x"}),
                               Package("below", files={"share/d/below": "below"}), name="folders")
        self.run_in_env("create", "--force", *channel, "dir=1", "below")
        self.assert_refused("install", *channel, "dir=2", says=["share/d", "below-1.0-0", "dir-2-0"])


class RealPaths(BehindLinks):
    """A new file under its real path, where an installed package has one behind a symlink."""

    def setUp(self):
        super().setUp()
        self.from_channel = self.channel(
            Package("l64", files={"lib64": Link("lib"), "lib/l": "l"}), Package("l32", files={"lib32": Link("lib")}),
            Package("thru", "1", files={"lib64/t": "t"}), Package("thru", "2", files={"lib64/t": "t2", "lib64/more": "more"}),
            Package("thru", "3", files={"lib/t": "t3"}), Package("same", files={"lib/t": "another"}), Package("equal", files={"lib/t": "t"}),
            Package("also", files={"lib32/t": "another"}), Package("below", files={"lib/t/below": "below"}),
            Package("loser", files={"lib64/t": "loser"}), Package("upd", "1", files={"u": "1"}), Package("upd", "2", files={"u": "2", "lib/t": "upd"}))
        self.run_in_env("create", *self.from_channel, "l64", "l32", "thru=1", "upd=1")

    def refused(self, command, *specs, packages):
        self.assert_refused(command, *self.from_channel, *specs, says=["two files of packages lead to one place", "lib64/t", *packages])
        self.assertEqual((self.env / "lib64/t").read_text(), "t")

    def test_a_new_package(self):
        for name in ("same", "equal", "also", "below"):
            with self.subTest(name=name):
                self.refused("install", name, packages=["thru-1-0", f"{name}-1.0-0"])

    def test_an_update(self):
        self.refused("update", "upd", packages=["thru-1-0", "upd-2-0"])
        self.refused("install", "upd=2", "same", packages=["same"])

    def test_the_other_order(self):
        for name in ("same", "equal", "also"):
            with self.subTest(name=name):
                self.run_in_env("create", "--force", *self.from_channel, "l64", "l32", name)
                self.assert_refused("install", *self.from_channel, "thru=1", says=["lib64/t", f"{name}-1.0-0"])

    def test_what_works(self):
        (self.env / "lib/more").write_text("mine")
        self.run_in_env("install", *self.from_channel, "thru=2")
        self.run_in_env("install", *self.from_channel, "thru=3")
        self.run_in_env("install", *self.from_channel, "thru=1", "--force-reinstall")
        self.envtool("verify", "-n", "e")
        self.run_in_env("remove", "thru")
        self.run_in_env("install", *self.from_channel, "same")
        self.run_in_env("rollback", "0")
        self.assertEqual((self.env / "lib64/t").read_text(), "t")
        self.envtool("verify", "-n", "e")
        self.assertEqual([p.read_text() for p in self.env.rglob("*envtool-saved*")], ["mine"])

    def test_a_file_of_the_user(self):
        self.run_in_env("remove", "thru")
        (self.env / "lib/t").write_text("mine")
        self.run_in_env("install", *self.from_channel, "same")
        self.assertEqual([p.read_text() for p in (self.env / "lib").glob("t.envtool-saved*")], ["mine"])
        self.envtool("verify", "-n", "e")

    def test_a_path_put_back(self):
        """What gets its path back is not in its own way."""
        self.run_in_env("install", *self.from_channel, "loser")
        first, last = ("loser", "thru") if (self.env / "lib64/t").read_text() == "loser" else ("thru", "loser")
        (self.env / "lib/t").unlink()
        (self.env / "lib/t").write_text("mine")
        self.run_in_env("remove", first)
        self.assertEqual((self.env / "lib64/t").read_text(), "loser" if last == "loser" else "t")
        self.envtool("verify", "-n", "e")


class Returns(BehindLinks):
    """Changes that bring back what was there before."""

    def test_rollback(self):
        channel = self.channel(Package("lnk", "1", files={"share/lnk": Link("real"), "share/real/x": "x"}),
                               Package("thru", files={"share/lnk/owned": "owned"}), Package("user", files={"share/u": "u"}))
        self.run_in_env("create", *channel, "lnk", "thru")
        self.run_in_env("install", *channel, "user")
        self.run_in_env("remove", "lnk", "thru")
        self.assertEqual(sorted(p.name for p in (self.env / "share").iterdir()), ["u"])
        # The user has put a symlink where the package's folder has to be.
        (self.env / "share/real").symlink_to(self.outside)
        for command in (["rollback", "0"], ["install", "--revision", "0"]):
            with self.subTest(command=command):
                self.assert_refused(*command, says=["share"])

    def test_remove_that_gives_a_loser_its_path_back(self):
        channel = self.channel(Package("a", files={"share/lnk": Link(str(self.outside))}), Package("b", files={"share/lnk": Link("real"), "share/real/x": "x"}, depends=["a"]),
                               Package("thru", files={"share/lnk/owned": "owned"}))
        # `b` has the path, `a` waits with its symlink.
        self.run_in_env("create", *channel, "a", "b")
        self.run_in_env("install", *channel, "thru")
        self.assertEqual((self.env / "share/real/owned").read_text(), "owned")
        self.assert_refused("remove", "b", says=["share/lnk"], is_whole=False)


if __name__ == "__main__":
    support.main()
