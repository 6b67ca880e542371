// What does it cost to build and to read a small message? JSON lines on standard output.

#include <cstring>

#include "bench/net/bench_report.h"
#include "runtime/wire/frame.h"
#include "runtime/wire/messages.h"

namespace muster::wire {
namespace {

constexpr int kRuns = 7;
constexpr int kMessages = 1'000'000;

OutgoingMessage sample(const std::string& payload) {
  return encode_call({.call_id = 1, .actor = 2, .method = 3}, 1, nullptr,
                     [&](Encoder& e) { encode_value(e, payload); });
}

template <class Body>
void measure(const std::string& name, Body&& body) {
  std::vector<double> runs;
  for (int run = 0; run < kRuns; ++run) {
    const TimePoint start = steady_clock().now();
    for (int i = 0; i < kMessages; ++i) body();
    runs.push_back(bench::seconds_since(start) / kMessages * 1e9);
  }
  bench::print(name, "ns", runs);
}

int run() {
  const std::string payload(64, 'x');
  std::size_t total = 0;
  measure("encode_call_64", [&] { total += sample(payload).size(); });

  const auto bytes = sample(payload).to_bytes();
  const auto message = *IncomingMessage::copy_of(bytes);
  measure("parse_call_and_decode_64", [&] {
    total += parse_call(message)->call_id;
    Decoder decoder = arguments(message, nullptr);
    total += decoder.text().size();
  });

  FrameReader reader{Limits()};
  std::vector<std::byte> batch;
  for (int i = 0; i < 20; ++i) batch.insert(batch.end(), bytes.begin(), bytes.end());
  std::size_t left = 0;
  measure("read_parse_decode_64", [&] {
    if (left-- > 0) return;
    std::memcpy(reader.target().data(), batch.data(), batch.size());
    (void)reader.commit(batch.size(), [&](const IncomingMessage& m) {
      total += parse_call(m)->call_id;
      Decoder decoder = arguments(m, nullptr);
      total += decoder.text().size();
      return true;
    });
    left = 19;
  });
  return total == 0;
}

}  // namespace
}  // namespace muster::wire

int main() {
  return muster::wire::run();
}
