// Parser: tokens to a syntax tree, with Jinja2's grammar (its loop controls and Hugging Face's `generation`
// tag too).
#pragma once

#include <memory>
#include <string_view>

#include "text/jinja/ast.h"

namespace hadal::jinja {

// Throws JinjaError (kSyntax) with the line. Nesting is bounded. The tree is not resolved yet.
std::unique_ptr<Template> parse_template(std::string_view source);

}  // namespace hadal::jinja
