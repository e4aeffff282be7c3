// Finding: what the validator has to say about one place of a manifest, and the fix. Values; any thread.
#pragma once

#include <string>
#include <vector>

namespace hadal {

enum class Severity { kError, kWarning, kInfo };

// Replaces bytes [begin, end) of the file by `text`.
struct TextEdit {
  size_t begin = 0;
  size_t end = 0;
  std::string text;
};

struct Finding {
  std::string rule;  // "pod/gpu-request-equals-limit"; `hadal deploy rules` describes it
  Severity severity = Severity::kError;
  std::string file;
  int line = 0;  // from 1; 0: of the file as a whole
  int column = 0;
  std::string object;           // "LeaderWorkerSet llm/deepseek-r1"; "" before there is one
  std::string path;             // "spec.leaderWorkerTemplate.size"
  std::string message;          // what is wrong
  std::string why;              // what it leads to
  std::string fix;              // what to write instead
  bool safe_fix = false;        // --fix applies the edits
  std::vector<TextEdit> edits;  // of `file`
};

}  // namespace hadal
