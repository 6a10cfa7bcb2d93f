"""C01-C07, C11, C12, C14: killed, stopped and signalled at every step."""
import os
import resource
import signal
import time

import oracle
from harness import (CHANGING, ENVTOOL, KILLED, NEW_SPECS, OLD_SPECS, ChannelServer, Made, Place, Story, Text, children_of, fake_python,
                     Skip, has_strace, need_fail_points, need_strace, remove)

BIG = Made("big", "1", {f"share/big/{i % 15}/{i}": f"file {i}\n" for i in range(300)})


class Sweep:
    """Breaks a command at one place after the other and looks what is left after one ordinary command."""

    def __init__(self, tier, score, story, agreement=None, users=None, cold=False):
        self.tier, self.score, self.story, self.cold = tier, score, story, cold
        # The states are looked at for C11 and C12, too.
        self.agreement, self.users = agreement, users
        self.states = {"old": 0, "new": 0}

    def reset(self):
        self.story.restore()
        if self.cold:
            remove(self.story.cache)

    def settle(self, what):
        """One ordinary follow-up command, then the verdict; the name of the state."""
        story = self.story
        results = {name: story.run("list", "-n", name) for name in story.about}
        state, wrong = story.judge()
        if state is not None:
            self.states[state] += 1
        for name, result in results.items():
            if result.code != (0 if (story.envs / name).exists() else 1):
                wrong += f"; `list` says {result}"
        beside = [path for path in oracle.leftovers(story.envs) if path.split("/")[0] not in story.about]
        if beside:
            wrong += f"; left beside it: {beside[:3]}"
        self.score.check(wrong, what)
        if self.agreement is not None and story.state() is not None:
            self.agreement.check("; ".join(story.disagreements()), what)
        if self.users is not None and story.has_user_files:
            self.users.check(story.lost_user_files(state), what)
        return state

    def again(self, what):
        """The command once more gives the new state, and nothing is left anywhere."""
        story = self.story
        result = story.run(*story.arguments)
        wrong = "" if result.code == 0 else f"not done on the second try: {result}"
        if story.which() != "new":
            wrong += "; " + story.which()
        left = story.leftovers()
        if left:
            wrong += f"; left over: {left[:5]}"
        self.score.check(wrong, what + ", then the same command again")

    def points(self, step=10, again_every=5, action="kill"):
        """Killed at fail points. Gives the number of points that there are."""
        tried = 0
        for number in self.tier.points(step=step):
            self.reset()
            result = self.story.run(*self.story.arguments, fault=f"any:{number}:{action}")
            if result.code == 0:
                return number
            if result.code != (KILLED if action == "kill" else -getattr(signal, action)):
                self.score.check(f"ended by itself: {result}", f"{self.story.name} at point {number}")
            state = self.settle(f"{self.story.name} killed at point {number}")
            tried += 1
            # What is done already cannot be asked for again; `create` and `create --force` can.
            if tried % again_every == 0 and (state == "old" or self.story.name == "replace" or (self.story.name == "create" and not self.cold)):
                self.again(f"{self.story.name} killed at point {number}")
        return None

    def calls(self, step=10, full_step=1):
        """Killed at the system calls themselves, each kind for itself; no help of the binary is needed. (strace counts the calls
        of each thread for itself; its `--seccomp-bpf` would lose injections.)"""
        kills = 0
        for call in (*CHANGING, "openat", "close"):
            for number in self.tier.points(step=step, full_step=full_step * (3 if call in ("openat", "close") else 1)):
                self.reset()
                result = self.story.run(*self.story.arguments,
                                        prefix=("strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"))
                if result.code == 0:
                    break
                kills += 1
                self.settle(f"{self.story.name} killed at {call} {number}")
        self.score.check("" if kills > 3 else f"strace killed {kills} times only", f"{self.story.name}: kills by strace")
        self.score.note(f"{self.story.name}: {kills} kills at system calls")

    def covered(self, outside=()):
        """Every call that changes something at the environments has a fail point of its own right before it."""
        if not has_strace():
            self.score.note("no strace: whether the fail points cover all calls was not looked at")
            return
        self.reset()
        trace, result = self.story.trace(*self.story.arguments)
        assert result.code == 0, result
        waiting, bare, count = {}, [], 0
        for call in trace:
            if call.is_mark:
                waiting[call.thread] = call.text
                continue
            if "/envs/" not in call.text:
                continue
            count += 1
            # A lock file is made and written behind one point; it is no part of the environment's state.
            if waiting.pop(call.thread, None) is None and ".envtool/lock" not in call.text:
                bare.append(f"{call.name}({call.text[:120]}")
        self.score.check(f"{len(bare)} of {count} calls have no fail point: {bare[:4]}" if bare else "", f"{self.story.name}: coverage by fail points")
        self.score.note(f"{self.story.name}: {count} calls at the environment, {len([c for c in trace if c.is_mark])} points")


