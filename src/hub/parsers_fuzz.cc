// Everything in hub/ that reads what servers send, by the first byte. Parsed or refused: no crash, no hang.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "hub/file_filter.h"
#include "hub/hub_json.h"
#include "hub/model_marker.h"
#include "hub/model_ref.h"
#include "hub/peer_list.h"
#include "hub/range_answer.h"
#include "hub/web_address.h"
#include "hub/xml_reader.h"

namespace {

void fuzz_addresses(std::string_view text) {
  const size_t split = text.size() / 2;
  hadal::parse_retry_after(text, 1'700'000'000);
  hadal::next_link(text);
  hadal::shown_url(text);
  const auto target = hadal::redirect_target("https://host/path", std::string(text));
  HADAL_CHECK(!target.ok() || target->starts_with("https://"));
  hadal::glob_matches(text.substr(0, split), text.substr(split));
  hadal::ByteRange range;
  int64_t size = 0;
  if (hadal::parse_content_range(text, range, size))
    HADAL_CHECK(range.begin >= 0 && range.begin < range.end && (size < 0 || range.end <= size));
}

// A status, and fields of one line each.
void fuzz_answer(std::string_view text) {
  const int status = text.empty() ? 0 : 200 + static_cast<unsigned char>(text[0]);
  text.remove_prefix(std::min<size_t>(1, text.size()));
  hadal::HttpHeaders headers;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const size_t colon = std::min(line.find(':'), line.size());
    headers.add(line.substr(0, colon), line.substr(std::min(colon + 1, line.size())));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  hadal::RangeQuestion question;
  question.range = {100, 200};
  question.file_size = 1000;
  question.validator = "\"v\"";
  const hadal::RangeAnswer answer = hadal::judge_answer(question, status, headers);
  if (answer.kind == hadal::RangeAnswer::Kind::kPart)
    HADAL_CHECK(answer.range.begin == 100 && answer.range.end > 100 && answer.range.end <= 200);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<hadal::RemoteFile> files;
  switch (data[0] % 8) {
    case 0:
      (void)hadal::parse_xml(text);
      break;
    case 1:
      (void)hadal::parse_hf_tree(text, files);
      (void)hadal::check_file_paths(files);
      break;
    case 2:
      (void)hadal::parse_modelscope_files(text, files);
      (void)hadal::parse_hf_commit(text);
      (void)hadal::hub_error_text(text);
      break;
    case 3: {
      const auto marker = hadal::parse_marker(text);
      if (marker.ok()) HADAL_CHECK(hadal::parse_marker(hadal::marker_text(*marker)).ok());
      break;
    }
    case 4: {
      const auto manifest = hadal::parse_peer_manifest(text);
      if (manifest.ok()) HADAL_CHECK(hadal::parse_peer_manifest(hadal::peer_manifest_text(*manifest)).ok());
      break;
    }
    case 5:
      fuzz_answer(text);
      break;
    case 6:
      (void)hadal::parse_model_ref({std::string(text)});
      break;
    default:
      fuzz_addresses(text);
  }
  return 0;
}
