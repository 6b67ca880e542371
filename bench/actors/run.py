#!/usr/bin/env python3
"""The Savina benchmarks on Muster beside CAF, in turn and several times over.

    bench/actors/run.py [--repeats 5] [--only NAME]... [--threads N] [--json FILE] [--bin FOLDER]

Each repeat is a process of its own for each of the two, which runs the benchmark once unmeasured
and once on the clock. Prints medians and the peak of the process's memory; ratio = Muster / CAF,
below 1 where Muster takes less; spread is that of the ratio from repeat to repeat. Without
caf_savina (built where libcaf-dev is installed) only Muster's columns are filled. Exits 1 when a
benchmark's own check of its result failed.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

PROGRAMS = ("muster", "caf")
LAYOUT = "{:<28} {:>9} {:>9} {:>6} {:>12} {:>10} {:>8} {:>10} {:>8}  {}"
LIMIT_SECONDS = 1800  # a benchmark gives up by itself after five minutes


def measure(binary, name, threads):
    command = [str(binary), "--only", name, "--repeats", "1"]
    if threads:
        command += ["--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with status {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def summary(runs):
    """One row from the JSON lines of all repeats, by program."""
    ours = runs["muster"][0]
    row = {key: ours[key] for key in
           ("suite", "benchmark", "parameters", "threads", "operations", "counted", "unit")}
    for program, lines in runs.items():
        values = [line["values"][0] for line in lines]
        row[program] = {"values": values, "median": statistics.median(values),
                        "peak_mib": statistics.median(line["peak_mib"] for line in lines)}
    if runs.get("caf") and row["caf"]["median"] > 0:
        row["ratio"] = row["muster"]["median"] / row["caf"]["median"]
        pairs = [m / c for m, c in zip(row["muster"]["values"], row["caf"]["values"]) if c > 0]
        row["ratio_low"], row["ratio_high"] = min(pairs), max(pairs)
    return row


def rate(row, program):
    if program not in row or not row["operations"]:
        return ""
    return f"{row['operations'] / row[program]['median'] / 1e6:.2f}"


def line(row):
    unit = "" if row["unit"] == "s" else f" ({row['unit']})"
    cells = [f"{row['benchmark']}{unit}"]
    cells += [f"{row[p]['median']:.4g}" if p in row else "-" for p in PROGRAMS]
    cells += [f"{row['ratio']:.2f}", f"{row['ratio_low']:.2f}-{row['ratio_high']:.2f}"] \
        if "ratio" in row else ["-", "-"]
    cells += [rate(row, p) for p in PROGRAMS]
    cells += [f"{row[p]['peak_mib']:.0f}" if p in row else "-" for p in PROGRAMS]
    return LAYOUT.format(*cells, row["counted"])


def geometric_mean(rows):
    ratios = [row["ratio"] for row in rows if "ratio" in row]
    return math.exp(statistics.fmean(math.log(r) for r in ratios)) if ratios else None


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", action="append", metavar="NAME", help="may be repeated")
    parser.add_argument("--threads", type=int, help="of each runtime; default: one for each core")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="every value, as JSON")
    parser.add_argument("--bin", type=pathlib.Path, default=root / "build/release/bin")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats is {options.repeats}, expected at least 1")
    binaries = {p: options.bin / f"{p}_savina" for p in PROGRAMS}
    if not binaries["muster"].exists():
        sys.exit(f"{binaries['muster']} is not there; expected it built with the preset release")
    if not binaries["caf"].exists():
        print(f"{binaries['caf']} is not there: Muster alone", file=sys.stderr)
        del binaries["caf"]
    known = subprocess.run([str(binaries["muster"]), "--list"], capture_output=True, text=True,
                           check=True).stdout.split()
    for name in options.only or ():
        if name not in known:
            parser.error(f"--only {name}: expected one of {', '.join(known)}")

    load = [os.getloadavg()]
    print(LAYOUT.format("benchmark", "Muster s", "CAF s", "ratio", "spread", "Muster M/s", "CAF M/s",
                        "Muster MiB", "CAF MiB", "M/s are millions of"))
    rows = []
    for name in options.only or known:
        runs = {program: [] for program in binaries}
        for _ in range(options.repeats):
            for program, binary in binaries.items():
                runs[program].append(measure(binary, name, options.threads))
        rows.append(summary(runs))
        print(line(rows[-1]), flush=True)
    load.append(os.getloadavg())

    timed = [row for row in rows if row["unit"] == "s"]
    means = {"savina": geometric_mean([row for row in timed if row["suite"] == "savina"]),
             "timed": geometric_mean(timed)}
    for what, mean in means.items():
        if mean is not None:
            print(f"geometric mean of the ratios, {what} rows: {mean:.3f}")
    print(f"cores {os.cpu_count()}, load average {load[0][0]:.1f} before and {load[1][0]:.1f} after")
    if options.json:
        options.json.write_text(json.dumps(
            {"bench": "savina", "repeats": options.repeats, "cores": os.cpu_count(),
             "load": load, "geometric_means": means, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
