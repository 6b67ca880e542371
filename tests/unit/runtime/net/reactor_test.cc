// What callbacks defer, and the thread that takes over from a late one.

#include "runtime/net/reactor.h"

#include <gtest/gtest.h>

#include <future>

namespace muster::net {
namespace {

constexpr std::chrono::seconds kPatience{60};

// Remembers how often and on which thread it was started.
class Work final : public Deferred {
 public:
  void start() override {
    if (count++ == 0) thread.set_value(std::this_thread::get_id());
  }
  bool started() const { return count > 0; }
  std::thread::id wait() {
    auto started_on = thread.get_future();
    EXPECT_EQ(started_on.wait_for(kPatience), std::future_status::ready);
    return count > 0 ? started_on.get() : std::thread::id();
  }
  std::atomic<int> count{0};
  std::promise<std::thread::id> thread;
};

// Runs `callback` on the reactor, to its end.
void run(Reactor& reactor, const std::function<void()>& callback) {
  std::promise<void> done;
  reactor.post([&] {
    callback();
    done.set_value();
  });
  ASSERT_EQ(done.get_future().wait_for(kPatience), std::future_status::ready);
}

TEST(ReactorTest, OutsideCallbacksWorkStartsAtOnce) {
  Reactor reactor(1h, 2);
  const auto work = std::make_shared<Work>();
  reactor.after_callback(work);
  EXPECT_EQ(work->wait(), std::this_thread::get_id());
}

TEST(ReactorTest, DeferredWorkStartsWhenTheCallbackEnds) {
  Reactor reactor(1h, 2);
  const auto work = std::make_shared<Work>();
  std::thread::id callback_thread;
  bool started_inside = true;
  run(reactor, [&] {
    callback_thread = std::this_thread::get_id();
    reactor.after_callback(work);
    started_inside = work->started();
  });
  EXPECT_EQ(work->wait(), callback_thread);
  EXPECT_FALSE(started_inside);
}

TEST(ReactorTest, WorkOfALateCallbackIsStartedByTheThreadThatTakesOver) {
  Reactor reactor(1ms, 4);
  const auto before = std::make_shared<Work>();
  const auto after = std::make_shared<Work>();
  std::thread::id late, starter;
  bool started_at_once = false;
  run(reactor, [&] {
    late = std::this_thread::get_id();
    reactor.after_callback(before);
    starter = before->wait();  // this callback does not end before
    reactor.after_callback(after);
    started_at_once = after->started();
  });
  EXPECT_NE(starter, late);
  EXPECT_TRUE(started_at_once);
  EXPECT_EQ(after->wait(), late);
  reactor.stop();
  EXPECT_EQ(before->count, 1);
  EXPECT_EQ(after->count, 1);
}

// The late thread comes back, waits its turn, and defers again.
TEST(ReactorTest, EachCallbackDefersAgainAfterManyTakeovers) {
  Reactor reactor(1ms, 3);
  std::vector<std::shared_ptr<Work>> all;
  for (int round = 0; round < 30; ++round) {
    all.push_back(std::make_shared<Work>());
    all.push_back(std::make_shared<Work>());
    run(reactor, [&] {
      reactor.after_callback(all[all.size() - 2]);
      if (round % 2 == 0) all[all.size() - 2]->wait();
      reactor.after_callback(all.back());
    });
    if (round % 2 == 1) all[all.size() - 2]->wait();
    all.back()->wait();
  }
  reactor.stop();
  for (const auto& work : all) EXPECT_EQ(work->count, 1);
}

}  // namespace
}  // namespace muster::net
