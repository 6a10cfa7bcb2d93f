"""The basic cycle of activation in every other shell that is installed, and `shell init` in their start files."""
import pathlib
import shutil
import subprocess

import support
from made_channel import Package, write_channel
from support import CHANNEL, CliTest, manifest

# How to run lines, how to load the hook, and how to print a variable or that it is not set.
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile"], 'eval "$({exe} shell hook -s bash)"', 'echo "${{{name}-unset}}"'),
    "zsh": (["zsh", "-f"], 'eval "$({exe} shell hook -s zsh)"', 'echo "${{{name}-unset}}"'),
    "dash": (["dash"], 'eval "$({exe} shell hook -s dash)"', 'echo "${{{name}-unset}}"'),
    "posix": (["sh"], 'eval "$({exe} shell hook -s posix)"', 'echo "${{{name}-unset}}"'),
    "fish": (["fish", "--no-config"], "{exe} shell hook -s fish | source", "set -q {name}; and echo ${name}; or echo unset"),
    "tcsh": (["tcsh", "-f"], "{exe} shell hook -s tcsh > hook.csh\nsource hook.csh", "if ($?{name}) then\necho ${name}:q\nelse\necho unset\nendif"),
    "xonsh": (["xonsh", "--no-rc"], "execx($({exe} shell hook -s xonsh))", "print(${{...}}.get('{name}', 'unset'))"),
}


class Shells(CliTest):
    shares_home = True

    @classmethod
    def prepare(cls, home):
        channel = write_channel(home.work / "channel", Package("tools", files={"bin/which-env": "#!/bin/sh\necho $CONDA_DEFAULT_ENV\n"}))
        for name, specs in (("one", ["tools", "activation-demo"]), ("two", ["tools"])):
            home.envtool("create", "-y", "-n", name, "-c", channel, "-c", CHANNEL, "--override-channels", *specs)
        home.envtool("env", "config", "vars", "set", "-n", "one", "FROM_STATE=it's $HOME !")

    def require(self, name):
        if shutil.which(SHELLS[name][0][0], path=self.environ["PATH"]) is None:
            self.skipTest(f"{name} is not installed")

    def run_lines(self, name, lines):
        """Runs the lines in the shell, as a script; its output."""
        command, hook, _ = SHELLS[name]
        script = self.work / f"script.{name}"
        script.write_text("\n".join([hook.format(exe=support.ENVTOOL), *lines, ""]))
        done = subprocess.run([*command, str(script)], capture_output=True, text=True, env={**self.environ, "PYTHONUNBUFFERED": "1"},
                              cwd=self.work, timeout=120, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, f"{script.read_text()}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}")
        self.assertEqual(done.stderr, "")
        return done.stdout

    def cycle(self, name):
        self.require(name)
        show = SHELLS[name][2]
        variables = [show.format(name=variable) for variable in
                     ("CONDA_SHLVL", "CONDA_DEFAULT_ENV", "CONDA_PREFIX", "FROM_STATE", "ACTIVATION_DEMO_COLOUR")]
        unset = ["unset", "unset", "unset", "unset"]
        one = ["one", str(self.prefix("one")), "it's $HOME !", "green"]
        # xonsh gets the variables of sh scripts, not their functions.
        greet = 'cat @($ACTIVATION_DEMO_HOME + "/greeting.txt")' if name == "xonsh" else "activation_demo_greet"
        out = self.run_lines(name, ["envtool activate one", *variables, "which-env", greet,
                                    "envtool activate two", "which-env", "envtool deactivate", *variables, "which-env",
                                    "envtool deactivate", *variables])
        self.assertEqual(out.splitlines(), ["1", *one, "one", "Hello from an activated environment.", "two", "1", *one, "one", "0", *unset])
        # What is left behind in the environment: only what the hook itself sets.
        out = self.run_lines(name, ["/usr/bin/env -0 > before", "envtool activate one", "envtool activate --stack two", "envtool deactivate",
                                    "envtool activate two", "envtool deactivate", "envtool deactivate", "/usr/bin/env -0 > after"])
        before, after = ({item for item in (self.work / file).read_bytes().split(b"\0") if not item.startswith((b"_=", b"SHLVL="))}
                         for file in ("before", "after"))
        self.assertEqual({item for item in before ^ after if b"ACTIVATION_DEMO" not in item}, set())

    def failures(self, name, status):
        self.require(name)
        script = ["envtool activate nowhere", status]
        command, hook, _ = SHELLS[name]
        done = subprocess.run(command, input="\n".join([hook.format(exe=support.ENVTOOL), *script, ""]), capture_output=True, text=True,
                              env=self.environ, cwd=self.work, timeout=120)
        self.assertIn("there is no environment `nowhere`", done.stderr)
        self.assertIn("status 1", done.stdout)


def add_shell_tests():
    """One test a shell, so that a missing one is seen as a skip."""
    status = {"fish": "echo status $status", "tcsh": "echo status $status"}
    for name in SHELLS:
        setattr(Shells, f"test_cycle_in_{name}", lambda self, name=name: self.cycle(name))
        if name != "xonsh":
            setattr(Shells, f"test_failure_in_{name}", lambda self, name=name: self.failures(name, status.get(name, "echo status $?")))


add_shell_tests()


