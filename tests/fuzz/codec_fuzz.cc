// Any bytes as one message: its arguments and result are decoded as a choice of types.

#include <cstddef>
#include <cstdint>

#include <muster/capnp.h>

#include "runtime/wire/messages.h"

namespace {

using namespace muster;
using namespace muster::wire;

struct Sample {
  int number = 0;
  std::string text;
  std::vector<double> reals;
  std::map<std::string, std::vector<std::int8_t>> map;
  std::variant<std::monostate, int, std::string> choice;
  std::optional<std::vector<std::string>> maybe;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto message = IncomingMessage::copy_of(bytes, Limits{.message_bytes_max = 1 << 20});
  if (!message) return 0;
  if (message->kind() == FrameKind::kCall) {
    Decoder decoder = arguments(*message, nullptr);
    (void)decode_value<Sample>(decoder);
    (void)decode_value<Array<float>>(decoder);
    (void)decode_value<std::vector<Sample>>(decoder);
    Decoder foreign = arguments(*message, nullptr);
    (void)decode_value<CapnpMessage<capnp::AnyPointer>>(foreign);
    (void)decode_value<std::vector<CapnpMessage<capnp::AnyPointer>>>(foreign);
    while (next_call(foreign) == NextCall::kFound) {
      (void)decode_value<CapnpMessage<capnp::AnyPointer>>(foreign);
      (void)decode_value<Sample>(foreign);
    }
    Decoder again = arguments(*message, nullptr);
    (void)decode_value<std::vector<std::vector<std::string>>>(again);
    (void)decode_value<std::tuple<bool, double, std::uint8_t>>(again);
  } else if (message->kind() == FrameKind::kReply) {
    Decoder decoder = result(*message, nullptr);
    (void)decode_value<Sample>(decoder);
  }
  return 0;
}
