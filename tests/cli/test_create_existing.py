"""`envtool create` where something is already, with a look before the leap (`--dry-run`), and for programs (`--json`)."""
import os

import support
from made_channel import Package, write_channel
from support import CHANNEL, CliTest, manifest, packages, records, without_lock
from terminal import on_terminal


class Existing(CliTest):
    def setUp(self):
        super().setUp()
        self.env = self.create("there", "demo-app=1.0")
        (self.env / "notes.txt").write_text("mine")
        self.before = manifest(self.env)

    def assert_untouched(self):
        self.assert_same_tree(without_lock(manifest(self.env)), without_lock(self.before))
        self.assert_nothing_left()

    def again(self, *options, code=0):
        return self.envtool("create", "-n", "there", "-c", CHANNEL, "--override-channels", *options, "demo-app=2.0", code=code)

    def test_refused_without_a_word(self):
        result = self.again(code=None)
        self.assertNotEqual(result.code, 0)
        self.assert_contains(result.err, str(self.env), "--force")
        self.assert_untouched()

    def test_refused_for_programs(self):
        result = self.again("--json", code=1)
        self.assertEqual(result.json()["exception_name"], "CondaValueError")
        self.assert_untouched()

    def test_replaced_with_force(self):
        self.again("--force")
        self.assertEqual(packages(self.env)["demo-app"][0], "2.0")
        self.assertFalse((self.env / "notes.txt").exists())
        self.assert_nothing_left()

    def test_replaced_with_yes(self):
        self.again("--yes")
        self.assertEqual(packages(self.env)["demo-app"][0], "2.0")
        self.assertEqual((self.env / "conda-meta/history").read_text().count("==>"), 1)

    def test_failed_replacement_leaves_the_old_one(self):
        channel = write_channel(self.work / "channel", Package("broken", files={"share/x": "x"}))
        archive = channel / "noarch/broken-1.0-0.tar.bz2"
        archive.write_bytes(archive.read_bytes()[:-30])
        self.envtool("create", "--yes", "-n", "there", "-c", channel, "--override-channels", "broken", code=1)
        self.assert_untouched()

    def test_asked_on_a_terminal(self):
        command = [support.ENVTOOL, "create", "-n", "there", "-c", str(CHANNEL), "--override-channels", "demo-app=2.0"]
        environ = {**self.environ, "TERM": "xterm"}
        code, shown = on_terminal(command, environ, self.work, [("[y/N]", "n\n")])
        self.assertNotEqual(code, 0, shown)
        self.assert_untouched()
        code, shown = on_terminal(command, environ, self.work, [("[y/N]", "y\n")])
        self.assertEqual(code, 0, shown)
        self.assertEqual(packages(self.env)["demo-app"][0], "2.0")


class Place(CliTest):
    def refused(self, place, *options):
        before = manifest(place) if place.is_dir() else place.read_bytes()
        result = self.envtool("create", "-y", *options, "-p", place, "-c", CHANNEL, "--override-channels", "demo-lib", code=1)
        self.assertIn(str(place), result.err)
        self.assertEqual(manifest(place) if place.is_dir() else place.read_bytes(), before)
        self.assert_nothing_left()

    def test_folder_with_something_in_it(self):
        self.write("place/precious.txt", "precious")
        self.refused(self.work / "place")
        self.refused(self.work / "place", "--force")

    def test_file(self):
        self.refused(self.write("place", "precious"), "--force")

    def test_empty_folder_is_taken(self):
        place = self.work / "place"
        place.mkdir()
        self.envtool("create", "-y", "-p", place, "-c", CHANNEL, "--override-channels", "demo-lib")
        self.assertEqual(set(packages(place)), {"demo-lib"})

    def test_dangling_link_is_no_place(self):
        place = self.work / "place"
        place.symlink_to("nowhere")
        self.envtool("create", "-y", "-p", place, "-c", CHANNEL, "--override-channels", "demo-lib", code=1)
        self.assertEqual(os.readlink(place), "nowhere")
        self.assertFalse((self.work / "nowhere").exists())

    def test_names_that_are_refused(self):
        for name in ("", "a b:c", "a#b", "..", "x\ny"):
            with self.subTest(name=name):
                result = self.envtool("create", "-y", "-n", name, "-c", CHANNEL, "--override-channels", "demo-lib", code=None)
                self.assertIn(result.code, (1, 2), result)
        self.assertFalse((self.root / "envs").exists() and list((self.root / "envs").iterdir()))


