"""What gets chosen: variants, channels, dates, platforms, pins, and the options that change the choice."""
import json
import os
import subprocess
import time

import support
from made_channel import Package, change_record, write_channel
from support import OTHER_SUBDIR, SUBDIR, CliTest, manifest, packages, without_lock

DAY = 86400


def versions(prefix):
    return {name: version for name, (version, _) in packages(prefix).items()}


class SolvingTest(CliTest):
    def channel(self, name, *made):
        """Makes or replaces a channel; gives the arguments that use it alone."""
        return ("-c", write_channel(self.work / name, *made), "--override-channels", "--repodata-ttl", "0")

    def solve(self, *arguments, env=None):
        """What a new environment would get: name to record."""
        document = self.envtool("create", "-n", "dry", "--dry-run", "--json", *arguments, env=env).json()
        return {item["name"]: item for item in document["actions"]["LINK"]}

    def chosen(self, *arguments, env=None):
        """`name=version=build` of what a new environment would get."""
        return sorted(f"{r['name']}={r['version']}={r['build']}" for r in self.solve(*arguments, env=env).values())

    def history_specs(self, prefix):
        lines = [line for line in (prefix / "conda-meta/history").read_text().splitlines() if line.startswith("# update specs: ")]
        return lines[-1].split(": ", 1)[1]


class Variants(SolvingTest):
    """Which of several builds conda would take."""

    def test_build_number(self):
        channel = self.channel("c", Package("a", build="x_0"), Package("a", build="b_2"), Package("a", build="c_1"))
        self.assertEqual(self.chosen(*channel, "a"), ["a=1.0=b_2"])

    def test_version_before_build_number(self):
        channel = self.channel("c", Package("a", "1.0", build="x_9"), Package("a", "1.0.1", build="x_0"))
        self.assertEqual(self.chosen(*channel, "a"), ["a=1.0.1=x_0"])

    def test_timestamp_last(self):
        channel = self.channel("c", Package("a", build="x_1", extra={"timestamp": 1700000000000}), Package("a", build="b_1", extra={"timestamp": 1700000000001}))
        self.assertEqual(self.chosen(*channel, "a"), ["a=1.0=b_1"])
        channel = self.channel("c", Package("a", build="x_1", extra={"timestamp": 1700000000001}), Package("a", build="b_1", extra={"timestamp": 1700000000000}))
        self.assertEqual(self.chosen(*channel, "a"), ["a=1.0=x_1"])

    def test_tracked_features_weigh_a_package_down(self):
        channel = self.channel("c", Package("blas", "2", build="mkl_5", extra={"track_features": "blas_mkl"}), Package("blas", "1", build="openblas_0"))
        self.assertEqual(self.chosen(*channel, "blas"), ["blas=1=openblas_0"])
        self.assertEqual(self.chosen(*channel, "blas=2"), ["blas=2=mkl_5"])

    def test_blas_by_name(self):
        channel = self.channel(
            "c", Package("blas", build="mkl_0", depends=["mkl"]), Package("blas", build="openblas_1", depends=["openblas"]), Package("mkl"), Package("openblas"),
            Package("numpy", build="mkl_0", depends=["blas * mkl*"]), Package("numpy", build="openblas_1", depends=["blas * openblas*"]))
        self.assertEqual(self.chosen(*channel, "numpy"), ["blas=1.0=openblas_1", "numpy=1.0=openblas_1", "openblas=1.0=0"])
        self.assertEqual(self.chosen(*channel, "numpy", "blas=*=mkl*"), ["blas=1.0=mkl_0", "mkl=1.0=0", "numpy=1.0=mkl_0"])

    def test_card_or_none(self):
        channel = self.channel("c", Package("torch", build="cpu_0"), Package("torch", build="cudaold_1", depends=["__cuda >=11.8"]), Package("torch", build="cudanew_2", depends=["__cuda >=12"]))
        for cuda, build in (("", "cpu_0"), ("11.8", "cudaold_1"), ("12.4", "cudanew_2"), ("10", "cpu_0")):
            self.assertEqual(self.chosen(*channel, "torch", env={"CONDA_OVERRIDE_CUDA": cuda}), [f"torch=1.0={build}"])

    def test_arch_or_noarch(self):
        # Alike but for the folder: the build number decides first, then the time.
        channel = self.channel("c", Package("a", build="py_0", extra={"timestamp": 1700000000000}), Package("a", build="h_1", subdir=SUBDIR, extra={"timestamp": 1600000000000}))
        self.assertEqual(self.chosen(*channel, "a"), ["a=1.0=h_1"])
        channel = self.channel("c", Package("a", build="py_1", extra={"timestamp": 1600000000000}), Package("a", build="h_0", subdir=SUBDIR))
        self.assertEqual(self.chosen(*channel, "a"), ["a=1.0=py_1"])

    def test_conda_before_tar_bz2(self):
        channel = self.channel("c", Package("a"))
        path = self.work / "c/noarch/repodata.json"
        document = json.loads(path.read_text())
        record = document["packages"]["a-1.0-0.tar.bz2"]
        document["packages.conda"]["a-1.0-0.conda"] = {**record, "sha256": "1" * 64}
        path.write_text(json.dumps(document))
        self.assertEqual(self.solve(*channel, "a")["a"]["fn"], "a-1.0-0.conda")

    def test_newest_of_what_was_asked_for_before_dependencies(self):
        channel = self.channel("c", Package("app", "1", depends=["lib"]), Package("app", "2", depends=["lib <2"]), Package("lib", "1"), Package("lib", "2"))
        self.assertEqual(self.chosen(*channel, "app"), ["app=2=0", "lib=1=0"])


