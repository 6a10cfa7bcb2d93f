"""`repoquery search|depends|whoneeds` over channels and over an environment."""
import support
from made_channel import Package, write_channel
from support import CliTest, http_channel


def made_packages():
    return (
        Package("app", "1.0", depends=["lib >=1,<2", "tool", "__glibc >=2.17"], build="h0_0"),
        Package("app", "2.0", depends=["lib >=2", "tool", "__glibc >=2.17", "nowhere >=1"], build="h0_0"),
        Package("lib", "1.0", depends=["base"], build="h0_0"),
        Package("lib", "2.0", depends=["base"], build="h0_0"),
        Package("lib", "2.0", depends=["base"], build="h0_1"),
        Package("tool", "1.0", depends=["lib", "base >=1"], build="h0_0"),
        # These two need each other.
        Package("base", "1.0", depends=["ring"], build="h0_0"),
        Package("ring", "1.0", depends=["base"], build="h0_0"),
        Package("gpu", "1.0", depends=["__cuda >=12"], build="h0_0"),
        Package("alone", "1.0", build="h0_0"),
    )


class RepoQueryTest(CliTest):
    shares_home = True

    @classmethod
    def prepare(cls, home):
        cls.channel = write_channel(home.work / "channel", *made_packages())
        cls.uri = cls.channel.as_uri()
        home.envtool("create", "-y", "-n", "e", "-c", cls.channel, "--override-channels", "app=1", "alone")

    def ask(self, query, *arguments, **kwargs):
        return self.envtool("repoquery", query, "-c", self.channel, "--override-channels", *arguments, **kwargs)

    def installed(self, query, *arguments, **kwargs):
        return self.envtool("repoquery", query, "-n", "e", *arguments, **kwargs)


class Search(RepoQueryTest):
    def test_table_newest_first_with_the_number_of_builds(self):
        channel, width = self.uri, len(self.uri)
        self.assertEqual(self.ask("search", "lib").out, f"""\
Name  Version  Build             {'Channel':{width}}  Subdir
lib   2.0      h0_1 (+ 1 build)  {channel}  noarch
lib   1.0      h0_0              {channel}  noarch
""")

    def test_json_of_mamba(self):
        document = self.ask("search", "lib>=2", "--json").json()
        self.assertEqual(document["query"], {"query": "lib>=2", "type": "search"})
        self.assertEqual((document["result"]["status"], document["result"]["msg"]), ("OK", ""))
        self.assertEqual([(p["name"], p["version"], p["build"], p["channel"]) for p in document["result"]["pkgs"]],
                         [("lib", "2.0", "h0_1", self.uri), ("lib", "2.0", "h0_0", self.uri)])

    def test_pretty_local_and_not_found(self):
        self.assertTrue(self.ask("search", "lib=1", "--pretty").out.startswith("lib 1.0 h0_0\n------------\n"))
        rows = self.installed("search", "lib").out.splitlines()
        self.assertEqual([row.split()[:3] for row in rows], [["Name", "Version", "Build"], ["lib", "1.0", "h0_0"]])
        self.assertIn("did you mean `alone`?", self.ask("search", "alome", code=1).err)


