"""Small packages that a test makes up: `.tar.bz2` archives and a `repodata.json`, standard library only."""
import dataclasses
import hashlib
import io
import json
import pathlib
import tarfile

from support import SUBDIR

PLACEHOLDER = "/opt/" + "placehold_" * 25


@dataclasses.dataclass
class Text:
    """A text file in which the placeholder is rewritten: `{prefix}` in the content."""
    content: str
    mode: int = 0o644

    def bytes(self):
        return self.content.replace("{prefix}", PLACEHOLDER).encode()


@dataclasses.dataclass
class Link:
    target: str


@dataclasses.dataclass
class Package:
    name: str
    version: str = "1.0"
    # Path to its content: str, bytes, Text or Link.
    files: dict = dataclasses.field(default_factory=dict)
    depends: list = dataclasses.field(default_factory=list)
    constrains: list = dataclasses.field(default_factory=list)
    build: str = "0"
    subdir: str = "noarch"
    # More keys of index.json and of the channel's record.
    extra: dict = dataclasses.field(default_factory=dict)
    # More files below info/.
    info: dict = dataclasses.field(default_factory=dict)

    @property
    def fn(self):
        return f"{self.name}-{self.version}-{self.build}.tar.bz2"

    def index(self):
        index = {"name": self.name, "version": self.version, "build": self.build,
                 "build_number": int("".join(c for c in self.build if c.isdigit()) or 0),
                 "depends": self.depends, "constrains": self.constrains, "subdir": self.subdir, "timestamp": 1700000000000}
        if self.subdir == "noarch":
            index["noarch"] = "generic"
        return {**index, **self.extra}

    def paths(self):
        entries = []
        for path, content in sorted(self.files.items()):
            entry = {"_path": path, "path_type": "hardlink"}
            if isinstance(content, Link):
                entry["path_type"] = "softlink"
            else:
                raw = raw_content(content)
                entry.update(sha256=hashlib.sha256(raw).hexdigest(), size_in_bytes=len(raw))
                if isinstance(content, Text) and PLACEHOLDER.encode() in raw:
                    entry.update(prefix_placeholder=PLACEHOLDER, file_mode="text")
            entries.append(entry)
        return {"paths_version": 1, "paths": entries}

    def archive(self) -> bytes:
        """The bytes of the package; the same for the same package."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:bz2") as tar:
            info = {"info/index.json": json.dumps(self.index()), "info/paths.json": json.dumps(self.paths()),
                    **{f"info/{name}": text for name, text in self.info.items()}}
            for path, content in {**info, **self.files}.items():
                member = tarfile.TarInfo(path)
                member.mtime = 1700000000
                if isinstance(content, Link):
                    member.type, member.linkname = tarfile.SYMTYPE, content.target
                    tar.addfile(member)
                else:
                    raw = raw_content(content)
                    member.size = len(raw)
                    member.mode = content.mode if isinstance(content, Text) else 0o755 if path.startswith("bin/") else 0o644
                    tar.addfile(member, io.BytesIO(raw))
        return buffer.getvalue()


def raw_content(content) -> bytes:
    if isinstance(content, Text):
        return content.bytes()
    return content.encode() if isinstance(content, str) else content


def write_channel(folder, *made: Package) -> pathlib.Path:
    """Writes the packages and both subdirs' repodata.json below the folder."""
    folder = pathlib.Path(folder)
    subdirs = {"noarch": {}, SUBDIR: {}}
    for package in made:
        raw = package.archive()
        place = folder / package.subdir
        place.mkdir(parents=True, exist_ok=True)
        (place / package.fn).write_bytes(raw)
        subdirs.setdefault(package.subdir, {})[package.fn] = {
            **package.index(), "size": len(raw), "sha256": hashlib.sha256(raw).hexdigest(), "md5": hashlib.md5(raw).hexdigest()}
    for subdir, records in subdirs.items():
        (folder / subdir).mkdir(parents=True, exist_ok=True)
        (folder / subdir / "repodata.json").write_text(
            json.dumps({"info": {"subdir": subdir}, "packages": records, "packages.conda": {}, "repodata_version": 1}))
    return folder


def change_record(channel, package: Package, **changes):
    """Changes what the channel says of a package: the archive stays as it is."""
    path = pathlib.Path(channel) / package.subdir / "repodata.json"
    document = json.loads(path.read_text())
    document["packages"][package.fn].update(changes)
    path.write_text(json.dumps(document))
