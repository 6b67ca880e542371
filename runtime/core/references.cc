#include "runtime/core/references.h"

namespace muster::detail {

ExportScope*& ExportScope::current() noexcept {
  thread_local ExportScope* scope = nullptr;
  return scope;
}

void drop_references(Decoder& values) {
  while (values.remaining() > 0 && !values.failed()) {
    if (values.peek() == ValueKind::kActor) {
      static_cast<void>(values.actor());
    } else if (values.peek() == ValueKind::kList) {
      values.begin_list();
      drop_references(values);
      values.end_list();
    } else {
      values.skip();
    }
  }
}

}  // namespace muster::detail
