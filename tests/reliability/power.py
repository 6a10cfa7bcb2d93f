"""C08-C10, C13: power cuts, damaged and foreign journals, environments with a change that is not finished."""
import ctypes
import fcntl
import os
import pathlib
import shutil
import subprocess
import time

import oracle
from harness import (KILLED, NEW_SPECS, Made, Place, Skip, Story, Text, copy, fake_python, has_strace, need_fail_points, need_root, remove,
                     tmpfs)

SHUTDOWN, WITHOUT_LOG = 0x8004587D, 2


class Disk:
    """An ext4 image whose power can be cut: what was not written is lost."""

    def __init__(self, folder, megabytes=96):
        need_root("mounting")
        if shutil.which("mkfs.ext4") is None:
            raise Skip("there is no mkfs.ext4 (e2fsprogs)")
        self.image, self.mount = pathlib.Path(folder) / "disk", pathlib.Path(folder) / "mnt"
        self.mount.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", self.image], check=True)

    def attach(self):
        done = subprocess.run(["mount", "-o", "loop", self.image, self.mount], capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"loop mounts do not work here: {done.stderr.strip()}")

    def detach(self):
        for _ in range(50):
            if subprocess.run(["umount", self.mount], capture_output=True).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError("the disk is busy")

    def cut(self):
        """The power goes: nothing more reaches the disk, not even the file system's own journal. Then it comes back."""
        fd = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, ctypes.c_uint32(WITHOUT_LOG))
        except OSError as error:
            raise Skip(f"the shutdown ioctl does not work here: {error}") from None
        finally:
            os.close(fd)
        self.detach()
        self.attach()

    def keep(self):
        """The disk as it is now becomes what `reset` goes back to."""
        self.detach()
        subprocess.run(["cp", "--sparse=always", self.image, f"{self.image}.kept"], check=True)
        self.attach()

    def reset(self):
        self.detach()
        subprocess.run(["cp", "--sparse=always", f"{self.image}.kept", self.image], check=True)
        self.attach()


def empty_files(env, but=()):
    """Files without content that should have some: what a power cut leaves of files that were never written to disk."""
    return [path for path, status in oracle.entries(str(env)) if (env / path).is_file() and status.st_size == 0
            and not path.startswith(oracle.BOOKKEEPING) and path not in but]


def c08(tier, score, **_):
    """power cut at each fail point, and 0 to 30 s after success, on ext4"""
    need_fail_points()
    score.note("ext4 only: this machine's Debian has no tools for xfs and btrfs in the list of what the tests need")
    with Place() as outer:
        for name in ("update", "create", "replace"):
            folder = outer.folder / name
            folder.mkdir()
            disk = Disk(folder)
            disk.attach()
            try:
                story = Story(name, folder=disk.mount / "place")
                os.sync()
                disk.keep()
                limit = len(story.marks(*story.arguments)) if has_strace() else 250
                disk.reset()
                for number in tier.points(step=37 if name == "update" else 60, full_step=1 if name == "update" else 3):
                    if number > limit:
                        break
                    disk.reset()
                    result = story.run(*story.arguments, fault=f"any:{number}:kill")
                    disk.cut()
                    story.run("list", "-n", "e")
                    wrong = story.judge()[1]
                    if story.env.exists():
                        wrong += "; ".join(empty_files(story.env))
                    score.check(wrong, f"{name}: power cut at point {number}")
                for seconds in (0, 1, 2, 5, 10, 30) if tier.full and name == "update" else (0, 1):
                    disk.reset()
                    story.run(*story.arguments, code=0)
                    time.sleep(seconds)
                    disk.cut()
                    story.run("list", "-n", "e")
                    state, wrong = story.judge()
                    if state != "new":
                        wrong += f"; {state}, though it had said that all was done"
                    score.check(wrong + "; ".join(empty_files(story.env)), f"{name}: power cut {seconds} s after success")
            finally:
                disk.detach()


