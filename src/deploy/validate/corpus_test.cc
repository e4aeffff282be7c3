// Every error that guides carry is found at its line, the safe fixes work, and the corrected manifest is
// clean: testdata/seed_errors/*.yaml. Marks at the end of a line, or with "+3" for the line three below:
//   # expect: RULE...   found there; "RULE!" has a fix that --fix applies and that ends it
//   # fixed: TEXT       what stands there when it is put right ("": nothing; "\n": further lines)
//   # lws: VERSION      the controller's
// An error that no line expects fails the test too.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>

#include "base/file.h"
#include "deploy/validate.h"
#include "deploy/validate/fix.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using Place = std::pair<int, std::string>;  // line, rule

std::vector<std::string> corpus() {
  std::vector<std::string> out;
  for (const auto& entry :
       fs::directory_iterator(HADAL_SOURCE_DIR "/src/deploy/validate/testdata/seed_errors"))
    out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) out.push_back(line);
  return out;
}

// Calls with the line (from 0) and the text of each mark "# NAME: TEXT" or "# NAME+N: TEXT".
template <class Visit>
void for_each_mark(const std::vector<std::string>& lines, const std::string& name, Visit visit) {
  const std::string begin = "# " + name;
  for (size_t i = 0; i < lines.size(); ++i) {
    for (size_t at = lines[i].find(begin); at != std::string::npos; at = lines[i].find(begin, at + 1)) {
      const size_t colon = lines[i].find(':', at);
      const std::string below = lines[i].substr(at + begin.size(), colon - at - begin.size());
      const size_t end = std::min(lines[i].find(" # ", colon), lines[i].size());
      const size_t text = std::min(colon + 2, end);
      visit(i + (below.empty() ? 0 : std::stoul(below)), lines[i].substr(text, end - text));
    }
  }
}

struct Expected {
  std::set<Place> found;
  std::set<Place> fixed;  // of them, by --fix
};

Expected expected_of(const std::string& text) {
  Expected out;
  for_each_mark(lines_of(text), "expect", [&](size_t line, const std::string& list) {
    std::istringstream rules(list);
    for (std::string rule; rules >> rule;) {
      const bool by_machine = rule.back() == '!';
      if (by_machine) rule.pop_back();
      out.found.emplace(static_cast<int>(line) + 1, rule);
      if (by_machine) out.fixed.emplace(static_cast<int>(line) + 1, rule);
    }
  });
  return out;
}

// The manifest as it should have been.
std::string corrected(const std::string& text) {
  std::vector<std::string> lines = lines_of(text);
  std::vector<std::optional<std::string>> instead(lines.size());
  for_each_mark(lines, "fixed", [&](size_t line, const std::string& mark) { instead.at(line) = mark; });
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!instead[i]) {
      out += lines[i] + "\n";
      continue;
    }
    const std::string indent(std::min(lines[i].find_first_not_of(" \t"), lines[i].size()), ' ');
    std::string rest = *instead[i];
    while (!rest.empty()) {
      const size_t end = std::min(rest.find("\\n"), rest.size());
      out += indent + rest.substr(0, end) + "\n";
      rest.erase(0, end + 2);
    }
  }
  return out;
}

std::set<Place> places_of(const ValidationReport& report) {
  std::set<Place> out;
  for (const Finding& finding : report.findings) out.emplace(finding.line, finding.rule);
  return out;
}

ValidateOptions options_of(const std::string& text) {
  ValidateOptions out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# lws: ")) out.lws_version = line.substr(7);
  }
  return out;
}

class Corpus : public testing::TestWithParam<std::string> {};

