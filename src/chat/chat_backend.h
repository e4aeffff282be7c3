// ChatBackend: what `hadal chat` talks to: a server at a URL, or an engine in this process. One thread;
// answer() blocks.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/settings.h"
#include "server/served_model.h"

namespace hadal {

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct ChatTurn {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

struct ChatAnswer {
  std::string content;
  std::string reasoning;
  int prompt_tokens = 0;
  int cached_tokens = 0;
  int completion_tokens = 0;
  double first_token_seconds = 0;
  double seconds = 0;
  bool stopped = false;  // by the user
  bool cut = false;      // by a length limit
};

// Pieces of the answer as they come; either may be empty.
using ChatSink = std::function<void(const std::string& reasoning, const std::string& content)>;

class ChatBackend {
 public:
  virtual ~ChatBackend() = default;
  // "SmolLM2-135M-Instruct at http://...": the greeting.
  virtual std::string describe() const = 0;
  // stop ends the answer; what had come is returned. Errors: the server's or the engine's message.
  virtual Result<ChatAnswer> answer(const std::vector<ChatTurn>& turns, const ChatSink& sink,
                                    std::stop_token stop) = 0;
};

// What a person waits for; "": for nothing any more. Called again and again while it lasts.
using ChatNotice = std::function<void(const std::string& text)>;

// Asks GET /v1/models first, so that a wrong URL or key is an error at once. A server that is still loading
// its model is waited for, here and in answer(), ChatConfig::load_timeout at the most, with notices.
Result<std::unique_ptr<ChatBackend>> make_url_backend(const ChatConfig& config, ChatNotice notice);
// model: its engine runs already and outlives the backend.
std::unique_ptr<ChatBackend> make_local_backend(const ChatConfig& config, const ServedModel& model);

}  // namespace hadal
