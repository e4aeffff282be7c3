// Rewrites a regular expression of Oniguruma's Ruby syntax (what Hugging Face tokenizers use) for PCRE2:
// character classes of Unicode 16 whatever PCRE2's version, \h and {n,m}+ as Ruby means them. Pure; any
// thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

// Errors: kUnsupported for syntax that has no equivalent (&&, (?~...)), kInvalidArgument for a broken
// pattern.
Result<std::string> translate_regex(std::string_view pattern);

}  // namespace hadal
