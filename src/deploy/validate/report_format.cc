#include "deploy/validate/report_format.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/json.h"
#include "deploy/validate/rule_table.h"

namespace hadal {
namespace {

std::string_view color_of(Severity severity) {
  if (severity == Severity::kError) return "\x1b[31m";
  return severity == Severity::kWarning ? "\x1b[33m" : "\x1b[36m";
}

// A file's place as a URI reference: characters beyond the unreserved ones are escaped.
std::string as_uri(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("/-._~").find(c) != std::string_view::npos;
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned char>(c));
    out += plain ? std::string(1, c) : std::string(escaped);
  }
  return out;
}

Json json_of(const Finding& finding) {
  JsonArray edits;
  for (const TextEdit& edit : finding.edits)
    edits.push_back(Json(JsonObject{{"begin", Json(static_cast<int64_t>(edit.begin))},
                                    {"end", Json(static_cast<int64_t>(edit.end))},
                                    {"text", Json(edit.text)}}));
  return Json(JsonObject{{"rule", Json(finding.rule)},
                         {"severity", Json(severity_name(finding.severity))},
                         {"file", Json(finding.file)},
                         {"line", Json(finding.line)},
                         {"column", Json(finding.column)},
                         {"object", Json(finding.object)},
                         {"path", Json(finding.path)},
                         {"message", Json(finding.message)},
                         {"why", Json(finding.why)},
                         {"fix", Json(finding.fix)},
                         {"safe_fix", Json(finding.safe_fix)},
                         {"edits", Json(std::move(edits))}});
}

Json sarif_text(std::string_view text) {
  return Json(JsonObject{{"text", Json(text)}});
}

std::string_view sarif_level(Severity severity) {
  return severity == Severity::kInfo ? "note" : severity_name(severity);
}

Json sarif_rule(const RuleInfo& rule) {
  return Json(
      JsonObject{{"id", Json(rule.id)},
                 {"shortDescription", sarif_text(rule.what)},
                 {"fullDescription", sarif_text(rule.why)},
                 {"help", sarif_text(rule.fix)},
                 {"defaultConfiguration", Json(JsonObject{{"level", Json(sarif_level(rule.severity))}})}});
}

Json sarif_result(const Finding& finding, const std::map<std::string, int64_t>& places) {
  const std::string text = finding.message + (finding.fix.empty() ? "" : ". Fix: " + finding.fix);
  JsonObject physical{{"artifactLocation", Json(JsonObject{{"uri", Json(as_uri(finding.file))}})}};
  if (finding.line > 0)
    physical.emplace_back("region", Json(JsonObject{{"startLine", Json(finding.line)},
                                                    {"startColumn", Json(std::max(finding.column, 1))}}));
  JsonObject location{{"physicalLocation", Json(std::move(physical))}};
  if (!finding.path.empty())
    location.emplace_back("logicalLocations",
                          Json(JsonArray{Json(JsonObject{{"fullyQualifiedName", Json(finding.path)}})}));
  JsonObject result{{"ruleId", Json(finding.rule)}};
  if (const auto place = places.find(finding.rule); place != places.end())
    result.emplace_back("ruleIndex", Json(place->second));
  result.emplace_back("level", Json(sarif_level(finding.severity)));
  result.emplace_back("message", sarif_text(text));
  result.emplace_back("locations", Json(JsonArray{Json(std::move(location))}));
  return Json(std::move(result));
}

}  // namespace

std::vector<Finding> findings_from(const ValidationReport& report, Severity least) {
  std::vector<Finding> out;
  for (const Finding& finding : report.findings) {
    if (static_cast<int>(finding.severity) <= static_cast<int>(least)) out.push_back(finding);
  }
  return out;
}

std::string report_text(const ValidationReport& report, std::span<const Finding> findings, bool color) {
  std::string out;
  int counts[3] = {};
  int fixable = 0;
  for (const Finding& f : findings) {
    ++counts[static_cast<int>(f.severity)];
    fixable += f.safe_fix ? 1 : 0;
    out += f.file;
    if (f.line > 0) out += ":" + std::to_string(f.line) + ":" + std::to_string(f.column);
    out += ": ";
    if (color) out += color_of(f.severity);
    out += severity_name(f.severity);
    if (color) out += "\x1b[0m";
    out += ": " + f.message + " [" + f.rule + "]\n";
    if (!f.object.empty()) out += "    in:  " + f.object + (f.path.empty() ? "" : ", " + f.path) + "\n";
    if (!f.why.empty()) out += "    why: " + f.why + "\n";
    if (!f.fix.empty()) out += "    fix: " + f.fix + (f.safe_fix ? " (--fix does it)" : "") + "\n";
  }
  const auto plural = [](int n, const std::string& word) {
    return std::to_string(n) + " " + word + (n == 1 ? "" : "s");
  };
  out += plural(report.num_objects, "object") + ": " + plural(counts[0], "error") + ", " +
         plural(counts[1], "warning") + ", " + std::to_string(counts[2]) + " info";
  if (report.num_unknown_kinds > 0)
    out += "; " + plural(report.num_unknown_kinds, "object") + " of unknown kinds";
  if (report.num_unchecked > 0)
    out += "; " + plural(report.num_unchecked, "file") + " not checked (templates)";
  if (fixable > 0) out += "; --fix can put " + std::to_string(fixable) + " right";
  return out + "\n";
}

std::string report_json(const ValidationReport& report, std::span<const Finding> findings) {
  JsonArray rows;
  int64_t counts[3] = {};
  for (const Finding& f : findings) {
    ++counts[static_cast<int>(f.severity)];
    rows.push_back(json_of(f));
  }
  return to_json(Json(JsonObject{{"objects", Json(report.num_objects)},
                                 {"unknown_kinds", Json(report.num_unknown_kinds)},
                                 {"unchecked_files", Json(report.num_unchecked)},
                                 {"errors", Json(counts[0])},
                                 {"warnings", Json(counts[1])},
                                 {"infos", Json(counts[2])},
                                 {"findings", Json(std::move(rows))}}),
                 2) +
         "\n";
}

std::string report_sarif(std::span<const Finding> findings, std::string_view version) {
  std::map<std::string, int64_t> places;
  JsonArray rules;
  for (const Finding& f : findings) {
    const RuleInfo* rule = find_rule(f.rule);
    if (rule == nullptr || !places.emplace(f.rule, static_cast<int64_t>(rules.size())).second) continue;
    rules.push_back(sarif_rule(*rule));
  }
  JsonArray results;
  for (const Finding& f : findings) results.push_back(sarif_result(f, places));
  Json driver(JsonObject{{"name", Json("hadal deploy validate")},
                         {"semanticVersion", Json(version)},
                         {"rules", Json(std::move(rules))}});
  Json run(JsonObject{{"tool", Json(JsonObject{{"driver", std::move(driver)}})},
                      {"columnKind", Json("unicodeCodePoints")},
                      {"results", Json(std::move(results))}});
  return to_json(
             Json(JsonObject{
                 {"$schema",
                  Json("https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json")},
                 {"version", Json("2.1.0")},
                 {"runs", Json(JsonArray{std::move(run)})}}),
             2) +
         "\n";
}

}  // namespace hadal
