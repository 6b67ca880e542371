#include "bench/actors/savina.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <vector>

namespace savina {

namespace {

using std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::minutes(5);

struct Row {
  const char* suite;  // whose program it is
  const char* name;
  const char* parameters;
  std::int64_t operations;  // 0: not a matter of speed
  const char* counted;      // what the operations are
  const char* unit = "s";
  bool once = false;  // a later run in the same process would measure something else
};

constexpr std::int64_t kNodes = (std::int64_t{1} << kCreationDepth) - 1;

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {"savina", "pingpong", "40,000 pings", 3 * kPings, "messages"},
      {"savina", "count", "1,000,000 increments", kIncrements, "messages"},
      {"savina", "fjthrput", "10,000 messages x 60 actors", kThroughputMessages * kThroughputActors,
       "messages"},
      {"savina", "fjcreate", "40,000 actors", kForkedActors, "actors"},
      {"savina", "threadring", "100 actors, 100,000 hops", kRingHops, "messages"},
      {"savina", "chameneos", "100 creatures, 200,000 meetings", 4 * kMeetings, "messages"},
      {"savina", "big", "20,000 pings x 120 actors", 2 * kBigPings * kBigActors, "messages"},
      {"savina", "concdict", "20 workers x 10,000, 10% writes",
       2 * kDictionaryWorkers * kDictionaryMessages, "messages"},
      {"savina", "bndbuffer", "buffer 50, 40 producers x 1,000, 40 consumers",
       kProducers * kItemsPerProducer, "items"},
      {"savina", "philosopher", "20 philosophers x 10,000 meals", kPhilosophers * kMeals, "meals"},
      {"savina", "banking", "1,000 accounts, 50,000 transactions", kTransactions, "transactions"},
      {"caf", "mailbox_performance", "100 senders x 20,000", kMailboxSenders * kMailboxMessages,
       "messages"},
      {"caf", "actor_creation", "tree of 2^20 - 1 actors", kNodes, "actors"},
      {"muster", "one_to_one", "2,000,000 messages, 2 windows of 250", kStreamMessages, "messages"},
      {"muster", "many_to_one", "64 x 31,250 messages, 2 windows of 250 each", kStreamMessages,
       "messages"},
      {"muster", "request_reply", "200,000 calls in turn, no deadline", kCalls, "calls"},
      {"muster", "request_reply_deadline", "200,000 calls in turn, 60 s each", kCalls, "calls"},
      {"muster", "idle_memory", "1,000,000 actors that have handled a message", 0, "",
       "bytes/actor", true},
      {"muster", "idle_cpu", "100,000 idle actors", 0, "", "% of a core", true},
  };
  return table;
}

struct Options {
  std::vector<std::string> only;
  int repeats = 5;
  unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  bool list = false;
};

long positive(const std::string& option, const char* text) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*text == '\0' || *end != '\0' || value < 1) {
    throw std::invalid_argument(option + " takes a positive number, found '" + text + "'");
  }
  return value;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--list") {
      options.list = true;
      continue;
    }
    if (option != "--only" && option != "--repeats" && option != "--threads") {
      throw std::invalid_argument("found '" + option +
                                  "', expected --only NAME, --repeats N, --threads N or --list");
    }
    if (i + 1 == argc) throw std::invalid_argument(option + " takes a value, found none");
    const char* value = argv[++i];
    if (option == "--repeats") {
      options.repeats = static_cast<int>(positive(option, value));
    } else if (option == "--threads") {
      options.threads = static_cast<unsigned>(positive(option, value));
    } else if (std::ranges::none_of(
                   rows(), [&](const Row& r) { return r.name == std::string_view(value); })) {
      throw std::invalid_argument("--only takes a name that --list shows, found '" +
                                  std::string(value) + "'");
    } else {
      options.only.emplace_back(value);
    }
  }
  return options;
}

rusage usage_so_far() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}

