#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/temp_dir.h"
#include "weights/safetensors_writer.h"
#include "weights/tensor_table.h"

namespace hadal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Writer = SafetensorsWriter;

Writer sample() {
  Writer w;
  w.add("a", "F32", {2, 3}, Writer::count_up<float>(6));
  w.add("b", "BF16", {4}, std::string(8, 'b'));
  w.add("c", "F8_E4M3", {3}, "xyz");
  w.add("d", "F64", {1}, std::string(8, 'd'));
  return w;
}

class SafetensorsTest : public ::testing::Test {
 protected:
  Result<TensorTable> open(const std::string& bytes) {
    return read_safetensors_file(dir_.write("m.safetensors", bytes));
  }
  std::string error(const std::string& bytes) {
    auto table = open(bytes);
    EXPECT_FALSE(table.ok());
    if (table.ok()) return "";
    EXPECT_THAT(table.error().message, HasSubstr("m.safetensors"));
    return table.error().message;
  }
  std::string entry_error(std::string_view dtype, const std::vector<int64_t>& shape, int64_t begin,
                          int64_t end, size_t data = 16) {
    return error(Writer().add_entry("t", dtype, shape, begin, end).add_data(std::string(data, 0)).bytes());
  }
  std::string directory_error() {
    auto table = read_safetensors_directory(dir_.path());
    EXPECT_FALSE(table.ok());
    return table.ok() ? "" : table.error().message;
  }
  TempDir dir_;
};

TEST_F(SafetensorsTest, ReadsEntries) {
  auto table = open(sample().bytes());
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(table->entries.size(), 4u);
  const TensorEntry* a = table->find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_THAT(a->shape, ElementsAre(2, 3));
  EXPECT_EQ(a->dtype, DType::kF32);
  EXPECT_EQ(a->range.num_bytes, 24u);
  EXPECT_EQ(table->find("b")->range.offset, a->range.offset + 24);
  EXPECT_EQ(table->find("c")->dtype, DType::kF8E4M3);
  // Known, but not a type hadal computes with: an error only when it is read.
  EXPECT_FALSE(table->find("d")->dtype.has_value());
  EXPECT_EQ(table->find("d")->dtype_text, "F64");
  EXPECT_TRUE(open(Writer().bytes()).ok());
  EXPECT_TRUE(open(Writer().add("empty", "F32", {0, 3}, "").add("scalar", "F32", {}, "1234").bytes()).ok());
}

TEST_F(SafetensorsTest, TruncatedAtEveryByteIsAnError) {
  const std::string whole = sample().bytes();
  for (size_t size = 0; size < whole.size(); ++size) {
    auto table = open(whole.substr(0, size));
    ASSERT_FALSE(table.ok()) << size;
    EXPECT_THAT(table.error().message, HasSubstr("m.safetensors"));
  }
  EXPECT_THAT(error(whole + "x"), HasSubstr("cover"));
}

TEST_F(SafetensorsTest, CorruptedBytesNeverCrash) {
  const std::string whole = sample().bytes();
  std::mt19937_64 random(3);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0x00, 0x7f, 0xff, int{'"'}, int{'9'}, static_cast<int>(random() & 0xff)}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(value);
      auto table = open(bytes);
      if (!table.ok()) continue;
      for (const TensorEntry& entry : table->entries) {
        EXPECT_LE(entry.range.offset + entry.range.num_bytes, bytes.size());
      }
    }
  }
}

