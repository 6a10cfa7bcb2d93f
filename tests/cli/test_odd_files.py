"""Pipes, sockets, folders and huge files in the place of an environment's documents: said at once, never waited for."""
import os
import signal
import socket
import subprocess
import time

import support
from made_channel import Package, write_channel
from support import CliTest, packages

LIMIT = 20


class OddFiles(CliTest):
    def setUp(self):
        super().setUp()
        self.channel = write_channel(self.work / "channel", Package("tool", files={"share/tool": "t"}), Package("other", files={"share/other": "o"}))
        self.from_channel = ["-c", self.channel, "--override-channels"]
        self.envtool("create", "-q", "-y", "-n", "e", *self.from_channel, "tool")
        self.env = self.prefix("e")
        self.meta = self.env / "conda-meta"
        self.install = ["install", "-y", "-n", "e", *self.from_channel, "other"]

    def place(self, path, kind):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.rename(path.with_name(path.name + ".before"))
        if kind == "pipe":
            os.mkfifo(path)
        else:
            # Names of sockets are short: it is bound elsewhere, then moved.
            with socket.socket(socket.AF_UNIX) as server:
                server.bind("/tmp/envtool-test-socket-%d" % os.getpid())
            os.rename("/tmp/envtool-test-socket-%d" % os.getpid(), path)

    def put_back(self, path):
        path.unlink()
        before = path.with_name(path.name + ".before")
        if before.exists():
            before.rename(path)

    def refused(self, path, kind, *command):
        result = self.envtool(*command, code=None, timeout=LIMIT)
        self.assertEqual(result.code, 1, (command, result))
        self.assert_contains(result.err, path.name, "not a regular file", f"it is a {kind}")

    def test_documents_of_an_environment(self):
        record = next(self.meta.glob("tool-*.json"))
        readers = {record: (["list", "-n", "e"], self.install, ["remove", "-y", "-n", "e", "tool"], ["env", "export", "-n", "e"]),
                   self.meta / "history": (["history", "-n", "e"], ["list", "--revisions", "-n", "e"], self.install, ["rollback", "-y", "-n", "e"]),
                   self.meta / "state": (["env", "config", "vars", "list", "-n", "e"], ["run", "-n", "e", "true"], ["shell", "activate", "e", "--shell", "bash"]),
                   self.meta / "pinned": (self.install,),
                   self.meta / ".envtool/generation": (self.install,),
                   self.meta / ".envtool/revisions/0.json": (["history", "-n", "e"], self.install)}
        for kind in ("pipe", "socket"):
            for path, commands in readers.items():
                self.place(path, kind)
                for command in commands:
                    with self.subTest(path=path.name, kind=kind, command=command):
                        self.refused(path, kind, *command)
                self.put_back(path)
        self.envtool(*self.install)
        self.assertEqual(set(packages(self.env)), {"tool", "other"})

    def test_frozen(self):
        for kind in ("pipe", "socket"):
            self.place(self.meta / "frozen", kind)
            self.assertIn("frozen", self.envtool(*self.install, code=1, timeout=LIMIT).err)
            self.put_back(self.meta / "frozen")

    def test_device(self):
        record = next(self.meta.glob("tool-*.json"))
        record.unlink()
        record.symlink_to("/dev/zero")
        self.assertIn("it is a device", self.envtool("list", "-n", "e", code=1, timeout=LIMIT).err)

    def test_lists_of_environments(self):
        self.place(self.meta / "history", "pipe")
        self.assertIn("e ", self.envtool("env", "list", timeout=LIMIT).out)
        self.envtool("info", timeout=LIMIT)
        self.assertIn("not a regular file", self.envtool("clean", "--all", "-d", timeout=LIMIT).err)
        self.envtool("create", "-q", "-y", "-n", "f", *self.from_channel, "tool", timeout=LIMIT)
        self.place(self.home.path / ".conda/environments.txt", "pipe")
        self.assertIn("f ", self.envtool("env", "list", timeout=LIMIT).out)
        self.envtool("create", "-q", "-y", "-n", "g", *self.from_channel, "tool", timeout=LIMIT)

    def test_configuration(self):
        condarc = self.home.path / ".condarc"
        self.place(condarc, "pipe")
        self.refused(condarc, "pipe", "env", "list")
        condarc.unlink()
        condarc.symlink_to("/dev/null")  # a usual way to say that there is none
        self.envtool("env", "list", timeout=LIMIT)
        condarc.unlink()
        for options, env in ((["--rc-file", "/dev/stdin"], {}), ([], {"CONDARC": "/dev/stdin"})):
            self.assertIn(str(self.work / "elsewhere"), self.envtool("info", *options, env=env, input=f"envs_dirs: [{self.work}/elsewhere]\n").out)

    def test_named_files_may_be_pipes(self):
        text = f"channels: ['{self.channel}', nodefaults]\ndependencies: [other]\n"
        self.envtool("create", "-y", "-n", "f", "-f", "/dev/stdin", input=text)
        self.assertEqual(set(packages(self.prefix("f"))), {"other"})
        file = self.write("given.yml", text)
        done = subprocess.run(["bash", "-c", f"{support.ENVTOOL} create -y -n g -f <(cat {file})"], env=self.environ, cwd=self.work,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.envtool("lock", "-f", "/dev/stdin", "--lockfile", self.work / "out.yml", "--platform", support.SUBDIR, input=text)
        self.assertIn("other", (self.work / "out.yml").read_text())

    def test_interrupted_while_a_pipe_is_read(self):
        os.mkfifo(self.work / "never.yml")
        process = self.start("create", "-y", "-n", "f", "-f", self.work / "never.yml")
        self.addCleanup(support.end, process)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=LIMIT), 143)

    def test_huge(self):
        for path in (self.meta / "history", next(self.meta.glob("tool-*.json")), self.meta / "pinned", self.meta / "state"):
            path.rename(path.with_name("aside")) if path.exists() else None
            with open(path, "wb") as file:
                file.truncate(5 << 30)
            command = ["history", "-n", "e"] if path.name == "history" else ["run", "-n", "e", "true"] if path.name == "state" else self.install
            self.assert_contains(self.envtool(*command, code=1, timeout=LIMIT).err, "too large to be read", path.name, "MB")
            path.unlink()
            if path.with_name("aside").exists():
                path.with_name("aside").rename(path)


if __name__ == "__main__":
    support.main()