def c09(tier, score, **_):
    """power cut after packages went into the cache with `durability: fast`: what was lost is noticed and made again"""
    need_root("another boot id")
    with Place() as outer:
        disk = Disk(outer.folder)
        disk.attach()
        try:
            place = Place(disk.mount / "place")
            (place.home / ".condarc").write_text("durability: fast\n")
            files = {f"share/p/{i}": os.urandom(3000 + i) for i in range(30)}
            place.make_channel(*(Made(f"p{n}", "1", {path.replace("/p/", f"/p{n}/"): data for path, data in files.items()}) for n in range(3)), Made("t", "1", {"etc/t": Text("{prefix}")}))
            specs = ("p0", "p1", "p2", "t")
            place.run("create", "-n", "e", *specs, code=0)
            new = place.state()
            remove(place.root)
            remove(place.home / ".conda")
            os.sync()
            disk.keep()
            boot = outer.folder / "boot_id"

            def after_boot(*arguments, number):
                """The kernel's boot id is another one after a power cut."""
                boot.write_text(f"00000000-0000-4000-8000-{number:012x}\n")
                return place.run(*arguments, prefix=("unshare", "-m", "sh", "-c", f'mount --bind {boot} /proc/sys/kernel/random/boot_id && exec "$@"', "sh"))

            if after_boot("env", "list", number=0).code != 0:
                raise Skip("another boot id cannot be put in place here")
            damaged = 0
            for number, seconds in enumerate(tier.some([0, 0.05, 0.2, 0.5, 1, 2, 3, 4, 5, 6, 7, 8, 10], 3) * (3 if tier.full else 1)):
                disk.reset()
                after_boot("create", "-n", "e", *specs, number=1000 + number)
                time.sleep(seconds)
                disk.cut()
                # Whatever the cut left in the cache, the next environment is right.
                remove(place.envs)
                damaged += any(path.stat().st_size == 0 for path in place.cache.rglob("share/p*/*") if path.is_file())
                result = after_boot("create", "-n", "e", *specs, number=2000 + number)
                wrong = oracle.difference(new, place.state()) if result.code == 0 else repr(result)
                score.check(wrong, f"power cut {seconds} s after the insert")
            score.note(f"{damaged} of the cuts left empty files in the cache")
        finally:
            disk.detach()


class Pending(Story):
    """An environment with a change that is decided and not carried out."""

    def __init__(self, at="apply.committed:1", **kwargs):
        super().__init__("update", **kwargs)
        assert self.run(*self.arguments, fault=f"{at}:kill").code == KILLED
        self.tx = self.env / "conda-meta/.envtool/tx"
        assert (self.tx / "journal.ready").exists() == at.startswith("apply.committed")
        self.save("pending")


def c10(tier, score, **_):
    """a journal with a flipped bit or cut off, at every byte; journals of others"""
    need_fail_points()
    with Pending() as story:
        whole = (story.tx / "journal.ready").read_bytes()
        before = oracle.tree(story.env)
        before_state = {path: entry for path, entry in before.items() if "/.envtool/" not in path}

        def refused(what, both):
            result = story.run("list", "-n", "e")
            if both:
                wrong = "" if result.code == 1 and "journal" in result.err + result.out else f"not refused: {result}"
                now = {path: entry for path, entry in oracle.tree(story.env).items() if "/.envtool/" not in path}
                if now != before_state:
                    wrong += "; changed: " + oracle.difference(before_state, now)
                    story.restore("pending")
            else:
                wrong = story.judge()[1] + ("" if story.which() == "new" else "; not new")
                story.restore("pending")
            score.check(wrong, what)

        def put(data, both=True):
            (story.tx / "journal.ready").write_bytes(data)
            (story.tx / "journal.copy").write_bytes(data if both else whole)

        for at in tier.points(first=1, step=61):
            if at >= len(whole):
                break
            put(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1:])
            refused(f"bit {at % 8} of byte {at} flipped", True)
            put(whole[:at])
            refused(f"cut off at byte {at}", True)
        for at in tier.points(first=3, step=301, full_step=17):
            if at >= len(whole):
                break
            put(whole[:at], both=False)
            refused(f"the first of two copies cut off at byte {at}", False)
        # Lines that are right one by one, in another order or number.
        lines = whole.splitlines(keepends=True)
        for at in range(0, len(lines) - 1, 1 if tier.full else 9):
            put(b"".join(lines[:at] + lines[at + 1:]))
            refused(f"without line {at}", True)
            put(b"".join(lines[:at] + [lines[at + 1], lines[at]] + lines[at + 2:]))
            refused(f"line {at} after the next", True)
    foreign_journals(tier, score)


