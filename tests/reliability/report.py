#!/usr/bin/env python3
"""The table of docs/reliability.md for the scenarios of this folder, from what a full run has counted.

    report.py            writes the section between the two marks (makes the file when there is none)
    report.py --check    fails when the section does not say what full-results.json says
"""
import json
import pathlib
import sys

import run

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "full-results.json"
PAGE = HERE.parent.parent / "docs/reliability.md"
START, END = "<!-- tests/reliability: start -->", "<!-- tests/reliability: end -->"

INTRODUCTION = """## Changes to environments: killed, starved, cut off

What `tests/reliability` tries with the real binary, and what of it passed, in the last full run of each row (rows may come from
different builds). A point is one fault at one place, judged by an oracle that shares no code with envtool
(`tests/reliability/oracle.py`): after one ordinary command the environment has to be the old one or the new one, path for path,
mode for mode, digest for digest, and nothing may be left over.

`python3 tests/reliability/run.py --tier full --json tests/reliability/full-results.json` makes the numbers,
`tests/reliability/report.py` this table, and ctest compares the two. The quick tier (`ctest -L reliability`) tries about every
tenth point, from a start that varies.
"""

# Scenarios that have no function yet, and what they would try.
NOT_TRIED = {}


def section():
    results = json.loads(RESULTS.read_text())
    lines = [START, INTRODUCTION, "| id | scenario | tried | passed | tier | test |", "|---|---|---:|---:|---|---|"]
    order = list(run.SCENARIOS)
    for name in NOT_TRIED:
        order.insert(next((i for i, other in enumerate(order) if other[0] == name[0] and other > name), len(order)), name)
    for name in order:
        if name in NOT_TRIED:
            lines.append(f"| {name} | {NOT_TRIED[name]} | not tried | | | |")
            continue
        what = (run.function_of(name).__doc__ or "").strip()
        test = "`tests/reliability/{}.py`".format(run.SCENARIOS[name].split(".")[0])
        found = results.get(name)
        if not found or not found["tried"]:
            why = found["skipped"] if found and found["skipped"] else "no full run yet"
            lines.append(f"| {name} | {what} | not tried ({why}) | | | {test} |")
        else:
            lines.append(f"| {name} | {what} | {found['tried']:,} | {found['passed']:,} | {found['tier']} | {test} |")
    lines += ["", "Limits of these numbers:", ""]
    lines += [f"- {text}" for text in LIMITS]
    return "\n".join([*lines, END, ""])


LIMITS = [
    "Power cuts (C08, C09) are those of ext4 on a loop device, by its shutdown ioctl; xfs and btrfs were not tried.",
    "C01-C06 and S01 count fail points, each right before the system call that it stands for; that no call at an environment is "
    "without one is a point of C01-C03 (strace). C01-C03, S01 and S04 add the system calls themselves.",
    "C06: SIGPIPE is ignored, so the command goes on; a reader that went away is an error where something is written to it.",
    "C14 limits the address space and aborts; no cgroup was made.",
    "O07: of its 10,000 steps those count that run a command. A04: `link_scripts: on` is tested in `tests/cli`.",
    "C08 leaves out what a disk may do that lies about what it has written.",
    "R01 compares buffers through whole creations; the fuzzer `fuzz_replace_placeholder` has more.",
    "Folders of an extraction that was killed stay in the cache for a day, or until `envtool clean`; `.tmp` files of single writes "
    "for an hour.",
    "A kill while pip runs leaves the environment marked: every command says that it is not complete, and what it replaced is kept.",
]


def main():
    text = PAGE.read_text() if PAGE.exists() else "# Reliability\n\nWhat was tried to break envtool, and how much of it held.\n\n"
    new = section()
    if START in text:
        text = text[:text.index(START)] + new + text[text.index(END) + len(END) + 1:]
    elif "--check" in sys.argv:
        print(f"{PAGE} has no section of these tests")
        return 1
    else:
        text = text.rstrip() + "\n\n" + new
    if "--check" in sys.argv:
        if text != PAGE.read_text():
            print(f"{PAGE} and {RESULTS} do not agree: run tests/reliability/report.py")
            return 1
        bad = [name for name, found in json.loads(RESULTS.read_text()).items() if found["tried"] != found["passed"]]
        print(f"the page agrees; failing in the last full run: {', '.join(bad) or 'none'}")
        return 0
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
