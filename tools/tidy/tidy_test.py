#!/usr/bin/env python3
"""Tests of the style rules: for every rule a small tree that breaks it and one that keeps it."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import tidy  # noqa: E402

BASE = {
    "runtime/include/muster/error.h": "#pragma once\n/// Errors.\n",
    "runtime/include/muster/clock.h": "#pragma once\n/// Time.\n",
    "runtime/include/muster/actor.h": "#pragma once\n/// Actors.\n",
    "runtime/include/muster/testing/virtual_time.h": "#pragma once\n/// Virtual time.\n",
    "optim/include/muster/optim/scaling.h": "#pragma once\n/// Scaling.\n",
    "actors/include/muster/training/run.h": "#pragma once\n/// Runs.\n",
}
FIRST_COMMENT = "#pragma once\n/// What it is.\n"


def findings(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**BASE, **files}.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as stream:
                stream.write(text)
        return tidy.run(root)[1]


class TidyTest(unittest.TestCase):
    def breaks(self, rule, path, text, line=1, **more):
        found = findings({path: text, **more.get("files", {})})
        self.assertEqual([(rule, path, line)], [(f.rule, f.path, f.line) for f in found],
                         "\n".join(map(str, found)))
        return found[0]

    def keeps(self, path, text, **more):
        found = findings({path: text, **more.get("files", {})})
        self.assertEqual([], [str(f) for f in found])

    def test_the_base_tree_is_clean(self):
        self.assertEqual([], findings({}))

    def test_a_finding_prints_place_rule_found_and_expected(self):
        found = self.breaks("detached", "runtime/net/a.cc", "\nasio::detached;\n", 2)
        self.assertEqual("runtime/net/a.cc:2: detached: found `asio::detached`; "
                         "expected a task with an owner and an error handler", str(found))


class LayersTest(TidyTest):
    def test_lower_layer_including_higher(self):
        self.breaks("layers", "runtime/wire/a.cc", '#include "runtime/net/link.h"\n')
        self.breaks("layers", "runtime/base/a.cc", "#include <muster/clock.h>\n")
        self.breaks("layers", "runtime/net/a.cc", "#include <muster/actor.h>\n")
        self.breaks("layers", "runtime/include/muster/clock.h",
                    FIRST_COMMENT + "#include <muster/actor.h>\n", 3)

    def test_higher_layer_including_lower(self):
        self.keeps("runtime/core/a.cc", '#include "runtime/net/link.h"\n#include <muster/clock.h>\n')
        self.keeps("runtime/include/muster/actor.h", FIRST_COMMENT + "#include <muster/error.h>\n")

    def test_runtime_including_what_stands_above_it(self):
        self.breaks("layers", "runtime/core/a.cc", "#include <muster/optim/scaling.h>\n")
        self.breaks("layers", "runtime/core/a.cc", "#include <muster/training/run.h>\n")
        self.breaks("layers", "runtime/core/a.cc", "#include <muster/testing/virtual_time.h>\n")
        self.breaks("layers", "runtime/core/a.cc", '#include "optim/kernels.h"\n')

    def test_testing_beside_the_layers(self):
        self.keeps("runtime/testing/a.cc", '#include "runtime/time/timer_queue.h"\n'
                                           "#include <muster/actor.h>\n")
        self.breaks("layers", "runtime/testing/a.cc", '#include "runtime/core/mailbox.h"\n')
        self.breaks("layers", "runtime/testing/a.cc", "#include <muster/optim/scaling.h>\n")

    def test_optim_sees_base_only(self):
        self.keeps("optim/a.cc", "#include <muster/error.h>\n#include <muster/optim/scaling.h>\n"
                                 '#include "optim/kernels.h"\n')
        self.breaks("layers", "optim/a.cc", "#include <muster/actor.h>\n")
        self.breaks("layers", "optim/a.cc", "#include <muster/clock.h>\n")
        self.breaks("layers", "optim/a.cc", '#include "runtime/core/executor.h"\n')

    def test_actors_see_public_runtime_and_optim(self):
        self.keeps("actors/a.cc", "#include <muster/actor.h>\n#include <muster/optim/scaling.h>\n"
                                  '#include "actors/round.h"\n')
        self.breaks("layers", "actors/a.cc", '#include "runtime/core/mailbox.h"\n')
        self.breaks("layers", "actors/a.cc", '#include "optim/kernels.h"\n')
        self.breaks("layers", "actors/a.cc", "#include <muster/testing/virtual_time.h>\n")

    def test_programs_see_public_headers(self):
        for folder in ("tools/muster", "examples", "bench/optim"):
            self.keeps(f"{folder}/a.cc", "#include <muster/training/run.h>\n")
            self.breaks("layers", f"{folder}/a.cc", '#include "runtime/net/link.h"\n')
        self.keeps("bench/net/a.cc", '#include "runtime/net/link.h"\n#include "runtime/wire/frame.h"\n')
        self.breaks("layers", "bench/net/a.cc", '#include "runtime/core/mailbox.h"\n')

    def test_tests_see_everything(self):
        self.keeps("tests/unit/runtime/core/a_test.cc",
                   '#include "runtime/core/mailbox.h"\n#include "support/seeds.h"\n',
                   files={"tests/support/seeds.h": "#pragma once\n"})
        app = "tests/integration/consumer/app/"
        self.keeps(app + "a.cc", '#include "a.h"\n', files={app + "a.h": "#pragma once\n"})
        self.breaks("layers", app + "a.cc", '#include "b.h"\n')

    def test_brackets_are_for_public_and_quotes_for_private(self):
        self.breaks("layers", "runtime/core/a.cc", '#include "muster/error.h"\n')
        self.breaks("layers", "runtime/core/a.cc", "#include <runtime/base/a.h>\n")
        self.breaks("layers", "runtime/core/a.cc", '#include "mailbox.h"\n')
        self.breaks("layers", "runtime/core/a.cc", "#include <muster/no_such.h>\n")
        self.breaks("layers", "runtime/include/muster/actor.h",
                    FIRST_COMMENT + '#include "runtime/core/mailbox.h"\n', 3)

    def test_an_include_in_a_comment_is_none(self):
        self.keeps("runtime/base/a.cc", "/*\n#include <muster/actor.h>\n*/\n")


class LinkLayersTest(TidyTest):
    GOOD = ("muster_layer(base SOURCES base/error.cc DEPS muster_public_headers)\n"
            "muster_layer(time SOURCES time/clock.cc DEPS muster_base)\n"
            "muster_layer(net SOURCES net/tcp.cc\n  DEPS muster_time PRIVATE_DEPS OpenSSL::Crypto)\n")

    def test_links_down(self):
        self.keeps("runtime/CMakeLists.txt", self.GOOD)

    def test_links_up(self):
        self.breaks("link-layers", "runtime/CMakeLists.txt",
                    self.GOOD.replace("DEPS muster_base", "DEPS muster_net"), 2)

    def test_optim_links_base_only(self):
        runtime = {"runtime/CMakeLists.txt": self.GOOD}
        self.keeps("optim/CMakeLists.txt", "add_library(muster_optim STATIC a.cc)\n"
                   "target_link_libraries(muster_optim PUBLIC muster_base PRIVATE Eigen3::Eigen)\n",
                   files=runtime)
        self.breaks("link-layers", "optim/CMakeLists.txt", "add_library(muster_optim STATIC a.cc)\n"
                    "target_link_libraries(muster_optim PUBLIC muster_base muster_net)\n", 2,
                    files=runtime)
        self.breaks("link-layers", "optim/CMakeLists.txt", "add_library(muster_optim STATIC a.cc)\n"
                    "target_link_libraries(muster_optim PUBLIC muster::runtime)\n", 2, files=runtime)

    def test_a_component_gathers_its_layers(self):
        self.keeps("runtime/CMakeLists.txt", self.GOOD + "add_library(muster_runtime STATIC)\n"
                   "target_link_libraries(muster_runtime PUBLIC muster_base PRIVATE muster_net)\n")

    def test_link_doors(self):
        gathered = self.GOOD + "add_library(muster_runtime STATIC)\n"
        self.keeps("runtime/CMakeLists.txt",
                   gathered + "target_link_libraries(muster_runtime PRIVATE TBB::tbb)\n")
        self.breaks("doors", "runtime/CMakeLists.txt",
                    gathered + "target_link_libraries(muster_runtime PRIVATE Eigen3::Eigen)\n", 6)
        self.breaks("doors", "runtime/CMakeLists.txt",
                    self.GOOD.replace("DEPS muster_base", "DEPS muster_base TBB::tbb"), 2)
        self.breaks("doors", "runtime/CMakeLists.txt",
                    self.GOOD.replace("DEPS muster_base", "DEPS CapnProto::capnp"), 2)


class DoorsTest(TidyTest):
    def test_each_library_behind_its_door(self):
        for inside, outside, header in (
                ("runtime/wire/a.cc", "runtime/net/a.cc", "capnp/message.h"),
                ("runtime/wire/a.cc", "runtime/core/a.cc", "kj/io.h"),
                ("runtime/net/a.cc", "runtime/core/a.cc", "boost/asio.hpp"),
                ("bench/net/a.cc", "bench/optim/a.cc", "boost/asio/ip/tcp.hpp"),
                ("runtime/core/a.cc", "runtime/time/a.cc", "tbb/task_arena.h"),
                ("runtime/core/a.cc", "optim/a.cc", "oneapi/tbb.h"),
                ("optim/a.cc", "actors/a.cc", "Eigen/Core"),
                ("actors/a.cc", "optim/a.cc", "openssl/sha.h"),
                ("tools/muster/a.cc", "runtime/core/a.cc", "toml++/toml.h"),
                ("tools/muster/a.cc", "actors/a.cc", "CLI/CLI.hpp"),
                ("optim/a.cc", "actors/a.cc", "zlib.h")):
            self.keeps(inside, f"#include <{header}>\n")
            self.breaks("doors", outside, f"#include <{header}>\n")

    def test_public_doors(self):
        path = "runtime/include/muster/capnp.h"
        self.keeps(path, FIRST_COMMENT + "#include <capnp/message.h>\n")
        self.breaks("doors", path, FIRST_COMMENT + "#include <Eigen/Core>\n", 3)

    def test_other_parts_of_boost_are_open(self):
        self.keeps("runtime/core/a.cc", "#include <boost/intrusive/list.hpp>\n")

    def test_unit_tests_share_the_door_of_what_they_test(self):
        self.keeps("tests/unit/runtime/wire/a_test.cc", "#include <capnp/message.h>\n")
        self.breaks("doors", "tests/unit/runtime/core/a_test.cc", "#include <capnp/message.h>\n")


class BansTest(TidyTest):
    CORE = "runtime/core/a.cc"

    def test_detached(self):
        self.breaks("detached", "runtime/net/a.cc", "co_spawn(io, run(), asio::detached);\n")
        self.breaks("detached", "runtime/net/a.cc", "co_spawn(io, run(), detached);\n")
        self.breaks("detached", self.CORE, "std::thread(run).detach();\n")
        self.keeps(self.CORE, "if (options.detached) keep();  // asio::detached would lose errors\n")

    def test_clocks(self):
        self.breaks("clocks", self.CORE, "auto t = std::chrono::steady_clock::now();\n")
        self.breaks("clocks", "tests/unit/runtime/core/a_test.cc", "auto t = system_clock::now();\n")
        self.breaks("clocks", self.CORE, "clock_gettime(CLOCK_REALTIME, &t);\n")
        for place in ("runtime/time/a.cc", "bench/a.cc", "tests/integration/a_test.cc"):
            self.keeps(place, "auto t = std::chrono::steady_clock::now();\n")
        self.keeps(self.CORE, "auto t = muster::steady_clock().now();\n")

    def test_sleeps(self):
        for place in (self.CORE, "tests/unit/a_test.cc", "tests/sim/a_sim_test.cc"):
            self.breaks("sleeps", place, "std::this_thread::sleep_for(1ms);\n")
        self.breaks("sleeps", self.CORE, "usleep(5);\n")
        self.keeps("tests/integration/a_test.cc", "std::this_thread::sleep_for(1ms);\n")
        self.keeps("bench/net/a.cc", "std::this_thread::sleep_for(1ms);\n")
        self.keeps(self.CORE, 'log("usleep(1)");\nco_await sleep_for(1ms);\n')

    def test_randomness(self):
        for text in ("std::random_device d;", "int i = rand();", "std::mt19937 g;", "srand(1);",
                     "std::mt19937_64 g{};"):
            self.breaks("randomness", self.CORE, text + "\n")
        self.keeps(self.CORE, "std::mt19937 g(seed);\nint i = operand();\n")

    def test_static_registry(self):
        for text in ("static const bool registered = registry().add<Counter>();",
                     "[[maybe_unused]] const int kOnce = RegisterActor<Counter>();",
                     "static bool done = register_actor(&make);", "const Registrar counter(\"Counter\");",
                     "__attribute__((constructor)) void fill();"):
            if text.startswith("static const bool registered = registry()"):
                text = text.replace("registry().add", "register_type")
            self.breaks("static-registry", self.CORE, text + "\n")
        self.keeps(self.CORE, "void wire(Table& t) {\n  const bool fresh = t.register_type(x);\n}\n"
                              "static void register_all(Table& table);\n")

    def test_using_namespace(self):
        self.breaks("using-namespace", "runtime/core/a.h", "#pragma once\nusing namespace std;\n", 2)
        self.keeps("runtime/core/a.cc", "using namespace std::chrono_literals;\n")
        self.keeps("runtime/core/a.h", "#pragma once\nusing namespace lit;  // NOLINT: 1s in options\n")

    def test_fixed_ports(self):
        self.breaks("fixed-ports", "tests/integration/a_test.cc", 't.listen("127.0.0.1:7077", f);\n')
        self.breaks("fixed-ports", "tests/integration/a_test.cc",
                    'Runtime rt({.listen = "127.0.0.1:7077"});\n')
        self.breaks("fixed-ports", "tests/integration/a_test.cc",
                    'run({"train", "--listen", "localhost:7077"});\n')
        self.keeps("tests/unit/a_test.cc", 'hello.listen_address = "127.0.0.1:7077";\n')
        self.keeps("tests/integration/a_test.cc", 't.listen("127.0.0.1:0", f);\n'
                                                  't.listen("head:7077", f);\n')

    def test_todo(self):
        for word in ("TO" + "DO", "FIX" + "ME", "X" * 3):
            self.breaks("todo", self.CORE, f"// {word}: later\n")
            self.breaks("todo", "cmake/a.cmake", f"# {word} later\n")
            self.keeps(self.CORE, f"// {word}(#12): remove with the old frame\n")
        self.keeps(self.CORE, f'mkstemp("{"X" * 6}");\n')

    def test_commented_code(self):
        self.breaks("commented-code", self.CORE, "// return old_value;\n")
        self.breaks("commented-code", self.CORE, "  // mailbox.push(std::move(message));\n")
        self.keeps(self.CORE, "// Returns the old value; the caller owns it.\n// if none, waits\n")

    def test_nolint_needs_a_reason_and_excuses_only_its_rule(self):
        self.breaks("nolint", self.CORE, "f();  // NOLINT\n")
        self.breaks("nolint", self.CORE, "f();  // NOLINT(bugprone-x)\n")
        self.keeps(self.CORE, "// NOLINTNEXTLINE(muster-sleeps): the page fault is what is awaited\n"
                              "usleep(1);\n")
        self.breaks("sleeps", self.CORE, "usleep(1);  // NOLINT(muster-clocks): other rule\n")


class PlacesTest(TidyTest):
    def test_machine_paths(self):
        for path in ("/ho" + "me/ann/x", "/wo" + "rk/x", "/ro" + "ot/.x", "/t" + "mp/x"):
            self.breaks("machine-path", "tools/muster/a.cc", f'open("{path}");\n')
            self.breaks("machine-path", "docs/a.md", f"See {path}.\n")
            self.keeps("tests/integration/a_test.cc", f'open("{path}");\n')
        self.keeps("docs/a.md", "See build/wo" + "rk/x and ${ROOT}/t" + "mp/x.\n")

    def test_package_hosts(self):
        for host in ("deb." + "debian.org", "py" + "pi.org"):
            self.breaks("package-host", "tools/install_it", f"#!/bin/sh\nfetch {host}\n", 2)
        self.keeps("docs/a.md", "Debian's packages.\n")


class ClausesTest(TidyTest):
    CONTRACT = "# Contract\n1. no clause\n## 4. Lifetime\n1. It ends.\n   12. wrapped\n2. It lives.\n"
    TEST = "tests/unit/runtime/a_test.cc"

    def test_every_clause_is_quoted(self):
        files = {self.TEST: "// contract 4.1\n"}
        found = self.breaks("clauses", "docs/contract.md", self.CONTRACT, 6, files=files)
        self.assertEqual("clause 4.2, which no test quotes", found.found)
        files = {"runtime/core/a.cc": "// contract 4.2\n", **files}  # no test
        self.breaks("clauses", "docs/contract.md", self.CONTRACT, 6, files=files)
        self.keeps("docs/contract.md", self.CONTRACT, files={self.TEST: "// contract 4.1, 4.2\n"})

    def test_every_quotation_has_its_clause(self):
        files = {"docs/contract.md": self.CONTRACT}
        self.breaks("clauses", self.TEST, "// contract 4.1, 4.2, 4.12\n", files=files)
        self.breaks("clauses", self.TEST, "// contract 4.1, 4.2\n// contract 5.1\n", 2, files=files)
        self.keeps(self.TEST, "// contract 4.1\n// contract 1.2 \n")  # no contract, no rule


class FilesTest(TidyTest):
    def test_file_names(self):
        self.breaks("file-name", "runtime/core/MailBox.cc", "")
        self.breaks("file-name", "runtime/core/mail-box.cc", "")
        self.breaks("file-name", "runtime/core/mailbox.cpp", "")
        self.keeps("runtime/core/mail_box_2.cc", "")
        self.keeps("runtime/wire/protocol.capnp", "")

    def test_pragma_once(self):
        self.breaks("pragma-once", "runtime/core/a.h", "#include <string>\n")
        self.keeps("runtime/core/a.h", "// Private.\n#pragma once\n#include <string>\n")
        found = findings({"runtime/core/a.h": "#ifndef MUSTER_A_H\n#define MUSTER_A_H\n#endif\n"})
        self.assertEqual({"pragma-once"}, {f.rule for f in found})

    def test_header_comment(self):
        path = "runtime/include/muster/ref.h"
        self.breaks("header-comment", path, "#pragma once\n\n#include <string>\n")
        self.keeps(path, "#pragma once\n\n/// Refs.\n#include <string>\n")
        self.keeps(path, "/// Refs.\n#pragma once\n")
        self.keeps("runtime/core/a.h", "#pragma once\n#include <string>\n")

    def test_sizes_at_the_limit(self):
        self.keeps("runtime/core/a.h", "#pragma once\n" + "\n" * 199)
        self.breaks("size", "runtime/core/a.h", "#pragma once\n" + "\n" * 200, 201)
        self.keeps("runtime/core/a.cc", "\n" * 500)
        self.breaks("size", "runtime/core/a.cc", "\n" * 501, 501)

    def test_ratchet(self):
        listed = {"tools/tidy/ratchet.txt": "# list\n520 runtime/core/a.cc\n"}
        self.keeps("runtime/core/a.cc", "\n" * 520, files=listed)
        self.breaks("size", "runtime/core/a.cc", "\n" * 521, 521, files=listed)
        for lines in (519, 500):
            found = findings({"runtime/core/a.cc": "\n" * lines, **listed})
            self.assertEqual([("size", "tools/tidy/ratchet.txt", 2)],
                             [(f.rule, f.path, f.line) for f in found])
        self.assertEqual(["size"], [f.rule for f in findings(listed)])


    def test_tighten_lowers_and_removes_but_never_raises(self):
        with tempfile.TemporaryDirectory() as root:
            files = {"optim/a.cc": 510, "optim/b.cc": 490, "optim/c.cc": 530}
            listed = "# list\n520 optim/a.cc\n520 optim/b.cc\n520 optim/c.cc\n520 optim/gone.cc\n"
            for path, text in {"tools/tidy/ratchet.txt": listed,
                               **{p: "\n" * n for p, n in files.items()}}.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as stream:
                    stream.write(text)
            tidy.tighten(tidy.Tree(root))
            with open(os.path.join(root, "tools/tidy/ratchet.txt"), encoding="utf-8") as stream:
                self.assertEqual("# list\n510 optim/a.cc\n520 optim/c.cc\n", stream.read())


class CommentsAndLiteralsTest(TidyTest):
    def test_lines_stay_where_they_are(self):
        text = '/* one\ntwo */\nauto s = R"(\nusleep(1);\n)";\nusleep(1);\n'
        self.breaks("sleeps", "runtime/core/a.cc", text, 6)

    def test_digit_separators_are_no_literals(self):
        self.breaks("sleeps", "runtime/core/a.cc", "auto n = 1'000'000; usleep(1);\n")

    def test_an_empty_tree_is_an_error(self):
        with tempfile.TemporaryDirectory() as root:
            tree, _ = tidy.run(root)
            self.assertEqual([], tree.files)


if __name__ == "__main__":
    unittest.main()
