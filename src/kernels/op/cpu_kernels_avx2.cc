// The Avx2 tier. Compiled with that instruction set: only cpu_kernels_avx2() may be called before it is known
// to be there, and nothing but plain functions of this file may be shared with other translation units.
#include "kernels/op/attention_impl.h"
#include "kernels/op/cpu_kernels.h"
#include "kernels/op/elementwise_impl.h"
#include "kernels/simd/avx2.h"

namespace hadal {
namespace {

using E = ElementwiseImpl<Avx2>;
using S = SampleImpl<Avx2>;
using A = AttentionImpl<Avx2>;

constexpr CpuKernels kTable = {
    {E::rms_norm, E::rope, E::silu_mul, E::add, E::to_half<true>, E::to_half<false>},
    {S::max, S::find_equal, S::block_max, S::collect_ge, S::exp_weights, S::weight_ge},
    {A::partition, A::merge, A::scale}};

}  // namespace

const CpuKernels* cpu_kernels_avx2() {
  return &kTable;
}

}  // namespace hadal
