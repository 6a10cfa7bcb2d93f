"""`install`, `update`, `remove`: what changes, what stays, who may forbid it."""
import json

import support
from made_channel import Package, write_channel
from support import CHANNEL, CliTest, manifest, packages, records, without_lock

FROM_CHANNEL = ("-c", CHANNEL, "--override-channels")


def versions(prefix):
    return {name: version for name, (version, _) in packages(prefix).items()}


class Install(CliTest):
    def test_adds_and_keeps(self):
        env = self.create("e", "demo-lib=1.0")
        self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "generic-demo")
        self.assertEqual(versions(env), {"demo-lib": "1.0", "generic-demo": "2.0"})
        self.assertTrue((env / "share/generic-demo/data.txt").is_file())
        self.assert_nothing_left()

    def test_moves_what_it_has_to(self):
        env = self.create("e", "demo-app")
        self.assertEqual(versions(env), {"demo-app": "2.0", "demo-lib": "2.0"})
        document = self.envtool("install", "--json", "-n", "e", *FROM_CHANNEL, "demo-lib<2").json()
        self.assertEqual(versions(env), {"demo-app": "1.0", "demo-lib": "1.1"})
        self.assertEqual({(item["name"], item["version"]) for item in document["actions"]["UNLINK"]}, {("demo-app", "2.0"), ("demo-lib", "2.0")})
        self.assertEqual({(item["name"], item["version"]) for item in document["actions"]["LINK"]}, {("demo-app", "1.0"), ("demo-lib", "1.1")})
        self.assertEqual(self.run_in(env, "demo-app"), "demo-app 1.0 with demo-lib 1.1\n")
        self.assertEqual(sorted(path.name for path in (env / "lib").iterdir() if not path.is_symlink()), ["libdemo.so.1"])

    def test_nothing_to_do(self):
        env = self.create("e", "demo-app")
        before = without_lock(manifest(env))
        result = self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "demo-app")
        self.assertIn("already installed", result.out)
        document = self.envtool("install", "--json", "-n", "e", *FROM_CHANNEL, "demo-app").json()
        self.assertEqual((document["success"], document["message"]), (True, "All requested packages already installed."))
        self.assert_same_tree(without_lock(manifest(env)), before)

    def test_history_grows(self):
        env = self.create("e", "demo-app=1.0")
        self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "demo-app=2.0", "generic-demo")
        blocks = (env / "conda-meta/history").read_text().split("==> ")[1:]
        self.assertEqual(len(blocks), 2)
        lines = blocks[1].splitlines()
        base = CHANNEL.as_uri()
        self.assertIn(f"-{base}/{support.SUBDIR}::demo-app-1.0-hc914f18_0", lines)
        self.assertIn(f"+{base}/{support.SUBDIR}::demo-app-2.0-h7dabc9c_0", lines)
        self.assertIn("# update specs: ['demo-app=2.0', 'generic-demo']", lines)

    def test_active_environment_is_meant(self):
        env = self.create("e", "demo-lib=1.0")
        self.envtool("install", "-y", *FROM_CHANNEL, "demo-lib=1.1", env={"CONDA_PREFIX": str(env)})
        self.assertEqual(versions(env), {"demo-lib": "1.1"})
        result = self.envtool("install", "-y", *FROM_CHANNEL, "demo-lib=1.1", code=2)
        self.assertIn("-n", result.err)

    def test_unknown_environment(self):
        self.create("numbers", "demo-lib")
        result = self.envtool("install", "-y", "-n", "number", *FROM_CHANNEL, "demo-app", code=1)
        self.assert_contains(result.err, "`number`", "did you mean `numbers`?")
        result = self.envtool("install", "-y", "-p", self.work, *FROM_CHANNEL, "demo-app", code=1)
        self.assertIn(str(self.work), result.err)

    def test_force_reinstall_mends(self):
        env = self.create("e", "demo-app")
        (env / "bin/demo-app").unlink()
        self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "--force-reinstall", "demo-app")
        self.assertEqual(self.run_in(env, "demo-app"), "demo-app 2.0 with demo-lib 2.0\n")

    def test_from_files(self):
        env = self.create("e", "demo-app=1.0")
        self.write("environment.yml", f"name: e\nchannels: ['{CHANNEL}', nodefaults]\ndependencies: [demo-app=2.0]\nvariables: {{A: b}}\n")
        self.envtool("install", "-y", "-f", "environment.yml")
        self.assertEqual(versions(env), {"demo-app": "2.0", "demo-lib": "2.0"})
        self.assertEqual(json.loads((env / "conda-meta/state").read_text())["env_vars"], {"A": "b"})

    def test_archive_by_path(self):
        env = self.create("e", "demo-lib=1.0")
        self.envtool("install", "-y", "-n", "e", CHANNEL / support.SUBDIR / "demo-lib-1.1-hf7ddc87_0.conda")
        self.assertEqual(versions(env), {"demo-lib": "1.1"})
        self.assertEqual(records(env)["demo-lib"]["depends"], ["__glibc >=2.36,<3.0.a0"])

    def test_failure_changes_nothing(self):
        env = self.create("e", "demo-app=1.0")
        before = without_lock(manifest(env))
        self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "no-such-package", code=1)
        self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "demo-app=2", "demo-lib=1", code=1)
        self.assert_same_tree(without_lock(manifest(env)), before)

    def test_freeze_installed(self):
        env = self.create("e", "demo-lib=1.0")
        self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "--freeze-installed", "demo-app")
        self.assertEqual(versions(env), {"demo-app": "1.0", "demo-lib": "1.0"})
        self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "--freeze-installed", "constrain-demo", code=1)


