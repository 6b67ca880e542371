#pragma once
// One encoder and one parser for each kind of frame. No Cap'n Proto type passes this header.
//
// Threads: free functions, from any thread; encoders use a scratch buffer of the thread.
// Parsers fail with kCorrupt when the message cannot be read. Encoders throw Exception (kInvalid)
// for values that cannot travel.

#include <muster/codec.h>
#include <muster/detail/function_ref.h>
#include <muster/when_full.h>

#include <string>

#include "runtime/wire/message.h"

namespace muster::wire {

using detail::FunctionRef;

inline constexpr std::string_view kProtocolName = "muster";
inline constexpr std::uint16_t kProtocolVersionMin = 1;
inline constexpr std::uint16_t kProtocolVersionMax = 1;
inline constexpr std::size_t kNonceBytes = 32;

struct HelloFrame {
  std::string protocol{kProtocolName};
  std::uint16_t version_min = kProtocolVersionMin;
  std::uint16_t version_max = kProtocolVersionMax;
  std::uint64_t node_hi = 0;
  std::uint64_t node_lo = 0;
  std::uint64_t incarnation = 0;
  std::string listen_address;
  bool authenticates = false;
  std::vector<std::byte> nonce;
  std::uint64_t message_bytes_max = 0;
  std::string software;
  friend bool operator==(const HelloFrame&, const HelloFrame&) = default;
};

struct CallHeader {
  std::uint64_t call_id = 0;  // 0: one way
  std::uint64_t actor = 0;
  std::uint64_t method = 0;
  Duration timeout{0};            // 0: no limit; rounded up to microseconds
  std::uint64_t incarnation = 0;  // 0: any
  bool urgent = false;
  std::uint32_t group = 0;  // 0: the method's
  WhenFull when_full = WhenFull::kFail;
  bool offer = false;            // the reply is wanted when the message is in the mailbox
  std::uint64_t references = 0;  // bit i: argument i is a reference to the value
  std::uint64_t first_open = 0;  // the least kept call that is not answered; 0: not a kept call
  bool one_way = false;          // of a kept call: the reply only says that it came
  bool again = false;            // of a kept call: it may have been sent before
  /// Of its delivery nothing is said beyond what the first version of the protocol says.
  bool plain() const noexcept {
    return !urgent && group == 0 && when_full == WhenFull::kFail && !offer;
  }
  friend bool operator==(const CallHeader&, const CallHeader&) = default;
};

/// In the call ids of those that are kept until they are answered, and of no others.
inline constexpr std::uint64_t kKeptCall = std::uint64_t{1} << 63;

struct ReplyHeader {
  std::uint64_t call_id = 0;
  bool is_error = false;
  Error error;  // when is_error
  friend bool operator==(const ReplyHeader&, const ReplyHeader&) = default;
};

struct ReleaseFrame {
  std::uint64_t actor = 0;
  std::uint64_t count = 0;
  friend bool operator==(const ReleaseFrame&, const ReleaseFrame&) = default;
};

struct FindFrame {
  std::uint64_t request_id = 0;
  std::string name;
  std::uint64_t type_hash = 0;
  Duration wait{0};
  friend bool operator==(const FindFrame&, const FindFrame&) = default;
};

struct FoundFrame {
  std::uint64_t request_id = 0;
  Result<WireActor> actor;
  friend bool operator==(const FoundFrame&, const FoundFrame&) = default;
};

struct MonitorFrame {
  std::uint64_t request_id = 0;
  std::uint64_t actor = 0;
  std::uint64_t link = 0;  // an actor of the sender that is linked with it; 0: none
  friend bool operator==(const MonitorFrame&, const MonitorFrame&) = default;
};

struct DownFrame {
  std::uint64_t request_id = 0;
  std::uint16_t reason = 0;
  Error error;
  std::string name;
  std::uint32_t incarnation = 0;
  friend bool operator==(const DownFrame&, const DownFrame&) = default;
};

struct StopFrame {
  std::uint64_t actor = 0;
  bool kill = false;
  friend bool operator==(const StopFrame&, const StopFrame&) = default;
};

struct CancelFrame {
  std::uint64_t call_id = 0;
  std::uint64_t actor = 0;
  bool expired = false;
  friend bool operator==(const CancelFrame&, const CancelFrame&) = default;
};

struct ChunkFrame {
  std::uint32_t stream = 0;
  std::uint32_t align_offset = 0;
  std::uint64_t total = 0;
  std::uint64_t offset = 0;
  Slice data;
};

using EncodeValues = FunctionRef<void(Encoder&)>;

OutgoingMessage encode_hello(const HelloFrame& hello);
OutgoingMessage encode_challenge(const HelloFrame& challenge);
OutgoingMessage encode_proof(Slice mac);
OutgoingMessage encode_ready(Slice mac);
OutgoingMessage encode_reject(const Error& error);
OutgoingMessage encode_goodbye(const Error& reason);
OutgoingMessage encode_heartbeat();
// `values` writes exactly `count` arguments. The flow of the message is the actor; an urgent one is
// of the control lane.
OutgoingMessage encode_call(const CallHeader& header, std::size_t count, ActorExchange* exchange,
                            EncodeValues values);
// Writes these into the frame of a kept call: its call_id, timeout, first_open and again. Requires:
// the bytes of what encode_call gave for a header with first_open.
void renew_call(std::span<std::byte> frame, const CallHeader& header);
// `value` writes exactly one value.
OutgoingMessage encode_result(std::uint64_t call_id, ActorExchange* exchange, EncodeValues value);
OutgoingMessage encode_error(std::uint64_t call_id, const Error& error);
OutgoingMessage encode_release(const ReleaseFrame& release);
OutgoingMessage encode_find(const FindFrame& find);
OutgoingMessage encode_found(const FoundFrame& found);
OutgoingMessage encode_monitor(const MonitorFrame& monitor);
OutgoingMessage encode_down(const DownFrame& down);
OutgoingMessage encode_stop(const StopFrame& stop);
// The actor is the flow, so that the cancel does not overtake its call.
OutgoingMessage encode_cancel(const CancelFrame& cancel);
// Refers to chunk.data, which outlives the message.
OutgoingMessage encode_chunk(const ChunkFrame& chunk);

Result<HelloFrame> parse_hello(const IncomingMessage& message);              // also of a challenge
Result<std::vector<std::byte>> parse_proof(const IncomingMessage& message);  // also of a ready
Result<Error> parse_error(const IncomingMessage& message);  // of a reject or goodbye
Result<CallHeader> parse_call(const IncomingMessage& message);
// Requires: a call.
CallHeader call_header(const IncomingMessage& message) noexcept;
Result<ReplyHeader> parse_reply(const IncomingMessage& message);
Result<ReleaseFrame> parse_release(const IncomingMessage& message);
Result<FindFrame> parse_find(const IncomingMessage& message);
Result<FoundFrame> parse_found(const IncomingMessage& message);
Result<MonitorFrame> parse_monitor(const IncomingMessage& message);
Result<DownFrame> parse_down(const IncomingMessage& message);
Result<StopFrame> parse_stop(const IncomingMessage& message);
Result<CancelFrame> parse_cancel(const IncomingMessage& message);
Result<ChunkFrame> parse_chunk(const IncomingMessage& message);  // data: a view of the message

// The arguments of a call, the first of those in its frame. The message outlives the Decoder.
Decoder arguments(const IncomingMessage& message, ActorExchange* exchange);
Decoder arguments(IncomingMessage&&, ActorExchange*) = delete;
// Goes on to the arguments of the next call in the frame, whatever became of these; kCorrupt when
// that is not where it may be.
enum class NextCall : std::uint8_t { kNone, kFound, kCorrupt };
NextCall next_call(Decoder& arguments);
// Something is where the next call would be.
bool is_followed(const Decoder& arguments) noexcept;
// Bytes of the frame that are of the call whose arguments these are, and of no other.
std::size_t call_bytes(const Decoder& arguments);
// The same arguments once more, from the first.
Decoder same_arguments(const Decoder& arguments, ActorExchange* exchange);
// The value of a reply that is not an error. The message outlives the Decoder.
Decoder result(const IncomingMessage& message, ActorExchange* exchange);
Decoder result(IncomingMessage&&, ActorExchange*) = delete;

}  // namespace muster::wire
