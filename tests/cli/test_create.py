"""`envtool create`: where the packages may be listed, where they may come from, where they may go."""
import json

import support
from made_channel import Package, write_channel
from support import CHANNEL, CliTest, files_of_packages, http_channel, packages, records


class Sources(CliTest):
    """What `create` reads: files of every kind, specs, and any mix that makes sense."""

    def environment_file(self, text, name="environment.yml"):
        return self.write(name, text.replace("{channel}", str(CHANNEL)))

    def test_file_names_the_environment(self):
        self.environment_file("name: from-file\nchannels:\n  - {channel}\n  - nodefaults\ndependencies:\n  - demo-app\n")
        self.envtool("create", "-y", "-f", "environment.yml")
        prefix = self.prefix("from-file")
        self.assertEqual(self.run_in(prefix, "demo-app"), "demo-app 2.0 with demo-lib 2.0\n")
        self.assertEqual(set(packages(prefix)), {"demo-app", "demo-lib"})

    def test_name_option_wins_over_the_file(self):
        self.environment_file("name: from-file\nchannels: [{channel}, nodefaults]\ndependencies: [demo-lib]\n")
        self.envtool("create", "-y", "-f", "environment.yml", "-n", "from-option")
        self.assertTrue(self.prefix("from-option").is_dir())
        self.assertFalse(self.prefix("from-file").exists())

    def test_prefix_option(self):
        self.environment_file("name: from-file\nchannels: [{channel}, nodefaults]\ndependencies: [demo-lib]\n")
        self.envtool("create", "-y", "-f", "environment.yml", "-p", "./here/env")
        self.assertEqual(set(packages(self.work / "here/env")), {"demo-lib"})
        self.assertFalse(self.prefix("from-file").exists())

    def test_name_and_prefix_together_are_refused(self):
        self.envtool("create", "-y", "-n", "a", "-p", "./b", "demo-lib", code=2)

    def test_prefix_with_a_space_and_letters_of_all_sorts(self):
        prefix = self.work / "an ënv (1)"
        self.envtool("create", "-y", "-p", prefix, "-c", CHANNEL, "--override-channels", "generic-demo", "activation-demo")
        self.assertEqual(set(packages(prefix)), {"generic-demo", "activation-demo"})
        self.assertTrue((prefix / "share/generic-demo/ünïcode.txt").is_file())
        self.assertTrue((prefix / "share/generic-demo/a name with spaces.txt").is_file())

    def test_no_name_anywhere(self):
        result = self.envtool("create", "-y", "-c", CHANNEL, "demo-lib", code=2)
        self.assert_contains(result.err, "-n", "-p")

    def test_specs_on_the_command_line(self):
        prefix = self.create("specs", "demo-app=1", "demo-lib>=1.0,!=1.1")
        self.assertEqual({name: version for name, (version, _) in packages(prefix).items()}, {"demo-app": "1.0", "demo-lib": "1.0"})

    def test_no_specs_make_an_empty_environment(self):
        self.envtool("create", "-y", "-n", "empty")
        self.assertEqual(packages(self.prefix("empty")), {})
        self.assertTrue((self.prefix("empty") / "conda-meta/history").is_file())

    def test_several_files(self):
        self.environment_file("name: both\nchannels: [{channel}, nodefaults]\ndependencies: [demo-app]\nvariables: {ONE: 1}\n", "one.yml")
        self.environment_file("channels: [{channel}]\ndependencies: [demo-lib <2, generic-demo]\nvariables: {TWO: second}\n", "two.yaml")
        self.envtool("create", "-y", "-f", "one.yml", "-f", "two.yaml")
        found = packages(self.prefix("both"))
        self.assertEqual({name: version for name, (version, _) in found.items()},
                         {"demo-app": "1.0", "demo-lib": "1.1", "generic-demo": "2.0"})
        state = json.loads((self.prefix("both") / "conda-meta/state").read_text())
        self.assertEqual(state["env_vars"], {"ONE": "1", "TWO": "second"})

    def test_file_and_specs(self):
        self.environment_file("name: mixed\nchannels: [{channel}, nodefaults]\ndependencies: [demo-app]\n")
        self.envtool("create", "-y", "-f", "environment.yml", "demo-lib=1.0")
        self.assertEqual(packages(self.prefix("mixed"))["demo-app"][0], "1.0")

    def test_spec_list(self):
        self.write("specs.txt", "# what is needed\ndemo-app=1.0   # the old one\n\ndemo-lib >=1.1\n")
        prefix = self.create("listed", "-f", "specs.txt")
        self.assertEqual({name: version for name, (version, _) in packages(prefix).items()}, {"demo-app": "1.0", "demo-lib": "1.1"})

    def test_explicit_file_is_installed_as_it_is(self):
        channel = json.loads((CHANNEL / support.SUBDIR / "repodata.json").read_text())
        record = channel["packages.conda"]["demo-lib-1.1-hf7ddc87_0.conda"]
        old = channel["packages"]["demo-lib-1.0-hf7ddc87_0.tar.bz2"]
        url = CHANNEL.as_uri() + "/" + support.SUBDIR
        for digest in (record["md5"], "sha256:" + record["sha256"], record["sha256"]):
            with self.subTest(digest=digest):
                self.write("explicit.txt", f"# made by hand\n@EXPLICIT\n{url}/demo-lib-1.1-hf7ddc87_0.conda#{digest}\n")
                self.envtool("create", "-y", "-n", "explicit-" + digest[:9].replace(":", ""), "-f", "explicit.txt")
        self.write("explicit.txt", f"@EXPLICIT\n{url}/demo-lib-1.0-hf7ddc87_0.tar.bz2#{old['md5']}\n")
        self.envtool("create", "-y", "-n", "explicit", "-f", "explicit.txt", "--offline")
        self.assertEqual(packages(self.prefix("explicit")), {"demo-lib": ("1.0", "hf7ddc87_0")})
        found = records(self.prefix("explicit"))["demo-lib"]
        self.assertEqual((found["subdir"], found["depends"], found["md5"]), (support.SUBDIR, old["depends"], old["md5"]))

    def test_explicit_file_does_not_mix_with_specs(self):
        self.write("explicit.txt", f"@EXPLICIT\n{CHANNEL.as_uri()}/{support.SUBDIR}/demo-lib-1.1-hf7ddc87_0.conda\n")
        result = self.envtool("create", "-y", "-n", "x", "-c", CHANNEL, "-f", "explicit.txt", "demo-app", code=2)
        self.assertIn("explicit.txt", result.err)

    def test_selectors(self):
        self.environment_file("name: chosen\nchannels: [{channel}, nodefaults]\ndependencies:\n"
                              "  - demo-lib=1.0  # [linux]\n"
                              "  - no-such-package  # [win]\n"
                              "  - no-such-package  # [osx or not unix]\n")
        self.envtool("create", "-y", "-f", "environment.yml")
        self.assertEqual(packages(self.prefix("chosen")), {"demo-lib": ("1.0", "hf7ddc87_0")})

    def test_selectors_as_keys(self):
        self.environment_file("name: chosen\nchannels: [{channel}, nodefaults]\ndependencies:\n"
                              "  - sel(linux): demo-lib=1.0\n"
                              "  - sel(win): no-such-package\n")
        self.envtool("create", "-y", "-f", "environment.yml")
        self.assertEqual(packages(self.prefix("chosen")), {"demo-lib": ("1.0", "hf7ddc87_0")})

    def test_variables(self):
        self.environment_file("name: v\nchannels: [{channel}, nodefaults]\ndependencies: [demo-lib]\n"
                              "variables:\n  GREETING: it's \"here\" $HOME\n  NUMBER: 3\n  TRUTH: true\n  VERSION: '1.10'\n")
        self.envtool("create", "-y", "-f", "environment.yml")
        state = json.loads((self.prefix("v") / "conda-meta/state").read_text())
        self.assertEqual(state["env_vars"], {"GREETING": "it's \"here\" $HOME", "NUMBER": "3", "TRUTH": "true", "VERSION": "1.10"})
        output = self.envtool("run", "-n", "v", "/usr/bin/env").out
        self.assert_contains(output, "GREETING=it's \"here\" $HOME\n", "VERSION=1.10\n")

    def test_relative_channel_belongs_to_the_file(self):
        write_channel(self.work / "project/channel", Package("here", files={"share/here": "x"}))
        for number, spelling in enumerate(["./channel", "../project/channel"]):
            self.write("project/environment.yml", f"channels: [{spelling}, nodefaults]\ndependencies: [here]\n")
            self.envtool("create", "-y", "-n", f"r{number}", "-f", "project/environment.yml")
            self.assertEqual(records(self.prefix(f"r{number}"))["here"]["channel"], (self.work / "project/channel").as_uri())

    def test_channel_of_a_spec(self):
        first = write_channel(self.work / "first", Package("thing", "2.0"))
        second = write_channel(self.work / "second", Package("thing", "1.0"))
        self.envtool("create", "-y", "-n", "a", "-c", first, "-c", second, "--override-channels", "thing")
        self.assertEqual(packages(self.prefix("a"))["thing"][0], "2.0")
        self.envtool("create", "-y", "-n", "b", "-c", first, "-c", second, "--override-channels", f"{second.as_uri()}::thing")
        self.assertEqual(packages(self.prefix("b"))["thing"][0], "1.0")
        # A channel that only the spec names is asked, too.
        with http_channel(self.work) as server:
            self.environment_file(f"name: c\nchannels: ['{first}', nodefaults]\ndependencies: ['{server}/second::thing']\n")
            self.envtool("create", "-y", "-f", "environment.yml")
            self.assertEqual(records(self.prefix("c"))["thing"]["channel"], f"{server}/second")

    def test_channel_priority(self):
        first = write_channel(self.work / "first", Package("thing", "1.0"))
        second = write_channel(self.work / "second", Package("thing", "2.0"))
        both = ("-c", first, "-c", second, "--override-channels")
        self.envtool("create", "-y", "-n", "default", *both, "thing")
        self.assertEqual(packages(self.prefix("default"))["thing"][0], "1.0")
        self.envtool("create", "-y", "-n", "none", *both, "--no-channel-priority", "thing")
        self.assertEqual(packages(self.prefix("none"))["thing"][0], "2.0")
        self.envtool("create", "-y", "-n", "strict", *both, "--strict-channel-priority", "thing>=2", code=1)


