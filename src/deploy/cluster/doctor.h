// The doctor: from a look at a namespace to what is wrong in it, why, and what to do. Rules are rows of
// tables: words in logs and in containers' termination messages (doctor_log_rules.cc), how containers ended
// (doctor_exit_rules.cc), and facts of objects (doctor_pod_rules.cc, doctor_config_rules.cc). Pure functions;
// any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "deploy/cluster/doctor_snapshot.h"
#include "deploy/cluster/pod_state.h"
#include "deploy/cluster/workload_view.h"

namespace hadal::cluster {

enum class DoctorLevel {
  kError,    // it does not work
  kWarning,  // it works badly, or by luck
  kAdvice,   // it will not work some day
};

struct Diagnosis {
  std::string rule;
  int pain = 0;  // of the table of pains in the design; 0: a cause beside it
  DoctorLevel level = DoctorLevel::kError;
  std::string cause;
  std::string next_step;
  std::vector<std::string> evidence;
  int score = 0;  // the most likely first
};

struct DoctorReport {
  std::vector<Diagnosis> findings;
  int num_pods = 0, num_ready = 0;
  std::vector<std::string> unseen;
  bool is_wrong() const;  // an error or a warning
  Json json() const;
  std::string text() const;
};

DoctorReport examine(const DoctorSnapshot& snapshot);

// What rules look at. Internal to the doctor's files.
struct DoctorInput {
  const DoctorSnapshot& snapshot;
  ClusterView view;
  struct Member {
    const Json* workload;
    RankView rank;
    const Json* pod;  // null: it does not exist
  };
  std::vector<Member> members;  // of every workload that is looked at
  std::vector<Json> workloads;
  std::vector<const Json*> pods;  // of the members, and those that belong to none (where no name was given)
};

// Whether any pod of this one of the input's workloads exists.
bool has_pods(const DoctorInput& input, const Json& workload);

struct DoctorRule {
  std::string_view id;
  int pain;
  DoctorLevel level;
  int priority;  // added to the score: sure and deep causes before symptoms
  std::string_view cause;
  std::string_view next_step;
  // Adds a line for each fact that speaks for the cause; none: it is not this.
  void (*look)(const DoctorInput& input, std::vector<std::string>& evidence);
};
struct DoctorLogRule {
  std::string_view id;
  int pain;
  DoctorLevel level;
  int priority;
  bool healthy_too;  // it also counts in the logs of pods that are ready
  std::string_view cause;
  std::string_view next_step;
  // Alternatives with "|" between; each is found without regard to case; "a&b" needs both in one line.
  std::string_view words;
};
std::span<const DoctorRule> doctor_pod_rules();
std::span<const DoctorRule> doctor_config_rules();
std::span<const DoctorRule> doctor_exit_rules();
std::span<const DoctorLogRule> doctor_log_rules();
// Whether a line has the words of a log rule.
bool line_matches(std::string_view line, std::string_view words);
// Where one deployment was asked for: leaves out of the view what belongs to others of the namespace.
void keep_own_objects(DoctorInput& input);

}  // namespace hadal::cluster
