// DoctorSnapshot: all that the doctor looks at: a namespace's objects, its pods' logs, metrics and start-up
// reports. Taken from a cluster, or from a directory that an earlier look was saved in. A value; the
// functions that touch the cluster or the disk run on one thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "deploy/cluster/kube_client.h"

namespace hadal::cluster {

struct DoctorSnapshot {
  int64_t time = 0;  // seconds since 1970
  std::string namespace_name;
  std::string name;  // of the deployment; "": the whole namespace
  std::vector<Json> objects;
  std::vector<std::string> unseen;  // what could not be read, and why
  // "POD/CONTAINER" and "POD/CONTAINER previous" to the last lines.
  std::map<std::string, std::string> logs;
  std::map<std::string, std::string> metrics;        // by pod, as Prometheus text
  std::map<std::string, std::string> metrics_later;  // the same a few seconds on, of busy pods
  std::map<std::string, std::string> startups;       // by pod, what /startupz says
};

// Values of environment variables that look like secrets are taken out, and what only the server keeps.
void redact(Json& object);

// Errors: the connection, the credential. What may not be seen is named in `unseen`.
Result<DoctorSnapshot> take_snapshot(KubeClient& client, const std::string& name);
// Files: snapshot.json, logs/POD.CONTAINER.log, metrics/POD.txt, startupz/POD.json.
Status save_snapshot(const DoctorSnapshot& snapshot, const std::string& directory);
// Errors: kInvalidArgument where the directory is not such a one.
Result<DoctorSnapshot> load_snapshot(const std::string& directory);
// Of snapshot.json alone.
Result<DoctorSnapshot> parse_snapshot(std::string_view text, const std::string& path);

}  // namespace hadal::cluster
