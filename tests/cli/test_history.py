"""Revisions: every change is one, each can be shown, compared and brought back, also when the channel is gone."""
import json
import os
import shutil
import signal
import subprocess

import support
from made_channel import Package, Text, write_channel
from support import CHANNEL, CliTest, files_of_packages, http_channel, manifest, packages, sha256_of
from terminal import on_terminal
from test_pip import write_wheel


def history_as_conda_reads_it(text):
    """The packages after each block and the wishes after all, by conda's rules (its lines are a set, in no order)."""
    blocks, specs = [], {}
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("==>"):
            blocks.append((set(), []))
        elif line.startswith("#"):
            blocks[-1][1].append(line)
        elif line:
            blocks[-1][0].add(line)
    states, current = [], set()
    for lines, comments in blocks:
        if any(line[0] in "+-" for line in lines):
            # In whatever order: what is taken out is not put in by the same block.
            out, into = {line[1:] for line in lines if line[0] == "-"}, {line[1:] for line in lines if line[0] == "+"}
            assert all(line[0] in "+-" for line in lines) and not out & into
            current = (current - out) | into
        else:
            current = lines
        states.append(set(current))
        if any(comment.startswith("# cmd:") for comment in comments):
            for comment in comments:
                for words, act in (("# remove specs:", specs.pop), ("# update specs:", None)):
                    if comment.startswith(words):
                        for spec in json.loads(comment[len(words):].replace("'", '"')):
                            name = "".join(c if c.isalnum() or c in "-_" else " " for c in spec).split()[0]
                            specs.pop(name, None) if act else specs.update({name: spec})
    return states, specs


class History(CliTest):
    def setUp(self):
        super().setUp()
        self.channel = self.make_channel()
        self.options = ("-c", self.channel, "--override-channels")

    def make_channel(self):
        return write_channel(
            self.work / "channel",
            *(Package("tool", f"{n}.0", {"bin/tool": Text(f"#!/bin/sh\necho {n} {{prefix}}\n", 0o755), f"share/only-{n}": str(n)}, ["lib"]) for n in (1, 2, 3)),
            Package("lib", "1.0", {"lib/data": "one"}), Package("lib", "1.1", {"lib/data": "two"}), Package("extra", "1.0", {"share/extra": "x"}))

    def make(self, *specs, name="e"):
        self.envtool("create", "-y", "-n", name, *self.options, *specs)
        return self.prefix(name)

    def content(self, env=None):
        return files_of_packages(env or self.prefix("e"))

    def revisions(self, name="e"):
        return self.envtool("history", "-n", name, "--json").json()

    def requested(self, revision, name="e"):
        return self.envtool("history", "show", revision, "-n", name, "--json").json()["requested"]

    def three(self):
        """An environment with three revisions and what it held after each."""
        env = self.make("tool=1.0", "lib=1.0")
        states = [(self.content(), packages(env))]
        self.envtool("install", "-y", "-n", "e", *self.options, "tool=2.0", "extra")
        states.append((self.content(), packages(env)))
        self.envtool("remove", "-y", "-n", "e", "extra")
        states.append((self.content(), packages(env)))
        return env, states


