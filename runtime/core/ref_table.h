#pragma once
// The Refs of one node whose values are, or may be, on other nodes: what was fetched for one of
// them serves all.
//
// Threads: all members from any thread. No lock is held while anything else is called.

#include <muster/detail/ref_state.h>

#include <map>
#include <mutex>

namespace muster::detail {

class RefTable {
 public:
  /// The one that is listed for values of `type` at `holder`, else a new one, which then is.
  std::shared_ptr<RefState> find_or_add(const HandleRef& holder, const RefType& type);
  /// Lists `state` unless another is listed. Requires: it has a holder.
  void add(RefState& state);
  /// `state` ends. Requires: it has been listed.
  void forget(const RefState& state);

 private:
  using Key = std::pair<ActorId, std::type_index>;

  std::mutex mutex_;
  std::map<Key, std::weak_ptr<RefState>> states_;  // guarded by mutex_
};

}  // namespace muster::detail
