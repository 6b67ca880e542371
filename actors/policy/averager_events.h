#pragma once
// What AveragerPolicy hears (events) and what it asks its shell to do (actions).
//
// Threads: values.

#include <muster/error.h>
#include <muster/training/report.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace muster::training {

namespace event {
struct Start {};
/// A worker asks for a place. `place` is where it runs.
struct Join {
  std::string place;
};
/// A worker's objective and data are there.
struct Ready {
  std::uint64_t worker = 0;
  std::uint64_t dim = 0;
  std::uint64_t samples = 0;
};
/// `fits`: its arrays have the right sizes.
struct Contributed {
  std::uint64_t worker = 0;
  std::uint64_t round = 0;
  bool fits = true;
};
/// A worker's actor, process or connection ended. `crashed`: a check failed in its handler.
struct Lost {
  std::uint64_t worker = 0;
  std::string cause;
  bool crashed = false;
};
/// A worker reports that it cannot go on. `step` counts its local steps from 1; 0: before them.
struct Failed {
  std::uint64_t worker = 0;
  std::uint64_t step = 0;
  std::string message;
};
struct JoinDeadline {};
struct RoundDeadline {
  std::uint64_t round = 0;
};
struct Evaluated {
  std::uint64_t round = 0;
  std::optional<double> accuracy;
};
struct EvaluationDeadline {
  std::uint64_t round = 0;
};
struct StopRequested {};
struct Aborted {
  Error error;
};
}  // namespace event
using AveragerEvent =
    std::variant<event::Start, event::Join, event::Ready, event::Contributed, event::Lost,
                 event::Failed, event::JoinDeadline, event::RoundDeadline, event::Evaluated,
                 event::EvaluationDeadline, event::StopRequested, event::Aborted>;

namespace action {
/// The worker got this place: tell it, so that it prepares.
struct Prepare {
  std::uint64_t worker = 0;
  friend bool operator==(const Prepare&, const Prepare&) = default;
};
struct ArmJoinDeadline {
  friend bool operator==(const ArmJoinDeadline&, const ArmJoinDeadline&) = default;
};
/// All are ready.
struct Begin {
  friend bool operator==(const Begin&, const Begin&) = default;
};
/// Send the round to `workers` and arm its deadline.
struct Open {
  std::uint64_t round = 0;
  std::vector<std::uint64_t> workers;
  friend bool operator==(const Open&, const Open&) = default;
};
/// Average the contributions of `workers` and commit.
struct Close {
  std::uint64_t round = 0;
  std::vector<std::uint64_t> workers;
  friend bool operator==(const Close&, const Close&) = default;
};
/// Have the committed parameters evaluated and arm the deadline.
struct Evaluate {
  std::uint64_t round = 0;
  friend bool operator==(const Evaluate&, const Evaluate&) = default;
};
/// The worker is out: forget its contribution, tell it to stop.
struct Drop {
  LostWorker lost;
  friend bool operator==(const Drop&, const Drop&) = default;
};
struct Finish {
  StopReason reason = StopReason::kRounds;
  friend bool operator==(const Finish&, const Finish&) = default;
};
struct Fail {
  Error error;
  friend bool operator==(const Fail&, const Fail&) = default;
};
}  // namespace action
using AveragerAction =
    std::variant<action::Prepare, action::ArmJoinDeadline, action::Begin, action::Open,
                 action::Close, action::Evaluate, action::Drop, action::Finish, action::Fail>;

}  // namespace muster::training