class Show(History):
    def test_table(self):
        self.three()
        lines = self.envtool("history", "-n", "e").out.splitlines()
        self.assertRegex(lines[2], r"^ +REV +DATE +\+ +- +~ +COMMAND$")
        self.assertRegex(lines[3], r"^ +0 +20\d\d-.* \+2 +- +- +envtool create -y -n e .*\[specs\]$")
        self.assertRegex(lines[4], r"^ +1 +.* \+1 +- +~1 +envtool install ")
        self.assertRegex(lines[5], r"^\* +2 +.* - +-1 +- +envtool remove -y -n e extra +\[specs\]$")

    def test_json(self):
        self.three()
        found = self.revisions()
        self.assertEqual([(r["rev"], r["added"], r["removed"], r["changed"], r["current"], r["recorded"]) for r in found],
                         [(0, 2, 0, 0, False, True), (1, 1, 0, 1, False, True), (2, 0, 1, 0, True, True)])

    def test_as_conda_lists_it(self):
        self.three()
        out = self.envtool("list", "--revisions", "-n", "e").out
        where = f"{self.channel.as_uri()}/noarch"
        self.assertIn("  (rev 1)\n" f"     tool  {{1.0 ({where}) -> 2.0 ({where})}}\n    +extra-1.0 ({where})\n\n", out)
        found = self.envtool("list", "--revisions", "-n", "e", "--json").json()
        self.assertEqual([sorted(r) for r in found], [["date", "downgrade", "install", "remove", "rev", "upgrade"]] * 3)
        self.assertEqual(found[1]["upgrade"], [{"old": f"tool-1.0-0-{where}", "new": f"tool-2.0-0-{where}"}])
        self.assertEqual(found[2]["remove"], [f"extra-1.0-0-{where}"])

    def test_show_and_diff(self):
        env, _ = self.three()
        (env / "conda-meta/pinned").write_text("lib 1.0\n")
        self.envtool("env", "config", "vars", "set", "-n", "e", "COLOR=red")
        shown = self.envtool("history", "show", "4", "-n", "e", "--json").json()
        self.assertEqual(shown["variables"], {"COLOR": "red"})
        self.assertEqual(shown["pinned"], ["lib 1.0"])
        self.assertEqual(shown["requested"], {"lib": ["lib=1.0"], "tool": ["tool=2.0"]})
        self.assertEqual([p["name"] for p in shown["packages"]], ["lib", "tool"])
        self.assert_contains(self.envtool("history", "show", "4", "-n", "e").out, "asked for:\n  lib=1.0\n", "variables:\n  COLOR  red\n", "pins:\n  lib 1.0\n")
        difference = self.envtool("history", "diff", "0", "4", "-n", "e", "--json").json()
        self.assertEqual([(c["name"], c["from"]["version"], c["to"]["version"]) for c in difference["packages"]], [("tool", "1.0", "2.0")])
        self.assertEqual(difference["variables"], [{"name": "COLOR", "from": None, "to": "red"}])
        self.assertEqual(difference["pins"], {"removed": [], "added": ["lib 1.0"]})
        self.assertEqual(difference["requested"], [{"name": "tool", "from": ["tool=1.0"], "to": ["tool=2.0"]}])
        self.assert_contains(self.envtool("history", "diff", "0", "4", "-n", "e").out, "  ~  tool", "  +  COLOR  red", "pins:\n  +  lib 1.0\n")
        self.assertEqual(self.envtool("history", "diff", "1", "1", "-n", "e").out, "Nothing differs.\n")

    def test_wrong_numbers(self):
        self.three()
        for command in (["history", "show", "3"], ["history", "diff", "0", "9"], ["rollback", "3", "-y"], ["install", "--revision", "7", "-y"]):
            self.assert_contains(self.envtool(*command, "-n", "e", code=2).err, "there is no revision", "0 to 2")
        for command in (["rollback", "x"], ["history", "show"], ["history", "show", "-1"], ["install", "--revision", "1", "tool"]):
            self.envtool(*command, "-n", "e", code=2)
        self.make("extra", name="one")
        self.assertIn("first revision", self.envtool("rollback", "-y", "-n", "one", code=2).err)

    def test_values_of_variables_are_in_no_log(self):
        env = self.make("extra")
        self.envtool("env", "config", "vars", "set", "-n", "e", "TOKEN=canary")
        for path in [env / "conda-meta/history", *(env / "conda-meta/.envtool").glob("lock*")]:
            self.assertNotIn("canary", path.read_text())
        self.assertNotIn("canary", self.envtool("history", "-n", "e").out)


