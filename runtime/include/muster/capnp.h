#pragma once
/// Cap'n Proto messages as arguments and results of actor calls. The only public header that shows
/// Cap'n Proto; link capnp yourself when you include it.

#include <capnp/any.h>
#include <capnp/message.h>
#include <muster/codec.h>

#include <memory>
#include <utility>

namespace muster {

/// An immutable message whose root is the struct S of your own schema. A value: copying it copies
/// a pointer; any thread may read it. Empty until it is made by build() or received.
template <class S>
class CapnpMessage {
 public:
  CapnpMessage() = default;
  /// A message filled by `fill(typename S::Builder)`.
  template <class Fill>
  static CapnpMessage build(Fill&& fill) {
    auto builder = std::make_shared<capnp::MallocMessageBuilder>();
    std::forward<Fill>(fill)(builder->template initRoot<S>());
    return CapnpMessage(std::move(builder));
  }

  explicit operator bool() const noexcept { return message_ != nullptr; }
  /// Valid while a copy of this message lives. Requires: not empty.
  typename S::Reader reader() const { return message_->template getRoot<S>().asReader(); }

 private:
  friend struct Codec<CapnpMessage>;
  explicit CapnpMessage(std::shared_ptr<capnp::MallocMessageBuilder> message)
      : message_(std::move(message)) {}
  std::shared_ptr<capnp::MallocMessageBuilder> message_;
};

template <class S>
struct Codec<CapnpMessage<S>> {
  static constexpr bool wireable = true;
  static void encode(Encoder& e, const CapnpMessage<S>& value) {
    if (!value) return e.none();
    const capnp::AnyPointer::Reader root =
        value.message_->template getRoot<capnp::AnyPointer>().asReader();
    e.message(&root);
  }
  static CapnpMessage<S> decode(Decoder& d) {
    if (d.peek() == ValueKind::kNone) return d.skip(), CapnpMessage<S>();
    auto builder = std::make_shared<capnp::MallocMessageBuilder>();
    auto root = builder->getRoot<capnp::AnyPointer>();
    d.message(&root);
    return d.failed() ? CapnpMessage<S>() : CapnpMessage<S>(std::move(builder));
  }
};

}  // namespace muster
