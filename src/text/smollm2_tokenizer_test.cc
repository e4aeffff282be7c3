// SmolLM2's real vocabulary against Hugging Face's tokenizer over it (tools/golden/make_smollm2_goldens.py).
// HADAL_TEST_MODEL names the GGUF file; scripts/test fetches it.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace hadal {
namespace {

TEST(SmolLm2Tokenizer, IdsEqualHuggingFaceAndDecodeToTheText) {
  const char* path = std::getenv("HADAL_TEST_MODEL");
  if (path == nullptr || !path_exists(path)) GTEST_SKIP() << "HADAL_TEST_MODEL names no file";
  auto file = GgufFile::open(path);
  ASSERT_TRUE(file.ok()) << file.error().message;
  auto tokenizer = Tokenizer::from_gguf(**file);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  ASSERT_EQ((*tokenizer)->vocab_size(), 49152) << "HADAL_TEST_MODEL is not SmolLM2";
  auto text = read_file(HADAL_SOURCE_DIR "/src/text/testdata/smollm2.golden.json");
  ASSERT_TRUE(text.ok());
  auto cases = parse_json(*text);
  ASSERT_TRUE(cases.ok());
  ASSERT_GT(cases->as_array().size(), 300u);
  size_t num_ids = 0;
  for (const Json& golden : cases->as_array()) {
    std::vector<int32_t> want;
    for (const Json& id : golden.find("ids")->as_array()) want.push_back(static_cast<int32_t>(id.as_int()));
    const std::string& document = golden.find("text")->as_string();
    EXPECT_EQ((*tokenizer)->encode(document, {.add_special_tokens = false}), want) << document;
    const Json* decoded = golden.find("decoded");  // the vocabulary lacks some control characters
    EXPECT_EQ((*tokenizer)->decode(want, false), decoded == nullptr ? document : decoded->as_string());
    num_ids += want.size();
  }
  EXPECT_GT(num_ids, 10000u);
}

}  // namespace
}  // namespace hadal
