"""What the tests of the real binary share: run it, serve a channel by nginx, compare trees.

Every test file is a program: `ENVTOOL=... ENVTOOL_TEST_CHANNEL=... python3 test_x.py`. It exits with 77
when everything in it was skipped, so that a skip is never counted as a pass.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import platform
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ENVTOOL = os.environ.get("ENVTOOL", str(ROOT / "build/test/envtool"))
CHANNEL = pathlib.Path(os.environ.get("ENVTOOL_TEST_CHANNEL", ROOT / "environment-examples/channel/out"))
SUBDIR = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}.get(platform.machine(), "linux-64")
OTHER_SUBDIR = "linux-aarch64" if SUBDIR == "linux-64" else "linux-64"

# Registries and proxies that this machine is set up with are needed by pip.
PASSED_ON = [name for name in os.environ
             if name.startswith("PIP_") or name.lower().endswith("_proxy")
             or name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")]


class Result:
    """What a run of the binary gave."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    def json(self):
        """The one document on standard output; fails when there is anything else."""
        return json.loads(self.out)

    def __repr__(self):
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Home:
    """A home folder with a root prefix, a working folder and the variables of a plain login."""

    def __init__(self, folder, cache=None):
        self.path = pathlib.Path(folder)
        self.root = self.path / "root"
        self.work = self.path / "work"
        self.work.mkdir()
        self.environ = {
            "HOME": str(self.path),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "ENVTOOL_ROOT_PREFIX": str(self.root),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            **{name: os.environ[name] for name in PASSED_ON},
        }
        if cache is not None:
            self.environ["CONDA_PKGS_DIRS"] = str(cache)
        self.cache = pathlib.Path(cache or self.root / "pkgs")

    def start(self, *arguments, env=None, cwd=None, **kwargs):
        """The binary as a running process, with pipes."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([ENVTOOL, *map(str, arguments)], cwd=cwd or self.work,
                                env={**self.environ, **(env or {})}, **{**pipes, **kwargs})

    def envtool(self, *arguments, code=0, env=None, cwd=None, input=None, timeout=300):
        """Runs the binary and checks its exit code (None: any)."""
        process = self.start(*arguments, env=env, cwd=cwd,
                             stdin=subprocess.DEVNULL if input is None else subprocess.PIPE)
        try:
            out, err = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"no end after {timeout} s: {arguments}\n{Result(None, out, err)}")
        result = Result(process.returncode, out, err)
        if code is not None and result.code != code:
            raise AssertionError(f"expected exit code {code}: envtool {' '.join(map(str, arguments))}\n{result}")
        return result

    def write(self, name: str, text: str) -> pathlib.Path:
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def prefix(self, name: str) -> pathlib.Path:
        return self.root / "envs" / name

    def run_in(self, prefix, *command, **kwargs):
        """Standard output of a program of an environment, without activation. Leaves the environment as it is."""
        program = str(prefix / "bin" / command[0])
        done = subprocess.run([program, *command[1:]], capture_output=True, text=True, env={**self.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                              cwd=self.work, timeout=300, **kwargs)
        if done.returncode != 0:
            raise AssertionError(f"{command}: {Result(done.returncode, done.stdout, done.stderr)}")
        return done.stdout


class CliTest(unittest.TestCase):
    """A test with a home of its own. With `shares_cache` the tests of the class fetch packages once;
    with `shares_home` they work in one home, which the class method `prepare` fills.
    """

    maxDiff = None
    shares_cache = False
    shares_home = False

    @classmethod
    def setUpClass(cls):
        require_channel()
        cls.class_folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="envtool-test-")))
        if cls.shares_home:
            cls.use(cls, Home(cls.class_folder))
            cls.prepare(cls.home)

    @classmethod
    def prepare(cls, home: Home):
        pass

    def use(self, home: Home):
        self.home = home
        for name in ("root", "work", "environ", "envtool", "start", "write", "prefix", "run_in"):
            setattr(self, name, getattr(home, name))

    def setUp(self):
        if not self.shares_home:
            folder = self.enterContext(tempfile.TemporaryDirectory(prefix="envtool-test-"))
            self.use(Home(folder, self.class_folder / "pkgs" if self.shares_cache else None))

    def create(self, name, *arguments, code=0):
        """A new environment from the test channel; its prefix."""
        self.envtool("create", "-y", "-n", name, "-c", CHANNEL, "--override-channels", *arguments, code=code)
        return self.prefix(name)

    def assert_nothing_left(self, folder=None, downloads=False):
        """No temporary file or folder of ours anywhere below (`downloads`: but parts of downloads, to go on with)."""
        folder = folder or self.home.path
        left = [p for p in folder.rglob("*") if p.name.endswith(".part") and not downloads or ".envtool-" in p.name
                and p.name != ".envtool-manifest" and ".envtool-saved-" not in p.name]
        left += [*folder.rglob("pkgs/.tmp/*"), *folder.rglob("conda-meta/.envtool/tx/*"), *folder.rglob("conda-meta/.envtool/journal*")]
        self.assertEqual([str(p) for p in left], [])

    def assert_same_tree(self, first: dict, second: dict):
        """Two manifests are the same; says only what differs."""
        self.assertEqual(*({path: entry for path, entry in a.items() if b.get(path) != entry} for a, b in ((first, second), (second, first))))

    def assert_contains(self, text: str, *parts: str):
        for part in parts:
            self.assertIn(str(part), text)


def records(prefix) -> dict:
    """The documents of conda-meta, by package name."""
    found = [json.loads(path.read_text()) for path in sorted((prefix / "conda-meta").glob("*.json"))]
    return {record["name"]: record for record in found}


def packages(prefix) -> dict:
    """What is installed: name to version and build."""
    return {name: (record["version"], record["build"]) for name, record in records(prefix).items()}


def sha256_of(path) -> str:
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


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
            result[relative] = ("file", stat.S_IMODE(status.st_mode), sha256_of(path))
    return result


def without_lock(tree: dict) -> dict:
    """A manifest without the lock file, which every look at an environment may make."""
    return {path: entry for path, entry in tree.items() if path not in ("conda-meta/.envtool/lock", "conda-meta/.envtool")}


def files_of_packages(prefix) -> dict:
    """A manifest without conda-meta: what two environments with the same packages have in common."""
    return {path: entry for path, entry in manifest(prefix).items() if path.split("/")[0] != "conda-meta"}


@contextlib.contextmanager
def http_channel(folder=None, *options):
    """Serves a folder by nginx on loopback and gives the URL (options: see serve-folder)."""
    process = subprocess.Popen([str(ROOT / "tests/support/nginx/serve-folder"), *map(str, options), str(folder or CHANNEL)],
                               stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()
        if not url.startswith("http"):
            if process.wait(timeout=20) == 77:
                raise unittest.SkipTest("nginx is not installed")
            raise AssertionError(f"nginx did not start: {url!r}")
        yield url
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


def wait_until(condition, seconds=60, message="it did not happen"):
    """Polls until the condition holds and gives its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{message} within {seconds} s")


def end(process):
    """Ends a process that a test has started, whatever state it is in."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.communicate()


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
