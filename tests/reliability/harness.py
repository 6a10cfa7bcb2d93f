"""What the scenarios share: places with a home, a channel and saved environments; faults; counting."""
import contextlib
import dataclasses
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))
import oracle  # noqa: E402
from made_channel import PLACEHOLDER, Link, Package, Text, raw_content, write_channel  # noqa: E402,F401

ROOT = HERE.parent.parent
ENVTOOL = os.environ.get("ENVTOOL", str(ROOT / "build/test/envtool"))
KILLED = -signal.SIGKILL


class Skip(Exception):
    """This machine cannot do it; shown, never counted as passed."""


class Binary(bytes):
    """A binary file in which the placeholder is rewritten."""


class NoLink(bytes):
    """A file that must be copied."""


@dataclasses.dataclass
class Made(Package):
    """A package that has binary files with a prefix, files that are copied, and empty folders, too."""
    folders: tuple = ()

    def paths(self):
        document = super().paths()
        for entry in document["paths"]:
            content = self.files.get(entry["_path"])
            if isinstance(content, Binary):
                entry.update(prefix_placeholder=PLACEHOLDER, file_mode="binary")
            if isinstance(content, NoLink):
                entry["no_link"] = True
        document["paths"] += [{"_path": folder, "path_type": "directory"} for folder in self.folders]
        return document

    def archive(self):
        if not self.folders:
            return super().archive()
        import io
        import tarfile
        source, target = io.BytesIO(super().archive()), io.BytesIO()
        with tarfile.open(fileobj=source) as old, tarfile.open(fileobj=target, mode="w:bz2") as new:
            for member in old:
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
            for folder in self.folders:
                member = tarfile.TarInfo(folder)
                member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, 1700000000
                new.addfile(member)
        return target.getvalue()


def fake_python(version="3.11.0"):
    """A Python package that is this machine's Python behind a script; `-m pip` is played by `$FAKE_PIP`."""
    series = ".".join(version.split(".")[:2])
    script = '#!/bin/sh\nif [ "$1 $2" = "-m pip" ]; then eval "$FAKE_PIP"; exit $?; fi\nexec /usr/bin/python3 "$@"\n'
    return Made("python", version, {f"bin/python{series}": script, "bin/python": Link(f"python{series}"),
                                    f"lib/python{series}/os.py": "x = 1\n"}, subdir="noarch", extra={"noarch": "generic"})


class Score:
    """Points of one scenario: how many were tried, how many were as they should be."""

    def __init__(self, name):
        self.name, self.tried, self.passed = name, 0, 0
        self.failures, self.notes, self.skipped = [], [], None
        self.seconds = 0.0

    def check(self, wrong, what=""):
        """Counts one point; `wrong` says what is wrong, empty or None when nothing is."""
        self.tried += 1
        if not wrong:
            self.passed += 1
        else:
            self.failures.append(f"{what}: {wrong}")
            if len(self.failures) <= 5:
                print(f"    {self.name} FAILED {what}: {wrong}"[:1500], flush=True)
        return not wrong

    def note(self, text):
        self.notes.append(text)


@dataclasses.dataclass
class Tier:
    """How much of everything is done."""
    full: bool
    seed: int

    def points(self, first=1, step=10, full_step=1):
        """Numbers of fail points: all, or every tenth from a start that varies from run to run."""
        step = full_step if self.full else step
        number = first + (random.Random(self.seed + first).randrange(step) if step > 1 else 0)
        while True:
            yield number
            number += step

    def some(self, items, quick):
        """All items, or about `quick` of them, varied."""
        items = list(items)
        if self.full or len(items) <= quick:
            return items
        return sorted(random.Random(self.seed).sample(items, quick), key=items.index)


