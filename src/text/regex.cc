#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <string>

#include "text/regex_translate.h"
#include "text/unicode.h"

namespace hadal {
namespace {

constexpr size_t kMaxPattern = 1 << 16;
constexpr size_t kJitStackStart = 32 << 10;
constexpr size_t kJitStackMax = 16 << 20;
// Steps of PCRE2's match() that one search may take, in growing tries: nearly all matches end in the first.
constexpr uint32_t kTries[] = {256, 16384, 1 << 20, 1 << 25};
constexpr uint64_t kStepsPerByte = 64;
constexpr uint64_t kStepsOnce = 4 << 20;

struct CodeFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};

std::string error_text(int code) {
  PCRE2_UCHAR buffer[200];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

struct Regex::Impl {
  std::unique_ptr<pcre2_code, CodeFree> search;
  std::unique_ptr<pcre2_code, CodeFree> anchored;  // the same, matching only where it starts
};

struct Regex::Scratch::Impl {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(kJitStackStart, kJitStackMax, nullptr);
  Impl() {
    HADAL_CHECK(data != nullptr && context != nullptr && stack != nullptr) << "out of memory";
    pcre2_jit_stack_assign(context, nullptr, stack);
    pcre2_set_heap_limit(context, 64 << 10);  // KiB, for the interpreter where there is no JIT
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};

Regex::Scratch::Scratch() : budget_(kStepsOnce) {}
Regex::Scratch::~Scratch() = default;
void Regex::Scratch::grant(size_t text_bytes) {
  budget_ += kStepsPerByte * text_bytes;
}

Regex::Regex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Regex::~Regex() = default;

Result<std::shared_ptr<const Regex>> Regex::compile(std::string_view pattern) {
  if (pattern.size() > kMaxPattern)
    return invalid_argument("regex of ", pattern.size(), " bytes is too long");
  HADAL_ASSIGN(const std::string translated, translate_regex(pattern));
  const std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context*)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  HADAL_CHECK(context != nullptr) << "out of memory";
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), 100);
  auto impl = std::make_unique<Impl>();
  for (const bool anchored : {false, true}) {
    int code = 0;
    PCRE2_SIZE offset = 0;
    // ^ and $ match at line ends and . stops at them, as in Ruby.
    const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C |
                             (anchored ? uint32_t{PCRE2_ANCHORED} : 0u);
    auto& target = anchored ? impl->anchored : impl->search;
    target.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(), options,
                               &code, &offset, context.get()));
    if (!target) return invalid_argument("regex \"", pattern, "\": ", error_text(code));
    // Without JIT (not built in, or no executable memory) the interpreter is used.
    pcre2_jit_compile(target.get(), PCRE2_JIT_COMPLETE);
  }
  return std::shared_ptr<const Regex>(new Regex(std::move(impl)));
}

int Regex::match(const void* code, std::string_view text, size_t from, uint32_t steps, Scratch& scratch) {
  if (!scratch.impl_) scratch.impl_ = std::make_unique<Scratch::Impl>();
  pcre2_set_match_limit(scratch.impl_->context, steps);
  return pcre2_match(static_cast<const pcre2_code*>(code), reinterpret_cast<PCRE2_SPTR>(text.data()),
                     text.size(), from, PCRE2_NO_UTF_CHECK, scratch.impl_->data, scratch.impl_->context);
}

Span Regex::find(std::string_view text, size_t from, Scratch& scratch) const {
  const auto span = [&](int result) {
    if (result < 0) return Span{};  // no match, or out of stack: the rest is one unmatched piece
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(scratch.impl_->data);
    // \K inside a look-around can put the start behind the end.
    return ends[0] > ends[1] || ends[0] < from ? Span{} : Span{ends[0], ends[1]};
  };
  int result = match(impl_->search.get(), text, from, kTries[0], scratch);
  if (result != PCRE2_ERROR_MATCHLIMIT) return span(result);
  // Some start takes many steps. Each start is tried alone, so that what it costs is known and charged.
  for (size_t at = from; at <= text.size();) {
    for (const uint32_t steps : kTries) {
      if (steps != kTries[0]) {
        if (scratch.budget_ < steps) return {};
        scratch.budget_ -= steps;
      }
      result = match(impl_->anchored.get(), text, at, steps, scratch);
      if (result != PCRE2_ERROR_MATCHLIMIT) break;
    }
    if (result != PCRE2_ERROR_NOMATCH) return span(result);
    at += at < text.size() ? decode_valid(text.data() + at).length : 1;
  }
  return {};
}

}  // namespace hadal
