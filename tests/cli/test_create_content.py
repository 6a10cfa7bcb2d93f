"""What a new environment is made of, byte for byte and link for link; checked without envtool."""
import json
import os
import pathlib
import re
import stat
import subprocess

import support
from made_channel import Package, Text, write_channel
from support import CHANNEL, CliTest, files_of_packages, manifest, records, sha256_of


class Content(CliTest):
    """One environment from the quick start's file, looked at from all sides."""

    shares_home = True

    @classmethod
    def prepare(cls, home):
        file = support.ROOT / "environment-examples/quickstart.yml"
        cls.command = ["create", "-y", "-f", str(file), "-c", str(CHANNEL), "-n", "quick"]
        home.envtool(*cls.command)
        cls.env = home.prefix("quick")
        cls.records = records(cls.env)

    def test_python_and_its_compiled_modules(self):
        out = self.run_in(self.env, "python", "-c", "import ssl, sqlite3, ctypes, numpy, sys, lzma, bz2, zlib\n"
                          "print(sys.prefix, numpy.linalg.det(numpy.eye(3)), sqlite3.connect(':memory:').execute('select 6*7').fetchone())")
        self.assertEqual(out, f"{self.env} 1.0 (42,)\n")

    def test_pip(self):
        out = self.run_in(self.env, "pip", "--version")
        self.assertIn(str(self.env / "lib/python3.11/site-packages/pip"), out)

    def test_prefix_is_in_programs_and_libraries(self):
        self.assertEqual(self.run_in(self.env, "prefix-demo"), f"program: {self.env}\nlibrary: {self.env}\n")

    def test_prefix_is_in_texts(self):
        self.assertIn(str(self.env), (self.env / "lib/pkgconfig/prefix-demo.pc").read_text())
        out = self.run_in(self.env, "prefix-demo-info")
        self.assert_contains(out, f"sys.prefix: {self.env}\n", f"text: {self.env}\n")

    def test_no_placeholder_is_left(self):
        left = [path for path in self.env.rglob("*") if path.is_file() and "conda-meta" not in path.parts
                and b"placehold_placehold_placehold" in path.read_bytes()]
        self.assertEqual(left, [])

    def test_entry_points(self):
        for name in ("pip", "pip3", "wheel", "normalizer", "abi3-demo"):
            script = self.env / "bin" / name
            self.assertTrue(script.read_text().startswith(f"#!{self.env}/bin/python3.11\n"), name)
            self.assertEqual(stat.S_IMODE(script.stat().st_mode) & 0o755, 0o755)
        self.assertTrue(self.run_in(self.env, "abi3-demo").startswith("42 "))
        self.assertIn("bin/abi3-demo", self.records["abi3-demo"]["files"])
        kinds = {entry["_path"]: entry["path_type"] for entry in self.records["abi3-demo"]["paths_data"]["paths"]}
        self.assertEqual(kinds["bin/abi3-demo"], "unix_python_entry_point")

    def test_byte_code_is_there_and_owned(self):
        for name in ("pip", "requests", "six", "abi3-demo"):
            files = self.records[name]["files"]
            sources = [path for path in files if path.endswith(".py")]
            codes = [path for path in files if path.endswith(".pyc")]
            self.assertGreater(len(sources), 0, name)
            self.assertEqual(len(codes), len(sources), name)
            for path in codes:
                self.assertTrue((self.env / path).is_file(), path)
            kinds = {entry["_path"]: entry["path_type"] for entry in self.records[name]["paths_data"]["paths"]}
            self.assertEqual({kinds[path] for path in codes}, {"pyc_file"})

    def test_byte_code_is_used(self):
        done = subprocess.run([self.env / "bin/python", "-B", "-v", "-c", "import requests"], capture_output=True, text=True, env=self.environ)
        self.assertIn(f"matches {self.env}/lib/python3.11/site-packages/requests/__init__.py", done.stderr)
        packages = f"# code object from '{self.env}/lib/python3.11/site-packages/"  # what Python says when it had to compile a source
        self.assertNotRegex(done.stderr, re.escape(packages) + r"\S*\.py'")

    def test_every_path_is_as_its_record_says(self):
        owners = {}
        for name, record in self.records.items():
            paths = record["paths_data"]["paths"]
            self.assertEqual(sorted(record["files"]), sorted(entry["_path"] for entry in paths), name)
            for entry in paths:
                place = self.env / entry["_path"]
                owners.setdefault(entry["_path"], name)
                self.assertTrue(os.path.lexists(place), f"{name}: {entry['_path']}")
                self.assertEqual(place.is_symlink(), entry["path_type"] == "softlink", place)
                if entry["path_type"] in ("hardlink", "unix_python_entry_point") and not place.is_symlink():
                    digest = entry.get("sha256_in_prefix") or entry.get("sha256")
                    if digest:
                        self.assertEqual(sha256_of(place), digest, place)
        unowned = [path for path, entry in manifest(self.env).items()
                   if entry[0] != "directory" and not path.startswith("conda-meta/") and path not in owners]
        self.assertEqual(unowned, [])

    def test_records_say_where_packages_come_from(self):
        channel = {**json.loads((CHANNEL / support.SUBDIR / "repodata.json").read_text())["packages.conda"],
                   **json.loads((CHANNEL / "noarch/repodata.json").read_text())["packages.conda"]}
        for name, record in self.records.items():
            said = channel[record["fn"]]
            for key in ("name", "version", "build", "build_number", "depends", "md5", "sha256", "size", "subdir"):
                self.assertEqual(record[key], said[key], (name, key))
            self.assertEqual(record["channel"], CHANNEL.as_uri())
            self.assertEqual(record["url"], f"{CHANNEL.as_uri()}/{record['subdir']}/{record['fn']}")
            self.assertTrue(pathlib.Path(record["extracted_package_dir"]).is_dir())
        asked = {name for name, record in self.records.items() if record.get("requested_spec")}
        self.assertEqual(asked, {"python", "numpy", "pip", "requests", "sqlite", "prefix-demo", "activation-demo", "abi3-demo", "demo-app"})

    def test_history(self):
        lines = (self.env / "conda-meta/history").read_text().splitlines()
        self.assertRegex(lines[0], r"^==> \d{4}-\d\d-\d\d \d\d:\d\d:\d\d <==$")
        self.assertTrue(lines[1].startswith("# cmd: ") and lines[1].endswith(" ".join(self.command)), lines[1])
        self.assertTrue(lines[2].startswith("# envtool version: "))
        added = {line for line in lines if line.startswith("+")}
        self.assertEqual(added, {f"+{r['channel']}/{r['subdir']}::{r['name']}-{r['version']}-{r['build']}" for r in self.records.values()})
        self.assertTrue(lines[-1].startswith("# update specs: ["), lines[-1])
        self.assert_contains(lines[-1], "'python=3.11'", "'demo-app'")

    def test_registered_for_conda(self):
        self.assertEqual((self.home.path / ".conda/environments.txt").read_text().splitlines()[0], str(self.env))

    def test_unchanged_files_are_hard_links_into_the_cache(self):
        counts = {"linked": 0, "own": 0}
        for record in self.records.values():
            cache = pathlib.Path(record["link"]["source"])
            for entry in record["paths_data"]["paths"]:
                place = self.env / entry["_path"]
                if place.is_symlink() or entry["path_type"] != "hardlink":
                    continue
                cached = cache / entry["_path"]
                if "prefix_placeholder" in entry:
                    self.assertFalse(cached.exists() and os.path.samefile(place, cached), place)
                    self.assertEqual(place.stat().st_nlink, 1, place)
                    counts["own"] += 1
                elif cached.exists():  # `noarch: python` files have another place there
                    self.assertTrue(os.path.samefile(place, cached), place)
                    counts["linked"] += 1
        self.assertGreater(counts["linked"], 500)
        self.assertGreater(counts["own"], 4)

    def test_cache_has_the_packages_as_they_were(self):
        for record in self.records.values():
            source = CHANNEL / record["subdir"] / record["fn"]
            self.assertEqual(sha256_of(record["package_tarball_full_path"]), sha256_of(source))
            cache = pathlib.Path(record["link"]["source"])
            for entry in json.loads((cache / "info/paths.json").read_text())["paths"]:
                if entry["path_type"] == "hardlink":
                    self.assertEqual(sha256_of(cache / entry["_path"]), entry["sha256"], entry["_path"])

    def test_nothing_temporary_is_left(self):
        self.assert_nothing_left()

    def test_offline_and_copied(self):
        self.envtool("create", "-y", "-n", "copied", "--offline", "--copy", "-c", CHANNEL, "--override-channels", "pip", "prefix-demo")
        copied = self.prefix("copied")
        self.assertEqual(self.run_in(copied, "prefix-demo"), f"program: {copied}\nlibrary: {copied}\n")
        shared = [path for path in copied.rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_nlink > 1]
        self.assertEqual(shared, [])
        self.envtool("create", "-y", "-n", "linked", "--offline", "-c", CHANNEL, "--override-channels", "pip", "prefix-demo")
        self.assertEqual(set(files_of_packages(copied)) ^ set(files_of_packages(self.prefix("linked"))), set())
        self.assertEqual(records(copied)["pip"]["link"]["type"], 3)

    def test_explicit_list_makes_the_same_environment(self):
        self.write("explicit.txt", self.envtool("list", "-n", "quick", "--explicit", "--sha256").out)
        self.envtool("create", "-y", "-n", "again", "--offline", "-f", "explicit.txt")
        again = self.prefix("again")
        self.assertIn("pip 23", self.run_in(again, "pip", "--version"))
        self.assertEqual(self.run_in(again, "prefix-demo"), f"program: {again}\nlibrary: {again}\n")
        self.assertEqual(set(files_of_packages(self.env)) ^ set(files_of_packages(again)), set())
        self.assertEqual(records(again)["pip"]["noarch"], "python")


