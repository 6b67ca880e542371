#pragma once
// The handshake as a pure state machine: frames in, frames out, and who the peer is.
// docs/wire-format.md has the exchange and the texts.
//
// Threads: one at a time.
//
// Invariants: the token never leaves this object; a MAC covers the role of its maker and both
// sides' hello frames to the byte, so that neither reflection nor a changed hello passes.

#include <optional>

#include "runtime/net/session_options.h"
#include "runtime/wire/messages.h"

namespace muster::net {

// What a handshake frame may be: sent before anybody is known.
inline constexpr wire::Limits kHandshakeLimits{
    .message_bytes_max = 40 * 1024, .segments_max = 1, .nesting_max = 8, .traversal_factor = 2};

// The refusal of a handshake, as each side reads it.
struct Refusal {
  Error here;
  std::optional<Error> there;  // none: the peer is gone, or said it itself
};

// wire::kNonceBytes: from the system's generator when `seed` is 0, else drawn from it, for tests.
std::vector<std::byte> make_nonce(std::uint64_t seed);

class Handshake {
 public:
  // `nonce` is wire::kNonceBytes of fresh random bytes.
  Handshake(const SessionOptions& options, std::string peer_address, std::vector<std::byte> nonce);

  // What the initiator sends first; nothing for an acceptor.
  std::optional<wire::OutgoingMessage> first();

  struct Step {
    std::optional<wire::OutgoingMessage> answer;
    bool done = false;  // the peer is known; answer, if any, goes first
  };
  tl::expected<Step, Refusal> on_frame(const wire::IncomingMessage& frame);

  // Requires: done.
  const PeerInfo& peer() const { return peer_; }
  // How far it is, for a timeout's message: "its hello", ...
  std::string awaited() const;

 private:
  using Outcome = tl::expected<Step, Refusal>;
  enum class State : std::uint8_t { kHello, kChallenge, kProof, kReady, kDone };

  Outcome on_hello(const wire::IncomingMessage& frame);
  Outcome on_challenge(const wire::IncomingMessage& frame);
  Outcome on_proof(const wire::IncomingMessage& frame);
  Outcome on_ready(const wire::IncomingMessage& frame);
  std::optional<Refusal> learn(const wire::HelloFrame& hello);
  wire::HelloFrame own_hello() const;
  std::vector<std::byte> mac(Role maker) const;
  bool mac_is(Role maker, wire::Slice found) const;
  tl::unexpected<Refusal> refuse(ErrorCode code, const std::string& here, std::string there) const;

  const SessionOptions& options_;
  std::string address_;
  std::vector<std::byte> nonce_;
  State state_;
  bool peer_authenticates_ = false;
  std::vector<std::byte> hello_bytes_, challenge_bytes_;  // as they were on the wire
  PeerInfo peer_;
};

// The cause when a peer's first bytes are no Muster frame: names what they look like.
Error not_muster(const std::string& peer_address, wire::Slice first_bytes);
// What to answer to such a peer: a line of HTTP for a web browser, nothing for others.
std::string answer_to_stranger(wire::Slice first_bytes);

}  // namespace muster::net