def foreign_journals(tier, score):
    """What somebody else put into an environment moves nothing out of it, reads nothing outside, runs nothing."""
    with Pending() as story:
        outside = story.folder / "outside"
        outside.mkdir()
        (outside / "secret").write_text("secret")
        (outside / "tx").mkdir()
        (outside / "tx/keep").write_text("keep")

        def untouched(what, prepare):
            story.restore("pending")
            prepare()
            before = oracle.tree(outside)
            result = story.run("list", "-n", "e")
            wrong = oracle.difference(before, oracle.tree(outside))
            found = [path for path, status in oracle.entries(str(story.env)) if (story.env / path).is_file() and not (story.env / path).is_symlink() and (story.env / path).read_bytes() == b"secret"]
            if found:
                wrong += f"; read from outside: {found}"
            score.check(wrong, what)
            return result

        def link(path, target):
            def prepare():
                remove(story.env / path)
                (story.env / path).symlink_to(target)
            return prepare

        state = "conda-meta/.envtool"
        for path, target in ((f"{state}/tx", outside / "tx"), (state, outside), (f"{state}/tx/new", outside), (f"{state}/tx/old", outside),
                             (f"{state}/tx/journal.ready", outside / "secret"), ("share", outside), ("etc", outside), ("bin", outside / "tx")):
            untouched(f"`{path}` is a symlink out", link(path, target))

        def forged(change):
            """A journal with right checksums that says something else."""
            def prepare():
                text = (story.tx / "journal.ready").read_text()
                lines = [line.split("\t")[:-1] for line in text.splitlines()][:-1]
                change(lines)
                out = ""
                for line in lines:
                    body = "\t".join(line) + "\t"
                    out += body + oracle.sha256(body.encode())[:16] + "\n"
                body = f"end\t{sum(1 for line in lines if line[0] in 'PRMEC')}\t{oracle.sha256(out.encode())}\t"
                out += body + oracle.sha256(body.encode())[:16] + "\n"
                for name in ("journal.ready", "journal.copy"):
                    (story.tx / name).write_text(out)
            return prepare

        def paths(target):
            def change(lines):
                for line in lines:
                    if line[0] == "P":
                        line[1] = target
                        break
            return change

        for target in ("../../outside/secret", str(outside / "secret"), "share/../../../../outside/secret", "./x", "", "bin//x"):
            result = untouched(f"a path `{target}` in a forged journal", forged(paths(target)))
            score.check("" if result.code == 1 else f"not refused: {result}", f"a path `{target}` is refused")

        def sources(lines):
            # `new` slots are gone, and the journal says to make the files from elsewhere.
            for line in lines:
                if line[0] == "P":
                    assert len(line) == 20, line
                    line[15], line[16], line[18], line[19] = "1", str(outside / "secret"), "", ""

        def copied():
            # As from an archive that somebody sent: other inodes.
            copy(story.env, story.folder / "sent")
            forged(sources)()
            remove(story.tx / "new")
            copy(story.env, story.folder / "sent")
            remove(story.env)
            copy(story.folder / "sent", story.env)

        untouched("a forged journal that names a file outside as source", copied)
        canary = story.folder / "canary"

        def programs():
            program = story.env / "bin/python3.11"
            program.write_text(f"#!/bin/sh\ntouch {canary}\n")
            program.chmod(0o755)

            def change(lines):
                lines.append(["Y", "bin/python3.11"])
                lines.append(["C", "mod.py", "__pycache__/mod.pyc"])
            forged(change)()
            copy(story.env, story.folder / "sent")
            remove(story.env)
            copy(story.folder / "sent", story.env)

        untouched("a forged journal that names a program", programs)
        score.check("the program was run" if canary.exists() else "", "no program of a forged journal is run")
        if os.geteuid() == 0:
            def other_user():
                programs()
                subprocess.run(["chown", "-R", "nobody", story.env], check=True)
            untouched("another user's journal that names a program", other_user)
            score.check("the program was run" if canary.exists() else "", "no program of another user's journal is run")


