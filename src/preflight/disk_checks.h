// The checks of the model and of the volumes that it and the caches lie on. Any thread; they block.
#pragma once

#include "preflight/check.h"

namespace hadal {

CheckResult check_model_files(const CheckContext& context);
CheckResult check_model_marker(const CheckContext& context);
CheckResult check_model_disk(const CheckContext& context);
CheckResult check_cache_disk(const CheckContext& context);

}  // namespace hadal
