#pragma once
/// Step-size schedules: pure functions of the fraction of the run that is done.
///
/// Threads: values.

#include <muster/error.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace muster::optim {

enum class ScheduleKind : std::uint8_t {
  kConstant,  ///< base
  kCosine,    ///< base * (r + (1 - r) (1 + cos(pi s)) / 2), r = final_ratio
  kStep,      ///< base * factor^(number of milestones <= s)
};

/// "constant", "cosine", "step"; none for anything else.
std::string_view to_string(ScheduleKind) noexcept;
std::optional<ScheduleKind> parse_schedule_kind(std::string_view) noexcept;

struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  double base = 0.01;                         ///< gamma at the start, after any warm-up
  double final_ratio = 0.0;                   ///< cosine: gamma at the end over base
  double factor = 0.1;                        ///< step
  std::vector<double> milestones{0.5, 0.75};  ///< step: fractions of the run, ascending
  double warmup = 0.0;  ///< fraction of the run over which gamma rises from 0, by factor s / warmup

  friend bool operator==(const Schedule&, const Schedule&) = default;
};

/// kInvalid naming the field, the value and the allowed range: base > 0 and finite, final_ratio in
/// [0, 1], factor in (0, 1], milestones ascending in (0, 1), warmup in [0, 1).
Result<void> validate(const Schedule& schedule);

/// gamma when the fraction s of the run is done; s is clamped to [0, 1].
double step_size(const Schedule& schedule, double fraction);

/// gamma of local step `step` (from 0) of `steps` in all: with a warm-up step_size((step + 1) /
/// steps) inside it, so that the first step moves; step_size(step / steps) elsewhere. `steps` == 0
/// (length unknown) gives base.
double step_size(const Schedule& schedule, std::uint64_t step, std::uint64_t steps);

}  // namespace muster::optim
