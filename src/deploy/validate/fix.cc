#include "deploy/validate/fix.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>

#include "deploy/validate/edits.h"

namespace hadal {
namespace {

constexpr int kMaxPasses = 8;
// Fixes that are tried alone in a pass, when all together went wrong: each reads all files again.
constexpr size_t kMaxTrials = 200;
constexpr size_t kMaxTrialBytes = size_t{32} << 20;

using Files = std::vector<ManifestFile>;

const ManifestFile* file_of(const Files& files, std::string_view path) {
  const auto found = std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.path == path; });
  return found == files.end() ? nullptr : &*found;
}

int line_of(std::string_view text, size_t offset) {
  return 1 + static_cast<int>(std::count(
                 text.begin(), text.begin() + static_cast<int64_t>(std::min(offset, text.size())), '\n'));
}

// Lines of other places, sizes and counts in a message change with the text.
std::string finding_key(const Finding& f) {
  std::string out = f.file + "|" + f.rule + "|" + f.object + "|" + f.path + "|";
  for (const char c : f.message) {
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) out += c;
  }
  return out;
}

// The edits of some fixes of one file, and where lines and places are afterwards.
class Change {
 public:
  Change(const std::string& text, std::vector<TextEdit> edits) : before_(text), edits_(std::move(edits)) {
    after_ = apply_edits(before_, edits_, &num_applied_);
    std::stable_sort(edits_.begin(), edits_.end(),
                     [](const TextEdit& a, const TextEdit& b) { return a.begin < b.begin; });
  }
  const std::string& after() const { return after_; }
  int num_applied() const { return num_applied_; }

  // The lines of the text afterwards that one fix's edits touch.
  std::set<int> touched(const std::vector<TextEdit>& edits) const {
    std::set<int> out;
    for (const TextEdit& edit : edits) {
      const size_t begin = moved(edit.begin);
      const int first = line_of(after_, begin);
      const int last = line_of(after_, begin + edit.text.size());
      // A line that is gone touches the one that took its place no more than others.
      if (edit.text.empty() && before_.substr(edit.begin, edit.end - edit.begin).ends_with("\n")) continue;
      for (int line = first; line <= last; ++line) out.insert(line);
    }
    return out;
  }

  // Where a line of the text before is afterwards.
  int moved_line(int line) const {
    size_t offset = 0;
    for (int i = 1; i < line && offset < before_.size(); ++i) offset = before_.find('\n', offset) + 1;
    return line_of(after_, moved(offset));
  }

 private:
  size_t moved(size_t offset) const {
    size_t out = offset, place = 0;
    for (const TextEdit& edit : edits_) {
      if (edit.begin >= offset) break;
      if (edit.begin < place) continue;  // it was left out
      place = edit.end;
      out += edit.text.size();
      out -= std::min(edit.end - edit.begin, out);
    }
    return out;
  }

  const std::string& before_;
  std::vector<TextEdit> edits_;
  std::string after_;
  int num_applied_ = 0;
};

// Applies the fixes of a report to copies of the files, and tells which of them must not be.
class Trial {
 public:
  Trial(const Files& files, const ValidationReport& report, const ValidateOptions& options)
      : files_(files), options_(options) {
    for (const Finding& f : report.findings) ++before_[finding_key(f)];
  }

  // chosen: of the report, each with edits.
  void run(const std::vector<const Finding*>& chosen) {
    result = files_;
    std::map<std::string, Change> changes;
    num_applied = 0;
    for (ManifestFile& file : result) {
      std::vector<TextEdit> edits;
      for (const Finding* f : chosen) {
        if (f->file == file.path) edits.insert(edits.end(), f->edits.begin(), f->edits.end());
      }
      if (edits.empty()) continue;
      const auto place = changes.try_emplace(file.path, file_of(files_, file.path)->text, std::move(edits));
      file.text = place.first->second.after();
      num_applied += place.first->second.num_applied();
    }
    const ValidationReport report = validate_manifests(result, options_);
    judge(chosen, changes, report);
  }

  Files result;
  int num_applied = 0;
  std::map<const Finding*, std::string> bad;  // and why
  bool has_other_errors = false;              // that no fix was found for

