// Signs requests read from standard input, one JSON object a line, and prints the fields to send, one JSON
// object a line: for tests/python/test_s3.py, which compares them with another signer's.
#include <cstdio>
#include <iostream>
#include <string>

#include "base/json.h"
#include "hub/sigv4.h"

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto json = hadal::parse_json(line);
    if (!json.ok()) return 1;
    const auto text = [&](std::string_view key) { return json->find(key)->as_string(); };
    hadal::SigningRequest request;
    request.method = text("method");
    request.host = text("host");
    request.path = text("path");
    request.payload_sha256 = text("payload");
    for (const hadal::Json& pair : json->find("query")->as_array())
      request.query.emplace_back(pair.as_array()[0].as_string(), pair.as_array()[1].as_string());
    for (const auto& [name, value] : json->find("headers")->as_object())
      request.headers.add(name, value.as_string());
    const hadal::AwsCredentials credentials{text("access"), text("secret"), text("token")};
    hadal::JsonObject out;
    const auto fields = hadal::sign_v4(request, credentials, text("region"), "s3", text("date"));
    for (const auto& [name, value] : fields.fields()) out.emplace_back(name, hadal::Json(value));
    out.emplace_back("url", hadal::Json("http://" + request.host + hadal::s3_path(request.path) + "?" +
                                        hadal::s3_query(request.query)));
    std::cout << hadal::to_json(hadal::Json(std::move(out))) << "\n";
  }
  return 0;
}
