#!/usr/bin/env python3
"""Tests serve-folder with real requests. Exit code 77 (skipped) on a machine without nginx."""

import base64
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "serve-folder"


class Server:
    """A running serve-folder; `with` stops it."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([SCRIPT, *map(str, arguments)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.url = self.process.stdout.readline().decode().strip()

    def get(self, path, **headers):
        request = urllib.request.Request(f"{self.url}/{path}", headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
        self.process.stderr.close()


class ServeFolder(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name, "a folder with \"quotes\"")
        self.folder.mkdir()
        (self.folder / "data.bin").write_bytes(bytes(range(256)) * 40)

    def test_serves_files_and_ranges(self):
        with Server(self.folder) as server:
            self.assertRegex(server.url, r"^http://127\.0\.0\.1:\d+$")
            self.assertEqual(server.get("data.bin"), (200, bytes(range(256)) * 40))
            self.assertEqual(server.get("data.bin", Range="bytes=10-12"), (206, b"\x0a\x0b\x0c"))
            with self.assertRaises(urllib.error.HTTPError) as caught:
                server.get("nothing")
            self.assertEqual(caught.exception.code, 404)
            caught.exception.close()

    def test_two_servers_have_their_own_ports(self):
        with Server(self.folder) as one, Server(self.folder) as two:
            self.assertNotEqual(one.url, two.url)
            self.assertEqual(one.get("data.bin"), two.get("data.bin"))

    def test_ignores_ranges_when_told(self):
        with Server(self.folder, "--no-range") as server:
            status, content = server.get("data.bin", Range="bytes=10-12")
            self.assertEqual((status, len(content)), (200, 10240))

    def test_asks_for_credentials(self):
        with Server(self.folder, "--auth", "me:secret") as server:
            with self.assertRaises(urllib.error.HTTPError) as caught:
                server.get("data.bin")
            self.assertEqual(caught.exception.code, 401)
            caught.exception.close()
            token = base64.b64encode(b"me:secret").decode()
            self.assertEqual(server.get("data.bin", Authorization=f"Basic {token}")[0], 200)

    def test_logs_requests(self):
        log = self.folder.parent / "requests.log"
        with Server(self.folder, "--access-log", log) as server:
            server.get("data.bin", Range="bytes=0-4")
        self.assertIn('GET /data.bin 206 5 "bytes=0-4"', log.read_text())

    def test_stops_on_sigterm_and_leaves_nothing(self):
        temporary = self.folder.parent / "tmp"
        temporary.mkdir()
        os.environ["TMPDIR"] = str(temporary)
        self.addCleanup(os.environ.pop, "TMPDIR")
        server = Server(self.folder)
        self.addCleanup(server.__exit__)
        self.assertEqual(len(list(temporary.iterdir())), 1)
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(10), 0)
        self.assertEqual(list(temporary.iterdir()), [])
        with self.assertRaises(urllib.error.URLError):
            server.get("data.bin")

    def test_stops_when_stdin_ends(self):
        server = Server(self.folder)
        self.addCleanup(server.__exit__)
        server.process.stdin.close()
        self.assertEqual(server.process.wait(10), 0)

    def test_nginx_goes_when_the_script_is_killed(self):
        server = Server(self.folder, "--no-stdin")
        self.addCleanup(server.__exit__)
        server.process.kill()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                server.get("data.bin")
            except OSError:  # refused, or cut off while nginx ends
                return
            time.sleep(0.02)
        self.fail("nginx still answers")

    @unittest.skipUnless(shutil.which("openssl"), "needs openssl to make a certificate")
    def test_serves_https(self):
        certificate, key = self.folder.parent / "cert.pem", self.folder.parent / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True)
        with Server(self.folder, "--tls", certificate, key) as server:
            self.assertTrue(server.url.startswith("https://127.0.0.1:"))
            trusted = ssl.create_default_context(cafile=certificate)
            with urllib.request.urlopen(f"{server.url}/data.bin", context=trusted,
                                        timeout=10) as answer:
                self.assertEqual(len(answer.read()), 10240)

    def test_refuses_what_is_no_folder(self):
        done = subprocess.run([SCRIPT, self.folder / "nothing"], stdin=subprocess.DEVNULL,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"no folder", done.stderr)


if __name__ == "__main__":
    if not shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"):
        print("SKIPPED: nginx is not installed")
        sys.exit(77)
    unittest.main()
