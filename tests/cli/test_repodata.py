"""How channel records come here: shards (CEP 16) and whole indices, what HTTP says of age, and servers and caches that lie."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import made_shards
import support
from made_channel import Package, write_channel
from support import CHANNEL, SUBDIR, CliTest, http_channel, packages, records

INDEX = "repodata_shards.msgpack.zst"


class Server:
    """A served folder whose requests are logged."""

    def __init__(self, test, folder, *options):
        self.log = test.work / f"requests-{len(list(test.work.glob('requests-*')))}.log"
        self.url = test.enterContext(http_channel(folder, "--access-log", self.log, *options))

    def requests(self):
        """(path, status, protocol, connection) of each request so far."""
        lines = [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []
        return [(line[1], int(line[2]), line[-2], line[-1]) for line in lines]

    def asked(self, part=""):
        """Paths and statuses of the requests for the part, and forgets them all."""
        found = [f"{path} {status}" for path, status, _, _ in self.requests() if part in path]
        self.log.write_text("")
        return found


class RepodataTest(CliTest):
    def setUp(self):
        super().setUp()
        self.environ["CONDA_REMOTE_MAX_RETRIES"] = "0"
        self.folder = self.work / "www"

    def stamp(self, folder=None):
        """Makes the indices newer than ever: nginx's ETag is made of whole seconds and the size."""
        self.stamps = getattr(self, "stamps", 0) + 1
        for path in pathlib.Path(folder or self.folder).rglob("repodata*"):
            os.utime(path, (1700000000 + self.stamps, 1700000000 + self.stamps))

    def shards(self, channel):
        made_shards.write_shards(channel)
        self.stamp()

    def chain(self, channel="one", version="1.0"):
        """a -> b -> c, and 20 others."""
        channel = write_channel(self.folder / channel, Package("a", version, {"share/a": version}, ["b >=1"]),
                                Package("b", version, {"share/b": version}, ["c"], subdir=SUBDIR), Package("c", version, {"share/c": version}),
                                *(Package(f"other{number}", version, {"share/o": "o"}, ["a"]) for number in range(20)))
        self.stamp()
        return channel

    def solve(self, url, *specs, code=0, ttl="0", **kwargs):
        """What would be installed: name to version. `ttl` None leaves the age to the server."""
        options = [] if ttl is None else ["--repodata-ttl", ttl]
        result = self.envtool("create", "-y", "--dry-run", "--json", "-n", "x", "-c", url, "--override-channels", *options, *(specs or ["a"]),
                              code=code, **kwargs)
        document = result.json()
        if code != 0:
            return result, document
        return {package["name"]: package["version"] for package in document["actions"]["LINK"]}

    def fails(self, url, *specs, **kwargs):
        """The error as text."""
        options = () if "--offline" in specs else ("--repodata-ttl", "0")
        result = self.envtool("create", "-y", "--dry-run", "-n", "x", "-c", url, "--override-channels", *options, *(specs or ["a"]), code=1, **kwargs)
        self.assertTrue("error: " in result.err, result)
        return result.err

    def cache_files(self):
        return [path for path in (self.home.cache / "cache").rglob("*") if path.is_file()]


