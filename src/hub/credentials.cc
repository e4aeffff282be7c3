#include "hub/credentials.h"

#include "base/file.h"
#include "hub/field_text.h"
#include "hub/web_address.h"
#include "net/http_message.h"

namespace hadal {
namespace {

constexpr size_t kMaxSecretFile = size_t{64} << 10;
constexpr size_t kMaxIniFile = size_t{1} << 20;

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string aws_file(const Environment& environment, const char* name, const char* file) {
  const std::string given = variable(environment, name);
  const std::string home = variable(environment, "HOME");
  const std::string path = !given.empty() ? given : home.empty() ? "" : home + "/.aws/" + file;
  if (path.empty()) return "";
  auto text = read_file(path, kMaxIniFile);
  return text.ok() ? *text : "";
}

std::string hugging_face_login(const Environment& environment) {
  const std::string home = variable(environment, "HOME");
  const std::string hf_home =
      first_given({variable(environment, "HF_HOME"), home.empty() ? "" : home + "/.cache/huggingface"});
  const std::string path =
      first_given({variable(environment, "HF_TOKEN_PATH"), hf_home.empty() ? "" : hf_home + "/token"});
  if (path.empty()) return "";
  auto token = read_secret_file(path);
  return token.ok() ? *token : "";
}

}  // namespace

std::string variable(const Environment& environment, const std::string& name) {
  const auto at = environment.find(name);
  return at == environment.end() ? "" : at->second;
}

Result<std::string> read_secret_file(const std::string& path) {
  HADAL_ASSIGN(const std::string text, read_file(path, kMaxSecretFile));
  const std::string secret(trim(text));
  if (secret.empty()) return invalid_argument(path, " is empty: it should hold a secret");
  if (!is_header_value(secret)) return invalid_argument(path, " should hold one line with a secret");
  return secret;
}

Result<std::string> find_token(const HubConfig& config, const Environment& environment, ModelRef::Kind kind) {
  if (!config.token_file.empty()) return read_secret_file(config.token_file);
  std::string token;
  if (kind == ModelRef::Kind::kHuggingFace) {
    token = first_given({variable(environment, "HF_TOKEN"), variable(environment, "HUGGING_FACE_HUB_TOKEN")});
    if (token.empty()) token = hugging_face_login(environment);
  }
  if (kind == ModelRef::Kind::kModelScope) token = variable(environment, "MODELSCOPE_API_TOKEN");
  token = trim(token);
  if (!is_header_value(token))
    return invalid_argument("the token in the environment is not one line of text");
  return token;
}

void find_network(HubConfig& config, const Environment& environment) {
  config.ca_file =
      first_given({config.ca_file, variable(environment, "CURL_CA_BUNDLE"),
                   variable(environment, "SSL_CERT_FILE"), variable(environment, "REQUESTS_CA_BUNDLE")});
  // A lower-case variable comes first, as everywhere.
  if (variable(environment, "http_proxy").empty() && variable(environment, "all_proxy").empty())
    config.http_proxy = variable(environment, "HTTP_PROXY");
}

std::string ini_value(std::string_view text, std::string_view section, std::string_view key) {
  bool inside = false;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      inside = line.ends_with(']') && trim(line.substr(1, line.size() - 2)) == section;
      continue;
    }
    const size_t equals = line.find('=');
    if (inside && equals != std::string_view::npos && trim(line.substr(0, equals)) == key)
      return std::string(trim(line.substr(equals + 1)));
  }
  return "";
}

Result<S3Access> find_s3_access(const HubConfig& config, const Environment& environment) {
  S3Access access;
  const std::string profile =
      first_given({config.profile, variable(environment, "AWS_PROFILE"), std::string("default")});
  const std::string keys = aws_file(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
  const std::string settings = aws_file(environment, "AWS_CONFIG_FILE", "config");
  const std::string section = profile == "default" ? profile : "profile " + profile;
  const auto from_files = [&](std::string_view key) {
    return first_given({ini_value(keys, profile, key), ini_value(settings, section, key)});
  };
  AwsCredentials& own = access.credentials;
  own = {variable(environment, "AWS_ACCESS_KEY_ID"), variable(environment, "AWS_SECRET_ACCESS_KEY"),
         variable(environment, "AWS_SESSION_TOKEN")};
  if (own.access_key.empty() || own.secret_key.empty() || !config.profile.empty()) {
    own = {from_files("aws_access_key_id"), from_files("aws_secret_access_key"),
           from_files("aws_session_token")};
    if (own.access_key.empty() && !config.profile.empty()) {
      return invalid_argument("--profile ", config.profile,
                              ": no access key under that name in ~/.aws/credentials");
    }
  }
  access.region = first_given({config.region, variable(environment, "AWS_REGION"),
                               variable(environment, "AWS_DEFAULT_REGION"), from_files("region"),
                               std::string("us-east-1")});
  if (access.region.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") !=
      std::string::npos)
    return invalid_argument("\"", access.region, "\" is no region");
  const std::string endpoint =
      first_given({config.endpoint, variable(environment, "AWS_ENDPOINT_URL_S3"),
                   variable(environment, "AWS_ENDPOINT_URL"), from_files("endpoint_url")});
  access.path_style = config.path_style || !endpoint.empty();
  std::string user_info;
  const bool china = access.region.starts_with("cn-");
  HADAL_ASSIGN(access.endpoint,
               without_user_info(!endpoint.empty() ? endpoint
                                                   : "https://s3." + access.region + ".amazonaws.com" +
                                                         (china ? ".cn" : ""),
                                 user_info));
  while (access.endpoint.ends_with('/')) access.endpoint.pop_back();
  return access;
}

}  // namespace hadal
