// Volumes in memory: what counts against which limit.
#include <algorithm>

#include "deploy/validate/command_text.h"
#include "deploy/validate/formats.h"
#include "deploy/validate/pod_facts.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

View volume_named(View spec, std::string_view name) {
  for (const Value& volume : spec["volumes"].items()) {
    if (View(volume)["name"].text() == name) return View(volume);
  }
  return {};
}

void check_limit(const PodTemplate& pod, View container) {
  const View limit = container.at("resources.limits.memory");
  const auto memory = parse_quantity(limit.any_text());
  if (!memory || memory->value <= 0) return;
  for (const Value& mount : container["volumeMounts"].items()) {
    const View volume = volume_named(pod.view(), View(mount)["name"].text());
    const View size = volume.at("emptyDir.sizeLimit");
    if (volume.at("emptyDir.medium").text() != "Memory" || !size.exists()) continue;
    const auto bytes = parse_quantity(size.any_text());
    if (!bytes || bytes->value * 2 < memory->value) continue;
    pod.reporter().add(
        "pod/memory-volume-in-limit", *size,
        "the volume may take " + size.any_text() + " of the container's memory limit of " + limit.any_text(),
        "make the volume smaller (shared memory of NCCL takes a few GiB), or the limit larger by as much");
  }
}

bool has_shared_memory(View spec, View container) {
  if (spec["hostIPC"].is_true()) return true;
  const auto mounts = container["volumeMounts"].items();
  return std::any_of(mounts.begin(), mounts.end(),
                     [](const Value& m) { return View(m)["mountPath"].text().starts_with("/dev/shm"); });
}

}  // namespace

void check_pod_memory(const PodTemplate& pod, const RuleContext&) {
  const View spec = pod.view();
  for (const Value& item : spec["volumes"].items()) {
    const View dir = View(item)["emptyDir"];
    if (dir["medium"].text() != "Memory" || dir["sizeLimit"].exists()) continue;
    Finding& finding = pod.reporter().add(
        "pod/memory-volume-unlimited", *dir["medium"],
        "a volume in memory without sizeLimit grows to half of the node's memory", "add sizeLimit: 16Gi");
    Reporter::fix_with(finding, insert_member(pod.reporter().source(), *dir, "sizeLimit", "16Gi"));
  }
  for (const Value& item : spec["containers"].items()) {
    const View container(item);
    check_limit(pod, container);
    if (gpus_of(container) < 2 || pod.partial || has_shared_memory(spec, container)) continue;
    if (pod.document->group == "batch") continue;
    pod.reporter().add("pod/no-shared-memory", item,
                       "several GPUs share one Pod with 64 MiB of /dev/shm, and NCCL needs more",
                       "mount an emptyDir with medium: Memory and a sizeLimit at /dev/shm");
  }
}

}  // namespace hadal
