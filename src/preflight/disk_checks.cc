#include "preflight/disk_checks.h"

#include "base/file.h"
#include "hub/model_marker.h"
#include "preflight/disk_rate.h"
#include "preflight/host.h"
#include "preflight/model_files.h"
#include "preflight/words.h"

namespace hadal {
namespace {

constexpr size_t kSampledFiles = 16;

CheckResult no_model() {
  return not_checked("no model was named (--model)");
}

std::string cache_directory(const CheckContext& context) {
  if (!context.config.cache_dir.empty()) return context.config.cache_dir;
  for (const char* name : {"HF_HOME", "XDG_CACHE_HOME"}) {
    const std::string value = context.host.variable(name);
    if (!value.empty()) return value;
  }
  const std::string home = context.host.variable("HOME");
  return home.empty() ? "" : home + "/.cache";
}

// The directory itself, or the nearest one above it that is there.
std::string existing_part(const Host& host, std::string path) {
  while (!path.empty() && !host.exists(path))
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  return path.empty() ? "/" : path;
}

std::string cached_text(const DiskRate& rate) {
  if (rate.cached < 0.01) return "";
  return "; " + std::to_string(static_cast<int>(rate.cached * 100 + 0.5)) +
         "% of it is in the page cache, which was not measured";
}

}  // namespace

CheckResult check_model_files(const CheckContext& context) {
  if (context.config.model.empty()) return no_model();
  const auto files = look_at_model(context.host.under_root(context.config.model));
  if (!files.ok()) return fail_check(files.error().message);
  JsonObject facts{{"files", Json(static_cast<int64_t>(files->weights.size()))},
                   {"bytes", Json(files->weight_bytes)},
                   {"fingerprint", Json(files->fingerprint)}};
  if (files->weights.empty())
    return fail_check(context.config.model + " holds no weights (.safetensors, .gguf)", "", std::move(facts));
  const std::string text =
      count_text(files->weights.size(), "file") + " of weights, " + size_text(files->weight_bytes);
  if (!files->missing.empty())
    return fail_check(text + "; its index names files that are not there: " + list_text(files->missing), "",
                      std::move(facts));
  return pass(text + ", fingerprint " + files->fingerprint.substr(0, 12), std::move(facts));
}

CheckResult check_model_marker(const CheckContext& context) {
  if (context.config.model.empty()) return no_model();
  const std::string path = context.host.under_root(context.config.model);
  const std::string directory = is_directory(path) ? path : path.substr(0, path.rfind('/'));
  // A pull that has not ended, a file that is missing or has another size.
  const Status loadable = check_before_loading(directory);
  if (!loadable.ok()) return fail_check(loadable.error().message);
  const auto marker = read_marker(directory);
  if (!marker.ok()) return fail_check(marker.error().message);
  if (!marker->has_value()) {
    return not_checked("no " + std::string(kMarkerName) +
                       ": hadal pull did not fetch this model, so its digest is unknown");
  }
  const std::string revision =
      (*marker)->revision.empty() ? "" : " revision " + (*marker)->revision.substr(0, 12);
  JsonObject facts{{"source", Json((*marker)->source)},
                   {"revision", Json((*marker)->revision)},
                   {"digest", Json((*marker)->digest())}};
  const std::string text = (*marker)->source + revision + ", " + count_text((*marker)->files.size(), "file") +
                           " in their sizes, " + (*marker)->digest().substr(0, 19);
  std::vector<std::string> touched;
  if (const Status sizes = check_marker_sizes(directory, **marker, &touched); !sizes.ok())
    return fail_check(sizes.error().message);
  if (!touched.empty())
    return warn(
        text + "; times are not those of the pull, so a copy, or changed since: " + list_text(touched),
        "hadal pull checks the contents and mends them", std::move(facts));
  // Hashing hundreds of gigabytes is hadal pull's work.
  return pass(text + " (contents not hashed again)", std::move(facts));
}

CheckResult check_model_disk(const CheckContext& context) {
  if (context.config.model.empty()) return no_model();
  const auto files = look_at_model(context.host.under_root(context.config.model));
  if (!files.ok()) return not_checked(files.error().message);
  if (files->weights.empty()) return not_checked("no weights to read");
  std::vector<std::string> sample = files->weights;
  sample.resize(std::min(sample.size(), kSampledFiles));
  const auto rate = measure_read(sample, context.config.disk_time);
  if (!rate.ok()) {
    if (rate.error().code == ErrorCode::kUnavailable) return not_checked(rate.error().message);
    return fail_check(rate.error().message);
  }
  if (rate->in_memory)
    return info(rate->file_system + ": the model is in memory, there is no disk to measure");
  const double seconds = static_cast<double>(files->weight_bytes) / rate->rate();
  JsonObject facts{{"bytes_per_second", Json(rate->rate())},
                   {"load_seconds", Json(seconds)},
                   {"direct", Json(rate->direct)},
                   {"file_system", Json(rate->file_system)}};
  const std::string text =
      rate->file_system + " reads " + rate_text(rate->rate()) + " (" + size_text(rate->bytes) + " in " +
      time_text(rate->seconds) +
      (rate->direct ? ", past the page cache" : ", parts that the page cache did not hold") +
      "): all weights in " + time_text(seconds) + cached_text(*rate);
  const auto wanted = static_cast<double>(context.config.min_read_rate);
  if (wanted <= 0) return info(text, std::move(facts));
  if (rate->rate() < wanted)
    return fail_check(text + "; " + rate_text(wanted) + " asked for", "", std::move(facts));
  return pass(text, std::move(facts));
}

CheckResult check_cache_disk(const CheckContext& context) {
  const std::string wanted = cache_directory(context);
  if (wanted.empty()) return warn("no cache directory: HOME, HF_HOME and XDG_CACHE_HOME are not set");
  const std::string directory = existing_part(context.host, wanted);
  const std::string where = directory == wanted ? wanted : wanted + " (to be made in " + directory + ")";
  const Status writable = context.host.can_write(directory);
  if (!writable.ok()) return warn(where + " is not writable: " + writable.error().message);
  const auto space = context.host.space(directory);
  if (!space.ok()) return not_checked(space.error().message);
  JsonObject facts{{"directory", Json(wanted)}, {"free_bytes", Json(space->free)}};
  std::string text = where + ": " + size_text(space->free) + " free";
  const auto rate = measure_write(context.host.under_root(directory), context.config.disk_time / 2);
  if (!rate.ok()) return warn(text + "; writing fails: " + rate.error().message, "", std::move(facts));
  facts.emplace_back("write_bytes_per_second", Json(rate->rate()));
  text += ", " + rate->file_system + " writes " + rate_text(rate->rate());
  if (rate->in_memory) text += " (memory, which counts in the container's limit)";
  return pass(text, std::move(facts));
}

}  // namespace hadal
