#include <muster/detail/sender.h>

namespace muster::detail {

bool Sender::enter(const ActorRef& actor, FutureStateBase& call, std::string_view method) const {
  if (limit_ && !limit_->enter(call, method)) return false;
  if (actor.timed()) time_call(call);
  return true;
}

}  // namespace muster::detail
