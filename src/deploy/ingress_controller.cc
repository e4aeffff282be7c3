#include "deploy/ingress_controller.h"

namespace hadal {
namespace {

constexpr std::string_view kNginxTime[] = {"nginx.ingress.kubernetes.io/proxy-read-timeout",
                                           "nginx.org/proxy-read-timeout"};
constexpr std::string_view kOpenshiftTime[] = {"haproxy.router.openshift.io/timeout"};
// HAProxy Technologies' controller, the community's.
constexpr std::string_view kHaproxyTime[] = {"haproxy.org/timeout-server",
                                             "haproxy-ingress.github.io/timeout-server"};
constexpr std::string_view kContourTime[] = {"projectcontour.io/response-timeout"};
constexpr std::string_view kAlbTime[] = {"alb.ingress.kubernetes.io/load-balancer-attributes"};

}  // namespace

IngressController ingress_controller_of(std::string_view class_name) {
  const auto has = [&](std::string_view word) { return class_name.find(word) != std::string_view::npos; };
  if (has("nginx")) return IngressController::kNginx;
  if (has("openshift")) return IngressController::kOpenshift;
  if (has("haproxy")) return IngressController::kHaproxy;
  if (has("contour")) return IngressController::kContour;
  if (class_name == "alb" || has("-alb") || has("alb-")) return IngressController::kAlb;
  if (has("traefik")) return IngressController::kTraefik;
  return IngressController::kOther;
}

std::span<const std::string_view> ingress_time_annotations(IngressController controller) {
  switch (controller) {
    case IngressController::kNginx:
      return kNginxTime;
    case IngressController::kOpenshift:
      return kOpenshiftTime;
    case IngressController::kHaproxy:
      return kHaproxyTime;
    case IngressController::kContour:
      return kContourTime;
    case IngressController::kAlb:
      return kAlbTime;
    case IngressController::kTraefik:
    case IngressController::kOther:
      break;
  }
  return {};
}

}  // namespace hadal
