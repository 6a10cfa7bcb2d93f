"""Mistakes of people: every message says what, where, why and what to do about it."""
import json

import support
from made_channel import Package, write_channel
from support import CHANNEL, CliTest

FROM_CHANNEL = ("-c", CHANNEL, "--override-channels")


class ErrorTest(CliTest):
    def fails(self, *arguments, code=1):
        """The message of a command that must fail; nothing is made, standard output stays free."""
        result = self.envtool(*arguments, code=code)
        self.assertTrue(result.err.startswith("error: "), result)
        self.assertEqual(result.out, "")
        self.assertFalse((self.root / "envs").exists() and list((self.root / "envs").iterdir()))
        self.assert_nothing_left()
        return result.err

    def fails_in_json(self, *arguments, code=1):
        result = self.envtool(*arguments, "--json", code=code)
        self.assertEqual(result.err, "")
        document = result.json()
        self.assertIs(document["success"], False)
        self.assertTrue(document["error"] and document["message"] and document["exception_type"])
        return document


class Specs(ErrorTest):
    def test_unknown_package_has_a_closest_name(self):
        error = self.fails("create", "-y", "-n", "x", *FROM_CHANNEL, "numpi")
        self.assert_contains(error, "`numpi`", "did you mean `numpy`?", CHANNEL.as_uri())
        document = self.fails_in_json("create", "-y", "-n", "x", *FROM_CHANNEL, "numpi", "reqests")
        self.assertEqual(document["exception_name"], "PackagesNotFoundError")
        self.assertEqual(document["packages"], ["numpi", "reqests"])
        self.assert_contains(document["error"], "`numpy`", "`requests`")

    def test_unknown_package_unlike_all_others(self):
        error = self.fails("create", "-y", "-n", "x", *FROM_CHANNEL, "zzzzzzzzzzzz")
        self.assertNotIn("did you mean", error)

    def test_unknown_dependency(self):
        channel = write_channel(self.work / "channel", Package("a", depends=["b"]), Package("b", depends=["ghost >=2"]))
        error = self.fails("create", "-y", "-n", "x", "-c", channel, "--override-channels", "a")
        self.assert_contains(error, "a 1.0", "`b`", "ghost >=2")

    def test_version_that_is_not_there(self):
        error = self.fails("create", "-y", "-n", "x", *FROM_CHANNEL, "numpy=9")
        self.assert_contains(error, "numpy", "9", "1.24.2")
        self.assertNotIn("did you mean `numpy`", error)

    def test_contradiction_shows_both_specs(self):
        error = self.fails("create", "-y", "-n", "x", *FROM_CHANNEL, "demo-app=2", "demo-lib=1.0")
        self.assert_contains(error, "`demo-app 2.*` and `demo-lib 1.0.*` cannot be installed together",
                             "demo-app 2.0 needs `demo-lib >=2,<3`, but `demo-lib 1.0.*` is requested")
        document = self.fails_in_json("create", "-y", "-n", "x", *FROM_CHANNEL, "demo-app=2", "demo-lib=1.0")
        self.assertEqual(document["exception_name"], "UnsatisfiableError")
        self.assert_contains(document["error"], "demo-app", "demo-lib")

    def test_contradiction_by_a_constraint(self):
        error = self.fails("create", "-y", "-n", "x", *FROM_CHANNEL, "constrain-demo", "demo-lib=1.0")
        self.assert_contains(error, "constrain-demo 1.0 works only with `demo-lib >=1.1`", "`demo-lib 1.0.*` is requested")

    def test_virtual_package_that_this_machine_lacks(self):
        result = self.envtool("create", "-y", "-n", "x", *FROM_CHANNEL, "gpu-demo=1.0=*cuda", code=1, env={"CONDA_OVERRIDE_CUDA": ""})
        self.assert_contains(result.err, "gpu-demo", "__cuda", ">=11.8")
        channel = write_channel(self.work / "channel", Package("new", depends=["__glibc >=99"]))
        error = self.fails("create", "-y", "-n", "x", "-c", channel, "--override-channels", "new")
        self.assert_contains(error, "__glibc", ">=99")

    def test_specs_that_make_no_sense(self):
        for spec, hint in (("numpy=>1", ">="), ("numpy[version=", "]"), ("=1.0", ""), ("a//b", "")):
            with self.subTest(spec=spec):
                self.assert_contains(self.fails("create", "-y", "-n", "x", *FROM_CHANNEL, spec), spec, hint)


