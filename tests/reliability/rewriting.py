"""R01-R06: the placeholder in files, next to a reference that is slow and simple; lengths, shebangs, odd prefixes, inodes."""
import os
import random
import re
import subprocess

import oracle
from harness import PLACEHOLDER, Binary, Link, Made, Place, Text, remove

OLD = PLACEHOLDER.encode()


def reference_binary(data: bytes, new: bytes) -> bytes:
    """Each C string with the placeholder in it is rewritten as a whole, and padded to its old length."""
    out = []
    for piece in re.split(rb"(\0)", data):
        if piece == b"\0" or OLD not in piece:
            out.append(piece)
        else:
            replaced = piece.replace(OLD, new)
            out.append(replaced + b"\0" * (len(piece) - len(replaced)))
    return b"".join(out)


def reference_text(data: bytes, new: bytes) -> bytes:
    """Every occurrence; the first line is looked at for itself in R03."""
    return data.replace(OLD, new)


def random_buffer(source, binary):
    """0 to 5 hits: next to each other, at the start, at the end, with and without NULs, half ones, as UTF-16, too."""
    parts = []
    noise = lambda: source.choice([b"", b"\0", b"\0\0", b"/lib", b":", b"\n", b"\r\n", b"\xff\xfe", source.randbytes(source.randrange(9)), OLD[:source.randrange(len(OLD))],
                                   OLD.decode().encode("utf-16-le")[:source.randrange(40)], OLD[:-1], b"/opt", b"a" * source.randrange(60)])  # noqa: E731
    hits = source.randrange(6)
    for _ in range(hits):
        parts += [noise() for _ in range(source.randrange(3))] + [OLD]
    parts += [noise() for _ in range(source.randrange(3))]
    data = b"".join(parts)
    return data if binary or not data.startswith(b"#!") else b" " + data


def r01(tier, score, **_):
    """random buffers, rewritten by a creation and by the reference"""
    source = random.Random(tier.seed)
    with Place() as place:
        for round_number in range(100 if tier.full else 2):
            files = {}
            for number in range(1000 if tier.full else 500):
                binary = source.random() < 0.5
                data = random_buffer(source, binary)
                files[f"lib/{number % 20}/{number}"] = Binary(data) if binary else Marked(data)
            place.make_channel(MadeOfBytes("r", "1", files))
            remove(place.envs)
            remove(place.cache)
            result = place.run("create", "-n", "e", "r", "--repodata-ttl", "0")
            if result.code != 0:
                score.check(repr(result), f"round {round_number}")
                continue
            new = str(place.env).encode()
            for path, data in files.items():
                found = (place.env / path).read_bytes()
                expected = reference_binary(bytes(data), new) if isinstance(data, Binary) else reference_text(bytes(data), new)
                wrong = "" if found == expected else f"{bytes(data)[:300]!r} became {found[:300]!r}, not {expected[:300]!r}"
                if isinstance(data, Binary) and len(found) != len(data):
                    wrong += "; another length"
                score.check(wrong, f"round {round_number}, {path} ({'binary' if isinstance(data, Binary) else 'text'}), seed {tier.seed}")


class Marked(bytes):
    """Bytes that a manifest calls a text with a prefix."""


class MadeOfBytes(Made):
    def paths(self):
        document = super().paths()
        for entry in document["paths"]:
            if isinstance(self.files.get(entry["_path"]), (Marked, Binary)):
                entry.update(prefix_placeholder=PLACEHOLDER, file_mode="binary" if isinstance(self.files[entry["_path"]], Binary) else "text")
        return document


def long_prefix(place, length):
    """A path of exactly this many bytes that does not exist yet."""
    base = str(place.folder / "len")
    rest = length - len(base) - 1
    parts = []
    while rest > 200:
        parts.append("d" * 100)
        rest -= 101
    parts.append("e" * rest)
    path = "/".join([base, *parts])
    assert len(path) == length, (len(path), length)
    return path