TEST_P(Corpus, EveryErrorIsFoundAtItsLine) {
  const std::string text = *read_file(GetParam());
  const ManifestFile file{GetParam(), text};
  const ValidationReport report = validate_manifests({&file, 1}, options_of(text));
  const std::set<Place> found = places_of(report);
  const Expected expected = expected_of(text);
  for (const Place& place : expected.found)
    EXPECT_TRUE(found.count(place)) << GetParam() << ":" << place.first << ": " << place.second
                                    << " is not found";
  for (const Finding& finding : report.findings) {
    EXPECT_FALSE(finding.why.empty()) << finding.rule;
    EXPECT_FALSE(finding.fix.empty()) << finding.rule;
    const Place place{finding.line, finding.rule};
    if (finding.severity == Severity::kError) {
      EXPECT_TRUE(expected.found.count(place))
          << GetParam() << ":" << finding.line << ": " << finding.rule << ": " << finding.message;
    }
    if (expected.found.count(place)) {
      EXPECT_EQ(finding.safe_fix, expected.fixed.count(place) == 1)
          << GetParam() << ":" << finding.line << ": " << finding.rule;
    }
  }
}

// What is put right as the marks say is clean: no error, no warning, nothing of what was expected.
TEST_P(Corpus, TheCorrectedManifestIsClean) {
  const std::string text = *read_file(GetParam());
  const ManifestFile file{GetParam(), corrected(text)};
  std::set<std::string> rules;
  for (const Place& place : expected_of(text).found) rules.insert(place.second);
  const ValidationReport report = validate_manifests({&file, 1}, options_of(text));
  for (const Finding& finding : report.findings) {
    EXPECT_TRUE(finding.severity == Severity::kInfo && rules.count(finding.rule) == 0)
        << finding.line << ": " << finding.rule << ": " << finding.message << "\n"
        << lines_of(file.text).at(static_cast<size_t>(finding.line) - 1);
  }
}

TEST_P(Corpus, SafeFixesWorkAndAreIdempotent) {
  const std::string text = *read_file(GetParam());
  std::vector<ManifestFile> files{{GetParam(), text}};
  const ValidateOptions options = options_of(text);
  const FixResult first = apply_safe_fixes(files, options);
  const ValidationReport after = validate_manifests(files, options);
  for (const Finding& finding : after.findings)
    EXPECT_FALSE(finding.safe_fix) << finding.rule << ": " << finding.message << "\n" << files[0].text;
  // A document is rewritten line by line, so what was fixed is gone from the whole file or its line.
  const Expected expected = expected_of(text);
  for (const Place& place : expected.fixed) {
    const auto same = [&](const Place& p) { return p.second == place.second; };
    const auto before = std::count_if(expected.fixed.begin(), expected.fixed.end(), same);
    const auto marked = std::count_if(expected.found.begin(), expected.found.end(), same);
    const std::set<Place> left = places_of(after);
    EXPECT_LE(std::count_if(left.begin(), left.end(), same), marked - before)
        << place.first << ": " << place.second;
  }
  const std::string fixed = files[0].text;
  EXPECT_EQ(apply_safe_fixes(files, options).num_fixed, 0);
  EXPECT_EQ(files[0].text, fixed);
  EXPECT_EQ(first.num_fixed == 0, fixed == text);
  // Comments stay.
  EXPECT_EQ(std::count(fixed.begin(), fixed.end(), '#') > 0, std::count(text.begin(), text.end(), '#') > 0);
}

// Each folder of testdata/good is validated as one: no error, and no warning but those that a line expects.
TEST(Good, SoundManifestsHaveNoErrorsAndNoWarnings) {
  int num_folders = 0;
  for (const auto& folder : fs::directory_iterator(HADAL_SOURCE_DIR "/src/deploy/validate/testdata/good")) {
    std::vector<ManifestFile> files;
    for (const auto& entry : fs::directory_iterator(folder))
      files.push_back({entry.path().string(), *read_file(entry.path().string())});
    ++num_folders;
    const ValidationReport report = validate_manifests(files, {});
    for (const Finding& finding : report.findings) {
      const auto file =
          std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.path == finding.file; });
      ASSERT_NE(file, files.end());
      const bool expected = expected_of(file->text).found.count({finding.line, finding.rule}) > 0;
      EXPECT_TRUE(finding.severity == Severity::kInfo || (finding.severity == Severity::kWarning && expected))
          << finding.file << ":" << finding.line << ": " << finding.rule << ": " << finding.message;
    }
  }
  EXPECT_GE(num_folders, 6);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Corpus, testing::ValuesIn(corpus()), [](const auto& param) {
  std::string name = fs::path(param.param).stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

}  // namespace
}  // namespace hadal