def scratch():
    """Memory where there is some: a sweep writes a great deal."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else tempfile.gettempdir()


class Result:
    def __init__(self, code, out, err, seconds=0.0):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    def __repr__(self):
        return f"exit code {self.code}: {self.out[-300:]!r} {self.err[-600:]!r}"


class Place:
    """A home folder with a root prefix, a channel, a cache and the environment `e` that things happen to."""

    def __init__(self, folder=None, channel=None):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="envtool-rel-", dir=scratch()))
        self.home = self.folder / "home"
        self.root = self.home / "root"
        self.envs = self.root / "envs"
        self.cache = self.root / "pkgs"
        self.env = self.envs / "e"
        self.about = ("e",)
        self.saved = self.folder / "saved"
        self.channel = channel or self.folder / "channel"
        self.home.mkdir(parents=True, exist_ok=True)
        self.environ = {"HOME": str(self.home), "PATH": "/usr/local/bin:/usr/bin:/bin", "ENVTOOL_ROOT_PREFIX": str(self.root),
                        "LANG": "C.UTF-8", "TERM": "dumb"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        remove(self.folder)

    def make_channel(self, *packages):
        write_channel(self.channel, *packages)

    def command(self, *arguments):
        """A command line with the channel where one is solved for."""
        arguments = list(map(str, arguments))
        if arguments[0] in ("create", "install", "update") and "-c" not in arguments and "--clone" not in arguments:
            arguments += ["-c", str(self.channel), "--override-channels"]
        if arguments[0] in ("create", "install", "update", "remove", "env", "rollback", "rename", "repair") and arguments[:2] != ["env", "list"] and "-y" not in arguments:
            arguments.append("-y")
        return arguments

    def start(self, *arguments, fault=None, prefix=(), env=None, **kwargs):
        environ = {**self.environ, **(env or {})}
        if fault:
            environ["ENVTOOL_FAILPOINT"] = fault
        kwargs = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace", **kwargs}
        return subprocess.Popen([*prefix, ENVTOOL, *self.command(*arguments)], cwd=self.home, env=environ, **kwargs)

    def run(self, *arguments, code=None, timeout=120, **kwargs) -> Result:
        started = time.monotonic()
        process = self.start(*arguments, **kwargs)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise RuntimeError(f"no end after {timeout} s: {arguments}") from None
        result = Result(process.returncode, out, err, time.monotonic() - started)
        if code is not None and result.code != code:
            raise RuntimeError(f"expected exit code {code} from {arguments}: {result}")
        return result

    def save(self, name="old"):
        """Keeps the environments and the list of them."""
        self.saved.mkdir(exist_ok=True)
        copy(self.envs, self.saved / name)
        register = self.home / ".conda/environments.txt"
        (self.saved / f"{name}.txt").write_text(register.read_text() if register.exists() else "")

    def restore(self, name="old"):
        remove(self.envs)
        copy(self.saved / name, self.envs)
        register = self.home / ".conda/environments.txt"
        register.parent.mkdir(exist_ok=True)
        register.write_text((self.saved / f"{name}.txt").read_text())

    def state(self, env=None):
        """The environments that a command is about, None when there is none."""
        if env:
            return oracle.manifest(env)
        found = {name: oracle.manifest(self.envs / name) for name in self.about}
        if len(self.about) == 1:
            return found[self.about[0]]
        both = {f"{name}:{path}": entry for name, state in found.items() if state is not None for path, entry in state.items()}
        return both or None

    def leftovers(self, **kwargs):
        """What is left over anywhere. Temporary files of single atomic writes are dead for sure after an hour only: the clock
        is turned, and the next commands have to take them away."""
        # Folders of extraction go a day later, since their process might live, or with `clean` (C07 looks at that).
        left = [path for path in oracle.leftovers(self.home, **kwargs) if "pkgs/.tmp/" not in path]
        young = [path for path in left if re.search(r"(^|/)\.envtool-[0-9a-f]{16}\.tmp$|\.part\.info$", path)]
        if not young:
            return left
        for path in young:
            os.utime(self.home / path, (time.time() - 4000,) * 2)
        name = f"sweep{time.monotonic_ns()}"
        remove(self.cache / "sweep-1-0")
        write_channel(self.folder / "sweep-channel", Made("sweep", "1", {"share/sweep": "x"}))
        self.run("create", "-n", name, "sweep", "-c", self.folder / "sweep-channel", "--override-channels", code=0)
        self.run("env", "remove", "-n", name, code=0)
        return [path for path in oracle.leftovers(self.home, **kwargs) if "pkgs/.tmp/" not in path]

    def marks(self, *arguments, env=None) -> list:
        """The names of the fail points that a command passes, in order (by strace; they need a build with fail points)."""
        return [call.text for call in self.trace(*arguments, env=env)[0] if call.is_mark]

    def trace(self, *arguments, env=None, calls="all"):
        """The calls of a command that change files, marks of fail points among them, and its result."""
        log = self.folder / "trace"
        result = self.run(*arguments, env=env, fault="any:1+:mark",
                          prefix=("strace", "-f", "-y", "-s", "64", "-o", log, "-e", "trace=" + ",".join(CHANGING + ("openat", "open", "openat2", "creat"))))
        return list(parse_trace(log.read_text(errors="replace"))), result


# System calls that change a file system. `ioctl` is there for FICLONE.
CHANGING = ("mkdir", "mkdirat", "link", "linkat", "symlink", "symlinkat", "rename", "renameat", "renameat2", "unlink", "unlinkat",
            "rmdir", "write", "pwrite64", "writev", "chmod", "fchmod", "fchmodat", "fallocate", "copy_file_range", "sendfile",
            "utimensat", "ftruncate", "truncate", "fsync", "fdatasync", "syncfs", "chown", "fchown", "lchown", "fchownat", "ioctl",
            "setxattr", "fsetxattr", "lsetxattr")


@dataclasses.dataclass
class Call:
    thread: str
    name: str
    text: str
    is_mark: bool = False


def parse_trace(text):
    """Calls of a trace in order of their start; those that change no file are left out."""
    for line in text.splitlines():
        match = re.match(r"(\d+) +(\w+)\((.*)", line)
        if not match:
            continue
        thread, name, rest = match.groups()
        if name == "write" and rest.startswith("-1"):
            yield Call(thread, name, re.search(r'"([^"]*)"', rest).group(1), True)
            continue
        if name in ("openat", "open", "openat2", "creat") and "O_CREAT" not in rest and name != "creat":
            continue
        if name == "ioctl" and "FICLONE" not in rest:
            continue
        # Terminals, pipes and the like; what a child writes to its own folder of /tmp is not ours.
        if name in ("write", "writev", "pwrite64", "ftruncate") and re.match(r"\d+<(pipe|socket|anon|/dev/|TCP|UNIX)", rest) or re.match(r"[012]<", rest):
            continue
        yield Call(thread, name, rest)


def copy(source, target):
    remove(target)
    subprocess.run(["cp", "-a", source, target], check=True)


def remove(path):
    if os.path.lexists(path):
        subprocess.run(["rm", "-rf", "--", path], check=True)


_points = None


def has_strace():
    return shutil.which("strace") is not None and subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


def need_fail_points():
    """Skips when the binary was built without them; asks it once."""
    global _points
    if _points is None:
        with Place() as place:
            place.make_channel(Made("x", files={"x": "x"}))
            _points = place.run("create", "-n", "x", "x", fault="nonsense").code == -signal.SIGABRT
    if not _points:
        raise Skip("this binary has no fail points (a build with ENVTOOL_FAILPOINTS=ON has)")


def need_strace():
    if not has_strace():
        raise Skip("there is no strace that works")


def need_root(what):
    if os.geteuid() != 0:
        raise Skip(f"{what} needs root")


@contextlib.contextmanager
def tmpfs(folder, options):
    """A file system in memory of a given size."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip(f"tmpfs cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


