"""Turns recipes into conda packages and channel folders into repodata (CEP 34, 35 and 36)."""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from . import archives, elf, modules
from .recipe import PLACEHOLDER


def json_bytes(value):
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


class PackageWriter:
    """Writes the packages of one channel. Each `write` is independent of the others."""

    def __init__(self, out, staging, target, debian):
        self._out = Path(out)
        self._staging = Path(staging)
        self._target = target
        self._debian = debian

    def write(self, recipe):
        """Makes every build of `recipe`; returns {(subdir, file name): repodata record}."""
        root = Path(tempfile.mkdtemp(prefix=f"{recipe.name}-", dir=self._staging))
        tree = root / "tree"
        tree.mkdir()
        try:
            recipe.fill(tree)
            elf.set_search_paths(tree)
            modules.write_records(tree)  # of what the files are from here on
            names = archives.list_files(tree)
            timestamp = self._timestamp(recipe)
            package_tar = archives.zstd_bytes(archives.tar_bytes(tree, names, timestamp))
            paths = self._paths(tree, names)
            records = {}
            for build in recipe.builds:
                info_tree = root / f"info-{build.number}-{build.suffix}"
                index = self._index(recipe, build, timestamp)
                self._write_info(info_tree / "info", recipe, index, names, paths)
                records.update(self._write_archives(
                    index, build.formats, tree, names, info_tree, package_tar, timestamp))
            return records
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def _timestamp(self, recipe):
        if recipe.timestamp is not None:
            return recipe.timestamp
        newest = 0
        for name in recipe.debs:
            for folder, _, files in os.walk(self._debian.package(name).tree):
                for file in files:
                    newest = max(newest, int(os.lstat(os.path.join(folder, file)).st_mtime))
        return newest

    def _subdir(self, recipe):
        return recipe.subdir or ("noarch" if recipe.noarch else self._target.subdir)

    def _hash_input(self, recipe):
        """What makes this build what it is, as conda-build keeps it for its build strings."""
        facts = {"target_platform": self._subdir(recipe), "depends": ", ".join(recipe.depends)}
        for name in recipe.debs:
            facts[f"debian_{name}"] = self._debian.package(name).version
        return facts

    def _build_string(self, recipe, build):
        if recipe.build is not None:
            return recipe.build
        text = json.dumps(self._hash_input(recipe), sort_keys=True)
        digest = hashlib.sha1(text.encode()).hexdigest()[:7]
        string = f"{recipe.prefix}h{digest}_{build.number}"
        return f"{string}_{build.suffix}" if build.suffix else string

    def _index(self, recipe, build, timestamp):
        subdir = self._subdir(recipe)
        index = {
            "arch": None if subdir == "noarch" else self._target.cpu,
            "build": self._build_string(recipe, build),
            "build_number": build.number,
            "depends": list(recipe.depends + build.depends),
            "license": recipe.license,
            "name": recipe.name,
            "platform": None if subdir == "noarch" else "linux",
            "subdir": subdir,
            "timestamp": (timestamp + build.later) * 1000,
            "version": recipe.version,
        }
        if recipe.constrains or build.constrains:
            index["constrains"] = list(recipe.constrains + build.constrains)
        if build.track_features:
            index["track_features"] = build.track_features
        if recipe.noarch:
            index["noarch"] = recipe.noarch
        index.update(recipe.index)
        return index

    @staticmethod
    def _paths(tree, names):
        """The members of paths.json, with the placeholder where a file has it."""
        entries = []
        for name in names:
            path = Path(tree, name)
            # A link is described by what it points at; one that points at another package's
            # file, which is not there now, like an empty file.
            content = path.read_bytes() if path.is_file() else b""
            entry = {
                "_path": name,
                "path_type": "softlink" if path.is_symlink() else "hardlink",
                "sha256": hashlib.sha256(content).hexdigest(),
                "size_in_bytes": len(content),
            }
            if PLACEHOLDER.encode() in content and not path.is_symlink():
                entry["file_mode"] = "binary" if b"\0" in content else "text"
                entry["prefix_placeholder"] = PLACEHOLDER
            entries.append(entry)
        return entries

    def _write_info(self, info, recipe, index, names, paths):
        info.mkdir(parents=True)
        documents = {
            "index.json": index,
            "paths.json": {"paths_version": 1, "paths": paths},
            "hash_input.json": self._hash_input(recipe),
            "about.json": self._about(recipe),
        }
        if recipe.noarch:
            noarch = {"type": recipe.noarch}
            if recipe.noarch == "python":
                noarch["entry_points"] = list(recipe.entry_points)
            documents["link.json"] = {"noarch": noarch, "package_metadata_version": 1}
        for name, document in documents.items():
            (info / name).write_bytes(json_bytes(document))
        (info / "files").write_text("".join(name + "\n" for name in names))
        with_prefix = [
            f"{entry['prefix_placeholder']} {entry['file_mode']} {entry['_path']}\n"
            for entry in paths if "prefix_placeholder" in entry
        ]
        if with_prefix:
            (info / "has_prefix").write_text("".join(with_prefix))
        self._write_licenses(info / "licenses", recipe)

    @staticmethod
    def _about(recipe):
        about = {"license": recipe.license, "summary": recipe.summary}
        if recipe.home:
            about["home"] = recipe.home
        if recipe.debs:
            about["description"] = (
                "Repacked from the Debian packages " + ", ".join(recipe.debs) + ".")
        return about

    def _write_licenses(self, folder, recipe):
        folder.mkdir()
        for name in recipe.debs:
            documents = self._debian.package(name).tree / "usr/share/doc" / name
            owner = name
            while documents.is_symlink():  # to those of another package of the same source
                owner = os.path.basename(os.readlink(documents))
                documents = self._debian.package(owner).tree / "usr/share/doc" / owner
            shutil.copyfile(documents / "copyright", folder / f"{owner}.copyright")
        if not recipe.debs:
            text = f"{recipe.name} is part of envtool's examples; its license is that of envtool.\n"
            (folder / "LICENSE.txt").write_text(text)

    def _write_archives(self, index, formats, tree, names, info_tree, package_tar, mtime):
        stem = f"{index['name']}-{index['version']}-{index['build']}"
        records = {}
        contents = {}
        if "tar.bz2" in formats:
            contents["tar.bz2"] = archives.tar_bz2_bytes(info_tree, tree, names, mtime)
        if "conda" in formats:
            info_names = archives.list_files(info_tree)
            info_tar = archives.zstd_bytes(archives.tar_bytes(info_tree, info_names, mtime))
            contents["conda"] = archives.conda_bytes(stem, package_tar, info_tar, mtime)
        for extension, content in contents.items():
            record = dict(index)
            record["md5"] = hashlib.md5(content).hexdigest()
            record["sha256"] = hashlib.sha256(content).hexdigest()
            record["size"] = len(content)
            if extension == "conda" and "tar.bz2" in contents:
                old = contents["tar.bz2"]
                record["legacy_bz2_md5"] = hashlib.md5(old).hexdigest()
                record["legacy_bz2_size"] = len(old)
            archives.write_atomically(
                self._out / index["subdir"] / f"{stem}.{extension}", content)
            records[(index["subdir"], f"{stem}.{extension}")] = record
        return records


def write_repodata(out, subdirs, records):
    """Writes repodata.json and repodata.json.zst of each subdir; removes packages of before."""
    for subdir in subdirs:
        folder = Path(out, subdir)
        mine = {name: record for (where, name), record in records.items() if where == subdir}
        remove_former_packages(folder, mine)
        repodata = {
            "info": {"subdir": subdir},
            "packages": {n: r for n, r in mine.items() if n.endswith(".tar.bz2")},
            "packages.conda": {n: r for n, r in mine.items() if n.endswith(".conda")},
            "removed": [],
            "repodata_version": 1,
        }
        content = json_bytes(repodata)
        archives.write_atomically(folder / "repodata.json.zst", archives.zstd_bytes(content, 19))
        archives.write_atomically(folder / "repodata.json", content)


def remove_former_packages(folder, names):
    """Deletes what the former repodata lists and the new one does not, and nothing else."""
    try:
        former = json.loads((folder / "repodata.json").read_bytes())
    except (OSError, ValueError):
        return
    listed = {**former.get("packages", {}), **former.get("packages.conda", {})}
    for name in set(listed) - set(names):
        if Path(name).name == name:
            (folder / name).unlink(missing_ok=True)
