// Every error that guides carry is found at its line, and the safe fixes work: testdata/seed_errors/*.yaml.
// "# expect: RULE..." at the end of a line names what must be found there, "# expect+3: RULE" three lines
// below; "# lws: VERSION" sets the controller's. An error that no line expects fails the test too.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
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

std::set<Place> expected_of(const std::string& text) {
  std::set<Place> out;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const size_t mark = line.find("# expect");
    if (mark == std::string::npos) continue;
    const size_t colon = line.find(':', mark);
    const std::string below = line.substr(mark + 8, colon - mark - 8);
    std::istringstream rules(line.substr(colon + 1));
    for (std::string rule; rules >> rule;) out.emplace(number + (below.empty() ? 0 : std::stoi(below)), rule);
  }
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
  std::set<Place> found;
  for (const Finding& finding : report.findings) {
    found.emplace(finding.line, finding.rule);
    EXPECT_FALSE(finding.why.empty()) << finding.rule;
    EXPECT_FALSE(finding.fix.empty()) << finding.rule;
  }
  const std::set<Place> expected = expected_of(text);
  for (const Place& place : expected)
    EXPECT_TRUE(found.count(place)) << GetParam() << ":" << place.first << ": " << place.second
                                    << " is not found";
  for (const Finding& finding : report.findings) {
    if (finding.severity == Severity::kError) {
      EXPECT_TRUE(expected.count({finding.line, finding.rule}))
          << GetParam() << ":" << finding.line << ": " << finding.rule << ": " << finding.message;
    }
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
  const std::string fixed = files[0].text;
  EXPECT_EQ(apply_safe_fixes(files, options).num_fixed, 0);
  EXPECT_EQ(files[0].text, fixed);
  EXPECT_EQ(first.num_fixed == 0, fixed == text);
  // Comments stay.
  EXPECT_EQ(std::count(fixed.begin(), fixed.end(), '#') > 0, std::count(text.begin(), text.end(), '#') > 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Corpus, testing::ValuesIn(corpus()), [](const auto& param) {
  std::string name = fs::path(param.param).stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

}  // namespace
}  // namespace hadal