class Shards(RepodataTest):
    def test_only_what_is_reachable_is_fetched_and_only_once(self):
        self.shards(self.chain())
        server = Server(self, self.folder)
        self.envtool("create", "-y", "-n", "x", "-c", f"{server.url}/one", "--override-channels", "a")
        self.assertEqual(set(packages(self.prefix("x"))), {"a", "b", "c"})
        asked = server.asked()
        self.assertEqual(len([line for line in asked if "/shards/" in line]), 3, asked)
        self.assertEqual([line for line in asked if "repodata.json" in line], [])
        self.assertEqual(self.solve(f"{server.url}/one"), {"a": "1.0", "b": "1.0", "c": "1.0"})
        self.assertEqual(sorted(server.asked()), sorted([f"/one/{SUBDIR}/{INDEX} 304", f"/one/noarch/{INDEX} 304"]))

    def test_a_misspelt_name_is_answered_as_with_a_whole_index(self):
        self.shards(self.chain())
        # With nothing at all for the platform, that is the reason.
        channel = write_channel(self.folder / "empty", Package("other1", "1"))
        (channel / SUBDIR).mkdir(exist_ok=True)
        (channel / SUBDIR / "repodata.json").write_text(json.dumps({"info": {"subdir": SUBDIR}, "packages": {}}))
        self.shards(channel)
        server = Server(self, self.folder)
        for environ in ({}, {"CONDA_PLUGINS_USE_SHARDED_REPODATA": "false"}):
            with self.subTest(environ=environ):
                shutil.rmtree(self.home.cache / "cache", ignore_errors=True)
                server.asked()
                result, document = self.solve(f"{server.url}/one", "a", "othr7", code=1, env=environ)
                self.assertEqual(any("/shards/" in line for line in server.asked()), not environ)
                missing, = document["missing"]
                self.assertEqual((missing["name"], missing["closest"][0]), ("othr7", "other7"))
                self.assertNotIn("has no packages for", document["reason"])
                self.assertIn("did you mean `other7`", document["reason"])
                result, document = self.solve(f"{server.url}/empty", "othr1", code=1, env=environ)
                self.assertIn(f"the channel has no packages for {SUBDIR}", document["reason"])

    def test_index_changes_and_one_shard_with_it(self):
        self.shards(self.chain())
        server = Server(self, self.folder)
        self.solve(f"{server.url}/one")
        server.asked()
        path = self.folder / "one/noarch/repodata.json"
        document = json.loads(path.read_text())
        document["packages"]["a-2.0-0.tar.bz2"] = {**document["packages"]["a-1.0-0.tar.bz2"], "version": "2.0", "sha256": "0" * 64}
        path.write_text(json.dumps(document))
        self.shards(self.folder / "one")
        self.assertEqual(self.solve(f"{server.url}/one")["a"], "2.0")
        self.assertEqual(len([line for line in server.asked() if "/shards/" in line]), 1)

    def test_the_same_solution_as_from_the_whole_index(self):
        channel = self.folder / "debian"
        for name in ("noarch", SUBDIR):
            (channel / name).mkdir(parents=True)
            shutil.copy(CHANNEL / name / "repodata.json", channel / name)
        server = Server(self, self.folder)
        environ = {"CONDA_PLUGINS_USE_SHARDED_REPODATA": "false"}
        whole = self.solve(f"{server.url}/debian", "python", "numpy", env=environ)
        made_shards.write_shards(channel)
        shutil.rmtree(self.home.cache / "cache")
        server.asked()
        self.assertEqual(self.solve(f"{server.url}/debian", "python", "numpy"), whole)
        self.assertGreater(len([line for line in server.asked() if "/shards/" in line]), 10)
        # All of it: names, versions, builds, files, digests, dependencies.
        listed = []
        for environ in ({"CONDA_PLUGINS_USE_SHARDED_REPODATA": "false"}, {}):
            shutil.rmtree(self.home.cache / "cache")
            listed.append(self.envtool("search", "*", "--json", "-c", f"{server.url}/debian", "--override-channels", env=environ).json())
        self.assertEqual(*listed)

    def test_http2_on_one_connection(self):
        if shutil.which("openssl") is None:
            self.skipTest("openssl is not installed")
        certificate, key = self.work / "certificate.pem", self.work / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        names = [f"n{number}" for number in range(150)]
        shards = {name: {"packages": {f"{name}-1-0.tar.bz2": {"name": name, "version": "1", "build": "0", "build_number": 0, "depends": []}}}
                  for name in names}
        shards["all"] = {"packages": {"all-1-0.tar.bz2": {"name": "all", "version": "1", "build": "0", "build_number": 0, "depends": names}}}
        (self.folder / "one/noarch").mkdir(parents=True)
        made_shards.write_served(self.folder / "one/noarch", shards)
        server = Server(self, self.folder, "--tls", certificate, key, "--http2")
        self.assertEqual(len(self.solve(f"{server.url}/one", "all", env={"SSL_CERT_FILE": str(certificate)})), 151)
        fetched = [request for request in server.requests() if "/shards/" in request[0]]
        self.assertEqual(len(fetched), 151)
        self.assertEqual({request[2] for request in fetched}, {"HTTP/2.0"})
        self.assertEqual(len({request[3] for request in fetched}), 1)

    def test_connections_are_kept_without_http2(self):
        self.shards(self.chain())
        server = Server(self, self.folder)
        self.assertEqual(len(self.solve(f"{server.url}/one", *(f"other{number}" for number in range(20)))), 23)
        fetched = [request for request in server.requests() if "/shards/" in request[0]]
        self.assertEqual(len(fetched), 23)
        self.assertLessEqual(len({request[3] for request in fetched}), 8)

    def test_settings_switch_them_off(self):
        self.shards(self.chain())
        server = Server(self, self.folder)
        for environ, rc in (({"CONDA_PLUGINS_USE_SHARDED_REPODATA": "0"}, ""), ({"ENVTOOL_USE_SHARDED_REPODATA": "false"}, ""),
                            ({}, "plugins:\n  use_sharded_repodata: false\n"), ({}, "use_sharded_repodata: no\n")):
            with self.subTest(environ=environ, rc=rc):
                (self.home.path / ".condarc").write_text(rc)
                self.solve(f"{server.url}/one", env=environ)
                self.assertEqual(server.asked("shards"), [])

    def test_offline(self):
        self.shards(self.chain())
        server = Server(self, self.folder)
        self.solve(f"{server.url}/one")
        server.asked()
        self.assertEqual(self.solve(f"{server.url}/one", "a", "--offline", ttl=None), {"a": "1.0", "b": "1.0", "c": "1.0"})
        error = self.fails(f"{server.url}/one", "other3", "--offline")
        self.assert_contains(error, "other3", f"{server.url}/one/noarch/shards/", "--offline")
        self.assertEqual(server.asked(), [])

    def test_clean_removes_them(self):
        self.shards(self.chain())
        server = Server(self, self.folder)
        self.solve(f"{server.url}/one")
        self.assertEqual(len([path for path in self.cache_files() if path.suffix == ".rec"]), 3)
        self.envtool("clean", "--index-cache", "-y")
        self.assertEqual(self.cache_files(), [])
        server.asked()
        self.solve(f"{server.url}/one")
        self.assertEqual(len([line for line in server.asked() if "/shards/" in line]), 3)

    def test_many_processes_at_once_fetch_each_once(self):
        self.shards(self.chain())
        server = Server(self, self.folder, "--directive", 'add_header Cache-Control "max-age=60";')
        processes = [self.start("create", "-y", "--dry-run", "--json", "-n", "x", "-c", f"{server.url}/one", "--override-channels", "a")
                     for _ in range(8)]
        for process in processes:
            self.addCleanup(support.end, process)
        for process in processes:
            out, err = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, err)
        asked = server.asked()
        self.assertEqual(len(asked), 5, asked)

    def test_broken_shards_cost_a_warning_and_nothing_else(self):
        channel = self.chain()
        made_shards.write_shards(channel)
        server = Server(self, self.folder)
        shard = next(path for path in (channel / "noarch/shards").iterdir() if self.holds(path, "a"))
        for content in (b"", b"<html>log in</html>", made_shards.pack({"packages": 3}), None):
            with self.subTest(content=content):
                shutil.rmtree(self.home.cache / "cache", ignore_errors=True)
                shard.unlink(missing_ok=True)
                if content is not None:
                    shard.write_bytes(content)
                result = self.envtool("create", "-y", "--dry-run", "-n", "x", "-c", f"{server.url}/one", "--override-channels", "a")
                self.assertIn("warning: ", result.err)
                self.assertIn(f"{server.url}/one/noarch/shards/{shard.name}", result.err)
                server.asked()
                self.assertEqual(self.solve(f"{server.url}/one"), {"a": "1.0", "b": "1.0", "c": "1.0"})
                self.assertEqual([line for line in server.asked("/noarch/") if "shards" in line], [])

    def holds(self, path, name):
        document = json.loads((path.parent.parent / "repodata.json").read_text())
        return made_shards.pack(made_shards.split(document)[name]) == path.read_bytes()

    def test_a_killed_run_leaves_shards_that_are_whole(self):
        self.shards(self.chain())
        server = Server(self, self.folder)
        for number in range(1, 60, 6):
            shutil.rmtree(self.home.cache / "cache", ignore_errors=True)
            self.envtool("create", "-y", "--dry-run", "-n", "x", "-c", f"{server.url}/one", "--override-channels", "a", code=None,
                         env={"ENVTOOL_FAILPOINT": f"any:{number}:kill"})
            self.assertEqual(self.solve(f"{server.url}/one"), {"a": "1.0", "b": "1.0", "c": "1.0"})


