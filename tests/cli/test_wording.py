"""What commands say in cases that are easy to get wrong: numbers of revisions, one of something, secrets, what was lost."""
import hashlib
import json
import re
import shutil

import support
from made_channel import Package, write_channel
from support import CliTest, packages


class Wording(CliTest):
    def setUp(self):
        super().setUp()
        self.channel = write_channel(self.work / "channel", Package("tool", files={"share/tool": "one"}),
                                     Package("tool", "2.0", files={"share/tool": "two"}), Package("other", files={"share/other": "o"}))
        self.from_channel = ["-c", self.channel, "--override-channels"]
        self.envtool("create", "-q", "-y", "-n", "e", *self.from_channel, "tool=1")
        self.env = self.prefix("e")

    def test_numbers_of_revisions(self):
        for command in (["rollback", "-n", "e", "--", "-1"], ["install", "-n", "e", "--revision=-1"], ["history", "show", "-n", "e", "--", "-1"],
                        ["history", "diff", "-n", "e", "--", "0", "-1"], ["rollback", "-n", "e", "99999999999999999999"], ["rollback", "-n", "e", "1x"]):
            result = self.envtool(*command, code=2)
            self.assert_contains(result.err, "is not the number of a revision", "envtool history")
            self.assertNotIn("1844", result.err)
            self.assertFalse(self.envtool(*command[:-1], "--json", command[-1], code=None).out.startswith("Traceback"))
        self.assertIn("`to` is missing", self.envtool("history", "diff", "-n", "e", "0", code=2).err)

    def test_a_discarded_change_is_told(self):
        (self.env / "conda-meta/.envtool/tx/new").mkdir(parents=True)
        result = self.envtool("list", "-n", "e")
        self.assertEqual(len(result.err.splitlines()), 1, result)
        self.assert_contains(result.err, "cut short before it was decided", "as before it")
        self.assertEqual(self.envtool("list", "-n", "e").err, "")

    def test_repair_without_damage(self):
        out = self.envtool("repair", "-d", "-n", "e").out
        self.assertEqual(out, f"Nothing to repair: {self.env} is as recorded\n")

    def test_one_of_something(self):
        (self.env / "share/tool").write_text("changed")
        self.assertIn("1 problem, ", self.envtool("repair", "-d", "-n", "e", code=1).out)
        (self.env / "share/mine").write_text("m")
        out = self.envtool("env", "remove", "-y", "-d", "-n", "e").out
        self.assert_contains(out, "with 1 package\n", "1 file that no package owns", "it goes, too")
        self.envtool("repair", "-y", "-n", "e")
        self.assertIsNone(re.search(r"\b1 (problems|packages|files|revisions|environments)\b", out))

    def test_a_package_that_the_channel_has_lost(self):
        self.envtool("update", "-q", "-y", "-n", "e", *self.from_channel, "tool")
        shutil.rmtree(self.home.cache)
        self.assert_contains(self.envtool("rollback", "-y", "-n", "e", "--offline", code=1).err, "tool-1.0-0", "--offline")
        write_channel(self.channel, Package("tool", "2.0", files={"share/tool": "two"}))
        (self.channel / "noarch/tool-1.0-0.tar.bz2").unlink(missing_ok=True)
        result = self.envtool("rollback", "-y", "-n", "e", "--json", code=1).json()
        self.assertEqual(result["packages"], ["tool-1.0-0"])
        self.assert_contains(self.envtool("rollback", "-y", "-n", "e", code=1).err, "tool-1.0-0", "could not be fetched", "history show 0", "nothing was changed")
        self.assertEqual(packages(self.env)["tool"][0], "2.0")

    def test_forged_revisions(self):
        self.envtool("env", "config", "vars", "set", "-n", "e", "A=b")
        self.envtool("env", "config", "vars", "set", "-n", "e", "C=d")
        path = self.env / "conda-meta/.envtool/revisions/1.json"
        for old, new in (('"A":"b"', '"A=B":"b"'), ('"A":"b"', '"A B":"b"'), ('"A":"b"', '"A\\u001b[31m":"b"'), ('"pinned":null', '"pinned":"tool \\u001b[2J"')):
            text = path.read_text()
            self.assertIn(old, text)
            # A forger can compute the checksum, too.
            body = text.rsplit(',"sha256":"', 1)[0].replace(old, new)
            path.write_text(f'{body},"sha256":"{hashlib.sha256((body + "}").encode()).hexdigest()}"}}\n')
            result = self.envtool("history", "show", "-n", "e", "1", code=None)
            self.assertNotIn("\x1b", result.out + result.err)
            self.assertIn("can only be shown in part", result.err, (new, result))
            self.assertNotIn("checksum", result.err, new)
            result = self.envtool("rollback", "-y", "-n", "e", "1", code=1)
            self.assertNotIn("\x1b", result.out + result.err)
            path.write_text(text)

    def test_packages_in_use_are_not_cleaned(self):
        self.envtool("create", "-q", "-y", "-n", "copied", "--copy", *self.from_channel, "other")
        self.envtool("install", "-q", "-y", "-n", "e", *self.from_channel, "tool=2")
        document = self.envtool("clean", "-y", "--all", "--all-revisions", "--json").json()
        self.assertEqual([path.rsplit("/", 1)[1] for path in document["packages"]["files"] if not path.endswith(".byte-code")], ["tool-1.0-0"])
        self.assertTrue((self.home.cache / "other-1.0-0").exists())
        self.envtool("env", "remove", "-y", "-n", "copied")
        self.envtool("clean", "-y", "--packages", "--all-revisions")
        self.assertFalse((self.home.cache / "other-1.0-0").exists())

    def test_revisions_without_packages(self):
        self.envtool("env", "config", "vars", "set", "-n", "e", "A=b")
        (self.env / "conda-meta/pinned").write_text("tool <3\n")
        self.envtool("install", "-q", "-y", "-n", "e", *self.from_channel, "other")
        blocks = self.envtool("list", "--revisions", "-n", "e").out.strip().split("\n\n")
        self.assertIn("(no packages: variables)", blocks[1])
        for block in blocks:
            self.assertGreater(len(block.splitlines()), 1, blocks)

    def test_secrets_in_variables(self):
        self.envtool("env", "config", "vars", "set", "-n", "e", "API_TOKEN=canary-1", "DB_PASSWORD=canary-2", "SITE=http://me:canary-3@host/", "COLOR=red", "MONKEY=ape")
        self.envtool("env", "config", "vars", "set", "-n", "e", "API_TOKEN=canary-4")
        for command in (["history"], ["history", "show", "1"], ["history", "diff", "0", "1"], ["history", "diff", "1", "2"], ["list", "--revisions"]):
            for form in ([], ["--json"]):
                out = self.envtool(*command, "-n", "e", *form).out
                self.assertNotIn("canary", out, command)
        self.assert_contains(self.envtool("history", "show", "-n", "e", "1").out, "red", "ape", "***")
        self.assertEqual(self.envtool("history", "diff", "-n", "e", "1", "2", "--json").json()["variables"], [{"name": "API_TOKEN", "from": "***", "to": "***"}])
        self.assert_contains(self.envtool("env", "config", "vars", "list", "-n", "e").out, "canary-4", "canary-2")
        self.envtool("rollback", "-y", "-n", "e", "1")
        self.assertEqual(json.loads((self.env / "conda-meta/state").read_text())["env_vars"]["API_TOKEN"], "canary-1")


if __name__ == "__main__":
    support.main()
