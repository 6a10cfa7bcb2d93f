"""`why` and `why-not`: what brought a package into an environment, what keeps one out."""
import json

import support
from made_channel import Package, write_channel
from support import CliTest, manifest, without_lock


def made_packages():
    return (
        Package("web", "1.0", depends=["framework >=1", "json"]),
        Package("web", "2.0", depends=["framework >=2"]),
        Package("framework", "1.0", depends=["python >=3.9,<3.11", "json >=1"]),
        Package("framework", "2.0", depends=["python >=3.10", "json >=2"]),
        Package("json", "1.0"),
        Package("json", "2.0"),
        Package("json", "3.0", depends=["__cuda >=12"]),
        Package("python", "3.10.1", depends=["__glibc >=2.17"]),
        Package("python", "3.11.1", depends=["__glibc >=2.17"]),
        Package("tool", "1.0", depends=["python"]),
        Package("alone", "1.0"),
        Package("alone", "2.0"),
        Package("special", "1.0", build="a_0"),
        Package("special", "1.0", build="b_1", extra={"track_features": "slow"}),
    )


class WhyTest(CliTest):
    shares_home = True

    @classmethod
    def prepare(cls, home):
        cls.channel = write_channel(home.work / "channel", *made_packages())
        cls.uri = cls.channel.as_uri()
        cls.options = ("-c", cls.channel, "--override-channels")
        home.environ["CONDA_OVERRIDE_GLIBC"] = "2.36"
        home.environ["CONDA_OVERRIDE_CUDA"] = ""
        home.envtool("create", "-y", "-n", "e", *cls.options, "web=1", "python=3.10", "json=1", "framework=1", "alone=1", "tool")
        cls.env = home.prefix("e")


class Why(WhyTest):
    def why(self, name, *arguments, env="e", **kwargs):
        return self.envtool("why", "-n", env, name, *arguments, **kwargs)

    def test_text(self):
        self.assertEqual(self.why("json").out, f"""\
json 1.0 0 ({self.uri}) is in {self.env}
It was asked for: `json=1`

Needed by:
  framework  1.0  json >=1
  web        1.0  json

Shortest ways from what was asked for:
  framework -> json
  web -> json
""")
        self.assertEqual(self.why("alone").out, f"""\
alone 1.0 0 ({self.uri}) is in {self.env}
It was asked for: `alone=1`
No installed package needs it.
""")

    def test_one_shortest_chain_from_each(self):
        self.assertEqual(self.why("python", "--json").json()["chains"], [["framework", "python"], ["tool", "python"], ["web", "framework", "python"]])

    def test_json(self):
        document = self.why("framework", "--json").json()
        self.assertEqual(document["package"]["version"], "1.0")
        del document["package"]
        self.assertEqual(document, {
            "prefix": str(self.env), "name": "framework", "virtual": False, "requested_specs": ["framework=1"],
            "needed_by": [{"name": "web", "version": "1.0", "build": "0", "spec": "framework >=1"}],
            "chains": [["web", "framework"]], "orphan": False})

    def test_a_dependency_and_an_orphan(self):
        self.envtool("create", "-y", "-n", "o", *self.options, "tool")
        self.assertEqual(self.why("python", env="o").out, f"""\
python 3.11.1 0 ({self.uri}) is in {self.prefix("o")}
It was not asked for by name.

Needed by:
  tool  1.0  python

Shortest ways from what was asked for:
  tool -> python
""")
        self.envtool("install", "-y", "-n", "o", *self.options, "alone")
        self.envtool("remove", "-y", "-n", "o", "tool")
        out = self.why("python", env="o").out
        self.assertEqual(out.splitlines()[1:], ["It was not asked for by name.", "No installed package needs it.", "",
                                                "Nothing that was asked for needs it: `envtool remove python` takes it out and nothing else."])
        self.assertIs(self.why("python", "--json", env="o").json()["orphan"], True)
        # It does what was said.
        self.envtool("remove", "-y", "-n", "o", "python")
        self.assertEqual(sorted(support.packages(self.prefix("o"))), ["alone"])

    def test_environment_without_wishes(self):
        self.write("list.txt", "@EXPLICIT\n" + f"{self.uri}/noarch/alone-1.0-0.tar.bz2\n")
        self.envtool("create", "-y", "-n", "x", "-f", "list.txt")
        document = self.why("alone", "--json", env="x").json()
        self.assertEqual((document["requested_specs"], document["orphan"]), ([], False))

    def test_virtual(self):
        self.assertEqual(self.why("__glibc").out, """\
__glibc is 2.36 on this machine; it is no package that could be installed.

Needed by:
  python  3.10.1  __glibc >=2.17

Shortest ways from what was asked for:
  python -> __glibc
  framework -> python -> __glibc
  tool -> python -> __glibc
  web -> framework -> python -> __glibc
""")
        self.assertEqual(self.why("__cuda").out,
                         "__cuda is not offered by this machine; it is no package that could be installed.\nNo installed package needs it.\n")
        document = self.why("__glibc", "--json").json()
        self.assertEqual((document["virtual"], document["offered"]), (True, "2.36"))

    def test_not_installed(self):
        result = self.why("special", code=1)
        self.assertEqual(result.err, f"error: `special` is not installed\n  at {self.env}\n  hint: `envtool why-not special` says what keeps it out\n")
        self.assertIn("did you mean `json`?", self.why("jsno", code=1).err)
        self.assertEqual(self.why("special", "--json", code=1).json()["packages"], ["special"])
        self.assertIn("why-not", self.why("json=1", code=2).err)
        self.why("js*", code=2)
        self.assertIn("which environment?", self.envtool("why", "json", code=2).err)
        self.assertEqual(self.envtool("why", "json", env={"CONDA_PREFIX": str(self.env)}).out, self.why("json").out)