class PrefixText(CliTest):
    """Prefixes that do not fit everywhere."""

    shares_cache = True

    def test_scripts_below_a_path_with_a_space(self):
        prefix = self.work / "my envs" / "one"
        self.envtool("create", "-y", "-p", prefix, "-c", CHANNEL, "--override-channels", "pip", "prefix-demo")
        self.assertIn("pip 23", self.run_in(prefix, "pip", "--version"))
        self.assertEqual(self.run_in(prefix, "prefix-demo"), f"program: {prefix}\nlibrary: {prefix}\n")
        # A first line cannot name an interpreter below such a path: `env` finds it when the environment is active.
        out = self.envtool("run", "-p", prefix, "prefix-demo-info").out
        self.assertIn(f"sys.prefix: {prefix}\n", out)

    def test_scripts_below_a_path_longer_than_a_first_line(self):
        prefix = self.work / ("a" * 70) / ("b" * 70)
        self.envtool("create", "-y", "-p", prefix, "-c", CHANNEL, "--override-channels", "pip", "prefix-demo")
        self.assertIn("pip 23", self.run_in(prefix, "pip", "--version"))
        self.assertEqual(self.run_in(prefix, "prefix-demo"), f"program: {prefix}\nlibrary: {prefix}\n")
        out = self.envtool("run", "-p", prefix, "prefix-demo-info").out
        self.assertIn(f"sys.prefix: {prefix}\n", out)

    def test_prefix_longer_than_the_placeholder(self):
        prefix = self.work / ("a" * 140) / ("b" * 140)
        result = self.envtool("create", "-y", "-p", prefix, "-c", CHANNEL, "--override-channels", "prefix-demo", code=1)
        self.assert_contains(result.err, "prefix", str(len(str(prefix))))
        self.assertFalse(prefix.exists())
        self.assert_nothing_left()

    def test_text_files_take_any_prefix(self):
        channel = write_channel(self.work / "channel", Package("t", files={"etc/t.conf": Text("a={prefix}/x:{prefix}\n")}))
        prefix = self.work / ("a" * 140) / ("b" * 140)
        self.envtool("create", "-y", "-p", prefix, "-c", channel, "--override-channels", "t")
        self.assertEqual((prefix / "etc/t.conf").read_text(), f"a={prefix}/x:{prefix}\n")


if __name__ == "__main__":
    support.main()
