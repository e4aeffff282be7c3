// HubConfig: what hadal pull and hadal push is asked to do. A value; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace hadal {

struct HubConfig {
  // pull: references. push: the directory and the s3:// address.
  std::vector<std::string> arguments;
  std::string directory;  // --to; "": ./NAME
  bool replace = false;   // what the directory holds of another model goes
  bool verify = false;    // check the directory that is the argument, fetch nothing

  std::vector<std::string> include;
  std::vector<std::string> exclude;
  bool allow_pickle = false;
  bool all_files = false;              // what is skipped by default too (but for pickles)
  std::vector<std::string> checksums;  // "HEX" of the one file, or "NAME=HEX"

  int connections = 8;
  int64_t part_bytes = int64_t{32} << 20;
  int64_t max_rate = 0;  // bytes a second; 0: no limit
  int retries = 8;       // failures in a row without a byte before a part is given up
  std::chrono::milliseconds connect_timeout{15'000};
  std::chrono::milliseconds read_timeout{30'000};
  std::string proxy;
  std::string http_proxy;  // HTTP_PROXY in capitals, which libcurl does not look at
  std::string ca_file;
  bool insecure = false;
  std::string token_file;

  std::string endpoint;  // of the hub or store
  std::string region;
  std::string profile;
  bool path_style = false;

  std::vector<std::string> seeds;  // http://node:port, or several with commas
  bool serve = false;
  std::string serve_host = "0.0.0.0";
  int serve_port = 30100;
  std::string peer_token_file;
};

}  // namespace hadal
