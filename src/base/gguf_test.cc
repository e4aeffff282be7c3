#include "base/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "base/gguf_writer.h"
#include "base/temp_dir.h"

namespace hadal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string floats(int count) {
  std::string data;
  for (int i = 0; i < count; ++i) data += GgufWriter::raw(static_cast<float>(i));
  return data;
}

GgufWriter sample() {
  GgufWriter writer;
  writer.add_string("general.architecture", "llama")
      .add_u32("llama.block_count", 2)
      .add_i32("minus", -5)
      .add_u64("huge", std::numeric_limits<uint64_t>::max())
      .add_u64("fits", 1u << 31)
      .add_f32("eps", 0.5f)
      .add_bool("flag", true)
      .add_strings("tokens", {"a", "", "\xff"})
      .add_i32s("types", {1, -2, 3})
      .add_f32s("scores", {0.25f, -1.0f})
      .add_tensor("matrix", GgmlType::kF32, {2, 3}, floats(6))
      .add_tensor("blocks", GgmlType::kQ4_0, {2, 64}, std::string(4 * 18, 'x'))
      .add_tensor("cube", GgmlType::kF16, {2, 3, 4}, std::string(48, 'y'));
  return writer;
}

class GgufTest : public ::testing::Test {
 protected:
  Result<std::shared_ptr<const GgufFile>> open(const std::string& bytes) {
    return GgufFile::open(dir_.write("m.gguf", bytes));
  }
  // The error's message; "" (a failure) when the file opened.
  std::string error(const std::string& bytes) {
    auto file = open(bytes);
    EXPECT_FALSE(file.ok());
    if (file.ok()) return "";
    EXPECT_THAT(file.error().message, HasSubstr("m.gguf"));
    return file.error().message;
  }
  TempDir dir_;
};

TEST_F(GgufTest, ReadsMetadataOfEveryKind) {
  auto file = open(sample().bytes());
  ASSERT_TRUE(file.ok()) << file.error().message;
  const GgufFile& gguf = **file;
  EXPECT_EQ(*gguf.get_string("general.architecture"), "llama");
  EXPECT_EQ(gguf.get_int("llama.block_count"), 2);
  EXPECT_EQ(gguf.get_int("minus"), -5);
  EXPECT_EQ(gguf.get_int("fits"), int64_t{1} << 31);
  EXPECT_EQ(gguf.get_int("huge"), std::nullopt);
  EXPECT_EQ(gguf.get_double("huge"), 18446744073709551616.0);
  EXPECT_EQ(gguf.get_double("eps"), 0.5);
  EXPECT_EQ(gguf.get_double("minus"), -5.0);
  EXPECT_EQ(gguf.get_int("eps"), std::nullopt);
  EXPECT_EQ(gguf.get_bool("flag"), true);
  EXPECT_EQ(gguf.get_bool("minus"), std::nullopt);
  EXPECT_THAT(*gguf.get_strings("tokens"), ElementsAre("a", "", "\xff"));
  EXPECT_THAT(*gguf.get_ints("types"), ElementsAre(1, -2, 3));
  EXPECT_THAT(*gguf.get_doubles("scores"), ElementsAre(0.25, -1.0));
  EXPECT_EQ(gguf.get_string("absent"), nullptr);
  EXPECT_EQ(gguf.get_ints("tokens"), nullptr);
  EXPECT_FALSE(gguf.has("absent"));
  EXPECT_TRUE(gguf.has("flag"));
}

TEST_F(GgufTest, ReadsTensorsRowMajor) {
  auto file = open(sample().bytes());
  ASSERT_TRUE(file.ok()) << file.error().message;
  ASSERT_EQ((*file)->tensors().size(), 3u);
  const GgufTensorInfo* matrix = (*file)->find_tensor("matrix");
  ASSERT_NE(matrix, nullptr);
  EXPECT_THAT(matrix->shape, ElementsAre(2, 3));
  const auto bytes = (*file)->tensor_bytes(*matrix);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), floats(6));
  EXPECT_EQ((*file)->find_tensor("blocks")->num_bytes, 72u);
  EXPECT_THAT((*file)->find_tensor("cube")->shape, ElementsAre(2, 3, 4));
  EXPECT_EQ(std::to_integer<char>((*file)->tensor_bytes(*(*file)->find_tensor("cube"))[0]), 'y');
  EXPECT_EQ((*file)->find_tensor("absent"), nullptr);
}

