// OpContext: what every operation is given. kernels/op/x.h declares operation x; all tensors are contiguous
// row-major and on the context's device unless the header says otherwise. Operations never allocate memory:
// scratch comes from the arena. Called from the rank's worker thread only.
#pragma once

#include "device/cpu_info.h"
#include "device/device_buffer.h"
#include "device/stream.h"
#include "device/tensor.h"

namespace hadal {

struct OpContext {
  Stream& stream;
  Arena& arena;
  // The tier kernels run at: detect_cpu().tier, or lower (tests run every tier against kScalar, the oracle).
  CpuTier cpu_tier = CpuTier::kScalar;
};

}  // namespace hadal
