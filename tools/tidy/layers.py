"""The dependency law: which part of the tree may include, and link, which other part.

A part is a runtime layer ("runtime/net"), another component ("optim", "actors") or a folder of
programs ("tools", "examples", "bench", "tests"). Lower never includes higher.
"""

import re

from tree import Finding

# The order inside runtime, lowest first; testing stands beside and is treated by itself.
RUNTIME_ORDER = ("base", "time", "wire", "net", "core", "cluster", "observe")

# Public runtime headers below or above core. One that is not named here belongs to core.
PUBLIC_LAYER = {
    "array": "base",
    "detail/check": "base",
    "detail/function_ref": "base",
    "error": "base",
    "ids": "base",
    "random": "base",
    "clock": "time",
    "transport": "time",
    "net": "net",
    "capnp": "wire",
    "codec": "wire",
    "detail/codec_basic": "wire",
    "when_full": "wire",
    "detail/codec_containers": "wire",
    "detail/codec_struct": "wire",
    "eigen": "wire",
}
OPTIM_MAY_SEE = ("muster/array.h", "muster/error.h", "muster/random.h", "muster/detail/check.h")

PROGRAMS = ("tools", "examples", "bench", "tests")
COMPONENTS = ("runtime", "optim", "actors") + PROGRAMS
# A project of its own, as a user's is: its headers lie beside its sources.
CONSUMER = "tests/integration/consumer/app/"

# Private parts (as quoted includes begin) that a part may include besides itself.
_PRIVATE = {
    "optim": ("runtime/base",),
    "actors": (),
    "tools": (),
    "examples": (),
    "bench": (),
    "bench/net": ("runtime/net", "runtime/wire"),
    "runtime/testing": ("runtime/base", "runtime/time", "runtime/wire", "runtime/net"),
}

_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(file):
    """(line number, bracket, path) of every #include."""
    for number, line in enumerate(file.code_and_strings, 1):
        if "include" in line:
            found = _INCLUDE.match(line)
            if found:
                yield number, found.group(1), found.group(2)


def public_part(header):
    """The part that a public header, named as users include it, belongs to."""
    inner = header[len("muster/"):]
    if inner.startswith("testing/"):
        return "runtime/testing"
    if inner.startswith("optim/"):
        return "optim"
    if inner.startswith("training/"):
        return "actors"
    return "runtime/" + PUBLIC_LAYER.get(inner.removesuffix(".h"), "core")


def part_of(file):
    """The part a source file belongs to, or None for a file outside every component."""
    if file.is_public_header:
        return public_part(file.path.split("/include/", 1)[1])
    top = file.parts[0]
    if top == "runtime":
        return "/".join(file.parts[:2]) if len(file.parts) > 2 else None
    if file.under("bench/net"):
        return "bench/net"
    return top if top in COMPONENTS else None


def _rank(part):
    layer = part.removeprefix("runtime/")
    return RUNTIME_ORDER.index(layer) if layer in RUNTIME_ORDER else None


def _may_see(part, other, public_path=None):
    """None when `part` may use `other`, else what was expected instead."""
    if part == other or part == "tests":
        return None
    if part.startswith("runtime/"):
        if part == "runtime/testing":
            wanted = other.startswith("runtime/")
            return None if wanted else "testing to use nothing but runtime"
        if other == "runtime/testing" or not other.startswith("runtime/"):
            return "only lower layers of runtime"
        if _rank(part) is None or _rank(other) is None:
            return "layers out of " + ", ".join(RUNTIME_ORDER)
        if _rank(other) > _rank(part):
            return f"only layers up to {part.removeprefix('runtime/')} ({' -> '.join(RUNTIME_ORDER)})"
        return None
    if part == "optim":
        if other == "runtime/base" or public_path in OPTIM_MAY_SEE:
            return None
        return "of runtime only base: " + ", ".join(f"<{p}>" for p in OPTIM_MAY_SEE[:3])
    if part == "actors":
        good = other == "optim" or (other.startswith("runtime/") and other != "runtime/testing")
        return None if good else "only runtime and optim"
    return None


def check_includes(tree):
    for file in tree.files:
        part = part_of(file) if file.is_cpp else None
        if part is None:
            continue
        for number, bracket, path in includes(file):
            problem = _include_problem(tree, file, part, bracket, path)
            if problem and not file.excused(number, "layers"):
                yield Finding(file.path, number, "layers", *problem)


