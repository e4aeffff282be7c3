// The subcommands: each runs to its end and returns the process's exit code.
// docs/exit-codes.md has the table. 128 and the signal's number: stopped by a signal.
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