class Channels(SolvingTest):
    def setUp(self):
        super().setUp()
        self.first = write_channel(self.work / "first", Package("a", "1.0"), Package("only-first"))
        self.second = write_channel(self.work / "second", Package("a", "2.0"), Package("b", depends=["a >=2"]))
        self.both = ("-c", self.first, "-c", self.second, "--override-channels")

    def test_priority(self):
        self.assertEqual(self.chosen(*self.both, "a"), ["a=1.0=0"])
        self.assertEqual(self.chosen(*self.both, "b"), ["a=2.0=0", "b=1.0=0"])
        for option in (("--no-channel-priority",), ("--channel-priority", "disabled")):
            self.assertEqual(self.chosen(*self.both, "a", *option), ["a=2.0=0"])
        for option in (("--strict-channel-priority",), ("--channel-priority", "strict")):
            result = self.envtool("create", "-n", "dry", "--dry-run", *self.both, "b", *option, code=1)
            self.assert_contains(result.err, "a >=2", "strict")
        self.envtool("create", "-n", "dry", "--dry-run", *self.both, "b", "--channel-priority", "lenient", code=1)

    def test_channel_of_a_spec(self):
        self.assertEqual(self.chosen(*self.both, f"{self.second.as_uri()}::a"), ["a=2.0=0"])
        # A channel that no list has.
        self.assertEqual(self.chosen("-c", self.first, "--override-channels", f"{self.second.as_uri()}::a"), ["a=2.0=0"])
        result = self.envtool("create", "-n", "dry", "--dry-run", *self.both, f"{self.first.as_uri()}::a=2", code=1)
        self.assertIn("a", result.err)

    def relate(self, channel, **relations):
        for path in channel.glob("*/repodata.json"):
            document = json.loads(path.read_text())
            document["info"]["channel_relations"] = relations
            path.write_text(json.dumps(document))

    def test_base_channel_comes_first(self):
        self.relate(self.second, base="../first")
        self.assertEqual(self.chosen("-c", self.second, "--override-channels", "a", "only-first"), ["a=1.0=0", "only-first=1.0=0"])
        # The user's order wins.
        self.assertEqual(self.chosen("-c", self.second, "-c", self.first, "--override-channels", "a"), ["a=2.0=0"])

    def test_overridden_channel_comes_last(self):
        self.relate(self.second, overrides="../first")
        self.assertEqual(self.chosen("-c", self.second, "--override-channels", "a", "only-first"), ["a=2.0=0", "only-first=1.0=0"])

    def test_circle_is_refused(self):
        self.relate(self.second, base="../first")
        self.relate(self.first, base="../second")
        result = self.envtool("create", "-n", "dry", "--dry-run", "-c", self.second, "--override-channels", "a", code=1)
        self.assertIn("first", result.err)

    def test_lock_names_the_users_channels_alone(self):
        self.relate(self.second, base="../first")
        self.envtool("lock", "-c", self.second, "--override-channels", "only-first", "--platform", SUBDIR)
        text = (self.work / "conda-lock.yml").read_text()
        self.assertEqual(text.count("- url: " ) >= 1, True)
        listed = text[text.index("channels:"):text.index("platforms:")]
        self.assertIn("second", listed)
        self.assertNotIn("first", listed)