class ChannelServer:
    """Serves a folder on loopback with ranges, optionally slowly; notes the bytes that were sent for each path."""

    def __init__(self, folder, bytes_per_second=None):
        self.sent = {}
        server = self
        folder = pathlib.Path(folder)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.reply(False)

            def do_GET(self):
                self.reply(True)

            def reply(self, with_body):
                place = folder / self.path.lstrip("/").split("?")[0]
                if not place.is_file():
                    self.send_error(404)
                    return
                data, start = place.read_bytes(), 0
                tag = f'"{oracle.sha256(data)[:16]}"'
                match = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
                if match and int(match.group(1)) < len(data) and self.headers.get("If-Range", tag) == tag:
                    start = int(match.group(1))
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                else:
                    self.send_response(200)
                self.send_header("Content-Length", str(len(data) - start))
                self.send_header("ETag", tag)
                self.send_header("Accept-Ranges", "bytes")
                self.end_headers()
                if not with_body:
                    return
                chunk = 16384
                for at in range(start, len(data), chunk):
                    piece = data[at:at + chunk]
                    try:
                        self.wfile.write(piece)
                    except OSError:
                        self.close_connection = True
                        return
                    server.sent[self.path] = server.sent.get(self.path, 0) + len(piece)
                    if server.rate and place.suffix == ".bz2":
                        time.sleep(len(piece) / server.rate)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass

        self.rate = bytes_per_second
        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def children_of(session):
    """Processes of a session that are still there (zombies do not count)."""
    found = []
    for place in pathlib.Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            fields = (place / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(place.name))
    return found