class Rollback(History):
    def test_each_revision_without_the_channel(self):
        with http_channel(self.channel) as url:
            self.options = ("-c", url, "--override-channels")
            env, states = self.three()
        shutil.rmtree(self.channel)
        for offline in (["--offline"], []):
            for revision in (0, 1, 2, 0):
                self.envtool("rollback", str(revision), "-y", "-n", "e", *offline)
                self.assertEqual((self.content(), packages(env)), states[revision])
        # One of the eight found nothing to do.
        self.assertEqual(len(self.revisions()), 3 + 7)
        self.assert_nothing_left()

    def test_the_one_before_by_default(self):
        env, states = self.three()
        self.envtool("rollback", "-y", "-n", "e")
        self.assertEqual(self.content(), states[1][0])
        self.envtool("install", "--revision", "0", "-y", "-n", "e")
        self.assertEqual(self.content(), states[0][0])
        # A rollback is a revision, so it can be taken back.
        self.envtool("rollback", "-y", "-n", "e")
        self.assertEqual(self.content(), states[1][0])
        self.assertEqual(self.revisions()[-1]["rev"], 5)

    def test_wishes_of_then_hold(self):
        env, _ = self.three()
        self.envtool("rollback", "0", "-y", "-n", "e", "--offline")
        self.assertEqual(self.requested(3), {"lib": ["lib=1.0"], "tool": ["tool=1.0"]})
        text = self.envtool("env", "export", "--from-history", "-n", "e").out
        self.assert_contains(text, "  - tool=1.0\n", "  - lib=1.0\n")
        records = support.records(env)
        self.assertEqual(records["tool"]["requested_specs"], ["tool=1.0"])
        # Nothing goes beyond what was asked for at that time.
        self.envtool("install", "-y", "-n", "e", *self.options, "extra")
        self.assertEqual(packages(env)["tool"][0], "1.0")
        self.envtool("update", "-y", "-n", "e", *self.options, "--all")
        self.assertEqual((packages(env)["tool"][0], packages(env)["lib"][0]), ("1.0", "1.0"))

    def test_wish_that_came_later_is_gone(self):
        env = self.make("tool=1.0")
        self.envtool("install", "-y", "-n", "e", *self.options, "extra")
        self.envtool("rollback", "-y", "-n", "e")
        self.assertNotIn("extra", self.envtool("env", "export", "--from-history", "-n", "e").out)
        _, specs = history_as_conda_reads_it((env / "conda-meta/history").read_text())
        self.assertEqual(specs, {"tool": "tool=1.0"})

    def test_conda_reads_the_history(self):
        env, _ = self.three()
        self.envtool("env", "config", "vars", "set", "-n", "e", "A=b")
        self.envtool("install", "-y", "-n", "e", *self.options, "tool", "--force-reinstall")
        self.envtool("rollback", "0", "-y", "-n", "e")
        states, specs = history_as_conda_reads_it((env / "conda-meta/history").read_text())
        where = f"{self.channel.as_uri()}/noarch::"
        self.assertEqual(states[0], {where + "tool-1.0-0", where + "lib-1.0-0"})
        self.assertEqual(states[3], states[2])
        self.assertEqual(states[4], states[2])
        self.assertEqual(states[-1], states[0])
        self.assertEqual(specs, {"tool": "tool=1.0", "lib": "lib=1.0"})

    def test_pins_and_variables(self):
        env = self.make("tool=1.0", "lib=1.0")
        (env / "conda-meta/pinned").write_text("# mine\nlib 1.0\n")
        self.envtool("env", "config", "vars", "set", "-n", "e", "COLOR=red", "SHAPE=round")
        (env / "conda-meta/pinned").write_text("lib 1.1\n")
        self.envtool("env", "config", "vars", "unset", "-n", "e", "COLOR")
        self.envtool("rollback", "2", "-y", "-n", "e")
        self.assertEqual((env / "conda-meta/pinned").read_text(), "# mine\nlib 1.0\n")
        self.assertEqual(self.envtool("env", "config", "vars", "list", "-n", "e", "--json").json(), {"COLOR": "red", "SHAPE": "round"})
        gone = self.envtool("rollback", "0", "-y", "-n", "e").out
        self.assertTrue(gone.startswith(f"Environment: {env}\n\npins are removed\nvariables are removed\n"), gone)
        self.assertFalse((env / "conda-meta/pinned").exists())
        self.assertFalse((env / "conda-meta/state").exists())

    def test_dry_run_and_json(self):
        env, states = self.three()
        before = manifest(env)
        self.assert_contains(self.envtool("rollback", "0", "-n", "e", "--dry-run").out, "tool", "2.0 -> 1.0", "This was a dry run")
        document = self.envtool("rollback", "0", "-n", "e", "--dry-run", "--json").json()
        self.assertEqual((document["success"], document["dry_run"]), (True, True))
        self.assertEqual([(p["name"], p["version"]) for p in document["actions"]["LINK"]], [("tool", "1.0")])
        self.assertEqual([(p["name"], p["version"]) for p in document["actions"]["UNLINK"]], [("tool", "2.0")])
        self.assertEqual(document["actions"]["FETCH"], [])
        self.assertEqual(support.without_lock(manifest(env)), support.without_lock(before))
        # It asks, as an installation does.
        self.assertIn("confirmation", self.envtool("rollback", "0", "-n", "e", code=2).err)
        for answer, code, revision in (("n\n", 1, 2), ("y\n", 0, 0)):
            done, shown = on_terminal([support.ENVTOOL, "rollback", "0", "-n", "e"], self.environ, self.work, [("Go ahead?", answer)])
            self.assertEqual(done, code, shown)
            self.assertEqual(self.content(), states[revision][0])
        self.assertEqual(self.envtool("rollback", "0", "-n", "e", "--json").json()["message"], "All requested packages already installed.")
        self.assertEqual(len(self.revisions()), 4)

    def test_cache_lacks_a_package(self):
        env, states = self.three()
        self.envtool("clean", "-y", "--all", "--all-revisions")
        before = manifest(env)
        error = self.envtool("rollback", "0", "-y", "-n", "e", "--offline", code=1).err
        self.assert_contains(error, "tool-1.0-0", "--offline")
        self.assertEqual(support.without_lock(manifest(env)), support.without_lock(before))
        self.envtool("rollback", "0", "-y", "-n", "e")
        self.assertEqual(self.content(), states[0][0])

    def test_frozen(self):
        env, states = self.three()
        (env / "conda-meta/frozen").write_text("")
        self.envtool("rollback", "-y", "-n", "e", code=1)
        self.assertEqual(self.content(), states[2][0])
        self.envtool("rollback", "-y", "-n", "e", "--override-frozen")
        self.assertEqual(self.content(), states[1][0])

    def test_files_of_the_user_stay(self):
        env, states = self.three()
        (env / "share/mine").write_text("mine")
        (env / "share/only-2").write_text("edited")
        (env / "share/only-1").write_text("in the way")
        self.envtool("rollback", "0", "-y", "-n", "e")
        self.assertEqual((env / "share/mine").read_text(), "mine")
        self.assertEqual((env / "share/only-1").read_text(), "1")
        self.assertEqual(sorted(p.read_text() for p in env.glob("share/*.envtool-saved-*")), ["edited", "in the way"])

    def test_many_revisions_are_small(self):
        env = self.make("tool=1.0", "lib=1.0")
        first = (env / "conda-meta/.envtool/revisions/0.json").stat().st_size
        for number in range(12):
            self.envtool("install", "-y", "-n", "e", *self.options, f"tool={1 + number % 2 + 1}.0", "--offline" if number > 1 else "-q")
        files = sorted((env / "conda-meta/.envtool/revisions").iterdir(), key=lambda p: int(p.stem))
        self.assertEqual(len(files), 13)
        # Records that are there already are not written again.
        self.assertLess(max(p.stat().st_size for p in files[3:]), first / 2)


