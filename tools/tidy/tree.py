"""The files that the rules look at, and C++ text without comments and strings.

A File is read once; every rule works on the same lists of lines. Line numbers start at 1.
"""

import os
import re
import subprocess
from functools import cached_property
from pathlib import PurePosixPath

CPP_SUFFIXES = (".h", ".cc")
_SKIPPED_FOLDERS = {".git", "build", "runs", "__pycache__", ".cache"}


class Finding:
    """One broken rule at one place: what was found there and what was expected."""

    def __init__(self, path, line, rule, found, expected):
        self.path, self.line, self.rule = path, line, rule
        self.found, self.expected = found, expected

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: found {self.found}; expected {self.expected}"


class File:
    def __init__(self, root, path):
        self.path = path
        self.parts = PurePosixPath(path).parts
        self.name = self.parts[-1]
        self.suffix = PurePosixPath(path).suffix
        with open(os.path.join(root, path), "rb") as stream:
            data = stream.read()
        self.is_text = b"\0" not in data[:4096]
        self.text = data.decode("utf-8", "replace") if self.is_text else ""

    @property
    def is_cpp(self):
        return self.suffix in CPP_SUFFIXES

    @property
    def is_cmake(self):
        return self.name == "CMakeLists.txt" or self.suffix == ".cmake"

    @property
    def is_public_header(self):
        return self.suffix == ".h" and "/include/muster/" in "/" + self.path

    def under(self, *prefixes):
        return any(self.path == p or self.path.startswith(p + "/") for p in prefixes)

    @cached_property
    def lines(self):
        return self.text.split("\n")

    @cached_property
    def code(self):
        """Lines of C++ with comments and the contents of literals blanked; as many as `lines`."""
        return _blank(self.text, keep_strings=False).split("\n")

    @cached_property
    def code_and_strings(self):
        """As `code`, with the contents of literals kept."""
        return _blank(self.text, keep_strings=True).split("\n")

    def excused(self, number, rule):
        """True when line `number`, or the one before it, carries NOLINT for this rule."""
        here = self.lines[number - 1]
        if "NOLINT" not in here and (number < 2 or "NOLINTNEXTLINE" not in self.lines[number - 2]):
            return False
        for text, word in ((here, "NOLINT"), (self.lines[number - 2], "NOLINTNEXTLINE")):
            found = re.search(word + r"(?!NEXTLINE)(?:\(([^)]*)\))?:", text)
            if found and (found.group(1) is None or "muster-" + rule in found.group(1)):
                return True
        return False


_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^ ()\\\t\n]{0,16})\(.*?\)\1"'
    r'|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)
_INCLUDE = re.compile(r"^\s*#\s*include\b")


def _blank(text, keep_strings):
    def replace(match):
        token = match.group(0)
        if token.startswith("/"):
            return "\n" * token.count("\n")
        if keep_strings:
            return token
        line_start = text.rfind("\n", 0, match.start()) + 1
        if _INCLUDE.match(text[line_start:match.start()]):
            return token
        return '""' + "\n" * token.count("\n") if '"' in token[:2] else "' '"

    return _TOKEN.sub(replace, text)


def list_files(root):
    """Paths under `root` that git tracks or would track; every file when `root` is no work tree."""
    listing = None
    if os.path.exists(os.path.join(root, ".git")):
        command = ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode == 0:
            listing = [p for p in done.stdout.decode().split("\0") if p]
    if listing is None:
        listing = []
        for folder, folders, files in os.walk(root):
            folders[:] = [f for f in folders if f not in _SKIPPED_FOLDERS]
            listing += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return sorted(p for p in set(listing) if os.path.isfile(os.path.join(root, p)))


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = [f for f in (File(root, p) for p in list_files(root)) if f.is_text]
        self.paths = {f.path for f in self.files}
