#pragma once
/// The actors behind a Topic. Not for users; included by <muster/topic.h>.
///
/// A message goes from the publisher to the TopicActor, from there to the TopicPort of each
/// subscription, on the node where it was made, and from the port to the subscriber. Only the port
/// knows the subscriber's class and method, so a topic has subscribers of classes that its node has
/// never heard of.
///
/// Lifetime: the topic has the handles that keep the ports. A TopicLink is shared by a port and its
/// Subscription, and has a handle to the topic until the topic has let go of the port; of a topic
/// that has ended, until the subscriber has too or the Subscription is dropped.

#include <muster/detail/router_core.h>
#include <muster/runtime.h>

#include <algorithm>

namespace muster::detail {

/// Whether a subscription is there still. Threads: all members from any thread.
class TopicLink : public std::enable_shared_from_this<TopicLink> {
 public:
  /// Asks the topic to forget the port.
  using Leave = std::function<Future<void>()>;

  void open(Leave leave);
  /// Closes it when the subscriber ends. At most once, before the Subscription is made.
  void watch(Domain& domain, const HandleRef& subscriber);
  bool is_open() const noexcept { return open_.load(std::memory_order_acquire); }
  /// Nothing is passed on any more. Idempotent.
  void close();
  /// Asks again, when the topic had no room for it the last time.
  void leave();

 private:
  void left();

  std::atomic<bool> open_{true};
  std::mutex mutex_;
  Leave leave_;  // guarded by mutex_
  DeathWatch subscriber_;
};

template <class T>
class TopicPort {
 public:
  TopicPort(std::shared_ptr<TopicLink> link, std::function<void(const T&)> pass)
      : link_(std::move(link)), pass_(std::move(pass)) {}
  void deliver(const T& value) {
    if (link_->is_open()) {
      pass_(value);
    } else {
      link_->leave();
    }
  }

 private:
  const std::shared_ptr<TopicLink> link_;
  const std::function<void(const T&)> pass_;
};

template <class T>
class TopicActor {
 public:
  void publish(const T& value) {
    for (const auto& port : ports_) port.template send<&TopicPort<T>::deliver>(value);
  }
  void subscribe(const Handle<TopicPort<T>>& port) {
    ports_.push_back(port);
    // The node of the port may be lost.
    static_cast<void>(this_actor::runtime().monitor(port).then(
        [this, id = port.id()](const Result<Down>&) { unsubscribe(id); }));
  }
  void unsubscribe(const ActorId& id) {
    std::erase_if(ports_, [&](const auto& port) { return port.id() == id; });
  }
  std::uint64_t subscribers() const { return ports_.size(); }

 private:
  std::vector<Handle<TopicPort<T>>> ports_;
};

template <class T>
constexpr auto muster_describe_actor(const TopicPort<T>*) {
  return describe_actor<TopicPort<T>>("TopicPort", MethodName<&TopicPort<T>::deliver>{"deliver"});
}
template <class T>
constexpr auto muster_describe_actor(const TopicActor<T>*) {
  return describe_actor<TopicActor<T>>("Topic", MethodName<&TopicActor<T>::publish>{"publish"},
                                       MethodName<&TopicActor<T>::subscribe>{"subscribe"},
                                       MethodName<&TopicActor<T>::unsubscribe>{"unsubscribe"},
                                       MethodName<&TopicActor<T>::subscribers>{"subscribers"});
}

}  // namespace muster::detail