class Platforms(SolvingTest):
    def test_any_platform_from_here(self):
        made = [Package("tool", build=subdir.replace("-", "_") + "_0", subdir=subdir, depends=[needs])
                for subdir, needs in (("win-64", "__win"), ("osx-arm64", "__osx >=11"), ("osx-64", "__unix"), ("linux-64", "__glibc >=2.17"), ("linux-aarch64", "__linux"))]
        channel = self.channel("c", *made)
        for package in made:
            record = self.solve(*channel, "tool", "--platform", package.subdir)["tool"]
            self.assertEqual((record["subdir"], record["build"]), (package.subdir, package.build))

    def test_versions_of_other_machines(self):
        channel = self.channel("c", Package("tool", "2", subdir="osx-arm64", depends=["__osx >=15"]), Package("tool", "1", subdir="osx-arm64"))
        self.assertEqual(self.chosen(*channel, "tool", "--platform", "osx-arm64"), ["tool=1=0"])
        self.assertEqual(self.chosen(*channel, "tool", "--platform", "osx-arm64", env={"CONDA_OVERRIDE_OSX": "15.1"}), ["tool=2=0"])
        self.envtool("create", "-n", "dry", "--dry-run", *channel, "tool", "--platform", "plan9-64", code=1)


class ExcludeNewer(SolvingTest):
    def setUp(self):
        super().setUp()
        self.now = int(time.time())
        self.made = self.channel("c", *(Package("a", str(age), extra={"timestamp": (self.now - age * DAY) * 1000}) for age in (1, 5, 20)),
                                 Package("b", "9", extra={"timestamp": (self.now - DAY) * 1000}), Package("b", "1", extra={"timestamp": (self.now - 50 * DAY) * 1000}))
        # The higher the version, the older the package: without a cutoff the oldest wins. So turn them round.
        path = self.work / "c/noarch/repodata.json"
        document = json.loads(path.read_text())
        for age, version in ((1, "3"), (5, "2"), (20, "1")):
            record = document["packages"].pop(f"a-{age}-0.tar.bz2")
            document["packages"][f"a-{version}-0.tar.bz2"] = {**record, "version": version}
        path.write_text(json.dumps(document))
        self.document, self.path = document, path

    def test_ages_and_moments(self):
        day = lambda age: time.strftime("%Y-%m-%d", time.gmtime(self.now - age * DAY))
        moment = lambda age: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now - age * DAY))
        for text, version in (("0", "3"), ("12h", "3"), ("3d", "2"), ("1w", "1"), ("P7D", "1"), ("PT72H", "2"), (str(3 * DAY), "2"),
                              (day(3), "2"), (day(5), "2"), (day(10), "1"), (moment(3), "2"), (moment(-3), "3")):
            self.assertEqual(self.chosen(*self.made, "a", "--exclude-newer", text), [f"a={version}=0"], text)

    def test_nonsense(self):
        for text in ("soon", "3x", "2026-02-30", "P1M", "20260401", "-3d"):
            result = self.envtool("create", "-n", "dry", "--dry-run", *self.made, "a", f"--exclude-newer={text}", code=1)
            self.assert_contains(result.err, "--exclude-newer", text, "hint")

    def test_time_of_the_index_counts(self):
        self.document["packages"]["a-3-0.tar.bz2"]["indexed_timestamp"] = (self.now - 30 * DAY) * 1000
        self.document["packages"]["a-1-0.tar.bz2"]["indexed_timestamp"] = self.now * 1000
        self.path.write_text(json.dumps(self.document))
        self.assertEqual(self.chosen(*self.made, "a", "--exclude-newer", "3d"), ["a=3=0"])

    def test_record_without_time_counts(self):
        del self.document["packages"]["a-3-0.tar.bz2"]["timestamp"]
        self.path.write_text(json.dumps(self.document))
        self.assertEqual(self.chosen(*self.made, "a", "--exclude-newer", "3d"), ["a=3=0"])

    def test_conflict_speaks_of_the_date(self):
        result = self.envtool("create", "-n", "dry", "--dry-run", *self.made, "a>=3", "--exclude-newer", "3d", code=1)
        self.assertRegex(result.err, "newer|date|released")

    def test_settings_and_exceptions(self):
        other = write_channel(self.work / "other", Package("x", "2", extra={"timestamp": (self.now - 2 * DAY) * 1000}), Package("x", "1", extra={"timestamp": (self.now - 60 * DAY) * 1000}))
        self.write("rc", f"""exclude_newer: 30d
exclude_newer_package: {{a: 3d, b: false}}
channel_settings:
  - channel: {other}
    exclude_newer: 1d
""")
        everything = (*self.made, "-c", other, "--rc-file", "rc", "a", "b", "x")
        self.assertEqual(self.chosen(*everything), ["a=2=0", "b=9=0", "x=2=0"])
        self.assertEqual(self.chosen(*everything, "--exclude-newer", "0"), ["a=2=0", "b=9=0", "x=2=0"])
        self.write("rc", f"exclude_newer: 7d\nchannel_settings: [{{channel: '*/other', exclude_newer: P30D}}]\n")
        self.assertEqual(self.chosen(*everything), ["a=1=0", "b=1=0", "x=1=0"])
        self.assertEqual(self.chosen(*everything, env={"CONDA_EXCLUDE_NEWER": "3d"}), ["a=2=0", "b=1=0", "x=1=0"])
        self.assertEqual(self.chosen(*everything, "--exclude-newer", "0"), ["a=3=0", "b=9=0", "x=1=0"])
        self.write("rc", "exclude_newer_package: {a: whenever}\n")
        result = self.envtool("create", "-n", "dry", "--dry-run", *everything, code=1)
        self.assert_contains(result.err, "exclude_newer_package", "rc:1", "whenever")

    def test_lock_install_and_update(self):
        self.envtool("lock", *self.made, "a", "--platform", SUBDIR, "--exclude-newer", "3d")
        self.assertIn("a-2-0", (self.work / "conda-lock.yml").read_text())
        # Real archives from here on.
        made = self.channel("real", *(Package("a", v, {f"a{v}": v}, extra={"timestamp": (self.now - age * DAY) * 1000}) for v, age in (("1", 20), ("2", 5), ("3", 1))))
        self.envtool("create", "-y", "-n", "e", *made, "a", "--exclude-newer", "7d")
        self.assertEqual(versions(self.prefix("e")), {"a": "1"})
        self.envtool("update", "-y", "-n", "e", *made, "a", "--exclude-newer", "3d")
        self.assertEqual(versions(self.prefix("e")), {"a": "2"})
        # What is installed stays, however new.
        self.envtool("update", "-y", "-n", "e", *made, "--all", "--exclude-newer", "7d")
        self.assertEqual(versions(self.prefix("e")), {"a": "2"})


