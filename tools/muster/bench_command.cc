// muster bench: actor calls a second on this machine, in the rows that `ray microbenchmark` prints.

#include "tools/muster/children.h"
#include "tools/muster/commands.h"
#include "tools/muster/usage.h"

#include <muster/runtime.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <numeric>
#include <thread>

namespace muster::tool {
namespace {

constexpr int kRounds = 4;
constexpr int kBatch = 1000;  // calls under way from one caller
constexpr Duration kPatience = 60s;

struct BenchCommand {
  double seconds = 0.5;
  unsigned processes = 0;
  bool json = false;
  // Of the processes that the command starts:
  std::string serve;
  std::string name;
  pid_t parent = 0;
};

class BenchServer {
 public:
  std::string small_value() const { return "ok"; }
  std::string small_value_with_arg(const std::string& argument) const {
    return argument.substr(0, 2);
  }
};
MUSTER_ACTOR(BenchServer, small_value, small_value_with_arg);

using Servers = std::vector<Handle<BenchServer>>;

/// Calls its servers in turn, a batch at a time.
class BenchClient {
 public:
  BenchClient(Servers servers, std::string argument)
      : servers_(std::move(servers)), argument_(std::move(argument)) {}
  Task<int> batch(int calls) {
    std::vector<Future<std::string>> answers;
    answers.reserve(static_cast<std::size_t>(calls));
    for (int i = 0; i < calls; ++i) {
      const auto& server = servers_[static_cast<std::size_t>(i) % servers_.size()];
      answers.push_back(argument_.empty()
                            ? server.call<&BenchServer::small_value>()
                            : server.call<&BenchServer::small_value_with_arg>(argument_));
    }
    for (auto& answer : answers) co_await answer;
    co_return calls;
  }

