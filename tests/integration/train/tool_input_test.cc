// What the built tool says of bad input, to the letter, and the status it exits with.

#include "integration/train/tool.h"

#include <gmock/gmock.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace muster::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class ToolInputTest : public ToolTest {
 protected:
  /// The tool refuses these arguments with status 2, this one line and no output.
  void expect_refused(const std::vector<std::string>& arguments, const std::string& line,
                      const std::vector<std::string>& environment = {}) const {
    Tool tool(arguments, environment);
    EXPECT_EQ(tool.wait(), 2);
    EXPECT_EQ(plain(tool.words()), "muster: " + line + "\n");
    EXPECT_EQ(tool.output(), "");
  }
  /// The same of a run with --json, whose output is one object with the error in it.
  void expect_run_refused(const std::vector<std::string>& more, const std::string& code,
                          const std::string& line) const {
    Tool tool(job("r", more));
    EXPECT_EQ(tool.wait(), 2);
    EXPECT_EQ(plain(tool.words()), "muster: " + line + "\n");
    EXPECT_EQ(plain(tool.result()["error"]), code + ": " + line);
    EXPECT_EQ(tool.result()["reason"], "failed");
    EXPECT_FALSE(fs::exists(path("r/summary.json")));
  }
  void expect_toml_refused(const std::string& text, const std::string& line) const {
    expect_refused({"train", write("job.toml", text), "--dry-run"}, "DIR/job.toml:" + line);
  }
  /// Changes bytes of a data file from `at` on.
  void patch(const std::string& name, std::size_t at, const std::string& bytes) const {
    std::string text = read(name);
    text.replace(at, bytes.size(), bytes);
    write(name, text);
  }
  void truncate(const std::string& name, std::size_t bytes) const {
    fs::resize_file(path(name), bytes);
  }
};

// The command line.

TEST_F(ToolInputTest, CommandThatIsUnknownOrLacks) {
  expect_refused({},
                 "expected a command, one of train, node, eval, bench, found none; `muster --help` "
                 "tells more");
  expect_refused({"trian"}, "unknown command \"trian\"; did you mean \"train\"?");
  expect_refused({"serve"}, "unknown command \"serve\"; expected one of train, node, eval, bench");
  expect_refused({"--verison"}, "unknown flag --verison; did you mean --version?");
}

TEST_F(ToolInputTest, FlagThatIsUnknown) {
  expect_refused({"train", "--ronds", "5"}, "unknown flag --ronds; did you mean --rounds?");
  expect_refused({"train", "--steps=5"}, "unknown flag --steps; did you mean --local-steps?");
  expect_refused({"train", "-rounds", "5"}, "unknown flag -rounds; did you mean --rounds?");
  expect_refused({"train", "--zzz"},
                 "unknown flag --zzz; `muster train --help` lists those there are");
  expect_refused({"node", "--jion", "x"}, "unknown flag --jion; did you mean --join?");
  expect_refused({"eval", "r", "--jsn"}, "unknown flag --jsn; did you mean --json?");
}

TEST_F(ToolInputTest, ValueThatLacksOrDoesNotFit) {
  expect_refused({"train", "--rounds"}, "--rounds: expected a value, found the end of the line");
  expect_refused({"train", "--rounds", "--seed", "3"}, "--rounds: expected a value, found --seed");
  expect_refused({"train", "--local-steps", "0"},
                 "--local-steps 0: expected an integer from 1 to 1000000");
  expect_refused({"train", "--momentum", "x"}, "--momentum x: expected a number in [0, 1)");
  expect_refused({"node", "--join", "127.0.0.1:1", "--threads", "0"},
                 "--threads 0: expected an integer from 1 to 1024");
  expect_refused({"node", "--join", "127.0.0.1:1", "--deadline", "soon"},
                 "--deadline soon: expected a number from 0.001 to 86400");
}

TEST_F(ToolInputTest, ArgumentThatLacksOrIsTooMany) {
  expect_refused({"node"},
                 "`muster node` needs --join HOST:PORT: where `muster train --listen` "
                 "waits");
  expect_refused({"eval"}, "`muster eval` needs RECORD: the record's folder");
  expect_refused({"train", "a.toml", "b.toml"},
                 "unexpected argument \"b.toml\"; `muster train --help` says what is expected");
}

