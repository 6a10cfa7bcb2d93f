"""Channels and packages that are not what they should be: refused, said clearly, nothing left behind."""
import json
import shutil
import socket
import time

import support
from made_channel import Package, change_record, write_channel
from support import CHANNEL, CliTest, http_channel, manifest, without_lock


class ChannelTest(CliTest):
    def setUp(self):
        super().setUp()
        # What is tested here is the failure, not the patience.
        self.environ["CONDA_REMOTE_MAX_RETRIES"] = "0"

    def fails(self, channel, *specs, name=None):
        """Creation must fail, as text and as JSON, and leave nothing. Gives the text and the document."""
        arguments = ("create", "-y", "-n", "x", "-c", channel, "--override-channels", *(specs or ["p"]))
        result = self.envtool(*arguments, code=1)
        self.assertTrue(result.err.startswith("error: "), result)
        self.assertFalse(self.prefix("x").exists())
        self.assert_nothing_left()
        document = self.envtool(*arguments, "--json", code=1).json()
        self.assertIs(document["success"], False)
        if name is not None:
            self.assertEqual(document["exception_name"], name, document)
        self.assertFalse(self.prefix("x").exists())
        self.assertFalse((self.home.path / ".conda/environments.txt").exists())
        return result.err, document

    def small_channel(self):
        return write_channel(self.work / "channel", Package("p", files={"share/p": "p" * 3000, "bin/p": "#!/bin/sh\n"}))


