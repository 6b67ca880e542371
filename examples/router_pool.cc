// Several actors as one: a pool that grows with its work, a router over chosen actors, a topic.

#include <muster/pool.h>
#include <muster/topic.h>

#include <cstdio>
#include <string>
#include <vector>

using namespace muster;

class Resizer {
 public:
  explicit Resizer(int number) : number_(number) {}

  Task<int> resize(int pixels) {
    co_await sleep_for(5ms);  // as if it were work
    ++done_;
    co_return pixels / 2;
  }
  int done() const { return done_; }
  int number() const { return number_; }

 private:
  const int number_;
  int done_ = 0;
};
MUSTER_ACTOR(Resizer, resize, done, number);

class Log {
 public:
  void line(const std::string& text) {
    std::printf("log:    %s\n", text.c_str());
    ++lines_;
  }
  Task<void> wait_for(int lines) {
    while (lines_ < lines) co_await sleep_for(1ms);
  }

 private:
  int lines_ = 0;
};
MUSTER_ACTOR(Log, line, wait_for);

int main() {
  Runtime runtime;

  // A pool: between one and four Resizers, as many as there are calls for. Without any for a
  // second, it lets them go again.
  int made = 0;
  const Pool<Resizer> pool(runtime, {.name = "resizers", .min = 1, .max = 4, .idle_time = 1s},
                           [&] { return runtime.spawn<Resizer>({}, ++made); });
  std::vector<Future<int>> images;
  for (int i = 0; i < 100; ++i) images.push_back(pool.call<&Resizer::resize>(2 * i));
  int sum = 0;
  for (auto& image : images) sum += image.get(10s);
  std::printf("pool:   %d pixels by %zu members\n", sum, pool.size());
  if (sum != 4950 || pool.size() > 4) return 1;

  // A router: over actors that somebody else made, on this node or on others.
  const std::vector<Handle<Resizer>> mine = {runtime.spawn<Resizer>({}, 10),
                                             runtime.spawn<Resizer>({}, 11),
                                             runtime.spawn<Resizer>({}, 12)};
  const Router<Resizer> router(runtime, {.name = "mine", .policy = RoutingPolicy::kLeastLoaded},
                               mine);
  const int any = router.call<&Resizer::number>().get(1s);
  const int ann = router.with_key("ann").call<&Resizer::number>().get(1s);
  const int again = router.with_key("ann").call<&Resizer::number>().get(1s);
  std::printf("router: %d answers; what is Ann's goes to %d, and to %d\n", any, ann, again);
  if (ann != again) return 1;

  // To all of them: every outcome, or the first success.
  int broadcast = 0;
  for (const auto& [actor, result] : router.call_all<&Resizer::resize>(8).get(1s)) {
    broadcast += result.value_or(0);
  }
  const int first = router.call_first<&Resizer::resize>(8).get(1s);
  std::printf("all:    %d; first: %d\n", broadcast, first);
  if (broadcast != 12 || first != 4) return 1;

  // A topic: found by name on every joined node.
  const Topic<std::string> news(runtime, {.name = "news"});
  const auto log = runtime.spawn<Log>({.reentrant = true});
  const Subscription subscription = news.subscribe<&Log::line>(log).get(1s);
  news.publish("the pool has " + std::to_string(pool.size()) + " members");
  const auto found = value_or_throw(Topic<std::string>::find(runtime, "news", 1s));
  found.publish("subscribers: " + std::to_string(found.subscribers().get(1s)));
  log.call<&Log::wait_for>(2).get(10s);
  return 0;
}
