// The annotations by which each Ingress controller streams answers for minutes; Kubernetes' own Ingress has
// no such field.
#include "deploy/render/ingress.h"

#include <algorithm>

#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"

namespace hadal {
namespace {

enum class Controller { kNginx, kOpenshift, kHaproxy, kContour, kAlb, kTraefik, kOther };

// ingressClassName is the cluster's own word; controllers' charts call theirs by their name.
Controller controller_of(const RenderContext& c, std::string_view class_name) {
  const auto has = [&](std::string_view word) { return class_name.find(word) != std::string_view::npos; };
  if (has("nginx")) return Controller::kNginx;
  if (has("openshift")) return Controller::kOpenshift;
  if (has("haproxy")) return Controller::kHaproxy;
  if (has("contour")) return Controller::kContour;
  if (class_name == "alb" || has("-alb") || has("alb-")) return Controller::kAlb;
  if (has("traefik")) return Controller::kTraefik;
  if (!class_name.empty()) return Controller::kOther;
  return c.profile == ProfileKind::kOpenshift ? Controller::kOpenshift : Controller::kNginx;
}

constexpr int64_t kAlbLongestIdle = 4000;  // elasticloadbalancing idle_timeout.timeout_seconds

}  // namespace

IngressAnnotations ingress_annotations(const RenderContext& c, std::string_view class_name, int64_t seconds,
                                       std::string_view health_path) {
  const std::string time = std::to_string(seconds);
  switch (controller_of(c, class_name)) {
    case Controller::kNginx:
      return {{{"nginx.ingress.kubernetes.io/proxy-read-timeout", time},
               {"nginx.ingress.kubernetes.io/proxy-send-timeout", time},
               {"nginx.ingress.kubernetes.io/proxy-buffering", "off"},
               {"nginx.ingress.kubernetes.io/proxy-body-size", "16m"}},
              class_name.empty()
                  ? "Answers stream for minutes: no buffering, no cut after 60 s. (ingress-nginx's; "
                    "exposure.class names another controller.)"
                  : "Answers stream for minutes: no buffering, no cut after 60 s."};
    case Controller::kOpenshift:
      return {
          {{"haproxy.router.openshift.io/timeout", time + "s"}},
          "Copied to the Route that OpenShift makes of this: the router cuts answers after 30 s otherwise."};
    case Controller::kHaproxy:
      return {{{"haproxy.org/timeout-server", time + "s"},
               {"haproxy-ingress.github.io/timeout-server", time + "s"}},
              "Answers take minutes: no cut after 50 s. The first is HAProxy Technologies' controller's, the "
              "second the "
              "community's."};
    case Controller::kContour:
      return {{{"projectcontour.io/response-timeout", time + "s"}},
              "Answers take minutes: no cut after Envoy's 15 s."};
    case Controller::kAlb:
      return {{{"alb.ingress.kubernetes.io/target-type", "ip"},
               {"alb.ingress.kubernetes.io/healthcheck-path", std::string(health_path)},
               {"alb.ingress.kubernetes.io/load-balancer-attributes",
                "idle_timeout.timeout_seconds=" + std::to_string(std::min(seconds, kAlbLongestIdle))}},
              "Pods are the targets, since the Service has no node port; answers take minutes: no cut after "
              "60 s."};
    case Controller::kTraefik:
      return {{}, ""};  // its forwarding has no limit unless its own configuration sets one
    case Controller::kOther:
      break;
  }
  return {{}, "", false};
}

void warn_of_ingress_class(RenderContext& c) {
  const auto warn = [&](std::string_view field, const std::string& class_name, const std::string& fix) {
    if (ingress_annotations(c, class_name, 0, "").known) return;
    c.warn(field, "ingress-timeout",
           "hadal does not know how the Ingress controller of class \"" + class_name +
               "\" is told to stream: most cut answers after 30 or 60 s",
           fix);
  };
  const ExposureSpec& exposure = c.spec.exposure;
  if (exposure.type == "Ingress" && exposure.annotations.empty())
    warn("exposure.class", exposure.class_name,
         "set exposure.annotations to its timeout of " + std::to_string(c.time.longest_request) +
             " s or more, and to no buffering");
  const bool page =
      c.spec.web_ui.enabled && !c.spec.web_ui.host.empty() && c.profile != ProfileKind::kOpenshift;
  if (page)
    warn("openWebUI.class", c.spec.web_ui.class_name,
         "use a class of nginx, haproxy, contour, alb or traefik, or raise the controller's own timeout");
}

}  // namespace hadal