class Transport(CliTest):
    """The same environment from a folder, a file:// URL and a server."""

    def test_all_give_the_same_packages(self):
        self.envtool("create", "-y", "-n", "path", "-c", CHANNEL, "--override-channels", "demo-app", "generic-demo")
        self.envtool("create", "-y", "-n", "url", "-c", CHANNEL.as_uri(), "--override-channels", "demo-app", "generic-demo")
        with http_channel() as server:
            self.envtool("create", "-y", "-n", "http", "-c", server, "--override-channels", "demo-app", "generic-demo")
            self.assertEqual(records(self.prefix("http"))["demo-app"]["url"],
                             f"{server}/{support.SUBDIR}/demo-app-2.0-h7dabc9c_0.conda")
        trees = [files_of_packages(self.prefix(name)) for name in ("path", "url", "http")]
        self.assertIn("bin/demo-app", trees[0])
        self.assert_same_tree(trees[0], trees[1])
        self.assert_same_tree(trees[0], trees[2])

    def test_second_time_from_the_cache(self):
        with http_channel() as server:
            self.envtool("create", "-y", "-n", "one", "-c", server, "--override-channels", "demo-app")
        # The server is gone.
        self.envtool("create", "-y", "-n", "two", "--offline", "-c", server, "--override-channels", "demo-app")
        self.assertEqual(packages(self.prefix("one")), packages(self.prefix("two")))
        result = self.envtool("create", "-y", "-n", "three", "--offline", "-c", server, "--override-channels", "generic-demo", code=1)
        self.assertIn("generic-demo", result.err)
        self.assertFalse(self.prefix("three").exists())

    def test_offline_without_a_cache(self):
        with http_channel() as server:
            result = self.envtool("create", "-y", "-n", "one", "--offline", "-c", server, "--override-channels", "demo-app", code=1)
        self.assertIn("offline", result.err)
        self.assertFalse(self.prefix("one").exists())

    def test_each_package_is_asked_for_once(self):
        log = self.work / "access.log"
        with http_channel(None, "--access-log", log) as server:
            for name in ("one", "two"):
                self.envtool("create", "-y", "-n", name, "-c", server, "--override-channels", "demo-app")
        asked = [line.split()[1] for line in log.read_text().splitlines() if ".conda" in line and "200" in line.split()]
        self.assertEqual(sorted(asked), [f"/{support.SUBDIR}/demo-app-2.0-h7dabc9c_0.conda", f"/{support.SUBDIR}/demo-lib-2.0-hf7ddc87_0.conda"])


class Platform(CliTest):
    def test_environment_for_another_platform(self):
        channel = write_channel(self.work / "channel", Package("native", "1.0", {"bin/native": "x"}, subdir=support.OTHER_SUBDIR),
                                Package("any", "1.0", {"share/any": "x"}, ["native"]))
        self.envtool("create", "-y", "-n", "other", "--platform", support.OTHER_SUBDIR, "-c", channel, "--override-channels", "any")
        self.assertEqual(records(self.prefix("other"))["native"]["subdir"], support.OTHER_SUBDIR)


if __name__ == "__main__":
    support.main()
