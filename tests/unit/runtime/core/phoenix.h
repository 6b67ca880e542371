#pragma once
// The vocabulary of the supervision tests: actors that fail on demand and leave a log.

#include <stop_token>

#include "unit/runtime/core/fixture.h"

namespace muster::test {

struct Log;
struct Note {
  Log* log;
  std::string line;
  void operator()() const;
};

/// What Phoenixes did, in order, in whichever runtime of the world.
struct Log {
  std::vector<std::string> lines;
  std::vector<Duration> pauses;  // from each end of an incarnation to the next start
  TimePoint gone{};
  std::optional<std::stop_callback<Note>> stop;
  int constructors_to_fail = 0;
  int saves_to_fail = 0;
  int restores_to_fail = 0;
};

inline void Note::operator()() const {
  log->lines.push_back(line);
}

class Phoenix {
 public:
  Phoenix(std::string name, std::shared_ptr<Log> log)
      : name_(std::move(name)), log_(std::move(log)), life_(this_actor::incarnation()) {
    if (log_->constructors_to_fail > 0) {
      --log_->constructors_to_fail;
      throw std::runtime_error("not today");
    }
    if (life_ > 1) log_->pauses.push_back(this_actor::now() - log_->gone);
    log_->lines.push_back(name_ + " made " + std::to_string(life_));
  }
  ~Phoenix() {
    log_->gone = this_actor::now();
    log_->lines.push_back(name_ + " gone " + std::to_string(life_));
  }

  int add(int n) { return value_ += n; }
  std::uint64_t life() const { return this_actor::incarnation(); }
  void check(int limit) { MUSTER_CHECK(value_ < limit, value_, limit); }
  void crash(const std::string& why) { this_actor::crash(why); }
  void leave(const std::string& why) { this_actor::stop(why); }
  void quit(const std::string& why) { this_actor::exit(why); }
  void quit_later(std::chrono::milliseconds time) {
    auto later = sleep_for(time).then([](Result<void>) { this_actor::exit("time is up"); });
    static_cast<void>(later);
  }
  void link(const Handle<Phoenix>& other) { this_actor::link(other); }
  void throw_up() { throw std::runtime_error("no failure"); }
  Task<> nap_and_crash(std::chrono::milliseconds time);
  Task<int> nap(std::chrono::milliseconds time);
  /// Logs when it is asked to stop; whoever asked for the token outlives the actor's object.
  Task<> nap_with_stop(std::chrono::milliseconds time);
  void note(const std::string& text) { log_->lines.push_back(name_ + ": " + text); }
  void note_later(const std::string& text, std::chrono::milliseconds time) {
    this_actor::send_after<&Phoenix::note>(time, text);
  }
  void note_and_crash(const std::string& text) {
    this_actor::send<&Phoenix::note>(text);
    this_actor::crash("noted");
  }
  void then_later(std::chrono::milliseconds time) {
    // Not through *this, which may be gone.
    auto later = sleep_for(time).then(
        [log = log_, name = name_](Result<void>) { log->lines.push_back(name + ": woke up"); });
    static_cast<void>(later);
  }

 private:
  const std::string name_;
  const std::shared_ptr<Log> log_;
  const std::uint64_t life_;
  int value_ = 0;
};
MUSTER_ACTOR(Phoenix, add, life, check, crash, leave, throw_up, nap_and_crash, nap, note, quit,
             quit_later, link, note_later, note_and_crash, nap_with_stop, then_later);

/// Takes its arguments by value and uses them up.
class Hoarder {
 public:
  Hoarder(std::vector<int> numbers, std::string_view text)
      : numbers_(std::move(numbers)), text_(text) {}
  std::string take() { return text_ + std::to_string(std::exchange(numbers_, {}).size()); }
  void fall() { this_actor::crash("full"); }

 private:
  std::vector<int> numbers_;
  std::string text_;
};
MUSTER_ACTOR(Hoarder, take, fall);

/// Cannot be made twice from the same argument.
class Owner {
 public:
  explicit Owner(std::unique_ptr<int> value) : value_(std::move(value)) {}
  int value() const { return *value_; }

 private:
  std::unique_ptr<int> value_;
};
MUSTER_ACTOR(Owner, value);

}  // namespace muster::test

// Compiled once, in phoenix.cc.
MUSTER_ACTOR_EXTERN(muster::test::Phoenix);
