// DeploySpec: what the operator writes (docs/deploy-spec.md), read by the field table (spec_table.h), checked
// by check_deploy_spec, then const. "" and 0 mean: not said, hadal chooses. Values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/yaml_tree.h"
#include "config/cluster_versions.h"

namespace hadal {

using StringPairs = std::vector<std::pair<std::string, std::string>>;  // as written

struct ModelSpec {
  std::string ref;          // "deepseek-r1", "hf:org/name", "ms:...", "s3://...", "/path/in/the/volume"
  std::string served_name;  // what clients put in "model"
  std::string path;         // of the model inside the volume
  std::string revision;
  std::string dtype;           // as loaded: "" as the checkpoint is
  std::string size;            // quantity of the weights, where the catalog does not know the model
  int64_t context_length = 0;  // tokens; 0: the model's own
  std::string kv_dtype;
  std::string like;  // catalog name of the model that has the same shape
};

struct EngineSpec {
  std::string name = "hadal";
  std::string version;  // image tag
  std::string image;    // whole reference; beats version
  std::string router_image;
  std::string pull_policy = "IfNotPresent";
  std::vector<std::string> extra_args;
  StringPairs env;
  int64_t port = 0;
  int64_t tp = 0, pp = 0, dp = 0, ep = 0;
  int64_t max_running_requests = 0;
  double memory_fraction = 0;
  std::string transfer_backend = "nixl";  // of KV from prefill to decode
  bool log_requests = true;
};

struct GpuRequest {
  std::string type;  // "H200"; "" none
  int64_t per_node = 0;
  int64_t count = 0;         // of one instance, over its nodes
  std::string resource;      // "nvidia.com/gpu"
  std::string product;       // node label nvidia.com/gpu.product
  std::string driver_class;  // runtimeClassName
};

struct NodeSpec {
  int64_t count = 0;        // of one instance
  std::string cpu, memory;  // capacity of a node, to keep headroom
  StringPairs selector;
  std::vector<std::string> tolerations;  // taint keys; "KEY=VALUE"
  int64_t fast_loss_seconds = 30;
};

struct ResourceSpec {
  std::string cpu, memory, shm, ephemeral;
};

struct RoleSpec {
  bool given = false;
  int64_t replicas = 1;
  int64_t nodes = 0;
  int64_t gpus = 0;  // of one instance
  int64_t tp = 0, dp = 0, ep = 0;
  double memory_fraction = 0;
  std::vector<std::string> extra_args;
};

struct DownloadSpec {
  bool enabled = true;
  std::string source;  // REF of hadal pull; "" from model
  std::string image;
  std::string token_secret, token_key = "HF_TOKEN";
  std::string rate_limit;
  int64_t deadline_hours = 0;
};

struct StorageSpec {
  std::string type;    // pvc, pvc-per-node, host-path, s3, oci, empty-dir
  std::string claim;   // existing claim, or the name of the one to create
  bool create = true;  // the claim
  std::string access_mode = "auto";
  std::string size;
  std::string storage_class;
  std::string host_path = "/data/models";
  std::string uri;       // s3://bucket/prefix
  std::string endpoint;  // of S3
  std::string region;
  std::string secret;   // with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
  std::string image;    // OCI image that holds the model
  double read_gbs = 0;  // GB/s one node reads
  DownloadSpec download;
};

struct TlsSpec {
  std::string secret;
  std::string termination = "edge";  // of a Route
};

struct GatewaySpec {
  std::string name, ns, section, class_name;
  bool create = false;
};

struct ExposureSpec {
  std::string type = "ClusterIP";
  int64_t port = 0;
  int64_t node_port = 0;
  std::string host, path = "/v1", class_name;
  TlsSpec tls;
  GatewaySpec gateway;
  std::string picker;  // Service of the endpoint picker (InferencePool)
  int64_t picker_port = 9002;
  std::string picker_failure_mode = "FailOpen";
  StringPairs annotations;
  std::vector<std::string> source_ranges;
  std::string controller_ns;  // of the proxies behind an Ingress or a Gateway
};

struct SecretRef {
  std::string secret, key;
};

struct SchedulerSpec {
  std::string type = "default";
  std::string queue;
  bool create_queue = false;
  std::string priority_class;
  std::string exclusive_topology;  // node label: a group has the domain to itself
  std::string topology;            // node label of Kueue's or Volcano's topology
  std::string topology_mode = "required";
};

struct NetworkSpec {
  std::string type = "none";
  std::string fabric = "ib";
  std::string resource;  // "rdma/ib"
  int64_t devices = 0;   // of it per pod
  std::vector<std::string> hcas;
  int64_t gid_index = -1;
  int64_t traffic_class = -1;
  std::string interface;
  bool debug = false;
};

struct AutoscalingSpec {
  std::string type = "none";
  int64_t min = 1, max = 0;
  int64_t waiting_requests = 4;  // per instance
  double kv_usage = 0.85;
  std::string prometheus = "http://prometheus-operated.monitoring:9090";
  int64_t scale_down_minutes = 30;
};

struct MonitoringSpec {
  std::string type = "none";
  std::string ns;
  StringPairs labels;
  int64_t interval = 15;
  bool rules = true, dashboard = true, gpu_rules = false;
  double ttft_p99 = 10, inter_token_p99 = 0.5;
};

struct WebUiSpec {
  bool enabled = false;
  std::string image, size = "10Gi", storage_class, host, class_name, tls_secret;
};

struct PdbSpec {
  bool enabled = true;
  int64_t min_available = -1;  // instances; -1: all but one
};

struct RolloutSpec {
  std::string strategy = "auto";
  int64_t max_unavailable = 1, max_surge = 0, partition = 0;
};

struct TenancySpec {
  bool network_policy = false;
  std::vector<std::string> allow_namespaces, allow_cidrs;
  bool quota = false;
};

struct TimingSpec {
  int64_t longest_request = 900;  // seconds
  int64_t endpoint_delay = 15;    // preStop: until routers know
  int64_t startup = 0;            // seconds; 0: computed
  int64_t warm_up = 0;            // graph capture and the like; 0: the engine's usual
  int64_t margin = 30;
};

struct SecuritySpec {
  int64_t user = 10001;
  bool run_as_root = false;
  std::string service_account;
  bool create_scc = true;
  bool read_only_root = false;
};

struct KserveSpec {
  std::string api;  // InferenceService, LLMInferenceService
};

struct VersionsSpec {
  std::string kubernetes{kUsualKubernetes}, lws{kUsualLws}, volcano{kUsualVolcano}, kserve{kUsualKserve},
      keda{kUsualKeda}, gateway_api{kUsualGatewayApi}, dynamo{kUsualDynamo}, sglang;
};

struct DeploySpec {
  int64_t spec_version = 1;
  std::string name, ns = "default";
  bool create_namespace = true;
  std::string profile = "plain", topology = "auto";
  int64_t replicas = 1;
  std::string registry;
  std::vector<std::string> pull_secrets;
  StringPairs labels, annotations;
  bool preflight = true;
  ModelSpec model;
  EngineSpec engine;
  GpuRequest gpus;
  NodeSpec nodes;
  ResourceSpec resources;
  RoleSpec prefill, decode;
  StorageSpec storage;
  ExposureSpec exposure;
  SecretRef api_key{"", "api-key"}, group_secret{"", "secret"};
  SchedulerSpec scheduler;
  NetworkSpec network;
  AutoscalingSpec autoscaling;
  MonitoringSpec monitoring;
  WebUiSpec web_ui;
  PdbSpec pdb;
  RolloutSpec rollout;
  TenancySpec tenancy;
  TimingSpec timing;
  SecuritySpec security;
  KserveSpec kserve;
  VersionsSpec versions;

  // Where each field that was written stands, by path ("storage.size"), and in which file.
  std::string file;
  std::map<std::string, YamlMark, std::less<>> places;
  bool has(std::string_view path) const { return places.find(path) != places.end(); }
  // "spec.yaml:3:7", of the field or of the nearest of its parents that is there.
  std::string place(std::string_view path) const;
};

}  // namespace hadal