double cpu_seconds() {
  const rusage usage = usage_so_far();
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void print(const char* program, const Row& row, unsigned threads,
           const std::vector<double>& values) {
  std::printf(
      "{\"suite\": \"%s\", \"benchmark\": \"%s\", \"program\": \"%s\", \"parameters\": \"%s\", "
      "\"threads\": %u, "
      "\"operations\": %lld, \"counted\": \"%s\", \"unit\": \"%s\", \"values\": [",
      row.suite, row.name, program, row.parameters, threads, static_cast<long long>(row.operations),
      row.counted, row.unit);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::printf("%s%.6g", i == 0 ? "" : ", ", values[i]);
  }
  // Of the process until here: of this benchmark alone when it is the first.
  std::printf("], \"peak_mib\": %.1f}\n", static_cast<double>(usage_so_far().ru_maxrss) / 1024);
  std::fflush(stdout);
}

void run_row(const char* program, const Row& row, const Body& body, const Options& options) {
  const int repeats = row.once ? 1 : options.repeats;
  if (!row.once) body(options.threads);  // the heap has its size from here on
  std::vector<double> values;
  for (int i = 0; i < repeats; ++i) values.push_back(body(options.threads));
  print(program, row, options.threads, values);
}

}  // namespace

void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::fflush(nullptr);
  std::_Exit(3);
}

void compute() {
  volatile double theta = 37.2;  // else the compiler computes it
  const double sine = std::sin(theta);
  if (sine * sine <= 0) give_up("sin(37.2) squared is not positive");
}

double process_item(double item, int cost) {
  PseudoRandom random(cost);
  for (int i = 0; i < cost * 100; ++i) item += std::log(random.next_double() + 0.01);
  return item;
}

double next_amount(PseudoRandom& random) {
  return 1 + std::floor(random.next_double() * 1000);
}

std::pair<std::size_t, std::size_t> next_accounts(PseudoRandom& random) {
  const std::int64_t source = random.next_below(kAccounts / 10 * 8);
  const std::int64_t distance = std::max<std::int64_t>(1, random.next_below(kAccounts - source));
  return {static_cast<std::size_t>(source), static_cast<std::size_t>(source + distance)};
}

double Round::wait() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return done_; })) {
    give_up("after five minutes " + std::to_string(left_.load()) +
            " actors have not ended; expected none");
  }
  return std::chrono::duration<double>(end_ - start_).count();
}

void Round::expect(const char* what, std::int64_t total) const {
  expect_equal(what, total_.load(), total);
}

void Round::leave(std::int64_t count) {
  total_.fetch_add(count, std::memory_order_relaxed);
  if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::scoped_lock lock(mutex_);
  end_ = steady_clock::now();
  done_ = true;
  changed_.notify_all();
}

void expect_equal(const char* what, std::int64_t found, std::int64_t expected) {
  if (found == expected) return;
  give_up(std::string(what) + ": found " + std::to_string(found) + ", expected " +
          std::to_string(expected));
}

void wait_until(const std::atomic<std::int64_t>& counter, std::int64_t value) {
  const auto deadline = steady_clock::now() + kPatience;
  while (counter.load(std::memory_order_acquire) < value) {
    std::this_thread::yield();
    if (steady_clock::now() > deadline) {
      give_up("after five minutes " + std::to_string(counter.load()) +
              " messages were handled; expected " + std::to_string(value));
    }
  }
}

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0;
  std::int64_t resident = 0;
  if (!(statm >> size >> resident)) throw std::runtime_error("/proc/self/statm does not read");
  return resident * sysconf(_SC_PAGESIZE);
}

double idle_cpu_percent() {
  constexpr auto kSettle = std::chrono::seconds(1);
  constexpr auto kWindow = std::chrono::seconds(3);
  std::this_thread::sleep_for(kSettle);
  const auto start = steady_clock::now();
  const double before = cpu_seconds();
  std::this_thread::sleep_for(kWindow);
  const double used = cpu_seconds() - before;
  return used / std::chrono::duration<double>(steady_clock::now() - start).count() * 100;
}

int run_benchmarks(const char* program, const Bodies& bodies, int argc, char** argv) {
  const char* doing = "reading the command line";
  try {
    const Options options = parse(argc, argv);
    for (const Row& row : rows()) {
      doing = row.name;
      const bool wanted = options.only.empty() || std::ranges::count(options.only, row.name) != 0;
      if (options.list) {
        std::printf("%s\n", row.name);
      } else if (wanted) {
        run_row(program, row, bodies.at(row.name), options);
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s: %s\n", program, doing, error.what());
    return 1;
  }
  return 0;
}

}  // namespace savina
