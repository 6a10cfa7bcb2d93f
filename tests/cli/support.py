"""What the tests of the real binary share: run it, serve a channel by nginx, compare trees.

Every test file is a program: `ENVTOOL=... ENVTOOL_TEST_CHANNEL=... python3 test_x.py`. It exits with 77
when everything in it was skipped, so that a skip is never counted as a pass.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ENVTOOL = os.environ.get("ENVTOOL", str(ROOT / "build/test/envtool"))
CHANNEL = pathlib.Path(os.environ.get("ENVTOOL_TEST_CHANNEL", ROOT / "environment-examples/channel/out"))


class Result:
    def __init__(self, completed: subprocess.CompletedProcess):
        self.code = completed.returncode
        self.out = completed.stdout
        self.err = completed.stderr

    def json(self):
        """The one document on standard output; fails when there is anything else."""
        return json.loads(self.out)

    def __repr__(self):
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class CliTest(unittest.TestCase):
    """A test with a home, a root prefix and a working folder of its own."""

    maxDiff = None

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="envtool-test-")
        self.addCleanup(self.temporary.cleanup)
        self.home = pathlib.Path(self.temporary.name)
        self.root = self.home / "root"
        self.work = self.home / "work"
        self.work.mkdir()
        self.environ = {
            "HOME": str(self.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "ENVTOOL_ROOT_PREFIX": str(self.root),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
        }
        # Registries and proxies that this machine is set up with are needed by pip.
        for name, value in os.environ.items():
            if name.startswith("PIP_") or name.lower().endswith("_proxy") or name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
                self.environ[name] = value

    def envtool(self, *arguments, code=0, env=None, cwd=None, input=None, timeout=300):
        """Runs the binary and checks its exit code (None: any)."""
        completed = subprocess.run(
            [ENVTOOL, *map(str, arguments)], cwd=cwd or self.work, env={**self.environ, **(env or {})},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, input=input,
            stdin=subprocess.DEVNULL if input is None else None, timeout=timeout)
        result = Result(completed)
        if code is not None:
            self.assertEqual(result.code, code, result)
        return result

    def write(self, name: str, text: str) -> pathlib.Path:
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def prefix(self, name: str) -> pathlib.Path:
        return self.root / "envs" / name

    def run_in(self, prefix, *command, **kwargs):
        """A program of an environment, without activation."""
        program = str(prefix / "bin" / command[0])
        return subprocess.run([program, *command[1:]], capture_output=True, text=True, env=self.environ,
                              cwd=self.work, check=True, timeout=300, **kwargs).stdout

    def assert_nothing_left(self, folder: pathlib.Path):
        """No temporary file or folder of ours anywhere below."""
        left = [str(p) for p in folder.rglob("*") if ".envtool-" in p.name or p.name.endswith(".part")]
        left += [str(p) for p in folder.rglob("pkgs/.tmp/*")]
        left += [str(p) for p in folder.rglob("conda-meta/.envtool/tx/*")]
        self.assertEqual(left, [])

    def create_small(self, name="small", *extra):
        """An environment without python: fast."""
        self.envtool("create", "-y", "-n", name, "-c", CHANNEL, "--override-channels", "prefix-demo", *extra)
        return self.prefix(name)


def manifest(folder: pathlib.Path) -> dict:
    """Every path of a tree: type, mode, content hash or link target. Shares nothing with envtool."""
    result = {}
    for path in sorted(folder.rglob("*")):
        relative = str(path.relative_to(folder))
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            result[relative] = ("link", os.readlink(path))
        elif stat.S_ISDIR(status.st_mode):
            result[relative] = ("directory", stat.S_IMODE(status.st_mode))
        else:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            result[relative] = ("file", stat.S_IMODE(status.st_mode), digest)
    return result


@contextlib.contextmanager
def http_channel(folder=None, options=()):
    """Serves a folder by nginx on loopback and gives the URL (options: see serve-folder)."""
    process = subprocess.Popen([str(ROOT / "tests/support/nginx/serve-folder"), *map(str, options), str(folder or CHANNEL)],
                               stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()
        if not url.startswith("http"):
            raise unittest.SkipTest(f"nginx did not start: {url!r}")
        yield url
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(timeout=20)


def pypi_reached() -> bool:
    """True when pip can look something up."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--retries", "0", "--timeout", "10",
                               "-d", folder, "six==1.16.0"], capture_output=True)
        return done.returncode == 0


def require_channel():
    if not (CHANNEL / "noarch/repodata.json").exists():
        raise unittest.SkipTest(f"the test channel {CHANNEL} is not there: run environment-examples/channel/make-debian-channel")


def main():
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    if result.testsRun == 0 or len(result.skipped) == result.testsRun:
        print("every test of this file was skipped")
        sys.exit(77)
