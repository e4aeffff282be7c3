// The annotations by which each Ingress controller streams answers for minutes; Kubernetes' own Ingress has
// no such field.
#include "deploy/render/ingress.h"

#include <algorithm>

#include "deploy/ingress_controller.h"
#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"

namespace hadal {
namespace {

IngressController controller_of(const RenderContext& c, std::string_view class_name) {
  if (!class_name.empty()) return ingress_controller_of(class_name);
  return c.profile == ProfileKind::kOpenshift ? IngressController::kOpenshift : IngressController::kNginx;
}

constexpr int64_t kAlbLongestIdle = 4000;  // elasticloadbalancing idle_timeout.timeout_seconds

}  // namespace

IngressAnnotations ingress_annotations(const RenderContext& c, std::string_view class_name, int64_t seconds,
                                       std::string_view health_path) {
  const std::string time = std::to_string(seconds);
  const IngressController controller = controller_of(c, class_name);
  StringPairs times;  // of those that take "3600s"
  for (const std::string_view key : ingress_time_annotations(controller)) times.emplace_back(key, time + "s");
  switch (controller) {
    case IngressController::kNginx:
      return {{{"nginx.ingress.kubernetes.io/proxy-read-timeout", time},
               {"nginx.ingress.kubernetes.io/proxy-send-timeout", time},
               {"nginx.ingress.kubernetes.io/proxy-buffering", "off"},
               {"nginx.ingress.kubernetes.io/proxy-body-size", "16m"},
               {"nginx.org/proxy-read-timeout", time + "s"},
               {"nginx.org/proxy-send-timeout", time + "s"},
               {"nginx.org/proxy-buffering", "False"},
               {"nginx.org/client-max-body-size", "16m"}},
              std::string("Answers stream for minutes: no buffering, no cut after 60 s. The first are "
                          "ingress-nginx's, those of nginx.org F5's controller's") +
                  (class_name.empty() ? "; exposure.class names another." : ".")};
    case IngressController::kOpenshift:
      return {
          std::move(times),
          "Copied to the Route that OpenShift makes of this: the router cuts answers after 30 s otherwise."};
    case IngressController::kHaproxy:
      return {std::move(times),
              "Answers take minutes: no cut after 50 s. The first is HAProxy Technologies' controller's, the "
              "second the "
              "community's."};
    case IngressController::kContour:
      return {std::move(times), "Answers take minutes: no cut after Envoy's 15 s."};
    case IngressController::kAlb:
      return {{{"alb.ingress.kubernetes.io/target-type", "ip"},
               {"alb.ingress.kubernetes.io/healthcheck-path", std::string(health_path)},
               {"alb.ingress.kubernetes.io/load-balancer-attributes",
                "idle_timeout.timeout_seconds=" + std::to_string(std::min(seconds, kAlbLongestIdle))}},
              "Pods are the targets, since the Service has no node port; answers take minutes: no cut after "
              "60 s."};
    case IngressController::kTraefik:
      return {{}, ""};  // its forwarding has no limit unless its own configuration sets one
    case IngressController::kOther:
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
