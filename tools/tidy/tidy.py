#!/usr/bin/env python3
"""Muster's style rules as a test. Prints `file:line: rule: found ...; expected ...` for each break
and exits 1 when there is any, 2 when it could not look.

    tools/tidy/tidy.py [--root FOLDER] [--rule NAME]... [--tighten]

A line is excused by `// NOLINT(muster-RULE): reason` on it, or NOLINTNEXTLINE on the line before.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from bans import check_bans, check_comments, check_files, check_places  # noqa: E402
from clauses import check_clauses  # noqa: E402
from doors import check_doors  # noqa: E402
from layers import check_includes, check_links  # noqa: E402
from ratchet import check_sizes, tighten  # noqa: E402
from tree import Tree  # noqa: E402

CHECKS = (check_includes, check_links, check_doors, check_bans, check_comments, check_places,
          check_files, check_clauses, check_sizes)


def run(root):
    """All findings in the tree under `root`, in the order of files and lines."""
    tree = Tree(root)
    findings = [finding for check in CHECKS for finding in check(tree)]
    return tree, sorted(findings, key=lambda f: (f.path, f.line, f.rule))


def main():
    parser = argparse.ArgumentParser(description="Checks Muster's style rules.")
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), "..", ".."))
    parser.add_argument("--rule", action="append", help="report only this rule (may be repeated)")
    parser.add_argument("--tighten", action="store_true",
                        help="first lower the sizes in ratchet.txt to those of today")
    arguments = parser.parse_args()
    if arguments.tighten:
        tighten(Tree(os.path.abspath(arguments.root)))
    tree, findings = run(os.path.abspath(arguments.root))
    if not any(f.is_cpp for f in tree.files):
        print(f"tidy: no C++ file under {arguments.root}: nothing was checked", file=sys.stderr)
        return 2
    if arguments.rule:
        findings = [f for f in findings if f.rule in arguments.rule]
    for finding in findings:
        print(finding)
    print(f"tidy: {len(tree.files)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