class PythonSeries(CliTest):
    """Python's minor version is never a side effect."""

    def setUp(self):
        super().setUp()
        channel = write_channel(
            self.work / "channel", *(Package("python", v, {"bin/python": v}) for v in ("3.11.2", "3.11.9", "3.12.1")),
            Package("tool", "1.0", {"share/tool": "1"}, ["python >=3.11,<3.12.0a0"], build="py311_0"),
            Package("tool", "1.1", {"share/tool": "1.1"}, ["python >=3.11,<3.12.0a0"], build="py311_0"),
            Package("tool", "2.0", {"share/tool": "2"}, ["python >=3.12,<3.13.0a0"], build="py312_0"),
            Package("only-new", "1.0", {"share/only-new": "1"}, ["python >=3.12"]))
        self.channel = ("-c", channel, "--override-channels")
        self.envtool("create", "-y", "-n", "e", *self.channel, "python=3.11.2", "tool=1.0")
        # The wishes of that command would hold everything; an export has none.
        self.envtool("create", "-y", "-n", "free", *self.channel, "python=3.11.2", "tool=1.0")
        for path in (self.prefix("free") / "conda-meta").glob("*.json"):
            record = json.loads(path.read_text())
            path.write_text(json.dumps({key: value for key, value in record.items() if not key.startswith("requested_spec")}))
        (self.prefix("free") / "conda-meta/history").write_text("")

    def test_update_of_another_package(self):
        self.envtool("update", "-y", "-n", "free", *self.channel, "tool")
        self.assertEqual(versions(self.prefix("free")), {"python": "3.11.2", "tool": "1.1"})

    def test_update_all(self):
        self.envtool("update", "-y", "-n", "free", *self.channel, "--all")
        self.assertEqual(versions(self.prefix("free")), {"python": "3.11.9", "tool": "1.1"})

    def test_install_of_another_package(self):
        result = self.envtool("install", "-y", "-n", "free", *self.channel, "only-new", code=1)
        self.assert_contains(result.err, "only-new", "python")
        self.assertEqual(versions(self.prefix("free")), {"python": "3.11.2", "tool": "1.0"})

    def test_python_by_name(self):
        self.envtool("install", "-y", "-n", "free", *self.channel, "python=3.12", "tool")
        self.assertEqual(versions(self.prefix("free")), {"python": "3.12.1", "tool": "2.0"})

    def test_wishes_of_the_user_hold(self):
        self.envtool("update", "-y", "-n", "e", *self.channel, "--all")
        self.assertEqual(versions(self.prefix("e")), {"python": "3.11.2", "tool": "1.0"})


class Update(CliTest):
    def test_not_installed(self):
        self.create("e", "demo-lib")
        result = self.envtool("update", "-y", "-n", "e", *FROM_CHANNEL, "demo-app", code=1)
        self.assert_contains(result.err, "`demo-app` is not installed", "envtool install")

    def test_named_package_alone(self):
        first = write_channel(self.work / "first", Package("a", "1"), Package("b", "1"))
        self.envtool("create", "-y", "-n", "e", "-c", first, "--override-channels", "a", "b")
        second = write_channel(self.work / "first", Package("a", "2"), Package("b", "2"))
        self.envtool("update", "-y", "-n", "e", "-c", second, "--override-channels", "a", "--repodata-ttl", "0")
        self.assertEqual(versions(self.prefix("e")), {"a": "2", "b": "1"})
        self.envtool("update", "-y", "-n", "e", "-c", second, "--override-channels", "--all")
        self.assertEqual(versions(self.prefix("e")), {"a": "2", "b": "2"})

    def test_from_file_with_prune(self):
        env = self.create("e", "demo-app", "generic-demo")
        self.write("environment.yml", f"name: e\nchannels: ['{CHANNEL}', nodefaults]\ndependencies: [demo-lib=1.0]\n")
        self.envtool("env", "update", "-y", "-f", "environment.yml", "--prune")
        self.assertEqual(versions(env), {"demo-lib": "1.0"})


