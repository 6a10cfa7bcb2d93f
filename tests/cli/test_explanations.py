"""What a user is told when a request has no solution, as text and as JSON: the reasons, and ways out that work."""
from made_channel import Package, write_channel
from support import OTHER_SUBDIR, SUBDIR, CliTest, main


class ExplanationTest(CliTest):
    def channel(self, *made, name="channel"):
        return write_channel(self.work / name, *made)

    def ask(self, command, channels, *arguments, env=None):
        """The text and the JSON document of a command that fails."""
        where = [word for channel in channels for word in ("-c", channel)]
        call = [command, "-y", "-n", "x", *where, "--override-channels", *arguments]
        text = self.envtool(*call, code=1, env=env)
        self.assertEqual(text.out, "")
        silent = self.envtool(*call, "--json", code=1, env=env)
        self.assertEqual(silent.err, "")
        document = silent.json()
        self.assertIs(document["success"], False)
        return text.err, document

    def refused(self, channels, *arguments, env=None):
        return self.ask("create", channels, *arguments, env=env)

    def kinds(self, document):
        return [suggestion["kind"] for suggestion in document["suggestions"]]


class Conflicts(ExplanationTest):
    def test_two_wishes_that_meet_in_a_dependency(self):
        channel = self.channel(Package("a", depends=["c >=2"]), Package("b", depends=["c <2"]), Package("c"), Package("c", version="2.0"))
        error, document = self.refused([channel], "a", "b")
        self.assertEqual(error, "error: `a` and `b` cannot be installed together\n"
                                "  because a 1.0 needs `c >=2`, but b 1.0 needs `c <2`\n"
                                "  hint: leave out `a`: gives b 1.0\n"
                                "  hint: leave out `b`: gives a 1.0\n")
        self.assertEqual(document["exception_name"], "UnsatisfiableError")
        self.assertEqual(document["channel_urls"], [channel.as_uri()])
        conflict = document["conflict"]
        self.assertEqual((conflict["specs"], conflict["pins"], conflict["frozen"]), (["a", "b"], [], []))
        self.assertEqual([reason["kind"] for reason in conflict["reasons"]], ["requested", "requested"])
        needs = conflict["reasons"][0]["causes"][0]
        self.assertEqual((needs["kind"], needs["package"], needs["spec"]), ("needs", "a 1.0", "c >=2"))
        self.assertEqual(document["suggestions"][0],
                         {"kind": "drop_spec", "text": "leave out `a`: gives b 1.0", "spec": "a", "packages": ["b 1.0"], "complete": True})
        self.assertEqual(document["hints"], [suggestion["text"] for suggestion in document["suggestions"]])

    def test_the_tree_is_indented_below_the_message(self):
        channel = self.channel(Package("app", depends=["lib"]), Package("lib", depends=["__glibc >=99"]))
        error, document = self.refused([channel], "app")
        self.assertIn("error: `app` cannot be installed\n  because nothing satisfies all of these demands:\n"
                      "    └─ app 1.0 needs `lib`\n       └─ lib 1.0 needs `__glibc >=99`, but this machine has ", error)
        (virtual,) = document["suggestions"]
        self.assertEqual((virtual["kind"], virtual["spec"], virtual["replacement"]), ("assume_virtual", "__glibc", "__glibc=99"))
        # The advice works.
        self.envtool("create", "-y", "-n", "x", "-c", channel, "--override-channels", "--dry-run", "app", env={"CONDA_OVERRIDE_GLIBC": "99"})

    def test_a_suggested_spec_gives_what_it_says(self):
        channel = self.channel(*(Package("python", version=v) for v in ("3.11", "3.12", "3.13")),
                               Package("ext", depends=["python >=3.11,<3.12.0a0"], build="py311_0"),
                               Package("ext", depends=["python >=3.12,<3.13.0a0"], build="py312_0"))
        error, document = self.refused([channel], "python=3.13", "ext")
        self.assert_contains(error, "ext 1.0 needs `python >=3.11,<3.13`, but `python 3.13.*` is requested")
        loosen = document["suggestions"][0]
        self.assertEqual((loosen["kind"], loosen["spec"], loosen["replacement"]), ("loosen_spec", "python 3.13.*", "python 3.12.*"))
        self.assertEqual(loosen["packages"], ["python 3.12", "ext 1.0"])
        plan = self.envtool("create", "-y", "-n", "x", "-c", channel, "--override-channels", "--dry-run", "--json", loosen["replacement"], "ext").json()
        linked = {f"{record['name']} {record['version']}" for record in plan["actions"]["LINK"]}
        self.assertLessEqual(set(loosen["packages"]), linked)

    def test_strict_channel_priority(self):
        first = self.channel(Package("lib"), name="first")
        second = self.channel(Package("lib", version="2.0"), Package("app", depends=["lib >=2"]), name="second")
        strict = {"CONDA_CHANNEL_PRIORITY": "strict"}
        error, document = self.refused([first, second], "app", env=strict)
        self.assert_contains(error, "lib 2.0 cannot be used", "strict channel priority", "set `channel_priority: flexible`")
        self.assertIn("flexible_channels", self.kinds(document))
        self.envtool("create", "-y", "-n", "y", "-c", first, "-c", second, "--override-channels", "app", env={"CONDA_CHANNEL_PRIORITY": "flexible"})

    def test_machine_without_a_graphics_card(self):
        channel = self.channel(Package("gpu", depends=["__cuda >=12"]))
        error, document = self.refused([channel], "gpu", env={"CONDA_OVERRIDE_CUDA": ""})
        self.assert_contains(error, "gpu 1.0 needs `__cuda >=12`", "no NVIDIA driver", "CONDA_OVERRIDE_CUDA=12")
        self.assertEqual(document["conflict"]["reasons"][0]["causes"][0]["causes"][0]["kind"], "missing_virtual")

    def test_hostile_metadata_cannot_drive_the_terminal(self):
        channel = self.channel(Package("a", depends=["b\x1b[31m >=1"]))
        error, document = self.refused([channel], "a")
        self.assertNotIn("\x1b", error)
        self.assertNotIn("\x1b", str(document))


