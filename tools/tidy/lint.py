#!/usr/bin/env python3
"""Runs clang-tidy (the short list in .clang-tidy) on the sources that changed.

    tools/tidy/lint.py [--all] BUILD_FOLDER

Changed means different from the merge base with origin's main branch (or from the last commit when
there is no origin), or not committed yet. Clang cannot read GCC's precompiled headers, so the
compilation database of BUILD_FOLDER is copied without them.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

CLANG_TIDY = "clang-tidy-14"
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
# Clang does not know every warning of GCC; its own are not what this run is for.
EXTRA = ["--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-w"]


def git(*words):
    done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else None


def changed_files():
    base = git("merge-base", "HEAD", "origin/HEAD") or git("merge-base", "HEAD", "origin/main")
    committed = git("diff", "--name-only", base[0] if base else "HEAD")
    new = git("ls-files", "--others", "--exclude-standard")
    if committed is None or new is None:
        return None
    return {os.path.join(ROOT, path) for path in committed + new}


def without_precompiled_headers(command):
    words, kept, skip = shlex.split(command), [], False
    for i, word in enumerate(words):
        if skip:
            skip = False
        elif word == "-include" and i + 1 < len(words) and "cmake_pch" in words[i + 1]:
            skip = True
        elif word not in ("-Winvalid-pch", "-fpch-preprocess", "-Werror") and "ccache" not in word:
            kept.append(word)
    return kept


def each_source(entry):
    """The entry, or one for each source of the batch that it compiles."""
    if not re.search(r"/Unity/unity_\d+_cxx\.cxx$", entry["file"]):
        return [entry]
    with open(entry["file"], encoding="utf-8") as stream:
        sources = re.findall(r'^#include "(.*)"$', stream.read(), flags=re.MULTILINE)
    return [dict(entry, file=source, command=entry["command"].replace(entry["file"], source))
            for source in sources]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="every source, not only changed ones")
    parser.add_argument("build", help="a configured and built folder, such as build/dev")
    arguments = parser.parse_args()

    with open(os.path.join(arguments.build, "compile_commands.json"), encoding="utf-8") as stream:
        database = json.load(stream)
    database = [one for entry in database for one in each_source(entry)]
    ours = [e for e in database if e["file"].startswith(ROOT + os.sep) and e["file"].endswith(".cc")
            and not e["file"].startswith(os.path.join(ROOT, "build") + os.sep)]
    folder = os.path.join(arguments.build, "lint")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "compile_commands.json"), "w", encoding="utf-8") as stream:
        json.dump([{"directory": e["directory"], "file": e["file"],
                    "arguments": without_precompiled_headers(e["command"])} for e in ours], stream)

    files = sorted({e["file"] for e in ours})
    changed = None if arguments.all else changed_files()
    if changed is not None:
        files = [f for f in files if f in changed]
    print(f"lint: {CLANG_TIDY} on {len(files)} files")

    def lint(path):
        done = subprocess.run([CLANG_TIDY, "--quiet", "-p", folder, *EXTRA, path],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout if done.returncode == 0 else done.stdout + done.stderr

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lint, files))
    seen = set()
    for _, output in results:
        # A finding in a header shows up for every source that includes it: print it once.
        for block in re.split(r"^(?=/\S+:\d+:\d+: (?:error|warning):)", output, flags=re.MULTILINE):
            if block.strip() and block not in seen:
                seen.add(block)
                print(block.replace(ROOT + os.sep, ""), end="")
    bad = sum(1 for status, _ in results if status != 0)
    print(f"lint: {bad} of {len(files)} files have findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
