"""O01-O05, O07, A04: whose a path is, in every order; what the user and pip have; scripts of packages."""
import itertools
import os
import random

import oracle
from harness import PLACEHOLDER, Binary, Link, Made, Place, Skip, Text, fake_python, remove


def contested():
    """Three packages that fight over paths, share some, and have some to themselves."""
    return [Made(name, "1", {"bin/tool": f"{name}'s tool\n", "share/same": "the same", f"share/{name}/own": name, "etc/conf": Text(f"{{prefix}} of {name}\n"),
                             **({"lib/two": name} if name != "c" else {}), **({"lib/link": Link(f"to-{name}")} if name != "b" else {"lib/link": "b has a file"})})
            for name in "abc"]


def o01(tier, score, **_):
    """two packages, one path: the policy decides, the same way every time; identical content is shared"""
    with Place() as place:
        place.make_channel(*contested())
        states = set()
        for attempt in range(100 if tier.full else 8):
            remove(place.env)
            order = list("abc")
            random.Random(tier.seed + attempt).shuffle(order)
            result = place.run("create", "-n", "e", *order)
            if result.code != 0:
                score.check(repr(result), f"create {order}")
                continue
            state = {path: entry for path, entry in place.state().items() if not path.startswith("conda-meta/history")}
            states.add(repr(sorted(state.items())))
            said = "share/same" not in result.err and all(path in result.err for path in ("bin/tool", "etc/conf", "lib/two", "lib/link"))
            score.check("; ".join(oracle.disagreements(place.env)) + ("" if len(states) == 1 else "; another result than before")
                        + ("" if said else f"; not said: {result.err[-400:]}"), f"create {order}, attempt {attempt}")
        for policy, code in (("prevent", 1), ("warn", 0), ("clobber", 0)):
            for packages in (("a", "b"), ("a", "b", "c")):
                remove(place.env)
                (place.home / ".condarc").write_text(f"path_conflict: {policy}\n")
                result = place.run("create", "-n", "e", *packages)
                wrong = "" if result.code == code else repr(result)
                if code == 1 and (place.env.exists() or oracle.leftovers(place.envs)):
                    wrong += "; something is there"
                score.check(wrong, f"path_conflict: {policy}, {packages}")
        (place.home / ".condarc").unlink()


def o02(tier, score, **_):
    """three packages installed in all 6 orders and removed in all 6: one tree for each set, and nothing in the end"""
    with Place() as place:
        place.make_channel(*contested(), Made("base", "1", {"share/base": "x"}))
        reference = {}

        def look(installed, what):
            key = tuple(sorted(installed))
            state = {path: entry for path, entry in place.state().items() if not path.startswith(("conda-meta/history", "conda-meta/.envtool"))}
            parked = sorted(entry for path, entry in place.state().items() if path.startswith(oracle.PARKED))
            # What was asked for by name is in the records, and differs by design.
            state = {path: entry for path, entry in state.items() if not path.startswith("conda-meta/")}
            digests = {dist: {entry["_path"]: entry.get("sha256_in_prefix") for entry in record["paths_data"]["paths"]}
                       for dist, record in oracle.records(place.env).items()}
            now = (state, parked, digests)
            first = reference.setdefault(key, now)
            wrong = "; ".join(oracle.disagreements(place.env))
            if now != first:
                wrong += "; another state than by another way: " + oracle.difference(first[0], now[0]) + f" parked {len(first[1])}/{len(parked)}"
                if first[2] != digests:
                    wrong += "; records: " + repr([(d, p) for d in digests for p in digests[d] if first[2].get(d, {}).get(p) != digests[d][p]][:4])
            saved = [path for path in state if ".envtool-saved" in path]
            if saved:
                wrong += f"; saved: {saved}"
            score.check(wrong, what)

        place.run("create", "-n", "e", "base", code=0)
        place.save("base")
        orders = list(itertools.permutations("abc"))
        for inn in tier.some(orders, 3):
            place.restore("base")
            for count, name in enumerate(inn, 1):
                place.run("install", "-n", "e", name, code=0)
                look(inn[:count], f"installed {' '.join(inn[:count])}")
            place.save("all")
            for out in tier.some(orders, 3):
                place.restore("all")
                for count, name in enumerate(out, 1):
                    place.run("remove", "-n", "e", name, code=0)
                    look(set("abc") - set(out[:count]), f"installed {' '.join(inn)}, removed {' '.join(out[:count])}")