class Options(SolvingTest):
    """The options of install and update."""

    def setUp(self):
        super().setUp()
        self.old = self.channel("c", Package("app", "1", depends=["lib >=1"]), Package("lib", "1", depends=["base"]), Package("base", "1"), Package("other", "1"))
        self.envtool("create", "-y", "-n", "e", *self.old, "app", "other")
        self.env = self.prefix("e")
        self.new = self.channel("c", *(Package(name, v, {f"share/{name}": v}, depends)
                                       for name, depends in (("app", ["lib >=1"]), ("lib", ["base"]), ("base", []), ("other", []), ("addon", ["lib"])) for v in ("1", "2")))

    def change(self, command, *arguments, code=0):
        self.envtool(command, "-y", "-n", "e", *self.new, *arguments, code=code)
        return versions(self.env)

    def test_install_keeps_what_satisfies(self):
        self.assertEqual(self.change("install", "app"), {"app": "1", "lib": "1", "base": "1", "other": "1"})

    def test_update_specs(self):
        self.assertEqual(self.change("install", "--update-specs", "app"), {"app": "2", "lib": "1", "base": "1", "other": "1"})

    def test_update_deps(self):
        self.assertEqual(self.change("install", "--update-deps", "app"), {"app": "2", "lib": "2", "base": "2", "other": "1"})

    def test_update_deps_of_a_new_package(self):
        self.assertEqual(self.change("install", "--update-deps", "addon"), {"addon": "2", "app": "1", "lib": "2", "base": "2", "other": "1"})

    def test_update_deps_of_an_update(self):
        self.assertEqual(self.change("update", "--update-deps", "lib"), {"app": "1", "lib": "2", "base": "2", "other": "1"})

    def test_update_all(self):
        everything = {"app": "2", "lib": "2", "base": "2", "other": "2"}
        self.assertEqual(self.change("install", "--update-all", "app"), everything)
        result = self.envtool("update", "-y", "-n", "e", *self.new, "--update-all")
        self.assert_contains(result.out, "All packages are up to date")
        result = self.envtool("update", "-y", "-n", "e", *self.new, "app")
        self.assert_contains(result.out, "up to date")

    def test_freeze_installed(self):
        self.assertEqual(self.change("install", "--no-update-deps", "addon"), {"addon": "2", "app": "1", "lib": "1", "base": "1", "other": "1"})
        self.change("install", "--freeze-installed", "app=2", code=1)
        self.change("install", "--freeze-installed", "--update-deps", "app", code=2)

    def test_no_deps(self):
        self.assertEqual(self.change("install", "--no-deps", "addon=1"), {"addon": "1", "app": "1", "lib": "1", "base": "1", "other": "1"})
        self.assertEqual(self.change("update", "--no-deps", "lib"), {"addon": "1", "app": "1", "lib": "2", "base": "1", "other": "1"})
        self.assertEqual([f["name"] for f in self.solve(*self.new, "--no-deps", "app").values()], ["app"])

    def test_no_deps_takes_builds_for_the_python_that_is_there(self):
        series = [Package("python", "3.11.1"), Package("python", "3.12.1")]
        channel = self.channel("py", *series, Package("numpy", "2"), Package("tool", "1", build="py311_0", depends=["python 3.11.*", "numpy"]),
                               Package("tool", "1", build="py312_1", depends=["python 3.12.*", "numpy"]),
                               Package("late", "1", build="py311_0", depends=["python 3.11.*", "numpy >=3"]),
                               Package("late", "1", build="py312_1", depends=["python 3.12.*", "numpy >=3"]),
                               Package("clash", "1", build="py311_0", depends=["python 3.11.*", "numpy <2"]), Package("numpy", "1"),
                               Package("clash", "1", build="py312_1", depends=["python 3.12.*", "numpy <2"]))
        self.assertEqual(self.chosen(*channel, "--no-deps", "tool", "python=3.11"), ["python=3.11.1=0", "tool=1=py311_0"])
        self.assertEqual(self.chosen(*channel, "--no-deps", "tool"), ["tool=1=py312_1"])
        self.envtool("create", "-y", "-n", "py", *channel, "python=3.11")
        for more in ((), ("--no-py-pin",)):
            document = self.envtool("install", "-d", "--json", "-n", "py", *channel, "--no-deps", "tool", *more).json()
            self.assertEqual([r["build"] for r in document["actions"]["LINK"]], ["py311_0"])
        self.envtool("install", "-y", "-n", "py", *channel, "--no-deps", "tool")
        self.assertEqual(versions(self.prefix("py")), {"python": "3.11.1", "tool": "1"})
        document = self.envtool("update", "--json", "-d", "-n", "py", *channel, "--no-deps", "--force-reinstall", "tool").json()
        self.assertEqual([(r["name"], r["build"]) for r in document["actions"]["LINK"]], [("tool", "py311_0")])
        # What the environment wants stands in the way: the build for its Python all the same, and a word about it.
        self.envtool("install", "-y", "-n", "py", *channel, "numpy=2")
        result = self.envtool("install", "-y", "-n", "py", *channel, "--no-deps", "clash")
        self.assert_contains(result.err, "do not fit the installed packages")
        self.assertEqual(packages(self.prefix("py"))["clash"], ("1", "py311_0"))
        self.assertEqual(versions(self.prefix("py"))["numpy"], "2")
        # A dependency that no channel has.
        result = self.envtool("create", "-d", "-n", "late", *channel, "--no-deps", "late")
        self.assert_contains(result.err, "chosen without looking at them")
        self.envtool("install", "-y", "-n", "py", *channel, "--no-deps", "nosuch", code=1)

    def test_only_deps(self):
        self.envtool("create", "-y", "-n", "deps", *self.new, "--only-deps", "app")
        self.assertEqual(versions(self.prefix("deps")), {"lib": "2", "base": "2"})
        # They are wanted: pruning leaves them.
        self.envtool("install", "-y", "-n", "deps", *self.new, "--prune", "other")
        self.assertEqual(versions(self.prefix("deps")), {"lib": "2", "base": "2", "other": "2"})

    def test_force_reinstall(self):
        document = self.envtool("install", "--json", "-n", "e", *self.old, "--force-reinstall", "lib=1").json()
        self.assertEqual([item["name"] for item in document["actions"]["LINK"]], ["lib"])
        document = self.envtool("update", "--json", "-n", "e", *self.new, "--force-reinstall", "lib=1").json()
        self.assertEqual([item["name"] for item in document["actions"]["LINK"]], ["lib"])

    def test_satisfied_skip_solve(self):
        # Without a channel nothing could be solved.
        nowhere = ("-c", self.work / "none", "--override-channels")
        result = self.envtool("install", "-y", "-n", "e", *nowhere, "-S", "lib>=1", "other")
        self.assertIn("already installed", result.out)
        self.envtool("install", "-y", "-n", "e", *nowhere, "-S", "lib>=2", code=1)
        self.assertEqual(self.change("install", "-S", "lib>=2"), {"app": "1", "lib": "2", "base": "1", "other": "1"})

    def test_solver_is_accepted(self):
        for command in ("install", "update"):
            result = self.envtool(command, "-y", "-n", "e", *self.new, "--solver", "libmamba", "app")
            self.assertEqual(result.err.count("solver"), 0)
        self.envtool("remove", "-y", "-n", "e", "--solver=classic", "other")
        self.assertEqual(set(versions(self.env)), {"app", "lib", "base"})

    def test_prune(self):
        self.envtool("remove", "-y", "-n", "e", "app")
        self.assertEqual(versions(self.env), {"lib": "1", "base": "1", "other": "1"})
        self.assertEqual(self.change("install", "--prune", "addon=1"), {"addon": "1", "lib": "1", "base": "1", "other": "1"})
        self.envtool("remove", "-y", "-n", "e", "addon")
        self.assertEqual(self.change("update", "--prune", "--all"), {"other": "2"})

    def test_python_stays_unless(self):
        series = [Package("python", v) for v in ("3.11.1", "3.11.2", "3.12.0")]
        channel = self.channel("py", *series, Package("tool", "1", depends=["python"]), Package("tool", "2", depends=["python >=3.12"]))
        self.envtool("create", "-y", "-n", "py", *channel, "tool=1", "python=3.11.1")
        self.envtool("remove", "-y", "-n", "py", "--force", "python")
        self.envtool("install", "-y", "-n", "py", *channel, "--freeze-installed", "python 3.11.1")
        self.envtool("install", "-y", "-n", "py", *channel, "tool=2", code=1)
        result = self.envtool("install", "-y", "-n", "py", *channel, "tool=2", "--no-py-pin", code=1)
        self.assert_contains(result.err, "python")  # the wish of before
        self.envtool("install", "-y", "-n", "py", *channel, "tool", "python")
        self.envtool("update", "-y", "-n", "py", *channel, "tool")
        self.assertEqual(versions(self.prefix("py")), {"python": "3.11.1", "tool": "1"})
        self.envtool("update", "-y", "-n", "py", *channel, "--no-py-pin", "tool")
        self.assertEqual(versions(self.prefix("py")), {"python": "3.12.0", "tool": "2"})


