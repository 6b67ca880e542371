"""The contract and its tests: each clause is quoted by a test, and each quotation has its clause.

Clauses are the numbered items of docs/contract.md, `2.3` for item 3 of section 2. Tests quote them in
comments as `contract 2.3` or `contract 2.3, 4.1`.
"""

import re

from tree import Finding

CONTRACT = "docs/contract.md"
_SECTION = re.compile(r"^## (\d+)\.")
_ITEM = re.compile(r"^(\d+)\. ")
_QUOTED = re.compile(r"\bcontract (\d+\.\d+(?:, \d+\.\d+)*)")


def check_clauses(tree):
    contract = next((f for f in tree.files if f.path == CONTRACT), None)
    if contract is None:
        return
    clauses = dict(_clauses(contract))
    quoted = set()
    for file in (f for f in tree.files if f.is_cpp and f.parts[0] == "tests"):
        for number, line in enumerate(file.lines, 1):
            for group in _QUOTED.findall(line):
                for clause in group.split(", "):
                    quoted.add(clause)
                    if clause not in clauses and not file.excused(number, "clauses"):
                        yield Finding(file.path, number, "clauses", f"contract {clause}",
                                      f"a clause of {CONTRACT}")
    for clause, number in clauses.items():
        if clause not in quoted:
            yield Finding(CONTRACT, number, "clauses", f"clause {clause}, which no test quotes",
                          f"`contract {clause}` in a comment over its test")


def _clauses(contract):
    section = None
    for number, line in enumerate(contract.lines, 1):
        if found := _SECTION.match(line):
            section = found.group(1)
        elif line.startswith("## "):
            section = None
        elif section and (found := _ITEM.match(line)):
            yield f"{section}.{found.group(1)}", number
