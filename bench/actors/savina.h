#pragma once
// What the Savina programs of both runtimes share: parameters, the table of benchmarks, the clock
// and the harness. Knows neither runtime.
//
// The programs follow the definitions of Savina (S. Imam, V. Sarkar, AGERE 2014) and, for
// mailbox_performance and actor_creation, of CAF's own benchmarks: the same actors, messages and
// message contents. Where a message of the definition carries its sender, a handle is sent.
//
// The clock of a benchmark starts when its runtime is up, before the first actor is made, and stops
// when the last of its actors' states has been destroyed. Each run has a new runtime.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace savina {

// The defaults of Savina where it has the benchmark.
inline constexpr std::int64_t kPings = 40'000;
inline constexpr std::int64_t kIncrements = 1'000'000;
inline constexpr std::int64_t kThroughputMessages = 10'000;
inline constexpr std::int64_t kThroughputActors = 60;
inline constexpr std::int64_t kForkedActors = 40'000;
inline constexpr std::int64_t kRingActors = 100;
inline constexpr std::int64_t kRingHops = 100'000;
inline constexpr std::int64_t kCreatures = 100;
inline constexpr std::int64_t kMeetings = 200'000;
inline constexpr std::int64_t kBigActors = 120;
inline constexpr std::int64_t kBigPings = 20'000;
inline constexpr std::int64_t kDictionaryWorkers = 20;
inline constexpr std::int64_t kDictionaryMessages = 10'000;
inline constexpr std::int64_t kDictionaryWritePercent = 10;
inline constexpr std::int32_t kDictionaryKeys = 2147483647 / 4096;
inline constexpr std::int64_t kBufferSize = 50;
inline constexpr std::int64_t kProducers = 40;
inline constexpr std::int64_t kConsumers = 40;
inline constexpr std::int64_t kItemsPerProducer = 1'000;
inline constexpr int kItemCost = 25;
inline constexpr std::int64_t kPhilosophers = 20;
inline constexpr std::int64_t kMeals = 10'000;
inline constexpr std::int64_t kAccounts = 1'000;
inline constexpr std::int64_t kTransactions = 50'000;
inline constexpr double kInitialBalance = 1e9;
// CAF's programs; mailbox_performance there sends 1,000,000 messages a sender, 50 times as many.
inline constexpr std::int64_t kMailboxSenders = 100;
inline constexpr std::int64_t kMailboxMessages = 20'000;
inline constexpr std::uint32_t kCreationDepth = 20;
// Ours.
inline constexpr std::int64_t kStreamMessages = 2'000'000;
inline constexpr std::int64_t kStreamSources = 64;
inline constexpr std::int64_t kStreamWindow = 250;  // messages between two acknowledgements
inline constexpr std::int64_t kStreamWindowsAhead = 2;
inline constexpr std::int64_t kCalls = 200'000;
inline constexpr std::int64_t kMemoryActors = 1'000'000;
inline constexpr std::int64_t kIdleActors = 100'000;

/// The generator that Savina's programs draw from.
class PseudoRandom {
 public:
  explicit PseudoRandom(std::int64_t seed) : value_(seed) {}
  std::int64_t next() { return value_ = (value_ * 1309 + 13849) & 65535; }
  std::int64_t next_below(std::int64_t bound) { return next() % bound; }
  double next_double() { return 1.0 / static_cast<double>(next() + 1); }

 private:
  std::int64_t value_;
};

/// Draws for concdict, whose keys do not fit into PseudoRandom's 16 bits.
class WideRandom {
 public:
  explicit WideRandom(std::int64_t seed) : value_(static_cast<std::uint64_t>(seed)) {}
  std::int64_t next_below(std::int64_t bound) {
    value_ = value_ * 48271 % 2147483647;  // the "minimal standard" generator
    return static_cast<std::int64_t>(value_) % bound;
  }

 private:
  std::uint64_t value_;
};

/// Savina's work for one message of the fork-join programs: a sine.
void compute();
/// Savina's work for one item of bndbuffer: 100 logarithms for each unit of cost.
double process_item(double item, int cost);

/// One amount of banking: whole, so that the sum of all balances is exact.
double next_amount(PseudoRandom& random);
/// Source and destination of one transaction; the source is below the destination, so that
/// accounts which wait for each other never form a circle.
std::pair<std::size_t, std::size_t> next_accounts(PseudoRandom& random);

/// The colours of chameneos: 0, 1, 2, and 3 once faded.
inline constexpr std::int32_t kFaded = 3;
constexpr std::int32_t complement(std::int32_t mine, std::int32_t other) {
  if (mine == kFaded || other == kFaded) return kFaded;
  return mine == other ? mine : 3 - mine - other;
}

/// One run of one benchmark: its clock, how many of its actors are left, and a total to check.
/// Threads: start, wait and expect on the waiting thread; the rest on any.
class Round {
 public:
  explicit Round(std::int64_t actors) : left_(actors) {}
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;

  void start() { start_ = std::chrono::steady_clock::now(); }
  /// Seconds from start until the last actor left. Ends the program when that takes five minutes:
  /// neither runtime can be shut down while its actors wait for each other.
  double wait();
  /// Ends the program when the total is another. Requires: wait() has returned.
  void expect(const char* what, std::int64_t total) const;

  void leave(std::int64_t count);

 private:
  std::chrono::steady_clock::time_point start_{};
  std::chrono::steady_clock::time_point end_{};  // guarded by mutex_
  std::atomic<std::int64_t> left_;
  std::atomic<std::int64_t> total_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;  // guarded by mutex_
};

/// The first member of every actor's state: leaves the round when the state is destroyed, with what
/// the actor counted.
class Member {
 public:
  Member() = default;
  explicit Member(Round& round) : round_(&round) {}
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  ~Member() {
    if (round_ != nullptr) round_->leave(count);
  }
  void join(Round& round) { round_ = &round; }

  std::int64_t count = 0;

 private:
  Round* round_ = nullptr;
};

/// Ends the program with status 3, after `why` on standard error.
[[noreturn]] void give_up(const std::string& why);
/// Ends the program with status 3 when `found` is not `expected`: from any thread, handlers too,
/// since the actors that wait for a wrong one would never end.
void expect_equal(const char* what, std::int64_t found, std::int64_t expected);
/// Waits, without sleeping, until `counter` has reached `value`; ends the program after ten
/// minutes.
void wait_until(const std::atomic<std::int64_t>& counter, std::int64_t value);
/// Bytes of this process in memory.
std::int64_t resident_bytes();
/// How much of one core, in per cent, this process uses while nothing is asked of it.
double idle_cpu_percent();

/// A run of a benchmark on a runtime with so many threads: what it measured, in the row's unit.
using Body = std::function<double(unsigned threads)>;
using Bodies = std::map<std::string, Body>;

/// The program's main: runs what the command line asks for and prints one JSON line a benchmark.
/// Every row of the table has a body.
int run_benchmarks(const char* program, const Bodies& bodies, int argc, char** argv);

}  // namespace savina