class Wishes(SolvingTest):
    """What was asked for once holds until it is asked for differently or taken out."""

    def setUp(self):
        super().setUp()
        self.made = self.channel("c", *(Package("a", v) for v in ("1.0", "1.1", "2.0")), *(Package("b", v, depends=[f"a >={v}"]) for v in ("1.0", "2.0")),
                                 Package("c", "1", depends=["a"]))
        self.envtool("create", "-y", "-n", "e", *self.made, "a<2", "b")
        self.env = self.prefix("e")

    def test_hold_in_updates_and_installs(self):
        self.assertEqual(versions(self.env), {"a": "1.1", "b": "1.0"})
        self.envtool("update", "-y", "-n", "e", *self.made, "--all")
        self.assertEqual(versions(self.env), {"a": "1.1", "b": "1.0"})
        result = self.envtool("install", "-y", "-n", "e", *self.made, "b=2", code=1)
        self.assert_contains(result.err, "a <2", "b")
        self.envtool("install", "-y", "-n", "e", *self.made, "a", "b=2")
        self.assertEqual(versions(self.env), {"a": "2.0", "b": "2.0"})

    def test_are_noted_without_a_change(self):
        self.envtool("create", "-y", "-n", "f", *self.made, "c")
        env = self.prefix("f")
        result = self.envtool("install", "-y", "-n", "f", *self.made, "a")
        self.assertIn("already installed", result.out)
        self.assertIn("'a'", self.history_specs(env))
        before = without_lock(manifest(env))
        self.envtool("install", "-y", "-n", "f", *self.made, "a")
        self.assert_same_tree(without_lock(manifest(env)), before)
        # A dependency that was asked for by name outlives what needed it.
        self.envtool("remove", "-y", "-n", "f", "--prune", "c")
        self.assertEqual(set(versions(env)), {"a"})

    def test_dry_run_notes_nothing(self):
        before = without_lock(manifest(self.env))
        self.envtool("install", "-y", "-n", "e", *self.made, "a<3", "--dry-run")
        self.assert_same_tree(without_lock(manifest(self.env)), before)

    def test_removed_wishes_are_gone(self):
        self.envtool("remove", "-y", "-n", "e", "a")
        self.assertEqual(versions(self.env), {})
        self.envtool("install", "-y", "-n", "e", *self.made, "b")
        self.assertEqual(versions(self.env), {"a": "2.0", "b": "2.0"})