class Files(ErrorTest):
    def of_file(self, text, name="env.yml"):
        self.write(name, text)
        return self.fails("create", "-y", "-n", "x", *FROM_CHANNEL, "-f", name)

    def test_bad_yaml(self):
        self.assertIn("env.yml:4:1", self.of_file("name: a\ndependencies:\n  - b: [\n"))  # where the end is missed
        self.assertIn("env.yml:4:", self.of_file("name: a\ndependencies:\n  - a\n - b\n"))
        self.assertIn("env.yml:2:1", self.of_file("name: a\n\tdependencies: []\n"))

    def test_repeated_key(self):
        error = self.of_file("name: a\ndependencies: [demo-lib]\ndependencies: [demo-app]\n")
        self.assert_contains(error, "env.yml:3:1", "dependencies")

    def test_unknown_section_of_dependencies(self):
        self.assert_contains(self.of_file("name: a\ndependencies:\n  - demo-lib\n  - npm:\n    - left-pad\n"), "`npm`", "env.yml:4:5")

    def test_wrong_types(self):
        self.assertIn("env.yml:2:15", self.of_file("name: a\ndependencies: yes\n"))
        self.assertIn("env.yml:3:5", self.of_file("name: a\ndependencies:\n  - [a, b]\n"))
        self.assertIn("env.yml:1:11", self.of_file("channels: {a: b}\ndependencies: []\n"))
        self.assertIn("env.yml:1:12", self.of_file("variables: [a]\ndependencies: []\n"))
        self.assertIn("env.yml:1:1", self.of_file("- a\n- b\n"))

    def test_bad_spec(self):
        error = self.of_file("name: a\ndependencies:\n  - demo-app\n  - demo-lib =>1\n")
        self.assert_contains(error, "env.yml:4:5", "`=>", "`>=`")
        error = self.of_file("demo-app\ndemo-lib =>1\n", "specs.txt")
        self.assertIn("specs.txt:2:1", error)

    def test_bad_name(self):
        self.write("env.yml", "name: a/b\ndependencies: [demo-lib]\n")
        self.assertIn("env.yml:1:7", self.fails("create", "-y", *FROM_CHANNEL, "-f", "env.yml"))

    def test_unknown_key_warns(self):
        self.write("env.yml", "name: a\nchanels: [x]\ndependencies: [demo-lib]\n")
        result = self.envtool("create", "-y", *FROM_CHANNEL, "-f", "env.yml")
        self.assert_contains(result.err, "warning: env.yml:2:1", "`chanels`", "did you mean `channels`?")
        self.write("env.yml", "name: b\nchanels: [x]\ndependencies: [demo-lib]\n")
        document = self.envtool("create", "--json", *FROM_CHANNEL, "-f", "env.yml").json()
        self.assertEqual(len([text for text in document["warnings"] if "chanels" in text]), 1)

    def test_missing_file(self):
        error = self.fails("create", "-y", *FROM_CHANNEL, "-f", "nowhere.yml")
        self.assert_contains(error, str(self.work / "nowhere.yml"), "No such file")
        self.assert_contains(self.fails("create", "-y", *FROM_CHANNEL, "-f", "."), str(self.work), "directory")

    def test_files_that_disagree(self):
        self.write("one.yml", "name: one\ndependencies: [demo-lib]\n")
        self.write("two.yml", "name: two\ndependencies: [demo-lib]\n")
        error = self.fails("create", "-y", *FROM_CHANNEL, "-f", "one.yml", "-f", "two.yml")
        self.assert_contains(error, "one.yml:1:7", "two.yml:1:7")

    def test_files_of_others(self):
        self.assertIn("requirements", self.of_file("--index-url https://example.org/simple\nsix==1.16\n", "requirements.txt"))
        self.assertIn("pixi", self.of_file("version: 6\nenvironments:\n  default: {}\n", "pixi.lock"))

    def test_alias_bomb_and_depth(self):
        bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(12))
        self.of_file(bomb + "dependencies: [demo-lib]\n")
        self.of_file("dependencies: " + "[" * 100000 + "]" * 100000 + "\n")

    def test_control_characters_never_reach_the_terminal(self):
        self.write("env.yml", 'name: a\ndependencies: ["demo\\e[31mlib"]\n')
        result = self.envtool("create", "-y", *FROM_CHANNEL, "-f", "env.yml", code=1)
        self.assertNotIn("\x1b", result.err + result.out)
        result = self.envtool("create", "-y", "-n", "x", *FROM_CHANNEL, "demo\x1b[31m", code=1)
        self.assertNotIn("\x1b", result.err + result.out)

    def test_explicit_file_for_another_platform(self):
        error = self.of_file(f"# platform: {support.OTHER_SUBDIR}\n@EXPLICIT\n", "explicit.txt")
        self.assert_contains(error, support.OTHER_SUBDIR, support.SUBDIR)

    def test_configuration(self):
        (self.home.path / ".condarc").write_text("channels: [a\n")
        result = self.envtool("info", code=1)
        self.assert_contains(result.err, ".condarc:")
        (self.home.path / ".condarc").write_text("channel_priority: sometimes\n")
        result = self.envtool("info", code=1)
        self.assert_contains(result.err, ".condarc:1:", "sometimes", "strict")


