// hadal deploy render and hadal deploy schema: a spec in, files out.
#include <cstdio>
#include <filesystem>
#include <string>

#include "app/commands.h"
#include "app/signals.h"
#include "base/file.h"
#include "base/json.h"
#include "deploy/emit_files.h"
#include "deploy/manifest.h"
#include "deploy/render.h"
#include "deploy/spec.h"
#include "deploy/spec_table.h"

namespace hadal {
namespace {

int fail(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  // A spec that is wrong is wrong usage; one that cannot be done is work that failed.
  return error.code == ErrorCode::kInvalidArgument ? 2 : 1;
}

bool print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

void print_finding(const Finding& finding) {
  std::string line = finding.file;
  if (finding.line > 0) line += ":" + std::to_string(finding.line) + ":" + std::to_string(finding.column);
  line += ": warning: " + finding.message;
  if (!finding.fix.empty()) line += " (" + finding.fix + ")";
  std::fprintf(stderr, "%s [%s]\n", line.c_str(), finding.rule.c_str());
}

Status write_files(const std::vector<RenderedFile>& files, const std::string& directory) {
  namespace fs = std::filesystem;
  for (const RenderedFile& file : files) {
    const fs::path path = fs::path(directory) / file.path;
    std::error_code error;
    if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
    if (error)
      return make_error(ErrorCode::kIo, "cannot make ", path.parent_path().string(), ": ", error.message());
    HADAL_RETURN_IF_ERROR(write_file(path.string(), file.text));
  }
  return {};
}

Status write_output(const DeployConfig& config, const DeploySpec& spec, const RenderResult& rendered) {
  if (config.format == "kustomize") return write_files(kustomize_files(spec, rendered), config.output);
  if (config.format == "helm") return write_files(helm_files(spec, rendered), config.output);
  const std::string text = to_manifest_yaml(rendered.objects);
  if (config.output.empty() || config.output == "-")
    return print(text) ? Status() : Status(make_error(ErrorCode::kIo, "cannot write to standard output"));
  if (config.output.ends_with("/") || is_directory(config.output))
    return write_files({{spec.name + ".yaml", text}}, config.output);
  const std::filesystem::path path(config.output);
  return write_files({{path.filename().string(), text}}, path.parent_path().string());
}

}  // namespace

int run_deploy_render(Settings settings) {
  let_signals_end_process();  // standard input may never end
  const DeployConfig& config = settings.deploy;
  const auto files = read_manifest_files(config.arguments);
  if (!files.ok()) return fail(files.error());
  if (files->size() != 1) {
    return fail(invalid_argument(config.arguments[0], " holds ", files->size(), " files: name one spec"));
  }
  const auto spec = parse_deploy_spec(files->front().text, files->front().path);
  if (!spec.ok()) return fail(spec.error());
  const auto rendered = render_spec(*spec);
  if (!rendered.ok()) return fail(rendered.error());
  for (const Finding& finding : rendered->findings) print_finding(finding);
  const Status written = write_output(config, *spec, *rendered);
  if (!written.ok()) return fail(written.error());
  if (!config.output.empty() && config.output != "-") {
    std::fprintf(stderr, "%s: %zu objects\n", config.output.c_str(), rendered->objects.size());
  }
  return 0;
}

int run_deploy_schema(Settings settings) {
  const bool markdown = settings.deploy.format == "markdown";
  return print(markdown ? deploy_spec_markdown() : to_json(deploy_spec_schema(), 2) + "\n") ? 0 : 1;
}

}  // namespace hadal
