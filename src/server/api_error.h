// ApiError: a refusal in OpenAI's shape: {"error": {"message", "type", "param", "code"}} with an HTTP status.
// Values; any thread.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "net/http_message.h"

namespace hadal {

struct ApiError {
  int status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::optional<std::string> param;
  std::optional<std::string> code;
};

// 400 about one parameter.
ApiError invalid_param(std::string param, std::string message, std::string code);
// The status and type that house rules give each ErrorCode.
ApiError to_api_error(const Error& error);
// type and code for a bare HTTP status (404, 405, 413, ...).
ApiError http_api_error(int status, std::string message);

std::string api_error_body(const ApiError& error);
// With Content-Type, and Retry-After where the status calls for it.
HttpResponse api_error_response(const ApiError& error, int retry_after_seconds);

}  // namespace hadal
