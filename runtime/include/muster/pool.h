#pragma once
/// Pool<A>: as many actors of one class as there is work for, called as one.
///
///     Pool<Renderer> pool(rt, {.name = "renderers", .min = 1, .max = 8},
///                         [&rt] { return rt.spawn<Renderer>({}, "fonts/"); });
///     Image image = pool.call<&Renderer::draw>(scene).get(1s);
///
/// It is called as a Router is (<muster/router.h>). A call goes to the member with the fewest calls
/// under way, one-way messages in turn. The pool makes its members, replaces those that die, makes
/// more while calls wait, and lets go of those that have nothing to do.
///
/// Threads: all members from any thread. Lifetime: the pool ends with its last copy; its members
/// then handle what was sent to them, and end. What with(), with_key() and by() give is no copy:
/// its calls then end in kUnavailable.

#include <muster/router.h>

namespace muster {

struct PoolOptions {
  std::string name = {};  ///< in errors
  /// How many members there are at least, but for deaths, and at most. 1 <= min <= max.
  std::size_t min = 1;
  std::size_t max = 8;
  /// The pool grows while there are more calls under way than this for each member.
  std::size_t calls_per_member = 1;
  /// A member above `min` that had no call for this long is let go, when no more are under way than
  /// the rest is for.
  Duration idle_time = 10s;
  /// When a member dies it is replaced at once. When that fails, or another dies, the pool waits
  /// before the next one is made: `retry_min`, then twice as long each time, at most `retry_max`.
  /// Once nothing has failed for `retry_max` it starts afresh.
  Duration retry_min = 100ms;
  Duration retry_max = 10s;
};

/// What a pool did so far. Travels.
struct PoolCounts {
  std::uint64_t made = 0;     ///< members, by the function it was given
  std::uint64_t failed = 0;   ///< times that this function threw
  std::uint64_t lost = 0;     ///< members that died
  std::uint64_t retired = 0;  ///< members that were let go
  friend bool operator==(const PoolCounts&, const PoolCounts&) = default;
};

namespace detail {

using MakeMember = std::function<Future<HandleRef>()>;

/// Ends the pool with its last copy.
class PoolOwner {
 public:
  /// Throws as the constructor of Pool.
  PoolOwner(std::shared_ptr<RouterCore> members, PoolOptions options, MakeMember make);
  ~PoolOwner();
  PoolOwner(const PoolOwner&) = delete;
  PoolOwner& operator=(const PoolOwner&) = delete;
  Future<PoolCounts> counts() const;

 private:
  const std::shared_ptr<RouterCore> members_;
  HandleRef manager_;
};

}  // namespace detail

template <class A>
class Pool : public Routes<A> {
 public:
  /// `make` makes a member: a new actor each time, as a Handle<A>, or as a Future of one when it is
  /// another node that makes it. To end when the pool lets go of it, the actor is neither detached
  /// nor kept by other handles. The first `min` are made on this thread, which waits for them; what
  /// fails then is thrown. Later ones are made on threads of the runtime, one after another: there
  /// `make` must not block, and what fails is told to RuntimeOptions::on_error and to calls that
  /// find no member. Throws Exception: kInvalid for options that contradict each other, kCancelled
  /// after shutdown began.
  template <class Make>
  Pool(Runtime& runtime, const PoolOptions& options, Make make)
      : Routes<A>(Routes<A>::make_core(runtime, "pool", "member", options.name,
                                       detail::Choosing::kPacked)),
        owner_(std::make_shared<detail::PoolOwner>(this->core(), options,
                                                   member_maker(std::move(make)))) {}

  /// Calls under way to the members.
  std::size_t outstanding() const { return this->core()->outstanding(); }
  Future<PoolCounts> counts() const { return owner_->counts(); }

 private:
  template <class Make>
  detail::MakeMember member_maker(Make make) const {
    return [make = std::move(make), domain = &this->core()->domain()]() mutable {
      if constexpr (std::is_convertible_v<std::invoke_result_t<Make&>, Handle<A>>) {
        const Handle<A> made = make();
        return Future<detail::HandleRef>(
            detail::ready_state<detail::HandleRef>(*domain, made.ref()));
      } else {
        Future<Handle<A>> making = make();
        return std::move(making).then([](Result<Handle<A>> made) {
          return detail::HandleRef(value_or_throw(std::move(made)).ref());
        });
      }
    };
  }

  std::shared_ptr<detail::PoolOwner> owner_;
};

}  // namespace muster
