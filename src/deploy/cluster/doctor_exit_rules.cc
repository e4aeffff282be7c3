// What the way a container ended says: its exit code and the reason that the runtime gives.
#include <algorithm>

#include "deploy/cluster/doctor.h"
#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

using Evidence = std::vector<std::string>;

// exit codes over 128 are signals
constexpr int64_t kWrongUsage = 2, kNotExecutable = 126, kNoProgram = 127, kIllegalInstruction = 132,
                  kBusError = 135, kKilled = 137, kSegfault = 139;

struct End {
  const Json& pod;
  const Json& status;
  const Json& terminated;
  std::string where() const { return std::string(name_of(pod)) + "/" + std::string(text_at(status, "name")); }
  int64_t code() const { return int_at(terminated, "exitCode"); }
  bool is_out_of_memory() const { return text_at(terminated, "reason") == "OOMKilled"; }
  std::string words() const {
    const std::string line = last_line(text_at(terminated, "message"));
    return line.empty() ? "" : ": " + line;
  }
};

// The newest end of each container that is one of those asked for.
template <typename Wanted>
std::vector<End> ends_of(const DoctorInput& input, const Wanted& wanted) {
  std::vector<End> out;
  for (const Json* pod : input.pods) {
    for (const char* list : {"status.initContainerStatuses", "status.containerStatuses"}) {
      for (const Json& status : array_at(*pod, list)) {
        for (const char* at : {"state.terminated", "lastState.terminated"}) {
          const Json* terminated = json_at(status, at);
          if (terminated == nullptr || !wanted(End{*pod, status, *terminated})) continue;
          out.push_back({*pod, status, *terminated});
          break;
        }
      }
    }
  }
  return out;
}

void look_code(const DoctorInput& input, int64_t code, Evidence& out) {
  const auto ends =
      ends_of(input, [&](const End& end) { return end.code() == code && !end.is_out_of_memory(); });
  for (const End& end : ends)
    out.push_back(end.where() + " ended with exit code " + std::to_string(code) + end.words());
}

void look_oom(const DoctorInput& input, Evidence& out) {
  for (const End& end : ends_of(input, [](const End& e) { return e.is_out_of_memory(); })) {
    std::string limit = "none";
    for (const char* list : {"spec.initContainers", "spec.containers"}) {
      for (const Json& container : array_at(end.pod, list)) {
        if (text_at(container, "name") != text_at(end.status, "name")) continue;
        if (const Json* value = json_at(container, "resources.limits.memory"); value != nullptr)
          limit = scalar_text(value);
      }
    }
    out.push_back(end.where() + " was killed for memory (limit " + limit + ")" + end.words());
  }
}

void look_killed(const DoctorInput& input, Evidence& out) {
  look_code(input, kKilled, out);
}

void look_bad_command(const DoctorInput& input, Evidence& out) {
  const auto ends = ends_of(input, [](const End& end) {
    const std::string_view reason = text_at(end.terminated, "reason");
    return end.code() == kNoProgram || end.code() == kNotExecutable || reason == "ContainerCannotRun" ||
           reason == "StartError";
  });
  for (const End& end : ends)
    out.push_back(end.where() + " could not run its command (exit code " + std::to_string(end.code()) + ")" +
                  end.words());
}

void look_wrong_usage(const DoctorInput& input, Evidence& out) {
  look_code(input, kWrongUsage, out);
}

void look_illegal_instruction(const DoctorInput& input, Evidence& out) {
  look_code(input, kIllegalInstruction, out);
}

void look_bus_error(const DoctorInput& input, Evidence& out) {
  look_code(input, kBusError, out);
}

void look_segfault(const DoctorInput& input, Evidence& out) {
  look_code(input, kSegfault, out);
}

using enum DoctorLevel;
constexpr DoctorRule kRules[] = {
    {"pod/out-of-memory", 0, kError, 77, "A container was killed because it used more memory than its limit.",
     "Raise the memory limit: host memory for loading and /dev/shm (emptyDir of medium Memory) count in "
     "it.",
     &look_oom},
    {"pod/killed", 0, kError, 36, "A container was killed from outside (SIGKILL).",
     "A probe or a grace period that was over (`kubectl describe pod` has the events), or the kernel, "
     "because "
     "the node or one process in the container was out of memory (oom-kill in the node's kernel log).",
     &look_killed},
    {"pod/bad-command", 0, kError, 79, "A container's command cannot be run: it is not in the image.",
     "Correct command and args, or the image: is it the engine's, and made for the node's processor (amd64, "
     "arm64)?",
     &look_bad_command},
    {"pod/wrong-usage", 0, kError, 34,
     "A program ended with exit code 2, by which most say that they do not understand their arguments.",
     "See its first lines (`hadal deploy logs NAME --previous`): they name the flag; pin the image, flags "
     "differ between versions.",
     &look_wrong_usage},
    {"pod/illegal-instruction", 0, kError, 76,
     "A program was built for a processor with more instructions than the node's has (SIGILL).",
     "Use an image for older processors, or choose nodes by their processor (node labels feature.node."
     "kubernetes.io/cpu-...).",
     &look_illegal_instruction},
    {"pod/bus-error", 14, kError, 74,
     "A program wrote to memory that could not be had (SIGBUS): /dev/shm is full, or a file that it maps was "
     "cut.",
     "Mount an emptyDir of medium Memory with a sizeLimit at /dev/shm, counted in the memory limit; see that "
     "the model is not changed while it is loaded.",
     &look_bus_error},
    {"pod/segfault", 0, kError, 40, "A program crashed in native code (SIGSEGV).",
     "Its last lines say where; compare driver, CUDA and image with a node where it runs (`hadal "
     "preflight`).",
     &look_segfault},
};

}  // namespace

std::span<const DoctorRule> doctor_exit_rules() {
  return kRules;
}

}  // namespace hadal::cluster
