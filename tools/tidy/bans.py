"""Words and shapes that the style refuses, each with the place where it is allowed."""

import re

from layers import COMPONENTS
from tree import Finding


class Ban:
    """A pattern in C++ code. `where` says which files it is looked for in; `strings` keeps the
    contents of literals in view."""

    def __init__(self, rule, pattern, where, expected, strings=False):
        self.rule, self.where = rule, where
        self.pattern = re.compile(pattern)
        self.expected, self.strings = expected, strings


def _outside(*places):
    return lambda f: f.parts[0] in COMPONENTS and not f.under(*places)


def _headers(file):
    return file.suffix == ".h" and file.parts[0] in COMPONENTS


BANS = (
    Ban("detached", r"\basio\s*::\s*detached\b|\bco_spawn\b.*\bdetached\b|^\s*detached\s*\)\s*;|"
        r"\bj?thread\b.*\.detach\s*\(", _outside(),
        "a task with an owner and an error handler"),
    Ban("clocks",
        r"\b(?:steady_clock|system_clock|high_resolution_clock|utc_clock|file_clock)\s*::|"
        r"\b(?:clock_gettime|gettimeofday|timespec_get)\s*\(|\bstd::time\s*\(",
        _outside("runtime/time", "bench", "tests/integration"),
        "time from a muster::Clock that enters by constructor"),
    Ban("sleeps", r"\bthis_thread\s*::\s*sleep_|\b(?:u|nano)sleep\s*\(|(?<!\w)::\s*sleep\s*\(",
        _outside("bench", "tests/integration"), "a timer of the Clock seam, or a wait on a condition"),
    Ban("randomness", r"\brandom_device\b|(?<![\w.>:])s?rand\s*\(|\bstd::s?rand\b|\bdefault_random_engine\b|"
        r"\b(?:mt19937(?:_64)?|minstd_rand0?|ranlux\w+)\s+\w+\s*(?:;|\{\s*\}|=\s*\{\s*\})",
        _outside("tests/integration", "runtime/core/runtime_core.cc"),  # draws node identities
        "muster::Random with a seed that is given"),
    Ban("static-registry",
        r"^(?:static|inline|const|constinit|\[\[maybe_unused\]\])[^({;]*=\s*[\w:<>]*[Rr]egist\w*\s*[(<{]|"
        r"\bstatic\s[^({;]*=\s*(?:\w+::)*[Rr]egister\w*\s*[(<]|"
        r"^(?:static\s+|inline\s+|const\s+)*[\w:]*Registr(?:ar|ation|y|ant)[\w<>:]*\s+\w+\s*[({;]|"
        r"__attribute__\s*\(\(\s*constructor",
        _outside(), "registration by a call that main() or the owner makes"),
    Ban("using-namespace", r"^\s*using\s+namespace\b", _headers, "qualified names in a header"),
    Ban("fixed-ports",
        r"(?:\b(?:listen|bind)\s*\(|[.]listen\s*=|--listen\W)[^;]*\"(?:127\.0\.0\.\d+|0\.0\.0\.0|localhost|"
        r"\[::1?\]|\*):(?!0\")\d{2,5}\"|"
        r"tcp::v[46]\(\)\s*,\s*[1-9]\d+",
        lambda f: f.under("tests"), "port 0, and the address that was bound", strings=True),
)

_TODO = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))")
_NOLINT = re.compile(r"NOLINT(?:NEXTLINE)?(?:\([^)]*\))?(?!NEXTLINE)(?!:\s*\S)(?![\w(])")
_COMMENTED_CODE = re.compile(
    r"^\s*//(?!/)\s*(?:(?:if|for|while|switch|return|auto|const|int|double|float|std::\S+)\b[^.]*[;{]"
    r"|[\w:>.\-]+\([^.]*\);|#\s*include\b.*|\w+ = [^.]*;)\s*$")
_MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(?:home|work|root|tmp|Users|mnt)/")
_HOSTS = re.compile(
    r"(?i)\b(?:deb|security|ftp\.\w+|archive|snapshot)\.(?:debian|ubuntu)\.(?:org|com)\b|\bpypi\.org\b"
    r"|\bpythonhosted\.org\b|\bregistry\.npmjs\b|\bcrates\.io\b|\bghcr\.io\b|\bdocker\.io\b"
    r"|\bproxy\.golang\b|\bconan\.io\b|\brepo\d?\.maven\b|\bgithub\.com/\S+/(?:releases|archive)/")
_SNAKE = re.compile(r"^[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+$")
_GUARD = re.compile(r"^\s*#\s*ifndef\s+\w+_(?:H|HPP|H_|INCLUDED)_?\s*$")


def check_bans(tree):
    for file in (f for f in tree.files if f.is_cpp):
        for ban in (b for b in BANS if b.where(file)):
            for number, line in enumerate(file.code_and_strings if ban.strings else file.code, 1):
                found = ban.pattern.search(line) if line else None
                if found and not file.excused(number, ban.rule):
                    yield Finding(file.path, number, ban.rule, _show(found), ban.expected)


def _show(found):
    return "`" + found.group(0).strip() + "`"


def _is_tidy(file):
    return file.under("tools/tidy")


def check_comments(tree):
    for file in tree.files:
        if _is_tidy(file) or file.name == "LICENSE" or not (file.is_cpp or _is_script(file)):
            continue
        for number, line in enumerate(file.lines, 1):
            found = _TODO.search(line)
            if found:
                yield Finding(file.path, number, "todo", _show(found),
                              "an open question in the issue tracker, or TODO(#number)")
            if not file.is_cpp:
                continue
            found = "NOLINT" in line and _NOLINT.search(line)
            if found:
                yield Finding(file.path, number, "nolint", _show(found), "NOLINT(rule): and the reason")
            if _COMMENTED_CODE.match(line) and not file.excused(number, "commented-code"):
                yield Finding(file.path, number, "commented-code", "`" + line.strip() + "`",
                              "code that runs, or no code")


def _is_script(file):
    return file.is_cmake or file.suffix in (".py", ".sh", ".capnp", ".in") or file.text.startswith("#!")


def check_places(tree):
    """Nothing in the tree may name one machine or one package host."""
    for file in tree.files:
        if _is_tidy(file) or file.name == "LICENSE":
            continue
        for number, line in enumerate(file.lines, 1):
            if "/" in line and not file.under("tests"):
                found = _MACHINE_PATH.search(line)
                if found and not file.excused(number, "machine-path"):
                    yield Finding(file.path, number, "machine-path", _show(found),
                                  "a path given by an option, or relative to the tree")
            found = "." in line and _HOSTS.search(line)
            if found:
                yield Finding(file.path, number, "package-host", _show(found),
                              "package names; the host is the machine's own setting")


def check_files(tree):
    for file in tree.files:
        ours = file.parts[0] in COMPONENTS
        if ours and file.suffix in (".cpp", ".cxx", ".hpp", ".hh", ".hxx", ".c"):
            yield Finding(file.path, 1, "file-name", file.suffix, ".h and .cc")
        if ours and file.suffix in (".h", ".cc", ".py", ".sh", ".capnp") and not _SNAKE.match(file.name):
            yield Finding(file.path, 1, "file-name", file.name, "snake_case")
        if file.suffix == ".h" and ours:
            yield from _check_header(file)


def _check_header(file):
    guard = next((n for n, line in enumerate(file.code, 1) if _GUARD.match(line)), None)
    if guard:
        yield Finding(file.path, guard, "pragma-once", "an include guard", "#pragma once")
    code = [(n, line.strip()) for n, line in enumerate(file.lines, 1) if line.strip()]
    first = next((i for i, (_, line) in enumerate(code) if not line.startswith("//")), None)
    if first is None or code[first][1] != "#pragma once":
        line = code[first][0] if first is not None else 1
        yield Finding(file.path, line, "pragma-once", "another first line", "#pragma once")
        return
    if not file.is_public_header:
        return
    neighbours = code[first + 1:first + 2] + code[max(first - 1, 0):first]
    if not any(line.startswith("///") for _, line in neighbours):
        yield Finding(file.path, code[first][0], "header-comment", "no comment at the top",
                      "a public header to open with /// what it is and its thread rule")
