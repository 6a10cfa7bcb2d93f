"""Settings of users and machines: `.condarc`, variables, certificates, proxies - as conda reads them, and never against the user."""
import shutil
import socketserver
import subprocess
import threading

import support
from made_channel import Package, write_channel
from support import CHANNEL, CliTest, http_channel, packages, records


class Channels(CliTest):
    def setUp(self):
        super().setUp()
        self.channel = write_channel(self.work / "alias/team", Package("p", files={"share/p": "p"}))
        self.rc = self.home.path / ".condarc"

    def test_configured_channels(self):
        self.rc.write_text(f"channels:\n  - {self.channel}\n")
        self.envtool("create", "-y", "-n", "x", "p")
        self.assertEqual(set(packages(self.prefix("x"))), {"p"})
        self.envtool("create", "-y", "-n", "y", "p", "--no-rc", "--offline", code=1)

    def test_channels_of_a_file_come_before_the_configured(self):
        other = write_channel(self.work / "other", Package("p", "2.0", files={"share/p": "2"}))
        self.rc.write_text(f"channels: ['{self.channel}']\n")
        self.write("environment.yml", f"name: x\nchannels: ['{other}']\ndependencies: [p]\n")
        self.envtool("create", "-y", "-f", "environment.yml")
        self.assertEqual(packages(self.prefix("x"))["p"][0], "2.0")

    def test_names_of_channels(self):
        with http_channel(self.work / "alias") as server:
            self.rc.write_text(f"channel_alias: {server}\n")
            self.envtool("create", "-y", "-n", "x", "-c", "team", "--override-channels", "p")
            self.assertEqual(records(self.prefix("x"))["p"]["channel"], f"{server}/team")
            self.rc.write_text(f"custom_channels:\n  team: {server}\n")
            self.envtool("create", "-y", "-n", "y", "-c", "team", "--override-channels", "p")
            self.rc.write_text(f"default_channels: ['{server}/team']\n")
            self.envtool("create", "-y", "-n", "z", "-c", "defaults", "--override-channels", "p")
            self.rc.write_text(f"custom_multichannels:\n  many: ['{server}/team']\n")
            self.envtool("create", "-y", "-n", "m", "-c", "many", "--override-channels", "p")

    def test_variables_and_options(self):
        self.envtool("create", "-y", "-n", "x", "p", env={"CONDA_CHANNELS": str(self.channel)})
        self.rc.write_text("channels: ['http://127.0.0.1:9/refused']\n")
        self.envtool("create", "-y", "-n", "y", "-c", self.channel, "--override-channels", "p")
        rc = self.write("other.yml", f"channels: ['{self.channel}']\n")
        self.envtool("create", "-y", "-n", "z", "--rc-file", rc, "p")

    def test_default_packages(self):
        self.rc.write_text("create_default_packages: [p]\n")
        self.envtool("create", "-y", "-n", "x", "-c", self.channel, "-c", CHANNEL, "--override-channels", "demo-lib")
        self.assertEqual(set(packages(self.prefix("x"))), {"p", "demo-lib"})
        self.envtool("create", "-y", "-n", "y", "-c", CHANNEL, "--override-channels", "--no-default-packages", "demo-lib")
        self.assertEqual(set(packages(self.prefix("y"))), {"demo-lib"})

    def test_folders(self):
        self.rc.write_text(f"envs_dirs: ['{self.work}/e']\npkgs_dirs: ['{self.work}/p']\nalways_copy: true\n")
        self.envtool("create", "-y", "-n", "x", "-c", self.channel, "--override-channels", "p")
        self.assertTrue((self.work / "e/x/share/p").is_file())
        self.assertTrue((self.work / "p/p-1.0-0").is_dir())
        self.assertEqual((self.work / "e/x/share/p").stat().st_nlink, 1)
        self.assertEqual(self.envtool("env", "list", "--json").json()["envs"], [f"{self.work}/e/x"])

    def test_info_says_who_set_what(self):
        self.rc.write_text("channel_priority: strict\n")
        self.assertRegex(self.envtool("info").out, r"channel_priority from .*\.condarc")

    def test_unknown_keys_warn(self):
        self.rc.write_text("chanels: [x]\nanaconda_upload: false\n")
        result = self.envtool("info")
        self.assert_contains(result.err, "chanels", ".condarc")