TEST_F(GgufTest, AcceptsVersion2AndOtherAlignments) {
  EXPECT_TRUE(open(sample().set_version(2).bytes()).ok());
  GgufWriter writer;
  writer.set_alignment(64)
      .add_tensor("a", GgmlType::kF32, {1}, floats(1))
      .add_tensor("b", GgmlType::kF32, {1}, floats(1));
  auto file = open(writer.bytes());
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ((*file)->find_tensor("a")->offset % 64, 0u);
  EXPECT_EQ((*file)->find_tensor("b")->offset, (*file)->find_tensor("a")->offset + 64);
}

TEST_F(GgufTest, TruncatedAtEveryByteIsAnError) {
  const std::string whole = sample().bytes();
  // The padding behind the last tensor may go; nothing else.
  auto file = open(whole);
  ASSERT_TRUE(file.ok());
  const GgufTensorInfo& last = (*file)->tensors().back();
  for (size_t size = 0; size < last.offset + last.num_bytes; ++size) {
    auto cut = open(whole.substr(0, size));
    ASSERT_FALSE(cut.ok()) << size;
    EXPECT_THAT(cut.error().message, HasSubstr("m.gguf"));
  }
}

TEST_F(GgufTest, CorruptedBytesNeverCrash) {
  const std::string whole = sample().bytes();
  std::mt19937_64 random(7);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0xff, static_cast<int>(random() & 0xff)}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(value);
      auto file = open(bytes);
      if (!file.ok()) continue;
      for (const GgufTensorInfo& info : (*file)->tensors()) {
        EXPECT_EQ((*file)->tensor_bytes(info).size(), info.num_bytes);
      }
    }
  }
}

TEST_F(GgufTest, RefusesWhatIsNotGguf) {
  EXPECT_THAT(error("PK\x03\x04 zip file here"), HasSubstr("does not begin with \"GGUF\""));
  EXPECT_THAT(error(""), HasSubstr("truncated"));
  EXPECT_THAT(error(sample().set_version(1).bytes()), HasSubstr("version 1"));
  EXPECT_THAT(error(sample().set_version(0x03000000).bytes()), HasSubstr("big-endian"));
  auto missing = GgufFile::open(dir_.file("none.gguf"));
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(GgufFile::open(dir_.path()).ok());
}

TEST_F(GgufTest, RefusesHugeCounts) {
  EXPECT_THAT(error(sample().set_counts(3, uint64_t{1} << 60).bytes()), HasSubstr("metadata keys"));
  EXPECT_THAT(error(sample().set_counts(uint64_t{1} << 60, 10).bytes()), HasSubstr("tensors"));
  EXPECT_THAT(error(sample().set_counts(1000, 10).bytes()), HasSubstr("m.gguf"));
  const uint64_t huge = std::numeric_limits<uint64_t>::max();
  const auto array = [](uint32_t type, uint64_t count) {
    return GgufWriter::raw(type) + GgufWriter::raw(count);
  };
  EXPECT_THAT(error(GgufWriter().add("k", 9, array(4, huge)).bytes()), HasSubstr("\"k\""));
  EXPECT_THAT(error(GgufWriter().add("k", 9, array(8, 1 << 24)).bytes()), HasSubstr("truncated"));
  EXPECT_THAT(error(GgufWriter().add("k", 9, array(9, 1)).bytes()), HasSubstr("array of arrays"));
  EXPECT_THAT(error(GgufWriter().add("k", 9, array(13, 1)).bytes()), HasSubstr("type 13"));
  EXPECT_THAT(error(GgufWriter().add("k", 99, "").bytes()), HasSubstr("type 99"));
  EXPECT_THAT(error(GgufWriter().add("k", 8, GgufWriter::raw(huge)).bytes()), HasSubstr("\"k\""));
  EXPECT_THAT(error(GgufWriter().add("k", 7, "\x02").bytes()), HasSubstr("0 or 1"));
}

TEST_F(GgufTest, RefusesDuplicates) {
  EXPECT_THAT(error(GgufWriter().add_u32("k", 1).add_u32("k", 1).bytes()), HasSubstr("\"k\" appears twice"));
  EXPECT_THAT(error(GgufWriter()
                        .add_tensor("t", GgmlType::kF32, {1}, floats(1))
                        .add_tensor("t", GgmlType::kF32, {1}, floats(1))
                        .bytes()),
              HasSubstr("\"t\" appears twice"));
}

