// Parsers of every kind of frame.

#include <limits>

#include "runtime/wire/flat_reader.h"
#include "runtime/wire/messages.h"
#include "runtime/wire/value_state.h"

namespace muster::wire {
namespace {

std::string string(capnp::Text::Reader text) {
  return {text.begin(), text.size()};
}

Slice slice(capnp::Data::Reader data) {
  return {reinterpret_cast<const std::byte*>(data.begin()), data.size()};
}

Error unreadable(FrameKind kind, const char* why) {
  return {ErrorCode::kCorrupt,
          "a " + std::string(to_string(kind)) + " frame cannot be read: " + why,
          {}};
}

Error unexpected(FrameKind expected, FrameKind found) {
  return {ErrorCode::kCorrupt,
          "expected a " + std::string(to_string(expected)) + " frame, found " +
              std::string(to_string(found)),
          {}};
}

// Runs `get` on the root, which must be of one of `kinds`.
template <class T, class Get>
Result<T> parse(const IncomingMessage& message, std::initializer_list<FrameKind> kinds, Get&& get) {
  try {
    bool expected = false;
    for (const FrameKind kind : kinds) expected = expected || message.kind() == kind;
    if (!expected) return fail(unexpected(*kinds.begin(), message.kind()));
    FlatReader reader(message);
    return get(reader.getRoot<protocol::Frame>());
  } catch (const kj::Exception& e) {
    return fail(unreadable(*kinds.begin(), e.getDescription().cStr()));
  }
}

constexpr std::uint16_t kReplyResult = 0, kReplyError = 1;

ErrorCode known_code(std::uint16_t code) {
  const bool known = code >= static_cast<std::uint16_t>(ErrorCode::kInvalid) &&
                     code <= static_cast<std::uint16_t>(ErrorCode::kInternal);
  return known ? static_cast<ErrorCode>(code) : ErrorCode::kInternal;
}

WhenFull known_choice(int choice) {
  const bool known = choice <= static_cast<int>(WhenFull::kDrop);
  return known ? static_cast<WhenFull>(choice) : WhenFull::kFail;
}

Error read(protocol::Error::Reader in) {
  return Error{known_code(in.getCode()), string(in.getMessage()), string(in.getType())};
}

Duration from_micros(std::uint64_t micros) {
  constexpr std::uint64_t kMax = std::numeric_limits<Duration::rep>::max() / 1000;
  return std::chrono::microseconds(static_cast<std::int64_t>(std::min(micros, kMax)));
}

}  // namespace

Result<HelloFrame> parse_hello(const IncomingMessage& message) {
  return parse<HelloFrame>(
      message, {FrameKind::kHello, FrameKind::kChallenge}, [](protocol::Frame::Reader frame) {
        const auto in = frame.isHello() ? frame.getHello() : frame.getChallenge();
        HelloFrame out;
        out.protocol = string(in.getProtocol());
        out.version_min = in.getMinVersion();
        out.version_max = in.getMaxVersion();
        out.node_hi = in.getNodeHi();
        out.node_lo = in.getNodeLo();
        out.incarnation = in.getIncarnation();
        out.listen_address = string(in.getListenAddress());
        out.authenticates = in.getAuthenticates();
        const Slice nonce = slice(in.getNonce());
        out.nonce.assign(nonce.begin(), nonce.end());
        out.message_bytes_max = in.getMaxMessageBytes();
        out.software = string(in.getSoftware());
        return out;
      });
}

Result<std::vector<std::byte>> parse_proof(const IncomingMessage& message) {
  return parse<std::vector<std::byte>>(
      message, {FrameKind::kProof, FrameKind::kReady}, [](protocol::Frame::Reader frame) {
        const auto in = frame.isProof() ? frame.getProof() : frame.getReady();
        const Slice mac = slice(in.getMac());
        return std::vector<std::byte>(mac.begin(), mac.end());
      });
}

Result<Error> parse_error(const IncomingMessage& message) {
  return parse<Error>(message, {FrameKind::kReject, FrameKind::kGoodbye},
                      [](protocol::Frame::Reader frame) {
                        return read(frame.isReject() ? frame.getReject() : frame.getGoodbye());
                      });
}

// The two kinds that come by the million are read without a MessageReader.
Result<CallHeader> parse_call(const IncomingMessage& message) {
  if (message.kind() != FrameKind::kCall) {
    return fail(unexpected(FrameKind::kCall, message.kind()));
  }
  return call_header(message);
}

CallHeader call_header(const IncomingMessage& message) noexcept {
  const StructView& in = message.content();
  const auto terms = in.field<std::uint16_t>(40);
  return {in.field<std::uint64_t>(0),
          in.field<std::uint64_t>(8),
          in.field<std::uint64_t>(16),
          from_micros(in.field<std::uint64_t>(24)),
          in.field<std::uint64_t>(32),
          (terms & 1) != 0,
          in.field<std::uint32_t>(44),
          known_choice(terms >> 8),
          (terms & 2) != 0,
          in.field<std::uint64_t>(48),
          in.field<std::uint64_t>(56),
          (terms & 4) != 0,
          (terms & 8) != 0};
}

Result<ReplyHeader> parse_reply(const IncomingMessage& message) {
  if (message.kind() != FrameKind::kReply) {
    return fail(unexpected(FrameKind::kReply, message.kind()));
  }
  const StructView& in = message.content();
  const auto which = in.field<std::uint16_t>(8);
  ReplyHeader out{in.field<std::uint64_t>(0), which != kReplyResult, {}};
  if (which == kReplyError) {
    try {
      MessageView view(message);
      const StructView error = view.get_struct(in, 0);
      out.error = Error{known_code(error.field<std::uint16_t>(0)),
                        std::string(view.get_text(error, 0)), std::string(view.get_text(error, 1))};
    } catch (const Malformed& e) {
      return fail(unreadable(FrameKind::kReply, e.what()));
    }
  } else if (out.is_error) {
    out.error = {ErrorCode::kInvalid, "a reply of a kind this version does not know", {}};
  }
  return out;
}

Result<ReleaseFrame> parse_release(const IncomingMessage& message) {
  return parse<ReleaseFrame>(message, {FrameKind::kRelease}, [](protocol::Frame::Reader frame) {
    const auto in = frame.getRelease();
    return ReleaseFrame{in.getActor(), in.getCount()};
  });
}

Result<FindFrame> parse_find(const IncomingMessage& message) {
  return parse<FindFrame>(message, {FrameKind::kFind}, [](protocol::Frame::Reader frame) {
    const auto in = frame.getFind();
    return FindFrame{in.getRequestId(), string(in.getName()), in.getTypeHash(),
                     from_micros(in.getWaitMicros())};
  });
}

Result<FoundFrame> parse_found(const IncomingMessage& message) {
  return parse<FoundFrame>(message, {FrameKind::kFound}, [](protocol::Frame::Reader frame) {
    const auto in = frame.getFound();
    FoundFrame out{in.getRequestId(), WireActor{}};
    if (in.isActor()) {
      const auto actor = in.getActor();
      out.actor = WireActor{actor.getNodeHi(), actor.getNodeLo(), actor.getActor(),
                            actor.getIncarnation(), string(actor.getAddress())};
    } else if (in.isError()) {
      out.actor = tl::unexpected<Error>(read(in.getError()));
    } else {
      out.actor = fail(ErrorCode::kInvalid, "an answer of a kind this version does not know");
    }
    return out;
  });
}

Result<MonitorFrame> parse_monitor(const IncomingMessage& message) {
  return parse<MonitorFrame>(message, {FrameKind::kMonitor}, [](protocol::Frame::Reader frame) {
    const auto in = frame.getMonitor();
    return MonitorFrame{in.getRequestId(), in.getActor(), in.getLink()};
  });
}

Result<DownFrame> parse_down(const IncomingMessage& message) {
  return parse<DownFrame>(message, {FrameKind::kDown}, [](protocol::Frame::Reader frame) {
    const auto in = frame.getDown();
    return DownFrame{in.getRequestId(), in.getReason(), read(in.getError()), string(in.getName()),
                     in.getIncarnation()};
  });
}

Result<StopFrame> parse_stop(const IncomingMessage& message) {
  return parse<StopFrame>(message, {FrameKind::kStop}, [](protocol::Frame::Reader frame) {
    const auto in = frame.getStop();
    return StopFrame{in.getActor(), in.getKill()};
  });
}

Result<CancelFrame> parse_cancel(const IncomingMessage& message) {
  return parse<CancelFrame>(message, {FrameKind::kCancel}, [](protocol::Frame::Reader frame) {
    const auto in = frame.getCancel();
    return CancelFrame{in.getCallId(), in.getActor(), in.getExpired()};
  });
}

Result<ChunkFrame> parse_chunk(const IncomingMessage& message) {
  return parse<ChunkFrame>(message, {FrameKind::kChunk}, [](protocol::Frame::Reader frame) {
    const auto in = frame.getChunk();
    return ChunkFrame{in.getStream(), in.getAlignOffset(), in.getTotal(), in.getOffset(),
                      slice(in.getData())};
  });
}

Decoder arguments(const IncomingMessage& message, ActorExchange* exchange) {
  return Decoder(DecoderSource{message, exchange, true, message.content()});
}

Decoder result(const IncomingMessage& message, ActorExchange* exchange) {
  return Decoder(DecoderSource{message, exchange, false, message.content()});
}

}  // namespace muster::wire