KINDS = {"absent": None, "file": "content", "other file": "other content", "link": Link("somewhere"), "folder": {"inner": "in it"}, "text": Text("{prefix}/x")}


def files_of(kind, at):
    content = KINDS[kind]
    if content is None:
        return {}
    return {f"{at}/{name}": text for name, text in content.items()} if isinstance(content, dict) else {at: content}


def o03(tier, score, **_):
    """a path changes its owner, its kind, or both, in one update"""
    with Place() as place:
        cases = [(before, after, moves) for before in KINDS for after in KINDS for moves in (False, True) if before != after or moves]
        packages = [Made("zz", "1", {"share/zz": "z"})]
        for number, (before, after, moves) in enumerate(cases):
            # The one package has the path before, the same or another one has it afterwards.
            for version, kind in (("1", before), ("2", after)):
                for name in "xy":
                    has = name == ("y" if moves and version == "2" else "x")
                    packages.append(Made(f"{name}{number}", version, {f"share/{name}{number}/own": version, **(files_of(kind, f"lib/p{number}") if has else {})}))
        place.make_channel(*packages)
        for number, (before, after, moves) in tier.some(list(enumerate(cases)), 14):
            remove(place.envs)
            names = (f"x{number}", f"y{number}")
            for first, second in (("1", "2"), ("2", "1")):
                remove(place.envs)
                place.run("create", "-n", "e", *(f"{name}={second}" for name in names), code=0)
                wanted = oracle.packages_only(place.state())
                remove(place.envs)
                place.run("create", "-n", "e", *(f"{name}={first}" for name in names), code=0)
                result = place.run("install", "-n", "e", *(f"{name}={second}" for name in names))
                wrong = "" if result.code == 0 else repr(result)
                wrong += oracle.difference(wanted, oracle.packages_only(place.state())) + "; ".join(oracle.disagreements(place.env))
                if "several packages" in result.err:
                    wrong += "; a conflict was said"
                score.check(wrong, f"{before} to {after}{' of another package' if moves else ''}, {first} to {second}")


def o04(tier, score, **_):
    """what no package owns, or the user changed, stands in the way: it is kept under another name, and nothing is lost"""
    mine = {"file": lambda p: p.write_text("mine"), "empty file": lambda p: p.touch(), "link": lambda p: p.symlink_to("mine"), "loose link": lambda p: p.symlink_to("/nonexistent/mine"),
            "link to a folder": lambda p: p.symlink_to("/usr/share"), "folder": lambda p: (p.mkdir(), (p / "mine").write_text("mine")), "empty folder": lambda p: p.mkdir(),
            "fifo": lambda p: os.mkfifo(p), "read-only file": lambda p: (p.write_text("mine"), p.chmod(0o400))}
    theirs = {"file": "theirs", "text": Text("{prefix}"), "link": Link("theirs"), "below": {"one": "1", "two": "2"}}
    with Place() as place:
        packages = [Made("base", "1", {"share/base": "x"})]
        for name, content in theirs.items():
            files = {f"lib/at/{k}": v for k, v in content.items()} if isinstance(content, dict) else {"lib/at": content}
            packages.append(Made(f"t-{name}", "1", files))
            packages.append(Made(f"t-{name}", "2", {"share/nothing": "x"}))
        place.make_channel(*packages)
        place.run("create", "-n", "e", "base", code=0)
        place.save("base")
        for their, put in itertools.product(theirs, mine):
            place.restore("base")
            at = place.env / "lib/at"
            at.parent.mkdir()
            mine[put](at)
            before = oracle.describe(place.env, "lib/at", os.lstat(at))
            inner = (at / "mine").exists() and put == "folder"
            result = place.run("install", "-n", "e", f"t-{their}=1")
            wrong = "" if result.code in (0, 1) else repr(result)
            now = {path: entry for path, entry in place.state().items()}
            same = [path for path, entry in now.items() if entry == before and (path == "lib/at" or path.startswith("lib/at.envtool-saved"))]
            if put == "empty folder" or (their == "below" and put in ("folder", "link to a folder")):
                same = same or ["merged"]
            if not same:
                wrong += f"; the {put} is gone: {sorted(path for path in now if path.startswith('lib'))} {result.err[-200:]}"
            if inner and not [path for path in now if path.endswith("/mine")]:
                wrong += "; what was in the folder is gone"
            if result.code == 0:
                wrong += "; ".join(oracle.disagreements(place.env))
            score.check(wrong, f"a {put} where a package has {their}")
        # Changed by the user, then updated, removed, or reinstalled.
        for their, change, command in itertools.product(("file", "text"), ("edited", "replaced by a link", "replaced by a folder", "made executable", "deleted"),
                                                        (("install", "-n", "e", "t-{}=2"), ("remove", "-n", "e", "t-{}"), ("install", "-n", "e", "--force-reinstall", "t-{}=1"))):
            place.restore("base")
            place.run("install", "-n", "e", f"t-{their}=1", code=0)
            at = place.env / "lib/at"
            at.unlink()
            if change == "edited":
                at.write_text("edited by the user")
            elif change == "replaced by a link":
                at.symlink_to("mine")
            elif change == "replaced by a folder":
                at.mkdir()
                (at / "mine").write_text("mine")
            elif change == "made executable":
                at.write_text("edited by the user")
                at.chmod(0o755)
            before = oracle.describe(place.env, "lib/at", os.lstat(at)) if os.path.lexists(at) else None
            result = place.run(*(part.format(their) for part in command))
            now = place.state()
            wrong = "" if result.code == 0 else repr(result)
            if before and not [path for path, entry in now.items() if entry == before and path.startswith("lib/at")]:
                wrong += f"; lost: {sorted(path for path in now if path.startswith('lib'))}"
            wrong += "; ".join(oracle.disagreements(place.env))
            score.check(wrong, f"{their} {change}, then {command[0]} {command[3:]}")


