#include "deploy/engine_flags.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

using enum EngineSetting;

struct FlagCase {
  EngineDialect dialect;
  std::string_view word;
  EngineSetting setting;
  std::string_view name;
};

TEST(EngineFlags, FindsEverySpellingOfASetting) {
  for (const FlagCase& c : {
           FlagCase{EngineDialect::kVllm, "--tensor_parallel_size=2", kTensorParallel,
                    "--tensor-parallel-size"},
           FlagCase{EngineDialect::kVllm, "-tp", kTensorParallel, "-tp"},
           FlagCase{EngineDialect::kVllm, "-tp=2", kTensorParallel, "-tp"},
           FlagCase{EngineDialect::kVllm, "-pp", kPipelineParallel, "-pp"},
           FlagCase{EngineDialect::kVllm, "-dp", kDataParallel, "-dp"},
           FlagCase{EngineDialect::kVllm, "--served_model_name", kServedName, "--served-model-name"},
           FlagCase{EngineDialect::kVllm, "--max_model_len", kContextLength, "--max-model-len"},
           FlagCase{EngineDialect::kVllm, "--tensor_par", kTensorParallel, "--tensor-parallel-size"},
           FlagCase{EngineDialect::kDynamoVllm, "--max-model", kContextLength, "--max-model-len"},
           FlagCase{EngineDialect::kSglang, "--tensor-parallel=2", kTensorParallel, "--tensor-parallel-size"},
           FlagCase{EngineDialect::kSglang, "--tp-s", kTensorParallel, "--tp-size"},
           FlagCase{EngineDialect::kDynamoSglang, "--tp", kTensorParallel, "--tp"},
           FlagCase{EngineDialect::kSglang, "--nccl-init-addr", kMeeting, "--nccl-init-addr"},
           FlagCase{EngineDialect::kTrtllm, "--tp_size", kTensorParallel, "--tp_size"},
           FlagCase{EngineDialect::kTrtllm, "--moe_expert_parallel_size=4", kExpertParallel,
                    "--moe_expert_parallel_size"},
           FlagCase{EngineDialect::kDynamoTrtllm, "--tensor-parallel", kTensorParallel,
                    "--tensor-parallel-size"},
           FlagCase{EngineDialect::kHadal, "--tp-size", kTensorParallel, "--tp-size"},
       }) {
    const EngineFlag flag = find_engine_flag(c.dialect, c.word);
    EXPECT_EQ(flag.setting, c.setting) << c.word;
    EXPECT_EQ(flag.name, c.name) << c.word;
    EXPECT_TRUE(flag.taken) << c.word;
  }
}

TEST(EngineFlags, LeavesOtherWordsAlone) {
  for (const auto& [dialect, word] : {
           std::pair(EngineDialect::kVllm, "--enable-prefix-caching"),
           std::pair(EngineDialect::kVllm, "--max"),        // many: argparse refuses it
           std::pair(EngineDialect::kVllm, "--tokenizer"),  // itself a flag
           std::pair(EngineDialect::kVllm, "-1"),
           std::pair(EngineDialect::kVllm, "-"),
           std::pair(EngineDialect::kVllm, "--"),
           std::pair(EngineDialect::kVllm, "-p"),  // -pp or -pcp
           std::pair(EngineDialect::kVllm, "tp"),
           std::pair(EngineDialect::kVllm, "--hf-overrides.tensor_parallel_size"),
           std::pair(EngineDialect::kSglang, "--model-impl"),
           std::pair(EngineDialect::kSglang, "--chunked-prefill-size=4096"),
           std::pair(EngineDialect::kTrtllm, "--tensor"),  // click completes nothing
           std::pair(EngineDialect::kHadal, "--tens"),
           std::pair(EngineDialect::kHadal, ""),
       }) {
    EXPECT_EQ(find_engine_flag(dialect, word).setting, kNone) << word;
  }
}

TEST(EngineFlags, SaysWhichSpellingsTheEngineDoesNotTake) {
  EXPECT_FALSE(find_engine_flag(EngineDialect::kSglang, "--tp_size").taken);
  EXPECT_FALSE(find_engine_flag(EngineDialect::kTrtllm, "--tp-size=2").taken);
  EXPECT_TRUE(find_engine_flag(EngineDialect::kDynamoVllm, "--tensor_parallel_size").taken);
  EXPECT_TRUE(find_engine_flag(EngineDialect::kSglang, "--tensor-par").abbreviated);
  EXPECT_FALSE(find_engine_flag(EngineDialect::kSglang, "--tensor-parallel-size").abbreviated);
}

TEST(EngineFlags, NamesTheSpecsField) {
  EXPECT_EQ(setting_field(kTensorParallel), "engine.tensorParallel");
  EXPECT_EQ(setting_field(kHeadless), "");
  EXPECT_FALSE(known_engine_flags(EngineDialect::kVllm).empty());
  EXPECT_TRUE(known_engine_flags(EngineDialect::kSglang).empty());
}

}  // namespace
}  // namespace hadal
