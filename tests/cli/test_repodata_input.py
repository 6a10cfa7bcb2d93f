"""Channel records that are cut, wrong, huge or made to harm: said clearly, in bounded time and memory, and the good copy stays.

Every position and variant with ENVTOOL_TEST_FULL=1; a sample otherwise.
"""
import json
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import time

import made_shards
import support
from made_channel import Package, write_channel
from made_shards import Raw, compress, encode, pack
from support import CliTest, http_channel

FULL = os.environ.get("ENVTOOL_TEST_FULL") == "1"
INDEX = "repodata_shards.msgpack.zst"
MEASURE = """
import os, sys
null = os.open(os.devnull, os.O_WRONLY)
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
_, status, usage = os.wait4(pid, 0)
print([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024])
"""
PAGE = b"<!DOCTYPE html><html><head><title>Log in</title></head><body>Please log in</body></html>"


def rle_frame(byte: int, blocks: int) -> bytes:
    """A zstd frame of `blocks` times 128 KB of one byte: four bytes each."""
    head = struct.pack("<I", 0xFD2FB528) + b"\x00" + b"\x58"  # no size, a window of 2 MB
    block = struct.pack("<I", 128 * 1024 << 3 | 1 << 1)[:3] + bytes([byte])
    last = struct.pack("<I", 128 * 1024 << 3 | 1 << 1 | 1)[:3] + bytes([byte])
    return head + block * (blocks - 1) + last


class InputTest(CliTest):
    def setUp(self):
        super().setUp()
        self.environ["CONDA_REMOTE_MAX_RETRIES"] = "0"
        self.folder = self.work / "www"
        self.channel = write_channel(self.folder / "one", Package("good", files={"share/g": "g"}), Package("a", files={"share/a": "a"}))
        self.noarch = self.channel / "noarch"
        self.document = json.loads((self.noarch / "repodata.json").read_text())
        self.stamps = 0

    def put(self, name, content: bytes):
        """A new file each time, with a time that no other one had."""
        path = self.noarch / name
        path.write_bytes(content)
        self.stamps += 1
        os.utime(path, (1700000000 + self.stamps, 1700000000 + self.stamps))

    def run_one(self, channel, *specs, options=("--repodata-ttl", "0"), limit=20):
        """Exit code, standard error, seconds and peak memory (MB); never a crash."""
        started = time.monotonic()
        with open(self.work / "err", "w+b") as err:
            # A process of its own starts it: the peak of a child begins with what its parent holds.
            process = subprocess.Popen([sys.executable, "-S", "-c", MEASURE, support.ENVTOOL, "create", "-y", "--dry-run", "-n", "x", "-c", str(channel),
                                        "--override-channels", *options, *(specs or ["good"])], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=err, env=self.environ, cwd=self.work)
            code, cpu, memory = json.loads(process.communicate(timeout=300)[0])
            err.seek(0)
            text = err.read().decode("utf-8")  # what foreign bytes there are must have been escaped
        seconds = time.monotonic() - started
        self.assertIn(code, (0, 1), text)
        self.assertLess(seconds, limit, text)
        self.assertNotIn("bug in envtool", text)
        return code, text, cpu, memory

    def fails(self, channel, *parts, **kwargs):
        code, err, seconds, memory = self.run_one(channel, **kwargs)
        self.assertEqual(code, 1, err)
        self.assertIn("error: ", err)
        for part in parts:
            self.assertIn(part, err)
        return err, seconds, memory

    def works(self, channel, **kwargs):
        code, err, *_ = self.run_one(channel, **kwargs)
        self.assertEqual(code, 0, err)
        return err

    def cache(self):
        return {path.name: path.read_bytes() for path in (self.home.cache / "cache").rglob("*")
                if path.is_file() and path.name.endswith((".json", ".zst", ".idx", ".rec")) and not path.name.endswith(".info.json")}


