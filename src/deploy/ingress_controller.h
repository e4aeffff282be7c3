// Which Ingress controller a class belongs to, and how each is told to let answers take minutes. Pure
// functions; any thread.
#pragma once

#include <span>
#include <string_view>

namespace hadal {

enum class IngressController { kNginx, kOpenshift, kHaproxy, kContour, kAlb, kTraefik, kOther };

// By its name in ingressClassName, which is the cluster's own word; controllers' charts call theirs by
// their name. kOther: one that is not known here, or "".
IngressController ingress_controller_of(std::string_view class_name);

// The annotations of which each sets how long an answer may take. Empty: the controller sets no limit, or it
// is not known.
std::span<const std::string_view> ingress_time_annotations(IngressController controller);

}  // namespace hadal
