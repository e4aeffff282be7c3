#include "text/token_decoder.h"

#include "text/byte_alphabet.h"

namespace hadal {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty() || text.find(from) == std::string::npos) return;
  std::string out;
  size_t copied = 0;
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, copied)) {
    out.append(text, copied, at - copied);
    out += to;
    copied = at + from.size();
  }
  out.append(text, copied);
  text = std::move(out);
}

std::string run_steps(const DecoderSpec& spec, std::string_view token, bool first) {
  std::string text(token);
  for (const auto& [from, to] : spec.replaces) replace_all(text, from, to);
  replace_all(text, spec.metaspace, first && spec.metaspace_drop_first ? "" : " ");
  if (spec.byte_fallback) {
    if (const auto byte = byte_token(text)) text = std::string(1, *byte);
  }
  if (first || !spec.fused) {
    for (int i = 0; i < spec.strip_start && !spec.strip_content.empty(); ++i) {
      if (!text.starts_with(spec.strip_content)) break;
      text.erase(0, spec.strip_content.size());
    }
  }
  return text;
}

std::string token_text(const DecoderSpec& spec, std::string_view token, bool first) {
  switch (spec.kind) {
    case DecoderSpec::Kind::kJoinWithSpaces:
      return first ? std::string(token) : " " + std::string(token);
    case DecoderSpec::Kind::kByteLevel:
      return kByteAlphabet.decode(token).value_or(std::string(token));
    case DecoderSpec::Kind::kSteps:
      return run_steps(spec, token, first);
  }
  return {};
}

}  // namespace

std::optional<char> byte_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  int value = 0;
  for (const char c : token.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    value = value * 16 + digit;
  }
  return static_cast<char>(value);
}

TokenDecoder::TokenDecoder(const std::vector<std::string_view>& tokens, const DecoderSpec& spec) {
  std::string arena;
  std::vector<size_t> ends;
  ends.reserve(tokens.size());
  const bool same = spec.kind == DecoderSpec::Kind::kByteLevel;
  if (!same) first_skip_.assign(tokens.size(), 0);
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) {
      ends.push_back(arena.size());
      continue;
    }
    const std::string middle = token_text(spec, tokens[id], false);
    arena += middle;
    ends.push_back(arena.size());
    if (same) continue;
    const std::string first = token_text(spec, tokens[id], true);
    const size_t skip = middle.size() - std::min(middle.size(), first.size());
    if (skip <= UINT8_MAX && middle.ends_with(first)) {
      first_skip_[id] = static_cast<uint8_t>(skip);
    } else {
      first_.emplace(static_cast<int32_t>(id), first);
    }
  }
  std::vector<std::string_view> views;
  views.reserve(ends.size());
  for (size_t id = 0; id < ends.size(); ++id) {
    const size_t begin = id == 0 ? 0 : ends[id - 1];
    views.push_back(std::string_view(arena).substr(begin, ends[id] - begin));
  }
  middle_ = StringTable(views);
}

std::string_view TokenDecoder::first(int32_t id) const {
  const std::string_view middle = middle_.at(id);
  if (!first_.empty()) {
    const auto it = first_.find(id);
    if (it != first_.end()) return it->second;
  }
  if (id < 0 || static_cast<size_t>(id) >= first_skip_.size()) return middle;
  return middle.substr(first_skip_[static_cast<size_t>(id)]);
}

}  // namespace hadal
