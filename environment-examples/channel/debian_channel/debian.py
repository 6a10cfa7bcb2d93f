"""The distribution's side: which binary packages there are, fetching and unpacking them."""

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .errors import BuildError
from .tools import run

# dpkg's architecture -> conda's platform, the multiarch triplet, what `uname -m` says.
PLATFORMS = {
    "amd64": ("linux-64", "x86_64-linux-gnu", "x86_64"),
    "arm64": ("linux-aarch64", "aarch64-linux-gnu", "aarch64"),
}


@dataclass(frozen=True)
class Machine:
    """The architecture that the channel is for."""

    architecture: str  # dpkg's name
    subdir: str  # conda's name
    triplet: str
    cpu: str
    native: bool  # whether this machine can run its programs


def machine(architecture=None):
    """The machine that `architecture` names; without it the one that dpkg says this is."""
    here = run(["dpkg", "--print-architecture"]).decode().strip()
    wanted = architecture or here
    if wanted not in PLATFORMS:
        raise BuildError(f"no conda platform is known for the architecture `{wanted}`",
                         hint="supported: " + ", ".join(PLATFORMS))
    return Machine(wanted, *PLATFORMS[wanted], native=wanted == here)


@dataclass(frozen=True)
class DebianPackage:
    """One fetched binary package."""

    name: str
    version: str  # as dpkg writes it, with epoch and revision
    sha256: str
    tree: Path  # the unpacked files


def upstream_version(debian_version):
    """The upstream part of a Debian version, without the marks that Debian adds to it.

    `1:1.2.13.dfsg-1` is 1.2.13, `3.0.22-1~deb12u2` is 3.0.22, `0.3.21+ds-4` is 0.3.21 and
    `20250419~deb12u2` is 20250419.
    """
    version = debian_version.split(":", 1)[-1]
    version = version.rsplit("-", 1)[0] if "-" in version else version
    return re.sub(r"([.+~](dfsg|ds|repack|deb)).*$", "", version)


class DebianArchive:
    """Fetches packages into `work`/downloads and unpacks them into `work`/unpacked, once each."""

    def __init__(self, work, target):
        self._downloads = Path(work, "downloads")
        self._unpacked = Path(work, "unpacked")
        self._target = target
        self._packages = {}

    def fetch(self, names):
        """Downloads what is not there yet (checked by sha256) and unpacks it."""
        self._downloads.mkdir(parents=True, exist_ok=True)
        candidates = self._candidates(names)
        absent = {
            name: fact for name, fact in candidates.items()
            if not self._is_complete(self._downloads / fact["file"], fact)
        }
        if absent:
            self._download(absent)
        for name, fact in candidates.items():
            self._packages[name] = self._unpack(name, fact)
        return len(absent)

    def package(self, name):
        return self._packages[name]

    def _apt(self, *arguments, cwd):
        command = ["apt-get", "-q"]
        if os.geteuid() == 0:
            # apt's own user cannot write into our folder, and a warning would say so.
            command += ["-o", "APT::Sandbox::User=root"]
        if not self._target.native:
            command += ["-o", f"APT::Architecture={self._target.architecture}"]
        return run(command + list(arguments), cwd=cwd).decode()

    def _candidates(self, names):
        """What apt would download for each name: file name, size, sha256, version."""
        # apt prints nothing for a file that the folder has already: ask from an empty one.
        with tempfile.TemporaryDirectory() as empty:
            try:
                text = self._apt("download", "--print-uris", *names, cwd=empty)
            except BuildError as error:
                raise BuildError(f"the distribution's packages cannot be listed\n{error}",
                                 hint="run `apt-get update` as root first") from error
        found = {}
        for line in text.splitlines():
            match = re.match(r"'[^']+' (\S+) (\d+) SHA256:([0-9a-f]{64})$", line.strip())
            if match:
                file, size, sha256 = match.groups()
                name, version = file.split("_")[:2]
                found[name] = {"file": file, "size": int(size), "sha256": sha256,
                               "version": version.replace("%3a", ":")}
        lacking = sorted(set(names) - set(found))
        if lacking:
            raise BuildError("apt knows no package named " + ", ".join(lacking),
                             hint="the script is for Debian 12; run `apt-get update` as root first")
        return {name: found[name] for name in names}

    @staticmethod
    def _is_complete(path, fact):
        if not path.is_file() or path.stat().st_size != fact["size"]:
            return False
        return hashlib.sha256(path.read_bytes()).hexdigest() == fact["sha256"]

    def _download(self, absent):
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=self._downloads))
        try:
            self._apt("download", *absent, cwd=partial)
            for name, fact in absent.items():
                if not self._is_complete(partial / fact["file"], fact):
                    raise BuildError(f"the download of `{name}` is incomplete or damaged")
                os.replace(partial / fact["file"], self._downloads / fact["file"])
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _unpack(self, name, fact):
        tree = self._unpacked / fact["file"].removesuffix(".deb")
        if not tree.is_dir():
            self._unpacked.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=self._unpacked))
            try:
                run(["dpkg-deb", "-x", self._downloads / fact["file"], partial])
                os.replace(partial, tree)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        return DebianPackage(name, fact["version"], fact["sha256"], tree)