 private:
  const Servers servers_;
  const std::string argument_;
};
MUSTER_ACTOR(BenchClient, batch);

/// Calls a second, over several rounds.
struct Rate {
  double mean = 0;
  double deviation = 0;
};

/// `work` gives how many calls it made.
Rate measure(const std::function<int()>& work, double seconds) {
  const auto round = [&](double length) {
    const TimePoint start = steady_clock().now();
    double calls = 0;
    double taken = 0;
    do {
      calls += work();
      taken = std::chrono::duration<double>(steady_clock().now() - start).count();
    } while (taken < length);
    return calls / taken;
  };
  round(seconds / 4);
  std::vector<double> rates;
  for (int i = 0; i < kRounds; ++i) rates.push_back(round(seconds));
  Rate rate;
  rate.mean = std::accumulate(rates.begin(), rates.end(), 0.0) / kRounds;
  for (const double r : rates) rate.deviation += (r - rate.mean) * (r - rate.mean) / kRounds;
  rate.deviation = std::sqrt(rate.deviation);
  return rate;
}

struct Row {
  std::string name;
  std::string place;
  Rate rate;
};

/// All rows with these servers; `client` makes the actors that call them.
std::vector<Row> run_rows(Runtime& runtime, const Servers& servers, const std::string& place,
                          double seconds) {
  const auto clients = [&](std::size_t count, const Servers& called, const std::string& argument) {
    std::vector<Handle<BenchClient>> made;
    for (std::size_t i = 0; i < count; ++i) {
      made.push_back(runtime.spawn<BenchClient>({}, called, argument));
    }
    return [made] {
      std::vector<Future<int>> batches;
      for (const auto& client : made) batches.push_back(client.call<&BenchClient::batch>(kBatch));
      int calls = 0;
      for (auto& batch : batches) calls += batch.get(kPatience);
      return calls;
    };
  };
  const Servers first(servers.begin(), servers.begin() + 1);
  const std::size_t n = servers.size();
  const auto sync = [&] {
    for (int i = 0; i < 100; ++i) first[0].call<&BenchServer::small_value>().get(kPatience);
    return 100;
  };
  std::vector<Row> rows;
  const auto add = [&](const std::string& name, const std::function<int()>& work) {
    rows.push_back({name, place, measure(work, seconds)});
  };
  add("1:1 actor calls sync", sync);
  add("1:1 actor calls async", clients(1, first, {}));
  add("1:n actor calls async", clients(1, servers, {}));
  add("n:n actor calls async", clients(n, servers, {}));
  add("n:n actor calls with arg async", clients(n, servers, std::string(64, 'x')));
  return rows;
}

int serve(const BenchCommand& command) {
  if (!die_with_parent(command.parent)) return kExitFailed;
  Runtime runtime({.threads = 1});
  const auto server = runtime.spawn<BenchServer>({.name = command.name, .detached = true});
  auto end = runtime.monitor(server);
  value_or_throw(runtime.join(command.serve, kPatience));
  return end.result(24h) ? kExitDone : kExitFailed;
}

void print(const std::vector<Row>& rows, unsigned n) {
  fmt::print("{:<32}{:>24}{:>24}\n", fmt::format("calls a second, n = {}", n), "one process",
             "each server in its own");
  for (std::size_t i = 0; i < rows.size() / 2; ++i) {
    const auto cell = [](const Rate& rate) {
      return fmt::format("{:.0f} +- {:.0f}", rate.mean, rate.deviation);
    };
    fmt::print("{:<32}{:>24}{:>24}\n", rows[i].name, cell(rows[i].rate),
               cell(rows[i + rows.size() / 2].rate));
  }
}

void print_json(const std::vector<Row>& rows, unsigned n, double seconds) {
  nlohmann::json out{{"n", n}, {"seconds", seconds}, {"rounds", kRounds}};
  for (const Row& row : rows) {
    out["rows"].push_back({{"name", row.name},
                           {"place", row.place},
                           {"calls_per_second", row.rate.mean},
                           {"deviation", row.rate.deviation}});
  }
  fmt::print("{}\n", out.dump());
}

int bench(const BenchCommand& command) {
  if (!command.serve.empty()) return serve(command);
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  const unsigned n = command.processes != 0 ? command.processes : cores;
  Runtime runtime({.listen = "127.0.0.1:0"});
  Servers here;
  for (unsigned i = 0; i < n; ++i) here.push_back(runtime.spawn<BenchServer>());
  auto rows = run_rows(runtime, here, "one process", command.seconds);

  Children children([](const ChildExit&) {});
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  Servers there;
  for (unsigned i = 0; i < n; ++i) {
    const std::string name = fmt::format("bench server {}", i);
    const pid_t child =
        children.start(program, {"bench", "--serve", runtime.listen_address(), "--name", name,
                                 "--parent", std::to_string(::getpid())});
    auto found = runtime.find<BenchServer>(name, 30s);
    if (!found) {
      const auto exit = children.exit_of(child);
      throw Exception(
          Error{ErrorCode::kUnavailable,
                fmt::format("the process of {} was not found: {}{}", name, found.error().message,
                            exit ? ", it ended: " + exit->last_words : ""),
                {}});
    }
    there.push_back(std::move(*found));
  }
  const auto remote = run_rows(runtime, there, "each server in its own process", command.seconds);
  rows.insert(rows.end(), remote.begin(), remote.end());
  for (const auto& server : there) server.stop();
  children.wait_all(5s);
  if (command.json) {
    print_json(rows, n, command.seconds);
  } else {
    print(rows, n);
  }
  return kExitDone;
}

}  // namespace

void add_bench_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<BenchCommand>();
  CLI::App* command = app.add_subcommand("bench", "Measure actor calls on this machine");
  command->group("Commands");
  command->add_option("--seconds", options->seconds, "length of a round, of four a row [0.5]")
      ->type_name("X")
      ->check(number_in(0.001, 600));
  command->add_option("--processes", options->processes, "servers, the n of 1:n and n:n [cores]")
      ->type_name("N")
      ->check(integer_in(1, 256));
  command->add_flag("--json", options->json, "print the results as one JSON object");
  command->add_option("--serve", options->serve)->group("");  // of the processes it starts
  command->add_option("--name", options->name)->group("");
  command->add_option("--parent", options->parent)->group("");
  command->footer(
      "The rows are the actor calls of `ray microbenchmark`: sync waits for each answer, async "
      "has\n"
      "up to 1000 calls under way from each caller. Beside the mean of the rounds stands their "
      "deviation.");
  command->callback([&action, options] { action = [options] { return bench(*options); }; });
}

}  // namespace muster::tool
