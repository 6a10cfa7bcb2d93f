"""Credentials in channels are used and shown to nobody: no output, no file, no record, no process list."""
import json
import urllib.parse

import support
from made_channel import Package, write_channel
from support import CliTest, http_channel, packages

USER = "jane"
PASSWORD = "canary-pass/word:1"
TOKEN = "canary-to-ken-2"
CANARIES = ("canary-pass", "canary%2Dpass", "canary-to-ken")


class Secrets(CliTest):
    def setUp(self):
        super().setUp()
        self.channel = write_channel(self.work / f"server/t/{TOKEN}/private", Package("p", files={"share/p": "p"}),
                                     Package("q", files={"share/q": "q"}))
        write_channel(self.work / "server/channel", Package("p", files={"share/p": "p"}), Package("q", files={"share/q": "q"}))
        self.seen = []
        self.environ["CONDA_REMOTE_MAX_RETRIES"] = "0"

    def run_and_note(self, *arguments, code=0, **kwargs):
        result = self.envtool(*arguments, code=code, **kwargs)
        self.seen.append((arguments, result.out + result.err))
        return result

    def with_password(self, server, path="/channel", user=USER):
        return server.replace("://", f"://{user}:{urllib.parse.quote(PASSWORD, safe='')}@") + path

    def assert_secret(self, *but):
        """No canary in any output, nor in any file below home but those that the test itself wrote."""
        for arguments, text in self.seen:
            for canary in CANARIES:
                self.assertNotIn(canary, text, arguments)
        self.assertGreater(len(self.seen), 0)
        looked_at = 0
        for path in self.home.path.rglob("*"):
            if self.work / "server" in path.parents or path in but:
                continue
            for canary in CANARIES:
                self.assertNotIn(canary, path.name)
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                looked_at += 1
                for canary in CANARIES:
                    self.assertNotIn(canary.encode(), content, path)
        return looked_at

    def every_command(self, url, *options):
        """The life of an environment whose channel needs a secret, at full volume."""
        channel = ("-c", url, "--override-channels", *options)
        self.run_and_note("create", "-y", "-vvv", "-n", "e", *channel, "p")
        self.run_and_note("create", "--json", "-n", "f", *channel, "p")
        self.run_and_note("create", "--dry-run", "--json", "-n", "g", *channel, "p", "q")
        self.run_and_note("install", "-y", "-vvv", "-n", "e", *channel, "q")
        self.run_and_note("update", "-y", "-vvv", "-n", "e", *channel, "--all")
        self.run_and_note("list", "-n", "e")
        self.run_and_note("list", "-n", "e", "--json")
        self.run_and_note("list", "-n", "e", "--canonical")
        self.run_and_note("list", "-n", "e", "--explicit", "--sha256")
        self.run_and_note("env", "export", "-n", "e")
        self.run_and_note("env", "export", "-n", "e", "-f", "exported.yml")
        self.run_and_note("remove", "-y", "--json", "-vvv", "-n", "e", "q")
        self.run_and_note("create", "-y", "-n", "x", *channel, "no-such-package", code=1)
        self.run_and_note("create", "--json", "-n", "x", *channel, "p=9", code=1)
        self.run_and_note("create", "-y", "-n", "x", *channel, f"{url}::no-such-package", code=1)
        self.assertEqual(set(packages(self.prefix("e"))), {"p"})

    def test_password(self):
        with http_channel(self.work / "server", "--auth", f"{USER}:{PASSWORD}") as server:
            self.every_command(self.with_password(server))
        self.assertGreater(self.assert_secret(), 20)

    def test_token(self):
        with http_channel(self.work / "server") as server:
            self.every_command(f"{server}/t/{TOKEN}/private")
        self.assertGreater(self.assert_secret(), 20)

    def test_failures_of_the_server(self):
        with http_channel(self.work / "server", "--auth", f"{USER}:something-else") as server:
            for url in (self.with_password(server), f"{server}/t/{TOKEN}/private", self.with_password(server, f"/t/{TOKEN}/private")):
                for form in ("-vvv", "--json"):
                    result = self.run_and_note("create", "-y", form, "-n", "e", "-c", url, "--override-channels", "p", code=1)
                    self.assertIn("401", result.out + result.err)
        with http_channel(self.work / "server") as server:
            self.run_and_note("create", "-y", "-vvv", "-n", "e", "-c", self.with_password(server, "/nowhere"), "--override-channels", "p", code=1)
        for url in (self.with_password("http://127.0.0.1:9"), f"http://127.0.0.1:9/t/{TOKEN}/c", self.with_password("http://no-such-host.invalid")):
            self.run_and_note("create", "-y", "-vvv", "-n", "e", "-c", url, "--override-channels", "p", code=1)
        self.assert_secret()

    def test_broken_package(self):
        for folder in (self.channel, self.work / "server/channel"):
            archive = folder / "noarch/p-1.0-0.tar.bz2"
            archive.write_bytes(archive.read_bytes()[:-9])
        with http_channel(self.work / "server", "--auth", f"{USER}:{PASSWORD}") as server:
            for form in ("-vvv", "--json"):
                self.run_and_note("create", "-y", form, "-n", "e", "-c", self.with_password(server, f"/t/{TOKEN}/private"),
                                  "--override-channels", "p", code=1)
        self.assert_secret()

    def test_urls_that_cannot_be_understood(self):
        for url in (f"http://{USER}:canary-pass@127.0.0.1:notaport/c", f"http://{USER}:canary-pass@[::/c", f"ftp://{USER}:canary-pass@host/c",
                    f"http://{USER}:canary-pass @host/c"):
            for form in ("-vvv", "--json"):
                self.run_and_note("create", "-y", form, "-n", "e", "-c", url, "--override-channels", "p", code=None)
            self.run_and_note("create", "-y", "-n", "e", f"{url}::p", code=None)
        self.assert_secret()

    def test_files_of_the_user(self):
        with http_channel(self.work / "server", "--auth", f"{USER}:{PASSWORD}") as server:
            url = self.with_password(server)
            file = self.write("environment.yml", f"name: e\nchannels: ['{url}', nodefaults]\ndependencies: [p]\n")
            self.run_and_note("create", "-y", "-vvv", "-f", "environment.yml")
            broken = self.write("broken.yml", f"name: e\nchannels: ['{url}', [x]]\ndependencies: [p]\n")
            self.run_and_note("create", "-y", "-f", "broken.yml", code=1)
            rc = self.home.path / ".condarc"
            rc.write_text(f"channels: ['{url}']\n")
            self.run_and_note("create", "-y", "-vvv", "-n", "rc", "p")
            self.run_and_note("info")
            self.run_and_note("info", "--json")
            explicit = self.write("explicit.txt", f"@EXPLICIT\n{url}/noarch/q-1.0-0.tar.bz2\n")
            self.run_and_note("create", "-y", "-vvv", "-n", "x", "-f", "explicit.txt")
            self.assertEqual(set(packages(self.prefix("x"))), {"q"})
            self.run_and_note("list", "-n", "x", "--explicit")
            self.run_and_note("lock", "-f", "environment.yml", code=None)
        self.assert_secret(file, broken, rc, explicit)

    def test_credentials_are_used_on_the_second_run_without_being_stored(self):
        with http_channel(self.work / "server", "--auth", f"{USER}:{PASSWORD}") as server:
            channel = ("-c", self.with_password(server), "--override-channels")
            self.run_and_note("create", "-y", "-n", "e", *channel, "p")
            self.run_and_note("install", "-y", "-n", "e", "-c", f"{server}/channel", "--override-channels", "--repodata-ttl", "0", "q", code=1)
            self.run_and_note("install", "-y", "-n", "e", *channel, "q")
            record = json.loads(next((self.prefix("e") / "conda-meta").glob("q-*.json")).read_text())
            self.assertEqual(record["url"], f"{server}/channel/noarch/q-1.0-0.tar.bz2")
        self.assert_secret()

    def test_files_with_credentials_of_conda(self):
        # netrc is where curl, pip and conda look, too.
        with http_channel(self.work / "server", "--auth", f"{USER}:{PASSWORD}") as server:
            netrc = self.home.path / ".netrc"
            netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
            netrc.chmod(0o600)
            self.run_and_note("create", "-y", "-vvv", "-n", "e", "-c", f"{server}/channel", "--override-channels", "p")
        self.assert_secret(netrc)


if __name__ == "__main__":
    support.main()
