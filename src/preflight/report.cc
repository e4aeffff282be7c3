#include "preflight/report.h"

#include <algorithm>

#include "base/join_text.h"
#include "preflight/words.h"

#ifndef HADAL_VERSION
#define HADAL_VERSION "unknown"
#endif

namespace hadal {
namespace {

constexpr size_t kNameWidth = 16;
constexpr size_t kMaxReason = 4000;  // Kubernetes keeps 4,096 bytes

std::string_view verdict_word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "ok";
    case Verdict::kInfo:
      return "info";
    case Verdict::kNotChecked:
      return "not checked";
    case Verdict::kWarn:
      return "warning";
    case Verdict::kFail:
      return "FAILED";
  }
  return "";
}

std::string_view color_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "\x1b[32m";
    case Verdict::kWarn:
      return "\x1b[33m";
    case Verdict::kFail:
      return "\x1b[31m";
    default:
      return "\x1b[2m";
  }
}

std::string_view json_word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kInfo:
      return "info";
    case Verdict::kNotChecked:
      return "not_checked";
    case Verdict::kWarn:
      return "warning";
    case Verdict::kFail:
      return "fail";
  }
  return "";
}

bool needs_fix(const ReportLine& line) {
  return line.failed || line.result.verdict == Verdict::kWarn || line.result.verdict == Verdict::kFail;
}

std::string fix_of(const ReportLine& line) {
  return line.result.fix.empty() ? std::string(line.spec->fix) : line.result.fix;
}

// A line stays a line, whatever was read from the system or came from another host.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

Json line_json(const ReportLine& line) {
  JsonObject out{{"name", Json(line.spec->name)},
                 {"group", Json(line.spec->group)},
                 {"verdict", Json(json_word(line.result.verdict))},
                 {"text", Json(line.result.text)}};
  if (needs_fix(line)) out.emplace_back("fix", Json(fix_of(line)));
  if (line.required) out.emplace_back("required", Json(true));
  out.emplace_back("failed", Json(line.failed));
  if (!line.result.facts.empty()) out.emplace_back("facts", Json(line.result.facts));
  return Json(std::move(out));
}

}  // namespace

size_t Report::failed() const {
  return static_cast<size_t>(
      std::count_if(lines.begin(), lines.end(), [](const ReportLine& line) { return line.failed; }));
}

bool is_failure(const CheckResult& result, bool required, bool strict) {
  switch (result.verdict) {
    case Verdict::kFail:
      return true;
    case Verdict::kWarn:
      return strict || required;
    case Verdict::kNotChecked:
      return required;
    default:
      return false;
  }
}

std::string line_text(const ReportLine& line, bool color) {
  std::string word(verdict_word(line.result.verdict));
  if (line.failed && line.result.verdict != Verdict::kFail) word = "FAILED: " + word;
  std::string out = word;
  out.resize(std::max<size_t>(out.size(), 11), ' ');
  if (color)
    out = std::string(color_of(line.failed ? Verdict::kFail : line.result.verdict)) + out + "\x1b[0m";
  std::string name(line.spec->name);
  name.resize(std::max(name.size(), kNameWidth), ' ');
  out += "  " + name + " " + one_line(line.result.text);
  if (line.failed && line.required && line.result.verdict != Verdict::kFail) out += " (required)";
  if (needs_fix(line)) out += ". Fix: " + one_line(fix_of(line));
  return out;
}

std::string summary_text(const Report& report) {
  size_t counts[5] = {};
  for (const ReportLine& line : report.lines) ++counts[static_cast<size_t>(line.result.verdict)];
  const auto count = [&](Verdict verdict) { return counts[static_cast<size_t>(verdict)]; };
  std::string out = report.failed() == 0 ? "preflight passed: " : "preflight FAILED: ";
  out += std::to_string(count(Verdict::kPass)) + " ok, " + std::to_string(count(Verdict::kFail)) +
         " failed, " + count_text(count(Verdict::kWarn), "warning") + ", " +
         std::to_string(count(Verdict::kNotChecked)) + " not checked, " +
         std::to_string(count(Verdict::kInfo)) + " for information, in " + time_text(report.seconds);
  return out;
}

std::string report_json(const Report& report) {
  JsonArray checks;
  for (const ReportLine& line : report.lines) checks.push_back(line_json(line));
  JsonObject env;
  for (const auto& [name, value] : report.env.variables) env.emplace_back(name, Json(value));
  JsonArray notes;
  for (const std::string& note : report.env.notes) notes.push_back(Json(note));
  JsonObject out{{"version", Json(HADAL_VERSION)},
                 {"rank", Json(report.rank)},
                 {"nnodes", Json(report.nnodes)},
                 {"passed", Json(report.failed() == 0)},
                 {"seconds", Json(report.seconds)},
                 {"reason", Json(failure_reason(report))},
                 {"checks", Json(std::move(checks))},
                 {"environment", Json(std::move(env))},
                 {"environment_notes", Json(std::move(notes))}};
  if (report.peers.asked) out.emplace_back("peers", outcome_json(report.peers));
  return to_json(Json(std::move(out)), 2) + "\n";
}

std::string failure_reason(const Report& report) {
  std::vector<std::string> parts;
  for (const ReportLine& line : report.lines) {
    if (line.failed) parts.push_back(std::string(line.spec->name) + ": " + line.result.text);
  }
  if (parts.empty()) return "";
  std::string out = one_line("preflight failed: " + join_text(parts, "; "));
  if (out.size() > kMaxReason) out.resize(kMaxReason);
  return out;
}

std::string list_checks(bool json) {
  if (json) {
    JsonArray all;
    for (const CheckSpec& spec : check_table()) {
      all.push_back(Json(JsonObject{{"name", Json(spec.name)},
                                    {"group", Json(spec.group)},
                                    {"what", Json(spec.what)},
                                    {"why", Json(spec.why)},
                                    {"fix", Json(spec.fix)}}));
    }
    return to_json(Json(std::move(all)), 2) + "\n";
  }
  std::string out;
  std::string_view group;
  for (const CheckSpec& spec : check_table()) {
    if (spec.group != group) {
      group = spec.group;
      out += (out.empty() ? "" : "\n") + std::string(group) + "\n";
    }
    out += "  " + std::string(spec.name) + "\n    what: " + std::string(spec.what) +
           "\n    why:  " + std::string(spec.why) + "\n    fix:  " + std::string(spec.fix) + "\n";
  }
  return out;
}

}  // namespace hadal
