#include "hub/file_filter.h"

#include <algorithm>
#include <map>
#include <set>

#include "hub/field_text.h"

namespace hadal {
namespace {

constexpr size_t kMaxPath = 1024;
constexpr size_t kMaxName = 255;

constexpr std::string_view kPickleEndings[] = {".bin",  ".pt",     ".pth",     ".pkl", ".pickle",
                                               ".ckpt", ".joblib", ".dill",    ".mar", ".pt2",
                                               ".ptl",  ".nemo",   ".pdparams"};
// Weights for other programs, beside those that hadal reads.
constexpr std::string_view kOtherFormats[] = {"original/", "metal/",      "onnx/",   "openvino/", "coreml/",
                                              "*.onnx",    "*.onnx_data", "*.h5",    "*.msgpack", "*.tflite",
                                              "*.ot",      "*.mlmodel",   "*.keras", "*.engine"};
constexpr std::string_view kPictures[] = {"*.png",  "*.jpg", "*.jpeg", "*.gif", "*.svg",
                                          "*.webp", "*.mp4", "*.pdf",  ".git*"};

// One [..] at pattern[at]; moves `at` behind it. Nothing closes it: a plain bracket.
bool class_matches(std::string_view pattern, size_t& at, char c) {
  const bool inverted = at + 1 < pattern.size() && (pattern[at + 1] == '!' || pattern[at + 1] == '^');
  const size_t first = at + (inverted ? 2 : 1);
  const size_t close = pattern.find(']', first + 1);
  if (close == std::string_view::npos) {
    ++at;
    return c == '[';
  }
  bool found = false;
  for (size_t i = first; i < close; ++i) {
    if (i + 2 < close && pattern[i + 1] == '-') {
      found = found || (pattern[i] <= c && c <= pattern[i + 2]);
      i += 2;
    } else {
      found = found || pattern[i] == c;
    }
  }
  at = close + 1;
  return found != inverted;
}

// One character of the pattern that is no star; moves `at` behind it.
bool one_matches(std::string_view pattern, size_t& at, char c) {
  if (pattern[at] == '?') return ++at, true;
  if (pattern[at] == '[') return class_matches(pattern, at, c);
  if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
  return pattern[at++] == c;
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view path) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return path_matches(p, path); });
}
template <size_t N>
bool any_matches(const std::string_view (&patterns)[N], std::string_view path) {
  return std::any_of(std::begin(patterns), std::end(patterns),
                     [&](std::string_view p) { return path_matches(p, path); });
}

const char* why_skipped(const RemoteFile& file, const FileFilter& filter, bool has_safetensors,
                        bool has_index) {
  if (any_matches(filter.exclude, file.path)) return "excluded";
  const bool included = any_matches(filter.include, file.path);
  if (!filter.include.empty() && !included) return "not included";
  if (is_pickle(file.path) && !filter.allow_pickle) return "a pickle";
  if (included || filter.all_files) return nullptr;
  const std::string lower = lower_case(file.path);
  if (any_matches(kPictures, lower)) return "not needed";
  if (any_matches(kOtherFormats, lower)) return "another format";
  if (has_safetensors && lower.ends_with(".gguf")) return "another format";
  if (has_index && path_matches("consolidated*.safetensors", lower)) return "another format";
  return nullptr;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
  if (pattern.ends_with('/')) {
    const std::string below = std::string(pattern) + "*";
    return glob_matches(below, text);
  }
  size_t p = 0, t = 0;
  size_t star = std::string_view::npos, star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
      continue;
    }
    if (p < pattern.size()) {
      size_t next = p;
      if (one_matches(pattern, next, text[t])) {
        p = next;
        ++t;
        continue;
      }
    }
    if (star == std::string_view::npos) return false;
    // The last star takes one more; earlier ones need not.
    p = star + 1;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool path_matches(std::string_view pattern, std::string_view path) {
  if (glob_matches(pattern, path)) return true;
  if (pattern.find('/') != std::string_view::npos) return false;
  return glob_matches(pattern, path.substr(path.rfind('/') + 1));
}

