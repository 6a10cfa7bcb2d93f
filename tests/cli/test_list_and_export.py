"""`list`, `env list`, `env export`, `env remove`, `env config vars`, `info`, `clean`: what is there, and the way back."""
import json

import support
from made_channel import Package, write_channel
from support import CHANNEL, CliTest, files_of_packages, manifest, packages, records

FROM_CHANNEL = ("-c", CHANNEL, "--override-channels")


class List(CliTest):
    shares_home = True

    @classmethod
    def prepare(cls, home):
        home.envtool("create", "-y", "-n", "e", *FROM_CHANNEL, "demo-app=1.0", "generic-demo")
        cls.env = home.prefix("e")

    def test_table(self):
        result = self.envtool("list", "-n", "e")
        lines = result.out.splitlines()
        self.assertEqual(lines[0], f"# packages in environment at {self.env}:")
        rows = [line.split() for line in lines if not line.startswith("#")]
        self.assertEqual(rows, [["demo-app", "1.0", "hc914f18_0", CHANNEL.as_uri()], ["demo-lib", "1.1", "hf7ddc87_0", CHANNEL.as_uri()],
                                ["generic-demo", "2.0", "h570ff35_0", CHANNEL.as_uri()]])
        self.assertEqual(result.err, "")

    def test_json_has_the_keys_of_conda(self):
        document = self.envtool("list", "-n", "e", "--json").json()
        self.assertEqual(document[0], {
            "base_url": CHANNEL.as_uri(), "build_number": 0, "build_string": "hc914f18_0", "channel": CHANNEL.as_uri(),
            "dist_name": "demo-app-1.0-hc914f18_0", "name": "demo-app", "platform": support.SUBDIR, "version": "1.0"})
        self.assertEqual([item["name"] for item in document], ["demo-app", "demo-lib", "generic-demo"])

    def names(self, *options):
        return [item["name"] for item in self.envtool("list", "-n", "e", "--json", *options).json()]

    def test_patterns(self):
        self.assertEqual(self.names("demo"), ["demo-app", "demo-lib", "generic-demo"])
        self.assertEqual(self.names("^demo"), ["demo-app", "demo-lib"])
        self.assertEqual(self.names("-f", "demo-lib"), ["demo-lib"])
        self.assertEqual(self.names("-f", "demo"), [])
        self.assertEqual(self.names("lib$"), ["demo-lib"])
        self.assertEqual(self.names("--reverse"), ["generic-demo", "demo-lib", "demo-app"])

    def test_prefix_option_and_active_environment(self):
        by_name = self.envtool("list", "-n", "e").out
        self.assertEqual(self.envtool("list", "-p", self.env).out, by_name)
        self.assertEqual(self.envtool("list", env={"CONDA_PREFIX": str(self.env)}).out, by_name)

    def test_canonical_and_export_lines(self):
        lines = self.envtool("list", "-n", "e", "--canonical").out.splitlines()
        self.assertEqual(lines[0], f"{CHANNEL.as_uri()}/{support.SUBDIR}::demo-app-1.0-hc914f18_0")
        lines = [line for line in self.envtool("list", "-n", "e", "--export").out.splitlines() if not line.startswith("#")]
        self.assertEqual(lines[0], "demo-app=1.0=hc914f18_0")

    def test_export_lines_can_be_read_back(self):
        self.write("lines.txt", self.envtool("list", "-n", "e", "--export").out)
        self.envtool("create", "-y", "-n", "from-lines", *FROM_CHANNEL, "-f", "lines.txt")
        self.assertEqual(packages(self.prefix("from-lines")), packages(self.env))

    def test_explicit_round_trip(self):
        for option, mark in ((None, ""), ("--md5", "#"), ("--sha256", "#")):
            with self.subTest(option=option):
                text = self.envtool("list", "-n", "e", "--explicit", *([option] if option else [])).out
                lines = text.splitlines()
                self.assertIn("@EXPLICIT", lines)
                self.assertIn(f"# platform: {support.SUBDIR}", lines)
                urls = [line for line in lines if "://" in line]
                self.assertEqual(len(urls), 3)
                self.assertTrue(all(mark in url for url in urls))
                name = "again" + (option or "").replace("-", "")
                self.write(f"{name}.txt", text)
                self.envtool("create", "-y", "-n", name, "-f", f"{name}.txt", "--offline")
                again, first = records(self.prefix(name)), records(self.env)
                for package, record in first.items():
                    for key in ("name", "version", "build", "build_number", "depends", "sha256", "md5", "url", "channel", "subdir",
                                "size", "files", "paths_data", "noarch", "timestamp", "license"):
                        if key in ("sha256", "md5", "size") and key not in again[package]:
                            continue  # not every form of the list has them
                        self.assertEqual(again[package].get(key), record.get(key), (package, key))
                self.assert_same_tree(files_of_packages(self.prefix(name)), files_of_packages(self.env))

    def test_dependencies_come_first_in_an_explicit_list(self):
        urls = [line for line in self.envtool("list", "-n", "e", "--explicit").out.splitlines() if "://" in line]
        names = [url.rsplit("/", 1)[1].rsplit("-", 2)[0] for url in urls]
        self.assertLess(names.index("demo-lib"), names.index("demo-app"))


