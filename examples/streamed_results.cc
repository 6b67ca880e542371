// Results that arrive one by one: a search that tells of each hit when it finds it, taken from an
// actor in process and from one on another node. Whoever has seen enough drops the stream.

#include <muster/runtime.h>

#include <cstdio>
#include <string>
#include <vector>

using namespace muster;

struct Hit {
  int page = 0;
  std::string line;
};

class Library {
 public:
  explicit Library(std::vector<std::string> pages) : pages_(std::move(pages)) {}

  // A handler that streams is a coroutine with co_yield. It is never more than the caller's window
  // ahead of the one who takes the items, and is cancelled when nobody takes them any more.
  Stream<Hit> search(std::string word) {
    for (std::size_t page = 0; page < pages_.size(); ++page) {
      if (pages_[page].find(word) == std::string::npos) continue;
      const Hit hit{static_cast<int>(page), pages_[page]};
      co_yield hit;
      co_await sleep_for(1ms);  // it may wait, as any handler
    }
    if (word == "magic") throw std::runtime_error("the last shelf is locked");
  }

 private:
  std::vector<std::string> pages_;
};
MUSTER_ACTOR(Library, search);

class Reader {
 public:
  // In handlers and tasks the items are awaited.
  Task<int> count(Handle<Library> library, std::string word) {
    int hits = 0;
    Stream<Hit> found = library.call<&Library::search>(word);
    while (const auto hit = co_await found.next()) hits += hit->line.size() > 3 ? 1 : 0;
    co_return hits;
  }
};
MUSTER_ACTOR(Reader, count);

int main() {
  Runtime head({.listen = "127.0.0.1:0"});
  Runtime node;
  value_or_throw(node.join(head.listen_address(), 5s));
  const std::vector<std::string> pages = {"an actor", "no", "magic here", "an act", "magic there"};
  const auto library = head.spawn<Library>({.name = "library"}, pages);
  const auto distant = value_or_throw(node.find<Library>("library", 5s));

  // Elsewhere next() blocks the thread, at most for the time given.
  for (const auto& handle : {library, distant}) {
    Stream<Hit> acts = handle.call<&Library::search>("act");
    while (const auto hit = acts.next(1s)) {
      std::printf("page %d: %s\n", hit->page, hit->line.c_str());
    }
  }

  // What the handler throws comes after the items before it.
  Stream<Hit> magic = distant.call<&Library::search>("magic");
  int found = 0;
  while (true) {
    const Result<std::optional<Hit>> hit = magic.next_result(1s);
    if (hit && *hit) {
      ++found;
    } else {
      std::printf("magic:  %d pages, then %s\n", found, hit.error().message.c_str());
      break;
    }
  }

  const auto reader = node.spawn<Reader>();
  const int hits = reader.call<&Reader::count>(distant, "a").get(1s);
  std::printf("reader: %d pages with an a\n", hits);
  return hits == 4 && found == 2 ? 0 : 1;
}
