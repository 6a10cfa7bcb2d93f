"""envtool's solver beside the one of py-rattler: the same records, the same wishes, one run.

    ninja -C build/release-bench solver_bench
    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install py-rattler
    /tmp/venv/bin/python tests/bench/compare_solver.py build/release-bench/src/solver/solver_bench [--runs 5] [ID ...]

Both get every environment of the collection beside the project (its bare roots, its platform, strict
channel priority) and choose among the same records. Each number is the processor time of the best of
several runs in one process, so that other work on the machine disturbs little. What is timed:

- envtool: `solve()` with all records of the channels in memory, grouped by name.
- py-rattler: `rattler.solve()` with a gateway that has fetched and parsed everything in an earlier run.
  That call looks up the records of all reachable names in the gateway's memory before it solves; the same
  look-up alone (`Gateway.query`) is timed, too, and taken off in the column `solve only`. It is an
  estimate: what the look-up hands over to Python is thrown away, and the answer is made Python objects.
"""
import argparse
import asyncio
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

DATA = pathlib.Path(__file__).resolve().parents[3] / "shared/data"

try:
    import rattler
except ImportError:
    print("skipped: py-rattler is not installed for this Python")
    sys.exit(77)


def unpack(channels, subdirs, folder):
    """The collection as channels of plain files; a subdir that a channel lacks is an empty one."""
    for channel in channels:
        for subdir in subdirs:
            place = folder / channel / subdir
            place.mkdir(parents=True)
            packed = DATA / "channels" / channel / subdir / "repodata.json.zst"
            if packed.exists():
                subprocess.run(["zstd", "-dqf", packed, "-o", place / "repodata.json"], check=True)
            else:
                (place / "repodata.json").write_text(json.dumps({"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}}))


def records_that_need_a_card(folder):
    """`channel/subdir/file` of all records with a dependency on `__cuda`."""
    found = set()
    for path in folder.glob("*/*/repodata.json"):
        document = json.loads(path.read_text())
        for group in ("packages", "packages.conda"):
            for fn, record in document.get(group, {}).items():
                if any(d == "__cuda" or d.startswith("__cuda ") for d in record.get("depends", [])):
                    found.add(f"{path.parent.parent.name}/{path.parent.name}/{fn}")
    return found


def machine(platform, cuda):
    """What solver_bench takes for a common machine of the platform."""
    if platform.startswith("linux"):
        packages = [("__unix", "0"), ("__linux", "5.10"), ("__glibc", "2.36")]
    elif platform.startswith("osx"):
        packages = [("__unix", "0"), ("__osx", "14.0")]
    else:
        packages = [("__win", "10.0.19045")]
    if cuda:
        packages.append(("__cuda", "13.0"))
    made = [rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), rattler.BuildString("0")) for name, version in packages]
    arch = "x86_64" if platform.endswith("-64") else platform.split("-")[1]
    return made + [rattler.GenericVirtualPackage(rattler.PackageName("__archspec"), rattler.Version("1"), rattler.BuildString(arch))]


async def best_time(runs, call):
    """Milliseconds of processor time, all threads of this process together, and the last result."""
    best, result = float("inf"), None
    for _ in range(runs):
        start = time.process_time()
        result = await call()
        best = min(best, 1000 * (time.process_time() - start))
    return best, result


async def time_rattler(environments, folder, runs):
    needs_card = records_that_need_a_card(folder)
    gateway = rattler.Gateway(cache_dir=str(folder / "cache"))
    times = {}
    for environment in environments:
        sources = [rattler.Channel((folder / name).as_uri()) for name in environment["channels"]]
        platforms = [environment["platform"], "noarch"]
        specs = [rattler.MatchSpec(root) for root in environment["roots"]]
        virtual = machine(environment["platform"], any(path in needs_card for path in environment["solution"]))

        async def solve():
            return await rattler.solve(sources, specs, gateway=gateway, platforms=platforms, virtual_packages=virtual,
                                       channel_priority=rattler.ChannelPriority.Strict, channel_relations="disabled")

        async def look_up():
            return await gateway.query(sources, platforms, specs, recursive=True, channel_relations="disabled")

        try:
            await solve()  # fills the gateway's memory
            whole, _ = await best_time(runs, solve)
            query, _ = await best_time(runs, look_up)
        except Exception as error:  # an answer, too: it says no
            print(f"py-rattler finds no solution for {environment['id']}: {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        times[environment["id"]] = (whole, max(whole - query, 0.0))
    return times


def time_envtool(bench, runs):
    out = subprocess.run([bench, str(runs), "all"], capture_output=True, text=True, check=True).stdout
    times, unsolvable = {}, []
    for line in out.splitlines():
        found = re.match(r"\s*([\d.]+) ms\s+(\S+)", line)
        if not found:
            continue
        times[found[2]] = float(found[1])
        if line.endswith("UNSOLVABLE"):
            unsolvable.append(found[2])
    return times, unsolvable


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench", help="the program solver_bench, optimised as for a release")
    parser.add_argument("ids", nargs="*", help="only these environments")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    if not (DATA / "environments.json").exists():
        print(f"skipped: there is no data at {DATA}")
        sys.exit(77)
    environments = json.loads((DATA / "environments.json").read_text())
    if arguments.ids:
        environments = [environment for environment in environments if environment["id"] in arguments.ids]
    ours, unsolvable = time_envtool(arguments.bench, arguments.runs)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        unpack({name for e in environments for name in e["channels"]}, {e["platform"] for e in environments} | {"noarch"}, folder)
        theirs = asyncio.run(time_rattler(environments, folder, arguments.runs))
    both = [e["id"] for e in environments if e["id"] in ours and e["id"] in theirs and e["id"] not in unsolvable]
    by_id = {environment["id"]: environment for environment in environments}
    print(f"{'environment':<12} {'platform':<13} {'envtool':>9} {'py-rattler':>11} {'solve only':>11}   milliseconds")
    for name in sorted(both, key=lambda n: ours[n] / max(theirs[n][1], 0.01), reverse=True):
        whole, only = theirs[name]
        mark = "  slower than the whole call" if ours[name] > whole else "  slower than the solve alone" if ours[name] > only else ""
        print(f"{name:<12} {by_id[name]['platform']:<13} {ours[name]:9.2f} {whole:11.2f} {only:11.2f}{mark}")
    print(f"\n{len(both)} environments solved by both; envtool without solution: {len(unsolvable)}")
    for title, values in (("envtool", [ours[n] for n in both]), ("py-rattler, whole call", [theirs[n][0] for n in both]),
                          ("py-rattler, solve only", [theirs[n][1] for n in both])):
        print(f"{title:<24} median {quantile(values, 0.5):8.2f}   99 % {quantile(values, 0.99):8.2f}   max {max(values):8.2f} ms")
    print(f"envtool is slower on {sum(ours[n] > theirs[n][0] for n in both)} than the whole call, "
          f"on {sum(ours[n] > theirs[n][1] for n in both)} than the solve alone")


if __name__ == "__main__":
    main()