def r02(tier, score, **_):
    """a prefix one byte shorter than the placeholder, as long, one longer, 200 longer; texts have no limit"""
    with Place() as place:
        place.make_channel(Made("bin", "1", {"lib/b": Binary(b"x\0" + OLD + b"/share\0end")}), Made("txt", "1", {"etc/t": Text("{prefix}/share\n")}))
        for package in ("bin", "txt"):
            for more in (-150, -2, -1, 0, 1, 2, 200):
                remove(place.folder / "len")
                prefix = long_prefix(place, len(PLACEHOLDER) + more)
                result = place.run("create", "-p", prefix, package)
                fits = package == "txt" or more <= 0
                if fits:
                    wrong = "" if result.code == 0 else repr(result)
                    if not wrong:
                        data = open(f"{prefix}/{'lib/b' if package == 'bin' else 'etc/t'}", "rb").read()
                        if prefix.encode() + b"/share" not in data or OLD + b"x" in data:
                            wrong = f"{data!r}"
                        if package == "bin" and len(data) != 2 + len(OLD) + len(b"/share\0end"):
                            wrong += "; another length"
                else:
                    wrong = "" if result.code == 1 and "too long" in result.err else repr(result)
                    if os.path.exists(prefix) or oracle.leftovers(place.folder / "len"):
                        wrong += "; something is there"
                score.check(wrong, f"{package}, {more:+} bytes")


def runs(script, cwd, arguments=()):
    """What a script prints without activation; `#!/usr/bin/env NAME` needs the environment's programs in PATH."""
    done = subprocess.run([str(script), *arguments], capture_output=True, text=True, cwd=cwd, timeout=20,
                          env={"PATH": f"{os.path.dirname(script)}:/usr/bin:/bin"})
    return done.stdout if done.returncode == 0 else f"exit code {done.returncode}: {done.stderr}"


def r03(tier, score, **_):
    """`#!` lines of 125-129 and 253-257 bytes, with spaces and flags: the script runs"""
    with Place() as place:
        interpreter = '#!/bin/sh\n# an interpreter of the environment\nexec /bin/sh "$@"\n'
        for length in (*range(124, 131), *range(252, 259)):
            for flags in ("", " -e", " -eu", "  -eu "):
                fixed = len("#!") + len("/bin/interp") + len(flags.rstrip() if not flags.endswith(" ") else flags)
                script = "#!{prefix}/bin/interp" + flags + "\necho it runs\n"
                place.make_channel(Made("s", "1", {"bin/interp": Text(interpreter, 0o755), "bin/script": Text(script, 0o755)}))
                remove(place.folder / "len")
                remove(place.cache)
                prefix = long_prefix(place, length - fixed)
                result = place.run("create", "-p", prefix, "s", "--repodata-ttl", "0")
                wrong = repr(result) if result.code else ""
                if not wrong:
                    line = open(f"{prefix}/bin/script").readline()
                    printed = runs(f"{prefix}/bin/script", place.folder)
                    wrong = "" if printed == "it runs\n" else f"{printed!r}: {line!r}"
                score.check(wrong, f"a `#!` line of {length} bytes, flags {flags!r}")


ODD_PREFIXES = ["with space", "two  spaces", "quote'single", 'quote"double', "dollar$HOME", "semi;colon", "amp&ersand", "back`tick", "paren(s)", "star*", "quest?ion",
                "hash#", "ünïcode", "日本語", "emoji😀", "tilde~", "percent%20", "plus+", "equals=", "comma,", "at@", "colon:x", "back\\slash", "bracket[x]", "brace{x}",
                "pipe|", "less<", "greater>", "bang!", "caret^", "-dash", ".dot", "..dots", "trail.", "é" * 60, "a" * 200, "tab\tx", "newline\nx", "e\x07bell", "invalid\udcffutf8"]


def r04(tier, score, **_):
    """prefixes with spaces, quotes, `$`, `;`, unicode, control characters, 200 levels: it works, or is refused before anything is done"""
    with Place() as place:
        script = "#!{prefix}/bin/interp\necho it runs\n"
        place.make_channel(Made("s", "1", {"bin/interp": Text('#!/bin/sh\nexec /bin/sh "$@"\n', 0o755), "bin/script": Text(script, 0o755), "etc/conf": Text("at={prefix}\n"),
                                           "lib/b": Binary(b"\0" + OLD + b"/x\0")}), Made("more", "1", {"etc/more": Text("{prefix}")}))
        for odd in [*ODD_PREFIXES, "/".join(["d"] * 60), "/".join(["deep"] * 200)]:
            prefix = place.folder / "odd" / odd
            remove(place.folder / "odd")
            result = place.run("create", "-p", prefix, "s", timeout=60)
            what = f"prefix {odd[:40]!r}"
            if result.code != 0:
                # Control characters, and what a binary has no room for.
                reason = any(ord(c) < 32 or 0xdc80 <= ord(c) <= 0xdcff for c in odd) or len(os.fsencode(prefix)) > len(PLACEHOLDER) or ":" in odd
                wrong = "" if reason and result.code in (1, 2) and "error" in result.err else repr(result)
                found = [path for path, status in oracle.entries(str(place.folder / "odd"))] if (place.folder / "odd").exists() else []
                if [path for path in found if os.path.isfile(place.folder / "odd" / path)]:
                    wrong += f"; left: {found[:3]}"
                score.check(wrong, what + " (refused)")
                continue
            wrong = ""
            if open(f"{prefix}/etc/conf", "rb").read() != b"at=" + os.fsencode(prefix) + b"\n":
                wrong += "; the text is wrong"
            printed = runs(f"{prefix}/bin/script", place.folder)
            if printed != "it runs\n" and ":" not in odd:
                wrong += f"; {printed!r}: {open(f'{prefix}/bin/script', 'rb').readline()!r}"
            more = place.run("install", "-p", prefix, "more")
            wrong += "" if more.code == 0 else f"; install: {more}"
            ran = place.run("run", "-p", prefix, "script")
            wrong += "" if ran.out == "it runs\n" or ":" in odd else f"; run: {ran}"
            gone = place.run("env", "remove", "-p", prefix)
            wrong += "" if gone.code == 0 and not os.path.lexists(prefix) else f"; env remove: {gone}"
            score.check(wrong, what)


