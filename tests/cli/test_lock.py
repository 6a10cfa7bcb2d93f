"""`envtool lock` and the way back: the same packages, whatever the channel has by then, or a clear refusal."""
import re

import support
from made_channel import Package, write_channel
from support import CHANNEL, OTHER_SUBDIR, SUBDIR, CliTest, files_of_packages, http_channel, packages, records


class Lock(CliTest):
    def setUp(self):
        super().setUp()
        made = [Package("any", "1.0", {"share/any": "1"}, ["native >=1"])]
        for subdir in (SUBDIR, OTHER_SUBDIR):
            made.append(Package("native", "1.0", {"bin/native": f"#!/bin/sh\necho {subdir}\n"}, subdir=subdir))
        self.made = made
        self.channel = write_channel(self.work / "channel", *made)
        self.file = self.write("environment.yml", f"name: locked\nchannels: ['{self.channel}', nodefaults]\ndependencies: [any]\n")
        self.both = ("--platform", SUBDIR, "--platform", OTHER_SUBDIR)

    def lock(self, *options, code=0):
        return self.envtool("lock", *options, code=code)

    def newer_packages(self):
        write_channel(self.channel, *self.made, *(Package("native", "2.0", {"bin/native": "2"}, subdir=subdir) for subdir in (SUBDIR, OTHER_SUBDIR)))

    def text(self):
        return (self.work / "conda-lock.yml").read_text()

    def test_two_platforms(self):
        result = self.lock("-f", "environment.yml", *self.both)
        self.assertIn("conda-lock.yml", result.out)
        self.assert_contains(self.text(), "version: 1", f"platform: {SUBDIR}", f"platform: {OTHER_SUBDIR}", "environment.yml", "sha256: ")
        self.assertEqual(self.text().count("name: native"), 2)

    def test_same_packages_without_solving(self):
        self.lock("-f", "environment.yml", *self.both)
        self.newer_packages()
        # Even the index may be gone.
        for subdir in ("noarch", SUBDIR, OTHER_SUBDIR):
            (self.channel / subdir / "repodata.json").unlink()
        self.envtool("create", "-y", "-n", "from-lock", "-f", "conda-lock.yml", "--offline")
        env = self.prefix("from-lock")
        self.assertEqual(packages(env), {"any": ("1.0", "0"), "native": ("1.0", "0")})
        self.assertEqual(self.run_in(env, "native"), f"{SUBDIR}\n")
        # conda's own view of the environment is that of a solved one.
        found = records(env)["any"]
        self.assertEqual((found["depends"], found["subdir"], found["noarch"]), (["native >=1"], "noarch", "generic"))
        self.assertEqual(found["channel"], self.channel.as_uri())

    def test_other_platform_of_the_lock(self):
        self.lock("-f", "environment.yml", *self.both)
        self.envtool("create", "-y", "-n", "other", "-f", "conda-lock.yml", "--platform", OTHER_SUBDIR)
        self.assertEqual(records(self.prefix("other"))["native"]["subdir"], OTHER_SUBDIR)

    def test_platform_that_the_lock_lacks(self):
        self.lock("-f", "environment.yml", "--platform", OTHER_SUBDIR)
        result = self.envtool("create", "-y", "-n", "x", "-f", "conda-lock.yml", code=1)
        self.assert_contains(result.err, SUBDIR, OTHER_SUBDIR, "conda-lock.yml")
        self.assertFalse(self.prefix("x").exists())

    def test_platforms_of_the_file(self):
        self.write("environment.yml", self.file.read_text() + f"platforms: [{SUBDIR}, {OTHER_SUBDIR}]\n")
        self.lock("-f", "environment.yml")
        self.assertEqual(self.text().count("name: native"), 2)

    def test_defaults(self):
        self.lock()  # ./environment.yml, this platform, ./conda-lock.yml
        self.assertEqual(self.text().count("name: native"), 1)
        self.lock("--lockfile", "elsewhere/other.conda-lock.yml", code=None)
        self.lock("-f", "environment.yml", "--lockfile", "other.conda-lock.yml")
        self.envtool("create", "-y", "-n", "x", "-f", "other.conda-lock.yml")

    def test_same_lock_twice(self):
        self.lock(*self.both)
        first = self.text()
        self.lock(*self.both)
        self.assertEqual(self.text(), first)
        self.assertIs(self.envtool("lock", "--json", *self.both).json()["changed"], False)

    def test_dry_run(self):
        self.lock("--dry-run", *self.both)
        self.assertFalse((self.work / "conda-lock.yml").exists())

    def test_tampered_digest_is_refused(self):
        self.lock(*self.both)
        digest = support.sha256_of(self.channel / SUBDIR / "native-1.0-0.tar.bz2")
        self.assertIn(digest, self.text())
        self.write("conda-lock.yml", self.text().replace(digest, digest[::-1]))
        document = self.envtool("create", "-y", "--json", "-n", "x", "-f", "conda-lock.yml", code=1).json()
        self.assertEqual(document["exception_name"], "ChecksumMismatchError")
        self.assertFalse(self.prefix("x").exists())
        self.assert_nothing_left()

    def test_tampered_package_is_refused(self):
        self.lock(*self.both)
        write_channel(self.channel, Package("native", "1.0", {"bin/native": "evil"}, subdir=SUBDIR), self.made[0])
        self.envtool("create", "-y", "-n", "x", "-f", "conda-lock.yml", code=1)
        self.assertFalse(self.prefix("x").exists())

    def test_tampered_package_in_the_cache_is_not_used(self):
        # The cache has another package of that very name.
        other = write_channel(self.work / "other", Package("native", "1.0", {"bin/native": "#!/bin/sh\necho other\n"}, subdir=SUBDIR))
        self.envtool("create", "-y", "-n", "other", "-c", other, "--override-channels", "native")
        self.lock(*self.both)
        self.envtool("create", "-y", "-n", "x", "-f", "conda-lock.yml")
        self.assertEqual(self.run_in(self.prefix("x"), "native"), f"{SUBDIR}\n")
        self.assertEqual(self.run_in(self.prefix("other"), "native"), "other\n")

    def test_unsolvable_platform_is_named(self):
        write_channel(self.channel, *self.made[:2])
        (self.channel / OTHER_SUBDIR / "repodata.json").unlink()
        result = self.lock(*self.both, code=1)
        self.assertIn(OTHER_SUBDIR, result.err)
        self.assertFalse((self.work / "conda-lock.yml").exists())

    def test_failure_keeps_the_lock_of_before(self):
        self.lock(*self.both)
        before = self.text()
        self.write("environment.yml", self.file.read_text().replace("[any]", "[any, ghost]"))
        self.lock(*self.both, code=1)
        self.assertEqual(self.text(), before)

    def test_selectors_decide_for_each_platform(self):
        selector = "aarch64" if OTHER_SUBDIR == "linux-aarch64" else "x86_64"
        write_channel(self.channel, *self.made, Package("extra", files={"share/extra": "x"}))
        self.write("environment.yml", f"name: locked\nchannels: ['{self.channel}', nodefaults]\ndependencies:\n  - any\n  - extra  # [{selector}]\n")
        self.lock(*self.both)
        self.assertEqual(self.text().count("name: extra"), 1)
        self.envtool("create", "-y", "-n", "x", "-f", "conda-lock.yml")
        self.assertNotIn("extra", packages(self.prefix("x")))

    def test_locks_that_make_no_sense(self):
        self.lock(*self.both)
        good = self.text()
        for text, place in ((good.replace("version: 1\n", "version: 99\n", 1), "99"), (good[:len(good) // 2] + "\n  - [", "conda-lock.yml:"),
                            (re.sub(r'sha256: "?[0-9a-f]{64}"?', "sha256: nonsense", good), "sha256"), (re.sub(r"manager: conda", "manager: apt", good), "apt"),
                            (re.sub(r"url: .*", "url: /etc/passwd", good), "conda-lock.yml")):
            with self.subTest(place=place):
                self.write("conda-lock.yml", text)
                result = self.envtool("create", "-y", "-n", "x", "-f", "conda-lock.yml", code=1)
                self.assertIn(place, result.err)
                self.assertFalse(self.prefix("x").exists())

    def test_lock_does_not_mix_with_specs(self):
        self.lock(*self.both)
        self.envtool("create", "-y", "-n", "x", "-f", "conda-lock.yml", "-c", self.channel, "native", code=2)

    def test_update_to_a_lock(self):
        self.lock(*self.both)
        self.newer_packages()
        self.envtool("create", "-y", "-n", "e", "-c", self.channel, "--override-channels", "--repodata-ttl", "0", "any")
        self.assertEqual(packages(self.prefix("e"))["native"][0], "2.0")
        self.envtool("update", "-y", "-n", "e", "-f", "conda-lock.yml")
        self.assertEqual(packages(self.prefix("e"))["native"][0], "1.0")

    def test_pip_section_is_not_left_out_silently(self):
        self.write("environment.yml", self.file.read_text().replace("[any]", "[any, {pip: [six]}]"))
        result = self.lock(*self.both, code=2)
        self.assertIn("pip", result.err)
        result = self.lock(*self.both, "--no-pip")
        self.assert_contains(result.err, "warning", "pip")


class RealLock(CliTest):
    def test_python_environment_from_a_server(self):
        with http_channel() as server:
            self.write("environment.yml", f"name: e\nchannels: ['{server}', nodefaults]\ndependencies: [python=3.11, pip, prefix-demo, six]\n")
            self.envtool("lock", "-f", "environment.yml", "--platform", SUBDIR)
            self.envtool("create", "-y", "-f", "environment.yml", "-n", "solved")
        self.envtool("create", "-y", "-n", "locked", "-f", "conda-lock.yml", "--offline")
        solved, locked = self.prefix("solved"), self.prefix("locked")
        self.assertEqual(packages(solved), packages(locked))
        self.assert_same_tree(*({path: entry[0] for path, entry in files_of_packages(env).items()} for env in (solved, locked)))
        self.assertEqual(self.run_in(locked, "prefix-demo"), f"program: {locked}\nlibrary: {locked}\n")
        self.assertIn("pip 23", self.run_in(locked, "pip", "--version"))
        self.assertNotIn(str(CHANNEL), (self.work / "conda-lock.yml").read_text())


if __name__ == "__main__":
    support.main()
