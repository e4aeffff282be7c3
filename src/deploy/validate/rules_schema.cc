// Rules of YAML itself and of schemas.
#include "deploy/validate/rule_table.h"

namespace hadal {
namespace {

using enum Severity;

// clang-format off
constexpr RuleInfo kYaml[] = {
    {"yaml/syntax", kError,
     "the text is no YAML",
     "Kubernetes reads nothing of the document; what follows the next \"---\" is checked all the same",
     "spec:\n  a: [1, 2",
     "put right what the message names"},
    {"yaml/tab", kError,
     "a tab stands in the indentation",
     "YAML indents with blanks alone, and refuses the document; nothing else is told of a document whose depths a tab leaves open",
     "spec:\n\treplicas: 1",
     "indent with blanks; --fix does it where the lines around leave one depth alone"},
    {"yaml/dash-without-space", kError,
     "a dash without a space after it begins no list item",
     "YAML reads a key called \"-name\", or refuses the document",
     "env:\n-name: HOME",
     "write \"- name:\""},
    {"yaml/duplicate-key", kError,
     "a key stands twice in one map",
     "the last one counts silently for some readers, and the API server refuses the document under strict validation",
     "metadata: {name: a, name: b}",
     "keep one of them"},
    {"yaml/anchor", kInfo,
     "the document uses anchors",
     "kubectl expands them; tools that change the text may not keep them",
     "a: &x {}\nb: *x",
     "nothing, or write the parts out"},
    {"yaml/helm-template", kWarning,
     "the file is a template, not a manifest, and was not checked (an info inside a chart's templates folder)",
     "its text becomes YAML only when Helm renders it; until then nothing is known of it",
     "replicas: {{ .Values.replicas }}",
     "render it first: helm template . | hadal deploy validate -"},
};
constexpr RuleInfo kSchema[] = {
    {"schema/unknown-field", kError,
     "a field does not exist in the kind",
     "the API server refuses it under strict validation, and drops it silently otherwise",
     "spec: {replica: 2}",
     "write the field that was meant, or remove it"},
    {"schema/type", kError,
     "a value has the wrong type",
     "the API server refuses the object",
     "replicas: \"2\"",
     "write a value of the type that is asked for"},
    {"schema/required", kError,
     "a required field is missing",
     "the API server refuses the object",
     "ports: [{name: http}]",
     "add the field"},
    {"schema/enum", kError,
     "a value is none of those allowed",
     "the API server refuses the object",
     "startupPolicy: LeaderFirst",
     "write one of the allowed values"},
    {"schema/range", kError,
     "a number is outside its bounds",
     "the API server refuses the object",
     "port: 70000",
     "write a number within the bounds"},
    {"schema/length", kError,
     "a text, list or map is too short or too long",
     "the API server refuses the object",
     "containers: []",
     "write as many as are allowed"},
    {"schema/pattern", kError,
     "a text does not match its pattern",
     "the API server refuses the object",
     "interval: 15 s",
     "write it in the form that the pattern asks for"},
    {"schema/format", kError,
     "a text does not have its format",
     "the API server refuses the object",
     "timeout: 5min",
     "write it in the format that is named"},
    {"schema/quantity", kError,
     "a quantity cannot be read",
     "the API server refuses the object",
     "memory: 64 GB",
     "write a number with a suffix of Kubernetes: 500m, 8, 64Gi"},
    {"schema/duplicate-item", kError,
     "two items of a list that is a set or a map have the same key",
     "the API server refuses the object",
     "listeners: [{name: a, port: 80, protocol: HTTP}, {name: a, port: 81, protocol: HTTP}]",
     "remove one, or give it another key"},
    {"schema/combination", kError,
     "fields do not go together (oneOf, anyOf, allOf, not)",
     "the API server refuses the object",
     "",
     "choose one of the forms that the message names"},
    {"schema/cel", kError,
     "a rule of the kind's CRD is not kept",
     "the API server refuses the object",
     "spec: {minReplicaCount: 5, maxReplicaCount: 2}",
     "change the fields that the rule is about"},
    {"schema/cel-unreadable", kInfo,
     "a rule of a CRD could not be asked",
     "its verdict is not known here",
     "",
     "ask the API server: kubectl apply --dry-run=server"},
    {"schema/unknown-kind", kInfo,
     "the kind is not known",
     "only the YAML, names and Pod templates inside were checked",
     "kind: ClusterPolicy",
     "give its CRD: --schemas DIR"},
};
// clang-format on

}  // namespace

std::span<const RuleInfo> yaml_rules() {
  return kYaml;
}
std::span<const RuleInfo> schema_rules() {
  return kSchema;
}

}  // namespace hadal