class Orphans(SolvingTest):
    def setUp(self):
        super().setUp()
        self.made = self.channel("c", Package("app", depends=["lib"]), Package("lib", depends=["base"]), Package("base"), Package("other", depends=["base"]))
        self.envtool("create", "-y", "-n", "e", *self.made, "app", "other")
        self.env = self.prefix("e")

    def test_are_spoken_of(self):
        result = self.envtool("remove", "-y", "-n", "e", "app")
        self.assert_contains(result.out, "1 package stays", "(lib)", "--prune")
        self.assertEqual(set(versions(self.env)), {"lib", "base", "other"})
        result = self.envtool("remove", "--json", "-n", "e", "other").json()
        self.assertEqual(result["orphans"], ["base"])

    def test_are_left_on_demand(self):
        self.envtool("remove", "-y", "-n", "e", "--no-prune-deps", "app")
        self.assertEqual(set(versions(self.env)), {"lib", "base", "other"})
        self.envtool("remove", "-y", "-n", "e", "--no-prune-deps", "--prune", "other", code=2)

    def test_go_with_prune(self):
        result = self.envtool("remove", "-y", "-n", "e", "--prune", "app")
        self.assertEqual(set(versions(self.env)), {"base", "other"})
        self.assertNotIn("stays", result.out)

    def test_what_needs_it_goes_too(self):
        result = self.envtool("remove", "-y", "-n", "e", "base")
        self.assertEqual(versions(self.env), {})
        self.assertNotIn("stay", result.out)


