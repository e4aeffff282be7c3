// What the API server asks of Services, Ingresses and NetworkPolicies beyond their schemas
// (k8s.io/kubernetes/pkg/apis/core/validation and networking/validation).
#include <set>

#include "deploy/validate/formats.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

void check_service_port(const ManifestDocument& d, View port, bool needs_name, bool external) {
  Reporter& reporter = *d.reporter;
  check_range(reporter, port["port"], 1, 65535);
  check_choice(reporter, port["protocol"], {"TCP", "UDP", "SCTP"});
  const View name = port["name"];
  if (name.text().empty() && needs_name)
    reporter.add("service/port-name", *port, "a Service with several ports needs a name for each",
                 "add a name to each port");
  if (!name.text().empty() && !is_dns1123_label(name.text()))
    reporter.add("object/name", *name, shown_text(name) + " is no name of a Service's port (a DNS label)");
  const View protocol = port["appProtocol"];
  if (protocol.is_string() && !is_qualified_name(protocol.text()))
    reporter.add("object/name", *protocol, shown_text(protocol) + " is no name of a protocol");
  const View target = port["targetPort"];
  check_range(reporter, target, target.integer_or(1) == 0 ? 0 : 1, 65535);
  if (target.is_string() && !target.text().empty() && !is_port_name(target.text()))
    reporter.add("pod/port-name", *target,
                 shown_text(target) + " is neither a port's number nor a name of one");
  const View node_port = port["nodePort"];
  if (node_port.integer_or(0) == 0) return;
  if (!external)
    reporter.add_at_key("object/combination", *node_port, "nodePort needs type NodePort or LoadBalancer");
  check_range(reporter, node_port, 30000, 32767);
}

