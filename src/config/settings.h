// Settings: everything the command line, environment and --config file can set, filled by parse_settings from
// the one flag table (flags.cc). Each part is validated once and const afterwards. Main thread only.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/deploy_cluster_config.h"
#include "config/deploy_config.h"
#include "config/engine_config.h"
#include "config/hub_config.h"
#include "config/plan_config.h"
#include "config/preflight_config.h"
#include "config/server_config.h"

namespace hadal {

struct LogConfig {
  std::string level = "info";
  std::string format = "text";  // "text" or "json"
};

struct ChatConfig {
  std::string target;  // a model path or a server's URL
  std::string system_prompt;
  std::string api_key;      // for a URL
  std::string model_name;   // for a URL that serves several
  std::string tls_ca_file;  // PEM; "": the system's
  bool insecure = false;    // https without verifying the server
  // For a server that is still loading its model.
  std::chrono::milliseconds load_timeout{std::chrono::hours(1)};
  double temperature = -1;  // -1: the model's or server's default
  double top_p = -1;
  int max_tokens = 0;  // 0: until the model ends or the context is full
  bool show_reasoning = true;
  std::vector<std::string> prompts;  // asked one after another, then the program ends (no terminal needed)
  std::string home;                  // the user's directory, "~" in /save and /load; may be empty
};

// Variables by name.
using Environment = std::map<std::string, std::string>;

enum class Command {
  kNone,
  kServe,
  kChat,
  kPull,
  kPush,
  kPlan,
  kPreflight,
  kDeployRender,
  kDeployValidate,
  kDeployRules,
  kDeploySchema,
  kDeployDiff,
  kDeployApply,
  kDeployStatus,
  kDeployLogs,
  kDeployDoctor,
  kDeployDelete,
  kDeployRollback,
  kDeployHistory,
};

struct Settings {
  Command command = Command::kNone;
  EngineConfig engine;
  ParallelConfig parallel;
  ServerConfig server;
  LogConfig log;
  ChatConfig chat;
  HubConfig hub;
  PlanConfig plan;
  DeployConfig deploy;
  DeployClusterConfig cluster;
  PreflightConfig preflight;
  std::string config_file;
  // What the process was given, as process_environment() picked it: commands look up what they need here.
  Environment environment;
  // Lines to print before starting: what was accepted and does nothing here, and why.
  std::vector<std::string> notes;
};

}  // namespace hadal
