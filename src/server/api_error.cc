#include "server/api_error.h"

#include "base/json.h"

namespace hadal {

ApiError invalid_param(std::string param, std::string message, std::string code) {
  ApiError error;
  error.message = std::move(message);
  error.param = std::move(param);
  error.code = std::move(code);
  return error;
}

ApiError http_api_error(int status, std::string message) {
  ApiError error;
  error.status = status;
  error.message = std::move(message);
  if (status == 401) error.code = "invalid_api_key";
  if (status == 408) error.code = "request_timeout";
  if (status == 413) error.code = "request_too_large";
  if (status == 415) error.code = "unsupported_media_type";
  if (status == 429) {
    error.type = "rate_limit_error";
    error.code = "queue_full";
  }
  // 501 and 505 are about what the client asked for.
  if (status >= 500 && status != 501 && status != 505) error.type = "server_error";
  if (status == 503) error.code = "service_unavailable";
  if (status == 504) error.code = "timeout";
  return error;
}

ApiError to_api_error(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
      return http_api_error(400, error.message);
    case ErrorCode::kUnauthenticated:
      return http_api_error(401, error.message);
    case ErrorCode::kPermissionDenied:
      return http_api_error(403, error.message);
    case ErrorCode::kNotFound:
      return http_api_error(404, error.message);
    case ErrorCode::kTooLarge:
      return http_api_error(413, error.message);
    case ErrorCode::kResourceExhausted:
      return http_api_error(429, error.message);
    case ErrorCode::kCancelled:
    case ErrorCode::kUnavailable:
      return http_api_error(503, error.message);
    case ErrorCode::kDeadlineExceeded:
      return http_api_error(504, error.message);
    case ErrorCode::kDataLoss:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      return http_api_error(500, error.message);
  }
  return http_api_error(500, error.message);
}

std::string api_error_body(const ApiError& error) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("error").begin_object();
  json.member("message", error.message).member("type", error.type).key("param");
  if (error.param) {
    json.value(*error.param);
  } else {
    json.null();
  }
  json.key("code");
  if (error.code) {
    json.value(*error.code);
  } else {
    json.null();
  }
  json.end_object().end_object();
  return out;
}

HttpResponse api_error_response(const ApiError& error, int retry_after_seconds) {
  HttpResponse response;
  response.status = error.status;
  response.headers.add("Content-Type", "application/json");
  if (error.status == 429 || error.status == 503) {
    response.headers.add("Retry-After", std::to_string(retry_after_seconds));
  }
  if (error.status == 401) response.headers.add("WWW-Authenticate", "Bearer");
  response.body = api_error_body(error);
  return response;
}

}  // namespace hadal
