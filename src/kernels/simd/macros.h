// For code that is compiled once per instruction-set tier.
#pragma once

#define HADAL_VEC __attribute__((always_inline)) static inline

// Unrolls the following constant loop, so that its arrays of vectors live in registers.
#if defined(__clang__)
#define HADAL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define HADAL_UNROLL _Pragma("GCC unroll 16")
#endif
