#include <muster/detail/sender.h>

namespace muster::detail {

void Sender::empty(std::string_view method) {
  check_failed(__FILE__, __LINE__, "the Handle is empty",
               method.empty() ? "" : "a message for " + std::string(method));
}

bool Sender::enter(const ActorRef& actor, FutureStateBase& call, std::string_view method) const {
  if (limit_ && !limit_->enter(call, method)) return false;
  if (actor.timed()) time_call(call);
  return true;
}

}  // namespace muster::detail
