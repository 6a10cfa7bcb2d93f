"""`search`: what channels have, and what all environments have."""
import json

import support
from made_channel import Package, change_record, write_channel
from support import OTHER_SUBDIR, SUBDIR, CliTest, http_channel


def table(text: str) -> list:
    """The cells of a printed table; no cell of these tests is empty or has two spaces in a row."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def made_packages():
    return (
        Package("num", "1.9", build="h1_0", subdir=SUBDIR, depends=["lib >=1,<2"]),
        Package("num", "1.10", build="h1_0", subdir=SUBDIR, depends=["lib >=2"]),
        Package("num", "1.10", build="h1_1", subdir=SUBDIR, depends=["lib >=2"], constrains=["old <0a0"],
                extra={"license": "BSD-3-Clause", "track_features": "slow"}),
        Package("num", "2.0a1", build="h2_0", subdir=SUBDIR),
        Package("num-extra", "1.0", depends=["num"]),
        Package("lib", "1.0"),
        Package("lib", "2.0"),
    )


class Search(CliTest):
    shares_home = True

    @classmethod
    def prepare(cls, home):
        cls.channel = write_channel(home.work / "channel", *made_packages())
        cls.uri = cls.channel.as_uri()

    def search(self, *arguments, **kwargs):
        return self.envtool("search", "-c", self.channel, "--override-channels", *arguments, **kwargs)

    def builds(self, *arguments):
        document = self.search("--json", *arguments).json()
        return {name: [f"{record['version']}={record['build']}" for record in found] for name, found in document.items()}

    def test_table_is_in_the_order_of_versions(self):
        result = self.search("num")
        self.assertEqual(result.out, f"""\
# Name  Version  Build  Channel
num     1.9      h1_0   {self.uri}
num     1.10     h1_0   {self.uri}
num     1.10     h1_1   {self.uri}
num     2.0a1    h2_0   {self.uri}
""")
        self.assertEqual(result.err, "")

    def test_without_spec_everything(self):
        names = [row[0] for row in table(self.search().out)]
        self.assertEqual(names, ["# Name", "lib", "lib", "num", "num", "num", "num", "num-extra"])

    def test_specs(self):
        for spec, found in (
            ("num>=1.10,<2.0a0", {"num": ["1.10=h1_0", "1.10=h1_1"]}),
            ("num=1.10", {"num": ["1.10=h1_0", "1.10=h1_1"]}),
            ("num=1.10=h1_1", {"num": ["1.10=h1_1"]}),
            ("num=*=*_1", {"num": ["1.10=h1_1"]}),
            ("num[build_number=11]", {"num": ["1.10=h1_1"]}),
            ("num[license='BSD*']", {"num": ["1.10=h1_1"]}),
            ("num*", {"num": ["1.9=h1_0", "1.10=h1_0", "1.10=h1_1", "2.0a1=h2_0"], "num-extra": ["1.0=0"]}),
            ("*xtr*", {"num-extra": ["1.0=0"]}),
            ("*[version='2.0']", {"lib": ["2.0=0"]}),
            ("NUM=1.9", {"num": ["1.9=h1_0"]}),
            (f"{self.uri}::lib=1", {"lib": ["1.0=0"]}),
        ):
            with self.subTest(spec=spec):
                self.assertEqual(self.builds(spec), found)
        self.assertEqual(self.builds("lib=2", "num=1.9"), {"lib": ["2.0=0"], "num": ["1.9=h1_0"]})

    def test_json_has_the_keys_of_conda(self):
        document = self.search("--json", "num=1.10=h1_1").json()
        self.assertEqual(list(document), ["num"])
        record = document["num"][0]
        fn = "num-1.10-h1_1.tar.bz2"
        archive = self.channel / SUBDIR / fn
        self.assertEqual(record, {
            "build": "h1_1", "build_number": 11, "build_string": "h1_1", "channel": f"{self.uri}/{SUBDIR}", "constrains": ["old <0a0"],
            "depends": ["lib >=2"], "fn": fn, "license": "BSD-3-Clause", "name": "num", "md5": record["md5"],
            "sha256": support.sha256_of(archive), "size": archive.stat().st_size, "subdir": SUBDIR, "timestamp": 1700000000000,
            "track_features": "slow", "url": f"{self.uri}/{SUBDIR}/{fn}", "version": "1.10"})

    def test_info(self):
        out = self.search("--info", "num=1.10=h1_1").out
        record = self.search("--json", "num=1.10=h1_1").json()["num"][0]
        self.assertEqual(out, f"""\
