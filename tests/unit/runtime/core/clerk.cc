#include "unit/runtime/core/clerk.h"

MUSTER_ACTOR_INSTANTIATE(muster::test::Clerk);
