#!/usr/bin/env python3
"""Counts what one message costs: instructions and calls of allocators, under valgrind's callgrind.

    bench/actors/profile.py [--build FOLDER] [--json FILE] [NAME...]

Each benchmark of muster_savina runs once, after its run that is not measured, in one thread; both are
counted, and start-up with them, so that a cost of the runtime's beginning is spread over all messages.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter

# Messages of both runs together: bench/actors/savina.h.
OPERATIONS = {
    "one_to_one": ("message", 2 * 2_000_000),
    "pingpong": ("round trip", 2 * 40_000),
    "request_reply": ("call and reply", 2 * 200_000),
}
TIMEOUT_S = 300
ALLOCATORS = re.compile(r"^(malloc|calloc|realloc|aligned_alloc|posix_memalign|memalign"
                        r"|scalable_(?:aligned_)?malloc|operator new.*)$")
NAMED = re.compile(r"^(c?fn)=\((\d+)\)(?: (.*))?$")


def profile(program, name):
    """Instructions, and calls by allocator, of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind.out")
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=" + out, program,
                   "--only", name, "--repeats", "1", "--threads", "1"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False,
                                  timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            sys.exit(f"profile: {' '.join(command)} did not end within {TIMEOUT_S} s")
        if done.returncode != 0:
            sys.exit(f"profile: {' '.join(command)} ended in {done.returncode}:\n{done.stderr}")
        with open(out, encoding="utf-8", errors="replace") as stream:
            return read(stream)


def read(lines):
    names, calls, instructions, callee = {}, Counter(), 0, None
    for line in lines:
        if found := NAMED.match(line):
            kind, number, text = found.groups()
            if text is not None:
                names[number] = text
            if kind == "cfn":
                callee = names[number]
        elif line.startswith("calls=") and callee is not None:
            calls[callee] += int(line[6:].split()[0])
        elif line.startswith(("summary:", "totals:")):
            instructions = int(line.split()[1])
    # The dynamic linker's own names of symbols carry a version; "'2" marks recursion.
    plain = Counter()
    for callee, count in calls.items():
        name = re.sub(r"(@.*|'\d+)$", "", callee)
        if ALLOCATORS.match(name):
            plain[name] += count
    return instructions, plain


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release", help="where bin/muster_savina is")
    parser.add_argument("--json", help="write the figures there")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(OPERATIONS))
    arguments = parser.parse_args()
    names = arguments.names or list(OPERATIONS)
    if unknown := [name for name in names if name not in OPERATIONS]:
        parser.error(f"found {', '.join(unknown)}; expected some of {', '.join(OPERATIONS)}")
    program = os.path.join(arguments.build, "bin", "muster_savina")
    figures = {}
    print(f"{'benchmark':16}{'operation':18}{'instructions':>14}{'allocator calls':>18}")
    for name in names:
        what, count = OPERATIONS[name]
        instructions, allocators = profile(program, name)
        figures[name] = {"operation": what, "operations": count,
                         "instructions_each": instructions / count,
                         "allocator_calls_each": sum(allocators.values()) / count,
                         "allocators": dict(allocators)}
        print(f"{name:16}{what:18}{instructions / count:14.0f}"
              f"{sum(allocators.values()) / count:18.4f}", flush=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as stream:
            json.dump(figures, stream, indent=1)


if __name__ == "__main__":
    main()