class Pins(SolvingTest):
    def setUp(self):
        super().setUp()
        self.made = self.channel("c", *(Package("a", v) for v in ("1.0", "1.5", "2.0")), Package("b", "1", depends=["a"]), Package("b", "2", depends=["a >=2"]))
        self.envtool("create", "-y", "-n", "e", *self.made, "a=1.0")
        self.env = self.prefix("e")
        self.envtool("install", "-y", "-n", "e", *self.made, "a")

    def pin(self, text):
        (self.env / "conda-meta/pinned").write_text(text)

    def test_hold_in_updates(self):
        self.pin("a <2\n")
        self.envtool("update", "-y", "-n", "e", *self.made, "--all")
        self.assertEqual(versions(self.env), {"a": "1.5"})
        self.envtool("install", "-y", "-n", "e", *self.made, "b")
        self.assertEqual(versions(self.env), {"a": "1.5", "b": "1"})
        result = self.envtool("install", "-y", "-n", "e", *self.made, "b=2", code=1)
        self.assert_contains(result.err, "a <2", "pin")
        self.envtool("install", "-y", "-n", "e", *self.made, "--no-pin", "b=2")
        self.assertEqual(versions(self.env), {"a": "2.0", "b": "2"})

    def test_configured(self):
        self.write("rc", "pinned_packages: [a <1.2]\n")
        self.envtool("update", "-y", "-n", "e", *self.made, "--rc-file", "rc", "--all")
        self.assertEqual(versions(self.env), {"a": "1.0"})
        self.assertEqual(self.chosen(*self.made, "--rc-file", "rc", "b"), ["a=1.0=0", "b=1=0"])
        # A pin asks for nothing.
        self.assertEqual(self.chosen(*self.channel("d", Package("x")), "--rc-file", "rc", "x"), ["x=1.0=0"])

    def test_mistakes(self):
        for line, *parts in (("a >=>1\n", "a >=>1"), ("https://host.test/noarch/a-1.0-0.conda\n", "URL"), ("a*\n", "one package")):
            self.pin(line)
            result = self.envtool("install", "-y", "-n", "e", *self.made, "b", code=1)
            self.assert_contains(result.err, "conda-meta/pinned", "--no-pin", *parts)
        self.pin("")
        self.write("rc", "pinned_packages: ['https://user:secret@host.test/noarch/a-1.0-0.conda']\n")
        result = self.envtool("install", "-y", "-n", "e", *self.made, "--rc-file", "rc", "b", code=1)
        self.assert_contains(result.err, "pinned_packages", "rc:1")
        self.assertNotIn("secret", result.err)

    def test_each_has_its_own_place(self):
        self.write("rc", "pinned_packages:\n- six\n\n- b=1\n- a <1.2\n")
        result = self.envtool("install", "-d", "-n", "e", *self.made, "--rc-file", "rc", "a=2", code=1)
        self.assert_contains(result.err, "rc:5:3")
        self.write("rc", "pinned_packages:\n- six\n- a >=>1\n")
        result = self.envtool("install", "-d", "-n", "e", *self.made, "--rc-file", "rc", "b", code=1)
        self.assert_contains(result.err, "rc:3:3")

    def test_several_in_a_variable(self):
        for text in ("six&a<1.9", "a>=1.2,<1.9&six", "six,a=1.5"):
            self.assertEqual(self.chosen(*self.made, "b", env={"CONDA_PINNED_PACKAGES": text}), ["a=1.5=0", "b=1=0"])


