"""What other tools of the ecosystem make of our files. Runs in a Python that has them; prints one JSON document.

    peer.py records PREFIX             py-rattler reads every record of conda-meta
    peer.py solve CHANNEL VIRTUAL SPEC...  py-rattler solves (VIRTUAL: JSON list of [name, version, build])
    peer.py install CHANNEL VIRTUAL PREFIX SPEC...  py-rattler solves and makes an environment
    peer.py extract ARCHIVE FOLDER     conda-package-handling unpacks
    peer.py paths ARCHIVE...           py-rattler reads index.json and paths.json out of archives
    peer.py lock FILE                  conda-lock reads a lock
    peer.py index FOLDER OPTION...     conda-index indexes a folder of packages
    peer.py gateway URL SHARDED NAME...  py-rattler reads the records of these names (SHARDED: `yes` or `no`)
"""
import asyncio
import json
import os
import pathlib
import shutil
import sys
import time


def records(prefix):
    import rattler
    result = {}
    for path in sorted(pathlib.Path(prefix, "conda-meta").glob("*.json")):
        record = rattler.PrefixRecord.from_path(path)
        entries = record.paths_data.paths
        result[record.name.normalized] = {
            "version": str(record.version), "build": record.build, "build_number": record.build_number, "depends": list(record.depends),
            "subdir": record.subdir, "url": record.url, "channel": str(record.channel), "files": [str(file) for file in record.files],
            "sha256": record.sha256.hex() if record.sha256 else None, "md5": record.md5.hex() if record.md5 else None,
            "noarch": str(record.noarch), "paths": len(entries), "specs": list(record.requested_specs or []),
            "file_name": record.file_name}
    return result


def virtual_packages(text):
    import rattler
    return [rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)) for name, version, build in json.loads(text)]


async def solved(channel, virtual, specs):
    import rattler
    platform = str(rattler.Subdir.current()) if hasattr(rattler.Subdir, "current") else "linux-64"
    return await rattler.solve([rattler.Channel(pathlib.Path(channel).as_uri())], [rattler.MatchSpec(spec) for spec in specs],
                               gateway=rattler.Gateway(cache_dir=None), platforms=[platform, "noarch"],
                               virtual_packages=virtual_packages(virtual))


def solve(channel, virtual, *specs):
    from rattler.exceptions import SolverError
    try:
        found = asyncio.run(solved(channel, virtual, specs))
    except SolverError as error:
        return {"error": str(error)}
    return sorted([record.name.normalized, str(record.version), str(record.build)] for record in found)


def install(channel, virtual, prefix, *specs):
    import rattler

    async def make():
        found = await solved(channel, virtual, specs)
        await rattler.install(found, prefix, cache_dir=prefix + "-cache")
        return sorted(record.name.normalized for record in found)
    return asyncio.run(make())


def extract(archive, folder):
    from conda_package_handling import api
    api.extract(archive, dest_dir=folder)
    return {}


def paths(*archives):
    import rattler
    result = {}
    for archive in archives:
        index = rattler.IndexJson.from_package_archive(archive)
        entries = rattler.PathsJson.from_package_archive(archive).paths
        result[pathlib.Path(archive).name] = [index.name.normalized, str(index.version), str(index.build), len(entries)]
    return result


def lock(path):
    from conda_lock.lockfile import parse_conda_lock_file
    content = parse_conda_lock_file(pathlib.Path(path))
    return {"platforms": content.metadata.platforms, "channels": [channel.url for channel in content.metadata.channels],
            "packages": sorted([package.name, package.version, package.platform, package.url, package.hash.sha256, sorted(package.dependencies.items())]
                               for package in content.package)}


def index(folder, *options):
    import tempfile
    # conda-index wants two things of conda, which is no longer on the Python package index: versions that can
    # be compared, and the names of the subdirs. Its workers are processes, so they have to be in files.
    modules = pathlib.Path(tempfile.mkdtemp(prefix="envtool-peer-"))
    for name, text in {"models/version": "from rattler import Version as VersionOrder", "models/__init__": "", "base/__init__": "", "__init__": "",
                       "base/constants": "PLATFORM_DIRECTORIES = 'noarch', 'linux-64', 'linux-aarch64', 'osx-64', 'osx-arm64', 'win-64'"}.items():
        path = modules / "conda" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    sys.path.insert(0, str(modules))
    os.environ["PYTHONPATH"] = str(modules)
    from conda_index.cli import cli
    start = time.monotonic()
    try:
        cli([folder, *options])
    finally:
        shutil.rmtree(modules)
    return {"seconds": time.monotonic() - start}


def gateway(url, sharded, *names):
    import rattler
    config = rattler.SourceConfig(sharded_enabled=sharded == "yes", zstd_enabled=False, bz2_enabled=False)

    async def read():
        source = rattler.Gateway(cache_dir=os.path.join(os.getcwd(), "rattler-cache"), default_config=config)
        return await source.query([rattler.Channel(url)], ["linux-64", "linux-aarch64", "noarch"], list(names), recursive=False)
    result = {}
    for records in asyncio.run(read()):
        for record in records:
            result[record.file_name] = {
                "name": record.name.normalized, "version": str(record.version), "build": str(record.build), "build_number": record.build_number,
                "depends": list(record.depends), "constrains": list(record.constrains), "subdir": record.subdir, "license": record.license,
                "noarch": str(record.noarch), "size": record.size, "sha256": record.sha256.hex(), "md5": record.md5.hex(), "url": record.url,
                "timestamp": record.timestamp.timestamp() if record.timestamp else None}
    return result


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:]), default=str), flush=True)
    # py-rattler's threads may crash while the interpreter is taken down: the work is done by now.
    os._exit(0)
