#include "runtime/net/handshake.h"

#include <muster/random.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <string_view>

namespace muster::net {
namespace {

std::string versions(std::uint16_t min, std::uint16_t max) {
  return min == max ? "version " + std::to_string(min)
                    : "versions " + std::to_string(min) + " to " + std::to_string(max);
}

// Bytes of a peer as a person can read them, the first line of at most 40.
std::string readable(wire::Slice bytes) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const std::byte b : bytes.first(std::min<std::size_t>(bytes.size(), 40))) {
    const auto c = std::to_integer<unsigned char>(b);
    if (c == '\r' || c == '\n') break;
    if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
      out += static_cast<char>(c);
    } else {
      out += "\\x";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  return out;
}

std::string peer_text(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return text;
}

void append(std::vector<std::byte>& out, std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Length first, so that no two transcripts run into the same bytes.
void append_part(std::vector<std::byte>& out, wire::Slice part) {
  for (int shift = 0; shift < 64; shift += 8) {
    out.push_back(static_cast<std::byte>((std::uint64_t{part.size()} >> shift) & 0xFF));
  }
  out.insert(out.end(), part.begin(), part.end());
}

std::vector<std::byte> copy(wire::Slice bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::vector<std::byte> make_nonce(std::uint64_t seed) {
  std::vector<std::byte> nonce(wire::kNonceBytes);
  if (seed == 0) {
    const int ok =
        RAND_bytes(reinterpret_cast<unsigned char*>(nonce.data()), static_cast<int>(nonce.size()));
    MUSTER_CHECK(ok == 1, ok);
  } else {
    Random random(seed);
    for (std::byte& b : nonce) b = static_cast<std::byte>(random() & 0xFF);
  }
  return nonce;
}

Handshake::Handshake(const SessionOptions& options, std::string peer_address,
                     std::vector<std::byte> nonce)
    : options_(options),
      address_(std::move(peer_address)),
      nonce_(std::move(nonce)),
      state_(options.role == Role::kInitiator ? State::kChallenge : State::kHello) {}

wire::HelloFrame Handshake::own_hello() const {
  wire::HelloFrame hello;
  hello.protocol = options_.protocol_name;
  hello.version_min = options_.version_min;
  hello.version_max = options_.version_max;
  hello.node_hi = options_.node.high;
  hello.node_lo = options_.node.low;
  hello.incarnation = options_.incarnation;
  hello.listen_address = options_.listen_address;
  hello.authenticates = options_.token.has_value();
  hello.nonce = nonce_;
  hello.message_bytes_max = options_.limits.message_bytes_max;
  hello.software = options_.software;
  return hello;
}

std::optional<wire::OutgoingMessage> Handshake::first() {
  if (options_.role == Role::kAcceptor) return std::nullopt;
  wire::OutgoingMessage hello = wire::encode_hello(own_hello());
  hello_bytes_ = hello.to_bytes();
  return hello;
}

tl::unexpected<Refusal> Handshake::refuse(ErrorCode code, const std::string& here,
                                          std::string there) const {
  return tl::unexpected<Refusal>(
      Refusal{Error{code, address_ + " " + here, {}}, Error{code, std::move(there), {}}});
}

std::string Handshake::awaited() const {
  switch (state_) {
    case State::kHello:
      return "hello";
    case State::kChallenge:
      return "answer to the hello";
    case State::kProof:
      return "proof of the token";
    default:
      return "answer to the proof";
  }
}

Handshake::Outcome Handshake::on_frame(const wire::IncomingMessage& frame) {
  using wire::FrameKind;
  if (frame.kind() == FrameKind::kReject || frame.kind() == FrameKind::kGoodbye) {
    const auto error = wire::parse_error(frame);
    if (!error)
      return refuse(ErrorCode::kCorrupt, "sent a bad frame: " + error.error().message, "");
    const std::string text = address_ + " refused the connection: " + peer_text(error->message);
    return tl::unexpected<Refusal>(Refusal{Error{error->code, text, {}}, std::nullopt});
  }
  const FrameKind expected = state_ == State::kHello       ? FrameKind::kHello
                             : state_ == State::kChallenge ? FrameKind::kChallenge
                             : state_ == State::kProof     ? FrameKind::kProof
                                                           : FrameKind::kReady;
  if (frame.kind() != expected) {
    const std::string found(to_string(frame.kind()));
    const std::string wanted(to_string(expected));
    return refuse(ErrorCode::kCorrupt,
                  "broke the handshake: expected a " + wanted + " frame, found " + found,
                  "expected a " + wanted + " frame, found " + found);
  }
  switch (state_) {
    case State::kHello:
      return on_hello(frame);
    case State::kChallenge:
      return on_challenge(frame);
    case State::kProof:
      return on_proof(frame);
    default:
      return on_ready(frame);
  }
}

// Checks a hello or challenge and keeps what it says of the peer.
std::optional<Refusal> Handshake::learn(const wire::HelloFrame& hello) {
  const auto refusal = [&](ErrorCode code, const std::string& here, std::string there) {
    return refuse(code, here, std::move(there)).value();
  };
  if (hello.protocol != options_.protocol_name) {
    const std::string theirs = peer_text(hello.protocol.substr(0, 40));
    return refusal(
        ErrorCode::kInvalid,
        "speaks protocol \"" + theirs + "\", this node \"" + options_.protocol_name + "\"",
        "this node speaks protocol \"" + options_.protocol_name + "\", you \"" + theirs + "\"");
  }
  const std::uint16_t version = std::min(hello.version_max, options_.version_max);
  if (version < std::max(hello.version_min, options_.version_min)) {
    const std::string ours = versions(options_.version_min, options_.version_max);
    const std::string theirs = versions(hello.version_min, hello.version_max);
    return refusal(ErrorCode::kInvalid, "speaks protocol " + theirs + ", this node " + ours,
                   "this node speaks protocol " + ours + ", you " + theirs);
  }
  if (hello.nonce.size() != wire::kNonceBytes) {
    return refusal(ErrorCode::kCorrupt,
                   "sent a nonce of " + std::to_string(hello.nonce.size()) + " bytes",
                   "expected a nonce of " + std::to_string(wire::kNonceBytes) + " bytes");
  }
  if (NodeId{hello.node_hi, hello.node_lo} == options_.node) {
    return refusal(ErrorCode::kInvalid, "is this node itself", "you are connected to yourself");
  }
  if (options_.token && !hello.authenticates) {
    return refusal(ErrorCode::kDenied, "has no token, this node asks for one",
                   "a token is needed: none was given");
  }
  if (!options_.token && hello.authenticates) {
    return refusal(ErrorCode::kDenied, "asks for a token, this node has none",
                   "you ask for a token: this node has none");
  }
  peer_authenticates_ = hello.authenticates;
  peer_ = PeerInfo{
      {hello.node_hi, hello.node_lo}, hello.incarnation, hello.listen_address, address_, version,
      hello.message_bytes_max,        hello.software};
  return std::nullopt;
}

Handshake::Outcome Handshake::on_hello(const wire::IncomingMessage& frame) {
  const auto hello = wire::parse_hello(frame);
  if (!hello)
    return refuse(hello.error().code, "sent a bad frame: " + hello.error().message, "bad hello");
  if (auto refusal = learn(*hello)) return tl::unexpected<Refusal>(std::move(*refusal));
  wire::HelloFrame own = own_hello();
  own.version_min = own.version_max = peer_.version;
  wire::OutgoingMessage challenge = wire::encode_challenge(own);
  hello_bytes_ = copy(frame.bytes());
  challenge_bytes_ = challenge.to_bytes();
  state_ = State::kProof;
  return Step{std::move(challenge), false};
}

Handshake::Outcome Handshake::on_challenge(const wire::IncomingMessage& frame) {
  const auto challenge = wire::parse_hello(frame);
  if (!challenge) {
    return refuse(ErrorCode::kCorrupt, "sent a bad frame: " + challenge.error().message,
                  "bad challenge");
  }
  if (auto refusal = learn(*challenge)) return tl::unexpected<Refusal>(std::move(*refusal));
  challenge_bytes_ = copy(frame.bytes());
  state_ = State::kReady;
  return Step{wire::encode_proof(mac(Role::kInitiator)), false};
}

Handshake::Outcome Handshake::on_proof(const wire::IncomingMessage& frame) {
  const auto proof = wire::parse_proof(frame);
  if (!proof || !mac_is(Role::kInitiator, *proof)) {
    return refuse(ErrorCode::kDenied, "failed authentication: its token is not this node's",
                  "authentication failed: the tokens differ");
  }
  state_ = State::kDone;
  return Step{wire::encode_ready(mac(Role::kAcceptor)), true};
}

Handshake::Outcome Handshake::on_ready(const wire::IncomingMessage& frame) {
  const auto proof = wire::parse_proof(frame);
  if (!proof || !mac_is(Role::kAcceptor, *proof)) {
    return refuse(ErrorCode::kDenied, "failed authentication: its token is not this node's",
                  "authentication failed: the tokens differ");
  }
  state_ = State::kDone;
  return Step{std::nullopt, true};
}

std::vector<std::byte> Handshake::mac(Role maker) const {
  if (!options_.token) return {};
  std::vector<std::byte> transcript;
  append(transcript, maker == Role::kInitiator ? "muster initiator" : "muster acceptor ");
  append_part(transcript, hello_bytes_);
  append_part(transcript, challenge_bytes_);
  std::vector<std::byte> out(32);
  unsigned size = 0;
  const unsigned char* made =
      HMAC(EVP_sha256(), options_.token->data(), static_cast<int>(options_.token->size()),
           reinterpret_cast<const unsigned char*>(transcript.data()), transcript.size(),
           reinterpret_cast<unsigned char*>(out.data()), &size);
  MUSTER_CHECK(made != nullptr && size == out.size(), size);
  return out;
}

bool Handshake::mac_is(Role maker, wire::Slice found) const {
  const auto expected = mac(maker);
  return found.size() == expected.size() &&
         (expected.empty() || CRYPTO_memcmp(found.data(), expected.data(), expected.size()) == 0);
}

Error not_muster(const std::string& peer_address, wire::Slice first_bytes) {
  return {ErrorCode::kInvalid,
          peer_address + " does not speak the Muster protocol: it sent \"" + readable(first_bytes) +
              "\"",
          {}};
}

std::string answer_to_stranger(wire::Slice first_bytes) {
  const std::string_view text(reinterpret_cast<const char*>(first_bytes.data()),
                              first_bytes.size());
  for (const std::string_view verb : {"GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "CONNECT "}) {
    if (!text.starts_with(verb)) continue;
    const std::string body = "This port is a Muster node's; it does not speak HTTP.\n";
    return "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
  }
  return {};
}

}  // namespace muster::net
