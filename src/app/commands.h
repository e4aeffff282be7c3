// The subcommands: each runs to its end and returns the process's exit code.
// 0 done; 1 the work failed; 2 wrong usage or settings; 3 the engine or the group was lost; 4 the engine
// hung; 130 stopped by a signal (pull, push).
#pragma once

#include "config/settings.h"

namespace hadal {

int run_serve(Settings settings);
int run_chat(Settings settings);
int run_preflight(Settings settings);
int run_pull(Settings settings);
int run_push(Settings settings);

}  // namespace hadal