class Damaged(History):
    def damage(self, change):
        env, states = self.three()
        path = env / "conda-meta/.envtool/revisions/1.json"
        change(path)
        return env, states, path

    def test_hostile_and_damaged_files(self):
        env, states = self.three()
        path = env / "conda-meta/.envtool/revisions/1.json"
        good = path.read_text()
        for text in ("", "{", "[]", "null", good[:-20], good.replace("tool=2.0", "tool=9.9"), "[" * 100000, good.replace('"envtool_revision":1', '"envtool_revision":2')):
            with self.subTest(text=text[:30]):
                path.write_text(text)
                self.assertIn("damaged", self.envtool("history", "-n", "e").out)
                self.assertTrue(self.revisions()[1]["problem"])
                self.assertIn("warning", self.envtool("history", "show", "1", "-n", "e").err)
                error = self.envtool("rollback", "1", "-y", "-n", "e", code=1).err
                self.assert_contains(error, "cannot be brought back", str(path))
        # The others work, and later changes, too.
        self.envtool("rollback", "0", "-y", "-n", "e")
        self.assertEqual(self.content(), states[0][0])
        self.envtool("clean", "-y", "--all")
        # Without the file it is a revision of which the names are known.
        path.unlink()
        self.envtool("install", "-y", "-n", "e", *self.options, "tool=2.0", "extra")
        self.envtool("rollback", "0", "-y", "-n", "e")
        self.envtool("rollback", "1", "-y", "-n", "e")
        self.assertEqual(self.content(), states[1][0])

    def test_record_that_is_missing(self):
        env, states = self.three()
        (env / "conda-meta/.envtool/revisions/0.json").unlink()
        self.assertIn("in none of the files", self.envtool("rollback", "1", "-y", "-n", "e", code=1).err)
        self.assertEqual(self.content(), states[2][0])


