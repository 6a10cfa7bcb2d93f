"""Several processes and one environment: writers wait, say for whom, and give up in time; readers never wait."""
import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import support
import terminal
from made_channel import Package, write_channel
from support import CliTest, packages, wait_until

F_OFD_SETLK = 37


@contextlib.contextmanager
def held(env, text=None):
    """The environment's lock, as another process holds it."""
    path = env / "conda-meta/.envtool/lock"
    path.parent.mkdir(exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.fcntl(file, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        os.ftruncate(file, 0)
        os.pwrite(file, (text or f"pid {os.getpid()}\nhost {socket.gethostname()}\nboot \nstarted \ncommand the other one\n").encode(), 0)
        yield
    finally:
        os.close(file)


class Locked(CliTest):
    def setUp(self):
        super().setUp()
        self.channel = write_channel(self.work / "channel", Package("tool", files={"bin/tool": "#!/bin/sh\necho tool\n"}),
                                     Package("other", files={"share/other": "o"}))
        self.envtool("create", "-q", "-y", "-n", "e", "-c", self.channel, "--override-channels", "tool")
        self.env = self.prefix("e")
        self.install = ["install", "-y", "-n", "e", "-c", self.channel, "--override-channels", "other"]

    def test_gives_up_in_time(self):
        with held(self.env):
            for seconds in (0, 1):
                started = time.monotonic()
                result = self.envtool(*self.install, "--lock-timeout", seconds, code=75)
                self.assertLess(time.monotonic() - started, seconds + 3)
                self.assertGreaterEqual(time.monotonic() - started, seconds)
            for part in (f"process {os.getpid()}", socket.gethostname(), "(the other one)"):
                self.assertIn(part, result.err)
            document = self.envtool(*self.install, "--lock-timeout", "0", "--json", code=75).json()
            self.assertEqual((document["success"], document["exception_name"], document["exit_code"]), (False, "LockError", 75))
        self.assertEqual(set(packages(self.env)), {"tool"})

    def test_setting(self):
        (self.home.path / ".condarc").write_text("lock_timeout: 0\n")
        with held(self.env):
            self.envtool(*self.install, code=75, timeout=20)
        (self.home.path / ".condarc").unlink()
        with held(self.env):
            self.envtool(*self.install, code=75, env={"ENVTOOL_LOCK_TIMEOUT": "0"}, timeout=20)
        self.assertIn("lock", self.envtool(*self.install, code=1, env={"ENVTOOL_LOCK_TIMEOUT": "soon"}).err)
        self.envtool(*self.install, "--lock-timeout", "-1", code=2)

    def test_every_change_waits(self):
        with held(self.env):
            for command in (self.install, ["remove", "-y", "-n", "e", "tool"], ["env", "remove", "-y", "-n", "e"], ["rename", "-n", "e", "f"],
                            ["create", "-n", "f", "--clone", "e"], ["freeze", "-n", "e"], ["env", "config", "vars", "set", "-n", "e", "A=b"],
                            ["create", "-y", "-n", "e", "-c", self.channel, "--override-channels", "other"]):
                result = self.envtool(*command, "--lock-timeout", "0", code=75)
                self.assertIn("the other one", result.err, command)
        self.assertEqual(set(packages(self.env)), {"tool"})
        self.assertFalse(self.prefix("f").exists())
        self.assert_nothing_left()

    def test_waits_and_goes_on(self):
        with held(self.env):
            process = self.start(*self.install)
            self.addCleanup(support.end, process)
            line = wait_until(process.stderr.readline)
            while "Waiting" not in line:
                line = wait_until(process.stderr.readline)
            for part in (f"process {os.getpid()}", socket.gethostname(), "(the other one)"):
                self.assertIn(part, line)
            self.assertIsNone(process.poll())
        self.assertEqual(process.wait(timeout=30), 0)
        self.assertEqual(set(packages(self.env)), {"tool", "other"})

    def test_the_holder_says_what_it_does(self):
        # A real one: it waits for the lock of the new place with the lock of the old one in its hands.
        self.envtool("create", "-q", "-y", "-n", "taken")
        with held(self.prefix("taken")):
            process = self.start("rename", "--force", "-n", "e", "taken")
            self.addCleanup(support.end, process)
            line = ""
            while "Waiting" not in line:
                line = wait_until(process.stderr.readline)
            result = self.envtool(*self.install, "--lock-timeout", "0", code=75)
            self.assert_contains(result.err, f"process {process.pid} on {socket.gethostname()}", "rename --force -n e taken)")
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=5), 130)
        self.assertEqual(set(packages(self.env)), {"tool"})

    def test_secrets_are_not_told(self):
        with held(self.env):
            process = self.start("create", "-y", "-n", "x", "--clone", "e")
            self.addCleanup(support.end, process)
        process.communicate(timeout=30)
        url = "http://user:canary-4711@127.0.0.1:9/channel"
        self.envtool("install", "-y", "-n", "e", "-c", url, "other", code=None, env={"CONDA_REMOTE_MAX_RETRIES": "0"})
        for path in self.env.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"canary-4711", path.read_bytes())

    def test_interrupted_while_waiting(self):
        with held(self.env):
            for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
                process = self.start(*self.install)
                self.addCleanup(support.end, process)
                line = ""
                while "Waiting" not in line:
                    line = wait_until(process.stderr.readline)
                started = time.monotonic()
                process.send_signal(number)
                self.assertEqual(process.wait(timeout=5), code)
                self.assertLess(time.monotonic() - started, 2)

    def test_readers_never_wait(self):
        with held(self.env):
            started = time.monotonic()
            self.assertIn("tool", self.envtool("list", "-n", "e").out)
            self.assertEqual(self.envtool("run", "-n", "e", "tool").out, "tool\n")
            self.assertIn(str(self.env), self.envtool("shell", "activate", "e", "--shell", "bash").out)
            self.envtool("env", "export", "-n", "e")
            self.envtool("env", "list")
            self.envtool("env", "config", "vars", "list", "-n", "e")
            self.envtool("install", "-d", "-y", "-n", "e", "-c", self.channel, "--override-channels", "other")
            self.assertLess(time.monotonic() - started, 5)

    def test_readers_while_a_change_is_under_way(self):
        # A change that is not finished, by a process that lives.
        (self.env / "conda-meta/.envtool/tx/new").mkdir(parents=True)
        with held(self.env):
            self.assertEqual(self.envtool("run", "-n", "e", "tool").out, "tool\n")
            self.assertIn("tool", self.envtool("list", "-n", "e").out)
        self.assertTrue((self.env / "conda-meta/.envtool/tx/new").exists())

    def while_waiting(self, command, change, env=None):
        """What the command ends with when `change` happens between its plan and its turn."""
        with held(env or self.env):
            process = self.start(*command)
            self.addCleanup(support.end, process)
            if "--json" in command:
                time.sleep(2)  # it does not say that it waits
            else:
                while "Waiting" not in wait_until(process.stderr.readline):
                    pass
            change()
        out, err = process.communicate(timeout=30)
        return support.Result(process.returncode, out, err)

    def other_version_of_tool(self):
        record = next((self.env / "conda-meta").glob("tool-*.json"))
        document = json.loads(record.read_text())
        record.unlink()
        record.with_name("tool-9.9-0.json").write_text(json.dumps({**document, "version": "9.9", "build": "0"}))

    def test_planned_anew(self):
        result = self.while_waiting(self.install, self.other_version_of_tool)
        self.assertEqual(result.code, 0, result)
        self.assertIn("planned anew, with the same changes", result.err)
        self.assertEqual(packages(self.env), {"tool": ("9.9", "0"), "other": ("1.0", "0")})
        self.assert_nothing_left()

    def bring_lib(self):
        """Somebody else installs `lib`."""
        source = next((self.prefix("with-lib") / "conda-meta").glob("lib-*.json"))
        (self.env / "share").mkdir(exist_ok=True)
        (self.env / "share/lib").write_text("l")
        (self.env / "conda-meta" / source.name).write_bytes(source.read_bytes())

    def prepare_lib(self):
        write_channel(self.channel, Package("tool", files={"bin/tool": "#!/bin/sh\necho tool\n"}), Package("other", files={"share/other": "o"}),
                      Package("lib", files={"share/lib": "l"}), Package("app", files={"share/app": "a"}, depends=["lib"]))
        self.envtool("create", "-q", "-y", "-n", "with-lib", "-c", self.channel, "--override-channels", "lib", "--repodata-ttl", "0")
        return ["install", "-n", "e", "-c", self.channel, "--override-channels", "app", "--repodata-ttl", "0"]

    def test_other_changes_than_planned(self):
        install = self.prepare_lib()
        result = self.while_waiting([*install, "-y"], self.bring_lib)
        self.assertEqual(result.code, 0, result)
        self.assertEqual([line for line in result.err.splitlines() if "planned anew" in line],
                         [f"note: another process changed {self.env} in the meantime: planned anew"])
        self.assert_contains(result.out, "2 to install", "1 to install")
        self.assertEqual(set(packages(self.env)), {"tool", "lib", "app"})

    def test_planned_anew_in_json(self):
        install = self.prepare_lib()
        document = self.while_waiting([*install, "--json", "-y"], self.bring_lib).json()
        self.assertEqual([item["name"] for item in document["actions"]["LINK"]], ["app"])
        self.assertIn("planned anew", str(document["warnings"]))

    def test_nothing_left_to_do(self):
        self.envtool("create", "-q", "-y", "-n", "with-other", "-c", self.channel, "--override-channels", "other")
        source = next((self.prefix("with-other") / "conda-meta").glob("other-*.json"))
        result = self.while_waiting(self.install, lambda: (self.env / "conda-meta" / source.name).write_bytes(source.read_bytes()))
        self.assertEqual(result.code, 0, result)
        self.assertIn("already installed", result.out)

    def test_a_person_is_asked_again(self):
        class Then(str):
            """An answer before which something happens."""
            def encode(self, *arguments):
                self.action()
                return super().encode(*arguments)
        install = self.prepare_lib()
        for second, code in (("n\n", 1), ("y\n", 0)):
            first = Then("y\n")
            first.action = self.bring_lib if second == "n\n" else lambda: next((self.env / "conda-meta").glob("lib-*.json")).unlink()
            got, shown = terminal.on_terminal([support.ENVTOOL, *install], {**self.environ, "TERM": "xterm"}, self.work,
                                              [("Go ahead?", first), ("planned anew", second)])
            self.assertEqual(got, code, shown)
            self.assertEqual(shown.count("Go ahead?"), 2, shown)
        self.assertEqual(set(packages(self.env)), {"tool", "lib", "app"})

    def test_a_rollback_is_not_planned_anew(self):
        # Which change it should take back is no longer clear.
        self.envtool(*self.install)
        result = self.while_waiting(["rollback", "-y", "-n", "e"], self.other_version_of_tool)
        self.assertEqual(result.code, 75, result)
        self.assert_contains(result.err, "changed by another process", "run the command again")
        self.assertEqual(set(packages(self.env)), {"tool", "other"})

    def test_two_creations_of_one_name(self):
        create = ["create", "-n", "new", "-c", self.channel, "--override-channels", "tool"]
        class Then(str):
            def encode(then, *arguments):
                self.envtool(*create, "-y", "-q")
                return str.encode(then, *arguments)
        code, shown = terminal.on_terminal([support.ENVTOOL, *create], {**self.environ, "TERM": "xterm"}, self.work, [("Go ahead?", Then("y\n"))])
        self.assertEqual(code, 1, shown)
        self.assert_contains(shown, "there is an environment already", "another process made it in the meantime")
        self.assertNotIn("remove it", shown)
        self.assertEqual(set(packages(self.prefix("new"))), {"tool"})
        self.assert_nothing_left()

    def test_installs_at_once(self):
        names = [f"p{number}" for number in range(6)]
        write_channel(self.channel, *(Package(name, files={f"share/{name}": name}) for name in names))
        processes = [self.start("install", "-y", "-n", "e", "-c", self.channel, "--override-channels", "--repodata-ttl", "0", name) for name in names]
        for process in processes:
            self.addCleanup(support.end, process)
        codes = [(process.communicate(timeout=60), process.returncode)[1] for process in processes]
        self.assertEqual(codes, [0] * len(names))
        self.assertEqual(set(packages(self.env)), {"tool", *names})

    def test_killed_holder(self):
        # The kernel gives its lock back; what the file says of it is of no account.
        script = ("import fcntl, os, struct, sys, time\n"
                  f"f = os.open({str(self.env / 'conda-meta/.envtool/lock')!r}, os.O_RDWR | os.O_CREAT)\n"
                  f"fcntl.fcntl(f, {F_OFD_SETLK}, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0))\n"
                  "os.pwrite(f, b'pid %d\\nhost elsewhere\\ncommand x\\n' % os.getpid(), 0)\n"
                  "print('held', flush=True)\ntime.sleep(600)\n")
        holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        self.addCleanup(holder.stdout.close)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        self.assertEqual(holder.stdout.readline(), "held\n")
        self.assertIn("elsewhere", self.envtool(*self.install, "--lock-timeout", "0", code=75).err)
        threading.Timer(0.5, holder.kill).start()
        started = time.monotonic()
        self.envtool(*self.install)
        self.assertLess(time.monotonic() - started, 10)