class Depends(RepoQueryTest):
    def test_table(self):
        rows = [row.split()[:3] for row in self.ask("depends", "app").out.splitlines()]
        self.assertEqual(rows, [["Name", "Version", "Build"], ["app", "2.0", "h0_0"], ["__glibc", ">=2.17", "(of"], ["lib", "2.0", "h0_1"],
                                ["nowhere", ">=1", "(not"], ["tool", "1.0", "h0_0"]])
        rows = [row.split()[0] for row in self.ask("depends", "app", "--recursive").out.splitlines()]
        self.assertEqual(rows, ["Name", "app", "__glibc", "base", "lib", "nowhere", "ring", "tool"])

    def test_tree(self):
        self.assertEqual(self.ask("depends", "app", "--tree").out, """\
app[2.0]
├─ __glibc >=2.17
├─ lib[2.0]
│  └─ base[1.0]
│     └─ ring[1.0]
│        └─ base[1.0] (see above)
├─ nowhere >=1 (not found)
└─ tool[1.0]
   ├─ base[1.0] (see above)
   └─ lib[2.0] (see above)
""")

    def test_what_is_chosen_already_is_chosen_again(self):
        # `tool` takes any `lib`, `app` 1.0 an old one.
        self.assertEqual(self.ask("depends", "app=1", "--tree").out, """\
app[1.0]
├─ __glibc >=2.17
├─ lib[1.0]
│  └─ base[1.0]
│     └─ ring[1.0]
│        └─ base[1.0] (see above)
└─ tool[1.0]
   ├─ base[1.0] (see above)
   └─ lib[1.0] (see above)
""")

    def test_depth(self):
        self.assertEqual(self.ask("depends", "app=1", "--tree", "--depth", "1").out, """\
app[1.0]
├─ __glibc >=2.17
├─ lib[1.0] ...
└─ tool[1.0] ...
""")
        # What the depth cut off in one place is drawn where it fits.
        self.assertEqual(self.ask("depends", "app=1", "--tree", "--depth", "2").out, """\
app[1.0]
├─ __glibc >=2.17
├─ lib[1.0]
│  └─ base[1.0] ...
└─ tool[1.0]
   ├─ base[1.0] ...
   └─ lib[1.0] (see above)
""")
        self.ask("depends", "app", "--tree", "--depth", "0", code=2)

    def test_json(self):
        document = self.ask("depends", "app", "--json").json()
        self.assertEqual(document["query"], {"query": "app", "type": "depends"})
        result = document["result"]
        self.assertEqual(result["status"], "OK")
        self.assertEqual([(root["name"], root["version"]) for root in result["graph_roots"]], [("app", "2.0")])
        self.assertEqual([package["name"] for package in result["pkgs"]], ["app", "lib", "tool"])
        self.assertEqual((result["virtual_packages"], result["missing"]), (["__glibc >=2.17"], ["nowhere >=1"]))
        self.assertIn({"package": "app", "needs": "lib", "spec": "lib >=2"}, result["edges"])
        names = [package["name"] for package in self.ask("depends", "app", "--json", "--recursive").json()["result"]["pkgs"]]
        self.assertEqual(names, ["app", "base", "lib", "ring", "tool"])

    def test_environment(self):
        self.assertEqual(self.installed("depends", "tool", "--tree").out,
                         "tool[1.0]\n├─ base[1.0]\n│  └─ ring[1.0]\n│     └─ base[1.0] (see above)\n└─ lib[1.0]\n   └─ base[1.0] (see above)\n")
        by_variable = self.envtool("repoquery", "depends", "--local", "tool", env={"CONDA_PREFIX": str(self.prefix("e"))})
        self.assertEqual(by_variable.out, self.installed("depends", "tool").out)
        result = self.installed("depends", "gpu", code=1)
        self.assertEqual(result.err, f"error: the environment has no package for `gpu`\n  at {self.prefix('e')}\n  hint: `--remote` asks the channels\n")
        # Channels that are named are asked, whatever the environment has.
        self.assertIn("gpu", self.installed("depends", "gpu", "-c", self.channel, "--override-channels").out)
        self.envtool("repoquery", "depends", "--local", "--remote", "tool", code=2)
        self.envtool("repoquery", "depends", "--local", "tool", code=2)
        self.envtool("repoquery", code=2)

    def test_by_http(self):
        with http_channel(self.channel) as url:
            tree = self.envtool("repoquery", "depends", "-c", url, "--override-channels", "app", "--tree").out
        self.assertEqual(tree, self.ask("depends", "app", "--tree").out)


class Shards(CliTest):
    def test_a_channel_of_shards_answers_the_same(self):
        channel = write_channel(self.work / "channel", *made_packages())
        self.envtool("index", channel)
        self.assertEqual(len(list(channel.glob("*/repodata_shards.msgpack.zst"))), 2)
        queries = (["depends", "app", "--tree"], ["depends", "app", "--recursive"], ["whoneeds", "lib=1", "--tree"], ["whoneeds", "lib"],
                   ["search", "lib"], ["search", "*"])
        with http_channel(channel) as url:
            for query in queries:
                with self.subTest(query=query):
                    there = self.envtool("repoquery", *query, "-c", url, "--override-channels").out
                    here = self.envtool("repoquery", *query, "-c", channel, "--override-channels").out
                    self.assertEqual(there.split(), here.replace(channel.as_uri(), url).split())
        # Shards were used: no index of everything was made for the server's channel.
        self.assertNotEqual(list(self.home.cache.glob("cache/shards/**/*")), [])