def r05(tier, score, **_):
    """texts with NUL, invalid UTF-8, mixed line ends, without an end of line; a placeholder in a symlink: other bytes stay"""
    texts = {"nul": b"a\0b " + OLD + b"\0\0 c", "latin": b"\xe9\xff\xfe " + OLD + b" \x80", "ends": b"one\r\ntwo\n" + OLD + b"\rthree\r\n", "none": OLD, "bare": b"no newline " + OLD,
             "twice": OLD + OLD, "bom": b"\xef\xbb\xbf#!" + OLD + b"/x\n", "utf16": ("x" + PLACEHOLDER).encode("utf-16"), "empty": b"", "without": b"nothing\n" * 9,
             "long": (b"x" * 70000 + OLD) * 3, "partial": OLD[:-1] + b"\n" + OLD[1:], "shebang-crlf": b"#!" + OLD + b"/bin/sh\r\necho\r\n", "shebang-only": b"#!" + OLD + b"/bin/x"}
    with Place() as place:
        files = {f"etc/{name}": Marked(data) for name, data in texts.items()}
        files["etc/link"] = Link(PLACEHOLDER + "/etc/none")
        place.make_channel(MadeOfBytes("t", "1", files))
        place.run("create", "-n", "e", "t", code=0)
        new = str(place.env).encode()
        for name, data in texts.items():
            found = (place.env / "etc" / name).read_bytes()
            score.check("" if found == data.replace(OLD, new) else f"{found[:200]!r}", f"text `{name}`")
        score.check("" if os.readlink(place.env / "etc/link") == PLACEHOLDER + "/etc/none" else "rewritten", "a symlink keeps its text")


def r06(tier, score, **_):
    """rewritten and copied files share no inode with the cache; the cache is the same after many operations"""
    from harness import NoLink
    with Place() as place:
        packages = [Made(name, version, {f"etc/{name}": Text("{prefix} " + version), f"lib/{name}": Binary(b"\0" + OLD + b"\0"), f"share/{name}": f"plain {version}",
                                         f"share/{name}.copied": NoLink(b"copied"), "bin/both": f"{name}"}) for name in "abc" for version in "12"]
        place.make_channel(*packages)
        place.run("create", "-n", "warm", *(f"{n}=1" for n in "abc"), code=0)
        place.run("create", "-n", "warm2", *(f"{n}=2" for n in "abc"), code=0)

        def cache():
            return {path: entry for path, entry in oracle.tree(place.cache).items() if re.match(r"[abc]-[12]-0/", path) and not path.endswith(".envtool-manifest")}

        before, source = cache(), random.Random(tier.seed)
        place.run("create", "-n", "e", "a=1", code=0)
        for operation in range(1000 if tier.full else 40):
            name = source.choice("abc")
            place.run(*source.choice([("install", "-n", "e", f"{name}={source.choice('12')}"), ("remove", "-n", "e", name),
                                      ("install", "-n", "e", "--force-reinstall", name)]))
            inodes = {os.lstat(place.cache / path).st_ino for path in before}
            shared = [path for path, status in oracle.entries(str(place.env)) if status.st_ino in inodes and re.match(r"(etc/|lib/|share/.*\.copied)", path) and not os.path.isdir(place.env / path)]
            wrong = f"share an inode with the cache: {shared}" if shared else ""
            if operation % 20 == 0:
                wrong += oracle.difference(before, cache())
            score.check(wrong, f"operation {operation}")
        score.check(oracle.difference(before, cache()), "the cache after all")
