"""`envtool activate` in bash, as a user types it: what it sets, nests, prints and takes back."""
import subprocess

import support
from made_channel import Package, write_channel
from support import CHANNEL, CliTest


class Bash(CliTest):
    """`one` has scripts and variables, `two` has neither."""

    shares_home = True

    @classmethod
    def prepare(cls, home):
        if not subprocess.run(["sh", "-c", "command -v bash"], capture_output=True).stdout:
            cls.skipTest(cls, "bash is not installed")
        channel = write_channel(home.work / "channel", Package("tools", files={"bin/which-env": "#!/bin/sh\necho $CONDA_DEFAULT_ENV\n"}))
        for name, specs in (("one", ["tools", "activation-demo"]), ("two", ["tools"])):
            home.envtool("create", "-y", "-n", name, "-c", channel, "-c", CHANNEL, "--override-channels", *specs)
        home.envtool("env", "config", "vars", "set", "-n", "one", "FROM_STATE=it's \"state\" $HOME `x` !")

    def bash(self, script, code=0, options=("--norc", "--noprofile"), hook=True, **environ):
        """Runs the lines behind the hook; what they print."""
        text = f'eval "$({support.ENVTOOL} shell hook -s bash)"\n' if hook else ""
        done = subprocess.run(["bash", *options], input=text + script, capture_output=True, text=True, env={**self.environ, **environ},
                              cwd=self.work, timeout=60)
        self.assertEqual(done.returncode, code, f"{script}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}")
        if code == 0:
            self.assertEqual(done.stderr, "")
        return done.stdout

    def test_variables(self):
        prefix = self.prefix("one")
        out = self.bash('envtool activate one\necho "$CONDA_PREFIX|$CONDA_DEFAULT_ENV|$CONDA_SHLVL|$PATH|$FROM_STATE"')
        self.assertEqual(out, f"{prefix}|one|1|{prefix}/bin:{self.environ['PATH']}|it's \"state\" $HOME `x` !\n")

    def test_programs(self):
        self.assertEqual(self.bash("envtool activate one; which-env; envtool activate two; which-env"), "one\ntwo\n")

    def test_by_path_and_by_default(self):
        self.assertEqual(self.bash(f'envtool activate {self.prefix("two")}\nwhich-env; envtool deactivate\nenvtool activate ../root/envs/one; echo $CONDA_PREFIX'),
                         f"two\n{self.prefix('one')}\n")

    def test_scripts_of_packages(self):
        out = self.bash('envtool activate one\nactivation_demo_greet; activation-demo; envtool deactivate\n'
                        'type activation_demo_greet 2>&1; echo "[${ACTIVATION_DEMO_HOME-unset}|${ACTIVATION_DEMO_COLOUR-unset}]"')
        self.assert_contains(out, "Hello from an activated environment.", "colour: green", "not found", "[unset|unset]")

    def test_former_values_come_back(self):
        out = self.bash('envtool activate one 2>said; envtool deactivate; echo "$FROM_STATE|$ACTIVATION_DEMO_HOME"',
                        FROM_STATE="former", ACTIVATION_DEMO_HOME="former home")
        self.assertEqual(out, "former|former home\n")
        self.assertIn("`FROM_STATE`", (self.work / "said").read_text())

    def test_everything_is_as_before(self):
        out = self.bash('PS1="$ "; x() { :; }\n'
                        'snapshot() { export -p; set +o; shopt; alias; declare -F; trap; printf "%s\\n" "$PS1" "$-" "$PWD"; }\n'
                        'snapshot >before\nenvtool activate one; envtool activate two; envtool deactivate; envtool deactivate\nsnapshot >after\n'
                        'cmp before after && echo same')
        self.assertEqual(out, "same\n", (self.work / "after").read_text())

    def bit_for_bit(self, script):
        tricky = {"ODD": "line\nbreak ' \" $x `y` \\ !", "EMPTY": "", "UNI": "ünï"}
        self.bash(f"/usr/bin/env -0 >before\n{script}\n/usr/bin/env -0 >after", **tricky)
        before, after = (sorted((self.work / name).read_bytes().split(b"\0")) for name in ("before", "after"))
        self.assertEqual(before, after)

    def test_environment_bit_for_bit(self):
        self.bit_for_bit("envtool activate one; envtool deactivate")
        self.bit_for_bit("envtool activate one; envtool activate two; envtool activate one; for i in 1 2 3; do envtool deactivate; done")

    def test_stacking_bit_for_bit(self):
        self.bit_for_bit("envtool activate one; envtool activate --stack two; envtool deactivate; envtool deactivate")

    def test_nesting(self):
        one, two = self.prefix("one"), self.prefix("two")
        out = self.bash('say() { echo "$CONDA_SHLVL|$CONDA_DEFAULT_ENV|$PATH|${CONDA_PREFIX_1-}"; }\n'
                        'envtool activate one; say; envtool activate two; say; envtool deactivate; say; envtool deactivate; say')
        path = self.environ["PATH"]
        self.assertEqual(out.splitlines(), [f"1|one|{one}/bin:{path}|", f"2|two|{two}/bin:{path}|{one}", f"1|one|{one}/bin:{path}|", f"0||{path}|"])

    def test_stacking(self):
        one, two, path = self.prefix("one"), self.prefix("two"), self.environ["PATH"]
        out = self.bash('envtool activate one; envtool activate --stack two; echo "$PATH"; envtool deactivate; echo "$PATH"; which-env')
        self.assertEqual(out.splitlines(), [f"{two}/bin:{one}/bin:{path}", f"{one}/bin:{path}", "one"])

    def test_same_environment_twice(self):
        out = self.bash('envtool activate one; envtool activate one; echo $CONDA_SHLVL "$PATH"; envtool deactivate; echo $CONDA_SHLVL "$PATH"')
        self.assertEqual(out.splitlines(), [f"1 {self.prefix('one')}/bin:{self.environ['PATH']}", f"0 {self.environ['PATH']}"])

    def test_path_of_the_user_is_kept(self):
        out = self.bash('envtool activate one; PATH=/mine:$PATH:/also; envtool activate two; echo "$PATH"; envtool deactivate; envtool deactivate; echo "$PATH"')
        path = self.environ["PATH"]
        self.assertEqual(out.splitlines()[1], f"/mine:{path}:/also")
        self.assert_contains(out.splitlines()[0], "/mine:", ":/also", f"{self.prefix('two')}/bin")
        self.assertNotIn(str(self.prefix("one")), out.splitlines()[0])

    def test_prompt(self):
        out = self.bash('PS1="\\u$ "; envtool activate one; echo "$PS1"; envtool activate two; echo "$PS1"; envtool deactivate; echo "$PS1"; envtool deactivate; echo "$PS1"')
        self.assertEqual(out.splitlines(), ["(one) \\u$ ", "(two) \\u$ ", "(one) \\u$ ", "\\u$ "])
        rc = self.write("rc.yml", "changeps1: false\n")
        out = self.bash('PS1="$ "; envtool activate one; echo "$PS1"', CONDARC=str(rc))
        self.assertEqual(out, "$ \n")

    def test_strict_shell(self):
        out = self.bash('set -euo pipefail\nenvtool activate one\nenvtool activate two\nenvtool deactivate\nenvtool deactivate\n'
                        'case $- in *e*) case $- in *u*) echo strict ;; esac ;; esac\n')
        self.assertEqual(out, "strict\n")

    def test_strict_shell_stops_at_a_failure(self):
        done = self.bash('set -eu\nenvtool activate no-such-env\necho reached', code=1)
        self.assertEqual(done, "")

    def test_unknown_environment_changes_nothing(self):
        out = self.bash('before=$(export -p)\nenvtool activate onne 2>err || echo failed $?\n[ "$before" = "$(export -p)" ] && echo same')
        self.assertEqual(out, "failed 1\nsame\n")
        self.assertIn("did you mean `one`?", (self.work / "err").read_text())

    def test_exit_code_of_other_commands(self):
        out = self.bash("envtool run -n one sh -c 'exit 7'; echo $?; envtool list -n nowhere 2>/dev/null; echo $?; envtool --version")
        self.assertRegex(out, r"^7\n1\nenvtool \d+\.\d+\.\d+\n$")

    def test_variables_that_change_are_seen_at_once(self):
        out = self.bash('envtool activate two; envtool env config vars set NEW=1; echo "$NEW"; envtool env config vars unset NEW; echo "[${NEW-}]"')
        self.assertEqual(out, "1\n[]\n")

    def test_deactivate_when_none_is_active(self):
        self.assertEqual(self.bash('envtool deactivate; echo "$CONDA_SHLVL"'), "0\n")

    def test_environment_that_is_gone_can_be_left(self):
        self.envtool("create", "-y", "-n", "gone", "-c", CHANNEL, "--override-channels", "demo-lib")
        out = self.bash('envtool activate gone; rm -rf "$CONDA_PREFIX"; envtool deactivate; echo "$CONDA_SHLVL|$PATH"')
        self.assertEqual(out, f"0|{self.environ['PATH']}\n")

    def test_active_environment_is_not_removed(self):
        self.envtool("create", "-y", "-n", "used", "-c", CHANNEL, "--override-channels", "demo-lib")
        for command in (["env", "remove", "-y", "-n", "used"], ["remove", "-y", "--all"]):
            result = self.envtool(*command, code=2, env={"CONDA_PREFIX": str(self.prefix("used"))})
            self.assertIn("deactivate", result.err)
        self.assertTrue((self.prefix("used") / "conda-meta/history").exists())

    def test_help(self):
        self.assertIn("Usage", self.bash("envtool activate --help"))

    def test_without_the_hook(self):
        result = self.envtool("activate", "one", code=2, env={"SHELL": "/bin/bash"})
        self.assert_contains(result.err, "shell hook -s bash", "shell init")

    def test_subshells_and_scripts_inherit(self):
        out = self.bash('envtool activate one; bash -c \'echo "$CONDA_DEFAULT_ENV"; which-env\'; (envtool deactivate; echo "[$CONDA_DEFAULT_ENV]"); which-env')
        self.assertEqual(out, "one\none\n[]\none\n")

    def test_conda_users_variables(self):
        """What programs look at that know conda: nothing of ours is needed."""
        out = self.bash('envtool activate one; /usr/bin/env | grep -E "^(CONDA|ENVTOOL)" | cut -d= -f1 | sort | tr "\\n" " "')
        self.assertEqual(out, "CONDA_DEFAULT_ENV CONDA_PREFIX CONDA_PROMPT_MODIFIER CONDA_SHLVL ENVTOOL_EXE ENVTOOL_ROOT_PREFIX ")


if __name__ == "__main__":
    support.main()
