#include <fmt/format.h>
#include <muster/optim/schedule.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace muster::optim {
namespace {

tl::unexpected<Error> out_of_range(const char* field, double value, const char* allowed) {
  return fail(ErrorCode::kInvalid,
              fmt::format("{} = {} is out of range: allowed {}", field, value, allowed));
}

}  // namespace

std::string_view to_string(ScheduleKind kind) noexcept {
  switch (kind) {
    case ScheduleKind::kConstant:
      return "constant";
    case ScheduleKind::kCosine:
      return "cosine";
    case ScheduleKind::kStep:
      return "step";
  }
  return "unknown";
}

std::optional<ScheduleKind> parse_schedule_kind(std::string_view text) noexcept {
  for (auto kind : {ScheduleKind::kConstant, ScheduleKind::kCosine, ScheduleKind::kStep}) {
    if (text == to_string(kind)) return kind;
  }
  return std::nullopt;
}

Result<void> validate(const Schedule& s) {
  if (!(s.base > 0) || !std::isfinite(s.base)) {
    return out_of_range("base", s.base, "more than 0, finite");
  }
  if (!(s.final_ratio >= 0 && s.final_ratio <= 1)) {
    return out_of_range("final_ratio", s.final_ratio, "0 to 1");
  }
  if (!(s.factor > 0 && s.factor <= 1)) {
    return out_of_range("factor", s.factor, "more than 0, at most 1");
  }
  if (!(s.warmup >= 0 && s.warmup < 1)) {
    return out_of_range("warmup", s.warmup, "0 to less than 1");
  }
  double before = 0;
  for (double at : s.milestones) {
    if (!(at > before && at < 1)) {
      return out_of_range("milestones", at, "ascending, each more than 0 and less than 1");
    }
    before = at;
  }
  return {};
}

double step_size(const Schedule& schedule, double fraction) {
  const double s = std::clamp(fraction, 0.0, 1.0);
  double gamma = schedule.base;
  if (schedule.kind == ScheduleKind::kCosine) {
    const double r = schedule.final_ratio;
    gamma *= r + (1.0 - r) * 0.5 * (1.0 + std::cos(std::numbers::pi * s));
  } else if (schedule.kind == ScheduleKind::kStep) {
    for (double at : schedule.milestones) gamma *= at <= s ? schedule.factor : 1.0;
  }
  if (s < schedule.warmup) gamma *= s / schedule.warmup;
  return gamma;
}

double step_size(const Schedule& schedule, std::uint64_t step, std::uint64_t steps) {
  if (steps == 0) return schedule.base;
  const double total = static_cast<double>(steps);
  const double next = (static_cast<double>(step) + 1.0) / total;
  if (next < schedule.warmup) return step_size(schedule, next);
  return step_size(schedule, std::max(schedule.warmup, static_cast<double>(step) / total));
}

}  // namespace muster::optim