class OtherTools(History):
    """Environments whose revisions are known from conda's history alone."""

    def setUp(self):
        super().setUp()
        self.env, self.states = self.three()
        shutil.rmtree(self.env / "conda-meta/.envtool")

    def test_listed(self):
        self.assertEqual([r["recorded"] for r in self.revisions()], [False] * 3)
        self.assertEqual([r["added"] for r in self.revisions()], [2, 1, 0])
        self.assertEqual(self.requested(0), {"lib": ["lib=1.0"], "tool": ["tool=1.0"]})
        self.assertIn("Another tool made", self.envtool("history", "show", "0", "-n", "e").out)
        self.assertTrue(self.envtool("history", "diff", "0", "1", "-n", "e", "--json").json()["partial"])

    def test_rollback_from_the_cache(self):
        self.envtool("rollback", "0", "-y", "-n", "e", "--offline")
        self.assertEqual((self.content(), packages(self.env)), self.states[0])
        # The state before it was found and written down.
        self.assertEqual([r["recorded"] for r in self.revisions()], [False, False, True, True])
        self.envtool("rollback", "-y", "-n", "e", "--offline")
        self.assertEqual((self.content(), packages(self.env)), self.states[2])

    def test_rollback_without_the_cache(self):
        self.envtool("clean", "-y", "--all", "--force-pkgs-dirs")
        error = self.envtool("rollback", "0", "-y", "-n", "e", code=1)
        self.assert_contains(error.err, "revision 0 cannot be brought back", "tool-1.0-0")
        self.assertEqual(self.content(), self.states[2][0])

    def test_change_without_a_word_in_the_history(self):
        # As a tool does it that writes records alone.
        self.envtool("install", "-y", "-n", "e", *self.options, "lib=1.1")
        self.make("extra", name="x")
        for path in (self.prefix("x") / "conda-meta").glob("extra-*.json"):
            shutil.copy(path, self.env / "conda-meta")
        shutil.copy(self.prefix("x") / "share/extra", self.env / "share/extra")
        self.envtool("install", "-y", "-n", "e", *self.options, "tool=3.0")
        found = self.revisions()
        self.assertEqual((found[-2]["note"], found[-2]["added"]), ("changes that were made outside of envtool", 1))
        self.envtool("rollback", "-y", "-n", "e")
        self.assertEqual(set(packages(self.env)), {"tool", "lib", "extra"})
        states, _ = history_as_conda_reads_it((self.env / "conda-meta/history").read_text())
        self.assertEqual({line.split("::")[1] for line in states[-1]}, {"tool-2.0-0", "lib-1.1-0", "extra-1.0-0"})

    def test_empty_history(self):
        (self.env / "conda-meta/history").write_text("")
        self.envtool("install", "-y", "-n", "e", *self.options, "tool=3.0")
        self.assertEqual(len(self.revisions()), 2)
        self.envtool("rollback", "-y", "-n", "e")
        self.assertEqual(self.content(), self.states[2][0])


