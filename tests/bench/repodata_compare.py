#!/usr/bin/env python3
"""Channel records, beside py-rattler and beside mere decompression: the same channel, the same server, one run.

    ninja -C build/release envtool
    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install py-rattler
    tests/bench/repodata_compare.py CHANNEL_FOLDER [--envtool build/release/envtool] [--rattler /tmp/venv/bin/python]
                                    [--spec python=3.11 --spec pytorch] [--runs 5]

CHANNEL_FOLDER has subdirs with `repodata.json` and `repodata.json.zst`; shards are added by hard links in a
copy of it. nginx serves both on loopback. What is timed is a whole process: `envtool create --dry-run`, and a
Python program that calls `rattler.solve()` with a gateway of its own (its start and imports, measured by a
program that does nothing else, are taken off). Cold: an empty cache. Warm: a full one, and the server answers
304 (py-rattler: its cache is fresh by the server's `max-age=0`, or it asks as it sees fit). Each number is the
best of the runs by processor time, with the wall time of the best by wall time beside it: other work on the
machine disturbs the former little.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cli"))
import made_shards  # noqa: E402
import support  # noqa: E402

MEASURE = """
import json, os, sys, time
null = os.open(os.devnull, os.O_WRONLY)
started = time.monotonic()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
_, status, usage = os.wait4(pid, 0)
print(json.dumps([status, time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""

RATTLER = """
import asyncio, os, sys
import rattler
async def main(url, cache, sharded, specs):
    config = rattler.SourceConfig(sharded_enabled=sharded == "1", bz2_enabled=False)
    gateway = rattler.Gateway(cache_dir=cache, default_config=config)
    virtual = [rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), rattler.package.BuildString(build)) for name, version, build in (
        ("__unix", "0", "0"), ("__linux", "6.1", "0"), ("__glibc", "2.36", "0"), ("__cuda", "12.8", "0"), ("__archspec", "1", "x86_64_v3"))]
    found = await rattler.solve([rattler.Channel(url)], specs, gateway=gateway, platforms=["linux-64", "noarch"], virtual_packages=virtual,
                                channel_priority=rattler.ChannelPriority.Disabled)
    print(len(found), flush=True)
    os._exit(0)  # it may crash while Python takes itself down
if len(sys.argv) > 1:
    asyncio.run(main(*sys.argv[1:4], sys.argv[4:]))
"""


def measure(command, environ):
    done = subprocess.run([sys.executable, "-S", "-c", MEASURE, *map(str, command)], capture_output=True, text=True, env=environ)
    status, wall, cpu, memory = json.loads(done.stdout)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))}: failed\n{done.stderr}")
    return wall, cpu, memory


class Best:
    def __init__(self):
        self.wall = self.cpu = self.memory = float("inf")

    def add(self, numbers):
        self.wall, self.cpu, self.memory = (min(a, b) for a, b in zip((self.wall, self.cpu, self.memory), numbers))

    def __str__(self):
        return f"{self.cpu:7.3f} s cpu {self.wall:7.3f} s wall {self.memory:6.0f} MB"


def main():
    parser = argparse.ArgumentParser(description="See the head of this file.")
    parser.add_argument("channel", type=pathlib.Path)
    parser.add_argument("--envtool", type=pathlib.Path, default=ROOT / "build/release/envtool")
    parser.add_argument("--rattler", type=pathlib.Path, help="a Python that has py-rattler")
    parser.add_argument("--spec", action="append", default=[])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    specs = options.spec or ["python=3.11", "pytorch"]

    with tempfile.TemporaryDirectory(prefix="envtool-bench-", dir=options.channel.resolve().parent) as temporary:
        work = pathlib.Path(temporary)
        for form in ("whole", "shards"):
            for path in options.channel.glob("*/repodata.json*"):
                (work / "www" / form / path.parent.name).mkdir(parents=True, exist_ok=True)
                os.link(path, work / "www" / form / path.parent.name / path.name)
        # In a process of its own: the peak of a child begins with what its parent holds.
        subprocess.run([sys.executable, ROOT / "tests/cli/made_shards.py", work / "www/shards"], check=True)
        script = work / "peer_solve.py"
        script.write_text(RATTLER)
        environ = {**{name: value for name, value in os.environ.items() if not name.startswith(("CONDA_", "ENVTOOL_", "MAMBA_"))},
                   "HOME": str(work), "ENVTOOL_ROOT_PREFIX": str(work / "root"), "CONDA_OVERRIDE_CUDA": "12.8",
                   "CONDA_OVERRIDE_GLIBC": "2.36", "CONDA_CHANNEL_PRIORITY": "disabled"}
        with support.http_channel(work / "www", "--directive", 'add_header Cache-Control "max-age=0";') as server:
            results = {}

            def compare(name, url, sharded):
                for tool in ("envtool", "py-rattler"):
                    if tool == "py-rattler" and options.rattler is None:
                        continue
                    cache = work / f"cache-{tool}"
                    variables = {**environ, "CONDA_PKGS_DIRS": str(cache), "ENVTOOL_USE_SHARDED_REPODATA": str(sharded).lower()}
                    command = ([options.envtool, "create", "-y", "--dry-run", "-n", "x", "-c", url, "--override-channels", "--repodata-ttl", "0", *specs]
                               if tool == "envtool" else [options.rattler, script, url, cache, str(int(sharded)), *specs])
                    cold, warm = (results.setdefault(f"{name}, {state}", {}).setdefault(tool, Best()) for state in ("cold", "warm"))
                    for _ in range(options.runs):
                        shutil.rmtree(cache, ignore_errors=True)
                        cold.add(measure(command, variables))
                        for _ in range(2):
                            warm.add(measure(command, variables))
                    size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
                    if tool == "envtool":
                        plan = json.loads(subprocess.run([*command, "--json"], capture_output=True, env=variables, check=True).stdout)
                        packages = len(plan["actions"]["LINK"])
                    else:
                        packages = int(subprocess.run(command, capture_output=True, env=variables, check=True).stdout)
                    print(f"{name}: {tool}: {packages} packages; the cache has {size / 1e6:.1f} MB", file=sys.stderr)

            compare("whole index", f"{server}/whole", False)
            compare("shards", f"{server}/shards", True)
        start = Best()
        decompression = Best()
        for _ in range(options.runs):
            if options.rattler is not None:
                start.add(measure([options.rattler, script], environ))
            decompression.add(measure(["/bin/sh", "-c", "zstd -dcqq " + " ".join(map(str, options.channel.resolve().glob("*/*.zst"))) + " >/dev/null"], environ))

    load = os.getloadavg()[0]
    print(f"{options.channel.name}: {' '.join(specs)}; best of {options.runs}; load {load:.1f} on {os.cpu_count()} cores")
    print(f"  {'zstd -dc of all':22} {decompression}")
    if options.rattler is not None:
        print(f"  {'start of py-rattler':22} {start}")
    for name, tools in results.items():
        for tool, best in tools.items():
            print(f"  {name + ', ' + tool:34} {best}")
        if len(tools) == 2:
            ours, theirs = tools["envtool"], tools["py-rattler"]
            print(f"    without its start py-rattler takes {(theirs.cpu - start.cpu) / ours.cpu:.1f} times the processor time, "
                  f"{(theirs.wall - start.wall) / ours.wall:.1f} times the wall time, {theirs.memory / ours.memory:.1f} times the memory")


if __name__ == "__main__":
    main()
