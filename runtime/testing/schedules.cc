// Schedules are explored breadth first by their number of deviations: each one that ran is extended
// by one deviation at every later point, in every way. So each runs exactly once.

#include <muster/testing/schedules.h>

#include <charconv>
#include <deque>
#include <utility>
#include <vector>

namespace muster::testing {
namespace {

/// At point `point` (from 1), the `choice`th oldest (from 0) of `ready`.
struct Deviation {
  std::size_t point = 0;
  std::size_t choice = 0;
  std::size_t ready = 0;  // 0: not known
};
using Schedule = std::vector<Deviation>;

std::string to_text(const Schedule& schedule) {
  if (schedule.empty()) return "-";
  std::string text;
  for (const Deviation& d : schedule) {
    if (!text.empty()) text += ',';
    text += std::to_string(d.point) + ':' + std::to_string(d.choice);
  }
  return text;
}

Schedule parse(std::string_view text) {
  const auto wrong = [&] {
    throw Exception(Error{ErrorCode::kInvalid,
                          "found the schedule '" + std::string(text) +
                              "'; expected '-' or points and choices as in '3:1,7:2'",
                          {}});
  };
  Schedule schedule;
  if (text == "-") return schedule;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](std::size_t& into) {
    const auto [next, error] = std::from_chars(at, end, into);
    if (error != std::errc() || into == 0) wrong();
    at = next;
  };
  for (;;) {
    Deviation d;
    number(d.point);
    if (at == end || *at++ != ':') wrong();
    number(d.choice);
    if (!schedule.empty() && d.point <= schedule.back().point) wrong();
    schedule.push_back(d);
    if (at == end) return schedule;
    if (*at++ != ',') wrong();
  }
}

/// One run of the scenario by one schedule.
class Run {
 public:
  explicit Run(Schedule schedule) : schedule_(std::move(schedule)) {}

  void go(const std::function<bool(SimWorld&)>& scenario, const ScheduleBounds& bounds) {
    try {
      SimWorld world(
          bounds.seed, [this](std::size_t ready) { return choose(ready); }, bounds.link);
      if (!scenario(world)) failure_ = "the scenario was false";
      ended_ = true;  // the world's own shutdown is not explored
    } catch (...) {
      failure_ = error_from_current_exception().describe();
      ended_ = true;
    }
    if (!strayed_ && next_ < schedule_.size()) strayed_ = "it ended before " + to_text(schedule_);
    // What the scenario saw after it took another way than before means nothing.
    if (strayed_) failure_ = "the scenario is not the same each time: " + *strayed_;
  }

  const Schedule& schedule() const noexcept { return schedule_; }
  /// How much was ready at each point.
  const std::vector<std::size_t>& ready() const noexcept { return ready_; }
  const std::optional<std::string>& failure() const noexcept { return failure_; }

 private:
  std::size_t choose(std::size_t ready) {
    if (ended_) return 0;
    ready_.push_back(ready);
    if (next_ == schedule_.size() || schedule_[next_].point != ready_.size()) return 0;
    const Deviation& d = schedule_[next_++];
    if (d.choice >= ready || (d.ready != 0 && d.ready != ready)) {
      if (!strayed_) {
        strayed_ = "at point " + std::to_string(d.point) + " of " + to_text(schedule_) + " " +
                   std::to_string(ready) + " were ready";
        if (d.ready != 0) *strayed_ += ", and " + std::to_string(d.ready) + " before";
      }
      return 0;
    }
    return d.choice;
  }

  const Schedule schedule_;
  std::size_t next_ = 0;  // of its deviations
  std::vector<std::size_t> ready_;
  bool ended_ = false;
  std::optional<std::string> strayed_;
  std::optional<std::string> failure_;
};

}  // namespace

Exploration for_each_schedule(const std::function<bool(SimWorld&)>& scenario,
                              ScheduleBounds bounds) {
  Exploration explored;
  std::deque<Schedule> next = {{}};
  bool left_out = false;
  while (!next.empty() && explored.schedules < bounds.schedules) {
    Run run(std::move(next.front()));
    next.pop_front();
    run.go(scenario, bounds);
    ++explored.schedules;
    if (run.failure()) {
      explored.failure = FailedSchedule{to_text(run.schedule()), *run.failure()};
      return explored;
    }
    const std::size_t after = run.schedule().empty() ? 0 : run.schedule().back().point;
    const bool too_many = bounds.deviations && run.schedule().size() >= *bounds.deviations;
    for (std::size_t point = after + 1; point <= run.ready().size(); ++point) {
      const std::size_t ready = run.ready()[point - 1];
      for (std::size_t choice = 1; choice < ready; ++choice) {
        if (too_many || explored.schedules + next.size() >= bounds.schedules) {
          left_out = true;
          break;
        }
        next.push_back(run.schedule());
        next.back().push_back({point, choice, ready});
      }
    }
  }
  explored.complete = !left_out && next.empty();
  return explored;
}

std::optional<FailedSchedule> run_schedule(const std::function<bool(SimWorld&)>& scenario,
                                           std::string_view schedule, ScheduleBounds bounds) {
  Run run(parse(schedule));
  run.go(scenario, bounds);
  if (!run.failure()) return std::nullopt;
  return FailedSchedule{std::string(schedule), *run.failure()};
}

}  // namespace muster::testing
