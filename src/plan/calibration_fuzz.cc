// Benchmark files, GPU expressions and SLOs of any bytes: an answer or a clear error, never a crash.
#include <string_view>

#include "base/check.h"
#include "plan/calibration.h"
#include "plan/gpus_expression.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto points = hadal::parse_calibration(text, "file", {});
  if (points.ok()) {
    HADAL_CHECK(!points->empty());
    for (const auto& point : *points) {
      HADAL_CHECK(point.load.isl > 0 && point.load.osl > 0 && point.load.concurrency >= 1);
      HADAL_CHECK(point.ttft_ms || point.tpot_ms || point.output_tokens_s);
    }
  }
  const auto gpus = hadal::parse_gpus(text);
  if (gpus.ok()) HADAL_CHECK(gpus->gpu != nullptr && gpus->count >= 1 && gpus->count <= hadal::kMaxGpus);
  const auto slo = hadal::parse_slo(text);
  if (slo.ok()) HADAL_CHECK(slo->ttft_ms > 0 && slo->tpot_ms > 0);
  return 0;
}
