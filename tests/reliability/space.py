"""S01-S06: calls that fail, disks and inodes that run out, quotas, and asking before anything is begun."""
import os
import random
import re
import shutil
import signal
import time

import oracle
from harness import Made, NoLink, Place, Skip, Story, Text, has_strace, need_fail_points, need_strace, remove, tmpfs

CREATE_EXTRA = (Made("big", "1", {f"share/big/{i}": f"file {i}\n" for i in range(40)}),)


def commit_point(story):
    """The number of the first fail point after which the change is decided."""
    names = story.marks(*story.arguments)
    story.restore()
    for name in ("apply.committed", "create.renamed", "create.swapped", "remove.renamed"):
        if name in names:
            return names.index(name) + 1, len(names)
    return None, len(names)


def judge(story, result, what, score, must_be=None):
    """The exit code tells the truth, the state is one of the two, and one command later it still is."""
    wrong = ""
    if result.code is not None and (result.code < 0 or result.code not in (0, 1)):
        wrong += f"{result}; "
    direct = story.which()
    pending = (story.env / "conda-meta/.envtool/tx").exists()
    if result.code == 0 and direct != "new":
        wrong += f"exit code 0, and {direct[:400]}; "
    if result.code == 1 and not pending and direct == "new":
        # Said to have failed although it is done: only where the failure came after it (registering, cleaning up).
        if not re.search(r"environments\.txt|finish|sync|disk|decided", result.err):
            wrong += f"exit code 1, and new: {result.err[-300:]}; "
    if result.code == 1 and not re.search(r"ENOSPC|EIO|EDQUOT|EROFS|[Ss]pace|[Ii]nput/output|quota|[Rr]ead-only|error", result.err):
        wrong += f"no reason given: {result.err[-300:]}; "
    story.run("list", "-n", "e")
    state, more = story.judge()
    wrong += more
    beside = [path for path in oracle.leftovers(story.envs) if not path.startswith("e/")]
    if beside:
        wrong += f"; left beside it: {beside[:3]}"
    if must_be and state != must_be:
        wrong += f"; {state} instead of {must_be} (exit code {result.code}, {result.err[-300:]})"
    score.check(wrong, what)
    return state


def failing_calls(tier, score, errors, names, step):
    for name in names:
        with Story(name, extra=CREATE_EXTRA if name == "create" else ()) as story:
            decided, total = commit_point(story) if has_strace() else (None, 400)
            for error in errors:
                for number in tier.points(step=step):
                    if number > total:
                        break
                    story.restore()
                    result = story.run(*story.arguments, fault=f"any:{number}:{error}")
                    judge(story, result, f"{name}, {error} at point {number}", score)


def s01(tier, score, **_):
    """ENOSPC from every call that changes a file, and from all calls from one on"""
    need_fail_points()
    failing_calls(tier, score, ("ENOSPC",), ("create", "update", "remove", "replace", "env-remove"), 17)
    with Story("update") as story:
        decided, total = commit_point(story) if has_strace() else (1, 250)
        for number in tier.points(step=20, full_step=2):
            if number > total:
                break
            story.restore()
            # Everything fails from here on, as on a disk that is full; the next command has space again.
            result = story.run(*story.arguments, fault=f"any:{number}+:ENOSPC")
            judge(story, result, f"update, ENOSPC from point {number} on", score)
    if has_strace() and tier.full:
        failing_system_calls(tier, score, ("ENOSPC",))


