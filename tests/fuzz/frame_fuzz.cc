// Any bytes into a FrameReader, in pieces whose sizes are the input's first byte: every message
// that comes out is parsed as what it says it is.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "runtime/wire/frame.h"
#include "runtime/wire/messages.h"

namespace {

using namespace muster::wire;  // NOLINT: a program, not a header

void parse_any(const IncomingMessage& m) {
  (void)parse_hello(m);
  (void)parse_proof(m);
  (void)parse_error(m);
  (void)parse_call(m);
  (void)parse_reply(m);
  (void)parse_release(m);
  (void)parse_find(m);
  (void)parse_found(m);
  (void)parse_monitor(m);
  (void)parse_down(m);
  (void)parse_stop(m);
  (void)parse_cancel(m);
  if (m.kind() != FrameKind::kCall) return;
  auto calls = arguments(m, nullptr);
  do {
    while (calls.remaining() > 0) calls.skip();
    if (call_bytes(calls) > m.bytes().size()) __builtin_trap();
  } while (next_call(calls) == NextCall::kFound);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::size_t step = 1 + std::size_t{data[0]} * 16;
  FrameReader reader(Limits{.message_bytes_max = 1 << 20});
  for (std::size_t at = 1; at < size;) {
    const auto into = reader.target();
    const std::size_t n = std::min({into.size(), size - at, step});
    std::memcpy(into.data(), data + at, n);
    at += n;
    const auto done = reader.commit(n, [](const IncomingMessage& m) {
      parse_any(m);
      return true;
    });
    if (!done) return 0;
  }
  return 0;
}
