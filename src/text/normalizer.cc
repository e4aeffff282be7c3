#include "text/normalizer.h"

namespace hadal {
namespace {

// Each step returns whether it changed the text, and then what it became.
bool run_step(const NfcStep&, const UnicodeTables& tables, std::string_view text, Regex::Scratch&,
              std::string& out) {
  if (tables.is_nfc_quick(text)) return false;
  out = tables.nfc(text);
  return true;
}

bool run_step(const PrependStep& step, const UnicodeTables&, std::string_view text, Regex::Scratch&,
              std::string& out) {
  if (text.empty()) return false;
  out.reserve(step.text.size() + text.size());
  out = step.text;
  out += text;
  return true;
}

bool replace_literal(const std::string& pattern, const std::string& content, std::string_view text,
                     std::string& out) {
  size_t at = pattern.empty() ? std::string_view::npos : text.find(pattern);
  if (at == std::string_view::npos) return false;
  out.reserve(text.size() + text.size() / 2);
  size_t copied = 0;
  for (; at != std::string_view::npos; at = text.find(pattern, copied)) {
    out.append(text, copied, at - copied);
    out += content;
    copied = at + pattern.size();
  }
  out.append(text, copied);
  return true;
}

bool replace_regex(const Regex& regex, const std::string& content, std::string_view text,
                   Regex::Scratch& scratch, std::string& out) {
  size_t copied = 0;
  size_t search = 0;
  bool any = false;
  while (search <= text.size()) {
    const Span match = regex.find(text, search, scratch);
    if (!match.found()) break;
    if (match.begin == match.end && any && match.end == copied) {
      search += search < text.size() ? decode_valid(text.data() + search).length : 1;
      continue;
    }
    out.append(text, copied, match.begin - copied);
    out += content;
    copied = search = match.end;
    any = true;
  }
  out.append(text, copied);
  return any;
}

bool run_step(const ReplaceStep& step, const UnicodeTables&, std::string_view text, Regex::Scratch& scratch,
              std::string& out) {
  if (text.empty()) return false;
  if (const auto* literal = std::get_if<std::string>(&step.pattern)) {
    return replace_literal(*literal, step.content, text, out);
  }
  return replace_regex(*std::get<std::shared_ptr<const Regex>>(step.pattern), step.content, text, scratch,
                       out);
}

bool run_step(const StripStep& step, const UnicodeTables& tables, std::string_view text, Regex::Scratch&,
              std::string& out) {
  size_t begin = 0;
  size_t end = text.size();
  uint32_t length = 0;
  while (step.left && begin < end && (tables.classes_at(text.data() + begin, length) & kWhiteSpace))
    begin += length;
  while (step.right && end > begin) {
    size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    if (!(tables.classes_at(text.data() + last, length) & kWhiteSpace)) break;
    end = last;
  }
  if (begin == 0 && end == text.size()) return false;
  out = text.substr(begin, end - begin);
  return true;
}

}  // namespace

std::string_view Normalizer::apply(std::string_view text, Regex::Scratch& scratch,
                                   std::string& buffer) const {
  std::string next;
  for (const NormalizerStep& step : steps_) {
    next.clear();
    const bool changed =
        std::visit([&](const auto& s) { return run_step(s, *tables_, text, scratch, next); }, step);
    if (!changed) continue;
    buffer.swap(next);
    text = buffer;
  }
  return text;
}

}  // namespace hadal