class Age(RepodataTest):
    def test_ages_that_are_none(self):
        self.chain()
        for ttl in ("-1", "99999999999999999999", "abc", "", "31536001", "1.5"):
            with self.subTest(ttl=ttl):
                result = self.envtool("search", "a", "-c", self.folder / "one", "--override-channels", f"--repodata-ttl={ttl}", code=2)
                self.assert_contains(result.err, "--repodata-ttl", "0 to 31536000" if ttl else "")
        self.envtool("search", "a", "-c", self.folder / "one", "--override-channels", "--repodata-ttl", "31536000")


class PackageFolders(RepodataTest):
    """Several `pkgs_dirs`, of which not all can be written."""

    def test_records_go_to_the_first_that_can_be_written(self):
        self.chain()
        server = Server(self, self.folder)
        file = self.work / "file"
        file.write_text("")
        good, other = self.work / "good", self.work / "other"
        for first in (f"{file}/pkgs", "/proc/1/pkgs"):
            with self.subTest(first=first):
                shutil.rmtree(good, ignore_errors=True)
                environ = {"CONDA_PKGS_DIRS": f"{first},{good},{other}"}
                self.assertEqual(self.solve(f"{server.url}/one", env=environ), {"a": "1.0", "b": "1.0", "c": "1.0"})
                self.assertTrue(any((good / "cache").iterdir()))
                self.assertFalse(other.exists())
                self.assertEqual(len(self.envtool("search", "a", "--offline", "--json", "-c", f"{server.url}/one", "--override-channels",
                                                  env=environ).json()["a"]), 1)
                server.asked()
                environ["CONDA_PKGS_DIRS"] = f"{first},{good}"
                self.solve(f"{server.url}/one", ttl="3600", env=environ)
                self.assertEqual(server.asked(), [])
        self.assertIn(f"{file}/pkgs", self.fails(f"{server.url}/one", env={"CONDA_PKGS_DIRS": f"{file}/pkgs,{file}/more"}))

    def test_offline_reads_records_wherever_they_are(self):
        self.chain()
        server = Server(self, self.folder)
        full, empty = self.work / "full", self.work / "empty"
        self.solve(f"{server.url}/one", env={"CONDA_PKGS_DIRS": str(full)})
        environ = {"CONDA_PKGS_DIRS": f"{empty},{full}"}
        search = ("search", "a", "--offline", "--json", "-c", f"{server.url}/one", "--override-channels")
        self.assertEqual(len(self.envtool(*search, env=environ).json()["a"]), 1)
        # The writable one has some: those count.
        self.solve(f"{server.url}/one", env=environ)
        shutil.rmtree(full)
        self.assertEqual(len(self.envtool(*search, env=environ).json()["a"]), 1)


