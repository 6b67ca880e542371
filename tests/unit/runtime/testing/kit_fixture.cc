#include "unit/runtime/testing/kit_fixture.h"

MUSTER_ACTOR_INSTANTIATE(muster::testing::Store);
MUSTER_ACTOR_INSTANTIATE(muster::testing::Cache);
