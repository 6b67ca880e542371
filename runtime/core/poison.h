#pragma once
// Messages that bring their actor down, and are handled again until that has happened too often.
//
// Threads: owned by the run of the actor. There are at most as many as handlers under way, and one.

#include <muster/detail/message.h>

#include <string>
#include <vector>

namespace muster::detail {

class Suspects {
 public:
  /// 0: nothing is handled again.
  explicit Suspects(unsigned poison_after) : poison_after_(poison_after) {}
  bool enabled() const noexcept { return poison_after_ > 0; }

  /// The incarnation of that number has failed with `why` while it handled `message`. True when the
  /// message is to be handled again.
  bool accuse(const Message& message, std::uint64_t incarnation, const std::string& why);
  /// It was handled, or will not be: forgets it, and gives what accuse() was told.
  std::string acquit(const Message& message);

 private:
  struct Suspect {
    const Message* message;
    unsigned times = 0;
    std::string trace = {};
  };
  const unsigned poison_after_;
  std::vector<Suspect> suspects_;
};

}  // namespace muster::detail
