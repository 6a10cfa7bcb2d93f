"""A change that was decided and can never be finished: `repair` takes it back, from every step on."""
import os
import shutil
import signal
import subprocess

import support
from made_channel import Link, Package, Text, write_channel
from support import CliTest, manifest, without_lock

STUCK = "install.apply:1+:EPERM"
# Only the way forward fails: a step is tried three times, and a rule that strikes hides the pass from the next.
ONCE = ",".join(["install.apply:1:EPERM"] * 3)


class Stuck(CliTest):
    def setUp(self):
        super().setUp()
        self.env = self.prefix("e")
        folder = write_channel(
            self.work / "channel",
            Package("p", "1", {"etc/p.conf": Text("at {prefix} 1\n"), "lib/p/data": "one", "lib/p/gone/deep": "deep", "lib/p/dir/x": "x",
                               "lib/p/link": Link("data"), "share/both": "of p", "share/turn": "a file"}),
            Package("p", "2", {"etc/p.conf": Text("at {prefix} 2\n"), "lib/p/data": "two two", "lib/p/new/deep": "new", "lib/p/dir": Link("new"),
                               "lib/p/link": Link("new/deep"), "share/both": "of p 2", "share/turn/into": "a folder"}),
            Package("loser", "1", {"share/both": "of the loser"}),
            Package("winner", "1", {"share/both": "of the winner"}),
            Package("other", "1", {"lib/p/data2": "x"}))
        self.channel = ("-c", folder, "--override-channels")
        self.envtool("create", "-y", "-n", "e", *self.channel, "p=1", "loser", "winner")
        # What is the user's: a file, an edited file of a package, one in the way of a new file.
        (self.env / "mine").write_text("mine")
        (self.env / "lib/p/gone/mine").write_text("mine")
        (self.env / "etc/p.conf").unlink()
        (self.env / "etc/p.conf").write_text("edited")
        (self.env / "lib/p/data2").write_text("mine, in the way")
        self.old = self.tree()
        if self.envtool("list", "-n", "e", code=None, env={"ENVTOOL_FAILPOINT": "nonsense"}).code >= 0:
            probe = self.change("nonsense")
            if probe.code >= 0:
                self.skipTest("this binary has no fail points (built without ENVTOOL_FAILPOINTS)")

    def tree(self):
        # A folder of ours may be left empty.
        return {path: entry for path, entry in without_lock(manifest(self.env)).items()
                if path not in ("conda-meta/.envtool/parked", "conda-meta/.envtool/logs")}

    def change(self, failpoint):
        return self.envtool("install", "-y", "-n", "e", *self.channel, "p=2", "other", code=None, env={"ENVTOOL_FAILPOINT": failpoint})

    def is_decided(self):
        return (self.env / "conda-meta/.envtool/tx/journal.ready").exists()

    def repair(self, failpoint=STUCK, code=None):
        return self.envtool("repair", "-y", "-n", "e", "--offline", code=code, env={"ENVTOOL_FAILPOINT": failpoint} if failpoint else {})

    def assert_old(self, note=""):
        self.assert_same_tree(self.tree(), self.old)
        self.assertFalse((self.env / "conda-meta/.envtool/tx").exists(), note)


