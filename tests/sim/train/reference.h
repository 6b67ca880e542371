#pragma once
// The same training without actors, messages and time: what the parameters must be.

#include <muster/training/train.h>

#include <cstdint>
#include <map>
#include <vector>

namespace muster::training {

/// The parameters after each round, when `contributors[r]` lists who was counted in round r, in
/// ascending order.
std::map<std::uint64_t, std::vector<float>> reference_run(
    const TrainConfig& config, const ObjectiveFactory& objectives,
    const std::map<std::uint64_t, std::vector<std::uint64_t>>& contributors);

}  // namespace muster::training