def c01(tier, score, **scores):
    """kill -9 at every step of `create` (300 files), warm and cold cache"""
    need_fail_points()
    for cold in (False, True):
        with Story("create", extra=(BIG,)) as story:
            sweep = Sweep(tier, score, story, scores["agreement"], scores["users"], cold)
            if not cold:
                sweep.covered()
            sweep.points(step=14 if cold else 10)
            if not tier.full or sweep.states["old"] < 2:
                score.check("" if sweep.states["old"] else "the environment was never absent", "outcomes of create")
    if has_strace() and tier.full:
        with Story("create", extra=(BIG,)) as story:
            Sweep(tier, score, story, cold=True).calls(full_step=4)


def c02(tier, score, **scores):
    """kill -9 at every step of `install` of three packages (text, binary, links, folders, conflicts)"""
    need_fail_points()
    with Story("update") as story:
        sweep = Sweep(tier, score, story, scores["agreement"], scores["users"])
        sweep.covered()
        sweep.points(step=5)
        score.check("" if all(sweep.states.values()) else f"only one of the states came up: {sweep.states}", "outcomes")
    if has_strace():
        with Story("update") as story:
            Sweep(tier, score, story, scores["agreement"], scores["users"]).calls(step=40)
    else:
        score.note("no strace: system calls were not looked at")


def c03(tier, score, **scores):
    """kill -9 at every step of `remove`, `remove --all`, `env remove`, `create --force`, `rename`, `create --clone`, `rollback`"""
    need_fail_points()
    for name in ("remove", "remove-all", "env-remove", "replace", "rename", "clone", "rollback"):
        with Story(name) as story:
            sweep = Sweep(tier, score, story, scores["agreement"], scores["users"])
            sweep.covered()
            sweep.points(step=8)
            if tier.full and has_strace():
                sweep.calls()


def c04(tier, score, **_):
    """killed again while recovering, three levels deep"""
    need_fail_points()
    with Story("update") as story:
        total = len(story.marks(*story.arguments)) if has_strace() else 250
        story.restore()
        pairs = 0
        for first in tier.points(step=41, full_step=3):
            story.restore()
            if story.run(*story.arguments, fault=f"any:{first}:kill").code != KILLED:
                break
            story.save("pending")
            for second in tier.points(step=31, full_step=7):
                # Every other time as a copy, with other inode numbers than the journal has.
                copied = pairs % 2 == 1
                story.restore("pending" if copied else "old")
                if not copied:
                    story.run(*story.arguments, fault=f"any:{first}:kill")
                if story.run("list", "-n", "e", fault=f"any:{second}:kill").code != KILLED:
                    break
                third = 1 + (first * 7 + second * 3) % 23
                deeper = story.run("list", "-n", "e", fault=f"any:{third}:kill").code == KILLED
                story.run("list", "-n", "e")
                state, wrong = story.judge()
                score.check(wrong, f"killed at {first}, recovery at {second}{f' and {third}' if deeper else ''}{' in a copy' if copied else ''}")
                pairs += 1
        score.note(f"{pairs} pairs over {total} points")


def c05(tier, score, **_):
    """after a kill ask for the old spec, then for the new one"""
    need_fail_points()
    with Story("update", user_files=False) as story:
        story.run("install", "-n", "e", *NEW_SPECS, code=0)
        story.run("install", "-n", "e", *OLD_SPECS, code=0)
        wanted = {"old": oracle.packages_only(story.state())}
        assert wanted["old"] == oracle.packages_only(story.old), oracle.difference(wanted["old"], oracle.packages_only(story.old))
        wanted["new"] = oracle.packages_only(story.new)
        for number in tier.points(step=12):
            for goal, specs in (("old", OLD_SPECS), ("new", NEW_SPECS)):
                story.restore()
                result = story.run(*story.arguments, fault=f"any:{number}:kill")
                if result.code != KILLED:
                    return
                story.run("install", "-n", "e", *specs, code=0)
                wrong = oracle.difference(wanted[goal], oracle.packages_only(story.state()))
                if not wrong and story.disagreements():
                    wrong = "; ".join(story.disagreements())
                score.check(wrong, f"killed at {number}, then asked for the {goal} spec")