def c13(tier, score, **_):
    """`run`, `list`, `activate` and others on an environment with an unfinished change; read-only places; pip that never ended"""
    need_fail_points()
    commands = {"list": ("list", "-n", "e"), "run": ("run", "-n", "e", "cat", "{env}/bin/alpha"), "activate": ("shell", "activate", "-s", "bash", "e"),
                "env export": ("env", "export", "-n", "e"), "install": ("install", "-n", "e", "beta=2"), "remove": ("remove", "-n", "e", "gone"),
                "dry run": ("install", "-n", "e", "--dry-run", "beta=2"), "list --json": ("list", "-n", "e", "--json")}
    for at in ("apply.committed:1", "apply.staged:1", "install.apply:5", "apply.applied:1"):
        with Story("update") as story:
            assert story.run(*story.arguments, fault=f"{at}:kill").code == KILLED
            story.save("pending")
            for name, arguments in commands.items():
                story.restore("pending")
                result = story.run(*(argument.replace("{env}", str(story.env)) for argument in arguments))
                wrong = "" if result.code == 0 else repr(result)
                state = "new" if "alpha-2-0" in oracle.records(story.env) else "old"
                if name in ("list", "run", "activate", "env export", "dry run", "list --json"):
                    state, more = story.judge()
                    wrong += more
                    if state == "new" and "cut short" not in result.err:
                        wrong += "; finished without a word"
                if name == "run" and result.out.strip() != f"{state} alpha":
                    wrong += f"; {result.out!r} from the {state} environment"
                if name == "list" and f"{'2' if state == 'new' else '1'}" not in next((line for line in result.out.splitlines() if line.startswith("alpha")), ""):
                    wrong += f"; lists {result.out!r}"
                wrong += "; ".join(story.disagreements())
                score.check(wrong, f"{name} after a kill at {at}")
    if os.geteuid() != 0:
        score.note("read-only mounts need root: not tried")
        return
    with Pending() as story:
        subprocess.run(["mount", "--bind", story.envs, story.envs], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", story.envs], check=True)
            before = oracle.tree(story.env)
            for name, arguments in commands.items():
                if name in ("install", "remove", "dry run"):
                    continue
                result = story.run(*(argument.replace("{env}", str(story.env)) for argument in arguments))
                wrong = oracle.difference(before, oracle.tree(story.env))
                if name == "run":
                    wrong += "" if result.code == 1 and "not finished" in result.err and "--ignore-pending" in result.err else f"ran: {result}"
                elif "read-only" not in result.err:
                    wrong += f"no word of it: {result}"
                score.check(wrong, f"{name} on a read-only mount")
            result = story.run("run", "-n", "e", "--ignore-pending", "cat", story.env / "bin/alpha")
            score.check("" if result.code == 0 else repr(result), "run --ignore-pending on a read-only mount")
        finally:
            subprocess.run(["umount", story.envs], check=True)
    pip_that_never_ended(tier, score)
    without_exchange(tier, score)


def pip_that_never_ended(tier, score):
    """A kill while pip runs: the environment says that it is not complete; what it replaced is kept."""
    with Place() as place:
        place.make_channel(fake_python(), Made("pip", "23", {"share/pip": "pip"}, depends=["python"]), Made("small", "1", {"share/small": "x"}))
        spec = place.home / "environment.yml"
        spec.write_text("dependencies:\n  - python\n  - pip\n  - pip:\n    - six\n")
        working = {"FAKE_PIP": f'echo x > {place.env}/lib/python3.11/six.py'}
        # pip's own end takes envtool along, as a power cut or an OOM kill would.
        deadly = {"FAKE_PIP": 'kill -9 $PPID; sleep 0.2; exit 1'}
        for force in (False, True):
            for verb in ("create", "install"):
                remove(place.envs)
                if force or verb == "install":
                    place.run("create", "-n", "e", "small", code=0)
                    old = place.state()
                arguments = (verb, "-n", "e", "-f" if verb == "create" else "-f", spec) + (("--force",) if verb == "create" and force else ())
                result = place.run(*arguments, env=deadly)
                what = f"{verb}{' --force' if force else ''} killed while pip ran"
                if result.code != KILLED:
                    score.check(f"not killed: {result}", what)
                    continue
                told = place.run("list", "-n", "e")
                wrong = "" if "not complete" in told.err else f"nobody says so: {told}"
                if force and verb == "create":
                    kept = [path for path in place.envs.iterdir() if ".envtool-old-" in path.name]
                    wrong += "" if len(kept) == 1 and oracle.difference(old, oracle.manifest(kept[0])) == "" else f"; the old environment is not kept: {os.listdir(place.envs)}"
                score.check(wrong, what)
                result = place.run(*arguments, *(("--force",) if verb == "create" and not force else ()), env=working)
                place.run("list", "-n", "e")
                told = place.run("list", "-n", "e")
                wrong = "" if result.code == 0 and "not complete" not in told.err else f"{result} {told}"
                if not (place.env / "lib/python3.11/six.py").exists():
                    wrong += "; pip's file is missing"
                wrong += "; ".join(oracle.leftovers(place.envs))
                score.check(wrong, what + ", then the same command again")


def without_exchange(tier, score):
    """A file system that cannot swap: killed between the two renames, the old environment is put back."""
    with Story("replace") as story:
        for number in tier.points(step=6):
            story.restore()
            result = story.run(*story.arguments, fault=f"install.exchange:1+:EINVAL,any:{number}:kill")
            if result.code == 0:
                break
            what = f"create --force without RENAME_EXCHANGE killed at point {number}"
            follow = story.run("list", "-n", "e")
            wrong = story.judge()[1] + ("" if follow.code == 0 else f"; {follow}")
            wrong += "; ".join(path for path in oracle.leftovers(story.envs) if not path.startswith("e/"))
            score.check(wrong, what)
        story.restore()
        again = story.run(*story.arguments, fault="install.exchange:1+:EINVAL")
        score.check(("" if again.code == 0 else repr(again)) + ("" if story.which() == "new" else story.which()), "create --force without RENAME_EXCHANGE")
