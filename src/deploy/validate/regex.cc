#include "deploy/validate/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/utf8.h"

namespace hadal {
namespace {

constexpr uint32_t kMatchLimit = 200'000;
constexpr uint32_t kDepthLimit = 2'000;
constexpr size_t kMaxPattern = 16'384;
constexpr size_t kMaxSubject = 1 << 20;

// What PCRE2 knows and RE2 does not: a server refuses such a rule when its CRD is created.
bool has_lookaround(std::string_view pattern) {
  for (const std::string_view mark :
       {"(?=", "(?!", "(?<=", "(?<!", "(?>", "(?|", "(*", "\\K", "(?R", "(?C"}) {
    if (pattern.find(mark) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

struct GoRegex::Code {
  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
  ~Code() {
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }
};

Result<GoRegex> GoRegex::compile(std::string_view pattern) {
  if (pattern.size() > kMaxPattern)
    return invalid_argument("a pattern of ", pattern.size(), " bytes is too long");
  if (has_lookaround(pattern)) return invalid_argument("looking around is no part of RE2's syntax");
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  const uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_AUTO_CAPTURE | PCRE2_NEVER_BACKSLASH_C;
  code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &error,
                             &offset, nullptr);
  if (code->code == nullptr) {
    PCRE2_UCHAR text[256];
    pcre2_get_error_message(error, text, sizeof text);
    return invalid_argument(reinterpret_cast<const char*>(text), " (character ", offset, ")");
  }
  code->context = pcre2_match_context_create(nullptr);
  HADAL_CHECK(code->context != nullptr) << "out of memory";
  pcre2_set_match_limit(code->context, kMatchLimit);
  pcre2_set_depth_limit(code->context, kDepthLimit);
  GoRegex out;
  out.code_ = std::move(code);
  return out;
}

std::optional<bool> GoRegex::search(std::string_view text) const {
  if (text.size() > kMaxSubject || !utf8_is_valid(text)) return std::nullopt;
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  HADAL_CHECK(data != nullptr) << "out of memory";
  const int rc = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0, data,
                             code_->context);
  pcre2_match_data_free(data);
  if (rc >= 0) return true;
  return rc == PCRE2_ERROR_NOMATCH ? std::optional<bool>(false) : std::nullopt;
}

std::optional<GoRegex::Span> GoRegex::find(std::string_view text, size_t start) const {
  if (text.size() > kMaxSubject || start > text.size() || !utf8_is_valid(text)) return std::nullopt;
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  HADAL_CHECK(data != nullptr) << "out of memory";
  const int rc = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), start, 0,
                             data, code_->context);
  std::optional<Span> out;
  if (rc >= 0) {
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
    out = Span{ends[0], ends[1]};
  }
  pcre2_match_data_free(data);
  return out;
}

}  // namespace hadal
