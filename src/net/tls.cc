#include "net/tls.h"

namespace hadal {
namespace ssl = boost::asio::ssl;
using boost::system::error_code;

Result<TlsContext> make_server_tls(const std::string& cert_file, const std::string& key_file) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  error_code ec;
  context->use_certificate_chain_file(cert_file, ec);
  if (ec) return invalid_argument("cannot use TLS certificate \"", cert_file, "\": ", ec.message());
  context->use_private_key_file(key_file, ssl::context::pem, ec);
  if (ec) return invalid_argument("cannot use TLS key \"", key_file, "\": ", ec.message());
  if (SSL_CTX_check_private_key(context->native_handle()) != 1) {
    return invalid_argument("TLS key \"", key_file, "\" does not belong to certificate \"", cert_file, "\"");
  }
  return context;
}

Result<TlsContext> make_client_tls(const std::string& ca_file, bool insecure) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  error_code ec;
  if (insecure) {
    context->set_verify_mode(ssl::verify_none, ec);
    return context;
  }
  context->set_verify_mode(ssl::verify_peer, ec);
  if (ca_file.empty()) {
    context->set_default_verify_paths(ec);
    if (ec) return make_error(ErrorCode::kIo, "cannot load the system's certificates: ", ec.message());
  } else {
    context->load_verify_file(ca_file, ec);
    if (ec) return invalid_argument("cannot use CA file \"", ca_file, "\": ", ec.message());
  }
  return context;
}

}  // namespace hadal