void check_service(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View spec = d.view()["spec"];
  if (!spec.is_map()) return;
  check_choice(reporter, spec["type"], {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"});
  const std::string_view type = spec["type"].text();
  const bool external = type == "NodePort" || type == "LoadBalancer";
  const std::string_view ip = spec["clusterIP"].text();
  if (!ip.empty() && ip != "None" && !parse_ip(ip))
    reporter.add("object/format", *spec["clusterIP"],
                 shown_text(spec["clusterIP"]) + " is no IP address, nor None");
  const bool headless = ip == "None";
  const auto ports = spec["ports"].items();
  if (ports.empty() && !headless && type != "ExternalName")
    reporter.add("object/required", *spec, "a Service needs ports", "add ports, or clusterIP: None");
  if (type == "ExternalName") check_present(reporter, spec, "externalName");
  if (headless && external)
    reporter.add("object/combination", *spec["clusterIP"], "clusterIP None goes with type ClusterIP alone");
  std::set<std::string> names;
  std::set<std::string> numbers;
  for (const Value& item : ports) {
    const View port(item);
    if (!port.is_map()) continue;
    check_service_port(d, port, ports.size() > 1, external);
    if (!port["name"].text().empty() && !names.insert(std::string(port["name"].text())).second)
      reporter.add("object/duplicate-name", *port["name"],
                   "two ports are called " + shown_text(port["name"]));
    const std::string number =
        port["port"].any_text() + "/" +
        (port["protocol"].text().empty() ? "TCP" : std::string(port["protocol"].text()));
    if (!numbers.insert(number).second)
      reporter.add("object/duplicate-name", item, "the port " + number + " stands twice");
  }
  check_choice(reporter, spec["sessionAffinity"], {"None", "ClientIP"});
  check_choice(reporter, spec["externalTrafficPolicy"], {"Cluster", "Local"});
  check_choice(reporter, spec["internalTrafficPolicy"], {"Cluster", "Local"});
  check_choice(reporter, spec["ipFamilyPolicy"], {"SingleStack", "PreferDualStack", "RequireDualStack"});
  if (!spec["externalTrafficPolicy"].text().empty() && !external && spec["externalIPs"].items().empty())
    reporter.add_at_key("object/combination", *spec["externalTrafficPolicy"],
                        "externalTrafficPolicy needs type NodePort or LoadBalancer");
  for (const ValueMember& label : spec["selector"].members()) {
    if (View(label.value).is_string() && !is_label_value(View(label.value).text()))
      reporter.add("object/label", label.value, shown_text(View(label.value)) + " is no label's value");
  }
}

void check_backend(const ManifestDocument& d, View backend) {
  Reporter& reporter = *d.reporter;
  if (!backend.is_map()) return;
  const std::string_view kind =
      check_one_of(reporter, backend, {"service", "resource"}, "object/combination", true);
  if (kind != "service") return;
  const View name = backend["service"]["name"];
  if (check_present(reporter, backend["service"], "name") && name.is_string() &&
      !is_dns1123_label(name.text()) && name.text().find("{{") == std::string_view::npos)
    reporter.add("object/name", *name, shown_text(name) + " is no name of a Service");
  const View port = backend.at("service.port");
  if (check_present(reporter, backend["service"], "port"))
    check_one_of(reporter, port, {"name", "number"}, "object/combination", true);
  check_range(reporter, port["number"], 1, 65535);
  if (port["name"].is_string() && !is_port_name(port["name"].text()))
    reporter.add("object/name", *port["name"], shown_text(port["name"]) + " is no name of a port");
}

void check_ingress_names(Reporter& reporter, View spec) {
  const View class_name = spec["ingressClassName"];
  if (class_name.is_string() && class_name.text().find("{{") == std::string_view::npos &&
      !is_dns1123_subdomain(class_name.text()))
    reporter.add("object/name", *class_name, shown_text(class_name) + " is no name of an IngressClass");
  for (const Value& item : spec["tls"].items()) {
    for (const Value& tls_host : View(item)["hosts"].items()) {
      std::string_view name = View(tls_host).text();
      if (name.starts_with("*.")) name.remove_prefix(2);
      if (View(tls_host).is_string() && name.find("{{") == std::string_view::npos &&
          !is_dns1123_subdomain(name))
        reporter.add("object/name", tls_host, shown_text(View(tls_host)) + " is no host's name");
    }
  }
}

void check_ingress(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View spec = d.view()["spec"];
  if (!spec.is_map()) return;
  if (!spec["defaultBackend"].exists() && spec["rules"].items().empty())
    reporter.add("object/required", *spec, "an Ingress needs rules or a defaultBackend");
  check_backend(d, spec["defaultBackend"]);
  check_ingress_names(reporter, spec);
  for (const Value& item : spec["rules"].items()) {
    const View host = View(item)["host"];
    std::string_view name = host.text();
    if (name.starts_with("*.")) name.remove_prefix(2);
    if (!name.empty() && (!is_dns1123_subdomain(name) || parse_ip(name)))
      reporter.add("object/name", *host, shown_text(host) + " is no host's name");
    const View paths = View(item).at("http.paths");
    if (paths.is_list() && paths.items().empty())
      reporter.add("object/required", *paths, "a rule of http needs a path");
    for (const Value& path_item : paths.items()) {
      const View path(path_item);
      const View type = path["pathType"];
      if (!type.exists()) {
        Finding& finding =
            reporter.add("ingress/path-type", path_item, missing_field("pathType"), "add pathType: Prefix");
        if (path.is_map())
          Reporter::fix_with(finding, insert_member(reporter.source(), path_item, "pathType", "Prefix"));
      } else {
        check_choice(reporter, type, {"Exact", "Prefix", "ImplementationSpecific"});
      }
      const bool strict = type.text() == "Exact" || type.text() == "Prefix";
      if (strict && !path["path"].text().starts_with("/"))
        reporter.add("object/format", path["path"].exists() ? *path["path"] : path_item,
                     "the path must begin with \"/\"");
      check_backend(d, path["backend"]);
    }
  }
}

void check_network_policy(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View spec = d.view()["spec"];
  check_label_selector(reporter, spec["podSelector"]);
  for (const Value& type : spec["policyTypes"].items())
    check_filled_choice(reporter, View(type), {"Ingress", "Egress"});
  for (const std::string_view side : {"ingress", "egress"}) {
    for (const Value& rule : spec[side].items()) {
      for (const Value& peer_item : View(rule)[side == "ingress" ? "from" : "to"].items()) {
        const View peer(peer_item);
        const View block = peer["ipBlock"];
        check_label_selector(reporter, peer["podSelector"]);
        check_label_selector(reporter, peer["namespaceSelector"]);
        if (!block.exists() && !peer["podSelector"].exists() && !peer["namespaceSelector"].exists())
          reporter.add("object/required", peer_item,
                       "a peer needs podSelector, namespaceSelector or ipBlock");
        if (block.exists() && (peer["podSelector"].exists() || peer["namespaceSelector"].exists()))
          reporter.add_at_key("object/combination", *block, "ipBlock and selectors exclude each other");
        if (block["cidr"].is_string() && !parse_cidr(block["cidr"].text()))
          reporter.add("object/format", *block["cidr"], shown_text(block["cidr"]) + " is no CIDR");
      }
      for (const Value& port : View(rule)["ports"].items()) {
        check_range(reporter, View(port)["port"], 1, 65535);
        check_filled_choice(reporter, View(port)["protocol"], {"TCP", "UDP", "SCTP"});
      }
    }
  }
}

}  // namespace

void check_service_object(const ManifestDocument& d) {
  if (d.is("", "Service")) check_service(d);
  if (d.is("networking.k8s.io", "Ingress")) check_ingress(d);
  if (d.is("networking.k8s.io", "NetworkPolicy")) check_network_policy(d);
}

}  // namespace hadal
