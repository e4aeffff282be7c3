#include "plan/gpus_expression.h"

#include <charconv>
#include <string>

namespace hadal {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string gpu_names() {
  std::string names;
  for (const GpuSpec& gpu : gpu_table()) {
    if (!names.empty()) names += ", ";
    names += gpu.name;
  }
  return names;
}

std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 40)) out += c >= ' ' && c < 127 ? c : '?';
  return out;
}

}  // namespace

Result<GpuCount> parse_gpus(std::string_view text) {
  const std::string_view whole = trim(text);
  GpuCount out;
  std::string_view name = whole;
  size_t digits = 0;
  while (digits < whole.size() && whole[digits] >= '0' && whole[digits] <= '9') ++digits;
  if (digits > 0) {
    const std::string_view rest = trim(whole.substr(digits));
    if (!rest.empty() && (rest.front() == 'x' || rest.front() == 'X' || rest.front() == '*')) {
      const auto [end, error] = std::from_chars(whole.data(), whole.data() + digits, out.count);
      if (error != std::errc() || out.count < 1 || out.count > kMaxGpus)
        return invalid_argument("\"", shown(whole), "\": the number of GPUs must be from 1 to ", kMaxGpus);
      name = trim(rest.substr(1));
    }
  }
  out.gpu = find_gpu(name);
  if (out.gpu == nullptr) {
    return invalid_argument("\"", shown(whole),
                            "\" names no GPU that hadal knows: write 16xH200, with one of ", gpu_names());
  }
  return out;
}

}  // namespace hadal
