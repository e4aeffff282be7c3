// RmsNorm: root-mean-square normalisation (1910.07467) with a learned weight. Owned by its layer; worker
// thread only.
#pragma once

#include <string>

#include "kernels/op/elementwise.h"
#include "layers/load_context.h"
#include "layers/parameter.h"

namespace hadal {

class RmsNorm {
 public:
  RmsNorm() = default;
  // Reads `name` + ".weight" [n].
  static Result<RmsNorm> load(const LoadContext& load, const std::string& name, int64_t n, double eps) {
    RmsNorm out;
    HADAL_ASSIGN(const std::vector<float> weight, load.source.read_f32(name + ".weight", n));
    HADAL_ASSIGN(out.weight_, Parameter::make(weight, {n}));
    out.eps_ = static_cast<float>(eps);
    return out;
  }
  // x, y: f32 [T, n], rows may be strided; y may be x.
  void forward(OpContext& ctx, const Tensor& x, const Tensor& y) const {
    rms_norm(ctx, x, weight_.tensor(), eps_, y);
  }
  int64_t num_bytes() const { return weight_.num_bytes(); }

 private:
  Parameter weight_;
  float eps_ = 1e-6f;
};

}  // namespace hadal
