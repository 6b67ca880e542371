#pragma once
// Vocabulary of the wire tests: a value through a message and back, samples of every frame.

#include <gtest/gtest.h>
#include <muster/codec.h>

#include "runtime/wire/frame.h"
#include "runtime/wire/messages.h"

namespace muster::wire {

inline IncomingMessage receive(const OutgoingMessage& message, const Limits& limits = {}) {
  auto incoming = IncomingMessage::copy_of(message.to_bytes(), limits);
  EXPECT_TRUE(incoming) << (incoming ? "" : incoming.error().describe());
  return incoming ? std::move(*incoming) : IncomingMessage();
}

template <class... Ts>
OutgoingMessage call_with(Ts&&... values) {
  return encode_call({.call_id = 1, .actor = 2, .method = 3}, sizeof...(Ts), nullptr,
                     [&](Encoder& e) { (encode_value(e, std::forward<Ts>(values)), ...); });
}

// `value` as an argument, after a trip through bytes; the error's text when it failed.
template <class T, class U>
Result<T> travel_as(U&& value, ActorExchange* exchange = nullptr) {
  const auto message =
      encode_call({}, 1, exchange, [&](Encoder& e) { encode_value(e, std::forward<U>(value)); });
  const IncomingMessage incoming = receive(message);
  Decoder decoder = arguments(incoming, exchange);
  T out = decode_value<T>(decoder);
  if (decoder.failed()) return fail(decoder.error());
  return out;
}

template <class T>
T travel(T value) {
  auto out = travel_as<T>(value);
  EXPECT_TRUE(out) << (out ? "" : out.error().describe());
  return out ? std::move(*out) : T();
}

// One sample of every kind of frame but chunk, by name.
struct Sample {
  std::string name;
  std::vector<std::byte> bytes;
};
std::vector<Sample> samples();

}  // namespace muster::wire