class WithoutLockCalls(CliTest):
    """Where the file system knows no locks a folder stands in, with a heartbeat."""

    def setUp(self):
        super().setUp()
        self.channel = write_channel(self.work / "channel", Package("tool", files={"share/tool": "t"}))
        self.envtool("create", "-q", "-y", "-n", "e")
        self.env = self.prefix("e")
        self.lock = self.env / "conda-meta/.envtool/lock.d"
        probe = self.envtool("create", "-y", "-n", "probe", code=None, env={"ENVTOOL_FAILPOINT": "nonsense"})
        if probe.code >= 0:
            self.skipTest("this binary has no fail points (built without ENVTOOL_FAILPOINTS)")

    def install(self, **kwargs):
        return self.envtool("install", "-y", "-n", "e", "-c", self.channel, "--override-channels", "tool", "--lock-timeout", "1",
                            env={"ENVTOOL_FAILPOINT": "os.lock:1+:ENOLCK"}, **kwargs)

    def hold(self, host, age):
        self.lock.mkdir(parents=True)
        file = self.lock / "holder.0123456789abcdef"
        file.write_text(f"pid 4711\nhost {host}\nboot x\nstarted 1\ncommand far away\n")
        os.utime(file, (time.time() - age,) * 2)

    def test_works(self):
        self.install()
        self.assertFalse(self.lock.exists())

    def test_living_holder_of_another_host(self):
        self.hold("node3", 5)
        self.assert_contains(self.install(code=75).err, "process 4711 on node3 (far away)")
        self.assertTrue(self.lock.exists())

    def test_dead_holder_of_another_host(self):
        self.hold("node3", 300)
        self.install()
        self.assertEqual(set(packages(self.env)), {"tool"})
        self.assertFalse(self.lock.exists())

    def test_dead_holder_of_this_host(self):
        # Its boot is over: no heartbeat has to be waited for.
        self.hold(socket.gethostname(), 0)
        self.install()
        self.assertFalse(self.lock.exists())


if __name__ == "__main__":
    support.main()