class Revisions(RepodataTest):
    """base_url (CEP 15), removed, channel_relations (CEP 42), v3 (CEP 48): the same in every form of the index."""

    def in_each_form(self, document, channel="one"):
        """The document as noarch index of a channel, in each form; gives the channel's URL."""
        folder = self.folder / channel / "noarch"
        folder.mkdir(parents=True)
        server = Server(self, self.folder)
        for form in ("json", "zst", "shards"):
            with self.subTest(form=form):
                shutil.rmtree(folder, ignore_errors=True)
                shutil.rmtree(self.home.cache / "cache", ignore_errors=True)
                folder.mkdir(parents=True)
                text = json.dumps(document)
                if form == "json":
                    (folder / "repodata.json").write_text(text)
                elif form == "zst":
                    (folder / "repodata.json.zst").write_bytes(made_shards.compress(text.encode()))
                else:
                    info = {key: value for key, value in document["info"].items() if key != "repodata_revisions"}
                    made_shards.write_served(folder, made_shards.split(document), info)
                yield f"{server.url}/{channel}"

    def record(self, name, version="1", **more):
        return {"name": name, "version": version, "build": "0", "build_number": 0, "depends": [], "sha256": "ab" * 32, "size": 5, **more}

    def search(self, url, spec):
        return self.envtool("search", spec, "--json", "-c", url, "--override-channels").json()

    def test_third_revision(self):
        document = {"info": {"subdir": "noarch", "repodata_revisions": {"v3": {"n_packages": 2}}},
                    "packages": {"a-1-0.tar.bz2": self.record("a")}, "packages.conda": {"b-1-0.conda": self.record("b")},
                    "v3": {"conda": {"a-3-0": self.record("a", "3", depends=["b[version=\">=1\",when=\"__unix\"]"], extra_depends={"test": ["b"]},
                                                          indexed_timestamp=1773851561010)},
                           "tar.bz2": {"b-0.5-0": self.record("b", "0.5")}, "whl": {"a-9-0": self.record("a", "9")}},
                    "removed": [], "repodata_version": 1}
        for url in self.in_each_form(document):
            self.assertEqual(self.solve(url, "a"), {"a": "3", "b": "1"})
            self.assertEqual(self.solve(url, "b<1"), {"b": "0.5"})

    def test_removed(self):
        document = {"info": {"subdir": "noarch"}, "packages": {"a-1-0.tar.bz2": self.record("a"), "a-2-0.tar.bz2": self.record("a", "2")},
                    "packages.conda": {"a-3-0.conda": self.record("a", "3")}, "removed": ["a-3-0.conda", "a-2-0.tar.bz2", "never-1-0.conda"]}
        for url in self.in_each_form(document):
            self.assertEqual(self.solve(url, "a"), {"a": "1"})

    def test_base_url(self):
        write_channel(self.folder / "pool", Package("a", files={"share/a": "a"}))
        document = json.loads((self.folder / "pool/noarch/repodata.json").read_text())
        document["info"]["base_url"] = "../../pool/noarch"
        for url in self.in_each_form(document):
            self.envtool("create", "-y", "-n", "x", "-c", url, "--override-channels", "a")
            self.assertEqual(records(self.prefix("x"))["a"]["url"], url.replace("/one", "/pool") + "/noarch/a-1.0-0.tar.bz2")
            self.envtool("remove", "-y", "-n", "x", "--all")
            self.envtool("clean", "-y", "--all")

    def test_base_url_that_is_not_allowed(self):
        document = {"info": {"subdir": "noarch", "base_url": "file:///etc/"}, "packages": {"a-1-0.tar.bz2": self.record("a")}, "packages.conda": {}}
        for url in self.in_each_form(document):
            self.assert_contains(self.fails(url), "base_url", "file:///etc/")

    def test_channel_relations(self):
        write_channel(self.folder / "base", Package("a", "5.0", {"share/a": "5"}))
        write_channel(self.folder / "under", Package("u", "1.0", {"share/u": "1"}))
        document = {"info": {"subdir": "noarch", "channel_relations": {"base": "../base", "overrides": "../under", "later": 1}},
                    "packages": {"a-9-0.tar.bz2": self.record("a", "9", depends=["u"])}, "packages.conda": {}}
        for url in self.in_each_form(document):
            self.assertEqual(self.solve(url, "a", "u", "--strict-channel-priority"), {"a": "5.0", "u": "1.0"})