class EveryStep(Stuck):
    # The user's edit is no damage that `repair` may not see: it says so and leaves or saves it; here only the way back counts.
    def setUp(self):
        super().setUp()
        (self.env / "etc/p.conf").unlink()
        (self.env / "etc/p.conf").write_text(f"at {self.env} 1\n")
        self.old = self.tree()

    def steps(self):
        for number in range(1, 200):
            result = self.change(f"install.apply:{number}+:EPERM")
            if result.code == 0:
                self.assertGreater(number, 12)
                return
            self.assert_contains(result.err, "a change is decided but could not be finished", "envtool repair -p")
            self.assertTrue(self.is_decided())
            yield number
        self.fail("no end of steps")

    def test_back_from_every_step(self):
        for number in self.steps():
            with self.subTest(step=number):
                stuck = self.envtool("list", "-n", "e", code=None, env={"ENVTOOL_FAILPOINT": STUCK})
                self.assertEqual(stuck.code, 1)
                self.assert_contains(stuck.err, "envtool repair -p")
                result = self.repair(code=0)
                self.assert_contains(result.out, "taken back")
                self.assert_old()

    def test_killed_while_it_is_taken_back(self):
        points = ["undo.decided:1", "undo.applied:1", "undo.done:1", *(f"install.undo:{n}" for n in (1, 2, 3, 5, 8, 13, 18, 23))]
        for number in self.steps():
            if number % 4 != 1:
                self.repair(code=0)
                continue
            with self.subTest(step=number):
                point = points[number // 4 % len(points)]
                killed = self.repair(f"{STUCK},{point}:kill")
                self.assertIn(killed.code, (-signal.SIGKILL, 0), killed)
                # Any command goes on with it, without a word about finishing.
                self.envtool("list", "-n", "e", env={"ENVTOOL_FAILPOINT": STUCK})
                self.assert_old(point)

    def test_forward_when_the_cause_is_gone(self):
        for number in self.steps():
            if number % 5 == 0:
                result = self.repair("", code=0)
                self.assert_contains(result.out, "finished")
                self.assertEqual((self.env / "share/turn/into").read_text(), "a folder")
                return
            self.repair(code=0)

    def test_a_disk_that_refuses_the_way_back_as_well(self):
        for number in self.steps():
            if number == 9:
                result = self.repair(f"{STUCK},install.undo:4+:EIO")
                self.assertEqual(result.code, 1)
                self.assert_contains(result.err, "could not be taken back")
                self.assertTrue(self.is_decided())
                result = self.repair("", code=0)
                self.assert_old()
                return
            self.repair(code=0)


class RealCauses(Stuck):
    def decide(self):
        result = self.change("apply.committed:1:kill")
        self.assertEqual(result.code, -signal.SIGKILL)
        self.assertTrue(self.is_decided())

    def test_a_folder_that_became_a_symlink_out_of_the_environment(self):
        self.decide()
        outside = self.work / "outside"
        shutil.move(self.env / "lib/p", outside)
        (self.env / "lib/p").symlink_to(outside)
        before = manifest(outside)
        listed = self.envtool("list", "-n", "e", code=1)
        self.assert_contains(listed.err, "envtool repair -p")
        self.repair("")
        self.assertEqual(manifest(outside), before)
        # With the folder back, everything is as before.
        (self.env / "lib/p").unlink(missing_ok=True)
        shutil.move(outside, self.env / "lib/p")
        self.repair("")
        self.assertFalse((self.env / "conda-meta/.envtool/tx").exists())
        self.assertEqual((self.env / "share/turn").read_text(), "a file")
        self.assertEqual((self.env / "lib/p/data").read_text(), "one")

    def test_no_folder_for_our_own_records(self):
        """Seen before the decision: nothing is stuck, and nothing has changed."""
        place = self.env / "conda-meta/.envtool/revisions"
        kept = self.work / "revisions"
        place.rename(kept)
        for name, make in (("FIFO", lambda: os.mkfifo(place)), ("file", lambda: place.write_text("x")), ("symlink", lambda: place.symlink_to(self.work)),
                           ("dangling", lambda: place.symlink_to("nowhere"))):
            with self.subTest(name=name):
                before = self.tree()
                make()
                result = self.change("")
                self.assertEqual(result.code, 1, result)
                self.assert_contains(result.err, "no folder to go to", str(place), "move it away")
                self.assertFalse(self.is_decided())
                self.envtool("list", "-n", "e")
                place.unlink()
                self.assert_same_tree(self.tree(), before)
        kept.rename(place)
        self.assertEqual(self.change("").code, 0)

    def test_an_immutable_folder(self):
        folder = self.env / "share"
        self.decide()
        if os.geteuid() != 0 or subprocess.run(["chattr", "+i", folder], capture_output=True).returncode != 0:
            self.skipTest("no immutable folders here")
        try:
            self.assertEqual(self.envtool("list", "-n", "e", code=None).code, 1)
            result = self.repair("")
            # The folder was never changed, so nothing has to be put back there.
            self.assert_contains(str(result), "taken back")
            self.assertEqual((self.env / "lib/p/data").read_text(), "one", result)
        finally:
            subprocess.run(["chattr", "-i", folder], check=True)

    def test_an_old_file_that_is_gone(self):
        self.change("install.apply:22+:EPERM")
        old = [path for path in (self.env / "conda-meta/.envtool/tx").rglob("*") if path.is_file() and path.read_bytes() == b"one"]
        if not old:
            self.fail("the old file is nowhere")
        for path in old:
            path.unlink()
        result = self.repair(ONCE)
        self.assert_contains(result.out, "but for these paths: lib/p/data")
        # The package cache has it.
        self.assertEqual((self.env / "lib/p/data").read_text(), "one")

    def test_what_the_user_made_meanwhile_is_kept(self):
        self.change("install.apply:22+:EPERM")
        (self.env / "lib/p/data").unlink()
        (self.env / "lib/p/data").write_text("the user's newest")
        self.repair()
        kept = [path for path in (self.env / "lib/p").iterdir() if path.is_file() and path.read_text() == "the user's newest"]
        self.assertEqual(len(kept), 1, sorted(p.name for p in (self.env / "lib/p").iterdir()))
        self.assertEqual((self.env / "lib/p/data").read_text(), "one")

    def test_json(self):
        self.change("install.apply:10+:EPERM")
        result = self.envtool("repair", "-y", "-n", "e", "--json", "--offline", code=None, env={"ENVTOOL_FAILPOINT": ONCE})
        self.assertEqual(result.json().get("pending"), "undone", result)


if __name__ == "__main__":
    support.main()
