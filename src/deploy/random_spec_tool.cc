// hadal_random_spec FIRST LAST DIR: writes the specs of these seeds as DIR/SEED.yaml, to try renders against
// a real API server. A developer's tool.
#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "deploy/random_spec.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: hadal_random_spec FIRST LAST DIR\n");
    return 2;
  }
  for (unsigned seed = static_cast<unsigned>(std::atoi(argv[1]));
       seed <= static_cast<unsigned>(std::atoi(argv[2])); ++seed) {
    std::mt19937 random(seed);
    const auto written = hadal::write_file(std::string(argv[3]) + "/" + std::to_string(seed) + ".yaml",
                                           hadal::random_spec(random));
    if (!written.ok()) {
      std::fprintf(stderr, "%s\n", written.error().message.c_str());
      return 1;
    }
  }
  return 0;
}
