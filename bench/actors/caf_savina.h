#pragma once
// The Savina programs on CAF 0.17, in three groups. Actors are dynamically typed, messages are told
// apart by atoms, and state lives in stateful_actor, which destroys it when the actor ends.

#include <caf/all.hpp>

#include "bench/actors/savina.h"

namespace savina {

Bodies caf_messaging_bodies();
Bodies caf_concurrency_bodies();
Bodies caf_micro_bodies();

struct Config : caf::actor_system_config {
  explicit Config(unsigned threads) {
    set("scheduler.max-threads", static_cast<std::int64_t>(threads));
  }
};

/// CAF with so many workers; its other settings as it comes. Its destructor waits for all actors.
struct System {
  explicit System(unsigned threads) : config(threads), actors(config) {
    expect_equal("CAF's workers", static_cast<std::int64_t>(actors.scheduler().num_workers()),
                 threads);
  }
  Config config;
  caf::actor_system actors;
};

}  // namespace savina