class WhoNeeds(RepoQueryTest):
    def names(self, *arguments):
        return [package["name"] for package in self.ask("whoneeds", "--json", *arguments).json()["result"]["pkgs"]]

    def test_table(self):
        lines = self.ask("whoneeds", "lib").out.splitlines()
        self.assertEqual(lines[0].split(), ["Name", "Version", "Build", "Depends", "Channel", "Subdir"])
        self.assertEqual([line.split() for line in lines[1:]], [
            ["app", "2.0", "h0_0", "(+", "1", "more)", "lib", ">=2", self.uri, "noarch"], ["tool", "1.0", "h0_0", "lib", self.uri, "noarch"]])

    def test_a_version(self):
        rows = [line.split()[:4] for line in self.ask("whoneeds", "lib=1").out.splitlines()[1:]]
        self.assertEqual(rows, [["app", "1.0", "h0_0", "lib"], ["tool", "1.0", "h0_0", "lib"]])

    def test_tree_and_recursion(self):
        self.assertEqual(self.ask("whoneeds", "lib=1", "--tree").out, "lib[1.0]\n├─ app[1.0]\n└─ tool[1.0]\n   └─ app[1.0]\n")
        self.assertEqual(self.ask("whoneeds", "ring", "--tree").out, """\
ring[1.0]
└─ base[1.0]
   ├─ lib[2.0]
   │  ├─ app[2.0]
   │  └─ tool[1.0]
   │     └─ app[2.0]
   ├─ ring[1.0] (see above)
   └─ tool[1.0] (see above)
""")
        self.assertEqual(self.names("ring"), ["base"])
        self.assertEqual(self.names("ring", "--recursive"), ["app", "base", "lib", "tool"])

    def test_virtual_packages(self):
        self.assertEqual(self.names("__cuda"), ["gpu"])
        self.assertEqual(self.names("__cuda=12.4"), ["gpu"])
        self.assertEqual(self.names("__cuda=11.8"), [])
        self.assertEqual(self.ask("whoneeds", "__glibc", "--tree").out, "__glibc\n└─ app[2.0]\n")
        self.ask("whoneeds", "__cuda>=11", code=2)

    def test_nobody(self):
        self.assertEqual(self.ask("whoneeds", "alone").out, "Nothing needs alone 1.0.\n")
        document = self.ask("whoneeds", "alone", "--json").json()
        self.assertEqual((document["result"]["pkgs"], document["result"]["msg"]), ([], 'No entries matching "alone" found'))
        self.assertEqual(self.ask("whoneeds", "alome", "--json", code=1).json()["exception_name"], "PackagesNotFoundError")
        self.ask("whoneeds", "li*", code=2)

    def test_environment(self):
        self.assertEqual(self.installed("whoneeds", "base", "--tree").out, """\
base[1.0]
├─ lib[1.0]
│  ├─ app[1.0]
│  └─ tool[1.0]
│     └─ app[1.0]
├─ ring[1.0]
│  └─ base[1.0] (see above)
└─ tool[1.0] (see above)
""")
        document = self.installed("whoneeds", "lib", "--json").json()
        self.assertEqual([package["name"] for package in document["result"]["pkgs"]], ["app", "tool"])
        self.assertEqual(document["result"]["graph_roots"][0]["name"], "lib")


class Extremes(CliTest):
    def test_long_chains_and_hostile_texts(self):
        deep = [Package(f"d{i}", depends=[f"d{i + 1}"]) for i in range(600)] + [Package("d600", depends=["evil \x1b[2J>=1", "!!"])]
        channel = write_channel(self.work / "deep", *deep)
        ask = ("repoquery", "depends", "-c", channel, "--override-channels")
        tree = self.envtool(*ask, "d0", "--tree").out.splitlines()
        self.assertTrue(tree[-1].endswith("└─ d256[1.0] ..."), tree[-1])
        self.assertEqual(len(self.envtool(*ask, "d0", "--recursive", "--json").json()["result"]["pkgs"]), 601)
        for form in ([], ["--tree"]):
            out = self.envtool(*ask, "d600", *form).out
            self.assertNotIn("\x1b", out)
            self.assert_contains(out, r"\x1b[2J>=1", "!!", "(not found)")


if __name__ == "__main__":
    support.main()
