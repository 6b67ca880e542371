#pragma once
/// BatchCursor: which samples a worker sees next. Each epoch is a permutation of the worker's share
/// that depends on (seed, worker, epoch) alone; batches run over the end of an epoch into the next,
/// so every batch is full and every sample comes once an epoch.
///
/// Threads: a value; one thread at a time.

#include <muster/error.h>
#include <muster/optim/objective.h>

#include <cstdint>
#include <vector>

namespace muster::optim {

class BatchCursor {
 public:
  /// Where the cursor stands: all that has to be saved, given the share, seed and worker.
  struct Position {
    std::uint64_t epoch = 0;   ///< epochs begun before this one
    std::uint64_t offset = 0;  ///< samples already handed out in this epoch
    friend bool operator==(const Position&, const Position&) = default;
  };

  BatchCursor() = default;
  /// Requires: samples not empty.
  BatchCursor(std::vector<std::uint32_t> samples, std::uint64_t seed, std::uint32_t worker);

  /// The next `size` samples; valid until the next call on this cursor. A batch may be larger than
  /// the share. Requires: size > 0; the cursor was made with samples.
  Batch next(std::size_t size);

  std::size_t share_size() const noexcept { return samples_.size(); }
  std::uint64_t seed() const noexcept { return seed_; }
  std::uint32_t worker() const noexcept { return worker_; }
  const Position& position() const noexcept { return position_; }
  /// Epochs handed out, with the fraction of the current one.
  double epochs() const noexcept;
  /// kInvalid when the offset lies beyond the share.
  Result<void> seek(const Position& position);

 private:
  void shuffle();

  std::vector<std::uint32_t> samples_;  // as given: every epoch permutes from here
  std::vector<std::uint32_t> order_;    // the permutation of position_.epoch
  std::vector<std::uint32_t> batch_;
  std::uint64_t seed_ = 0;
  std::uint32_t worker_ = 0;
  Position position_;
};

}  // namespace muster::optim