class Environments(CliTest):
    def test_env_list(self):
        self.create("one", "demo-lib")
        elsewhere = self.work / "elsewhere"
        self.envtool("create", "-y", "-p", elsewhere, *FROM_CHANNEL, "demo-lib")
        document = self.envtool("env", "list", "--json").json()
        self.assertEqual(set(document["envs"]), {str(self.prefix("one")), str(elsewhere)})
        rows = [line.split() for line in self.envtool("env", "list", env={"CONDA_PREFIX": str(elsewhere)}).out.splitlines()
                if line and not line.startswith("#")]
        self.assertIn(["one", str(self.prefix("one"))], rows)
        self.assertIn(["*", str(elsewhere)], rows)

    def test_env_remove(self):
        env = self.create("one", "demo-app")
        other = self.create("two", "demo-app")
        before = manifest(other)
        self.envtool("env", "remove", "-n", "one", code=2)
        self.assertTrue(env.exists())
        result = self.envtool("env", "remove", "-y", "-n", "one")
        self.assertIn(str(env), result.out)
        self.assertFalse(env.exists())
        self.assertEqual(manifest(other), before)
        self.assertEqual((self.home.path / ".conda/environments.txt").read_text().splitlines(), [str(other)])
        self.assert_nothing_left()
        self.envtool("env", "remove", "-y", "-n", "one", code=1)

    def test_env_remove_says_what_is_not_packaged(self):
        env = self.create("one", "demo-app")
        (env / "thesis.txt").write_text("years of work")
        result = self.envtool("env", "remove", "-y", "-n", "one")
        self.assertIn("thesis.txt", result.out)

    def test_env_remove_of_what_is_no_environment(self):
        self.write("precious/file", "x")
        self.envtool("env", "remove", "-y", "-p", self.work / "precious", code=1)
        self.envtool("env", "remove", "-y", "-p", "/", code=1)
        self.envtool("env", "remove", "-y", "-n", "base", code=1)
        self.assertTrue((self.work / "precious/file").exists())

    def test_variables(self):
        env = self.create("one", "demo-lib")
        self.envtool("env", "config", "vars", "set", "-n", "one", "A=1", "B=two words=x")
        self.assertEqual(self.envtool("env", "config", "vars", "list", "-n", "one").out, "A = 1\nB = two words=x\n")
        self.assertEqual(json.loads((env / "conda-meta/state").read_text())["env_vars"], {"A": "1", "B": "two words=x"})
        self.envtool("env", "config", "vars", "unset", "-n", "one", "A")
        self.assertEqual(self.envtool("env", "config", "vars", "list", "-n", "one", "--json").json(), {"B": "two words=x"})
        self.assertNotIn("A=1", self.envtool("run", "-n", "one", "/usr/bin/env").out.splitlines())

    def test_changed_variables_as_json(self):
        env = self.create("one", "demo-lib")
        for command, changed, variables in ((("set", "B=canary", "A=1"), ["A", "B"], ["A", "B"]), (("set", "A=2", "B=canary"), ["A"], ["A", "B"]),
                                            (("unset", "A"), ["A"], ["B"])):
            result = self.envtool("env", "config", "vars", command[0], "-n", "one", "--json", *command[1:])
            self.assertEqual(result.json(), {"success": True, "prefix": str(env), "changed": changed, "variables": variables})
            self.assertNotIn("canary", result.out + result.err)
        self.assertFalse(self.envtool("env", "config", "vars", "unset", "-n", "one", "--json", "A", code=2).json()["success"])
        self.assertEqual(self.envtool("env", "config", "vars", "set", "-n", "one", "C=1").out, "")


