// Looks at a cluster for the doctor's tests: a group of two ranks, x-0-0 and x-0-1, in namespace llm. Tests
// only.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "deploy/cluster/doctor.h"

namespace hadal::cluster {

// A look at namespace llm, at 03:04:05, from the text of its objects and of its logs.
inline DoctorSnapshot snapshot_of(const std::string& objects, const std::string& more = "") {
  const std::string text = R"({"format":1,"time":"2026-01-02T03:04:05Z","namespace":"llm","objects":[)" +
                           objects + "]" + (more.empty() ? "" : "," + more) + "}";
  auto out = parse_snapshot(text, "test");
  EXPECT_TRUE(out.ok()) << out.error().message << "\n" << text;
  return out.ok() ? *out : DoctorSnapshot();
}

inline std::string meta(const std::string& name, const std::string& more = "") {
  return R"("metadata":{"name":")" + name +
         R"(","namespace":"llm","creationTimestamp":"2026-01-02T02:00:00Z")" + more + "}";
}
inline std::string pod(int rank, const std::string& status, const std::string& spec = R"("nodeName":"n1")",
                       const std::string& more = "") {
  const std::string index = std::to_string(rank);
  return R"({"kind":"Pod",)" +
         meta(
             "x-0-" + index,
             R"(,"labels":{"app":"x","leaderworkerset.sigs.k8s.io/name":"x","leaderworkerset.sigs.k8s.io/group-index":"0","leaderworkerset.sigs.k8s.io/worker-index":")" +
                 index + "\"}" + more) +
         R"(,"spec":{)" + spec + R"(},"status":)" + status + "}";
}
inline std::string event(const std::string& kind, const std::string& name, const std::string& reason,
                         const std::string& message, int count = 1) {
  return R"({"kind":"Event","metadata":{"name":"e","namespace":"llm"},"involvedObject":{"kind":")" + kind +
         R"(","namespace":"llm","name":")" + name + R"("},"reason":")" + reason + R"(","message":")" +
         message + R"(","count":)" + std::to_string(count) + R"(,"lastTimestamp":"2026-01-02T03:04:00Z"})";
}
inline std::string lws(
    const std::string& spec = "",
    const std::string& status = R"({"replicas":1,"readyReplicas":0,"updatedReplicas":1})") {
  return R"({"kind":"LeaderWorkerSet",)" + meta("x") +
         R"(,"spec":{"replicas":1,"leaderWorkerTemplate":{"size":2,"restartPolicy":"RecreateGroupOnPodRestart")" +
         std::string(spec) + R"(}},"status":)" + status + "}";
}
inline const std::string kReady =
    R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[{"name":"e","ready":true,"started":true,"state":{"running":{}}}]})";
inline const std::string kCrashed =
    R"({"phase":"Running","containerStatuses":[{"name":"e","restartCount":3,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":1,"message":"boom"}}}]})";
inline const std::string kPending =
    R"({"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","message":"0/2 nodes are available: 2 Insufficient nvidia.com/gpu."}]})";

inline std::string log_of(const std::string& line) {
  return R"("logs":{"x-0-1/e":"first line\n)" + line + R"(\nlast line"})";
}

inline const Diagnosis* find_rule(const DoctorReport& report, std::string_view rule) {
  for (const Diagnosis& d : report.findings) {
    if (d.rule == rule) return &d;
  }
  return nullptr;
}

}  // namespace hadal::cluster