// The configuration.

TEST_F(ToolInputTest, ConfigurationFileThatCannotBeRead) {
  expect_refused({"train", path("no.toml")},
                 "DIR/no.toml: cannot be read: No such file or directory");
  expect_refused({"train", folder.string()}, "DIR: cannot be read: Is a directory");
}

TEST_F(ToolInputTest, FieldOrTableThatIsUnknown) {
  expect_toml_refused("seed = 1\n[local]\nstepz = 3\n",
                      "3: unknown field \"local.stepz\"; did you mean \"local.steps\"?");
  expect_toml_refused("steps = 3\n", "1: unknown field \"steps\"; did you mean \"local.steps\"?");
  expect_toml_refused("\n[locl]\nsteps = 3\n", "2: unknown table [locl]; did you mean [local]?");
  expect_toml_refused("colour = 3\n",
                      "1: unknown field \"colour\"; `muster train --dry-run` prints all that there "
                      "are");
}

TEST_F(ToolInputTest, FieldOfAWrongType) {
  expect_toml_refused("[local]\nsteps = \"ten\"\n",
                      "2: local.steps = 'ten': expected an integer from 1 to 1000000");
  expect_toml_refused("deterministic = 1\n", "1: deterministic = 1: expected true or false");
  expect_toml_refused("local = 3\n", "1: local = 3: expected a table");
}

TEST_F(ToolInputTest, FieldOutOfItsRange) {
  expect_toml_refused("[local]\nsteps = 0\n",
                      "2: local.steps = 0: expected an integer from 1 to 1000000");
  expect_toml_refused("[scaling]\n\nbeta = 1.0\n",
                      "3: scaling.beta = 1.0: expected a number in [0, 1)");
  expect_toml_refused("[model]\nkind = \"cnn\"\n",
                      "2: model.kind = 'cnn': expected one of \"mlp\", \"logistic\"");
}

TEST_F(ToolInputTest, RefusedConfigurationIsInTheJsonToo) {
  Tool tool({"train", "--json", "--local-steps", "0"});
  EXPECT_EQ(tool.wait(), 2);
  EXPECT_EQ(tool.result()["error"],
            "invalid: --local-steps 0: expected an integer from 1 to 1000000");
}

// Data.

TEST_F(ToolInputTest, DataFolderThatLacks) {
  expect_refused({"train", "--data", path("no")},
                 "data.dir (--data) = DIR/no: there is no such folder");
  fs::create_directory(path("empty"));
  const std::string nothing =
      "expected t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz in this folder, found neither";
  expect_refused({"train", "--data", path("empty"), "--processes", "1"},
                 "data.dir (--data) = DIR/empty: " + nothing);
}

TEST_F(ToolInputTest, DatasetsVariableThatNamesNoData) {
  expect_refused({"train", "--record", path("r")},
                 "MUSTER_DATASETS=DIR/no: neither this folder nor its fashion-mnist holds "
                 "train-images-idx3-ubyte, plain or .gz",
                 {"MUSTER_DATASETS=" + path("no")});
}

TEST_F(ToolInputTest, DataFileThatLacks) {
  fs::remove(path("train-labels-idx1-ubyte"));
  expect_run_refused({}, "not_found",
                     "data.dir (--data) = DIR: expected train-labels-idx1-ubyte or "
                     "train-labels-idx1-ubyte.gz in this folder, found neither");
}

TEST_F(ToolInputTest, DataFileThatIsTruncated) {
  truncate("train-images-idx3-ubyte", 1000);
  expect_run_refused({}, "corrupt",
                     "DIR/train-images-idx3-ubyte: truncated: found 1000 bytes, expected 64016");
}

TEST_F(ToolInputTest, DataFileOfAnotherMagic) {
  patch("t10k-images-idx3-ubyte", 0,
        "\x7F"
        "ELF");
  expect_run_refused({}, "corrupt",
                     "DIR/t10k-images-idx3-ubyte: wrong magic: found 0x7f454c46, expected "
                     "0x00000803");
}

