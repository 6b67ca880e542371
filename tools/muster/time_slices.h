#pragma once
// How long the processor stays with one thread before another has its turn.

namespace muster::tool {

/// Asks the system to give this thread, and the threads and processes that it starts from here on,
/// long slices of time that are not cut short by each other (SCHED_BATCH), as suits work that
/// computes: where several of them share a core, each finishes its steps in a warm cache, and what
/// it sends leaves while the next computes. Other programs keep their share of the core, in longer
/// turns. A policy that is not the usual one stays. A wish: where the system does not grant it,
/// nothing changes.
void ask_for_long_slices();

}  // namespace muster::tool