class Usage(ErrorTest):
    def test_exit_code_2(self):
        for arguments in (["bogus"], ["create", "--bogus"], ["create", "-n"], ["install", "-y", "demo-lib"], ["remove", "-n", "x"],
                          ["env"], ["env", "bogus"], ["shell"], ["run"], ["create", "-n", "x", "--channel-priority"],
                          ["list", "-n", "a", "-p", "b"], ["env", "remove", "-y"]):
            with self.subTest(arguments=arguments):
                result = self.envtool(*arguments, code=None)
                if arguments[:2] == ["remove", "-n"]:
                    self.assertIn(result.code, (1, 2))
                else:
                    self.assertEqual(result.code, 2, result)
                self.assertTrue(result.err.startswith("error: "), result)
                self.assertEqual(result.out, "")

    def test_wrong_values_of_options(self):
        self.fails("create", "-y", "-n", "x", *FROM_CHANNEL, "--channel-priority", "sometimes", "demo-lib")
        self.assert_contains(self.fails("create", "-y", "-n", "x", *FROM_CHANNEL, "--platform", "linux-46", "demo-lib"), "linux-46", "linux-64")

    def test_json(self):
        for arguments in (["--json", "bogus"], ["create", "--json", "--bogus"]):
            result = self.envtool(*arguments, code=2)
            document = result.json()
            self.assertEqual((document["exception_name"], document["exit_code"]), ("ArgumentError", 2))
            self.assertIn("bogus", document["error"])

    def test_help(self):
        for arguments in (["--help"], ["create", "--help"], ["env", "--help"], ["env", "export", "--help"], ["run", "--help"]):
            result = self.envtool(*arguments)
            self.assertIn("Usage: ", result.out)
            self.assertEqual(result.err, "")

    def test_json_names_of_conda(self):
        def name_of(*arguments):
            return self.fails_in_json(*arguments)["exception_name"]
        self.assertEqual(name_of("list", "-n", "nowhere"), "EnvironmentLocationNotFound")
        self.assertEqual(name_of("create", "-n", "x", *FROM_CHANNEL, "demo-lib=>1"), "CondaValueError")
        self.assertEqual(name_of("create", "-n", "x", "--offline", "-c", "http://127.0.0.1:9/x", "--override-channels", "demo-lib"), "OfflineError")
        self.assertEqual(json.loads(self.envtool("create", "--json", "-n", "x", *FROM_CHANNEL, "demo-lib").out)["success"], True)


if __name__ == "__main__":
    support.main()
