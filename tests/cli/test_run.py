"""`envtool run`: the program takes our place; its input, output, signals, terminal and exit code are its own."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import support
from made_channel import Package, write_channel
from support import CHANNEL, CliTest, wait_until
from terminal import on_terminal


class Run(CliTest):
    """`plain` has programs, `scripted` has activation scripts as well."""

    shares_home = True
    both = ("plain", "scripted")

    @classmethod
    def prepare(cls, home):
        channel = write_channel(home.work / "channel", Package("tools", files={
            "bin/show-arguments": '#!/bin/sh\nfor a in "$@"; do printf "[%s]" "$a"; done\n', "bin/own-tool": "#!/bin/sh\necho own\n",
            "bin/not-executable": "text", "bin/ls": "#!/bin/sh\necho ls of the environment\n"}))
        home.envtool("create", "-y", "-n", "plain", "-c", channel, "--override-channels", "tools")
        home.envtool("create", "-y", "-n", "scripted", "-c", channel, "-c", CHANNEL, "--override-channels", "tools", "activation-demo")
        home.envtool("env", "config", "vars", "set", "-n", "scripted", "FROM_STATE=it's state")
        (home.prefix("plain") / "bin/not-executable").chmod(0o644)

    def test_exit_codes(self):
        for name in self.both:
            for number in (0, 1, 2, 3, 77, 126, 127, 130, 255):
                self.envtool("run", "-n", name, "sh", "-c", f"exit {number}", code=number)

    def test_program_that_is_not_there(self):
        for name in self.both:
            result = self.envtool("run", "-n", name, "no-such-program", code=127)
            self.assertEqual(result.err, "error: cannot run `no-such-program`\n  because no such program is in the environment or on PATH\n")
            result = self.envtool("run", "-n", name, self.prefix(name) / "bin/not-there", code=127)

    def test_program_that_cannot_be_run(self):
        result = self.envtool("run", "-n", "plain", self.prefix("plain") / "bin/not-executable", code=126)
        self.assertIn("not-executable", result.err)

    def test_arguments_are_the_programs(self):
        tricky = ["", "a b", "$HOME", "`x`", "'", '"', "\\", "*", "-n", "--json", "--help", "-v", "--", "ünï", "a\nb", "!", ";", "&&"]
        for name in self.both:
            out = self.envtool("run", "-n", name, "show-arguments", *tricky).out
            self.assertEqual(out, "".join(f"[{argument}]" for argument in tricky))
            self.assertEqual(self.envtool("run", "-n", name, "--", "show-arguments", "--", "-x").out, "[--][-x]")

    def test_nothing_else_is_printed(self):
        for name in self.both:
            result = self.envtool("run", "-n", name, "sh", "-c", "echo out; echo err >&2")
            self.assertEqual((result.out, result.err), ("out\n", "err\n"))

    def test_environment_comes_first_in_the_path(self):
        self.assertEqual(self.envtool("run", "-n", "plain", "ls").out, "ls of the environment\n")
        path = self.envtool("run", "-n", "plain", "sh", "-c", 'echo "$PATH"').out.strip()
        self.assertEqual(path, f"{self.prefix('plain')}/bin:{self.environ['PATH']}")

    def variables(self, *options, **kwargs):
        out = self.envtool("run", *options, "/usr/bin/env", "-0", **kwargs).out
        return dict(item.split("=", 1) for item in out.split("\0") if item)

    def test_variables(self):
        prefix = str(self.prefix("scripted"))
        found = self.variables("-n", "scripted")
        self.assertEqual((found["CONDA_PREFIX"], found["CONDA_DEFAULT_ENV"], found["CONDA_SHLVL"]), (prefix, "scripted", "1"))
        self.assertEqual(found["FROM_STATE"], "it's state")
        self.assertEqual(found["ACTIVATION_DEMO_COLOUR"], "green")
        self.assertEqual(found["ACTIVATION_DEMO_TEXT"], "spaces, \"double\" and 'single' quotes, $HOME, `backticks`, 100 %, ünïcode")
        self.assertEqual(found["ACTIVATION_DEMO_HOME"], f"{prefix}/share/activation-demo")
        self.assertEqual(found["HOME"], self.environ["HOME"])
        self.assertEqual([name for name in found if "envtool" in name.lower()], ["ENVTOOL_ROOT_PREFIX"])

    def test_scripts_and_programs_of_the_package(self):
        out = self.envtool("run", "-n", "scripted", "activation-demo").out
        self.assert_contains(out, "colour: green", "Hello from an activated environment.")
        self.envtool("run", "-n", "scripted", "--no-activate-scripts", "activation-demo", code=1)

    def test_options(self):
        found = self.variables("-n", "plain", "-e", "A=1", "-e", "B=two words=x", "-e", "HOME=/elsewhere", "-e", "EMPTY=")
        self.assertEqual((found["A"], found["B"], found["HOME"], found["EMPTY"]), ("1", "two words=x", "/elsewhere", ""))
        self.envtool("run", "-n", "plain", "-e", "novalue", "true", code=2)
        self.assertEqual(self.envtool("run", "--lock-timeout", "5", "-n", "plain", "echo", "1").out, "1\n")
        self.assertEqual(self.envtool("--lock-timeout", "5", "run", "-n", "plain", "echo", "1").out, "1\n")
        self.assertEqual(self.envtool("run", "-n", "plain", "--cwd", "/usr", "pwd").out, "/usr\n")
        self.assertEqual(self.envtool("run", "-n", "scripted", "--cwd", "channel", "pwd").out, f"{self.work}/channel\n")
        self.envtool("run", "-n", "plain", "--cwd", "/no/such/folder", "pwd", code=1)
        self.assertNotIn("CANARY", self.variables("-n", "plain", "--clean-env", env={"CANARY": "x"}))
        self.assertEqual(self.envtool("run", "-p", self.prefix("plain"), "own-tool").out, "own\n")
        for option in ("--no-capture-output", "--live-stream"):
            self.assertEqual(self.envtool("run", "-n", "plain", option, "own-tool").out, "own\n")

    def test_inside_another_environment(self):
        active = {"CONDA_PREFIX": str(self.prefix("scripted")), "CONDA_SHLVL": "1", "CONDA_DEFAULT_ENV": "scripted",
                  "PATH": f"{self.prefix('scripted')}/bin:{self.environ['PATH']}", "FROM_STATE": "it's state"}
        found = self.variables("-n", "plain", env=active)
        self.assertEqual(found["CONDA_PREFIX"], str(self.prefix("plain")))
        self.assertEqual(found["PATH"].split(":")[0], f"{self.prefix('plain')}/bin")
        self.assertEqual(found["CONDA_DEFAULT_ENV"], "plain")

    def test_same_process(self):
        for name in self.both:
            process = self.start("run", "-n", name, "sh", "-c", "echo $$")
            out, _ = process.communicate(timeout=30)
            self.assertEqual(int(out), process.pid)

    def test_signals_reach_the_program(self):
        for name in self.both:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                process = self.start("run", "-n", name, "sh", "-c", "trap 'echo caught; exit 42' TERM INT HUP USR1 USR2; echo ready; "
                                     "while :; do sleep 0.05; done")
                self.addCleanup(support.end, process)
                self.assertEqual(process.stdout.readline(), "ready\n")
                process.send_signal(number)
                self.assertEqual(process.stdout.readline(), "caught\n")
                self.assertEqual(process.wait(timeout=10), 42)

    def test_death_by_a_signal_is_seen(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
            process = self.start("run", "-n", "scripted", "sleep", "60")
            self.addCleanup(support.end, process)
            wait_until(lambda: pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(b"sleep\0"))
            process.send_signal(number)
            self.assertEqual(process.wait(timeout=10), -number)

    def test_signal_before_the_program_runs_is_not_lost(self):
        for name in self.both:
            for delay in (0, 0.002, 0.005, 0.01, 0.02, 0.04, 0.06):
                process = self.start("run", "-n", name, "sleep", "60")
                self.addCleanup(support.end, process)
                time.sleep(delay)
                process.send_signal(signal.SIGTERM)
                self.assertIn(process.wait(timeout=10), (-signal.SIGTERM, 128 + signal.SIGTERM))

    def test_program_starts_with_a_clean_slate(self):
        """No signal blocked or ignored, no descriptor of ours open."""
        for name in self.both:
            out = self.envtool("run", "-n", name, "/bin/grep", "^Sig", "/proc/self/status").out
            masks = dict(re.findall(r"(Sig\w+):\s+([0-9a-f]+)", out))
            self.assertEqual((int(masks["SigBlk"], 16), int(masks["SigIgn"], 16)), (0, 0), out)
            out = self.envtool("run", "-n", name, "/bin/ls", "/proc/self/fd").out
            self.assertEqual(out.split(), ["0", "1", "2", "3"])  # 3 is the folder that ls reads

    def test_descriptors_of_the_caller_are_passed_on(self):
        with tempfile.TemporaryFile() as file:
            file.write(b"through")
            file.flush()
            process = self.start("run", "-n", "scripted", "sh", "-c", f"cat /dev/fd/{file.fileno()}", pass_fds=[file.fileno()])
            self.assertEqual(process.communicate(timeout=30)[0], "through")

    def test_standard_input(self):
        for name in self.both:
            self.assertEqual(self.envtool("run", "-n", name, "cat", input="one\ntwo").out, "one\ntwo")
        content = os.urandom(3_000_000)
        done = subprocess.run([support.ENVTOOL, "run", "-n", "scripted", "cat"], input=content, stdout=subprocess.PIPE, env=self.environ)
        self.assertEqual(done.stdout, content)

    def test_terminal(self):
        for name in self.both:
            code, shown = on_terminal([support.ENVTOOL, "run", "-n", name, "sh", "-c", "test -t 0 && test -t 1 && test -t 2 && echo name? && read answer && "
                                       'echo "got $answer"; exit 5'], self.environ, self.work, [("name?", "hello\n")])
            self.assertEqual(code, 5, shown)
            self.assertIn("got hello", shown)

    def test_environment_is_needed(self):
        result = self.envtool("run", "-n", "plane", "true", code=1)
        self.assertIn("did you mean `plain`?", result.err)
        self.assertEqual(self.envtool("run", "own-tool", env={"CONDA_PREFIX": str(self.prefix("plain"))}).out, "own\n")
        self.envtool("run", "true", code=2)

    @unittest.skipUnless(sys.platform == "linux", "counts processes by /proc")
    def test_no_process_stays_between(self):
        process = self.start("run", "-n", "scripted", "sleep", "60")
        self.addCleanup(support.end, process)
        wait_until(lambda: pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(b"sleep\0"))
        self.assertEqual(pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(), "")
        self.assertEqual(os.listdir(f"/proc/{process.pid}/task"), [str(process.pid)])


if __name__ == "__main__":
    support.main()