class Channels(ChannelTest):
    def test_connection_refused(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}/channel"
            error, _ = self.fails(url, name="CondaHTTPError")
        self.assert_contains(error, url, "hint: ")

    def test_unknown_host(self):
        error, _ = self.fails("http://no-such-host.invalid/channel", name="CondaHTTPError")
        self.assertIn("no-such-host.invalid", error)

    def test_not_found(self):
        with http_channel(self.work) as server:
            error, document = self.fails(f"{server}/no/channel")
        self.assert_contains(error, f"{server}/no/channel", "not a channel")
        self.assertIn(document["exception_name"], ("UnavailableInvalidChannel", "CondaHTTPError"))

    def test_folder_that_is_not_there(self):
        error, _ = self.fails(self.work / "nowhere")
        self.assertIn(str(self.work / "nowhere"), error)

    def test_folder_that_is_no_channel(self):
        error, _ = self.fails(self.work)
        self.assert_contains(error, str(self.work), "repodata.json")

    def test_page_instead_of_an_index(self):
        self.small_channel()
        page = "<!DOCTYPE html><html><body>Please log in</body></html>"
        for subdir in ("noarch", support.SUBDIR):
            self.write(f"channel/{subdir}/repodata.json", page)
        with http_channel(self.work) as server:
            error, _ = self.fails(f"{server}/channel")
        self.assert_contains(error, f"{server}/channel", "repodata.json")
        self.assertRegex(error, "(?i)html|log ?in")

    def test_page_does_not_harm_the_cached_index(self):
        self.small_channel()
        good = (self.work / "channel/noarch/repodata.json").read_text()
        with http_channel(self.work) as server:
            create = ("create", "-y", "-c", f"{server}/channel", "--override-channels", "--repodata-ttl", "0")
            self.envtool(*create, "-n", "one", "p")
            self.write("channel/noarch/repodata.json", "<html></html>")
            self.envtool(*create, "-n", "two", "p", code=None)
            # Whatever that run made of it: the records of before are still there, and the next good answer is taken.
            self.envtool("create", "-y", "-c", f"{server}/channel", "--override-channels", "--offline", "-n", "three", "p")
            self.write("channel/noarch/repodata.json", good)
            self.envtool(*create, "-n", "four", "p")

    def test_cut_and_broken_indices(self):
        channel = self.small_channel()
        path = channel / "noarch/repodata.json"
        good = path.read_text()
        for text in (good[:len(good) // 2], good[:-1], "[]", "null", '{"packages": []}', "{" * 100000, '\ufeff{"packages":'):
            with self.subTest(text=text[:60]):
                path.write_text(text)
                error, _ = self.fails(channel)
                self.assertIn("noarch", error)

    def test_records_without_sense_are_no_packages(self):
        channel = self.small_channel()
        for text in ('{"packages": {"p": 3}}', '{"packages": {"p-1.0-0.tar.bz2": {"name": "p", "version": 1}}}'):
            with self.subTest(text=text):
                (channel / "noarch/repodata.json").write_text(text)
                self.fails(channel, name="PackagesNotFoundError")

    def test_one_bad_record_does_not_spoil_the_others(self):
        channel = self.small_channel()
        path = channel / "noarch/repodata.json"
        document = json.loads(path.read_text())
        document["packages"]["bad-1-0.tar.bz2"] = {"name": "../../bad", "version": "1", "build": "0", "build_number": 0, "depends": []}
        document["packages"]["worse-1-0.tar.bz2"] = {"name": "worse"}
        path.write_text(json.dumps(document))
        self.envtool("create", "-y", "-n", "y", "-c", channel, "--override-channels", "p")


class Packages(ChannelTest):
    def test_one_byte_flipped(self):
        folder = self.work / "copied"
        shutil.copytree(CHANNEL, folder)
        archive = folder / support.SUBDIR / "demo-app-2.0-h7dabc9c_0.conda"
        content = bytearray(archive.read_bytes())
        content[len(content) // 2] ^= 1
        archive.write_bytes(content)
        error, document = self.fails(folder, "demo-app", name="ChecksumMismatchError")
        self.assert_contains(error, "demo-app-2.0-h7dabc9c_0.conda", "sha256")
        # The good packages are kept, the bad one is not.
        self.assertEqual([path.name for path in self.home.cache.glob("demo-app*")], [])
        with http_channel(folder) as server:
            self.fails(server, "demo-app", name="ChecksumMismatchError")

    def test_wrong_digest_in_the_index(self):
        channel = self.small_channel()
        change_record(channel, Package("p"), sha256="0" * 64)
        error, _ = self.fails(channel, name="ChecksumMismatchError")
        self.assert_contains(error, "p-1.0-0.tar.bz2", "0" * 64)

    def test_wrong_md5_alone(self):
        channel = self.small_channel()
        change_record(channel, Package("p"), md5="0" * 32)
        self.fails(channel, name="ChecksumMismatchError")

    def test_wrong_size(self):
        channel = self.small_channel()
        change_record(channel, Package("p"), size=17)
        self.fails(channel)

    def test_truncated_archive(self):
        channel = self.small_channel()
        archive = channel / "noarch/p-1.0-0.tar.bz2"
        archive.write_bytes(archive.read_bytes()[:-20])
        self.fails(channel)

    def test_truncated_archive_whose_digest_is_right(self):
        channel = self.small_channel()
        archive = channel / "noarch/p-1.0-0.tar.bz2"
        archive.write_bytes(archive.read_bytes()[:-20])
        change_record(channel, Package("p"), sha256=support.sha256_of(archive), size=archive.stat().st_size, md5=None)
        error, _ = self.fails(channel)
        self.assertIn("p-1.0-0.tar.bz2", error)

    def test_archive_that_is_none(self):
        channel = self.small_channel()
        for content in (b"", b"<html></html>", b"PK\x03\x04" + b"x" * 500, bytes(4096)):
            with self.subTest(content=content[:8]):
                archive = channel / "noarch/p-1.0-0.tar.bz2"
                archive.write_bytes(content)
                change_record(channel, Package("p"), sha256=support.sha256_of(archive), size=len(content), md5=None)
                self.fails(channel)

    def test_content_that_is_not_what_the_manifest_says(self):
        package = Package("p", files={"share/p": "p"})
        lying = Package("p", files={"share/p": "q"}, info={"paths.json": json.dumps(package.paths())})
        error, _ = self.fails(write_channel(self.work / "channel", lying))
        self.assertIn("share/p", error)

    def test_missing_archive(self):
        channel = self.small_channel()
        (channel / "noarch/p-1.0-0.tar.bz2").unlink()
        error, _ = self.fails(channel)
        self.assertIn("p-1.0-0.tar.bz2", error)
        with http_channel(channel) as server:
            error, _ = self.fails(server, name="CondaHTTPError")
            self.assert_contains(error, f"{server}/noarch/p-1.0-0.tar.bz2", "404")

    def test_last_of_many_fails_and_the_environment_stays(self):
        made = [Package(f"p{number}", files={f"share/{number}": "x"}) for number in range(20)]
        channel = write_channel(self.work / "channel", *made)
        self.envtool("create", "-y", "-n", "e", "-c", channel, "--override-channels", "p0")
        before = without_lock(manifest(self.prefix("e")))
        (channel / "noarch/p19-1.0-0.tar.bz2").unlink()
        self.envtool("install", "-y", "-n", "e", "-c", channel, "--override-channels", *(p.name for p in made), code=1)
        self.assert_same_tree(without_lock(manifest(self.prefix("e"))), before)
        self.assert_nothing_left()

    def test_damaged_cache_is_seen_and_mended(self):
        channel = self.small_channel()
        self.envtool("create", "-y", "-n", "one", "-c", channel, "--override-channels", "--copy", "p")
        cached = self.home.cache / "p-1.0-0/share/p"
        cached.chmod(0o644)
        cached.write_text("something else altogether")
        self.envtool("create", "-y", "-n", "two", "-c", channel, "--override-channels", "p")
        self.assertEqual((self.prefix("two") / "share/p").read_text(), "p" * 3000)

    def test_explicit_list_with_a_wrong_digest(self):
        channel = self.small_channel()
        for digest in ("0" * 32, "sha256:" + "0" * 64):
            self.write("list.txt", f"@EXPLICIT\n{channel.as_uri()}/noarch/p-1.0-0.tar.bz2#{digest}\n")
            document = self.envtool("create", "-y", "--json", "-n", "x", "-f", "list.txt", code=1).json()
            self.assertEqual(document["exception_name"], "ChecksumMismatchError")
            self.assertFalse(self.prefix("x").exists())
            self.assert_nothing_left()


class Patience(CliTest):
    def test_retries_are_bounded_and_said(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            started = time.monotonic()
            result = self.envtool("create", "-y", "-n", "x", "-c", f"http://127.0.0.1:{unused.getsockname()[1]}/c", "--override-channels",
                                  "p", code=1, env={"CONDA_REMOTE_MAX_RETRIES": "2"})
        self.assertIn("3 tries", result.err)
        self.assertLess(time.monotonic() - started, 30)

    def test_server_comes_back(self):
        channel = write_channel(self.work / "channel", Package("p", files={"share/p": "p"}))
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        process = self.start("create", "-y", "-n", "x", "-c", f"http://127.0.0.1:{port}", "--override-channels", "p")
        self.addCleanup(support.end, process)
        time.sleep(0.5)
        with http_channel(channel, "--port", port):
            self.assertEqual(process.wait(timeout=60), 0)
        self.assertTrue((self.prefix("x") / "share/p").is_file())


if __name__ == "__main__":
    support.main()
