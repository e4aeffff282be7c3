// Where tokens and keys come from: the environment, files, ~/.aws. Nothing of them is ever printed. Functions
// over settings; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "config/settings.h"
#include "hub/model_ref.h"
#include "hub/sigv4.h"

namespace hadal {

// The token for a hub or a web server: --token-file first, then the kind's variables, for Hugging Face also
// the file that its own login writes. "": none. Errors: kNotFound and others about --token-file.
Result<std::string> find_token(const HubConfig& config, const Environment& environment, ModelRef::Kind kind);

// An object store: where it is and who we are there.
struct S3Access {
  AwsCredentials credentials;  // empty: requests are not signed (public buckets)
  std::string region;
  std::string endpoint;  // "https://s3.us-east-1.amazonaws.com"; no slash at its end
  bool path_style = false;
};
// Errors: kInvalidArgument (endpoint, a profile that is not there).
Result<S3Access> find_s3_access(const HubConfig& config, const Environment& environment);

// Certificates and proxies of the environment, where no flag names them: ca_file (the variables that curl,
// OpenSSL and Python's requests know) and http_proxy (in capitals; libcurl looks at the others itself).
void find_network(HubConfig& config, const Environment& environment);

// The value of `key` in section [name] of an ini file's text; "": none.
std::string ini_value(std::string_view text, std::string_view section, std::string_view key);
// A file that holds one line with a secret.
Result<std::string> read_secret_file(const std::string& path);

std::string variable(const Environment& environment, const std::string& name);

}  // namespace hadal