def c06(tier, score, **_):
    """SIGINT, SIGTERM, SIGHUP, SIGPIPE at each fail point: exit code, at most 2 s, no orphans, a second Ctrl-C"""
    need_fail_points()
    python = fake_python()
    module = Made("mod", "1", {"site-packages/mod.py": "x = 1\n", **{f"site-packages/mod{i}.py": f"x = {i}\n" for i in range(5)}},
                  extra={"noarch": "python"}, depends=["python"])
    codes = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129, "SIGPIPE": None}
    for name, extra in (("create", (python, module)), ("update", ())):
        with Story(name, extra=extra) as story:
            for kind, code in codes.items():
                for again in ((False, True) if kind == "SIGINT" else (False,)):
                    for number in tier.points(step=29 if name == "create" else 23, full_step=3 if kind == "SIGINT" else 9):
                        story.restore()
                        # Every later point sends the signal again: an impatient user.
                        fault = f"any:{number}{'+' if again else ''}:{kind}"
                        started = time.monotonic()
                        process = story.start(*story.arguments, fault=fault, start_new_session=True)
                        out, err = process.communicate(timeout=60)
                        seconds = time.monotonic() - started
                        wrong = ""
                        if seconds > 2:
                            wrong += f"took {seconds:.1f} s; "
                        left = children_of(process.pid)
                        if left:
                            wrong += f"orphans {left}; "
                        direct = story.which() if not (story.env / "conda-meta/.envtool/tx").exists() else "pending"
                        # Too late to stop is done; anything else says so by the signal's code.
                        if process.returncode == 0:
                            wrong += "" if direct == "new" else f"exit code 0, and {direct}; "
                        elif process.returncode != code:
                            wrong += f"exit code {process.returncode} instead of {code}: {err[-300:]}; "
                        elif direct != "old":
                            wrong += f"exit code {code}, and {direct[:300]}; "
                        story.run("list", "-n", "e")
                        wrong += story.judge()[1]
                        if oracle.leftovers(story.envs):
                            wrong += f"; left over {oracle.leftovers(story.envs)[:3]}"
                        score.check(wrong, f"{name}, {kind} at point {number}{' and at all later ones' if again else ''}")
                        # Sent after the last point: the whole command ran.
                        if fault_is_late(story, number):
                            break


_totals = {}


def fault_is_late(story, number):
    """True when a command has fewer points than this."""
    if story not in _totals:
        if has_strace():
            story.restore()
            _totals[story] = len(story.marks(*story.arguments))
        else:
            _totals[story] = 400
    return number >= _totals[story]


def c07(tier, score, **_):
    """killed during download and extraction: nothing half-made shows in the cache, the next run goes on"""
    need_fail_points()
    files = {f"share/p/{i}": os.urandom(20_000) for i in range(40)}
    with Place() as place:
        place.make_channel(Made("p", "1", files), Made("q", "1", {"share/q": Text("{prefix}"), "share/l": "x"}))
        with ChannelServer(place.channel) as server:
            command = ("create", "-n", "e", "p", "q", "-c", server.url, "--override-channels")
            place.run(*command, code=0)
            new = place.state()
            good = {name: {path: entry for path, entry in oracle.tree(place.cache / name).items()
                           if path not in ("info/.envtool-manifest", "info/repodata_record.json")} for name in ("p-1-0", "q-1-0")}
            size = len((place.channel / "noarch/p-1-0.tar.bz2").read_bytes())

            def next_run(what, at_most=None):
                before = server.sent.get("/noarch/p-1-0.tar.bz2", 0)
                wrong = "; ".join(oracle.broken_cache_entries(place.cache, good))
                result = place.run(*command)
                if result.code != 0 or place.state() != new:
                    wrong += f"; the next run: {result} {oracle.difference(new, place.state())}"
                wrong += "; ".join(oracle.broken_cache_entries(place.cache, good))
                left = place.leftovers()
                if left:
                    wrong += f"; left over: {left[:4]}"
                again = server.sent.get("/noarch/p-1-0.tar.bz2", 0) - before
                if at_most is not None and again > at_most:
                    wrong += f"; {again} bytes were sent again, {at_most} would do"
                score.check(wrong, what)

            def clear():
                remove(place.root)
                remove(place.home / ".conda")

            # Extraction, and all else: every point of a cold run.
            for number in tier.points(step=20):
                clear()
                if place.run(*command, fault=f"any:{number}:kill").code != KILLED:
                    break
                next_run(f"killed at point {number}")
            place.run("clean", "--all", "-y", code=0)
            score.check("; ".join(oracle.leftovers(place.home)), "`clean` takes all leftovers away")
            # The download: killed when a part of it has come.
            chunk = 128 * 1024
            for share in tier.some([0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97], 2):
                clear()
                server.rate = 2_000_000
                process = place.start(*command)
                deadline = time.monotonic() + 30
                part = 0
                while time.monotonic() < deadline and process.poll() is None:
                    part = max((path.stat().st_size for path in place.cache.rglob("*.part*") if path.name.startswith("p-1-0") and "info" not in path.suffix), default=0)
                    if part >= share * size:
                        break
                    time.sleep(0.005)
                process.kill()
                process.communicate()
                server.rate = None
                time.sleep(0.3)  # what the server has in its hands is still counted
                have = max((path.stat().st_size for path in place.cache.rglob("*.part*") if path.name.startswith("p-1-0")), default=0)
                next_run(f"killed at {share:.0%} of the download", size - have + chunk)