class Clean(History):
    def test_keeps_what_revisions_need(self):
        env, states = self.three()
        out = self.envtool("clean", "-y", "--all").out
        self.assertRegex(out, r"Kept: 2 packages \(.*\) that the last 10 revisions of 1 environment need")
        shutil.rmtree(self.channel)
        for revision in (0, 1, 2):
            self.envtool("rollback", str(revision), "-y", "-n", "e", "--offline")
            self.assertEqual(self.content(), states[revision][0])

    def test_json_and_limits(self):
        self.three()
        document = self.envtool("clean", "--all", "--dry-run", "--json").json()
        self.assertEqual(sorted(os.path.basename(p) for p in document["kept"]["files"]), ["extra-1.0-0", "tool-1.0-0"])
        self.assertGreater(document["kept"]["total_size"], 0)
        for options, env in ((["--all-revisions"], {}), ([], {"ENVTOOL_KEEP_REVISIONS": "0"})):
            document = self.envtool("clean", "--all", "--dry-run", "--json", *options, env=env).json()
            self.assertEqual(document["kept"]["files"], [])
            self.assertEqual(sorted(os.path.basename(p) for p in document["packages"]["files"]), ["extra-1.0-0", "tool-1.0-0"])
        document = self.envtool("clean", "--all", "--dry-run", "--json", env={"ENVTOOL_KEEP_REVISIONS": "2"}).json()
        self.assertEqual([os.path.basename(p) for p in document["kept"]["files"]], ["extra-1.0-0"])
        self.envtool("clean", "-y", "--force-pkgs-dirs")
        self.assertEqual([p.name for p in self.home.cache.iterdir() if p.is_dir() and not p.name.startswith(".") and p.name != "cache"], [])

    def test_environments_elsewhere_count(self):
        place = self.work / "elsewhere"
        self.envtool("create", "-y", "-p", place, *self.options, "tool=1.0")
        self.envtool("install", "-y", "-p", place, *self.options, "tool=2.0")
        self.envtool("clean", "-y", "--all")
        self.envtool("rollback", "-y", "-p", place, "--offline")
        self.assertEqual(packages(place)["tool"][0], "1.0")
        # What no environment's revisions need goes.
        self.envtool("env", "remove", "-y", "-p", place)
        self.assertIn("tool-1.0-0", str(self.envtool("clean", "--all", "--dry-run", "--json").json()["packages"]["files"]))


class Killed(History):
    """A rollback that is killed or fails at its doors leaves the one state or the other, and a history that says which."""

    def test_at_many_points(self):
        env, states = self.three()
        (env / "mine").write_text("mine")
        self.envtool("env", "config", "vars", "set", "-n", "e", "A=b")
        probe = self.envtool("rollback", "0", "-y", "-n", "e", code=None, env={"ENVTOOL_FAILPOINT": "nonsense"})
        if probe.code >= 0:
            self.skipTest("this binary has no fail points (built without ENVTOOL_FAILPOINTS)")
        saved = self.work / "saved"
        shutil.copytree(env, saved, symlinks=True)
        new, old = states[0][0], states[2][0]
        seen = set()
        for fault in ("kill", "ENOSPC"):
            for number in [*range(1, 40, 5), *range(40, 500, 13)]:
                shutil.rmtree(env)
                subprocess.run(["cp", "-a", saved, env], check=True)
                result = self.envtool("rollback", "0", "-y", "-n", "e", "--offline", code=None, env={"ENVTOOL_FAILPOINT": f"any:{number}:{fault}"})
                if fault == "kill" and result.code == 0:
                    break
                self.assertIn(result.code, (-signal.SIGKILL,) if fault == "kill" else (0, 1), result)
                self.envtool("list", "-n", "e")
                content = {path: entry for path, entry in self.content().items() if path != "mine"}
                self.assertIn(content, (old, new), f"mixed after {fault} at {number}")
                is_new = content == new
                seen.add((fault, is_new))
                # Packages, history, revision files and variables agree.
                found = self.revisions()
                self.assertEqual(len(found), 5 if is_new else 4)
                self.assertTrue(all(r["recorded"] for r in found))
                states_of_conda, _ = history_as_conda_reads_it((env / "conda-meta/history").read_text())
                self.assertEqual({line.split("::")[1] for line in states_of_conda[-1]},
                                 {f"{name}-{version}-{build}" for name, (version, build) in packages(env).items()})
                self.assertEqual((env / "conda-meta/state").exists(), not is_new)
                self.assertEqual((env / "mine").read_text(), "mine")
                # And back again.
                self.envtool("rollback", "2", "-y", "-n", "e", "--offline")
                self.assertEqual({path: entry for path, entry in self.content().items() if path != "mine"}, old)
        self.assertEqual(seen, {(fault, state) for fault in ("kill", "ENOSPC") for state in (False, True)})
        self.assert_nothing_left()


