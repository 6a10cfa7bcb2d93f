"""Says what state an environment is in. Shares no code with envtool: reads files, hashes, JSON.

    oracle.py PREFIX     prints the manifest and what does not agree; exit code 1 when something does not
"""
import hashlib
import json
import os
import pathlib
import re
import stat
import sys

# What envtool keeps for itself; parked files belong to packages and count.
BOOKKEEPING = "conda-meta/.envtool"
PARKED = BOOKKEEPING + "/parked/"
# Names with something random in them, made the same.
SAVED = re.compile(r"\.envtool-saved-[0-9a-f]+(-\d+)?")
TIME = re.compile(r"^==> .* <==$", re.MULTILINE)
# Another version of the tool writes another line, another command another one: not the packages' state.
VARYING = re.compile(r"^# (cmd|envtool version): .*\n", re.MULTILINE)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entries(folder):
    """Every path below a folder with its status, symlinks not followed."""
    pending = [""]
    while pending:
        below = pending.pop()
        with os.scandir(os.path.join(folder, below)) as found:
            for item in found:
                path = os.path.join(below, item.name)
                yield path, item.stat(follow_symlinks=False)
                if item.is_dir(follow_symlinks=False):
                    pending.append(path)


def describe(folder, path, status):
    """Type, mode and content of one path."""
    if stat.S_ISLNK(status.st_mode):
        return ("link", os.readlink(os.path.join(folder, path)))
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return ("directory", mode)
    if not stat.S_ISREG(status.st_mode):
        return ("other", mode)
    with open(os.path.join(folder, path), "rb") as file:
        return ("file", mode, sha256(file.read()))


def tree(folder) -> dict:
    """Every path of any folder."""
    return {path: describe(folder, path, status) for path, status in entries(str(folder))}


def manifest(prefix):
    """Every path of an environment without envtool's own bookkeeping; None when it is not there. The history counts
    without its times, records count as what they say."""
    prefix = str(prefix)
    if not os.path.lexists(prefix):
        return None
    result = {}
    for path, status in entries(prefix):
        if path == f"{BOOKKEEPING}/generation":
            entry = ("generation", pathlib.Path(prefix, path).read_text())
            result[path] = entry
            continue
        if path == BOOKKEEPING or path.startswith(BOOKKEEPING + "/") and not path.startswith(PARKED):
            continue
        if path == "conda-meta/last_activated":
            continue
        # Byte code holds times; that it is there is what counts.
        if path.endswith(".pyc") and stat.S_ISREG(status.st_mode):
            entry = ("byte code",)
        elif path == "conda-meta/history" and stat.S_ISREG(status.st_mode):
            text = pathlib.Path(prefix, path).read_text()
            entry = ("history", stat.S_IMODE(status.st_mode), VARYING.sub("", TIME.sub("==>", text)))
        elif path.startswith("conda-meta/") and path.endswith(".json") and stat.S_ISREG(status.st_mode):
            entry = ("record", stat.S_IMODE(status.st_mode), sha256(canonical(pathlib.Path(prefix, path).read_text())))
        else:
            entry = describe(prefix, path, status)
        key, number = SAVED.sub(".envtool-saved", path), 1
        while key in result:
            number += 1
            key = SAVED.sub(f".envtool-saved~{number}", path)
        result[key] = entry
    return result


def canonical(text: str) -> bytes:
    try:
        return json.dumps(json.loads(text), sort_keys=True).encode()
    except ValueError:
        return b"no JSON: " + text.encode()


def difference(first, second, limit=6) -> str:
    """What differs between two manifests; empty when nothing does."""
    if first is None or second is None:
        return "" if first == second else f"{'absent' if first is None else 'present'} instead of {'absent' if second is None else 'present'}"
    parts = [f"{path}: {first.get(path)} != {second.get(path)}" for path in sorted({*first, *second}) if first.get(path) != second.get(path)]
    return "; ".join(parts[:limit]) + (f"; and {len(parts) - limit} more" if len(parts) > limit else "")


def packages_only(state):
    """A manifest without conda-meta: the packages' and the user's files."""
    return None if state is None else {path: entry for path, entry in state.items() if path.split("/")[0] != "conda-meta"}


def records(prefix) -> dict:
    """The records by `name-version-build`."""
    found = {}
    for path in sorted(pathlib.Path(prefix, "conda-meta").glob("*.json")):
        found[path.name[:-len(".json")]] = json.loads(path.read_text())
    return found


def history_state(prefix) -> set:
    """The packages that are installed according to the history alone."""
    installed = set()
    for line in pathlib.Path(prefix, "conda-meta/history").read_text().splitlines():
        if line.startswith("+"):
            installed.add(line[1:].rsplit("::", 1)[-1])
        elif line.startswith("-"):
            installed.discard(line[1:].rsplit("::", 1)[-1])
    return installed