TEST_F(SafetensorsTest, RefusesBadHeaders) {
  const auto with = [](std::string_view header) { return Writer::with_header(header, ""); };
  EXPECT_THAT(error(Writer::raw(~uint64_t{0}) + "{}"), HasSubstr("claims"));
  EXPECT_THAT(error(Writer::raw(uint64_t{1} << 40) + "{}"), HasSubstr("claims"));
  EXPECT_THAT(error(with("{")), HasSubstr("not JSON"));
  EXPECT_THAT(error(with("[]")), HasSubstr("not a JSON object"));
  EXPECT_THAT(error(with(std::string(1000, '['))), HasSubstr("not JSON"));
  EXPECT_THAT(error(with(R"({"t":1})")), HasSubstr("\"t\""));
  EXPECT_THAT(error(with(R"({"t":{"dtype":"F32","shape":[1]}})")), HasSubstr("data_offsets"));
  EXPECT_THAT(error(with(R"({"t":{"dtype":7,"shape":[1],"data_offsets":[0,4]}})")), HasSubstr("dtype"));
  EXPECT_THAT(error(with(R"({"t":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})")), HasSubstr("shape"));
  EXPECT_THAT(error(with(R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})")),
              HasSubstr("data_offsets"));
  EXPECT_THAT(error(with(R"({"":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})")), HasSubstr("name"));
}

TEST_F(SafetensorsTest, RefusesBadExtents) {
  EXPECT_THAT(entry_error("F32", {4}, 0, 15), HasSubstr("does not fill"));
  EXPECT_THAT(entry_error("F32", {-4}, 0, 16), HasSubstr("shape"));
  EXPECT_THAT(entry_error("F32", {int64_t{1} << 62, 8}, 0, 16), HasSubstr("shape"));
  EXPECT_THAT(entry_error("F64", {(int64_t{1} << 61) + 2}, 0, 16), HasSubstr("does not fill"));
  EXPECT_THAT(entry_error("F32", {1, 1, 1, 1, 1, 1, 1, 1, 4}, 0, 16), HasSubstr("dimensions"));
  EXPECT_THAT(entry_error("F32", {4}, 16, 0), HasSubstr("data_offsets"));
  EXPECT_THAT(entry_error("F32", {4}, -16, 0), HasSubstr("data_offsets"));
  EXPECT_THAT(entry_error("F32", {4}, 0, 16, 8), HasSubstr("past the end"));
  EXPECT_THAT(entry_error("F32", {4}, 4, 20), HasSubstr("gap"));
  EXPECT_THAT(entry_error("F32", {2}, 0, 8), HasSubstr("cover"));
  EXPECT_THAT(error(Writer()
                        .add_entry("one", "F32", {4}, 0, 16)
                        .add_entry("two", "F32", {2}, 8, 16)
                        .add_data(std::string(16, 0))
                        .bytes()),
              HasSubstr("\"two\" begins at 8, inside"));
}

// Whether its data lies apart, in the same place, or is empty; and however the name is spelled.
TEST_F(SafetensorsTest, RefusesANameWrittenTwice) {
  EXPECT_THAT(error(Writer().add("t", "F32", {1}, "1234").add("t", "F32", {1}, "1234").bytes()),
              HasSubstr("two tensors are named \"t\""));
  EXPECT_THAT(error(Writer().add("a", "F32", {1}, "1234").add_entry("a", "F32", {1}, 0, 4).bytes()),
              HasSubstr("two tensors are named \"a\""));
  EXPECT_THAT(error(Writer()
                        .add("a\"b", "F32", {0}, "")
                        .add("c", "F32", {1}, "1234")
                        .add("a\"b", "F32", {0}, "")
                        .bytes()),
              HasSubstr("two tensors are named"));
  EXPECT_THAT(error(Writer::with_header(R"({"t":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},
      "\u0074":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
                                        "")),
              HasSubstr("two tensors are named \"t\""));
  // The same words as values, or further in, are no names.
  EXPECT_TRUE(open(Writer::with_header(R"({"__metadata__":{"t":"t","dtype":"t"},
      "t":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},
      "dtype":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
                                       ""))
                  .ok());
}