class Export(CliTest):
    def setUp(self):
        super().setUp()
        self.write("environment.yml", f"name: e\nchannels: ['{CHANNEL}', nodefaults]\ndependencies: [demo-app <2, generic-demo]\n"
                   "variables:\n  TEXT: 'yes'\n  OTHER: \"it's: #1 \\\"x\\\"\"\n")
        self.envtool("create", "-y", "-f", "environment.yml")
        self.env = self.prefix("e")

    def test_round_trip(self):
        text = self.envtool("env", "export", "-n", "e").out
        self.assert_contains(text, "name: e\n", CHANNEL.as_uri(), "demo-app=1.0=hc914f18_0", "demo-lib=1.1=hf7ddc87_0")
        self.write("exported.yml", text)
        self.envtool("create", "-y", "-f", "exported.yml", "-n", "again")
        again = self.prefix("again")
        self.assertEqual(packages(again), packages(self.env))
        self.assertEqual((again / "conda-meta/state").read_text(), (self.env / "conda-meta/state").read_text())
        self.assertEqual(json.loads((again / "conda-meta/state").read_text())["env_vars"], {"TEXT": "yes", "OTHER": "it's: #1 \"x\""})

    def test_override_channels_keeps_those_of_the_file(self):
        self.write("exported.yml", self.envtool("env", "export", "-n", "e").out)
        (self.home.path / ".condarc").write_text("channels: [http://127.0.0.1:9/refused]\n")
        self.envtool("create", "-y", "-f", "exported.yml", "-n", "again", "--override-channels")

    def test_no_builds(self):
        text = self.envtool("env", "export", "-n", "e", "--no-builds").out
        self.assertIn("  - demo-app=1.0\n", text)
        self.assertNotIn("hc914f18", text)

    def test_from_history(self):
        text = self.envtool("env", "export", "-n", "e", "--from-history").out
        self.assertIn("demo-app", text)
        self.assertIn("<2", text)
        self.assertNotIn("demo-lib", text)
        self.write("asked.yml", text)
        self.envtool("create", "-y", "-f", "asked.yml", "-n", "again")
        self.assertEqual(packages(self.prefix("again")), packages(self.env))

    def test_to_a_file(self):
        out = self.envtool("env", "export", "-n", "e", "-f", "out.yml").out
        self.assertEqual(out, "")
        self.assertEqual((self.work / "out.yml").read_text(), self.envtool("env", "export", "-n", "e").out)

    def test_version_that_yaml_would_take_for_a_number(self):
        channel = write_channel(self.work / "channel", Package("odd", "1.10", {"share/odd": "x"}, build="0"),
                                Package("no", "1e5", {"share/no": "x"}, build="0"))
        self.envtool("create", "-y", "-n", "odd", "-c", channel, "--override-channels", "odd", "no")
        self.write("odd.yml", self.envtool("env", "export", "-n", "odd").out)
        self.envtool("create", "-y", "-f", "odd.yml", "-n", "again")
        self.assertEqual(packages(self.prefix("again")), packages(self.prefix("odd")))


class Information(CliTest):
    def test_info(self):
        document = self.envtool("info", "--json", env={"CONDA_OVERRIDE_CUDA": "12.4", "CONDA_OVERRIDE_GLIBC": "2.17"}).json()
        self.assertEqual((document["platform"], document["root_prefix"]), (support.SUBDIR, str(self.root)))
        virtual = {name: version for name, version, _ in document["virtual_pkgs"]}
        self.assertEqual((virtual["__cuda"], virtual["__glibc"]), ("12.4", "2.17"))
        self.assert_contains(self.envtool("info").out, str(self.root), support.SUBDIR)

    def test_virtual_packages_decide(self):
        for cuda, build in (("12.4", "h570ff35_1_cuda"), ("11.2", "h570ff35_0_cpu"), ("", "h570ff35_0_cpu")):
            name = "cuda" + cuda
            self.envtool("create", "-y", "-n", name, *FROM_CHANNEL, "gpu-demo", env={"CONDA_OVERRIDE_CUDA": cuda})
            self.assertEqual(packages(self.prefix(name))["gpu-demo"][1], build)

    def test_clean(self):
        env = self.create("e", "demo-app")
        other = self.create("gone", "generic-demo")
        self.envtool("env", "remove", "-y", "-n", "gone")
        self.envtool("clean", code=2)
        before = manifest(self.root)
        self.envtool("clean", "--all", "--dry-run")
        self.assertEqual(manifest(self.root), before)
        self.envtool("clean", "-y", "--all")
        left = sorted(path.name for path in self.home.cache.iterdir() if path.is_dir() and not path.name.startswith("."))
        self.assertEqual([name for name in left if name.endswith("_0")], ["demo-app-2.0-h7dabc9c_0", "demo-lib-2.0-hf7ddc87_0"])
        self.assertEqual(list(self.home.cache.glob("*.conda")), [])
        self.assertEqual(self.run_in(env, "demo-app"), "demo-app 2.0 with demo-lib 2.0\n")
        self.assertFalse(other.exists())
        self.create("again", "demo-app", "generic-demo")


if __name__ == "__main__":
    support.main()
