// StepResult: what a step produced, on the host, after the device's copy is done. Made by rank 0's Worker.
#pragma once

#include <cstdint>
#include <vector>

namespace hadal {

struct TopLogprob {
  int32_t token = 0;
  float logprob = 0;
};

struct Sample {
  uint64_t sequence_id = 0;
  int32_t token = 0;
  float logprob = 0;            // when asked
  std::vector<TopLogprob> top;  // when asked, most likely first
  bool invalid = false;         // the model's numbers overflowed: the token means nothing
};

// Log-probabilities of prompt tokens: of the token at first_position + 1 + i given all before it.
struct PromptLogprobs {
  uint64_t sequence_id = 0;
  int32_t first_position = 0;
  std::vector<Sample> tokens;
};

struct EmbeddingResult {
  uint64_t sequence_id = 0;
  std::vector<float> values;  // hidden_size, L2-normalised by the server if asked
};

struct StepResult {
  uint64_t step_id = 0;
  std::vector<Sample> samples;  // by PlanRow::sample_index
  std::vector<PromptLogprobs> prompt_logprobs;
  std::vector<EmbeddingResult> embeddings;
  double seconds = 0;  // the step's time on the worker
};

}  // namespace hadal
