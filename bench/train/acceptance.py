#!/usr/bin/env python3
"""The acceptance figures of training, measured on the built tool.

    bench/train/acceptance.py accuracy     the main job with five seeds: test accuracy and wall time
    bench/train/acceptance.py processes    --processes 4 against one process, in alternation

Prints a table and, as the last line, one JSON object. Exit status: 0 within the limits, 1 not, 2 a
run failed. Arguments behind `--` go to `muster train`, as in `accuracy -- --rounds 20`.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def train(args, flags):
    """One run: its result, with the wall time of the whole process as process_s."""
    with tempfile.TemporaryDirectory() as folder:
        command = [args.muster, "train", "--quiet", "--json", "--record", folder + "/record"]
        began = time.monotonic()
        done = subprocess.run(command + flags + args.flags, capture_output=True, text=True)
        wall = time.monotonic() - began
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"muster ended with status {done.returncode}"]
        print(words[-1], file=sys.stderr)
        sys.exit(2)
    result = json.loads(done.stdout.splitlines()[-1])
    return {
        "accuracy": result["test_accuracy"],
        "wall_s": result["wall_s"],
        "process_s": wall,
        "params_sha256": result["params_sha256"],
    }


def verdict(ok):
    return "pass" if ok else "FAIL"


def accuracy(args):
    runs = []
    print(f"{'seed':>5} {'accuracy':>9} {'wall s':>8} {'process s':>10}")
    for seed in range(1, args.seeds + 1):
        run = {"seed": seed, **train(args, ["--seed", str(seed)])}
        run["pass"] = run["accuracy"] >= args.accuracy_min and run["process_s"] <= args.wall_max
        runs.append(run)
        print(f"{seed:>5} {run['accuracy']:>9.4f} {run['wall_s']:>8.2f} {run['process_s']:>10.2f}"
              f"  {verdict(run['pass'])}", flush=True)
    least = min(run["accuracy"] for run in runs)
    longest = max(run["process_s"] for run in runs)
    print(f"least accuracy {least:.4f}, at least {args.accuracy_min} wanted; "
          f"longest process {longest:.1f} s, at most {args.wall_max:g} s wanted")
    return {
        "accuracy_least": least,
        "accuracy_min": args.accuracy_min,
        "process_s_longest": longest,
        "wall_max_s": args.wall_max,
        "runs": runs,
        "pass": all(run["pass"] for run in runs),
    }


def processes(args):
    pairs = []
    print(f"{'pair':>5} {'one s':>8} {'four s':>8} {'ratio':>7} {'of whole processes':>19}")
    for number in range(1, args.pairs + 1):
        # The order within a pair changes, so that neither side always runs on the warmer machine.
        sides = {"one": [], "four": ["--processes", "4"]}
        order = ["one", "four"] if number % 2 else ["four", "one"]
        runs = {side: train(args, sides[side]) for side in order}
        pair = {
            **runs,
            "ratio": runs["four"]["wall_s"] / runs["one"]["wall_s"],
            "process_ratio": runs["four"]["process_s"] / runs["one"]["process_s"],
            "same_parameters": runs["four"]["params_sha256"] == runs["one"]["params_sha256"],
        }
        pairs.append(pair)
        print(f"{number:>5} {runs['one']['wall_s']:>8.2f} {runs['four']['wall_s']:>8.2f}"
              f" {pair['ratio']:>7.3f} {pair['process_ratio']:>19.3f}"
              f"{'' if pair['same_parameters'] else '  parameters differ'}", flush=True)
    ratio = statistics.median(pair["ratio"] for pair in pairs)
    whole = statistics.median(pair["process_ratio"] for pair in pairs)
    ok = ratio <= args.ratio_max and all(pair["same_parameters"] for pair in pairs)
    print(f"median ratio {ratio:.3f} (of whole processes {whole:.3f}), at most {args.ratio_max:g} "
          f"wanted: {verdict(ok)}")
    return {
        "ratio_median": ratio,
        "process_ratio_median": whole,
        "ratio_max": args.ratio_max,
        "pairs": pairs,
        "pass": ok,
    }


def main():
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--muster", default=str(ROOT / "build/release/bin/muster"),
                        help="the tool [build/release/bin/muster]")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("accuracy")
    one.add_argument("--seeds", type=int, default=5, help="from 1 on [5]")
    one.add_argument("--accuracy-min", type=float, default=0.87, help="of every seed [0.87]")
    one.add_argument("--wall-max", type=float, default=180, help="seconds a process [180]")
    one.set_defaults(run=accuracy)
    two = commands.add_parser("processes")
    two.add_argument("--pairs", type=int, default=5, help="of runs [5]")
    two.add_argument("--ratio-max", type=float, default=1.25, help="of wall_s, median [1.25]")
    two.set_defaults(run=processes)
    args = parser.parse_args(words[:cut])
    args.flags = words[cut + 1:]
    if not pathlib.Path(args.muster).exists():
        parser.error(f"{args.muster}: there is no such program; "
                     "cmake --preset release && cmake --build build/release --target muster")
    figures = args.run(args)
    print(json.dumps({"figure": args.command, "flags": args.flags, **figures}))
    return 0 if figures["pass"] else 1


if __name__ == "__main__":
    sys.exit(main())
