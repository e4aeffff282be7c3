// What an Ingress must tell its controller so that answers stream for minutes. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "deploy/render/context.h"

namespace hadal {

struct IngressAnnotations {
  StringPairs pairs;
  std::string why;    // a comment; "": none
  bool known = true;  // false: no controller that hadal knows has this class
};

// For the controller that has `class_name`, told by its name ("": OpenShift's router or ingress-nginx).
// `seconds`: how long an answer may take; `health_path`: answers 200 when ready.
IngressAnnotations ingress_annotations(const RenderContext& context, std::string_view class_name,
                                       int64_t seconds, std::string_view health_path);
// Warns of controllers that hadal cannot tell.
void warn_of_ingress_class(RenderContext& context);

}  // namespace hadal