def disagreements(prefix, edited=()) -> list:
    """What does not fit together in an environment: history, records, generation, files (but those that the user `edited`)."""
    prefix = pathlib.Path(prefix)
    wrong = []
    try:
        known = records(prefix)
    except ValueError as error:
        return [f"a record is no JSON: {error}"]
    for dist, record in known.items():
        if "-".join((record["name"], record["version"], record["build"])) != dist:
            wrong.append(f"{dist}.json is the record of another package")
    names = [record["name"] for record in known.values()]
    wrong += [f"two records of {name}" for name in sorted({name for name in names if names.count(name) > 1})]
    if history_state(prefix) != set(known):
        wrong.append(f"history {sorted(history_state(prefix))} and records {sorted(known)} differ")
    generation = prefix / BOOKKEEPING / "generation"
    if not generation.exists() or not generation.read_text().strip().isdigit():
        wrong.append("there is no generation number")
    revisions = prefix / BOOKKEEPING / "revisions"
    blocks = len(TIME.findall((prefix / "conda-meta/history").read_text()))
    if revisions.is_dir():
        for path in sorted(revisions.iterdir()):
            if not path.stem.isdigit() or int(path.stem) >= blocks:
                wrong.append(f"revision {path.name} with {blocks} changes in the history")
            else:
                json.loads(path.read_text())
        if blocks and not (revisions / f"{blocks - 1}.json").exists():
            wrong.append(f"the last of {blocks} changes has no revision")
    parked = {name for name in os.listdir(prefix / PARKED)} if (prefix / PARKED).is_dir() else set()
    owners = {}
    for dist, record in known.items():
        for entry in record.get("paths_data", {}).get("paths", []):
            owners.setdefault(entry["_path"], []).append((dist, entry))
        for path in record["files"]:
            if not os.path.lexists(prefix / path):
                wrong.append(f"{path} of {dist} is missing")
    for path, claims in owners.items():
        place = prefix / path
        if not place.is_file() or place.is_symlink() or path in edited:
            continue
        digests = {entry["sha256_in_prefix"] for _, entry in claims if entry.get("sha256_in_prefix")}
        if digests and sha256(place.read_bytes()) not in digests:
            wrong.append(f"{path} has other content than any of its records says")
        elif len(digests) > 1:
            wrong.append(f"the records of {path} name {len(digests)} contents ({', '.join(dist for dist, _ in claims)})")
    if len(parked) > sum(len(claims) - 1 for claims in owners.values()):
        wrong.append(f"{len(parked)} parked files are more than packages share paths")
    return wrong


def unknown_files(prefix, users=()) -> list:
    """Files that neither a package, nor byte code of one, nor the user (`users`) explains."""
    prefix = pathlib.Path(prefix)
    known = set(users)
    for record in records(prefix).values():
        known.update(record["files"])
    result = []
    for path, status in entries(str(prefix)):
        if path.startswith("conda-meta") or stat.S_ISDIR(status.st_mode) or path in known or SAVED.search(path):
            continue
        if not (path.endswith(".pyc") and "__pycache__/" in path):
            result.append(path)
    return sorted(result)


def leftovers(*folders, downloads=False) -> list:
    """Temporary files and folders of envtool, wherever below the folders: next to environments, in conda-meta, in caches.
    `downloads`: parts of downloads are there to go on with."""
    left = []
    for folder in folders:
        if not os.path.lexists(folder):
            continue
        for path, status in entries(str(folder)):
            name = os.path.basename(path)
            if ".envtool-" in name and name != ".envtool-manifest" and not SAVED.search(name):
                left.append(path)
            elif name.endswith((".part", ".part.info")) and not downloads or name.endswith(".tmp") and stat.S_ISREG(status.st_mode):
                left.append(path)
            elif f"{BOOKKEEPING}/tx" in path or f"{BOOKKEEPING}/staged" in path or path.split("/")[-2:-1] == [".tmp"]:
                left.append(path)
    return sorted(left)


def broken_cache_entries(cache, good: dict) -> list:
    """Packages of a cache that show and are not exactly the good ones (name to tree)."""
    wrong = []
    for name, expected in good.items():
        place = pathlib.Path(cache, name)
        if not place.is_dir():
            continue
        found = {path: entry for path, entry in tree(place).items() if path not in ("info/.envtool-manifest", "info/repodata_record.json")}
        if found != expected:
            wrong.append(f"{name}: {difference(expected, found, 2)}")
    return wrong


def main():
    prefix = sys.argv[1]
    for path, entry in sorted((manifest(prefix) or {}).items()):
        print(path, *(part if not isinstance(part, str) or "\n" not in part else repr(part) for part in entry))
    wrong = disagreements(prefix) + [f"left over: {path}" for path in leftovers(prefix)]
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