class Refusals(SolvingTest):
    """Command lines that would do something else than was meant."""

    def setUp(self):
        super().setUp()
        self.made = self.channel("c", Package("a", depends=["https://user:secret@host.test/x::b"]), Package("p"))

    def test_empty_values(self):
        for option in ("--exclude-newer", "--virtual-packages"):
            result = self.envtool("create", "-d", "-n", "e", *self.made, "p", option, "", code=2)
            self.assert_contains(result.err, option, "empty")

    def test_no_channel_at_all(self):
        for command in (("create", "-d", "-n", "e", "p"), ("search", "p"), ("repoquery", "depends", "p")):
            result = self.envtool(*command, "--override-channels", code=2)
            self.assert_contains(result.err, "--override-channels", "-c")
        self.write("environment.yml", f"channels: [{self.made[1].as_uri()}]\ndependencies: [p]\n")
        self.envtool("create", "-d", "-n", "e", "-f", "environment.yml", "--override-channels")

    def test_dry_run_answers_as_the_command_would(self):
        self.envtool("create", "-y", "-n", "e", *self.made, "p")
        for arguments in ((), ("-d",)):
            result = self.envtool("create", "-n", "e", *self.made, "p", *arguments, code=1)
            self.assert_contains(result.err, "there is an environment already", "--force")
        self.assertIn("replaces", self.envtool("create", "-d", "-n", "e", *self.made, "p", "--force").out)
        result = self.envtool("create", "-d", "-n", "new", self.work / "none/p-1.0-0.conda", code=1)
        self.assert_contains(result.err, "none/p-1.0-0.conda", "no such archive")

    def test_passwords_in_dependencies(self):
        for arguments in (("depends", "--tree"), ("depends", "--json"), ("depends",), ("search", "--json"), ("search",)):
            result = self.envtool("repoquery", *arguments, *self.made, "a")
            self.assertNotIn("secret", result.out + result.err)
        result = self.envtool("search", "--info", *self.made, "a")
        self.assertIn("host.test/x::b", result.out)
        self.assertNotIn("secret", result.out)

    def test_reader_goes_away(self):
        reading, writing = os.pipe()
        os.close(reading)
        try:
            done = subprocess.run([support.ENVTOOL, "search", *map(str, self.made), "p"], stdout=writing, stderr=subprocess.PIPE, env=self.environ,
                                  cwd=self.work)
        finally:
            os.close(writing)
        self.assertEqual((done.returncode, done.stderr), (141, b""))


if __name__ == "__main__":
    support.main()
