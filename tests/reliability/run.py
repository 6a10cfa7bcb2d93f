#!/usr/bin/env python3
"""Runs the scenarios of docs/reliability.md against the real binary and counts.

    run.py [--tier quick|full] [--only C02,S01] [--seed N] [--json FILE] [--list]

ENVTOOL names the binary. `quick` tries about every tenth point, from a start that varies from run to run (the seed is
printed); `full` tries all. Exit codes: 0 all passed, 1 something did not, 77 everything was skipped.
"""
import argparse
import collections
import importlib
import json
import os
import sys
import time
import traceback

import harness
from harness import Score, Skip, Tier

# Scenario to the function that tries it, in the order of docs/reliability.md.
SCENARIOS = {
    "C01": "kills.c01", "C02": "kills.c02", "C03": "kills.c03", "C04": "kills.c04", "C05": "kills.c05", "C06": "kills.c06", "C07": "kills.c07",
    "C08": "power.c08", "C09": "power.c09", "C10": "power.c10", "C11": "kills.c11", "C12": "kills.c12", "C13": "power.c13", "C14": "kills.c14",
    "S01": "space.s01", "S02": "space.s02", "S03": "space.s03", "S04": "space.s04", "S05": "space.s05", "S06": "space.s06",
    "O01": "owners.o01", "O02": "owners.o02", "O03": "owners.o03", "O04": "owners.o04", "O05": "owners.o05", "O06": "owners.o06", "O07": "owners.o07",
    "R01": "rewriting.r01", "R02": "rewriting.r02", "R03": "rewriting.r03", "R04": "rewriting.r04", "R05": "rewriting.r05", "R06": "rewriting.r06",
    "A04": "owners.a04",
}
# Counted along with others: each state that the sweeps look at is looked at for these, too.
ALONG = {"C11": ("agreement", "history, records and generation agree after any of C01-C03"),
         "C12": ("users", None)}


def function_of(name):
    module, function = SCENARIOS[name].split(".")
    return getattr(importlib.import_module(module), function)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("quick", "full"), default="quick")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("ENVTOOL_TEST_SEED", time.time_ns() // 1000 % 100000)))
    parser.add_argument("--json", help="write what was tried and passed to this file (kept: scenarios that were not run)")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    names = [name for name in SCENARIOS if not options.only or name in options.only.split(",")]
    if options.list:
        for name in names:
            print(name, (function_of(name).__doc__ or "").strip())
        return 0
    tier = Tier(options.tier == "full", options.seed)
    print(f"{options.tier} tier, seed {options.seed}, {harness.ENVTOOL}", flush=True)
    along = {key: Score(name) for name, (key, _) in ALONG.items()}
    scores = collections.OrderedDict()
    for name in names:
        score = scores[name] = Score(name)
        started = time.monotonic()
        try:
            function_of(name)(tier, score, **along)
        except Skip as skip:
            score.skipped = str(skip)
        except Exception:  # a scenario that breaks is a failure, and the others still run
            score.check(traceback.format_exc(limit=4), "the scenario itself")
        score.seconds = time.monotonic() - started
        show(score)
    for name, (key, text) in ALONG.items():
        if along[key].tried:
            if name in scores:
                scores[name].tried += along[key].tried
                scores[name].passed += along[key].passed
                scores[name].failures += along[key].failures
                scores[name].note(f"with {along[key].tried} states of the sweeps")
            else:
                scores[name] = along[key]
            show(scores[name])
    if options.json:
        write_json(options, scores)
    bad = [name for name, score in scores.items() if score.failures]
    if bad:
        print("failed:", ", ".join(bad))
        return 1
    if not any(score.tried for score in scores.values()):
        return 77
    return 0


def show(score):
    if score.skipped:
        print(f"{score.name}  skipped: {score.skipped}", flush=True)
    if score.tried or not score.skipped:
        print(f"{score.name}  tried {score.tried}  passed {score.passed}  ({score.seconds:.0f} s)", flush=True)
    for note in score.notes:
        print(f"      {note}", flush=True)


def write_json(options, scores):
    document = {}
    if os.path.exists(options.json):
        with open(options.json) as file:
            document = json.load(file)
    for name, score in scores.items():
        document[name] = {"tier": options.tier, "tried": score.tried, "passed": score.passed, "seconds": round(score.seconds),
                          "skipped": score.skipped, "notes": score.notes, "failures": score.failures[:10]}
    with open(options.json, "w") as file:
        json.dump(dict(sorted(document.items())), file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    sys.exit(main())
