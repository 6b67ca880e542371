// Calls that must not compile, one a CASE, and one that must (CASE 0).

#include <muster/runtime.h>
#if CASE >= 16
#include <muster/pool.h>
#include <muster/topic.h>
#endif

#include <string>

namespace muster::test {

class Opaque {
 public:
  explicit Opaque(int value) : value_(value) {}
  int value() const { return value_; }

 private:
  int value_;
};

class Other {
 public:
  void nothing() {}
};
MUSTER_ACTOR(Other, nothing);

class Counter {
 public:
  int add(int n, const std::string& why) { return n + static_cast<int>(why.size()); }
  void add_later(int n) {
#if CASE == 1
    this_actor::send<&Counter::add>(n, 2.5);
#elif CASE == 2
    this_actor::send_after<&Counter::add>(1ms, n);
#else
    this_actor::send<&Counter::add>(n, "later");
    this_actor::send_after<&Counter::add>(1ms, n, "later");
#endif
  }
  void unlisted(int n) {
    last_ = n;
  }
#if CASE == 3 || CASE == 4
  void take(int n, Opaque opaque) {
    last_ = n + opaque.value();
  }
#else
  void take(int n, int more) {
    last_ = n + more;
  }
#endif
#if CASE == 14
  Stream<Opaque> numbers(int to) {
    co_yield Opaque(to);
  }
#else
  Stream<int> numbers(int to) {
    co_yield to;
  }
#endif
#if CASE == 15
  void drain(Stream<int> numbers) {
    last_ = numbers.valid() ? 1 : 0;
  }
#else
  void drain(int n) {
    last_ = n;
  }
#endif
#if CASE == 5
  Opaque last() const {
    return Opaque(last_);
  }
#else
  int last() const {
    return last_;
  }
#endif

 private:
  int last_ = 0;
};
MUSTER_ACTOR(Counter, add, add_later, take, numbers, drain, last);

int use(Runtime& runtime, const Handle<Counter>& counter) {
#if CASE == 3
  counter.send<&Counter::take>(1, Opaque(2));
#elif CASE == 4
  static_cast<void>(runtime.spawn<Counter>());
#elif CASE == 5
  static_cast<void>(counter.call<&Counter::last>());
#elif CASE == 6
  static_cast<void>(counter.call<&Counter::unlisted>(1));
#elif CASE == 7
  return counter.call<&Counter::add>(std::string("one"), "two").get();
#elif CASE == 8
  return counter.call<&Counter::add>(1, 2).get();
#elif CASE == 9
  counter.send<&Counter::add>(1);
#elif CASE == 10
  Future<int> n = counter.call<&Counter::add>(1, "one");
  return counter.call<&Counter::add>(n, "two").get();
#elif CASE == 11
  return counter.call<&Counter::add>(Future<std::string>(), "two").get();
#elif CASE == 12
  counter.send<&Counter::take>(1, Ref<long>());
#elif CASE == 13
  counter.send<&Counter::numbers>(3);
#elif CASE == 14
  static_cast<void>(counter.call<&Counter::numbers>(3));
#elif CASE == 15
  counter.send<&Counter::drain>(counter.call<&Counter::numbers>(3));
#elif CASE == 16
  return Router<Counter>(runtime).call<&Counter::add>(1, 2).get();
#elif CASE == 17
  static_cast<void>(Router<Counter>(runtime).call_all<&Counter::unlisted>(1));
#elif CASE == 18
  static_cast<void>(Topic<int>(runtime, {}).subscribe<&Counter::add>(counter));
#elif CASE == 19
  static_cast<void>(Router<Counter>(runtime).call<&Counter::numbers>(3));
#elif CASE == 20
  static_cast<void>(counter.call<&Other::nothing>());
#endif
  auto numbers = counter.call<&Counter::numbers>(3);
  static_cast<void>(numbers.next(1s));
  const Ref<std::string> why = runtime.put(std::string("one"));
  return counter.call<&Counter::add>(counter.call<&Counter::add>(1, why), "one").get();
}

}  // namespace muster::test