class Pip(CliTest):
    """Packages that pip installed come back byte for byte, without pip and without the network."""
    shares_cache = True

    def setUp(self):
        super().setUp()
        self.wheels = self.work / "wheels"
        for version in ("1.0", "2.0"):
            write_wheel(self.wheels, "shout", version, ["whisper>=1"])
        write_wheel(self.wheels, "whisper", "1.5")
        self.envtool("create", "-y", "-f", self.file("shout<2", "python=3.11", "pip"))
        self.env = self.prefix("e")
        self.first = self.content()

    def file(self, requirement, *conda):
        return self.write("environment.yml", f"name: e\nchannels: ['{CHANNEL}', nodefaults]\ndependencies:\n" + "".join(f"  - {spec}\n" for spec in conda) +
                          f"  - pip:\n    - --no-index\n    - --find-links ./wheels\n    - {requirement}\n")

    def content(self):
        """With times: byte code is valid for one time of its source."""
        return {path: (entry, (self.env / path).lstat().st_mtime_ns if entry[0] == "file" else None)
                for path, entry in files_of_packages(self.env).items() if "site-packages" in path or path.startswith("bin/")}

    def upgrade(self):
        self.envtool("env", "update", "-y", "-f", self.file("shout==2.0"))
        self.assertEqual(self.run_in(self.env, "shout"), "shout 2.0\n")

    def pip_of(self, revision):
        shown = self.envtool("history", "show", revision, "-n", "e", "--json").json()
        return {p["name"]: p["version"] for p in shown["pip"]}

    def bundles(self, words):
        """The kept files of a package of this test's environment."""
        return [p for p in (self.home.cache / ".pip").iterdir() if words + f"prefix {self.env}\n" in (p / "manifest").read_text()]

    def assert_intact(self):
        self.assertEqual(self.run_in(self.env, "python", "-m", "pip", "check"), "No broken requirements found.\n")

    def test_back_and_forth_offline(self):
        self.upgrade()
        second = self.content()
        self.assertNotEqual(self.first, second)
        self.assertEqual([self.pip_of(0), self.pip_of(1)], [{"shout": "1.0", "whisper": "1.5"}, {"shout": "2.0", "whisper": "1.5"}])
        shutil.rmtree(self.wheels)
        self.envtool("clean", "-y", "--all")
        for revision, content, version in ((0, self.first, "1.0"), (1, second, "2.0"), (0, self.first, "1.0")):
            out = self.envtool("rollback", revision, "-y", "-n", "e", "--offline").out
            self.assertIn("pip package comes back: shout " + version, out)
            self.assertEqual(self.run_in(self.env, "shout"), f"shout {version}\n")
            self.assertEqual(self.content(), content)
            self.assert_intact()
        self.assertEqual(len(self.envtool("history", "-n", "e", "--json").json()), 5)
        self.assert_nothing_left()

    def test_packages_that_come_and_go(self):
        write_wheel(self.wheels, "late", "1.0")
        self.envtool("env", "update", "-y", "-f", self.file("late"))
        self.envtool("rollback", "-y", "-n", "e", "--offline")
        self.assertEqual(self.content(), self.first)
        self.envtool("rollback", "-y", "-n", "e", "--offline")
        self.assertEqual(self.run_in(self.env, "late"), "late 1.0\n")
        self.assert_intact()

    def test_with_packages_of_conda(self):
        self.envtool("install", "-y", "-n", "e", "-c", CHANNEL, "--override-channels", "six")
        self.upgrade()
        self.envtool("rollback", "0", "-y", "-n", "e", "--offline")
        self.assertEqual(self.content(), self.first)
        self.assertNotIn("six", packages(self.env))
        difference = self.envtool("history", "diff", "0", "2", "-n", "e", "--json").json()
        self.assertEqual(difference["pip"], [{"name": "shout", "from": "1.0", "to": "2.0"}])

    def test_by_hand(self):
        # What pip does on its own is a revision as soon as envtool sees it.
        by_hand = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
        subprocess.run([self.env / "bin/python", "-m", "pip", "install", "-q", "-U", "shout"], env={**self.home.environ, **by_hand}, check=True,
                       capture_output=True)
        second = self.content()
        self.envtool("rollback", "0", "-y", "-n", "e", "--offline")
        self.assertEqual(self.content(), self.first)
        found = self.envtool("history", "-n", "e", "--json").json()
        self.assertEqual((len(found), found[1]["note"], found[1]["changed"]), (3, "changes that were made outside of envtool", 1))
        self.envtool("rollback", "1", "-y", "-n", "e", "--offline")
        self.assertEqual(self.content(), second)
        self.assert_intact()

    def test_edited_file_is_kept_aside(self):
        self.upgrade()
        module = self.env / "lib/python3.11/site-packages/shout.py"
        module.write_text("edited = True\n")
        self.envtool("rollback", "0", "-y", "-n", "e", "--offline")
        self.assertEqual(self.run_in(self.env, "shout"), "shout 1.0\n")
        self.assertEqual([p.read_text() for p in module.parent.glob("shout.py.envtool-saved-*")], ["edited = True\n"])

    def test_lost_or_changed_files_are_told_loudly(self):
        self.upgrade()
        second = self.content()
        bundle = self.bundles("name shout\nversion 1.0\n")[0]
        module = next(bundle.rglob("shout.py"))
        text = module.read_text()
        for spoil in (lambda: module.write_text(text + "#"), lambda: shutil.rmtree(bundle)):
            spoil()
            result = self.envtool("rollback", "0", "-y", "-n", "e", "--offline", code=1)
            self.assert_contains(result.err, "shout==1.0", "cannot be brought back")
            # It stays as it was, and works.
            self.assertEqual(self.content(), second)
        document = self.envtool("rollback", "0", "-y", "-n", "e", "--json", code=1).json()
        self.assertIs(document["success"], False)
        self.assertIn("shout==1.0", document["packages"])

    def test_failing_pip_run_is_written_down(self):
        write_wheel(self.wheels, "whisper", "2.0")
        self.envtool("env", "update", "-y", "-f", self.file("no-such-package"), code=1)
        self.assertEqual(len(self.envtool("history", "-n", "e", "--json").json()), 1)
        self.assertEqual(self.content(), self.first)

    def test_killed_at_many_points(self):
        self.upgrade()
        second, saved = self.content(), self.work / "saved"
        subprocess.run(["cp", "-a", self.env, saved], check=True)
        probe = self.envtool("rollback", "0", "-y", "-n", "e", code=None, env={"ENVTOOL_FAILPOINT": "nonsense"})
        if probe.code >= 0:
            self.skipTest("this binary has no fail points (built without ENVTOOL_FAILPOINTS)")
        seen = set()
        for number in range(20, 400, 37):
            shutil.rmtree(self.env)
            subprocess.run(["cp", "-a", saved, self.env], check=True)
            result = self.envtool("rollback", "0", "-y", "-n", "e", "--offline", code=None, env={"ENVTOOL_FAILPOINT": f"any:{number}:kill"})
            if result.code == 0:
                break
            self.envtool("list", "-n", "e")
            self.assertIn(self.content(), (self.first, second), f"mixed after a kill at {number}")
            is_first = self.content() == self.first
            seen.add(is_first)
            self.assertEqual(self.pip_of(2 if is_first else 1)["shout"], "1.0" if is_first else "2.0")
        self.assertEqual(seen, {True, False})

    def test_pip_upgrades_what_conda_installed(self):
        write_wheel(self.wheels, "six", "9.9")
        self.envtool("install", "-y", "-n", "e", "-c", CHANNEL, "--override-channels", "six")
        before = self.content()
        self.envtool("env", "update", "-y", "-f", self.file("six==9.9"))
        self.assertIn("9.9", self.run_in(self.env, "python", "-c", "import six; print(six.__version__)"))
        self.envtool("rollback", "-y", "-n", "e", "--offline")
        self.assertNotIn("9.9", self.run_in(self.env, "python", "-c", "import six; print(six.__version__)"))
        self.assertEqual({p: e[0] for p, e in self.content().items() if not p.endswith(".pyc")},
                         {p: e[0] for p, e in before.items() if not p.endswith(".pyc")})
        self.assert_intact()

    def test_nothing_is_kept_when_no_revision_is(self):
        self.envtool("env", "update", "-y", "-f", self.file("shout==2.0"), env={"ENVTOOL_KEEP_REVISIONS": "0"})
        self.assertEqual(len(self.bundles("name shout\nversion 1.0\n")), 1)
        self.assertEqual(self.bundles("name shout\nversion 2.0\n"), [])


if __name__ == "__main__":
    support.main()
