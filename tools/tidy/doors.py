"""Third-party doors: each library is seen in one place, by its headers and by its link targets."""

import re

from layers import COMPONENTS, includes, links
from tree import Finding


class Door:
    def __init__(self, name, headers, targets, places):
        self.name, self.places = name, places
        self.headers, self.targets = re.compile(headers), re.compile(targets)

    def opens_for(self, file):
        return file.under(*self.places) or file.under(*_mirrors(self.places))

    def expected(self):
        return f"{self.name} only in {', '.join(self.places)}"


def _mirrors(places):
    """Where the unit tests and benchmarks of a place live."""
    for place in places:
        folder = place.rsplit("/", 1)[0] if "." in place.rsplit("/", 1)[-1] else place
        yield f"tests/unit/{folder}"
        yield f"bench/{folder.rsplit('/', 1)[-1]}"
    yield from ("tests/integration", "tests/support", "tests/fuzz")


DOORS = (
    Door("Cap'n Proto", r"^(capnp|kj)/|\.capnp\.h$", r"^CapnProto::|^(capnp|kj)$",
         ("runtime/wire", "runtime/include/muster/capnp.h")),
    Door("Asio", r"^boost/asio(/|\.)", r"^Boost::(asio|system)$", ("runtime/net",)),
    Door("oneTBB", r"^(tbb|oneapi)/", r"^TBB::", ("runtime/core",)),
    Door("Eigen", r"^(Eigen|unsupported/Eigen)/", r"^Eigen3::",
         ("optim", "runtime/include/muster/eigen.h")),
    Door("BLAS", r"^(cblas|openblas|lapacke?)[^/]*\.h$", r"(?i)^(OpenBLAS|BLAS)\b", ("optim",)),
    Door("OpenSSL", r"^openssl/", r"^OpenSSL::", ("runtime/net", "actors")),
    Door("toml++", r"^toml\+\+/|^toml\.h", r"^tomlplusplus::", ("actors", "tools")),
    Door("CLI11", r"^CLI/", r"^CLI11::", ("tools",)),
    Door("nlohmann-json", r"^nlohmann/", r"^nlohmann_json::", ("actors", "tools", "bench")),
    Door("zlib", r"^zlib\.h$", r"^ZLIB::", ("optim",)),
)


def check_doors(tree):
    for file in (f for f in tree.files if f.is_cpp and f.parts[0] in COMPONENTS):
        for number, _, path in includes(file):
            for door in DOORS:
                if door.headers.search(path) and not door.opens_for(file):
                    if not file.excused(number, "doors"):
                        yield Finding(file.path, number, "doors", path, door.expected())
    for file, line, name, part, word, _ in links(tree):
        for door in DOORS:
            if door.targets.search(word) and not _link_allowed(door, name, part):
                yield Finding(file.path, line, "doors", f"muster_{name} ({part}) linking {word}",
                              door.expected())


def _link_allowed(door, name, part):
    if part in ("tests", "bench", "bench/net"):
        return True
    folders = [place for place in door.places if not place.endswith(".h")]
    if name in COMPONENTS and any(place.split("/")[0] == name for place in folders):
        return True  # a component's library links what its layers need
    return any(place in (part, part.split("/")[0]) for place in folders)