def failing_system_calls(tier, score, errors):
    """The same at the entry of the system calls, without the help of the binary."""
    for name in ("create", "update"):
        with Story(name) as story:
            for call in ("mkdir", "mkdirat", "linkat", "link", "symlink", "rename", "renameat2", "unlink", "unlinkat", "rmdir", "write",
                         "pwrite64", "fallocate", "chmod", "fchmod", "fsync", "syncfs", "close", "copy_file_range", "ftruncate"):
                for error in errors:
                    number, quiet = 1, 0
                    while number < 400:
                        story.restore()
                        log = story.folder / "trace"
                        result = story.run(*story.arguments, prefix=("strace", "-f", "-o", log, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={number}"))
                        injected = "(INJECTED)" in log.read_text(errors="replace")
                        if not injected:
                            break
                        judge_call(story, result, f"{name}, {error} from {call} {number}", score)
                        number += 1 if number < 40 else 5


def judge_call(story, result, what, score):
    """As `judge`; standard output may be what failed, and a lock file, and an index that is only a cache."""
    wrong = ""
    direct = story.which()
    if result.code is None or result.code < 0:
        wrong += f"{result}; "
    if result.code == 0 and direct != "new":
        wrong += f"exit code 0, and {direct[:300]}; "
    story.run("list", "-n", "e")
    state, more = story.judge()
    beside = [path for path in oracle.leftovers(story.envs) if not path.startswith("e/")]
    score.check(wrong + more + (f"; left beside it: {beside[:3]}" if beside else ""), what)


def s04(tier, score, **_):
    """EIO, EDQUOT, EROFS from every call; close, fsync and syncfs are not ignored"""
    need_fail_points()
    failing_calls(tier, score, ("EIO", "EDQUOT", "EROFS"), ("create", "update", "remove"), 31)
    # What a close, a sync or a write says about a file of the environment must not be passed over.
    for name in ("create", "update"):
        with Story(name, extra=CREATE_EXTRA if name == "create" else ()) as story:
            names = story.marks(*story.arguments) if has_strace() else []
            story.restore()
            for point in ("os.close", "os.write", "os.sync"):
                for number in range(1, names.count(point) + 1):
                    if not tier.full and number % 4:
                        continue
                    story.restore()
                    result = story.run(*story.arguments, fault=f"{point}:{number}:EIO")
                    wrong = ""
                    if result.code == 0 and "warning" not in result.err and not ignorable(story, point, number):
                        wrong = f"{point} {number} failed with EIO, and nobody said so"
                    story.run("list", "-n", "e")
                    score.check(wrong + story.judge()[1], f"{name}, EIO from {point} {number}")
    if has_strace() and tier.full:
        failing_system_calls(tier, score, ("EIO", "EDQUOT"))


def ignorable(story, point, number):
    """A file outside of the environment (the registry, caches of records): failing there does no harm. Looked up in a trace."""
    story.restore()
    trace, _ = story.trace(*story.arguments)
    seen = 0
    for at, call in enumerate(trace):
        if call.is_mark and call.text == point:
            seen += 1
            if seen == number:
                # A close comes after what was written to the same file.
                near = reversed(trace[:at]) if point == "os.close" else iter(trace[at + 1:])
                other = next((c for c in near if c.thread == call.thread and not c.is_mark), None)
                return other is None or "/envs/" not in other.text
    return True


def need(place, *arguments, env):
    """Bytes and inodes that a command takes on an empty file system of its own."""
    with tmpfs(place.folder / "measure", "size=200m") as mount:
        place.run(*arguments, "-p", mount / "e", env=env, code=0)
        status = os.statvfs(mount)
        return (status.f_blocks - status.f_bfree) * status.f_frsize, status.f_files - status.f_ffree


class Sized(Place):
    """Packages of about two megabytes; cache and environment can be on a small file system."""

    def __init__(self):
        super().__init__()
        content = random.Random(7)
        files = {f"share/p/{i % 7}/{i}": content.randbytes(8000 + 400 * (i % 5)) for i in range(200)}
        files["etc/p"] = Text("{prefix}\n" * 50)
        self.make_channel(Made("p", "1", files), Made("small", "1", {"share/small": "x"}), Made("p", "2", {**files, "share/p/more": content.randbytes(300_000)}))
        self.run("create", "-n", "warm", "p=1", code=0)
        self.run("create", "-n", "warm2", "p=2", "small", code=0)


def s02(tier, score, **_):
    """really full: file systems from 1% to 100% of what is needed, in steps of 2%"""
    with Sized() as place:
        place.run("create", "-n", "good", "p=1", code=0)
        content = None
        bytes_needed, _ = need(place, "create", "p=1", env={})
        for percent in tier.some([*range(1, 100, 2), 100], 14):
            # The environment on a small file system, the cache elsewhere: copies.
            with tmpfs(place.folder / "small", f"size={max(bytes_needed * percent // 100, 4096)}") as mount:
                env = mount / "e"
                result = place.run("create", "-p", env, "p=1")
                if result.code == 0:
                    content = content or oracle.manifest(env)
                    wrong = oracle.difference(content, oracle.manifest(env)) or "; ".join(oracle.disagreements(env))
                else:
                    wrong = "" if not list(mount.iterdir()) else f"left: {[str(p) for p in mount.rglob('*')][:4]}"
                    wrong += told(result, mount)
                score.check(wrong, f"create with {percent}% of the space")
        # A change of an environment that is there, with ever more in the way.
        with tmpfs(place.folder / "small", f"size={bytes_needed * 4}") as mount:
            env, filler = mount / "e", mount / "filler"
            place.run("create", "-p", env, "p=1", code=0)
            old = oracle.manifest(env)
            place.run("install", "-p", env, "p=2", code=0)
            new = oracle.manifest(env)
            place.run("install", "-p", env, "p=1", code=0)
            back = oracle.packages_only(oracle.manifest(env))
            assert back == oracle.packages_only(old)
            status = os.statvfs(mount)
            free = status.f_bavail * status.f_frsize
            for percent in tier.some([*range(1, 100, 2), 100], 14):
                before = oracle.manifest(env)
                filler.write_bytes(b"x" * max(free - bytes_needed * 2 * percent // 100, 0))
                result = place.run("install", "-p", env, "p=2")
                filler.unlink()
                place.run("list", "-p", env)
                now = oracle.manifest(env)
                wrong = "; ".join(oracle.disagreements(env) + oracle.leftovers(mount))
                if result.code == 0:
                    wrong += oracle.difference(oracle.packages_only(new), oracle.packages_only(now))
                    place.run("install", "-p", env, "p=1", code=0)
                else:
                    wrong += oracle.difference(before, now) + told(result, mount)
                score.check(wrong, f"install with {percent}% of the space")
        # The cache on a small file system.
        archives = sum(path.stat().st_size for path in place.channel.rglob("p-1*"))
        for percent in tier.some([*range(1, 100, 4), 100], 6):
            with tmpfs(place.folder / "small", f"size={max((bytes_needed + archives) * percent // 100, 4096)}") as mount:
                env = place.envs / "c"
                result = place.run("create", "-p", env, "p=1", env={"CONDA_PKGS_DIRS": str(mount / "pkgs")})
                if result.code == 0:
                    # The embedded path is another one.
                    wrong = "; ".join(oracle.disagreements(env))
                    remove(env)
                else:
                    wrong = "the environment is there" if env.exists() else ""
                    wrong += told(result, mount)
                    visible = [path for path in (mount / "pkgs").glob("*/info") if path.parent.name[0] != "."] if (mount / "pkgs").exists() else []
                    if visible:
                        wrong += f"half a package shows: {visible}"
                score.check(wrong, f"cache with {percent}% of the space")


def told(result, mount):
    """A failure for want of space names the path."""
    wrong = ""
    if result.code != 1:
        wrong += f"exit code {result.code}; "
    if not re.search(r"ENOSPC|EDQUOT|[Nn]o space|not enough space|cannot take so many files", result.err):
        wrong += f"no word of space: {result.err[-300:]}; "
    if str(mount) not in result.err:
        wrong += f"the path is not named: {result.err[-300:]}; "
    return wrong


def s03(tier, score, **_):
    """inodes run out"""
    with Sized() as place:
        _, inodes = need(place, "create", "p=1", env={})
        content = None
        for percent in tier.some([*range(2, 100, 2), 100, 104, 110], 10):
            with tmpfs(place.folder / "small", f"size=100m,nr_inodes={max(inodes * percent // 100, 3)}") as mount:
                env = mount / "e"
                result = place.run("create", "-p", env, "p=1")
                if result.code == 0:
                    content = content or oracle.manifest(env)
                    wrong = oracle.difference(content, oracle.manifest(env)) or "; ".join(oracle.disagreements(env))
                else:
                    wrong = "" if not list(mount.iterdir()) else f"left: {[str(p) for p in mount.rglob('*')][:4]}"
                    wrong += told(result, mount)
                score.check(wrong, f"create with {percent}% of the inodes")
        with tmpfs(place.folder / "small", f"size=100m,nr_inodes={inodes * 3}") as mount:
            env = mount / "e"
            place.run("create", "-p", env, "p=1", code=0)
            for percent in tier.some([*range(2, 150, 4)], 8):
                place.run("install", "-p", env, "p=1")
                before = oracle.manifest(env)
                fillers, status = [], os.statvfs(mount)
                for number in range(max(0, status.f_ffree - inodes * percent // 100)):
                    fillers.append(mount / f"filler{number}")
                    fillers[-1].touch()
                result = place.run("install", "-p", env, "p=2")
                for filler in fillers:
                    filler.unlink()
                place.run("list", "-p", env)
                wrong = "; ".join(oracle.disagreements(env) + oracle.leftovers(mount))
                if result.code != 0:
                    wrong += oracle.difference(before, oracle.manifest(env)) + told(result, mount)
                score.check(wrong, f"install with {percent}% of the inodes")


def s05(tier, score, **_):
    """a disk that is full after the commit point: the change is finished from the reserve"""
    need_fail_points()
    need_strace()
    with Story("update") as story:
        decided, total = commit_point(story)
        for number in tier.points(first=decided, step=7):
            if number > total:
                break
            story.restore()
            result = story.run(*story.arguments, fault=f"any:{number}:ENOSPC")
            judge(story, result, f"ENOSPC at point {number}, after the commit at {decided}", score, must_be="new")
    # A real one: filled to the last byte by somebody else at the moment of the commit.
    with Sized() as place, tmpfs(place.folder / "small", "size=24m,nr_inodes=4000") as mount:
        env = mount / "e"
        for round_number in range(6 if tier.full else 2):
            for what in ("bytes", "inodes"):
                remove(env)
                place.run("create", "-p", env, "p=1", "small", code=0)
                process = place.start("install", "-p", env, "p=2", fault="apply.committed:1:SIGSTOP")
                os.waitpid(process.pid, os.WUNTRACED)
                fillers = []
                try:
                    if what == "bytes":
                        fillers.append(mount / "filler")
                        with open(fillers[0], "wb", buffering=0) as file:
                            while True:
                                file.write(b"x" * (1 << (20 if round_number % 2 == 0 else 12)))
                    for number in range(100000):
                        fillers.append(mount / f"filler{number}")
                        fillers[-1].touch()
                except OSError:
                    pass
                os.kill(process.pid, signal.SIGCONT)
                out, err = process.communicate(timeout=60)
                wrong = "" if process.returncode == 0 else f"exit code {process.returncode}: {err[-400:]}"
                wrong += "; ".join(oracle.disagreements(env) if (env / "conda-meta/history").exists() else ["no history"])
                if "p-2-0" not in oracle.records(env):
                    wrong += "; not new"
                for filler in fillers:
                    filler.unlink(missing_ok=True)
                score.check(wrong, f"no {what} left at the commit, round {round_number}")


def s06(tier, score, **_):
    """more is needed than there is: refused before any change within a second, with an estimate within 10%"""
    content = random.Random(3)
    with Place() as place:
        sizes = {"one": (1, 3_000_000), "many": (60, 100_000), "mixed": (30, 150_000)}
        packages = []
        for name, (count, size) in sizes.items():
            files = {f"share/{name}/{i}": content.randbytes(size) for i in range(count)}
            if name == "mixed":
                files = {path: (NoLink(data) if i % 3 else data) for i, (path, data) in enumerate(files.items())}
            packages.append(Made(name, "1", files))
        place.make_channel(*packages)
        place.run("create", "-n", "warm", *sizes, code=0)
        for name, (count, size) in sizes.items():
            used, _ = need(place, "create", name, env={})
            for share in (0.2, 0.5, 0.8):
                with tmpfs(place.folder / "small", f"size={int(used * share)}") as mount:
                    result = place.run("create", "-p", mount / "e", name)
                    wrong = told(result, mount)
                    if result.seconds > 1:
                        wrong += f"took {result.seconds:.1f} s; "
                    if list(mount.iterdir()):
                        wrong += "something was left; "
                    match = re.search(r"needs about ([\d.]+) (\w+)", result.err)
                    if not match:
                        wrong += f"no estimate: {result.err[-300:]}"
                    else:
                        estimate = float(match.group(1)) * {"B": 1, "kB": 1e3, "KB": 1e3, "KiB": 1024, "MB": 1e6, "MiB": 1 << 20, "GB": 1e9, "GiB": 1 << 30}[match.group(2)]
                        if abs(estimate - used) > 0.1 * used:
                            wrong += f"estimate {estimate:.0f}, used {used}"
                    score.check(wrong, f"{name} with {share:.0%} of the space")