class Certificates(CliTest):
    def setUp(self):
        super().setUp()
        self.environ.pop("SSL_CERT_FILE", None)
        self.environ.pop("REQUESTS_CA_BUNDLE", None)
        self.environ["CONDA_REMOTE_MAX_RETRIES"] = "0"
        self.channel = write_channel(self.work / "channel", Package("p", files={"share/p": "p"}))
        if shutil.which("openssl") is None:
            self.skipTest("openssl is not installed")
        self.certificate, self.key = self.work / "certificate.pem", self.work / "key.pem"
        done = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                               "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.certificate], capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest(f"no certificate could be made: {done.stderr}")

    def create(self, server, name="x", code=0, env=None):
        return self.envtool("create", "-y", "-n", name, "-c", server, "--override-channels", "--repodata-ttl", "0", "p", code=code, env=env)

    def test_unknown_certificate_is_refused(self):
        with http_channel(self.channel, "--tls", self.certificate, self.key) as server:
            result = self.create(server, code=1)
            self.assertRegex(result.err, "(?i)certificate")
            self.assertIn("hint: ", result.err)
            self.assertFalse(self.prefix("x").exists())

    def test_certificate_of_the_user(self):
        with http_channel(self.channel, "--tls", self.certificate, self.key) as server:
            for number, variable in enumerate(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CONDA_SSL_VERIFY")):
                self.create(server, f"x{number}", env={variable: str(self.certificate)})
            (self.home.path / ".condarc").write_text(f"ssl_verify: {self.certificate}\n")
            self.assertNotIn("not checked", self.create(server, "rc").err)

    def test_switched_off_by_the_user_is_loud(self):
        with http_channel(self.channel, "--tls", self.certificate, self.key) as server:
            (self.home.path / ".condarc").write_text("ssl_verify: false\n")
            for name in ("one", "two"):
                self.assertRegex(self.create(server, name).err, "certificates are not checked.*condarc")

    def test_cannot_be_switched_off_by_an_environment(self):
        with http_channel(self.channel, "--tls", self.certificate, self.key) as server:
            self.envtool("create", "-y", "-n", "x", "-c", self.channel, "--override-channels", "p")
            (self.prefix("x") / ".condarc").write_text("ssl_verify: false\n")
            self.envtool("install", "-y", "-n", "x", "-c", server, "--override-channels", "--force-reinstall", "--repodata-ttl", "0", "p",
                         code=1, env={"CONDA_PREFIX": str(self.prefix("x"))})
            self.write("environment.yml", f"name: y\nssl_verify: false\nchannels: ['{server}', nodefaults]\ndependencies: [p]\n")
            self.envtool("create", "-y", "-f", "environment.yml", code=1)


class Proxy(CliTest):
    """A proxy that notes what it is asked for, and refuses."""

    def setUp(self):
        super().setUp()
        self.environ["CONDA_REMOTE_MAX_RETRIES"] = "0"
        for name in [name for name in self.environ if name.lower().endswith("_proxy")]:
            del self.environ[name]
        asked = self.asked = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                lines = []
                while (line := self.rfile.readline().decode().strip()):
                    lines.append(line)
                asked.append(lines)
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://jane:canary-proxy@127.0.0.1:{server.server_address[1]}"

    def create(self, channel, **env):
        result = self.envtool("create", "-y", "-vvv", "-n", "x", "-c", channel, "--override-channels", "p", code=1, env=env)
        self.assertNotIn("canary-proxy", result.out + result.err)
        return result

    def test_variables(self):
        self.create("http://channels.invalid/c", http_proxy=self.url)
        self.assertTrue(self.asked[0][0].startswith("GET http://channels.invalid/c/"), self.asked)
        self.assertTrue(any(line.startswith("Proxy-Authorization: Basic ") for line in self.asked[0]))
        self.asked.clear()
        self.create("https://channels.invalid/c", HTTPS_PROXY=self.url)
        self.assertTrue(self.asked[0][0].startswith("CONNECT channels.invalid:443 "), self.asked)

    def test_exceptions(self):
        with http_channel(self.work) as server:
            self.create(f"{server}/c", http_proxy=self.url, no_proxy="127.0.0.1")
        self.assertEqual(self.asked, [])
        self.create("http://a.channels.invalid/c", http_proxy=self.url, no_proxy="channels.invalid")
        self.assertEqual(self.asked, [])

    def test_configured(self):
        (self.home.path / ".condarc").write_text(f"proxy_servers:\n  http: {self.url}\n")
        self.create("http://channels.invalid/c")
        self.assertTrue(self.asked[0][0].startswith("GET http://channels.invalid/c/"), self.asked)
        self.assertNotIn("canary-proxy", self.envtool("info").out + self.envtool("info", "--json").out)


if __name__ == "__main__":
    support.main()
