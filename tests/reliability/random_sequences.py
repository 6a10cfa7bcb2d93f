#!/usr/bin/env python3
"""Random sequences of install, update, remove, rollback, variables and pins on a made channel.

    random_sequences.py [--sequences 200] [--steps 10] [--seed N]

After every step the environment is compared with one that is created afresh from the same records: same files, modes,
contents and link targets. After a rollback it is compared with what it was then, byte for byte, with the wishes, pins
and variables of then. The comparison shares no code with envtool. A failure prints the seed, which repeats it. Exit codes: 0 all
passed, 1 something did not.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))
from made_channel import Link, Package, Text, write_channel  # noqa: E402

ENVTOOL = os.environ.get("ENVTOOL", str(HERE.parent.parent / "build/test/envtool"))
NAMES = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen"]
VERSIONS = ["1.0", "1.1", "2.0", "3.0"]


def make_channel(folder, chance):
    """Packages that share paths, move files, turn files to links and folders, and depend on each other."""
    made = []
    for number, name in enumerate(NAMES):
        for version in VERSIONS:
            files = {f"share/{name}/data-{version}": f"{name} {version}", f"share/{name}/always": version,
                     f"bin/{name}": Text(f"#!{{prefix}}/bin/sh\necho {name} {version} {{prefix}}\n", chance.choice([0o755, 0o775, 0o744])),
                     f"etc/{name}.conf": Text(f"root={{prefix}}\nversion={version}\n", chance.choice([0o644, 0o600, 0o444]))}
            if chance.random() < 0.5:
                files[f"lib/{name}.so"] = Link(f"{name}.so.{version}")
                files[f"lib/{name}.so.{version}"] = bytes(chance.randrange(256) for _ in range(200))
            if chance.random() < 0.5:
                files["share/common/" + chance.choice("xyz")] = f"of {name} {version}"  # a path that several bring
            if chance.random() < 0.3:
                files["share/common/same"] = "the same for all"
            if chance.random() < 0.3:
                turning = f"share/turns/{name}"
                files[chance.choice([turning, turning + "/inner", turning + "/deep/er"])] = version
            depends = [chance.choice([other, f"{other} >={chance.choice(VERSIONS)}", f"{other} <{chance.choice(VERSIONS[1:])}"])
                       for other in NAMES[:number] if chance.random() < 0.25]
            made.append(Package(name, version, files, depends))
    return write_channel(folder, *made)


def tree(prefix):
    """Path to type, mode and content of everything that is no bookkeeping; byte for byte."""
    result = {}
    for folder, folders, files in os.walk(prefix):
        if folder == str(prefix) and "conda-meta" in folders:
            folders.remove("conda-meta")
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                entry = ("link", os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                entry = ("folder",)
            else:
                entry = ("file", stat.S_IMODE(status.st_mode), open(path, "rb").read())
            result[os.path.relpath(path, prefix)] = entry
    return result


def elsewhere(found, prefix):
    """The same tree as if it were at another place."""
    return {path: (*entry[:2], entry[2].replace(str(prefix).encode(), b"@PREFIX@")) if entry[0] == "file" else entry for path, entry in found.items()}


def difference(expected, actual):
    wrong = [f"missing: {path}" for path in sorted(expected.keys() - actual.keys())]
    wrong += [f"too much: {path}" for path in sorted(actual.keys() - expected.keys())]
    wrong += [f"{path}: {actual[path]!r:.200} instead of {expected[path]!r:.200}" for path in sorted(expected.keys() & actual.keys()) if expected[path] != actual[path]]
    return "; ".join(wrong[:4])


def records(prefix):
    return {document["name"]: document for document in (json.loads(path.read_text()) for path in (prefix / "conda-meta").glob("*.json"))}


@dataclasses.dataclass
class Revision:
    files: dict
    packages: dict
    wishes: dict
    pinned: object
    variables: object


class Failure(Exception):
    pass


class Sequence:
    def __init__(self, seed, steps, folder, cache):
        self.chance = random.Random(seed)
        self.steps = steps
        self.home = pathlib.Path(folder)
        self.channel = make_channel(self.home / "channel", self.chance)
        self.environ = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "ENVTOOL_ROOT_PREFIX": str(self.home / "root"), "LANG": "C.UTF-8",
                        "CONDA_PKGS_DIRS": str(cache), "ENVTOOL_DURABILITY": "fast"}
        self.prefix = self.home / "env"
        self.fresh = self.home / "fresh"
        self.revisions = []
        self.log = []

    def envtool(self, *arguments, allowed=(0,)):
        self.log.append(" ".join(map(str, arguments)))
        done = subprocess.run([ENVTOOL, *map(str, arguments)], env=self.environ, cwd=self.home, capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL)
        if done.returncode not in allowed:
            raise Failure(f"exit code {done.returncode}: {done.stdout}{done.stderr}")
        return done.returncode == 0

    def solving(self):
        return "-y", "-p", self.prefix, "-c", self.channel, "--override-channels"

    def spec(self, name=None):
        name = name or self.chance.choice(NAMES)
        return self.chance.choice([name, f"{name}={self.chance.choice(VERSIONS)}", f"{name}>={self.chance.choice(VERSIONS)}", f"{name}<{self.chance.choice(VERSIONS[1:])}"])

    def state(self):
        found = records(self.prefix)
        meta = self.prefix / "conda-meta"
        read = lambda path: path.read_text() if path.exists() else None  # noqa: E731
        variables = read(meta / "state")
        return Revision(tree(self.prefix), {name: (r["version"], r["build"], r["sha256"]) for name, r in found.items()},
                        {name: r["requested_specs"] for name, r in found.items()}, read(meta / "pinned"),
                        json.loads(variables)["env_vars"] if variables is not None else None)

    def blocks(self):
        text = (self.prefix / "conda-meta/history").read_text()
        return re.split(r"^==> .* <==$", text, flags=re.MULTILINE)[1:]

    def check(self, expected=None):
        """After a step: as a fresh environment, as then if there is a then, and the history says so, too."""
        state = self.state()
        names = list(records(self.prefix).values())
        listed = self.home / "explicit.txt"
        listed.write_text("@EXPLICIT\n" + "".join(f"{r['url']}#sha256:{r['sha256']}\n" for r in names))
        shutil.rmtree(self.fresh, ignore_errors=True)
        self.envtool("create", "-y", "-q", "-p", self.fresh, "-f", listed)
        wrong = difference(elsewhere(tree(self.fresh), self.fresh), elsewhere(self.without_mine(state.files), self.prefix))
        if wrong:
            raise Failure(f"not as a fresh environment: {wrong}")
        if state.files.get("share/mine", (None, None, None))[2] != b"mine":
            raise Failure("the user's file is gone")
        for name, record in records(self.fresh).items():
            ours = records(self.prefix)[name]
            for key in ("url", "sha256", "md5", "size", "depends", "files", "channel", "subdir", "fn"):
                if ours.get(key) != record.get(key) and not (key == "files" and sorted(ours[key]) == sorted(record[key])):
                    raise Failure(f"record of {name}: {key} is {ours.get(key)!r}, in a fresh environment {record.get(key)!r}")
        current = set()
        for block in self.blocks():
            lines = [line for line in block.split("\n") if line and line[0] in "+-"]
            current -= {line[1:] for line in lines if line[0] == "-"}
            current |= {line[1:] for line in lines if line[0] == "+"}
        if {line.split("::")[1] for line in current} != {f"{name}-{v}-{b}" for name, (v, b, _) in state.packages.items()}:
            raise Failure("the history says other packages are there")
        if expected is not None:
            for key in ("packages", "wishes", "pinned", "variables"):
                if getattr(state, key) != getattr(expected, key):
                    raise Failure(f"after the rollback {key} are {getattr(state, key)!r}, then they were {getattr(expected, key)!r}")
            if wrong := difference(expected.files, state.files):
                raise Failure(f"not as it was then: {wrong}")
        return state

    @staticmethod
    def without_mine(files):
        found = {path: entry for path, entry in files.items() if path != "share/mine"}
        if not any(path.startswith("share/") for path in found):
            found.pop("share", None)
        return found

    def note(self, state):
        count = len(self.blocks())
        if count == len(self.revisions) + 2:
            # What was done by hand (the pins) is a revision before the step's own.
            before = self.revisions[-1]
            self.revisions.append(dataclasses.replace(before, pinned=self.pinned_before))
        if count == len(self.revisions):
            return  # nothing was to be done
        if count != len(self.revisions) + 1:
            raise Failure(f"{count} revisions where {len(self.revisions) + 1} were expected")
        self.revisions.append(state)

    def run(self):
        self.envtool("create", "-y", "-q", "-p", self.prefix, "-c", self.channel, "--override-channels", *{self.spec() for _ in range(self.chance.randrange(1, 4))}, allowed=(0, 1)) \
            or self.envtool("create", "-y", "-q", "-p", self.prefix, "-c", self.channel, "--override-channels", "ant")
        (self.prefix / "share").mkdir(exist_ok=True)
        (self.prefix / "share/mine").write_text("mine")
        self.revisions.append(self.state())
        self.check()
        for _ in range(self.steps):
            self.step()

    def step(self):
        installed = sorted(records(self.prefix))
        before = self.state()
        self.pinned_before = before.pinned
        kind = self.chance.choices(["install", "update", "all", "remove", "rollback", "variables", "pin", "reinstall"], [6, 2, 1, 3, 6, 1, 1, 1])[0]
        expected, done = None, True
        if kind == "install":
            done = self.envtool("install", *self.solving(), "-q", *{self.spec() for _ in range(self.chance.randrange(1, 3))}, allowed=(0, 1))
        elif kind == "reinstall" and installed:
            done = self.envtool("install", *self.solving(), "-q", "--force-reinstall", self.chance.choice(installed), allowed=(0, 1))
        elif kind == "update" and installed:
            done = self.envtool("update", *self.solving(), "-q", self.chance.choice(installed), allowed=(0, 1))
        elif kind == "all":
            done = self.envtool("update", *self.solving(), "-q", "--all", allowed=(0, 1))
        elif kind == "remove" and installed:
            done = self.envtool("remove", "-y", "-q", "-p", self.prefix, *(["--prune"] if self.chance.random() < 0.3 else []), self.chance.choice(installed), allowed=(0, 1))
        elif kind == "rollback":
            number = self.chance.randrange(len(self.revisions))
            expected = self.revisions[number]
            self.envtool("rollback", "-y", "-q", "--offline", "-p", self.prefix, number)
        elif kind == "variables":
            self.envtool("env", "config", "vars", "set", "-p", self.prefix, f"{self.chance.choice('ABC')}={self.chance.randrange(1000)}")
        elif kind == "pin":
            (self.prefix / "conda-meta/pinned").write_text(f"{self.chance.choice(NAMES)} {self.chance.choice(['1.*', '<3', '>=1.1'])}\n")
            self.log.append("(a pin by hand)")
            return
        state = self.check(expected)
        if not done and (state.files, state.packages) != (before.files, before.packages):
            raise Failure("the command failed and changed something")
        self.note(state)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=200)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    first = options.seed if options.seed is not None else int(time.time() * 1000) % 1_000_000_000
    print(f"{options.sequences} sequences of {options.steps} steps from seed {first}")
    failures = rollbacks = commands = 0
    scratch = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    for seed in range(first, first + options.sequences):
        with tempfile.TemporaryDirectory(prefix="envtool-random-", dir=scratch) as folder:
            sequence = Sequence(seed, options.steps, folder, pathlib.Path(folder) / "pkgs")
            try:
                sequence.run()
            except Failure as failure:
                failures += 1
                print(f"seed {seed} FAILED: {failure}\n  " + "\n  ".join(sequence.log), flush=True)
            rollbacks += sum(line.startswith("rollback") for line in sequence.log)
            commands += len(sequence.log)
    print(f"{options.sequences - failures} of {options.sequences} sequences passed ({commands} commands, {rollbacks} rollbacks)")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
