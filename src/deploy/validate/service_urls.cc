// URLs in variables, commands and ConfigMaps that name a Service: one that reaches workers, a port that the
// Service does not have, a path that engines do not answer.
#include <algorithm>

#include "deploy/validate/command_text.h"
#include "deploy/validate/formats.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

const ManifestDocument* api_service(const ManifestDocument& group, const RuleContext& context) {
  for (const ManifestDocument& d : context.set.documents) {
    if (!d.is("", "Service") || d.name == group.name) continue;
    for (const PodTemplate* pod : context.set.selected(d.view().at("spec.selector"), d.namespace_name)) {
      if (pod->document == &group) return &d;
    }
  }
  return nullptr;
}

// "http://name.ns:30000/api/v1".
struct UrlText {
  std::string_view whole, scheme, host, path;
  std::string_view port;  // "": none is written
};

bool ends_url(char c) {
  return static_cast<unsigned char>(c) <= ' ' ||
         std::string_view("\"'`;,|<>\\)}]").find(c) != std::string_view::npos;
}

UrlText url_parts(std::string_view whole) {
  UrlText out;
  out.whole = whole;
  const size_t colon = whole.find("://");
  out.scheme = whole.substr(0, colon);
  std::string_view rest = whole.substr(colon + 3);
  const size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  out.path = rest.substr(end);
  rest = rest.substr(0, end);
  // A user's name and password stand before the host.
  if (const size_t at = rest.rfind('@'); at != std::string_view::npos) rest.remove_prefix(at + 1);
  const size_t port = rest.find(':');
  out.host = rest.substr(0, port);
  if (port != std::string_view::npos) out.port = rest.substr(port + 1);
  return out;
}

// Every URL of a text: lists of them, flags and scripts hold several.
std::vector<UrlText> urls_of(std::string_view text) {
  constexpr size_t kMost = 1000;
  std::vector<UrlText> out;
  size_t at = text.find("://");
  while (at != std::string_view::npos && out.size() < kMost) {
    size_t begin = at;
    while (begin > 0 && ((text[begin - 1] >= 'a' && text[begin - 1] <= 'z') || text[begin - 1] == '+'))
      --begin;
    size_t end = at + 3;
    while (end < text.size() && !ends_url(text[end])) ++end;
    if (begin < at) out.push_back(url_parts(text.substr(begin, end - begin)));
    at = text.find("://", end);
  }
  return out;
}

// NAME, NAME.NAMESPACE, NAME.NAMESPACE.svc and what follows that.
const ManifestDocument* service_named(std::string_view host, const ManifestDocument& near,
                                      const ManifestSet& set) {
  const size_t dot = host.find('.');
  if (dot == std::string_view::npos) return set.find("Service", host, near.namespace_name);
  const std::string_view rest = host.substr(dot + 1);
  const size_t second = rest.find('.');
  const std::string_view below = second == std::string_view::npos ? "" : rest.substr(second + 1);
  if (!below.empty() && below != "svc" && !below.starts_with("svc.")) return nullptr;
  const ManifestDocument* found = set.find("Service", host.substr(0, dot), rest.substr(0, second));
  // "github.com" is no Service, though one may be called github.
  const bool known = below.starts_with("svc") || (found != nullptr && !found->namespace_name.empty());
  return known || near.namespace_name == rest ? found : nullptr;
}

// The port that is asked; 0: not known.
int64_t asked_port(const UrlText& url) {
  if (url.port.empty()) {
    // A name alone may get its port elsewhere.
    if (url.host.data() + url.host.size() != url.path.data() || url.path.size() < 2) return 0;
    return url.scheme == "http" ? 80 : url.scheme == "https" ? 443 : 0;
  }
  if (url.port.size() > 5 || url.port.find_first_not_of("0123456789") != std::string_view::npos) return 0;
  return std::stoll(std::string(url.port));
}