 private:
  void judge(const std::vector<const Finding*>& chosen, const std::map<std::string, Change>& changes,
             const ValidationReport& report) {
    bad.clear();
    has_other_errors = false;
    std::map<std::string, int> left = before_;
    std::vector<const Finding*> fresh;
    for (const Finding& f : report.findings) {
      if (f.severity != Severity::kInfo && --left[finding_key(f)] < 0) fresh.push_back(&f);
    }
    std::set<const Finding*> explained;
    for (const Finding* fix : chosen) {
      const Change& change = changes.at(fix->file);
      const std::set<int> lines = change.touched(fix->edits);
      const int line = change.moved_line(fix->line);
      const bool of_yaml = fix->rule.starts_with("yaml/");
      for (const Finding& f : report.findings) {
        if (f.file != fix->file || f.rule != fix->rule || f.path != fix->path || f.object != fix->object)
          continue;
        // Another finding of the rule may stand in the line.
        if (f.line == line && f.message == fix->message) bad.try_emplace(fix, "it would leave: " + f.message);
      }
      for (const Finding* f : fresh) {
        if (f->file != fix->file) continue;
        // A key that has its name now may uncover what is wrong below it.
        const bool below = fix->rule == "schema/unknown-field" && f->path.size() > fix->path.size();
        if (!of_yaml && (lines.count(f->line) == 0 || below)) continue;
        // Less bad than what it was, and the next pass puts it right.
        if (f->safe_fix && static_cast<int>(f->severity) > static_cast<int>(fix->severity)) continue;
        bad.try_emplace(fix, "it would cause: " + f->message);
        explained.insert(f);
      }
    }
    for (const Finding* f : fresh) {
      // A definition's rules are asked of sound objects alone: they were there before.
      const bool broken =
          f->rule.starts_with("yaml/") || (f->rule.starts_with("schema/") && f->rule != "schema/cel");
      const bool uncovered = std::any_of(chosen.begin(), chosen.end(), [&](const Finding* fix) {
        return fix->rule == "schema/unknown-field" || fix->rule == "object/removed-api";
      });
      if (broken && !uncovered && explained.count(f) == 0) has_other_errors = true;
    }
  }

  const Files& files_;
  const ValidateOptions& options_;
  std::map<std::string, int> before_;
};

// One pass: what all fixes that hold make of the files; nothing where none does.
std::optional<Files> fix_once(const Files& files, const ValidateOptions& options,
                              const std::vector<std::string>& keep, FixResult& out) {
  const ValidationReport report = validate_manifests(files, options);
  std::vector<const Finding*> chosen;
  for (const Finding& f : report.findings) {
    if (f.safe_fix && !f.edits.empty() && file_of(files, f.file) != nullptr &&
        std::find(keep.begin(), keep.end(), f.file) == keep.end())
      chosen.push_back(&f);
  }
  out.refused.clear();
  Trial trial(files, report, options);
  const auto drop_bad = [&] {
    for (const auto& [fix, reason] : trial.bad) {
      out.refused.push_back({*fix, reason});
      std::erase(chosen, fix);
    }
  };
  for (int round = 0; round < 3 && !chosen.empty(); ++round) {
    trial.run(chosen);
    if (trial.bad.empty()) break;
    drop_bad();
  }
  if (!chosen.empty() && (!trial.bad.empty() || trial.has_other_errors)) {
    std::vector<const Finding*> good;
    size_t num_bytes = 1;
    for (const ManifestFile& file : files) num_bytes += file.text.size();
    const size_t most = std::clamp<size_t>(kMaxTrialBytes / num_bytes, 4, kMaxTrials);
    size_t num_tried = 0;
    for (const Finding* fix : chosen) {
      if (++num_tried > most) break;
      std::vector<const Finding*> more = good;
      more.push_back(fix);
      trial.run(more);
      if (trial.bad.empty() && !trial.has_other_errors) {
        good = std::move(more);
      } else {
        out.refused.push_back(
            {*fix, trial.bad.empty() ? "it would cause other errors" : trial.bad.begin()->second});
      }
    }
    chosen = std::move(good);
    if (!chosen.empty()) trial.run(chosen);
  }
  if (chosen.empty() || trial.num_applied == 0) return std::nullopt;
  out.num_fixed += static_cast<int>(chosen.size());
  return std::move(trial.result);
}

}  // namespace

FixResult apply_safe_fixes(std::vector<ManifestFile>& files, const ValidateOptions& options,
                           const std::vector<std::string>& keep) {
  FixResult out;
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    std::optional<Files> changed = fix_once(files, options, keep, out);
    if (!changed) break;
    bool any = false;
    for (size_t i = 0; i < files.size(); ++i) {
      if (files[i].text == (*changed)[i].text) continue;
      any = true;
      files[i].text = std::move((*changed)[i].text);
      if (std::find(out.changed.begin(), out.changed.end(), files[i].path) == out.changed.end())
        out.changed.push_back(files[i].path);
    }
    if (!any) break;
  }
  return out;
}

}  // namespace hadal