bool is_pickle(std::string_view path) {
  const std::string lower = lower_case(path);
  return std::any_of(std::begin(kPickleEndings), std::end(kPickleEndings),
                     [&](std::string_view ending) { return lower.ends_with(ending); });
}

bool is_weight_file(std::string_view path) {
  const std::string lower = lower_case(path);
  return lower.ends_with(".safetensors") || lower.ends_with(".gguf");
}

Status check_file_path(std::string_view path) {
  const auto bad = [&](const char* why) {
    std::string shown;
    for (char c : path.substr(0, 200)) shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    return invalid_argument("the server names a file \"", shown, "\", which ", why,
                            ": nothing is written for it");
  };
  if (path.empty()) return bad("is empty");
  if (path.size() > kMaxPath) return bad("is too long");
  if (path.front() == '/') return bad("is an absolute path");
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return bad("leads out of the directory");
    if (part.size() > kMaxName) return bad("has too long a part");
    if (begin == 0 && part.starts_with(".hadal-")) return bad("is one of hadal's own");
    begin = end + 1;
  }
  for (char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') {
      return bad("holds characters that file names should not");
    }
  }
  return {};
}

Status check_file_paths(const std::vector<RemoteFile>& files) {
  std::set<std::string_view> names;
  for (const RemoteFile& file : files) {
    HADAL_RETURN_IF_ERROR(check_file_path(file.path));
    if (!names.insert(file.path).second) {
      return invalid_argument("the server names the file \"", file.path, "\" twice");
    }
  }
  for (const RemoteFile& file : files) {
    const std::string_view path = file.path;
    for (size_t at = path.find('/'); at != std::string_view::npos; at = path.find('/', at + 1)) {
      if (names.contains(path.substr(0, at))) {
        return invalid_argument("the server names \"", path.substr(0, at), "\" as a file and as a folder");
      }
    }
  }
  return {};
}

Result<FileChoice> choose_files(std::vector<RemoteFile> files, const FileFilter& filter) {
  const auto ends = [](std::string_view ending) {
    return [ending](const RemoteFile& file) { return lower_case(file.path).ends_with(ending); };
  };
  const bool has_safetensors = std::any_of(files.begin(), files.end(), ends(".safetensors"));
  const bool has_index = std::any_of(files.begin(), files.end(), [](const RemoteFile& file) {
    return file.path == "model.safetensors.index.json" || file.path == "model.safetensors";
  });
  FileChoice out;
  size_t pickles = 0;
  std::string a_pickle;
  for (RemoteFile& file : files) {
    const char* why = why_skipped(file, filter, has_safetensors, has_index);
    if (why == nullptr) {
      out.files.push_back(std::move(file));
      continue;
    }
    if (std::string_view(why) == "a pickle") {
      ++pickles;
      a_pickle = file.path;
    }
    out.skipped.push_back({std::move(file.path), file.size, why});
  }
  const bool weights = std::any_of(out.files.begin(), out.files.end(),
                                   [](const RemoteFile& file) { return is_weight_file(file.path); });
  if (pickles > 0 && (out.files.empty() || (!weights && filter.include.empty()))) {
    return invalid_argument(
        "the weights are there as pickles alone (", pickles, " files, as ", a_pickle,
        "), which run code when they are loaded and which hadal does not load: choose a "
        "repository with .safetensors or .gguf files; --allow-pickle fetches them anyway");
  }
  if (out.files.empty()) {
    return invalid_argument("no file is left to fetch: ", out.skipped.size(),
                            " are there, and --include, --exclude or the defaults skip all of them");
  }
  return out;
}

std::vector<std::string> skipped_lines(const FileChoice& choice) {
  std::map<std::string, std::pair<int, std::string>> reasons;
  for (const SkippedFile& file : choice.skipped) {
    auto& [count, names] = reasons[file.why];
    if (++count <= 3) names += (names.empty() ? "" : ", ") + file.path;
  }
  std::vector<std::string> out;
  for (const auto& [why, found] : reasons) {
    out.push_back("skipped, " + why + ": " + found.second +
                  (found.first > 3 ? " and " + std::to_string(found.first - 3) + " more" : ""));
  }
  return out;
}

}  // namespace hadal
