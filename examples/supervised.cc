// Actors that fail and are restarted: alone, and together with those that depend on them.

#include <muster/runtime.h>

#include <cstdio>
#include <map>

using namespace muster;

class Store {
 public:
  explicit Store(std::string path) : path_(std::move(path)) {}
  std::string get(const std::string& key) {
    MUSTER_CHECK(!key.empty(), path_);  // a bug: the actor fails, and is made anew
    return path_ + "/" + key;
  }

 private:
  std::string path_;
};
MUSTER_ACTOR(Store, get);

class Cache {
 public:
  explicit Cache(Handle<Store> store) : store_(std::move(store)) {}
  Task<std::string> get(const std::string& key) {
    if (!values_.contains(key)) values_[key] = co_await store_.call<&Store::get>(key);
    co_return values_[key];
  }
  std::size_t size() const { return values_.size(); }
  void give_up(const std::string& why) { this_actor::crash(why); }

 private:
  Handle<Store> store_;
  std::map<std::string, std::string> values_;
};
MUSTER_ACTOR(Cache, get, size, give_up);

int main() {
  Runtime runtime(
      {.on_error = [](const std::string& line) { std::printf("  %s\n", line.c_str()); }});

  // Alone: at most three restarts a minute, the same handle throughout.
  const auto alone = runtime.spawn<Store>({.name = "alone", .max_restarts = 3}, "/tmp");
  std::printf("failed:   %s\n", alone.call<&Store::get>("").result(5s).error().message.c_str());
  std::printf("again:    %s\n", alone.call<&Store::get>("a").get(5s).c_str());

  // Together: what the cache knows is worth nothing when its store was made anew.
  const Supervisor tree(runtime, {.strategy = RestartStrategy::kRestForOne, .max_restarts = 2});
  const auto store = tree.spawn<Store>({.name = "store"}, "/data");
  const auto cache = tree.spawn<Cache>({.name = "cache"}, store);
  std::printf("cached:   %s\n", cache.call<&Cache::get>("b").get(5s).c_str());
  static_cast<void>(store.call<&Store::get>("").result(5s));
  std::printf("again:    %s\n", store.call<&Store::get>("c").get(5s).c_str());
  const std::size_t left = cache.call<&Cache::size>().get(5s);
  std::printf("restarts: %llu, in the cache: %zu\n",
              static_cast<unsigned long long>(runtime.stats().restarts), left);

  // One failure too many ends the tree, with the cause.
  Future<Down> down = runtime.monitor(store);
  static_cast<void>(cache.call<&Cache::give_up>("once").result(5s));
  static_cast<void>(cache.call<&Cache::give_up>("and for all").result(5s));
  const Down end = down.get(5s);
  std::printf("end:      %s\n", end.cause.message.c_str());
  return left == 0 && end.reason == DownReason::kKilled && end.incarnation == 2 ? 0 : 1;
}
