#pragma once
// An actor whose methods stream, and what its streams end in.

#include "unit/runtime/core/fixture.h"

namespace muster::test {

struct Line {
  int number = 0;
  std::string text;
  friend bool operator==(const Line&, const Line&) = default;
};

/// What the source has done, as the test sees it.
struct Trace {
  int made = 0;
  int left = 0;         // coroutines whose locals have gone
  bool tidied = false;  // one that was cancelled has waited once more
};
class Leaving {
 public:
  explicit Leaving(Trace& trace) : trace_(trace) {}
  Leaving(const Leaving&) = delete;
  ~Leaving() { ++trace_.left; }

 private:
  Trace& trace_;
};

class Source {
 public:
  explicit Source(Trace* trace) : trace_(*trace) {}
  Stream<int> count(int to) {
    const Leaving leaving(trace_);
    for (int i = 1; i <= to; ++i) {
      trace_.made = i;
      co_yield i;
    }
  }
  Stream<int> count_slowly(int to, std::chrono::milliseconds step) {
    const Leaving leaving(trace_);
    for (int i = 1; i <= to; ++i) {
      co_await sleep_for(step);
      trace_.made = i;
      co_yield i;
    }
  }
  Stream<int> count_and_throw(int to) {
    for (int i = 1; i <= to; ++i) co_yield i;
    throw std::runtime_error("no more");
  }
  Stream<int> count_and_check(int to) {
    for (int i = 1; i <= to; ++i) co_yield i;
    MUSTER_CHECK(to < 0, to);
  }
  Stream<Line> lines(std::vector<std::string> texts) {
    int number = 0;
    for (const auto& text : texts) {
      const Line line{++number, text};
      co_yield line;
    }
  }
  Stream<Array<float>> blocks(std::size_t size, int count) {
    for (int i = 0; i < count; ++i) {
      co_yield std::vector<float>(size, static_cast<float>(i));
    }
  }
  Stream<int> given(std::optional<Handle<Source>> one) { co_yield one ? 1 : 0; }
  // Not coroutines: they fail before there is a stream.
  Stream<int> refused() { throw std::runtime_error("no stream"); }
  Stream<int> checked() {
    MUSTER_CHECK(false, "no stream");
    return none();
  }
  Stream<int> none() { co_return; }
  Stream<int> of_another(Handle<Source> other, int to) {
    return other.call<&Source::count_and_throw>(to);
  }
  Stream<int> forever() {
    const Leaving leaving(trace_);
    for (;;) co_yield ++trace_.made;
  }
  Stream<int> tidy_up(std::chrono::milliseconds time) {
    bool cancelled = false;
    try {
      co_await sleep_for(time);
    } catch (const Exception& e) {
      cancelled = e.error().code == ErrorCode::kCancelled;
    }
    if (cancelled) {
      co_await sleep_for(10ms);
      trace_.tidied = true;
    }
    co_yield 1;
  }
  Stream<bool> odd(std::vector<int> numbers) {
    for (const int number : numbers) co_yield number % 2 != 0;
  }
  int plain() { return 42; }

 private:
  Trace& trace_;
};
MUSTER_ACTOR(Source, count, count_slowly, count_and_throw, count_and_check, lines, blocks, none,
             of_another, given, refused, checked, forever, tidy_up, odd, plain);

template <class T>
std::vector<T> all_of(Stream<T> stream, Duration timeout = 5s) {
  std::vector<T> items;
  while (auto item = stream.next(timeout)) items.push_back(std::move(*item));
  return items;
}

/// What it ends in, after the items that come before.
template <class T>
std::string end_of(Stream<T>& stream) {
  for (;;) {
    const auto item = stream.next_result(10s);
    if (!item) return item.error().describe();
    if (!*item) return "no error";
  }
}

inline std::vector<int> up_to(int n) {
  std::vector<int> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 1);
  return numbers;
}

}  // namespace muster::test
