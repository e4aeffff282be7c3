// The subcommands: each runs to its end and returns the process's exit code.
// 0 done; 1 the work failed; 2 wrong usage or settings; 3 the engine or the group was lost; 4 the engine
// hung; 130 stopped by Ctrl-C (pull, push, apply).
#pragma once

#include "config/settings.h"

namespace hadal {

int run_serve(Settings settings);
int run_chat(Settings settings);
int run_pull(Settings settings);
int run_push(Settings settings);
int run_plan(Settings settings);
int run_preflight(Settings settings);
int run_deploy_render(Settings settings);
int run_deploy_schema(Settings settings);
int run_deploy_validate(Settings settings);
int run_deploy_rules(Settings settings);
int run_deploy_diff(Settings settings);
int run_deploy_apply(Settings settings);
int run_deploy_status(Settings settings);
int run_deploy_logs(Settings settings);
int run_deploy_doctor(Settings settings);
int run_deploy_delete(Settings settings);
int run_deploy_rollback(Settings settings);
int run_deploy_history(Settings settings);

}  // namespace hadal
