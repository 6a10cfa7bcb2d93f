"""Writes a package's files as `.conda` and `.tar.bz2` archives, the same bytes each time.

The formats are those of CEP 35. Members are sorted, belong to uid and gid 0, have one time for
all, and modes 0644 or 0755 only, so that neither the clock nor the builder's umask shows.
"""

import bz2
import io
import json
import os
import stat
import tarfile
import time
import zipfile
from pathlib import Path

from .tools import run

# A good ratio for little time: twice the level costs three times as long for 5 % less.
ZSTD_LEVEL = 12


def list_files(tree):
    """Every file and symbolic link under `tree` as sorted relative paths with `/`."""
    found = []
    for folder, folders, files in os.walk(tree):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in files + links:
            found.append(os.path.relpath(os.path.join(folder, name), tree))
    return sorted(found)


def tar_bytes(tree, names, mtime):
    """The uncompressed tar archive of `names` (relative to `tree`), in that order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            path = Path(tree, name)
            member = tarfile.TarInfo(name)
            member.mtime = mtime
            if path.is_symlink():
                member.type = tarfile.SYMTYPE
                member.linkname = os.readlink(path)
                member.mode = 0o777
                archive.addfile(member)
                continue
            content = path.read_bytes()
            member.size = len(content)
            member.mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zstd_bytes(content, level=ZSTD_LEVEL):
    """`content` compressed in one frame that tells its size (readers can check it)."""
    # The size is in the frame's header only if zstd knows it beforehand.
    return run(["zstd", "-q", "-c", "--single-thread", f"-{level}",
                f"--stream-size={len(content)}"], input_bytes=content)


def conda_bytes(stem, package_tar_zst, info_tar_zst, mtime):
    """A `.conda` file: a stored zip of metadata.json and the two compressed tar archives."""
    date_time = zip_time(mtime)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in (
            ("metadata.json", json.dumps({"conda_pkg_format_version": 2}).encode()),
            (f"pkg-{stem}.tar.zst", package_tar_zst),
            (f"info-{stem}.tar.zst", info_tar_zst),
        ):
            member = zipfile.ZipInfo(name, date_time=date_time)
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, content)
    return buffer.getvalue()


def tar_bz2_bytes(info_tree, tree, names, mtime):
    """A `.tar.bz2` package: info/ first, so that a reader finds the metadata at once."""
    head = tar_bytes(info_tree, list_files(info_tree), mtime)
    return bz2.compress(without_tar_end(head) + tar_bytes(tree, names, mtime), 9)


def without_tar_end(content):
    """`content` without the zero blocks that end a tar archive, so that more can follow."""
    end = 0
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            end = member.offset_data + (member.size + 511) // 512 * 512
    return content[:end]


def zip_time(mtime):
    """Seconds since 1970 as the tuple that zipfile wants (UTC)."""
    return time.gmtime(max(mtime, 315532800))[:6]


def write_atomically(path, content):
    """Writes `content` to `path` so that a reader sees the old file or the whole new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)
