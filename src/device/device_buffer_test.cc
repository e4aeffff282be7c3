#include "device/device_buffer.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(DeviceBuffer, IsZeroedAndAligned) {
  auto buffer = DeviceBuffer::allocate(DeviceType::kCpu, 10000);
  ASSERT_TRUE(buffer.ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % 64, 0u);
  for (size_t i = 0; i < buffer->size(); ++i) ASSERT_EQ(buffer->data()[i], std::byte{0});
}

TEST(DeviceBuffer, TooMuchIsAnError) {
  auto buffer = DeviceBuffer::allocate(DeviceType::kCpu, size_t{1} << 60);
  ASSERT_FALSE(buffer.ok());
  EXPECT_EQ(buffer.error().code, ErrorCode::kResourceExhausted);
}

TEST(Arena, ScopesGiveMemoryBack) {
  Arena arena(std::move(DeviceBuffer::allocate(DeviceType::kCpu, 1024)).value());
  (void)arena.alloc(DType::kF32, {16});
  {
    Arena::Scope scope(arena);
    (void)arena.alloc_array<double>(100);
    EXPECT_EQ(arena.used(), 64u + 832u);
  }
  EXPECT_EQ(arena.used(), 64u);
  EXPECT_EQ(arena.high_water(), 896u);
}

TEST(ArenaDeathTest, OverflowAborts) {
  Arena arena(std::move(DeviceBuffer::allocate(DeviceType::kCpu, 128)).value());
  EXPECT_DEATH(arena.alloc_bytes(129), "arena of 128 bytes");
}

}  // namespace
}  // namespace hadal
