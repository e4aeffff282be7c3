// The families of rules that look at objects, each in a file of its own. Findings go to the documents'
// reporters. One caller at a time.
#pragma once

#include <optional>

#include "deploy/validate/manifest_set.h"

namespace hadal {

struct EngineProgram;

// kind_rules.cc: apiVersion and kind exist, in this version; names, labels and annotations of the metadata.
// Sets the document's schema. False: it is no object to look at further.
bool check_kind(ManifestDocument& document, const ValidateOptions& options, const SchemaSet& schemas);
void check_metadata(const ManifestDocument& document, const ValidateOptions& options);

// What the API server asks of its own kinds beyond their schemas.
void check_workload_object(const ManifestDocument& document);  // workload_objects.cc
void check_service_object(const ManifestDocument& document);   // service_objects.cc
void check_storage_object(const ManifestDocument& document);   // storage_objects.cc: and configuration, RBAC
void check_scaling_object(const ManifestDocument& document);   // scaling_objects.cc: HPA, PDB, KEDA
// Webhooks of controllers: LWS, DisaggregatedSet, LLMInferenceService.
void check_custom_object(const ManifestDocument& document, const RuleContext& context);  // custom_objects.cc
void check_kserve_object(const ManifestDocument& document, const RuleContext& context);  // kserve_objects.cc

// What is accepted and fails later.
void check_pod_practice(const PodTemplate& pod, const RuleContext& context);    // pod_practice.cc
void check_pod_memory(const PodTemplate& pod, const RuleContext& context);      // pod_memory.cc
void check_probe_practice(const PodTemplate& pod, const RuleContext& context);  // probe_practice.cc
void check_engine(const PodTemplate& pod, const RuleContext& context);          // engine_rules.cc
void check_engine_flags(const PodTemplate& pod, const EngineProgram& engine);   // engine_flag_rules.cc
bool is_invented_flag(std::string_view name);
void check_engine_ports(const PodTemplate& pod);                                         // engine_ports.cc
void check_engine_service(const ManifestDocument& service, const RuleContext& context);  // engine_ports.cc
void check_engine_parity(const ManifestDocument& document, const RuleContext& context);
void check_network_env(const PodTemplate& pod, const RuleContext& context);               // network_env.cc
void check_group_practice(const ManifestDocument& document, const RuleContext& context);  // group_practice.cc
void check_references(const RuleContext& context);                                        // references.cc
void check_services(const RuleContext& context);      // service_practice.cc
void check_service_urls(const RuleContext& context);  // service_urls.cc
void check_quotas(const RuleContext& context);        // quotas.cc
void check_monitoring(const RuleContext& context);    // monitoring.cc
void check_autoscaling(const RuleContext& context);   // autoscaling.cc
// The least replicas that an autoscaler of the files leaves the workload; nullopt: none scales it.
std::optional<int64_t> scaled_from(const ManifestDocument& workload, const ManifestSet& set);
void check_model_names(const RuleContext& context);      // model_names.cc
void check_claims(const RuleContext& context);           // claims.cc
void check_client_commands(const RuleContext& context);  // client_commands.cc

}  // namespace hadal