def o05(tier, score, **_):
    """packages that pip installed meet those of conda: listed, kept aside when in the way, and back when asked for"""
    site = "lib/python3.11/site-packages"
    conda = Made("mod", "2", {"site-packages/mod.py": "conda = 2\n", "site-packages/mod-2.dist-info/METADATA": "Name: mod\nVersion: 2\n",
                              "site-packages/mod-2.dist-info/INSTALLER": "conda\n"}, extra={"noarch": "python"}, depends=["python"])
    same = Made("same", "1", {"site-packages/same.py": "same = 1\n"}, extra={"noarch": "python"}, depends=["python"])
    with Place() as place:
        place.make_channel(fake_python(), conda, same)
        place.run("create", "-n", "e", "python", code=0)
        place.save("base")

        def pip_installs(name, version, text):
            folder = place.env / site
            (folder / f"{name}-{version}.dist-info").mkdir(parents=True)
            (folder / f"{name}.py").write_text(text)
            (folder / f"{name}-{version}.dist-info/METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
            (folder / f"{name}-{version}.dist-info/RECORD").write_text(f"{name}.py,,\n")

        for name, version, text in (("mod", "1", "pip = 1\n"), ("mod", "2", "pip = 2\n"), ("mod", "2", "conda = 2\n"), ("same", "1", "same = 1\n"), ("other", "1", "x = 1\n")):
            place.restore("base")
            pip_installs(name, version, text)
            before = oracle.tree(place.env / site)
            listed = place.run("list", "-n", "e", code=0).out
            score.check("" if f"{name}" in listed and "pypi" in listed else f"not listed: {listed}", f"pip's {name} {version} is listed")
            package = "mod" if name == "other" else name
            result = place.run("install", "-n", "e", package)
            wrong = "" if result.code == 0 else repr(result)
            now = {path: entry for path, entry in place.state().items()}
            for path, entry in before.items():
                full = f"{site}/{path}"
                kept = [p for p, e in now.items() if e == entry and (p == full or p.startswith(full + ".envtool-saved"))]
                if not kept and entry[0] != "directory":
                    wrong += f"; {path} is lost"
            if any(oracle.SAVED.search(path) or ".envtool-saved" in path for path in now) and "kept as" not in result.err:
                wrong += "; kept aside without a word"
            wrong += "; ".join(oracle.disagreements(place.env))
            score.check(wrong, f"conda's {package} over pip's {name} {version} ({text.strip()})")
            # Back again: conda's goes, pip's files that were not in the way are still there.
            result = place.run("remove", "-n", "e", package)
            wrong = "" if result.code == 0 else repr(result)
            if oracle.records(place.env).get(f"{package}-2-0") or oracle.unknown_files(place.env, [f"{site}/{path}" for path in before]):
                wrong += f"; left: {oracle.unknown_files(place.env, [f'{site}/{path}' for path in before])}"
            score.check(wrong + "; ".join(oracle.disagreements(place.env)), f"conda's {package} removed again")


def o07(tier, score, **_):
    """random installs, updates, removals against a model that knows only which packages have which files"""
    steps, restarts = (10_000, 100) if tier.full else (60, 2)
    source = random.Random(tier.seed)
    with Place() as place:
        # Twelve packages in three versions over sixteen paths; later names win, unless one depends on the other.
        names = [f"m{chr(97 + i)}" for i in range(12)]
        contents, packages = {}, []
        paths = [f"lib/s{i}" for i in range(16)]
        for name in names:
            for version in "123":
                files = {f"share/{name}": version}
                for path in source.sample(paths, 4):
                    # Some are the same in several packages, some differ.
                    files[path] = source.choice(["shared", f"{name} {version}"])
                contents[name, version] = files
                packages.append(Made(name, version, files))
        packages.append(Made("base", "1", {"share/base": "x"}))
        place.make_channel(*packages)
        place.run("create", "-n", "e", "base", code=0)
        place.save("base")
        for step in range(steps):
            if step % (steps // restarts) == 0:
                place.restore("base")
                installed, users, said = {}, {}, []
            dice = source.random()
            if dice < 0.62 or not installed:
                chosen = {name: source.choice("123") for name in source.sample(names, source.choice((1, 1, 2, 3)))}
                command = ("install", "-n", "e", *(f"{name}={version}" for name, version in chosen.items()))
                installed.update(chosen)
            elif dice < 0.95:
                chosen = source.sample(sorted(installed), min(len(installed), source.choice((1, 1, 2))))
                command = ("remove", "-n", "e", *chosen)
                for name in chosen:
                    del installed[name]
            else:
                # The user adds a file of their own.
                path = f"lib/user{step}"
                (place.env / "lib").mkdir(exist_ok=True)
                (place.env / path).write_text(f"mine {step}")
                users[path] = f"mine {step}"
                continue
            said.append(" ".join(command[3:] if command[0] == "install" else ("-", *command[3:])))
            result = place.run(*command)
            expected = {"share/base": "x", **users}
            for name in sorted(installed):  # later names win
                expected.update(contents[name, installed[name]])
            found = {path: (place.env / path).read_text() for path, status in oracle.entries(str(place.env))
                     if not path.startswith("conda-meta") and not (place.env / path).is_dir()}
            wrong = "" if result.code == 0 else repr(result)
            if found != expected:
                wrong += f"; {[(path, found.get(path), expected.get(path)) for path in sorted({*found, *expected}) if found.get(path) != expected.get(path)][:4]}"
            have = {record["name"]: record["version"] for record in oracle.records(place.env).values() if record["name"] != "base"}
            if have != installed:
                wrong += f"; records {have} instead of {installed}"
            wrong += "; ".join(oracle.disagreements(place.env)[:3]) if step % 10 == 0 or wrong else ""
            if not score.check(wrong, f"step {step}, after {said[-6:]}"):
                place.restore("base")
                installed, users, said = {}, {}, []


def a04(tier, score, **_):
    """link scripts are not run unless asked for, and say so; `pre-link` and the others in create, install, update, remove"""
    score.note("only the default (off) exists")
    canary_text = "#!/bin/sh\necho ran >> {}\n"
    with Place() as place:
        canary = place.folder / "canary"
        for action in ("pre-link", "post-link", "pre-unlink"):
            for mode in (0o755, 0o644):
                scripts = {f"bin/.s-{action}.sh": Text(canary_text.format(canary), mode), "share/s": "s"}
                place.make_channel(Made("s", "1", scripts), Made("s", "2", {**scripts, "share/s": "s2"}), Made("base", "1", {"share/base": "b"}))
                remove(place.root)
                for command in (("create", "-n", "e", "s=1"), ("install", "-n", "e", "s=2", "base"), ("remove", "-n", "e", "s")):
                    result = place.run(*command, "--repodata-ttl", "0") if command[0] != "remove" else place.run(*command)
                    wrong = "" if result.code == 0 else repr(result)
                    if canary.exists():
                        wrong += "; the script was run"
                    applies = (action in ("pre-link", "post-link")) == (command[0] != "remove") or command[0] == "install"
                    if applies and "link script" not in result.err and f"{action} script" not in result.err:
                        wrong += f"; not said: {result.err[-300:]}"
                    wrong += "; ".join(oracle.disagreements(place.env))
                    score.check(wrong, f"{action} script (mode {mode:o}) in {command[0]}")


def o06(tier, score, **_):
    """`verify` finds 20 kinds of damage by the path, and nothing in a sound environment; `repair` brings all back from the cache"""
    def rewrite(data):
        def damage(path):
            mode = path.stat().st_mode & 0o777
            path.unlink()  # never through a hard link into the cache
            path.write_bytes(data(path_bytes[path]) if callable(data) else data)
            path.chmod(mode)
        return damage

    def renew(make):
        def damage(path):
            if path.is_dir() and not path.is_symlink():
                remove(path)
            else:
                path.unlink()
            make(path)
        return damage

    path_bytes = {}
    flip = lambda data: bytes([data[0] ^ 1]) + data[1:]  # noqa: E731
    damages = {
        "a file is missing": ("share/big", lambda p: p.unlink()), "a folder of files is missing": ("lib/many", remove),
        "a bit is flipped": ("share/big", rewrite(flip)), "the last bit is flipped": ("share/big", rewrite(lambda d: d[:-1] + bytes([d[-1] ^ 128]))),
        "cut off": ("share/big", rewrite(lambda d: d[:-1])), "emptied": ("share/big", rewrite(b"")), "longer": ("share/big", rewrite(lambda d: d + b"x")),
        "same size, other text": ("bin/tool", rewrite(lambda d: d.replace(b"e", b"a"))), "a rewritten text is edited": ("etc/conf", rewrite(lambda d: d + b"# edited\n")),
        "a rewritten text has another prefix": ("etc/conf", rewrite(lambda d: d.replace(b"/envs/e", b"/envs/f"))), "a rewritten binary is changed": ("lib/b.so", rewrite(lambda d: d[:-1] + b"E")),
        "not executable any more": ("bin/tool", lambda p: (rewrite(lambda d: d)(p), p.chmod(0o644))),
        "a link instead of a file": ("share/big", renew(lambda p: p.symlink_to("/etc/hostname"))), "a folder instead of a file": ("share/big", renew(lambda p: p.mkdir())),
        "a fifo instead of a file": ("share/big", renew(lambda p: os.mkfifo(p))), "a link is missing": ("lib/link", lambda p: p.unlink()),
        "a link leads elsewhere": ("lib/link", renew(lambda p: p.symlink_to("elsewhere"))), "a file instead of a link": ("lib/link", renew(lambda p: p.write_text("x"))),
        "a record is cut off": ("conda-meta/b-1-0.json", rewrite(lambda d: d[:200])), "a parked file is gone": ("parked", None),
    }
    with Place() as place:
        if place.run("verify", "--help").code != 0 or place.run("repair", "--help").code != 0:
            raise Skip("there is no `verify` and `repair`")
        placeholder = Binary(b"\0" + PLACEHOLDER.encode() + b"/x\0end")
        place.make_channel(Made("a", "1", {"share/big": bytes(range(256)) * 300, "bin/tool": "#!/bin/sh\necho here\n", "etc/conf": Text("{prefix}/x\n"), "lib/b.so": placeholder,
                                           "lib/link": Link("b.so"), **{f"lib/many/{i}": str(i) for i in range(5)}, "lib/both": "a's"}),
                           Made("b", "1", {"lib/both": "b's"}))
        place.run("create", "-n", "e", "a", "b", code=0)
        place.save()
        good = oracle.packages_only(place.state())
        result = place.run("verify", "-n", "e")
        score.check("" if result.code == 0 else repr(result), "nothing is found in a sound environment")
        for name, (at, damage) in damages.items():
            place.restore()
            if at == "parked":
                folder = place.env / oracle.PARKED
                at = os.listdir(folder)[0]
                damage = lambda _: (folder / at).unlink()  # noqa: E731
                path = folder / at
            else:
                path = place.env / at
            if path.is_file():
                path_bytes[path] = path.read_bytes()
            damage(path)
            found = place.run("verify", "-n", "e")
            shown = "lib/both" if at not in damages and "parked" in name else os.path.basename(at)
            score.check("" if found.code != 0 and shown in found.out + found.err else f"not found: {found}", f"verify: {name}")
            mended = place.run("repair", "-n", "e")
            now = {key: entry for key, entry in oracle.packages_only(place.state()).items() if ".envtool-saved" not in key}
            wrong = "" if mended.code == 0 else repr(mended)
            wrong += oracle.difference(good, now)
            again = place.run("verify", "-n", "e")
            wrong += "" if again.code == 0 else f"; verify afterwards: {again}"
            score.check(wrong, f"repair: {name}")
