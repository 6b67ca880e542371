#include <fmt/format.h>
#include <muster/optim/batch_cursor.h>
#include <muster/random.h>

#include <algorithm>

namespace muster::optim {

BatchCursor::BatchCursor(std::vector<std::uint32_t> samples, std::uint64_t seed,
                         std::uint32_t worker)
    : samples_(std::move(samples)), seed_(seed), worker_(worker) {
  MUSTER_CHECK(!samples_.empty());
  shuffle();
}

void BatchCursor::shuffle() {
  Random random(mix_seed(mix_seed(seed_, worker_), position_.epoch));
  order_ = samples_;
  for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random.below(i)]);
}

Batch BatchCursor::next(std::size_t size) {
  MUSTER_CHECK(size > 0 && !samples_.empty(), size, samples_.size());
  batch_.resize(size);
  std::size_t filled = 0;
  while (filled < size) {
    if (position_.offset == order_.size()) {
      ++position_.epoch;
      position_.offset = 0;
      shuffle();
    }
    const std::size_t n = std::min(size - filled, order_.size() - position_.offset);
    std::copy_n(order_.begin() + static_cast<std::ptrdiff_t>(position_.offset), n,
                batch_.begin() + static_cast<std::ptrdiff_t>(filled));
    filled += n;
    position_.offset += n;
  }
  return batch_;
}

double BatchCursor::epochs() const noexcept {
  if (samples_.empty()) return 0;
  return static_cast<double>(position_.epoch) +
         static_cast<double>(position_.offset) / static_cast<double>(samples_.size());
}

Result<void> BatchCursor::seek(const Position& position) {
  if (position.offset > samples_.size()) {
    return fail(ErrorCode::kInvalid,
                fmt::format("cursor offset {} is out of range: allowed 0 to {}", position.offset,
                            samples_.size()));
  }
  position_ = position;
  if (!samples_.empty()) shuffle();
  return {};
}

}  // namespace muster::optim