TEST_F(ToolInputTest, LabelOutOfItsRange) {
  patch("train-labels-idx1-ubyte", 8 + 7, "\x0A");
  expect_run_refused({}, "corrupt",
                     "DIR/train-labels-idx1-ubyte: label 10 at index 7 is out of range: allowed 0 "
                     "to 9");
}

TEST_F(ToolInputTest, DataThatOnlyAWorkerProcessReads) {
  truncate("train-images-idx3-ubyte", 1000);
  Tool tool(job("r", {"--processes", "1", "--workers", "1"}));
  EXPECT_EQ(tool.wait(), 2);
  const std::string error =
      "worker 0 (PLACE): DIR/train-images-idx3-ubyte: truncated: found 1000 bytes, expected 64016";
  EXPECT_EQ(plain(tool.last_words()), "muster: " + error);
  EXPECT_EQ(plain(tool.result()["error"]), "invalid: " + error);
}

// Records, tokens and addresses.

TEST_F(ToolInputTest, RecordFolderThatCannotBeUsed) {
  expect_refused({"train", "--data", folder.string(), "--record", "/proc/nothing/here"},
                 "/proc/nothing/here: cannot be written: No such file or directory");
  fs::create_directory(path("r"));
  write("r/config.toml", "");
  expect_refused({"train", "--data", folder.string(), "--record", path("r")},
                 "DIR/r: holds a record already (config.toml exists); name another folder");
}

TEST_F(ToolInputTest, RecordThatCannotBeMeasured) {
  expect_refused({"eval", path("no")},
                 "DIR/no/config.toml: cannot be read: No such file or directory");
  Tool tool({"eval", path("no"), "--json"});
  EXPECT_EQ(tool.wait(), 2);
  EXPECT_EQ(plain(tool.result()["error"]),
            "not_found: DIR/no/config.toml: cannot be read: No such file or directory");
}

TEST_F(ToolInputTest, TokenThatLacks) {
  expect_run_refused({"--listen", "0.0.0.0:0"}, "denied",
                     "address 0.0.0.0:0 is not a loopback address: a token is needed "
                     "(RuntimeOptions::token, --token-file)");
  expect_run_refused({"--token-file", path("no")}, "not_found",
                     "--token-file DIR/no: cannot be read: No such file or directory");
  expect_run_refused({"--token-file", write("token", "\nsecret")}, "invalid",
                     "--token-file DIR/token: its first line is empty; expected a secret");
}

TEST_F(ToolInputTest, TokensThatDiffer) {
  Tool head(job("r", {"--listen", "127.0.0.1:0", "--token-file", write("a", "one")}));
  const std::string address = head.address();
  expect_refused({"node", "--join", address, "--token-file", write("b", "two")},
                 "127.0.0.1:PORT refused the connection: authentication failed: the tokens differ");
  expect_refused({"node", "--join", address},
                 "127.0.0.1:PORT refused the connection: a token is needed: none was given");
}

TEST_F(ToolInputTest, AddressOfAllInterfacesIsNotWhatNodesJoin) {
  Tool head(job(
      "r", {"--listen", "0.0.0.0:0", "--token-file", write("a", "one"), "--join-deadline", "0.1"}));
  EXPECT_TRUE(head.wait_for_words("on each: muster node --join HOST:"));
}

TEST_F(ToolInputTest, AddressThatDoesNotParse) {
  expect_run_refused({"--listen", "here"}, "invalid",
                     "--listen here: expected HOST:PORT or nothing");
  expect_refused({"node", "--join", "127.0.0.1:0"},
                 "address \"127.0.0.1:PORT\": expected the port of a node, from 1 to 65535");
  expect_refused({"node", "--join", "here"},
                 "address \"here\": expected HOST:PORT, for example 127.0.0.1:PORT or [::1]:7077");
}

TEST_F(ToolInputTest, PortInUse) {
  const int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(taken, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(taken, 1), 0);
  ASSERT_EQ(::getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size), 0);
  expect_run_refused({"--listen", "127.0.0.1:" + std::to_string(ntohs(address.sin_port))},
                     "unavailable", "cannot listen on 127.0.0.1:PORT: address already in use");
  ::close(taken);
}

}  // namespace
}  // namespace muster::test
