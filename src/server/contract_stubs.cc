// Definitions that the text and engine folders bring: linked into the dummy programs where those folders are
// not built.
#include "engine/engine_api.h"
#include "text/reasoning_parser.h"

namespace hadal {

bool ReasoningParser::prompt_opens_reasoning(std::string_view prompt) {
  const size_t open = prompt.rfind("<think>");
  return open != std::string_view::npos &&
         prompt.find_first_not_of(" \n", open + 7) == std::string_view::npos;
}

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "abort";
    case FinishReason::kDeadline:
      return "timeout";
    case FinishReason::kError:
      return "error";
  }
  return "error";
}

}  // namespace hadal