class WhyNot(WhyTest):
    def why_not(self, spec, *arguments, target=("-n", "e"), **kwargs):
        return self.envtool("why-not", spec, *target, *self.options, *arguments, **kwargs)

    def test_possible(self):
        before = without_lock(manifest(self.env))
        result = self.why_not("alone=2")
        self.assertEqual(result.out, f"""\
Nothing keeps `alone=2` out of {self.env}.

`envtool install -n e -c {self.channel} --override-channels alone=2` would change these:
  ^  alone  1.0 -> 2.0  0  {self.uri}

note: the environment was asked for `alone=1`; the new wish would take that one's place
note: `envtool update alone` chooses it, too
""")
        document = self.why_not("alone=2", "--json").json()
        self.assertEqual((document["possible"], document["installed"], document["package"]["version"]), (True, False, "2.0"))
        self.assertEqual([[p["version"] for p in document["actions"][what]] for what in ("LINK", "UNLINK")], [["2.0"], ["1.0"]])
        self.assertEqual(without_lock(manifest(self.env)), before)

    def test_new_package_and_less_wanted_build(self):
        self.assertIn("  +  special  1.0  a_0", self.why_not("special").out)
        out = self.why_not("special=*=b*").out
        self.assertIn("special=*=b*'` would change these:\n  +  special  1.0  b_1", out)
        out = self.why_not("special=*=b*", "--with", "special", target=()).out
        self.assertIn("note: without it 1.0 a_0 is chosen: the other one is marked as second choice (track_features)\n", out)

    def test_why_an_update_goes_elsewhere(self):
        self.envtool("create", "-y", "-n", "old", *self.options, "json=1")
        channel = write_channel(self.work / "more", Package("json", "2.0"), Package("json", "2.5"))
        out = self.envtool("why-not", "json=2.0", "-n", "old", "-c", channel, "--override-channels").out
        self.assertIn("note: `envtool update json` chooses 2.5: it is newer\n", out)

    def test_installed(self):
        self.assertEqual(self.why_not("json=1").out, f"Nothing keeps `json=1` out: json-1.0-0 is in {self.env}.\n")
        self.assertIs(self.why_not("json", "--json").json()["installed"], True)

    def test_conflict(self):
        result = self.why_not("json=3", code=1)
        self.assertEqual(result.err, "")
        self.assertTrue(result.out.startswith(f"`json=3` cannot be in {self.env}: "), result)
        self.assert_contains(result.out, "__cuda >=12")
        document = self.why_not("json=3", "--json", code=1).json()
        self.assertEqual((document["possible"], document["exception_name"]), (False, "UnsatisfiableError"))
        self.assertIn("__cuda", document["reason"])
        # What the machine lacks is what kept it out.
        self.why_not("json=3", env={"CONDA_OVERRIDE_CUDA": "12.1"})

    def test_no_such_package_or_version(self):
        document = self.why_not("alone=7", "--json", code=1).json()
        self.assertEqual((document["possible"], document["exception_name"]), (False, "PackagesNotFoundError"))
        self.assert_contains(document["reason"], "1.0", "2.0")
        self.assertIn("nonsuch", self.why_not("nonsuch", code=1).out)

    def test_pins(self):
        self.envtool("create", "-y", "-n", "pinned", *self.options, "alone=1")
        (self.prefix("pinned") / "conda-meta/pinned").write_text("alone =1\n")
        result = self.why_not("alone=2", target=("-n", "pinned"), code=1)
        self.assertIn("hint: loosen the pin `alone 1.*` to `alone >=1`", result.out)
        self.assertIn("--no-pin alone=2` would change", self.why_not("alone=2", "--no-pin", target=("-n", "pinned")).out)
        (self.prefix("pinned") / "conda-meta/pinned").unlink()
        (self.prefix("pinned") / "conda-meta/frozen").write_text(json.dumps({"message": "made by the image"}))
        self.assertIn("note: the environment is frozen: made by the image\n", self.why_not("alone=2", target=("-n", "pinned")).out)

    def test_files_and_wishes(self):
        path = self.write("environment.yml", f"name: x\nchannels: [{self.channel}]\ndependencies:\n  - web=1\n  - python=3.10\n")
        ask = ("why-not", "--override-channels", "-f", path.name)
        out = self.envtool(*ask, "framework=1").out
        self.assertEqual(out, f"""\
Nothing keeps `framework=1` out of an environment of `environment.yml`.

With it these would be there instead:
  v  framework  2.0 -> 1.0  0  {self.uri}

note: without it 2.0 is chosen: it is newer
""")
        self.assertTrue(self.envtool(*ask, "framework=2").out.startswith("Nothing keeps `framework=2` out: framework-2.0-0 is in"))
        out = self.envtool(*ask, "python=3.11", code=1).out
        self.assert_contains(out, "`python=3.11` cannot be in an environment of `environment.yml`: ", "3.10")
        out = self.why_not("framework=1", "--with", "python=3.11", "--with", "alone", target=(), code=1).out
        self.assert_contains(out, "an environment of `python=3.11`, `alone`", "python >=3.9,<3.11")
        out = self.why_not("alone", "--with", "json=3", target=(), code=1).out
        self.assertIn("the other wishes have no solution even without `alone`", out)

    def test_wrong_words(self):
        for arguments in (["al*"], ["__cuda=12"], ["./alone-1.0-0.tar.bz2"], []):
            with self.subTest(arguments=arguments):
                self.envtool("why-not", "-n", "e", *arguments, code=2)
        self.assertIn("which environment?", self.envtool("why-not", "alone", code=2).err)
        self.assertIn("Exit code 0 when nothing keeps it out, 1 when something does.", self.envtool("why-not", "--help").out)


if __name__ == "__main__":
    support.main()