def _include_problem(tree, file, part, bracket, path):
    shown = f"<{path}>" if bracket == "<" else f'"{path}"'
    if path.startswith("muster/"):
        if bracket != "<":
            return shown, f"brackets for a public header: <{path}>"
        if not any(f"{c}/include/{path}" in tree.paths for c in COMPONENTS):
            return shown, "a public header that exists"
        expected = _may_see(part, public_part(path), path)
        return (f"{part} including {shown}", expected) if expected else None
    if bracket == "<":
        if path.split("/")[0] in COMPONENTS and "/" in path:
            return shown, f'quotes for a private header: "{path}"'
        return None
    if file.is_public_header:
        return shown, "public headers to include only <...> headers"
    top = path.split("/")[0]
    if top not in COMPONENTS:
        if part == "tests" and f"tests/{path}" in tree.paths:
            return None
        if file.path.startswith(CONSUMER) and CONSUMER + path in tree.paths:
            return None
        return shown, "a private header named from the root of the tree, as \"runtime/net/x.h\""
    if part == "tests":
        return None
    other = "/".join(path.split("/")[:2]) if top == "runtime" else top
    if other == part or other == part.split("/")[0]:
        return None
    if part.startswith("runtime/") and part != "runtime/testing" and top == "runtime":
        expected = _may_see(part, other)
        return (f"{part} including {shown}", expected) if expected else None
    if other in _PRIVATE.get(part, ()):
        return None
    return f"{part} including {shown}", "public headers of other components, in brackets"


# --- link lines -----------------------------------------------------------------------------------

_COMMAND = re.compile(r"\b(muster_layer|add_library|target_link_libraries)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_WORDS = {"SOURCES", "DEPS", "PRIVATE_DEPS", "PUBLIC", "PRIVATE", "INTERFACE", "STATIC", "OBJECT",
          "SHARED", "ALIAS"}
_COMPONENT_TARGET = {"runtime": "runtime/observe", "optim": "optim", "actors": "actors",
                     "testing": "runtime/testing", "public_headers": "runtime/base",
                     "flags": "runtime/base"}


def _commands(file):
    """(line, command, words) of the commands that make or link targets; comments removed."""
    text = re.sub(r"#[^\n]*", "", file.text)
    for match in _COMMAND.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2).split()


def _target_parts(tree):
    """Which part every library target of the components belongs to."""
    parts = {}
    for file in (f for f in tree.files if f.name == "CMakeLists.txt"):
        folder = "/".join(file.parts[:-1])
        for _, command, words in _commands(file):
            if command == "target_link_libraries" or not words:
                continue
            name = words[0].removeprefix("muster_")
            if name in _COMPONENT_TARGET:
                parts[name] = _COMPONENT_TARGET[name]
            elif file.parts[0] == "runtime":
                source = next((w for w in words[1:] if "." in w and "$" not in w), "")
                layer = f"{folder}/{source}".split("/")[1]
                if "." not in layer and layer:
                    parts[name] = f"runtime/{layer}"
            elif file.parts[0] in COMPONENTS:
                parts[name] = file.parts[0]
    return parts


def _plain_name(word):
    return re.sub(r"^\$<(?:BUILD_INTERFACE|INSTALL_INTERFACE|LINK_ONLY|TARGET_OBJECTS):(.*)>$", r"\1", word)


def links(tree):
    """(file, line, name and part of the target, dependency) for every dependency on a link line."""
    parts = _target_parts(tree)
    for file in (f for f in tree.files if f.name == "CMakeLists.txt"):
        for line, command, words in _commands(file):
            if command == "add_library" or not words:
                continue
            name = words[0].removeprefix("muster_")
            part = parts.get(name, file.parts[0] if file.parts[0] in PROGRAMS else None)
            if part is None:
                continue
            section = "" if command == "muster_layer" else "DEPS"
            for word in words[1:]:
                if word in _WORDS:
                    section = word
                elif section != "SOURCES" and section:
                    yield file, line, name, part, _plain_name(word), parts


def check_links(tree):
    for file, line, name, part, word, parts in links(tree):
        inner = re.sub(r"^muster(?:_|::)", "", word)
        if inner == word or inner in ("public_headers", "flags"):
            continue
        other = parts.get(inner, _COMPONENT_TARGET.get(inner))
        if other is None or part in PROGRAMS:
            continue
        if name in ("runtime", "testing", "optim", "actors") and other.split("/")[0] == part.split("/")[0]:
            continue  # a component gathers its own layers
        if part == "actors" and other.startswith("runtime/") and other != "runtime/testing":
            continue
        expected = _may_see(part, other)
        if expected:
            yield Finding(file.path, line, "link-layers", f"muster_{name} ({part}) linking {word} ({other})",
                          expected)
