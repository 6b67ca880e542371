#include "unit/runtime/core/routing_fixture.h"

MUSTER_ACTOR_INSTANTIATE(muster::test::Worker);