TEST_F(SafetensorsTest, ReadsShards) {
  dir_.write("x-1.safetensors",
             Writer().add("a", "F32", {1}, "1234").add("unlisted", "F32", {1}, "abcd").bytes());
  dir_.write("x-2.safetensors", Writer().add("b", "F32", {2}, "12345678").bytes());
  dir_.write("model.safetensors.index.json",
             R"({"metadata":{},"weight_map":{"a":"x-1.safetensors","b":"x-2.safetensors"}})");
  auto table = read_safetensors_directory(dir_.path());
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(table->entries.size(), 2u);
  EXPECT_EQ(table->paths[table->find("b")->range.file], dir_.file("x-2.safetensors"));
}

TEST_F(SafetensorsTest, NamesWhatIsWrongWithAnIndex) {
  const auto index = [&](std::string_view text) { dir_.write("model.safetensors.index.json", text); };
  dir_.write("x-1.safetensors", Writer().add("a", "F32", {1}, "1234").bytes());
  index("{");
  EXPECT_THAT(directory_error(), HasSubstr("index.json"));
  index("{}");
  EXPECT_THAT(directory_error(), HasSubstr("weight_map"));
  index(R"({"weight_map":{"a":"x-1.safetensors","b":"x-2.safetensors"}})");
  EXPECT_THAT(directory_error(), HasSubstr("x-2.safetensors is missing"));
  index(R"({"weight_map":{"a":"x-1.safetensors","b":"x-1.safetensors"}})");
  EXPECT_THAT(directory_error(), HasSubstr("does not hold tensor \"b\""));
  for (const char* file : {"../x.safetensors", "/etc/passwd", "sub/x.safetensors", "x.bin", "", ".."}) {
    index(std::string(R"({"weight_map":{"a":")") + file + "\"}}");
    EXPECT_THAT(directory_error(), HasSubstr("beside the index")) << file;
  }
  index(R"({"weight_map":{"a":3}})");
  EXPECT_THAT(directory_error(), HasSubstr("beside the index"));
}

TEST_F(SafetensorsTest, RefusesAnIndexThatNamesATensorTwice) {
  const auto index = [&](std::string_view text) { dir_.write("model.safetensors.index.json", text); };
  dir_.write("x-1.safetensors", Writer().add("a", "F32", {1}, "1234").add("b", "F32", {1}, "1234").bytes());
  dir_.write("x-2.safetensors", Writer().add("a", "F32", {1}, "abcd").bytes());
  const std::string name = "model.safetensors.index.json: ";
  index(
      R"({"metadata":{"a":"a"},"weight_map":{"a":"x-1.safetensors","b":"x-1.safetensors","a":"x-2.safetensors"}})");
  EXPECT_THAT(directory_error(), HasSubstr(name + "tensor \"a\" is twice in \"weight_map\""));
  index(R"({"weight_map" : {"a":"x-1.safetensors","\u0061":"x-1.safetensors"}})");
  EXPECT_THAT(directory_error(), HasSubstr(name + "tensor \"a\" is twice"));
  index(R"({"weight_map":{"b":"x-1.safetensors"},"weight_map":{"a":"x-2.safetensors"}})");
  EXPECT_THAT(directory_error(), HasSubstr(name + "\"weight_map\" is there twice"));
  // Elsewhere names may come as often as they like.
  index(R"({"weight_map":{"a":"x-1.safetensors"},"x":{"a":1,"a":2,"weight_map":{"a":1}},"a":1,"a":2})");
  EXPECT_TRUE(read_safetensors_directory(dir_.path()).ok());
}

TEST_F(SafetensorsTest, SaysWhatADirectoryLacks) {
  EXPECT_THAT(directory_error(), HasSubstr("model.safetensors"));
  dir_.write("pytorch_model.bin", "PK");
  EXPECT_THAT(directory_error(), HasSubstr("pickle"));
  dir_.write("one.safetensors", Writer().add("a", "F32", {1}, "1234").bytes());
  EXPECT_TRUE(read_safetensors_directory(dir_.path()).ok());
  dir_.write("two.safetensors", Writer().add("a", "F32", {1}, "1234").bytes());
  EXPECT_THAT(directory_error(), HasSubstr("2 .safetensors files but no model.safetensors.index.json"));
}

}  // namespace
}  // namespace hadal
