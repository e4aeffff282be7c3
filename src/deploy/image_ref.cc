#include "deploy/image_ref.h"

#include <algorithm>

#include "deploy/char_class.h"

namespace hadal {
namespace {

constexpr size_t kMaxName = 255;  // domain and path
constexpr size_t kMaxTag = 128;

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f');
}
bool is_word(char c) {
  return is_lower(c) || is_upper(c) || is_digit(c);
}

bool is_domain(std::string_view text) {
  const size_t bracket = text.find(']');
  const size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  std::string_view host = text.substr(0, colon);
  if (colon != std::string_view::npos && !all_of(text.substr(colon + 1), is_digit)) return false;
  if (host.starts_with("[") && host.ends_with("]")) {
    return all_of(host.substr(1, host.size() - 2),
                  [](char c) { return is_hex(c) || (c >= 'A' && c <= 'F') || c == ':'; });
  }
  for (;;) {
    const size_t dot = host.find('.');
    const std::string_view label = host.substr(0, dot);
    if (!all_of(label, [](char c) { return is_word(c) || c == '-'; }) || label.front() == '-' ||
        label.back() == '-')
      return false;
    if (dot == std::string_view::npos) return true;
    host.remove_prefix(dot + 1);
  }
}

// Small letters and digits, between them ".", "_", "__" or dashes.
bool is_path_part(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t word = i;
    while (i < text.size() && (is_lower(text[i]) || is_digit(text[i]))) ++i;
    if (i == word) return false;
    const size_t gap = i;
    while (i < text.size() && (text[i] == '.' || text[i] == '_' || text[i] == '-')) ++i;
    const std::string_view between = text.substr(gap, i - gap);
    if (i == text.size()) return between.empty();
    const bool ok = between == "." || between == "_" || between == "__" ||
                    (!between.empty() && between.find_first_not_of('-') == std::string_view::npos);
    if (!ok) return false;
  }
  return !text.empty();
}

Status check_path(std::string_view path) {
  for (std::string_view rest = path;;) {
    const size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty()) return invalid_argument("an empty part between slashes");
    if (std::any_of(part.begin(), part.end(), is_upper))
      return invalid_argument("\"", part, "\" has capital letters: a repository's path has small ones alone");
    if (!is_path_part(part))
      return invalid_argument(
          "\"", part,
          "\" is no part of a repository's path: small letters and digits, between them . "
          "_ __ or -");
    if (slash == std::string_view::npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

Status check_digest(std::string_view digest) {
  const size_t colon = digest.find(':');
  const std::string_view algorithm = digest.substr(0, colon);
  const std::string_view hex = colon == std::string_view::npos ? "" : digest.substr(colon + 1);
  const size_t digits = algorithm == "sha256"   ? 64
                        : algorithm == "sha384" ? 96
                        : algorithm == "sha512" ? 128
                                                : 0;
  if (digits == 0)
    return invalid_argument("\"", digest, "\" is no digest: it is sha256: and 64 hexadecimal digits");
  if (hex.size() != digits || !all_of(hex, is_hex))
    return invalid_argument("the digest must be ", algorithm, ": and ", digits,
                            " hexadecimal digits in small letters; after the colon there ",
                            hex.size() == 1 ? "is " : "are ", hex.size(),
                            hex.size() == digits ? " characters, not all of them such digits" : "");
  return {};
}

// Where the first part names a registry: what tells "ghcr.io/x" from "library/x".
bool names_domain(std::string_view first) {
  return first.find_first_of(".:[") != std::string_view::npos || first == "localhost" ||
         std::any_of(first.begin(), first.end(), is_upper);
}

}  // namespace

bool is_image_tag(std::string_view text) {
  return text.size() <= kMaxTag &&
         all_of(text, [](char c) { return is_word(c) || c == '_' || c == '.' || c == '-'; }) &&
         text.front() != '.' && text.front() != '-';
}

Result<ImageRef> parse_image_ref(std::string_view text) {
  ImageRef out;
  if (text.empty()) return invalid_argument("it is empty");
  if (text.find("://") != std::string_view::npos)
    return invalid_argument("an image reference has no ", text.substr(0, text.find("://") + 3), " in front");
  std::string_view name = text;
  if (const size_t at = name.find('@'); at != std::string_view::npos) {
    out.digest = name.substr(at + 1);
    HADAL_RETURN_IF_ERROR(check_digest(out.digest));
    name = name.substr(0, at);
  }
  const size_t slash = name.rfind('/');
  const size_t colon = name.find(':', slash == std::string_view::npos ? 0 : slash);
  if (colon != std::string_view::npos) {
    out.tag = name.substr(colon + 1);
    if (!is_image_tag(out.tag))
      return invalid_argument("\"", out.tag,
                              "\" is no tag: letters, digits, _ . -, at most 128, not beginning with . or -");
    name = name.substr(0, colon);
  }
  if (name.size() > kMaxName) return invalid_argument("a name of more than ", kMaxName, " characters");
  const size_t first = name.find('/');
  if (first != std::string_view::npos && names_domain(name.substr(0, first))) {
    out.domain = name.substr(0, first);
    name.remove_prefix(first + 1);
  }
  HADAL_RETURN_IF_ERROR(check_path(name));
  if (!out.domain.empty() && !is_domain(out.domain))
    return invalid_argument("\"", out.domain, "\" is no registry: HOST or HOST:PORT");
  if (out.domain.empty() && name.size() == 64 && all_of(name, is_hex))
    return invalid_argument("64 hexadecimal digits are the id of an image, not its name");
  out.path = name;
  return out;
}

}  // namespace hadal
