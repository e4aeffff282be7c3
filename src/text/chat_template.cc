#include "text/chat_template.h"

#include "base/utf8.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace hadal {

namespace {

constexpr size_t kMaxSource = size_t{4} << 20;

Error to_error(const jinja::JinjaError& e) {
  // raise_exception is the template speaking to the user: its words alone.
  if (e.kind == jinja::ErrorKind::kRaised) return invalid_argument(e.message);
  const std::string where = e.line > 0 ? " (line " + std::to_string(e.line) + ")" : "";
  if (e.kind == jinja::ErrorKind::kLimit) return invalid_argument("chat template: ", e.message, where);
  return invalid_argument("chat template: ", jinja::error_kind_name(e.kind), ": ", e.message, where);
}

}  // namespace

struct ChatTemplate::Impl {
  std::unique_ptr<jinja::Template> parsed;
};

ChatTemplate::ChatTemplate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::~ChatTemplate() = default;

Result<std::shared_ptr<const ChatTemplate>> ChatTemplate::parse(std::string_view source) {
  if (source.size() > kMaxSource) return invalid_argument("chat template: the source is longer than 4 MiB");
  try {
    auto impl = std::make_unique<Impl>();
    impl->parsed = jinja::parse_template(utf8_sanitize(source));
    return std::shared_ptr<const ChatTemplate>(new ChatTemplate(std::move(impl)));
  } catch (const jinja::JinjaError& e) {
    return to_error(e);
  }
}

Result<std::string> ChatTemplate::render(const Json& variables,
                                         std::chrono::system_clock::time_point now) const {
  if (!variables.is_object()) return invalid_argument("chat template: the variables must be an object");
  try {
    jinja::Interpreter interpreter(*impl_->parsed, variables, jinja::Limits{}, now);
    return interpreter.run();
  } catch (const jinja::JinjaError& e) {
    return to_error(e);
  }
}

}  // namespace hadal