num 1.10 h1_1
-------------
file name     : num-1.10-h1_1.tar.bz2
name          : num
version       : 1.10
build         : h1_1
build number  : 11
size          : {record['size']} B
license       : BSD-3-Clause
subdir        : {SUBDIR}
channel       : {self.uri}
url           : {record['url']}
sha256        : {record['sha256']}
md5           : {record['md5']}
timestamp     : 2023-11-14 22:13:20 UTC
track_features: slow
dependencies:
  - lib >=2
constraints:
  - old <0a0
""")
        self.assertEqual(self.search("--info", "lib").out.count("file name"), 2)

    def test_a_part_of_a_name_is_widened_as_conda_does(self):
        result = self.search("extr")
        self.assertEqual([row[0] for row in table(result.out)], ["# Name", "num-extra"])
        self.assertEqual(result.err, "No package is called `extr`; these match `*extr*`:\n")
        self.assertEqual(self.search("-q", "extr").err, "")
        self.assertEqual(self.builds("extr"), {"num-extra": ["1.0=0"]})
        self.search("extr>=1", code=1)

    def test_not_found(self):
        result = self.search("libb", code=1)
        self.assertEqual(result.out, "")
        self.assertEqual(result.err, f"""\
error: no channel has a package for `libb`
  at channels {self.uri}
  hint: did you mean `lib`?
  hint: `-c CHANNEL` asks another channel, `--platform` another platform