# ---- the packages that most scenarios use ----------------------------------------------------------------------------

def story():
    """Packages in two versions, with every kind of file, and a third that only the old state has."""
    p = "{prefix}"
    old = [
        Made("alpha", "1", {"bin/alpha": "old alpha\n", "etc/alpha": Text(f"{p} one\n"), "lib/kept": "the same", "lib/link": Link("kept"),
                            "lib/bin.so": Binary(f"\0{PLACEHOLDER}/x\0\0\0end".encode()), "share/goes/deep/down": "x",
                            "turns/to-file/inner": "1", "turns/to-folder": "2", "moves": "from alpha", "edited.conf": "as packaged",
                            "becomes-link": "file", "was-link": Link("lib/kept"), "mode": Text("m", 0o644), "clash": "alpha's", "etc/clash": Text(f"alpha's {p}\n")}),
        Made("beta", "1", {"bin/beta": "beta\n", "share/beta/data": "data", "etc/clash": Text(f"beta's first {p}\n"), "etc/shared2": Text(f"both {p}\n"), "share/beta/more": "more", "stays": "same"}),
        Made("gone", "1", {"bin/gone": "gone\n", "share/gone/link": Link("nowhere"), "share/gone/x": "x"}, folders=("var/gone",)),
    ]
    new = [
        Made("alpha", "2", {"bin/alpha": "new alpha\n", "etc/alpha": Text(f"{p} two\n"), "lib/kept": "the same", "lib/link": Link("bin.so"),
                            "lib/bin.so": Binary(f"\0{PLACEHOLDER}/yy\0\0\0END".encode()), "share/comes/deep/down": "y",
                            "turns/to-file": "3", "turns/to-folder/inner": "4", "edited.conf": "as packaged anew", "in-the-way": "ours",
                            "becomes-link": Link("lib/kept"), "was-link": "file", "mode": Text("m", 0o755), "clash": "alpha's new", "etc/clash": Text(f"alpha's {p}\n"), "etc/shared": Text(f"both {p}\n"),
                            "share/copied": NoLink(b"copied")}),
        Made("beta", "2", {"bin/beta": "beta 2\n", "share/beta/data": "data 2", "stays": "same", "moves": "from beta", "clash": "beta's", "etc/clash": Text(f"beta's {p}\n"), "etc/shared": Text(f"both {p}\n")},
             folders=("var/beta",)),
        Made("gone", "2", {"share/gone/x": "x2"}),
    ]
    return old, new


OLD_SPECS = ("alpha=1", "beta=1", "gone=1")
NEW_SPECS = ("alpha=2", "beta=2", "gone=2")
# What the user did in the environment, and what pip installed.
USER_FILES = {"in-the-way": "the user's", "share/goes/user-file": "the user's own", "lib/python3.11/site-packages/six.py": "six = 6\n",
              "lib/python3.11/site-packages/six-1.dist-info/METADATA": "Name: six\nVersion: 1\n",
              "lib/python3.11/site-packages/six-1.dist-info/RECORD": "six.py,,\n", "user.link-target": "t"}