class Installed(ExplanationTest):
    def installed(self, *specs, channel):
        self.envtool("create", "-y", "-n", "x", "-c", channel, "--override-channels", *specs)

    def test_packages_that_must_stay(self):
        channel = self.channel(Package("lib"), Package("lib", version="2.0"), Package("app", depends=["lib >=2"]))
        self.installed("lib=1", channel=channel)
        call = ["install", "-y", "-n", "x", "-c", channel, "--override-channels", "app", "lib"]
        result = self.envtool(*call, "--freeze-installed", code=1)
        self.assert_contains(result.err, "`app`", "lib 1.0 is installed and must stay", "no `--freeze-installed`")
        document = self.envtool(*call, "--freeze-installed", "--json", code=1).json()
        self.assertEqual(document["conflict"]["frozen"], ["lib"])
        self.assertIn("unfreeze", self.kinds(document))
        self.envtool(*call)

    def test_python_keeps_its_series_unless_asked(self):
        channel = self.channel(*(Package("python", version=v) for v in ("3.11.1", "3.12.1")), Package("app", depends=["python >=3.12"]))
        self.installed("python=3.11", channel=channel)
        result = self.envtool("install", "-y", "-n", "x", "-c", channel, "--override-channels", "app", code=1)
        self.assert_contains(result.err, "`app` cannot be installed with the pin `python 3.11.*`",
                             "hint: ask for `python >=3.11` as well, so that Python may leave its series: gives python 3.12.1, app 1.0")
        self.envtool("install", "-y", "-n", "x", "-c", channel, "--override-channels", "app", "python>=3.11")

    def test_a_pin_and_where_it_is_written(self):
        channel = self.channel(Package("lib"), Package("lib", version="2.0"), Package("app", depends=["lib >=2"]))
        condarc = self.write("condarc", "pinned_packages: [lib 1.*]\n")
        error, document = self.refused([channel], "app", env={"CONDARC": str(condarc)})
        self.assert_contains(error, "`app` cannot be installed with the pin `lib 1.*`", "`lib 1.*` is pinned",
                             "loosen the pin `lib 1.*` to `lib >=1`", str(condarc))
        self.assertEqual(document["conflict"]["pins"], ["lib 1.*"])


class NotFound(ExplanationTest):
    def test_a_misspelt_name_that_would_do(self):
        channel = self.channel(Package("numpy", version="1.26"))
        error, document = self.refused([channel], "nunpy")
        self.assertEqual(error, f"error: no channel has `nunpy`\n  at channels {channel.as_uri()}\n"
                                "  because there is no package of that name; did you mean `numpy`?\n")
        self.assertEqual(document["exception_name"], "PackagesNotFoundError")
        self.assertEqual((document["packages"], document["channel_urls"]), (["nunpy"], [channel.as_uri()]))
        self.assertEqual(document["missing"], [{"spec": "nunpy", "name": "nunpy", "closest": ["numpy"]}])
        (other,) = document["suggestions"]
        self.assertEqual((other["kind"], other["replacement"], other["packages"]), ("other_name", "numpy", ["numpy 1.26"]))

    def test_a_version_that_is_not_there(self):
        channel = self.channel(*(Package("lib", version=v) for v in ("1.0", "2.0")))
        error, document = self.refused([channel], "lib>=3")
        self.assert_contains(error, "no channel has `lib >=3`", "there are 1.0, 2.0", "ask for `lib >=2.0` instead of `lib >=3`: gives lib 2.0")
        self.assertEqual(self.kinds(document), ["loosen_spec"])

    def test_a_package_of_another_platform(self):
        channel = self.channel(Package("cocoa", subdir=OTHER_SUBDIR), Package("cocoa", version="2.0", subdir="win-64"),
                               Package("cacao"), Package("here", subdir=SUBDIR))
        error, document = self.refused([channel], "cocoa")
        self.assert_contains(error, f"there is no `cocoa` for {SUBDIR}", f"`cocoa` is there for {OTHER_SUBDIR}, win-64")
        self.assertNotIn("did you mean", error)
        self.assertEqual(document["suggestions"][0]["replacement"], f"{OTHER_SUBDIR} win-64")

    def test_a_platform_that_the_channel_does_not_serve(self):
        channel = self.channel(Package("python", subdir=SUBDIR), Package("cpython"))
        error, document = self.refused([channel], "python", "--platform", OTHER_SUBDIR)
        self.assert_contains(error, f"the channel has no packages for {OTHER_SUBDIR}", f"`python` is there for {SUBDIR}")
        self.assertNotIn("did you mean", error)

    def test_a_checksum_is_not_argued_away(self):
        channel = self.channel(Package("lib"))
        error, document = self.refused([channel], f"lib[sha256={'0' * 64}]")
        self.assertIn("with another checksum", error)
        self.assertEqual(document["suggestions"], [])


if __name__ == "__main__":
    main()
