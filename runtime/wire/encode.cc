// Encoders of every kind of frame.

#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/wire/flat_reader.h"
#include "runtime/wire/messages.h"
#include "runtime/wire/value_state.h"

namespace muster::wire {
namespace {

// 29 bits of list length, a zero at the end.
capnp::Text::Reader text(const std::string& value) {
  return {value.c_str(), value.size()};
}

capnp::Data::Reader as_data(Slice bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

// Long texts of errors are cut: they must fit into the frames of any peer.
constexpr std::size_t kErrorTextMax = 16 * 1024;

void fill(protocol::Error::Builder out, const Error& error) {
  out.setCode(static_cast<std::uint16_t>(error.code));
  out.setMessage(text(error.message.substr(0, kErrorTextMax)));
  if (!error.type.empty()) out.setType(text(error.type.substr(0, kErrorTextMax)));
}

void fill(protocol::ActorRef::Builder out, const WireActor& actor) {
  out.setNodeHi(actor.node_hi);
  out.setNodeLo(actor.node_lo);
  out.setActor(actor.actor);
  out.setIncarnation(actor.incarnation);
  out.setAddress(text(actor.address));
}

void fill(protocol::Hello::Builder out, const HelloFrame& hello) {
  out.setProtocol(text(hello.protocol));
  out.setMinVersion(hello.version_min);
  out.setMaxVersion(hello.version_max);
  out.setNodeHi(hello.node_hi);
  out.setNodeLo(hello.node_lo);
  out.setIncarnation(hello.incarnation);
  out.setListenAddress(text(hello.listen_address));
  out.setAuthenticates(hello.authenticates);
  out.setNonce(as_data(Slice(hello.nonce)));
  out.setMaxMessageBytes(hello.message_bytes_max);
  out.setSoftware(text(hello.software));
}

std::uint64_t micros_up(Duration d) {
  if (d <= Duration::zero()) return 0;
  return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::microseconds>(d).count());
}

// Builds one frame of the control lane, or of the calls lane in a flow.
template <class Fill>
OutgoingMessage build(Lane lane, std::uint64_t flow, Fill&& fill_frame) {
  MessageAssembler assembler;
  fill_frame(assembler.root());
  return assembler.finish(lane, flow);
}

}  // namespace

OutgoingMessage encode_hello(const HelloFrame& hello) {
  return build(Lane::kControl, 0, [&](auto frame) { fill(frame.initHello(), hello); });
}

OutgoingMessage encode_challenge(const HelloFrame& challenge) {
  return build(Lane::kControl, 0, [&](auto frame) { fill(frame.initChallenge(), challenge); });
}

OutgoingMessage encode_proof(Slice mac) {
  return build(Lane::kControl, 0, [&](auto frame) { frame.initProof().setMac(as_data(mac)); });
}

OutgoingMessage encode_ready(Slice mac) {
  return build(Lane::kControl, 0, [&](auto frame) { frame.initReady().setMac(as_data(mac)); });
}

OutgoingMessage encode_reject(const Error& error) {
  return build(Lane::kControl, 0, [&](auto frame) { fill(frame.initReject(), error); });
}

OutgoingMessage encode_goodbye(const Error& reason) {
  return build(Lane::kControl, 0, [&](auto frame) { fill(frame.initGoodbye(), reason); });
}

OutgoingMessage encode_heartbeat() {
  return build(Lane::kControl, 0, [&](auto frame) { frame.setHeartbeat(); });
}

OutgoingMessage encode_call(const CallHeader& header, std::size_t count, ActorExchange* exchange,
                            EncodeValues values) {
  OutgoingMessage message;
  SegmentWriter writer(message);
  const std::uint64_t terms =
      std::uint64_t{header.urgent} | std::uint64_t{header.offer} << 1 |
      std::uint64_t{header.one_way} << 2 | std::uint64_t{header.again} << 3 |
      static_cast<std::uint64_t>(header.when_full) << 8 | std::uint64_t{header.group} << 32;
  const std::array<std::uint64_t, kCallSize.data> fields{
      header.call_id,     header.actor, header.method,     micros_up(header.timeout),
      header.incarnation, terms,        header.references, header.first_open};
  // What is zero at the end need not travel.
  StructSize size = kCallSize;
  const bool one_way = header.call_id == 0;
  if (!one_way) size.pointers = 1;  // nothing follows it
  while (size.data > 0 && fields[size.data - 1] == 0) --size.data;
  const auto call = writer.add_frame(FrameKind::kCall, size);
  for (unsigned i = 0; i < size.data; ++i) writer.set(call + i, fields[i]);
  EncoderState state{writer, exchange};
  state.begin_list(call + size.data, count);
  Encoder encoder(state);
  values(encoder);
  MUSTER_CHECK(state.levels.size() == 1 && state.levels[0].left == 0, count, state.levels.size());
  writer.finish(header.urgent ? Lane::kControl : Lane::kCalls, header.actor);
  message.set_one_way(one_way);
  if (one_way && message.contiguous()) {
    message.set_next_call_at(SegmentWriter::kHeadBytes + 8 * (call + size.data));
  }
  return message;
}

void renew_call(std::span<std::byte> frame, const CallHeader& header) {
  const IncomingMessage message(std::shared_ptr<const void>(), frame, Limits());
  const StructView& call = message.content();
  MUSTER_CHECK(message.kind() == FrameKind::kCall && call.data == kCallSize.data);
  std::byte* const words = frame.data() + (call.segment.begin - frame.data()) + 8 * call.at;
  const auto set = [words](unsigned word, std::uint64_t value) {
    std::memcpy(words + std::size_t{8} * word, &value, 8);
  };
  set(0, header.call_id);
  set(3, micros_up(header.timeout));
  set(7, header.first_open);
  words[40] = (words[40] & ~std::byte{8}) | (std::byte{header.again} << 3);
}

OutgoingMessage encode_result(std::uint64_t call_id, ActorExchange* exchange, EncodeValues value) {
  OutgoingMessage message;
  SegmentWriter writer(message);
  const auto reply = writer.add_frame(FrameKind::kReply, kReplySize);
  writer.set(reply, call_id);
  writer.set(reply + 1, 0);  // a result
  EncoderState state{writer, exchange};
  state.levels.push_back({writer.add_struct(reply + kReplySize.data, kValueSize), 1});
  Encoder encoder(state);
  value(encoder);
  MUSTER_CHECK(state.levels.size() == 1 && state.levels[0].left == 0, state.levels.size());
  writer.finish(Lane::kCalls, 0);
  return message;
}

OutgoingMessage encode_error(std::uint64_t call_id, const Error& error) {
  return build(Lane::kCalls, 0, [&](auto frame) {
    auto reply = frame.initReply();
    reply.setCallId(call_id);
    fill(reply.initError(), error);
  });
}

OutgoingMessage encode_release(const ReleaseFrame& release) {
  return build(Lane::kCalls, release.actor, [&](auto frame) {
    auto out = frame.initRelease();
    out.setActor(release.actor);
    out.setCount(release.count);
  });
}

OutgoingMessage encode_find(const FindFrame& find) {
  return build(Lane::kCalls, 0, [&](auto frame) {
    auto out = frame.initFind();
    out.setRequestId(find.request_id);
    out.setName(text(find.name));
    out.setTypeHash(find.type_hash);
    out.setWaitMicros(micros_up(find.wait));
  });
}

OutgoingMessage encode_found(const FoundFrame& found) {
  return build(Lane::kCalls, 0, [&](auto frame) {
    auto out = frame.initFound();
    out.setRequestId(found.request_id);
    if (found.actor) {
      fill(out.initActor(), *found.actor);
    } else {
      fill(out.initError(), found.actor.error());
    }
  });
}

OutgoingMessage encode_monitor(const MonitorFrame& monitor) {
  return build(Lane::kControl, 0, [&](auto frame) {
    auto out = frame.initMonitor();
    out.setRequestId(monitor.request_id);
    out.setActor(monitor.actor);
    out.setLink(monitor.link);
  });
}

OutgoingMessage encode_down(const DownFrame& down) {
  return build(Lane::kCalls, 0, [&](auto frame) {
    auto out = frame.initDown();
    out.setRequestId(down.request_id);
    out.setReason(down.reason);
    fill(out.initError(), down.error);
    out.setName(text(down.name));
    out.setIncarnation(down.incarnation);
  });
}

OutgoingMessage encode_stop(const StopFrame& stop) {
  const Lane lane = stop.kill ? Lane::kControl : Lane::kCalls;
  return build(lane, stop.kill ? 0 : stop.actor, [&](auto frame) {
    auto out = frame.initStop();
    out.setActor(stop.actor);
    out.setKill(stop.kill);
  });
}

OutgoingMessage encode_cancel(const CancelFrame& cancel) {
  return build(Lane::kCalls, cancel.actor, [&](auto frame) {
    auto out = frame.initCancel();
    out.setCallId(cancel.call_id);
    out.setActor(cancel.actor);
    out.setExpired(cancel.expired);
  });
}

OutgoingMessage encode_chunk(const ChunkFrame& chunk) {
  OutgoingMessage message;
  SegmentWriter writer(message);
  const auto out = writer.add_frame(FrameKind::kChunk, kChunkSize);
  writer.set(out, std::uint64_t{chunk.align_offset} << 32 | chunk.stream);
  writer.set(out + 1, chunk.total);
  writer.set(out + 2, chunk.offset);
  const auto data = out + kChunkSize.data;
  const bool in_place = chunk.data.size() >= kExternalBytesMin &&
                        reinterpret_cast<std::uintptr_t>(chunk.data.data()) % 8 == 0;
  if (in_place) {
    writer.refer(data, chunk.data, nullptr);
  } else {
    writer.add_bytes(data, chunk.data, nullptr);
  }
  writer.finish(Lane::kBulk, 0);
  return message;
}

}  // namespace muster::wire