class Forms(InputTest):
    """The good document in one form after the other, and what happens to it."""

    def in_each_form(self):
        text = json.dumps(self.document).encode()
        yield "repodata.json", text
        (self.noarch / "repodata.json").unlink()
        yield "repodata.json.zst", compress(text)
        (self.noarch / "repodata.json.zst").unlink()
        made_shards.write_served(self.noarch, made_shards.split(self.document))
        yield INDEX, (self.noarch / INDEX).read_bytes()

    def test_a_page_in_place_of_records_and_back(self):
        # N07
        with http_channel(self.folder) as server:
            url = f"{server}/one"
            for name, good in self.in_each_form():
                with self.subTest(name=name):
                    shutil.rmtree(self.home.cache / "cache", ignore_errors=True)
                    self.put(name, good)
                    self.works(url)
                    before = self.cache()
                    for document in {name, "repodata.json"}:
                        self.put(document, PAGE)
                    self.fails(url, f"{url}/noarch/repodata.json", "log")
                    self.assertEqual(self.cache(), before)
                    self.works(url, options=("--offline",))
                    if name != "repodata.json":
                        (self.noarch / "repodata.json").unlink()
                    self.put(name, good)
                    for path in (self.home.cache / "cache").glob("*.info.json"):
                        # The form that was of no use is left alone for an hour; this is the next day.
                        state = json.loads(path.read_text())
                        state.update(zst_missing_until_ns=0, shards_missing_until_ns=0, missing_ns=0)
                        path.write_text(json.dumps(state))
                    self.works(url)

    def test_cut_anywhere(self):
        # N08
        with http_channel(self.folder) as server:
            url = f"{server}/one"
            for name, good in self.in_each_form():
                shutil.rmtree(self.home.cache / "cache", ignore_errors=True)
                self.put(name, good)
                self.works(url)
                before = self.cache()
                sizes = range(1, len(good)) if FULL else sorted({1, 5, 13, len(good) - 1, *range(1, len(good), max(1, len(good) // 25))})
                for size in sizes:
                    with self.subTest(name=name, size=size):
                        self.put(name, good[:size])
                        self.forget_failures()
                        err, *_ = self.fails(url, f"{url}/noarch")
                        self.assertEqual(self.cache(), before)
                self.put(name, good)
                self.forget_failures()
                self.works(url)

    def forget_failures(self):
        for path in (self.home.cache / "cache").glob("*.info.json"):
            state = json.loads(path.read_text())
            state.update(zst_missing_until_ns=0, shards_missing_until_ns=0, missing_ns=0)
            path.write_text(json.dumps(state))

    def test_cut_shards(self):
        (self.noarch / "repodata.json").unlink()
        made_shards.write_served(self.noarch, made_shards.split(self.document))
        shard = next(path for path in (self.noarch / "shards").iterdir() if path.read_bytes() == pack(made_shards.split(self.document)["good"]))
        good = shard.read_bytes()
        with http_channel(self.folder) as server:
            for size in range(0, len(good), 1 if FULL else 17):
                with self.subTest(size=size):
                    shard.write_bytes(good[:size])
                    self.fails(f"{server}/one", shard.name)
            shard.write_bytes(good)
            self.works(f"{server}/one")

    def test_damaged_caches_are_made_anew(self):
        # I05
        generator = random.Random(5)
        with http_channel(self.folder) as server:
            url = f"{server}/one"
            for name, good in self.in_each_form():
                shutil.rmtree(self.home.cache / "cache", ignore_errors=True)
                self.put(name, good)
                self.works(url, options=())
                for path in [*(self.home.cache / "cache").rglob("*.idx"), *(self.home.cache / "cache").rglob("*.rec")]:
                    whole = path.read_bytes()
                    for _ in range(300 if FULL else 12):
                        content = bytearray(whole)
                        if generator.random() < 0.3:
                            del content[generator.randrange(len(content)):]
                        else:
                            content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
                        path.write_bytes(content)
                        self.works(url, options=("--repodata-ttl", "1000"))
                        self.assertEqual(path.read_bytes()[:8], whole[:8])


class Encodings(InputTest):
    def test_texts_that_are_no_json(self):
        # I04
        good = json.dumps(self.document)
        raw = good.encode()
        record = raw.index(b'"name": "good"')
        inside = raw.index(b"good", record)
        cases = {
            "BOM": b"\xef\xbb\xbf" + raw, "UTF-16": good.encode("utf-16"), "UTF-16LE": good.encode("utf-16-le"), "UTF-16BE": good.encode("utf-16-be"),
            "UTF-32": good.encode("utf-32"), "NUL before": b"\0" + raw, "NUL behind": raw + b"\0", "NUL inside": raw[:inside] + b"\0" + raw[inside:],
            "two documents": raw + raw, "behind": raw + b"x", "no end": raw[:-1], "comma": raw.replace(b"{", b"{,", 1),
            "trailing comma": raw[:-1] + b",}", "comment": b"// x\n" + raw, "single quotes": raw.replace(b'"', b"'"), "bare key": raw.replace(b'"info"', b"info"),
            "no colon": raw.replace(b'"info":', b'"info"'), "bracket": raw.replace(b"{", b"[", 1), "scalar": b"1", "text": b'"x"', "list": b"[]",
            "null": b"null", "true": b"true", "html": PAGE, "xml": b"<?xml version='1.0'?>", "gzip": b"\x1f\x8b\x08\0\0\0", "zip": b"PK\x03\x04", "bytes": bytes(range(256)),
            "bad escape": raw.replace(b"good", b"go\\qod", 1), "half escape": raw.replace(b"good", b"go\\u12", 1),
            "control in text": raw[:inside] + b"\x01" + raw[inside:], "newline in text": raw[:inside] + b"\n" + raw[inside:],
        }
        for number, bad in enumerate((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x82", b"\xf5\x80\x80\x80", b"\x80")):
            cases[f"UTF-8 {number} in a value"] = raw[:inside] + bad + raw[inside:]
            cases[f"UTF-8 {number} in a key"] = raw.replace(b'"version"', b'"ver' + bad + b'sion"', 1)
            cases[f"UTF-8 {number} in a file name"] = raw.replace(b'"good-', b'"go' + bad + b"od-", 1)
        for number in (b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b"0x10", b"1.", b".5", b"1e", b"--1", b"1_000", b"tru", b"nul"):
            cases[f"number {number}"] = raw.replace(b'"build_number": 0', b'"build_number": ' + number, 1)
        for name, content in cases.items():
            with self.subTest(name=name):
                self.put("repodata.json", content)
                self.fails(self.channel, f"{self.noarch}/repodata.json")
        self.put("repodata.json", raw.replace(b", ", b",\r\n").replace(b": ", b" :\t"))
        self.works(self.channel)
        self.put("repodata.json", b"")
        self.fails(self.channel, "good")

    def test_top_level_values_of_all_types(self):
        values = (None, True, 3, 1.5, "x", [], {}, [1], {"x": 1}, [[[]]], -1, 2**63, 2**64, 1e300)
        expected = {"info": dict, "packages": dict, "packages.conda": dict, "removed": list, "v3": dict, "repodata_version": int}
        for key, kind in expected.items():
            for value in values:
                for form in ("json", "shards"):
                    if form == "shards" and value == 2**64:
                        continue  # MessagePack has no such number
                    with self.subTest(key=key, value=value, form=form):
                        document = {**self.document, key: value}
                        if form == "json":
                            self.put("repodata.json", json.dumps(document).encode())
                            code, err, *_ = self.run_one(self.channel)
                            place = f"{self.noarch}/repodata.json"
                        elif key in ("info", "repodata_version"):
                            continue  # not in a shard
                        else:
                            shard = {**made_shards.split(self.document)["good"], key: value}
                            self.serve_shards({"good": shard})
                            code, err, *_ = self.run_one(f"{self.served}/one")
                            place = f"{self.served}/one/noarch"
                        if code == 0:
                            continue
                        right = isinstance(value, kind) or value is None
                        if not right or "error: no channel has" not in err:
                            self.assertIn(place, err)
                        if right and value in ([], {}, None) and key not in ("packages",):
                            self.fail(err)

    def serve_shards(self, shards):
        if not hasattr(self, "served"):
            self.served = self.enterContext(http_channel(self.folder))
        shutil.rmtree(self.noarch)
        shutil.rmtree(self.home.cache / "cache", ignore_errors=True)
        made_shards.write_served(self.noarch, shards)

    def test_fields_of_records_of_all_types(self):
        fields = ("name", "version", "build", "build_number", "depends", "constrains", "md5", "sha256", "size", "timestamp", "noarch", "subdir", "license",
                  "license_family", "track_features", "features", "extra_depends", "flags", "indexed_timestamp", "legacy_bz2_size", "python_site_packages_path")
        values = ("missing", None, True, -1, 1.5, 2**63, 2**64, 1e308, "", "x\u001b[31m", "../../x", [], {}, [1], {"x": 1}, "x" * 3000)
        for form in ("json", "shards"):
            for field in fields:
                for value in values if FULL else random.Random(f"{field}{form}").sample(values, 7):
                    if form == "shards" and value == 2**64:
                        continue
                    with self.subTest(field=field, value=value, form=form):
                        record = {**self.document["packages"]["a-1.0-0.tar.bz2"]}
                        if value == "missing":
                            record.pop(field, None)
                        else:
                            record[field] = value
                        if form == "json":
                            document = {**self.document, "packages": {**self.document["packages"], "a-1.0-0.tar.bz2": record}}
                            self.put("repodata.json", json.dumps(document).encode())
                            where, place = self.channel, f"{self.noarch}/repodata.json"
                        else:
                            for key in ("md5", "sha256"):  # as shards have them
                                if isinstance(record.get(key), str) and len(record[key]) in (32, 64):
                                    record[key] = bytes.fromhex(record[key])
                            shards = made_shards.split(self.document)
                            shards["a"] = {"packages": {"a-1.0-0.tar.bz2": record}}
                            self.serve_shards(shards)
                            where, place = f"{self.served}/one", f"{self.served}/one/noarch/shards/"
                        code, err, *_ = self.run_one(where, "a", "good")
                        self.assertNotIn("\x1b", err)
                        if code == 0:  # a value that means something, or nothing
                            self.assertNotIn("error", err)
                            continue
                        # Left out, with a word about where and why; the others are there.
                        if "left out" in err:
                            self.assertIn(place, err)
                            self.assertIn("a-1.0-0.tar.bz2", err)
                        self.works(where)

    def test_numbers(self):
        # I03
        for text in ("1e400", "-1e400", "1e308", "-1", "-0", "0.0", "1.9", "9007199254740993", "9223372036854775808", "18446744073709551615", "18446744073709551616",
                     "9" * 400, '"5"', "null", "1700000000", "1700000000000", "-1700000000", "253402300800000", "1e13"):
            for field in ("size", "timestamp", "indexed_timestamp", "build_number"):
                with self.subTest(text=text, field=field):
                    document = json.loads(json.dumps(self.document))
                    document["packages"]["a-1.0-0.tar.bz2"][field] = "@"
                    self.put("repodata.json", json.dumps(document).replace('"@"', text).encode())
                    code, err, *_ = self.run_one(self.channel)
                    if code != 0:
                        self.assertIn(f"{self.noarch}/repodata.json", err)
        for number in (math.inf, -math.inf, math.nan, Raw(b"\xcf" + b"\xff" * 8), Raw(b"\xd3\x80" + bytes(7)), Raw(b"\xca\x7f\x80\0\0"), Raw(b"\xc7\x01\x05x")):
            for field in ("size", "timestamp", "build_number"):
                with self.subTest(number=number, field=field):
                    shards = made_shards.split(self.document)
                    shards["a"]["packages"]["a-1.0-0.tar.bz2"][field] = number
                    self.serve_shards(shards)
                    self.works(f"{self.served}/one")

    def test_keys_twice(self):
        first, second = ('"%s": %s' % ("a-1.0-0.tar.bz2", json.dumps({**self.document["packages"]["a-1.0-0.tar.bz2"], "version": version}))
                         for version in ("1.0", "1.0"))
        good = '"good-1.0-0.tar.bz2": ' + json.dumps(self.document["packages"]["good-1.0-0.tar.bz2"])
        for text in (f'{{"packages": {{{first}, {good}, {second}}}}}', f'{{"packages": {{{first}}}, "packages": {{{good}}}}}',
                     f'{{"info": {{}}, "info": {{"subdir": "noarch"}}, "packages": {{{good}}}, "removed": [], "removed": []}}'):
            self.put("repodata.json", text.encode())
            self.works(self.channel)
        self.put("repodata.json", f'{{"packages": {{{good}}}, "packages": {{{first}}}}}'.encode())
        self.fails(self.channel, "good")  # the last one counts


class Sizes(InputTest):
    """Documents made to eat time and memory."""

    def bounded(self, result, what):
        _, seconds, memory = result
        self.assertLess(memory, 512, what)
        return seconds

    def test_nesting_keys_and_long_texts(self):
        # I02
        deep = b"[" * 10**6
        record = json.dumps(self.document["packages"]["good-1.0-0.tar.bz2"])[:-1].encode()
        many = ",".join(f'"k{number}": 1' for number in range(10**6)).encode()
        cases = {
            "nested": deep, "nested objects": b'{"a":' * 10**6, "nested in an unknown key": b'{"x": ' + deep, "closed": b'{"x": ' + deep + b"]" * 10**6 + b"}",
            "nested in a record": b'{"packages": {"good-1.0-0.tar.bz2": ' + record + b', "x": ' + deep + b"]" * 10**6 + b"}}}",
            "100 MB of text": b'{"packages": {"good-1.0-0.tar.bz2": ' + record + b', "license": "' + b"x" * 10**8 + b'"}}}',
            "100 MB of text as a key": b'{"' + b"x" * 10**8 + b'": 1}',
        }
        for name, content in cases.items():
            with self.subTest(name=name):
                self.put("repodata.json", content)
                self.bounded(self.fails(self.channel, f"{self.noarch}/repodata.json", limit=10), name)
        for name, content in {"keys of a record": b'{"packages": {"good-1.0-0.tar.bz2": ' + record + b", " + many + b"}}}",
                              "keys of the document": b'{"packages": {"good-1.0-0.tar.bz2": ' + record + b"}}, " + many + b"}",
                              "100 MB of unknown text": b'{"x": "' + b"x" * 10**8 + b'", "packages": {"good-1.0-0.tar.bz2": ' + record + b"}}}"}.items():
            with self.subTest(name=name):
                self.put("repodata.json", content)
                code, err, _, memory = self.run_one(self.channel, limit=10)
                self.assertEqual(code, 0, err)
                self.assertLess(memory, 512)

    def test_little_address_space(self):
        # Threads, too, need some of it; whatever cannot be had, it ends with a message or with the right answer.
        record = self.document["packages"]["good-1.0-0.tar.bz2"]
        packages = {f"p{number}-1.0-0.tar.bz2": {**record, "name": f"p{number}", "depends": [f"p{number + 1}", "x" * 200]} for number in range(40000)}
        self.put("repodata.json", json.dumps({"packages": {"good-1.0-0.tar.bz2": record, **packages}}).encode())
        outcomes = set()
        for megabytes in (90, 110, 130, 150, 170, 190, 230, 2500):
            done = subprocess.run(["/bin/sh", "-c", f'ulimit -v {megabytes * 1024}; exec "$@"', "sh", support.ENVTOOL, "create", "-y", "--dry-run", "-n", "x",
                                   "--json", "-c", str(self.channel), "--override-channels", "--repodata-ttl", "0", "good"],
                                  capture_output=True, text=True, env={**self.environ, "CONDA_PKGS_DIRS": str(self.work / f"pkgs-{megabytes}")}, timeout=60)
            if done.returncode == 127:
                continue  # not even its libraries could be loaded
            with self.subTest(megabytes=megabytes):
                self.assertIn(done.returncode, (0, 1), done.stderr)
                json.loads(done.stdout)
                outcomes.add(done.returncode)
        self.assertEqual(outcomes, {0, 1})

    def test_the_same_in_shards(self):
        (self.noarch / "repodata.json").unlink()
        deep = b"\x91" * 10**6 + b"\xc0"
        good = made_shards.split(self.document)["good"]
        record = {**good["packages"]["good-1.0-0.tar.bz2"]}

        def shard(more):
            return {"packages": {"good-1.0-0.tar.bz2": {**record, **more}}}

        url = self.enterContext(http_channel(self.folder)) + "/one"
        cases = {"nested": Raw(deep), "nested in an unknown key": {"x": Raw(deep)}, "nested in a record": shard({"x": Raw(deep)}),
                 "a list without end": shard({"depends": Raw(b"\xdd\xff\xff\xff\xff")}), "many pieces": shard({"x": [0] * 10**7}),
                 "a text that claims 4 GB": shard({"license": Raw(b"\xdb\xff\xff\xff\xffabc")})}
        for name, document in cases.items():
            with self.subTest(name=name):
                made_shards.write_served(self.noarch, {"good": document})
                shutil.rmtree(self.home.cache / "cache", ignore_errors=True)
                self.bounded(self.fails(url, "/shards/", limit=10), name)
        for name, more in {"keys": {f"k{number}": 1 for number in range(10**6)}, "100 MB of text": {"license": "x" * 10**8}}.items():
            with self.subTest(name=name):
                made_shards.write_served(self.noarch, {"good": shard(more)})
                shutil.rmtree(self.home.cache / "cache", ignore_errors=True)
                code, err, _, memory = self.run_one(url, limit=10)
                self.assertLess(memory, 700, name)
        index = {"shards": Raw(b"\x81\xa1x" + deep)}
        self.put(INDEX, pack(index))
        shutil.rmtree(self.home.cache / "cache", ignore_errors=True)
        self.fails(url, INDEX)

    def test_bombs(self):
        # N18: 320 KB become 10 GB, 10 KB become 320 MB
        bomb = rle_frame(0x20, 80_000)
        self.assertLess(len(bomb), 330_000)
        url = self.enterContext(http_channel(self.folder)) + "/one"
        self.works(url)
        before = self.cache()
        self.put("repodata.json.zst", bomb)
        self.forget()
        self.bounded(self.fails(url, "repodata.json.zst", "decompressed", limit=120), "repodata.json.zst")
        self.assertEqual(self.cache(), before)
        (self.noarch / "repodata.json.zst").unlink()
        # Shards that are bombs are left alone: the whole index is there.
        self.put(INDEX, bomb)
        self.forget()
        code, err, _, memory = self.run_one(url)
        self.assertEqual(code, 0, err)
        self.assert_contains(err, "warning: ", "decompressed")
        self.assertLess(memory, 512)
        made_shards.write_served(self.noarch, {"good": bomb})
        self.forget()
        os.utime(self.noarch / INDEX, (1800000000, 1800000000))
        code, err, _, memory = self.run_one(url)
        self.assertEqual(code, 0, err)
        self.assert_contains(err, "warning: ", "/shards/", "decompressed")
        self.assertLess(memory, 512)

    def forget(self):
        for path in (self.home.cache / "cache").glob("*.info.json"):
            state = json.loads(path.read_text())
            state.update(zst_missing_until_ns=0, shards_missing_until_ns=0)
            path.write_text(json.dumps(state))


if __name__ == "__main__":
    support.main()