void check_url_port(const ManifestDocument& d, const Value& value, const UrlText& url,
                    const RuleContext& context) {
  const int64_t asked = asked_port(url);
  const ManifestDocument* service = asked == 0 ? nullptr : service_named(url.host, d, context.set);
  if (service == nullptr) return;
  const View spec = service->view()["spec"];
  // The names of these lead to Pods, or elsewhere, on any port.
  if (spec["clusterIP"].text() == "None" || spec["type"].text() == "ExternalName") return;
  std::string has;
  for (const Value& item : spec["ports"].items()) {
    if (View(item)["port"].integer_or(0) == asked) return;
    has += (has.empty() ? "" : ", ") + View(item)["port"].any_text();
  }
  if (has.empty()) return;
  const bool one = spec["ports"].items().size() == 1;
  Finding& finding = d.reporter->add_at_mark(
      "net/url-port", mark_inside(d.reporter->source(), value, url.whole),
      std::string(url.whole) + " asks port " + std::to_string(asked) + " of the Service " + service->name +
          ", which has " + (one ? "port " : "the ports ") + has + (one ? " alone" : ""),
      "write " + std::string(url.scheme) + "://" + std::string(url.host) + ":" +
          (one ? has : "PORT with one of these") + (one ? std::string(url.path) : "") +
          ", or give the Service the port " + std::to_string(asked));
  if (service->in_kustomization || d.in_kustomization) finding.severity = Severity::kInfo;
}

void check_url(const PodTemplate* pod, const ManifestDocument& d, const Value& value, bool is_api_base,
               const RuleContext& context) {
  const std::string_view text = View(value).text();
  if (text.find("://") == std::string_view::npos) return;
  const UrlText url = url_parts(text);
  if (url.host.empty()) return;
  if (url.host == "host.docker.internal")
    d.reporter->add("net/docker-host", value,
                    "host.docker.internal is a name of Docker on a desktop: no Pod resolves it",
                    "write the Service's name");
  if (is_api_base && (url.path == "/api/v1" || url.path == "/api/v1/")) {
    Finding& finding = d.reporter->add(
        "net/openai-path", value, "the OpenAI API is under /v1, not under /api/v1", "end the URL with /v1");
    std::string right(text);
    right.replace(right.find("/api/v1"), 7, "/v1");
    Reporter::fix_with(finding, replace_scalar(value, right, true));
  }
  const std::string first(url.host.substr(0, url.host.find('.')));
  const ManifestDocument* group = context.set.find("LeaderWorkerSet", first, d.namespace_name);
  if (group == nullptr || (pod != nullptr && pod->document == group)) return;
  const ManifestDocument* service = api_service(*group, context);
  d.reporter->add(
      "net/headless-service", value,
      first + " is the headless Service that LeaderWorkerSet makes: it resolves to the leader and to workers",
      service == nullptr ? "make a Service that selects the leader, and name it" : "write " + service->name);
}

bool is_api_base_name(std::string_view name) {
  return name.find("OPENAI_API_BASE") != std::string_view::npos ||
         name.find("OPENAI_BASE_URL") != std::string_view::npos || name == "openaiBaseApiUrl";
}

void check_url_ports(const ManifestDocument& d, const Value& value, const RuleContext& context) {
  for (const UrlText& url : urls_of(View(value).text())) check_url_port(d, value, url, context);
}

}  // namespace

void check_service_urls(const RuleContext& context) {
  for (const PodTemplate& pod : context.set.templates) {
    for (const View container : all_containers(pod.view())) {
      for (const Value& item : container["env"].items()) {
        const View value = View(item)["value"];
        if (!value.is_string()) continue;
        check_url(&pod, *pod.document, *value, is_api_base_name(View(item)["name"].text()), context);
        check_url_ports(*pod.document, *value, context);
      }
      for (const Value* value : command_values(container)) check_url_ports(*pod.document, *value, context);
    }
  }
  for (const ManifestDocument& d : context.set.documents) {
    if (!d.is("", "ConfigMap")) continue;
    for (const ValueMember& entry : d.view()["data"].members()) {
      const View value(entry.value);
      if (is_api_base_name(entry.key)) check_url(nullptr, d, *value, true, context);
      check_url_ports(d, *value, context);
      if (value.text().find("host.docker.internal") != std::string_view::npos)
        d.reporter->add_at_mark("net/docker-host",
                                mark_inside(d.reporter->source(), *value, "host.docker.internal"),
                                "host.docker.internal is a name of Docker on a desktop: no Pod resolves it",
                                "write the Service's name");
    }
  }
}

}  // namespace hadal