def c12(tier, score, **_):
    """the user's files, also those that appear while a change is under way (on top of all sweeps of C01-C03)"""
    need_fail_points()
    with Story("update") as story:
        total = len(story.marks(*story.arguments)) if has_strace() else 250
        targets = {"share/comes/deep/down": "new file in the way", "bin/alpha": "replaced by the user", "turns/to-file/mine": "in a folder that goes",
                   "share/beta/data": "edited meanwhile", "bin/gone": "edited as it goes", "share/beta/more": "edited, and it goes"}
        for number in tier.points(first=total // 3, step=23, full_step=2):
            if number >= total:
                break
            for path, text in tier.some(targets.items(), 2):
                story.restore()
                process = story.start(*story.arguments, fault=f"any:{number}:SIGSTOP")
                _, status = os.waitpid(process.pid, os.WUNTRACED)
                if not os.WIFSTOPPED(status):
                    process.returncode = os.waitstatus_to_exitcode(status)
                    process.communicate()
                    continue  # it had fewer points this time
                place = story.env / path
                try:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.unlink(missing_ok=True)
                    place.write_text(text)
                except OSError:
                    os.kill(process.pid, signal.SIGCONT)
                    process.communicate()
                    continue  # at this moment the path cannot have a file
                os.kill(process.pid, signal.SIGCONT)
                out, err = process.communicate(timeout=60)
                story.run("list", "-n", "e")
                found = [p for p, s in oracle.entries(str(story.env)) if (story.env / p).is_file() and not (story.env / p).is_symlink()
                         and (story.env / p).read_bytes() == text.encode()]
                wrong = "" if any(oracle.SAVED.sub("", p) == path or p.startswith("turns/to-file.") for p in found) else f"the file of the user is gone (found: {found}; exit code {process.returncode}; {err[-200:]})"
                state = "new" if "alpha-2-0" in oracle.records(story.env) else "old"
                if process.returncode == 0 and state != "new":
                    wrong += "; exit code 0, and the old packages"
                score.check(wrong, f"`{path}` written at point {number}")


def c14(tier, score, **_):
    """abort() at each point, and memory that runs out"""
    need_fail_points()
    with Story("update") as story:
        sweep = Sweep(tier, score, story)
        sweep.points(step=14, action="SIGABRT")
        # From far too little to enough.
        for megabytes in tier.some(range(20, 420, 8), 8):
            story.restore()
            limit = megabytes << 20
            story.run(*story.arguments, preexec_fn=lambda: (resource.setrlimit(resource.RLIMIT_AS, (limit, limit)), resource.setrlimit(resource.RLIMIT_CORE, (0, 0))))
            sweep.settle(f"update with {megabytes} MiB of address space")


def c11(tier, score, **_):
    """`rollback` to each of 20 revisions gives that revision's files again (on top of all states of C01-C03)"""
    with Place() as place:
        if place.run("rollback", "--help").code != 0:
            raise Skip("there is no `rollback`")
        names = "abcd"
        place.make_channel(*(Made(name, version, {f"share/{name}": version, "lib/both": f"{name} {version}", f"etc/{name}": Text("{prefix} " + version)})
                             for name in names for version in "123"))
        place.run("create", "-n", "e", "a=1", code=0)
        states = [oracle.packages_only(place.state())]
        for number in range(24):
            name = names[number % 4]
            if number % 5 == 4:
                place.run("remove", "-n", "e", sorted(record["name"] for record in oracle.records(place.env).values())[0], code=0)
            else:
                place.run("install", "-n", "e", f"{name}={1 + (number + number // 4) % 3}")
            now = oracle.packages_only(place.state())
            if now != states[-1]:
                states.append(now)
        place.save("all")
        for number, state in enumerate(states):
            place.restore("all")
            result = place.run("rollback", "-n", "e", str(number))
            wrong = "" if result.code == 0 or number == len(states) - 1 else repr(result)
            wrong += oracle.difference(state, oracle.packages_only(place.state())) + "; ".join(oracle.disagreements(place.env))
            score.check(wrong, f"rollback to revision {number} of {len(states) - 1}")
        score.note(f"{len(states)} revisions")
        # One after the other, without going back to the newest in between.
        place.restore("all")
        for number in tier.some(list(range(len(states))), 6)[::-1]:
            place.run("rollback", "-n", "e", str(number))
            score.check(oracle.difference(states[number], oracle.packages_only(place.state())), f"rollback after rollback, to {number}")
