#include "hub/range_answer.h"

#include <charconv>
#include <optional>

#include "hub/field_text.h"

namespace hadal {
namespace {

std::optional<int64_t> read_number(std::string_view text) {
  int64_t out = 0;
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  if (read.ec != std::errc()) return std::nullopt;
  return out;
}

// A strong ETag, or else the time of the last change: what If-Range takes (RFC 9110 section 13.1.5).
std::string validator_of(const HttpHeaders& headers) {
  const std::string etag = header_of(headers, "ETag");
  if (etag.size() >= 2 && etag.front() == '"') return etag;
  return header_of(headers, "Last-Modified");
}

RangeAnswer broken(RangeAnswer out, std::string problem) {
  out.kind = RangeAnswer::Kind::kBroken;
  out.problem = std::move(problem);
  return out;
}

RangeAnswer changed(RangeAnswer out, std::string problem) {
  out.kind = RangeAnswer::Kind::kChanged;
  out.problem = std::move(problem);
  return out;
}

RangeAnswer judge_part(const RangeQuestion& question, const HttpHeaders& headers, RangeAnswer out) {
  if (headers.count("Content-Range") > 1) return broken(out, "says twice which bytes it sends");
  const std::string text = header_of(headers, "Content-Range");
  if (!parse_content_range(text, out.range, out.file_size))
    return broken(out, "answers 206 and does not say which bytes it sends");
  if (question.file_size >= 0 && out.file_size >= 0 && out.file_size != question.file_size) {
    return changed(out, "says that the file has " + std::to_string(out.file_size) + " bytes, not " +
                            std::to_string(question.file_size));
  }
  const bool open_end = question.range.end < 0;
  if (out.range.begin != question.range.begin || (!open_end && out.range.end > question.range.end)) {
    return broken(out, "sends other bytes (" + std::to_string(out.range.begin) + " to " +
                           std::to_string(out.range.end) + ") than those asked for");
  }
  const auto length = read_number(header_of(headers, "Content-Length"));
  if (length && *length != out.range.size()) {
    return broken(out, "announces " + std::to_string(*length) + " bytes for a range of " +
                           std::to_string(out.range.size()));
  }
  out.kind = RangeAnswer::Kind::kPart;
  return out;
}

RangeAnswer judge_whole(const RangeQuestion& question, const HttpHeaders& headers, RangeAnswer out) {
  const auto length = read_number(header_of(headers, "Content-Length"));
  if (length) out.file_size = *length;
  if (question.file_size >= 0 && length && *length != question.file_size) {
    return changed(out, "says that the file has " + std::to_string(*length) + " bytes, not " +
                            std::to_string(question.file_size));
  }
  out.kind = RangeAnswer::Kind::kWhole;
  out.range = {0, length ? *length : -1};
  return out;
}

}  // namespace

bool parse_content_range(std::string_view text, ByteRange& range, int64_t& size) {
  if (!text.starts_with("bytes ")) return false;
  text.remove_prefix(6);
  const size_t dash = text.find('-'), slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) return false;
  const auto first = read_number(text.substr(0, dash));
  const auto last = read_number(text.substr(dash + 1, slash - dash - 1));
  const std::string_view total = text.substr(slash + 1);
  const auto whole = read_number(total);
  if (!first || !last || *last < *first || *last == INT64_MAX || (!whole && total != "*")) return false;
  if (whole && *last >= *whole) return false;
  range = {*first, *last + 1};
  size = whole ? *whole : -1;
  return true;
}

RangeAnswer judge_answer(const RangeQuestion& question, int status, const HttpHeaders& headers) {
  using Kind = RangeAnswer::Kind;
  RangeAnswer out;
  out.problem = "answers " + std::to_string(status) + " " + std::string(http_reason(status));
  out.retry_after = header_of(headers, "Retry-After");
  if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) {
    out.location = header_of(headers, "Location");
    out.kind = out.location.empty() ? Kind::kBroken : Kind::kRedirect;
    return out;
  }
  out.kind = Kind::kFatal;
  if (status == 401 || status == 403) out.kind = Kind::kRefused;
  if (status == 404 || status == 410) out.kind = Kind::kMissing;
  if (status == 412) out.kind = Kind::kChanged;
  if (status == 408 || status == 425 || status >= 500 || status == 416) out.kind = Kind::kBroken;
  if (status == 429 || (status == 503 && !out.retry_after.empty())) out.kind = Kind::kThrottled;
  if (status != 200 && status != 206) return out;
  const std::string coding = header_of(headers, "Content-Encoding");
  if (!coding.empty() && !equals_ignoring_case(coding, "identity"))
    return broken(out, "sends the file encoded as " + coding.substr(0, 40) + ", which was not asked for");
  out.validator = validator_of(headers);
  if (!question.validator.empty() && !out.validator.empty() && out.validator != question.validator)
    return changed(out, "sends another version of the file than the one that was begun");
  return status == 206 ? judge_part(question, headers, out) : judge_whole(question, headers, out);
}

}  // namespace hadal
