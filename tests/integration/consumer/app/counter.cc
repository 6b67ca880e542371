#include "counter.h"

MUSTER_ACTOR_INSTANTIATE(app::Counter);