class Remove(CliTest):
    def test_what_needs_it_goes_too(self):
        env = self.create("e", "demo-app", "generic-demo")
        result = self.envtool("remove", "-y", "-n", "e", "demo-lib")
        self.assert_contains(result.out, "demo-app", "demo-lib")
        self.assertEqual(versions(env), {"generic-demo": "2.0"})
        self.assertFalse((env / "bin").exists())
        self.assertEqual((env / "conda-meta/history").read_text().count("# remove specs: ["), 1)
        # What was taken out is no wish any more.
        self.envtool("update", "-y", "-n", "e", *FROM_CHANNEL, "--all")
        self.assertEqual(versions(env), {"generic-demo": "2.0"})

    def test_force_takes_only_the_named(self):
        env = self.create("e", "demo-app")
        self.envtool("remove", "-y", "-n", "e", "--force", "demo-lib")
        self.assertEqual(versions(env), {"demo-app": "2.0"})

    def test_unknown(self):
        env = self.create("e", "demo-app")
        before = without_lock(manifest(env))
        result = self.envtool("remove", "-y", "-n", "e", "demo-lip", "demo-app", code=1)
        self.assert_contains(result.err, "demo-lip", "did you mean `demo-lib`?")
        self.assert_same_tree(without_lock(manifest(env)), before)

    def test_needs_no_channel(self):
        env = self.create("e", "demo-app", "generic-demo")
        self.envtool("remove", "-y", "-n", "e", "generic-demo", "--offline")
        self.assertEqual(set(packages(env)), {"demo-app", "demo-lib"})

    def test_all(self):
        env = self.create("e", "demo-app")
        self.envtool("remove", "-y", "-n", "e", "--all")
        self.assertFalse(env.exists())
        self.assert_nothing_left()

    def test_json(self):
        self.create("e", "demo-app")
        document = self.envtool("remove", "--json", "-n", "e", "demo-lib").json()
        self.assertEqual({item["name"] for item in document["actions"]["UNLINK"]}, {"demo-app", "demo-lib"})
        self.assertEqual(document["actions"]["LINK"], [])


class Guards(CliTest):
    def setUp(self):
        super().setUp()
        self.env = self.create("e", "demo-app=1.0")

    def frozen(self, text):
        (self.env / "conda-meta/frozen").write_text(text)
        before = without_lock(manifest(self.env))
        results = [self.envtool(*command, code=1) for command in (
            ("install", "-y", "-n", "e", *FROM_CHANNEL, "generic-demo"), ("update", "-y", "-n", "e", *FROM_CHANNEL, "--all"),
            ("remove", "-y", "-n", "e", "demo-lib"), ("env", "remove", "-y", "-n", "e"), ("remove", "-y", "-n", "e", "--all"),
            ("env", "config", "vars", "set", "-n", "e", "A=b"),
            ("create", "-y", "-n", "e", *FROM_CHANNEL, "demo-lib"))]
        self.assert_same_tree(without_lock(manifest(self.env)), before)
        return results

    def test_frozen(self):
        self.frozen("")

    def test_frozen_with_a_message(self):
        for result in self.frozen('{"message": "ask Jane first"}'):
            self.assertIn("ask Jane first", result.err)
        self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "--override-frozen", "generic-demo")
        self.assertIn("generic-demo", packages(self.env))

    def test_frozen_may_be_used(self):
        (self.env / "conda-meta/frozen").write_text("")
        self.assertIn("demo-app 1.0", self.envtool("run", "-n", "e", "demo-app").out)
        self.assertIn("demo-app", self.envtool("list", "-n", "e").out)

    def test_pinned(self):
        (self.env / "conda-meta/pinned").write_text("# keep\ndemo-lib <1.1\n")
        self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "demo-app")
        self.assertEqual(versions(self.env)["demo-app"], "1.0")
        result = self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "demo-app=2", code=1)
        self.assert_contains(result.err, "demo-lib", "<1.1", "demo-app")
        self.assertIn("pin", result.err)
        self.envtool("install", "-y", "-n", "e", *FROM_CHANNEL, "--no-pin", "demo-app=2")
        self.assertEqual(versions(self.env)["demo-app"], "2.0")


if __name__ == "__main__":
    support.main()
