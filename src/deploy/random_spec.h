// random_spec: deployment specs at random, for tests: most can be rendered, the others must be refused in
// words. Test code; one thread.
#pragma once

#include <random>
#include <string>

namespace hadal {

// The same for the same generator state.
std::string random_spec(std::mt19937& random);

}  // namespace hadal