EDITED = {"edited.conf": "edited by the user"}


def add_user_files(env):
    for path, text in {**USER_FILES, **EDITED}.items():
        place = env / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)  # as an editor does it: never through a hard link
        place.write_text(text)


def lost_user_files(env) -> str:
    """What the user had and is nowhere in the environment any more."""
    contents = {}
    for path, status in oracle.entries(str(env)):
        place = env / path
        if place.is_file() and not place.is_symlink() and not path.startswith("conda-meta/"):
            contents.setdefault(place.read_text(errors="replace"), []).append(path)
    missing = [path for path, text in {**USER_FILES, **EDITED}.items()
               if not any(oracle.SAVED.sub("", found) == path for found in contents.get(text, []))]
    return f"lost: {missing}" if missing else ""


class Story(Place):
    """An environment in its old state with the user's files, and a command that makes it new."""

    COMMANDS = {
        "create": ("create", "-n", "e", *NEW_SPECS),
        "update": ("install", "-n", "e", *NEW_SPECS),
        "remove": ("remove", "-n", "e", "alpha"),
        "remove-all": ("remove", "-n", "e", "--all"),
        "env-remove": ("env", "remove", "-n", "e"),
        "replace": ("create", "-n", "e", "--force", *NEW_SPECS),
        "rename": ("rename", "-n", "e", "f"),
        "clone": ("create", "-n", "f", "--clone", "e"),
        "rollback": ("rollback", "-n", "e"),
    }

    def __init__(self, name, user_files=True, extra=(), folder=None):
        super().__init__(folder)
        self.name = name
        self.about = ("e", "f") if name in ("rename", "clone") else ("e",)
        old, new = story()
        self.make_channel(*old, *new, *extra)
        self.arguments = self.COMMANDS[name] + tuple(f"{p.name}" for p in extra if name in ("create",))
        self.has_user_files = user_files and name != "create"
        # Everything into the cache first, so that all runs are alike.
        self.run("create", "-n", "warm", *NEW_SPECS, *(p.name for p in extra), code=0)
        self.run("create", "-n", "warm2", *OLD_SPECS, code=0)
        for other in ("warm", "warm2"):
            self.run("env", "remove", "-n", other, code=0)
        if name != "create":
            self.run("create", "-n", "e", *OLD_SPECS, code=0)
            if user_files:
                add_user_files(self.env)
            if name == "rollback":
                self.run("install", "-n", "e", *NEW_SPECS, code=0)
        self.save()
        self.old = self.state()
        self.run(*self.arguments, code=0)
        self.new = self.state()
        self.save("new")
        assert not self.lost_user_files("new"), self.lost_user_files("new")
        assert not self.disagreements(), self.disagreements()
        assert self.old != self.new
        self.restore()

    def disagreements(self):
        """Of all the environments that the command is about."""
        wrong = []
        for name in self.about:
            if os.path.lexists(self.envs / name):
                wrong += oracle.disagreements(self.envs / name, EDITED if self.has_user_files else ())
        return wrong

    def which(self):
        """`old`, `new`, or what is wrong."""
        now = self.state()
        if now == self.old:
            return "old"
        if now == self.new:
            return "new"
        return f"neither: not new: {oracle.difference(self.new, now)} | not old: {oracle.difference(self.old, now)}"

    def lost_user_files(self, state=None):
        """What the user had and the command has no right to take."""
        if not self.has_user_files or (self.name in ("remove-all", "env-remove", "replace", "rollback") and state != "old"):
            return ""
        return lost_user_files(self.envs / ("f" if self.name == "rename" and state == "new" else "e"))

    def judge(self):
        """(`old` or `new` or None, what is wrong) of the environment as it is now, without anything left over in it."""
        state = self.which()
        wrong = [] if state in ("old", "new") else [state]
        wrong += self.disagreements()
        for name in self.about:
            wrong += [f"left over {name}/{path}" for path in oracle.leftovers(self.envs / name)]
        wrong += [lost for lost in [self.lost_user_files(state)] if lost]
        return (state if state in ("old", "new") else None), "; ".join(wrong)
