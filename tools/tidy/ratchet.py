"""File sizes. Headers stay within 200 lines and sources within 500; the files that do not are
listed in ratchet.txt with their size, and a listed size only goes down."""

import os

from layers import COMPONENTS
from tree import Finding

LIST = "tools/tidy/ratchet.txt"
LIMITS = {".h": 200, ".cc": 500, ".py": 500}


def read_list(root):
    """{path: (lines allowed, line number in the list)} and the findings about the list itself."""
    allowed, findings = {}, []
    path = os.path.join(root, LIST)
    if not os.path.exists(path):
        return allowed, findings
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            words = line.split("#", 1)[0].split()
            if not words:
                continue
            if len(words) != 2 or not words[0].isdigit():
                findings.append(Finding(LIST, number, "size", repr(line.strip()), "LINES PATH"))
                continue
            allowed[words[1]] = (int(words[0]), number)
    return allowed, findings


def tighten(tree):
    """Lowers the listed sizes to today's and removes the lines that are not needed. Never raises."""
    sizes = {f.path: len(f.text.splitlines()) for f in tree.files}
    with open(os.path.join(tree.root, LIST), encoding="utf-8") as stream:
        lines = stream.readlines()
    with open(os.path.join(tree.root, LIST), "w", encoding="utf-8") as stream:
        for line in lines:
            words = line.split("#", 1)[0].split()
            if len(words) == 2 and words[0].isdigit():
                size = sizes.get(words[1], 0)
                if size <= LIMITS.get(os.path.splitext(words[1])[1], 0):
                    continue
                line = f"{min(int(words[0]), size)} {words[1]}\n"
            stream.write(line)


def check_sizes(tree):
    allowed, findings = read_list(tree.root)
    yield from findings
    sizes = {f.path: len(f.text.splitlines()) for f in tree.files
             if f.suffix in LIMITS and f.parts[0] in COMPONENTS}
    for path, lines in sizes.items():
        limit = LIMITS[os.path.splitext(path)[1]]
        listed, number = allowed.pop(path, (None, 0))
        if listed is None:
            if lines > limit:
                yield Finding(path, lines, "size", f"{lines} lines", f"at most {limit}: split the file")
        elif lines > listed:
            yield Finding(path, lines, "size", f"{lines} lines",
                          f"at most the {listed} of {LIST}, which only go down")
        elif lines <= limit:
            yield Finding(LIST, number, "size", f"{path} listed with {listed} lines",
                          f"no entry: it has {lines}, within the limit of {limit}")
        elif lines < listed:
            yield Finding(LIST, number, "size", f"{path} listed with {listed} lines",
                          f"{lines}, its size now")
    for path, (_, number) in allowed.items():
        yield Finding(LIST, number, "size", f"{path}, which is not in the tree", "no entry")