""")
        document = self.search("--json", "libb", code=1).json()
        self.assertEqual((document["exception_name"], document["packages"], document["channel_urls"]),
                         ("PackagesNotFoundError", ["libb"], [self.uri]))

    def test_says_what_there_is_instead(self):
        self.assertIn("  because there are these versions of `num`: 1.9, 1.10, 2.0a1\n", self.search("num>=3", code=1).err)
        self.assertIn("  because the only version of `num-extra` is 1.0\n", self.search("num-extra=2", code=1).err)
        self.assertIn("  because of `num` there are only 1.10=h1_0, 1.10=h1_1\n", self.search("num=1.10=py*", code=1).err)
        # One of several is reason enough to fail, and nothing is printed of the others.
        result = self.search("num", "nonsuch", code=1)
        self.assertEqual(result.out, "")
        self.assertIn("`nonsuch`", result.err)

    def test_wrong_words(self):
        for arguments, words in ((["num=>1"], "num=>1"), (["./num-1.0-0.conda"], "archive"), (["--platform", "linux-46", "num"], "linux-64")):
            with self.subTest(arguments=arguments):
                self.assertIn(words, self.search(*arguments, code=None).err)
                self.assertNotEqual(self.search(*arguments, code=None).code, 0)

    def test_other_platform(self):
        channel = write_channel(self.work / "platforms", Package("here", subdir=SUBDIR), Package("there", subdir=OTHER_SUBDIR),
                                Package("anywhere"))

        def names(*options):
            return list(self.envtool("search", "-c", channel, "--override-channels", "--json", *options).json())
        self.assertEqual(names(), ["anywhere", "here"])
        self.assertEqual(names("--platform", OTHER_SUBDIR), ["anywhere", "there"])
        self.assertEqual(names("--subdir", "noarch"), ["anywhere"])
        self.assertEqual(names(f"there[subdir={OTHER_SUBDIR}]"), ["there"])

    def test_order_of_channels_and_archive_formats(self):
        second = write_channel(self.work / "second", Package("lib", "2.0"), Package("lib", "1.5"))
        # The same package as .conda: one line, by the newer format.
        path = second / "noarch/repodata.json"
        document = json.loads(path.read_text())
        document["packages.conda"]["lib-1.5-0.conda"] = {**document["packages"]["lib-1.5-0.tar.bz2"], "size": 7}
        path.write_text(json.dumps(document))
        found = self.search("-c", second, "--json", "lib").json()["lib"]
        self.assertEqual([(record["version"], record["fn"], record["channel"]) for record in found], [
            ("1.0", "lib-1.0-0.tar.bz2", f"{self.uri}/noarch"), ("1.5", "lib-1.5-0.conda", f"{second.as_uri()}/noarch"),
            ("2.0", "lib-2.0-0.tar.bz2", f"{second.as_uri()}/noarch"), ("2.0", "lib-2.0-0.tar.bz2", f"{self.uri}/noarch")])

    def test_release_cutoff(self):
        new = {"timestamp": 1750000000000}
        channel = write_channel(self.work / "dated", Package("lib", "1.0"), Package("lib", "2.0", extra=new), Package("fresh", extra=new))

        def search(*arguments, **kwargs):
            return self.envtool("search", "-c", channel, "--override-channels", "--exclude-newer", "2024-01-01", *arguments, **kwargs)
        self.assertEqual([row[:2] for row in table(search().out)], [["# Name", "Version"], ["lib", "1.0"]])
        self.assertEqual(list(search("--json", "lib").json()), ["lib"])
        self.assertIn("all that there is of `fresh` was released later than `exclude_newer` allows", search("fresh", code=1).err)
        self.assertIn("the only version of `lib` is 1.0", search("lib=2", code=1).err)

    def test_control_characters_do_not_reach_the_terminal(self):
        channel = write_channel(self.work / "hostile", Package("evil"))
        change_record(channel, Package("evil"), license="MIT\x1b[2J\u202e", depends=["lib \x1b]0;x\x07>=1"])
        out = self.envtool("search", "-c", channel, "--override-channels", "--info", "evil").out
        for character in "\x1b\x07\u202e":
            self.assertNotIn(character, out)
        self.assert_contains(out, r"MIT\x1b[2J\xe2\x80\xae")
        record = self.envtool("search", "-c", channel, "--override-channels", "--json", "evil").json()["evil"][0]
        self.assertEqual(record["license"], "MIT\x1b[2J\u202e")


class Served(CliTest):
    def test_http_offline_and_old_index(self):
        channel = write_channel(self.work / "channel", *made_packages())
        with http_channel(channel) as url:
            search = ("search", "-c", url, "--override-channels", "--json")
            found = self.envtool(*search, "lib").json()["lib"]
            self.assertEqual([record["url"] for record in found], [f"{url}/noarch/lib-{v}-0.tar.bz2" for v in ("1.0", "2.0")])
            # The index is kept: no package is fetched for a search.
            self.assertEqual([path.name for path in self.home.cache.iterdir() if path.name != "cache"], [])
            write_channel(channel, *made_packages(), Package("lib", "3.0"))
            self.assertEqual(len(self.envtool(*search, "-C", "lib").json()["lib"]), 2)
            self.assertEqual(len(self.envtool(*search, "--offline", "lib").json()["lib"]), 2)
        self.assertEqual(len(self.envtool(*search, "--offline", "lib").json()["lib"]), 2)
        self.assertEqual(len(self.envtool(*search, "-C", "lib").json()["lib"]), 2)
        result = self.envtool("search", "-c", url + "/other", "--override-channels", "--offline", "lib", code=1)
        self.assertIn("offline", result.err)

    def test_passwords_stay_out(self):
        channel = write_channel(self.work / "channel", Package("lib"))
        with http_channel(channel) as url:
            secret = url.replace("http://", "http://user:pa55word@")
            for form in ([], ["--json"], ["--info"], ["--json", "nonsuch"], ["nonsuch"]):
                result = self.envtool("search", "-c", secret, "--override-channels", *(form or []), *([] if "nonsuch" in form else ["lib"]), code=None)
                self.assertNotIn("pa55word", result.out + result.err)


class Environments(CliTest):
    def test_envs(self):
        channel = write_channel(self.work / "channel", Package("lib", "1.0"), Package("lib", "2.0"), Package("app", depends=["lib"]))
        for name, spec in (("one", "lib=1"), ("two", "app")):
            self.envtool("create", "-y", "-n", name, "-c", channel, "--override-channels", spec)
        rows = table(self.envtool("search", "--envs", "lib").out)
        self.assertEqual(rows, [["# Name", "Version", "Build", "Channel", "Location"],
                                ["lib", "1.0", "0", channel.as_uri(), str(self.prefix("one"))],
                                ["lib", "2.0", "0", channel.as_uri(), str(self.prefix("two"))]])
        document = self.envtool("search", "--envs", "--json", "lib>=2").json()
        self.assertEqual([(item["location"], item["name"], [record["version"] for record in item["package_records"]]) for item in document],
                         [(str(self.prefix("two")), "two", ["2.0"])])
        self.assertEqual(self.envtool("search", "--envs", "--json", "lib=3", code=1).json()["exception_name"], "PackagesNotFoundError")
        # One environment that cannot be read does not hide the others.
        next((self.prefix("one") / "conda-meta").glob("lib*.json")).write_text("{")
        result = self.envtool("search", "--envs", "lib")
        self.assertEqual(len(table(result.out)), 2)
        self.assertIn("warning: passed over: ", result.err)


if __name__ == "__main__":
    support.main()
