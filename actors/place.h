#pragma once
// Where this process runs, for people.

#include <string>

namespace muster::training {

/// "pid 4711 on host".
std::string this_place();

}  // namespace muster::training
