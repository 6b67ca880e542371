#pragma once
// A supervisor at work: asks SupervisionPolicy what to do and does it, in the order in which it was
// decided, on whichever thread brings the event.
//
// Threads: all members from any thread. mutex_ is held to decide only; no lock is held while a
// child, the parent or a timer is told, and one thread at a time tells them.
//
// Who keeps whom: children and Supervisor handles keep their node, a node keeps its parent and,
// until they are gone, the actors among its children; nodes among them it knows weakly.

#include <muster/error.h>

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <map>
#include <mutex>

#include "runtime/core/supervision_policy.h"

namespace muster::detail {

class ActorCell;
class RuntimeCore;

/// Throws Exception (kInvalid) for options that make no sense.
void check_options(const RestartOptions& options);

class SupervisorNode final : public std::enable_shared_from_this<SupervisorNode> {
 public:
  using EventKind = SupervisionPolicy::EventKind;

  /// `parent` may be null. Throws Exception: kInvalid for the options, kUnavailable when the parent
  /// has ended.
  static std::shared_ptr<SupervisorNode> make(boost::intrusive_ptr<RuntimeCore> core,
                                              const SupervisorOptions& options,
                                              std::shared_ptr<SupervisorNode> parent);
  ~SupervisorNode();
  SupervisorNode(const SupervisorNode&) = delete;
  SupervisorNode& operator=(const SupervisorNode&) = delete;

  /// A child that is being started; its first event is kStarted or kGone. Throws Exception
  /// (kUnavailable) when the supervisor has ended.
  ChildId add(boost::intrusive_ptr<ActorCell> actor);
  /// A child has changed; `cause` of kFailed.
  void tell(ChildId child, EventKind event, const Error& cause = {});
  /// kHalt, kStart, kStop or kKill. With kHalt and kKill, `cause` is the failure that asks for it;
  /// kKill without one (kInternal with an empty text) is a user's.
  void command(EventKind what, const Error& cause = {});

  RuntimeCore& core() const noexcept { return *core_; }

 private:
  struct ChildRef {
    boost::intrusive_ptr<ActorCell> actor;
    std::weak_ptr<SupervisorNode> node;
  };

  SupervisorNode(boost::intrusive_ptr<RuntimeCore> core, const SupervisorOptions& options,
                 std::shared_ptr<SupervisorNode> parent);
  ChildId add(ChildRef child);
  void decide(SupervisionPolicy::Event event, const Error& cause);
  // Queues what was decided. Requires: mutex_.
  void plan(const SupervisionPolicy::Decision& decision, const Error& cause);
  void work_off();
  void apply(SupervisionPolicy::ActionKind what, const ChildRef& child, const Error& cause);
  void arm(std::optional<TimePoint> wake);

  // Constant after construction:
  const boost::intrusive_ptr<RuntimeCore> core_;
  const SupervisorOptions options_;
  const std::shared_ptr<SupervisorNode> parent_;
  ChildId number_ = 0;  // as the parent's child; set by add()

  TimerId timer_ = 0;  // owned by whoever works off

  std::mutex mutex_;
  // Guarded by mutex_:
  SupervisionPolicy policy_;
  std::map<ChildId, ChildRef> children_;
  ChildId last_child_ = 0;
  Error cause_;  // of the latest failure, or of the parent's word
  std::optional<TimePoint> wake_;
  std::vector<std::function<void()>> work_;
  bool working_ = false;
};

}  // namespace muster::detail
