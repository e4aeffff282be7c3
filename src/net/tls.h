// TLS set-up shared by server and client. Internal to net/: includes Asio.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "base/result.h"

namespace hadal {

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

// TLS 1.2 and later, with this certificate chain and key (PEM). Errors: kInvalidArgument naming the file.
Result<TlsContext> make_server_tls(const std::string& cert_file, const std::string& key_file);
// Verifies the peer against the system's roots or `ca_file`; not at all with `insecure`.
Result<TlsContext> make_client_tls(const std::string& ca_file, bool insecure);

}  // namespace hadal
