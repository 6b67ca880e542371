#pragma once
// What worker and averager send each other. Aggregates, so that they travel as they are.
//
// Threads: values.

#include <muster/array.h>

#include <cstdint>
#include <optional>
#include <string>

namespace muster::training {

/// Averager to worker: train one round, or measure the first scaling.
struct RoundOrder {
  std::uint64_t round = 0;
  bool probe = false;
  bool want_moment = false;      ///< contribute the estimate of the scaling
  std::uint64_t first_step = 0;  ///< local steps of earlier rounds: where the schedule stands
  std::uint64_t steps = 0;
  std::uint64_t total_steps = 0;  ///< of the whole run; 0: not known
  Array<float> params;            ///< x
  Array<float> divisor;           ///< Dhat; empty: unchanged, or there is none
  Array<float> accumulator;       ///< local scope, merged; empty: keep
};

/// Worker to averager: what a round gave.
struct Contribution {
  std::uint64_t worker = 0;
  std::uint64_t round = 0;
  std::uint64_t samples = 0;
  double loss = 0;  ///< mean over the round's local steps
  std::uint64_t floored = 0;
  std::uint64_t capped = 0;
  double compute_s = 0;      ///< spent in local steps and this contribution
  Array<float> params;       ///< x_m; empty for a probe
  Array<float> moment;       ///< where it was asked for
  Array<float> accumulator;  ///< local scope with a merge
};

struct EvaluationReport {
  std::uint64_t round = 0;
  bool measured = false;  ///< false: the objective has no evaluation set
  double loss = 0;
  std::optional<double> accuracy;
  double seconds = 0;
};

/// What a node that wants to take part is told.
struct Enlistment {
  std::string config;  ///< TOML
};

}  // namespace muster::training
