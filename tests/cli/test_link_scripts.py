"""Link scripts (CEP 32): not run unless the user allows it; then confined, timed, and undone when they fail."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import support
from made_channel import Package, Text, write_channel
from support import CHANNEL, CliTest, files_of_packages, manifest, packages, wait_until


def script(name, version="1.0", post=None, pre=None, **extra):
    files = {f"share/{name}": version}
    if post is not None:
        files[f"bin/.{name}-post-link.sh"] = Text("#!/bin/sh\n" + post, 0o755)
    if pre is not None:
        files[f"bin/.{name}-pre-unlink.sh"] = Text("#!/bin/sh\n" + pre, 0o755)
    return Package(name, version, files={**files, **extra})


def has_landlock():
    import ctypes
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


class Scripts(CliTest):
    def channel(self, *made):
        self.from_channel = ["-c", write_channel(self.work / "channel", *made), "--override-channels"]

    def allow(self, *lines):
        (self.home.path / ".condarc").write_text("\n".join(["link_scripts: on", *lines, ""]))

    def make(self, *specs, code=0, name="e", **kwargs):
        self.env = self.prefix(name)
        return self.envtool("create", "-y", "-n", name, *self.from_channel, *specs, code=code, **kwargs)

    def install(self, *specs, **kwargs):
        return self.envtool("install", "-y", "-n", "e", *self.from_channel, *specs, **kwargs)

    def assert_no_orphans(self, mark):
        left = [pid for pid in pathlib.Path("/proc").iterdir() if pid.name.isdigit() and self.command_has(pid, mark)]
        self.assertEqual(left, [])

    @staticmethod
    def command_has(pid, mark):
        try:
            return mark.encode() in (pid / "cmdline").read_bytes()
        except OSError:
            return False


class Vandals(Scripts):
    """Scripts that fail after they have changed files of other packages: nobody says that all is as before."""

    def setUp(self):
        super().setUp()
        self.allow()

    def install_vandal(self, damage, *specs):
        self.channel(script("other"), script("folder", **{"lib/folder/a": "a", "lib/folder/b": "b"}),
                     script("vandal", post=damage + "\nexit 3\n"), script("vandal", version="0.9"))
        self.make("other", "folder", *specs)
        before = files_of_packages(self.env)
        return before, self.install("vandal=1.0", code=1)

    def repaired(self, before):
        self.envtool("repair", "-y", "-n", "e", "--offline")
        now = {path: entry for path, entry in files_of_packages(self.env).items() if ".envtool-saved-" not in path and path in before}
        self.assertEqual(now, before)

    def test_a_deleted_folder(self):
        before, result = self.install_vandal("rm -rf $PREFIX/lib/folder")
        self.assertNotIn("is as it was before", result.err)
        self.assert_contains(result.err, "the change was undone, but", "`lib/folder/a`, `lib/folder/b`", f"envtool repair -p {self.env}")
        self.assertEqual(set(packages(self.env)), {"other", "folder"})
        self.repaired(before)

    def test_a_replaced_folder_and_a_changed_file(self):
        before, result = self.install_vandal("rm -rf $PREFIX/lib/folder && ln -s .. $PREFIX/lib/folder\n"
                                             "rm $PREFIX/share/other && printf '2.0' > $PREFIX/share/other", "vandal=0.9")
        self.assertNotIn("is as it was before", result.err)
        self.assert_contains(result.err, "`lib/folder/a`", "`share/other`", "envtool repair")
        self.assertEqual(packages(self.env)["vandal"][0], "0.9")

    def test_many(self):
        before, result = self.install_vandal("rm -rf $PREFIX/share $PREFIX/lib")
        self.assertIn("lib/folder/a", result.err)
        self.repaired(before)

    def test_json_names_them(self):
        self.channel(script("other"), script("vandal", post="rm $PREFIX/share/other; exit 1\n"))
        self.make("other")
        document = self.install("vandal", "--json", code=1).json()
        self.assertEqual(document["paths"], ["share/other"])

    def test_before_the_change(self):
        self.channel(script("other"), script("vandal", pre="rm $PREFIX/share/other; exit 1\n"))
        self.make("other", "vandal")
        result = self.envtool("remove", "-y", "-n", "e", "vandal", code=1)
        self.assert_contains(result.err, "`share/other`", "envtool repair")
        self.assertEqual(set(packages(self.env)), {"other", "vandal"})

    def test_harmless(self):
        before, result = self.install_vandal("touch $PREFIX/share/mine")
        self.assert_contains(result.err, "the change was undone: the environment is as it was before")


class NotRun(Scripts):
    def test_one_line_for_all(self):
        self.channel(script("a", post="touch $PREFIX/ran\n"), script("b", post="touch $PREFIX/ran\n"), script("c"))
        result = self.make("a", "b", "c")
        lines = [line for line in result.err.splitlines() if "link scripts" in line]
        self.assertEqual(len(lines), 1, result)
        self.assert_contains(lines[0], "2 packages have link scripts, which were not run: a-1.0-0, b-1.0-0", "link_scripts: on")
        self.assertFalse((self.env / "ran").exists())
        document = self.envtool("create", "-n", "f", "--json", *self.from_channel, "a", "b").json()
        self.assertEqual([text for text in document["warnings"] if "link scripts" in text and "2 packages" in text], document["warnings"])
        self.envtool("remove", "-y", "-n", "e", "a")

    def test_off_is_quiet(self):
        self.channel(script("a", post="touch $PREFIX/ran\n"))
        for value in ("off", "false"):
            (self.home.path / ".condarc").write_text(f"link_scripts: {value}\n")
            self.assertNotIn("link script", self.make("a", name=f"e-{value}").err)
            self.assertFalse((self.env / "ran").exists())

    def test_only_the_users_own_file_allows_it(self):
        self.channel(script("a", post="touch $PREFIX/ran\n"), Package("sly", files={".condarc": "link_scripts: on\n", "condarc": "link_scripts: on\n"}))
        self.make("sly")
        result = self.envtool("install", "-y", "-p", self.env, *self.from_channel, "a")
        self.assertFalse((self.env / "ran").exists(), result)
        self.make("a", name="f", env={"ENVTOOL_LINK_SCRIPTS": "maybe"}, code=1)

    def test_kinds_that_never_run(self):
        self.channel(Package("a", files={"bin/.a-pre-link.sh": "touch $PREFIX/ran\n", "bin/.a-post-unlink.sh": "touch $PREFIX/ran\n"}))
        self.allow()
        self.assertIn("not run: a-1.0-0", self.make("a").err)
        self.envtool("remove", "-y", "-n", "e", "a")
        self.assertFalse((self.env / "ran").exists())


class Run(Scripts):
    def test_surroundings(self):
        self.channel(script("a", post="env | sort > $PREFIX/seen\npwd >> $PREFIX/seen\necho hello from a >> $PREFIX/.messages.txt\n"
                            "echo to stdout\necho to stderr >&2\nls -A \"$HOME\" >> $PREFIX/seen\n"))
        self.allow()
        result = self.make("a", env={"SECRET_TOKEN": "canary", "AWS_SECRET_ACCESS_KEY": "canary", "PYTHONPATH": "/x", "LD_PRELOAD": ""})
        self.assertIn("hello from a", result.err)
        self.assertNotIn("to stdout", result.out)
        self.assertFalse((self.env / ".messages.txt").exists())
        seen = dict(line.split("=", 1) for line in (self.env / "seen").read_text().splitlines() if "=" in line)
        self.assertEqual((seen["PREFIX"], seen["PKG_NAME"], seen["PKG_VERSION"], seen["PKG_BUILDNUM"], seen["ROOT_PREFIX"]),
                         (str(self.env), "a", "1.0", "0", str(self.root)))
        self.assertNotIn(seen["HOME"], (str(self.home.path), ""))
        self.assertFalse(pathlib.Path(seen["HOME"]).exists())
        self.assertEqual(set(seen) - {"_", "SHLVL", "PWD", "OLDPWD"}, {"PREFIX", "ROOT_PREFIX", "PKG_NAME", "PKG_VERSION", "PKG_BUILDNUM", "PATH", "HOME", "TMPDIR", "LC_ALL"})
        self.assertEqual((self.env / "seen").read_text().splitlines()[-1], str(self.env))
        logs = list((self.env / "conda-meta/.envtool/logs").iterdir())
        self.assertEqual(len(logs), 1)
        self.assert_contains(logs[0].read_text(), "to stdout", "to stderr")
        self.assertFalse((self.env / "conda-meta/.envtool/link-scripts").exists())
        self.assert_nothing_left()

    def test_order_and_both_kinds(self):
        log = "$PREFIX/order"
        self.channel(script("low", post=f"echo +low >> {log}\n", pre=f"echo -low >> {log}\n"),
                     Package("high", files={"bin/.high-post-link.sh": f"echo +high >> {log}\n", "bin/.high-pre-unlink.sh": f"echo -high >> {log}\n"}, depends=["low"]))
        self.allow()
        self.make("high")
        self.assertEqual((self.env / "order").read_text(), "+low\n+high\n")
        self.envtool("remove", "-y", "-n", "e", "low")
        self.assertEqual((self.env / "order").read_text(), "+low\n+high\n-high\n-low\n")

    def test_package_of_the_real_channel(self):
        self.from_channel = ["-c", CHANNEL, "--override-channels"]
        self.allow()
        self.assertIn("its post-link script has run", self.make("link-script-demo").err)
        self.assertEqual((self.env / "share/link-script-demo/linked.txt").read_text(), "link-script-demo 1.0 build 0\n")
        self.envtool("remove", "-y", "-n", "e", "link-script-demo")
        self.assertFalse((self.env / "share/link-script-demo/linked.txt").exists())

    def test_update_runs_old_then_new(self):
        log = "$PREFIX/order"
        self.channel(script("a", "1.0", post=f"echo +1 >> {log}\n", pre=f"echo -1 >> {log}\n"), script("a", "2.0", post=f"echo +2 >> {log}\n"))
        self.allow()
        self.make("a=1")
        self.install("a=2")
        self.assertEqual((self.env / "order").read_text(), "+1\n-1\n+2\n")


class Failing(Scripts):
    """A04: the packages' files are the old or the new ones; the exit code says it."""

    def setUp(self):
        super().setUp()
        self.outside = self.home.path / "outside"
        self.outside.mkdir()
        self.made = [script("good"), script("bad", post="echo the reason is this >&2\necho made > $PREFIX/made\nexit 7\n"),
                     script("a", "1.0"), script("a", "2.0", post="exit 1\n"), script("sticky", pre="exit 3\n"),
                     script("slow", post="sleep 4711 & sleep 4711\n"), script("daemon", post="setsid sh -c 'sleep 4712' > /dev/null 2>&1 &\nexit 0\n"),
                     script("reach", post=f"echo x > {self.outside}/file || exit 5\n"),
                     script("records", post="echo x > $PREFIX/conda-meta/planted.json\n")]
        self.channel(*self.made)
        self.allow()

    def test_create(self):
        result = self.make("bad", code=1)
        self.assert_contains(result.err, "exit code 7", "the reason is this", "bad-1.0-0 post-link")
        self.assertFalse(self.env.exists())
        self.assertFalse((self.home.path / ".conda/environments.txt").exists() and str(self.env) in (self.home.path / ".conda/environments.txt").read_text())
        self.assert_nothing_left()

    def test_replacement(self):
        self.make("good")
        self.make("bad", code=1)
        self.assertEqual(set(packages(self.env)), {"good"})
        self.assert_nothing_left()

    def test_install(self):
        self.make("good")
        before = files_of_packages(self.env)
        result = self.install("bad", code=1)
        self.assert_contains(result.err, "exit code 7", "the reason is this", "the change was undone")
        self.assertEqual(set(packages(self.env)), {"good"})
        after = files_of_packages(self.env)
        self.assertEqual(after.pop("made")[0], "file")  # the script's own; no package owns it
        self.assert_same_tree(before, after)
        self.assertFalse((self.env / "conda-meta/.envtool/link-scripts").exists())
        document = self.install("bad", "--json", code=1).json()
        self.assertFalse(document["success"])
        self.install("good")

    def test_update(self):
        self.make("a=1")
        before = files_of_packages(self.env)
        self.install("a=2", code=1)
        self.assertEqual(packages(self.env)["a"][0], "1.0")
        self.assert_same_tree(before, files_of_packages(self.env))
        # The wish is the old one, too.
        self.assertIn("already installed", self.install("a=1").out)

    def test_update_without_the_old_package(self):
        self.make("a=1")
        self.envtool("clean", "-y", "--all")
        for path in self.home.cache.glob("a-1.0-0*"):
            subprocess.run(["rm", "-rf", path], check=True)
        self.install("a=2", code=1)
        self.assertEqual(packages(self.env)["a"][0], "1.0")
        self.assertEqual((self.env / "share/a").read_text(), "1.0")

    def test_pre_unlink(self):
        self.make("sticky")
        before = files_of_packages(self.env)
        self.assertIn("exit code 3", self.envtool("remove", "-y", "-n", "e", "sticky", code=1).err)
        self.assertEqual(set(packages(self.env)), {"sticky"})
        self.assert_same_tree(before, files_of_packages(self.env))
        (self.home.path / ".condarc").unlink()
        self.envtool("remove", "-y", "-n", "e", "sticky")

    def test_hangs(self):
        self.allow("link_script_timeout: 1")
        self.make("good")
        started = time.monotonic()
        result = self.install("slow", code=1)
        self.assertLess(time.monotonic() - started, 15)
        self.assert_contains(result.err, "did not end within 1 s", "the change was undone")
        self.assertEqual(set(packages(self.env)), {"good"})
        self.assert_no_orphans("4711")

    def test_interrupted(self):
        self.make("good")
        process = self.start("install", "-y", "-n", "e", *self.from_channel, "slow")
        self.addCleanup(support.end, process)
        wait_until(lambda: [pid for pid in pathlib.Path("/proc").iterdir() if pid.name.isdigit() and self.command_has(pid, "4711")])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, out + err)
        self.assertEqual(set(packages(self.env)), {"good"})
        self.assert_no_orphans("4711")

    def test_killed(self):
        self.make("good")
        process = self.start("install", "-y", "-n", "e", *self.from_channel, "slow")
        self.addCleanup(support.end, process)
        wait_until(lambda: [pid for pid in pathlib.Path("/proc").iterdir() if pid.name.isdigit() and self.command_has(pid, "4711")])
        process.kill()
        process.communicate()
        wait_until(lambda: not [pid for pid in pathlib.Path("/proc").iterdir() if pid.name.isdigit() and self.command_has(pid, "4711")])
        # The packages are the new ones, whole; that a script did not end is said by what looks at it and by what changes it.
        self.assertEqual(set(packages(self.env)), {"good", "slow"})
        self.assertIn("did not end", self.envtool("list", "-n", "e").err)
        (self.home.path / ".condarc").unlink()
        self.assertIn("did not end", self.install("a=1").err)
        self.allow("link_script_timeout: 1")
        self.assertIn("did not end within 1 s", self.install("a=1", "good", "records", code=1).err)
        (self.home.path / ".condarc").unlink()
        self.envtool("remove", "-y", "-n", "e", "slow")
        self.allow()
        self.install("sticky")
        self.assertFalse((self.env / "conda-meta/.envtool/link-scripts").exists())

    def test_killed_with_what_the_script_started(self):
        self.channel(script("good"), script("late", post="(sleep 4713; rm $PREFIX/share/good) &\nsh -c 'sleep 4714'; rm $PREFIX/share/good\n"))
        self.make("good")
        process = self.start("install", "-y", "-n", "e", *self.from_channel, "late")
        self.addCleanup(support.end, process)

        def sleepers():
            return [pid for pid in pathlib.Path("/proc").iterdir() if pid.name.isdigit() and (self.command_has(pid, "4713") or self.command_has(pid, "4714"))]
        wait_until(lambda: len(sleepers()) >= 2)
        process.kill()
        process.communicate()
        wait_until(lambda: not sleepers())
        self.assertTrue((self.env / "share/good").exists())

    def test_background(self):
        self.make("daemon")
        self.assert_no_orphans("sleep 4712"[6:])

    def test_writes_outside(self):
        if not has_landlock():
            self.skipTest("the kernel has no Landlock")
        home = self.home.path
        canary = home / "canary"
        canary.write_text("secret canary")
        work = {"write": f"echo x > {self.outside}/file", "append": f"echo x >> {canary}", "remove": f"rm {canary}", "move": f"mv {canary} {self.outside}/c",
                "link": f"ln {canary} $PREFIX/linked", "folder": f"mkdir {self.outside}/folder", "symlink": f"ln -s $PREFIX {self.outside}/link",
                "through": f"ln -s {self.outside} $PREFIX/way && echo x > $PREFIX/way/file", "truncate": f": > {canary}",
                "read": f"cat {canary} > $PREFIX/stolen && test -s $PREFIX/stolen", "tmp": "echo x > /tmp/envtool-test-canary-$$",
                "shadow": "cat /etc/shadow", "signal": f"kill -0 {os.getpid()}"}
        self.channel(*[script(name, post=f"{command} && echo went through > $PREFIX/through-{name}\nexit 0\n") for name, command in work.items()])
        self.make(*work)
        self.assertEqual(sorted(path.name for path in self.env.glob("through-*")), [])
        self.assertEqual(canary.read_text(), "secret canary")
        self.assertEqual(list(self.outside.iterdir()), [])
        self.assertNotIn(b"secret canary", b"".join(path.read_bytes() for path in self.env.rglob("*") if path.is_file()))

    def test_reach_is_a_failure_like_any_other(self):
        if not has_landlock():
            self.skipTest("the kernel has no Landlock")
        self.make("good")
        self.assertIn("exit code 5", self.install("reach", code=1).err)
        self.assertEqual(set(packages(self.env)), {"good"})

    def test_network(self):
        if not has_landlock():
            self.skipTest("the kernel has no Landlock")
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.5)
            port = server.getsockname()[1]
            self.channel(script("net", post=f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' && touch $PREFIX/connected\nexit 0\n"))
            self.make("net")
            import ctypes
            if ctypes.CDLL(None).syscall(444, None, 0, 1) >= 4:
                self.assertFalse((self.env / "connected").exists())

    def test_the_environments_own_records(self):
        self.make("good")
        self.assertIn("changed the environment's own records", self.install("records", code=1).err)
        # They are put back, and the change is undone.
        self.assertFalse((self.env / "conda-meta/planted.json").exists())
        self.assertEqual(set(packages(self.env)), {"good"})
        history = (self.env / "conda-meta/history").read_text()
        for number, command in enumerate(("rm -rf $PREFIX/conda-meta/*", "echo x > $PREFIX/conda-meta/history", "rm $PREFIX/conda-meta/history && ln -s /etc/passwd $PREFIX/conda-meta/history",
                                          "mkdir -p $PREFIX/conda-meta/.envtool/tx/new", "echo {} > $PREFIX/conda-meta/state", "chmod 777 $PREFIX/conda-meta/history")):
            self.channel(script("good"), script(f"evil{number}", post=command + "\n"))
            result = self.install(f"evil{number}", code=None)
            self.assertEqual((self.env / "conda-meta/history").read_text()[:len(history)], history, command)
            self.assertEqual(set(packages(self.env)), {"good"} if result.code else {"good", f"evil{number}"}, command)
            self.assertFalse((self.env / "conda-meta/state").exists())
            if result.code == 0:
                self.envtool("remove", "-y", "-n", "e", f"evil{number}")

    def test_activated_meanwhile(self):
        self.channel(script("good"), script("slow", post="touch $PREFIX/begun; for i in 1 2 3 4 5 6 7 8 9 10; do test -e $PREFIX/go && exit 0; sleep 0.5; done\nexit 1\n"))
        self.make("good")
        self.assertFalse((self.env / "conda-meta/last_activated").exists())
        process = self.start("install", "-y", "-n", "e", *self.from_channel, "slow")
        self.addCleanup(support.end, process)
        wait_until(lambda: (self.env / "begun").exists())
        self.envtool("run", "-n", "e", "touch", self.env / "go")
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, out + err)
        self.assertTrue((self.env / "conda-meta/last_activated").exists())
        self.assertEqual(set(packages(self.env)), {"good", "slow"})

    def test_frozen_by_a_script(self):
        # CEP 22 leaves them that.
        self.channel(script("good"), script("ice", post="echo '{\"message\": \"by ice\"}' > $PREFIX/conda-meta/frozen\n"))
        self.make("ice")
        self.assertIn("by ice", self.install("good", code=1).err)

    def test_much_output(self):
        self.channel(script("loud", post="yes 0123456789012345678901234567890123456789 | head -c 30000000\nexit 9\n"))
        result = self.make("loud", code=1)
        self.assertLess(len(result.err), 5000)

    def test_output_is_escaped(self):
        self.channel(script("odd", post="printf '\\033[31mred\\n' >&2\nprintf '\\033]0;title\\007\\n' >> $PREFIX/.messages.txt\n"), script("odd2", post="printf '\\033[31mred\\n'\nexit 1\n"))
        self.assertNotIn("\x1b", self.make("odd").err)
        self.assertNotIn("\x1b", self.install("odd2", code=1).err)

    def test_messages_behind_a_symlink(self):
        secret = self.home.path / "secret"
        secret.write_text("secret canary")
        self.channel(script("peek", post=f"ln -s {secret} $PREFIX/.messages.txt\n"))
        self.assertNotIn("canary", self.make("peek").err)
        self.assertTrue(secret.exists())


if __name__ == "__main__":
    support.main()
