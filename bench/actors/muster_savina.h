#pragma once
// The Savina programs as users of Muster would write them, in three groups.
//
// An actor that Savina ends with exit() is ended with this_actor::stop(). Where nobody keeps its
// handle meanwhile, it is detached.

#include <muster/runtime.h>

#include "bench/actors/savina.h"

namespace savina {

Bodies messaging_bodies();    // pingpong, count, fjthrput, fjcreate, threadring, chameneos, big
Bodies concurrency_bodies();  // concdict, bndbuffer, philosopher, banking
Bodies micro_bodies();        // CAF's two programs and our own rows

/// Calls have no deadline, as in the other program; but request_reply_deadline has. A handler that
/// throws ends the program.
inline muster::RuntimeOptions options_for(unsigned threads) {
  return {.threads = threads,
          .call_timeout = muster::kForever,
          .on_error = [](const std::string& line) { give_up(line); }};
}

/// Seconds until every actor has ended, once it is sure that no message was lost on the way.
inline double finish(Round& round, const muster::Runtime& runtime) {
  const double seconds = round.wait();
  expect_equal("dead letters", static_cast<std::int64_t>(runtime.stats().dead_letters), 0);
  return seconds;
}

}  // namespace savina
