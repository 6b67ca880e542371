#pragma once
/// What a sender asks for beside the method. Not for users.

#include <muster/call_options.h>
#include <muster/detail/future_state.h>

#include <string_view>

namespace muster::detail {

/// What a call or send asks for; see CallOptions.
struct Delivery {
  bool urgent = false;
  std::uint32_t group = 0;  ///< GroupName::hash; 0: its method's
  WhenFull when_full = WhenFull::kFail;
  bool offer = false;            ///< its sender hears when it is in the mailbox
  bool retry = false;            ///< it outlives its connection
  Duration patience = kForever;  ///< how long it waits for room
  /// As every message is delivered that asks for nothing.
  bool plain() const noexcept {
    return !urgent && group == 0 && when_full == WhenFull::kFail && !offer;
  }
};

/// Ends when an offered message is in the mailbox, or in why it is not. Null for others.
using Taken = boost::intrusive_ptr<FutureState<void>>;

/// A call or send on its way to another node, its arguments apart.
struct OutgoingCall {
  std::uint64_t method = 0;
  std::string_view method_name = {};
  Duration timeout = kForever;
  Delivery delivery = {};
  std::size_t argument_count = 0;
  std::uint64_t references = 0;  ///< bit i: argument i is a reference to the value
};

}  // namespace muster::detail