class StartFiles(CliTest):
    FILES = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/conf.d/envtool.fish", "tcsh": ".tcshrc", "xonsh": ".xonshrc"}

    def start_file(self, name):
        """The file that `init` writes: the one that is new or changed."""
        before = manifest(self.home.path)
        out = self.envtool("shell", "init", "-s", name).out
        after = manifest(self.home.path)
        changed = [path for path in after if after[path] != before.get(path) and after[path][0] == "file"]
        self.assertEqual(len(changed), 1, changed)
        self.assertIn(changed[0], out)
        return self.home.path / changed[0]

    def test_twice_is_once(self):
        for name in self.FILES:
            with self.subTest(shell=name):
                file = self.start_file(name)
                text = file.read_text()
                self.assertEqual(text.count(">>> envtool initialize >>>"), 1)
                self.envtool("shell", "init", "-s", name)
                self.assertEqual(file.read_text(), text)

    def test_lines_of_the_user_stay(self):
        file = self.home.path / ".bashrc"
        original = "# mine\nexport A=1\n\nalias x='y'"
        file.write_text(original)
        file.chmod(0o640)
        self.envtool("shell", "init", "-s", "bash")
        self.assertIn("alias x='y'\n", file.read_text())
        self.assertEqual(file.stat().st_mode & 0o777, 0o640)
        with open(file, "a") as added:
            added.write("export B=2\n")
        self.envtool("shell", "init", "-s", "bash")
        self.envtool("shell", "deinit", "-s", "bash")
        self.assertNotIn("envtool", file.read_text())
        self.assertEqual(file.read_text().split(), (original + "\nexport B=2\n").split())

    def test_init_and_deinit_give_the_same_bytes(self):
        file = self.home.path / ".bashrc"
        for original in ("# mine\nexport A=1\n", ""):
            file.write_text(original)
            self.envtool("shell", "init", "-s", "bash")
            self.envtool("shell", "deinit", "-s", "bash")
            self.assertEqual(file.read_text(), original)

    def test_words_of_conda(self):
        """`conda init bash zsh` stands in many a Dockerfile."""
        self.envtool("init", "bash", "zsh")
        for name in (".bashrc", ".zshrc"):
            self.assertIn("envtool initialize", (self.home.path / name).read_text())
        self.envtool("deinit", "bash", "zsh")
        self.assertEqual((self.home.path / ".bashrc").read_text().strip(), "")
        self.envtool("init", "fish", "nosuchshell", code=2)
        self.assertFalse((self.home.path / ".config/fish/conf.d/envtool.fish").exists())

    def test_link_on_the_path_is_what_the_file_names(self):
        link = self.home.path / "bin/envtool"
        link.parent.mkdir()
        link.symlink_to(support.ENVTOOL)
        environ = dict(self.environ, PATH=f"{link.parent}:{self.environ['PATH']}")
        subprocess.run(["envtool", "init", "bash"], env=environ, check=True, capture_output=True)
        self.assertIn(str(link), (self.home.path / ".bashrc").read_text())

    def test_dry_run(self):
        result = self.envtool("shell", "init", "-s", "bash", "--dry-run")
        self.assertIn(".bashrc", result.out)
        self.assertFalse((self.home.path / ".bashrc").exists())

    def test_link_to_a_file_elsewhere_stays_a_link(self):
        real = self.write("dotfiles/bashrc", "# mine\n")
        (self.home.path / ".bashrc").symlink_to(real)
        self.envtool("shell", "init", "-s", "bash")
        self.assertTrue((self.home.path / ".bashrc").is_symlink())
        self.assertIn("envtool initialize", real.read_text())

    def test_broken_block_is_left_alone(self):
        file = self.home.path / ".bashrc"
        file.write_text("# >>> envtool initialize >>>\nexport A=1\n")
        result = self.envtool("shell", "init", "-s", "bash", code=1)
        self.assertIn(".bashrc", result.err)
        self.assertEqual(file.read_text(), "# >>> envtool initialize >>>\nexport A=1\n")

    def test_a_new_shell_has_the_command(self):
        self.envtool("create", "-y", "-n", "one", "-c", CHANNEL, "--override-channels", "demo-app")
        lines = "envtool activate one\ndemo-app\n"
        # xonsh wants a terminal where it is interactive: there the file is loaded by a script.
        script = self.write("script.xsh", f"source {self.home.path}/.xonshrc\n{lines}")
        for name, command in (("bash", ["bash", "--rcfile", "{file}", "-i"]), ("zsh", ["zsh", "-i"]), ("fish", ["fish"]),
                              ("tcsh", ["tcsh"]), ("xonsh", ["xonsh", "--no-rc", str(script)])):
            with self.subTest(shell=name):
                if shutil.which(name) is None:
                    self.skipTest(f"{name} is not installed")
                file = self.start_file(name)
                done = subprocess.run([part.format(file=file) for part in command], input=lines + "exit\n",
                                      capture_output=True, text=True, env=self.environ, cwd=self.work, timeout=120)
                self.assertIn("demo-app 2.0 with demo-lib 2.0", done.stdout, done.stderr)

    def test_unknown_shell(self):
        result = self.envtool("shell", "hook", "-s", "cmd.exe", code=None)
        self.assertIn(result.code, (1, 2))
        self.assert_contains(result.err, "cmd.exe", "bash")

    def test_program_that_is_gone_does_not_break_the_shell(self):
        binary = pathlib.Path(self.work / "bin/envtool")
        binary.parent.mkdir()
        shutil.copy2(support.ENVTOOL, binary)
        subprocess.run([binary, "shell", "init", "-s", "bash"], env=self.environ, check=True, capture_output=True)
        binary.unlink()
        done = subprocess.run(["bash", "--rcfile", self.home.path / ".bashrc", "-i", "-c", "echo fine"], capture_output=True, text=True, env=self.environ)
        self.assertEqual(done.stdout, "fine\n")
        self.assertNotIn("envtool", done.stderr)


if __name__ == "__main__":
    support.main()