class Confirmation(CliTest):
    """Without a terminal nothing is done that was not said."""

    def test_new_environment_wants_a_yes(self):
        result = self.envtool("create", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-lib", code=2)
        self.assertIn("--yes", result.err)
        self.assertFalse(self.prefix("x").exists())

    def test_setting_answers(self):
        (self.home.path / ".condarc").write_text("always_yes: true\n")
        self.envtool("create", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-lib")
        self.envtool("create", "-n", "y", "-c", CHANNEL, "--override-channels", "demo-lib", "--no-rc", code=2)

    def test_env_create_never_asks(self):
        # As in conda: `conda env create` in a Dockerfile has no `--yes`.
        self.write("environment.yml", f"name: x\nchannels: ['{CHANNEL}', nodefaults]\ndependencies: [demo-app=1.0]\n")
        self.envtool("env", "create", "-f", "environment.yml")
        self.assertEqual(packages(self.prefix("x"))["demo-app"][0], "1.0")
        self.write("environment.yml", f"name: x\nchannels: ['{CHANNEL}', nodefaults]\ndependencies: [demo-app=2.0]\n")
        self.envtool("env", "update", "-f", "environment.yml")
        self.assertEqual(packages(self.prefix("x"))["demo-app"][0], "2.0")

    def test_env_create_reads_environment_yml(self):
        self.write("environment.yml", f"name: x\nchannels: ['{CHANNEL}', nodefaults]\ndependencies: [demo-lib]\n")
        self.envtool("env", "create", "--yes")
        self.assertEqual(set(packages(self.prefix("x"))), {"demo-lib"})


class DryRun(CliTest):
    def test_nothing_is_made(self):
        result = self.envtool("create", "--dry-run", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-app")
        self.assert_contains(result.out, "demo-app", "demo-lib", "2.0")
        made = [path for path in manifest(self.home.path) if "demo" in path or "envs" in path or "environments.txt" in path]
        self.assertEqual(made, [])

    def test_existing_environment_is_untouched(self):
        env = self.create("there", "demo-app=1.0")
        before = manifest(env)
        self.envtool("create", "--dry-run", "--force", "-n", "there", "-c", CHANNEL, "--override-channels", "demo-app=2.0")
        self.envtool("install", "--dry-run", "-n", "there", "-c", CHANNEL, "--override-channels", "demo-app=2.0")
        self.envtool("remove", "--dry-run", "-n", "there", "demo-lib")
        self.envtool("env", "remove", "--dry-run", "-n", "there")
        self.assert_same_tree(without_lock(manifest(env)), without_lock(before))

    def test_json(self):
        document = self.envtool("create", "--dry-run", "--json", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-app").json()
        self.assertEqual((document["success"], document["dry_run"]), (True, True))
        self.assertEqual({item["name"] for item in document["actions"]["FETCH"]}, {"demo-app", "demo-lib"})
        self.assertFalse(self.prefix("x").exists())


class Json(CliTest):
    def test_actions(self):
        document = self.envtool("create", "--json", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-app").json()
        self.assertEqual(document["prefix"], str(self.prefix("x")))
        actions = document["actions"]
        self.assertEqual(actions["PREFIX"], str(self.prefix("x")))
        self.assertEqual(actions["UNLINK"], [])
        self.assertEqual({item["name"] for item in actions["FETCH"]}, {"demo-app", "demo-lib"})
        record = records(self.prefix("x"))["demo-app"]
        linked = {item["name"]: item for item in actions["LINK"]}
        self.assertEqual(set(linked), {"demo-app", "demo-lib"})
        for key in ("version", "build_number", "fn", "url", "sha256", "size", "depends"):
            self.assertEqual(linked["demo-app"][key], record[key], key)
        self.assertEqual(linked["demo-app"]["dist_name"], "demo-app-2.0-h7dabc9c_0")
        # conda links dependencies first, and programs rely on the order.
        self.assertEqual([item["name"] for item in actions["LINK"]], ["demo-lib", "demo-app"])

    def test_nothing_to_fetch(self):
        self.create("x", "demo-app")
        document = self.envtool("create", "--json", "-n", "y", "-c", CHANNEL, "--override-channels", "demo-app").json()
        self.assertEqual(document["actions"]["FETCH"], [])

    def test_replaced_environment(self):
        self.create("x", "demo-app=1.0")
        document = self.envtool("create", "--json", "-y", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-app=2.0").json()
        self.assertEqual({item["name"] for item in document["actions"]["LINK"]}, {"demo-app", "demo-lib"})

    def test_standard_error_is_quiet(self):
        result = self.envtool("create", "--json", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-app")
        self.assertEqual(result.err, "")

    def test_quiet(self):
        result = self.envtool("create", "-q", "-y", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-app")
        self.assertEqual((result.out, result.err), ("", ""))


if __name__ == "__main__":
    support.main()
