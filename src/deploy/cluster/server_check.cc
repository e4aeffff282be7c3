#include "deploy/cluster/server_check.h"

#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

constexpr char kSchemaNamespace[] = "default";

}  // namespace

std::string missing_namespace(const ApplyOutcome& outcome) {
  // namespaces "llm" not found
  constexpr std::string_view kBegin = "namespaces \"", kEnd = "\" not found";
  const size_t begin = outcome.failed() ? outcome.message.find(kBegin) : std::string::npos;
  if (begin == std::string::npos) return "";
  const size_t end = outcome.message.find(kEnd, begin);
  if (end == std::string::npos) return "";
  return outcome.message.substr(begin + kBegin.size(), end - begin - kBegin.size());
}

void ServerCheck::add(const ApplyObject& object, const ApplyOutcome& outcome) {
  print_(outcome_line(object, outcome) + " (dry run)");
  for (const std::string& note : outcome.notes) print_("  note: " + note);
  ++(outcome.failed() ? num_refused_ : num_checked_);
}

Status ServerCheck::add_by_schema(const ApplyObject& object) {
  KubeCall request;
  request.method = "POST";
  request.path = collection_path(object.resource, kSchemaNamespace);
  request.query = {
      {"dryRun", "All"}, {"fieldManager", kFieldManager}, {"fieldValidation", lenient_ ? "Warn" : "Strict"}};
  request.body = object.object;
  member_of(request.body, "metadata").set("namespace", kSchemaNamespace);
  HADAL_ASSIGN(const KubeReply reply, client_.call(request));
  // One of that name is in "default" already: that is found out last.
  const bool exists = reply.status == 409 && text_at(reply.body, "reason") == "AlreadyExists";
  if (reply.ok() || exists) {
    print_(object.title() +
           " would be created (dry run; its namespace is not there yet: checked by its schema)");
    ++num_by_schema_;
  } else if (reply.status == 400 || reply.status == 422) {
    print_(object.title() + " REFUSED: " + kube_error(reply, "").message + " (dry run)");
    ++num_refused_;
  } else {
    add_unchecked(object, "its namespace is not there yet, and in namespace " +
                              std::string(kSchemaNamespace) + ": " + kube_error(reply, "").message);
  }
  return {};
}

void ServerCheck::add_unchecked(const ApplyObject& object, const std::string& why) {
  print_(object.title() + " would be created (dry run; NOT CHECKED: " + why + ")");
  ++num_unchecked_;
}

int ServerCheck::finish(const std::string& name) {
  const int all = num_checked_ + num_by_schema_ + num_unchecked_ + num_refused_;
  std::string line = "dry run of " + name + ": " + std::to_string(all) +
                     (all == 1 ? " object: " : " objects: ") + std::to_string(num_checked_) + " checked";
  if (num_by_schema_ > 0)
    line += ", " + std::to_string(num_by_schema_) +
            " by their schema alone (not by the quotas and policies of a namespace that is not there yet)";
  if (num_unchecked_ > 0) line += ", " + std::to_string(num_unchecked_) + " not checked";
  print_(line + ", " + std::to_string(num_refused_) + " refused");
  return num_refused_ > 0 ? 1 : num_unchecked_ > 0 ? kNotAllChecked : 0;
}

}  // namespace hadal::cluster