class Ages(RepodataTest):
    """What HTTP says of age: ETag, Last-Modified, Cache-Control, and what the user says."""

    def served(self, *directives, forms=("json",)):
        channel = self.chain()
        for name in ("noarch", SUBDIR):
            if "zst" in forms:
                (channel / name / "repodata.json.zst").write_bytes(made_shards.compress((channel / name / "repodata.json").read_bytes()))
        if "shards" in forms:
            self.shards(channel)
        return Server(self, self.folder, *(word for text in directives for word in ("--directive", text)))

    def test_etag(self):
        for forms, document in ((("json",), "repodata.json"), (("zst",), "repodata.json.zst"), (("shards",), INDEX)):
            with self.subTest(forms=forms):
                server = self.served(forms=forms)
                self.solve(f"{server.url}/one")
                server.asked()
                self.solve(f"{server.url}/one")
                self.assertEqual(sorted(server.asked()), sorted(f"/one/{name}/{document} 304" for name in ("noarch", SUBDIR)))
                shutil.rmtree(self.home.cache / "cache")
                shutil.rmtree(self.folder)

    def test_last_modified_alone(self):
        server = self.served("etag off;")
        self.solve(f"{server.url}/one")
        server.asked()
        self.solve(f"{server.url}/one")
        self.assertEqual({line.split()[1] for line in server.asked()}, {"304"})

    def test_weak_changing_and_absent_validators(self):
        for directive, status in (('etag off; add_header Last-Modified "";', "200"), ('etag off; add_header ETag $request_id;', "200"),
                                  ("gzip on; gzip_types *; gzip_min_length 1;", "304")):
            with self.subTest(directive=directive):
                server = self.served(directive)
                self.solve(f"{server.url}/one")
                server.asked()
                self.chain(version="2.0")
                self.assertEqual(self.solve(f"{server.url}/one")["a"], "2.0")
                server.asked()
                self.assertEqual(self.solve(f"{server.url}/one")["a"], "2.0")
                self.assertEqual({line.split()[1] for line in server.asked()}, {status})
                shutil.rmtree(self.home.cache / "cache")
                shutil.rmtree(self.folder)

    def test_max_age_ttl_and_index_cache(self):
        server = self.served('add_header Cache-Control "max-age=1000";', forms=("shards", "zst"))
        url = f"{server.url}/one"
        self.solve(url, ttl=None)
        self.assertGreater(len(server.asked()), 0)
        self.solve(url, ttl=None)
        self.assertEqual(server.asked(), [])
        self.solve(url, ttl="0")
        self.assertEqual(len(server.asked()), 2)
        self.solve(url, ttl="1000")
        self.assertEqual(server.asked(), [])
        self.chain(version="2.0")
        self.shards(self.folder / "one")
        self.assertEqual(self.solve(url, "a", "--use-index-cache", ttl="0")["a"], "1.0")
        self.assertEqual(server.asked(), [])
        self.assertEqual(self.solve(url, ttl="0")["a"], "2.0")

    def test_no_cache_and_no_store_are_always_checked(self):
        for word in ("no-cache", "no-store", "max-age=0"):
            with self.subTest(word=word):
                server = self.served(f'add_header Cache-Control "{word}";')
                self.solve(f"{server.url}/one", ttl=None)
                server.asked()
                self.solve(f"{server.url}/one", ttl=None)
                self.assertEqual(len(server.asked()), 2)
                shutil.rmtree(self.folder)

    def test_a_304_without_a_copy_is_never_relied_on(self):
        for forms in (("json",), ("zst",), ("shards",)):
            server = self.served(forms=forms)
            for spoil in ("remove", "cut", "change", "empty"):
                for suffix in (".idx", ".json", ".json.zst", ".info.json", ".rec"):
                    with self.subTest(forms=forms, spoil=spoil, suffix=suffix):
                        self.solve(f"{server.url}/one")
                        for path in self.cache_files():
                            if path.suffix == suffix or path.name.endswith(suffix):
                                content = path.read_bytes()
                                if spoil == "remove":
                                    path.unlink()
                                else:
                                    path.write_bytes({"cut": content[:len(content) // 2], "empty": b"",
                                                      "change": content[:40] + b"#" + content[41:]}[spoil])
                        self.assertEqual(self.solve(f"{server.url}/one"), {"a": "1.0", "b": "1.0", "c": "1.0"})
            shutil.rmtree(self.home.cache / "cache")
            shutil.rmtree(self.folder)

    def test_a_clock_that_was_put_back(self):
        server = self.served('add_header Cache-Control "max-age=1000";')
        self.solve(f"{server.url}/one", ttl=None)
        self.chain(version="2.0")
        self.assertEqual(self.solve(f"{server.url}/one", ttl=None)["a"], "1.0")
        for path in (self.home.cache / "cache").glob("*.info.json"):
            document = json.loads(path.read_text())
            document["refresh_ns"] += 10**9 * 86400 * 365
            path.write_text(json.dumps(document))
        self.assertEqual(self.solve(f"{server.url}/one", ttl=None)["a"], "2.0")

    def test_what_is_missing_is_not_asked_for_again(self):
        server = self.served()
        shutil.rmtree(self.folder / "one" / SUBDIR)
        url = f"{server.url}/one"
        self.solve(url, "c", ttl=None)
        self.assertEqual(len(server.asked()), 6)
        self.solve(url, "c", ttl=None)
        self.assertEqual(server.asked(), ["/one/noarch/repodata.json 304"])
        self.assertEqual(self.solve(url, "c", "--offline", ttl=None), {"c": "1.0"})
        self.assertEqual(server.asked(), [])

    def test_offline_asks_nobody(self):
        if shutil.which("strace") is None:
            self.skipTest("strace is not installed")
        for forms in (("json",), ("shards",)):
            with self.subTest(forms=forms):
                server = self.served(forms=forms)
                self.solve(f"{server.url}/one")
                server.asked()
                trace = self.work / "trace"
                subprocess.run(["strace", "-f", "-e", "trace=network", "-o", trace, support.ENVTOOL, "create", "-y", "--dry-run", "-n", "x", "-c",
                                f"{server.url}/one", "--override-channels", "--offline", "a"], check=True, capture_output=True,
                               env=self.environ, cwd=self.work)
                self.assertEqual([line for line in trace.read_text().splitlines() if re.search(r"socket|connect|send", line)], [])
                self.assertEqual(server.asked(), [])
                shutil.rmtree(self.home.cache / "cache")
                self.assertIn("--offline", self.fails(f"{server.url}/one", "a", "--offline"))
                self.assertEqual(server.asked(), [])
                shutil.rmtree(self.folder)

    def test_content_older_than_before_is_said(self):
        server = self.served()
        self.solve(f"{server.url}/one")
        for path in self.folder.rglob("repodata.json"):
            path.write_text(path.read_text() + "\n")
            old = 1600000000
            os.utime(path, (old, old))
        result = self.envtool("create", "-y", "--dry-run", "-n", "x", "-c", f"{server.url}/one", "--override-channels", "--repodata-ttl", "0", "a")
        self.assertRegex(result.err, "warning: .*older than")


if __name__ == "__main__":
    support.main()
