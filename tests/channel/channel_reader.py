"""Reads conda packages with the standard library and the zstd command only."""

import bz2
import functools
import io
import json
import subprocess
import tarfile
import zipfile
from pathlib import Path, PurePosixPath


def zstd_decompressed(content):
    return subprocess.run(["zstd", "-dcq"], input=content, stdout=subprocess.PIPE,
                          check=True).stdout


class Package:
    """One archive of a channel: its tar members in order, and their contents."""

    def __init__(self, path):
        self.path = Path(path)
        self.zip_members = []
        if self.path.suffix == ".conda":
            self.extension = ".conda"
            self.stem = self.path.name.removesuffix(".conda")
            with zipfile.ZipFile(self.path) as archive:
                self.zip_members = archive.infolist()
                self.metadata = json.loads(archive.read("metadata.json"))
                pkg = zstd_decompressed(archive.read(f"pkg-{self.stem}.tar.zst"))
                info = zstd_decompressed(archive.read(f"info-{self.stem}.tar.zst"))
            self.pkg_members, self.contents = tar_content(pkg)
            self.info_members, info_contents = tar_content(info)
            self.contents.update(info_contents)
        else:
            self.extension = ".tar.bz2"
            self.stem = self.path.name.removesuffix(".tar.bz2")
            members, self.contents = tar_content(bz2.decompress(self.path.read_bytes()))
            self.info_members = [m for m in members if m.name.startswith("info/")]
            self.pkg_members = [m for m in members if not m.name.startswith("info/")]
            self.members = members

    def json(self, name):
        return json.loads(self.contents[f"info/{name}"])

    @property
    def files(self):
        """Path -> content of everything but info/; links have their target's, or none."""
        return {member.name: self.content(member) for member in self.pkg_members}

    def content(self, member):
        """A member's content, through links inside the package; None for a link out of it."""
        for _ in range(10):
            if not member.issym():
                return self.contents[member.name]
            goal = link_goal(member)
            member = next((m for m in self.pkg_members if m.name == goal), None)
            if member is None:
                return None
        raise ValueError("a chain of links without an end")


def link_goal(member):
    """Where a relative link points, as a path inside the package (`..` at most to its root)."""
    parts = member.name.split("/")[:-1]
    for part in member.linkname.split("/"):
        if part == "..":
            parts.pop()
        elif part not in (".", ""):
            parts.append(part)
    return "/".join(parts)


def tar_content(content):
    """(members in order, {name: bytes}) of an uncompressed tar archive."""
    contents = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
        for member in members:
            if member.isfile():
                contents[member.name] = archive.extractfile(member).read()
    return members, contents


class Channel:
    """The packages and repodata of a channel's folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.repodata = {
            path.parent.name: json.loads(path.read_bytes())
            for path in sorted(self.folder.glob("*/repodata.json"))
        }
        self.records = {
            (subdir, name): record
            for subdir, repodata in self.repodata.items()
            for name, record in {**repodata["packages"], **repodata["packages.conda"]}.items()
        }
        self.names = {record["name"] for record in self.records.values()}
        self._packages = {}

    @property
    def machine_subdir(self):
        return next(subdir for subdir in self.repodata if subdir != "noarch")

    def package(self, subdir, name):
        if (subdir, name) not in self._packages:
            self._packages[subdir, name] = Package(self.folder / subdir / name)
        return self._packages[subdir, name]

    def newest(self, name, having=""):
        """The file of the highest version and build of `name`, with `having` in its build."""
        found = [
            (key, record) for key, record in self.records.items()
            if record["name"] == name and having in record["build"]
        ]
        if not found:
            raise KeyError(name)
        key, _ = max(found, key=lambda item: (
            [int(part) if part.isdigit() else -1 for part in item[1]["version"].split(".")],
            not item[1].get("track_features"), item[1]["build_number"]))
        return key

    def closure(self, *names):
        """The files of `names` and of all that they depend on (the newest of each name)."""
        chosen = {}
        waiting = [name.split(":") for name in names]
        for name, *having in waiting:  # grows as it goes
            if name in chosen or name.startswith("__"):
                continue
            chosen[name] = self.newest(name, *having)
            for spec in self.records[chosen[name]]["depends"]:
                words = spec.split()
                build = words[2].strip("*") if len(words) == 3 else ""
                waiting.append([words[0], build.split("*")[-1]])
        return sorted(chosen.values())

    @functools.lru_cache(maxsize=None)
    def closure_files(self, name):
        """Files and folders in all versions of `name` and of what these depend on by name."""
        names = set()
        waiting = {name}
        while waiting:
            names |= waiting
            depends = {spec.split()[0] for record in self.records.values()
                       if record["name"] in waiting for spec in record["depends"]}
            waiting = {other for other in depends if not other.startswith("__")} - names
        paths = {PurePosixPath(member.name)
                 for key, record in self.records.items() if record["name"] in names
                 for member in self.package(*key).pkg_members}
        return {str(path) for path in paths | {p for path in paths for p in path.parents}}


def install(channel, files, prefix):
    """Puts packages into `prefix` as an installer does, as far as these tests need it."""
    prefix = Path(prefix)
    for subdir, name in files:
        package = channel.package(subdir, name)
        record = channel.records[subdir, name]
        entries = {entry["_path"]: entry for entry in package.json("paths.json")["paths"]}
        for member in package.pkg_members:
            path = member.name
            if record.get("noarch") == "python" and path.startswith("site-packages/"):
                path = "lib/python3.11/" + path
            target = prefix / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if member.issym():
                target.symlink_to(member.linkname)
                continue
            content = package.contents[member.name]
            placeholder = entries[member.name].get("prefix_placeholder", "").encode()
            if placeholder and entries[member.name]["file_mode"] == "text":
                content = content.replace(placeholder, str(prefix).encode())
            elif placeholder:
                content = replace_in_binary(content, placeholder, str(prefix).encode())
            target.write_bytes(content)
            target.chmod(member.mode)


def replace_in_binary(content, placeholder, prefix):
    """Replaces the placeholder in C strings, and keeps each string's length with zeros."""
    pieces = []
    position = 0
    while (start := content.find(placeholder, position)) >= 0:
        end = content.index(b"\0", start)
        text = content[start:end].replace(placeholder, prefix)
        pieces += [content[position:start], text, b"\0" * (end - start - len(text))]
        position = end
    return b"".join([*pieces, content[position:]])
