#pragma once
/// Topic<T>: values published to whoever subscribes, on all joined nodes.
///
///     Topic<Price> prices(rt, {.name = "prices"});                                // on one node
///     auto prices = value_or_throw(Topic<Price>::find(rt, "prices", 1s));         // on any other
///     Subscription s = prices.subscribe<&Trader::on_price>(trader).get(1s);
///     prices.publish(Price{"tea", 3});
///
/// A topic is an actor: what is published waits in its mailbox, then goes to the mailbox of each
/// subscriber as a one-way message. Where a mailbox is full it is treated as any one-way message is
/// there (contract 3.1, 3.4); the other subscribers get it. A subscriber has what one publisher
/// published in that order.
///
/// Threads: all members from any thread. A Topic is a value like a Handle: it travels, copies refer
/// to the same topic, and the topic ends when the last Topic and the last Subscription have gone
/// (unless it is spawned detached).

#include <muster/detail/topic_actor.h>

namespace muster {

template <class T>
class Topic {
 public:
  using value_type = T;

  /// An empty Topic: only valid(), assignment and comparison are allowed.
  Topic() = default;
  /// Makes a topic on `runtime`. Throws as Runtime::spawn.
  Topic(Runtime& runtime, const SpawnOptions& options)
      : actor_(runtime.spawn<detail::TopicActor<T>>(options)) {}
  explicit Topic(Handle<detail::TopicActor<T>> actor) : actor_(std::move(actor)) {}

  /// As Runtime::find. That a topic of another node has values of another type is not seen here,
  /// but by each value: it is a dead letter there.
  static Result<Topic> find(Runtime& runtime, const std::string& name, Duration timeout) {
    return find_async(runtime, name, timeout).result();
  }
  static Future<Topic> find_async(Runtime& runtime, const std::string& name, Duration timeout) {
    using Actor = Handle<detail::TopicActor<T>>;
    return runtime.find_async<detail::TopicActor<T>>(name, timeout).then([](Result<Actor> found) {
      return Topic(value_or_throw(std::move(found)));
    });
  }

  bool valid() const noexcept { return actor_.valid(); }

  /// Sends a copy of `value` to each that subscribes when the topic's turn for it comes. What finds
  /// no room at the topic is a dead letter. Never blocks.
  void publish(const T& value) const {
    actor_.template send<&detail::TopicActor<T>::publish>(value);
  }
  /// A publish that waits for room: the Future ends when the topic has the value, or in why it has
  /// not. How a publisher keeps pace with a slow topic; of slow subscribers it does not hear.
  Future<void> offer(const T& value) const {
    return actor_.with({.when_full = WhenFull::kWait})
        .template offer<&detail::TopicActor<T>::publish>(value);
  }

  /// From now on `subscriber` gets, by M and sent with `options`, what is published, until it ends
  /// or the Subscription is dropped: what is published after that it does not get, nor what the
  /// topic has not passed on by then. The Future ends once the topic knows: what is published after
  /// that reaches the subscriber, and so does what this thread or actor publishes from now on. Ends
  /// in kUnavailable when the topic is gone. Does not keep the subscriber alive. When the topic
  /// ends there are no more values; monitor actor() to hear of it.
  template <auto M, class S>
  [[nodiscard]] Future<Subscription> subscribe(const Handle<S>& subscriber,
                                               const CallOptions& options = {}) const {
    if constexpr (detail::kFaultless<detail::SendFault<S, M, const T&>>) {
      // Without counting as a handle: when the last of those goes, the subscriber ends.
      const boost::intrusive_ptr<detail::ActorRef> ref = subscriber.ref().ref();
      MUSTER_CHECK(ref != nullptr, "the Handle is empty");
      return join(subscriber.ref(), [ref, options](const T& value) {
        Handle<S>(detail::HandleRef(ref), options).template send<M>(value);
      });
    } else {
      detail::refuse_to_compile<detail::SendFault<S, M, const T&>>();
      return {};
    }
  }

  /// How many subscribe.
  Future<std::uint64_t> subscribers() const {
    return actor_.template call<&detail::TopicActor<T>::subscribers>();
  }
  /// To stop, kill and monitor it.
  const Handle<detail::TopicActor<T>>& actor() const noexcept { return actor_; }
  friend bool operator==(const Topic&, const Topic&) = default;

 private:
  Future<Subscription> join(const detail::HandleRef& subscriber,
                            std::function<void(const T&)> pass) const;

  Handle<detail::TopicActor<T>> actor_;
};

template <class T>
Future<Subscription> Topic<T>::join(const detail::HandleRef& subscriber,
                                    std::function<void(const T&)> pass) const {
  using Port = detail::TopicPort<T>;
  MUSTER_CHECK(valid(), "the Topic is empty");
  detail::Domain& domain = *actor_.ref().get()->domain();
  const auto link = std::make_shared<detail::TopicLink>();
  detail::HandleRef port;
  try {
    port = detail::spawn_hidden(domain, detail::actor_type<Port>(),
                                [&]() -> void* { return new Port(link, std::move(pass)); });
  } catch (...) {
    return Future<Subscription>(
        detail::failed_state<Subscription>(domain, error_from_current_exception()));
  }
  link->open([actor = actor_, id = port.get()->id()] {
    return actor.template call<&detail::TopicActor<T>::unsubscribe>(id);
  });
  std::shared_ptr<void> entry(link.get(), [link](void*) { link->close(); });
  auto known = actor_.template call<&detail::TopicActor<T>::subscribe>(Handle<Port>(port));
  link->watch(domain, subscriber);
  return std::move(known).then([entry = std::move(entry)](const Result<void>& joined) mutable {
    value_or_throw(Result<void>(joined));
    return Subscription(std::move(entry));
  });
}

/// Topics travel as the handles to their actors do.
template <class T>
struct Codec<Topic<T>> {
  using Actor = Codec<Handle<detail::TopicActor<T>>>;
  static constexpr bool wireable = true;
  static void encode(Encoder& encoder, const Topic<T>& topic) {
    Actor::encode(encoder, topic.actor());
  }
  static Topic<T> decode(Decoder& decoder) { return Topic<T>(Actor::decode(decoder)); }
};

}  // namespace muster
