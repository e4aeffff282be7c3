// hadal push: the bar and the signals; the work is hub/'s.
#include <cstdio>

#include "app/commands.h"

namespace hadal {

int run_push(Settings settings) {
  (void)settings;
  return 1;
}

}  // namespace hadal