TEST_F(GgufTest, RefusesBadTensors) {
  const auto with = [](uint32_t type, const std::vector<int64_t>& shape, uint64_t offset) {
    return GgufWriter().add_data(std::string(256, 'z')).add_tensor_at("t", type, shape, offset).bytes();
  };
  EXPECT_TRUE(open(with(0, {64}, 0)).ok());
  EXPECT_THAT(error(with(0, {65}, 0)), HasSubstr("past the end"));
  EXPECT_THAT(error(with(0, {1}, 256)), HasSubstr("past the end"));
  EXPECT_THAT(error(with(0, {1}, ~uint64_t{31})), HasSubstr("past the end"));
  EXPECT_THAT(error(with(0, {1}, 4)), HasSubstr("alignment"));
  EXPECT_THAT(error(with(0, {int64_t{1} << 62, 2}, 0)), HasSubstr("overflow"));
  EXPECT_THAT(error(with(0, {int64_t{1} << 62}, 0)), HasSubstr("64 bits"));
  EXPECT_THAT(error(with(0, {-1}, 0)), HasSubstr("dimension"));
  EXPECT_THAT(error(with(0, {0}, 0)), HasSubstr("dimension"));
  EXPECT_THAT(error(with(0, {}, 0)), HasSubstr("0 dimensions"));
  EXPECT_THAT(error(with(0, {1, 1, 1, 1, 1}, 0)), HasSubstr("5 dimensions"));
  EXPECT_THAT(error(with(2, {33}, 0)), HasSubstr("multiple of 32"));
  EXPECT_THAT(error(with(10, {256}, 0)), HasSubstr("Q2_K"));
  EXPECT_THAT(error(GgufWriter()
                        .add_data(std::string(256, 'z'))
                        .add_tensor_at("one", 0, {16}, 0)
                        .add_tensor_at("two", 0, {8}, 32)
                        .bytes()),
              HasSubstr("\"one\" and \"two\" overlap"));
  EXPECT_THAT(error(GgufWriter().add_u32("general.alignment", 24).bytes()), HasSubstr("power of two"));
  EXPECT_THAT(error(GgufWriter().add_u32("general.alignment", 0).bytes()), HasSubstr("power of two"));
}

class GgufSplitTest : public GgufTest {
 protected:
  std::string part(int no, int count, std::string_view tensor, int total = 2) {
    GgufWriter writer;
    if (no == 0) writer.add_string("general.architecture", "llama");
    writer.add_u16("split.no", static_cast<uint16_t>(no))
        .add_u16("split.count", static_cast<uint16_t>(count));
    writer.add_i32("split.tensors.count", total).add_tensor(tensor, GgmlType::kF32, {1}, floats(1));
    return writer.bytes();
  }
};

TEST_F(GgufSplitTest, OpensAllParts) {
  const std::string first = dir_.write("m-00001-of-00002.gguf", part(0, 2, "a"));
  dir_.write("m-00002-of-00002.gguf", part(1, 2, "b"));
  auto file = GgufFile::open(first);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ((*file)->files().size(), 2u);
  EXPECT_EQ((*file)->find_tensor("b")->file_index, 1u);
  EXPECT_EQ((*file)->tensor_bytes(*(*file)->find_tensor("b")).size(), 4u);
}

TEST_F(GgufSplitTest, NamesWhatIsWrong) {
  const std::string first = dir_.write("m-00001-of-00002.gguf", part(0, 2, "a"));
  const std::string second = dir_.file("m-00002-of-00002.gguf");
  EXPECT_THAT(GgufFile::open(first).error().message, HasSubstr("missing: " + second));
  dir_.write("m-00002-of-00002.gguf", part(1, 2, "a"));
  EXPECT_THAT(GgufFile::open(first).error().message, HasSubstr("\"a\" appears twice"));
  dir_.write("m-00002-of-00002.gguf", part(0, 2, "b"));
  EXPECT_THAT(GgufFile::open(first).error().message, HasSubstr("split.no must be 1"));
  dir_.write("m-00002-of-00002.gguf", part(1, 2, "b"));
  EXPECT_THAT(GgufFile::open(second).error().message, HasSubstr("first part (" + first));
  dir_.write("m-00001-of-00002.gguf", part(0, 2, "a", 3));
  EXPECT_THAT(GgufFile::open(first).error().message, HasSubstr("split.tensors.count is 3"));
  const std::string renamed = dir_.write("other.gguf", part(0, 2, "a"));
  EXPECT_THAT(GgufFile::open(renamed).error().message, HasSubstr("-00001-of-00002.gguf"));
}

TEST(GgmlTypeTraits, KnowsEveryTypeAndNoOther) {
  EXPECT_EQ(ggml_type_traits(GgmlType::kQ6_K)->block_bytes, 210);
  EXPECT_EQ(ggml_type_traits(GgmlType::kBF16)->name, "BF16");
  EXPECT_FALSE(ggml_type_traits(static_cast<GgmlType>(10)).has_value());
}

}  // namespace
}  // namespace hadal
